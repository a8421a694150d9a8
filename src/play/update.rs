//! What keys, the mouse and time do to the player.
//!
//! Refuses to know the terminal: what is to be done outside comes back as
//! [`Effects`]. The invariant: nothing here waits.

use crossterm::event::{KeyCode, KeyEvent};

use super::clock::{Speed, go_to};
use super::input::Input;
use super::keymap::Command;
use super::line::{Line, Typed};
use super::model::{Asked, Message, Model, Open, TimeShown};
use super::view;
use crate::event::{Micros, TermSize};
use crate::recording::Result;

/// How long a message stays (µs): long enough to be read.
const READ: Micros = 4_000_000;

const SECOND: Micros = 1_000_000;

/// What is to be done outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Draw.
    pub draw: bool,
    /// The terminal may show anything.
    pub forget: bool,
    /// Give the terminal back until the shell says fg.
    pub suspend: bool,
    /// End.
    pub quit: Option<Quit>,
}

/// Why the player ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quit {
    /// The person has seen enough.
    Enough,
    /// He wants back to where the recording was chosen.
    Back,
    /// As by ^C.
    Interrupt,
}

impl Effects {
    fn draw() -> Self {
        Self { draw: true, ..Self::default() }
    }
}

impl Model {
    /// The window has another size.
    pub fn resize(&mut self, window: TermSize) -> Effects {
        self.window = window;
        Effects { draw: true, forget: true, ..Effects::default() }
    }

    /// Something was done at time `now` of the viewer's clock.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn input(&mut self, now: Micros, input: Input) -> Result<Effects> {
        match input {
            Input::Key(key) => self.key(now, &key),
            Input::Mouse(_) => Ok(Effects::default()),
        }
    }

    /// It is `now` by the viewer's clock: what is due happens, or some of it.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn tick(&mut self, now: Micros) -> Result<Effects> {
        let turn = self.playhead.turn(now)?;
        let mut draw = turn.moved || turn.ended || turn.arrived;
        if self.message.as_ref().is_some_and(|message| message.until <= now) {
            self.message = None;
            draw = true;
        }
        Ok(Effects { draw, ..Effects::default() })
    }

    /// When [`Model::tick`] has something to do next; `None` when nothing
    /// happens by itself.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn due(&mut self, now: Micros) -> Result<Option<Micros>> {
        let mut due = self.playhead.due()?;
        if self.playhead.is_playing() {
            // The clock on the bar goes on in between.
            due = due.map(|due| due.min(now + SECOND / 2));
        }
        let message = self.message.as_ref().map(|message| message.until);
        Ok(due.into_iter().chain(message).min())
    }

    fn key(&mut self, now: Micros, key: &KeyEvent) -> Result<Effects> {
        match &mut self.open {
            Open::Asking(asked, line) => {
                let asked = *asked;
                match line.key(key) {
                    Typed::More | Typed::Other => Ok(Effects::draw()),
                    Typed::Left => self.close(),
                    Typed::Done => {
                        let text = line.text();
                        self.open = Open::Nothing;
                        self.asked(now, asked, &text)
                    }
                }
            }
            Open::Help { top } | Open::Details { top } => {
                let page = self.window.rows().saturating_sub(4).max(1);
                match key.code {
                    KeyCode::Down | KeyCode::Char('j') | KeyCode::Enter => {
                        *top = top.saturating_add(1)
                    }
                    KeyCode::Up | KeyCode::Char('k') => *top = top.saturating_sub(1),
                    KeyCode::PageDown | KeyCode::Char(' ') => *top = top.saturating_add(page),
                    KeyCode::PageUp => *top = top.saturating_sub(page),
                    KeyCode::Home | KeyCode::Char('g') => *top = 0,
                    KeyCode::End | KeyCode::Char('G') => *top = u16::MAX,
                    KeyCode::Char('q') => return self.close(),
                    _ => return self.over(now, key),
                }
                self.bound();
                Ok(Effects::draw())
            }
            Open::Nothing => match self.setup.keymap.command(key) {
                Some(command) => self.command(now, command),
                None => Ok(Effects::default()),
            },
        }
    }

    /// A key that what is open does not know: the commands that are for always.
    fn over(&mut self, now: Micros, key: &KeyEvent) -> Result<Effects> {
        match self.setup.keymap.command(key) {
            Some(command @ (Command::Suspend | Command::Interrupt | Command::Redraw)) => {
                self.command(now, command)
            }
            Some(Command::Leave | Command::Help | Command::Details) => self.close(),
            _ => Ok(Effects::default()),
        }
    }

    /// No farther than there is text.
    fn bound(&mut self) {
        let most = view::most_top(self);
        if let Open::Help { top } | Open::Details { top } = &mut self.open {
            *top = (*top).min(most);
        }
    }

    fn close(&mut self) -> Result<Effects> {
        self.open = Open::Nothing;
        Ok(Effects::draw())
    }

    /// Does what the command says.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn command(&mut self, now: Micros, command: Command) -> Result<Effects> {
        let mut effects = Effects::draw();
        match command {
            Command::Pause => self.playhead.toggle(now)?,
            Command::Slower => self.playhead.set_speed(self.playhead.speed().slower()),
            Command::Faster => self.playhead.set_speed(self.playhead.speed().faster()),
            Command::NormalSpeed => self.playhead.set_speed(Speed::NORMAL),
            Command::FullSpeed => self.playhead.set_speed(match self.playhead.speed() {
                Speed::Full => Speed::NORMAL,
                Speed::Times(_) => Speed::Full,
            }),
            Command::Idle => {
                self.playhead.toggle_idle();
                let text = match self.playhead.shortens() {
                    Some(limit) => {
                        format!("pauses are shortened to {}", super::clock::length(limit))
                    }
                    None => "pauses are as long as they were".to_owned(),
                };
                self.say(now, text);
            }
            Command::Back => self.by(-5),
            Command::Forward => self.by(5),
            Command::BackMinute => self.by(-60),
            Command::ForwardMinute => self.by(60),
            Command::Start => self.playhead.go(0),
            Command::End => self.playhead.go_end()?,
            Command::PreviousEvent => self.playhead.step_back()?,
            Command::NextEvent => self.playhead.step()?,
            Command::GoTo => self.open = Open::Asking(Asked::GoTo, Line::default()),
            Command::Keys => self.shows_keys = !self.shows_keys,
            Command::Time => {
                self.time = match self.time {
                    TimeShown::Elapsed => TimeShown::Remaining,
                    TimeShown::Remaining if self.setup.wall.start.is_none() => TimeShown::Elapsed,
                    TimeShown::Remaining => TimeShown::Local,
                    TimeShown::Local => TimeShown::Utc,
                    TimeShown::Utc => TimeShown::Elapsed,
                };
            }
            Command::Details => self.open = Open::Details { top: 0 },
            Command::Help => self.open = Open::Help { top: 0 },
            Command::Redraw => effects.forget = true,
            Command::Leave if self.setup.chosen => effects.quit = Some(Quit::Back),
            Command::Leave => self.message = None,
            Command::Suspend => effects.suspend = true,
            Command::Quit => effects.quit = Some(Quit::Enough),
            Command::Interrupt => effects.quit = Some(Quit::Interrupt),
            command => {
                if let Some(tenth) = command.tenth() {
                    let length = self.length()?;
                    self.playhead.go(length / 10 * tenth);
                }
            }
        }
        Ok(effects)
    }

    /// The recording's length, read for if need be.
    fn length(&mut self) -> Result<Micros> {
        self.playhead.timeline_mut().duration()
    }

    fn by(&mut self, seconds: i64) {
        let at = self.playhead.at();
        let by = seconds.unsigned_abs().saturating_mul(SECOND);
        self.playhead.go(if seconds < 0 { at.saturating_sub(by) } else { at.saturating_add(by) });
    }

    fn asked(&mut self, now: Micros, asked: Asked, text: &str) -> Result<Effects> {
        match asked {
            Asked::GoTo if text.trim().is_empty() => {}
            // As vi has it: gg.
            Asked::GoTo if text == "g" => self.playhead.go(0),
            Asked::GoTo => {
                let length = self.length()?;
                match go_to(text, self.playhead.at(), length, &self.setup.wall) {
                    Ok(time) => self.playhead.go(time),
                    Err(wrong) => self.complain(now, wrong),
                }
            }
        }
        Ok(Effects::draw())
    }

    /// Tells the person something.
    pub(super) fn say(&mut self, now: Micros, text: String) {
        self.message = Some(Message { text, wrong: false, until: now.saturating_add(READ) });
    }

    /// Tells the person what went wrong.
    pub(super) fn complain(&mut self, now: Micros, text: String) {
        self.message = Some(Message { text, wrong: true, until: now.saturating_add(2 * READ) });
    }
}
