//! The ledger: published vectors, other implementations, crashes, many writers
//! at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "ledger/anchors.rs"]
mod anchors;
#[path = "ledger/crash.rs"]
mod crash;
#[path = "ledger/faulty.rs"]
mod faulty;
#[path = "ledger/stock.rs"]
mod stock;
#[path = "ledger/vectors.rs"]
mod vectors;
#[path = "ledger/writing.rs"]
mod writing;

use std::path::Path;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use hrec::seal::ledger::{Event, Ledger, Options, Reader};

/// A key that is the same in every run.
fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn public(n: u8) -> [u8; 32] {
    key(n).verifying_key().to_bytes()
}

fn options() -> Options {
    Options {
        sync: false,
        origin: "host.example/hrec/test".to_owned(),
        signer: Arc::new(key(1)),
        earlier: Vec::new(),
    }
}

fn ledger(dir: &Path) -> Ledger {
    Ledger::open(dir, options()).unwrap()
}

/// Something that happened, which can be told from the others.
fn event(n: u64) -> Event {
    Event::Gap { reason: format!("event {n}"), from: String::new() }
}

/// All that a ledger has: what each entry says, checked; `None` for what was
/// erased.
fn content(dir: &Path) -> Vec<Option<String>> {
    let mut reader = Reader::open(dir).unwrap().unwrap();
    reader.verify(&[public(1).into()]).unwrap();
    let lines: Vec<_> = reader.lines(0).map(Result::unwrap).collect();
    assert_eq!(lines.len() as u64, reader.checkpoint().head.size);
    let own = [hrec::seal::ledger::VerifierKey::new(
        "host.example/hrec/test",
        hrec::seal::ledger::note::Kind::Log,
        &public(1),
    )
    .unwrap()];
    for line in lines.iter().filter(|line| line.content.is_some()).step_by(97) {
        let proof = reader.prove(line.index).unwrap();
        proof.verify(&line.commitment, &own).unwrap();
    }
    lines
        .into_iter()
        .map(|line| match line.content?.record().unwrap().event {
            Event::Gap { reason, .. } => Some(reason),
            other => Some(format!("{other:?}")),
        })
        .collect()
}
