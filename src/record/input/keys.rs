//! What a person's terminal sends, taken apart: text, keys, answers, pastes.
//!
//! Knows nothing of what the program shows. Its invariants: every byte comes
//! out once and in order, and how the bytes are cut into reads makes no
//! difference, if they come at the same time.

use super::reply::Asked;
use super::secret::Secret;
use crate::event::Micros;

/// How long an unfinished sequence is waited for: terminals send one in a
/// single write, so that what is cut comes at once; a lone ESC is the key.
pub(super) const HOLD: Micros = 100_000;

/// How long after a program left bracketed paste the end of one is waited for.
const ABANDONED: Micros = 1_000_000;

/// The longest sequence: an answer with a clipboard in it.
const LONGEST: usize = 64 << 10;

/// One thing that was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent<'a> {
    /// Printable text; of keyboards that send each key as a sequence, also
    /// such a sequence whole.
    Text(&'a [u8]),
    /// Tab, CR or LF: text between a paste's brackets, else a key.
    Break { byte: u8, pasted: bool },
    /// A key that is no text.
    Key(&'a [u8]),
    /// An answer of the terminal.
    Answer(Vec<u8>),
    /// `CSI 200 ~`.
    PasteStart(&'a [u8]),
    /// `CSI 201 ~`.
    PasteEnd(&'a [u8]),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    Csi,
    /// So many bytes more, whatever they are.
    Fixed(u8),
    Ss3,
    String {
        escaped: bool,
    },
}

/// The parser.
#[derive(Debug, Default)]
pub(super) struct Keys {
    state: State,
    held: Secret,
    since: Micros,
    latest: Micros,
    /// Between the brackets of a paste.
    pasting: bool,
}

impl Keys {
    /// When the first and the latest byte of an unfinished sequence came.
    pub(super) fn held(&self) -> Option<(Micros, Micros)> {
        (self.state != State::Ground).then_some((self.since, self.latest))
    }

    /// Takes these bytes apart.
    pub(super) fn feed(
        &mut self,
        time: Micros,
        mut bytes: &[u8],
        asked: &mut Asked,
        sent: &mut impl FnMut(Micros, Sent<'_>),
    ) {
        // A program that is gone, and with it the closing bracket.
        if self.pasting && !asked.paste && time > self.latest + ABANDONED {
            self.pasting = false;
        }
        self.latest = time;
        while let Some((&first, rest)) = bytes.split_first() {
            if self.state != State::Ground {
                self.held.push(&[first]);
                self.step(first, asked, sent);
                bytes = rest;
                continue;
            }
            let plain = bytes.iter().take_while(|&&b| b >= 0x20 && b != 0x7f).count();
            if let Some((text, rest)) = bytes.split_at_checked(plain)
                && !text.is_empty()
            {
                sent(time, Sent::Text(text));
                bytes = rest;
                continue;
            }
            bytes = rest;
            match first {
                0x1b => {
                    self.state = State::Escape;
                    self.since = time;
                    self.held.push(&[first]);
                }
                b'\t' | b'\r' | b'\n' => {
                    sent(time, Sent::Break { byte: first, pasted: self.pasting });
                }
                _ if self.pasting => sent(time, Sent::Text(&[first])),
                _ => sent(time, Sent::Key(&[first])),
            }
        }
    }

    /// Nothing came to finish the sequence: what is held is an Escape key, or
    /// one with Alt, and what was typed after it.
    pub(super) fn give_up(&mut self, asked: &mut Asked, sent: &mut impl FnMut(Micros, Sent<'_>)) {
        if self.state == State::Ground {
            return;
        }
        self.state = State::Ground;
        let held = std::mem::take(&mut self.held);
        let since = self.since;
        let key = held.len().min(2);
        let (key, rest) = held.get().split_at(key);
        self.key(since, key, sent);
        // Whatever follows is text, or begins a sequence again.
        self.feed(since, rest, asked, sent);
        self.give_up(asked, sent);
    }

    fn key(&self, time: Micros, key: &[u8], sent: &mut impl FnMut(Micros, Sent<'_>)) {
        sent(time, if self.pasting { Sent::Text(key) } else { Sent::Key(key) });
    }

    fn step(&mut self, byte: u8, asked: &mut Asked, sent: &mut impl FnMut(Micros, Sent<'_>)) {
        let next = match self.state {
            State::Ground => None,
            State::Escape => match byte {
                b'[' => Some(State::Csi),
                b'O' => Some(State::Ss3),
                b']' | b'P' | b'_' | b'^' | b'X' => Some(State::String { escaped: false }),
                // Alt with a character of two to four bytes.
                0xc0..=0xdf => Some(State::Fixed(1)),
                0xe0..=0xef => Some(State::Fixed(2)),
                0xf0..=0xf7 => Some(State::Fixed(3)),
                // ESC ESC [ A: Alt with an arrow, in rxvt.
                0x1b if self.held.len() == 2 => Some(State::Escape),
                _ => None,
            },
            State::Csi => match byte {
                // The Linux console's function keys: ESC [ [ A.
                b'[' if self.held.len() == 3 => Some(State::Fixed(1)),
                b'M' if self.held.len() == 3 && asked.mouse() => Some(State::Fixed(3)),
                0x20..=0x3f => Some(State::Csi),
                _ => None,
            },
            State::Fixed(n) if n > 1 => Some(State::Fixed(n - 1)),
            State::Fixed(_) => None,
            State::Ss3 if byte.is_ascii_digit() || byte == b';' => Some(State::Ss3),
            State::Ss3 => None,
            State::String { escaped } => match byte {
                0x07 | 0x18 | 0x1a => None,
                b'\\' if escaped => None,
                _ => Some(State::String { escaped: byte == 0x1b }),
            },
        };
        match next {
            Some(_) if self.held.len() >= LONGEST => self.give_up(asked, sent),
            Some(state) => self.state = state,
            None => {
                self.state = State::Ground;
                let mut held = std::mem::take(&mut self.held);
                self.finished(&mut held, asked, sent);
            }
        }
    }

    fn finished(
        &mut self,
        held: &mut Secret,
        asked: &mut Asked,
        sent: &mut impl FnMut(Micros, Sent<'_>),
    ) {
        let time = self.since;
        let is_string = matches!(held.get(), [0x1b, b']' | b'P' | b'_' | b'^' | b'X', _, ..]);
        match held.get() {
            b"\x1b[201~" if self.pasting => {
                self.pasting = false;
                sent(time, Sent::PasteEnd(held.get()));
            }
            sequence if self.pasting => sent(time, Sent::Text(sequence)),
            b"\x1b[200~" if asked.paste => {
                self.pasting = true;
                sent(time, Sent::PasteStart(held.get()));
            }
            sequence if asked.answers(sequence) => sent(time, Sent::Answer(held.reveal())),
            sequence if text_of(sequence, asked.win32).is_some() => {
                sent(time, Sent::Text(sequence))
            }
            // A string that is no answer could hold anything that was typed.
            sequence if is_string => sent(time, Sent::Text(sequence)),
            // A sequence ended by a byte that ends none: that byte is by
            // itself again.
            [before @ .., last] if *last < 0x20 && before.len() > 1 => {
                let (before, last) = (before.to_vec(), [*last]);
                self.key(time, &before, sent);
                self.feed(time, &last, asked, sent);
            }
            sequence => sent(time, Sent::Key(sequence)),
        }
    }
}

/// The text that a key sends as a sequence: kitty's `CSI … u`, xterm's
/// `modifyOtherKeys`, the Windows console's records, the numeric keypad in
/// application mode. Some("") for a key's release and for a modifier alone;
/// `None` for what is no text.
pub(super) fn text_of(sequence: &[u8], win32: bool) -> Option<String> {
    let (&last, body) = match sequence {
        [0x1b, b'O', key] => return keypad(*key).map(String::from),
        [0x1b, b'[', rest @ ..] if rest.len() < 256 => rest.split_last()?,
        _ => return None,
    };
    if !body.first()?.is_ascii_digit() {
        return None;
    }
    let number = |n: &[u8]| std::str::from_utf8(n).ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let fields: Vec<Vec<u32>> =
        body.split(|&b| b == b';').map(|f| f.split(|&b| b == b':').map(number).collect()).collect();
    let at = |field: usize, part: usize| {
        fields.get(field).and_then(|f| f.get(part)).copied().unwrap_or(0)
    };
    match last {
        b'u' => {
            let text = character(at(0, 0), at(0, 1), at(1, 0))?;
            let told: String = (0..fields.get(2).map_or(0, Vec::len))
                .filter_map(|n| char::from_u32(at(2, n)).filter(|c| !c.is_control()))
                .collect();
            Some(match at(1, 1) {
                3 => String::new(),
                _ if told.is_empty() => text.into(),
                _ => told,
            })
        }
        b'~' if at(0, 0) == 27 && fields.len() == 3 => {
            character(at(2, 0), 0, at(1, 0)).map(String::from)
        }
        b'_' if win32 => match (at(0, 0), char::from_u32(at(2, 0))) {
            // Shift, Control, Alt and Caps Lock by themselves.
            (16..=18 | 20, _) => Some(String::new()),
            (_, Some(c)) if !c.is_control() => {
                Some(if at(3, 0) == 1 { c.into() } else { String::new() })
            }
            _ => None,
        },
        _ => None,
    }
}

/// The character of a key code, if that with these modifiers makes one.
fn character(code: u32, shifted: u32, modifiers: u32) -> Option<char> {
    // Alt, Control, Super, Hyper, Meta; not Shift and the locks.
    if modifiers.saturating_sub(1) & 0b11_1110 != 0 {
        return None;
    }
    match code {
        // kitty's codes for the numeric keypad, then for all other keys.
        57399..=57408 => char::from_u32(code - 57399 + 0x30),
        57409..=57413 => "./*-+".chars().nth((code - 57409) as usize),
        57415 => Some('='),
        0xe000..=0xf8ff => None,
        _ => {
            let c = char::from_u32(code).filter(|c| !c.is_control())?;
            if modifiers.saturating_sub(1) & 1 == 0 {
                return Some(c);
            }
            match char::from_u32(shifted) {
                Some(s) if !s.is_control() => Some(s),
                _ => c.to_uppercase().next(),
            }
        }
    }
}

fn keypad(key: u8) -> Option<char> {
    match key {
        b'j'..=b'y' => Some(char::from(key - 0x40)),
        b'X' => Some('='),
        b' ' => Some(' '),
        _ => None,
    }
}

/// Whether this key is Enter.
pub(super) fn is_enter(key: &[u8]) -> bool {
    matches!(key, b"\r" | b"\n" | b"\x1bOM")
        || key.strip_prefix(b"\x1b[").is_some_and(|rest| {
            let code = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            rest.ends_with(b"u") && matches!(rest.get(..code), Some(b"13" | b"57414"))
        })
}
