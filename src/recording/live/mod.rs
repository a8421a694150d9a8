//! The writer of one recording: events in, `.part` and journals on the disk.
//!
//! Knows no clock: it is told the time with every event and every flush, and
//! says by when it wants the next. Its invariant: an event that was taken is
//! never lost by an error. It stays in memory, and the next `flush` or
//! `finish` goes on at the exact byte where the disk stopped.

mod append;
pub(super) mod marks;
mod screen;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use super::error::shown;
use super::{Disk, Error, Paths, RealDisk, Result};
use crate::event::{Event, Fact, Header, Micros, TermSize};
use crate::format::asciicast::{Encoder, utf8_hold};
pub use crate::format::chain::{ChainState, FileState};
use crate::format::cipher::Recipients;
use crate::format::frames::{LEVEL, LEVEL_FLOOD};
use crate::format::index::Mark;
use marks::Follower;
pub use marks::Keyframes;
pub use screen::Screen;
use store::Store;

/// An append is due this long after the first unsaved byte.
const INTERVAL: Micros = 250_000;
/// In a burst: time for frames to become safe by themselves, so that little
/// is written twice.
const INTERVAL_BURST: Micros = 1_000_000;
/// Unsaved text beyond this is a burst: a screenful of dense colour, redrawn
/// ten times in an interval, is not.
const BURST: u64 = 256 * 1024;
/// A frame that filled faster than this is one of a flood (over 4 MiB/s), and
/// is compressed faster. Time closes no frame: a person prints some
/// tens of KiB in five minutes, and of frames so small half the recording's
/// size would be beginnings and keyframes.
const FLOOD_TIME: Micros = 250_000;
/// A larger event becomes several of at most this size.
const EVENT_MAX: usize = 64 * 1024;

/// How a recording is written.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether what an append wrote is made durable (`fdatasync`) before the
    /// append counts. Without it only the end of a recording of more than
    /// 30 s is.
    pub sync: bool,
}

/// What came of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The finished file.
    pub path: PathBuf,
    /// For the manifest.
    pub files: Vec<FileState>,
    /// For the manifest.
    pub chain: ChainState,
    /// Bytes of asciicast text.
    pub bytes_text: u64,
    /// Bytes of the finished file.
    pub bytes_file: u64,
}

/// The writer.
pub struct Live {
    store: Store,
    encoder: Encoder,
    follower: Follower,
    /// The beginning of a character whose rest has not come yet.
    held: Vec<u8>,
    held_time: Micros,
    /// Output that follows held bytes, put together with them.
    joined: Vec<u8>,
    /// When the first byte that is in memory only was taken.
    unsaved_since: Option<Micros>,
    /// After an error: not before this time again.
    not_before: Option<Micros>,
    frame_opened: Option<Micros>,
    /// Whether anything was appended since the header.
    appended: bool,
    /// Whether a frame has been full.
    much: bool,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("paths", self.store.paths()).finish_non_exhaustive()
    }
}

impl Live {
    /// Creates the part and the first journal, and appends the header: when
    /// this returns, a recording is there that can be opened.
    ///
    /// # Errors
    /// When a file exists already, cannot be created or written, or nobody can
    /// be encrypted to. Nothing is left behind then.
    pub fn create(
        paths: Paths,
        header: &Header,
        recipients: &Recipients,
        options: Options,
    ) -> Result<Self> {
        Self::create_on(Box::new(RealDisk), paths, header, recipients, options)
    }

    /// As [`Live::create`], on a disk of the caller's.
    ///
    /// # Errors
    /// As [`Live::create`].
    pub fn create_on(
        disk: Box<dyn Disk>,
        paths: Paths,
        header: &Header,
        recipients: &Recipients,
        options: Options,
    ) -> Result<Self> {
        let finished = paths.finished();
        if finished.symlink_metadata().is_ok() {
            let exists = std::io::ErrorKind::AlreadyExists.into();
            return Err(Error::io("create", &finished, exists));
        }
        if let Some(left) = left_over(&paths) {
            let exists = std::io::ErrorKind::AlreadyExists.into();
            return Err(Error::io("create", &left, exists));
        }
        let mut store = Store::create(disk, paths, recipients, options.sync, header.size)?;
        let mut encoder = Encoder::new();
        encoder.header(header, &mut store.text);
        let begun = store.checkpoint();
        if let Err(error) = begun {
            store.discard();
            return Err(error);
        }
        Ok(Self {
            store,
            encoder,
            follower: Follower::new(header.size),
            held: Vec::with_capacity(4),
            held_time: 0,
            joined: Vec::new(),
            unsaved_since: None,
            not_before: None,
            frame_opened: Some(0),
            appended: false,
            much: false,
        })
    }

    /// From here on there are keyframes between the frames, which `keyframes`
    /// makes. It is told of all output and sizes from now on; the size so far
    /// is the header's.
    pub fn follow(&mut self, keyframes: Box<dyn Keyframes>) {
        self.follower.follow(keyframes);
    }

    /// Removes what there is of a recording that is not to be begun after all.
    pub fn abandon(self) {
        self.store.discard();
    }

    /// Bytes that the program wrote. The end of a chunk may be the beginning
    /// of a character: that is held until the rest comes, for one interval at
    /// most.
    ///
    /// # Errors
    /// When the part cannot be written. The bytes are taken all the same.
    pub fn output(&mut self, time: Micros, bytes: &[u8]) -> Result<()> {
        self.refuse_when_sealed()?;
        let mut result = Ok(());
        if self.held.is_empty() {
            self.output_whole(time, bytes, &mut result);
        } else {
            let mut joined = std::mem::take(&mut self.joined);
            joined.clear();
            joined.append(&mut self.held);
            joined.extend_from_slice(bytes);
            self.output_whole(time, &joined, &mut result);
            joined.shrink_to(EVENT_MAX);
            self.joined = joined;
        }
        result
    }

    fn output_whole(&mut self, time: Micros, mut bytes: &[u8], result: &mut Result<()>) {
        while !bytes.is_empty() {
            let piece = bytes.get(..EVENT_MAX).unwrap_or(bytes);
            let whole = piece.len() - utf8_hold(piece);
            if whole == 0 {
                // At most three bytes, and all there is.
                self.held.extend_from_slice(bytes);
                self.held_time = time;
                self.unsaved_since.get_or_insert(time);
                return;
            }
            let (now, rest) = bytes.split_at(whole);
            self.encoder.output(time, now, &mut self.store.text);
            self.follower.output(now);
            self.taken(time, result);
            bytes = rest;
        }
    }

    /// Bytes that the person typed, or pasted.
    ///
    /// # Errors
    /// As [`Live::output`].
    pub fn input(&mut self, time: Micros, bytes: &[u8]) -> Result<()> {
        let mut result = Ok(());
        for piece in Pieces(bytes) {
            let done = self.other(time, |encoder, _, text| encoder.input(time, piece, text));
            result = result.and(done);
        }
        result
    }

    /// The terminal's new size.
    ///
    /// # Errors
    /// As [`Live::output`].
    pub fn resize(&mut self, time: Micros, size: TermSize) -> Result<()> {
        self.other(time, |encoder, follower, text| {
            encoder.resize(time, size, text);
            follower.resize(size);
        })
    }

    /// A named point in time.
    ///
    /// # Errors
    /// As [`Live::output`].
    pub fn marker(&mut self, time: Micros, label: &str) -> Result<()> {
        self.other(time, |encoder, _, text| encoder.marker(time, label, text))
    }

    /// A fact about the session.
    ///
    /// # Errors
    /// As [`Live::output`].
    pub fn fact(&mut self, time: Micros, fact: &Fact) -> Result<()> {
        self.other(time, |encoder, follower, text| {
            encoder.fact(time, fact, text);
            if fact.kind == "stream" {
                follower.stream();
            }
        })
    }

    /// Any event.
    ///
    /// # Errors
    /// As [`Live::output`].
    pub fn event(&mut self, event: &Event) -> Result<()> {
        use crate::event::Data;
        match &event.data {
            Data::Output(bytes) => self.output(event.time, bytes),
            Data::Input(bytes) => self.input(event.time, bytes),
            Data::Resize(size) => self.resize(event.time, *size),
            Data::Fact(fact) => self.fact(event.time, fact),
            _ => self.other(event.time, |encoder, _, text| encoder.event(event, text)),
        }
    }

    fn other(
        &mut self,
        time: Micros,
        write: impl FnOnce(&mut Encoder, &mut Follower, &mut Vec<u8>),
    ) -> Result<()> {
        self.refuse_when_sealed()?;
        self.release_held();
        write(&mut self.encoder, &mut self.follower, &mut self.store.text);
        self.follower.events += 1;
        let mut result = Ok(());
        self.taken(time, &mut result);
        result
    }

    fn release_held(&mut self) {
        if !self.held.is_empty() {
            self.encoder.output(self.held_time, &self.held, &mut self.store.text);
            self.follower.output(&self.held);
            self.held.clear();
        }
    }

    fn refuse_when_sealed(&self) -> Result<()> {
        if self.store.is_sealed() {
            return Err(Error::Finished { path: shown(&self.store.paths().finished()) });
        }
        Ok(())
    }

    /// After new text: closes a full frame, and writes its chunks.
    fn taken(&mut self, time: Micros, result: &mut Result<()>) {
        self.unsaved_since.get_or_insert(time);
        self.frame_opened.get_or_insert(time);
        if self.store.is_full() {
            // Room for what a flood takes; a short session need not pay for it.
            if !std::mem::replace(&mut self.much, true) {
                crate::sys::memory::let_go_of_code();
            }
            let opened = self.frame_opened.take().unwrap_or(time);
            let flood = time.saturating_sub(opened) < FLOOD_TIME;
            let mut done = self.close_frame(if flood { LEVEL_FLOOD } else { LEVEL });
            // While the disk refuses, only `flush` tries it again.
            if self.not_before.is_none() {
                done = done.and_then(|()| self.store.write_part());
            }
            if result.is_ok() {
                *result = done;
            }
        }
    }

    /// By what time (session clock) [`Live::flush`] is to be called; `None`
    /// while there is nothing to be done.
    #[must_use]
    pub fn due(&self) -> Option<Micros> {
        let interval = if self.store.unkept() > BURST { INTERVAL_BURST } else { INTERVAL };
        let due = self.unsaved_since?.saturating_add(interval);
        Some(due.max(self.not_before.unwrap_or(0)))
    }

    /// Appends all that is unsaved. `now` is the session clock.
    ///
    /// # Errors
    /// When the disk refuses. Nothing is lost; [`Live::due`] is then one
    /// interval later.
    pub fn flush(&mut self, now: Micros) -> Result<()> {
        self.flush_or_close(now, false)
    }

    /// As [`Live::flush`], and closes the frame, whatever is in it. A session
    /// has no reason to; a test of what reads recordings has many small ones.
    ///
    /// # Errors
    /// As [`Live::flush`].
    #[doc(hidden)]
    pub fn flush_frame(&mut self, now: Micros) -> Result<()> {
        self.flush_or_close(now, true)
    }

    fn flush_or_close(&mut self, now: Micros, close: bool) -> Result<()> {
        if self.store.is_sealed() {
            return Ok(());
        }
        // What a session began with it does not go on needing; a short one ends
        // before this.
        if !std::mem::replace(&mut self.appended, true) {
            crate::sys::memory::let_go_of_code();
        }
        self.release_held();
        let result = self.flush_store(close);
        match &result {
            Ok(()) => {
                self.unsaved_since = None;
                self.not_before = None;
            }
            Err(_) => {
                self.unsaved_since.get_or_insert(now);
                self.not_before = Some(now.saturating_add(INTERVAL));
            }
        }
        result
    }

    fn flush_store(&mut self, close: bool) -> Result<()> {
        if close {
            self.frame_opened = None;
            self.close_frame(LEVEL)?;
        }
        self.store.checkpoint()
    }

    fn mark(&self) -> Mark {
        self.follower.mark(self.encoder.last_time(), self.store.text_end())
    }

    fn close_frame(&mut self, level: i32) -> Result<()> {
        let place = self.mark();
        let keyframe = match self.store.open() {
            0 => None,
            _ => self.follower.keyframe(&place),
        };
        self.store.close_frame(level, place, keyframe.as_deref())
    }

    /// Bytes that only memory holds. Grows while the disk refuses; the caller
    /// decides how far.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.store.waiting() + self.held.len()
    }

    /// The chain over what the disk has.
    #[must_use]
    pub fn chain(&self) -> ChainState {
        self.store.chain()
    }

    /// The recording's files as the disk has them now.
    #[must_use]
    pub fn files(&self) -> Vec<FileState> {
        self.store.files()
    }

    /// The recording's paths.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        self.store.paths()
    }

    /// Finishes the recording: the exit event (its status in decimal, when the
    /// program ended), the seek table, the last chunk; syncs, renames, syncs
    /// the directory, removes the journals.
    ///
    /// # Errors
    /// When the disk refuses. It may be called again, and goes on; `time` and
    /// `exit` count the first time only.
    pub fn finish(&mut self, time: Micros, exit: Option<&str>) -> Result<Finished> {
        if !self.store.is_sealed() {
            self.release_held();
            if let Some(status) = exit {
                self.encoder.exit(time, status, &mut self.store.text);
                self.follower.events += 1;
            }
        }
        let end = self.mark();
        let bytes_text = end.text;
        self.store.finish(end, time)?;
        let files = self.store.files();
        Ok(Finished {
            path: self.store.paths().finished(),
            bytes_file: files.first().map_or(0, |file| file.size),
            files,
            chain: self.store.chain(),
            bytes_text,
        })
    }
}

/// A journal that an interrupted recording of the same name left. With an id
/// for a name there is none, and no directory need be read.
fn left_over(paths: &Paths) -> Option<PathBuf> {
    if paths.stem().to_str().and_then(super::Id::parse).is_some() {
        return None;
    }
    let entries = std::fs::read_dir(paths.dir()).ok()?;
    let mut journals = entries.flatten();
    let found = journals.find(|entry| paths.journal_number(&entry.file_name()).is_some())?;
    Some(found.path())
}

/// A slice in pieces of at most [`EVENT_MAX`], none of which ends inside a
/// character.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let piece = match self.0.get(..EVENT_MAX) {
            Some(piece) => piece.get(..EVENT_MAX - utf8_hold(piece)).unwrap_or(piece),
            None => self.0,
        };
        self.0 = self.0.get(piece.len()..).unwrap_or_default();
        (!piece.is_empty()).then_some(piece)
    }
}
