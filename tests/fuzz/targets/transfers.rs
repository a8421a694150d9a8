//! File transfers, by what both sides say.

use hrec::event::Fact;
use hrec::format::transfer::{Follower, PENDING_MAX, Side};

use super::Choices;

/// What is followed, by the input's first byte.
const COMMANDS: [&str; 4] = ["internal-sftp", "scp -r -p -t x", "scp -r -f x y/z", "scp -t x; sh"];

/// A number for the command; then pieces, as `tests/transfer/relay.py` writes
/// them: the side in a byte, the length in four, and the bytes.
pub fn transfer(input: &[u8]) {
    let mut choices = Choices(input);
    let command = COMMANDS[usize::from(choices.byte()) % COMMANDS.len()];
    let mut pieces = Vec::new();
    while !choices.0.is_empty() {
        let side = if choices.byte() & 1 == 0 { Side::Client } else { Side::Server };
        let length = choices.number() as usize;
        pieces.push((side, choices.bytes(length)));
    }
    let facts = follow(command, pieces.iter().copied());
    for most in [1, 3, 64] {
        let cut = pieces.iter().flat_map(|(side, bytes)| bytes.chunks(most).map(|b| (*side, b)));
        assert_eq!(follow(command, cut), facts, "in pieces of {most} bytes");
    }
    for fact in facts {
        assert_eq!(fact.kind, "transfer");
        for field in ["proto", "op", "path", "to", "dir", "size", "sha256", "status"] {
            assert!(fact.fields.contains_key(field), "{field} is missing");
        }
    }
}

fn follow<'a>(command: &str, pieces: impl Iterator<Item = (Side, &'a [u8])>) -> Vec<Fact> {
    let mut follower = Follower::of(command.as_ref()).expect("it is followed");
    let (mut facts, mut taken) = (Vec::new(), 0);
    for (side, bytes) in pieces {
        follower.feed(side, bytes, &mut facts);
        let mut behind = 0;
        for range in follower.taken() {
            assert!(behind <= range.start && range.start <= range.end && range.end <= bytes.len());
            behind = range.end;
            taken += range.len() as u64;
        }
        assert!(follower.pending() <= PENDING_MAX, "{} bytes are kept", follower.pending());
    }
    follower.finish(&mut facts);
    // Nothing that is left to it goes without a digest.
    let hashed = |fact: &Fact| {
        let of = if fact.fields["sha256"].is_null() { "passed" } else { "size" };
        fact.fields.get(of).and_then(serde_json::Value::as_u64).unwrap_or(0)
    };
    assert!(taken <= facts.iter().map(hashed).sum());
    facts
}
