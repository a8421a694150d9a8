//! The recorder is killed (SIGKILL) at random moments under load: what it left
//! opens, holds exactly what was shown up to some moment, and that moment is
//! not long ago.
//!
//! `HREC_KILLS=1000 cargo test --release --test kill -- --nocapture` kills that
//! often and says what was lost at worst; without it there are a few kills of
//! each load. `HREC_KILL_SEED` repeats a run's moments.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test says what it expects")]
#![allow(clippy::print_stdout, reason = "figures, for whoever asks with --nocapture")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::sandbox::HREC;
use support::{Sandbox, Terminal, wait_until};

/// Kills of each load when nobody asks for more.
const KILLS: usize = 14;

/// How many sessions are recorded, and killed, at the same time.
const AT_ONCE: usize = 3;

/// What may come on top of the interval on a machine that has other things to
/// do: the writer waits for a processor, and its sync for the disk. A machine
/// that stands still for a moment may do so at one of the kills.
const SLACK: Duration = Duration::from_millis(1500);

struct Load {
    name: &'static str,
    script: &'static str,
    /// What the recorder promises: nothing older than this is lost.
    promise: Duration,
}

/// Each line bears the moment at which it was written.
const LOADS: [Load; 3] = [
    Load {
        name: "ticker",
        script: "while :; do echo \"@$EPOCHREALTIME $RANDOM\"; read -t 0.01 <> <(:); done",
        promise: Duration::from_millis(250),
    },
    Load {
        name: "flood",
        script: "printf -v b '%4000s' x; while :; do echo \"@$EPOCHREALTIME $b $RANDOM\"; done",
        promise: Duration::from_secs(1),
    },
    Load {
        name: "alternating",
        script: "printf -v b '%900s' x; while :; do \
                 for i in {1..400}; do echo \"@$EPOCHREALTIME $b$RANDOM\"; done; \
                 for i in {1..20}; do echo \"@$EPOCHREALTIME $RANDOM\"; read -t 0.01 <> <(:); done; \
                 done",
        promise: Duration::from_secs(1),
    },
];

/// What one kill cost.
struct Loss {
    time: Duration,
    bytes: usize,
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

/// xorshift: random enough for moments, and repeatable.
struct Moments(u64);

impl Moments {
    fn below(&mut self, millis: u64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(self.0 % (millis * 1000))
    }
}

/// The moment in the first line that begins at or after `from`.
fn stamp(seen: &[u8], from: usize) -> Option<Duration> {
    let rest = seen.get(from..)?;
    let at = memchr::memchr(b'@', rest)?;
    let text: Vec<u8> = rest[at + 1..].iter().copied().take_while(|b| *b != b' ').collect();
    let text = String::from_utf8(text).ok()?;
    let (seconds, micros) = text.split_once(['.', ','])?;
    (micros.len() == 6).then_some(())?;
    Some(Duration::new(seconds.parse().ok()?, micros.parse::<u32>().ok()? * 1000))
}

/// Records `load` into `file` and kills the recorder `after` its first output,
/// or, with `early`, that long after its start. `None`: it had not begun.
fn kill(sandbox: &Sandbox, load: &Load, file: &Path, after: Duration, early: bool) -> Option<Loss> {
    let name = file.display().to_string();
    let argv = [HREC, "rec", "-o", &name, "--", "bash", "-c", load.script];
    let mut terminal = Terminal::spawn(sandbox, &argv);
    if !early {
        terminal.expect("@");
    }
    terminal.watch(after);
    let hrec = rustix::process::Pid::from_raw(terminal.pid()).expect("a process");
    let killed = wall();
    rustix::process::kill_process(hrec, rustix::process::Signal::KILL).expect("it runs");
    terminal.wait();
    let shown = terminal.seen().to_vec();

    let part = PathBuf::from(format!("{name}.part"));
    let whole = sandbox.hrec(&["cat", "--format", "raw", part.to_str().expect("UTF-8")]);
    if shown.is_empty() && !whole.status.success() {
        assert!(early, "{}: {whole:?}", load.name);
        return None;
    }
    assert!(whole.status.success(), "{}: unreadable: {whole:?}", load.name);
    let recorded = whole.stdout;
    let same = shown.iter().zip(&recorded).take_while(|(a, b)| a == b).count();
    assert!(
        same == shown.len().min(recorded.len()),
        "{}: {} bytes shown, {} recorded, and they part at byte {same}",
        load.name,
        shown.len(),
        recorded.len()
    );
    // What hrec has read and is just passing on, one buffer, is on record too.
    assert!(recorded.len() <= shown.len() + (1 << 16), "{}", load.name);
    let time = stamp(&shown, recorded.len()).map_or(Duration::ZERO, |at| killed.saturating_sub(at));
    let journals = std::fs::read_dir(file.parent().expect("a directory")).expect("a directory");
    for entry in journals.flatten() {
        let _ = std::fs::remove_file(entry.path());
    }
    Some(Loss { time, bytes: shown.len().saturating_sub(recorded.len()) })
}

fn kills(load: &Load) {
    let asked = std::env::var("HREC_KILLS").ok().map(|n| n.parse::<usize>().expect("a number"));
    let count = asked.map_or(KILLS, |n| n.div_ceil(LOADS.len()));
    let seed = std::env::var("HREC_KILL_SEED").ok().map(|n| n.parse::<u64>().expect("a number"));
    let seed = seed.unwrap_or_else(|| wall().subsec_nanos().into());
    println!("{}: HREC_KILL_SEED={seed}", load.name);
    let losses = Mutex::new(Vec::new());
    let (next, before) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..AT_ONCE {
            let (losses, next, before) = (&losses, &next, &before);
            scope.spawn(move || {
                let sandbox = Sandbox::new();
                let mut moments = Moments((seed ^ ((thread as u64 + 1) << 40)) | 1);
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= count {
                        return;
                    }
                    let early = n % 7 == 6;
                    let after = moments.below(if early { 80 } else { 2500 });
                    let dir = sandbox.work().join(n.to_string());
                    std::fs::create_dir(&dir).expect("a directory");
                    match kill(&sandbox, load, &dir.join("x"), after, early) {
                        Some(loss) => losses.lock().expect("no panic").push(loss),
                        None => drop(before.fetch_add(1, Ordering::SeqCst)),
                    }
                }
            });
        }
    });
    let mut losses = losses.into_inner().expect("no panic");
    losses.sort_by_key(|loss| loss.time);
    let at = |part: f64| losses[((losses.len() - 1) as f64 * part) as usize].time.as_millis();
    let bytes = losses.iter().map(|loss| loss.bytes).max().unwrap_or(0);
    println!(
        "{}: {} kills, {} before anything was recorded, 0 unreadable; lost: median {} ms, \
         99 % {} ms, worst {} ms, {bytes} bytes",
        load.name,
        losses.len(),
        before.into_inner(),
        at(0.5),
        at(0.99),
        at(1.0),
    );
    let late = losses.iter().filter(|loss| loss.time > load.promise + SLACK).count();
    assert!(late <= 1 + count / 100, "{}: more was lost than is promised {late} times", load.name);
    assert!(losses.len() >= count / 2, "{}: most were killed too early", load.name);
}

#[test]
fn under_a_ticker() {
    kills(&LOADS[0]);
}

#[test]
fn under_a_flood() {
    kills(&LOADS[1]);
}

#[test]
fn under_bursts_and_pauses() {
    kills(&LOADS[2]);
}

/// What came last before a silence is saved though nothing comes after it.
#[test]
fn the_idle_tail_is_there() {
    let sandbox = Sandbox::new();
    let argv = [HREC, "rec", "--", "sh", "-c", "echo one; sleep 1; echo the tail; exec sleep 600"];
    let mut terminal = Terminal::spawn(&sandbox, &argv);
    terminal.expect("the tail\r\n");
    // 250 ms are promised; a reader may be slow to come, a writer need not be.
    wait_until("the tail is on record", || sandbox.raw().ends_with(b"the tail\r\n").then_some(()));
    let hrec = rustix::process::Pid::from_raw(terminal.pid()).expect("a process");
    rustix::process::kill_process(hrec, rustix::process::Signal::KILL).expect("it runs");
    terminal.wait();
    sandbox.wait_until_nothing_runs();
    assert_eq!(sandbox.raw(), b"one\r\nthe tail\r\n");
}
