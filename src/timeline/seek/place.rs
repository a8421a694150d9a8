//! Stopping in the middle of an event: at a match that is gone at its end.
//!
//! Refuses to know searches. The invariant: until the event happens, it counts
//! as one that has not; whoever goes elsewhere comes by a state of its own.

use super::Timeline;
use crate::event::{Data, Event};
use crate::recording::Result;
use crate::screen::Model;
use crate::timeline::search::Match;
use crate::timeline::spot::Spot;

impl Timeline {
    /// Goes to a match: to where what was searched for is on the screen, if need
    /// be in the middle of an event.
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn seek_place(&mut self, place: &Match) -> Result<&Model> {
        self.seek_event(place.event)?;
        self.fetch()?;
        let offset = usize::try_from(place.offset).unwrap_or(usize::MAX);
        if let Some((Event { data: Data::Output(bytes), time }, after)) = &self.next
            && let Some(part) = bytes.get(..offset).filter(|part| !part.is_empty())
        {
            if offset == bytes.len() {
                return self.seek_event(after.event);
            }
            self.model.event(&Event { time: *time, data: Data::Output(part.to_vec()) });
            self.inside = offset;
        }
        Ok(&self.model)
    }

    /// Lets the event that the timeline is inside happen, if it is to; `false`
    /// if it is not, so that the state here must be come by anew.
    pub(super) fn leave(&mut self, there: impl Fn(&Spot, &Event) -> bool) -> Result<bool> {
        if self.inside == 0 {
            return Ok(true);
        }
        let stays = self.next.as_ref().is_none_or(|(next, _)| there(&self.here, next));
        if !stays {
            if self.rest() > super::step::MUCH {
                // Beginning it anew is cheaper than drawing it to its end.
                self.seek_event(self.here.event)?;
            }
            self.step()?;
        }
        Ok(!stays)
    }
}
