//! What came of a store elsewhere, in a directory of this process's own.
//!
//! Knows nothing of connections. Its invariant: no name from elsewhere becomes
//! a path before it was found to be one of a recording's or a ledger's files,
//! and nothing is left when this process is gone.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::FlockOperation;
use tempfile::TempDir;

use crate::format::id::Id;
use crate::format::reading::{is_file_of, is_file_of_ledger};

/// What must stay free where the copies are.
const ROOM: u64 = 64 << 20;

/// How often that is looked at.
const LOOK: u64 = 16 << 20;

/// A local copy of a store, or of as much of it as was asked for.
#[derive(Debug)]
pub struct Mirror {
    dir: TempDir,
    /// Removes the directory where this process cannot any more.
    sweeper: Option<Child>,
    /// What is being made: held as its writer would hold it.
    live: HashMap<String, File>,
    /// Bytes since the free space was looked at.
    unlooked: u64,
}

/// Whose files these are.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// A recording's.
    Recording(&'a Id),
    /// The ledger's.
    Ledger,
}

impl Mirror {
    /// An empty one, for its owner alone.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn new() -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("hrec-far-").tempdir()?;
        let sweeper = sweeper(dir.path()).ok();
        Ok(Self { dir, sweeper, live: HashMap::new(), unlooked: 0 })
    }

    /// The directory, which is a store.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Where a file of that name is; `None` for what is no such file's name.
    #[must_use]
    pub fn path(&self, of: Of<'_>, name: &str) -> Option<PathBuf> {
        match of {
            Of::Recording(id) => is_file_of(id.as_str(), name).then(|| self.day(id).join(name)),
            Of::Ledger => is_file_of_ledger(name).then(|| self.root().join("ledger").join(name)),
        }
    }

    fn day(&self, id: &Id) -> PathBuf {
        let (year, month, day) = id.date();
        self.root().join("recordings").join(year).join(month).join(day)
    }

    /// A file to add to: a new one at 0, else the one that has so many bytes
    /// already.
    ///
    /// # Errors
    /// As the system calls'; `InvalidData` where it is not that long.
    pub fn open(&mut self, path: &Path, at: u64) -> io::Result<File> {
        if at == 0 {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir)?;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            return OpenOptions::new().append(true).create_new(true).mode(0o600).open(path);
        }
        let file = OpenOptions::new().append(true).open(path)?;
        if file.metadata()?.len() != at {
            let what = "what comes does not follow what came before";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(file)
    }

    /// Adds to a file, as long as there is room.
    ///
    /// # Errors
    /// As the system calls'; `StorageFull`.
    pub fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.unlooked += bytes.len() as u64;
        if self.unlooked >= LOOK {
            self.unlooked = 0;
            self.room(0)?;
        }
        file.write_all(bytes)
    }

    /// Whether so many bytes more fit.
    ///
    /// # Errors
    /// `StorageFull` where they do not.
    pub fn room(&self, bytes: u64) -> io::Result<()> {
        let there = rustix::fs::statvfs(self.root())?;
        let free = there.f_bavail.saturating_mul(there.f_frsize);
        match free >= bytes.saturating_add(ROOM) {
            true => Ok(()),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    /// A file of that length that takes no room, for what is asked of a list.
    ///
    /// # Errors
    /// As the system calls'.
    pub fn stand_in(&mut self, path: &Path, length: u64) -> io::Result<()> {
        // One longer than any file can be is as long as it can be shown.
        self.open(path, 0)?.set_len(length.min(1 << 42))
    }

    /// Whether a recording is being made: its part is held as long as it is.
    pub fn set_live(&mut self, id: &Id, live: bool) {
        if !live {
            self.live.remove(id.as_str());
            return;
        }
        let part = self.day(id).join(format!("{id}.cast.zst.age.part"));
        if let Ok(file) = File::open(part)
            && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            self.live.insert(id.as_str().to_owned(), file);
        }
    }

    /// Forgets what there is of a recording.
    pub fn clear(&mut self, id: &Id) {
        self.live.remove(id.as_str());
        for entry in fs::read_dir(self.day(id)).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(|name| is_file_of(id.as_str(), name)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Cuts a finished recording that has been looked at to its first bytes:
    /// what the ledger says of its beginning is still to be found there.
    pub fn cut(&self, id: &Id, length: u64) {
        let path = self.day(id).join(format!("{id}.cast.zst.age"));
        if let Ok(file) = OpenOptions::new().write(true).open(path)
            && file.metadata().is_ok_and(|data| data.len() > length)
        {
            let _ = file.set_len(length);
        }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.dir.path());
        if let Some(sweeper) = &mut self.sweeper {
            drop(sweeper.stdin.take());
            let _ = sweeper.wait();
        }
    }
}

/// A process that waits for the end of this one, and then removes the
/// directory: whatever signal it was.
fn sweeper(dir: &Path) -> io::Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", "trap '' HUP INT QUIT TERM; cat >/dev/null; exec rm -rf -- \"$1\"", "sh"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        // Out of reach of what a terminal sends to those in its foreground.
        .process_group(0)
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> Id {
        Id::parse("20261121T141503.123Z-ann-db1-AAAAAAAA").unwrap()
    }

    #[test]
    fn what_comes_in_order_is_added_and_nothing_else() {
        let mut mirror = Mirror::new().unwrap();
        let name = format!("{}.journal.0", id());
        let path = mirror.path(Of::Recording(&id()), &name).unwrap();
        let mut file = mirror.open(&path, 0).unwrap();
        mirror.append(&mut file, b"abc").unwrap();
        let mut file = mirror.open(&path, 3).unwrap();
        mirror.append(&mut file, b"d").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abcd");
        assert_eq!(mirror.open(&path, 3).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(mirror.room(u64::MAX).unwrap_err().kind(), io::ErrorKind::StorageFull);
        for name in ["../x", "x.journal.0", ""] {
            assert!(mirror.path(Of::Recording(&id()), name).is_none(), "{name}");
            assert!(mirror.path(Of::Ledger, name).is_none(), "{name}");
        }
        let root = mirror.root().to_owned();
        drop(mirror);
        assert!(!root.exists());
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let mut mirror = Mirror::new().unwrap();
        let path = mirror.path(Of::Recording(&id()), &format!("{}.manifest.json", id())).unwrap();
        let other = tempfile::NamedTempFile::new().unwrap();
        fs::write(other.path(), "kept").unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(other.path(), &path).unwrap();
        mirror.open(&path, 0).unwrap().write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(other.path()).unwrap(), "kept");
    }
}
