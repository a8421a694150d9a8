//! age v1: who can open a recording, and the encryption of its payload.
//!
//! Knows nothing of files: keys come as text, payloads as slices and `Read`.
//! The `age` crate does everything about headers and keys; the payload's
//! STREAM is ours (`stream`), because a live recording must know which
//! chunks are whole, and a torn one must give up to its last whole chunk.
//! The invariant: a file key is used with a nonce once only, and each chunk
//! of a payload is sealed once only.
//!
//! Source: <https://c2sp.org/age>.

mod keys;
mod plugin;
mod recipients;
mod ssh_key;
mod stream;
mod talk;

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, BufRead};

use age_core::format::{FileKey as AgeFileKey, Stanza};
use age_core::secrecy::ExposeSecret;

use keys::Prompt;
pub use keys::{Identities, MessageCallback, PassphraseCallback};
pub use recipients::Recipients;
pub use stream::{CHUNK, ChunkReader, ChunkWriter, SEALED_CHUNK, TAG};

/// Bytes of a payload's nonce.
pub const NONCE: usize = 16;

/// The largest header that is read: some 600 recipients. The parser is
/// quadratic in the header's length, so a larger one is an attack on time.
const HEADER_MAX: usize = 64 * 1024;

/// Characters of a full line of a stanza's body.
const BODY_LINE: usize = 64;

/// A plugin may have labels of its own; all in use say "post-quantum".
const MIXED: &str = "post-quantum recipients and others cannot open the same recording, since the \
    weakest decides; name recipients of one sort only";

/// What can go wrong with encryption: fact, then remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nobody to encrypt to.
    #[error("no recipient is given; make a key with `hrec keygen`, or give one with -r")]
    NoRecipients,
    /// A recipient is none.
    #[error("{place}: {why}")]
    Recipient {
        /// The file and line, or the recipient as given.
        place: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// An identity is none.
    #[error("{place}: {why}")]
    Identity {
        /// The file and line.
        place: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Encryption failed, in a plugin for example.
    #[error("cannot encrypt: {0}")]
    Encrypt(String),
    /// None of the identities opens it.
    #[error("{}", no_match(*.tried, .recipients))]
    NoMatch {
        /// How many identities were tried.
        tried: usize,
        /// Who could open it: the stanza types of the header.
        recipients: Vec<String>,
    },
    /// It is no age file, or a damaged one.
    #[error("{0}")]
    Header(&'static str),
    /// Decryption failed for another reason.
    #[error("cannot decrypt: {0}")]
    Decrypt(String),
    /// It could not be read.
    #[error("cannot read: {0}")]
    Read(#[from] io::Error),
}

fn no_match(tried: usize, recipients: &[String]) -> String {
    let tried = match tried {
        0 => "no identity is given".to_owned(),
        1 => "the identity given does not open it".to_owned(),
        n => format!("none of the {n} identities given opens it"),
    };
    format!("{tried}; it is for: {}; give one of those with -i FILE", recipients.join(", "))
}

/// The key that a file's recipients share; seals the file's payload and, each
/// under a nonce of its own, its journal's records.
pub struct FileKey(AgeFileKey);

impl FileKey {
    /// A key that nobody else has and no file holds: for what must not outlive
    /// the process.
    #[must_use]
    pub fn random() -> Self {
        Self(AgeFileKey::new(Box::new(nonce())))
    }

    fn copy(key: &AgeFileKey) -> Self {
        Self(AgeFileKey::new(Box::new(*key.expose_secret())))
    }

    /// The key of the payload that `nonce` begins: HKDF-SHA-256 of the file
    /// key, the nonce as salt, the info "payload".
    fn payload(&self, nonce: &[u8; NONCE]) -> [u8; 32] {
        age_core::primitives::hkdf(nonce, b"payload", self.0.expose_secret())
    }

    /// A writer of the payload under this nonce. A nonce must be fresh.
    #[must_use]
    pub fn writer(&self, nonce: &[u8; NONCE]) -> ChunkWriter {
        ChunkWriter::new(&self.payload(nonce))
    }

    /// A reader of the payload under this nonce; `input` begins after it.
    pub fn reader<R: io::Read>(&self, nonce: &[u8; NONCE], input: R) -> ChunkReader<R> {
        ChunkReader::new(&self.payload(nonce), input)
    }
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(..)")
    }
}

/// The start of a new age file.
#[derive(Debug)]
pub struct Sealed {
    /// The header and the payload's nonce: the file's first bytes.
    pub head: Vec<u8>,
    /// The file key.
    pub key: FileKey,
    /// The payload's writer.
    pub payload: ChunkWriter,
}

/// A fresh nonce.
#[must_use]
pub fn nonce() -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    rand::RngCore::fill_bytes(&mut rand::rngs::OsRng, &mut nonce);
    nonce
}

/// Begins an age file for `recipients`.
///
/// # Errors
/// When there is no recipient, when recipients cannot be mixed (post-quantum
/// ones with others), or when a plugin fails.
pub fn encrypt(recipients: &Recipients) -> Result<Sealed, Error> {
    let wrappers = recipients.wrappers()?;
    let capture = CaptureRecipient { wrappers, key: RefCell::new(None) };
    let encryptor =
        age::Encryptor::with_recipients(std::iter::once(&capture as &dyn age::Recipient))
            .map_err(|error| Error::Encrypt(one_line(&error.to_string())))?;
    let mut head = Vec::new();
    // The crate's own payload writer writes nothing before the first whole
    // chunk; what it has written here is the header and the nonce.
    encryptor.wrap_output(&mut head)?;
    let nonce = *head.last_chunk::<NONCE>().ok_or(Error::Header("the header is empty"))?;
    let key = capture.key.into_inner().ok_or(Error::NoRecipients)?;
    let payload = key.writer(&nonce);
    Ok(Sealed { head, key, payload })
}

/// A recipient that stands for all the real ones and sees the file key.
struct CaptureRecipient {
    wrappers: Vec<Box<dyn age::Recipient>>,
    key: RefCell<Option<FileKey>>,
}

impl age::Recipient for CaptureRecipient {
    fn wrap_file_key(
        &self,
        file_key: &AgeFileKey,
    ) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        let mut stanzas = Vec::new();
        let mut labels: Option<HashSet<String>> = None;
        for wrapper in &self.wrappers {
            let (more, theirs) = wrapper.wrap_file_key(file_key)?;
            stanzas.extend(more);
            match labels {
                Some(ref ours) if *ours != theirs => {
                    return Err(age::EncryptError::Io(io::Error::other(MIXED)));
                }
                _ => labels = Some(theirs),
            }
        }
        self.key.replace(Some(FileKey::copy(file_key)));
        Ok((stanzas, labels.ok_or(age::EncryptError::MissingRecipients)?))
    }
}

/// The header of an age file and its payload's nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    bytes: Vec<u8>,
    stanzas: Vec<String>,
}

impl Head {
    /// Reads a binary header and the nonce, and not one byte more.
    ///
    /// # Errors
    /// When it is no age v1 header, is torn, or is longer than 64 KiB.
    pub fn read(input: &mut impl BufRead) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        let mut stanzas = Vec::new();
        // Inside a stanza, whose body ends with a line that is not full. The
        // crate forgives a header that lacks it; stock age does not.
        let mut in_body = false;
        loop {
            let start = bytes.len();
            let room = (HEADER_MAX - start) as u64;
            let read = io::Read::take(&mut *input, room).read_until(b'\n', &mut bytes)?;
            let line = bytes.get(start..).unwrap_or_default();
            if start == 0 && line != b"age-encryption.org/v1\n" {
                return Err(Error::Header(if line.starts_with(b"age-encryption.org/") {
                    "an age file of a version that is not known here; a newer hrec may open it"
                } else {
                    "not an age file"
                }));
            }
            if !line.ends_with(b"\n") {
                return Err(Error::Header(if read as u64 == room {
                    "the age header is longer than 64 KiB; not a recording"
                } else {
                    "the age header is torn: the file ends inside it"
                }));
            }
            let (stanza, end) = (line.strip_prefix(b"-> "), line.starts_with(b"---"));
            if in_body && (stanza.is_some() || end) {
                return Err(Error::Header("the age header is damaged: a stanza does not end"));
            }
            in_body = stanza.is_some() || line.len() > BODY_LINE;
            if let Some(stanza) = stanza {
                let kind = stanza.split(|b| *b == b' ' || *b == b'\n').next().unwrap_or_default();
                stanzas.push(String::from_utf8_lossy(kind).escape_debug().to_string());
            }
            if end {
                break;
            }
        }
        let mut nonce = [0; NONCE];
        input.read_exact(&mut nonce).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::Header("the age header is torn: the file ends before its payload")
            }
            _ => Error::Read(error),
        })?;
        bytes.extend_from_slice(&nonce);
        Ok(Self { bytes, stanzas })
    }

    /// The header and the nonce as they are in the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The types of the recipients' stanzas, escaped: "X25519", "ssh-rsa". An
    /// age writer may add a random one ("grease").
    #[must_use]
    pub fn stanzas(&self) -> &[String] {
        &self.stanzas
    }

    /// The payload's nonce.
    #[must_use]
    pub fn nonce(&self) -> [u8; NONCE] {
        self.bytes.last_chunk().copied().unwrap_or_default()
    }

    /// Unwraps the file key with the first identity that fits.
    ///
    /// # Errors
    /// [`Error::NoMatch`] when none does; a damaged header; a plugin's or a
    /// passphrase's failure.
    pub fn unwrap(&self, identities: &Identities) -> Result<FileKey, Error> {
        let decryptor = age::Decryptor::new_buffered(self.bytes.as_slice())
            .map_err(|_| Error::Header("the age header is damaged"))?;
        let capture = CaptureIdentity { identities, key: RefCell::new(None) };
        let result = decryptor.decrypt(std::iter::once(&capture as &dyn age::Identity)).map(drop);
        match (result, capture.key.into_inner()) {
            (Ok(()), Some(key)) => Ok(key),
            (Ok(()), None) | (Err(age::DecryptError::NoMatchingKeys), _) => {
                Err(Error::NoMatch { tried: identities.len(), recipients: self.known_stanzas() })
            }
            (Err(age::DecryptError::InvalidMac | age::DecryptError::InvalidHeader), _) => {
                Err(Error::Header("the age header is damaged, or was changed"))
            }
            (Err(age::DecryptError::KeyDecryptionFailed), _) => {
                Err(Error::Decrypt(keys::LOCKED.to_owned()))
            }
            (Err(error), _) => Err(Error::Decrypt(one_line(&error.to_string()))),
        }
    }

    /// A reader of the payload; `input` stands right after the head.
    pub fn reader<R: io::Read>(&self, key: &FileKey, input: R) -> ChunkReader<R> {
        key.reader(&self.nonce(), input)
    }

    /// What can be said of who can open it, without the "grease" stanza.
    fn known_stanzas(&self) -> Vec<String> {
        let named: Vec<String> = self
            .stanzas
            .iter()
            .filter_map(|kind| match kind.as_str() {
                "X25519" => Some("an age key (X25519)".to_owned()),
                "ssh-ed25519" | "ssh-rsa" => Some(format!("an SSH key ({kind})")),
                "scrypt" => Some("a passphrase".to_owned()),
                kind if !kind.ends_with("-grease") && kind.len() > 5 => {
                    Some(format!("a key of another type ({kind})"))
                }
                _ => None,
            })
            .collect();
        if named.is_empty() { vec!["nobody known here".to_owned()] } else { named }
    }
}

/// An identity that stands for all the real ones and sees the file key.
struct CaptureIdentity<'a> {
    identities: &'a Identities,
    key: RefCell<Option<FileKey>>,
}

impl age::Identity for CaptureIdentity<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<AgeFileKey, age::DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<AgeFileKey, age::DecryptError>> {
        let result = self.identities.unwrap_stanzas(stanzas);
        if let Some(Ok(key)) = &result {
            self.key.replace(Some(FileKey::copy(key)));
        }
        result
    }
}

/// Opens an age file (binary): reads the head, unwraps the key, and gives the
/// payload.
///
/// # Errors
/// As [`Head::read`] and [`Head::unwrap`].
pub fn decrypt<R: BufRead>(mut input: R, identities: &Identities) -> Result<ChunkReader<R>, Error> {
    let head = Head::read(&mut input)?;
    let key = head.unwrap(identities)?;
    Ok(head.reader(&key, input))
}

/// The crate's messages may span lines and carry a plugin's text.
fn one_line(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).collect()
}
