//! The SHA-256 of a file of which pieces pass by.
//!
//! Refuses to know where pieces come from. The invariant: a digest is the file's
//! only where all bytes came one after the other from the first one on, each
//! once; a piece that came early waits, as long as little has to. What had been
//! hashed when that ended has a digest too: nobody else has hashed it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::format::chain::Hash;

/// So many bytes may wait for one that is to come before them. A server that
/// answers in order makes none wait; one that gives less than was asked for
/// makes those wait that were asked for behind it.
pub(super) const WINDOW: usize = 512 << 10;

/// What went one way through one handle.
#[derive(Debug, Default)]
pub(super) struct Run {
    hasher: Sha256,
    /// Where the first piece was asked for or put.
    start: Option<u64>,
    /// Where the piece begins that is hashed next.
    next: u64,
    /// How many bytes passed, in whatever order.
    size: u64,
    /// How many of them the digest is of.
    hashed: u64,
    /// They did not come in order.
    broken: bool,
    waiting: BTreeMap<u64, Vec<u8>>,
    waiting_bytes: usize,
    piece: Piece,
}

/// The digest of what passed, as far as it passed in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed {
    pub(super) sha256: Hash,
    /// Of how many bytes.
    pub(super) bytes: u64,
    /// Whether that was all.
    pub(super) whole: bool,
}

/// What becomes of the piece that is passing.
#[derive(Debug, Default)]
enum Piece {
    #[default]
    Count,
    Hash,
    Wait(u64, Vec<u8>),
}

impl Run {
    /// Something was asked for, or is put, at `offset`.
    pub(super) fn at(&mut self, offset: u64) {
        if self.start.is_none() {
            self.start = Some(offset);
            self.next = offset;
        }
    }

    /// A piece of `length` bytes at `offset` begins; `room`: how many may be
    /// kept.
    pub(super) fn begin(&mut self, offset: u64, length: usize, room: usize) {
        self.at(offset);
        let room = room.min(WINDOW).saturating_sub(self.waiting_bytes);
        self.piece = if self.broken || length == 0 {
            Piece::Count
        } else if offset == self.next {
            Piece::Hash
        } else if offset > self.next && length <= room && !self.waiting.contains_key(&offset) {
            self.waiting_bytes += length;
            Piece::Wait(offset, Vec::with_capacity(length))
        } else {
            self.disorder();
            Piece::Count
        };
    }

    /// The next bytes of the piece. Whether they were hashed as they passed.
    pub(super) fn data(&mut self, bytes: &[u8]) -> bool {
        self.size = self.size.saturating_add(bytes.len() as u64);
        match &mut self.piece {
            Piece::Count => false,
            Piece::Hash => {
                self.hash(bytes);
                true
            }
            Piece::Wait(_, held) => {
                held.extend_from_slice(bytes);
                false
            }
        }
    }

    fn hash(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.hashed = self.hashed.saturating_add(bytes.len() as u64);
        self.next = self.next.saturating_add(bytes.len() as u64);
    }

    /// The piece is whole.
    pub(super) fn end(&mut self) {
        if let Piece::Wait(offset, held) = std::mem::take(&mut self.piece) {
            self.waiting.insert(offset, held);
        }
        while let Some(first) = self.waiting.first_entry()
            && *first.key() <= self.next
        {
            let (offset, held) = first.remove_entry();
            if offset < self.next {
                self.disorder();
                break;
            }
            self.hash(&held);
            self.waiting_bytes = self.waiting_bytes.saturating_sub(held.capacity());
        }
    }

    /// What passed is not what the file has, so a digest would mislead.
    pub(super) fn disorder(&mut self) {
        self.broken = true;
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    /// Whether anything was asked for or put.
    pub(super) fn touched(&self) -> bool {
        self.start.is_some()
    }

    /// How many bytes passed.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Where in the file the first of them belongs.
    pub(super) fn start(&self) -> u64 {
        self.start.unwrap_or(0)
    }

    /// The end of what passed in order.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The digest of what passed. Of a piece that is still passing, what has
    /// been seen counts.
    pub(super) fn digest(self) -> Hashed {
        let whole =
            !self.broken && self.waiting.is_empty() && !matches!(self.piece, Piece::Wait(..));
        Hashed { sha256: self.hasher.finalize().into(), bytes: self.hashed, whole }
    }

    /// What waits, in bytes of memory.
    pub(super) fn held(&self) -> usize {
        self.waiting_bytes + self.waiting.len() * 64
    }
}
