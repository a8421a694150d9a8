//! Places in a recording, and reading from one.
//!
//! Refuses to know screens. The invariant: an event that is read from a place
//! has the time and number that it has when everything is read.

use super::streams::{Converter, LineEnds};
use crate::event::{Event, Micros};
use crate::format::asciicast::{Place, Version};
use crate::recording::{Anchor, Recording, Result, Source};
use crate::screen::Position;

/// A place in a recording, between two events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// The last event's time.
    pub(super) time: Micros,
    /// How many events are before.
    pub(super) event: u64,
    pub(super) place: Place,
    pub(super) streams: Converter,
}

impl Spot {
    /// Before the first event.
    pub(super) fn start(source: &Source) -> Self {
        let streams = Converter::new(LineEnds::Terminal);
        Self { time: 0, event: 0, place: source.start(), streams }
    }

    /// At an anchor. In a session without a PTY there are none with a keyframe;
    /// what its streams' last bytes were, those without do not know.
    pub(super) fn at(anchor: &Anchor) -> Self {
        let mark = anchor.mark;
        Self {
            time: mark.time,
            event: mark.event,
            // An event is a line, or two; the header is one.
            place: Place::new(mark.text, mark.event + 1, mark.time),
            streams: Converter::new(LineEnds::Terminal),
        }
    }

    pub(super) fn position(&self) -> Position {
        Position { time: self.time, text: self.place.text(), event: self.event }
    }

    /// Reads what comes after.
    pub(super) fn read(&self, source: &Source) -> Result<Recording> {
        self.begin(source, source.events(self.place)?)
    }

    /// The same, when it is much.
    pub(super) fn read_much(&self, source: &Source) -> Result<Recording> {
        self.begin(source, source.many_events(self.place)?)
    }

    fn begin(&self, source: &Source, mut recording: Recording) -> Result<Recording> {
        // One that cannot be begun in the middle.
        if source.version() == Version::V1 {
            for _ in 0..self.event {
                recording.next_event()?;
            }
        }
        Ok(recording)
    }
}

/// Events of a recording, each with its number from 0.
#[derive(Debug)]
pub struct Events {
    recording: Recording,
    streams: Converter,
    number: u64,
    from: Micros,
}

impl Events {
    /// Those after `spot` and not before `from`.
    pub(super) fn new(source: &Source, spot: &Spot, from: Micros) -> Result<Self> {
        let recording = spot.read(source)?;
        Ok(Self { recording, streams: spot.streams, number: spot.event, from })
    }

    /// As [`Recording::remarks`].
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        self.recording.remarks()
    }

    /// As [`Recording::named_remarks`].
    #[must_use]
    pub fn named_remarks(&self) -> Vec<String> {
        self.recording.named_remarks()
    }

    /// As [`Recording::is_damaged`].
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.recording.is_damaged()
    }
}

impl Iterator for Events {
    type Item = Result<(u64, Event)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let event = match self.recording.next_event() {
                Ok(event) => self.streams.convert(event?),
                Err(error) => return Some(Err(error)),
            };
            let number = self.number;
            self.number += 1;
            if event.time >= self.from {
                return Some(Ok((number, event)));
            }
        }
    }
}
