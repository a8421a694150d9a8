//! The browser on a terminal.
//!
//! Refuses to know what is in the list. The invariant: only what the person
//! looks at is looked up.

use std::os::fd::{AsFd, BorrowedFd};

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Browser, Desk, Entry, Outcome};
use crate::event::Micros;
use crate::play::input::Input;
use crate::play::panel::Panel;

/// A live recording's length is told this often (µs).
const TICK: Micros = 1_000_000;

/// What the person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// To see this recording.
    Play(Entry),
    /// To leave.
    Quit,
}

/// A browser, and who looks things up for it.
#[derive(Debug)]
pub struct Browsing<'a> {
    /// What is shown.
    pub browser: &'a mut Browser,
    /// Who looks things up.
    pub desk: &'a Desk,
}

impl Panel for Browsing<'_> {
    type Answer = Choice;

    fn draw(&mut self, area: Rect, picture: &mut Buffer) -> Option<Position> {
        self.browser.render(area, picture)
    }

    fn input(&mut self, input: &Input) -> Option<Choice> {
        let outcome = match input {
            Input::Key(key) => self.browser.key(key),
            Input::Mouse(event) => self.browser.mouse(event),
        };
        match outcome {
            Outcome::Stay => None,
            Outcome::Play(entry) => Some(Choice::Play(entry)),
            Outcome::Quit => Some(Choice::Quit),
            Outcome::Reload => {
                self.desk.reload();
                None
            }
        }
    }

    fn news(&self) -> Option<BorrowedFd<'_>> {
        Some(self.desk.as_fd())
    }

    fn refresh(&mut self) -> Option<Micros> {
        self.browser.set_now(Timestamp::now());
        for news in self.desk.news() {
            self.browser.learn(news);
        }
        self.desk.want(self.browser.wanted());
        self.browser.shows_live().then_some(TICK)
    }

    fn is_whole(&self) -> bool {
        true
    }
}
