//! The chain of a recording, computed again from its files.
//!
//! Sees encrypted bytes only. Its invariant: the same files give the same
//! chain that their writer stated over them.

use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest, Sha256};

use crate::format::chain::{CHUNK, ChainState, JournalChain, JournalState, PartState};
use crate::format::cipher::{self, Head};
use crate::format::journal;

/// Why a chain cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The part is none.
    #[error(transparent)]
    Head(#[from] cipher::Error),
    /// A file could not be read.
    #[error("cannot read: {0}")]
    Read(#[from] io::Error),
}

/// The chain over a part, as far as it has whole chunks, and the newest of its
/// journals that has a record. The last chunk of a finished file counts only
/// when it is a whole one.
///
/// # Errors
/// When `part` is no age file, or something cannot be read.
pub fn compute<J: Read>(
    part: impl Read,
    journals: impl IntoIterator<Item = (u64, J)>,
) -> Result<ChainState, Error> {
    let mut part = BufReader::with_capacity(1 << 16, part);
    let head = Head::read(&mut part)?;
    let mut digest = Sha256::new_with_prefix(head.bytes());
    let mut chunks = 0;
    let mut chunk = Vec::new();
    loop {
        chunk.clear();
        (&mut part).take(CHUNK).read_to_end(&mut chunk)?;
        // A finished file's last chunk is no link; in a part every whole chunk
        // is.
        if (chunk.len() as u64) < CHUNK {
            break;
        }
        digest.update(&chunk);
        chunks += 1;
        if part.fill_buf()?.is_empty() {
            break;
        }
    }
    let part = PartState { chunks, sha256: data_encoding::HEXLOWER.encode(&digest.finalize()) };
    let mut newest: Option<JournalState> = None;
    for (number, file) in journals {
        let state = journal(head.bytes(), number, file)?;
        if state.records > 0 && newest.as_ref().is_none_or(|newest| newest.number < number) {
            newest = Some(state);
        }
    }
    Ok(ChainState { part, journal: newest })
}

/// The chain of one journal; `head` is the part's header and payload nonce.
///
/// # Errors
/// When it cannot be read.
pub fn journal(head: &[u8], number: u64, file: impl Read) -> io::Result<JournalState> {
    journal_to(head, number, file, u64::MAX)
}

/// The same over `records` records at most.
///
/// # Errors
/// When it cannot be read.
pub fn journal_to(
    head: &[u8],
    number: u64,
    file: impl Read,
    records: u64,
) -> io::Result<JournalState> {
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut chain = JournalChain::seed(head, number);
    let mut count = 0;
    while count < records
        && let Some(record) = journal::read_raw(&mut file)?
    {
        chain.extend(&record);
        count += 1;
    }
    Ok(chain.state())
}
