//! A search that the person began.
//!
//! Refuses to know keys and screens. The invariant: what is asked for while the
//! search has not come so far yet is remembered, and answered when it has.

use crate::event::Micros;
use crate::recording::Result;
use crate::timeline::search::{Direction, Match, Nearest, Query, Search};
use crate::timeline::{Timeline, Wake};

/// A search, and what it has found so far.
#[derive(Debug)]
pub struct Finding {
    search: Search,
    /// In their order.
    matches: Vec<Match>,
    searched: f64,
    done: bool,
    limited: bool,
    /// The way to the match that is waited for, and where from.
    wish: Option<(Direction, (u64, u64))>,
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go there; it may be behind the end, or before the start.
    Go(Match, bool),
    /// There is no match.
    None,
    /// Nobody knows yet.
    Wait,
}

impl Finding {
    /// Begins a search of what comes after the event of number `from`.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn start(timeline: &Timeline, query: Query, from: u64, wake: Wake) -> Result<Self> {
        let search = Search::start(timeline, query, from, wake)?;
        Ok(Self {
            search,
            matches: Vec::new(),
            searched: 0.0,
            done: false,
            limited: false,
            wish: None,
        })
    }

    /// What is searched for.
    #[must_use]
    pub fn query(&self) -> &Query {
        self.search.query()
    }

    /// Asks for the next match from `place`.
    pub fn ask(&mut self, direction: Direction, place: (u64, u64)) {
        self.wish = Some((direction, place));
    }

    /// Forgets what was asked for.
    pub fn forget(&mut self) {
        self.wish = None;
    }

    /// The answer to what was asked, once; `None` when nothing was.
    pub fn answer(&mut self) -> Option<Answer> {
        let (direction, place) = self.wish?;
        let answer = match self.search.nearest(place, direction) {
            Nearest::At(found) => Answer::Go(found, false),
            Nearest::Wrapped(found) => Answer::Go(found, true),
            Nearest::None => Answer::None,
            Nearest::Searching => return Some(Answer::Wait),
        };
        self.wish = None;
        Some(answer)
    }

    /// Whether all was searched.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Looks at what was recorded since, too.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn extend(&mut self, timeline: &Timeline) -> Result<()> {
        if self.done {
            self.search.extend(timeline)?;
            self.done = false;
        }
        Ok(())
    }

    /// Takes what was found since; whether there is anything.
    pub fn poll(&mut self) -> bool {
        if self.done {
            return false;
        }
        let progress = self.search.poll();
        let changed =
            !progress.matches.is_empty() || progress.done || progress.searched > self.searched;
        if !progress.matches.is_empty() {
            self.matches.extend(progress.matches);
            self.matches.sort_unstable_by_key(Match::order);
            self.matches.dedup_by_key(|one| one.order());
        }
        self.searched = progress.searched;
        self.done = progress.done;
        self.limited = progress.limited;
        changed
    }

    /// How it stands: `3 of 17`, `17 so far (42 %)`, `none`.
    #[must_use]
    pub fn told(&self, place: (u64, u64)) -> String {
        let count = self.matches.len();
        let more = if self.limited { "+" } else { "" };
        let of = match self.matches.binary_search_by_key(&place, Match::order) {
            Ok(at) => format!("{} of {count}{more}", at + 1),
            Err(_) if count == 0 && self.done => "nowhere".to_owned(),
            Err(_) => format!("{count}{more} found"),
        };
        match self.done {
            true => of,
            // Rounded down: 100 % is all.
            false => format!("{of}, {} % searched", (self.searched * 100.0).floor()),
        }
    }

    /// When the matches were, in their order.
    pub fn times(&self) -> impl Iterator<Item = Micros> {
        self.matches.iter().map(|found| found.time)
    }
}
