//! Anchors: where the ledger's head is handed on to, so that whoever takes
//! this host cannot rewrite what was before.
//!
//! Knows nothing of sessions. Its invariant: no anchor keeps anybody waiting
//! for longer than it is given; what one could not be handed it is handed the
//! next time; and a head is durable before anybody else has it.

mod http;
mod witness;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use http::{Answer, Url};

use super::disk;
use super::note::{Kind, VerifierKey};
use super::read::Reader;
use super::segment::head_line;
use crate::sys::{clock, detach, sharing, syslog};

/// The longest answer and the longest state that are read.
const LARGEST: usize = 1 << 16;

/// An anchor, as `seal.anchors` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The host's log, which should be sent to another host.
    Syslog,
    /// A file that checkpoints are appended to: on a medium that is taken
    /// away, or that can only be appended to.
    File(PathBuf),
    /// A shell command that gets the checkpoint on its standard input.
    Command(String),
    /// A witness that speaks c2sp.org/tlog-witness over plain HTTP. What is
    /// sent is public, and what comes back is signed.
    Witness {
        /// The submission prefix.
        url: Url,
        /// Whose cosignature counts.
        key: Box<VerifierKey>,
    },
}

impl Anchor {
    /// From `syslog`, `file:PATH`, `command:TEXT` or `witness:URL KEY`.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "syslog" {
            return Ok(Self::Syslog);
        }
        match text.split_once(':') {
            Some(("file", path)) if path.starts_with('/') => Ok(Self::File(PathBuf::from(path))),
            Some(("file", path)) => Err(format!("{path} is no absolute path")),
            Some(("command", command)) if !command.trim().is_empty() => {
                Ok(Self::Command(command.to_owned()))
            }
            Some(("witness", rest)) => {
                let (url, key) = rest.split_once(' ').ok_or("a witness has a URL and a key")?;
                let key = VerifierKey::parse(key.trim()).map_err(|error| error.to_string())?;
                if key.kind() != Kind::Witness {
                    return Err("the key is not a witness's (its type is not 4)".to_owned());
                }
                Ok(Self::Witness { url: Url::parse(url)?, key: Box::new(key) })
            }
            _ => Err(format!("{text} is no anchor")),
        }
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syslog => f.write_str("syslog"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Command(command) => write!(f, "command:{command}"),
            Self::Witness { url, key } => write!(f, "witness:{url} {key}"),
        }
    }
}

/// What an anchor has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The anchor, as it is configured.
    pub anchor: String,
    /// The size of the head that it has; for a witness, of the last that it
    /// is known to have seen.
    pub size: u64,
    /// When it was handed that; empty while it has none.
    pub at: String,
    /// Why it could not be handed the last, and since when.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<Failed>,
}

/// A failure of an anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Since when.
    pub since: String,
    /// Why.
    pub why: String,
}

/// Hands the ledger's head to each of these that does not have it, within
/// `limit` altogether.
pub fn hand_on(dir: &Path, anchors: &[Anchor], limit: Duration) {
    let until = Instant::now() + limit;
    for anchor in anchors {
        // What cannot even be noted is tried again the next time.
        let _ = one(dir, anchor, until);
    }
}

/// What each of these anchors has, as far as that is known.
#[must_use]
pub fn states(dir: &Path, anchors: &[Anchor]) -> Vec<State> {
    let state = |anchor| read(&file(dir, anchor, "json")).unwrap_or_else(|| new(anchor));
    anchors.iter().map(state).collect()
}

/// The file of an anchor's; its name says nothing of what the configuration
/// says.
fn file(dir: &Path, anchor: &Anchor, what: &str) -> PathBuf {
    let digest = HEXLOWER.encode(&Sha256::digest(anchor.to_string()));
    dir.join("anchors").join(format!("{}.{what}", digest.get(..16).unwrap_or_default()))
}

fn new(anchor: &Anchor) -> State {
    State { anchor: anchor.to_string(), ..State::default() }
}

fn read(path: &Path) -> Option<State> {
    serde_json::from_slice(&disk::read(path, LARGEST).ok()?).ok()
}

fn one(dir: &Path, anchor: &Anchor, until: Instant) -> io::Result<()> {
    let path = file(dir, anchor, "json");
    disk::make_dir(path.parent().unwrap_or(dir))?;
    let lock_path = file(dir, anchor, "lock");
    let lock = OpenOptions::new().append(true).create(true).mode(0o600).open(&lock_path)?;
    sharing::share(&lock, &lock_path)?;
    // Another session is at it: it hands on the same head, or one that the
    // next will.
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(());
    }
    let mut state = read(&path).unwrap_or_else(|| new(anchor));
    let Ok(Some(mut reader)) = Reader::open(dir) else { return Ok(()) };
    let size = reader.checkpoint().head.size;
    if state.size == size && state.failed.is_none() && !state.at.is_empty() {
        return Ok(());
    }
    let handed =
        reader.make_durable().map_err(|error| error.to_string()).and_then(|()| match anchor {
            Anchor::Syslog => {
                let line = String::from_utf8_lossy(&head_line(reader.note())).trim().to_owned();
                syslog::notice(&format!("ledger {line}"));
                Ok(())
            }
            Anchor::File(path) => append(path, &format!("{}\n", reader.note())),
            Anchor::Command(command) => run(command, &reader.note().to_string(), until),
            Anchor::Witness { url, key } => {
                let cosigned = witness::ask(url, key, &mut reader, &mut state.size, until)?;
                let path = file(dir, anchor, "checkpoint");
                put(&path, cosigned.to_string().as_bytes()).map_err(|error| error.to_string())
            }
        });
    match handed {
        Ok(()) => {
            state.size = size;
            state.at = clock::wall_rfc3339();
            state.failed = None;
        }
        Err(why) => {
            let since = state.failed.take().map_or_else(clock::wall_rfc3339, |failed| failed.since);
            state.failed = Some(Failed { since, why });
        }
    }
    put(&path, &serde_json::to_vec(&state)?)
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    sharing::share(&file, &draft)?;
    file.write_all(bytes)?;
    std::fs::rename(draft, path)
}

fn append(path: &Path, text: &str) -> Result<(), String> {
    let open = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let written = open.and_then(|mut file: File| {
        file.write_all(text.as_bytes())?;
        file.sync_data()
    });
    written.map_err(|error| format!("cannot append to {}: {error}", path.display()))
}

/// Runs a command until it ends or the time is up.
fn run(command: &str, note: &str, until: Instant) -> Result<(), String> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    detach::own_session(&mut shell);
    let mut child = shell.spawn().map_err(|error| format!("cannot run /bin/sh: {error}"))?;
    // A checkpoint fits into a pipe: a command that reads nothing does not
    // keep this waiting.
    let given = child.stdin.take().map(|mut stdin| stdin.write_all(note.as_bytes()));
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                let unread = given.is_some_and(|given| given.is_err());
                let unread = if unread { "; it did not read its input" } else { "" };
                return Err(format!("the command failed: {status}{unread}"));
            }
            Ok(None) if Instant::now() >= until => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("the command did not end in time".to_owned());
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(format!("the command: {error}")),
        }
    }
}
