//! What was typed, as lines.
//!
//! Refuses to know what was shown. The invariant: a line is given once, when
//! Enter ended it, with what Backspace took away left out; memory is bounded.

use crate::event::Micros;

/// More of a line is not kept, in bytes.
const LONGEST: usize = 64 << 10;

/// A line that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypedLine {
    /// When it was ended.
    pub(super) time: Micros,
    /// How many events have happened then.
    pub(super) event: u64,
    pub(super) text: String,
}

/// Where in a key's escape sequence the input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Key {
    #[default]
    None,
    Escape,
    /// After `CSI`: to its final byte.
    Csi,
    /// After `SS3`: one byte.
    Ss3,
}

/// Puts lines together of what `i` events hold.
#[derive(Debug, Default)]
pub(super) struct TypedLines {
    line: Vec<u8>,
    key: Key,
    after_cr: bool,
    last: (Micros, u64),
}

impl TypedLines {
    /// Takes what was typed; `event` is how many events have happened with it.
    pub(super) fn input(&mut self, bytes: &[u8], time: Micros, event: u64) -> Vec<TypedLine> {
        self.last = (time, event);
        let mut lines = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match (self.key, byte) {
                (_, 0x1b) => self.key = Key::Escape,
                (Key::Escape, b'[') => self.key = Key::Csi,
                (Key::Escape, b'O') => self.key = Key::Ss3,
                (Key::Escape | Key::Ss3, 0x20..) | (Key::Csi, b'@'..=b'~') => self.key = Key::None,
                (Key::Csi, 0x20..=0x3f) => {}
                (_, b'\n') if after_cr => {}
                (_, b'\r' | b'\n') => lines.extend(self.end()),
                (_, 0x08 | 0x7f) => self.erase(),
                // ^U takes the line, ^C gives it up.
                (_, 0x15 | 0x03) => self.line.clear(),
                (_, 0x17) => self.erase_word(),
                (_, b'\t' | 0x20..) => {
                    self.key = Key::None;
                    if self.line.len() < LONGEST {
                        self.line.push(byte);
                    }
                }
                _ => self.key = Key::None,
            }
        }
        lines
    }

    /// The line that was not ended.
    pub(super) fn finish(&mut self) -> Vec<TypedLine> {
        self.end().into_iter().collect()
    }

    fn end(&mut self) -> Option<TypedLine> {
        self.key = Key::None;
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        let (time, event) = self.last;
        (!text.is_empty()).then_some(TypedLine { time, event, text })
    }

    fn erase(&mut self) {
        while let Some(byte) = self.line.pop() {
            if !(0x80..0xc0).contains(&byte) {
                return;
            }
        }
    }

    fn erase_word(&mut self) {
        while self.line.pop_if(|byte| *byte == b' ').is_some() {}
        while self.line.pop_if(|byte| *byte != b' ').is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&str]) -> Vec<String> {
        let mut lines = TypedLines::default();
        let mut all = Vec::new();
        for (n, piece) in pieces.iter().enumerate() {
            all.extend(lines.input(piece.as_bytes(), n as u64, n as u64 + 1));
        }
        all.extend(lines.finish());
        all.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn keys_make_lines() {
        assert_eq!(lines(&["l", "s", "\r"]), ["ls"]);
        assert_eq!(lines(&["lx\u{7f}s -l\r\npwd\n\r\r"]), ["ls -l", "pwd"]);
        assert_eq!(lines(&["é界\u{7f}\u{8}x y z\u{17}w\r"]), ["x y w"]);
        assert_eq!(lines(&["gone\u{15}", "kept"]), ["kept"]);
        assert_eq!(lines(&["a\u{1b}[A", "\u{1b}", "[1;5D\u{1b}OPb\u{1b}xc\r"]), ["abc"]);
        assert_eq!(lines(&["\u{1b}[200~pasted\u{1b}[201~\r"]), ["pasted"]);
    }

    #[test]
    fn a_line_stands_where_it_was_ended() {
        let mut lines = TypedLines::default();
        assert!(lines.input(b"ab", 5, 1).is_empty());
        let ended = lines.input(b"\rc\r", 9, 4);
        let at = |text: &str| TypedLine { time: 9, event: 4, text: text.to_owned() };
        assert_eq!(ended, [at("ab"), at("c")]);
    }
}
