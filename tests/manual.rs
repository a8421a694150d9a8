//! The examples in `hrec-recording(5)` are run, with the stock tools that they
//! name: what the page promises a reader without hrec is what a reader gets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

#[test]
fn every_example_prints_what_the_page_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for block in examples() {
        for (command, printed) in typed(&block) {
            let out = bash(dir.path(), &command);
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(out.status.success(), "{command}\n{said}");
            let got = String::from_utf8(out.stdout).unwrap();
            assert_eq!(
                got.split_whitespace().collect::<Vec<_>>(),
                printed.split_whitespace().collect::<Vec<_>>(),
                "{command}\n{said}"
            );
            tried += 1;
        }
    }
    assert!(tried >= 8, "only {tried} commands were found in the page");
}

#[test]
fn sha256sum_agrees_with_the_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let out = bash(dir.path(), "hrec rec -- echo kept");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let manifest = find(dir.path(), ".manifest.json").pop().expect("a manifest in the store");
    let command = example("sha256sum")
        .replace("ID.manifest.json", manifest.file_name().unwrap().to_str().unwrap());
    let store = manifest.parent().unwrap();
    let out = bash(store, &command);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8(out.stdout).unwrap().contains(".cast.zst.age: OK"));

    // And it would have told.
    let file = find(store, ".cast.zst.age").pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(!bash(store, &command).status.success());
}

#[test]
fn ssh_keygen_verifies_the_seal() {
    let dir = tempfile::tempdir().unwrap();
    let out = bash(dir.path(), "hrec rec -- echo kept");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let manifest = find(dir.path(), ".manifest.json").pop().expect("a manifest in the store");
    let signers = find(dir.path(), "allowed_signers").pop().expect("the list of signers");
    let command = example("ssh-keygen")
        .replace("ID.manifest.json", manifest.file_name().unwrap().to_str().unwrap())
        .replace("SIGNERS", signers.to_str().unwrap());
    let store = manifest.parent().unwrap();
    let out = bash(store, &command);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("Good \"hrec-recording\" signature for "), "{said}");

    // And it would have told.
    let mut bytes = fs::read(&manifest).unwrap();
    bytes.push(b' ');
    fs::write(&manifest, bytes).unwrap();
    assert!(!bash(store, &command).status.success());
}

#[test]
fn stock_age_opens_the_journal_of_a_killed_recording() {
    let dir = tempfile::tempdir().unwrap();
    assert!(bash(dir.path(), "age-keygen -o key.txt").status.success());
    let recipient = String::from_utf8(bash(dir.path(), "age-keygen -y key.txt").stdout).unwrap();
    let mut hrec = in_home(Command::new(env!("CARGO_BIN_EXE_hrec")), dir.path())
        .args(["rec", "-r", recipient.trim(), "-o", "ID.cast.zst.age", "--", "sleep", "60"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let journal = dir.path().join("ID.journal.0");
    let began = Instant::now();
    while fs::metadata(&journal).map_or(0, |m| m.len()) == 0 {
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "no journal: {:?}",
            find(dir.path(), "")
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    hrec.kill().unwrap();
    hrec.wait().unwrap();
    let out = bash(dir.path(), &example("journal").replace("-i KEY", "-i key.txt"));
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.starts_with("{\"version\":3"), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
}

/// The page's examples, one string each, without their indentation.
fn examples() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/hrec-recording.5");
    let out = Command::new("mandoc").args(["-Tascii", "-Owidth=200"]).arg(page).output();
    let out = out.expect("mandoc is needed: apt-get install mandoc");
    let mut text = String::new();
    for c in String::from_utf8(out.stdout).unwrap().chars() {
        // Bold and underlined characters are struck over each other.
        if c == '\u{8}' {
            text.pop();
        } else {
            text.push(c);
        }
    }
    let section = text.split("\nEXAMPLES\n").nth(1).unwrap().split("\nSEE ALSO\n").next().unwrap();
    // Prose is indented by five, literal text by more.
    let literal = |line: &str| line.starts_with("      ");
    let mut blocks = vec![String::new()];
    for line in section.lines() {
        if literal(line) {
            *blocks.last_mut().unwrap() +=
                &format!("{}\n", line.get(11..).unwrap_or(line.trim_start()));
        } else if !blocks.last().unwrap().is_empty() {
            blocks.push(String::new());
        }
    }
    blocks.retain(|b| !b.is_empty());
    blocks
}

/// Commands (`$`, continued with `>`) and what each is said to print.
fn typed(block: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), String::new()));
        } else if let (Some(more), Some(last)) = (line.strip_prefix("> "), commands.last_mut()) {
            last.0 += &format!("\n{more}");
        } else if let Some(last) = commands.last_mut() {
            last.1 += &format!("{line}\n");
        }
    }
    commands
}

/// The one example without a prompt that has this word in it.
fn example(word: &str) -> String {
    let found: Vec<_> =
        examples().into_iter().filter(|b| !b.starts_with('$') && b.contains(word)).collect();
    assert_eq!(found.len(), 1, "{word}: {found:?}");
    found[0].clone()
}

fn bash(dir: &Path, command: &str) -> Output {
    in_home(Command::new("bash"), dir).args(["-euo", "pipefail", "-c", command]).output().unwrap()
}

/// Runs in `dir`, which is its home too; `hrec` is the one under test.
fn in_home(mut command: Command, dir: &Path) -> Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_hrec")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("HOME", dir);
    command.stdin(Stdio::null());
    command
}

/// Files below `dir` whose names end so.
fn find(dir: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(find(&path, end));
        } else if path.to_str().unwrap().ends_with(end) {
            found.push(path);
        }
    }
    found
}
