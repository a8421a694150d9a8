//! What the person takes along: markers, text, pictures of the screen.
//!
//! Refuses to know files and clipboards. The invariant: what is copied or
//! written is what is seen, and the recording is never touched.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::clock::hms;
use super::super::keymap::Command;
use super::super::line::Line;
use super::super::model::{Asked, Model, Open};
use super::super::picture::{Form, Picture};
use super::super::selection::{Selection, Spot};
use super::Effects;
use crate::event::Micros;
use crate::recording::Result;
use crate::screen::safe_text;

/// A terminal takes so much for its clipboard: xterm's and tmux's limits are
/// above, and a screen of text is far below.
const CLIPBOARD: usize = 64 << 10;

impl Model {
    /// Sets a marker in the person's notes.
    pub(super) fn mark(&mut self, now: Micros, at: Micros, label: &str) {
        match self.setup.notes.set(at, label) {
            Ok(()) => {
                self.stale = true;
                self.say(now, format!("marked {}", hms(at)));
            }
            Err(error) => self.complain(now, error.to_string()),
        }
    }

    fn picture(&self) -> Picture<'_> {
        match &self.back {
            Some(back) => {
                Picture::of_lines(back.rows(), self.playhead.screen().size().cols().into())
            }
            None => Picture::of(self.playhead.screen()),
        }
    }

    /// Begins to select, at the recorded cursor.
    pub(super) fn select(&mut self) {
        self.playhead.pause();
        let cursor = self.playhead.screen().terminal().cursor();
        let mut selection = Selection::at((0, 0));
        let by = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        selection.go(by(cursor.col), by(cursor.row), self.screen_size());
        self.open = Open::Selecting(selection);
    }

    /// Selects with the mouse.
    pub(super) fn select_between(&mut self, anchor: Spot, caret: Spot) {
        self.playhead.pause();
        self.open = Open::Selecting(Selection::between(anchor, caret));
    }

    fn screen_size(&self) -> (u16, u16) {
        let size = self.playhead.screen().size();
        (size.cols(), size.rows())
    }

    /// A key while selecting, as vi has them.
    pub(super) fn selecting(&mut self, now: Micros, key: &KeyEvent) -> Result<Effects> {
        let size = self.screen_size();
        let Open::Selecting(selection) = &mut self.open else { return Ok(Effects::default()) };
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.over(now, key);
        }
        let far = i32::from(u16::MAX);
        let (columns, rows) = match key.code {
            KeyCode::Left | KeyCode::Char('h') => (-1, 0),
            KeyCode::Right | KeyCode::Char('l') => (1, 0),
            KeyCode::Up | KeyCode::Char('k') => (0, -1),
            KeyCode::Down | KeyCode::Char('j') => (0, 1),
            KeyCode::Char('b') => (-8, 0),
            KeyCode::Char('w') => (8, 0),
            KeyCode::Home | KeyCode::Char('0' | '^') => (-far, 0),
            KeyCode::End | KeyCode::Char('$') => (far, 0),
            KeyCode::PageUp | KeyCode::Char('g') => (0, -far),
            KeyCode::PageDown | KeyCode::Char('G') => (0, far),
            KeyCode::Char('v' | ' ') => {
                selection.toggle();
                (0, 0)
            }
            KeyCode::Enter | KeyCode::Char('y') => {
                let mut effects = Effects::draw();
                self.copy(now, &mut effects);
                self.open = Open::Nothing;
                return Ok(effects);
            }
            KeyCode::Esc | KeyCode::Char('q') => {
                self.open = Open::Nothing;
                return Ok(Effects::draw());
            }
            _ => return self.over(now, key),
        };
        selection.go(columns, rows, size);
        Ok(Effects::draw())
    }

    /// Copies what is selected, or the line where that is to begin; or all that
    /// is seen.
    pub(super) fn copy(&mut self, now: Micros, effects: &mut Effects) {
        let text = match &self.open {
            Open::Selecting(selection) if selection.is_some() => selection.text(self.rows()),
            Open::Selecting(caret) => caret.line(self.rows()).text(self.rows()),
            _ => self.picture().text(),
        };
        if text.trim().is_empty() {
            self.complain(now, "there is no text to copy".to_owned());
        } else if text.len() > CLIPBOARD {
            let key = self.setup.keymap.shown(Command::Save);
            self.complain(now, format!("that is too much for a clipboard; {key} writes a file"));
        } else {
            let lines = text.lines().count();
            let of = if lines == 1 { "line" } else { "lines" };
            self.say(now, format!("{lines} {of} copied, if the terminal allows it"));
            effects.copy = Some(text);
        }
    }

    /// Asks for a file's name, and offers one.
    pub(super) fn ask_for_file(&mut self) {
        let time = hms(self.playhead.at()).replace(':', ".");
        let stem: String = safe_text(&self.setup.name)
            .chars()
            .map(|ch| if ch == '/' || ch == '\\' { '_' } else { ch })
            .take(100)
            .collect();
        let name = format!("{stem}-{time}.{}", Form::Text.extension());
        self.open = Open::Asking(Asked::Save, Line::new(&name));
    }

    /// The same name with the next form's extension.
    pub(super) fn next_form(name: &str) -> String {
        let known = |form: &Form| name.ends_with(&format!(".{}", form.extension()));
        let at = Form::ALL.iter().position(known);
        let stem = at.and_then(|_| name.rsplit_once('.')).map_or(name, |(stem, _)| stem);
        let next = at.map_or(0, |at| (at + 1) % Form::ALL.len());
        let form = Form::ALL.get(next).copied().unwrap_or(Form::Text);
        format!("{stem}.{}", form.extension())
    }

    /// What is to be written into a file of this name.
    pub(super) fn save(&mut self, now: Micros, name: &str) -> Option<(PathBuf, String)> {
        if name.trim().is_empty() {
            return None;
        }
        let known = |form: &&Form| name.ends_with(&format!(".{}", form.extension()));
        let Some(form) = Form::ALL.iter().find(known) else {
            let text = "the name's end says what is written: .txt, .ansi or .svg".to_owned();
            self.complain(now, text);
            return None;
        };
        let title = format!("{} at {}", self.setup.name, hms(self.playhead.at()));
        Some((PathBuf::from(name), self.picture().render(*form, &title)))
    }
}
