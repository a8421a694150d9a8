//! The right edge of the tree: the tiles that are not full yet.
//!
//! Its invariant: it is taken from the disk only where it leads to the root
//! that was signed.

use std::path::Path;

use super::Error;
use super::merkle::{self, Hash, Head};
use super::tile::{self, Holds, Tile, WIDTH};

/// A tile and what its file holds.
pub(super) type Made = (Tile, Vec<u8>);

/// The hashes of the rightmost tile of each level, as long as it is not full.
#[derive(Clone, Debug, Default)]
pub(super) struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// From the tiles of a log of this size; `None` where they do not lead to
    /// its root.
    pub(super) fn load(dir: &Path, head: &Head) -> Result<Option<Self>, Error> {
        let mut levels = Vec::new();
        let mut there = head.size;
        while there > 0 {
            let width = there % WIDTH;
            levels.push(match u16::try_from(width) {
                Ok(0) | Err(_) => Vec::new(),
                Ok(width) => {
                    let level = u8::try_from(levels.len()).unwrap_or(63);
                    let tile = Tile { holds: Holds::Hashes(level), index: there / WIDTH, width };
                    match tile::read(dir, tile) {
                        Ok(hashes) => hashes,
                        Err(Error::Damaged { .. }) => return Ok(None),
                        Err(Error::Io { source, .. })
                            if source.kind() == std::io::ErrorKind::NotFound =>
                        {
                            return Ok(None);
                        }
                        Err(error) => return Err(error),
                    }
                }
            });
            there /= WIDTH;
        }
        let edge = Self { size: head.size, levels };
        Ok((edge.root() == head.root).then_some(edge))
    }

    /// How many leaves are left of it and in it.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub(super) fn root(&self) -> Hash {
        // From the right: on each level, its hashes in complete subtrees, the
        // smallest last.
        let mut root: Option<Hash> = None;
        for hashes in &self.levels {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let last = 1 << rest.len().trailing_zeros();
                let (left, right) = rest.split_at(rest.len() - last);
                if let Some(subtree) = merkle::over(right) {
                    root = Some(root.map_or(subtree, |right| merkle::node(&subtree, &right)));
                }
                rest = left;
            }
        }
        root.unwrap_or_else(merkle::empty)
    }

    /// Adds the hash of a leaf; a tile that is full now goes to `made`.
    pub(super) fn push(&mut self, leaf: Hash, made: &mut Vec<Made>) {
        self.size += 1;
        let mut hash = leaf;
        let mut there = self.size;
        for level in 0_u8..64 {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(at) else { return };
            hashes.push(hash);
            if (hashes.len() as u64) < WIDTH {
                return;
            }
            let index = (there - 1) / WIDTH;
            made.push((Tile { holds: Holds::Hashes(level), index, width: 256 }, hashes.concat()));
            hash = merkle::over(hashes).unwrap_or_else(merkle::empty);
            hashes.clear();
            there /= WIDTH;
        }
    }

    /// The partial tiles that a log of `before` entries did not have.
    pub(super) fn partial(&self, before: u64) -> Vec<Made> {
        let mut made = Vec::new();
        let (mut there, mut before) = (self.size, before);
        for (level, hashes) in (0..).zip(&self.levels) {
            if let Ok(width) = u16::try_from(hashes.len())
                && width > 0
                && there != before
            {
                let tile = Tile { holds: Holds::Hashes(level), index: there / WIDTH, width };
                made.push((tile, hashes.concat()));
            }
            (there, before) = (there / WIDTH, before / WIDTH);
        }
        made
    }
}
