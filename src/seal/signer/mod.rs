//! Who signs: a key file, a key in ssh-agent, or either with a certificate.
//!
//! Knows nothing of recordings. Its invariant: a private key is never copied
//! out of here, and one that others could read is not used.

mod agent;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::Signer as _;
use ssh_key::PrivateKey;
use zeroize::Zeroizing;

use super::key::PublicKey;
use super::sshsig::{self, SshSig};

/// No key file comes near it.
const LARGEST: u64 = 1 << 20;

const PRIVATE: &[u8] = b"-----BEGIN ";

/// Kinds of keys that sign from a file.
const SIGN: [&str; 3] = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"];

const CERTIFICATE: &str = "-cert-v01@openssh.com";

/// What to do with keys of other kinds.
const IN_AGENT: &str = "put it into ssh-agent (ssh-add) and name its public key in seal.key";

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read the signing key {}: {source}; check seal.key in config.toml, or run: hrec keygen --signing", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Others can read the private key.
    #[error("the signing key {} can be read by others (mode {mode:o}); run: chmod go-rwx {}", path.display(), path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no key that can sign.
    #[error("{} is no SSH key that can sign: {what}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// A passphrase protects it.
    #[error("the signing key {} is protected by a passphrase; put it into ssh-agent (ssh-add) and name its public key in seal.key: {}.pub", path.display(), path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
    },
    /// There is no agent.
    #[error(
        "seal.key names a public key, and there is no ssh-agent to sign with it (SSH_AUTH_SOCK is not set)"
    )]
    NoAgent,
    /// The agent failed.
    #[error("ssh-agent at {} {what}", socket.display())]
    Agent {
        /// Its socket.
        socket: PathBuf,
        /// What it did.
        what: String,
    },
    /// The key refuses.
    #[error("the signing key cannot sign: {0}")]
    Sign(String),
}

/// A key that signs.
pub struct Signer {
    public: PublicKey,
    comment: String,
    way: Way,
}

enum Way {
    File(Box<PrivateKey>),
    Agent(PathBuf),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Signer {
    /// The key that `path` names: a private key in OpenSSH's format (with
    /// `path-cert.pub` beside it, that certificate's), or a public key or
    /// certificate whose private key the agent at `agent` holds.
    ///
    /// # Errors
    /// [`Error`].
    pub fn load(path: &Path, agent: Option<&Path>) -> Result<Self, Error> {
        let (text, mode, group) = read(path)?;
        if !text.trim_ascii_start().starts_with(PRIVATE) {
            return Self::in_agent(path, &text, agent);
        }
        if !is_private(mode, group) {
            return Err(Error::Readable { path: path.to_owned(), mode: mode & 0o777 });
        }
        let no_key = |what: String| Error::NoKey { path: path.to_owned(), what };
        let key = PrivateKey::from_openssh(text.trim_ascii())
            .map_err(|error| no_key(format!("{error}; {IN_AGENT}")))?;
        if key.is_encrypted() {
            return Err(Error::Passphrase { path: path.to_owned() });
        }
        let blob = key.public_key().to_bytes().map_err(|error| no_key(error.to_string()))?;
        let plain = PublicKey::from_blob(&blob)
            .ok_or_else(|| no_key("its public half is not understood".to_owned()))?;
        let public = match beside(path)? {
            Some((certificate, _)) if certificate.plain() == plain.blob() => certificate,
            _ => plain,
        };
        let signer =
            Self { public, comment: key.comment().to_owned(), way: Way::File(Box::new(key)) };
        // A hardware key's file holds a handle, and no private key; with RSA's
        // and P-521's the library cannot sign.
        if !SIGN.contains(&signer.public.kind().trim_end_matches(CERTIFICATE)) {
            return Err(no_key(format!("{IN_AGENT}: {}.pub", path.display())));
        }
        Ok(signer)
    }

    fn in_agent(path: &Path, text: &[u8], agent: Option<&Path>) -> Result<Self, Error> {
        let no_key = |what: &str| Error::NoKey { path: path.to_owned(), what: what.to_owned() };
        let text =
            std::str::from_utf8(text).map_err(|_| no_key("it is neither private nor public"))?;
        let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let (public, comment) =
            PublicKey::from_line(line).ok_or_else(|| no_key("it is neither private nor public"))?;
        let socket = agent.ok_or(Error::NoAgent)?;
        Ok(Self { public, comment, way: Way::Agent(socket.to_owned()) })
    }

    /// Its public key, or its certificate.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Whether it can certify another key: one that itself is certified cannot
    /// (OpenSSH follows no chains).
    #[must_use]
    pub fn can_certify(&self) -> bool {
        self.public.certificate().is_none()
    }

    /// Whether it waits for somebody else: an agent, and perhaps a person who
    /// touches a token.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self.way, Way::Agent(_))
    }

    /// Whom its signatures are by: its comment, in characters that need no
    /// quotes in `allowed_signers`; `else_name` when it has none.
    #[must_use]
    pub fn principal(&self, else_name: &str) -> String {
        let certified = self.public.certificate().and_then(|c| c.principals.first());
        let text = certified.unwrap_or(&self.comment);
        principal(if text.is_empty() { else_name } else { text })
    }

    /// A signature in SSH's wire format.
    ///
    /// # Errors
    /// [`Error::Agent`], [`Error::Sign`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.way {
            Way::Agent(socket) => agent::sign(socket, &self.public, message),
            Way::File(key) => {
                let signature =
                    key.try_sign(message).map_err(|error| Error::Sign(error.to_string()))?;
                signature.try_into().map_err(|error: ssh_key::Error| Error::Sign(error.to_string()))
            }
        }
    }

    /// A signature file over `message`.
    ///
    /// # Errors
    /// [`Error::Agent`], [`Error::Sign`].
    pub fn seal(&self, namespace: &str, message: &[u8]) -> Result<String, Error> {
        let too_long = || Error::Sign("it is too long".to_owned());
        let data = sshsig::to_sign(namespace, message).ok_or_else(too_long)?;
        let signature = self.sign(&data)?;
        SshSig::new(self.public.clone(), namespace, signature).armored().ok_or_else(too_long)
    }
}

/// A name as a principal in `allowed_signers`.
#[must_use]
pub fn principal(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._+-".contains(c);
    name.chars().take(64).map(|c| if plain(c) { c } else { '_' }).collect()
}

/// The certificate beside a private key, as ssh looks for it.
fn beside(path: &Path) -> Result<Option<(PublicKey, String)>, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push("-cert.pub");
    let path = PathBuf::from(name);
    if !path.exists() {
        return Ok(None);
    }
    let (text, _, _) = read(&path)?;
    let key = std::str::from_utf8(&text).ok().and_then(PublicKey::from_line);
    Ok(key.filter(|(key, _)| key.certificate().is_some()))
}

/// Whether nobody may read a file of this mode and group but its owner; or, on
/// a host whose sessions sign with one key, those sessions' group, which is no
/// person's.
fn is_private(mode: u32, group: u32) -> bool {
    let (own, given) = (rustix::process::getgid().as_raw(), rustix::process::getegid().as_raw());
    let sessions = group == given && given != own || own == 0 && group != 0;
    mode & if sessions { 0o037 } else { 0o077 } == 0
}

/// A file's content, mode and group.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32, u32), Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let data = file.metadata().map_err(failed)?;
    let mut text = Zeroizing::new(Vec::with_capacity(4096));
    file.take(LARGEST).read_to_end(&mut text).map_err(failed)?;
    Ok((text, data.mode(), data.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    fn keygen(args: &[&str]) {
        let out = Command::new("ssh-keygen").arg("-q").args(args).output().unwrap();
        assert!(out.status.success(), "{out:?}");
    }

    #[test]
    fn keys_of_every_kind_sign_what_ssh_keygen_verifies() {
        let dir = tempfile::tempdir().unwrap();
        for (kind, bits) in [("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "384")] {
            let path = dir.path().join(format!("{kind}-{bits}"));
            let name = path.to_str().unwrap();
            keygen(&["-t", kind, "-b", bits, "-N", "", "-C", "Ann at home", "-f", name]);
            let signer = Signer::load(&path, None).unwrap();
            assert_eq!(signer.principal("x"), "Ann_at_home");
            let sealed = signer
                .seal("hrec-recording", b"text")
                .unwrap_or_else(|e| panic!("{kind} {bits}: {e}"));
            let signature = SshSig::parse(&sealed).unwrap();
            assert!(signature.verifies("hrec-recording", b"text"), "{kind}");
            assert!(!signature.verifies("hrec-recording", b"test"), "{kind}");
            std::fs::write(dir.path().join("sig"), &sealed).unwrap();
            std::fs::write(dir.path().join("list"), format!("ann {}\n", signer.public().line()))
                .unwrap();
            let said = Command::new("sh")
                .args([
                    "-c",
                    "printf text | ssh-keygen -Y verify -f list -I ann -n hrec-recording -s sig",
                ])
                .current_dir(dir.path())
                .output()
                .unwrap();
            assert!(said.status.success(), "{kind}: {said:?}");
        }
    }

    #[test]
    fn what_cannot_sign_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let name = path.to_str().unwrap();
        let said = || Signer::load(&path, None).unwrap_err().to_string();
        assert!(said().contains("hrec keygen --signing"), "{}", said());
        keygen(&["-t", "ed25519", "-N", "secret", "-f", name]);
        assert!(said().contains("ssh-add"), "{}", said());
        std::fs::remove_file(&path).unwrap();
        keygen(&["-t", "ed25519", "-N", "", "-f", name]);
        assert!(Signer::load(&path, None).unwrap().can_certify());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(said().contains("chmod go-rwx"), "{}", said());
        let public = Signer::load(&dir.path().join("key.pub"), None).unwrap_err().to_string();
        assert!(public.contains("SSH_AUTH_SOCK"), "{public}");
        let rsa = dir.path().join("rsa");
        keygen(&["-t", "rsa", "-b", "2048", "-N", "", "-f", rsa.to_str().unwrap()]);
        let rsa = Signer::load(&rsa, None).unwrap_err().to_string();
        assert!(rsa.contains("put it into ssh-agent") && rsa.contains("rsa.pub"), "{rsa}");
        std::fs::write(&path, "nothing").unwrap();
        assert!(said().contains("neither private nor public"), "{}", said());
    }

    #[test]
    fn a_certificate_beside_the_key_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let (ca, key) = (dir.path().join("ca"), dir.path().join("key"));
        for path in [&ca, &key] {
            keygen(&["-t", "ed25519", "-N", "", "-C", "", "-f", path.to_str().unwrap()]);
        }
        let public = dir.path().join("key.pub");
        keygen(&["-s", ca.to_str().unwrap(), "-I", "me", "-n", "ann", public.to_str().unwrap()]);
        let signer = Signer::load(&key, None).unwrap();
        assert!(!signer.can_certify());
        assert_eq!(signer.principal("x"), "ann");
        let signature = SshSig::parse(&signer.seal("n", b"text").unwrap()).unwrap();
        assert!(
            signature.verifies("n", b"text") && signature.key.certificate().unwrap().is_genuine()
        );
    }
}
