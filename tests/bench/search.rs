//! A search in ten hours with a gigabyte of output, beside the pipe that does
//! the like with other programs.
//!
//! `tests/bench/run --only search`, or
//! `cargo run --release --example search -- FILE`, where FILE is what
//! `cargo bench --bench seek -- --keep DIR` leaves. Options: `--alone` (not the
//! other programs), `--pattern P`, `--rounds N` (in turns, so that what else the
//! machine does hits both).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hrec::format::cipher::Identities;
use hrec::timeline::Timeline;
use hrec::timeline::search::{Query, Scope, Search};

/// Of no one: the recording holds nothing. As in the benchmark `seek`.
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// None in the recording, one, thousands, and one that no literal helps with.
const PATTERNS: [&str; 4] =
    ["drop table", "c0ffee", "connection for client 10\\.0\\.7\\.", "[0-9]+ root"];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option =
        |name: &str| args.iter().position(|arg| arg == name).map(|at| args[at + 1].clone());
    let path = args.first().expect("a recording");
    let patterns = option("--pattern")
        .map_or_else(|| PATTERNS.map(str::to_owned).to_vec(), |pattern| vec![pattern]);
    let rounds = option("--rounds").map_or(1, |rounds| rounds.parse().unwrap());
    for pattern in patterns {
        println!("{pattern}");
        for _ in 0..rounds {
            ours(Path::new(path), &pattern);
            if !args.iter().any(|arg| arg == "--alone") {
                theirs(path, &pattern);
            }
        }
    }
}

fn ours(path: &Path, pattern: &str) {
    let mut identities = Identities::new();
    identities.add_file("bench", IDENTITY.as_bytes()).unwrap();
    let timeline = Timeline::open(path, &identities).unwrap();
    let query = Query::new(pattern, Scope::Shown).unwrap();
    let started = Instant::now();
    let mut search = Search::start(&timeline, query, 0, Arc::new(|| {})).unwrap();
    let (mut first, mut count) = (None, 0);
    loop {
        search.wait(Duration::from_secs(60));
        let progress = search.poll();
        assert_eq!(progress.error, None);
        count += progress.matches.len();
        if count > 0 {
            first.get_or_insert_with(|| started.elapsed());
        }
        if progress.done {
            let ms = |took: Duration| format!("{:.0} ms", took.as_secs_f64() * 1000.0);
            let first = first.map_or("none".to_owned(), ms);
            let limited = if progress.limited { ", and more" } else { "" };
            println!(
                "  hrec: first {first}, all {}, {count} matches{limited}",
                ms(started.elapsed())
            );
            return;
        }
    }
}

fn theirs(path: &str, pattern: &str) {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), IDENTITY).unwrap();
    let script = "age -d -i \"$KEY\" \"$FILE\" | zstd -dc | rg -S -c -e \"$PATTERN\"";
    let started = Instant::now();
    let output = Command::new("sh")
        .args(["-c", script])
        .env("KEY", key.path())
        .env("FILE", path)
        .env("PATTERN", pattern)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let took = started.elapsed().as_secs_f64() * 1000.0;
    let count = String::from_utf8_lossy(&output.stdout);
    let count = if count.is_empty() { "0" } else { count.trim() };
    println!("  age | zstd | rg: all {took:.0} ms, {count} lines of asciicast");
}
