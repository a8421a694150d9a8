//! What keys, the mouse and time do to the player.
//!
//! Refuses to know the terminal: what is to be done outside comes back as
//! [`Effects`]. The invariant: nothing here waits.

mod details;
mod finding;
mod going;
mod keeping;
mod mouse;

use std::io;
use std::path::{Path, PathBuf};

use crossterm::event::{KeyCode, KeyEvent};

use super::clock::{Speed, length};
use super::input::Input;
use super::keymap::Command;
use super::line::{Line, Typed};
use super::model::{Asked, Message, Model, Open, TimeShown};
use super::playhead::Turn;
use super::track::Track;
use super::{list, view};
use crate::event::{Micros, TermSize};
use crate::recording::Result;
use crate::timeline::search::Scope;

/// How long a message stays (µs): long enough to be read.
const READ: Micros = 4_000_000;
const SECOND: Micros = 1_000_000;
/// What is still being made is looked through this often (µs) while it is
/// followed.
const SCAN: Micros = 2 * SECOND;

/// What is to be done outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Draw.
    pub draw: bool,
    /// The terminal may show anything.
    pub forget: bool,
    /// Give the terminal back until the shell says fg.
    pub suspend: bool,
    /// Put this on the clipboard of the viewer's terminal.
    pub copy: Option<String>,
    /// Make this file, which must not be there yet, and tell
    /// [`Model::written`].
    pub write: Option<(PathBuf, String)>,
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
        self.stale = true;
        Effects { draw: true, forget: true, ..Effects::default() }
    }

    /// Something was done at time `now` of the viewer's clock.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn input(&mut self, now: Micros, input: Input) -> Result<Effects> {
        match input {
            Input::Key(key) => self.key(now, &key),
            Input::Mouse(mouse) => self.mouse(now, &mouse),
        }
    }

    /// It is `now` by the viewer's clock: what is due happens, or some of it.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn tick(&mut self, now: Micros) -> Result<Effects> {
        let turn = self.playhead.turn(now)?;
        let mut draw = turn != Turn::default();
        if turn.moved {
            self.left();
        }
        if turn.arrived && self.shows_keys {
            self.playhead.recall_typed()?;
        }
        if turn.ended && self.playhead.grows() {
            match self.setup.lost.as_ref().and_then(|lost| lost()) {
                None => self.say(now, "the session has ended".to_owned()),
                // Until a key is pressed: it may go on, unseen.
                Some(text) => {
                    self.message = Some(Message { text, wrong: true, until: Micros::MAX });
                }
            }
        }
        if turn.moved && self.playhead.is_following() && now >= self.scanned + SCAN || turn.ended {
            // What there is to go to, and the timeline, keep up with it.
            self.scanned = now;
            self.landmarks.extend(self.playhead.timeline());
        }
        if self.landmarks.poll() {
            self.stale = true;
            self.playhead.has_seen(self.landmarks.length());
            self.setup.wall.learn(self.landmarks.clocks());
            self.found_landmarks(now);
            self.still_reading(now);
            draw = true;
        }
        if self.finding.as_mut().is_some_and(super::finding::Finding::poll) {
            self.stale = true;
            draw = true;
        }
        if self.landmarks.progress().is_none()
            && let Some(later) = self.later.take()
        {
            self.go_by_length(now, later)?;
            draw = true;
        }
        draw |= self.answered(now) | self.checked();
        if self.message.as_ref().is_some_and(|message| message.until <= now) {
            self.message = None;
            draw = true;
        }
        self.stale |= self.track.length() != self.playhead.length();
        if self.stale {
            self.lay_track();
            draw = true;
        }
        Ok(Effects { draw, ..Effects::default() })
    }

    /// The screen is another: what was looked at on the old one is gone.
    pub(super) fn left(&mut self) {
        self.back = None;
        if matches!(self.open, Open::Selecting(_)) {
            self.open = Open::Nothing;
        }
    }

    fn lay_track(&mut self) {
        self.stale = false;
        let times: Box<dyn Iterator<Item = Micros>> = match &self.finding {
            Some(finding) => Box::new(finding.times()),
            None => Box::new(std::iter::empty()),
        };
        let length = self.playhead.length();
        self.track =
            Track::new(self.window.cols(), length, &self.landmarks, &self.setup.notes, times);
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
            due = due.map(|due| due.min(now.saturating_add(SECOND / 2)));
        }
        let message = self.message.as_ref().map(|message| message.until);
        let message = message.filter(|until| *until < Micros::MAX);
        Ok(due.into_iter().chain(message).min())
    }

    fn key(&mut self, now: Micros, key: &KeyEvent) -> Result<Effects> {
        let page = self.window.rows().saturating_sub(6).max(1);
        match &mut self.open {
            Open::Asking(asked, line) => {
                let asked = *asked;
                match line.key(key) {
                    Typed::More => {}
                    Typed::Left => self.open = Open::Nothing,
                    Typed::Done => {
                        let text = line.text();
                        self.open = Open::Nothing;
                        return self.asked(now, asked, &text);
                    }
                    Typed::Other if key.code == KeyCode::Tab => self.another(),
                    Typed::Other if key.code == KeyCode::Up => self.once_more(),
                    Typed::Other => return self.over(now, key),
                }
            }
            Open::Help { top } | Open::Details { top } => {
                match key.code {
                    KeyCode::Down | KeyCode::Char('j') | KeyCode::Enter => {
                        *top = top.saturating_add(1);
                    }
                    KeyCode::Up | KeyCode::Char('k') => *top = top.saturating_sub(1),
                    KeyCode::PageDown | KeyCode::Char(' ') => *top = top.saturating_add(page),
                    KeyCode::PageUp => *top = top.saturating_sub(page),
                    KeyCode::Home | KeyCode::Char('g') => *top = 0,
                    KeyCode::End | KeyCode::Char('G') => *top = u16::MAX,
                    KeyCode::Char('q') => self.open = Open::Nothing,
                    _ => return self.over(now, key),
                }
                let most = view::most_top(self);
                if let Open::Help { top } | Open::Details { top } = &mut self.open {
                    *top = (*top).min(most);
                }
            }
            Open::List(list) => match list.key(key, page.into()) {
                list::Outcome::Stay => {}
                list::Outcome::Close => self.open = Open::Nothing,
                list::Outcome::Go(landmark) => {
                    self.open = Open::Nothing;
                    self.go_to_landmark(&landmark);
                    self.playhead.pause();
                }
                list::Outcome::Other => return self.over(now, key),
            },
            Open::Selecting(_) => return self.selecting(now, key),
            Open::Nothing => match self.setup.keymap.command(key) {
                Some(command) => return self.command(now, command),
                None => return Ok(Effects::default()),
            },
        }
        Ok(Effects::draw())
    }

    /// A key that what is open does not know: the commands that are for always.
    fn over(&mut self, now: Micros, key: &KeyEvent) -> Result<Effects> {
        match self.setup.keymap.command(key) {
            Some(command @ (Command::Suspend | Command::Interrupt | Command::Redraw)) => {
                return self.command(now, command);
            }
            Some(Command::Help) if matches!(self.open, Open::Help { .. }) => {
                self.open = Open::Nothing;
            }
            Some(Command::Details) if matches!(self.open, Open::Details { .. }) => {
                self.open = Open::Nothing;
            }
            Some(Command::Leave) => self.open = Open::Nothing,
            _ => return Ok(Effects::default()),
        }
        Ok(Effects::draw())
    }

    /// Does what the command says.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn command(&mut self, now: Micros, command: Command) -> Result<Effects> {
        let mut effects = Effects::draw();
        if command != Command::Leave {
            self.message = None;
        }
        match command {
            Command::Pause => {
                self.back = None;
                self.playhead.toggle(now)?;
            }
            Command::Slower => self.speed(self.playhead.speed().slower()),
            Command::Faster => self.speed(self.playhead.speed().faster()),
            Command::NormalSpeed => self.speed(Speed::NORMAL),
            Command::FullSpeed => self.speed(match self.playhead.speed() {
                Speed::Full => Speed::NORMAL,
                Speed::Times(_) => Speed::Full,
            }),
            Command::Idle => {
                self.playhead.toggle_idle();
                let text = match self.playhead.shortens() {
                    Some(limit) => format!("longer pauses are shortened to {}", length(limit)),
                    None => "pauses are as long as they were".to_owned(),
                };
                self.say(now, text);
            }
            Command::GoTo => self.ask(Asked::GoTo),
            Command::Search => self.ask(Asked::Search(Scope::Shown)),
            Command::SearchTyped => self.ask(Asked::Search(Scope::Typed)),
            Command::NextMatch => self.next_match(now, true)?,
            Command::PreviousMatch => self.next_match(now, false)?,
            Command::List => self.open_list(),
            Command::ScrollUp => self.scroll(now, i64::from(self.page()))?,
            Command::ScrollDown => self.scroll(now, -i64::from(self.page()))?,
            Command::PanLeft => self.pan(now, -8, 0),
            Command::PanDown => self.pan(now, 0, 4),
            Command::PanUp => self.pan(now, 0, -4),
            Command::PanRight => self.pan(now, 8, 0),
            Command::FollowCursor => self.pan.fixed = None,
            Command::Keys => {
                self.shows_keys = !self.shows_keys;
                if self.shows_keys {
                    self.playhead.recall_typed()?;
                }
            }
            Command::Time => {
                self.time = match self.time {
                    TimeShown::Elapsed => TimeShown::Remaining,
                    TimeShown::Remaining if !self.setup.wall.is_known() => TimeShown::Elapsed,
                    TimeShown::Remaining => TimeShown::Local,
                    TimeShown::Local => TimeShown::Utc,
                    TimeShown::Utc => TimeShown::Elapsed,
                };
            }
            Command::Details => self.open_details(),
            Command::Help => self.open = Open::Help { top: 0 },
            Command::Mark => self.ask(Asked::Mark(self.playhead.at())),
            Command::Select => self.select(),
            Command::Copy => self.copy(now, &mut effects),
            Command::Save => self.ask_for_file(),
            Command::Redraw => effects.forget = true,
            Command::Leave => self.leave(&mut effects),
            Command::Suspend => effects.suspend = true,
            Command::Quit => effects.quit = Some(Quit::Enough),
            Command::Interrupt => effects.quit = Some(Quit::Interrupt),
            going => self.going(now, going)?,
        }
        Ok(effects)
    }

    /// Closes the innermost thing that is open.
    fn leave(&mut self, effects: &mut Effects) {
        if self.back.take().is_some() {
            return;
        }
        // What is waited for comes before what is shown.
        if self.wish.take().is_some() | self.later.take().is_some() {
            self.message = None;
            return;
        }
        self.stale = true;
        if self.finding.take().is_none() && self.message.take().is_none() {
            effects.quit = self.setup.chosen.then_some(Quit::Back);
        }
    }

    fn speed(&mut self, speed: Speed) {
        self.playhead.set_speed(speed);
    }

    fn ask(&mut self, asked: Asked) {
        self.open = Open::Asking(asked, Line::default());
    }

    /// Rows that a page of what scrolled away goes.
    fn page(&self) -> u16 {
        self.playhead.screen().size().rows().saturating_sub(1).max(1)
    }

    fn asked(&mut self, now: Micros, asked: Asked, text: &str) -> Result<Effects> {
        let mut effects = Effects::draw();
        self.message = None;
        match asked {
            Asked::GoTo => self.go_to(now, text)?,
            Asked::Search(scope) => self.search(now, text, scope)?,
            Asked::Mark(at) => self.mark(now, at, text),
            Asked::Save => effects.write = self.save(now, text),
        }
        Ok(effects)
    }

    /// The file that [`Effects::write`] asked for was written, or not.
    pub fn written(&mut self, now: Micros, path: &Path, result: &io::Result<()>) {
        let name = path.display();
        match result {
            Ok(()) => self.say(now, format!("written to {name}")),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.complain(now, format!("{name} is there already; give another name"));
            }
            Err(error) => self.complain(now, format!("cannot write {name}: {error}")),
        }
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
