//! What hrec writes, opened by the tools that everybody has: age, zstd, jq,
//! sha256sum, ssh-keygen, Python. None of them knows hrec.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

#[path = "support/tool.rs"]
mod tool;

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hrec::event::{Fact, Header, TermSize};
use hrec::format::cipher::{Head, Identities, Recipients};
use hrec::format::frames::FrameReader;
use hrec::format::journal;
use hrec::recording::live::{Finished, Live, Options, Screen};
use hrec::recording::{Paths, journal_paths};
use hrec::seal::Manifest;
use sha2::{Digest, Sha256};
use tool::tool;

/// A key of each kind: the identity file, and the recipient.
struct Key {
    file: PathBuf,
    recipient: String,
}

fn ssh_key(dir: &Path, kind: &str, bits: &str) -> Key {
    let file = dir.join(kind);
    let mut command = Command::new(tool("ssh-keygen"));
    command.args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", "a comment", "-f"]).arg(&file);
    assert!(command.status().unwrap().success());
    let recipient = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    Key { file, recipient }
}

fn age_key(dir: &Path) -> Key {
    let file = dir.join("age-key");
    let made = run(Command::new(tool("age-keygen")).arg("-o").arg(&file), &[]);
    assert!(made.status.success());
    let public = run(Command::new(tool("age-keygen")).arg("-y").arg(&file), &[]);
    Key { file, recipient: String::from_utf8(public.stdout).unwrap() }
}

fn keys(dir: &Path) -> Vec<Key> {
    vec![age_key(dir), ssh_key(dir, "ed25519", "256"), ssh_key(dir, "rsa", "2048")]
}

fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        // A tool that refuses its input closes it.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

fn done(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let output = run(command, input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn age_d(key: &Key, sealed: &[u8]) -> Vec<u8> {
    done(Command::new(tool("age")).arg("-d").arg("-i").arg(&key.file), sealed)
}

fn recipients(keys: &[&Key]) -> Recipients {
    let mut recipients = Recipients::new();
    for key in keys {
        recipients.add(&key.recipient).unwrap();
    }
    recipients
}

/// A session with everything in it, of several frames and many chunks.
fn session(live: &mut Live) {
    live.resize(5, TermSize::clamped(120, 40)).unwrap();
    live.output(10, "héllo \u{1b}[31mred\u{1b}[0m\r\n".as_bytes()).unwrap();
    live.output(20, b"bytes \xe9\x80\xff\x00\x07 \"quoted\" \\ \x7f\r\n").unwrap();
    live.input(30, b"ls -l\r").unwrap();
    live.fact(40, &Fact::new("target").with("host", "db1")).unwrap();
    live.marker(50, "here").unwrap();
    let mut x = 88_172_645_463_325_252_u64;
    for i in 0..30_000_u64 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        let time = 1_000 + i * 100;
        live.output(time, format!("{i} {x:x} the quick brown fox {x}\r\n").as_bytes()).unwrap();
        if live.due().is_some_and(|due| due <= time) {
            live.flush(time).unwrap();
        }
    }
}

fn live(paths: &Paths, recipients: &Recipients) -> Live {
    let mut hrec = serde_json::Map::new();
    hrec.insert("version".into(), 1.into());
    let header = Header {
        size: TermSize::clamped(80, 24),
        title: Some("stock \u{202e} \"tools\"".into()),
        hrec: Some(hrec),
        ..Header::default()
    };
    let options = Options { sync: false };
    let mut live = Live::create(paths.clone(), &header, recipients, options).unwrap();
    live.follow(Box::new(Screen::new(header.size)));
    live
}

fn finished(paths: &Paths, recipients: &Recipients) -> Finished {
    let mut live = live(paths, recipients);
    session(&mut live);
    live.finish(4_000_000, Some("0")).unwrap()
}

fn our_text(file: &Path, key: &Key) -> Vec<u8> {
    let mut identities = Identities::new();
    identities.add_file("key", &std::fs::read(&key.file).unwrap()).unwrap();
    let mut input = BufReader::new(std::fs::File::open(file).unwrap());
    let head = Head::read(&mut input).unwrap();
    let file_key = head.unwrap(&identities).unwrap();
    let mut text = Vec::new();
    FrameReader::new(head.reader(&file_key, input)).unwrap().read_to_end(&mut text).unwrap();
    text
}

#[test]
fn age_and_zstd_open_a_finished_recording_with_every_kind_of_key() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let all: Vec<&Key> = keys.iter().collect();
    for (name, group) in
        [("age", vec![all[0]]), ("ed", vec![all[1]]), ("rsa", vec![all[2]]), ("all", all.clone())]
    {
        let paths = Paths::at(&dir.path().join(format!("{name}.cast.zst.age")));
        let made = finished(&paths, &recipients(&group));
        let sealed = std::fs::read(&made.path).unwrap();
        for key in group {
            let packed = age_d(key, &sealed);
            let text = done(Command::new(tool("zstd")).args(["-d", "-c"]), &packed);
            assert_eq!(text.len() as u64, made.bytes_text);
            assert!(text == our_text(&made.path, key), "{name}");
        }
    }
}

#[test]
fn zstd_finds_the_frames_sound_and_counts_them() {
    let dir = tempfile::tempdir().unwrap();
    let key = age_key(dir.path());
    let made = finished(&Paths::at(&dir.path().join("x")), &recipients(&[&key]));
    let packed = dir.path().join("x.zst");
    std::fs::write(&packed, age_d(&key, &std::fs::read(&made.path).unwrap())).unwrap();
    done(Command::new(tool("zstd")).arg("-t").arg(&packed), &[]);
    let listed = done(Command::new(tool("zstd")).args(["--list", "-v"]).arg(&packed), &[]);
    let listed = String::from_utf8(listed).unwrap();
    let number = |name: &str| -> u64 {
        let line =
            listed.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{listed}"));
        line.split(':').nth(1).unwrap().trim().split(' ').next().unwrap().parse().unwrap()
    };
    let frames = number("# Zstandard Frames");
    assert!(frames >= 2, "{listed}");
    // A keyframe before each frame but the first, the index, the seek table.
    assert_eq!(number("# Skippable Frames"), frames + 1, "{listed}");
}

#[test]
fn python_reads_every_line_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let key = age_key(dir.path());
    let made = finished(&Paths::at(&dir.path().join("x")), &recipients(&[&key]));
    let script = r#"
import base64, json, sys
lines = sys.stdin.buffer.read().decode("utf-8").split("\n")
assert lines.pop() == "", "the last line has no end"
header = json.loads(lines[0])
assert header["version"] == 3 and header["term"] == {"cols": 80, "rows": 24}, header
assert header["hrec"]["version"] == 1 and header["title"] == "stock \u202e \"tools\""
out, codes, time = [], [], 0
for line in lines[1:]:
    interval, code, data = json.loads(line)
    assert interval >= 0 and isinstance(data, str)
    time += round(interval * 1e6)
    codes.append(code)
    if code == "o":
        out.append(data.encode("utf-8"))
    elif code == "b":
        assert interval == 0
        out[-1] = base64.b64decode(data, validate=True)
    elif code == "h":
        assert json.loads(data)["k"] == "target"
assert codes[:6] == ["r", "o", "o", "b", "i", "h"], codes[:6]
assert codes[-1] == "x" and time == 4000000, (codes[-1], time)
assert out[1] == b"bytes \xe9\x80\xff\x00\x07 \"quoted\" \\ \x7f\r\n", out[1]
print(len(out))
"#;
    let counted =
        done(Command::new(tool("python3")).args(["-c", script]), &our_text(&made.path, &key));
    assert_eq!(String::from_utf8(counted).unwrap().trim(), "30002");
}

#[test]
fn age_opens_each_record_of_a_journal_with_every_kind_of_key() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let paths = Paths::at(&dir.path().join("x"));
    let mut live = live(&paths, &recipients(&keys.iter().collect::<Vec<_>>()));
    live.output(10, b"short").unwrap();
    live.flush(20).unwrap();
    live.output(30, &b"a longer text, which is compressed ".repeat(100)).unwrap();
    live.flush(40).unwrap();
    // As after kill -9.
    drop(live);
    let part = std::fs::read(paths.part()).unwrap();
    let head = Head::read(&mut part.as_slice()).unwrap();
    let header = &head.bytes()[..head.bytes().len() - 16];
    let bytes = std::fs::read(&journal_paths(&paths).unwrap()[0]).unwrap();
    let mut input = bytes.as_slice();
    let (mut text, mut records, mut compressed) = (Vec::new(), 0, 0);
    while let Some(raw) = journal::read_raw(&mut input).unwrap() {
        let file = [header, &raw[4..]].concat();
        let plain = age_d(&keys[records % 3], &file);
        for key in &keys {
            assert_eq!(age_d(key, &file), plain);
        }
        let offset = u64::from_le_bytes(plain[..8].try_into().unwrap());
        assert_eq!(offset, text.len() as u64);
        let body = &plain[41..];
        if plain[40] == 1 {
            compressed += 1;
            text.extend(done(Command::new(tool("zstd")).args(["-d", "-c"]), body));
        } else {
            text.extend_from_slice(body);
        }
        assert_eq!(plain[8..40], Sha256::digest(&text)[..]);
        records += 1;
    }
    assert_eq!((records, compressed), (3, 1));
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(r#""o", "short""#) || text.contains(r#""o","short""#), "{text}");
}

#[test]
fn jq_and_sha256sum_check_the_files_of_a_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let key = age_key(dir.path());
    let paths = Paths::at(&dir.path().join("x.cast.zst.age"));
    let made = finished(&paths, &recipients(&[&key]));
    let files: Vec<_> = made
        .files
        .iter()
        .map(
            |file| serde_json::json!({"name": file.name, "size": file.size, "sha256": file.sha256}),
        )
        .collect();
    let manifest: Manifest = serde_json::from_value(serde_json::json!({
        "v": 1, "id": "x", "state": "finished", "writer": "session", "mode": "strict",
        "input": "none", "start": "2026-11-21T14:15:03Z", "program": "sh",
        "files": files, "chain": made.chain,
    }))
    .unwrap();
    manifest.write(&paths.manifest(), false).unwrap();
    let check = || {
        let lines = done(
            Command::new(tool("jq"))
                .args(["-r", r#".files[]|"\(.sha256)  \(.name)""#])
                .arg(paths.manifest()),
            &[],
        );
        run(Command::new(tool("sha256sum")).arg("-c").current_dir(dir.path()), &lines)
    };
    let output = check();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "x.cast.zst.age: OK\n");
    // And it can fail.
    let mut bytes = std::fs::read(&made.path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&made.path, bytes).unwrap();
    assert!(!check().status.success());
}
