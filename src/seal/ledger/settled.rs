//! From where a writer goes on: the last head that was signed, and the tree's
//! right edge there.
//!
//! Its invariant: a head is gone on from only where the tree that leads to it
//! is there, in the tiles or in the records.

use super::edge::{Edge, Made};
use super::merkle::{self, Head};
use super::note::Note;
use super::segment::{self, Segment};
use super::tile::{Holds, Tile, WIDTH};
use super::write::Ledger;
use super::{Checkpoint, Error, note_in};

/// The last head, and what goes on from there.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    pub(super) note: Note,
    pub(super) checkpoint: Checkpoint,
    pub(super) edge: Edge,
}

impl Ledger {
    /// The last head that was signed: that in its place, or a later one in the
    /// records, whose writer has not brought it there yet, or did not live to.
    /// What a crash took of tiles is made again from the records.
    pub(super) fn settled(&mut self) -> Result<Settled, Error> {
        let (note, whole) = match note_in(&self.dir) {
            Ok((note, _)) => (note, true),
            // It was never synced, and may be anything after a power cut.
            Err(error) => (self.last_head()?.ok_or(error)?, false),
        };
        if let Some((length, seen)) = self.seen.take()
            && seen.note == note
            && self.length(&seen.checkpoint.head) == length
        {
            return Ok(seen);
        }
        let checkpoint = self.verified(&note)?;
        let Head { size, .. } = checkpoint.head;
        let segment = Segment::read(&self.dir, size / WIDTH)?;
        if segment.length() > segment.end_of(size)?
            && let Some(later) = self.last_head()?
        {
            let head = self.verified(&later)?;
            if head.head.size > size {
                let edge = match Edge::load(&self.dir, &head.head)? {
                    Some(edge) => edge,
                    None => self.advanced(&checkpoint.head, &head.head, &segment)?,
                };
                return Ok(Settled { note: later, checkpoint: head, edge });
            }
        }
        let edge = self.edge(&checkpoint.head)?;
        if !whole {
            let _head = self.lock("lock.head")?;
            self.sync_records(&checkpoint.head)?;
            self.put_head(&note)?;
        }
        let settled = Settled { note, checkpoint, edge };
        self.seen = Some((self.length(&settled.checkpoint.head), settled.clone()));
        Ok(settled)
    }

    /// The edge at a later head in the records, whose tiles are not there.
    fn advanced(&self, from: &Head, to: &Head, segment: &Segment) -> Result<Edge, Error> {
        let edge = self.edge(from)?;
        let made = self.replay(edge.clone(), to.size, false)?;
        if made.root() != to.root {
            let what = "a record before the last head in it is altered";
            return Err(Error::damaged(&segment.path, what));
        }
        self.replay(edge, to.size, true)
    }

    pub(super) fn last_head(&self) -> Result<Option<Note>, Error> {
        segment::last_head(&self.dir, |note| self.verified(note).is_ok())
    }

    /// How long the files are that the last records of a log of this size are
    /// in, and the next to come: what others add shows there.
    pub(super) fn length(&self, head: &Head) -> u64 {
        let of = |number| segment::path(&self.dir, number).metadata().map_or(0, |data| data.len());
        let next = head.size / WIDTH;
        match head.size.checked_sub(1) {
            Some(last) if last / WIDTH != next => of(last / WIDTH) + of(next),
            _ => of(next),
        }
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
}

/// The bundle of the entries that a segment has in a log of this size.
pub(super) fn bundle(segment: &Segment, size: u64) -> Result<Made, Error> {
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
