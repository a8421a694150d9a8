//! The text of a recording that is not finished: its part, then its journals.
//!
//! Knows nothing of events. Its invariant: what it gives is a prefix of the
//! text that was recorded, exactly, whatever the moment the writer stopped at;
//! where something is missing in the middle it ends there.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::FlockOperation;

use super::error::shown;
use super::payload::{Input, Payload};
use super::{Error, Paths, Result};
use crate::format::cipher::Identities;
use crate::format::frames::FrameReader;
use crate::format::journal;

/// How many journals are held open at once: a recording has one to three, or,
/// after hours of little output, some hundred.
const OPEN_MAX: usize = 256;

/// What was noticed while reading, one sentence each.
#[derive(Clone, Default)]
pub(super) struct Remarks(Arc<Mutex<Vec<String>>>);

impl Remarks {
    /// All of them so far.
    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a sentence, once.
    pub(super) fn add(&self, text: String) {
        let mut remarks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !remarks.contains(&text) {
            remarks.push(text);
        }
    }
}

/// The part and journals of a recording, opened.
pub(super) struct Unfinished {
    /// Whether its writer still has it.
    pub(super) live: bool,
    part: Payload,
    path: PathBuf,
    journals: Vec<JournalFile>,
}

struct JournalFile {
    number: u64,
    path: PathBuf,
    file: Option<File>,
}

impl Unfinished {
    /// Opens the files; the journals first, because while the writer runs text
    /// moves from them to the part, never back.
    pub(super) fn open(paths: &Paths) -> Result<Self> {
        let path = paths.part();
        let journals = opened_journals(paths)?;
        let file = open_own(&path).map_err(|error| Error::io("open", &path, error))?;
        Ok(Self { live: is_locked(&file), part: Payload::plain(file), path, journals })
    }

    /// The same of a part that was opened before, as it is now.
    pub(super) fn again(paths: &Paths, part: &Payload) -> Result<Self> {
        let journals = opened_journals(paths)?;
        Ok(Self { live: is_locked(part.file()), part: part.clone(), path: paths.part(), journals })
    }

    /// Unwraps the part's key.
    pub(super) fn unlock(mut self, identities: &Identities) -> Result<Self> {
        let failed = |source| Error::Cipher { path: shown(&self.path), source };
        // The first journal is created after the header is written, and before
        // the program starts.
        let begun = !self.journals.is_empty();
        let head = self.part.head().map_err(|source| {
            if begun { failed(source) } else { Error::NotBegun { path: shown(&self.path) } }
        })?;
        let key = head.unwrap(identities).map_err(failed)?;
        self.part = self.part.under(Arc::new((head, key)));
        Ok(self)
    }

    /// The part, for [`Unfinished::again`].
    pub(super) fn part(&self) -> &Payload {
        &self.part
    }

    /// The text from byte `given` on, which is the first of the frame at `at`
    /// in the part.
    pub(super) fn text(self, at: u64, given: u64, remarks: Remarks) -> Result<Text> {
        let part = self.part.open(at).map_err(|error| Error::io("read", &self.path, error))?;
        let frames = FrameReader::new(part).map_err(Error::Compress)?;
        Ok(Text {
            frames: Some(frames),
            part: self.part,
            journals: self.journals.into_iter(),
            journal: None,
            record: Vec::new(),
            at: 0,
            given,
            remarks,
        })
    }
}

/// The journals, the last of them held open.
fn opened_journals(paths: &Paths) -> Result<Vec<JournalFile>> {
    let mut journals = journals(paths)?;
    let skip = journals.len().saturating_sub(OPEN_MAX);
    for journal in journals.iter_mut().skip(skip) {
        journal.file = open_own(&journal.path).ok();
    }
    Ok(journals)
}

/// The journals of a recording, in the order of their frames.
fn journals(paths: &Paths) -> Result<Vec<JournalFile>> {
    let dir = paths.dir();
    let entries = std::fs::read_dir(dir).map_err(|error| Error::io("read", dir, error))?;
    let mut journals: Vec<JournalFile> = entries
        .flatten()
        .filter_map(|entry| {
            let number = paths.journal_number(&entry.file_name())?;
            Some(JournalFile { number, path: entry.path(), file: None })
        })
        .collect();
    journals.sort_by_key(|journal| journal.number);
    Ok(journals)
}

/// The paths of a recording's journals, in the order of their frames.
///
/// # Errors
/// When the directory cannot be read.
pub fn journal_paths(paths: &Paths) -> Result<Vec<PathBuf>> {
    Ok(journals(paths)?.into_iter().map(|journal| journal.path).collect())
}

/// Whether a writer has the part open. `false` too where the file system has
/// no locks.
#[must_use]
pub fn is_live(part: &Path) -> bool {
    open_own(part).is_ok_and(|file| is_locked(&file))
}

/// Opens a part or a journal. In a directory that others can write to, a FIFO
/// of such a name must not keep a reader waiting, nor a device be read.
///
/// # Errors
/// As open(2)'s; `InvalidInput` for what is no regular file.
pub fn open_own(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

/// How many bytes of a part its writer can have written: a writer only appends,
/// so that nothing from the first hole on, lseek(2), is its own. Reading a
/// file of terabytes that holds nothing but holes would take hours.
///
/// # Errors
/// As lseek(2)'s.
pub fn written(part: &File) -> io::Result<u64> {
    use rustix::fs::{SeekFrom, seek};
    let end = match seek(part, SeekFrom::Hole(0)) {
        Ok(end) => end,
        // An empty file has no byte that could be looked from.
        Err(rustix::io::Errno::NXIO) => 0,
        // A file system that knows of none.
        Err(rustix::io::Errno::INVAL) => part.metadata()?.len(),
        Err(error) => return Err(error.into()),
    };
    seek(part, SeekFrom::Start(0))?;
    Ok(end)
}

fn is_locked(part: &File) -> bool {
    // A shared lock, for a moment: two readers do not meet in it, and a writer
    // that is just starting waits for it.
    match rustix::fs::flock(part, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            let _ = rustix::fs::flock(part, FlockOperation::Unlock);
            false
        }
        Err(error) => error == rustix::io::Errno::WOULDBLOCK,
    }
}

/// Reads the text.
pub(super) struct Text {
    frames: Option<FrameReader<Input>>,
    part: Payload,
    journals: std::vec::IntoIter<JournalFile>,
    journal: Option<BufReader<File>>,
    /// The text of the record being given, from `at` on.
    record: Vec<u8>,
    at: usize,
    /// Bytes of the recording's text given so far.
    given: u64,
    remarks: Remarks,
}

impl Text {
    fn remark(&self, text: String) {
        self.remarks.add(text);
    }

    /// Finds the record with the next byte of text; `false` when there is
    /// none.
    fn next_record(&mut self) -> io::Result<bool> {
        loop {
            let Some(journal) = &mut self.journal else {
                let Some(next) = self.journals.next() else { return Ok(false) };
                let file = next.file.map_or_else(|| open_own(&next.path), Ok);
                match file {
                    Ok(file) => self.journal = Some(BufReader::new(file)),
                    // Its frame has become safe since the directory was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
                continue;
            };
            let raw = journal::read_raw(journal)?;
            let record = raw.map(|raw| journal::open(self.part.key()?, &raw));
            match record {
                Some(Some(record)) => {
                    let Some(skip) = self.given.checked_sub(record.offset) else {
                        self.remark(format!(
                            "{} bytes of text are missing before the journal's next record; the \
                             recording is given up to there",
                            record.offset - self.given
                        ));
                        return Ok(false);
                    };
                    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                    if skip < record.text.len() {
                        self.record = record.text;
                        self.at = skip;
                        return Ok(true);
                    }
                }
                Some(None) => {
                    self.remark(
                        "a record of the journal does not authenticate; the recording is given up \
                         to there"
                            .to_owned(),
                    );
                    self.journal = None;
                }
                None => self.journal = None,
            }
        }
    }
}

impl Read for Text {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if let Some(frames) = &mut self.frames {
            match frames.read(out) {
                Ok(0) => {}
                Ok(count) => {
                    self.given += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.remark(format!("the part is damaged: {error}"));
                }
                Err(error) => return Err(error),
            }
            self.frames = None;
        }
        if self.at >= self.record.len() && !self.next_record()? {
            return Ok(0);
        }
        let rest = self.record.get(self.at..).unwrap_or_default();
        let count = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        self.given += count as u64;
        Ok(count)
    }
}
