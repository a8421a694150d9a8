//! What the ledger records, and the lines that it is kept in.
//!
//! Knows nothing of trees and keys. Its invariant: a line says by itself
//! whether it is whole, and what is erased from it leaves no trace but the
//! entry that commits to it.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::checkpoint::decimal;
use crate::format::chain::ChainState;

/// The version of a record's form.
pub const VERSION: u32 = 1;

/// Bytes of the salt: nobody finds an erased record by trying what it may have
/// been.
pub const SALT: usize = 16;

/// The longest record. Ours have 300 to 2,000 bytes; an identity with long
/// certificates fits too.
pub const LONGEST: usize = 16 << 10;

/// What a line has beside the record, at most: two numbers in hexadecimal,
/// one in decimal, and what is between them.
pub const LINE: usize = LONGEST + 128;

/// What an entry of the log is: SHA-256 of salt and record.
pub type Commitment = [u8; 32];

/// Who did something: the fields of an identity, as in a manifest.
pub type By = Map<String, Value>;

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "lowercase")]
pub enum Event {
    /// A session is about to start: its program has not been started yet.
    Start {
        /// The recording.
        id: String,
        /// The user's name.
        user: String,
        /// The program, without directory and arguments.
        program: String,
        /// What it was pointed at, as typed.
        target: String,
        /// SHA-256 of the manifest as it is now, in hexadecimal.
        manifest_sha256: String,
        /// Its first links: the part's header and the first journal record.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        chain: Option<ChainState>,
        /// The digest of the settings that hold.
        policy_sha256: String,
        /// The fingerprint of the key that will seal it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        session_key: Option<String>,
        /// When the session started, where the ledger could be written only
        /// after that.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        started: Option<String>,
    },
    /// How far a running session is.
    Head {
        /// The recording.
        id: String,
        /// As far as it is on the disk.
        chain: ChainState,
    },
    /// A session has ended.
    End {
        /// The recording.
        id: String,
        /// As in the manifest.
        state: String,
        /// SHA-256 of the manifest's file, in hexadecimal.
        manifest_sha256: String,
        /// How far it is provable.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        chain: Option<ChainState>,
        /// Whether there is a seal.
        #[serde(default)]
        sealed: bool,
    },
    /// What was to be started was not.
    Void {
        /// The recording.
        id: String,
        /// Why.
        reason: String,
    },
    /// An interrupted recording was made whole.
    Recover {
        /// The recording.
        id: String,
        /// By whom.
        by: By,
        /// SHA-256 of the manifest's file, in hexadecimal.
        manifest_sha256: String,
    },
    /// It was sealed after its end.
    Seal {
        /// The recording.
        id: String,
        /// By whom.
        by: By,
        /// SHA-256 of the manifest's file, in hexadecimal.
        manifest_sha256: String,
    },
    /// Somebody looked inside.
    View {
        /// The recording.
        id: String,
        /// With which command.
        verb: String,
        /// Who.
        by: By,
    },
    /// Somebody had the session ended.
    Stop {
        /// The recording.
        id: String,
        /// Who.
        by: By,
    },
    /// Somebody logged in, and there is no recording of it.
    Login {
        /// The user.
        user: String,
        /// When.
        at: String,
        /// What let them in: `sshd`.
        service: String,
        /// From where.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rhost: Option<String>,
        /// On which terminal.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        tty: Option<String>,
        /// What became of it: `program`, `ended`, `refused`, `nothing`.
        seen: String,
    },
    /// Somebody took a copy of what is inside.
    Export {
        /// The recording.
        id: String,
        /// The format.
        format: String,
        /// Who.
        by: By,
    },
    /// It must not be removed.
    Hold {
        /// The recording.
        id: String,
        /// Who said so.
        by: By,
        /// Why.
        reason: String,
    },
    /// It may be removed again.
    Release {
        /// The recording.
        id: String,
        /// Who said so.
        by: By,
    },
    /// It was removed.
    Purge {
        /// The recording.
        id: String,
        /// By whom.
        by: By,
        /// By which rule.
        rule: String,
        /// SHA-256 of its last manifest, in hexadecimal.
        manifest_sha256: String,
    },
    /// It was encrypted to others.
    Rekey {
        /// The recording.
        id: String,
        /// By whom.
        by: By,
        /// SHA-256 of the file before, in hexadecimal.
        from_sha256: String,
        /// And of the new one.
        to_sha256: String,
        /// SHA-256 of the new manifest, in hexadecimal.
        manifest_sha256: String,
    },
    /// What an entry says was erased.
    Erase {
        /// Which entry.
        index: u64,
        /// By whom.
        by: By,
        /// Why.
        reason: String,
    },
    /// The ledger has another key from here on.
    Key {
        /// The verifier key before.
        from: String,
        /// And from here on.
        to: String,
    },
    /// Other settings hold from here on.
    Policy {
        /// The digest of what holds now.
        sha256: String,
    },
    /// The ledger could not be written for a while.
    Gap {
        /// Why.
        reason: String,
        /// Since when.
        from: String,
    },
    /// Of a later version.
    #[serde(other)]
    Other,
}

impl Event {
    /// The recording that it is about.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Start { id, .. }
            | Self::Head { id, .. }
            | Self::End { id, .. }
            | Self::Void { id, .. }
            | Self::Recover { id, .. }
            | Self::Seal { id, .. }
            | Self::View { id, .. }
            | Self::Stop { id, .. }
            | Self::Export { id, .. }
            | Self::Hold { id, .. }
            | Self::Release { id, .. }
            | Self::Purge { id, .. }
            | Self::Rekey { id, .. } => Some(id),
            Self::Login { .. }
            | Self::Erase { .. }
            | Self::Key { .. }
            | Self::Policy { .. }
            | Self::Gap { .. }
            | Self::Other => None,
        }
    }
}

/// An event and its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`].
    pub v: u32,
    /// The wall clock, RFC 3339 in UTC with microseconds.
    pub t: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What an entry commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Random.
    pub salt: [u8; SALT],
    /// The record as it was written: JSON, without a line feed.
    pub text: String,
}

impl Content {
    /// The entry that commits to it.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Sha256::new().chain_update(self.salt).chain_update(&self.text).finalize().into()
    }

    /// Salt and record in one: what a proof carries.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        [self.salt.as_slice(), self.text.as_bytes()].concat()
    }

    /// The record.
    ///
    /// # Errors
    /// When it is none.
    pub fn record(&self) -> serde_json::Result<Record> {
        serde_json::from_str(&self.text)
    }
}

/// A line of the file: `INDEX COMMITMENT SALT RECORD`, the two in the middle in
/// hexadecimal; `-` for salt and record that were erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which entry of the log.
    pub index: u64,
    /// The entry.
    pub commitment: Commitment,
    /// `None` once it is erased.
    pub content: Option<Content>,
}

impl Line {
    /// The line of an entry.
    #[must_use]
    pub fn new(index: u64, content: Content) -> Self {
        Self { index, commitment: content.commitment(), content: Some(content) }
    }

    /// From its bytes, without the line feed.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        if line.len() > LINE {
            return None;
        }
        let line = std::str::from_utf8(line).ok()?;
        let mut fields = line.splitn(4, ' ');
        let index = decimal(fields.next()?)?;
        let commitment = HEXLOWER.decode(fields.next()?.as_bytes()).ok()?.try_into().ok()?;
        let content = match (fields.next()?, fields.next()?) {
            ("-", "-") => None,
            (salt, text) => Some(Content {
                salt: HEXLOWER.decode(salt.as_bytes()).ok()?.try_into().ok()?,
                text: text.to_owned(),
            }),
        };
        Some(Self { index, commitment, content })
    }

    /// Whether the entry commits to what is there, or it was erased.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.content.as_ref().is_none_or(|content| content.commitment() == self.commitment)
    }

    /// Its bytes, with the line feed.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let entry = HEXLOWER.encode(&self.commitment);
        let (salt, text) = match &self.content {
            Some(content) => (HEXLOWER.encode(&content.salt), content.text.as_str()),
            None => ("-".to_owned(), "-"),
        };
        format!("{} {entry} {salt} {text}\n", self.index).into_bytes()
    }
}
