//! The digests that make a recording provable while it is still being made.
//!
//! Knows nothing of files or of keys: everything here is computed over the
//! encrypted bytes. Its invariant: a digest covers every byte before it, in
//! order, so that no byte can change without every later digest changing.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::journal::body_length;

/// Bytes of one whole chunk of an age file: 64 KiB and a 16-byte tag.
pub const CHUNK: u64 = 65_552;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The chain of a journal: `J' = SHA-256(J ‖ length ‖ body)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalChain {
    number: u64,
    records: u64,
    head: Hash,
}

impl JournalChain {
    /// The chain of journal `number` before its first record:
    /// `SHA-256(SHA-256(head) ‖ number)`, the number as 8 bytes, little-endian;
    /// `head` is the part's header and payload nonce.
    #[must_use]
    pub fn seed(head: &[u8], number: u64) -> Self {
        let digest = Sha256::new()
            .chain_update(Sha256::digest(head))
            .chain_update(number.to_le_bytes())
            .finalize();
        Self { number, records: 0, head: digest.into() }
    }

    /// Adds a record: its length field and its body, as they are in the file.
    pub fn extend(&mut self, record: &[u8]) {
        self.head = Sha256::new().chain_update(self.head).chain_update(record).finalize().into();
        self.records += 1;
    }

    /// As a manifest has it.
    #[must_use]
    pub fn state(&self) -> JournalState {
        JournalState {
            number: self.number,
            records: self.records,
            head: data_encoding::HEXLOWER.encode(&self.head),
        }
    }
}

/// A journal's chain while its bytes come, however they are cut.
#[derive(Clone, Debug)]
pub struct JournalStream {
    chain: JournalChain,
    /// The length field, as far as it is there.
    length: Vec<u8>,
    /// Bytes of the record that are still to come.
    rest: u64,
    record: Sha256,
    /// A length that no record has: nothing counts from there on.
    broken: bool,
}

impl JournalStream {
    /// As [`JournalChain::seed`].
    #[must_use]
    pub fn seed(head: &[u8], number: u64) -> Self {
        Self {
            chain: JournalChain::seed(head, number),
            length: Vec::with_capacity(4),
            rest: 0,
            record: Sha256::new(),
            broken: false,
        }
    }

    /// Adds what comes next.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.broken {
            if self.rest == 0 {
                let (field, after) = bytes.split_at((4 - self.length.len()).min(bytes.len()));
                self.length.extend_from_slice(field);
                bytes = after;
                let Ok(field) = <[u8; 4]>::try_from(self.length.as_slice()) else { return };
                match body_length(field) {
                    Some(length) => self.rest = length,
                    None => self.broken = true,
                }
                self.record = Sha256::new().chain_update(self.chain.head).chain_update(field);
            } else {
                let most = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len());
                let (body, after) = bytes.split_at(most);
                self.record.update(body);
                self.rest -= body.len() as u64;
                bytes = after;
                if self.rest == 0 {
                    self.chain.head = self.record.clone().finalize().into();
                    self.chain.records += 1;
                    self.length.clear();
                }
            }
        }
    }

    /// Over the whole records so far.
    #[must_use]
    pub fn state(&self) -> JournalState {
        self.chain.state()
    }
}

/// A file as a manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Without its directory.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// Where a part stands: `SHA-256(header ‖ first chunks)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartState {
    /// Whole chunks of 65,552 bytes that the digest covers.
    pub chunks: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// Where a journal stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalState {
    /// The journal's number, which is its frame's.
    pub number: u64,
    /// Records that the head covers.
    pub records: u64,
    /// In hexadecimal.
    pub head: String,
}

/// Both: what a manifest, a seal or a ledger head holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainState {
    /// The part.
    pub part: PartState,
    /// The newest journal; none before the first record of a recording.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub journal: Option<JournalState>,
}
