//! Looking at what is shown, event by event.
//!
//! Refuses to know threads. The invariant: a match that stood on the screen
//! before an event is not given for that event again.

use avt::parser::Function;
use avt::{Observation, Observer, Operation};

use super::{Match, Query};
use crate::event::{Data, Event, TermSize};
use crate::screen::{Keyframe, Model};

/// Lines that were seen within an event, and where.
#[derive(Default)]
struct Passing {
    at: u64,
    lines: Vec<(u64, String)>,
}

impl Observer for Passing {
    type Output = ();

    fn before(&mut self, context: &mut Observation<'_>, operation: &Operation) {
        if let Operation::Function(Function::Lf | Function::Nel) = operation {
            let terminal = context.terminal();
            let row = terminal.cursor().row;
            let lines = logical(terminal.screen().visible_lines());
            let line = lines.into_iter().find(|(from, to, _)| (*from..*to).contains(&row));
            self.lines.extend(line.map(|line| (self.at, line.2)));
        }
    }

    fn end(&mut self, _: &mut Observation<'_>) {}
}

pub(super) struct Looks<'a> {
    query: &'a Query,
    model: Model,
    /// Lines that matched after the event before.
    standing: Vec<String>,
}

impl<'a> Looks<'a> {
    pub(super) fn new(query: &'a Query, size: TermSize, keyframe: Option<&Keyframe>) -> Self {
        let model = keyframe.map_or_else(|| Model::new(size), Keyframe::restore);
        let mut looks = Self { query, model, standing: Vec::new() };
        looks.standing = looks.matching();
        looks
    }

    fn matching(&self) -> Vec<String> {
        let lines = logical(self.model.terminal().screen().visible_lines());
        let lines = lines.into_iter().map(|line| line.2);
        lines.filter(|line| self.query.find(line).is_some()).collect()
    }

    pub(super) fn event(&mut self, number: u64, event: &Event, matches: &mut Vec<Match>) {
        let mut passing = Passing::default();
        match &event.data {
            Data::Output(bytes) => {
                for (at, byte) in bytes.iter().enumerate() {
                    passing.at = at as u64;
                    let one = Event { time: 0, data: Data::Output(vec![*byte]) };
                    self.model.event_with(&one, &mut passing);
                }
            }
            Data::Resize(_) => self.model.event(event),
            _ => return,
        }
        let standing = self.matching();
        for (offset, line) in passing.lines {
            let known = standing.contains(&line) || self.standing.contains(&line);
            if !known && self.query.find(&line).is_some() {
                matches.push(Match { time: event.time, event: number, offset });
            }
        }
        if standing.iter().any(|line| !self.standing.contains(line)) {
            matches.push(Match { time: event.time, event: number + 1, offset: 0 });
        }
        self.standing = standing;
    }
}

/// Logical lines: the first row, the one after the last, the text.
fn logical<'a>(rows: impl Iterator<Item = &'a avt::Line>) -> Vec<(usize, usize, String)> {
    let mut lines = Vec::new();
    let (mut text, mut from) = (String::new(), 0);
    for (row, line) in rows.enumerate() {
        text.extend(line.chars());
        if !line.is_wrapped() {
            let line = std::mem::take(&mut text);
            lines.push((from, row + 1, line.trim_end_matches(' ').to_owned()));
            from = row + 1;
        }
    }
    lines
}
