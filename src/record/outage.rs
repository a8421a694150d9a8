//! A stretch of a session in which the store refuses.
//!
//! Its invariant: once something has been lost everything is, up to the `gap`
//! that tells of it, so that a recording never has a hole that it does not
//! mention.

use super::queue::{Item, Kind};
use crate::event::{Fact, Micros, TermSize};

/// How often the store is tried again.
const RETRY: Micros = 1_000_000;

/// Since the first failure.
#[derive(Debug)]
pub struct Outage {
    reason: String,
    from: Micros,
    losing: bool,
    bytes: u64,
    /// The last size that was lost: the terminal has it still afterwards.
    size: Option<TermSize>,
    /// When the store is to be tried again.
    pub retry: Micros,
}

impl Outage {
    /// The store failed.
    #[must_use]
    pub fn begin(reason: String, now: Micros) -> Self {
        let retry = now.saturating_add(RETRY);
        Self { reason, from: now, losing: false, bytes: 0, size: None, retry }
    }

    /// It failed again.
    pub fn again(&mut self, reason: String, now: Micros) {
        self.reason = reason;
        if now >= self.retry {
            self.retry = now.saturating_add(RETRY);
        }
    }

    /// Whether this event, of `bytes` bytes, is lost: because `full` says that
    /// nothing more can wait in memory, or because others were before it.
    pub fn loses(&mut self, full: bool, item: &Item, bytes: usize) -> bool {
        if full && !self.losing {
            self.losing = true;
            self.from = item.time;
        }
        if self.losing {
            self.bytes += bytes as u64;
            if let Kind::Resize(size) = item.kind {
                self.size = Some(size);
            }
        }
        self.losing
    }

    /// Whether events are being lost.
    #[must_use]
    pub fn is_losing(&self) -> bool {
        self.losing
    }

    /// The size to be set after it.
    #[must_use]
    pub fn size(&self) -> Option<TermSize> {
        self.size
    }

    /// What the recording says of it. Without lost bytes: the store refused for
    /// that time, and everything came through in the end.
    #[must_use]
    pub fn fact(&self, now: Micros) -> Fact {
        Fact::new("gap")
            .with("reason", self.reason.clone())
            .with("bytes", self.bytes)
            .with("from_us", self.from)
            .with("to_us", now)
    }
}
