//! What a command will speak, by how it is called.
//!
//! Knows no protocol. The invariant: a wrong guess costs nothing but one fact
//! that says so, so it reads a command as a shell would in the plain cases and
//! does not try for the others.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A program that can be followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Talk {
    Sftp,
    Scp(Call),
}

/// How `scp` was called by the other `scp`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// `-f`, gives files; else `-t`, takes them.
    pub(super) gives: bool,
    /// The files, as far as they are plain words.
    pub(super) paths: Vec<Vec<u8>>,
}

/// More words of a command are not looked at.
const WORDS_MAX: usize = 256;

pub(super) fn talk(command: &OsStr) -> Option<Talk> {
    let words = words(command.as_bytes());
    let mut words = words.iter().map(Vec::as_slice).peekable();
    // What runs another program in its place.
    while words
        .next_if(|word| [&b"exec"[..], b"command", b"sudo", b"doas"].contains(word))
        .is_some()
    {
        while words.next_if(|word| word.starts_with(b"-")).is_some() {}
    }
    match base(words.next()?) {
        b"internal-sftp" | b"sftp-server" => Some(Talk::Sftp),
        b"scp" => scp(words).map(Talk::Scp),
        _ => None,
    }
}

/// The part of a path behind its last slash.
pub(super) fn base(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

fn scp<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<Call> {
    let (mut gives, mut takes) = (false, false);
    let mut paths = Vec::new();
    while let Some(word) = words.next() {
        match word.split_first() {
            _ if !paths.is_empty() => paths.push(word.to_vec()),
            Some((b'-', b"-")) => {
                paths.extend(words.by_ref().map(<[u8]>::to_vec));
            }
            Some((b'-', letters)) if !letters.is_empty() => {
                for (n, letter) in letters.iter().enumerate() {
                    match letter {
                        b'f' => gives = true,
                        b't' => takes = true,
                        // Those with a value, getopt(3).
                        b'c' | b'i' | b'l' | b'o' | b'D' | b'F' | b'J' | b'M' | b'P' | b'S'
                        | b'X' => {
                            if n + 1 == letters.len() {
                                words.next();
                            }
                            break;
                        }
                        _ => {}
                    }
                }
            }
            _ => paths.push(word.to_vec()),
        }
    }
    // scp(1) looks at -f first.
    (gives || takes).then_some(Call { gives, paths })
}

/// The words of the first simple command.
fn words(command: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = command.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => break,
            b'\'' => {
                let word = word.get_or_insert_default();
                word.extend(bytes.by_ref().take_while(|byte| *byte != b'\''));
            }
            b'"' => {
                let word = word.get_or_insert_default();
                while let Some(byte) = bytes.next().filter(|byte| *byte != b'"') {
                    word.push(byte);
                    if byte == b'\\'
                        && let Some(next) = bytes.next()
                    {
                        // sh(1): it stands for itself before any other.
                        if matches!(next, b'"' | b'\\' | b'$' | b'`') {
                            word.pop();
                        }
                        word.push(next);
                    }
                }
            }
            b'\\' => word.get_or_insert_default().extend(bytes.next()),
            byte => word.get_or_insert_default().push(byte),
        }
        if words.len() >= WORDS_MAX {
            break;
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(gives: bool, paths: &[&str]) -> Option<Talk> {
        let paths = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
        Some(Talk::Scp(Call { gives, paths }))
    }

    #[test]
    fn what_is_followed() {
        let of = |command: &str| talk(command.as_ref());
        for command in [
            "internal-sftp",
            "internal-sftp -d /srv -R",
            "/usr/lib/openssh/sftp-server",
            "exec /usr/libexec/sftp-server -l INFO",
            "sudo -n '/usr/lib/openssh/sftp-server'",
        ] {
            assert_eq!(of(command), Some(Talk::Sftp), "{command}");
        }
        assert_eq!(of("scp -t x; bash"), call(false, &["x"]));
        assert_eq!(of("scp -v -r -p -d -t -- '-a b' c\\ d"), call(false, &["-a b", "c d"]));
        assert_eq!(of("/usr/bin/scp -rpf \"a\\\"\\b\" *.c"), call(true, &["a\"\\b", "*.c"]));
        assert_eq!(of("scp -l 10 -f"), call(true, &[]));
        assert_eq!(of("scp -P22 -tf x"), call(true, &["x"]));
        for command in
            ["", "scp a b:c", "scp -P t x y", "rsync --server . x", "bash -c scp", ";scp -t"]
        {
            assert_eq!(of(command), None, "{command}");
        }
        assert_eq!(of(&format!("scp -t {}", "x ".repeat(1 << 20))).map(|_| ()), Some(()));
    }
}
