//! Lines that had scrolled away, at any moment, however far back.
//!
//! Refuses to know who looks. The invariant: the lines that are given, in
//! their order and with the screen below, are what a terminal that forgets
//! nothing would hold; and memory does not depend on how many there are.
//!
//! Nothing stores them: a stretch from one known state to the next is played
//! again, and its rows are caught as they leave the screen.

use avt::{Line, Observation, Observer};

use super::Timeline;
use super::spot::Spot;
use crate::event::Data;
use crate::recording::Result;
use crate::screen::Model;

/// Rows of a stretch that are held at once: with those before it, some 8 MB
/// in a wide window. Farther back in a stretch it is played again.
const HELD: usize = 2000;

/// A stretch of the recording, and the rows that scrolled away in it.
#[derive(Clone, Copy)]
struct Stretch {
    from: Spot,
    /// How many rows; known once it was played.
    rows: Option<u64>,
}

/// What is known of the rows above one place.
#[derive(Default)]
pub(super) struct Scrollback {
    /// The place: events that happened, and bytes of the next one.
    place: Option<(u64, usize)>,
    /// From the place back.
    stretches: Vec<Stretch>,
    /// Rows of one stretch, the first of them at this number of it.
    held: Option<(usize, u64, Vec<Line>)>,
}

/// Catches rows that leave the screen.
struct Catch {
    count: u64,
    from: u64,
    to: u64,
    rows: std::collections::VecDeque<Line>,
    /// Keep the last ones, whatever their number.
    last: bool,
}

impl Observer for Catch {
    type Output = ();

    fn evicted(&mut self, _: &mut Observation<'_>, line: &Line) {
        let number = self.count;
        self.count += 1;
        if self.last {
            if self.rows.len() == HELD {
                self.rows.pop_front();
            }
            self.rows.push_back(line.clone());
        } else if (self.from..self.to).contains(&number) {
            self.rows.push_back(line.clone());
        }
    }

    fn end(&mut self, _: &mut Observation<'_>) {}
}

impl Timeline {
    /// The row that is `back` rows above the screen's first (0: the one just
    /// above it), as it was when it scrolled away from the primary screen;
    /// `None` when there are not so many.
    ///
    /// The first question at a place, and each that goes far back, plays up to
    /// some megabytes; those near to one that was asked cost nothing.
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn scrolled(&mut self, back: u64) -> Result<Option<Line>> {
        let place = (self.position().event, usize::try_from(self.inside()).unwrap_or(usize::MAX));
        let mut known = std::mem::take(&mut self.scrollback);
        if known.place != Some(place) {
            known = Scrollback { place: Some(place), ..Scrollback::default() };
        }
        let found = self.find_row(&mut known, place, back);
        self.scrollback = known;
        found
    }

    fn find_row(
        &mut self,
        known: &mut Scrollback,
        place: (u64, usize),
        back: u64,
    ) -> Result<Option<Line>> {
        let mut after = 0;
        for index in 0.. {
            if known.stretches.len() <= index {
                let end = known.stretches.last().map_or(place.0, |last| last.from.event);
                // Without anything in it, the one before counts.
                if end == 0 && !(known.stretches.is_empty() && place.1 > 0) {
                    return Ok(None);
                }
                let first = known.stretches.is_empty() && place.1 > 0;
                let from = self.known_before(if first { end + 1 } else { end })?;
                known.stretches.push(Stretch { from, rows: None });
            }
            let rows = self.rows_of(known, index, place)?;
            if back >= after + rows {
                after += rows;
                continue;
            }
            let number = rows - 1 - (back - after);
            if let Some(line) = held(known, index, number) {
                return Ok(Some(line));
            }
            // Some before and some behind it, whichever way one scrolls.
            let from = number.saturating_sub(HELD as u64 / 2);
            let caught = self.play(known, index, place, (from, from + HELD as u64), false)?;
            known.held = Some((index, from, caught.rows.into()));
            return Ok(held(known, index, number));
        }
        Ok(None)
    }

    /// How many rows scrolled away in a stretch; its last ones are held then.
    fn rows_of(
        &mut self,
        known: &mut Scrollback,
        index: usize,
        place: (u64, usize),
    ) -> Result<u64> {
        if let Some(rows) = known.stretches.get(index).and_then(|stretch| stretch.rows) {
            return Ok(rows);
        }
        let caught = self.play(known, index, place, (0, 0), true)?;
        if let Some(stretch) = known.stretches.get_mut(index) {
            stretch.rows = Some(caught.count);
        }
        let from = caught.count - caught.rows.len() as u64;
        known.held = Some((index, from, caught.rows.into()));
        Ok(caught.count)
    }

    /// Plays a stretch, and catches rows `from..to` of it, or the last ones.
    fn play(
        &mut self,
        known: &Scrollback,
        index: usize,
        place: (u64, usize),
        (from, to): (u64, u64),
        last: bool,
    ) -> Result<Catch> {
        let mut caught = Catch { count: 0, from, to, rows: Default::default(), last };
        let Some(stretch) = known.stretches.get(index) else { return Ok(caught) };
        let before = index.checked_sub(1).and_then(|before| known.stretches.get(before));
        let (end, part) = before.map_or(place, |before| (before.from.event, 0));
        let (mut spot, mut model) = self.state_before(&stretch.from)?;
        let mut recording = spot.read(self.source())?;
        while spot.event < stretch.from.event {
            let Some(event) = recording.next_event()? else { return Ok(caught) };
            model.event(&spot.streams.convert(event));
            spot.event += 1;
        }
        while spot.event < end || part > 0 {
            let Some(event) = recording.next_event()? else { break };
            let mut event = spot.streams.convert(event);
            if spot.event == end {
                if let Data::Output(bytes) = &mut event.data {
                    bytes.truncate(part);
                }
                model.event_with(&event, &mut caught);
                break;
            }
            model.event_with(&event, &mut caught);
            spot.event += 1;
        }
        Ok(caught)
    }

    /// The last place before `event` where the state is known.
    fn known_before(&mut self, event: u64) -> Result<Spot> {
        let known = self.known(|spot| spot.event < event)?;
        Ok(known.map_or_else(|| Spot::start(self.source()), |(spot, _)| spot))
    }

    /// The state at a place; or, if it is not known any more, at one before.
    fn state_before(&mut self, spot: &Spot) -> Result<(Spot, Model)> {
        let known = self.known(|one| one.event <= spot.event)?;
        let start = || (Spot::start(self.source()), Model::new(self.header().size));
        Ok(known.map_or_else(start, |(spot, keyframe)| (spot, keyframe.restore())))
    }
}

fn held(known: &Scrollback, index: usize, number: u64) -> Option<Line> {
    let (_, from, rows) = known.held.as_ref().filter(|held| held.0 == index)?;
    rows.get(usize::try_from(number.checked_sub(*from)?).ok()?).cloned()
}
