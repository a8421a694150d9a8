//! Signatures over files as `ssh-keygen -Y` makes and verifies them
//! (PROTOCOL.sshsig).
//!
//! Knows nothing of whose keys are trusted. Its invariant: a signature names
//! its namespace, and is never good for another.

use data_encoding::BASE64;
use sha2::{Digest, Sha256, Sha512};

use super::key::PublicKey;
use crate::identity::wire::{Wire, append_string};

/// The namespace of seals.
pub const NAMESPACE: &str = "hrec-recording";

const MAGIC: &[u8] = b"SSHSIG";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

/// What ssh-keygen writes in a line.
const COLUMNS: usize = 70;

/// A signature file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSig {
    /// Whose it is; with the certificate, where there is one.
    pub key: PublicKey,
    /// What it is for.
    pub namespace: String,
    reserved: Vec<u8>,
    hash: Hash,
    signature: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Sha256 => b"sha256",
            Self::Sha512 => b"sha512",
        }
    }

    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

/// What a key has to sign so that it is a signature over `message` in
/// `namespace`.
#[must_use]
pub fn to_sign(namespace: &str, message: &[u8]) -> Option<Vec<u8>> {
    signed_data(namespace, &[], Hash::Sha512, message)
}

fn signed_data(namespace: &str, reserved: &[u8], hash: Hash, message: &[u8]) -> Option<Vec<u8>> {
    let mut out = MAGIC.to_vec();
    append_string(&mut out, namespace.as_bytes())?;
    append_string(&mut out, reserved)?;
    append_string(&mut out, hash.name())?;
    append_string(&mut out, &hash.digest(message))?;
    Some(out)
}

impl SshSig {
    /// The signature file for what `key` made of [`to_sign`].
    #[must_use]
    pub fn new(key: PublicKey, namespace: &str, signature: Vec<u8>) -> Self {
        let namespace = namespace.to_owned();
        Self { key, namespace, reserved: Vec::new(), hash: Hash::Sha512, signature }
    }

    /// Reads a signature file. `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.trim_ascii().strip_prefix(BEGIN)?.strip_suffix(END)?;
        let body: String = body.split_ascii_whitespace().collect();
        let blob = BASE64.decode(body.as_bytes()).ok()?;
        let mut rest = Wire(blob.strip_prefix(MAGIC)?);
        if rest.u32()? != 1 {
            return None;
        }
        let key = PublicKey::from_blob(rest.string()?)?;
        let namespace = std::str::from_utf8(rest.string()?).ok()?.to_owned();
        let reserved = rest.string()?.to_owned();
        let hash = match rest.string()? {
            b"sha256" => Hash::Sha256,
            b"sha512" => Hash::Sha512,
            _ => return None,
        };
        let signature = rest.string()?.to_owned();
        rest.0.is_empty().then_some(Self { key, namespace, reserved, hash, signature })
    }

    /// As a file.
    #[must_use]
    pub fn armored(&self) -> Option<String> {
        let mut blob = MAGIC.to_vec();
        blob.extend_from_slice(&1_u32.to_be_bytes());
        append_string(&mut blob, self.key.blob())?;
        append_string(&mut blob, self.namespace.as_bytes())?;
        append_string(&mut blob, &self.reserved)?;
        append_string(&mut blob, self.hash.name())?;
        append_string(&mut blob, &self.signature)?;
        let mut out = format!("{BEGIN}\n");
        let body = BASE64.encode(&blob);
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at_checked(COLUMNS).unwrap_or((rest, ""));
            out.push_str(line);
            out.push('\n');
            rest = more;
        }
        out.push_str(END);
        out.push('\n');
        Some(out)
    }

    /// Whether its key signed `message` for `namespace`. The caller trusts the
    /// key.
    #[must_use]
    pub fn verifies(&self, namespace: &str, message: &[u8]) -> bool {
        self.namespace == namespace
            && signed_data(namespace, &self.reserved, self.hash, message)
                .is_some_and(|signed| self.key.verifies(&signed, &self.signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf hello | ssh-keygen -Y sign -n hrec-recording -f KEY-cert.pub`.
    const SIGNED: &str = include_str!("testdata/hello.sig");

    #[test]
    fn a_signature_of_ssh_keygens_is_read_and_written_back() {
        let signature = SshSig::parse(SIGNED).unwrap();
        assert!(signature.verifies(NAMESPACE, b"hello\n"));
        assert!(!signature.verifies(NAMESPACE, b"hello"));
        assert!(!signature.verifies("file", b"hello\n"));
        assert_eq!(signature.key.certificate().unwrap().id, "rec-1");
        assert_eq!(signature.armored().unwrap(), SIGNED);
    }

    #[test]
    fn no_changed_byte_is_the_same_signature() {
        let signature = SshSig::parse(SIGNED).unwrap();
        for (at, byte) in SIGNED.bytes().enumerate() {
            for flip in [1, 0x20] {
                let mut bytes = SIGNED.as_bytes().to_vec();
                bytes[at] = byte ^ flip;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                let Some(other) = SshSig::parse(&text) else { continue };
                // White space may differ, and nothing else.
                let trusted = other.key == signature.key && other.verifies(NAMESPACE, b"hello\n");
                assert!(!trusted || other == signature, "byte {at}");
            }
        }
    }
}
