//! Public keys and certificates of OpenSSH, as far as a signature needs them.
//!
//! Knows nothing of files, and trusts no key. Its invariant: mathematics is
//! done only with keys that a caller has found in a list of trusted ones, or
//! that a certificate of such a one names; a stranger's bytes are compared.

use data_encoding::BASE64;
use ed25519_dalek::Verifier;
use ssh_key::Signature;

use crate::identity::certificate::{fingerprint, key_strings, plain_kind};
use crate::identity::wire::{Wire, append_string};

/// A user's certificate, as opposed to a host's (PROTOCOL.certkeys).
const USER: u32 = 1;

/// Principals of a certificate: OpenSSH itself refuses more than 256.
const PRINCIPALS_MAX: usize = 256;

/// A public key, or a certificate with the key that it is for.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    blob: Vec<u8>,
    plain: Vec<u8>,
    kind: String,
    certificate: Option<Certificate>,
}

/// What a certificate states.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The key id, whatever the authority wrote.
    pub id: String,
    /// The serial number.
    pub serial: u64,
    /// Whom it is for.
    pub principals: Vec<String>,
    /// Valid from then on, seconds since 1970.
    pub after: u64,
    /// Valid until before then; `u64::MAX`: for ever.
    pub before: u64,
    /// The authority's key.
    pub authority: Vec<u8>,
    user: bool,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicKey")
            .field("kind", &self.kind)
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Reads one from SSH's wire format. `None` when it is none, or a
    /// certificate of a kind that is not known.
    #[must_use]
    pub fn from_blob(blob: &[u8]) -> Option<Self> {
        let mut rest = Wire(blob);
        let kind = std::str::from_utf8(rest.string()?).ok()?.to_owned();
        if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let Some(plain_kind) = plain_kind(&kind) else {
            return Some(Self {
                blob: blob.to_owned(),
                plain: blob.to_owned(),
                kind,
                certificate: None,
            });
        };
        let _nonce = rest.string()?;
        let mut plain = Vec::with_capacity(blob.len());
        append_string(&mut plain, plain_kind.as_bytes())?;
        for _ in 0..key_strings(&plain_kind)? {
            append_string(&mut plain, rest.string()?)?;
        }
        let certificate = Certificate::read(blob, rest)?;
        Some(Self { blob: blob.to_owned(), plain, kind, certificate: Some(certificate) })
    }

    /// Reads `kind base64 comment` as in a `.pub` file; gives the comment too.
    #[must_use]
    pub fn from_line(line: &str) -> Option<(Self, String)> {
        let mut words = line.trim().splitn(3, [' ', '\t']);
        let (kind, base64) = (words.next()?, words.next()?);
        let key = Self::from_blob(&BASE64.decode(base64.as_bytes()).ok()?)?;
        (key.kind == kind).then(|| (key, words.next().unwrap_or_default().trim().to_owned()))
    }

    /// `kind base64`.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.kind, BASE64.encode(&self.blob))
    }

    /// The type, as OpenSSH names it.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// As it is in a signature: the certificate, where there is one.
    #[must_use]
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The key alone.
    #[must_use]
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// As `ssh-keygen -l` prints it: that of the key alone.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.plain)
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Whether `signature` (in SSH's wire format) is this key's over
    /// `message`. RSA with SHA-1 never is.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        verifies(&self.plain, message, signature)
    }
}

impl Certificate {
    /// The part of a certificate behind its key; `blob` is all of it.
    fn read(blob: &[u8], mut rest: Wire<'_>) -> Option<Self> {
        let serial = rest.u64()?;
        let user = rest.u32()? == USER;
        let id = String::from_utf8_lossy(rest.string()?).into_owned();
        let mut names = Wire(rest.string()?);
        let mut principals = Vec::new();
        while !names.0.is_empty() && principals.len() < PRINCIPALS_MAX {
            principals.push(String::from_utf8_lossy(names.string()?).into_owned());
        }
        let (after, before) = (rest.u64()?, rest.u64()?);
        // What the options forbid concerns logins: ssh-keygen does not ask for
        // them either when it verifies.
        let _critical_options = rest.string()?;
        let _extensions = rest.string()?;
        let _reserved = rest.string()?;
        let authority = rest.string()?.to_owned();
        let signed = blob.get(..blob.len().checked_sub(rest.0.len())?)?.to_owned();
        let signature = rest.string()?.to_owned();
        rest.0.is_empty().then_some(Self {
            id,
            serial,
            principals,
            after,
            before,
            authority,
            user,
            signed,
            signature,
        })
    }

    /// Whether its authority signed it, for a user. The caller trusts the
    /// authority's key.
    #[must_use]
    pub fn is_genuine(&self) -> bool {
        self.user && verifies(&self.authority, &self.signed, &self.signature)
    }

    /// Whether it is valid at this time, seconds since 1970.
    #[must_use]
    pub fn is_valid_at(&self, time: u64) -> bool {
        self.after <= time && time < self.before
    }
}

fn verifies(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = ssh_key::PublicKey::from_bytes(key) else { return false };
    let Ok(parsed) = Signature::try_from(signature) else { return false };
    ends_there(signature).unwrap_or(false) && key.key_data().verify(message, &parsed).is_ok()
}

/// Whether nothing follows a signature: its kind, its bytes and, from a
/// hardware key, a byte of flags and four of a counter.
fn ends_there(signature: &[u8]) -> Option<bool> {
    let mut rest = Wire(signature);
    let kind = rest.string()?;
    rest.string()?;
    Some(rest.0.len() == if kind.starts_with(b"sk-") { 5 } else { 0 })
}

/// A certificate without its authority's signature: what that has to sign.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The ed25519 key that is certified, 32 bytes.
    pub key: &'a [u8; 32],
    /// The key id.
    pub id: &'a str,
    /// Whom it is for.
    pub principal: &'a str,
    /// Valid from then on, seconds since 1970; for ever.
    pub after: u64,
    /// The authority's key, in the wire format.
    pub authority: &'a [u8],
}

impl Draft<'_> {
    /// What is to be signed. `None` only for fields of gigabytes.
    #[must_use]
    pub fn to_sign(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(400);
        append_string(&mut out, b"ssh-ed25519-cert-v01@openssh.com")?;
        append_string(&mut out, &rand::random::<[u8; 32]>())?;
        append_string(&mut out, self.key)?;
        out.extend_from_slice(&0_u64.to_be_bytes());
        out.extend_from_slice(&USER.to_be_bytes());
        append_string(&mut out, self.id.as_bytes())?;
        let mut principals = Vec::new();
        append_string(&mut principals, self.principal.as_bytes())?;
        append_string(&mut out, &principals)?;
        out.extend_from_slice(&self.after.to_be_bytes());
        out.extend_from_slice(&u64::MAX.to_be_bytes());
        // No options, no extensions: it is good for no login.
        for _ in 0..3 {
            append_string(&mut out, b"")?;
        }
        append_string(&mut out, self.authority)?;
        Some(out)
    }
}

/// A certificate: what was to be signed, and the signature.
#[must_use]
pub fn signed(mut to_sign: Vec<u8>, signature: &[u8]) -> Option<Vec<u8>> {
    append_string(&mut to_sign, signature)?;
    Some(to_sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of ssh-keygen's: `-I alice-laptop -n alice,ops -z 42`.
    const CERT: &str = include_str!("../identity/testdata/ed25519-cert.pub");

    #[test]
    fn a_certificate_of_ssh_keygens_is_genuine_until_a_byte_changes() {
        let (key, _) = PublicKey::from_line(CERT).unwrap();
        let certificate = key.certificate().unwrap();
        assert_eq!((certificate.id.as_str(), certificate.serial), ("alice-laptop", 42));
        assert_eq!(certificate.principals, ["alice", "ops"]);
        assert!(certificate.is_genuine());
        for at in 0..key.blob().len() {
            let mut blob = key.blob().to_owned();
            blob[at] ^= 1;
            let other = PublicKey::from_blob(&blob);
            let genuine = other
                .as_ref()
                .and_then(PublicKey::certificate)
                .is_some_and(Certificate::is_genuine);
            assert!(!genuine, "byte {at}");
        }
        for cut in 0..key.blob().len() {
            assert!(
                PublicKey::from_blob(&key.blob()[..cut]).is_none_or(|k| k.certificate().is_none())
            );
        }
    }

    #[test]
    fn a_label_that_differs_is_refused() {
        let (key, comment) = PublicKey::from_line(CERT).unwrap();
        assert!(PublicKey::from_line(&key.line()).is_some());
        assert!(
            PublicKey::from_line(&key.line().replacen(
                "ssh-ed25519-cert-v01@openssh.com",
                "ssh-rsa",
                1
            ))
            .is_none()
        );
        assert!(PublicKey::from_line("ssh-ed25519").is_none());
        let _ = comment;
    }
}
