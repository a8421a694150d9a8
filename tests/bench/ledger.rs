//! What the ledger costs: an append with and without durability beside bare
//! writes and syncs of the same disk, several writers at once, what a session's
//! start waits for, a proof and a check in a log of a million entries.
//!
//! `cargo bench --bench ledger -- [ENTRIES] [DIRECTORY]`; the directory decides
//! which disk is measured, and a ledger of that size is kept there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use hrec::format::chain::{ChainState, JournalState, PartState};
use hrec::seal::ledger::{Event, Ledger, Options, Reader, check};

fn options(sync: bool) -> Options {
    Options {
        sync,
        origin: "bench.example/hrec".to_owned(),
        signer: Arc::new(SigningKey::from_bytes(&[1; 32])),
        earlier: Vec::new(),
    }
}

/// As long as a real one, and as often a start as an end.
fn event(n: u64) -> Event {
    let id = format!("20261121T141503.123Z-ann-prod-db1-{n:08}");
    let chain = Some(ChainState {
        part: PartState { chunks: 17, sha256: "0".repeat(64) },
        journal: Some(JournalState { number: 3, records: 40, head: "0".repeat(64) }),
    });
    if n.is_multiple_of(2) {
        return Event::Start {
            id,
            user: "ann".to_owned(),
            program: "ssh".to_owned(),
            target: "prod-db1".to_owned(),
            manifest_sha256: "0".repeat(64),
            chain,
            policy_sha256: "0".repeat(64),
            session_key: Some("SHA256:0000000000000000000000000000000000000000000".to_owned()),
            started: None,
        };
    }
    Event::End {
        id,
        state: "finished".to_owned(),
        manifest_sha256: "0".repeat(64),
        chain,
        sealed: true,
    }
}

fn told(what: &str, mut times: Vec<Duration>, more: &str) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!("{what}: p50 {:.3} ms, p99 {:.3} ms, worst {:.3} ms{more}", at(50), at(99), at(100));
}

fn timed(count: u64, mut work: impl FnMut(u64)) -> Vec<Duration> {
    let one = |n| {
        let start = Instant::now();
        work(n);
        start.elapsed()
    };
    (0..count).map(one).collect()
}

/// The same by several at once, each of whom opens what it works with.
fn by_several(what: &str, writers: u64, each: u64, work: impl Fn(u64) + Sync) {
    let start = Instant::now();
    let times = std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> =
            (0..writers).map(|_| scope.spawn(move || timed(each, work))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    let rate = (writers * each) as f64 / start.elapsed().as_secs_f64();
    told(&format!("{what}, {writers} writers"), times, &format!(", {rate:.0} a second"));
}

/// What the disk takes for as many bytes, without anything of ours.
fn bare(path: &Path, sync: bool) -> impl Fn(u64) + '_ {
    move |_| {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(&[b'x'; 900]).unwrap();
        if sync {
            file.sync_data().unwrap();
        }
    }
}

/// Each as a process of its own would: opened, appended to, closed.
fn append(dir: &Path, sync: bool) -> impl Fn(u64) + '_ {
    move |n| {
        Ledger::open(dir, options(sync)).unwrap().append(&[event(n)]).unwrap();
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let entries: u64 = words.first().map_or(1_000_000, |word| word.parse().unwrap());
    let place = words.get(1).map_or_else(std::env::temp_dir, Into::into);
    let large = place.join(format!("ledger-{entries}"));
    if Reader::open(&large).ok().flatten().is_none_or(|r| r.checkpoint().head.size < entries) {
        let mut ledger = Ledger::open(&large, options(false)).unwrap();
        for batch in 0..entries.div_ceil(4096) {
            let range = batch * 4096..((batch + 1) * 4096).min(entries);
            ledger.append(&range.map(event).collect::<Vec<_>>()).unwrap();
        }
    }
    let place = tempfile::tempdir_in(&place).unwrap();
    let (file, small) = (place.path().join("bare"), place.path().join("small"));

    told("write", timed(1000, bare(&file, false)), "");
    told("append", timed(1000, append(&small, false)), "");
    let mut kept = Ledger::open(&small, options(false)).unwrap();
    told("append, kept open", timed(1000, |n| assert!(kept.append(&[event(n)]).is_ok())), "");
    told(
        "a session's start",
        timed(1000, |n| {
            let mut ledger = Ledger::open(&small, options(false)).unwrap();
            let last = Reader::open(&small).unwrap().unwrap().last_policy();
            assert!(last.is_some());
            ledger.append(&[event(n)]).unwrap();
        }),
        "",
    );
    for (writers, each) in [(1, 200), (8, 50), (32, 20)] {
        by_several("write, sync", writers, each, bare(&file, true));
        by_several("append, sync", writers, each, append(&small, true));
    }

    println!("{entries} entries");
    told("append, large", timed(1000, append(&large, false)), "");
    let size = Reader::open(&large).unwrap().unwrap().checkpoint().head.size;
    let anywhere = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size;
    told(
        "inclusion proof",
        timed(1000, |n| {
            let mut reader = Reader::open(&large).unwrap().unwrap();
            reader.prove(anywhere(n)).map(drop).unwrap();
        }),
        "",
    );
    told(
        "consistency proof",
        timed(1000, |n| {
            let mut reader = Reader::open(&large).unwrap().unwrap();
            reader.consistency(anywhere(n)).map(drop).unwrap();
        }),
        "",
    );
    let start = Instant::now();
    let about = Reader::open(&large).unwrap().unwrap().about("prod-db1-00004711").unwrap();
    assert!(about.is_empty());
    println!("entries of one recording: {:.2} s", start.elapsed().as_secs_f64());
    let public = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
    let start = Instant::now();
    let checked = check(&large, &[public.into()], &[]);
    assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    println!("check: {:.2} s", start.elapsed().as_secs_f64());
}
