//! What a viewer's terminal sends, as keys and mouse events.
//!
//! Refuses to know what they are for. The invariants: how the bytes are cut
//! into reads makes no difference, but for a lone ESC, which is a key once
//! nothing follows it; and whatever is no key is dropped whole, so that no
//! answer of a terminal is ever taken for typing.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// The longest sequence that is waited for. None of a keyboard's is near it; a
/// longer one is an answer that nobody asked for.
const LONGEST: usize = 64;

/// One thing that the person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key.
    Key(KeyEvent),
    /// The mouse.
    Mouse(MouseEvent),
}

/// Takes bytes apart.
#[derive(Debug, Default)]
pub struct Decoder {
    held: Vec<u8>,
    /// Inside a string (`OSC`, `DCS`, …) that is dropped to its end.
    string: bool,
}

impl Decoder {
    /// Whether the beginning of a sequence waits for its end.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes these bytes; gives what is whole.
    pub fn feed(&mut self, bytes: &[u8], inputs: &mut Vec<Input>) {
        for &byte in bytes {
            self.held.push(byte);
            match self.whole() {
                Whole::No if self.held.len() < LONGEST => {}
                Whole::No => self.held.clear(),
                Whole::String => {
                    self.string = true;
                    self.held.clear();
                }
                Whole::Dropped => self.held.clear(),
                Whole::Yes(input) => {
                    self.held.clear();
                    inputs.push(input);
                }
                Whole::Again => {
                    let held = std::mem::take(&mut self.held);
                    self.feed(held.get(1..).unwrap_or_default(), inputs);
                }
            }
        }
    }

    /// Nothing followed: a lone ESC is the key, and what else was begun is
    /// nothing.
    pub fn give_up(&mut self, inputs: &mut Vec<Input>) {
        if self.held == [0x1b] && !self.string {
            inputs.push(key(KeyCode::Esc, KeyModifiers::NONE));
        }
        self.held.clear();
        self.string = false;
    }

    /// What the held bytes are.
    fn whole(&mut self) -> Whole {
        if self.string {
            // Until BEL, ST or its 8-bit form; an ESC that begins no ST ends
            // it too, as terminals have it.
            return match self.held.as_slice() {
                [0x1b] => Whole::No,
                [0x1b, b'\\'] | [0x07] => {
                    self.string = false;
                    Whole::Dropped
                }
                [0x1b, _] => {
                    self.string = false;
                    self.whole()
                }
                _ => Whole::Dropped,
            };
        }
        match self.held.as_slice() {
            [] | [0x1b] => Whole::No,
            // The second may begin a sequence.
            [0x1b, 0x1b] => Whole::Again,
            [0x1b, b'['] | [0x1b, b'O'] => Whole::No,
            [0x1b, b']' | b'P' | b'_' | b'^' | b'X'] => Whole::String,
            [0x1b, b'O', last] => Whole::of(ss3(*last, 1)),
            [0x1b, b'[', b'[', ..] if self.held.len() == 3 => Whole::No,
            // The Linux console's F1 to F5.
            [0x1b, b'[', b'[', n @ b'A'..=b'E'] => {
                Whole::of(Some(key(KeyCode::F(n - b'A' + 1), KeyModifiers::NONE)))
            }
            [0x1b, b'[', rest @ .., last] => match last {
                0x40..=0x7e => Whole::of(csi(rest, *last)),
                0x20..=0x3f => Whole::No,
                _ => Whole::Again,
            },
            [0x1b, rest @ ..] => match text(rest) {
                Text::Whole(ch) => Whole::of(char_key(ch, KeyModifiers::ALT)),
                Text::Half => Whole::No,
                Text::Bad => Whole::Dropped,
            },
            rest => match text(rest) {
                Text::Whole(ch) => Whole::of(char_key(ch, KeyModifiers::NONE)),
                Text::Half => Whole::No,
                Text::Bad if rest.len() > 1 => Whole::Again,
                Text::Bad => Whole::Dropped,
            },
        }
    }
}

enum Whole {
    No,
    Yes(Input),
    /// A sequence of no interest.
    Dropped,
    /// A string of no interest begins.
    String,
    /// The first byte was nothing; the rest is to be looked at anew.
    Again,
}

impl Whole {
    fn of(input: Option<Input>) -> Self {
        input.map_or(Self::Dropped, Self::Yes)
    }
}

enum Text {
    Whole(char),
    Half,
    Bad,
}

/// A character of UTF-8.
fn text(bytes: &[u8]) -> Text {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().next().map_or(Text::Half, Text::Whole),
        Err(error) if error.error_len().is_none() && bytes.len() < 4 => Text::Half,
        Err(_) => Text::Bad,
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Input {
    Input::Key(KeyEvent::new(code, modifiers))
}

fn char_key(ch: char, modifiers: KeyModifiers) -> Option<Input> {
    let ctrl = modifiers | KeyModifiers::CONTROL;
    Some(match ch {
        // In raw mode Enter is no line feed: that is ^J.
        '\r' => key(KeyCode::Enter, modifiers),
        '\t' => key(KeyCode::Tab, modifiers),
        '\u{7f}' | '\u{8}' => key(KeyCode::Backspace, modifiers),
        '\0' => key(KeyCode::Char(' '), ctrl),
        // A control character is the character 64 places on, and the key.
        '\u{1}'..='\u{1f}' => {
            let named = char::from(u8::try_from(ch).ok()? + 0x40).to_ascii_lowercase();
            key(KeyCode::Char(named), ctrl)
        }
        _ if ch.is_control() => return None,
        _ => key(KeyCode::Char(ch), modifiers),
    })
}

/// The cursor keys and F1 to F4, as `SS3` and `CSI` both have them.
fn ss3(last: u8, modifier: u32) -> Option<Input> {
    let code = match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'M' => KeyCode::Enter,
        b'P'..=b'S' => KeyCode::F(last - b'P' + 1),
        _ => return None,
    };
    Some(key(code, modifiers(modifier)))
}

/// What is after `CSI`. xterm's ctlseqs has the forms of keys and of the mouse
/// (mode 1006).
fn csi(rest: &[u8], last: u8) -> Option<Input> {
    if let Some(mouse) = rest.strip_prefix(b"<") {
        return mouse_event(&numbers(mouse), last);
    }
    if !rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b';') {
        return None;
    }
    let numbers = numbers(rest);
    let (first, modifier) = match numbers.as_slice() {
        [] => (1, 1),
        [first] => (*first, 1),
        [first, modifier, ..] => (*first, *modifier),
    };
    let code = match (last, first) {
        (b'Z', _) => return Some(key(KeyCode::BackTab, KeyModifiers::SHIFT)),
        // An answer with the cursor's place looks like F3 with a modifier.
        (b'R', 2..) => return None,
        (b'~', 1 | 7) => KeyCode::Home,
        (b'~', 2) => KeyCode::Insert,
        (b'~', 3) => KeyCode::Delete,
        (b'~', 4 | 8) => KeyCode::End,
        (b'~', 5) => KeyCode::PageUp,
        (b'~', 6) => KeyCode::PageDown,
        (b'~', 11..=15) => KeyCode::F(u8::try_from(first - 10).ok()?),
        (b'~', 17..=21) => KeyCode::F(u8::try_from(first - 11).ok()?),
        (b'~', 23..=24) => KeyCode::F(u8::try_from(first - 12).ok()?),
        (b'~', _) => return None,
        _ => return ss3(last, modifier),
    };
    Some(key(code, modifiers(modifier)))
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    if text.is_empty() {
        return Vec::new();
    }
    text.split(';').map(|number| number.parse().unwrap_or(0)).collect()
}

/// 1 and a bit for each: shift, alt, control.
fn modifiers(number: u32) -> KeyModifiers {
    let bits = number.saturating_sub(1);
    let mut modifiers = KeyModifiers::NONE;
    modifiers.set(KeyModifiers::SHIFT, bits & 1 != 0);
    modifiers.set(KeyModifiers::ALT, bits & 2 != 0);
    modifiers.set(KeyModifiers::CONTROL, bits & 4 != 0);
    modifiers
}

fn mouse_event(numbers: &[u32], last: u8) -> Option<Input> {
    let &[code, column, row] = numbers else { return None };
    let button = match code & 3 {
        0 => MouseButton::Left,
        1 => MouseButton::Middle,
        _ => MouseButton::Right,
    };
    let kind = match (code & 0x40 != 0, code & 0x20 != 0, last) {
        (true, ..) => match code & 3 {
            0 => MouseEventKind::ScrollUp,
            1 => MouseEventKind::ScrollDown,
            2 => MouseEventKind::ScrollLeft,
            _ => MouseEventKind::ScrollRight,
        },
        (_, _, b'm') => MouseEventKind::Up(button),
        (_, true, b'M') if code & 3 == 3 => MouseEventKind::Moved,
        (_, true, b'M') => MouseEventKind::Drag(button),
        (_, false, b'M') => MouseEventKind::Down(button),
        _ => return None,
    };
    let mut modifiers = KeyModifiers::NONE;
    modifiers.set(KeyModifiers::SHIFT, code & 4 != 0);
    modifiers.set(KeyModifiers::ALT, code & 8 != 0);
    modifiers.set(KeyModifiers::CONTROL, code & 16 != 0);
    let place = |n: u32| u16::try_from(n.saturating_sub(1)).ok();
    Some(Input::Mouse(MouseEvent { kind, column: place(column)?, row: place(row)?, modifiers }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(pieces: &[&[u8]]) -> Vec<Input> {
        let (mut decoder, mut inputs) = (Decoder::default(), Vec::new());
        for piece in pieces {
            decoder.feed(piece, &mut inputs);
        }
        decoder.give_up(&mut inputs);
        inputs
    }

    fn named(code: KeyCode, modifiers: KeyModifiers) -> Vec<Input> {
        vec![key(code, modifiers)]
    }

    #[test]
    fn keys() {
        use KeyCode::{Char, Down, End, Enter, Esc, F, Home, Left, PageUp, Right, Up};
        let (none, shift) = (KeyModifiers::NONE, KeyModifiers::SHIFT);
        let (ctrl, alt) = (KeyModifiers::CONTROL, KeyModifiers::ALT);
        let cases: &[(&str, KeyCode, KeyModifiers)] = &[
            ("q", Char('q'), none),
            ("é", Char('é'), none),
            ("\u{3}", Char('c'), ctrl),
            ("\u{1c}", Char('\\'), ctrl),
            ("\r", Enter, none),
            ("\n", Char('j'), ctrl),
            ("\u{7f}", KeyCode::Backspace, none),
            ("\u{1b}", Esc, none),
            ("\u{1b}[A", Up, none),
            ("\u{1b}OB", Down, none),
            ("\u{1b}[1;2C", Right, shift),
            ("\u{1b}[1;5D", Left, ctrl),
            ("\u{1b}[H", Home, none),
            ("\u{1b}[4~", End, none),
            ("\u{1b}[5~", PageUp, none),
            ("\u{1b}[5;2~", PageUp, shift),
            ("\u{1b}OP", F(1), none),
            ("\u{1b}[11~", F(1), none),
            ("\u{1b}[[A", F(1), none),
            ("\u{1b}[24~", F(12), none),
            ("\u{1b}x", Char('x'), alt),
            ("\u{1b}[Z", KeyCode::BackTab, shift),
        ];
        for (bytes, code, modifiers) in cases {
            assert_eq!(decoded(&[bytes.as_bytes()]), named(*code, *modifiers), "{bytes:?}");
        }
    }

    #[test]
    fn the_mouse() {
        let at = |bytes: &str| match decoded(&[bytes.as_bytes()]).as_slice() {
            [Input::Mouse(mouse)] => Some((mouse.kind, mouse.column, mouse.row)),
            _ => None,
        };
        let left = MouseButton::Left;
        assert_eq!(at("\u{1b}[<0;3;7M"), Some((MouseEventKind::Down(left), 2, 6)));
        assert_eq!(at("\u{1b}[<32;4;7M"), Some((MouseEventKind::Drag(left), 3, 6)));
        assert_eq!(at("\u{1b}[<0;4;7m"), Some((MouseEventKind::Up(left), 3, 6)));
        assert_eq!(at("\u{1b}[<64;1;1M"), Some((MouseEventKind::ScrollUp, 0, 0)));
        assert_eq!(at("\u{1b}[<65;1;1M"), Some((MouseEventKind::ScrollDown, 0, 0)));
        assert_eq!(at("\u{1b}[<0;99999999;1M"), None);
    }

    #[test]
    fn answers_are_no_keys() {
        for answer in [
            "\u{1b}[?62;22c",
            "\u{1b}[12;40R",
            "\u{1b}]11;rgb:0000/0000/0000\u{7}",
            "\u{1b}]52;c;cm0gLXJmIC8K\u{1b}\\",
            "\u{1b}P1$r0m\u{1b}\\",
            "\u{1b}[I",
            "\u{1b}[?1;2;3$y",
        ] {
            assert_eq!(decoded(&[answer.as_bytes()]), [], "{answer:?}");
            let (start, end) = answer.split_at(answer.len() / 2);
            assert_eq!(decoded(&[start.as_bytes(), end.as_bytes(), b"q"]).len(), 1, "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn cutting_makes_no_difference(
            bytes in prop::collection::vec(
                prop_oneof![any::<u8>(), Just(0x1b), Just(b'['), Just(b'O'), Just(b'<'), Just(b'M'), 0x30..0x40u8],
                0..200,
            ),
            at in any::<prop::sample::Index>(),
        ) {
            let at = at.index(bytes.len() + 1);
            prop_assert_eq!(decoded(&[&bytes[..at], &bytes[at..]]), decoded(&[&bytes]));
        }
    }
}
