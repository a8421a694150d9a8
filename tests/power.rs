//! What a power cut costs, with each value of `record.sync`: a recording on
//! ext4 on a loop device, whose unsynced writes are dropped at a random moment.
//!
//! Needs root, so it is not among the tests that run always:
//! `HREC_POWER_CUTS=30 cargo test --release --test power -- --nocapture`.
//!
//! The cut is ext4's own EXT4_IOC_SHUTDOWN without a flush of its log, as file
//! system developers use it: from that moment nothing reaches the device, and
//! what was in memory only is gone. The file system is then mounted anew, which
//! replays its log, and the recording is opened there. What the kernel had sent
//! to the device counts as kept: a disk whose own cache loses that, too, loses
//! more without sync, and the same with it, since fdatasync(2) flushes that cache.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test says what it expects")]
#![allow(clippy::print_stdout, reason = "figures, for whoever asks with --nocapture")]

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::sandbox::HREC;
use support::{Sandbox, Terminal, tool};

const TICKER: &str = "while :; do echo \"@$EPOCHREALTIME $RANDOM\"; read -t 0.01 <> <(:); done";

/// `_IOR('X', 125, __u32)` with EXT4_GOING_FLAGS_NOLOGFLUSH, include/uapi/linux/ext4.h.
const CUT: &str = "import fcntl, os, struct, sys; \
                   fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

const AT_ONCE: usize = 6;

fn run(program: &str, args: &[&str]) {
    let status = Command::new(tool(program)).args(args).status();
    assert!(status.is_ok_and(|status| status.success()), "{program} {args:?} failed");
}

struct Disk {
    image: String,
    at: PathBuf,
}

impl Disk {
    fn new(sandbox: &Sandbox) -> Self {
        assert!(rustix::process::geteuid().is_root(), "a loop device needs root");
        let image = sandbox.path("image").display().to_string();
        let at = sandbox.path("disk");
        std::fs::create_dir(&at).expect("a directory");
        std::fs::File::create(&image).expect("a file").set_len(64 << 20).expect("a size");
        run("mkfs.ext4", &["-q", &image]);
        let disk = Self { image, at };
        disk.mount();
        disk
    }

    fn mount(&self) {
        run("mount", &["-o", "loop", &self.image, &self.at.display().to_string()]);
    }

    fn cut(&self) {
        run("python3", &["-c", CUT, &self.at.display().to_string()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new(tool("umount")).arg("--lazy").arg(&self.at).status();
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

fn stamp(seen: &[u8], from: usize) -> Option<Duration> {
    let rest = seen.get(from..)?;
    let at = memchr::memchr(b'@', rest)?;
    let text: Vec<u8> = rest[at + 1..].iter().copied().take_while(|b| *b != b' ').collect();
    let text = String::from_utf8(text).ok()?;
    let (seconds, micros) = text.split_once('.')?;
    (micros.len() == 6).then_some(())?;
    Some(Duration::new(seconds.parse().ok()?, micros.parse::<u32>().ok()? * 1000))
}

/// Cuts the power `after` the first output; what was lost, in time, and whether
/// all was.
fn cut(sync: bool, after: Duration) -> (Duration, bool) {
    let sandbox = Sandbox::new();
    let disk = Disk::new(&sandbox);
    sandbox.configure(&format!(
        "[record]\nsync = {sync}\n[store]\nmin_free = \"0\"\npath = \"{}\"\n",
        disk.at.display()
    ));
    let argv = [HREC, "rec", "--", "bash", "-c", TICKER];
    let mut terminal = Terminal::spawn(&sandbox, &argv);
    terminal.expect("@");
    terminal.watch(after);
    let moment = wall();
    disk.cut();
    let hrec = rustix::process::Pid::from_raw(terminal.pid()).expect("a process");
    rustix::process::kill_process(hrec, rustix::process::Signal::KILL).expect("it runs");
    terminal.wait();
    sandbox.wait_until_nothing_runs();
    run("umount", &[&disk.at.display().to_string()]);
    disk.mount();
    let read = sandbox.hrec(&["cat", "--format", "raw", "-1"]);
    let recorded = if read.status.success() { read.stdout.clone() } else { Vec::new() };
    assert!(terminal.seen().starts_with(&recorded), "not what was shown");
    assert!(!sync || !recorded.is_empty(), "{read:?}");
    let first = stamp(terminal.seen(), recorded.len()).unwrap_or(moment);
    (moment.saturating_sub(first), recorded.is_empty())
}

fn cuts(sync: bool, most: Duration) {
    let count = std::env::var("HREC_POWER_CUTS").map_or(3, |n| n.parse().expect("a number"));
    let (next, lost) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(count) {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::SeqCst) < count {
                    let after = most.mul_f64(rand::random::<f64>());
                    let result = cut(sync, after);
                    lost.lock().expect("no panic").push(result);
                }
            });
        }
    });
    let mut lost = lost.into_inner().expect("no panic");
    lost.sort();
    let all = lost.iter().filter(|(_, all)| *all).count();
    println!(
        "record.sync = {sync}: {count} cuts within {most:?} of the start; lost: median {:?}, worst \
         {:?}; nothing left in {all}",
        lost[count / 2].0,
        lost[count - 1].0,
    );
    if sync {
        assert!(lost[count - 1].0 < Duration::from_secs(2), "{lost:?}");
    }
}

#[test]
fn synced_a_power_cut_costs_what_a_kill_does() {
    cuts(true, Duration::from_secs(8));
}

#[test]
fn unsynced_it_costs_what_the_file_system_lets_it() {
    cuts(false, Duration::from_secs(60));
}

/// Once hrec has ended the recording is whole; without `record.sync` only one
/// of a session that was not over at once, and it may have the name of before
/// its end.
#[test]
fn a_finished_recording_stays() {
    for sync in [true, false] {
        let sandbox = Sandbox::new();
        let disk = Disk::new(&sandbox);
        sandbox.configure(&format!(
            "[record]\nsync = {sync}\n[store]\nmin_free = \"0\"\npath = \"{}\"\n",
            disk.at.display()
        ));
        let script = if sync { "echo done" } else { "sleep 31; echo done" };
        let mut terminal = Terminal::spawn(&sandbox, &[HREC, "rec", "--", "sh", "-c", script]);
        assert_eq!(terminal.wait(), 0);
        disk.cut();
        run("umount", &[&disk.at.display().to_string()]);
        disk.mount();
        assert_eq!(sandbox.raw(), b"done\r\n", "sync = {sync}");
        let left = sandbox.hrec(&["info", "-1"]).text();
        let named = left.contains("finished") || (!sync && left.contains("interrupted"));
        assert!(named, "sync = {sync}: {left}");
    }
}
