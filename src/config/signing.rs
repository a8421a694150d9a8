//! The person's own signing key, and whose signatures they trust: where these
//! are, and how they come to be.
//!
//! Its invariant is that of `identity`: a key that exists is never
//! overwritten, and one that is made is never readable by others.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};

use super::Dirs;
use crate::seal::signer::{self, Signer};
use crate::seal::sshsig::NAMESPACE;

/// Where the administrator says whose signatures are trusted.
pub const SYSTEM_SIGNERS: &str = "/etc/hrec/allowed_signers";

/// The key that signs the heads of the ledger in a store of the host's.
pub const SYSTEM_LEDGER_KEY: &str = "/etc/hrec/ledger_key";

/// Where the administrator says which keys are not, any more.
pub const SYSTEM_REVOKED: &str = "/etc/hrec/revoked_keys";

/// The person's signing key, `$XDG_CONFIG_HOME/hrec/signing_key`.
#[must_use]
pub fn path(dirs: &Dirs) -> PathBuf {
    dirs.config.join("signing_key")
}

/// The key that signs the ledger's heads, `$XDG_CONFIG_HOME/hrec/ledger_key`.
#[must_use]
pub fn ledger_path(dirs: &Dirs) -> PathBuf {
    dirs.config.join("ledger_key")
}

/// Whose signatures the person trusts, `$XDG_CONFIG_HOME/hrec/allowed_signers`.
#[must_use]
pub fn signers(dirs: &Dirs) -> PathBuf {
    dirs.config.join("allowed_signers")
}

/// Which keys the person trusts no more, `$XDG_CONFIG_HOME/hrec/revoked_keys`.
#[must_use]
pub fn revoked(dirs: &Dirs) -> PathBuf {
    dirs.config.join("revoked_keys")
}

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One is there already.
    #[error("{} exists and is never overwritten; hrec keygen --signing --rotate begins with a new one", .0.display())]
    Exists(PathBuf),
    /// A file or its directory cannot be made or written.
    #[error("{path}: {error}; check the directory's owner and permissions", path = .0.display(), error = .1)]
    Io(PathBuf, #[source] io::Error),
    /// The key that is to be replaced cannot be read.
    #[error(transparent)]
    Old(signer::Error),
    /// The key cannot be written in OpenSSH's format.
    #[error("cannot make a key: {0}")]
    Key(#[from] ssh_key::Error),
}

/// Makes an ed25519 key at `path`, with its public half beside it, for
/// `principal`, and has `signers` trust it. Returns the public key's line.
///
/// # Errors
/// [`Error`].
pub fn create(path: &Path, signers: &Path, principal: &str) -> Result<String, Error> {
    make(path, principal, |key| trust(signers, principal, key))
}

/// Makes the ledger's key at `path`, and has `signers` trust it for ledgers.
///
/// # Errors
/// [`Error`].
pub fn create_ledger(path: &Path, signers: &Path, principal: &str) -> Result<(), Error> {
    let options = [format!("namespaces=\"{}\"", crate::seal::ledger::NAMESPACE)];
    make(path, principal, |key| add(signers, principal, key, &options)).map(drop)
}

fn make(
    path: &Path,
    principal: &str,
    trust: impl FnOnce(&str) -> Result<(), Error>,
) -> Result<String, Error> {
    let io = |e| Error::Io(path.to_owned(), e);
    let dir = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    if path.symlink_metadata().is_ok() {
        return Err(Error::Exists(path.to_owned()));
    }
    let pair = Ed25519Keypair::random(&mut rand::rngs::OsRng);
    let key = PrivateKey::new(KeypairData::Ed25519(pair), principal)?;
    let text = key.to_openssh(LineEnding::LF)?;
    let public = key.public_key().to_openssh()?;

    let draft = dir.join(format!(".signing.{}.{:08x}", std::process::id(), rand::random::<u32>()));
    let written =
        write(&draft, text.as_bytes(), 0o600).and_then(|()| std::fs::hard_link(&draft, path));
    let _ = std::fs::remove_file(&draft);
    match written {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            return Err(Error::Exists(path.to_owned()));
        }
        Err(e) => return Err(io(e)),
    }
    // Trusted before it has sealed anything.
    let bare = public.trim_end_matches(principal).trim_end();
    trust(bare)?;
    let _ = write(&beside(path, ".pub"), format!("{public}\n").as_bytes(), 0o644);
    File::open(dir).and_then(|d| d.sync_all()).map_err(io)?;
    Ok(public)
}

/// Makes a new key at `path`. The one that was there is renamed, and what it
/// signs from now on is not trusted any more. Returns the new public key's
/// line, and where the old key is.
///
/// # Errors
/// [`Error`].
pub fn rotate(path: &Path, signers: &Path, principal: &str) -> Result<(String, PathBuf), Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |e| Error::Io(path, e)
    };
    let old = Signer::load(path, None).map_err(Error::Old)?;
    let now = Timestamp::now();
    let aside = beside(path, &now.strftime(".until-%Y%m%dT%H%M%SZ").to_string());
    std::fs::rename(path, &aside).map_err(io(path))?;
    let _ = std::fs::remove_file(beside(path, ".pub"));
    let made = create(path, signers, principal)?;
    end(signers, &old, now)?;
    Ok((made, aside))
}

/// Makes the key that is to be the ledger's next, beside the one at `path`, and
/// has `signers` trust it; where it is. One that a crash left is taken.
///
/// # Errors
/// [`Error`].
pub fn next_ledger(path: &Path, signers: &Path, principal: &str) -> Result<PathBuf, Error> {
    let next = beside(path, ".next");
    match create_ledger(&next, signers, principal) {
        Ok(()) | Err(Error::Exists(_)) => Ok(next),
        Err(error) => Err(error),
    }
}

/// Puts the next key of the ledger into its place. The one that was there is
/// renamed, and what it signs from now on is not trusted any more. Returns where
/// it is.
///
/// # Errors
/// [`Error`].
pub fn replace_ledger(path: &Path, signers: &Path) -> Result<PathBuf, Error> {
    let old = Signer::load(path, None).map_err(Error::Old)?;
    let now = Timestamp::now();
    let aside = beside(path, &now.strftime(".until-%Y%m%dT%H%M%SZ").to_string());
    let next = beside(path, ".next");
    // At each moment there is a key at `path`.
    std::fs::hard_link(path, &aside)
        .and_then(|()| std::fs::rename(&next, path))
        .map_err(|e| Error::Io(path.to_owned(), e))?;
    let _ = std::fs::rename(beside(&next, ".pub"), beside(path, ".pub"));
    end(signers, &old, now)?;
    Ok(aside)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// From the next second on `signers` does not trust what this key signs: the
/// list counts in seconds, and what it has signed in this one is good.
fn end(signers: &Path, key: &Signer, now: Timestamp) -> Result<(), Error> {
    let io = |e| Error::Io(signers.to_owned(), e);
    let text = std::fs::read_to_string(signers).map_err(io)?;
    let draft = beside(signers, &format!(".{:08x}", rand::random::<u32>()));
    let next = now.saturating_add(jiff::SignedDuration::from_secs(1)).unwrap_or(now);
    let until = next.strftime("%Y%m%d%H%M%SZ").to_string();
    write(&draft, ended(&text, &key.public().line(), &until).as_bytes(), 0o644)
        .and_then(|()| std::fs::rename(&draft, signers))
        .map_err(io)
}

/// `allowed_signers` in which the lines of `key` end at `until`, unless they
/// end already.
fn ended(text: &str, key: &str, until: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match line.split_once(char::is_whitespace) {
            Some((principals, rest)) if line.contains(key) && !line.contains("valid-before") => {
                // Options, or none and the key at once.
                let between = if rest.trim_start().starts_with(key) { ' ' } else { ',' };
                out.push_str(&format!(
                    "{principals} valid-before=\"{until}\"{between}{}\n",
                    rest.trim_start()
                ));
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

/// Appends lines to the file `signers`, so that what `key` (its kind and its
/// base64) seals, or certifies to seal, is trusted.
///
/// # Errors
/// [`Error::Io`].
pub fn trust(signers: &Path, principal: &str, key: &str) -> Result<(), Error> {
    let options = [
        format!("cert-authority,namespaces=\"{NAMESPACE}\""),
        format!("namespaces=\"{NAMESPACE}\""),
    ];
    add(signers, principal, key, &options)
}

fn add(signers: &Path, principal: &str, key: &str, options: &[String]) -> Result<(), Error> {
    let io = |e| Error::Io(signers.to_owned(), e);
    let today = Timestamp::now().strftime("%Y-%m-%d");
    let mut text = String::new();
    if !signers.exists() {
        text.push_str(
            "# Whose seals are trusted: ALLOWED SIGNERS in ssh-keygen(1). hrec adds its own keys.\n",
        );
    }
    if let Some(dir) = signers.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    }
    for options in options {
        text.push_str(&format!("{principal} {options} {key} since {today}\n"));
    }
    let mut file =
        OpenOptions::new().append(true).create(true).mode(0o644).open(signers).map_err(io)?;
    // One write: two first recordings at once do not tear each other's line.
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::seal::signers::Signers;
    use crate::seal::sshsig::SshSig;

    #[test]
    fn a_key_that_is_made_is_ones_own_and_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let (path, list) = (dir.path().join("a/key"), dir.path().join("a/list"));
        let public = create(&path, &list, "ann@host").unwrap();
        assert!(public.ends_with(" ann@host"), "{public}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(create(&path, &list, "ann@host"), Err(Error::Exists(_))));
        let signer = Signer::load(&path, None).unwrap();
        assert_eq!(signer.principal("x"), "ann@host");
        let sealed = SshSig::parse(&signer.seal(NAMESPACE, b"text").unwrap()).unwrap();
        let mut signers = Signers::default();
        signers.add("list", &std::fs::read_to_string(&list).unwrap());
        assert_eq!(signers.remarks, Vec::<String>::new());
        assert_eq!(signers.check(&sealed, NAMESPACE, b"text", 0).unwrap().by, "ann@host");
        assert_eq!(std::fs::read_dir(dir.path().join("a")).unwrap().count(), 3, "no draft is left");
    }

    #[test]
    fn a_rotated_key_is_trusted_for_what_it_has_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, list) = (dir.path().join("key"), dir.path().join("list"));
        create(&path, &list, "ann@host").unwrap();
        let old = Signer::load(&path, None).unwrap();
        let sealed = SshSig::parse(&old.seal(NAMESPACE, b"text").unwrap()).unwrap();
        let (public, aside) = rotate(&path, &list, "ann@host").unwrap();
        assert!(!public.contains(&old.public().line()) && aside.exists());
        let new = Signer::load(&path, None).unwrap();
        let by_new = SshSig::parse(&new.seal(NAMESPACE, b"text").unwrap()).unwrap();
        let mut signers = Signers::default();
        signers.add("list", &std::fs::read_to_string(&list).unwrap());
        assert_eq!(signers.remarks, Vec::<String>::new());
        let now = u64::try_from(Timestamp::now().as_second()).unwrap();
        assert!(signers.check(&sealed, NAMESPACE, b"text", now - 3600).is_ok());
        assert!(signers.check(&sealed, NAMESPACE, b"text", now + 3600).is_err());
        assert!(signers.check(&by_new, NAMESPACE, b"text", now + 3600).is_ok());
        assert_eq!(
            ended("# c\na K1 x\nb o=\"K\" K1\nc K2\n", "K1", "T"),
            "# c\na valid-before=\"T\" K1 x\nb valid-before=\"T\",o=\"K\" K1\nc K2\n"
        );
    }
}
