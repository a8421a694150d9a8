//! Encrypts a finished recording to others.
//!
//! Knows nothing of manifests. Its invariant: the old file is there, under
//! this name or that, until the new one was read back and somebody says that
//! the old one is not needed any more; and one process at a time does this,
//! which holds the old one's lock.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use sha2::{Digest, Sha256};

use super::draft::{self, Draft};
use super::error::shown;
use super::live::FileState;
use super::{Disk, Error, Paths, RealDisk, Result};
use crate::format::cipher::{self, Head, Identities, Recipients, Sealed};

/// Bytes that are encrypted at once: 16 chunks.
const PORTION: usize = 1 << 20;

/// A recording that is there in both forms.
#[derive(Debug)]
pub struct Rekeyed {
    /// The new file.
    pub file: FileState,
    /// Where the old one is.
    pub old: PathBuf,
    /// Its lock, which goes with this.
    _lock: File,
}

/// Encrypts the finished recording to `recipients`, and gives the new file its
/// name. The old one stays beside it, with `.before` added: see [`forget`].
///
/// # Errors
/// When it is not a finished recording, when no identity opens it, or when
/// something cannot be read or written; then all is as it was.
pub fn rekey(paths: &Paths, identities: &Identities, recipients: &Recipients) -> Result<Rekeyed> {
    let finished = paths.finished();
    let old = before(paths);
    let named = |source| Error::Cipher { path: shown(&finished), source };
    let failed = |error| Error::io("read", &finished, error);
    let file = File::open(&finished).map_err(failed)?;
    let lock = locked(&file, &finished)?;
    if old.symlink_metadata().is_ok() {
        return Err(Error::io("keep the old form as", &old, io::ErrorKind::AlreadyExists.into()));
    }
    let mut file = BufReader::with_capacity(1 << 16, file);
    let head = Head::read(&mut file).map_err(named)?;
    let key = head.unwrap(identities).map_err(named)?;
    let payload = head.reader(&key, file);

    let draft = draft::name(paths, "rekeying");
    let made = write(&draft, payload, &finished, recipients).and_then(|state| {
        std::fs::hard_link(&finished, &old).map_err(|error| Error::io("keep", &old, error))?;
        // Over the old form, which has its second name by now.
        std::fs::rename(&draft, &finished).map_err(|error| {
            let _ = std::fs::remove_file(&old);
            Error::io("rename the recording to", &finished, error)
        })?;
        Ok(state)
    });
    let _ = std::fs::remove_file(&draft);
    let file = made?;
    RealDisk.sync_dir(paths.dir()).map_err(|error| Error::io("sync", paths.dir(), error))?;
    Ok(Rekeyed { file, old, _lock: lock })
}

/// Removes the old form.
///
/// # Errors
/// When it cannot be removed.
pub fn forget(rekeyed: &Rekeyed) -> Result<()> {
    std::fs::remove_file(&rekeyed.old).map_err(|error| Error::io("remove", &rekeyed.old, error))
}

/// Gives the old form its name back.
///
/// # Errors
/// When it cannot be renamed.
pub fn undo(paths: &Paths, rekeyed: &Rekeyed) -> Result<()> {
    let finished = paths.finished();
    std::fs::rename(&rekeyed.old, &finished)
        .map_err(|error| Error::io("rename the recording to", &finished, error))
}

/// What a process left that was stopped while it did this: the old form, and
/// the lock that keeps others from it. `None` where nothing is left.
///
/// # Errors
/// When it is being done just now, or cannot be looked at.
pub fn left_over(paths: &Paths) -> Result<Option<Rekeyed>> {
    let old = before(paths);
    match File::open(&old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &old, error)),
        Ok(file) => {
            let _lock = locked(&file, &old)?;
            let file = FileState { name: String::new(), size: 0, sha256: String::new() };
            Ok(Some(Rekeyed { file, old, _lock }))
        }
    }
}

/// The old form that was left, if any was: without asking whether it is needed.
#[must_use]
pub fn is_unfinished(paths: &Paths) -> bool {
    before(paths).symlink_metadata().is_ok()
}

/// The lock of what is open here, held by what is returned.
fn locked(file: &File, path: &Path) -> Result<File> {
    let lock = file.try_clone().map_err(|error| Error::io("lock", path, error))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let what = io::Error::other("it is being encrypted anew by another process");
            Err(Error::io("encrypt", path, what))
        }
        Err(error) => Err(Error::io("lock", path, error.into())),
    }
}

fn before(paths: &Paths) -> PathBuf {
    let mut name = paths.finished().into_os_string();
    name.push(".before");
    name.into()
}

fn write(
    draft: &Path,
    mut payload: cipher::ChunkReader<BufReader<File>>,
    finished: &Path,
    recipients: &Recipients,
) -> Result<FileState> {
    let Sealed { head, key, payload: mut chunks } = cipher::encrypt(recipients)
        .map_err(|source| Error::Cipher { path: shown(draft), source })?;
    let mut file = Draft::create(draft)?;
    let (mut sealed, mut text, mut content) = (head, vec![0; PORTION], Sha256::new());
    loop {
        let count = payload.read(&mut text).map_err(|error| Error::io("read", finished, error))?;
        let portion = text.get(..count).unwrap_or_default();
        content.update(portion);
        if count == 0 {
            chunks.finish(&mut sealed);
        } else {
            chunks.write(portion, &mut sealed);
        }
        file.put(&mut sealed)?;
        if count == 0 {
            break;
        }
    }
    if payload.torn() {
        let what = io::Error::other("it is not whole; hrec verify says what it lacks");
        return Err(Error::io("encrypt", finished, what));
    }
    let state = file.finish(finished)?;

    // Read back: what is on the disk now is all there will be.
    let failed = |error| Error::io("read back", draft, error);
    let mut file = BufReader::with_capacity(1 << 16, File::open(draft).map_err(failed)?);
    let named = |source| Error::Cipher { path: shown(draft), source };
    let head = Head::read(&mut file).map_err(named)?;
    let mut again = head.reader(&key, file);
    let mut same = Sha256::new();
    io::copy(&mut again, &mut same).map_err(failed)?;
    if again.torn() || same.finalize() != content.finalize() {
        let what = io::Error::other("it does not hold what was written; check that disk");
        return Err(failed(what));
    }
    Ok(state)
}
