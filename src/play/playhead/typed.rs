//! The keys that were typed lately.
//!
//! Refuses to know how they are shown. The invariant: what was masked is known
//! to have been typed, and nothing else of it.

use super::Playhead;
use crate::event::{Data, Event, Micros};
use crate::recording::Result;

/// Typed keys that are remembered for display.
const TYPED: usize = 40;
/// So far back they are looked for (µs); where too much happened in that time,
/// less far.
const RECALL: [Micros; 3] = [10_000_000, 1_000_000, 100_000];
/// That is too much, in bytes: reading it takes some 10 ms.
const RECALLED: usize = 2 << 20;

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
        for back in RECALL {
            self.typed.clear();
            if self.recall(back)? {
                return Ok(());
            }
        }
        // What was typed is far behind by now.
        self.typed.clear();
        Ok(())
    }

    /// Looks so far back; whether it came to this place again.
    fn recall(&mut self, back: Micros) -> Result<bool> {
        let here = self.timeline.position();
        let mut read = 0;
        for event in self.timeline.events(here.time.saturating_sub(back))? {
            let (number, event) = event?;
            if number >= here.event {
                break;
            }
            read += match &event.data {
                Data::Output(bytes) | Data::Input(bytes) => bytes.len() + 64,
                _ => 64,
            };
            if read > RECALLED {
                return Ok(false);
            }
            self.note(Some(&event));
        }
        Ok(true)
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
