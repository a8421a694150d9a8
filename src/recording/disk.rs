//! The few things a recording's writer does to a disk.
//!
//! Knows nothing of what is written. Its invariant: nothing here truncates,
//! overwrites or seeks; a test puts its own [`Disk`] in place and makes each
//! call fail in turn.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FlockOperation, RenameFlags};

/// A file that is being appended to.
pub trait DiskFile: Send {
    /// One `write(2)`. May be short, may be interrupted.
    ///
    /// # Errors
    /// As the system call's.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// `fdatasync(2)`: what was written is on the disk when this returns.
    ///
    /// # Errors
    /// As the system call's.
    fn sync(&mut self) -> io::Result<()>;

    /// Begins what [`DiskFile::sync`] will finish, for these bytes, so that it
    /// takes less time. Promises nothing.
    fn begin_sync(&mut self, _from: u64, _len: u64) {}

    /// Whether the file has a name still, fstat(2): what is written to one that
    /// was removed succeeds, and is gone.
    ///
    /// # Errors
    /// `NotFound` when it has none; else the system call's.
    fn has_name(&self) -> io::Result<()>;
}

/// The directory operations.
pub trait Disk: Send {
    /// Creates a file for appending: `O_CREAT|O_EXCL`, mode 0600, locked
    /// (`flock`, exclusive) when `lock`, for as long as it is open.
    ///
    /// # Errors
    /// As the system calls', `AlreadyExists` among them.
    fn create(&mut self, path: &Path, lock: bool) -> io::Result<Box<dyn DiskFile>>;

    /// Renames without replacing: an existing `to` is `AlreadyExists`.
    ///
    /// # Errors
    /// As the system call's.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system call's.
    fn unlink(&mut self, path: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in `dir` durable.
    ///
    /// # Errors
    /// As the system calls'.
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()>;
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl DiskFile for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn begin_sync(&mut self, from: u64, len: u64) {
        crate::sys::writeback::begin(self, from, len);
    }

    fn has_name(&self) -> io::Result<()> {
        if rustix::fs::fstat(self)?.st_nlink > 0 {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "somebody has removed it"))
    }
}

impl Disk for RealDisk {
    fn create(&mut self, path: &Path, lock: bool) -> io::Result<Box<dyn DiskFile>> {
        let file =
            OpenOptions::new().append(true).read(true).create_new(true).mode(0o600).open(path)?;
        if lock {
            // A file system without locks (some NFS mounts) still takes a
            // recording; the only loss is that readers cannot tell live from
            // interrupted. A reader that is just looking has the lock for a
            // moment.
            for _ in 0..100 {
                match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Err(rustix::io::Errno::WOULDBLOCK) => {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                    _ => break,
                }
            }
        }
        Ok(Box::new(file))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        use rustix::io::Errno;
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system without RENAME_NOREPLACE: link(2) never replaces
            // either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty())?;
                rustix::fs::unlink(from)?;
                Ok(())
            }
            result => Ok(result?),
        }
    }

    fn unlink(&mut self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}
