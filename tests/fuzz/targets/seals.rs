//! What a seal is made of: signatures, certificates, lists of signers.

use hrec::seal::key::PublicKey;
use hrec::seal::signers::Signers;
use hrec::seal::sshsig::SshSig;

/// A signature file; or the key in one, in SSH's wire format.
pub fn signature(input: &[u8]) {
    if let Some(key) = PublicKey::from_blob(input) {
        assert_eq!(key.blob(), input);
        assert_eq!(PublicKey::from_line(&key.line()).unwrap().0, key);
        assert_eq!(PublicKey::from_blob(key.plain()).unwrap().fingerprint(), key.fingerprint());
        if let Some(certificate) = key.certificate() {
            let _ = certificate.is_genuine();
            assert!(certificate.principals.len() <= 256);
        }
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some(signature) = SshSig::parse(text) else { return };
    let again = signature.armored().unwrap();
    assert_eq!(SshSig::parse(&again).unwrap(), signature);
    let genuine = signature.verifies("hrec-recording", b"hello\n");
    assert!(!signature.verifies("hrec-recording", b"hallo\n"));
    // Nobody is trusted who is in no list.
    let nobody = Signers::default().check(&signature, "hrec-recording", b"hello\n", 1 << 31);
    assert!(nobody.is_err());
    if genuine && signature.key.certificate().is_none() {
        let mut signers = Signers::default();
        signers.add("list", &format!("x {}", signature.key.line()));
        assert!(signers.check(&signature, "hrec-recording", b"hello\n", 1 << 31).is_ok());
    }
}

/// A list of signers.
pub fn signers(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut signers = Signers::default();
    signers.add("list", &text);
    signers.revoke("revoked", &text);
    assert!(signers.remarks.len() <= 2 * text.lines().count());
    let signature = SshSig::parse(include_str!("../../../src/seal/testdata/hello.sig")).unwrap();
    if let Ok(signed) = signers.check(&signature, "hrec-recording", b"hello\n", 1 << 31) {
        assert!(signers.mention(&signature.key));
        assert_eq!(
            (signed.by.as_str(), signed.certificate.as_deref()),
            ("ann@host", Some("rec-1"))
        );
    }
    assert!(signers.check(&signature, "hrec-recording", b"hallo\n", 1 << 31).is_err());
}
