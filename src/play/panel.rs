//! What is shown on the player's terminal besides a recording: the browser, a
//! question, a message.
//!
//! Refuses to know what they show. The invariant: it waits in poll(2) and
//! nowhere else; what is drawn is what there is to see once all that came
//! before has been taken in.

use std::io;
use std::os::fd::BorrowedFd;

use crossterm::event::KeyCode;
use crossterm::event::KeyModifiers;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::console::Woken;
use super::driver::{Driver, ESCAPE};
use super::input::Input;
use super::prompt::{Message, Outcome, Prompt};
use crate::event::Micros;

/// Something that fills the terminal until it has its answer.
pub trait Panel {
    /// What it is shown for.
    type Answer;

    /// Draws it over what was shown before it; gives where the cursor belongs.
    fn draw(&mut self, area: Rect, picture: &mut Buffer) -> Option<Position>;

    /// Takes an input; the answer, once there is one.
    fn input(&mut self, input: &Input) -> Option<Self::Answer>;

    /// Readable when [`Panel::refresh`] has something to take in.
    fn news(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Takes in what is new; in how many µs it wants to be asked again.
    fn refresh(&mut self) -> Option<Micros> {
        None
    }

    /// Whether it fills the whole window, so that nothing shows behind it.
    fn is_whole(&self) -> bool {
        false
    }
}

/// How showing a panel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown<A> {
    /// With its answer.
    Answer(A),
    /// By a signal, or because the terminal is gone (SIGHUP).
    Signal(i32),
}

impl Driver {
    /// Shows a panel until it has its answer.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn show<P: Panel>(&mut self, panel: &mut P) -> io::Result<Shown<P::Answer>> {
        let behind = self.canvas.shown().cloned();
        let mut escape = None;
        let (mut keys, mut inputs) = ([0; 4096], Vec::new());
        loop {
            let next = panel.refresh();
            self.picture(panel, behind.as_ref())?;
            let now = self.console.now();
            let until = next.map(|next| now.saturating_add(next)).into_iter().chain(escape).min();
            match self.console.wait(until, &mut keys, panel.news())? {
                Woken::Signal(signal) => return Ok(Shown::Signal(signal)),
                Woken::Repaint => self.canvas.forget(),
                Woken::Due => {}
                Woken::Typed(count) => {
                    self.decoder.feed(keys.get(..count).unwrap_or_default(), &mut inputs);
                    escape = self.decoder.is_waiting().then(|| self.console.now() + ESCAPE);
                }
            }
            if escape.is_some_and(|escape| self.console.now() >= escape) {
                self.decoder.give_up(&mut inputs);
                escape = None;
            }
            for input in inputs.drain(..) {
                if is_suspend(&input) {
                    self.console.suspend()?;
                    self.canvas.forget();
                } else if let Some(answer) = panel.input(&input) {
                    return Ok(Shown::Answer(answer));
                }
            }
        }
    }

    /// Draws a panel once: what is told while something else is waited for.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn tell<P: Panel>(&mut self, panel: &mut P) -> io::Result<()> {
        let behind = self.canvas.shown().cloned();
        self.picture(panel, behind.as_ref())
    }

    fn picture<P: Panel>(&mut self, panel: &mut P, behind: Option<&Buffer>) -> io::Result<()> {
        let size = self.size();
        let area = Rect::new(0, 0, size.cols(), size.rows());
        let behind = behind.filter(|behind| behind.area == area && !panel.is_whole());
        let mut picture = behind.cloned().unwrap_or_else(|| Buffer::empty(area));
        let cursor = panel.draw(area, &mut picture);
        let mut bytes = Vec::new();
        self.canvas.draw(picture, cursor, &mut bytes);
        self.console.show(&bytes)
    }
}

/// ^Z, which raw mode does not turn into a signal.
fn is_suspend(input: &Input) -> bool {
    matches!(input, Input::Key(key) if key.code == KeyCode::Char('z')
        && key.modifiers.contains(KeyModifiers::CONTROL))
}

impl Panel for Prompt {
    /// The passphrase; `None` when the person gives up.
    type Answer = Option<zeroize::Zeroizing<String>>;

    fn draw(&mut self, area: Rect, picture: &mut Buffer) -> Option<Position> {
        self.render(area, picture)
    }

    fn input(&mut self, input: &Input) -> Option<Self::Answer> {
        let Input::Key(key) = input else { return None };
        match self.key(*key) {
            Outcome::Stay => None,
            Outcome::Given(passphrase) => Some(Some(passphrase)),
            Outcome::Cancelled => Some(None),
        }
    }
}

impl Panel for Message {
    type Answer = ();

    fn draw(&mut self, area: Rect, picture: &mut Buffer) -> Option<Position> {
        self.render(area, picture);
        None
    }

    fn input(&mut self, input: &Input) -> Option<()> {
        matches!(input, Input::Key(_)).then_some(())
    }
}
