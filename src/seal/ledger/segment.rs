//! The records' files: the lines of 256 entries each, as many as a tile has,
//! and between them, each after the entries that it was signed over, the
//! heads.
//!
//! Knows lines and nothing of the tree. Its invariant: a line counts only when
//! it is whole, in its place and sound.

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use memchr::memmem::{Finder, rfind};
use memchr::{memchr, memrchr};

use super::Error;
use super::disk;
use super::note::Note;
use super::record::{Commitment, LINE, Line};
use super::tile::{WIDTH, numbered};

/// What the line of a head begins with.
const HEAD: u8 = b'@';

/// The longest line of a head: a name, two numbers, two signatures.
const HEAD_LINE: usize = 1024;

/// Where the records of these 256 entries are.
#[must_use]
pub(super) fn path(dir: &Path, segment: u64) -> PathBuf {
    dir.join("records").join(numbered(segment))
}

/// A head as a line: `@ ORIGIN SIZE ROOT SIGNATURE…`.
#[must_use]
pub(super) fn head_line(note: &Note) -> Vec<u8> {
    let mut line = format!("@ {}", note.text().trim_end().replace('\n', " "));
    for signature in note.signatures() {
        let text = signature.to_string();
        line.push(' ');
        line.push_str(text.rsplit(' ').next().unwrap_or_default());
    }
    line.push('\n');
    line.into_bytes()
}

/// The head of such a line.
fn head_of(line: &[u8]) -> Option<Note> {
    let line = std::str::from_utf8(line).ok().filter(|line| line.len() <= HEAD_LINE)?;
    let mut words = line.split(' ');
    let (_, origin) = (words.next()?, words.next()?);
    let mut text = format!("{origin}\n{}\n{}\n\n", words.next()?, words.next()?);
    for signature in words {
        text.push_str(&format!("\u{2014} {origin} {signature}\n"));
    }
    Note::parse(text.as_bytes()).ok()
}

/// A records' file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    first: u64,
    bytes: Vec<u8>,
    /// Of the file; more than `bytes` has where a power cut left a hole.
    length: u64,
}

impl Segment {
    /// Reads it; one that is not there is empty.
    pub(super) fn read(dir: &Path, segment: u64) -> Result<Self, Error> {
        let path = path(dir, segment);
        let bytes = match disk::read(&path, (LINE + HEAD_LINE) * 256) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            result => result.map_err(|error| Error::io("read", &path, error))?,
        };
        let (length, mut bytes) = (bytes.len() as u64, bytes);
        // What was never on the disk reads as zeros, and what is behind it was
        // never acknowledged: a sync would have filled the hole.
        if let Some(hole) = memchr(0, &bytes) {
            bytes.truncate(hole);
        }
        Ok(Self { path, first: segment * WIDTH, bytes, length })
    }

    /// Its length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The lines that are whole, and where each ends.
    fn all(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let rest = self.bytes.get(at..)?;
            let length = memchr(b'\n', rest)?;
            at += length + 1;
            Some((at, rest.get(..length)?))
        })
    }

    /// Those of records, without judging them.
    fn raw(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.all().filter(|(_, line)| line.first() != Some(&HEAD)).take(256)
    }

    /// The lines from `first` on, each in its place: `None` for one that is no
    /// line, or another's, or altered.
    pub(super) fn lines(&self, first: u64) -> impl Iterator<Item = Option<Line>> {
        let skip = usize::try_from(first.saturating_sub(self.first)).unwrap_or(usize::MAX);
        (self.first..).zip(self.raw()).skip(skip).map(|(index, (_, line))| {
            Line::parse(line).filter(|line| line.index == index && line.is_sound())
        })
    }

    /// Which entries' lines have these bytes in them.
    pub(super) fn mentioning(&self, what: &[u8]) -> Vec<u64> {
        let finder = Finder::new(what);
        if finder.find(&self.bytes).is_none() {
            return Vec::new();
        }
        let lines = (self.first..).zip(self.raw());
        lines.filter(|(_, (_, line))| finder.find(line).is_some()).map(|(at, _)| at).collect()
    }

    /// The last line that has any of these in it, without judging whether it
    /// was signed.
    pub(super) fn last_with(&self, any: &[&[u8]]) -> Option<Line> {
        let last = any.iter().filter_map(|what| rfind(&self.bytes, what)).max()?;
        let from = memrchr(b'\n', self.bytes.get(..last)?).map_or(0, |at| at + 1);
        let rest = self.bytes.get(from..)?;
        Line::parse(rest.get(..memchr(b'\n', rest)?)?)
    }

    /// The entries that its lines say they are of, without judging whether.
    pub(super) fn commitments(&self) -> impl Iterator<Item = Option<Commitment>> {
        self.raw().map(|(_, line)| {
            let hex = line.split(|byte| *byte == b' ').nth(1)?;
            HEXLOWER.decode(hex).ok()?.try_into().ok()
        })
    }

    /// The last of its heads that `wanted` accepts.
    pub(super) fn last_head(&self, wanted: impl Fn(&Note) -> bool) -> Option<Note> {
        let heads: Vec<&[u8]> =
            self.all().map(|(_, line)| line).filter(|line| line.first() == Some(&HEAD)).collect();
        heads.into_iter().rev().filter_map(head_of).find(wanted)
    }

    /// At which byte end the log's first `size` entries and the head over them.
    /// An error where not all of those entries are there.
    pub(super) fn end_of(&self, size: u64) -> Result<u64, Error> {
        let settled = usize::try_from(size.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let mut end = 0;
        let mut count = 0;
        for (to, line) in self.all() {
            if line.first() != Some(&HEAD) {
                if count == settled {
                    break;
                }
                count += 1;
                end = to;
            } else if count < settled || is_of(line, size) {
                end = to;
            }
        }
        if count < settled {
            let missing = self.first + count as u64;
            let what = format!("the record of entry {missing} is missing");
            return Err(Error::damaged(&self.path, what));
        }
        Ok(end as u64)
    }

    /// What was written behind byte `end`.
    pub(super) fn replace(&mut self, end: u64, bytes: &[u8]) {
        self.bytes.truncate(usize::try_from(end).unwrap_or(usize::MAX));
        self.bytes.extend_from_slice(bytes);
        self.length = self.bytes.len() as u64;
    }

    /// Its bytes with another line in the place of one.
    pub(super) fn with(&self, line: &Line) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut index = self.first;
        for (_, raw) in self.all() {
            let head = raw.first() == Some(&HEAD);
            if !head && index == line.index {
                bytes.extend_from_slice(&line.bytes());
            } else {
                bytes.extend_from_slice(raw);
                bytes.push(b'\n');
            }
            index += u64::from(!head);
        }
        bytes
    }
}

/// Whether the line of a head says that it is over so many entries.
fn is_of(line: &[u8], size: u64) -> bool {
    line.split(|byte| *byte == b' ').nth(2) == Some(size.to_string().as_bytes())
}

/// The last head in the records that `wanted` accepts: where the head's own
/// file does not have it.
///
/// # Errors
/// When the records cannot be read.
pub(super) fn last_head(dir: &Path, wanted: impl Fn(&Note) -> bool) -> Result<Option<Note>, Error> {
    // The files are numbered without a gap.
    let there = |segment: u64| path(dir, segment).exists();
    let mut above = 1;
    while there(above) {
        above *= 2;
    }
    let mut below = above / 2;
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if there(middle) { below = middle } else { above = middle }
    }
    for segment in (0..=below).rev() {
        let segment = Segment::read(dir, segment)?;
        if let Some(note) = segment.last_head(&wanted) {
            return Ok(Some(note));
        }
    }
    Ok(None)
}
