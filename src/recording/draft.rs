//! A finished recording while it is written beside the form that it replaces.
//!
//! Knows nothing of what is in it. Its invariant: it is created anew, under a
//! name that no reader takes for a recording's, and a digest is kept of every
//! byte that it was given.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::live::FileState;
use super::{Error, Paths, Result};

/// A name for a new form of the recording, with what is being done in it.
pub(super) fn name(paths: &Paths, doing: &str) -> PathBuf {
    let mut name = paths.stem().to_owned();
    name.push(format!(".{doing}.{:08x}", rand::random::<u32>()));
    paths.dir().join(name)
}

/// A file that is being written.
pub(super) struct Draft<'a> {
    path: &'a Path,
    file: File,
    size: u64,
    digest: Sha256,
}

impl<'a> Draft<'a> {
    /// Creates it, for its owner only.
    ///
    /// # Errors
    /// When it cannot be created; also where something of that name is there.
    pub(super) fn create(path: &'a Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| Error::io("create", path, error))?;
        // Root recovers and encrypts anew what others go on with.
        crate::sys::sharing::share(&file, path)
            .map_err(|error| Error::io("create", path, error))?;
        Ok(Self { path, file, size: 0, digest: Sha256::new() })
    }

    /// Writes what is in `sealed`, and empties it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn put(&mut self, sealed: &mut Vec<u8>) -> Result<()> {
        self.file.write_all(sealed).map_err(|error| Error::io("write", self.path, error))?;
        self.digest.update(&*sealed);
        self.size += sealed.len() as u64;
        sealed.clear();
        Ok(())
    }

    /// Syncs it. Gives its size and digest, under the name `finished` that it
    /// is to have.
    ///
    /// # Errors
    /// When it cannot be synced.
    pub(super) fn finish(self, finished: &Path) -> Result<FileState> {
        self.file.sync_all().map_err(|error| Error::io("write", self.path, error))?;
        Ok(FileState {
            name: finished.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            size: self.size,
            sha256: data_encoding::HEXLOWER.encode(&self.digest.finalize()),
        })
    }
}
