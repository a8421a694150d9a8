//! What the ledger's writer does to a disk.
//!
//! Knows nothing of what is written. Its invariant: every change goes through
//! here, so that a test can stop the writer before, in the middle of and after
//! each.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags};

use crate::sys::sharing;

/// Each a change to the disk.
pub trait Disk: Send + Sync {
    /// Appends to a file, which is made where it is not there, in one
    /// `write(2)` as far as the system takes it.
    ///
    /// # Errors
    /// As the system calls'.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file.
    ///
    /// # Errors
    /// As the system call's.
    fn cut(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Makes a file with this content, or gives it to one that is there.
    ///
    /// # Errors
    /// As the system calls'.
    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// `fdatasync(2)`, or for a directory `fsync(2)`.
    ///
    /// # Errors
    /// As the system calls'.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// `rename(2)`.
    ///
    /// # Errors
    /// As the system call's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file that need not be there.
    fn remove(&self, path: &Path);
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl RealDisk {
    fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
        let file = match options.create(true).mode(0o600).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_dir(path.parent().unwrap_or(path))?;
                options.open(path)
            }
            result => result,
        }?;
        sharing::share(&file, path)?;
        Ok(file)
    }
}

impl Disk for RealDisk {
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        Self::open(path, OpenOptions::new().append(true))?.write_all(bytes)
    }

    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(length)
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        Self::open(path, OpenOptions::new().write(true).truncate(true))?.write_all(bytes)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() { file.sync_all() } else { file.sync_data() }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) {
        let _ = std::fs::remove_file(path);
    }
}

/// Makes a directory and those above it: for their owner alone, but in a store
/// that is shared.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    sharing::create_dir_all(dir)
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// As the system calls'; `InvalidData` when it has more.
pub fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    // A FIFO of this name must not keep anybody waiting.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    // What it says is a hint, and a hostile one costs `limit` at most.
    let length = data.len().min(limit as u64);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        let what = format!("it has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(bytes)
}

/// The lock of this name, which is held until what is returned is dropped.
///
/// # Errors
/// As the system calls'.
pub fn lock(path: &Path) -> io::Result<File> {
    let file = RealDisk::open(path, OpenOptions::new().append(true))?;
    loop {
        match rustix::fs::flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
