//! What is told of file transfers, by what the real `sftp`, `scp` and
//! `sftp-server` say to each other.
//!
//! The clients are given a program in ssh's place (`relay.py`) that runs the
//! server's side and keeps all that passes. The follower is fed with that, in
//! pieces of many sizes; the invariant: the facts never depend on them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod kept;
mod scp;
mod sftp;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hrec::event::Fact;
use hrec::format::transfer::{Follower, PENDING_MAX, Side};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A directory for the client (`near`), one for the server (`far`), and what
/// passed between them.
struct Place {
    dir: TempDir,
    server: String,
}

/// What passed, in order.
type Tape = Vec<(Side, Vec<u8>)>;

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        for name in ["near", "far"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let server = ["lib/openssh", "libexec/openssh", "libexec", "lib/ssh"]
            .iter()
            .map(|place| format!("/usr/{place}/sftp-server"))
            .find(|path| Path::new(path).exists())
            .expect("sftp-server is not installed");
        Self { dir, server }
    }

    /// The server is given these options.
    fn with_server_options(mut self, options: &str) -> Self {
        self.server = format!("{} {options}", self.server);
        self
    }

    fn near(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join("near").join(name.as_ref())
    }

    fn far(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join("far").join(name.as_ref())
    }

    /// The far path as a fact has it.
    fn far_text(&self, name: &str) -> String {
        self.far(name).to_str().unwrap().to_owned()
    }

    fn client(&self, program: &str) -> Command {
        let relay = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transfer/relay.py");
        let mut command = Command::new(program);
        command
            .arg("-S")
            .arg(relay)
            .env("TAPE", self.dir.path().join("tape"))
            .env("SFTP_SERVER", &self.server)
            .current_dir(self.dir.path().join("near"));
        command
    }

    /// Runs `sftp` with these commands, in the directory `near`.
    fn sftp(&self, commands: &str) -> Output {
        let batch = self.dir.path().join("batch");
        fs::write(&batch, commands).unwrap();
        self.client("sftp").arg("-b").arg(batch).arg("host").output().unwrap()
    }

    /// Runs `scp`.
    fn scp(&self, options: &[&str], from: &OsStr, to: &OsStr) -> Output {
        self.client("scp").args(options).arg(from).arg(to).output().unwrap()
    }

    /// `host:` and the far path.
    fn host(&self, name: impl AsRef<OsStr>) -> std::ffi::OsString {
        let mut text = std::ffi::OsString::from("host:");
        text.push(self.far(name));
        text
    }

    /// What the last one said.
    fn tape(&self) -> (Vec<u8>, Tape) {
        let path = self.dir.path().join("tape");
        let bytes = fs::read(&path).unwrap();
        let mut rest = bytes.as_slice();
        let mut tape = Tape::new();
        while let Some((head, after)) = rest.split_at_checked(5) {
            let length = u32::from_le_bytes(head[1..].try_into().unwrap()) as usize;
            let side = if head[0] == 0 { Side::Client } else { Side::Server };
            tape.push((side, after[..length].to_vec()));
            rest = &after[length..];
        }
        (fs::read(path.with_extension("command")).unwrap(), tape)
    }

    /// The facts that the last one makes, however it is cut into pieces.
    fn facts(&self) -> Vec<Value> {
        let (command, tape) = self.tape();
        let facts = follow(&command, &tape);
        check_pieces(&command, &tape, &facts);
        facts
    }
}

fn value(fact: Fact) -> Value {
    assert_eq!(fact.kind, "transfer");
    Value::Object(fact.fields)
}

/// How many bytes its digest is of.
fn hashed(fact: &Fact) -> u64 {
    let of = if fact.fields["sha256"].is_null() { "passed" } else { "size" };
    fact.fields.get(of).and_then(Value::as_u64).unwrap_or(0)
}

/// The facts of a tape, fed as it is.
fn follow(command: &[u8], tape: &[(Side, Vec<u8>)]) -> Vec<Value> {
    let mut follower = Follower::of(OsStr::from_bytes(command)).expect("it is not followed");
    let (mut facts, mut taken) = (Vec::new(), 0);
    for (side, bytes) in tape {
        follower.feed(*side, bytes, &mut facts);
        taken += follower.taken().iter().map(ExactSizeIterator::len).sum::<usize>();
        assert!(follower.pending() <= PENDING_MAX, "{} bytes pending", follower.pending());
    }
    follower.finish(&mut facts);
    let hashed: u64 = facts.iter().map(hashed).sum();
    assert!(taken as u64 <= hashed, "{taken} bytes are left to it, {hashed} are hashed");
    facts.into_iter().map(value).collect()
}

/// Cuts each piece again, and puts others together.
fn check_pieces(command: &[u8], tape: &Tape, want: &[Value]) {
    let length: usize = tape.iter().map(|piece| piece.1.len()).sum();
    let mut together = Tape::new();
    for (side, bytes) in tape {
        match together.last_mut() {
            Some((last, all)) if last == side => all.extend_from_slice(bytes),
            _ => together.push((*side, bytes.clone())),
        }
    }
    assert_eq!(follow(command, &together), want, "in longer pieces");
    drop(together);
    let mut rng = StdRng::seed_from_u64(7);
    for most in [1, 7, 5000, 100_000] {
        if length / most > 2_000_000 {
            continue;
        }
        let mut cut = Tape::new();
        for (side, bytes) in tape {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rng.gen_range(1..=most).min(rest.len()));
                cut.push((*side, piece.to_vec()));
                rest = after;
            }
        }
        assert_eq!(follow(command, &cut), want, "in pieces of up to {most} bytes");
    }
}

/// The digest, by the stock tool.
fn sha256sum(path: &Path) -> String {
    let out = Command::new("sha256sum").arg("-b").arg("--").arg(path).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    let text = String::from_utf8_lossy(&out.stdout);
    // A backslash in front says that the name was escaped.
    text.trim_start_matches('\\')[..64].to_owned()
}

/// Bytes that compress badly and never repeat.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(length as u64).fill(bytes.as_mut_slice());
    bytes
}

/// The facts of these operations.
fn of<'a>(facts: &'a [Value], operations: &[&str]) -> Vec<&'a Value> {
    facts.iter().filter(|fact| operations.contains(&fact["op"].as_str().unwrap())).collect()
}

/// A file that was moved whole.
fn moved(proto: &str, op: &str, path: &str, file: &Path) -> Value {
    let dir = if op == "put" { "in" } else { "out" };
    json!({
        "proto": proto, "op": op, "path": path, "to": null, "dir": dir,
        "size": fs::metadata(file).unwrap().len(), "sha256": sha256sum(file), "status": "ok",
    })
}

/// Whether the fact has at least these fields.
#[track_caller]
fn assert_has(fact: &Value, want: &Value) {
    for (name, value) in want.as_object().unwrap() {
        assert_eq!(&fact[name], value, "{name} of {fact}");
    }
}
