//! What of a flood a look for commands may pass over.
//!
//! Refuses to know commands. The invariant: what is passed over is whole lines
//! of text and its colours, so that no mode and no mark is missed, and what
//! comes after is on the line that it would have been on.

use memchr::{memchr, memchr_iter, memmem, memrchr};

/// The end of a piece of output that is looked at in any case: a prompt and
/// what is typed behind it are shorter.
const TAIL: usize = 512;

/// Whether the last piece ended in the middle of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Nothing,
    /// An escape sequence.
    Sequence,
    /// A control string; whether BEL ends it, as it does OSC.
    String(bool),
}

/// Looks at output before the terminal model does.
#[derive(Debug, Default)]
pub(super) struct Flood {
    within: Within,
}

impl Flood {
    /// Where the model is to begin with this piece: at its start, or at the end
    /// of a line in it.
    pub(super) fn begin(&mut self, bytes: &[u8]) -> usize {
        let before = self.within;
        self.within = after(bytes, before);
        let head = bytes.len().checked_sub(TAIL).filter(|_| before == Within::Nothing);
        let head = bytes.get(..head.unwrap_or(0)).unwrap_or_default();
        let begin = memmem::rfind(head, b"\r\n").unwrap_or(0);
        match head.get(..begin) {
            Some(passed) if is_text(passed) => begin,
            _ => 0,
        }
    }
}

/// What a piece ends within, that began within `before`.
fn after(bytes: &[u8], before: Within) -> Within {
    // A C1 control as UTF-8 may begin anything.
    if memchr_iter(0xc2, bytes).any(|at| bytes.get(at + 1).is_none_or(|next| *next < 0xa0)) {
        return Within::String(false);
    }
    let Some(last) = memrchr(0x1b, bytes) else {
        return match before {
            Within::String(true) if memchr(0x07, bytes).is_some() => Within::Nothing,
            Within::Sequence if bytes.iter().any(|byte| *byte >= 0x40) => Within::Nothing,
            before => before,
        };
    };
    let rest = bytes.get(last + 1..).unwrap_or_default();
    let parameters = |rest: &[u8]| {
        let end = rest.iter().position(|byte| !(0x20..0x40).contains(byte));
        if end.is_some() { Within::Nothing } else { Within::Sequence }
    };
    match rest.split_first() {
        None => Within::Sequence,
        Some((b'[', rest)) => parameters(rest),
        Some((b']', rest)) if memchr(0x07, rest).is_some() => Within::Nothing,
        Some((kind @ (b']' | b'P' | b'X' | b'^' | b'_'), _)) => Within::String(*kind == b']'),
        Some((0x20..=0x2f, rest)) => parameters(rest),
        Some(_) => Within::Nothing,
    }
}

/// Whether this is text, the ends of lines, tabs and SGR (ECMA-48, 8.3.117).
fn is_text(bytes: &[u8]) -> bool {
    let special = |byte: &u8| {
        *byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t') || matches!(byte, 0x7f | 0xc2)
    };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(special) {
        let after = rest.get(at + 1..).unwrap_or_default();
        let skipped = match (rest.get(at), after.first()) {
            (Some(0x1b), Some(b'[')) => {
                let end = after.iter().skip(1).position(|b| !b.is_ascii_digit() && *b != b';');
                end.map(|end| end + 1).filter(|end| after.get(*end) == Some(&b'm'))
            }
            (Some(0xc2), Some(0xa0..)) => Some(0),
            _ => None,
        };
        let Some(skipped) = skipped else { return false };
        rest = after.get(skipped + 1..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Data, Event, TermSize};
    use crate::screen::Model;
    use proptest::prelude::*;

    fn feed(model: &mut Model, bytes: &[u8]) {
        model.event(&Event { time: 0, data: Data::Output(bytes.to_vec()) });
    }

    /// The cursor's line, its column, and which screen it is on.
    fn place(model: &Model) -> (String, usize, bool) {
        let terminal = model.terminal();
        let cursor = terminal.cursor();
        let line = terminal.screen().line(cursor.row).map(|line| line.chars().collect());
        let primary = terminal.active_screen_kind() == avt::ScreenKind::Primary;
        (line.unwrap_or_default(), cursor.col, primary)
    }

    #[test]
    fn lines_of_text_are_passed_over() {
        let mut flood = Flood::default();
        let line = "\u{1b}[1;31mword\u{1b}[m übung 日本\t1\r\n";
        let text = line.repeat(100);
        let begin = flood.begin(text.as_bytes());
        assert!(begin > text.len() - TAIL - line.len() && begin <= text.len() - TAIL);
        assert!(text[begin..].starts_with("\r\n"));
        assert_eq!(flood.begin(line.as_bytes()), 0);
        for other in
            ["\u{1b}[?1049h", "\u{1b}]133;A\u{7}", "\u{8}", "\u{9b}2J", "\u{e}", "\u{1b}[2J"]
        {
            let mut flood = Flood::default();
            assert_eq!(flood.begin(format!("{other}{text}").as_bytes()), 0, "{other:?}");
        }
        // What was begun before is ended first.
        for (open, ended) in
            [("\u{1b}]0;x", "\u{7}"), ("\u{1b}[3", "m"), ("\u{1b}Px", "\u{1b}\\"), ("\u{1b}", "c")]
        {
            let mut flood = Flood::default();
            flood.begin(open.as_bytes());
            assert_eq!(flood.begin(text.as_bytes()), 0, "{open:?}");
            let mut flood = Flood::default();
            flood.begin(open.as_bytes());
            flood.begin(ended.as_bytes());
            assert!(flood.begin(text.as_bytes()) > 0, "{open:?} {ended:?}");
        }
    }

    proptest! {
        #[test]
        fn the_line_one_is_on_is_the_same(
            pieces in prop::collection::vec(prop::collection::vec((0..PIECES.len(), 1..60_usize), 1..12), 1..12),
        ) {
            let (mut whole, mut passed) = (Model::new(TermSize::clamped(30, 6)), Model::new(TermSize::clamped(30, 6)));
            let mut flood = Flood::default();
            for piece in pieces {
                let text: String = piece.iter().map(|(at, count)| PIECES[*at].repeat(*count)).collect();
                let bytes = text.as_bytes();
                feed(&mut whole, bytes);
                let begin = flood.begin(bytes);
                feed(&mut passed, &bytes[begin..]);
                prop_assert_eq!(place(&whole), place(&passed));
            }
        }
    }

    const PIECES: &[&str] = &[
        "words and more\r\n",
        "\u{1b}[32mgreen\u{1b}[0m\r\n",
        "$ ",
        "a line that is longer than the window is wide, and more than once\r\n",
        "\r\n",
        "日本\t",
        "\u{1b}]0;title\u{7}\r\n",
        "\u{1b}[?2004h",
        "\u{1b}[?1049h\u{1b}[H\u{1b}[2J",
        "\u{1b}[?1049h\u{1b}[H\u{1b}[2Jx\u{1b}[?1049l",
    ];
}
