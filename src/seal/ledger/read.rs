//! The ledger's reader: entries and proofs.
//!
//! Needs no lock: what a signed head covers never changes. Its invariant: a
//! proof that it gives leads to the head that it opened.

use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, Proof};
use super::merkle::{self, Hash, Head};
use super::note::Note;
use super::record::{Event, Line, Record};
use super::segment::Segment;
use super::tile::{Tiles, WIDTH};
use super::{Error, Known, keys, note_in};

/// A ledger at the head that it had when it was opened.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    note: Note,
    checkpoint: Checkpoint,
    tiles: Tiles,
}

impl Reader {
    /// The ledger in this directory, without asking who signed its head;
    /// `None` where there is none.
    ///
    /// # Errors
    /// When the head cannot be read or is none.
    pub fn open(dir: &Path) -> Result<Option<Self>, Error> {
        let note = match note_in(dir) {
            Ok((note, _)) => note,
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        Ok(Some(Self::at(dir, note)?))
    }

    /// The ledger in this directory as it was at this head, an earlier one of
    /// its own.
    ///
    /// # Errors
    /// When it is no head.
    pub fn at(dir: &Path, note: Note) -> Result<Self, Error> {
        let checkpoint = Checkpoint::parse(note.text())
            .map_err(|error| Error::damaged(&dir.join(super::CHECKPOINT), error.to_string()))?;
        let tiles = Tiles::new(dir, checkpoint.head.size);
        Ok(Self { dir: dir.to_owned(), note, checkpoint, tiles })
    }

    /// Whether one of these keys signed the head, whenever.
    ///
    /// # Errors
    /// When none did, or a signature is wrong.
    pub fn verify(&self, known: &[Known]) -> Result<(), Error> {
        Checkpoint::open(&self.note, &keys(&self.checkpoint.origin, known))
            .map(drop)
            .map_err(|source| Error::Signer { path: self.dir.join(super::CHECKPOINT), source })
    }

    /// The same, by one that had not been replaced at the time of the last
    /// entry.
    ///
    /// # Errors
    /// As [`Reader::verify`]; when all that did had been.
    pub fn verify_now(&self, known: &[Known]) -> Result<(), Error> {
        self.verify(known)?;
        let last = self.checkpoint.head.size.saturating_sub(1);
        let first = last - last % WIDTH;
        let lines = self.lines(first).filter_map(|line| line.ok()?.content?.record().ok());
        let time = lines.last().map_or(0, |record| super::seconds(&record.t));
        let mut signers = super::signers(&self.checkpoint.origin, &self.note, known).into_iter();
        match signers.any(|known| known.counts_at(time)) {
            true => Ok(()),
            false => Err(Error::Outdated(self.dir.join(super::CHECKPOINT))),
        }
    }

    /// The head.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The head as it was signed.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The lines of the entries from `first` on, in order. One that is missing
    /// or altered is an error, after which the next segment's follow.
    pub fn lines(&self, first: u64) -> impl Iterator<Item = Result<Line, Error>> {
        let size = self.checkpoint.head.size;
        let segments = first / WIDTH..size.div_ceil(WIDTH);
        segments.flat_map(move |segment| {
            let from = first.max(segment * WIDTH);
            let count = usize::try_from(size - from).unwrap_or(256).min(256);
            let lines: Vec<Result<Line, Error>> = match Segment::read(&self.dir, segment) {
                Err(error) => vec![Err(error)],
                Ok(segment) => {
                    let lines = (from..).zip(segment.lines(from)).take(count);
                    let mut lines: Vec<_> = lines
                        .map(|(index, line)| line.ok_or_else(|| lost(&segment, index)))
                        .collect();
                    let expected = (WIDTH - from % WIDTH).min(count as u64);
                    if (lines.len() as u64) < expected {
                        lines.push(Err(lost(&segment, from + lines.len() as u64)));
                    }
                    lines
                }
            };
            lines
        })
    }

    /// The line of an entry.
    ///
    /// # Errors
    /// When there is no such entry, or its record is missing or altered.
    pub fn line(&self, index: u64) -> Result<Line, Error> {
        let size = self.checkpoint.head.size;
        if index >= size {
            return Err(Error::NoEntry { path: self.dir.clone(), index, size });
        }
        let segment = Segment::read(&self.dir, index / WIDTH)?;
        let line = segment.lines(index).next().flatten();
        line.ok_or_else(|| lost(&segment, index))
    }

    /// The entries about a recording, in order. Damage to others does not
    /// matter.
    ///
    /// # Errors
    /// When a record that may be about it is missing or altered.
    pub fn about(&self, id: &str) -> Result<Vec<(u64, Record)>, Error> {
        let mut found = Vec::new();
        let size = self.checkpoint.head.size;
        for number in 0..size.div_ceil(WIDTH) {
            let segment = Segment::read(&self.dir, number)?;
            let indices = segment.mentioning(id.as_bytes());
            for index in indices.into_iter().take_while(|index| *index < size) {
                let line = segment.lines(index).next().flatten();
                let line = line.ok_or_else(|| lost(&segment, index))?;
                if let Some(record) = line.content.and_then(|content| content.record().ok())
                    && record.event.id() == Some(id)
                {
                    found.push((index, record));
                }
            }
        }
        Ok(found)
    }

    /// The digest of the settings that the last session had. Looked for in the
    /// last few thousand entries only, and proven by nobody: a change that is
    /// told of once too often does no harm.
    #[must_use]
    pub fn last_policy(&self) -> Option<String> {
        let last = self.checkpoint.head.size.checked_sub(1)? / WIDTH;
        (last.saturating_sub(15)..=last).rev().find_map(|number| {
            let segment = Segment::read(&self.dir, number).ok()?;
            // Its two kinds have it under these names, and no other does.
            let line = segment.last_with(&[b"\"policy_sha256\"", b"\"k\":\"policy\""])?;
            match line.content?.record().ok()?.event {
                Event::Start { policy_sha256, .. } => Some(policy_sha256),
                Event::Policy { sha256 } => Some(sha256),
                _ => None,
            }
        })
    }

    /// The proof that an entry is in the log, checked.
    ///
    /// # Errors
    /// When there is no such entry, it was erased, or the tiles or records are
    /// damaged.
    pub fn prove(&mut self, index: u64) -> Result<Proof, Error> {
        let line = self.line(index)?;
        let content = line.content.ok_or(Error::Erased(index))?;
        let Head { size, root } = self.checkpoint.head;
        let path = merkle::inclusion(&mut self.tiles, index, size)?;
        if !merkle::includes(&root, size, index, merkle::leaf(&line.commitment), &path) {
            let what = format!("it does not lead from entry {index} to the signed head");
            return Err(Error::damaged(&self.dir.join("tile"), what));
        }
        Ok(Proof { extra: content.bytes(), index, path, note: self.note.clone() })
    }

    /// Makes what the head is over durable, and the head itself: before
    /// anybody else gets it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn make_durable(&self) -> Result<(), Error> {
        let segment = self.checkpoint.head.size.saturating_sub(1) / WIDTH;
        for path in [super::segment::path(&self.dir, segment), self.dir.join(super::CHECKPOINT)] {
            let synced = std::fs::File::open(&path).and_then(|file| file.sync_data());
            match synced {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("sync", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The proof that this log begins with an earlier head, which is of this
    /// size.
    ///
    /// # Errors
    /// When a tile is missing or damaged.
    pub fn consistency(&mut self, old: u64) -> Result<Vec<Hash>, Error> {
        merkle::consistency(&mut self.tiles, old, self.checkpoint.head.size)
    }
}

fn lost(segment: &Segment, index: u64) -> Error {
    Error::damaged(&segment.path, format!("the record of entry {index} is missing or altered"))
}
