//! The manifest: what may be known of a recording without a key.
//!
//! Written before the program starts, with the state `live`, and replaced at
//! the end. `hrec-recording(5)` lists its fields.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::format::chain::ChainState;

/// The version of the manifest's form.
pub const VERSION: u32 = 1;

/// That of an interrupted recording with as many journals as one can have; a
/// foreign file does not fill the memory.
pub const LARGEST: u64 = 16 << 20;

/// Why a manifest cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// A verb: "read", "write".
        what: &'static str,
        /// The manifest.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no manifest.
    #[error("{} is no manifest: {source}; the recording itself may be sound: hrec play opens it by its path", path.display())]
    Form {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// A recording's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being made; or its writer died before it could say otherwise.
    Live,
    /// Whole.
    Finished,
    /// Its writer died or its store failed: readable up to the last append.
    Interrupted,
    /// Made whole from an interrupted one.
    Recovered,
}

impl State {
    /// The manifest's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::Recovered => "recovered",
        }
    }
}

/// The program's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// Its status, 0 to 255.
    Code(i32),
    /// The signal that ended it.
    Signal(i32),
}

/// A file of the recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// Without its directory.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// That the recording was encrypted to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekey {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// SHA-256 of the file before, in hexadecimal.
    pub from: String,
    /// And afterwards.
    pub to: String,
    /// The file that has the manifest from before; its seal is beside it.
    pub manifest: String,
}

/// The manifest's fields, in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`VERSION`].
    pub v: u32,
    /// The recording's id.
    pub id: String,
    /// The recording that this one was made inside of, as the session claims.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<String>,
    /// Its state.
    pub state: State,
    /// Who wrote this: `session` or `collector`.
    pub writer: String,
    /// `strict` or `best-effort`.
    pub mode: String,
    /// `echoed`, `full` or `none`.
    pub input: String,
    /// Start, RFC 3339 in UTC with microseconds.
    pub start: String,
    /// End, likewise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<String>,
    /// The program's name as typed, without its directory and arguments.
    pub program: String,
    /// The command line without what looks like a secret, where
    /// `manifest.command` asks for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<String>,
    /// What it was pointed at: `kind`, `name`, and what else is known.
    #[serde(default)]
    pub target: Map<String, Value>,
    /// Who: each field a `value` and the `trust` it deserves.
    #[serde(default)]
    pub identity: Map<String, Value>,
    /// The program's end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exit: Option<Exit>,
    /// Why the session ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_reason: Option<String>,
    /// Bytes that the program wrote.
    #[serde(default)]
    pub bytes_out: u64,
    /// Bytes that the person typed.
    #[serde(default)]
    pub bytes_in: u64,
    /// Whom it is encrypted to.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Its files.
    #[serde(default)]
    pub files: Vec<FileDigest>,
    /// How far it is provable.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chain: Option<ChainState>,
    /// The digest of the settings that held.
    #[serde(default)]
    pub policy_sha256: String,
    /// How it was encrypted to others, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rekeyed: Vec<Rekey>,
    /// The fingerprint of the key that was made for this session, which seals
    /// it at the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session_key: Option<String>,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Form`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { what: "read", path: path.to_owned(), source };
        let mut text = Vec::new();
        // A FIFO of this name must not keep whoever lists a store waiting.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, OFlags::RDONLY | flags, Mode::empty());
        File::from(file.map_err(|e| io(e.into()))?)
            .take(LARGEST)
            .read_to_end(&mut text)
            .map_err(io)?;
        serde_json::from_slice(&text)
            .map_err(|source| Error::Form { path: path.to_owned(), source })
    }

    /// As the file has it.
    ///
    /// # Errors
    /// Only for want of memory.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Writes it, or replaces it: whoever looks sees the old one or the new
    /// one whole. With `sync` it is durable when this returns.
    ///
    /// # Errors
    /// [`Error::Io`]; an older one is as it was then.
    pub fn write(&self, path: &Path, sync: bool) -> Result<(), Error> {
        self.write_sealed(path, sync, |_| None)
    }

    /// The same, with the signature file that `seal` makes of its bytes beside
    /// it, if it makes one. A seal of an older one is removed first: at no
    /// moment is there a seal that does not belong to its manifest.
    ///
    /// # Errors
    /// [`Error::Io`]; an older one is as it was then.
    pub fn write_sealed(
        &self,
        path: &Path,
        sync: bool,
        seal: impl FnOnce(&[u8]) -> Option<String>,
    ) -> Result<(), Error> {
        let failed = |source| Error::Io { what: "write", path: path.to_owned(), source };
        let text = self.to_bytes().map_err(failed)?;
        let sealed = seal(&text);
        let signature = signature(path);
        let drafts = Drafts::new(path);
        let written = (|| {
            create(&drafts.manifest, &text, sync)?;
            if let Some(sealed) = &sealed {
                create(&drafts.signature, sealed.as_bytes(), sync)?;
            }
            remove(&signature)?;
            rename(&drafts.manifest, path)?;
            if sealed.is_some() { rename(&drafts.signature, &signature) } else { Ok(()) }
        })();
        drop(drafts);
        written.map_err(failed)?;
        if sync && let Some(dir) = path.parent() {
            let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| Error::Io {
                what: "sync",
                path: dir.to_owned(),
                source,
            })?;
        }
        Ok(())
    }

    /// The target's name, as it was typed.
    #[must_use]
    pub fn target_name(&self) -> &str {
        self.target.get("name").and_then(Value::as_str).unwrap_or(&self.program)
    }

    /// The value of an identity field.
    #[must_use]
    pub fn who(&self, field: &str) -> Option<&Value> {
        self.identity.get(field)?.get("value")
    }
}

/// The path of the signature over the manifest at this path.
#[must_use]
pub fn signature(manifest: &Path) -> PathBuf {
    let mut name = manifest.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// What is written before it has its name; gone when this is.
struct Drafts {
    manifest: PathBuf,
    signature: PathBuf,
}

impl Drafts {
    fn new(path: &Path) -> Self {
        let manifest = path.with_extension(format!("json.{:08x}", rand::random::<u32>()));
        Self { signature: signature(&manifest), manifest }
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        for draft in [&self.manifest, &self.signature] {
            let _ = std::fs::remove_file(draft);
        }
    }
}

fn create(path: &Path, content: &[u8], sync: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    crate::sys::sharing::share(&file, path)?;
    file.write_all(content)?;
    if sync { file.sync_all() } else { Ok(()) }
}

/// unlink(2) of what may not be there, again after a signal.
fn remove(path: &Path) -> io::Result<()> {
    loop {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => return result,
        }
    }
}

/// rename(2), again after a signal: file systems in user space and over the
/// network are interrupted where others are not.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    loop {
        match std::fs::rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    use rustix::fs::FileType;

    #[test]
    fn replaced_whole_and_readable_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.manifest.json");
        let text = r#"{"v":1,"id":"x","state":"live","writer":"session","mode":"strict",
            "input":"none","start":"2026-01-01T00:00:00Z","program":"sh","later":"ignored"}"#;
        let mut manifest: Manifest = serde_json::from_str(text).unwrap();
        manifest.write(&path, true).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest);
        manifest.state = State::Finished;
        manifest.exit = Some(Exit::Signal(9));
        manifest.write(&path, false).unwrap();
        let again = Manifest::read(&path).unwrap();
        assert_eq!(again.exit, Some(Exit::Signal(9)));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(
            String::from_utf8(std::fs::read(&path).unwrap()).unwrap().contains(r#""signal": 9"#)
        );
    }

    #[test]
    fn what_is_no_manifest_is_said_to_be_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.manifest.json");
        std::fs::write(&path, "{\"v\":1}").unwrap();
        let said = Manifest::read(&path).unwrap_err().to_string();
        assert!(said.contains("x.manifest.json is no manifest"), "{said}");
        assert!(Manifest::read(&dir.path().join("none")).unwrap_err().to_string().contains("read"));
        // Not waited for either.
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(Manifest::read(&fifo).is_err());
    }
}
