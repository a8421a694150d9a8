//! What a program asked of the terminal that avt does not model.
//!
//! Refuses to know the screen. The invariant: memory is bounded, whatever the
//! length of a string.

use avt::parser::State;

use crate::screen::keyframe::{Outside, TITLE};

/// Bytes of a string that are looked at: the longest title, and `0;`.
const STRING: usize = TITLE + 2;
/// Bytes of a control sequence that are looked at: more than any mode needs.
const SEQUENCE: usize = 64;

/// Follows the output through the eyes of avt's parser.
#[derive(Debug, Default)]
pub(super) struct Tracked {
    /// The open string's or control sequence's bytes so far.
    raw: Vec<u8>,
    outside: Outside,
}

impl Tracked {
    pub(super) fn outside(&self) -> Outside {
        self.outside.clone()
    }

    /// A byte, before the parser gets it.
    pub(super) fn byte(&mut self, state: State, byte: u8) {
        let most = match state {
            State::OscString => STRING,
            State::CsiEntry | State::CsiParam | State::CsiIntermediate => SEQUENCE,
            _ => return,
        };
        if byte >= 0x20 && self.raw.len() < most {
            self.raw.push(byte);
        }
    }

    /// What the parser made of a character.
    pub(super) fn change(&mut self, before: State, ch: char, after: State) {
        use State::*;
        match (before, ch) {
            // A C1 terminator was taken for two bytes of the string.
            (OscString, '\u{9c}') => {
                if let Some(at) = self.raw.len().checked_sub(2)
                    && self.raw.ends_with(b"\xc2\x9c")
                {
                    self.raw.truncate(at);
                }
                self.string();
            }
            (OscString, '\u{7}' | '\u{1b}') => self.string(),
            (CsiEntry | CsiParam | CsiIntermediate, '@'..='~') if after == Ground => {
                self.sequence();
            }
            (Escape, '=') => self.outside.keypad(true),
            (Escape, '>') => self.outside.keypad(false),
            (Escape, 'c') => self.outside = Outside::default(),
            _ => {}
        }
        let begins = before != after || matches!(ch, '\u{9b}' | '\u{9d}');
        if begins && matches!(after, OscString | CsiEntry) {
            self.raw.clear();
        }
    }

    /// OSC 0 and 2 set the title.
    fn string(&mut self) {
        if let [b'0' | b'2', b';', title @ ..] = self.raw.as_slice() {
            self.outside.set_title(&String::from_utf8_lossy(title));
        }
        self.raw.clear();
    }

    fn sequence(&mut self) {
        let number = |digits: &[u8]| str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
        match self.raw.as_slice() {
            [b'?', modes @ .., last @ (b'h' | b'l')] => {
                for mode in modes.split(|&b| b == b';').filter_map(number) {
                    self.outside.set_mode(mode, *last == b'h');
                }
            }
            [shape @ .., b' ', b'q'] => {
                let shape = if shape.is_empty() { Some(0) } else { number(shape) };
                if let Some(shape @ 0..=6) = shape {
                    self.outside.shape(shape as u8);
                }
            }
            _ => {}
        }
        self.raw.clear();
    }
}
