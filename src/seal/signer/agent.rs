//! A signature by ssh-agent (draft-miller-ssh-agent), also one whose key is in
//! hardware: the agent does not tell, and nothing here asks.
//!
//! Its invariant: an agent that does not answer, or answers nonsense, costs a
//! bounded time and a bounded memory.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::Error;
use crate::identity::wire::{Wire, append_string};
use crate::seal::key::PublicKey;

const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const FAILURE: u8 = 5;

/// RSA keys sign with SHA-512 (`SSH_AGENT_RSA_SHA2_512`).
const RSA_SHA512: u32 = 4;

/// As long as a person takes to find the token and touch it.
const LIMIT: Duration = Duration::from_secs(30);

/// OpenSSH's own limit for an agent's message.
const LARGEST: u32 = 256 * 1024;

/// A signature over `message` with the private half of `key`.
pub(super) fn sign(socket: &Path, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = |what: String| Error::Agent { socket: socket.to_owned(), what };
    let reply = ask(socket, key, message).map_err(|error| {
        failed(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("has not signed for {} seconds", LIMIT.as_secs())
            }
            _ => format!("cannot be asked: {error}"),
        })
    })?;
    let mut rest = Wire(&reply);
    match rest.take(1) {
        Some([SIGN_RESPONSE]) => rest
            .string()
            .map(<[u8]>::to_owned)
            .ok_or_else(|| failed("answers with no signature".to_owned())),
        Some([FAILURE]) => Err(failed(format!(
            "does not sign with {}; is the key loaded (ssh-add -l)?",
            key.fingerprint()
        ))),
        _ => Err(failed("answers with something else than a signature".to_owned())),
    }
}

fn ask(socket: &Path, key: &PublicKey, message: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let long = || io::Error::from(io::ErrorKind::InvalidInput);
    let mut request = vec![SIGN_REQUEST];
    // The key, and not its certificate: an agent that was given the key alone
    // has it under that name only.
    append_string(&mut request, key.plain()).ok_or_else(long)?;
    append_string(&mut request, message).ok_or_else(long)?;
    let flags = if key.kind().starts_with("ssh-rsa") { RSA_SHA512 } else { 0 };
    request.extend_from_slice(&flags.to_be_bytes());
    let mut framed = Vec::with_capacity(request.len() + 4);
    append_string(&mut framed, &request).ok_or_else(long)?;
    stream.write_all(&framed)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut reply = Vec::new();
    stream.take(length.into()).read_to_end(&mut reply)?;
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::seal::sshsig::SshSig;

    const SIGNED: &str = include_str!("../testdata/hello.sig");

    #[test]
    fn an_agent_that_answers_nonsense_is_an_error_and_no_more() {
        let key = SshSig::parse(SIGNED).unwrap().key;
        let dir = tempfile::tempdir().unwrap();
        for (n, (reply, want)) in [
            (&b"\0\0\0\x01\x05"[..], "is the key loaded"),
            (b"\0\0\0\x01\x06", "something else"),
            (b"\0\0\0\x05\x0e\0\0\0\x09", "no signature"),
            (b"\xff\xff\xff\xff", "cannot be asked"),
            (b"\0\0", "cannot be asked"),
            (b"\0\0\0\0", "something else"),
        ]
        .into_iter()
        .enumerate()
        {
            let socket = dir.path().join(n.to_string());
            let listener = UnixListener::bind(&socket).unwrap();
            let agent = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut length = [0; 4];
                stream.read_exact(&mut length).unwrap();
                let mut request = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut request).unwrap();
                stream.write_all(reply).unwrap();
                request
            });
            let error = sign(&socket, &key, b"text").unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
            let request = agent.join().unwrap();
            let mut rest = Wire(request.get(1..).unwrap());
            assert_eq!(rest.string(), Some(key.plain()));
            assert_eq!(rest.string(), Some(&b"text"[..]));
        }
        let nobody = sign(&dir.path().join("none"), &key, b"text").unwrap_err().to_string();
        assert!(nobody.contains("cannot be asked"), "{nobody}");
    }
}
