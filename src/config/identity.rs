//! The person's own key: where it is, and how it comes to be.
//!
//! Knows the age identity file and nothing of how recordings are encrypted.
//! Its invariant: a key that exists is never overwritten, and one that is
//! made is never readable by others, not even for a moment.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;

use super::{Config, Dirs};

/// The file with the person's identity, `$XDG_CONFIG_HOME/hrec/identity.txt`.
#[must_use]
pub fn path(dirs: &Dirs) -> PathBuf {
    dirs.config.join("identity.txt")
}

/// Why there is no usable identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One is there already.
    #[error("{} exists and is never overwritten; to begin with a new one, move it away (it opens your older recordings: keep it)", .0.display())]
    Exists(PathBuf),
    /// The file or its directory cannot be made, written or read.
    #[error("{path}: {error}; check the directory's owner and permissions", path = .0.display(), error = .1)]
    Io(PathBuf, #[source] std::io::Error),
    /// What is there is no identity file.
    #[error("{} holds no age identity (a line that begins with AGE-SECRET-KEY-1); name your key with record.recipients in config.toml, or move the file away and run: hrec keygen", .0.display())]
    Empty(PathBuf),
}

/// Makes an identity at `path` and returns its recipient (`age1...`).
///
/// The file appears whole or not at all: it is written under another name in
/// the same directory, synced, and linked into place, which fails when
/// somebody else, say a recording begun at the same moment, was first.
///
/// # Errors
/// [`Error::Exists`], [`Error::Io`].
pub fn create(path: &Path) -> Result<String, Error> {
    let io = |e| Error::Io(path.to_owned(), e);
    let dir = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    if path.symlink_metadata().is_ok() {
        return Err(Error::Exists(path.to_owned()));
    }

    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let created = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let text = format!(
        "# created: {created}\n# public key: {recipient}\n{}\n",
        identity.to_string().expose_secret()
    );

    let draft = dir.join(format!(".identity.{}.{:08x}", std::process::id(), rand::random::<u32>()));
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    let result = write().and_then(|()| std::fs::hard_link(&draft, path));
    let _ = std::fs::remove_file(&draft);
    match result {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            return Err(Error::Exists(path.to_owned()));
        }
        Err(e) => return Err(io(e)),
    }
    // Without this a power cut could take the name back, after recordings
    // were already encrypted to it.
    std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(io)?;
    Ok(recipient)
}

/// The recipients of the identities in the file at `path`; `None` when there
/// is no such file.
///
/// # Errors
/// [`Error::Io`], and [`Error::Empty`] when it holds no age identity in the
/// clear (one under a passphrase names its recipient nowhere).
pub fn recipients(path: &Path) -> Result<Option<Vec<String>>, Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::Io(path.to_owned(), e)),
    };
    let found: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim().parse::<age::x25519::Identity>().ok())
        .map(|identity| identity.to_public().to_string())
        .collect();
    if found.is_empty() { Err(Error::Empty(path.to_owned())) } else { Ok(Some(found)) }
}

/// Whom recordings are encrypted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordTo {
    /// Recipients: `age1...` or the text of an SSH public key.
    pub recipients: Vec<String>,
    /// Files with more of them, as age's `-R` takes them.
    pub files: Vec<PathBuf>,
    /// The identity that was made just now because nothing was configured:
    /// to be told the person in one line.
    pub made: Option<PathBuf>,
}

impl RecordTo {
    /// The line that tells of keys that were made: the identity, and the
    /// signing key at `signing`.
    #[must_use]
    pub fn notice(&self, signing: Option<&Path>) -> Option<String> {
        let seals = |path: &Path| format!("a key that seals them in {}", path.display());
        match (&self.made, signing) {
            (Some(path), signing) => {
                let seals =
                    signing.map(|path| format!(", and {}", seals(path))).unwrap_or_default();
                Some(format!(
                    "hrec: made a key for your recordings in {}{seals}; keep a copy of the first elsewhere",
                    path.display()
                ))
            }
            (None, Some(path)) => {
                Some(format!("hrec: made a key that seals your recordings in {}", path.display()))
            }
            (None, None) => None,
        }
    }
}

/// What the configuration names; else the person's own identity, which is
/// made now if there is none.
///
/// # Errors
/// When the own identity is needed and cannot be read or made.
pub fn record_to(config: &Config) -> Result<RecordTo, Error> {
    let recipients = config.record_recipients.value.clone();
    let files = config.recipients_files();
    if !recipients.is_empty() || !files.is_empty() {
        return Ok(RecordTo { recipients, files, made: None });
    }
    let path = path(config.dirs());
    if let Some(recipients) = self::recipients(&path)? {
        return Ok(RecordTo { recipients, files, made: None });
    }
    match create(&path) {
        Ok(recipient) => Ok(RecordTo { recipients: vec![recipient], files, made: Some(path) }),
        // Another session made it between our look and our try.
        Err(Error::Exists(_)) => match self::recipients(&path)? {
            Some(recipients) => Ok(RecordTo { recipients, files, made: None }),
            None => Err(Error::Empty(path)),
        },
        Err(e) => Err(e),
    }
}

/// The identity files that reading uses: those given, else the person's own
/// if it is there.
#[must_use]
pub fn to_read_with(given: &[PathBuf], config: &Config) -> Vec<PathBuf> {
    if !given.is_empty() {
        return given.to_vec();
    }
    let own = path(config.dirs());
    if own.exists() { vec![own] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn made_once_for_oneself_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/hrec/identity.txt");
        assert!(matches!(recipients(&path), Ok(None)));
        let made = create(&path).unwrap();
        assert!(made.starts_with("age1"));
        assert_eq!(recipients(&path).unwrap(), Some(vec![made]));
        let before = std::fs::read(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(create(&path), Err(Error::Exists(_))));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    #[test]
    fn a_dangling_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.txt");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert!(matches!(create(&path), Err(Error::Exists(_))));
        assert!(!dir.path().join("elsewhere").exists());
    }

    #[test]
    fn two_first_recordings_at_once_agree() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs { home: None, config: dir.path().join("c"), data: dir.path().join("d") };
        let config =
            Config::load_from(Path::new("/nonexistent/hrec/config.toml"), dirs, &[]).unwrap();
        let got: Vec<RecordTo> = std::thread::scope(|s| {
            let threads: Vec<_> = (0..8).map(|_| s.spawn(|| record_to(&config).unwrap())).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(got.iter().all(|r| r.recipients == got[0].recipients));
        assert_eq!(got.iter().filter(|r| r.made.is_some()).count(), 1);
    }

    #[test]
    fn a_file_without_an_identity_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.txt");
        std::fs::write(&path, "# nothing\n").unwrap();
        let message = recipients(&path).unwrap_err().to_string();
        assert!(message.contains("identity.txt") && message.contains("hrec keygen"), "{message}");
    }
}
