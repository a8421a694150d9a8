//! From text to disk: frames into the part, unsafe text into journals.
//!
//! Knows nothing of events. Its invariant: every byte of text is in memory,
//! in a journal record, or in a frame all of whose bytes are in whole chunks
//! of the part that were written; it leaves a place only for the next.

use std::collections::VecDeque;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::super::{Disk, Error, Paths, Result};
use super::FileState;
use super::append::{Appender, retry};
use super::marks::Marks;
use crate::event::{Micros, TermSize};
use crate::format::chain::{ChainState, JournalChain, JournalState, PartState};
use crate::format::cipher::{self, ChunkWriter, FileKey, Recipients};
use crate::format::frames::{Frames, LEVEL};
use crate::format::index::Mark;
use crate::format::journal::RecordWriter;

/// Text of a frame.
const FRAME_TEXT: u64 = 1 << 20;
/// Unsafe text beyond this makes the chunk be padded.
const UNSAFE_MAX: u64 = 8 << 20;
/// What is dirty for so long the kernel writes by itself (vm.dirty_expire_centisecs,
/// and a look every 5 s).
const EXPIRED: Micros = 30_000_000;
/// Text of a record. A frame has less, unless a single event is huge.
const RECORD_TEXT: u64 = 8 << 20;

struct Frame {
    number: u64,
    /// In the recording's text.
    start: u64,
    /// Known once the frame is closed: where its text ends, and its bytes in
    /// the plain payload.
    end: Option<(u64, u64)>,
    journal: Option<Journal>,
}

struct Journal {
    path: PathBuf,
    chain: JournalChain,
    /// `None` once the frame is closed and all its text is here: of frames that
    /// compress well there are many in a chunk, and each must not hold a
    /// descriptor.
    file: Option<Appender>,
    state: Option<FileState>,
    /// Where the record being written ends, until it is.
    writing: Option<u64>,
}

pub(super) struct Store {
    disk: Box<dyn Disk>,
    paths: Paths,
    sync: bool,
    head: Vec<u8>,
    key: FileKey,
    part: Appender,
    payload: ChunkWriter,
    frames: Frames,
    marks: Marks,
    /// Frames that are not yet safe; the last one is open.
    unsafe_frames: VecDeque<Frame>,
    compressed: Vec<u8>,
    records: RecordWriter,
    /// Text from `text_start` on: whatever is not yet compressed, or neither
    /// in a journal nor safe.
    pub(super) text: Vec<u8>,
    text_start: u64,
    fed: u64,
    kept: u64,
    /// Of the text before `kept`.
    digest: Sha256,
    last_journal: Option<JournalState>,
    /// Journals of safe frames, not yet removed.
    retired: Vec<PathBuf>,
    dir_unsynced: bool,
    /// The chain before the last chunk, which is no link of it: the file's own
    /// digest covers that one.
    last_link: Option<PartState>,
    sealed: bool,
    renamed: bool,
}

impl Store {
    pub(super) fn create(
        mut disk: Box<dyn Disk>,
        paths: Paths,
        recipients: &Recipients,
        sync: bool,
        size: TermSize,
    ) -> Result<Self> {
        let cipher::Sealed { head, key, payload } = cipher::encrypt(recipients)
            .map_err(|source| Error::Cipher { path: super::shown(&paths.finished()), source })?;
        let frames = Frames::new().map_err(Error::Compress)?;
        let records = RecordWriter::new().map_err(Error::Compress)?;
        let mut part = Appender::create(disk.as_mut(), paths.part(), true)?;
        part.pending.extend_from_slice(&head);
        Ok(Self {
            disk,
            paths,
            sync,
            head,
            key,
            part,
            payload,
            frames,
            marks: Marks::new(size),
            unsafe_frames: VecDeque::from([Frame {
                number: 0,
                start: 0,
                end: None,
                journal: None,
            }]),
            compressed: Vec::new(),
            records,
            text: Vec::new(),
            text_start: 0,
            fed: 0,
            kept: 0,
            digest: Sha256::new(),
            last_journal: None,
            retired: Vec::new(),
            dir_unsynced: true,
            last_link: None,
            sealed: false,
            renamed: false,
        })
    }

    /// Takes back what [`Store::create`] made, after it could not be begun.
    pub(super) fn discard(mut self) {
        let journals: Vec<PathBuf> = self
            .unsafe_frames
            .iter()
            .filter_map(|frame| frame.journal.as_ref().map(|journal| journal.path.clone()))
            .collect();
        for path in journals.iter().map(PathBuf::as_path).chain([self.part.path()]) {
            let _ = self.disk.unlink(path);
        }
    }

    pub(super) fn paths(&self) -> &Paths {
        &self.paths
    }

    pub(super) fn text_end(&self) -> u64 {
        self.text_start + self.text.len() as u64
    }

    /// The open frame's text.
    pub(super) fn open(&self) -> u64 {
        self.text_end() - self.fed
    }

    /// Whether the open frame is to be closed.
    pub(super) fn is_full(&self) -> bool {
        self.open() >= FRAME_TEXT
    }

    /// Text that only memory holds.
    pub(super) fn unkept(&self) -> u64 {
        self.text_end() - self.kept
    }

    /// Closes the open frame, compressed at `level`; the next begins at `place`
    /// after this keyframe. Pads the chunk when too much text is unsafe.
    pub(super) fn close_frame(
        &mut self,
        level: i32,
        place: Mark,
        keyframe: Option<&[u8]>,
    ) -> Result<()> {
        let at = usize_of(self.fed - self.text_start);
        let text = self.text.get(at..).unwrap_or_default();
        if text.is_empty() {
            return Ok(());
        }
        self.frames.frame(level, text, &mut self.compressed).map_err(Error::Compress)?;
        self.fed += text.len() as u64;
        self.marks.closed(&self.frames);
        let end = self.frames.written();
        if let Some(open) = self.unsafe_frames.back_mut() {
            open.end = Some((self.fed, end));
            let next = Frame { number: open.number + 1, start: self.fed, end: None, journal: None };
            self.unsafe_frames.push_back(next);
        }
        self.seal();
        // Measured by what is sealed, not by what the disk took: padding does
        // not help against a disk that refuses.
        let sealed = self.payload.sealed();
        let mut frames = self.unsafe_frames.iter();
        let first = frames.find(|frame| frame.end.is_none_or(|(_, end)| end > sealed));
        if self.fed - first.map_or(self.fed, |frame| frame.start) > UNSAFE_MAX {
            // A chunk is sealed by the first byte after it.
            let chunk = cipher::CHUNK as u64;
            let sealed_at = end.next_multiple_of(chunk).max(chunk) + 1;
            let size = usize_of(sealed_at - end).max(8);
            self.frames.pad(size, &mut self.compressed);
        }
        // It lies right before the frame that it is for: one read gives both.
        self.marks.next(place, keyframe, &mut self.frames, &mut self.compressed);
        self.seal();
        Ok(())
    }

    fn seal(&mut self) {
        self.payload.write(&self.compressed, &mut self.part.pending);
        self.compressed.clear();
        self.compressed.shrink_to(1 << 18);
    }

    /// Writes the part's whole chunks, and lets go of the frames that are in
    /// them.
    pub(super) fn write_part(&mut self) -> Result<()> {
        if !self.part.pending.is_empty() {
            self.part.pump()?;
            if self.sync {
                self.part.begin_sync();
            }
        }
        let safe = self.chunks() * cipher::CHUNK as u64;
        while let Some((text_end, end)) = self.unsafe_frames.front().and_then(|frame| frame.end) {
            if end > safe {
                break;
            }
            self.keep_until(text_end);
            if let Some(journal) = self.unsafe_frames.pop_front().and_then(|frame| frame.journal) {
                self.retired.push(journal.path);
            }
        }
        self.forget();
        Ok(())
    }

    /// Appends what is not yet kept to the journals of its frames, makes it
    /// durable, and removes the journals of frames that are safe.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        self.part.check_name()?;
        self.write_part()?;
        if self.sync {
            self.part.sync()?;
        }
        self.write_journals()?;
        if self.sync && self.dir_unsynced {
            self.sync_dir()?;
        }
        // One that cannot be removed does no harm: a reader finds its text in
        // the part too.
        for path in self.retired.drain(..) {
            let _ = retry(|| self.disk.unlink(&path));
        }
        self.forget();
        Ok(())
    }

    /// Whole chunks that were written.
    fn chunks(&self) -> u64 {
        self.part.settled().saturating_sub(self.head.len() as u64) / cipher::SEALED_CHUNK as u64
    }

    fn write_journals(&mut self) -> Result<()> {
        let mut index = 0;
        while index < self.unsafe_frames.len() {
            let pending = self.journal_record(index)?;
            let end = self.text_end();
            let Some(frame) = self.unsafe_frames.get_mut(index) else { break };
            let frame_end = frame.end.map_or(end, |(text, _)| text);
            let Some(journal) = frame.journal.as_mut() else {
                index += 1;
                continue;
            };
            let Some(file) = journal.file.as_mut() else {
                index += 1;
                continue;
            };
            file.pump()?;
            journal.writing = None;
            if pending.is_some() {
                self.last_journal = Some(journal.chain.state());
            }
            if self.sync {
                file.sync()?;
            }
            let kept = self.kept.max(pending.unwrap_or(0));
            if kept >= frame_end {
                if frame.end.is_some() {
                    journal.state = Some(file.state());
                    journal.file = None;
                }
                index += 1;
            }
            self.keep_until(kept);
        }
        Ok(())
    }

    /// Sees to it that the journal of this frame has a record pending of the
    /// next text to be kept; says where that text ends. `None`: all is kept.
    fn journal_record(&mut self, index: usize) -> Result<Option<u64>> {
        let text_end = self.text_end();
        let Some(frame) = self.unsafe_frames.get_mut(index) else { return Ok(None) };
        // What an earlier, failed append left to be written.
        if let Some(end) = frame.journal.as_ref().and_then(|journal| journal.writing) {
            return Ok(Some(end));
        }
        let end = frame.end.map_or(text_end, |(text, _)| text).min(self.kept + RECORD_TEXT);
        if end <= self.kept {
            return Ok(None);
        }
        let journal = match &mut frame.journal {
            Some(journal) => journal,
            none => {
                let path = self.paths.journal(frame.number);
                let file = Some(Appender::create(self.disk.as_mut(), path.clone(), false)?);
                let chain = JournalChain::seed(&self.head, frame.number);
                self.dir_unsynced = true;
                none.insert(Journal { path, chain, file, state: None, writing: None })
            }
        };
        let Some(file) = journal.file.as_mut() else { return Ok(None) };
        let from = usize_of(self.kept - self.text_start);
        let text = self.text.get(from..usize_of(end - self.text_start)).unwrap_or_default();
        let digest = self.digest.clone().chain_update(text).finalize().into();
        self.records
            .write(&self.key, self.kept, digest, text, &mut file.pending)
            .map_err(Error::Compress)?;
        journal.chain.extend(&file.pending);
        journal.writing = Some(end);
        Ok(Some(end))
    }

    /// The text up to `end` is on the disk.
    fn keep_until(&mut self, end: u64) {
        if end > self.kept {
            let from = usize_of(self.kept - self.text_start);
            let to = usize_of(end - self.text_start);
            self.digest.update(self.text.get(from..to).unwrap_or_default());
            self.kept = end;
        }
    }

    /// Lets go of text that is both kept and compressed.
    fn forget(&mut self) {
        let until = usize_of(self.kept.min(self.fed) - self.text_start);
        // Moving the rest down is worth it only for a good part of it.
        if until > 0 && (until == self.text.len() || until > self.text.len() / 2) {
            self.text.drain(..until);
            self.text_start += until as u64;
            if self.text.is_empty() {
                self.text.shrink_to(1 << 18);
            }
        }
    }

    fn sync_dir(&mut self) -> Result<()> {
        let dir = self.paths.dir();
        retry(|| self.disk.sync_dir(dir)).map_err(|error| Error::io("sync", dir, error))?;
        self.dir_unsynced = false;
        Ok(())
    }

    /// Everything into the part, which then gets its final name; the recording
    /// began `age` ago. May be called again after an error.
    pub(super) fn finish(&mut self, end: Mark, age: Micros) -> Result<()> {
        if !self.sealed {
            self.close_frame(LEVEL, end, None)?;
            self.marks.finish(end, &mut self.frames, &mut self.compressed);
            self.frames.finish(&mut self.compressed);
            self.seal();
            self.sealed = true;
        }
        if let Err(error) = self.end_part() {
            // The end of the text may still fit into a journal, and a reader
            // finds it there.
            let _ = self.write_journals();
            return Err(error);
        }
        // Unsynced, a session that is younger than that may be lost anyway, as
        // it was while it went on. Of an older one the journals are on the
        // disk, and go only when what replaces them is there too.
        if self.sync || age >= EXPIRED {
            self.part.sync()?;
        }
        if !self.renamed {
            let (from, to) = (self.paths.part(), self.paths.finished());
            retry(|| self.disk.rename(&from, &to))
                .map_err(|error| Error::io("rename the recording to", &to, error))?;
            self.renamed = true;
            self.dir_unsynced = true;
        }
        // Not synced, the directory may come back from a power cut as it was
        // before the rename, and then with all its journals: a file system
        // that does the one first does not forget it for the other.
        if self.sync && self.dir_unsynced {
            self.sync_dir()?;
        }
        let journals = self.unsafe_frames.drain(..).filter_map(|frame| frame.journal);
        self.retired.extend(journals.map(|journal| journal.path));
        for path in self.retired.drain(..) {
            // One that stays is ignored beside a finished recording.
            let _ = self.disk.unlink(&path);
        }
        Ok(())
    }

    fn end_part(&mut self) -> Result<()> {
        self.part.pump()?;
        if self.last_link.is_none() {
            self.last_link = Some(self.chain().part);
            self.payload.finish(&mut self.part.pending);
        }
        self.part.pump()
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    pub(super) fn waiting(&self) -> usize {
        self.text.len() + self.part.waiting()
    }

    pub(super) fn chain(&self) -> ChainState {
        let part = self.last_link.clone().unwrap_or_else(|| PartState {
            chunks: self.chunks(),
            sha256: data_encoding::HEXLOWER.encode(&self.part.digest()),
        });
        ChainState { part, journal: self.last_journal.clone() }
    }

    pub(super) fn files(&self) -> Vec<FileState> {
        let mut part = self.part.state();
        if self.renamed {
            part.name = name_of(&self.paths.finished());
        }
        let journals = self.unsafe_frames.iter().filter_map(|frame| frame.journal.as_ref());
        let journals = journals
            .filter_map(|journal| journal.state.clone().or(Some(journal.file.as_ref()?.state())));
        std::iter::once(part).chain(journals).collect()
    }
}

fn name_of(path: &std::path::Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Offsets within the text that memory holds.
fn usize_of(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
