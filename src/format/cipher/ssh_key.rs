//! Whether an RSA key of OpenSSH's may be given to the age crate: 0.12 panics
//! at a number that is written as nothing but zero bytes.
//!
//! Knows of the format only where its numbers are (RFC 4251, section 5, and
//! OpenSSH's PROTOCOL.key), and leaves everything else to the crate. Its
//! invariant: a key that is not understood here is let through, since most are
//! none of RSA's.

use data_encoding::{BASE64, BASE64_NOPAD};

const RSA: &[u8] = b"ssh-rsa";
const PRIVATE: &[u8] = b"openssh-key-v1\0";

/// Whether the numbers of a public key (`ssh-rsa BASE64 COMMENT`) are numbers.
pub(super) fn public_is_sound(line: &str) -> bool {
    let Some(base64) = line.strip_prefix("ssh-rsa ") else { return true };
    // As far as it is base64: the crate stops there too.
    let base64 = base64.split(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '/').next();
    match BASE64_NOPAD.decode(base64.unwrap_or_default().as_bytes()) {
        Ok(blob) => numbers_are_sound(&mut blob.as_slice()),
        // The crate refuses it.
        Err(_) => true,
    }
}

/// The same of a private key in OpenSSH's format; of one under a passphrase,
/// only as far as it is legible.
pub(super) fn private_is_sound(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    let body: String = text.lines().map(str::trim).filter(|line| !line.starts_with('-')).collect();
    let Ok(blob) = BASE64.decode(body.as_bytes()) else { return true };
    let Some(mut rest) = blob.strip_prefix(PRIVATE) else { return true };
    private_numbers_are_sound(&mut rest).unwrap_or(true)
}

fn private_numbers_are_sound(rest: &mut &[u8]) -> Option<bool> {
    let cipher = string(rest)?;
    let (_kdf, _options) = (string(rest)?, string(rest)?);
    *rest = rest.get(4..)?;
    if !numbers_are_sound(&mut string(rest)?) {
        return Some(false);
    }
    if cipher != b"none" {
        return None;
    }
    let private = string(rest)?;
    Some(numbers_are_sound(&mut private.get(8..)?))
}

/// Whether none of what follows the type, in a key of RSA's, is zeros alone.
fn numbers_are_sound(rest: &mut &[u8]) -> bool {
    if string(rest) != Some(RSA) {
        return true;
    }
    std::iter::from_fn(|| string(rest))
        .all(|number| number.is_empty() || number.iter().any(|b| *b != 0))
}

fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (string, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::cipher::{Identities, Recipients};

    fn blob(strings: &[&[u8]]) -> Vec<u8> {
        strings.iter().flat_map(|s| [&(s.len() as u32).to_be_bytes()[..], s].concat()).collect()
    }

    /// Found by fuzzing.
    #[test]
    fn an_rsa_number_of_zeros_alone_is_refused_and_no_panic() {
        let modulus = [&[0][..], &[0xa5; 256]].concat();
        for (e, n) in [(&[0][..], &modulus[..]), (&[1, 0, 1], &[0, 0]), (&[0; 9], &[0; 300])] {
            let blob = blob(&[RSA, e, n]);
            for text in [
                BASE64.encode(&blob),
                BASE64_NOPAD.encode(&blob) + "A",
                BASE64.encode(&blob) + " me",
            ] {
                let error = Recipients::new().add(&format!("ssh-rsa {text}")).unwrap_err();
                assert!(error.to_string().contains("is no recipient"), "{error}");
            }
        }
        let good = blob(&[RSA, &[1, 0, 1], &modulus]);
        assert!(Recipients::new().add(&format!("ssh-rsa {} me", BASE64.encode(&good))).is_ok());
    }

    #[test]
    fn a_private_key_with_such_a_number_is_refused() {
        let public = blob(&[RSA, &[1, 0, 1], &[0xa5; 9]]);
        for at in 0..6 {
            let mut numbers = [&[5, 5][..]; 6];
            numbers[at] = &[0];
            let numbers = blob(&numbers);
            let private =
                [&[1; 8][..], &blob(&[RSA]), &numbers, &blob(&[b"me"]), &[1, 2, 3]].concat();
            let key = [
                PRIVATE,
                &blob(&[b"none", b"none", b""]),
                &1_u32.to_be_bytes(),
                &blob(&[&public, &private]),
            ]
            .concat();
            let pem = format!(
                "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
                BASE64.encode(&key)
            );
            assert!(!private_is_sound(pem.as_bytes()));
            let error = Identities::new().add_file("key", pem.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("is no SSH private key"), "{error}");
        }
    }
}
