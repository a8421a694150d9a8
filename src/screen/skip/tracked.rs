//! What a program asked of the terminal that avt does not model.
//!
//! Refuses to know the screen. The invariant: memory is bounded, whatever the
//! length of a string.

use avt::Parser;
use avt::parser::State;
use memchr::memchr2;

use super::carry::Controls;
use super::scan::common;
use crate::screen::keyframe::{Outside, TITLE};

/// Bytes of a string that are looked at: the longest title, `0;`, and a
/// character that may be cut.
const STRING: usize = TITLE + 6;
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
    pub(super) fn outside(&self) -> &Outside {
        &self.outside
    }

    pub(super) fn set(&mut self, outside: &Outside) {
        self.outside = outside.clone();
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

/// Follows output that is fed to a terminal anyway.
#[derive(Default)]
pub(in crate::screen) struct Tracker {
    tracked: Tracked,
    parser: Parser,
    controls: Controls,
    /// A sequence is open.
    inside: bool,
}

impl Tracker {
    /// What there is to know so far.
    pub(in crate::screen) fn outside(&self) -> &Outside {
        self.tracked.outside()
    }

    /// Goes on where a keyframe was made.
    pub(in crate::screen) fn resume(&mut self, dump: &str, held: &[u8], outside: &Outside) {
        // The dump ends with the sequence that was open.
        self.output(dump.as_bytes());
        self.output(held);
        self.tracked.set(outside);
    }

    /// Takes output, cut anywhere.
    pub(in crate::screen) fn output(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if !self.inside {
                let Some(next) = memchr2(0x1b, 0xc2, rest) else { return };
                rest = rest.get(next..).unwrap_or_default();
                let skipped = match rest {
                    [0x1b, sequence @ ..] => common(sequence).map(|(_, len)| 1 + len),
                    [0xc2, 0xa0..=0xff | 0..=0x7f, ..] => Some(1),
                    _ => None,
                };
                if let Some(len) = skipped {
                    rest = rest.get(len..).unwrap_or_default();
                    continue;
                }
                self.inside = true;
            }
            rest = self.sequence(rest);
        }
    }

    /// Has avt's parser read the open sequence; returns what is behind it.
    fn sequence<'a>(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            self.tracked.byte(self.parser.state, byte);
            for ch in self.controls.feed(byte) {
                let before = self.parser.state;
                self.parser.feed(ch);
                self.tracked.change(before, ch, self.parser.state);
            }
            if self.parser.state == State::Ground && self.controls.idle() {
                self.inside = false;
                break;
            }
        }
        rest
    }
}
