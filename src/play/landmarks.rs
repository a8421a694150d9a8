//! What there is to go to in a recording, and how much happens when.
//!
//! Refuses to know keys and screens. The invariant: it is in the order of the
//! recording, with the person's own markers among what was recorded; and a
//! list that is not complete yet says so.

use jiff::Timestamp;

use super::notes::Notes;
use crate::event::Micros;
use crate::recording::Result;
use crate::timeline::scan::{Item, Kind, Scan};
use crate::timeline::{Timeline, Wake};

/// A command that is entered is echoed this soon (µs), even far away.
const ECHO: Micros = 1_000_000;

/// What the scan of a recording has found, and the person's markers.
#[derive(Default)]
pub struct Landmarks {
    scan: Option<Scan>,
    /// In the order of the recording.
    items: Vec<Item>,
    /// When commands and statements were entered, in order.
    entered: Vec<Micros>,
    scanned: f64,
    done: bool,
    error: Option<String>,
}

/// Something to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landmark {
    /// When.
    pub time: Micros,
    /// How many events have happened then; a person's marker is between two.
    pub event: Option<u64>,
    /// What it is.
    pub sort: Sort,
    /// What it says. It is hostile text.
    pub text: String,
}

/// What a [`Landmark`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// It was recorded.
    Recorded(Kind),
    /// The person's own marker.
    Note,
}

impl Sort {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded(Kind::Command) => "command",
            Self::Recorded(Kind::Typed) => "typed",
            Self::Recorded(Kind::Statement) => "statement",
            Self::Recorded(Kind::Marker) => "marker",
            Self::Recorded(Kind::Alert) => "ALERT",
            Self::Recorded(Kind::Transfer) => "transfer",
            Self::Recorded(Kind::Resize) => "resize",
            Self::Note => "own mark",
        }
    }
}

/// What a person wants to step through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stops {
    /// Markers, recorded and own.
    Markers,
    /// Typed lines.
    Typed,
    /// Commands and statements, and typed lines that are neither.
    Commands,
}

impl Stops {
    /// The words for them.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Markers => "marker",
            Self::Typed => "typed line",
            Self::Commands => "command",
        }
    }
}

impl Landmarks {
    /// Begins to look for them, in a thread of its own.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn start(&mut self, timeline: &Timeline, wake: Wake) -> Result<()> {
        self.scan = Some(Scan::start(timeline, wake)?);
        Ok(())
    }

    /// Looks at what was recorded since, too.
    pub fn extend(&mut self, timeline: &Timeline) {
        if let Some(scan) = self.scan.as_ref().filter(|_| self.done) {
            scan.extend(timeline);
            self.done = false;
        }
    }

    /// Takes what was found since; whether there is anything.
    pub fn poll(&mut self) -> bool {
        let Some(scan) = self.scan.as_mut().filter(|_| !self.done) else { return false };
        let progress = scan.poll();
        let changed = !progress.items.is_empty()
            || progress.done != self.done
            || progress.scanned > self.scanned;
        if !progress.items.is_empty() {
            self.items.extend(progress.items);
            self.sort();
        }
        self.scanned = progress.scanned;
        self.done = progress.done;
        self.error = progress.error;
        changed
    }

    fn sort(&mut self) {
        // It is nearly sorted: typed lines come a little late.
        self.items.sort_by_key(|item| (item.event, item.time));
        let is_command = |item: &&Item| matches!(item.kind, Kind::Command | Kind::Statement);
        self.entered = self.items.iter().filter(is_command).map(|item| item.time).collect();
    }

    /// Whether this typed line is one of the commands: they were entered with
    /// the same key.
    fn is_told(&self, item: &Item) -> bool {
        let at = self.entered.partition_point(|time| *time < item.time);
        let echo = self.entered.get(at).and_then(|time| time.checked_sub(item.time));
        item.kind == Kind::Typed && echo.is_some_and(|echo| echo <= ECHO)
    }

    /// How much of the recording was looked at, 0 to 1; `None` when all was.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        (!self.done && self.scan.is_some()).then_some(self.scanned)
    }

    /// The recording's length as far as it was looked at.
    #[must_use]
    pub fn length(&self) -> Micros {
        self.scan.as_ref().map_or(0, Scan::length)
    }

    /// What the clock on the wall showed, where that was noted.
    #[must_use]
    pub fn clocks(&self) -> Vec<(Micros, Timestamp)> {
        self.scan.as_ref().map(Scan::clocks).unwrap_or_default()
    }

    /// Why not all of it could be.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// What was recorded.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// All of them, with the person's own. The lines that commands were typed
    /// as say nothing new.
    #[must_use]
    pub fn all(&self, notes: &Notes) -> Vec<Landmark> {
        let recorded = self.items.iter().filter(|item| !self.is_told(item)).map(recorded);
        let mut all: Vec<Landmark> = recorded.chain(own(notes)).collect();
        all.sort_by_key(|one| one.time);
        all
    }

    /// The next one after `here`, a time and the number of events that have
    /// happened then.
    #[must_use]
    pub fn next(&self, notes: &Notes, stops: Stops, here: (Micros, u64)) -> Option<Landmark> {
        let start = self.items.partition_point(|item| item.event <= here.1);
        let later = self.items.get(start..).unwrap_or_default();
        let found = later.iter().find(|item| self.is_stop(stops, item)).map(recorded);
        let noted = own(notes).find(|note| stops == Stops::Markers && note.time > here.0);
        found.into_iter().chain(noted).min_by_key(|one| one.time)
    }

    /// The last one before `here`.
    #[must_use]
    pub fn previous(&self, notes: &Notes, stops: Stops, here: (Micros, u64)) -> Option<Landmark> {
        let end = self.items.partition_point(|item| item.event < here.1 && item.time <= here.0);
        let earlier = self.items.get(..end).unwrap_or_default();
        let found = earlier.iter().rev().find(|item| self.is_stop(stops, item)).map(recorded);
        let noted = own(notes).filter(|note| stops == Stops::Markers && note.time < here.0).last();
        found.into_iter().chain(noted).max_by_key(|one| one.time)
    }

    fn is_stop(&self, stops: Stops, item: &Item) -> bool {
        match (stops, item.kind) {
            (Stops::Markers, kind) => kind == Kind::Marker,
            (Stops::Typed, kind) => kind == Kind::Typed,
            (Stops::Commands, Kind::Command | Kind::Statement) => true,
            (Stops::Commands, kind) => kind == Kind::Typed && !self.is_told(item),
        }
    }

    /// Bytes of output in each of `count` equal stretches of a recording that
    /// is so long.
    #[must_use]
    pub fn activity(&self, count: usize, length: Micros) -> Vec<u64> {
        self.scan.as_ref().map(|scan| scan.activity(count, length)).unwrap_or_default()
    }
}

fn recorded(item: &Item) -> Landmark {
    Landmark {
        time: item.time,
        event: Some(item.event),
        sort: Sort::Recorded(item.kind),
        text: item.text.clone(),
    }
}

fn own(notes: &Notes) -> impl Iterator<Item = Landmark> {
    notes.markers().iter().map(|marker| Landmark {
        time: marker.at_us,
        event: None,
        sort: Sort::Note,
        text: marker.label.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;

    fn landmarks(list: &[(Micros, u64, Kind)]) -> Landmarks {
        let item = |&(time, event, kind): &(Micros, u64, Kind)| Item {
            time,
            event,
            kind,
            text: format!("{event}"),
        };
        let items: Vec<Item> = list.iter().map(item).collect();
        let mut landmarks = Landmarks { items, done: true, ..Landmarks::default() };
        landmarks.sort();
        landmarks
    }

    #[test]
    fn one_after_the_other() {
        let landmarks = landmarks(&[
            (10 * SECOND, 1, Kind::Typed),
            (10 * SECOND, 2, Kind::Marker),
            (20 * SECOND, 3, Kind::Statement),
            (30 * SECOND, 4, Kind::Marker),
        ]);
        let mut notes = Notes::none();
        notes.set(25 * SECOND, "mine").unwrap();
        let next = |stops, here| landmarks.next(&notes, stops, here).map(|one| one.text);
        let previous = |stops, here| landmarks.previous(&notes, stops, here).map(|one| one.text);
        assert_eq!(next(Stops::Markers, (0, 0)).as_deref(), Some("2"));
        assert_eq!(next(Stops::Markers, (10 * SECOND, 2)).as_deref(), Some("mine"));
        assert_eq!(next(Stops::Markers, (25 * SECOND, 3)).as_deref(), Some("4"));
        assert_eq!(next(Stops::Markers, (30 * SECOND, 4)), None);
        assert_eq!(previous(Stops::Markers, (30 * SECOND, 4)).as_deref(), Some("mine"));
        assert_eq!(previous(Stops::Markers, (25 * SECOND, 3)).as_deref(), Some("2"));
        assert_eq!(previous(Stops::Markers, (10 * SECOND, 2)), None);
        // A shell that marks nothing.
        assert_eq!(next(Stops::Commands, (0, 0)).as_deref(), Some("1"));
        assert_eq!(next(Stops::Commands, (10 * SECOND, 1)).as_deref(), Some("3"));
        assert_eq!(previous(Stops::Typed, (30 * SECOND, 9)).as_deref(), Some("1"));
        let texts: Vec<String> = landmarks.all(&notes).into_iter().map(|one| one.text).collect();
        assert_eq!(texts, ["1", "2", "3", "mine", "4"]);
    }

    #[test]
    fn a_command_and_the_line_it_was_typed_as_are_one() {
        let landmarks = landmarks(&[
            (11 * SECOND, 12, Kind::Typed),
            (2 * SECOND, 2, Kind::Command),
            (SECOND + 1, 1, Kind::Typed),
            (4 * SECOND, 5, Kind::Typed),
        ]);
        let notes = Notes::none();
        let times = |stops| {
            let mut here = (0, 0);
            std::iter::from_fn(|| {
                let next = landmarks.next(&notes, stops, here)?;
                here = (next.time, next.event?);
                Some(next.time)
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(times(Stops::Commands), [2 * SECOND, 4 * SECOND, 11 * SECOND]);
        assert_eq!(times(Stops::Typed), [SECOND + 1, 4 * SECOND, 11 * SECOND]);
        assert_eq!(landmarks.all(&notes).len(), 3);
    }
}
