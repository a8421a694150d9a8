//! A line that the person types.
//!
//! Refuses to know what it is for. The invariant: the cursor is between two
//! characters of it, and it is never longer than [`LONGEST`].

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Characters; what is longer was pasted by mistake.
const LONGEST: usize = 1024;

/// A line, and where its cursor is.
#[derive(Clone, Debug, Default)]
pub struct Line {
    text: Vec<char>,
    cursor: usize,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// It is still being typed.
    More,
    /// Enter.
    Done,
    /// Escape, or Backspace where there is nothing.
    Left,
    /// A key that means nothing to a line.
    Other,
}

impl Line {
    /// A line with this text, its cursor at the end.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text: Vec<char> = text.chars().take(LONGEST).collect();
        Self { cursor: text.len(), text }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Its text before the cursor.
    #[must_use]
    pub fn before(&self) -> String {
        self.text.iter().take(self.cursor).collect()
    }

    /// Takes a key, as line editors have them.
    pub fn key(&mut self, key: &KeyEvent) -> Typed {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, ctrl) {
            (KeyCode::Enter, _) | (KeyCode::Char('j'), true) => return Typed::Done,
            (KeyCode::Esc, _) | (KeyCode::Char('c'), true) => return Typed::Left,
            (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) if self.text.is_empty() => {
                return Typed::Left;
            }
            (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) => {
                self.delete(self.cursor.wrapping_sub(1))
            }
            (KeyCode::Delete, _) | (KeyCode::Char('d'), true) => self.delete(self.cursor),
            (KeyCode::Left, _) | (KeyCode::Char('b'), true) => {
                self.cursor = self.cursor.saturating_sub(1);
            }
            (KeyCode::Right, _) | (KeyCode::Char('f'), true) => {
                self.cursor = (self.cursor + 1).min(self.text.len());
            }
            (KeyCode::Home, _) | (KeyCode::Char('a'), true) => self.cursor = 0,
            (KeyCode::End, _) | (KeyCode::Char('e'), true) => self.cursor = self.text.len(),
            (KeyCode::Char('u'), true) => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            (KeyCode::Char('k'), true) => self.text.truncate(self.cursor),
            (KeyCode::Char('w'), true) => {
                let before = self.text.get(..self.cursor).unwrap_or_default();
                let word = before.iter().rev().skip_while(|ch| **ch == ' ');
                let word = word.skip_while(|ch| **ch != ' ').count();
                self.text.drain(word..self.cursor);
                self.cursor = word;
            }
            (KeyCode::Char(ch), false) if self.text.len() < LONGEST => {
                self.text.insert(self.cursor, ch);
                self.cursor += 1;
            }
            _ => return Typed::Other,
        }
        Typed::More
    }

    fn delete(&mut self, at: usize) {
        if at < self.text.len() {
            self.text.remove(at);
            self.cursor = self.cursor.min(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::input::{Decoder, Input};

    fn typed(bytes: &str) -> (String, usize, Typed) {
        let (mut decoder, mut inputs) = (Decoder::default(), Vec::new());
        decoder.feed(bytes.as_bytes(), &mut inputs);
        decoder.give_up(&mut inputs);
        let mut line = Line::default();
        let mut last = Typed::More;
        for input in inputs {
            let Input::Key(key) = input else { panic!() };
            last = line.key(&key);
        }
        (line.text(), line.before().chars().count(), last)
    }

    #[test]
    fn editing() {
        assert_eq!(typed("wört\r"), ("wört".to_owned(), 4, Typed::Done));
        assert_eq!(typed("abc\u{7f}"), ("ab".to_owned(), 2, Typed::More));
        assert_eq!(typed("abc\u{1b}[D\u{1b}[D\u{7f}"), ("bc".to_owned(), 0, Typed::More));
        assert_eq!(typed("abc\u{1}\u{4}x"), ("xbc".to_owned(), 1, Typed::More));
        assert_eq!(typed("one two  \u{17}"), ("one ".to_owned(), 4, Typed::More));
        assert_eq!(typed("one\u{1b}[D\u{15}"), ("e".to_owned(), 0, Typed::More));
        assert_eq!(typed("one\u{2}\u{b}"), ("on".to_owned(), 2, Typed::More));
        assert_eq!(typed("a\u{7f}\u{7f}").2, Typed::Left);
        assert_eq!(typed("a\u{1b}").2, Typed::Left);
        assert_eq!(typed("\u{1b}[A").2, Typed::Other);
    }
}
