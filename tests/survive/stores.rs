//! Stores that are full, limited, gone, or that do not answer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::sandbox::HREC;
use crate::support::{Sandbox, Terminal, tool, wait_until};
use crate::trace::{Trace, files};
use crate::{complaints, configure, recording, wait_until_recorded};

/// A line every 50 ms, for four seconds, and a status of its own.
const TICKER: &str =
    "i=0; while [ $i -lt 80 ]; do echo line $i; i=$((i+1)); sleep 0.05; done; exit 7";

/// A small file system of its own.
struct Small(PathBuf);

impl Small {
    fn mount(sandbox: &Sandbox, kib: u32) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test mounts a small file system to fill it: run it as root"
        );
        let dir = sandbox.path("small");
        std::fs::create_dir(&dir).expect("a directory");
        let mounted = Command::new(tool("mount"))
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "none"])
            .arg(&dir)
            .status();
        assert!(mounted.expect("mount runs").success(), "a tmpfs cannot be mounted here");
        Self(dir)
    }

    /// Takes all the space that is left but so much; gives the file.
    fn fill_but(&self, kib: u64) -> PathBuf {
        let ballast = self.0.join("ballast");
        let space = rustix::fs::statvfs(&self.0).expect("a file system");
        let bytes = (space.f_bavail * space.f_frsize).saturating_sub(kib * 1024);
        std::fs::write(&ballast, vec![0; bytes as usize]).expect("room for it");
        ballast
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new(tool("umount")).arg("--lazy").arg(&self.0).status();
    }
}

fn configure_at(sandbox: &Sandbox, mode: &str, store: &Path) {
    sandbox.configure(&format!(
        "[record]\nmode = \"{mode}\"\n[store]\nmin_free = \"0\"\npath = \"{}\"\n",
        store.display()
    ));
}

fn text(terminal: &Terminal) -> String {
    String::from_utf8_lossy(terminal.seen()).into_owned()
}

/// The fields of the `gap` facts of a recording.
fn gaps(sandbox: &Sandbox, rec: &str) -> Vec<serde_json::Value> {
    let (_, events) = sandbox.cast(rec);
    events
        .iter()
        .filter(|event| event.code == "h")
        .map(|event| serde_json::from_str(&event.data).expect("JSON"))
        .filter(|fact: &serde_json::Value| fact["k"] == "gap")
        .collect()
}

#[test]
fn full() {
    let noise = "head -c 3000000 /dev/urandom | base64; sleep 0.4; echo alive; exit 7";
    for (mode, status) in [("best-effort", 7), ("strict", 125)] {
        let sandbox = Sandbox::new();
        let small = Small::mount(&sandbox, 1024);
        configure_at(&sandbox, mode, &small.0);
        let mut before = Terminal::spawn(&sandbox, &recording(&["echo", "somebody else's"]));
        assert_eq!(before.wait(), 0);
        let mut other = Terminal::spawn(&sandbox, &recording(&["sh", "-c", "echo mine; exec cat"]));
        other.expect("mine\r\n");
        wait_until("it is saved", || (sandbox.raw() == b"mine\r\n").then_some(()));

        let mut terminal = Terminal::spawn(&sandbox, &recording(&["sh", "-c", noise]));
        assert_eq!(terminal.wait(), status, "{mode}: {:?}", complaints(&terminal));
        let complaints = complaints(&terminal);
        assert_eq!(complaints.len(), 1, "{mode}: {complaints:#?}");
        assert!(complaints[0].contains("No space left on device"), "{complaints:#?}");
        assert_eq!(text(&terminal).contains("alive"), mode == "best-effort", "{mode}");
        let left = sandbox.raw();
        assert!(left.len() > 100_000 && terminal.seen().starts_with(&left), "{}", left.len());

        // The others have what they had, and the one that goes on ends well
        // once there is room.
        assert_eq!(sandbox.cat("raw", "-3"), b"somebody else's\r\n");
        let id = sandbox.hrec(&["ls", "--json"]).text();
        let listed: Vec<serde_json::Value> = serde_json::from_str(&id).expect("JSON");
        for entry in listed.iter().filter(|entry| entry["state"] == "interrupted") {
            let path = entry["path"].as_str().expect("a path").replace(".cast.zst.age", "");
            for end in [".cast.zst.age", ".cast.zst.age.part"] {
                let _ = std::fs::remove_file(format!("{path}{end}"));
            }
        }
        other.send("\x04");
        other.wait();
        let states = sandbox.hrec(&["ls"]).text();
        assert!(states.lines().any(|line| line.contains("cat") || line.contains("sh")), "{states}");
    }
}

/// Room again before the session ends: a gap, and a whole file.
#[test]
fn full_for_a_while() {
    let sandbox = Sandbox::new();
    let small = Small::mount(&sandbox, 512);
    configure_at(&sandbox, "best-effort", &small.0);
    let script =
        "echo ready; while read line; do echo \"$line\"; head -c 30000 /dev/urandom | base64; done";
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["sh", "-c", script]));
    // Until then the outer terminal echoes too.
    terminal.expect("ready\r\n");
    terminal.send("before\n");
    terminal.expect("before\r\nbefore\r\n");
    // Else what is still to be written would take space, too.
    wait_until_recorded(&sandbox, &mut terminal, "-1");
    let ballast = small.fill_but(0);
    terminal.send("meanwhile\n");
    terminal.expect("meanwhile\r\nmeanwhile\r\n");
    // Some tries, of which there is one a second.
    terminal.watch(Duration::from_secs(5));
    std::fs::remove_file(ballast).expect("it is there");
    wait_until_recorded(&sandbox, &mut terminal, "-1");
    terminal.send("after\n");
    terminal.expect("after\r\nafter\r\n");
    terminal.send("\x04");
    assert_eq!(terminal.wait(), 0);
    let gaps = gaps(&sandbox, "-1");
    assert_eq!(gaps.len(), 1, "{gaps:#?}");
    assert!(gaps[0]["reason"].as_str().expect("text").contains("No space left"), "{gaps:#?}");
    let lasted = gaps[0]["to_us"].as_u64().expect("µs") - gaps[0]["from_us"].as_u64().expect("µs");
    assert!(lasted > 1_000_000, "{gaps:#?}");
    // So little was shown meanwhile that memory could hold it.
    assert_eq!(gaps[0]["bytes"], 0);
    let raw = sandbox.raw();
    let same = terminal.seen().iter().zip(&raw).take_while(|(a, b)| a == b).count();
    assert_eq!(same, raw.len(), "{}", raw[same.saturating_sub(60)..][..200].escape_ascii());
    assert!(String::from_utf8_lossy(&raw).contains("after"));
    let complaints = complaints(&terminal);
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(complaints[0].contains("nothing was lost"), "{complaints:#?}");
}

/// A file size limit (ulimit -f) brings a signal, SIGXFSZ, which ends a
/// program that does not expect it.
#[test]
fn limited_by_ulimit() {
    for (mode, status) in [("best-effort", 7), ("strict", 125)] {
        let sandbox = Sandbox::new();
        configure(&sandbox, mode);
        let noise = "head -c 1000000 /dev/urandom | base64; sleep 0.4; echo alive; exit 7";
        let script = format!("ulimit -f 200; exec {HREC} rec -- sh -c '{noise}'");
        let mut terminal = Terminal::spawn(&sandbox, &["bash", "-c", &script]);
        assert_eq!(terminal.wait(), status, "{mode}: {:?}", complaints(&terminal));
        let complaints = complaints(&terminal);
        assert_eq!(complaints.len(), 1, "{mode}: {complaints:#?}");
        assert!(complaints[0].contains("File too large"), "{complaints:#?}");
        let left = sandbox.raw();
        assert!(left.len() > 50_000 && terminal.seen().starts_with(&left), "{}", left.len());
    }
}

#[test]
fn removed() {
    for (mode, status) in [("best-effort", 7), ("strict", 125)] {
        let sandbox = Sandbox::new();
        configure(&sandbox, mode);
        let mut terminal = Terminal::spawn(&sandbox, &recording(&["sh", "-c", TICKER]));
        terminal.expect("line 9\r\n");
        std::fs::remove_dir_all(sandbox.path("data/hrec")).expect("a store");
        assert_eq!(terminal.wait(), status, "{mode}: {}", text(&terminal));
        let complaints = complaints(&terminal);
        assert_eq!(complaints.len(), 1, "{mode}: {complaints:#?}");
        assert_eq!(text(&terminal).contains("line 79"), mode == "best-effort", "{mode}");
    }
}

/// From the third append on the store answers with this.
fn refuses(error: &str, words: &str) {
    for (mode, status) in [("best-effort", 7), ("strict", 125)] {
        let sandbox = Sandbox::new();
        configure(&sandbox, mode);
        let file = sandbox.work().join("x.cast.zst.age");
        let trace = Trace::new(&sandbox, "write,fdatasync")
            .on(&files(&file))
            .inject(&format!("write:error={error}:when=3+"));
        let name = file.display().to_string();
        let mut terminal =
            trace.spawn(&sandbox, &[HREC, "rec", "-o", &name, "--", "sh", "-c", TICKER]);
        assert_eq!(terminal.wait(), status, "{mode}: {}", text(&terminal));
        assert!(trace.injected());
        let complaints = complaints(&terminal);
        assert_eq!(complaints.len(), 1, "{mode}: {complaints:#?}");
        assert!(complaints[0].contains(words), "{complaints:#?}");
        assert_eq!(text(&terminal).contains("line 79"), mode == "best-effort", "{mode}");
        let left = sandbox.cat("raw", &name);
        assert!(left.starts_with(b"line 0\r\n"), "{}", left.escape_ascii());
        assert!(terminal.seen().starts_with(&left), "{}", left.escape_ascii());
    }
}

#[test]
fn read_only() {
    refuses("EROFS", "Read-only file system");
}

#[test]
fn over_quota() {
    refuses("EDQUOT", "quota");
}

#[test]
fn gone_with_its_server() {
    refuses("ESTALE", "Stale");
}

/// What a session with a slow store came to.
struct Slow {
    terminal: Terminal,
    status: i32,
    /// Whether hrec had its last word before the slow call was over.
    before_it: bool,
    /// Whether the slow call came to its end.
    was_slow: bool,
    /// When that was.
    took: Duration,
    path: String,
}

/// Runs `script` with a store of which one call takes so long. The sync of
/// the third append is the third of the thread that writes, since the one that
/// begins makes two: before `script` are as many lines as that takes.
fn slow(sandbox: &Sandbox, mode: &str, call: &str, seconds: u32, script: &str) -> Slow {
    configure(sandbox, mode);
    let file = sandbox.work().join("x.cast.zst.age");
    let (name, nth) = call.split_once('#').expect("a call and its number");
    let trace = Trace::new(sandbox, name)
        .on(&files(&file))
        .inject(&format!("{name}:delay_enter={seconds}000000:when={nth}"));
    let path = file.display().to_string();
    // strace keeps a process that has ended until the delay is over; so the time
    // is that of hrec's last word, and the status may come later.
    let outer = "\"$@\"; echo \"hrec left with <$?>\"";
    let before = if call == THIRD_APPEND { "echo 1; read x; echo 2; read x; " } else { "" };
    let script = format!("{before}{script}");
    let argv = ["sh", "-c", outer, "sh", HREC, "rec", "-o", &path, "--", "sh", "-c", &script];
    let start = Instant::now();
    let mut terminal = trace.spawn(sandbox, &argv);
    for line in ["1\r\n", "2\r\n"] {
        if !before.is_empty() {
            terminal.expect(line);
            wait_until_recorded(sandbox, &mut terminal, &path);
            terminal.send("\r");
        }
    }
    terminal.expect("hrec: ");
    let (took, before_it) = (start.elapsed(), !trace.injected());
    let status = terminal.expect_match("hrec left with <([0-9]+)>").parse().expect("a status");
    Slow { terminal, status, before_it, was_slow: trace.injected(), took, path }
}

const THIRD_APPEND: &str = "fdatasync#3";

#[test]
fn a_slow_write_ends_a_strict_session() {
    let endless = "while :; do echo line; sleep 0.1; done";
    let sandbox = Sandbox::new();
    let slow = slow(&sandbox, "strict", THIRD_APPEND, 20, endless);
    let Slow { terminal, status, path, .. } = slow;
    assert_eq!(status, 125, "{}", text(&terminal));
    let complaints = complaints(&terminal);
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(complaints[0].contains("the store does not answer"), "{complaints:#?}");
    println!("strict: ended after {:?}", slow.took);
    assert!(slow.before_it, "it waited for the store");
    assert!(terminal.seen().starts_with(&sandbox.cat("raw", &path)));
}

#[test]
fn best_effort_waits_for_a_slow_write_only_where_it_must() {
    let sandbox = Sandbox::new();
    // Few lines fit into the queue: nothing is lost, nothing need be said.
    let Slow { terminal, status, was_slow, path, .. } =
        slow(&sandbox, "best-effort", THIRD_APPEND, 10, TICKER);
    assert!(was_slow && status == 7, "{status}, slow: {was_slow}: {}", text(&terminal));
    assert_eq!(complaints(&terminal), Vec::<String>::new());
    assert!(terminal.seen().starts_with(&sandbox.cat("raw", &path)));
    assert!(sandbox.cat("raw", &path).ends_with(b"line 79\r\n"));
    assert_eq!(gaps(&sandbox, &path).len(), 0);

    // A flood does not. It begins when the slow write does; 5 s later it goes on
    // unrecorded, and the write ends before the 15 s that the end is given.
    let sandbox = Sandbox::new();
    let flood = "echo 3; sleep 2; yes | head -c 9000000; echo end; exit 7";
    let Slow { terminal, status, took, path, .. } =
        slow(&sandbox, "best-effort", THIRD_APPEND, 14, flood);
    assert_eq!(status, 7);
    assert!(text(&terminal).contains("end\r\n"));
    let complaints = complaints(&terminal);
    println!("best-effort: {took:?}, {complaints:?}");
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(complaints[0].contains("bytes of this session were not recorded"), "{complaints:?}");
    let gaps = gaps(&sandbox, &path);
    assert_eq!(gaps.len(), 1, "{gaps:#?}");
    let recorded = sandbox.cat("raw", &path);
    let lost = gaps[0]["bytes"].as_u64().expect("a number") as usize;
    assert!(recorded.starts_with(b"1\r\n\r\n2\r\n\r\n3\r\ny\r\ny\r\n"));
    let shown = memchr::memmem::rfind(terminal.seen(), b"end\r\n").expect("the end") + 5;
    assert_eq!(recorded.len() + lost, shown, "what was shown is recorded or counted");
}

#[test]
fn a_store_that_never_answers_keeps_nobody() {
    std::thread::scope(|scope| {
        // In the middle: the end is given 15 s.
        scope.spawn(|| {
            let sandbox = Sandbox::new();
            let slow = slow(&sandbox, "best-effort", THIRD_APPEND, 33, "echo 3; sleep 1; exit 7");
            let Slow { terminal, status, path, .. } = slow;
            assert_eq!(status, 7, "{}", text(&terminal));
            let complaints = complaints(&terminal);
            assert_eq!(complaints.len(), 1, "{complaints:#?}");
            assert!(complaints[0].contains("left interrupted"), "{complaints:#?}");
            println!("best-effort: left alone after {:?}", slow.took);
            assert!(slow.before_it, "it waited for the store");
            assert!(terminal.seen().starts_with(&sandbox.cat("raw", &path)));
        });
        // Before it has begun: 10 s.
        scope.spawn(|| {
            let sandbox = Sandbox::new();
            let slow = slow(&sandbox, "best-effort", "fdatasync#1", 30, "echo ran; exit 7");
            let Slow { terminal, status, .. } = slow;
            assert_eq!(status, 7, "{}", text(&terminal));
            assert!(text(&terminal).contains("ran\r\n"));
            let complaints = complaints(&terminal);
            assert_eq!(complaints.len(), 1, "{complaints:#?}");
            assert!(complaints[0].contains("NOT recorded"), "{complaints:#?}");
            assert!(slow.before_it, "it waited for the store");
        });
        scope.spawn(|| {
            let sandbox = Sandbox::new();
            let slow = slow(&sandbox, "strict", "openat#1", 30, "echo ran; exit 7");
            let Slow { terminal, status, .. } = slow;
            assert_eq!(status, 125, "{}", text(&terminal));
            assert!(!text(&terminal).contains("ran\r\n"));
            assert_eq!(complaints(&terminal).len(), 1, "{}", text(&terminal));
            assert!(slow.before_it, "it waited for the store");
        });
    });
}

#[test]
fn what_is_asked_of_the_store_before_it_takes_a_recording() {
    for (setting, words) in [
        ("min_free = \"900000TiB\"", "store.min_free"),
        ("min_free = \"0\"\nquota_user = \"1KiB\"", "store.quota_user"),
    ] {
        let sandbox = Sandbox::new();
        configure(&sandbox, "strict");
        let mut first =
            Terminal::spawn(&sandbox, &recording(&["head", "-c", "2000", "/dev/urandom"]));
        assert_eq!(first.wait(), 0);
        for (mode, status) in [("strict", 125), ("best-effort", 7)] {
            sandbox.configure(&format!("[record]\nmode = \"{mode}\"\n[store]\n{setting}\n"));
            let mut terminal =
                Terminal::spawn(&sandbox, &recording(&["sh", "-c", "echo ran; exit 7"]));
            assert_eq!(terminal.wait(), status, "{}", text(&terminal));
            assert_eq!(text(&terminal).contains("ran\r\n"), mode == "best-effort");
            let complaints = complaints(&terminal);
            assert_eq!(complaints.len(), 1, "{complaints:#?}");
            assert!(complaints[0].contains(words), "{complaints:#?}");
            assert_eq!(sandbox.manifests().len(), 1);
        }
    }
}
