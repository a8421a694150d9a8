//! Recordings that others made, through hrec, against what asciinema 3.2.0
//! makes of them.
//!
//! Not part of the default run, since the recordings are not part of the
//! project. `HREC_CORPUS` names the directory that holds `corpus.tar.zst` and
//! `asciinema-3.2.0-convert.tsv` (columns: path, status, SHA-256 and length of
//! the raw output, SHA-256 of the text, messages); without it, it is
//! `../shared/corpus`. Run it with `cargo test --test corpus`; tmux must be there,
//! and asciinema 3.2 (`HREC_ASCIINEMA`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "corpus/age.rs"]
mod age;
#[path = "corpus/asciinema.rs"]
mod asciinema;
#[path = "corpus/tmux.rs"]
mod tmux;
#[path = "support/tool.rs"]
mod tool;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hrec::event::{Data, Event, Header, TermSize};
use hrec::format::cipher::{Identities, Recipients};
use hrec::recording::live::{Live, Options, Screen};
use hrec::recording::{Paths, open};
use hrec::screen::{Keyframer, Model, Position, Text};
use hrec::timeline::Timeline;
use sha2::{Digest, Sha256};

/// Where hrec does otherwise, and why.
///
/// One more difference holds for all, and is checked for all: asciinema's raw
/// output begins with `CSI 8 ; ROWS ; COLS t`, which asks the terminal to take
/// the recording's size. The program never wrote that, so hrec does not.
const ACCEPTED: &[(&str, &str)] = &[
    ("casts/v2/k3d-io+k3d__20200715_k3d.01.cast", EMPTY_THEME),
    ("casts/broken/asciinema+asciinema-server__empty-theme.cast", EMPTY_THEME),
    ("casts/broken/asciinema+asciinema-server__test_fixtures_2_empty-theme.cast", EMPTY_THEME),
];
const EMPTY_THEME: &str = "a theme without colours says nothing; the recording is whole";

const OTHER_TEXT: &[(&str, &str)] = &[
    ("casts/v2/Nano-AI+leetui__demo.cast", CLEARED),
    ("casts/v2/NixOS+nixos-homepage__cover.cast", CLEARED),
    ("casts/v3/DUBSOpenHub+terminal-stampede__demo.cast", CLEARED),
    ("casts/v3/ForkedInTime+RustyClaw__demo.cast", CLEARED),
    ("made/cast3/vttest-1-2-3-8-11.cast", CLEARED),
    ("casts/v2/spectreconsole+spectre.console__await-spinner-rich.cast", TRIGRAMS),
];
const CLEARED: &str =
    "avt 0.19 keeps what `CSI 2 J` clears as lines that were seen; 0.17, in asciinema, drops it";
const TRIGRAMS: &str = "U+2630 to U+2637 are two cells wide since Unicode 16; avt 0.17 has one";

struct Corpus {
    dir: PathBuf,
    table: String,
    _unpacked: tempfile::TempDir,
}

fn corpus() -> Corpus {
    let dir = std::env::var_os("HREC_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"),
        PathBuf::from,
    );
    let archive = dir.join("corpus.tar.zst");
    let file = std::fs::File::open(&archive).unwrap_or_else(|e| {
        panic!("the corpus is not here: {}: {e}; set HREC_CORPUS", archive.display())
    });
    let table = std::fs::read_to_string(dir.join("asciinema-3.2.0-convert.tsv")).unwrap();
    let unpacked = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar")
        .args(["-x", "-C"])
        .arg(unpacked.path())
        .stdin(Stdio::piped())
        .spawn()
        .expect("the corpus run needs the program tar");
    zstd::stream::copy_decode(file, tar.stdin.take().unwrap()).unwrap();
    assert!(tar.wait().unwrap().success());
    let casts = |dir: &Path| dir.join("casts").is_dir();
    let dir = std::fs::read_dir(unpacked.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .chain([unpacked.path().to_owned()])
        .find(|dir| casts(dir))
        .expect("the archive holds a directory casts");
    Corpus { dir, table, _unpacked: unpacked }
}

fn cat(file: &Path, format: &str) -> Output {
    let home = Path::new("/nonexistent");
    Command::new(env!("CARGO_BIN_EXE_hrec"))
        .args(["cat", "--format", format])
        .arg(file)
        .env_clear()
        .env("HOME", home)
        .output()
        .unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// What asciinema puts before the raw output; from the file's own header.
fn size_request(json_lines: &[u8]) -> Vec<u8> {
    let first = json_lines.split(|b| *b == b'\n').next().unwrap();
    let header: serde_json::Value = serde_json::from_slice(first).unwrap();
    format!("\x1b[8;{};{}t", header["rows"], header["cols"]).into_bytes()
}

/// The events, without the header and in whichever version.
fn events(json_lines: &[u8]) -> &[u8] {
    let end = json_lines.iter().position(|b| *b == b'\n').unwrap();
    &json_lines[end..]
}

#[test]
fn asciicasts_agree_with_asciinema() {
    let corpus = corpus();
    let scratch = tempfile::tempdir().unwrap();
    let (mut problems, mut compared) = (Vec::new(), 0);
    let (mut accepted, mut other_text) = (Vec::new(), Vec::new());
    for row in corpus.table.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [name, status, raw_sha, _, text_sha] = columns[..5] else { panic!("{row}") };
        let file = corpus.dir.join(name);
        let raw = cat(&file, "raw");
        let mut problem = |what: &str| {
            let said = String::from_utf8_lossy(&raw.stderr).into_owned();
            problems.push(format!("{name}: {what} {said}"));
        };
        match (status == "0", raw.status.code()) {
            (false, Some(125)) => continue,
            (false, Some(0)) => {
                accepted.push(name);
                continue;
            }
            (true, Some(0)) => {}
            (_, code) => {
                problem(&format!("status {code:?}, asciinema's {status}"));
                continue;
            }
        }
        compared += 1;
        let json = cat(&file, "json").stdout;
        if sha256(&[size_request(&json), raw.stdout.clone()].concat()) != raw_sha {
            problem("raw bytes differ");
        }
        if sha256(&cat(&file, "text").stdout) != text_sha {
            other_text.push(name);
        }
        for version in ["v3", "v2"] {
            let converted = scratch.path().join("converted");
            std::fs::write(&converted, cat(&file, version).stdout).unwrap();
            if events(&cat(&converted, "json").stdout) != events(&json) {
                problem(&format!("the events through {version} differ"));
            }
            let text = std::fs::read_to_string(&converted).unwrap();
            for line in text.lines() {
                if serde_json::from_str::<serde_json::Value>(line).is_err() {
                    problem(&format!("{version} has a line that is no JSON"));
                }
            }
        }
        let v1: serde_json::Value = serde_json::from_slice(&cat(&file, "v1").stdout).unwrap();
        let output = v1["stdout"].as_array().unwrap().iter().map(|e| e[1].as_str().unwrap());
        if output.collect::<String>().as_bytes() != raw.stdout {
            problem("the output through v1 differs");
        }
    }
    let sorted = |mut names: Vec<&str>| {
        names.sort_unstable();
        names.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let names =
        |table: &[(&'static str, &str)]| sorted(table.iter().map(|(name, _)| *name).collect());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(sorted(accepted), names(ACCEPTED));
    assert_eq!(sorted(other_text), names(OTHER_TEXT));
    assert!(compared > 100, "only {compared} recordings were compared");
}

/// Everything in the corpus, asciicast or not, as hostile input: to the
/// reader, and, as output, to the terminal model.
#[test]
fn nothing_in_it_does_harm() {
    let corpus = corpus();
    let mut pending = vec![corpus.dir.clone()];
    let mut files = 0;
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                files += 1;
                read_all(&entry.path());
                show(&entry.path());
            }
        }
    }
    assert!(files > 5000, "only {files} files were read");
}

fn read_all(path: &Path) {
    let Ok(mut recording) = open(path, &Identities::new()) else { return };
    let mut last = 0;
    let mut events = Vec::new();
    while let Some(event) = recording.next_event().unwrap() {
        assert!(event.time >= last, "{}", path.display());
        last = event.time;
        events.push(event);
    }
    let size = recording.header().size;
    assert!(keyframes_are_exact(size, &events), "{}", path.display());
}

/// Whether some keyframes on the way, and one at the end, restore to the
/// screen that playing everything gives.
fn keyframes_are_exact(size: TermSize, events: &[Event]) -> bool {
    let (mut played, mut keyframer) = (Model::new(size), Keyframer::new(size));
    let each = events.len() / 5 + 1;
    events.iter().enumerate().all(|(at, event)| {
        played.event(event);
        match &event.data {
            Data::Output(bytes) => keyframer.output(bytes),
            Data::Resize(size) => keyframer.resize(*size),
            _ => {}
        }
        if (at + 1) % each != 0 && at + 1 != events.len() {
            return true;
        }
        let restored = keyframer.keyframe(Position::default()).map(|keyframe| keyframe.restore());
        restored.is_some_and(|restored| {
            let (a, b) = (restored.terminal(), played.terminal());
            a.dump() == b.dump()
                && a.cursor() == b.cursor()
                && a.screen().visible_lines().eq(b.screen().visible_lines())
                && a.primary_screen().visible_lines().eq(b.primary_screen().visible_lines())
        })
    })
}

/// The first part of the file, raw, on a small terminal.
fn show(path: &Path) {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path).unwrap().take(100_000).read_to_end(&mut bytes).unwrap();
    // As a program writes it, and as a terminal is sent it.
    let sent =
        bytes.iter().flat_map(|b| if *b == b'\n' { b"\r\n" } else { std::slice::from_ref(b) });
    let sent: Vec<u8> = sent.copied().collect();
    let size = TermSize::clamped(40, 10);
    for bytes in [&bytes, &sent] {
        let output = |piece: &[u8]| Event { time: 0, data: Data::Output(piece.to_vec()) };
        let events: Vec<Event> = bytes.chunks(777).map(output).collect();
        assert!(keyframes_are_exact(size, &events), "{}", path.display());
    }
    let mut text = Text::new(size);
    let mut lines = text.event(&Event { time: 0, data: Data::Output(bytes) });
    lines.extend(text.finish());
    let controls = lines.iter().flat_map(|l| l.chars()).any(char::is_control);
    assert!(!controls, "{}", path.display());
}

/// The state after a seek is that after playing up to there: in each recording
/// as it is, and made anew with a keyframe every few events.
#[test]
fn seeking_is_exact() {
    let corpus = corpus();
    let (mut compared, mut random) = (0, 1_u64);
    let identity = ::age::x25519::Identity::generate();
    let mut recipients = Recipients::new();
    recipients.add(&identity.to_public().to_string()).unwrap();
    let mut identities = Identities::new();
    let secret = ::age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    identities.add_file("key", secret.as_bytes()).unwrap();
    for name in ["casts", "made"] {
        let mut pending = vec![corpus.dir.join(name)];
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                pending.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
                continue;
            }
            let Ok(mut timeline) = Timeline::open(&path, &identities) else { continue };
            let name = path.display().to_string();
            let events = seek_here_and_there(&name, &mut timeline, &mut random);
            let made = tempfile::tempdir().unwrap();
            let again = remake(made.path(), timeline.header().size, &events, &recipients);
            let mut again = Timeline::open(&again, &identities).unwrap();
            again.seek(u64::MAX).unwrap();
            seek_here_and_there(&format!("{name}, made anew"), &mut again, &mut random);
            compared += 1;
        }
    }
    assert!(compared > 100, "only {compared} recordings were compared");
}

/// Compares some states; returns the events.
fn seek_here_and_there(name: &str, timeline: &mut Timeline, random: &mut u64) -> Vec<Event> {
    let events: Vec<Event> = timeline.events(0).unwrap().map(|e| e.unwrap().1).collect();
    let counts: Vec<usize> = std::iter::from_fn(|| {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some((*random >> 33) as usize % (events.len() + 1))
    })
    .take(6)
    .collect();
    let states = states(timeline.header().size, &events, &counts);
    for count in counts {
        timeline.seek_event(count as u64).unwrap();
        let same = timeline.model().terminal().dump() == states[&count];
        assert!(same, "{name}: after {count} of {}", events.len());
    }
    events
}

fn states(size: TermSize, events: &[Event], counts: &[usize]) -> HashMap<usize, String> {
    let mut model = Model::new(size);
    let mut states = HashMap::new();
    for count in 0..=events.len() {
        if let Some(event) = count.checked_sub(1).and_then(|last| events.get(last)) {
            model.event(event);
        }
        if counts.contains(&count) {
            states.insert(count, model.terminal().dump());
        }
    }
    states
}

/// The same events, twenty to a frame.
fn remake(dir: &Path, size: TermSize, events: &[Event], recipients: &Recipients) -> PathBuf {
    let paths = Paths::at(&dir.join("x"));
    let hrec = Some(serde_json::Map::new());
    let header = Header { size, hrec, ..Header::default() };
    let options = Options { sync: false };
    let mut live = Live::create(paths.clone(), &header, recipients, options).unwrap();
    live.follow(Box::new(Screen::new(size)));
    for (n, event) in events.iter().enumerate() {
        let time = n as u64 * 15_000_000;
        if n % 20 == 19 {
            live.flush_frame(time).unwrap();
        } else {
            live.flush(time).unwrap();
        }
        live.event(&Event { time, data: event.data.clone() }).unwrap();
    }
    live.finish(events.len() as u64 * 15_000_000, None).unwrap();
    paths.finished()
}

/// Where tmux shows something else, and why.
const OTHER_SCREENS: &[(&str, &str)] = &[
    ("casts/v2/Nano-AI+leetui__demo.cast", BEHIND_LF),
    ("casts/v2/spectreconsole+spectre.console__await-spinner-rich.cast", TRIGRAMS),
    ("made/cast3/unicode-emoji-test.cast", JOINED),
    ("made/cast3/vttest-1-2-3-8-11.cast", BEHIND_CUB),
];
const BEHIND_LF: &str = "a line feed without a carriage return behind a full row: avt's cursor is \
                         in the last column then, tmux's is still behind it and wraps";
const JOINED: &str = "tmux 3.3 draws an emoji and its modifiers, or several that are joined, in two \
                      cells; avt gives each character its own";
const BEHIND_CUB: &str = "CUB behind the last column: avt's cursor, as a VT100's, is in the last \
                          column and goes left of it; tmux's comes to it. And DECCOLM clears \
                          tmux's screen, while avt has no such mode";

#[test]
fn screens_are_those_of_tmux() {
    let corpus = corpus();
    let (mut compared, mut points, mut different) = (0, 0, Vec::new());
    for name in ["casts", "made"] {
        for path in tmux::recordings(&corpus.dir.join(name)) {
            let Some((looked, rows)) = tmux::compare(&path) else { continue };
            let name = path.strip_prefix(&corpus.dir).unwrap().display().to_string();
            compared += 1;
            points += looked;
            if !rows.is_empty() {
                println!("{name}: {} rows differ\n{}", rows.len(), rows.join("\n"));
                different.push(name);
            }
        }
    }
    println!("{points} screens of {compared} recordings, {} with differences", different.len());
    let known: Vec<&str> = OTHER_SCREENS.iter().map(|(name, _)| *name).collect();
    let unknown: Vec<_> = different.iter().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    let gone: Vec<_> =
        known.iter().filter(|name| !different.iter().any(|one| one == *name)).collect();
    assert!(gone.is_empty(), "they no longer differ: {gone:#?}");
    assert!(compared > 100, "only {compared} recordings were compared");
}

/// The same points in asciinema's own rendering, which is the text: avt's, too,
/// of another version. It differs where that of the whole recordings does.
#[test]
fn text_on_the_way_is_that_of_asciinema() {
    let corpus = corpus();
    let (mut compared, mut points, mut different) = (0, 0, Vec::new());
    for name in ["casts", "made"] {
        for path in tmux::recordings(&corpus.dir.join(name)) {
            let Some((looked, texts)) = asciinema::compare(&path) else { continue };
            let name = path.strip_prefix(&corpus.dir).unwrap().display().to_string();
            compared += 1;
            points += looked;
            if let Some(first) = texts.first() {
                println!("{name}: {} texts differ; the first {first}", texts.len());
                different.push(name);
            }
        }
    }
    println!("{points} texts of {compared} recordings, {} with differences", different.len());
    let mut known: Vec<&str> = OTHER_TEXT.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    different.sort();
    assert_eq!(different, known);
    assert!(compared > 100, "only {compared} recordings were compared");
}
