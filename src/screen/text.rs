//! The output as a reader saw it: lines, as they become final.
//!
//! Refuses to know time. The invariant: a line is given once, in order, when
//! it has scrolled off the screen or the recording has ended, and it holds no
//! control character.

use avt::observer::Transcript;

use super::model::Model;
use super::safe::is_unsafe;
use crate::event::{Event, TermSize};

/// Collects the text of a recording.
///
/// Wrapped lines are joined, trailing blanks dropped; what full-screen programs
/// did on the alternate screen is not text and not in it.
pub struct Text {
    model: Model,
    transcript: Transcript,
}

impl Text {
    /// Nothing yet, on a terminal of this size.
    #[must_use]
    pub fn new(size: TermSize) -> Self {
        Self { model: Model::new(size), transcript: Transcript::new() }
    }

    /// Takes an event; returns the lines that are final now.
    pub fn event(&mut self, event: &Event) -> Vec<String> {
        let reports = self.model.event_with(event, &mut self.transcript);
        reports.into_iter().flatten().map(printable).collect()
    }

    /// The screen now.
    #[must_use]
    pub fn into_model(self) -> Model {
        self.model
    }

    /// What is left on the screen at the end.
    #[must_use]
    pub fn finish(self) -> Vec<String> {
        self.transcript.finish(self.model.terminal()).into_iter().map(printable).collect()
    }
}

/// avt puts no control character into a cell that this knows of; that it never
/// will is not for avt to promise.
fn printable(line: String) -> String {
    if line.chars().any(|c| c.is_control()) {
        return line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    }
    line
}

/// A cell's character as it may be written: one that takes its cell, and acts
/// on nothing.
#[must_use]
pub fn cell_char(ch: char) -> char {
    if is_unsafe(ch) { '\u{fffd}' } else { ch }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Data;
    use proptest::prelude::*;

    fn lines(pieces: &[&str]) -> Vec<String> {
        let mut text = Text::new(TermSize::clamped(10, 3));
        let mut lines = Vec::new();
        for piece in pieces {
            lines.extend(
                text.event(&Event { time: 0, data: Data::Output(piece.as_bytes().to_vec()) }),
            );
        }
        lines.extend(text.finish());
        lines
    }

    #[test]
    fn as_a_reader_saw_it() {
        assert_eq!(
            lines(&["$ sl\u{8} \u{8}s\r\n", "\u{1b}[31mred\u{1b}[0m  \r\n"]),
            ["$ ss", "red"]
        );
        assert_eq!(lines(&["a long line that wraps\r\nb"]), ["a long line that wraps", "b"]);
        assert_eq!(lines(&["a\r\n\u{1b}[?1049hvim\u{1b}[?1049lb"]), ["a", "b"]);
        assert!(lines(&["\u{1b}]0;title\u{7}\u{9d}52;c;aGk=\u{9c}"]).is_empty());
    }

    proptest! {
        #[test]
        fn never_a_control_character(bytes in prop::collection::vec(any::<u8>(), 0..400), more in any::<String>()) {
            let mut text = Text::new(TermSize::clamped(7, 3));
            let mut all = text.event(&Event { time: 0, data: Data::Output(bytes) });
            all.extend(text.event(&Event { time: 0, data: Data::Output(more.into_bytes()) }));
            all.extend(text.finish());
            prop_assert!(!all.iter().flat_map(|l| l.chars()).any(char::is_control));
        }
    }
}
