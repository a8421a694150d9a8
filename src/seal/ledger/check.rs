//! Whether a ledger is what was signed: its head, its tree, its records.
//!
//! Reads every record once and keeps none but what they come to. Its
//! invariant: a ledger without findings is, entry for entry, the one whose head
//! was signed, and begins with every head that it was held against.

use std::path::{Path, PathBuf};

use super::book::Book;
use super::checkpoint::{self, Checkpoint};
use super::edge::{Edge, Made};
use super::merkle::{self, Frontier, Hash, Head};
use super::note::{self, Note};
use super::read::Reader;
use super::record::Line;
use super::segment::Segment;
use super::tile::{self, Holds, Tile, WIDTH};
use super::{CHECKPOINT, Error, Known, keys, signers};
use crate::seal::finding::{Class, Finding};

/// How many entries a finding names.
const NAMED: usize = 8;

/// A head that somebody kept elsewhere.
#[derive(Clone, Debug)]
pub struct Against {
    /// What to call it: a file's name.
    pub name: String,
    /// A signed checkpoint.
    pub bytes: Vec<u8>,
}

/// What came of a check.
#[derive(Debug, Default)]
pub struct Checked {
    /// The head, where there is a ledger.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong with the ledger as a whole.
    pub findings: Vec<Finding>,
    /// Worth knowing, and no finding.
    pub remarks: Vec<String>,
    /// What it says of each recording.
    pub book: Book,
}

impl Checked {
    fn find(&mut self, class: Class, what: impl Into<String>) {
        self.findings.push(Finding::of_ledger(class, what));
    }
}

/// Checks the ledger in this directory, whose head one of these keys must
/// have signed, against heads of it that were kept elsewhere. Where there
/// is no ledger, there is nothing to find but what is held against it.
#[must_use]
pub fn check(dir: &Path, known: &[Known], against: &[Against]) -> Checked {
    let mut checked = Checked::default();
    let reader = match Reader::open(dir) {
        Ok(Some(reader)) => reader,
        Ok(None) => {
            if dir.join("records").exists() || dir.join("tile").exists() {
                let path = dir.join(CHECKPOINT);
                checked.find(Class::Missing, format!("{} is gone", path.display()));
            }
            for other in against {
                let what = format!("{} was signed for a ledger, and there is none", other.name);
                checked.find(Class::LedgerRolledBack, what);
            }
            return checked;
        }
        Err(error) => {
            let class = class_of(&error);
            checked.find(class, error.to_string());
            return checked;
        }
    };
    if let Err(error) = reader.verify(known) {
        let class = match &error {
            Error::Signer { source: checkpoint::Error::Note(note::Error::Unknown), .. } => {
                Class::UnknownSigner
            }
            _ => Class::WrongSignature,
        };
        checked.find(class, error.to_string());
    }
    let others = others(&mut checked, reader.checkpoint(), known, against);
    let mut walk = Walk::new(dir, reader.checkpoint().head, others);
    walk.records(&mut checked);
    walk.conclude(&mut checked);
    let signed = signers(&reader.checkpoint().origin, reader.note(), known);
    let last = checked.book.last;
    if !signed.is_empty() && !signed.iter().any(|known| known.counts_at(last)) {
        let path = dir.join(CHECKPOINT);
        checked.find(Class::UnknownSigner, Error::Outdated(path).to_string());
    }
    checked.checkpoint = Some(reader.checkpoint().clone());
    checked
}

/// The heads that the ledger must begin with, those that are heads of it.
fn others(
    checked: &mut Checked,
    own: &Checkpoint,
    known: &[Known],
    against: &[Against],
) -> Vec<(String, Head)> {
    let mut heads = Vec::new();
    for Against { name, bytes } in against {
        let opened = Note::parse(bytes).map_err(checkpoint::Error::from).and_then(|note| {
            let origin = Checkpoint::parse(note.text())?.origin;
            Checkpoint::open(&note, &keys(&origin, known))
        });
        match opened {
            Err(checkpoint::Error::Note(note::Error::Unknown)) => {
                checked
                    .find(Class::UnknownSigner, format!("{name}: no key that is known signed it"));
            }
            Err(checkpoint::Error::Note(note::Error::Signature(key))) => {
                let what = format!("{name}: the signature of {key} is wrong");
                checked.find(Class::WrongSignature, what);
            }
            Err(error) => checked.find(Class::NotChecked, format!("{name}: {error}")),
            Ok(other) if other.origin != own.origin => {
                let what =
                    format!("{name} is of the ledger {}, and this is {}", other.origin, own.origin);
                checked.find(Class::LedgerForked, what);
            }
            Ok(other) if other.head.size > own.head.size => {
                let what = format!(
                    "it has {} entries, and had {} when {name} was signed",
                    own.head.size, other.head.size
                );
                checked.find(Class::LedgerRolledBack, what);
            }
            Ok(other) => heads.push((name.clone(), other.head)),
        }
    }
    heads.sort_by_key(|(_, head)| head.size);
    heads
}

/// The way through the records, from the first to the last.
struct Walk<'d> {
    dir: &'d Path,
    head: Head,
    /// The tree as the records have it, with the tiles it comes to.
    edge: Edge,
    /// The tree as the tiles of the lowest level have it.
    tiles: Frontier,
    /// Entries that the two have otherwise, or that have no record: the first
    /// of them, and how many.
    otherwise: (Vec<u64>, u64),
    lost: (Vec<u64>, u64),
    /// Tiles that are missing, and that are not what the records come to.
    missing: Vec<PathBuf>,
    /// Tiles and records that could not be read, which says nothing of them,
    /// and whether there are entries of which neither could be.
    unread: Vec<PathBuf>,
    blind: bool,
    differing: Vec<PathBuf>,
    others: std::iter::Peekable<std::vec::IntoIter<(String, Head)>>,
    forked: Vec<String>,
}

impl<'d> Walk<'d> {
    fn new(dir: &'d Path, head: Head, others: Vec<(String, Head)>) -> Self {
        Self {
            dir,
            head,
            edge: Edge::default(),
            tiles: Frontier::default(),
            otherwise: (Vec::new(), 0),
            lost: (Vec::new(), 0),
            missing: Vec::new(),
            unread: Vec::new(),
            blind: false,
            differing: Vec::new(),
            others: others.into_iter().peekable(),
            forked: Vec::new(),
        }
    }

    fn records(&mut self, checked: &mut Checked) {
        self.hold_against();
        let mut made = Vec::new();
        for number in 0..self.head.size.div_ceil(WIDTH) {
            let first = number * WIDTH;
            let width = u16::try_from((self.head.size - first).min(WIDTH)).unwrap_or(256);
            let tile = Tile { holds: Holds::Hashes(0), index: number, width };
            let hashes = tile::read(self.dir, tile).unwrap_or_default();
            let mut unread = false;
            let mut lines: Vec<Option<Line>> = match Segment::read(self.dir, number) {
                Ok(segment) => segment.lines(first).take(width.into()).collect(),
                Err(error) => {
                    let class = class_of(&error);
                    checked.find(class, error.to_string());
                    checked.book.partial |= class == Class::NotChecked;
                    unread = class == Class::NotChecked;
                    Vec::new()
                }
            };
            lines.resize(width.into(), None);
            let mut hashes = hashes.into_iter();
            let mut bundle = Vec::with_capacity(34 * usize::from(width));
            for (index, line) in (first..).zip(lines) {
                let tile = hashes.next();
                self.blind |= unread && tile.is_none();
                if line.is_none() && !unread {
                    count(&mut self.lost, index);
                }
                self.entry(index, line.as_ref(), tile, &mut made);
                if let Some(line) = line {
                    bundle.extend_from_slice(&[0, 32]);
                    bundle.extend_from_slice(&line.commitment);
                    checked.book.note(&line, &mut checked.remarks);
                }
            }
            if bundle.len() == 34 * usize::from(width) {
                made.push((Tile { holds: Holds::Entries, ..tile }, bundle));
            }
            self.compare(&mut made);
        }
        made.extend(self.edge.partial(0));
        self.compare(&mut made);
    }

    fn entry(&mut self, index: u64, line: Option<&Line>, tile: Option<Hash>, made: &mut Vec<Made>) {
        let own = line.map(|line| merkle::leaf(&line.commitment));
        if own.is_some() && tile.is_some() && own != tile {
            count(&mut self.otherwise, index);
        }
        // Where one of the two has nothing, the other says what would fit.
        let hash = own.or(tile).unwrap_or_else(merkle::empty);
        self.edge.push(hash, made);
        self.tiles.push(tile.unwrap_or(hash));
        self.hold_against();
    }

    /// The heads of this size must have this root.
    fn hold_against(&mut self) {
        let size = self.edge.size();
        while let Some((name, head)) = self.others.next_if(|(_, head)| head.size == size) {
            if self.edge.root() != head.root {
                self.forked.push(name);
            }
        }
    }

    fn compare(&mut self, made: &mut Vec<Made>) {
        for (tile, bytes) in made.drain(..) {
            let path = self.dir.join(tile.path());
            match super::disk::read(&path, 1 << 14) {
                Ok(found) if found == bytes => {}
                Ok(_) if self.differing.len() < NAMED => self.differing.push(path),
                Err(error) => {
                    let gone = error.kind() == std::io::ErrorKind::NotFound;
                    let paths = if gone { &mut self.missing } else { &mut self.unread };
                    if paths.len() < NAMED {
                        paths.push(path);
                    }
                }
                _ => {}
            }
        }
    }

    fn conclude(self, checked: &mut Checked) {
        let records = self.dir.join("records");
        let records = records.display();
        for path in &self.unread {
            checked.find(Class::NotChecked, format!("{} cannot be read", path.display()));
        }
        let blank = checked.book.blank();
        if !blank.is_empty() {
            let mut what = (Vec::new(), 0);
            blank.iter().for_each(|index| count(&mut what, *index));
            let what = format!(
                "{records}: the records of {} are blank, and no later entry says that they were erased",
                named(&what)
            );
            checked.find(Class::Altered, what);
        }
        if self.blind {
            // Of what they lead to nothing can be said.
            return;
        }
        let whole = self.edge.root() == self.head.root;
        if self.lost.1 > 0 {
            let what =
                format!("{records}: the records of {} are gone or altered", named(&self.lost));
            checked.find(Class::Altered, what);
        }
        if !whole && self.tiles.root() == self.head.root {
            let what = format!(
                "{records}: the records of {} are not those that were signed",
                named(&self.otherwise)
            );
            checked.find(Class::Altered, what);
        } else if !whole {
            let what = format!(
                "{}: neither records nor tiles lead to the signed head",
                self.dir.display()
            );
            checked.find(Class::Altered, what);
        }
        if whole {
            for (paths, class, what) in [
                (&self.missing, Class::Missing, "is gone; the records have what was in it"),
                (&self.differing, Class::Altered, "is not what the signed head is over"),
            ] {
                for path in paths {
                    checked.find(class, format!("{} {what}", path.display()));
                }
            }
        }
        for name in self.forked {
            let what = format!("it does not begin with what it was when {name} was signed");
            checked.find(Class::LedgerForked, what);
        }
    }
}

fn count((named, all): &mut (Vec<u64>, u64), index: u64) {
    if named.len() < NAMED {
        named.push(index);
    }
    *all += 1;
}

fn named((named, all): &(Vec<u64>, u64)) -> String {
    let mut text = named.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let more = all - named.len() as u64;
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    format!("entries {text}")
}

fn class_of(error: &Error) -> Class {
    match error {
        Error::Damaged { .. } => Class::Altered,
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Class::Missing,
        _ => Class::NotChecked,
    }
}
