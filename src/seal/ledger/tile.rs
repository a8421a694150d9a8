//! Tiles: where the hashes of the tree lie, as c2sp.org/tlog-tiles has it.
//!
//! Knows names and widths, and nothing of what is logged. Its invariant: a
//! tile of another length than its name says is no tile.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Error;
use super::merkle::{self, Hash, LARGEST, Nodes};

/// Hashes of a full tile.
pub const WIDTH: u64 = 256;

/// Tiles that are kept while proofs are made: those of two proofs in a tree of
/// any size.
const KEPT: usize = 32;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holds {
    /// Hashes of this level, 0 to 63: each of a full tile of the level below,
    /// or of a leaf.
    Hashes(u8),
    /// The entries that the leaves of level 0 are hashes of.
    Entries,
}

/// A tile's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// What it holds.
    pub holds: Holds,
    /// Which of its level.
    pub index: u64,
    /// How many, 1 to 256: fewer than 256 is a partial tile.
    pub width: u16,
}

impl Tile {
    /// Its path below the log's prefix: `tile/0/x001/234.p/7`.
    #[must_use]
    pub fn path(&self) -> String {
        let level = match self.holds {
            Holds::Hashes(level) => level.to_string(),
            Holds::Entries => "entries".to_owned(),
        };
        let partial = match u64::from(self.width) {
            WIDTH => String::new(),
            width => format!(".p/{width}"),
        };
        format!("tile/{level}/{}{partial}", numbered(self.index))
    }

    /// The tile of that path, if it is one that [`Tile::path`] could give.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let holds = match level {
            "entries" => Holds::Entries,
            level => Holds::Hashes(level.parse().ok().filter(|level| *level < 64)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok()?),
            None => (rest, 256),
        };
        let index = number.split('/').try_fold(0_u64, |index, digits| {
            let digits: u64 = digits.strip_prefix('x').unwrap_or(digits).parse().ok()?;
            index.checked_mul(1000)?.checked_add(digits)
        })?;
        let tile = Self { holds, index, width };
        // Signs, missing zeros and the like: a name has one form only.
        ((1..=256).contains(&width) && tile.path() == path).then_some(tile)
    }

    /// The same tile, whole.
    #[must_use]
    pub fn full(self) -> Self {
        Self { width: 256, ..self }
    }
}

/// A number as a path: three digits an element, all but the last after an
/// `x`.
#[must_use]
pub fn numbered(number: u64) -> String {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

/// The hashes in a tile's file.
#[must_use]
pub fn hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && !hashes.is_empty() && hashes.len() as u64 <= WIDTH).then(|| hashes.to_vec())
}

/// The entries in a bundle's file: each after its length in two bytes,
/// big-endian.
#[must_use]
pub fn entries(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(entry);
        bytes = rest;
    }
    (!entries.is_empty() && entries.len() as u64 <= WIDTH).then_some(entries)
}

/// The tiles of a log in a directory, as they were at one size.
#[derive(Debug)]
pub struct Tiles {
    dir: PathBuf,
    size: u64,
    kept: HashMap<(u8, u64), Vec<Hash>>,
}

impl Tiles {
    /// The tiles of the log in `dir` with `size` entries.
    #[must_use]
    pub fn new(dir: &Path, size: u64) -> Self {
        Self { dir: dir.to_owned(), size: size.min(LARGEST), kept: HashMap::new() }
    }

    /// How many hashes the `index`th tile of a level has at this size.
    fn width(&self, level: u8, index: u64) -> u64 {
        let there = self.size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        there.saturating_sub(index.saturating_mul(WIDTH)).min(WIDTH)
    }

    /// The hashes of a tile; of a level that the log does not reach, none.
    ///
    /// # Errors
    /// When the tile is not there or no tile.
    pub fn tile(&mut self, level: u8, index: u64) -> Result<&[Hash], Error> {
        let width = self.width(level, index);
        if width == 0 {
            return Ok(&[]);
        }
        if !self.kept.contains_key(&(level, index)) {
            if self.kept.len() >= KEPT {
                self.kept.clear();
            }
            let width = u16::try_from(width).unwrap_or(256);
            let tile = Tile { holds: Holds::Hashes(level), index, width };
            let hashes = read(&self.dir, tile)?;
            self.kept.insert((level, index), hashes);
        }
        Ok(self.kept.get(&(level, index)).map_or(&[], Vec::as_slice))
    }
}

impl Nodes for Tiles {
    type Error = Error;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Error> {
        let (tile_level, height) = (u8::try_from(level / 8).unwrap_or(63), level % 8);
        let first = index.checked_shl(height).unwrap_or(u64::MAX);
        let at = usize::try_from(first % WIDTH).unwrap_or(0);
        let dir = self.dir.clone();
        let tile = self.tile(tile_level, first / WIDTH)?;
        let subtree = tile.get(at..at + (1 << height)).and_then(merkle::over);
        subtree.ok_or_else(|| {
            let tile = Tile { holds: Holds::Hashes(tile_level), index: first / WIDTH, width: 256 };
            Error::damaged(&dir.join(tile.path()), "it is shorter than the log")
        })
    }
}

/// Reads a tile of hashes. Where the partial one is not there any more, the
/// full one begins with it.
///
/// # Errors
/// When there is neither, or it has another length.
pub fn read(dir: &Path, tile: Tile) -> Result<Vec<Hash>, Error> {
    let path = dir.join(tile.path());
    let (bytes, width, path) = match bytes(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let full = dir.join(tile.full().path());
            (bytes(&full).map_err(|_| Error::io("read", &path, error))?, 256, full)
        }
        result => (result.map_err(|e| Error::io("read", &path, e))?, usize::from(tile.width), path),
    };
    let mut hashes = hashes(&bytes)
        .filter(|hashes| hashes.len() == width)
        .ok_or_else(|| Error::damaged(&path, "it has not the length of a tile"))?;
    hashes.truncate(tile.width.into());
    Ok(hashes)
}

fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    // One byte more than a tile has, so that a longer file shows.
    let mut bytes = Vec::with_capacity(1 << 13);
    std::fs::File::open(path)?.take((1 << 13) + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
