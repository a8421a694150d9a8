//! Matches in what is shown, event by event.
//!
//! Refuses to know threads. The invariant: a match is given when it comes to
//! stand where it did not stand before, and not again while its line only
//! grows or changes around it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::skim::Skim;
use super::{Match, Query};
use crate::event::{Data, Event, Micros};
use crate::recording::Result;
use crate::screen::{Keyframe, Keyframer, Position, Sheet, Shown, ShownLine};
use crate::timeline::sweep::{SegmentEvents, Task};

/// Text is searched in pieces of about this size, in bytes: more than a
/// pattern's start costs, less than a core's cache.
const BATCH: usize = 64 << 10;
/// When more lines that matched are remembered, those that are not on the
/// screen any more are forgotten. More rows than the largest screens have.
const REMEMBERED: usize = 8192;

pub(super) struct Looks<'a, T> {
    task: &'a Task<'a, T>,
    watch: Watch<'a>,
    /// For sizes, which only the terminal model follows: it and the events up
    /// to here.
    sizes: Option<(Box<Keyframer>, SegmentEvents)>,
}

impl<'a, T: crate::timeline::sweep::Found> Looks<'a, T> {
    pub(super) fn new(task: &'a Task<'a, T>, query: &'a Query) -> Result<Self> {
        let keyframe = task.segment.keyframe(task.source)?;
        let size = task.source.header().size;
        let sheet = keyframe.as_ref().map_or_else(|| Sheet::new(size), Sheet::of);
        Ok(Self { task, watch: Watch::new(sheet, query), sizes: None })
    }

    /// Takes an event's output as it is written, if there is no match in it and
    /// that is known at once.
    pub(super) fn skims(&mut self, written: &[u8]) -> bool {
        self.watch.skims(written)
    }

    /// Takes an event; `number` are before it. Matches may be given later.
    pub(super) fn event(&mut self, number: u64, event: &Event, out: &mut Vec<Match>) -> Result<()> {
        match &event.data {
            Data::Output(bytes) => self.watch.output(number, event.time, bytes, out),
            Data::Resize(_) => self.resize(number)?,
            _ => {}
        }
        Ok(())
    }

    /// Gives the matches in what was taken so far.
    pub(super) fn finish(&mut self, out: &mut Vec<Match>) {
        self.watch.finish(out);
    }

    fn resize(&mut self, number: u64) -> Result<()> {
        let (mut keyframer, mut events) = self.terminal(number)?;
        while let Some((at, event)) = events.next()? {
            match &event.data {
                Data::Output(bytes) => keyframer.output(bytes),
                Data::Resize(size) => keyframer.resize(*size),
                _ => {}
            }
            if at >= number {
                break;
            }
        }
        // Without one, in a state that avt itself cannot say, lines are found
        // in what is taken for the screen.
        if let Some(keyframe) = keyframer.keyframe(Position::default()) {
            self.watch.resized(&keyframe);
        }
        self.sizes = Some((keyframer, events));
        Ok(())
    }

    /// The terminal model at some place before event `number`, and the events
    /// after that.
    fn terminal(&mut self, number: u64) -> Result<(Box<Keyframer>, SegmentEvents)> {
        let (source, segment) = (self.task.source, self.task.segment);
        let near = segment.rest(number);
        if let Some(sizes) = self.sizes.take_if(|sizes| sizes.1.here().event >= near.start.event) {
            return Ok(sizes);
        }
        let new = |keyframe: Option<&Keyframe>| {
            let blank = || Keyframer::new(source.header().size);
            Box::new(keyframe.map_or_else(blank, Keyframer::resume))
        };
        if let Some(keyframe) = near.keyframe(source)? {
            return Ok((new(Some(&keyframe)), near.events(source)?));
        }
        // It may be damaged.
        let keyframe = segment.keyframe(source)?;
        Ok((new(keyframe.as_ref()), segment.events(source)?))
    }
}

/// The matches of a query in what output shows.
pub(super) struct Watch<'a> {
    sheet: Sheet,
    skim: Option<Skim>,
    seen: Seen<'a>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(sheet: Sheet, query: &'a Query) -> Self {
        let skim = query.is_for_lines().then(Skim::default);
        Self { sheet, skim, seen: Seen { query, lines: HashMap::new(), newest: 0 } }
    }

    pub(super) fn skims(&mut self, written: &[u8]) -> bool {
        let Some(skim) = &mut self.skim else { return false };
        skim.takes(written, self.seen.query, &mut self.sheet)
    }

    pub(super) fn output(&mut self, number: u64, time: Micros, bytes: &[u8], out: &mut Vec<Match>) {
        self.settle();
        self.sheet.output(number, time, bytes);
        if self.sheet.shown().text.len() > BATCH {
            self.finish(out);
        }
    }

    fn resized(&mut self, keyframe: &Keyframe) {
        self.settle();
        self.sheet.resized(keyframe);
    }

    /// The sheet is to know all that was taken.
    fn settle(&mut self) {
        if let Some(skim) = &mut self.skim {
            skim.end(&mut self.sheet);
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<Match>) {
        let shown = self.sheet.shown();
        let from = out.len();
        self.seen.take(shown, out);
        shown.clear();
        if self.seen.lines.len() > REMEMBERED {
            let there: HashSet<u64> = self.sheet.numbers().collect();
            self.seen.lines.retain(|number, _| there.contains(number));
        }
        // Within an event, what is there at its end was seen first.
        if let Some(new) = out.get_mut(from..) {
            new.sort_unstable_by_key(Match::order);
        }
        out.dedup();
    }
}

/// A line that matched, without so many bytes at its beginning.
struct Before {
    text: Vec<u8>,
    skip: usize,
}

/// Lines that matched, by their numbers.
struct Seen<'a> {
    query: &'a Query,
    lines: HashMap<u64, Before>,
    /// No greater number is among them.
    newest: u64,
}

impl Seen<'_> {
    fn take(&mut self, shown: &Shown, out: &mut Vec<Match>) {
        let mut index = 0;
        while index < shown.lines.len() {
            let from = shown.lines.get(index).map_or(usize::MAX, |line| line.start);
            let found = self.query.next_in_lines(&shown.text, from);
            let next = found.map_or(shown.lines.len(), |at| {
                shown.lines.partition_point(|line| line.start <= at).saturating_sub(1)
            });
            for line in shown.lines.get(index..next).unwrap_or_default() {
                // Most lines are newer than any that matched.
                if line.row <= self.newest && !self.lines.is_empty() {
                    self.lines.remove(&line.row);
                }
            }
            if let Some(line) = shown.lines.get(next) {
                self.line(line, shown.line(next), out);
            }
            index = next + 1;
        }
    }

    /// A line that probably matches.
    fn line(&mut self, line: &ShownLine, text: &[u8], out: &mut Vec<Match>) {
        let before = self.lines.remove(&line.row);
        // The same part of the line, then and now.
        let common = before.as_ref().and_then(|before| {
            let gone = line.skip.saturating_sub(before.skip);
            let more = before.skip.saturating_sub(line.skip);
            Some((before.text.get(gone..)?, text.get(more..)?, more))
        });
        let common = common.filter(|(before, now, _)| similar(before, now));
        let stood = |found: &Range<usize>| {
            common.is_some_and(|(before, now, more)| {
                let place = found.start.checked_sub(more).map(|start| start..found.end - more);
                place.is_some_and(|place| before.get(place.clone()) == now.get(place))
            })
        };
        let mut any = None;
        let mut new = None;
        for found in self.query.find_all(text) {
            any = Some(());
            if !stood(&found) {
                new = Some(found);
                break;
            }
        }
        let Some(()) = any else { return };
        self.newest = self.newest.max(line.row);
        self.lines.insert(line.row, Before { text: text.to_vec(), skip: line.skip });
        let Some(new) = new.filter(|_| !line.old) else { return };
        let went = line.pieces.iter().find(|piece| new.start < piece.0);
        let (event, offset) = match went {
            Some((_, offset)) => (line.event, *offset),
            None if line.gone => (line.event, line.offset),
            None => (line.event + 1, 0),
        };
        out.push(Match { time: line.time, event, offset });
    }
}

/// Whether these are one line at two times: at least half of the shorter one
/// is at its place in the other.
fn similar(one: &[u8], other: &[u8]) -> bool {
    let filled = |text: &[u8]| text.iter().filter(|byte| **byte != b' ').count();
    let pairs = one.iter().zip(other);
    let same = pairs.filter(|(one, other)| one == other && **one != b' ').count();
    same * 2 >= filled(one).min(filled(other))
}
