//! Each decoder against its corpus and mutations of it: the fuzz targets of
//! `tests/fuzz`, for a bounded number of cases, on stable Rust and always the
//! same ones.
//!
//! `HREC_FUZZ_CASES` and `HREC_FUZZ_SEED` make it more, or others. To search
//! with coverage as a guide: `tests/fuzz/run`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

/// The committed corpus, in the same order everywhere.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut files: Vec<_> =
        std::fs::read_dir(&dir).expect(name).map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", dir.display());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// What most parsers get wrong somewhere.
const TOKENS: &[&[u8]] = &[
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\n",
    b"\r\n",
    b"\x1b[",
    b"\x9b",
    b"\xe2\x82",
    b"\"",
    b"\\u",
    b"\\ud800",
    b"1e300",
    b"-1",
    b"NaN",
    b"[[[[",
    b"]",
    b"{",
    b"\xef\xbf\xbd",
    b"65535x65535",
    b"#",
    b"-> ",
];

fn mutated(rng: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = seeds.choose(rng).unwrap().clone();
    for _ in 0..rng.gen_range(1..=6) {
        let at = rng.gen_range(0..=input.len());
        let length = rng.gen_range(0..=(input.len() - at).min(40));
        match rng.gen_range(0..8) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..at + length)),
            2 => drop(input.splice(at..at, TOKENS.choose(rng).unwrap().iter().copied())),
            3 => {
                let copy = input[at..at + length].to_vec();
                drop(input.splice(at..at, copy));
            }
            4 => {
                let other = seeds.choose(rng).unwrap();
                let from = rng.gen_range(0..=other.len());
                drop(input.splice(at.., other[from..].iter().copied()));
            }
            5 if at < input.len() => input[at] = rng.r#gen(),
            6 if at < input.len() => {
                input[at] = input[at].wrapping_add(rng.gen_range(0..3)).wrapping_sub(1)
            }
            _ if at < input.len() => input[at] ^= 1 << rng.gen_range(0..8),
            _ => input.push(rng.r#gen()),
        }
    }
    input.truncate(16 * 1024);
    input
}

fn fuzz(name: &str) {
    let target = targets::ALL.iter().find(|target| target.0 == name).expect(name).1;
    let (seed, cases) = (number("HREC_FUZZ_SEED", 1), number("HREC_FUZZ_CASES", 1500));
    let seeds = corpus(name);
    let check = |what: String, input: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            panic!(
                "{name}, {what} (HREC_FUZZ_SEED={seed}): {:?}",
                input.escape_ascii().to_string()
            );
        }
    };
    for (number, input) in seeds.iter().enumerate() {
        check(format!("file {number} of the corpus"), input);
    }
    let mut rng = StdRng::seed_from_u64(seed);
    for case in 0..cases {
        check(format!("case {case}"), &mutated(&mut rng, &seeds));
    }
}

/// A test for each target, and a failure when a target has none.
macro_rules! tests {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            fuzz(stringify!($name));
        })+

        #[test]
        fn every_target_has_a_test_and_a_corpus() {
            let tested = [$(stringify!($name)),+];
            let all: Vec<&str> = targets::ALL.iter().map(|target| target.0).collect();
            assert_eq!(all, tested);
        }
    };
}

tests! {
    asciicast asciicast_encode detect frames frames_encode seek_table index walk cipher_head cipher_stream
    journal chain keys signature signers ledger_note ledger_proof ledger_tile ledger_record ledger_anchor
    manifest config certificate command_line screen keyframe
    transfer wire
}
