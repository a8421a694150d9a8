//! From bytes to functions, the common ones without a detour.
//!
//! Refuses to know what they do. The invariant: what is read here is what
//! avt's parser makes of it; whatever is not plainly one of the commonest
//! sequences goes through that.

use avt::parser::{EdScope, Function, State};

use super::Sheet;
use super::row::UNSEEN;

/// Bytes of a control sequence that are read here.
const SHORT: usize = 24;

/// How many bytes from the start are printable ASCII.
pub(super) fn printable(bytes: &[u8]) -> usize {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut whole = 0;
    for chunk in bytes.as_chunks::<16>().0 {
        if chunk.iter().fold(false, |other, byte| other | (byte.wrapping_sub(0x20) > 0x5e)) {
            break;
        }
        whole += 16;
    }
    let (words, _) = bytes.get(whole..).unwrap_or_default().as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        // Below a blank, or DEL, or beyond ASCII.
        let below = word.wrapping_sub(0x2020_2020_2020_2020);
        let above = word.wrapping_add(0x0101_0101_0101_0101);
        if (below | above | word) & HIGH != 0 {
            break;
        }
        whole += 8;
    }
    let rest = bytes.get(whole..).unwrap_or_default();
    whole + rest.iter().take_while(|byte| matches!(byte, 0x20..=0x7e)).count()
}

impl Sheet {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes_from(bytes, 0);
    }

    /// Takes `bytes[at..]`.
    pub(super) fn bytes_from(&mut self, bytes: &[u8], mut at: usize) {
        while let Some(&byte) = bytes.get(at) {
            if self.inside {
                self.slow(byte, at);
                at += 1;
                continue;
            }
            match byte {
                0x20..=0x7e => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let len = printable(rest);
                    self.text(rest.get(..len).unwrap_or_default(), at);
                    at += len;
                }
                b'\r' => {
                    self.col = 0;
                    at += 1;
                }
                b'\n' => {
                    self.line_feed(at);
                    at += 1;
                }
                0x1b => match self.sequence(bytes.get(at + 1..).unwrap_or_default(), at + 1) {
                    Some(len) => at += 1 + len,
                    None => {
                        self.slow(byte, at);
                        at += 1;
                    }
                },
                0x08 => {
                    self.bs();
                    at += 1;
                }
                b'\t' => {
                    self.tab(1);
                    at += 1;
                }
                0xc3..=0xf4 => match character(bytes.get(at..).unwrap_or_default()) {
                    Some(ch) => {
                        self.print(ch, at);
                        at += ch.len_utf8();
                    }
                    None => {
                        self.slow(byte, at);
                        at += 1;
                    }
                },
                _ => {
                    self.slow(byte, at);
                    at += 1;
                }
            }
        }
    }

    /// Printable ASCII.
    fn text(&mut self, mut text: &[u8], mut at: usize) {
        let drawing = if self.shift == 0 { self.drawing[0] } else { self.drawing[1] };
        if self.insert || drawing || !self.wrap {
            for (n, byte) in text.iter().enumerate() {
                self.print(char::from(*byte), at + n);
            }
            return;
        }
        let cols = self.cols();
        if self.col + text.len() <= cols {
            let (col, row) = (self.col, self.row);
            let row = self.grid_mut().row_mut(row);
            row.dirty = true;
            row.write(col, text);
            let look = std::mem::replace(&mut row.look, UNSEEN);
            self.gone(look);
            self.col += text.len();
            return;
        }
        loop {
            let (now, rest) = text.split_at(text.len().min(cols - self.col.min(cols)));
            if !now.is_empty() {
                self.touch(self.row);
                let (col, row) = (self.col, self.row);
                self.grid_mut().row_mut(row).write(col, now);
                self.col += now.len();
                at += now.len();
            }
            text = rest;
            if text.is_empty() {
                return;
            }
            self.wrap_row(at);
            self.col = 0;
        }
    }

    /// By way of avt's parser.
    fn slow(&mut self, byte: u8, at: usize) {
        let mut decoder = std::mem::take(&mut self.decoder);
        decoder.decode(&[byte], |text| {
            for ch in text.chars() {
                if let Some(function) = self.parser.feed(ch) {
                    self.act(&function, at);
                }
            }
        });
        self.inside = self.parser.state != State::Ground || !decoder.held().is_empty();
        self.decoder = decoder;
    }

    /// A sequence that is whole and common, behind its ESC at `at`; its length.
    fn sequence(&mut self, rest: &[u8], at: usize) -> Option<usize> {
        match rest {
            [b'[', params @ ..] => {
                let len = params.iter().take(SHORT).position(|b| !matches!(b, b'0'..=b';'))?;
                let (params, last) = (params.get(..len)?, *params.get(len)?);
                if last == b'm' {
                    return Some(len + 2);
                }
                self.control(params, last, at + len + 1)?;
                Some(len + 2)
            }
            [b']', ..] => string(rest),
            [b'=' | b'>', ..] => Some(1),
            _ => None,
        }
    }

    fn control(&mut self, params: &[u8], last: u8, at: usize) -> Option<()> {
        let mut numbers = params.split(|byte| *byte == b';').map(number);
        let first = numbers.next()??;
        let second = numbers.next().unwrap_or(Some(0))?;
        if numbers.next().is_some() {
            return None;
        }
        let count = usize::from(first).max(1);
        match last {
            b'H' | b'f' => self.place(count - 1, usize::from(second).max(1) - 1),
            b'K' if first == 0 => self.erase_line(self.col, self.cols(), true),
            b'C' | b'a' => self.set_col(self.col + count),
            b'G' | b'`' => self.set_col(count - 1),
            b'A' => self.up(count),
            b'B' | b'e' => self.down(count),
            b'D' => self.left(count),
            b'd' => self.set_row(count - 1),
            b'X' => self.erase_chars(count),
            b'P' => self.delete(count),
            b'J' if first == 0 => self.erase_display(&EdScope::Below, at),
            b'J' if first == 2 => self.erase_display(&EdScope::All, at),
            b'L' => self.insert_lines(count, at),
            b'M' => self.delete_lines(count, at),
            b'S' => self.scroll_up(count, at),
            b'T' => self.scroll_down(count, at),
            b'r' => self.act(&Function::Decstbm(first, second), at),
            _ => return None,
        }
        Some(())
    }
}

/// A string that shows nothing, behind its ESC; its length.
pub(super) fn string(rest: &[u8]) -> Option<usize> {
    let string = rest.strip_prefix(b"]")?;
    let len = printable(string);
    match string.get(len..)? {
        [0x07, ..] => Some(len + 2),
        [0x1b, b'\\', ..] => Some(len + 3),
        _ => None,
    }
}

/// A number of few digits, or none.
fn number(digits: &[u8]) -> Option<u16> {
    if digits.len() > 4 {
        return None;
    }
    digits.iter().try_fold(0, |number: u16, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        Some(number * 10 + u16::from(digit))
    })
}

/// A whole character beyond ASCII and C1.
pub(super) fn character(bytes: &[u8]) -> Option<char> {
    let len = match bytes.first()? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    let mut chars = std::str::from_utf8(bytes.get(..len)?).ok()?.chars();
    chars.next()
}
