//! Where in the recording the viewer is, and how that moves with time.
//!
//! Refuses to know keys and screens. The invariants: however it moves, one turn
//! of [`Playhead::turn`] is over in some milliseconds, so that a key is always
//! heard; and while it is paused, nothing is due.

mod going;
mod typed;

use std::collections::VecDeque;

use self::going::Goal;
use super::clock::Speed;
use crate::event::{Data, Micros};
use crate::recording::{Result, State};
use crate::screen;
use crate::timeline::Timeline;
use crate::timeline::search::Match;

/// Bytes that are played in a turn: some milliseconds' worth.
const TURN: usize = 256 << 10;
/// When there is more to play than turns get through, as a flood at 64 times
/// its speed, it catches up by a leap after so long (µs).
const LATE: Micros = 100_000;
/// A recording that is still being made is looked at this often (µs).
const LOOK: Micros = 250_000;
/// A person's place in a recording.
pub struct Playhead {
    timeline: Timeline,
    /// The time it shows: that of the last event, or later.
    at: Micros,
    /// Where it is on the way to.
    goal: Option<Goal>,
    playing: bool,
    speed: Speed,
    /// What longer pauses are shortened to (µs).
    limit: Micros,
    /// Whether they are.
    shortens: bool,
    skipped: Skipped,
    /// The time of the last turn.
    now: Micros,
    /// When the files were looked at last.
    looked: Micros,
    /// It shows the end of what is still being made.
    following: bool,
    typed: VecDeque<(Micros, Option<Vec<u8>>)>,
    /// It was still being made when it was opened.
    grows: bool,
    /// The latest time that anybody has seen an event at.
    seen: Micros,
}

/// What was cut off pauses (µs of the recording).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Altogether.
    pub total: Micros,
    /// The last time, and when that was by the viewer's clock.
    pub last: Option<(Micros, Micros)>,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The screen may be another.
    pub moved: bool,
    /// It arrived where it was to go.
    pub arrived: bool,
    /// It came to the recording's end, and stopped.
    pub ended: bool,
}

impl Playhead {
    /// At the start, paused. Pauses longer than `limit` are shortened to it;
    /// 0 keeps them.
    #[must_use]
    pub fn new(timeline: Timeline, limit: Micros) -> Self {
        Self {
            grows: timeline.state() == State::Live,
            timeline,
            at: 0,
            goal: None,
            playing: false,
            speed: Speed::NORMAL,
            limit,
            shortens: limit > 0,
            skipped: Skipped::default(),
            now: 0,
            looked: 0,
            following: false,
            typed: VecDeque::new(),
            seen: 0,
        }
    }

    /// The recording, once nobody plays it.
    #[must_use]
    pub fn into_timeline(self) -> Timeline {
        self.timeline
    }

    /// The recording.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The recording, to look elsewhere in it. What moves it away must bring it
    /// back.
    pub fn timeline_mut(&mut self) -> &mut Timeline {
        &mut self.timeline
    }

    /// The screen.
    #[must_use]
    pub fn screen(&self) -> &screen::Model {
        self.timeline.model()
    }

    /// The time it shows, or is on its way to.
    #[must_use]
    pub fn at(&self) -> Micros {
        match self.goal {
            Some(Goal::End) => self.length(),
            Some(Goal::Time(time) | Goal::Place(Match { time, .. })) => time,
            Some(Goal::Event(_)) | None => self.at,
        }
    }

    /// Whether it is on its way somewhere.
    #[must_use]
    pub fn is_seeking(&self) -> bool {
        self.goal.is_some()
    }

    /// Whether it plays.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.playing
    }

    /// Whether it shows what is being recorded now.
    #[must_use]
    pub fn is_following(&self) -> bool {
        self.following
    }

    /// Whether there may be more of the recording than there was.
    #[must_use]
    pub fn grows(&self) -> bool {
        self.grows
    }

    /// How fast it plays.
    #[must_use]
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// Sets how fast it plays.
    pub fn set_speed(&mut self, speed: Speed) {
        self.speed = speed;
    }

    /// What pauses are shortened to; `None` when they are kept.
    #[must_use]
    pub fn shortens(&self) -> Option<Micros> {
        self.shortens.then_some(self.limit)
    }

    /// Shortens pauses, or keeps them. Where nothing says to what, 2 s.
    pub fn toggle_idle(&mut self) {
        self.shortens = !self.shortens;
        if self.limit == 0 {
            self.limit = 2_000_000;
        }
    }

    /// What was cut off pauses so far.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// The recording's length, as far as it is known.
    #[must_use]
    pub fn length(&self) -> Micros {
        let known = self.timeline.known_duration().unwrap_or(0);
        known.max(self.timeline.position().time).max(self.seen)
    }

    /// Somebody else has seen an event at this time.
    pub fn has_seen(&mut self, time: Micros) {
        self.seen = self.seen.max(time);
    }

    /// Plays, or pauses. At the end it plays from the start.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn toggle(&mut self, now: Micros) -> Result<()> {
        self.now = now;
        if self.playing || self.following {
            self.pause();
            return Ok(());
        }
        if self.goal.is_none() && self.timeline.peek()?.is_none() && !self.look(now)? {
            self.go(0);
        }
        self.playing = true;
        Ok(())
    }

    /// Stops where it is.
    pub fn pause(&mut self) {
        self.playing = false;
        self.following = false;
    }

    /// One event back, and pauses.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn step_back(&mut self) -> Result<()> {
        self.pause();
        self.goal = None;
        self.typed.clear();
        self.timeline.step_back()?;
        self.at = self.timeline.position().time;
        Ok(())
    }

    /// One event on, and pauses.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn step(&mut self) -> Result<()> {
        self.pause();
        self.goal = None;
        let event = self.timeline.step()?;
        self.note(event.as_ref());
        self.at = self.timeline.position().time;
        Ok(())
    }

    /// Lets what is due happen, or some of it.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn turn(&mut self, now: Micros) -> Result<Turn> {
        let real = now.saturating_sub(self.now);
        if let Some(goal) = self.goal {
            self.now = now;
            let arrived = self.approach(goal)?;
            return Ok(Turn { moved: arrived, arrived, ended: false });
        }
        if self.following {
            self.now = now;
            if now < self.looked.saturating_add(LOOK) {
                return Ok(Turn::default());
            }
            let more = self.look(now)?;
            if more {
                self.goal = Some(Goal::End);
            }
            let ended = self.timeline.state() != State::Live;
            self.following = !ended;
            return Ok(Turn { moved: more, ended, ..Turn::default() });
        }
        if !self.playing {
            self.now = now;
            return Ok(Turn::default());
        }
        self.play(now, self.speed.recorded(real))
    }

    /// Plays `left` µs of the recording.
    fn play(&mut self, now: Micros, mut left: Micros) -> Result<Turn> {
        let mut turn = Turn { moved: left > 0, ..Turn::default() };
        let mut bytes = 0;
        self.now = now;
        loop {
            let last = self.timeline.position().time;
            let Some(next) = self.timeline.peek()? else {
                self.at = last;
                self.playing = false;
                let more = self.look(now)?;
                self.goal = more.then_some(Goal::End);
                self.following = more || self.timeline.state() == State::Live;
                turn.ended = !self.following;
                return Ok(turn);
            };
            let time = next.time;
            // The time by which a shortened pause is over.
            let over = match self.shortens {
                true => last.saturating_add(self.limit).max(self.at).min(time),
                false => time,
            };
            let until = self.at.saturating_add(left);
            if until < over {
                self.at = until;
                return Ok(turn);
            }
            if bytes > TURN {
                let late = self.speed.real(left);
                let leaps = self.speed != Speed::Full && self.timeline.inside() == 0;
                if leaps && late > LATE {
                    self.goal = Some(Goal::Time(until));
                } else {
                    // The rest is due at the next turn.
                    self.now = now.saturating_sub(late.min(LATE));
                }
                return Ok(turn);
            }
            left -= over.saturating_sub(self.at).min(left);
            if time > over {
                let cut = time - over;
                self.skipped.total += cut;
                self.skipped.last = Some((cut, now));
            }
            let inside = self.timeline.inside();
            let Some(event) = self.timeline.step_some(TURN)? else {
                // More of it than a turn is for: it goes on with the next.
                self.at = time;
                bytes += TURN + 1;
                continue;
            };
            self.note(Some(&event));
            if let Data::Output(output) = &event.data {
                bytes += output.len().saturating_sub(usize::try_from(inside).unwrap_or(0));
            }
            bytes += 64;
            self.at = time;
        }
    }

    /// Whether there is more of a recording that is still being made.
    fn look(&mut self, now: Micros) -> Result<bool> {
        self.looked = now;
        if self.timeline.state() != State::Live {
            return Ok(false);
        }
        self.timeline.refresh()?;
        Ok(self.timeline.peek()?.is_some())
    }

    /// When [`Playhead::turn`] has something to do next; `None` when nothing is
    /// to come by itself.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn due(&mut self) -> Result<Option<Micros>> {
        if self.goal.is_some() {
            return Ok(Some(self.now));
        }
        if self.following {
            return Ok(Some(self.looked.saturating_add(LOOK)));
        }
        if !self.playing {
            return Ok(None);
        }
        let last = self.timeline.position().time;
        let Some(next) = self.timeline.peek()? else { return Ok(Some(self.now)) };
        let over = match self.shortens {
            true => last.saturating_add(self.limit).max(self.at).min(next.time),
            false => next.time,
        };
        let wait = self.speed.real(over.saturating_sub(self.at));
        Ok(Some(self.now.saturating_add(wait)))
    }
}
