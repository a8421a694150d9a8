//! Going elsewhere in a recording.
//!
//! Refuses to know who wants to. The invariant: a turn goes some of the way,
//! and until it has arrived, what is seen is what was seen before.

use super::Playhead;
use crate::event::Micros;
use crate::recording::{Result, State};
use crate::timeline::search::Match;

/// Bytes of text that are passed in a turn on the way to somewhere else, which
/// is cheaper than playing them.
const PASS: u64 = 2 << 20;
/// Where it is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    Time(Micros),
    /// Where so many events have happened.
    Event(u64),
    /// Where something stands that was searched for.
    Place(Match),
    End,
}

impl Playhead {
    /// Goes to `time`, in as many turns as that takes. It goes on playing if it
    /// did, or followed.
    pub fn go(&mut self, time: Micros) {
        self.set_out(Goal::Time(time));
        self.playing |= std::mem::take(&mut self.following);
    }

    /// Goes to where `count` events have happened.
    pub fn go_event(&mut self, count: u64) {
        self.set_out(Goal::Event(count));
        self.playing |= std::mem::take(&mut self.following);
    }

    /// Goes to where something stands that was searched for, and pauses.
    pub fn go_place(&mut self, place: Match) {
        self.set_out(Goal::Place(place));
        self.pause();
    }

    /// Goes to the end, and stays there: with what is still being made, it
    /// follows.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn go_end(&mut self) -> Result<()> {
        self.set_out(Goal::End);
        self.playing = false;
        self.following = self.timeline.refresh()? == State::Live;
        Ok(())
    }

    fn set_out(&mut self, goal: Goal) {
        self.goal = Some(goal);
        self.typed.clear();
    }

    /// Whether all of the way was gone, or some of it.
    pub(super) fn approach(&mut self, goal: Goal) -> Result<bool> {
        let there = match goal {
            Goal::Time(time) => self.timeline.approach(time, PASS)?,
            Goal::End => self.timeline.approach(Micros::MAX, PASS)?,
            Goal::Event(count) => self.timeline.approach_event(count, PASS)?,
            Goal::Place(place) => {
                let there = self.timeline.approach_event(place.event, PASS)?;
                if there {
                    self.timeline.seek_place(&place)?;
                }
                there
            }
        };
        if there {
            self.goal = None;
            self.at = self.timeline.position().time;
            if let Goal::Time(time) = goal
                && self.timeline.peek()?.is_some()
            {
                self.at = self.at.max(time);
            }
        }
        Ok(there)
    }
}
