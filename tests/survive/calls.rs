//! Each system call that a recording makes on its store fails once, in turn,
//! in the real hrec.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::sandbox::HREC;
use crate::support::{PATIENCE, Sandbox, Terminal};
use crate::trace::{Trace, files};
use crate::{complaints, configure};

const CALLS: &str = "openat,write,fdatasync,fsync,flock,rename,renameat2,unlink";

/// It waits for an append in the middle, and its Enter comes back.
const SCRIPT: &str = "echo one; read x; echo two";
const SHOWN: &[u8] = b"one\r\n\r\ntwo\r\n";

/// How many sessions run at once.
const AT_ONCE: usize = 4;

struct Session {
    file: PathBuf,
    trace: Trace,
    terminal: Terminal,
    status: i32,
}

impl Session {
    fn run(sandbox: &Sandbox, inject: Option<&str>) -> Self {
        let dir = sandbox.work().join(format!("d{}", rand::random::<u32>()));
        std::fs::create_dir(&dir).expect("a directory");
        let file = dir.join("x.cast.zst.age");
        let mut trace = Trace::new(sandbox, CALLS).on(&files(&file));
        if let Some(what) = inject {
            trace = trace.inject(what);
        }
        let name = file.display().to_string();
        let argv = [HREC, "rec", "-o", &name, "--", "sh", "-c", SCRIPT];
        let mut terminal = trace.spawn(sandbox, &argv);
        go_on_when_recorded(sandbox, &mut terminal, &name);
        let status = terminal.wait();
        Self { file, trace, terminal, status }
    }

    fn left(&self) -> Vec<String> {
        let dir = self.file.parent().expect("a directory");
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }

    fn recorded(&self, sandbox: &Sandbox) -> Vec<u8> {
        let file = self.file.display().to_string();
        let read = sandbox.hrec(&["cat", "--format", "raw", &file]);
        assert!(read.status.success(), "{read:?}");
        read.stdout
    }

    fn ran(&self) -> bool {
        memchr::memmem::find(self.terminal.seen(), b"one\r\n").is_some()
    }
}

/// Presses Enter once the first line is on record, or never will be: hrec says
/// so, or has ended.
fn go_on_when_recorded(sandbox: &Sandbox, terminal: &mut Terminal, file: &str) {
    let start = Instant::now();
    while terminal.try_wait().is_none() {
        terminal.watch(Duration::from_millis(20));
        let ran = terminal.seen().starts_with(b"one\r\n");
        let read = sandbox.hrec(&["cat", "--format", "raw", file]);
        let recorded = read.status.success() && read.stdout == b"one\r\n";
        if ran && recorded || !complaints(terminal).is_empty() {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "neither recorded nor told: {read:?}");
    }
    if terminal.try_wait().is_none() {
        terminal.send("\r");
    }
}

/// Every call, as (name, which of a thread's): at most so many are made by the
/// thread that begins a recording and by the one that writes it.
fn points(sandbox: &Sandbox) -> Vec<(String, usize)> {
    let session = Session::run(sandbox, None);
    assert_eq!(session.left(), ["x.cast.zst.age", "x.manifest.json", "x.manifest.json.sig"]);
    assert_eq!(session.recorded(sandbox), SHOWN);
    let mut counts: BTreeMap<(u32, String), usize> = BTreeMap::new();
    for (thread, call) in session.trace.calls() {
        if let Some((name, _)) = call.split_once('(') {
            *counts.entry((thread, name.to_owned())).or_default() += 1;
        }
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((_, name), count) in counts {
        let entry = most.entry(name).or_default();
        *entry = count.max(*entry);
    }
    // A thread that has to wait for a processor may append once more.
    most.into_iter().flat_map(|(name, n)| (1..=n).map(move |i| (name.clone(), i))).collect()
}

fn in_turn(mode: &str, faults: &[&str], judge: impl Fn(&Session, &Sandbox, &str) + Sync) {
    let sandbox = Sandbox::new();
    configure(&sandbox, mode);
    let points = points(&sandbox);
    assert!(points.len() > 12, "{points:?}");
    let runs: Vec<String> = faults
        .iter()
        .flat_map(|fault| points.iter().map(move |(call, n)| format!("{call}:{fault}:when={n}")))
        .collect();
    let (next, hit) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(run) = runs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let session = Session::run(&sandbox, Some(run));
                    hit.fetch_add(usize::from(session.trace.injected()), Ordering::SeqCst);
                    judge(&session, &sandbox, run);
                }
            });
        }
    });
    let hit = hit.into_inner();
    assert!(hit * 10 >= runs.len() * 9, "only {hit} of {} were injected", runs.len());
}

fn told(session: &Session) -> String {
    String::from_utf8_lossy(session.terminal.seen()).into_owned()
}

#[test]
fn best_effort_runs_on_and_says_what_it_cost() {
    in_turn("best-effort", &["error=ENOSPC", "error=EIO"], |session, sandbox, run| {
        assert_eq!(session.status, 0, "{run}: {}", told(session));
        assert!(session.terminal.seen().starts_with(SHOWN) || session.ran(), "{run}");
        let complaints = complaints(&session.terminal);
        assert!(complaints.len() <= 1, "{run}: {complaints:#?}");
        if complaints.first().is_some_and(|line| line.contains("NOT recorded")) {
            assert_eq!(session.left(), Vec::<String>::new(), "{run}");
            return;
        }
        assert_eq!(session.recorded(sandbox), SHOWN, "{run}");
        assert!(
            session.left().contains(&"x.cast.zst.age".to_owned()),
            "{run}: {:?}",
            session.left()
        );
    });
}

#[test]
fn strict_runs_nothing_or_ends_with_125() {
    in_turn("strict", &["error=ENOSPC", "error=EIO"], |session, sandbox, run| {
        let complaints = complaints(&session.terminal);
        assert!(complaints.len() <= 1, "{run}: {complaints:#?}");
        if session.status == 0 {
            // Nothing was lost, and nothing needed saying.
            assert_eq!(complaints, Vec::<String>::new(), "{run}");
            assert_eq!(session.recorded(sandbox), SHOWN, "{run}");
            return;
        }
        assert_eq!(session.status, 125, "{run}: {}", told(session));
        assert_eq!(complaints.len(), 1, "{run}: {}", told(session));
        if session.ran() {
            let recorded = session.recorded(sandbox);
            assert!(SHOWN.starts_with(&recorded), "{run}");
            assert!(session.terminal.seen().starts_with(&recorded), "{run}: {}", told(session));
        } else {
            assert_eq!(session.left(), Vec::<String>::new(), "{run}");
        }
    });
}

#[test]
fn what_a_signal_interrupted_is_done_again() {
    in_turn("strict", &["error=EINTR"], |session, sandbox, run| {
        assert_eq!(session.status, 0, "{run}: {}", told(session));
        assert_eq!(complaints(&session.terminal), Vec::<String>::new(), "{run}");
        assert_eq!(session.recorded(sandbox), SHOWN, "{run}");
    });
}

#[test]
fn killed_at_any_call_it_leaves_a_recording() {
    in_turn("best-effort", &["signal=KILL"], |session, sandbox, run| {
        let seen = session.terminal.seen();
        if !session.ran() {
            // Before the program ran there was nothing to record.
            assert!(seen.is_empty(), "{run}: {}", told(session));
            return;
        }
        let recorded = session.recorded(sandbox);
        assert!(SHOWN.starts_with(&recorded), "{run}: {:?}", recorded.escape_ascii().to_string());
        exact_or_prefix(seen, &recorded, run);
        assert!(readable_by_others(sandbox, &session.file), "{run}");
    });
}

fn exact_or_prefix(seen: &[u8], recorded: &[u8], run: &str) {
    let both = seen.len().min(recorded.len());
    assert_eq!(seen[..both], recorded[..both], "{run}");
}

/// Every verb that reads takes it.
fn readable_by_others(sandbox: &Sandbox, file: &Path) -> bool {
    let file = file.display().to_string();
    ["info", "play"].iter().all(|verb| {
        let mut args = vec![*verb];
        if *verb == "play" {
            args.extend(["--plain", "--speed", "100"]);
        }
        args.push(&file);
        sandbox.hrec(&args).status.success()
    })
}
