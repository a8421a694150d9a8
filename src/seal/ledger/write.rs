//! The ledger's writer.
//!
//! An append, under the lock: the last head is found, and proven to be ours and
//! to fit the tree's right edge; the new head is computed and signed; the
//! records' lines and this head are appended to the records' file, and the
//! tiles are written.
//!
//! Then, under another lock, the records are synced, and the last head in them
//! takes its place in `checkpoint`: whoever waited for that lock while others'
//! entries were synced finds their own among them, so that many who append at
//! once share a sync. `checkpoint` never has what is not durable; what a crash
//! takes of it and of tiles the next writer makes again from the records.
//!
//! What is behind the last signed head in the records was never acknowledged,
//! and is cut off: to adopt it would be to sign what anybody may have written
//! there. Its invariant: nothing is signed but what was signed before and what
//! this process has to say.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::disk::{self, Disk, RealDisk};
use super::edge::Made;
use super::merkle::{self, Head};
use super::note::{Note, Signer, VerifierKey};
use super::record::{Content, Event, LONGEST, Line, Record, SALT, VERSION};
use super::segment::{self, Segment};
use super::settled::{Settled, bundle};
use super::tile::{Holds, Tile, WIDTH};
use super::{CHECKPOINT, Error, Known, keys, note_in, seconds, signers};
use crate::sys::clock;

/// How a ledger is written.
#[derive(Clone)]
pub struct Options {
    /// Whether an append is durable when it returns.
    pub sync: bool,
    /// The name of a ledger that is not there yet: c2sp.org/tlog-checkpoint.
    pub origin: String,
    /// Who signs.
    pub signer: Arc<dyn Signer>,
    /// Keys that signed before.
    pub earlier: Vec<Known>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A ledger that is written.
pub struct Ledger {
    pub(super) dir: PathBuf,
    disk: Arc<dyn Disk>,
    options: Options,
    /// What this writer left or found, and how long the records' files were then.
    pub(super) seen: Option<(u64, Settled)>,
    /// A second signer, while the key is changed.
    also: Option<Arc<dyn Signer>>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Ledger {
    /// The ledger in this directory, which is made where it is not there.
    ///
    /// # Errors
    /// When the disk refuses, or what is there is damaged or another's.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        Self::open_on(Arc::new(RealDisk), dir, options)
    }

    /// The same on a disk of the caller's.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<Self, Error> {
        let mut ledger = Self { dir: dir.to_owned(), disk, options, seen: None, also: None };
        if ledger.is_blank() {
            ledger.begin()?;
        }
        let Settled { note, checkpoint, .. } = {
            let _lock = ledger.lock("lock")?;
            ledger.settled()?
        };
        let own = ledger.own(&checkpoint.origin);
        if !is_last_of(&note, own.as_ref()) {
            let known = signers(&checkpoint.origin, &note, &ledger.options.earlier);
            let last = ledger.last_time(&checkpoint.head)?;
            let Some(from) = known.iter().find(|known| known.counts_at(last)) else {
                return Err(Error::Outdated(dir.join(CHECKPOINT)));
            };
            let from = keys(&checkpoint.origin, &[**from]).first().map(ToString::to_string);
            let to = own.as_ref().map(ToString::to_string);
            let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
            ledger.add_signed(&[Event::Key { from, to }], true)?;
        }
        Ok(ledger)
    }

    fn own(&self, origin: &str) -> Option<VerifierKey> {
        keys(origin, &[self.options.signer.public().into()]).pop()
    }

    /// When the last entry is of, seconds since 1970; 0 where it does not say.
    fn last_time(&self, head: &Head) -> Result<i64, Error> {
        let Some(last) = head.size.checked_sub(1) else { return Ok(0) };
        let segment = Segment::read(&self.dir, last / WIDTH)?;
        let content = segment.lines(last).next().flatten().and_then(|line| line.content);
        let record = content.and_then(|content| content.record().ok());
        Ok(record.map_or(0, |record| seconds(&record.t)))
    }

    /// The ledger's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether there is nothing yet. Once there are records, a head that is
    /// missing is in them.
    fn is_blank(&self) -> bool {
        !self.dir.join("records").exists() && note_in(&self.dir).is_err()
    }

    /// Makes a ledger without entries.
    fn begin(&mut self) -> Result<(), Error> {
        let parent = self.dir.parent().unwrap_or(&self.dir).to_owned();
        let made = !self.dir.exists();
        disk::make_dir(&self.dir).map_err(|e| Error::io("create", &self.dir, e))?;
        if made && self.options.sync {
            self.sync(&parent)?;
        }
        let _lock = self.lock("lock")?;
        if !self.is_blank() {
            return Ok(());
        }
        let head = Head { size: 0, root: merkle::empty() };
        let checkpoint = Checkpoint { origin: self.options.origin.clone(), head };
        let note = self.signed(&checkpoint)?;
        let _head = self.lock("lock.head")?;
        self.put_head(&note)?;
        if self.options.sync {
            self.sync(&self.dir.join(CHECKPOINT))?;
            self.sync(&self.dir)?;
        }
        Ok(())
    }

    /// Adds what happened, now; the number of its first entry. When this
    /// returns, the entries are in a signed head, and durable where the
    /// options say so.
    ///
    /// # Errors
    /// When the disk refuses, the signer does, or the ledger is damaged. What
    /// was to be added may be in it all the same. [`Error::Replaced`] where
    /// another key signs by now: to be opened again, with that.
    pub fn append(&mut self, events: &[Event]) -> Result<u64, Error> {
        self.add_signed(events, false)
    }

    /// Lets readers see what a writer before has added, and did not come to say.
    ///
    /// # Errors
    /// When the disk refuses, or the ledger is damaged.
    pub fn catch_up(&mut self) -> Result<(), Error> {
        let left = {
            let _lock = self.lock("lock")?;
            self.settled()?
        };
        let length = self.length(&left.checkpoint.head);
        self.settle(length, &left)?;
        self.seen = Some((length, left));
        Ok(())
    }

    /// As [`Ledger::append`]; with `takes_over` also where the last head is
    /// another key's.
    fn add_signed(&mut self, events: &[Event], takes_over: bool) -> Result<u64, Error> {
        let lock = self.lock("lock")?;
        let Settled { note, checkpoint, mut edge } = self.settled()?;
        if !takes_over && !is_last_of(&note, self.own(&checkpoint.origin).as_ref()) {
            return Err(Error::Replaced(self.dir.join(CHECKPOINT)));
        }
        let first = edge.size();
        let lines = (first..).zip(events).map(|(index, event)| line(index, event));
        let lines: Vec<Line> = lines.collect::<Result<_, _>>()?;
        if lines.is_empty() {
            return Ok(first);
        }
        let mut made = Vec::new();
        for line in &lines {
            edge.push(merkle::leaf(&line.commitment), &mut made);
        }
        let head = Head { size: edge.size(), root: edge.root() };
        let checkpoint = Checkpoint { origin: checkpoint.origin, head };
        let note = self.signed(&checkpoint)?;
        let mut rest = lines.as_slice();
        while let Some(next) = rest.first() {
            let room = usize::try_from(WIDTH - next.index % WIDTH).unwrap_or(1);
            let (now, later) = rest.split_at(room.min(rest.len()));
            let mut bytes: Vec<u8> = now.iter().flat_map(Line::bytes).collect();
            if later.is_empty() {
                bytes.extend_from_slice(&segment::head_line(&note));
            }
            made.push(self.add(next.index, now.len(), &bytes)?);
            rest = later;
        }
        // Last: where these are there, nothing has to be made again.
        made.extend(edge.partial(first));
        self.put(&made)?;
        self.sweep(first, edge.size());
        let (length, left) = (self.length(&head), Settled { note, checkpoint, edge });
        drop(lock);
        self.settle(length, &left)?;
        self.seen = Some((length, left));
        Ok(first)
    }

    /// Makes what was added durable, and puts the last head into its place,
    /// unless somebody has meanwhile; `length` is that of the records' files as
    /// they were left.
    fn settle(&self, length: u64, left: &Settled) -> Result<(), Error> {
        let _lock = self.lock("lock.head")?;
        let head_of = |note: &Note| Checkpoint::parse(note.text()).ok().map(|there| there.head);
        let own = left.checkpoint.head;
        let there = note_in(&self.dir).ok().map(|(note, _)| note);
        let later = there.filter(|note| head_of(note).is_some_and(|head| head.size >= own.size));
        if later.as_ref().is_some_and(|later| self.verified(later).is_ok()) {
            return Ok(());
        }
        // Others may have added something since, which this sync is for too.
        let last = match self.length(&own) == length {
            true => None,
            false => self.last_head()?,
        };
        let last = last.and_then(|note| Some((head_of(&note)?, note)));
        let last = last.filter(|(head, _)| head.size > own.size);
        let (head, note) = last.as_ref().map_or((&own, &left.note), |(head, note)| (head, note));
        self.sync_records(head)?;
        // One that is later and that we do not know is another key's, in its
        // place already.
        if later.is_some() { Ok(()) } else { self.put_head(note) }
    }

    /// Makes the records up to this head durable, where the options say so: those
    /// in its file, as a file before it was synced when it got full.
    pub(super) fn sync_records(&self, head: &Head) -> Result<(), Error> {
        match head.size.checked_sub(1) {
            Some(last) if self.options.sync => self.sync(&segment::path(&self.dir, last / WIDTH)),
            _ => Ok(()),
        }
    }

    /// Adds lines to one records' file, from this entry on; the bundle of the
    /// entries that are in it then.
    fn add(&self, first: u64, count: usize, bytes: &[u8]) -> Result<Made, Error> {
        let mut segment = Segment::read(&self.dir, first / WIDTH)?;
        let end = segment.end_of(first)?;
        if segment.length() > end {
            self.disk
                .cut(&segment.path, end)
                .map_err(|error| Error::io("cut", &segment.path, error))?;
        }
        // What a batch over several files left that was stopped in it.
        let next = segment::path(&self.dir, first / WIDTH + 1);
        if next.exists() {
            self.disk.remove(&next);
        }
        self.disk
            .append(&segment.path, bytes)
            .map_err(|error| Error::io("write", &segment.path, error))?;
        if self.options.sync {
            // Whoever adds to the next file syncs that one only.
            if (first + count as u64).is_multiple_of(WIDTH) {
                self.sync(&segment.path)?;
            }
            if first.is_multiple_of(WIDTH) {
                self.sync_new(&segment.path)?;
            }
        }
        segment.replace(end, bytes);
        bundle(&segment, first + count as u64)
    }

    /// Signs with another key from here on; the head in between is signed by
    /// both.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub fn rotate(&mut self, signer: Arc<dyn Signer>) -> Result<u64, Error> {
        let origin = {
            let _lock = self.lock("lock")?;
            self.settled()?.checkpoint.origin
        };
        let own = self.options.signer.public();
        let key =
            |public: [u8; 32]| keys(&origin, &[public.into()]).first().map(ToString::to_string);
        let event = Event::Key {
            from: key(own).unwrap_or_default(),
            to: key(signer.public()).unwrap_or_default(),
        };
        self.options.earlier.push(own.into());
        self.also = Some(std::mem::replace(&mut self.options.signer, signer));
        let result = self.add_signed(&[event], true);
        self.also = None;
        result
    }

    /// Adds `event`, which says so, and erases what an entry says; that it was
    /// there is still proven.
    ///
    /// # Errors
    /// As [`Ledger::append`]; when there is no such entry.
    pub fn erase(&mut self, index: u64, event: Event) -> Result<u64, Error> {
        let size = {
            let _lock = self.lock("lock")?;
            self.settled()?.checkpoint.head.size
        };
        let line = |segment: &Segment| segment.lines(index).next().flatten();
        let none = || Error::NoEntry { path: self.dir.clone(), index, size };
        let there = line(&Segment::read(&self.dir, index / WIDTH)?).filter(|_| index < size);
        there.ok_or_else(none)?;
        // First: a blank record of which no entry tells is somebody's attempt
        // to hide something.
        let added = self.append(&[event])?;
        let _lock = self.lock("lock")?;
        let segment = Segment::read(&self.dir, index / WIDTH)?;
        let line =
            line(&segment).ok_or_else(|| Error::NoEntry { path: self.dir.clone(), index, size })?;
        let bytes = segment.with(&Line { content: None, ..line });
        let path = &segment.path;
        let draft = self.dir.join("records.new");
        let old = self.dir.join("records.old");
        let io = |error| Error::io("write", path, error);
        self.disk.put(&draft, &bytes).map_err(io)?;
        self.disk.sync(&draft).map_err(io)?;
        // The old file's bytes are written over, not only let go.
        self.disk.remove(&old);
        std::fs::hard_link(path, &old).map_err(io)?;
        self.disk.rename(&draft, path).map_err(io)?;
        self.sync(path.parent().unwrap_or(path))?;
        let zeros = vec![0; usize::try_from(segment.length()).unwrap_or(0)];
        overwrite(&old, &zeros).map_err(io)?;
        self.disk.remove(&old);
        Ok(added)
    }

    pub(super) fn lock(&self, name: &str) -> Result<std::fs::File, Error> {
        let path = self.dir.join(name);
        disk::lock(&path).map_err(|error| Error::io("lock", &path, error))
    }

    fn sync(&self, path: &Path) -> Result<(), Error> {
        self.disk.sync(path).map_err(|error| Error::io("sync", path, error))
    }

    /// The head, when it is signed by us, now or earlier.
    pub(super) fn verified(&self, note: &Note) -> Result<Checkpoint, Error> {
        let path = self.dir.join(CHECKPOINT);
        let origin = Checkpoint::parse(note.text())
            .map_err(|error| Error::damaged(&path, error.to_string()))?
            .origin;
        let mut known = self.options.earlier.clone();
        known.push(self.options.signer.public().into());
        Checkpoint::open(note, &keys(&origin, &known))
            .map_err(|source| Error::Signer { path, source })
    }

    /// A file was made: its name is to last, and those of the directories
    /// above it.
    fn sync_new(&self, path: &Path) -> Result<(), Error> {
        let dirs = path.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.dir));
        dirs.into_iter().try_for_each(|dir| self.sync(dir))
    }

    pub(super) fn put(&self, made: &[Made]) -> Result<(), Error> {
        for (tile, bytes) in made {
            let path = self.dir.join(tile.path());
            self.disk.put(&path, bytes).map_err(|error| Error::io("write", &path, error))?;
            // A partial tile that a power cut takes is made again by the next
            // writer; a full one nobody would miss until somebody wants a
            // proof.
            if self.options.sync && u64::from(tile.width) == WIDTH {
                self.sync(&path)?;
                self.sync_new(&path)?;
            }
        }
        Ok(())
    }

    /// Removes partial tiles whose full tile is there: as many at each append
    /// as it made, so that none takes long.
    fn sweep(&self, from: u64, to: u64) {
        let Some(index) = (from / WIDTH).checked_sub(1) else { return };
        for width in from % WIDTH + 1..=(to - from + from % WIDTH).min(255) {
            let width = u16::try_from(width).unwrap_or(255);
            for holds in [Holds::Hashes(0), Holds::Entries] {
                self.disk.remove(&self.dir.join(Tile { holds, index, width }.path()));
            }
        }
    }

    fn signed(&self, checkpoint: &Checkpoint) -> Result<Note, Error> {
        let signer = self.options.signer.as_ref();
        let mut note = Note::sign(&checkpoint.to_string(), &checkpoint.origin, signer)
            .map_err(Error::Signing)?;
        if let Some(also) = &self.also {
            note.add(&checkpoint.origin, also.as_ref()).map_err(Error::Signing)?;
        }
        Ok(note)
    }

    /// Puts the head into its place; its bytes.
    pub(super) fn put_head(&self, note: &Note) -> Result<(), Error> {
        let path = self.dir.join(CHECKPOINT);
        let draft = self.dir.join("checkpoint.new");
        let io = |error| Error::io("write", &path, error);
        self.disk.put(&draft, note.to_string().as_bytes()).map_err(io)?;
        self.disk.rename(&draft, &path).map_err(io)
    }
}

/// Whether this key is the one that signs from this head on: the first of its
/// signatures is its.
fn is_last_of(note: &Note, key: Option<&VerifierKey>) -> bool {
    key.zip(note.signatures().next()).is_some_and(|(key, signature)| key.owns(signature))
}

/// The line of what happened, now.
fn line(index: u64, event: &Event) -> Result<Line, Error> {
    let record = Record { v: VERSION, t: clock::wall_rfc3339(), event: event.clone() };
    let text = serde_json::to_string(&record).unwrap_or_default();
    if text.len() > LONGEST {
        return Err(Error::Long(text.len()));
    }
    Ok(Line::new(index, Content { salt: rand::random::<[u8; SALT]>(), text }))
}

fn overwrite(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
