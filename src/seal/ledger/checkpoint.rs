//! Checkpoints, c2sp.org/tlog-checkpoint, and proofs that stand alone,
//! c2sp.org/tlog-proof.
//!
//! Knows nothing of files. Its invariant: what is parsed is written again as
//! the same bytes.

use std::fmt;

use data_encoding::BASE64;

use super::merkle::{self, Hash, Head, LARGEST};
use super::note::{self, Note, VerifierKey};

/// The first line of a proof.
const PROOF: &str = "c2sp.org/tlog-proof@v1";

/// Why a proof proves nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Its checkpoint is no checkpoint.
    #[error("it is no checkpoint (c2sp.org/tlog-checkpoint)")]
    Checkpoint,
    /// It is no proof.
    #[error("it is no proof (c2sp.org/tlog-proof)")]
    Proof,
    /// The checkpoint is signed by nobody who counts.
    #[error("its checkpoint: {0}")]
    Note(#[from] note::Error),
    /// The entry is not in that log.
    #[error("it does not lead to its checkpoint")]
    Path,
}

/// A log's size and root under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Size and root.
    pub head: Head,
}

impl Checkpoint {
    /// From a note's text. A log of ours has no extension lines, and those of
    /// others are passed over.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.strip_suffix('\n').ok_or(Error::Checkpoint)?;
        let mut lines = text.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(Error::Checkpoint);
        let (origin, size, root) = (line()?, line()?, line()?);
        let size = decimal(size).filter(|size| *size <= LARGEST).ok_or(Error::Checkpoint)?;
        let root = hash(root).ok_or(Error::Checkpoint)?;
        if lines.any(str::is_empty) {
            return Err(Error::Checkpoint);
        }
        Ok(Self { origin: origin.to_owned(), head: Head { size, root } })
    }

    /// The checkpoint that one of these keys signed, and under its own name.
    ///
    /// # Errors
    /// [`Error::Note`], [`Error::Checkpoint`].
    pub fn open(note: &Note, keys: &[VerifierKey]) -> Result<Self, Error> {
        let checkpoint = Self::parse(note.text())?;
        let signed = note.verify(keys)?;
        let own =
            |key: &VerifierKey| key.kind() == note::Kind::Log && key.name() == checkpoint.origin;
        if signed.iter().any(|signed| own(signed.by)) {
            Ok(checkpoint)
        } else {
            Err(note::Error::Unknown.into())
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { size, root } = &self.head;
        write!(f, "{}\n{size}\n{}\n", self.origin, BASE64.encode(root))
    }
}

/// A proof that an entry is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What the entry was made of, by hrec's ledger: salt and record. Nobody
    /// vouches for it but the path.
    pub extra: Vec<u8>,
    /// Which entry.
    pub index: u64,
    /// Its siblings, from the leaf up.
    pub path: Vec<Hash>,
    /// The log's signed checkpoint.
    pub note: Note,
}

impl Proof {
    /// From its text.
    ///
    /// # Errors
    /// [`Error::Proof`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let all = std::str::from_utf8(bytes).map_err(|_| Error::Proof)?;
        let (above, note) = all.split_once("\n\n").ok_or(Error::Proof)?;
        let mut lines = above.split('\n').peekable();
        if lines.next() != Some(PROOF) {
            return Err(Error::Proof);
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.and_then(|line| line.strip_prefix("extra ")).unwrap_or_default();
        let extra = note::base64(extra).ok_or(Error::Proof)?;
        let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?));
        // No tree is deeper.
        let path: Option<Vec<Hash>> = lines.take(65).map(hash).collect();
        Ok(Self {
            extra,
            index: index.ok_or(Error::Proof)?,
            path: path.filter(|path| path.len() <= 64).ok_or(Error::Proof)?,
            note: Note::parse(note.as_bytes())?,
        })
    }

    /// The checkpoint that this leads to from the entry `entry`, signed by one
    /// of these keys.
    ///
    /// # Errors
    /// [`Error`].
    pub fn verify(&self, entry: &[u8], keys: &[VerifierKey]) -> Result<Checkpoint, Error> {
        let checkpoint = Checkpoint::open(&self.note, keys)?;
        let Head { size, root } = &checkpoint.head;
        if merkle::includes(root, *size, self.index, merkle::leaf(entry), &self.path) {
            Ok(checkpoint)
        } else {
            Err(Error::Path)
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROOF}")?;
        if !self.extra.is_empty() {
            writeln!(f, "extra {}", BASE64.encode(&self.extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash)))?;
        write!(f, "\n{}", self.note)
    }
}

/// A number without sign and leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A hash in base64.
pub(super) fn hash(text: &str) -> Option<Hash> {
    note::base64(text)?.try_into().ok()
}
