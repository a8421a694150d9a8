//! The ledger: what hrec saw start, and that nothing of it is gone.
//!
//! An append-only Merkle tree (RFC 6962) in the layout of c2sp.org/tlog-tiles,
//! whose head is a checkpoint signed as c2sp.org/signed-note has it. It knows
//! nothing of where recordings are. Its invariant: no head is signed that does
//! not begin with the head signed before, whatever moment a writer stopped at
//! and whatever somebody did to the files in between.
//!
//! In the ledger's directory:
//!
//! | name | what |
//! |---|---|
//! | `checkpoint` | the signed head |
//! | `tile/…` | the tree and its entries |
//! | `records/…` | what the entries commit to: [`record`] |
//! | `lock` | one writer at a time |
//! | `lock.head` | and one at `checkpoint` |

pub mod anchor;
mod book;
mod check;
pub mod checkpoint;
pub mod disk;
mod edge;
pub mod merkle;
pub mod note;
mod read;
pub mod record;
mod segment;
mod settled;
pub mod tile;
mod write;

use std::io;
use std::path::{Path, PathBuf};

pub use anchor::Anchor;
pub use book::{Book, Seen, Story};
pub use check::{Against, Checked, check};
pub use checkpoint::{Checkpoint, Proof};
pub use merkle::Head;
pub use note::{Note, Signer, VerifierKey};
pub use read::Reader;
pub use record::{By, Event, Record};
pub use write::{Ledger, Options};

/// Why the ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// A verb: "read", "write".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is not what was signed.
    #[error("{} is damaged: {what}; hrec verify says what is affected", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In which way.
        what: String,
    },
    /// The head is signed by nobody who is known.
    #[error("{}: {source}; if the signing key was replaced, put the old one's public key beside it", path.display())]
    Signer {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong.
        source: checkpoint::Error,
    },
    /// The key that this writer has was replaced.
    #[error("{}: its key was replaced meanwhile", .0.display())]
    Replaced(PathBuf),
    /// The head is signed by a key that had been replaced when it was.
    #[error("{}: it was signed with a key after that had been replaced; where that was a session of your own in another store, set valid-before of that key in allowed_signers to after it", .0.display())]
    Outdated(PathBuf),
    /// The head could not be signed.
    #[error("the ledger's head {0}")]
    Signing(note::Error),
    /// A record is too long.
    #[error("a record of {0} bytes does not fit into the ledger")]
    Long(usize),
    /// There is no such entry.
    #[error("{} has no entry {index}: it has {size}", path.display())]
    NoEntry {
        /// The ledger.
        path: PathBuf,
        /// As asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// What an entry said is gone.
    #[error("what entry {0} of the ledger said was erased; it cannot be proven any more")]
    Erased(u64),
}

impl Error {
    pub(super) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

/// For what a key is to be trusted that signs heads: `namespaces` in
/// `allowed_signers`.
pub const NAMESPACE: &str = "hrec-ledger";

/// The head's file.
const CHECKPOINT: &str = "checkpoint";

/// Reads the head as it is, signed or not.
fn note_in(dir: &Path) -> Result<(Note, Vec<u8>), Error> {
    let path = dir.join(CHECKPOINT);
    let bytes = disk::read(&path, note::LARGEST).map_err(|e| Error::io("read", &path, e))?;
    let note = Note::parse(&bytes).map_err(|e| Error::damaged(&path, e.to_string()))?;
    Ok((note, bytes))
}

/// An Ed25519 key that is trusted to sign heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The public key.
    pub key: [u8; 32],
    /// Until before then, seconds since 1970, where it was replaced: nothing
    /// in a head says when it was signed, so the time of its last entry counts.
    pub until: Option<u64>,
}

impl Known {
    /// Whether it may sign a head whose last entry is of this time.
    fn counts_at(&self, time: i64) -> bool {
        self.until.is_none_or(|until| u64::try_from(time).is_ok_and(|time| time < until))
    }
}

impl From<[u8; 32]> for Known {
    fn from(key: [u8; 32]) -> Self {
        Self { key, until: None }
    }
}

/// The keys of a log of this name.
fn keys(origin: &str, known: &[Known]) -> Vec<VerifierKey> {
    let key = |known: &Known| VerifierKey::new(origin, note::Kind::Log, &known.key).ok();
    known.iter().filter_map(key).collect()
}

/// Which of these keys signed a head of this name.
fn signers<'k>(origin: &str, note: &Note, known: &'k [Known]) -> Vec<&'k Known> {
    let signed = |known: &&Known| note.verify(&keys(origin, std::slice::from_ref(*known))).is_ok();
    known.iter().filter(signed).collect()
}

/// RFC 3339 as seconds since 1970; 0 for what is none.
fn seconds(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second)
}
