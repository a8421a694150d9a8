//! Seals of keys in hardware, made here by a key in memory in the form that a
//! token gives them (PROTOCOL.u2f): ssh-keygen and hrec agree on them.

use hrec::seal::key::PublicKey;
use hrec::seal::signers::Signers;
use hrec::seal::sshsig::{NAMESPACE, SshSig, to_sign};
use sha2::{Digest, Sha256};
use ssh_key::private::{EcdsaKeypair, Ed25519Keypair, KeypairData};
use ssh_key::{EcdsaCurve, PrivateKey};

use crate::shell;
use crate::support::Sandbox;

const APPLICATION: &[u8] = b"ssh:";

/// Somebody touched it.
const TOUCHED: u8 = 1;

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend_from_slice(bytes);
}

/// What a token makes of a key: its public half, and its signature.
fn token(key: &PrivateKey, counter: u32, message: &[u8]) -> (PublicKey, Vec<u8>) {
    let mut rest = Vec::new();
    match key.public_key().key_data() {
        ssh_key::public::KeyData::Ed25519(public) => string(&mut rest, public.as_ref()),
        ssh_key::public::KeyData::Ecdsa(public) => {
            string(&mut rest, b"nistp256");
            string(&mut rest, public.as_sec1_bytes());
        }
        other => panic!("{other:?}"),
    }
    string(&mut rest, APPLICATION);
    let kind: &[u8] = match key.key_data() {
        KeypairData::Ed25519(_) => b"sk-ssh-ed25519@openssh.com",
        _ => b"sk-ecdsa-sha2-nistp256@openssh.com",
    };
    let mut blob = Vec::new();
    string(&mut blob, kind);
    blob.extend_from_slice(&rest);

    let mut signed = Sha256::digest(APPLICATION).to_vec();
    signed.push(TOUCHED);
    signed.extend_from_slice(&counter.to_be_bytes());
    signed.extend_from_slice(&Sha256::digest(message));
    let plain = ed25519_dalek::Signer::<ssh_key::Signature>::try_sign(key, &signed).unwrap();
    let mut signature = Vec::new();
    string(&mut signature, kind);
    string(&mut signature, plain.as_bytes());
    signature.push(TOUCHED);
    signature.extend_from_slice(&counter.to_be_bytes());
    (PublicKey::from_blob(&blob).unwrap(), signature)
}

#[test]
fn a_tokens_seal_is_one_for_hrec_and_for_ssh_keygen() {
    let sandbox = Sandbox::without_keys();
    let mut random = rand::rngs::OsRng;
    let keys = [
        KeypairData::Ed25519(Ed25519Keypair::random(&mut random)),
        KeypairData::Ecdsa(EcdsaKeypair::random(&mut random, EcdsaCurve::NistP256).unwrap()),
    ];
    let message = b"{\"v\": 1}\n";
    sandbox.file("manifest", message);
    for key in keys {
        let key = PrivateKey::new(key, "").unwrap();
        let (public, signature) = token(&key, 7, &to_sign(NAMESPACE, message).unwrap());
        let list = format!("ann@host namespaces=\"{NAMESPACE}\" {}\n", public.line());
        let mut signers = Signers::default();
        signers.add("list", &list);
        assert_eq!(signers.remarks, Vec::<String>::new());
        sandbox.file("list", &list);
        let good = signature.len();
        // A counter that is not the token's own, flags that are not.
        for (byte, counts) in [(None, true), (Some(good - 1), false), (Some(good - 5), false)] {
            let mut signature = signature.clone();
            if let Some(byte) = byte {
                signature[byte] ^= 4;
            }
            let seal = SshSig::new(public.clone(), NAMESPACE, signature);
            assert_eq!(signers.check(&seal, NAMESPACE, message, 0).is_ok(), counts, "{seal:?}");
            sandbox.file("seal", seal.armored().unwrap());
            let verify = format!(
                "ssh-keygen -Y verify -f list -I ann@host -n {NAMESPACE} -s seal <manifest"
            );
            let stock = shell(&sandbox, &sandbox.work(), &verify);
            assert_eq!(stock.status.success(), counts, "{stock:?}");
        }
    }
}
