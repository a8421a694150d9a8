//! The bytes of recordings: asciicast text, frames, encryption, journal.
//!
//! Knows nothing of files or terminals: everything works on slices, `Read`,
//! `Write`, `BufRead` and `Seek`. Its invariant: hostile input gives an error
//! or a shorter result, never a panic and never memory without bound.

pub mod asciicast;
pub mod chain;
pub mod cipher;
pub mod convert;
pub mod detect;
pub mod frames;
pub mod id;
pub mod index;
pub mod journal;
pub(crate) mod leb128;
pub mod reading;
pub mod transfer;
pub mod walk;
pub mod wire;

/// Why a stream could not be opened as a recording.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is inside is no asciicast, or no whole one.
    #[error(transparent)]
    Asciicast(#[from] asciicast::Error),
    /// More containers than any real recording has.
    #[error("more than {} containers (gzip, zstd, age) inside one another", detect::MAX_LAYERS)]
    TooDeep,
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
