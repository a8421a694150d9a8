//! What the collector says of its work: lines on standard error, which
//! systemd(1) keeps; and refusals, of which the peer is told as much as helps.
//!
//! Its invariant: no peer can fill the log, and nothing that a peer wrote
//! stands in it unescaped.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::BASE32_NOPAD;

use crate::format::wire::{self, Refused, kind};
use crate::screen::safe_text;
use crate::sys::peer::Peer;

/// What one user brings about in this time …
const WINDOW: Duration = Duration::from_secs(60);
/// … of so many lines. An administrator reads no more of one anyway.
const LINES: u32 = 30;

/// Why a peer's wish is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A sentence for the peer, without its full stop.
    pub sentence: String,
    /// Whether the peer's own use of the store is the reason, so that nobody is
    /// rescued from it.
    pub own_doing: bool,
}

impl<S: Into<String>> From<S> for Refusal {
    fn from(sentence: S) -> Self {
        Self { sentence: sentence.into(), own_doing: false }
    }
}

/// The log.
#[derive(Debug, Default)]
pub struct Log {
    /// Lines of each user, and since when they are counted.
    lines: Mutex<HashMap<u32, (Instant, u32)>>,
}

impl Log {
    /// A line.
    pub fn say(&self, text: &str) {
        // One write: lines of several threads stay whole.
        let line = format!("hrec collect: {}\n", safe_text(text));
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    /// A line that a user brought about.
    pub fn say_of(&self, uid: u32, text: &str) {
        let count = {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.retain(|_, (since, _)| since.elapsed() < WINDOW);
            let (_, count) = lines.entry(uid).or_insert((Instant::now(), 0));
            *count = count.saturating_add(1);
            *count
        };
        match count {
            ..LINES => self.say(text),
            LINES => self.say(&format!("{text}; no more lines of uid {uid} for a minute")),
            _ => {}
        }
    }

    /// Tells a peer that it is refused, and the log, with the same reference.
    pub fn refuse(&self, stream: &UnixStream, peer: &Peer, what: &str, refusal: &Refusal) {
        let reference = reference();
        let (uid, pid) = (peer.uid, peer.process.pid);
        self.say_of(
            uid,
            &format!("[{reference}] refused {what} of uid {uid}, pid {pid}: {}", refusal.sentence),
        );
        let refused =
            Refused { sentence: refusal.sentence.clone(), reference, own_doing: refusal.own_doing };
        let _ = wire::write(&mut &*stream, kind::REFUSED, &refused);
    }
}

/// What a person can read out and an administrator can find again.
fn reference() -> String {
    BASE32_NOPAD.encode(&rand::random::<[u8; 5]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_short_and_another_each_time() {
        let (one, other) = (reference(), reference());
        assert_eq!(one.len(), 8);
        assert_ne!(one, other);
    }
}
