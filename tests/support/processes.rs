//! What is running, read from /proc.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Waits until `condition` gives something, asking every few milliseconds.
///
/// # Panics
/// When it has given nothing in [`super::PATIENCE`]; `what` says what was
/// waited for.
pub fn wait_until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < super::PATIENCE, "waited {:?} in vain: {what}", start.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One process, as /proc had it a moment ago.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    /// `R`, `S`, `T` (stopped), `Z` …
    pub state: char,
    pub name: String,
    pub command: String,
}

impl Process {
    /// A process that is there and not a zombie.
    pub fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in brackets and may hold anything, brackets too.
        let (head, tail) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let mut fields = tail.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned();
        (state != 'Z').then_some(Self { pid, parent, state, name, command })
    }

    /// Every process of the machine.
    pub fn all() -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| Self::read(entry.file_name().to_str()?.parse().ok()?))
            .collect()
    }

    /// The program file.
    pub fn exe(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/exe", self.pid)).ok()
    }

    /// The pseudo-terminals that are its standard streams.
    pub fn terminals(&self) -> BTreeSet<PathBuf> {
        let streams =
            (0..3).filter_map(|fd| fs::read_link(format!("/proc/{}/fd/{fd}", self.pid)).ok());
        let is_terminal = |path: &PathBuf| {
            let number = path.strip_prefix("/dev/pts").ok().and_then(|rest| rest.to_str());
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        streams.filter(is_terminal).collect()
    }

    /// The most memory that it ever had of its own, in KiB: what was resident
    /// (`VmHWM`) without the program's file (`RssFile`), of which a build that is
    /// not optimised has 14 MiB before it does anything.
    pub fn peak_memory_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let value = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(value("VmHWM:")?.saturating_sub(value("RssFile:")?))
    }

    /// Sends a signal; that the process is gone already is no error.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = kill_process(pid, signal);
        }
    }

    fn has_in_environment(&self, marker: &str) -> bool {
        fs::read(format!("/proc/{}/environ", self.pid)).is_ok_and(|environ| {
            environ.split(|byte| *byte == 0).any(|entry| entry == marker.as_bytes())
        })
    }
}

/// The processes below `root`, itself not included.
pub fn descendants(root: i32) -> Vec<Process> {
    let all = Process::all();
    let mut family = BTreeSet::from([root]);
    loop {
        let before = family.len();
        family.extend(
            all.iter().filter(|p| family.contains(&p.parent)).map(|p| p.pid).collect::<Vec<_>>(),
        );
        if family.len() == before {
            break;
        }
    }
    all.into_iter().filter(|p| p.pid != root && family.contains(&p.pid)).collect()
}

/// The processes that have `marker` (`NAME=value`) in their environment: those
/// of a test, though their parents be gone and their sessions their own.
pub fn marked(marker: &str) -> Vec<Process> {
    Process::all().into_iter().filter(|p| p.has_in_environment(marker)).collect()
}

/// Kills everything that `find` finds, until it finds nothing.
pub fn kill_all(find: impl Fn() -> Vec<Process>) {
    // What cannot be killed within this (a process in the kernel's hands)
    // cannot be killed at all, and Drop must come to an end.
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let found = find();
        if found.is_empty() || Instant::now() > end {
            return;
        }
        found.iter().for_each(|process| process.signal(Signal::KILL));
        std::thread::sleep(Duration::from_millis(2));
    }
}
