//! Recordings in a collector's store, on a host that ssh(1) goes to.
//!
//! Knows nothing of encryption, and trusts nothing that comes from there. Its
//! invariant: what comes is kept as ciphertext, in a directory that is removed
//! when this process ends, in whatever way.

mod link;
mod mirror;
mod taking;
mod telling;

use std::io;
use std::path::PathBuf;

pub use link::{COMMAND, Link, Progress};
pub use mirror::Mirror;
pub use telling::to_terminal;

/// What an address of a recording there begins with.
pub const SCHEME: &str = "ssh://";

/// Why recordings there cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no address.
    #[error("{name}: {what}; an address is ssh://[USER@]HOST[:PORT]/[REC]")]
    Address {
        /// As typed, safe for a terminal.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is no ssh.
    #[error("cannot run ssh: {0}; install OpenSSH's client")]
    NoSsh(io::Error),
    /// Nobody answered as a collector does.
    #[error("{host}: {what}")]
    NotThere {
        /// The bastion.
        host: String,
        /// What came instead.
        what: String,
    },
    /// What came is not what a collector says.
    #[error("{host}: {what}; it may have another version of hrec")]
    Said {
        /// The bastion.
        host: String,
        /// What is wrong with it.
        what: String,
    },
    /// The collector does not do it.
    #[error("{host}: {what}{}", reference.as_ref().map(|reference| format!(" (reference {reference})")).unwrap_or_default())]
    Refused {
        /// The bastion.
        host: String,
        /// Its words.
        what: String,
        /// What the collector's log has it by.
        reference: Option<String>,
    },
    /// The connection was lost.
    #[error("{host}: the connection was lost{}", if source.kind() == io::ErrorKind::UnexpectedEof { String::new() } else { format!(": {source}") })]
    Lost {
        /// The bastion.
        host: String,
        /// The system's answer.
        source: io::Error,
    },
    /// What came cannot be kept.
    #[error("cannot keep what {host} sends in {}: {source}; free space there, or set TMPDIR to another place", path.display())]
    Keep {
        /// The bastion.
        host: String,
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Where recordings are, and which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    /// As in the store there: an id, a unique part of one, `-1`; `None` for
    /// all that it has.
    pub rec: Option<String>,
}

impl Address {
    /// An address in text; `None` for what is none.
    ///
    /// # Errors
    /// For one that leads nowhere, or to something else.
    pub fn parse(text: &str) -> Option<Result<Self, Error>> {
        let rest = text.strip_prefix(SCHEME)?;
        let name: String =
            text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(200).collect();
        Some(Self::after_scheme(rest).map_err(|what| Error::Address { name, what }))
    }

    fn after_scheme(rest: &str) -> Result<Self, &'static str> {
        let (host, rec) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match host.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, host),
        };
        let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => {
                (host, Some(port.strip_prefix(':').ok_or("what follows ] is no port")?))
            }
            None => match host.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (host, None),
            },
        };
        let port = port.map(|port| port.parse().ok().filter(|port| *port > 0));
        let port =
            port.map(|port| port.ok_or("its port is no number from 1 to 65535")).transpose()?;
        // Neither an option of ssh's, nor anything that a ProxyCommand's shell
        // would take for more than a name.
        let plain = |text: &str, more: &str| {
            let fits = |c: char| c.is_alphanumeric() || "._-".contains(c) || more.contains(c);
            !text.is_empty() && !text.starts_with('-') && text.chars().all(fits)
        };
        if !plain(host, ":%") {
            return Err("it names no host");
        }
        if !user.is_none_or(|user| plain(user, "@+=,%\\")) {
            return Err("it names no user");
        }
        if rec.contains('/') || rec.chars().any(char::is_control) {
            return Err("what follows the host is no recording");
        }
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            rec: Some(rec).filter(|rec| !rec.is_empty()).map(str::to_owned),
        })
    }

    /// The bastion, as a message names it: `ssh://ann@box:2222`.
    #[must_use]
    pub fn bastion(&self) -> String {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{SCHEME}{user}{host}{port}")
    }

    /// What ssh(1) gets before the command: nothing that the person's own
    /// configuration says of the host is overruled, but that this connection
    /// carries nothing else.
    #[must_use]
    pub fn ssh_args(&self) -> Vec<String> {
        let mut args: Vec<String> = [
            "-T",
            "-a",
            "-x",
            "-e",
            "none",
            "-o",
            "ClearAllForwardings=yes",
            "-o",
            "RemoteCommand=none",
        ]
        .map(str::to_owned)
        .into();
        args.extend(["-o".to_owned(), "ServerAliveInterval=20".to_owned()]);
        if let Some(port) = self.port {
            args.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = &self.user {
            args.extend(["-l".to_owned(), user.clone()]);
        }
        args.extend(["--".to_owned(), self.host.clone()]);
        args
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Option<String>) {
        let address = Address::parse(text).unwrap().unwrap();
        (address.bastion(), address.rec)
    }

    #[test]
    fn an_address_says_where_and_what() {
        for (text, bastion, rec) in [
            ("ssh://box", "ssh://box", None),
            ("ssh://box/", "ssh://box", None),
            ("ssh://box/-1", "ssh://box", Some("-1")),
            ("ssh://ann@box.example:2222/db1", "ssh://ann@box.example:2222", Some("db1")),
            ("ssh://[fe80::1%eth0]:22/x", "ssh://[fe80::1%eth0]:22", Some("x")),
            ("ssh://a@corp@box/x", "ssh://a@corp@box", Some("x")),
        ] {
            assert_eq!(parsed(text), (bastion.to_owned(), rec.map(str::to_owned)), "{text}");
        }
        assert!(Address::parse("box/-1").is_none());
        let args = Address::parse("ssh://ann@box:2222/x").unwrap().unwrap().ssh_args();
        let tail: Vec<&str> = args.iter().rev().take(6).rev().map(String::as_str).collect();
        assert_eq!(tail, ["-p", "2222", "-l", "ann", "--", "box"]);
    }

    #[test]
    fn nothing_in_it_is_an_option_or_a_command() {
        for text in [
            "ssh://",
            "ssh:///x",
            "ssh://-oProxyCommand=id/x",
            "ssh://@box/x",
            "ssh://-l@box/x",
            "ssh://box;id/x",
            "ssh://$(id)/x",
            "ssh://`id`@box/x",
            "ssh://bo x/x",
            "ssh://box:/x",
            "ssh://box:0/x",
            "ssh://box:22x/x",
            "ssh://box:99999/x",
            "ssh://[::1]x/x",
            "ssh://box/../../etc/passwd",
            "ssh://box/a\u{1b}]0;x",
            "ssh://b\nox/x",
        ] {
            let error = Address::parse(text).unwrap().unwrap_err().to_string();
            assert!(error.contains("an address is ssh://"), "{error}");
            assert!(!error.contains(char::is_control), "{error:?}");
        }
    }
}
