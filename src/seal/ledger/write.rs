//! The ledger's writer.
//!
//! An append, under the lock: the head is read, and proven to be ours and to
//! fit the tree's right edge; the new head is computed and signed; the records'
//! lines and this head are appended to the records' file, and that is made
//! durable, with one sync. Then the tiles are written, and the head takes the
//! old one's place, without any: what a crash takes of them the next writer
//! makes again from the records.
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
use super::edge::{Edge, Made};
use super::merkle::{self, Head};
use super::note::{Note, Signer};
use super::record::{Content, Event, LONGEST, Line, Record, SALT, VERSION};
use super::segment::{self, Segment};
use super::tile::{Holds, Tile, WIDTH};
use super::{CHECKPOINT, Error, keys, note_in};
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
    /// Public keys that signed before.
    pub earlier: Vec<[u8; 32]>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A ledger that is written.
pub struct Ledger {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    options: Options,
    /// The head's bytes that this edge belongs to.
    seen: Option<(Vec<u8>, Checkpoint, Edge)>,
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
        let (checkpoint, note, _) = {
            let _lock = ledger.lock()?;
            ledger.settled()?
        };
        let own = ledger.options.signer.public();
        let now = keys(&checkpoint.origin, &[own]);
        if note.verify(&now).is_err() {
            let signed = keys(&checkpoint.origin, &ledger.options.earlier);
            let by = note.verify(&signed).map(|signed| signed.first().map(|s| s.by.to_string()));
            let from = by.ok().flatten().unwrap_or_default();
            let to = now.first().map(ToString::to_string).unwrap_or_default();
            ledger.append(&[Event::Key { from, to }])?;
        }
        Ok(ledger)
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
        let _lock = self.lock()?;
        if !self.is_blank() {
            return Ok(());
        }
        let head = Head { size: 0, root: merkle::empty() };
        let checkpoint = Checkpoint { origin: self.options.origin.clone(), head };
        let note = self.signed(&checkpoint)?;
        self.put_head(&note)?;
        if self.options.sync {
            self.sync(&self.dir.join(CHECKPOINT))?;
            self.sync(&self.dir)?;
        }
        Ok(())
    }

    /// The last head that was signed, and the tree's right edge there. What a
    /// crash took of head and tiles is made again from the records.
    fn settled(&mut self) -> Result<(Checkpoint, Note, Edge), Error> {
        let (note, bytes) = match note_in(&self.dir) {
            Ok(found) => found,
            // It was never synced, and may be anything after a power cut.
            Err(error) => (self.last_head()?.ok_or(error)?, Vec::new()),
        };
        if let Some((seen, checkpoint, edge)) = self.seen.take()
            && seen == bytes
        {
            return Ok((checkpoint, note, edge));
        }
        let checkpoint = self.verified(&note)?;
        let Head { size, .. } = checkpoint.head;
        let edge = self.edge(&checkpoint.head)?;
        let segment = Segment::read(&self.dir, size / WIDTH)?;
        if segment.length() > segment.end_of(size)?
            && let Some(later) = self.last_head()?
        {
            let checkpoint = self.verified(&later)?;
            if checkpoint.head.size > size {
                let made = self.replay(edge.clone(), checkpoint.head.size, false)?;
                if made.root() != checkpoint.head.root {
                    let what = "a record before the last head in it is altered";
                    return Err(Error::damaged(&segment.path, what));
                }
                let edge = self.replay(edge, checkpoint.head.size, true)?;
                self.put_head(&later)?;
                return Ok((checkpoint, later, edge));
            }
        }
        if bytes.is_empty() {
            self.put_head(&note)?;
        } else {
            self.seen = Some((bytes, checkpoint.clone(), edge.clone()));
        }
        Ok((checkpoint, note, edge))
    }

    fn last_head(&self) -> Result<Option<Note>, Error> {
        segment::last_head(&self.dir, |note| self.verified(note).is_ok())
    }

    /// Adds what happened, now; the number of its first entry. When this
    /// returns, the entries are in a signed head, and durable where the
    /// options say so.
    ///
    /// # Errors
    /// When the disk refuses, the signer does, or the ledger is damaged. What
    /// was to be added may be in it all the same.
    pub fn append(&mut self, events: &[Event]) -> Result<u64, Error> {
        let _lock = self.lock()?;
        let (checkpoint, _, mut edge) = self.settled()?;
        // Until all is written nobody knows what the disk has.
        self.seen = None;
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
        made.extend(edge.partial(first));
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
        self.put(&made)?;
        self.sweep(first, edge.size());
        let bytes = self.put_head(&note)?;
        self.seen = Some((bytes, checkpoint, edge));
        Ok(first)
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
            self.sync(&segment.path)?;
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
            let _lock = self.lock()?;
            self.settled()?.0.origin
        };
        let own = self.options.signer.public();
        let key = |public| keys(&origin, &[public]).first().map(ToString::to_string);
        let event = Event::Key {
            from: key(own).unwrap_or_default(),
            to: key(signer.public()).unwrap_or_default(),
        };
        self.options.earlier.push(own);
        self.also = Some(std::mem::replace(&mut self.options.signer, signer));
        let result = self.append(&[event]);
        self.also = None;
        result
    }

    /// Erases what an entry says; that it was there is still proven. Then
    /// `event` is added.
    ///
    /// # Errors
    /// As [`Ledger::append`]; when there is no such entry.
    pub fn erase(&mut self, index: u64, event: Event) -> Result<u64, Error> {
        {
            let _lock = self.lock()?;
            let size = self.settled()?.0.head.size;
            let segment = Segment::read(&self.dir, index / WIDTH)?;
            let line = segment.lines(index).next().flatten().filter(|_| index < size);
            let Some(line) = line else {
                return Err(Error::NoEntry { path: self.dir.clone(), index, size });
            };
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
        }
        self.append(&[event])
    }

    fn lock(&self) -> Result<std::fs::File, Error> {
        let path = self.dir.join("lock");
        disk::lock(&path).map_err(|error| Error::io("lock", &path, error))
    }

    fn sync(&self, path: &Path) -> Result<(), Error> {
        self.disk.sync(path).map_err(|error| Error::io("sync", path, error))
    }

    /// The head, when it is signed by us, now or earlier.
    fn verified(&self, note: &Note) -> Result<Checkpoint, Error> {
        let path = self.dir.join(CHECKPOINT);
        let origin = Checkpoint::parse(note.text())
            .map_err(|error| Error::damaged(&path, error.to_string()))?
            .origin;
        let mut publics = self.options.earlier.clone();
        publics.push(self.options.signer.public());
        Checkpoint::open(note, &keys(&origin, &publics))
            .map_err(|source| Error::Signer { path, source })
    }

    /// A file was made: its name is to last, and those of the directories
    /// above it.
    fn sync_new(&self, path: &Path) -> Result<(), Error> {
        let dirs = path.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.dir));
        dirs.into_iter().try_for_each(|dir| self.sync(dir))
    }

    /// The tree's right edge, made again where a crash has lost it.
    fn edge(&self, head: &Head) -> Result<Edge, Error> {
        if let Some(edge) = Edge::load(&self.dir, head)? {
            return Ok(edge);
        }
        let edge = self.replay(Edge::default(), head.size, false)?;
        if edge.root() != head.root {
            let what = "the records do not lead to the signed head";
            return Err(Error::damaged(&self.dir.join("records"), what));
        }
        self.replay(Edge::default(), head.size, true)
    }

    /// The tree from this edge on as the records have it; writes the tiles that
    /// are not as they should be.
    fn replay(&self, mut edge: Edge, size: u64, write: bool) -> Result<Edge, Error> {
        let before = edge.size();
        while edge.size() < size {
            let from = edge.size();
            let segment = Segment::read(&self.dir, from / WIDTH)?;
            let mut made = Vec::new();
            for line in segment.lines(from).take(usize::try_from(size - from).unwrap_or(256)) {
                let Some(line) = line else { break };
                edge.push(merkle::leaf(&line.commitment), &mut made);
            }
            if edge.size() < size && !edge.size().is_multiple_of(WIDTH) || edge.size() == from {
                let what = format!("the record of entry {} is missing or altered", edge.size());
                return Err(Error::damaged(&segment.path, what));
            }
            if write {
                if edge.size() == size {
                    made.extend(edge.partial(before));
                }
                made.push(bundle(&segment, edge.size())?);
                made.retain(|(tile, bytes)| {
                    std::fs::read(self.dir.join(tile.path())).ok().as_ref() != Some(bytes)
                });
                self.put(&made)?;
            }
        }
        Ok(edge)
    }

    fn put(&self, made: &[Made]) -> Result<(), Error> {
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
    fn put_head(&self, note: &Note) -> Result<Vec<u8>, Error> {
        let bytes = note.to_string().into_bytes();
        let path = self.dir.join(CHECKPOINT);
        let draft = self.dir.join("checkpoint.new");
        let io = |error| Error::io("write", &path, error);
        self.disk.put(&draft, &bytes).map_err(io)?;
        self.disk.rename(&draft, &path).map_err(io)?;
        Ok(bytes)
    }
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

/// The bundle of the entries that a segment has in a log of this size.
fn bundle(segment: &Segment, size: u64) -> Result<Made, Error> {
    let index = size.saturating_sub(1) / WIDTH;
    let width = u16::try_from(size - index * WIDTH).unwrap_or(256);
    let mut bytes = Vec::with_capacity(34 * usize::from(width));
    for commitment in segment.commitments().take(width.into()) {
        let commitment = commitment.ok_or_else(|| {
            Error::damaged(&segment.path, "there is something in it that is no record")
        })?;
        bytes.extend_from_slice(&[0, 32]);
        bytes.extend_from_slice(&commitment);
    }
    Ok((Tile { holds: Holds::Entries, index, width }, bytes))
}

fn overwrite(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
