//! Ten hours with a gigabyte of output: how long it takes to open it, and to
//! seek in it.
//!
//! `cargo bench --bench seek` prints a table. Options, after `--`: `--hours N`,
//! `--mb N`, `--seeks N`, `--without-keyframes`, `--check` (each state beside
//! that of playing everything), `--keep DIR` (the recording is kept there, and
//! found there the next time), `--foreign plain|gzip|zstd` (the same as an
//! asciicast of somebody else's, without anything that helps).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hrec::event::{Data, Event, Header, Micros, TermSize};
use hrec::format::asciicast::Encoder;
use hrec::format::cipher::{Identities, Recipients};
use hrec::recording::live::{Live, Options, Screen};
use hrec::recording::{Paths, open};
use hrec::screen::{Model, Painter};
use hrec::timeline::Timeline;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Of no one: the recording holds nothing.
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
const SIZE: (u64, u64) = (120, 40);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        Some(args.get(at + 1).unwrap_or_else(|| panic!("{name} needs a value")).clone())
    };
    let number = |name: &str, default: u64| value(name).map_or(default, |n| n.parse().unwrap());
    let keyframes = !args.iter().any(|arg| arg == "--without-keyframes");
    let file = if keyframes { "seek.cast.zst.age" } else { "seek-plain.cast.zst.age" };
    let scratch = tempfile::tempdir().unwrap();
    let dir = value("--keep").map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let path = value("--measure").map_or_else(|| dir.join(file), PathBuf::from);
    if args.iter().any(|arg| arg == "--measure") {
        return measure(&path, number("--seeks", 1000));
    }
    if !path.exists() {
        generate(&path, number("--hours", 10), number("--mb", 1000) * 1_000_000, keyframes);
    }
    let path = value("--foreign").map_or(path.clone(), |form| foreign(&path, &form));
    // Another process, whose memory is only that of seeking.
    let seeks = number("--seeks", 1000).to_string();
    let program = std::env::current_exe().unwrap();
    let measured = std::process::Command::new(program)
        .arg("--measure")
        .arg(&path)
        .args(["--seeks", &seeks])
        .status();
    assert!(measured.unwrap().success());
    if args.iter().any(|arg| arg == "--check") {
        check(&path, number("--seeks", 1000));
    }
}

fn identities() -> Identities {
    let mut identities = Identities::new();
    identities.add_file("bench", IDENTITY.as_bytes()).unwrap();
    identities
}

/// A day's work, without its pauses: builds and logs, an editor, a monitor.
fn piece(random: &mut StdRng, n: u64, out: &mut Vec<u8>) {
    use std::io::Write;
    let (cols, rows) = SIZE;
    match n / 400 % 8 {
        0..=3 => {
            for _ in 0..random.gen_range(1..60) {
                let id: u32 = random.r#gen();
                let word = ["accepted", "refused", "connection", "query", "cache", "→ done"]
                    [random.gen_range(0..6)];
                let level = random.gen_range(31..37);
                let (ms, took) = (n % 1000, random.gen_range(0..90_000));
                write!(
                    out,
                    "2026-11-21 14:{:02}:{:02}.{ms:03} \x1b[{level}mINFO\x1b[0m [{id:08x}] {word} \
                     for client 10.0.{}.{} in {took} us\r\n",
                    n / 60 % 60,
                    n % 60,
                    id >> 8 & 255,
                    id & 255
                )
                .unwrap();
            }
        }
        4 | 5 => {
            // An editor: some lines are drawn again, and the status.
            if n.is_multiple_of(400) {
                out.extend_from_slice(b"\x1b[?1049h\x1b[?2004h\x1b[H\x1b[2J");
            }
            for _ in 0..random.gen_range(1..12) {
                let row = random.gen_range(1..rows);
                let text: String =
                    (0..random.gen_range(5..100)).map(|_| random.gen_range('a'..='~')).collect();
                write!(out, "\x1b[{row};1H\x1b[38;5;{}m{text}\x1b[m\x1b[K", row * 5).unwrap();
            }
            write!(out, "\x1b[{rows};1H\x1b[7m{n:>width$}\x1b[m", width = cols as usize - 1)
                .unwrap();
            if n % 400 == 399 {
                out.extend_from_slice(b"\x1b[?1049l\x1b[?2004l");
            }
        }
        6 => {
            // A monitor: everything is drawn again.
            out.extend_from_slice(b"\x1b[H");
            for row in 1..rows {
                let load = random.gen_range(0..60);
                write!(
                    out,
                    "\x1b[32m{row:>5} \x1b[1mroot\x1b[0m {:>8} [\x1b[31m{:<60}\x1b[m]\x1b[K\r\n",
                    random.gen_range(0..9_999_999),
                    "|".repeat(load)
                )
                .unwrap();
            }
        }
        _ => {
            // What one types.
            for _ in 0..random.gen_range(1..4) {
                write!(out, "{}", random.gen_range('a'..='z')).unwrap();
            }
            if n.is_multiple_of(9) {
                out.extend_from_slice(b"\r\n\x1b[1;32muser@host\x1b[0m:~$ ");
            }
        }
    }
}

fn generate(path: &Path, hours: u64, bytes: u64, keyframes: bool) {
    let header = Header {
        size: TermSize::clamped(SIZE.0, SIZE.1),
        hrec: Some(serde_json::Map::new()),
        ..Header::default()
    };
    let mut recipients = Recipients::new();
    let key: age::x25519::Identity = IDENTITY.parse().unwrap();
    recipients.add(&key.to_public().to_string()).unwrap();
    let options = Options { sync: false };
    let started = Instant::now();
    let mut live = Live::create(Paths::at(path), &header, &recipients, options).unwrap();
    if keyframes {
        live.follow(Box::new(Screen::new(header.size)));
    }
    let mut random = StdRng::seed_from_u64(7);
    let (mut written, mut n, mut out) = (0_u64, 0, Vec::new());
    let end = hours * 3_600_000_000;
    while written < bytes {
        let time = (u128::from(end) * u128::from(written) / u128::from(bytes)) as Micros;
        while let Some(due) = live.due().filter(|due| *due <= time) {
            live.flush(due).unwrap();
        }
        out.clear();
        piece(&mut random, n, &mut out);
        live.output(time, &out).unwrap();
        written += out.len() as u64;
        n += 1;
        if n.is_multiple_of(10_000) {
            let wide = SIZE.0 + random.gen_range(0..20);
            live.resize(time, TermSize::clamped(wide, SIZE.1)).unwrap();
        }
    }
    let finished = live.finish(end, Some("0")).unwrap();
    eprintln!(
        "made in {:.1} s: {n} outputs, {written} bytes, {} of text, file {}",
        started.elapsed().as_secs_f64(),
        finished.bytes_text,
        finished.bytes_file
    );
}

/// The recording's text beside it, in another container or none.
fn foreign(path: &Path, form: &str) -> PathBuf {
    let ending = match form {
        "plain" => "cast",
        "gzip" => "cast.gz",
        "zstd" => "cast.zst",
        other => panic!("{other} is not plain, gzip or zstd"),
    };
    let to = path.with_file_name(format!("foreign.{ending}"));
    if to.exists() {
        return to;
    }
    let file = std::io::BufWriter::new(std::fs::File::create(&to).unwrap());
    match form {
        "plain" => copy(path, file),
        "gzip" => copy(path, flate2::write::GzEncoder::new(file, flate2::Compression::fast())),
        _ => copy(path, zstd::Encoder::new(file, 3).unwrap().auto_finish()),
    }
    to
}

fn copy(path: &Path, mut to: impl std::io::Write) {
    let mut recording = open(path, &identities()).unwrap();
    let (mut encoder, mut text) = (Encoder::new(), Vec::new());
    encoder.header(&Header { hrec: None, ..recording.header().clone() }, &mut text);
    while let Some(event) = recording.next_event().unwrap() {
        encoder.event(&event, &mut text);
        to.write_all(&text).unwrap();
        text.clear();
    }
    to.flush().unwrap();
}

fn measure(path: &Path, seeks: u64) {
    let identities = identities();
    // What there is to find out of a recording that does not say it is found
    // out once: how long it lasts, and states on the way.
    let mut timeline = Timeline::open(path, &identities).unwrap();
    let mut took = |name: &str, act: &mut dyn FnMut(&mut Timeline)| {
        let started = Instant::now();
        act(&mut timeline);
        println!("{name:<24} {:12.3} ms", started.elapsed().as_secs_f64() * 1000.0);
    };
    let mut end = 0;
    took("its duration", &mut |timeline| end = timeline.duration().unwrap());
    for (name, tenths) in [("first seek, to 9/10", 9), ("then to 5/10", 5), ("then to 8/10", 8)] {
        took(name, &mut |timeline| {
            timeline.seek(end / 10 * tenths).unwrap();
        });
    }
    drop(timeline);
    let opened: Vec<Duration> = (0..100)
        .map(|_| {
            let started = Instant::now();
            let mut timeline = Timeline::open(path, &identities).unwrap();
            let first = timeline.peek().unwrap().unwrap().time;
            timeline.seek(first).unwrap();
            timeline.duration().unwrap();
            let mut picture = Vec::new();
            let size = TermSize::clamped(SIZE.0, SIZE.1);
            Painter::new(size).paint(timeline.model(), &mut picture);
            assert!(!picture.is_empty());
            started.elapsed()
        })
        .collect();
    row("open to first screen", opened);
    let mut timeline = Timeline::open(path, &identities).unwrap();
    let end = timeline.duration().unwrap();
    let mut took = Vec::new();
    let mut worked = Vec::new();
    for time in times(end, seeks) {
        let (started, before) = (Instant::now(), cpu());
        timeline.seek(time).unwrap();
        took.push(started.elapsed());
        worked.push(cpu() - before);
    }
    row("seek to a random time", took);
    row("  of it on the CPU", worked);
    let back = (0..100).map(|_| {
        let started = Instant::now();
        timeline.step_back().unwrap();
        started.elapsed()
    });
    row("step back one event", back.collect());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("{:<24} {}", "peak memory", peak.trim_start_matches("VmHWM:").trim());
}

/// What other programs take does not count.
fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn times(end: Micros, count: u64) -> impl Iterator<Item = Micros> {
    let mut random = StdRng::seed_from_u64(1);
    (0..count).map(move |_| random.gen_range(0..=end))
}

fn row(name: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |part: f64| {
        let last = took.len() - 1;
        took[(last as f64 * part).round() as usize].as_secs_f64() * 1000.0
    };
    println!(
        "{name:<24} p50 {:8.3} ms   p99 {:8.3} ms   most {:8.3} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// Plays everything, and compares.
fn check(path: &Path, seeks: u64) {
    let identities = identities();
    let mut recording = open(path, &identities).unwrap();
    let mut timeline = Timeline::open(path, &identities).unwrap();
    let end = timeline.duration().unwrap();
    let asked: Vec<Micros> = times(end, seeks).collect();
    let mut sought = HashMap::new();
    for time in &asked {
        sought.insert(*time, timeline.seek(*time).unwrap().terminal().dump());
    }
    let mut sorted = asked;
    sorted.sort_unstable();
    let mut model = Model::new(recording.header().size);
    let mut next: Option<Event> = recording.next_event().unwrap();
    let started = Instant::now();
    for time in &sorted {
        while let Some(event) = next.take_if(|event| event.time <= *time) {
            if !matches!(event.data, Data::Exit(_)) {
                model.event(&event);
            }
            next = recording.next_event().unwrap();
        }
        assert!(sought[time] == model.terminal().dump(), "the states at {time} differ");
    }
    let took = started.elapsed().as_secs_f64();
    println!("all {} states are those of playing everything, which took {took:.1} s", sorted.len());
}
