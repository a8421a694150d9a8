//! A recorder that was killed: what is left is found, read, recovered, and
//! then opened by anybody.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod support;

use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::Value;
use support::{Sandbox, tool, wait_until};

/// A session that prints, and then goes on until it is killed.
fn start(sandbox: &Sandbox) -> Child {
    sandbox
        .command(env!("CARGO_BIN_EXE_hrec"))
        .args([
            "rec",
            "--",
            "sh",
            "-c",
            "echo before the end; printf 'caf\\303\\251\\377'; exec sleep 600",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn raw(sandbox: &Sandbox, rec: &str) -> Vec<u8> {
    sandbox.hrec(&["cat", "--format", "raw", rec]).stdout
}

fn listed(sandbox: &Sandbox) -> Vec<Value> {
    let listed = sandbox.hrec(&["ls", "--json"]);
    assert!(listed.status.success(), "{listed:?}");
    serde_json::from_slice(&listed.stdout).unwrap()
}

/// The person's own public key.
fn recipient(sandbox: &Sandbox) -> String {
    let file = sandbox.path("config/hrec/identity.txt");
    let key =
        sandbox.run(&[tool("age-keygen").to_str().unwrap(), "-y", file.to_str().unwrap()], b"");
    key.text().trim().to_owned()
}

/// Puts a manifest that was written at the start beside the latest recording.
fn with_manifest(sandbox: &Sandbox, recipient: &str) -> Value {
    let latest = listed(sandbox).swap_remove(0);
    let manifest = serde_json::json!({
        "v": 1, "id": latest["id"], "state": "live", "writer": "session", "mode": "best-effort",
        "input": "echoed", "start": sandbox.manifest()["start"], "program": "sh",
        "recipients": [recipient],
    });
    let path = latest["path"].as_str().unwrap().replace(".cast.zst.age", ".manifest.json");
    std::fs::write(path, manifest.to_string()).unwrap();
    manifest
}

const PRINTED: &[u8] = b"before the end\r\ncaf\xc3\xa9\xff";

/// Has the session killed with SIGKILL once its output was appended.
fn killed(sandbox: &Sandbox) {
    let mut child = start(sandbox);
    wait_until("the output is in the journal", || {
        raw(sandbox, "-1").ends_with(b"\xff").then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    for process in sandbox.processes() {
        let pid = rustix::process::Pid::from_raw(process.pid).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    sandbox.wait_until_nothing_runs();
}

fn printed(bytes: &[u8]) -> bool {
    // Without a terminal there is no CR.
    bytes == PRINTED || bytes == b"before the end\ncaf\xc3\xa9\xff"
}

#[test]
fn a_live_recording_is_listed_read_and_not_recovered() {
    let sandbox = Sandbox::new();
    let mut child = start(&sandbox);
    wait_until("the output is in the journal", || {
        raw(&sandbox, "-1").ends_with(b"\xff").then_some(())
    });
    assert_eq!(listed(&sandbox)[0]["state"], "live");
    let read = sandbox.hrec(&["cat", "--format", "raw", "-1"]);
    assert!(printed(&read.stdout), "{read:?}");
    assert!(String::from_utf8_lossy(&read.stderr).contains("still being made"), "{read:?}");
    let refused = sandbox.hrec(&["recover", "-1"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("still being made"), "{refused:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_recording_is_read_recovered_and_opened_by_stock_tools() {
    let sandbox = Sandbox::new();
    killed(&sandbox);

    let before = listed(&sandbox);
    assert_eq!(before.len(), 1);
    assert_eq!(before[0]["state"], "interrupted");
    let line = sandbox.hrec(&["ls"]).text();
    assert!(line.contains("interrupted"), "{line}");
    let read = sandbox.hrec(&["cat", "--format", "raw", "-1"]);
    assert!(read.status.success() && printed(&read.stdout), "{read:?}");
    assert!(String::from_utf8_lossy(&read.stderr).contains("interrupted"), "{read:?}");
    let info = sandbox.hrec(&["info", "-1"]).text();
    assert!(info.contains("interrupted") && info.contains("sleep 600"), "{info}");

    with_manifest(&sandbox, &recipient(&sandbox));
    let recovered = sandbox.hrec(&["recover", "-1"]);
    assert!(recovered.status.success(), "{recovered:?}");
    let after = listed(&sandbox);
    assert_eq!(after[0]["bytes_out"], raw(&sandbox, "-1").len());
    assert_eq!(after[0]["end_reason"], "interrupted");
    assert!(after[0]["chain"]["journal"]["records"].as_u64().unwrap() >= 1, "{after:?}");
    assert_eq!(after[0]["state"], "recovered");
    let path = PathBuf::from(after[0]["path"].as_str().unwrap());
    let left: Vec<String> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains(".manifest.json"))
        .collect();
    assert_eq!(left, [path.file_name().unwrap().to_str().unwrap()]);

    let key = sandbox.path("config/hrec/identity.txt");
    let script = format!(
        "{} -d -i '{}' '{}' | {} -d -c",
        tool("age").display(),
        key.display(),
        path.display(),
        tool("zstd").display()
    );
    let text = sandbox.run(&["sh", "-c", &script], b"").text();
    assert!(text.contains("before the end"), "{text}");
    assert!(printed(&raw(&sandbox, "-1")));
    let again = sandbox.hrec(&["recover", "-1"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("finished already"), "{again:?}");
}

#[test]
fn a_wrong_key_says_whose_is_needed() {
    let sandbox = Sandbox::new();
    let made = sandbox.hrec(&["rec", "--", "true"]);
    assert!(made.status.success(), "{made:?}");
    let other = sandbox.path("other.txt");
    let keygen =
        sandbox.run(&[tool("age-keygen").to_str().unwrap(), "-o", other.to_str().unwrap()], b"");
    assert!(keygen.status.success());
    let refused = sandbox.hrec(&["cat", "-i", other.to_str().unwrap(), "-1"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("does not open it; it is for: "), "{said}");
    assert!(said.contains("age"), "{said}");
    // What needs no key is told all the same, and the manifest knows the very
    // keys.
    let manifest = with_manifest(&sandbox, "age1whoever");
    let info = sandbox.hrec(&["info", "-i", other.to_str().unwrap(), "--json", "-1"]);
    let info: Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(info["manifest"]["id"], manifest["id"]);
    assert!(info["not_opened"].as_str().unwrap().contains("it is for: age1whoever;"), "{info}");
}

/// Within a session `-1` is the recording before it, in the list too.
#[test]
fn the_session_that_asks_has_no_number() {
    let sandbox = Sandbox::new();
    assert!(sandbox.hrec(&["rec", "--", "true"]).status.success());
    let list = sandbox.hrec(&["rec", "--", support::sandbox::HREC, "ls"]);
    let rows = String::from_utf8_lossy(&list.stdout).into_owned();
    let firsts: Vec<_> = rows.lines().map(|row| row.split_whitespace().next()).collect();
    assert_eq!(firsts.len(), 3, "{rows}");
    assert!(!firsts[1].unwrap().starts_with('-') && firsts[2] == Some("-1"), "{rows}");
}

#[test]
fn names_that_match_nothing_or_too_much_say_so() {
    let sandbox = Sandbox::new();
    assert_eq!(listed(&sandbox).len(), 0);
    for _ in 0..2 {
        assert!(sandbox.hrec(&["rec", "--", "true"]).status.success());
    }
    let said = |args: &[&str]| String::from_utf8_lossy(&sandbox.hrec(args).stderr).into_owned();
    assert!(said(&["info", "-3"]).contains("has 2"));
    let both = said(&["info", "true"]);
    assert!(both.contains("matches 2 recordings") && both.lines().count() == 3, "{both}");
    assert!(said(&["info", "nobody"]).contains("no recording matches nobody"));
    assert!(said(&["recover", "ssh://bastion/-1"]).contains("collector"));
}
