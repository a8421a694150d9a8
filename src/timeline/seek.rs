//! The state of a recording's terminal at any time.
//!
//! Refuses to know who watches. The invariant: wherever it stands and however it
//! came there, the state is the one that playing everything up to there gives;
//! and memory does not grow with the recording.

mod known;
mod place;
mod step;

use std::path::Path;

use super::checkpoints::Checkpoints;
use super::scrollback::Scrollback;
use super::spot::{Events, Spot};
use crate::event::{Data, Event, Header, Micros};
use crate::format::asciicast::Version;
use crate::format::cipher::Identities;
use crate::recording::{Recording, Result, Source, State};
use crate::screen::{Keyframer, Model, Position};

/// So much text is played through the terminal model without further thought:
/// it takes 2 ms, about what looking for a nearer place does.
const SHORT: u64 = 128 << 10;

/// A recording, its screen at one place in it, and the way to any other.
///
/// What a session without a PTY wrote to descriptors 1 and 2 is output here.
pub struct Timeline {
    source: Source,
    /// Reads what comes after `next`, or after `here`.
    reader: Option<Recording>,
    /// The next event, and the place after it.
    next: Option<(Event, Spot)>,
    here: Spot,
    /// How many bytes of the next event's output the model was fed.
    inside: usize,
    /// At `here`, unless that is being passed.
    model: Model,
    /// On the way somewhere: most of what is printed need not be drawn.
    passing: Option<Box<Keyframer>>,
    checkpoints: Checkpoints,
    pub(super) scrollback: Scrollback,
    /// Where the state was known that `here` was come to from.
    from: u64,
    /// The end, as far as it was looked for.
    end: Spot,
    ended: bool,
    damaged: bool,
    remarks: Vec<String>,
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timeline").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Timeline {
    /// Opens the recording at `path`, whatever its state, at its start: before
    /// its first event, with a blank screen.
    ///
    /// # Errors
    /// When it cannot be read, is no recording, or no identity opens it.
    pub fn open(path: &Path, identities: &Identities) -> Result<Self> {
        Source::open(path, identities).map(Self::new)
    }

    /// A timeline of this recording.
    #[must_use]
    pub fn new(source: Source) -> Self {
        let here = Spot::start(&source);
        let model = Model::new(source.header().size);
        Self {
            source,
            reader: None,
            next: None,
            here,
            inside: 0,
            model,
            passing: None,
            checkpoints: Checkpoints::default(),
            scrollback: Scrollback::default(),
            from: 0,
            end: here,
            ended: false,
            damaged: false,
            remarks: Vec::new(),
        }
    }

    /// What the recording says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.source.header()
    }

    /// The state of its files.
    #[must_use]
    pub fn state(&self) -> State {
        self.source.state()
    }

    /// The version of asciicast it is in.
    #[must_use]
    pub fn version(&self) -> Version {
        self.source.version()
    }

    /// Where the timeline stands: the time of the last event that happened, and
    /// how many did. [`Timeline::inside`] the next one, it is that one's time.
    #[must_use]
    pub fn position(&self) -> Position {
        let time = match &self.next {
            Some((next, _)) if self.inside > 0 => next.time,
            _ => self.here.time,
        };
        Position { time, ..self.here.position() }
    }

    /// How many bytes of the next event's output are on the screen already: 0,
    /// but after [`Timeline::seek_place`]. Stepping on goes on with the rest.
    #[must_use]
    pub fn inside(&self) -> u64 {
        self.inside as u64
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The screen there.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The time of the recording's last event so far. Where no index says, the
    /// recording is read to its end, once.
    ///
    /// # Errors
    /// When it cannot be read, or was changed.
    pub fn duration(&mut self) -> Result<Micros> {
        if let Some(end) = self.source.end() {
            return Ok(end.time);
        }
        if !self.ended {
            let anchor = self.source.anchors()?.last().map(Spot::at);
            let mut end = anchor.filter(|last| last.event > self.end.event).unwrap_or(self.end);
            let mut events = end.read(&self.source)?;
            while let Some(event) = events.next_event()? {
                end.time = event.time;
                end.event += 1;
                end.place = events.place();
            }
            self.note(&events);
            self.end = end;
            self.ended = true;
        }
        Ok(self.end.time)
    }

    /// Goes to `time`: every event up to it, those at this very time too, has
    /// happened.
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn seek(&mut self, time: Micros) -> Result<&Model> {
        self.go(|spot| spot.time <= time, |_, next| next.time > time)
    }

    /// Goes to where `count` events have happened, or to the end.
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn seek_event(&mut self, count: u64) -> Result<&Model> {
        self.go(|spot| spot.event <= count, |here, _| here.event >= count)
    }

    /// Goes towards `time`, through no more than about `most` bytes of the
    /// recording's text; whether it is there. Until it is, the screen is the
    /// one it set out from, and [`Timeline::position`] says how far it came.
    /// Whatever else is asked of it in between, it does.
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn approach(&mut self, time: Micros, most: u64) -> Result<bool> {
        self.go_some(|spot| spot.time <= time, |_, next| next.time > time, most)
    }

    /// As [`Timeline::approach`], to where `count` events have happened.
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn approach_event(&mut self, count: u64, most: u64) -> Result<bool> {
        self.go_some(|spot| spot.event <= count, |here, _| here.event >= count, most)
    }

    /// The time of the last event, where it is known without reading.
    #[must_use]
    pub fn known_duration(&self) -> Option<Micros> {
        let end = self.source.end().map(|end| end.time);
        end.or_else(|| self.ended.then_some(self.end.time))
    }

    /// The event that happens next, if there is one yet. One that the timeline
    /// is [`Timeline::inside`] is given whole.
    ///
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn peek(&mut self) -> Result<Option<&Event>> {
        self.fetch()?;
        Ok(self.next.as_ref().map(|(event, _)| event))
    }

    /// The events from `time` on, without moving.
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn events(&mut self, time: Micros) -> Result<Events> {
        let anchors = self.source.anchors()?;
        // Events at the very time of a mark may lie before it.
        let count = anchors.partition_point(|anchor| anchor.mark.time < time);
        let anchor = anchors.get(..count).and_then(<[_]>::last).map(Spot::at);
        let spot = anchor.unwrap_or_else(|| Spot::start(&self.source));
        Events::new(&self.source, &spot, time)
    }

    /// Looks whether a live recording has grown; returns its state now. At its
    /// end so far, the next event may be there after this.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn refresh(&mut self) -> Result<State> {
        if self.source.state() == State::Live {
            let now = self.source.refresh()?;
            self.ended = false;
            // What was opened of a recording that has ended since may lack its
            // last text: that never stood in the journals which it reads.
            if now != State::Live {
                self.next = None;
            }
            if self.next.is_none() {
                self.reader = None;
            }
        }
        Ok(self.source.state())
    }

    /// Whether something in the middle of what was read so far is no event.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// What was found missing or damaged in what was read so far, a sentence
    /// each.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Goes to where `there` is first true. `before` is true of a place, and of
    /// all places before it, when it is no later than that.
    fn go(
        &mut self,
        before: impl Fn(&Spot) -> bool,
        there: impl Fn(&Spot, &Event) -> bool,
    ) -> Result<&Model> {
        self.go_some(before, there, u64::MAX)?;
        Ok(&self.model)
    }

    /// The same, but no farther than about `most` bytes of the text; whether
    /// that was all of the way.
    fn go_some(
        &mut self,
        before: impl Fn(&Spot) -> bool,
        there: impl Fn(&Spot, &Event) -> bool,
        most: u64,
    ) -> Result<bool> {
        let ahead = before(&self.here) && self.leave(&there)?;
        if ahead && self.passing.is_none() {
            let near = self.here.place.text().saturating_add(SHORT);
            if self.advance(&there, near)? {
                return Ok(true);
            }
        }
        self.jump(&before, ahead)?;
        let arrived = self.advance(&there, self.here.place.text().saturating_add(most));
        if let Ok(false) = arrived {
            return Ok(false);
        }
        if !self.settle() {
            // avt's dump of this one state is not the state. So all of it is
            // drawn, from a state that is.
            self.rewind();
            self.settle();
            self.jump(&before, false)?;
            self.settle();
            self.advance(&there, u64::MAX)?;
        }
        arrived
    }

    /// Begins to pass, at the last place before where the state is known; or,
    /// if `ahead`, where the timeline stands, if that is later. Where it is
    /// passing already it goes on.
    fn jump(&mut self, before: impl Fn(&Spot) -> bool, ahead: bool) -> Result<()> {
        let mut least = ahead.then_some(self.here.event);
        let checkpoint = self.checkpoints.last(&before);
        let checkpoint = checkpoint.filter(|(spot, _)| Some(spot.event) > least);
        least = checkpoint.as_ref().map(|(spot, _)| spot.event).or(least);
        if let Some((spot, keyframe)) = self.stored(&before, least)?.or(checkpoint) {
            self.stand(spot, Keyframer::resume(&keyframe));
        } else if ahead && self.passing.is_some() {
            // Its state is known already.
        } else if ahead {
            let keyframe = self.model.keyframe(self.position());
            self.passing = keyframe.map(|keyframe| Box::new(Keyframer::resume(&keyframe)));
        } else {
            self.rewind();
        }
        Ok(())
    }

    fn rewind(&mut self) {
        let size = self.source.header().size;
        self.model = Model::new(size);
        self.stand(Spot::start(&self.source), Keyframer::new(size));
    }

    fn stand(&mut self, spot: Spot, keyframer: Keyframer) {
        self.passing = Some(Box::new(keyframer));
        self.here = spot;
        self.inside = 0;
        self.from = spot.place.text();
        self.next = None;
        self.reader = None;
    }

    /// Lets events happen until the next one is not to; `false` when byte
    /// `most` of the text came first.
    fn advance(&mut self, there: impl Fn(&Spot, &Event) -> bool, most: u64) -> Result<bool> {
        loop {
            self.fetch()?;
            match &self.next {
                Some((next, _)) if !there(&self.here, next) => {}
                _ => return Ok(true),
            }
            if self.here.place.text() >= most {
                return Ok(false);
            }
            self.happen();
            self.checkpoint();
        }
    }

    /// Draws what was passed; whether that is exact.
    fn settle(&mut self) -> bool {
        let Some(mut keyframer) = self.passing.take() else { return true };
        let keyframe = keyframer.keyframe(self.here.position());
        if let Some(keyframe) = &keyframe {
            self.model = keyframe.restore();
        }
        keyframe.is_some()
    }

    /// Sees to it that `next` is the next event, if there is one.
    fn fetch(&mut self) -> Result<()> {
        if self.next.is_some() {
            return Ok(());
        }
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.here.read(&self.source)?,
        };
        let next = reader.next_event();
        let place = reader.place();
        if !matches!(next, Ok(Some(_))) {
            self.note(&reader);
        }
        self.reader = Some(reader);
        self.next = next?.map(|event| {
            let mut after = Spot { place, time: event.time, ..self.here };
            after.event += 1;
            (after.streams.convert(event), after)
        });
        Ok(())
    }

    fn happen(&mut self) -> Option<Event> {
        let (event, after) = self.next.take()?;
        let inside = std::mem::take(&mut self.inside);
        match (&mut self.passing, &event.data) {
            (None, Data::Output(bytes)) if inside > 0 => {
                let rest = bytes.get(inside..).unwrap_or_default().to_vec();
                self.model.event(&Event { time: event.time, data: Data::Output(rest) });
            }
            (None, _) => self.model.event(&event),
            (Some(keyframer), Data::Output(bytes)) => keyframer.output(bytes),
            (Some(keyframer), Data::Resize(size)) => keyframer.resize(*size),
            (Some(_), _) => {}
        }
        self.here = after;
        Some(event)
    }

    fn checkpoint(&mut self) {
        if !self.checkpoints.wants(&self.here, self.from) {
            return;
        }
        self.from = self.here.place.text();
        let position = self.here.position();
        let keyframe = match &mut self.passing {
            None => self.model.keyframe(position),
            Some(keyframer) => keyframer.keyframe(position),
        };
        if let Some(keyframe) = keyframe {
            self.checkpoints.keep(self.here, &keyframe);
        }
    }

    fn note(&mut self, recording: &Recording) {
        self.damaged |= recording.is_damaged();
        self.remarks = recording.named_remarks();
    }
}
