//! The keys that were typed lately.
//!
//! Refuses to know how they are shown. The invariant: what was masked is known
//! to have been typed, and nothing else of it.

use super::Playhead;
use crate::event::{Data, Event, Micros};
use crate::recording::Result;

/// Typed keys that are remembered for display.
const TYPED: usize = 40;
/// So far back they are looked for (µs), in so many events at most.
const RECALL: Micros = 10_000_000;
const RECALLED: usize = 20_000;

impl Playhead {
    /// What was typed last, with its time; `None` where that was masked.
    pub fn typed(&self) -> impl Iterator<Item = (Micros, Option<&[u8]>)> {
        self.typed.iter().map(|(time, keys)| (*time, keys.as_deref()))
    }

    /// Looks up what was typed last before this place, which a leap here did
    /// not see.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn recall_typed(&mut self) -> Result<()> {
        let here = self.timeline.position();
        self.typed.clear();
        let from = here.time.saturating_sub(RECALL);
        for event in self.timeline.events(from)?.take(RECALLED) {
            let (number, event) = event?;
            if number >= here.event {
                break;
            }
            self.note(Some(&event));
        }
        Ok(())
    }

    pub(super) fn note(&mut self, event: Option<&Event>) {
        let (time, typed) = match event {
            Some(Event { time, data: Data::Input(keys) }) => {
                (*time, Some(keys.iter().copied().take(256).collect()))
            }
            Some(Event { time, data: Data::Fact(fact) }) if fact.kind == "masked" => (*time, None),
            _ => return,
        };
        if self.typed.len() >= TYPED {
            self.typed.pop_front();
        }
        self.typed.push_back((time, typed));
    }
}
