//! What there is to go to in a recording, and how much happens when.
//!
//! Refuses to know keys and screens. The invariant: it is in the order of the
//! recording, with the person's own markers among what was recorded; and a
//! list that is not complete yet says so.

use super::notes::Notes;
use crate::event::Micros;
use crate::recording::Result;
use crate::timeline::scan::{Item, Kind, Scan};
use crate::timeline::{Timeline, Wake};

/// What the scan of a recording has found, and the person's markers.
#[derive(Default)]
pub struct Landmarks {
    scan: Option<Scan>,
    items: Vec<Item>,
    /// The shell marks its commands.
    marked: bool,
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
    /// Commands and statements; typed lines where a shell marks nothing.
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
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn extend(&mut self, timeline: &Timeline) -> Result<()> {
        if let Some(scan) = self.scan.as_mut().filter(|_| self.done) {
            scan.extend(timeline)?;
            self.items.clear();
            self.scanned = 0.0;
            self.done = false;
        }
        Ok(())
    }

    /// Takes what was found since; whether there is anything.
    pub fn poll(&mut self) -> bool {
        let Some(scan) = self.scan.as_mut().filter(|_| !self.done) else { return false };
        let progress = scan.poll();
        self.marked |= progress.items.iter().any(|item| item.kind == Kind::Command);
        let changed = !progress.items.is_empty()
            || progress.done != self.done
            || progress.scanned > self.scanned;
        self.items.extend(progress.items);
        self.scanned = progress.scanned;
        self.done = progress.done;
        self.error = progress.error;
        changed
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

    /// All of them, with the person's own. Where a shell marks its commands,
    /// the lines that they were typed as say nothing new.
    #[must_use]
    pub fn all(&self, notes: &Notes) -> Vec<Landmark> {
        let told = |item: &&Item| !self.marked || item.kind != Kind::Typed;
        let recorded = self.items.iter().filter(told).map(recorded);
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
            (Stops::Commands, kind) => kind == Kind::Typed && !self.marked,
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

    fn landmarks(list: &[(Micros, u64, Kind)]) -> Landmarks {
        let item = |&(time, event, kind): &(Micros, u64, Kind)| Item {
            time,
            event,
            kind,
            text: format!("{event}"),
        };
        let items: Vec<Item> = list.iter().map(item).collect();
        let marked = items.iter().any(|item| item.kind == Kind::Command);
        Landmarks { items, marked, done: true, ..Landmarks::default() }
    }

    #[test]
    fn one_after_the_other() {
        let landmarks = landmarks(&[
            (10, 1, Kind::Typed),
            (10, 2, Kind::Marker),
            (20, 3, Kind::Statement),
            (30, 4, Kind::Marker),
        ]);
        let mut notes = Notes::none();
        notes.set(25, "mine").unwrap();
        let next = |stops, here| landmarks.next(&notes, stops, here).map(|one| one.text);
        let previous = |stops, here| landmarks.previous(&notes, stops, here).map(|one| one.text);
        assert_eq!(next(Stops::Markers, (0, 0)).as_deref(), Some("2"));
        assert_eq!(next(Stops::Markers, (10, 2)).as_deref(), Some("mine"));
        assert_eq!(next(Stops::Markers, (25, 3)).as_deref(), Some("4"));
        assert_eq!(next(Stops::Markers, (30, 4)), None);
        assert_eq!(previous(Stops::Markers, (30, 4)).as_deref(), Some("mine"));
        assert_eq!(previous(Stops::Markers, (25, 3)).as_deref(), Some("2"));
        assert_eq!(previous(Stops::Markers, (10, 2)), None);
        // A shell that marks nothing.
        assert_eq!(next(Stops::Commands, (0, 0)).as_deref(), Some("1"));
        assert_eq!(next(Stops::Commands, (10, 1)).as_deref(), Some("3"));
        assert_eq!(previous(Stops::Typed, (30, 9)).as_deref(), Some("1"));
        let texts: Vec<String> = landmarks.all(&notes).into_iter().map(|one| one.text).collect();
        assert_eq!(texts, ["1", "2", "3", "mine", "4"]);
    }

    #[test]
    fn where_the_shell_marks_commands_a_typed_line_is_none() {
        let landmarks = landmarks(&[(1, 1, Kind::Typed), (2, 2, Kind::Command)]);
        let next = landmarks.next(&Notes::none(), Stops::Commands, (0, 0));
        assert_eq!(next.map(|one| one.time), Some(2));
    }
}
