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
pub mod journal;
