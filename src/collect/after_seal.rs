//! What the host's administrator has run for each recording that is sealed:
//! as a rule something that copies it off the host.
//!
//! Knows nothing of what the command does. Its invariant: what is to be run is
//! on the disk before a recording counts as over, and is taken off it only
//! when the command has succeeded; so it is run at least once.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Daemon;
use crate::format::id::Id;
use crate::format::reading::is_file_of;
use crate::recording::Paths;
use crate::seal::manifest::signature;
use crate::sys::sharing;

/// After a failure, doubled with each, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// A command that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(3600);

/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// How often failures are told of.
const TOLD: Duration = Duration::from_secs(60);

/// Recordings for which the command is still to be run.
#[derive(Debug)]
pub(super) struct Backlog {
    dir: PathBuf,
    command: String,
    added: Mutex<u64>,
    changed: Condvar,
}

/// How often it has failed for a recording, and when it is run again.
#[derive(Clone, Copy, Debug)]
struct Failed {
    times: u32,
    due: Instant,
}

impl Backlog {
    /// That of the store, with this command; an empty one is none.
    pub(super) fn new(store: &Path, command: &str) -> Self {
        Self {
            dir: store.join("collect").join("after-seal"),
            command: command.to_owned(),
            added: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Has the command run for a recording that is sealed.
    ///
    /// # Errors
    /// When that cannot be kept on the disk.
    pub(super) fn add(&self, id: &str) -> io::Result<()> {
        if self.command.is_empty() || Id::parse(id).is_none() {
            return Ok(());
        }
        sharing::create_dir_all(&self.dir)?;
        fs::OpenOptions::new().append(true).create(true).open(self.dir.join(id))?;
        fs::File::open(&self.dir)?.sync_all()?;
        *self.added.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
        Ok(())
    }

    /// The recordings in it, the oldest first.
    fn ids(&self) -> Vec<Id> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut ids: Vec<Id> =
            entries.filter_map(|entry| Id::parse(entry.file_name().to_str()?)).collect();
        ids.sort_unstable();
        ids
    }

    fn remove(&self, id: &Id) {
        let _ = fs::remove_file(self.dir.join(id.as_str()));
    }

    /// Waits until something is added, at most so long.
    fn wait(&self, known: u64, limit: Duration) -> u64 {
        let added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        let (added, _) = self
            .changed
            .wait_timeout_while(added, limit, |added| *added == known)
            .unwrap_or_else(PoisonError::into_inner);
        *added
    }
}

/// Runs the command for what is in the backlog, one after the other, for as
/// long as the process lives.
pub(super) fn start(daemon: &Arc<Daemon>) -> io::Result<()> {
    if daemon.after_seal.command.is_empty() {
        return Ok(());
    }
    let daemon = Arc::clone(daemon);
    let thread = std::thread::Builder::new().name("after-seal".to_owned());
    thread.spawn(move || work(&daemon))?;
    Ok(())
}

fn work(daemon: &Daemon) -> ! {
    let backlog = &daemon.after_seal;
    let mut failed: HashMap<Id, Failed> = HashMap::new();
    let mut told: Option<Instant> = None;
    let mut known = 0;
    loop {
        let ids = backlog.ids();
        failed.retain(|id, _| ids.contains(id));
        for id in &ids {
            if failed.get(id).is_some_and(|failed| failed.due > Instant::now()) {
                continue;
            }
            let result = match files(&daemon.options.store, id) {
                // They were removed meanwhile, as retention may.
                Ok(files) if files.is_empty() => Ok(()),
                Ok(files) => run(&backlog.command, &files),
                Err(error) => Err(format!("its directory cannot be read: {error}")),
            };
            let Err(why) = result else {
                if failed.remove(id).is_some() {
                    daemon.log.say(&format!("collect.after_seal has succeeded for {id}"));
                }
                backlog.remove(id);
                continue;
            };
            let times = failed.get(id).map_or(0, |failed| failed.times);
            let pause = AGAIN.0.saturating_mul(1 << times.min(16)).min(AGAIN.1);
            failed.insert(id.clone(), Failed { times: times + 1, due: Instant::now() + pause });
            if told.is_none_or(|told| told.elapsed() > TOLD) {
                told = Some(Instant::now());
                let waiting = ids.len();
                daemon.log.say(&format!(
                    "collect.after_seal failed for {id}: {why}; again in {} s ({waiting} recordings wait)",
                    pause.as_secs()
                ));
            }
        }
        let next = failed.values().map(|failed| failed.due).min();
        let limit = next.map_or(AGAIN.1, |due| due.saturating_duration_since(Instant::now()));
        known = backlog.wait(known, limit);
    }
}

/// A recording's files as they stay: what was recorded first, then what is said
/// of it.
fn files(store: &Path, id: &Id) -> io::Result<Vec<PathBuf>> {
    let (year, month, day) = id.date();
    let dir = store.join("recordings").join(year).join(month).join(day);
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?.collect::<io::Result<Vec<_>>>()?,
    };
    let mut files: Vec<PathBuf> = entries
        .into_iter()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter(|entry| {
            entry.file_name().to_str().is_some_and(|name| is_file_of(id.as_str(), name))
        })
        .map(|entry| entry.path())
        .collect();
    let paths = Paths::in_dir(&dir, id);
    let rank = |path: &PathBuf| match path {
        path if *path == signature(&paths.manifest()) => 4,
        path if *path == paths.manifest() => 3,
        path if *path == paths.finished() || *path == paths.part() => 0,
        path => {
            1 + u8::from(path.file_name().is_none_or(|name| paths.journal_number(name).is_none()))
        }
    };
    let number = |path: &PathBuf| path.file_name().and_then(|name| paths.journal_number(name));
    files.sort_by_key(|path| (rank(path), number(path), path.clone()));
    Ok(files)
}

fn run(command: &str, files: &[PathBuf]) -> Result<(), String> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("{command} \"$@\""), "after_seal"])
        .args(files)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("/bin/sh: {error}"))?;
    let started = Instant::now();
    let ended = |status: ExitStatus| match status.success() {
        true => Ok(()),
        false => Err(status.to_string()),
    };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return ended(status),
            Ok(None) if started.elapsed() < LONGEST => {
                std::thread::sleep(if started.elapsed() < TOLD { LOOK } else { LOOK * 10 });
            }
            Ok(None) | Err(_) => {
                if let Ok(group) = i32::try_from(child.id()) {
                    crate::sys::signals::to_group(group, libc::SIGKILL);
                }
                let _ = child.wait();
                return Err(format!("it was killed after {} s", LONGEST.as_secs()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_that_the_manual_says() {
        let dir = tempfile::tempdir().unwrap();
        let id = Id::parse("20261121T141503.123Z-ann-db1-AAAAAAAA").unwrap();
        let day = dir.path().join("recordings/2026/11/21");
        fs::create_dir_all(&day).unwrap();
        let order = [
            ".cast.zst.age.part",
            ".journal.2",
            ".journal.10",
            ".manifest.json",
            ".manifest.json.sig",
        ];
        for end in order.iter().rev() {
            fs::write(day.join(format!("{id}{end}")), "").unwrap();
        }
        fs::write(day.join("20261121T141503.123Z-ann-db1-BBBBBBBB.manifest.json"), "").unwrap();
        let want: Vec<PathBuf> = order.iter().map(|end| day.join(format!("{id}{end}"))).collect();
        assert_eq!(files(dir.path(), &id).unwrap(), want);
        fs::remove_dir_all(dir.path().join("recordings")).unwrap();
        assert!(files(dir.path(), &id).unwrap().is_empty());
        fs::write(dir.path().join("recordings"), "").unwrap();
        assert!(files(dir.path(), &id).is_err());
    }

    #[test]
    fn a_command_has_the_files_as_words_and_its_failure_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a b $(touch x)");
        fs::write(&file, "here").unwrap();
        let to = dir.path().join("copy");
        run(&format!("cat >{} --", to.display()), std::slice::from_ref(&file)).unwrap();
        assert_eq!(fs::read_to_string(to).unwrap(), "here");
        assert_eq!(run("exit 3;", &[]).unwrap_err(), "exit status: 3");
        let backlog = Backlog::new(dir.path(), "");
        backlog.add("20261121T141503.123Z-ann-db1-AAAAAAAA").unwrap();
        assert!(backlog.ids().is_empty());
        let backlog = Backlog::new(dir.path(), "true");
        backlog.add("../../x").unwrap();
        backlog.add("20261121T141503.123Z-ann-db1-AAAAAAAA").unwrap();
        assert_eq!(backlog.ids().len(), 1);
    }
}
