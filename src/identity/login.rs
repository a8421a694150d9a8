//! How the person logged in: the file that sshd writes with `ExposeAuthInfo
//! yes` and names in `SSH_USER_AUTH` (sshd_config(5)).
//!
//! Knows nothing of sessions. Its invariant: whatever stands in the variable
//! (a FIFO, a device, another's file, a gigabyte) costs one bounded read and
//! never blocks; the person owns variable and file, so all of it is only
//! claimed.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::Value;
use super::certificate::Key;

/// Most that is read of the file: a certificate of an RSA 16384 key with 256
/// principals is under 32 KiB, and there is one line for each method used.
const SIZE_MAX: u64 = 64 * 1024;

/// Authentication methods that are kept; sshd's `AuthenticationMethods` lists
/// have two or three.
const METHODS_MAX: usize = 16;

/// The fields that the file at `path` gives; none when it cannot be read.
pub(super) fn read(path: &Path) -> Vec<(&'static str, Value)> {
    // Non-blocking, since opening a FIFO would wait for its writer.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(path) else {
        return Vec::new();
    };
    if !file.metadata().is_ok_and(|m| m.is_file()) {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    match file.take(SIZE_MAX).read_to_end(&mut bytes) {
        Ok(_) => parse(&String::from_utf8_lossy(&bytes)),
        Err(_) => Vec::new(),
    }
}

/// Parses lines such as `publickey ssh-ed25519 AAAA…`, `password`, and
/// `keyboard-interactive/pam`. `ssh_auth` lists every method in order; the
/// `key_*` and `certificate_*` fields are of the first key.
fn parse(text: &str) -> Vec<(&'static str, Value)> {
    let mut methods = Vec::new();
    let mut first: Option<Key> = None;
    for line in text.lines().take(METHODS_MAX) {
        let mut words = line.split_ascii_whitespace();
        let Some(method) = words.next() else { continue };
        let mut shown: String = method.chars().take(super::LONGEST).collect();
        if let (Some(kind), Some(base64)) = (words.next(), words.next())
            && let Some(key) = Key::parse(kind, base64)
        {
            shown = format!("{shown} {} {}", key.kind, key.fingerprint);
            first.get_or_insert(key);
        }
        methods.push(shown);
    }
    let mut fields = Vec::new();
    if !methods.is_empty() {
        fields.push(("ssh_auth", Value::List(methods)));
    }
    if let Some(key) = first {
        fields.push(("key_type", Value::Text(key.kind)));
        fields.push(("key_fingerprint", Value::Text(key.fingerprint)));
        if let Some(certificate) = key.certificate {
            fields.push(("certificate_id", Value::Text(certificate.id)));
            // As text: it has 64 bits, and JSON readers round over 53.
            fields.push(("certificate_serial", Value::Text(certificate.serial.to_string())));
            fields.push(("certificate_principals", Value::List(certificate.principals)));
            fields.push(("certificate_authority", Value::Text(certificate.authority)));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERT: &str = include_str!("testdata/ed25519-cert.pub");

    fn get<'a>(fields: &'a [(&str, Value)], name: &str) -> Option<&'a Value> {
        fields.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_certificate_after_a_password() {
        let fields = parse(&format!("password\npublickey {CERT}"));
        let print = "SHA256:aXVL1datTJ68twEov6ZVV7HBMQKx/hg3z2NbDvRIIy0";
        assert_eq!(
            get(&fields, "ssh_auth"),
            Some(&Value::List(vec![
                "password".to_owned(),
                format!("publickey ssh-ed25519-cert-v01@openssh.com {print}"),
            ]))
        );
        assert_eq!(get(&fields, "key_fingerprint"), Some(&text(print)));
        assert_eq!(get(&fields, "certificate_id"), Some(&text("alice-laptop")));
        assert_eq!(get(&fields, "certificate_serial"), Some(&text("42")));
        assert_eq!(
            get(&fields, "certificate_authority"),
            Some(&text("SHA256:maFqYyHBtdDMEftaUlMIkWyLha8CVZsitfVZtEvw37g"))
        );
    }

    #[test]
    fn nonsense_is_no_key() {
        assert_eq!(parse(""), []);
        assert_eq!(parse("\n \n"), []);
        let fields = parse("publickey ssh-ed25519 %%%\nx");
        assert_eq!(fields, [("ssh_auth", Value::List(vec!["publickey".into(), "x".into()]))]);
        assert!(format!("{:?}", parse(&"m\n".repeat(10_000))).len() < 1000);
    }

    #[test]
    fn what_is_no_plain_file_neither_blocks_nor_fills_memory() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let status = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(status.success());
        for path in
            [&*fifo, Path::new("/dev/zero"), dir.path(), Path::new("/no/such"), Path::new("")]
        {
            assert_eq!(read(path), [], "{path:?}");
        }
        let long = dir.path().join("long");
        std::fs::write(&long, "x".repeat(1 << 20)).unwrap();
        let fields = read(&long);
        assert_eq!(get(&fields, "ssh_auth"), Some(&Value::List(vec!["x".repeat(256)])));
    }
}
