//! `hrec play` and `hrec cat` as a person runs them: on a real PTY, and in
//! pipes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

const HREC: &str = env!("CARGO_BIN_EXE_hrec");
const HEADER: &str = "{\"version\":3,\"term\":{\"cols\":40,\"rows\":6}}\n";
/// How long what must happen is waited for: a loaded machine is slow.
const PATIENCE: Duration = Duration::from_secs(40);
const LEAVE: &str = "\u{1b}[0m\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";

fn recording(dir: &Path, lines: &str) -> PathBuf {
    let path = dir.join("test.cast");
    std::fs::write(&path, format!("{HEADER}{lines}")).unwrap();
    path
}

/// A program on a PTY of its own, with everything it wrote.
struct Outer {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    written: Arc<Mutex<Vec<u8>>>,
    before: String,
    _home: tempfile::TempDir,
}

impl Outer {
    fn run(args: &[&str]) -> Self {
        let size = PtySize { rows: 8, cols: 50, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let home = tempfile::tempdir().unwrap();
        let mut command = CommandBuilder::new(HREC);
        command.args(args);
        command.env_clear();
        command.env("HOME", home.path());
        command.env("TERM", "xterm-256color");
        let before = format!("{:?}", pair.master.get_termios().unwrap());
        let child = pair.slave.spawn_command(command).unwrap();
        let written = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, sink) = (pair.master.try_clone_reader().unwrap(), Arc::clone(&written));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { master: pair.master, child, written, before, _home: home }
    }

    fn text(&self) -> String {
        // Once the terminal is given back it adds a CR of its own.
        // The last character may be half here.
        let written = self.written.lock().unwrap();
        String::from_utf8_lossy(&written).replace("\r\r\n", "\r\n")
    }

    fn wait_for(&self, what: &str) {
        let start = Instant::now();
        while !self.text().contains(what) {
            assert!(start.elapsed() < PATIENCE, "no {what:?} in {:?}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_raw(&self) -> bool {
        format!("{:?}", self.master.get_termios().unwrap()) != self.before
    }

    fn kill(&self, signal: libc::c_int) {
        let pid = rustix::process::Pid::from_raw(self.child.process_id().unwrap().cast_signed());
        let signal = rustix::process::Signal::from_named_raw(signal).unwrap();
        rustix::process::kill_process(pid.unwrap(), signal).unwrap();
    }

    /// Waits for its end, and holds it to leaving the terminal as it was.
    fn end(&mut self) -> ExitStatus {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(start.elapsed() < PATIENCE, "{:?}", self.text()),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        self.wait_for(LEAVE);
        assert!(!self.is_raw());
        status
    }
}

/// Everything of the program's between taking and leaving, held to the list
/// that the painter states.
fn assert_safe(text: &str) {
    let listed = regex::Regex::new(
        "\u{1b}\\[([0-9]+;[0-9]+H|[0-9]+G|K|2J|[0-9;]+m|\\?(7|25|1049)[hl])|\r\n",
    )
    .unwrap();
    let rest = listed.replace_all(text, "");
    assert!(!rest.chars().any(char::is_control), "{rest:?}");
}

#[test]
fn a_hostile_recording_drives_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hostile = [
        r"\u001b]0;pwned\u0007\u001b]2;pwned\u001b\\\u0007",
        r"\u001b]52;c;cHduZWQ=\u0007\u009d52;c;cHduZWQ=\u009c",
        r"\u001b[c\u001b[>c\u001b[=c\u001b[5n\u001b[6n\u009b6n\u001bZ\u0005\u001b[>q\u001b[?u",
        r"\u001b[5i\u001b[21t\u001b[18t\u001b[?1000h\u001b[?1006h\u001b[?2004h\u001b[?1004h",
        r"\u001b]10;?\u0007\u001b]11;?\u001b\\\u001b]4;1;?\u0007\u001bP+q544e\u001b\\\u0090$qm\u009c",
        r"\u001b_Ga=q;AAAA\u001b\\\u001b^pm\u001b\\\u001bXsos\u001b\\\u001b]1337;File=:AA\u0007",
        r"\u001b[?1049h\u001b[2Jalternate\u001b[?1049l\u000e\u000f\u001b(0\u001b#8\u001bc",
    ];
    let mut lines: String = hostile.iter().map(|t| format!("[0.02,\"o\",\"{t}\"]\n")).collect();
    lines.push_str("[0.02,\"o\",\"harmless\"]\n[0.02,\"m\",\"\\u001b]0;x\\u0007\"]\n");
    let path = recording(dir.path(), &lines);
    let mut outer = Outer::run(&["play", "--plain", path.to_str().unwrap()]);
    assert!(outer.end().success());
    outer.wait_for("\u{1b}[?1049l\u{1b}[0mharmless\u{1b}[0m\r\n");
    assert_safe(&outer.text());
    assert!(!outer.text().contains("pwned"));
}

#[test]
fn every_way_out_gives_the_terminal_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = recording(dir.path(), "[0,\"o\",\"first\"]\n[3600,\"o\",\"last\"]\n");
    let play = || {
        let outer = Outer::run(&["play", "--plain", "--idle-limit", "0", path.to_str().unwrap()]);
        outer.wait_for("first");
        assert!(outer.is_raw());
        outer
    };
    let keys: [(&[u8], bool); 3] = [(b"q", true), (b"\x03", false), (b"\x1c", false)];
    for (key, success) in keys {
        let mut outer = play();
        outer.master.take_writer().unwrap().write_all(key).unwrap();
        assert_eq!(outer.end().success(), success, "{key:?}");
        assert_safe(&outer.text());
        outer.wait_for("\u{1b}[?1049l\u{1b}[0mfirst\u{1b}[0m\r\n");
    }
    for (signal, name) in
        [(libc::SIGTERM, "Terminated"), (libc::SIGHUP, "Hangup"), (libc::SIGINT, "Interrupt")]
    {
        let mut outer = play();
        outer.kill(signal);
        let status = format!("{:?}", outer.end());
        assert!(status.contains(name), "{status}");
    }
}

#[test]
fn a_window_that_changes_is_painted_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = recording(dir.path(), "[0,\"o\",\"some words\"]\n[3600,\"o\",\"last\"]\n");
    let mut outer = Outer::run(&["play", "--plain", "--idle-limit", "0", path.to_str().unwrap()]);
    outer.wait_for("some words");
    let size = PtySize { rows: 3, cols: 4, pixel_width: 0, pixel_height: 0 };
    outer.master.resize(size).unwrap();
    // The part around the cursor, and nothing beyond the window.
    outer.wait_for("\u{1b}[2J\u{1b}[1;1H\u{1b}[0mrds");
    outer.master.take_writer().unwrap().write_all(b"q").unwrap();
    assert!(outer.end().success());
}

#[test]
fn raw_bytes_go_to_no_terminal_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let path = recording(dir.path(), "[0,\"o\",\"\\u001b]0;x\\u0007\"]\n");
    let path = path.to_str().unwrap();
    let mut refused = Outer::run(&["cat", "--format", "raw", path]);
    assert_eq!(refused.child.wait().unwrap().exit_code(), 125);
    refused.wait_for("--force");
    assert!(!refused.text().contains('\u{1b}'));
    let mut forced = Outer::run(&["cat", "--format", "raw", "--force", path]);
    assert!(forced.child.wait().unwrap().success());
    forced.wait_for("\u{1b}]0;x\u{7}");
    for format in ["v3", "v2", "v1", "json", "text"] {
        let mut shown = Outer::run(&["cat", "--format", format, path]);
        assert!(shown.child.wait().unwrap().success());
        assert!(!shown.text().contains('\u{1b}'), "{format}");
    }
}

fn hrec(args: &[&str], input: Option<&Path>) -> Output {
    let stdin = input.map_or(Stdio::null(), |path| std::fs::File::open(path).unwrap().into());
    Command::new(HREC)
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("TZ", "UTC")
        .stdin(stdin)
        .output()
        .unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn into_a_pipe_play_writes_lines_in_real_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines: String = (0..8).map(|n| format!("[0.1,\"o\",\"line {n}\\r\\n\"]\n")).collect();
    lines.push_str("[3600,\"o\",\"an hour later\"]\n");
    let path = recording(dir.path(), &lines);
    let start = Instant::now();
    let mut child = Command::new(HREC)
        .args(["play", "--idle-limit", "0", path.to_str().unwrap()])
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    // A line leaves the six-row screen when the sixth after it begins: the
    // first at 0.6 s, the third at 0.8 s. The rest comes in an hour.
    for (line, millis) in [(b"line 0\n", 600), (b"line 1\n", 700), (b"line 2\n", 800)] {
        let mut read = [0; 7];
        out.read_exact(&mut read).unwrap();
        assert_eq!(&read, line);
        assert!(start.elapsed() >= Duration::from_millis(millis), "{:?}", start.elapsed());
    }
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn speed_and_idle_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = recording(dir.path(), "[100,\"o\",\"a\"]\n[100,\"o\",\"b\"]\n");
    let start = Instant::now();
    let args = ["play", "--idle-limit", "1", "--speed", "10", path.to_str().unwrap()];
    assert_eq!(hrec(&args, None).stdout, b"ab\n");
    let took = start.elapsed();
    assert!((Duration::from_millis(200)..PATIENCE).contains(&took), "{took:?}, not 200 s");
    // The recording's own wish holds where nothing was typed.
    let wish = HEADER.replace("}}", "},\"idle_time_limit\":0.1}");
    std::fs::write(&path, format!("{wish}[100,\"o\",\"a\"]\n")).unwrap();
    let start = Instant::now();
    assert_eq!(hrec(&["play", path.to_str().unwrap()], None).stdout, b"a\n");
    let took = start.elapsed();
    assert!((Duration::from_millis(100)..PATIENCE).contains(&took), "{took:?}, not 100 s");
}

/// A recording of ten minutes, a line a minute on six rows.
fn minutes(dir: &Path) -> PathBuf {
    let header = HEADER.replace("}}", "},\"timestamp\":1795269600}");
    let lines: String = (1..=10).map(|n| format!("[60,\"o\",\"line {n}\\r\\n\"]\n")).collect();
    let path = dir.join("minutes.cast");
    std::fs::write(&path, format!("{header}{lines}")).unwrap();
    path
}

#[test]
fn the_plain_replay_begins_where_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = minutes(dir.path());
    let file = path.to_str().unwrap();
    let lines = |from: u32| (from..=10).map(|n| format!("line {n}\n")).collect::<String>();
    // 2026-11-21 14:00 UTC. Six rows, the last of them blank: after the eighth
    // line three have gone.
    for at in ["480", "8m", "8:00.5", "80%", "14:08", "0:08:00"] {
        for name in [file, "-"] {
            let args = ["play", "--plain", "--at", at, "--speed", "1000", name];
            let output = hrec(&args, Some(&path));
            assert_eq!(String::from_utf8_lossy(&output.stdout), lines(4), "{at} {name}");
            assert_eq!((output.status.code(), err(&output)), (Some(0), ""), "{at} {name}");
        }
    }
    assert_eq!(hrec(&["play", "--at", "100%", file], None).stdout, lines(6).as_bytes());
    assert_eq!(hrec(&["play", "--at", "9h", file], None).stdout, lines(6).as_bytes());

    // On a terminal: the screen as it was, at once, and then what came next.
    let args = ["play", "--plain", "--idle-limit", "0", "--at", "8m", file];
    let mut outer = Outer::run(&args);
    outer.wait_for("line 8");
    assert!(!outer.text().contains("line 3"), "{:?}", outer.text());
    assert!(!outer.text().contains("line 9"), "{:?}", outer.text());
    outer.master.take_writer().unwrap().write_all(b"q").unwrap();
    assert!(outer.end().success());
}

#[test]
fn a_place_that_no_recording_has_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = minutes(dir.path());
    let file = path.to_str().unwrap();
    for at in ["NaN", "garbage", "", "1:2:3:4", "1e9", "x:y"] {
        let output = hrec(&["play", "--plain", "--at", at, file], None);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(125), &b""[..]), "{at}");
        let told = err(&output);
        assert!(told.contains("--at") && told.contains("1:23:45, 12m30s"), "{told}");
    }
    for at in ["200%", "NaN%", "23:00"] {
        let output = hrec(&["play", "--plain", "--at", at, file], None);
        assert_eq!(output.status.code(), Some(125), "{at}");
        assert!(err(&output).contains("is not in the recording"), "{}", err(&output));
        assert!(!err(&output).contains("is no time"), "{}", err(&output));
    }
    // On a terminal too, before it is taken.
    let mut outer = Outer::run(&["play", "--at", "x:y", file]);
    assert_eq!(outer.child.wait().unwrap().exit_code(), 125);
    outer.wait_for("12m30s");
    assert!(!outer.text().contains("?1049h"), "{:?}", outer.text());
}

#[test]
fn torn_and_damaged_recordings_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let torn = recording(dir.path(), "[1,\"o\",\"a\"]\n[1,\"o\",\"b");
    for args in [["cat", "--format", "raw"], ["play", "--speed", "100"]] {
        let output = hrec(&[&args[..], &[torn.to_str().unwrap()]].concat(), None);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout.starts_with(b"a"));
        let line =
            format!("hrec: {}: the last line (3) is cut short after 9 bytes\n", torn.display());
        assert_eq!(err(&output), line);
    }
    let damaged = recording(dir.path(), "[1,\"o\",\"a\"]\nlol\n[1,\"o\",\"b\"]\n");
    let output = hrec(&["cat", "--format", "raw", damaged.to_str().unwrap()], None);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(125), b"ab".as_slice()));
    assert_eq!(
        err(&output),
        format!(
            "hrec: {}: line 3 is no asciicast event: not a JSON array; it was passed over\n",
            damaged.display()
        )
    );
}

#[test]
fn standard_input_and_sessions_without_a_pty() {
    let dir = tempfile::tempdir().unwrap();
    let path = recording(
        dir.path(),
        concat!(
            r#"[0,"h","{\"k\":\"stream\",\"fd\":0,\"b64\":\"aWdub3JlZA==\"}"]"#,
            "\n",
            r#"[0,"h","{\"k\":\"stream\",\"fd\":1,\"b64\":\"b25lCnR3bwo=\"}"]"#,
            "\n",
            r#"[0,"h","{\"k\":\"stream\",\"fd\":2,\"b64\":\"/w==\"}"]"#,
            "\n",
            r#"[0,"h","{\"k\":\"stream\",\"fd\":1,\"bytes\":99,\"sha256\":\"x\"}"]"#,
            "\n",
        ),
    );
    let raw = hrec(&["cat", "--format", "raw", "-"], Some(&path));
    assert_eq!(raw.stdout, b"one\ntwo\n\xff");
    assert_eq!(err(&raw), "hrec: 99 bytes of output are in it by number and digest only\n");
    let text = hrec(&["cat", "--format", "text", "-"], Some(&path));
    assert_eq!(text.stdout, "one\ntwo\n\u{fffd}\n".as_bytes());
    assert_eq!(hrec(&["play", "-"], Some(&path)).stdout, text.stdout);
    let v3 = hrec(&["cat", "-"], Some(&path));
    assert_eq!(String::from_utf8(v3.stdout).unwrap().matches("stream").count(), 4);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = recording(dir.path(), &"[0,\"o\",\"much text\\r\\n\"]\n".repeat(200_000));
    let mut child = Command::new(HREC)
        .args(["cat", path.to_str().unwrap()])
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
}

#[test]
fn what_cannot_be_opened_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("no\u{1b}[2Jcast");
    std::fs::write(&path, "hello").unwrap();
    for name in [path.as_path(), Path::new("/nonexistent/\u{1b}x.cast")] {
        let output = hrec(&["cat", name.to_str().unwrap()], None);
        assert_eq!(output.status.code(), Some(125));
        assert!(!err(&output).contains('\u{1b}'), "{}", err(&output));
        assert!(err(&output).contains("cast"), "{}", err(&output));
    }
}

#[test]
fn a_recording_in_the_store_by_its_names() {
    let home = tempfile::tempdir().unwrap();
    let hrec = |args: &[&str]| {
        let mut command = Command::new(HREC);
        command.args(args).env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).output().unwrap()
    };
    assert_eq!(hrec(&["rec", "--", "printf", "one"]).stdout, b"one");
    assert_eq!(hrec(&["rec", "--", "echo", "two"]).stdout, b"two\n");
    assert_eq!(hrec(&["cat", "--format", "raw", "-1"]).stdout, b"two\n");
    assert_eq!(hrec(&["cat", "--format", "raw", "-2"]).stdout, b"one");
    assert_eq!(hrec(&["cat", "--format", "raw", "printf"]).stdout, b"one");
    assert_eq!(hrec(&["play", "--speed", "1000", "printf"]).stdout, b"one\n");
    let none = hrec(&["play", "-3"]);
    assert_eq!(none.status.code(), Some(125));
    assert!(err(&none).contains("there is no recording -3"), "{}", err(&none));
}

/// The passphrase is asked for on the terminal, and not echoed.
#[test]
fn an_identity_with_a_passphrase() {
    use age::secrecy::{ExposeSecret, SecretString};
    let dir = tempfile::tempdir().unwrap();
    let key = age::x25519::Identity::generate();
    let secret = key.to_string();
    let mut lock = age::scrypt::Recipient::new(SecretString::from("correct höße".to_owned()));
    lock.set_work_factor(10);
    let locked = age::encrypt(&lock, secret.expose_secret().as_bytes()).unwrap();
    let identity = dir.path().join("locked.age");
    std::fs::write(&identity, locked).unwrap();
    let text = format!("{HEADER}[0,\"o\",\"opened\"]\n");
    let cast = dir.path().join("test.cast.age");
    std::fs::write(&cast, age::encrypt(&key.to_public(), text.as_bytes()).unwrap()).unwrap();
    let args =
        ["cat", "--format", "text", "-i", identity.to_str().unwrap(), cast.to_str().unwrap()];

    let typed: [(&str, Option<u32>); 3] =
        [("correct hößx\u{7f}e\r", Some(0)), ("wrong\r", Some(125)), ("corr\u{3}", Some(125))];
    for (keys, status) in typed {
        let mut outer = Outer::run(&args);
        outer.wait_for("locked.age");
        outer.master.take_writer().unwrap().write_all(keys.as_bytes()).unwrap();
        assert_eq!(Some(outer.child.wait().unwrap().exit_code()), status, "{:?}", outer.text());
        assert!(!outer.is_raw());
        if status == Some(0) {
            outer.wait_for("opened");
        }
        assert!(!outer.text().contains("corr"), "{:?}", outer.text());
    }
    // Without a terminal there is nobody to ask.
    let mut command = Command::new("setsid");
    let output = command.arg("--wait").arg(HREC).args(args).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
}
