//! Searching a recording for what was shown, or typed, while it is played.
//!
//! Refuses to know who asks. The invariant: a match is given with a place at
//! which the screen shows it.
//!
//! What is *shown* is defined in [`crate::screen::Sheet`]'s module: every line of
//! the screen after an event, and what scrolled past or was cleared away within
//! one. A match counts once, where it comes to be shown; the same line, drawn
//! again in its row, is not another one.

mod looks;
mod query;
mod skim;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use self::looks::Looks;
pub use self::query::{Query, Refused, Scope};
use super::Timeline;
use super::sweep::{Found, Segment, Slot, Sweep, Task, Wake};
use super::typed::TypedLines;
use crate::event::{Data, Micros};
use crate::recording::{Result, Source, State};

/// So many matches are kept, and no more looked for: 12 MB of them. Nobody
/// steps through as many, and the nearest come first.
const MOST: usize = 500_000;

/// A place at which something that was searched for came to be shown, or the
/// end of a typed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// When.
    pub time: Micros,
    /// How many events have happened when it is seen.
    pub event: u64,
    /// Bytes into the next event, when it is visible only inside that; else 0.
    pub offset: u64,
}

impl Match {
    /// Where it is in the order of all places.
    #[must_use]
    pub fn order(&self) -> (u64, u64) {
        (self.event, self.offset)
    }
}

/// What a search has found since it was asked last, and how far it is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// New matches, those of one piece of the recording in their order.
    pub matches: Vec<Match>,
    /// How much was searched, 0 to 1.
    pub searched: f64,
    /// Nothing more will come.
    pub done: bool,
    /// There are more matches than are kept; the search has ended early.
    pub limited: bool,
    /// What could not be read.
    pub error: Option<String>,
}

/// Which way to look for a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the end.
    Forward,
    /// Towards the start.
    Backward,
}

/// The nearest match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearest {
    /// This one.
    At(Match),
    /// This one, behind the recording's end or start.
    Wrapped(Match),
    /// Not known yet.
    Searching,
    /// There is none.
    None,
}

type Matches = Vec<Match>;

impl Found for Matches {
    fn append(&mut self, later: Self) {
        self.extend(later);
    }
}

/// A search that is going on in threads of its own; dropping it ends it.
pub struct Search {
    sweep: Sweep<Matches>,
    query: Query,
    /// How many matches of each piece were given.
    given: Vec<usize>,
    /// The event it began at, and whether the recording grew then, which
    /// determine the pieces.
    cut: (u64, bool),
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("query", &self.query).finish_non_exhaustive()
    }
}

impl Search {
    /// Begins a search at the event of number `from`: what comes after it is
    /// found first. `wake` is called when [`Search::poll`] has something new.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn start(timeline: &Timeline, query: Query, from: u64, wake: Wake) -> Result<Self> {
        let source = timeline.source().clone();
        let cut = (from, source.state() == State::Live);
        let (source, segments) = segments(source, query.scope(), cut)?;
        let job = {
            let query = query.clone();
            let count = Arc::new(AtomicUsize::new(0));
            move |task: &Task<'_, Matches>| match query.scope() {
                Scope::Shown => shown(task, &query, &count),
                Scope::Typed => typed(task, &query, &count),
            }
        };
        let given = vec![0; segments.len()];
        let sweep = Sweep::start(source, segments, from, None, wake, job);
        Ok(Self { sweep, query, given, cut })
    }

    /// What is searched for.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Looks at what has been recorded since, too.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn extend(&mut self, timeline: &Timeline) -> Result<()> {
        let source = timeline.source().clone();
        let (source, segments) = segments(source, self.query.scope(), self.cut)?;
        // The last piece is searched again, and its matches given again.
        let known = self.given.len().saturating_sub(1);
        self.given.truncate(known);
        self.given.resize(segments.len(), 0);
        self.sweep.extend(source, segments);
        Ok(())
    }

    /// What is new. Does not wait.
    pub fn poll(&mut self) -> Progress {
        let mut slots = self.sweep.lock();
        let mut matches = Vec::new();
        for (slot, given) in slots.slots.iter_mut().zip(&mut self.given) {
            if std::mem::take(&mut slot.news) {
                matches.extend(slot.found.get(*given..).unwrap_or_default());
                *given = slot.found.len();
            }
        }
        let (searched, done) = slots.progress();
        let (limited, error) = (slots.stopped, slots.error.clone());
        Progress { matches, searched, done, limited, error }
    }

    /// Waits until there is something new, or `limit` is over.
    pub fn wait(&self, limit: Duration) {
        self.sweep.wait(limit);
    }

    /// The nearest match before or after a place (as [`Match::order`] gives
    /// it), going round at the end.
    #[must_use]
    pub fn nearest(&self, place: (u64, u64), direction: Direction) -> Nearest {
        let slots = self.sweep.lock();
        let done = slots.progress().1;
        let here = slots.slots.partition_point(|slot| slot.start() <= place.0).saturating_sub(1);
        let (before, after) = slots.slots.split_at(here);
        let (before, after) = (before.iter(), after.iter());
        let beyond = |found: &&Match| match direction {
            Direction::Forward => found.order() > place,
            Direction::Backward => found.order() < place,
        };
        // The piece that has the place comes first, and again at the end.
        let all: Vec<&Slot<Matches>> = match direction {
            Direction::Forward => {
                let after = after.collect::<Vec<_>>();
                let last = after.first().copied();
                after.into_iter().chain(before).chain(last).collect()
            }
            Direction::Backward => {
                let mut after = after;
                let first = after.next();
                first.into_iter().chain(before.rev()).chain(after.rev()).chain(first).collect()
            }
        };
        let mut crossed = false;
        for (n, slot) in all.iter().enumerate() {
            crossed |= match direction {
                Direction::Forward => n > 0 && slot.start() <= place.0,
                Direction::Backward => n > 0 && slot.start() > place.0,
            };
            // Once round, the piece that has the place is looked at whole.
            let last = n + 1 == all.len();
            crossed |= last;
            let mut found = slot.found.iter().filter(|one| last || beyond(one) || crossed);
            let nearest = match direction {
                Direction::Forward => found.next(),
                // The last of a piece that is not done is not yet known.
                Direction::Backward if slot.done || done => found.next_back(),
                Direction::Backward => None,
            };
            match nearest {
                Some(found) if crossed => return Nearest::Wrapped(*found),
                Some(found) => return Nearest::At(*found),
                None if !slot.done && !done => return Nearest::Searching,
                None => {}
            }
        }
        Nearest::None
    }

    /// All matches so far, in their order.
    #[must_use]
    pub fn matches(&self) -> Vec<Match> {
        self.sweep.lock().slots.iter().flat_map(|slot| slot.found.iter().copied()).collect()
    }
}

fn segments(
    mut source: Source,
    scope: Scope,
    (from, grows): (u64, bool),
) -> Result<(Source, Vec<Segment>)> {
    let segments = match scope {
        Scope::Shown => Segment::graded(&mut source, from, grows)?,
        // A line may be begun in one piece and ended in the next.
        Scope::Typed => Segment::whole(&source),
    };
    Ok((source, segments))
}

/// Hands matches over, up to the limit; `false` when no more are wanted.
fn give(task: &Task<'_, Matches>, matches: &mut Matches, count: &AtomicUsize) -> bool {
    if matches.is_empty() {
        return task.wanted();
    }
    let before = count.fetch_add(matches.len(), Ordering::Relaxed);
    if before + matches.len() > MOST {
        task.stop();
        return false;
    }
    task.give(std::mem::take(matches))
}

fn shown(task: &Task<'_, Matches>, query: &Query, count: &AtomicUsize) -> Result<()> {
    // A pattern's state is shared between its users, who wait for each other.
    let query = query.clone();
    let mut looks = Looks::new(task, &query)?;
    let mut events = task.segment.events(task.source)?;
    let mut matches = Matches::new();
    while let Some((number, event)) = events.next_unless(|text| looks.skims(text))? {
        if let Some(event) = event {
            looks.event(number, &event, &mut matches)?;
        }
        if !give(task, &mut matches, count) {
            return Ok(());
        }
    }
    looks.finish(&mut matches);
    give(task, &mut matches, count);
    Ok(())
}

fn typed(task: &Task<'_, Matches>, query: &Query, count: &AtomicUsize) -> Result<()> {
    let mut events = task.segment.events(task.source)?;
    let (mut lines, mut matches) = (TypedLines::default(), Matches::new());
    let end = |lines: &[super::typed::TypedLine], matches: &mut Matches| {
        let found = lines.iter().filter(|line| query.is_in(&line.text));
        matches.extend(found.map(|line| Match { time: line.time, event: line.event, offset: 0 }));
        give(task, matches, count)
    };
    while let Some((number, event)) = events.next()? {
        let Data::Input(bytes) = &event.data else { continue };
        if !end(&lines.input(bytes, event.time, number + 1), &mut matches) {
            return Ok(());
        }
    }
    end(&lines.finish(), &mut matches);
    Ok(())
}
