//! What happened in a recording, as a list to jump by; and when how much.
//!
//! Refuses to know who asks. The invariant: each item stands where one sees
//! what it says. But for typed lines, which are known later than they were
//! typed, items come in the order of their events.

mod activity;
mod flood;
mod items;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

pub use self::activity::Stretch;
use self::items::{Carried, Part};
pub use self::items::{MOST_CLOCKS, wall_clock};
use super::Timeline;
use super::sweep::{Segment, Sweep, Task, Wake};
use crate::event::Micros;
use crate::recording::Result;

/// What kind of thing an [`Item`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A command line that the shell marked (OSC 133), or, where it marks none,
    /// one that stood behind a prompt when it was entered.
    Command,
    /// A line that was typed.
    Typed,
    /// An SQL statement.
    Statement,
    /// A marker.
    Marker,
    /// An alert.
    Alert,
    /// A file that was transferred.
    Transfer,
    /// A new size of the terminal.
    Resize,
}

/// Something in a recording that one may want to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// When.
    pub time: Micros,
    /// How many events have happened then.
    pub event: u64,
    /// What it is.
    pub kind: Kind,
    /// What it says. It is hostile text.
    pub text: String,
}

/// How far a scan is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Items that are new since the last time.
    pub items: Vec<Item>,
    /// How much was read, 0 to 1.
    pub scanned: f64,
    /// Nothing more will come.
    pub done: bool,
    /// There are more items than are kept.
    pub limited: bool,
    /// What could not be read.
    pub error: Option<String>,
}

/// A scan that is going on in a thread of its own; dropping it ends it.
pub struct Scan {
    sweep: Sweep<Part>,
    /// Where it goes on in a recording that grows.
    carried: Arc<Carried>,
    given: usize,
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").finish_non_exhaustive()
    }
}

impl Scan {
    /// Begins to read the recording from its start. `wake` is called when
    /// [`Scan::poll`] has something new.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn start(timeline: &Timeline, wake: Wake) -> Result<Self> {
        let source = timeline.source().clone();
        let segments = Segment::whole(&source);
        let carried = Arc::new(Carried::default());
        let kept = Arc::clone(&carried);
        let job = move |task: &Task<'_, Part>| items::scan(task, &kept);
        let sweep = Sweep::start(source, segments, 0, Some(1), wake, job);
        Ok(Self { sweep, carried, given: 0 })
    }

    /// Reads what has been recorded since it came to the end, too. Until then,
    /// and in a recording that no longer grew, it changes nothing.
    pub fn extend(&self, timeline: &Timeline) {
        let from =
            self.carried.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|o| o.at);
        if let Some(from) = from {
            let source = timeline.source().clone();
            let segment = Segment::after(&source, from);
            self.sweep.go_on(source, segment);
        }
    }

    /// What is new. Does not wait.
    pub fn poll(&mut self) -> Progress {
        let mut slots = self.sweep.lock();
        let mut items = Vec::new();
        let mut limited = false;
        for slot in &mut slots.slots {
            slot.news = false;
            items.extend(slot.found.items.get(self.given..).unwrap_or_default().iter().cloned());
            self.given = slot.found.items.len();
            limited |= slot.found.limited;
        }
        let (scanned, done) = slots.progress();
        Progress { items, scanned, done, limited, error: slots.error.clone() }
    }

    /// Waits until there is something new, or `limit` is over.
    pub fn wait(&self, limit: Duration) {
        self.sweep.wait(limit);
    }

    /// All items so far.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        self.part(|part| part.items.clone())
    }

    /// The time of the last event that was read: the recording's length, once
    /// all is.
    #[must_use]
    pub fn length(&self) -> Micros {
        self.part(|part| part.end)
    }

    /// What the clock on the wall showed where somebody noted it: when it was
    /// set, and when the session was stopped and went on.
    #[must_use]
    pub fn clocks(&self) -> Vec<(Micros, Timestamp)> {
        self.part(|part| part.clocks.clone())
    }

    /// Bytes of output in each of `count` equal stretches of `duration`, as far
    /// as it was read.
    #[must_use]
    pub fn activity(&self, count: usize, duration: Micros) -> Vec<u64> {
        self.part(|part| part.activity.parts(count, duration))
    }

    /// Pauses between two events that are longer than `limit` µs, and at least
    /// a second, in their order.
    #[must_use]
    pub fn idle(&self, limit: Micros) -> Vec<Stretch> {
        self.part(|part| part.pauses.longer(limit))
    }

    fn part<T: Default>(&self, look: impl FnOnce(&Part) -> T) -> T {
        self.sweep.lock().slots.first().map(|slot| look(&slot.found)).unwrap_or_default()
    }
}
