//! Signed notes, c2sp.org/signed-note, with Ed25519 keys and the cosignatures
//! of witnesses, c2sp.org/tlog-cosignature.
//!
//! Knows nothing of what a note says. Its invariant: a text is given as signed
//! only by a key that the caller named, and a note with a bad signature of such
//! a key is refused whole.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature as Ed25519, VerifyingKey};
use sha2::{Digest, Sha256};

/// The largest note that is read: a checkpoint with a hundred signatures has
/// a tenth of it.
pub const LARGEST: usize = 1 << 18;

/// Signatures that are looked at; the specification asks for 16 at least.
const SIGNATURES: usize = 100;

/// Why a note or a key cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no note.
    #[error("it is no signed note")]
    Form,
    /// It is no verifier key.
    #[error("it is no verifier key (NAME+ID+KEY, c2sp.org/signed-note)")]
    Key,
    /// A signature of a key that counts is wrong.
    #[error("the signature of {0} is wrong")]
    Signature(String),
    /// No key that counts has signed it.
    #[error("no key that is known has signed it")]
    Unknown,
    /// It could not be signed.
    #[error("it cannot be signed: {0}")]
    Signing(String),
}

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The text itself.
    Log,
    /// A checkpoint, and when it was seen.
    Witness,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }
}

/// A public key and the name that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    kind: Kind,
    key: VerifyingKey,
}

impl VerifierKey {
    /// The key under this name.
    ///
    /// # Errors
    /// When the name or the key cannot be one.
    pub fn new(name: &str, kind: Kind, key: &[u8; 32]) -> Result<Self, Error> {
        if !is_name(name) {
            return Err(Error::Key);
        }
        let id = id(name, kind, key);
        let key = VerifyingKey::from_bytes(key).map_err(|_| Error::Key)?;
        Ok(Self { name: name.to_owned(), id, kind, key })
    }

    /// From `NAME+ID+KEY`.
    ///
    /// # Errors
    /// When it has another form, or the id is not the key's.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or(Error::Key);
        let (name, hex, key) = (part()?, part()?, part()?);
        let key = base64(key).ok_or(Error::Key)?;
        let (kind, key) = match key.split_first() {
            Some((1, key)) => (Kind::Log, key),
            Some((4, key)) => (Kind::Witness, key),
            _ => return Err(Error::Key),
        };
        let key = Self::new(name, kind, key.try_into().map_err(|_| Error::Key)?)?;
        if HEXLOWER.encode(&key.id) == hex { Ok(key) } else { Err(Error::Key) }
    }

    /// Its name; for a log, the origin of its checkpoints.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a signature is said to be this key's.
    #[must_use]
    pub fn owns(&self, signature: &Signature) -> bool {
        self.name == signature.name && self.id == signature.id
    }

    /// Whether the signature is this key's on the text; a witness's says when,
    /// in seconds since 1970.
    fn verify(&self, text: &str, signature: &Signature) -> Option<Option<u64>> {
        let (time, bytes) = match self.kind {
            Kind::Log => (None, signature.bytes.as_slice()),
            Kind::Witness => {
                let (time, bytes) = signature.bytes.split_first_chunk::<8>()?;
                (Some(u64::from_be_bytes(*time)), bytes)
            }
        };
        let message = match time {
            Some(time) => cosigned(time, text),
            None => text.to_owned(),
        };
        let bytes = Ed25519::from_slice(bytes).ok()?;
        self.key.verify_strict(message.as_bytes(), &bytes).ok()?;
        Some(time)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.kind.byte()];
        key.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id), BASE64.encode(&key))
    }
}

/// Bytes from base64 in its one form: with padding, and that only at the end
/// (RFC 4648 section 4), which the crate also takes in the middle.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    (BASE64.encode(&bytes) == text).then_some(bytes)
}

/// What a witness signs: c2sp.org/tlog-cosignature.
fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

fn id(name: &str, kind: Kind, key: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind.byte()])
        .chain_update(key)
        .finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
    [a, b, c, d]
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// Something that signs with an Ed25519 key: the key itself, or an agent that
/// has it.
pub trait Signer: Send + Sync {
    /// The public key.
    fn public(&self) -> [u8; 32];

    /// The signature on a message, RFC 8032.
    ///
    /// # Errors
    /// When the agent refuses: why.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String>;
}

impl Signer for ed25519_dalek::SigningKey {
    fn public(&self) -> [u8; 32] {
        self.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String> {
        Ok(ed25519_dalek::Signer::sign(self, message).to_bytes())
    }
}

/// A signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl Signature {
    fn parse(line: &str) -> Result<Self, Error> {
        let (name, base64) = line
            .strip_prefix("\u{2014} ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or(Error::Form)?;
        let bytes = self::base64(base64).ok_or(Error::Form)?;
        let (id, bytes) = bytes.split_first_chunk::<4>().ok_or(Error::Form)?;
        if !is_name(name) || bytes.is_empty() {
            return Err(Error::Form);
        }
        Ok(Self { name: name.to_owned(), id: *id, bytes: bytes.to_owned() })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.as_slice(), &self.bytes].concat();
        write!(f, "\u{2014} {} {}", self.name, BASE64.encode(&bytes))
    }
}

/// A key that signed, and for a witness when, in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<'k> {
    /// The key.
    pub by: &'k VerifierKey,
    /// A witness's time.
    pub time: Option<u64>,
}

/// A text and its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// From its bytes.
    ///
    /// # Errors
    /// [`Error::Form`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > LARGEST {
            return Err(Error::Form);
        }
        let all = std::str::from_utf8(bytes).map_err(|_| Error::Form)?;
        if all.chars().any(|c| c < ' ' && c != '\n') {
            return Err(Error::Form);
        }
        let (text, lines) = all.rsplit_once("\n\n").ok_or(Error::Form)?;
        let lines = lines.strip_suffix('\n').ok_or(Error::Form)?;
        Ok(Self { text: format!("{text}\n"), signatures: signatures(lines)? })
    }

    /// A text, which ends a line, signed by a log's key of this name.
    ///
    /// # Errors
    /// [`Error::Form`] for a text that cannot be in a note, [`Error::Key`] for
    /// such a name, [`Error::Signing`].
    pub fn sign(text: &str, name: &str, signer: &dyn Signer) -> Result<Self, Error> {
        let mut note = Self { text: text.to_owned(), signatures: Vec::new() };
        note.add(name, signer)?;
        // What is signed is what a reader takes it for.
        if Self::parse(note.to_string().as_bytes())? == note { Ok(note) } else { Err(Error::Form) }
    }

    /// Another signature by a log's key.
    ///
    /// # Errors
    /// As [`Note::sign`].
    pub fn add(&mut self, name: &str, signer: &dyn Signer) -> Result<(), Error> {
        let key = VerifierKey::new(name, Kind::Log, &signer.public())?;
        let bytes = signer.sign(self.text.as_bytes()).map_err(Error::Signing)?;
        self.signatures.push(Signature { name: key.name, id: key.id, bytes: bytes.to_vec() });
        Ok(())
    }

    /// Another signature by a witness's key, at that time in seconds since
    /// 1970.
    ///
    /// # Errors
    /// As [`Note::sign`].
    pub fn cosign(&mut self, name: &str, signer: &dyn Signer, time: u64) -> Result<(), Error> {
        let key = VerifierKey::new(name, Kind::Witness, &signer.public())?;
        let signature =
            signer.sign(cosigned(time, &self.text).as_bytes()).map_err(Error::Signing)?;
        let bytes = [time.to_be_bytes().as_slice(), &signature].concat();
        self.signatures.push(Signature { name: key.name, id: key.id, bytes });
        Ok(())
    }

    /// Takes over the signature lines in a witness's answer.
    ///
    /// # Errors
    /// [`Error::Form`] when it is something else.
    pub fn take(&mut self, answer: &str) -> Result<(), Error> {
        let lines = answer.strip_suffix('\n').ok_or(Error::Form)?;
        self.signatures.extend(signatures(lines)?);
        if self.signatures.len() > SIGNATURES { Err(Error::Form) } else { Ok(()) }
    }

    /// Keeps only some of the signatures.
    pub fn retain(&mut self, wanted: impl Fn(&Signature) -> bool) {
        self.signatures.retain(wanted);
    }

    /// The text, to be trusted only after [`Note::verify`].
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its signature lines.
    pub fn signatures(&self) -> impl Iterator<Item = &Signature> {
        self.signatures.iter()
    }

    /// Which of these keys signed it.
    ///
    /// # Errors
    /// [`Error::Signature`] when a signature is said to be of one of them and
    /// is not, [`Error::Unknown`] when none of them signed.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Signed<'k>>, Error> {
        let mut signed = Vec::new();
        for signature in &self.signatures {
            for by in keys.iter().filter(|key| key.owns(signature)) {
                let time = by
                    .verify(&self.text, signature)
                    .ok_or_else(|| Error::Signature(by.name.clone()))?;
                signed.push(Signed { by, time });
            }
        }
        if signed.is_empty() { Err(Error::Unknown) } else { Ok(signed) }
    }
}

/// The notes in a text that has several, one after the other: each ends with
/// its signatures.
#[must_use]
pub fn split(text: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = String::new();
    let mut signed = false;
    for line in text.split_inclusive('\n') {
        let signature = line.starts_with("\u{2014} ");
        if signed && !signature {
            notes.push(std::mem::take(&mut note));
        }
        signed = signature;
        // Empty lines between them are nobody's.
        if !(note.is_empty() && line.trim().is_empty()) {
            note.push_str(line);
        }
    }
    if !note.is_empty() {
        notes.push(note);
    }
    notes
}

fn signatures(lines: &str) -> Result<Vec<Signature>, Error> {
    let signatures: Vec<_> =
        lines.split('\n').take(SIGNATURES + 1).map(Signature::parse).collect::<Result<_, _>>()?;
    if signatures.len() > SIGNATURES { Err(Error::Form) } else { Ok(signatures) }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}
