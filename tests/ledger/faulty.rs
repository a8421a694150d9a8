//! A disk on which the writer is stopped, and one that forgets what was not
//! synced.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hrec::seal::ledger::disk::{Disk, RealDisk};

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop {
    /// The process is killed before it.
    Before,
    /// In the middle: half of the bytes are written.
    Middle,
    /// The disk refuses it, and works again after that.
    Refused,
    /// The power is cut before it: what was not synced is gone.
    Power,
    /// The same, but half of each unsynced append is there.
    TornPower,
}

/// What of a file is sure to be there after a power cut.
#[derive(Default)]
struct State {
    calls: usize,
    stopped: bool,
    /// Of each file that was written since: what it was when it was last
    /// synced; `None` when it was not there.
    content: BTreeMap<PathBuf, Option<Vec<u8>>>,
    /// Of each name that was given since: what was there when its directory
    /// was last synced.
    names: BTreeMap<PathBuf, Option<Vec<u8>>>,
}

/// Stops at call `at`.
pub struct Faulty {
    at: usize,
    stop: Stop,
    state: Mutex<State>,
}

impl Faulty {
    pub fn new(stop: Stop, at: usize) -> Self {
        Self { at, stop, state: Mutex::default() }
    }

    pub fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    /// Notes what a file was before a change to it.
    fn note(&self, path: &Path) {
        let mut state = self.state.lock().unwrap();
        let before = std::fs::read(path).ok();
        if before.is_none() {
            state.names.entry(path.to_owned()).or_insert(None);
        }
        state.content.entry(path.to_owned()).or_insert(before);
    }

    /// Whether the call is to be done: `Ok(true)` for half.
    fn call(&self) -> io::Result<bool> {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        if state.stopped {
            return Err(io::Error::other("stopped"));
        }
        if state.calls <= self.at {
            return Ok(false);
        }
        match self.stop {
            Stop::Refused if state.calls == self.at + 1 => {
                return Err(io::Error::from_raw_os_error(28));
            }
            Stop::Refused => return Ok(false),
            _ => state.stopped = true,
        }
        match self.stop {
            Stop::Middle => return Ok(true),
            Stop::Power | Stop::TornPower => {
                let names = std::mem::take(&mut state.names);
                for (path, before) in std::mem::take(&mut state.content).into_iter().chain(names) {
                    match before {
                        None => drop(std::fs::remove_file(&path)),
                        Some(mut before) => {
                            let now = std::fs::read(&path).unwrap_or_default();
                            if self.stop == Stop::TornPower && now.starts_with(&before) {
                                let more = (now.len() - before.len()) / 2;
                                before = now[..before.len() + more].to_vec();
                            }
                            std::fs::write(&path, before).unwrap();
                        }
                    }
                }
            }
            _ => {}
        }
        Err(io::Error::other("stopped"))
    }

    fn write(
        &self,
        path: &Path,
        bytes: &[u8],
        put: fn(&Path, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let half = self.call()?;
        self.note(path);
        if half {
            put(path, &bytes[..bytes.len() / 2])?;
            return Err(io::Error::other("stopped"));
        }
        put(path, bytes)
    }
}

impl Disk for Faulty {
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write(path, bytes, |path, bytes| RealDisk.append(path, bytes))
    }

    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        self.call()?;
        self.note(path);
        RealDisk.cut(path, length)
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write(path, bytes, |path, bytes| RealDisk.put(path, bytes))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        let mut state = self.state.lock().unwrap();
        state.content.remove(path);
        if path.ends_with("checkpoint") {
            state.names.remove(path);
        }
        state.names.retain(|name, _| name.parent() != Some(path));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        // After a power cut there is what was there before, or, where the
        // content was not synced, a file without any.
        let mut state = self.state.lock().unwrap();
        let mut before = std::fs::read(to).ok();
        let unsynced = state.content.remove(from).is_some();
        if unsynced && self.stop == Stop::TornPower {
            before = Some(Vec::new());
        }
        state.names.remove(from);
        state.names.entry(to.to_owned()).or_insert(before);
        drop(state);
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) {
        if self.call().is_ok() {
            RealDisk.remove(path);
        }
    }
}
