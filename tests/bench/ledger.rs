//! What the ledger costs: an append with and without durability, several
//! writers at once, a proof and a check in a log of a million entries.
//!
//! `cargo bench --bench ledger -- [ENTRIES] [DIRECTORY]`; the directory decides
//! which disk is measured.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use hrec::seal::ledger::{Event, Ledger, Options, Reader, check};

fn options(sync: bool) -> Options {
    Options {
        sync,
        origin: "bench.example/hrec".to_owned(),
        signer: Arc::new(SigningKey::from_bytes(&[1; 32])),
        earlier: Vec::new(),
    }
}

fn event(n: u64) -> Event {
    Event::End {
        id: format!("20261121T141503.123Z-ann-prod-db1-{n:08}"),
        state: "finished".to_owned(),
        manifest_sha256: "0".repeat(64),
        chain: None,
    }
}

fn told(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!("{what}: p50 {:.3} ms, p99 {:.3} ms, worst {:.3} ms", at(50), at(99), at(100));
}

fn timed(count: u64, mut work: impl FnMut(u64)) -> Vec<Duration> {
    let one = |n| {
        let start = Instant::now();
        work(n);
        start.elapsed()
    };
    (0..count).map(one).collect()
}

/// Each as a process of its own would: opened, appended to, closed.
fn appends(dir: &Path, sync: bool, count: u64) {
    let name = if sync { "append, durable" } else { "append" };
    told(
        name,
        timed(count, |n| {
            Ledger::open(dir, options(sync)).unwrap().append(&[event(n)]).map(drop).unwrap();
        }),
    );
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let entries: u64 = words.first().map_or(1_000_000, |word| word.parse().unwrap());
    let place = words.get(1).map_or_else(std::env::temp_dir, Into::into);
    let place = tempfile::tempdir_in(place).unwrap();

    let small = place.path().join("small");
    appends(&small, false, 1000);
    appends(&small, true, 200);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for n in 0..25 {
                    Ledger::open(&small, options(true)).unwrap().append(&[event(n)]).unwrap();
                }
            });
        }
    });
    println!("8 writers, 200 durable appends: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);

    let large = place.path().join("large");
    let mut ledger = Ledger::open(&large, options(false)).unwrap();
    for batch in 0..entries.div_ceil(4096) {
        let range = batch * 4096..((batch + 1) * 4096).min(entries);
        ledger.append(&range.map(event).collect::<Vec<_>>()).unwrap();
    }
    drop(ledger);
    println!("{entries} entries");
    appends(&large, false, 1000);
    let size = Reader::open(&large).unwrap().unwrap().checkpoint().head.size;
    told(
        "inclusion proof",
        timed(1000, |n| {
            let mut reader = Reader::open(&large).unwrap().unwrap();
            reader.prove(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size).map(drop).unwrap();
        }),
    );
    told(
        "consistency proof",
        timed(1000, |n| {
            let mut reader = Reader::open(&large).unwrap().unwrap();
            reader.consistency(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size).map(drop).unwrap();
        }),
    );
    let public = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
    let start = Instant::now();
    let checked = check(&large, &[public], &[]);
    assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    println!("check: {:.2} s", start.elapsed().as_secs_f64());
}
