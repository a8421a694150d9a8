//! A key for one session: made at its start, certified by the long-lived key,
//! used once, forgotten.
//!
//! Whoever steals the long-lived key later can sign new things with it, but
//! not anew what this key has signed: its name stands in the ledger's entry of
//! the start. Its invariant: the private half is never outside of this
//! process's memory, and is wiped when the seal is made or the session given
//! up.

use ed25519_dalek::{Signer as _, SigningKey};
use rand::RngCore;
use zeroize::Zeroizing;

use super::key::{self, Draft, PublicKey};
use super::signer::{Error, Signer};
use super::sshsig::{self, SshSig};
use crate::identity::wire::append_string;

/// What an ed25519 key and its signatures are called.
const KIND: &[u8] = b"ssh-ed25519";

/// The key. Its private half is wiped when it is dropped.
pub struct SessionKey {
    secret: SigningKey,
}

/// What vouches for the key of one session.
#[derive(Clone, Debug)]
pub struct Certified(PublicKey);

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

impl SessionKey {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rand::rngs::OsRng.fill_bytes(seed.as_mut());
        Self { secret: SigningKey::from_bytes(&seed) }
    }

    /// Its public half, 32 bytes.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.secret.verifying_key().to_bytes()
    }

    /// As `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        crate::identity::certificate::fingerprint(&self.blob())
    }

    /// Its public half as SSH has it.
    fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(51);
        let _ = append_string(&mut blob, KIND);
        let _ = append_string(&mut blob, &self.public());
        blob
    }

    /// Signs `message` for `namespace`, and forgets the private half.
    ///
    /// # Errors
    /// [`Error::Sign`] when the certificate is another key's.
    pub fn seal(
        self,
        certified: &Certified,
        namespace: &str,
        message: &[u8],
    ) -> Result<String, Error> {
        let failed = || {
            Error::Sign("the session's key and its certificate do not belong together".to_owned())
        };
        if certified.0.plain() != self.blob() {
            return Err(failed());
        }
        let data = sshsig::to_sign(namespace, message).ok_or_else(failed)?;
        let mut signature = Vec::with_capacity(83);
        append_string(&mut signature, KIND).ok_or_else(failed)?;
        append_string(&mut signature, &self.secret.sign(&data).to_bytes()).ok_or_else(failed)?;
        SshSig::new(certified.0.clone(), namespace, signature).armored().ok_or_else(failed)
    }
}

impl Default for SessionKey {
    fn default() -> Self {
        Self::new()
    }
}

/// Certifies the session key `public` for the recording `id`, from `after`
/// (seconds since 1970) on, for `principal`.
///
/// # Errors
/// When `signer` cannot sign.
pub fn certify(
    signer: &Signer,
    public: &[u8; 32],
    id: &str,
    principal: &str,
    after: u64,
) -> Result<Certified, Error> {
    let failed = || Error::Sign("its certificate would be none".to_owned());
    let authority = signer.public().blob();
    let to_sign =
        Draft { key: public, id, principal, after, authority }.to_sign().ok_or_else(failed)?;
    let signature = signer.sign(&to_sign)?;
    let certificate = key::signed(to_sign, &signature).ok_or_else(failed)?;
    PublicKey::from_blob(&certificate).map(Certified).ok_or_else(failed)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::seal::signers::Signers;

    #[test]
    fn ssh_keygen_verifies_it_by_the_long_lived_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "ann@host", "-f"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        let signer = Signer::load(&path, None).unwrap();
        let (key, other) = (SessionKey::new(), SessionKey::new());
        let certified = certify(&signer, &key.public(), "ID", "ann@host", 1_700_000_000).unwrap();
        assert_ne!(key.fingerprint(), other.fingerprint());
        assert!(other.seal(&certified, "hrec-recording", b"text").is_err());
        let fingerprint = key.fingerprint();
        let sealed = key.seal(&certified, "hrec-recording", b"text").unwrap();
        let signature = SshSig::parse(&sealed).unwrap();
        assert_eq!(signature.key.fingerprint(), fingerprint);

        let line = format!(
            "ann@host cert-authority,namespaces=\"hrec-recording\" {}\n",
            signer.public().line()
        );
        let mut signers = Signers::default();
        signers.add("list", &line);
        let signed = signers.check(&signature, "hrec-recording", b"text", 1_700_000_000).unwrap();
        assert_eq!((signed.by.as_str(), signed.certificate.as_deref()), ("ann@host", Some("ID")));
        assert!(signers.check(&signature, "hrec-recording", b"text", 1_699_999_999).is_err());

        std::fs::write(dir.path().join("sig"), sealed).unwrap();
        std::fs::write(dir.path().join("list"), line).unwrap();
        let verify =
            "printf text | ssh-keygen -Y verify -f list -I ann@host -n hrec-recording -s sig";
        let said =
            Command::new("sh").args(["-c", verify]).current_dir(dir.path()).output().unwrap();
        assert!(said.status.success(), "{said:?}");
    }
}
