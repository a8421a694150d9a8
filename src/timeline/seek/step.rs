//! One event on, or back.
//!
//! Refuses to know times. The invariant: after a step the state is that of
//! playing up to there.

use super::Timeline;
use crate::event::{Data, Event};
use crate::recording::Result;
use crate::screen::Keyframer;

/// A state is kept so many events before one that was stepped back to, so that
/// the next step back is as cheap.
const NEAR: u64 = 64;
/// More output than this in one event (bytes) is passed, as a seek passes it, and
/// not drawn: of 30 MB that takes a tenth of a second, not one.
pub(super) const MUCH: usize = 1 << 20;

impl Timeline {
    /// Lets the next event happen.
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn step(&mut self) -> Result<Option<Event>> {
        if self.passing.is_some() {
            self.seek_event(self.here.event)?;
        }
        self.fetch()?;
        // Of very much output the end is what is seen.
        if self.inside == 0
            && self.rest() > MUCH
            && let Some(keyframe) = self.model.keyframe(self.position())
        {
            self.passing = Some(Box::new(Keyframer::resume(&keyframe)));
        }
        let event = self.happen();
        self.checkpoint();
        if !self.settle() {
            self.seek_event(self.here.event)?;
        }
        Ok(event)
    }

    /// The same, but of output no more than `most` bytes, so that it is over
    /// soon. The event is given when that was the last of it.
    ///
    /// # Errors
    /// As [`Timeline::step`].
    pub fn step_some(&mut self, most: usize) -> Result<Option<Event>> {
        if self.passing.is_some() {
            self.seek_event(self.here.event)?;
        }
        self.fetch()?;
        if self.rest() <= most {
            let event = self.happen();
            self.checkpoint();
            return Ok(event);
        }
        if let Some((Event { time, data: Data::Output(bytes) }, _)) = &self.next {
            let end = self.inside + most;
            let piece = bytes.get(self.inside..end).unwrap_or_default().to_vec();
            self.inside = end;
            self.model.event(&Event { time: *time, data: Data::Output(piece) });
        }
        Ok(None)
    }

    /// Bytes of the next event's output that are yet to be drawn.
    pub(super) fn rest(&self) -> usize {
        match &self.next {
            Some((Event { data: Data::Output(bytes), .. }, _)) => bytes.len() - self.inside,
            _ => 0,
        }
    }

    /// Goes back before the last event, or the one it is inside; `false` at the
    /// start.
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn step_back(&mut self) -> Result<bool> {
        if self.inside > 0 {
            self.seek_event(self.here.event)?;
            return Ok(true);
        }
        let Some(count) = self.here.event.checked_sub(1) else { return Ok(false) };
        let near = count.saturating_sub(NEAR);
        let known = self.checkpoints.last(|spot| spot.event <= count);
        if known.map_or(0, |(spot, _)| spot.event) + 2 * NEAR < count {
            self.seek_event(near)?;
            if let Some(keyframe) = self.model.keyframe(self.position()) {
                self.checkpoints.keep_near(self.here, &keyframe);
            }
        }
        self.seek_event(count)?;
        Ok(true)
    }
}
