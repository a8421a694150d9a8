//! What happened in a recording, as a list to jump by; and when how much.
//!
//! Refuses to know who asks. The invariant: items are in the order of their
//! events, and each stands where one sees what it says.

mod activity;
mod items;

use std::time::Duration;

pub use self::activity::Stretch;
use self::items::Part;
use super::Timeline;
use super::sweep::{Segment, Sweep, Wake};
use crate::event::Micros;
use crate::recording::Result;

/// What kind of thing an [`Item`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A command line that the shell marked (OSC 133), or one that stands
    /// behind a prompt where nothing says what was typed.
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
    /// Items that are new since the last time, in their order.
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
        let sweep = Sweep::start(source, segments, 0, Some(1), wake, items::scan);
        Ok(Self { sweep, given: 0 })
    }

    /// Reads what has been recorded since, too: all again, so that items are
    /// given again from the first.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn extend(&mut self, timeline: &Timeline) -> Result<()> {
        let source = timeline.source().clone();
        let segments = Segment::whole(&source);
        self.given = 0;
        self.sweep.extend(source, segments);
        Ok(())
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

/// Whether `c` stops at this item: a command or statement, or, in a recording
/// whose shell marks none, a typed line.
#[must_use]
pub fn is_command(items: &[Item], item: &Item) -> bool {
    match item.kind {
        Kind::Command | Kind::Statement => true,
        Kind::Typed => !items.iter().any(|one| one.kind == Kind::Command),
        _ => false,
    }
}
