//! A file that is only ever appended to, and where it stands.
//!
//! Its invariant: what is pending is written from the exact byte at which the
//! last write stopped, whatever made it stop.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::{Disk, DiskFile, Error, Result};
use super::FileState;

/// Bytes that are sent on their way to the disk at once: a sync waits for less
/// than this, and a person's session never has as much.
const AHEAD: u64 = 1 << 20;
/// Of a page that is written on it is sent twice.
const PAGE: u64 = 4096;

pub(super) struct Appender {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    /// What is to be written; its first `taken` bytes are.
    pub(super) pending: Vec<u8>,
    taken: usize,
    /// Bytes before `pending`, and their digest.
    settled: u64,
    digest: Sha256,
    unsynced: bool,
    /// Up to here the disk was told to begin.
    begun: u64,
}

impl Appender {
    pub(super) fn create(disk: &mut dyn Disk, path: PathBuf, lock: bool) -> Result<Self> {
        let file = retry(|| disk.create(&path, lock))
            .map_err(|error| Error::io("create", &path, error))?;
        Ok(Self {
            file,
            path,
            pending: Vec::new(),
            taken: 0,
            settled: 0,
            digest: Sha256::new(),
            unsynced: false,
            begun: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all that is pending.
    pub(super) fn pump(&mut self) -> Result<()> {
        while let Some(rest) = self.pending.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => {
                    let error = io::Error::from(io::ErrorKind::WriteZero);
                    return Err(Error::io("write", &self.path, error));
                }
                Ok(count) => {
                    self.taken += count;
                    self.unsynced = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("write", &self.path, error)),
            }
        }
        self.digest.update(&self.pending);
        self.settled += self.pending.len() as u64;
        self.pending.clear();
        self.pending.shrink_to(1 << 18);
        self.taken = 0;
        Ok(())
    }

    /// Has the disk begin with what was written, where it is much.
    pub(super) fn begin_sync(&mut self) {
        let end = self.settled / PAGE * PAGE;
        if end >= self.begun + AHEAD {
            self.file.begin_sync(self.begun, end - self.begun);
            self.begun = end;
        }
    }

    /// Makes what was written durable, when it is not.
    pub(super) fn sync(&mut self) -> Result<()> {
        if self.unsynced {
            retry(|| self.file.sync()).map_err(|error| Error::io("sync", &self.path, error))?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Refuses to go on with a file that nobody will find.
    pub(super) fn check_name(&self) -> Result<()> {
        retry(|| self.file.has_name()).map_err(|error| Error::io("write", &self.path, error))
    }

    /// Bytes whose writing is complete: whole chunks, whole records.
    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// The digest of the settled bytes.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    pub(super) fn waiting(&self) -> usize {
        self.pending.len() - self.taken
    }

    /// The file as it is on the disk, a half-written end included.
    pub(super) fn state(&self) -> FileState {
        let mut digest = self.digest.clone();
        digest.update(self.pending.get(..self.taken).unwrap_or_default());
        FileState {
            name: self.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            size: self.settled + self.taken as u64,
            sha256: data_encoding::HEXLOWER.encode(&digest.finalize()),
        }
    }
}

/// A call that a signal interrupted is made again.
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
