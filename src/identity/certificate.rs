//! Public keys and certificates of OpenSSH, as `sshd` and `ssh-keygen` write
//! them: fingerprints, and what a certificate states.
//!
//! Knows nothing of files, and checks no signature: `sshd` did, before it let
//! the person in. Its invariant: any bytes give an answer or `None`, without a
//! panic and without more memory than they themselves take.

use data_encoding::{BASE64, BASE64_NOPAD};
use sha2::{Digest, Sha256};

use super::wire::{Wire, append_string};

/// What a certificate's type has that its key's type has not.
const SUFFIX: &str = "-cert-v01@openssh.com";

/// Principals that are kept of a certificate. OpenSSH itself refuses more
/// than 256 (`SSHKEY_CERT_MAX_PRINCIPALS`).
const PRINCIPALS_MAX: usize = 256;

/// A public key that somebody logged in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The type, as OpenSSH names it: `ssh-ed25519`, or
    /// `ssh-ed25519-cert-v01@openssh.com`.
    pub kind: String,
    /// `SHA256:` and base64, as `ssh-keygen -l` prints it: that of the key
    /// alone, also when there is a certificate for it.
    pub fingerprint: String,
    /// What the certificate states, if the key came with one.
    pub certificate: Option<Certificate>,
}

/// What an OpenSSH certificate states (PROTOCOL.certkeys).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The key id: whatever name the authority gave it.
    pub id: String,
    /// The serial number; 0 where the authority counts none.
    pub serial: u64,
    /// The principals it is for; none means any.
    pub principals: Vec<String>,
    /// Fingerprint of the authority's key.
    pub authority: String,
}

impl Key {
    /// Reads `kind` and `base64` as they stand in `authorized_keys`, in a
    /// `.pub` file, and in the file that `SSH_USER_AUTH` names. `None` when
    /// the bytes are no such key, or are of a kind of certificate whose layout
    /// is not known.
    #[must_use]
    pub fn parse(kind: &str, base64: &str) -> Option<Self> {
        let blob = BASE64.decode(base64.as_bytes()).ok()?;
        let mut rest = Wire(&blob);
        // The text before the blob is only a label: what counts is inside.
        if rest.string()? != kind.as_bytes() {
            return None;
        }
        let Some(plain) = plain_kind(kind) else {
            return Some(Self {
                kind: kind.to_owned(),
                fingerprint: fingerprint(&blob),
                certificate: None,
            });
        };
        let _nonce = rest.string()?;
        let mut key = Vec::with_capacity(blob.len());
        append_string(&mut key, plain.as_bytes())?;
        for _ in 0..key_strings(&plain)? {
            append_string(&mut key, rest.string()?)?;
        }
        let serial = rest.u64()?;
        let _user_or_host = rest.u32()?;
        let id = text(rest.string()?);
        let mut names = Wire(rest.string()?);
        let mut principals = Vec::new();
        while !names.0.is_empty() && principals.len() < PRINCIPALS_MAX {
            principals.push(text(names.string()?));
        }
        let _after = rest.u64()?;
        let _before = rest.u64()?;
        let _critical_options = rest.string()?;
        let _extensions = rest.string()?;
        let _reserved = rest.string()?;
        let authority = fingerprint(rest.string()?);
        let _signature = rest.string()?;
        Some(Self {
            kind: kind.to_owned(),
            fingerprint: fingerprint(&key),
            certificate: Some(Certificate { id, serial, principals, authority }),
        })
    }
}

/// The type of the key that a certificate type is for; `None` when `kind` is
/// no certificate's: `sk-ssh-ed25519-cert-v01@openssh.com` is for
/// `sk-ssh-ed25519@openssh.com`, `ssh-rsa-cert-v01@openssh.com` for `ssh-rsa`.
#[must_use]
pub fn plain_kind(kind: &str) -> Option<String> {
    let plain = kind.strip_suffix(SUFFIX)?;
    Some(if plain.starts_with("sk-") { format!("{plain}@openssh.com") } else { plain.to_owned() })
}

/// How many strings and mpints make up a key of this type, in its blob and,
/// in the same order, in its certificate (PROTOCOL.certkeys, PROTOCOL.u2f).
#[must_use]
pub fn key_strings(plain: &str) -> Option<usize> {
    Some(match plain {
        "ssh-ed25519" => 1,
        "ssh-rsa"
        | "ecdsa-sha2-nistp256"
        | "ecdsa-sha2-nistp384"
        | "ecdsa-sha2-nistp521"
        | "sk-ssh-ed25519@openssh.com" => 2,
        "sk-ecdsa-sha2-nistp256@openssh.com" => 3,
        "ssh-dss" => 4,
        _ => return None,
    })
}

/// As `ssh-keygen -l` prints it: SHA-256 in base64 without padding.
#[must_use]
pub fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", BASE64_NOPAD.encode(&Sha256::digest(blob)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(super::LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of ssh-keygen's: `-I alice-laptop -n alice,ops -z 42`.
    const CERT: &str = include_str!("testdata/ed25519-cert.pub");

    fn words(line: &str) -> (&str, &str) {
        let mut words = line.split_whitespace();
        (words.next().unwrap(), words.next().unwrap())
    }

    #[test]
    fn a_certificate_says_what_ssh_keygen_says() {
        let (kind, base64) = words(CERT);
        let key = Key::parse(kind, base64).unwrap();
        assert_eq!(key.kind, "ssh-ed25519-cert-v01@openssh.com");
        let certificate = key.certificate.unwrap();
        assert_eq!(certificate.id, "alice-laptop");
        assert_eq!(certificate.serial, 42);
        assert_eq!(certificate.principals, ["alice", "ops"]);
    }

    #[test]
    fn no_cut_and_no_changed_byte_panics() {
        let (kind, base64) = words(CERT);
        let blob = BASE64.decode(base64.as_bytes()).unwrap();
        for cut in 0..blob.len() {
            let part = BASE64.encode(&blob[..cut]);
            assert_eq!(Key::parse(kind, &part), None, "{cut} bytes");
        }
        for at in 0..blob.len() {
            for value in [0x00, 0x7f, 0x80, 0xff] {
                let mut changed = blob.clone();
                changed[at] = value;
                let _ = Key::parse(kind, &BASE64.encode(&changed));
            }
        }
    }

    #[test]
    fn a_label_that_differs_from_the_blob_is_refused() {
        let (_, base64) = words(CERT);
        assert_eq!(Key::parse("ssh-ed25519", base64), None);
        assert_eq!(Key::parse("ssh-rsa-cert-v01@openssh.com", base64), None);
        assert_eq!(Key::parse("", ""), None);
        assert_eq!(Key::parse("ssh-ed25519", "no base64!"), None);
    }

    #[test]
    fn an_unknown_kind_of_certificate_is_not_guessed_at() {
        let kind = "ssh-newest-cert-v01@openssh.com";
        let mut blob = Vec::new();
        append_string(&mut blob, kind.as_bytes()).unwrap();
        append_string(&mut blob, b"nonce").unwrap();
        assert_eq!(Key::parse(kind, &BASE64.encode(&blob)), None);
        // A key of an unknown kind has a fingerprint all the same.
        let mut blob = Vec::new();
        append_string(&mut blob, b"ssh-newest").unwrap();
        assert!(Key::parse("ssh-newest", &BASE64.encode(&blob)).is_some());
    }

    #[test]
    fn principals_are_bounded() {
        let (kind, base64) = words(CERT);
        let blob = BASE64.decode(base64.as_bytes()).unwrap();
        // A principals field of nothing but empty strings.
        let mut from = Wire(&blob);
        let mut made = Vec::new();
        append_string(&mut made, from.string().unwrap()).unwrap();
        append_string(&mut made, from.string().unwrap()).unwrap();
        append_string(&mut made, from.string().unwrap()).unwrap();
        made.extend_from_slice(from.take(12).unwrap());
        append_string(&mut made, from.string().unwrap()).unwrap();
        from.string().unwrap();
        append_string(&mut made, &vec![0; 4 * 10_000]).unwrap();
        made.extend_from_slice(from.0);
        let key = Key::parse(kind, &BASE64.encode(&made)).unwrap();
        assert_eq!(key.certificate.unwrap().principals.len(), PRINCIPALS_MAX);
    }
}
