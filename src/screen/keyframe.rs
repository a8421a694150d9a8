//! A keyframe: a terminal's whole state at one point of a recording, so that
//! a player can begin there.
//!
//! Refuses to know files and how it is compressed. The invariants: a keyframe
//! that was made restores to the state it was made of; decoding takes any
//! bytes, in time and memory proportional to their number.
//!
//! Lines that have scrolled off are not in it. To have them too, a player reads
//! the text before it (`Text`); a keyframe would need the rows avt retains,
//! their soft wraps, and whether the first continues one before.

use avt::parser::{DecMode, Function};
use avt::{Parser, Terminal};

use super::model::Model;
use crate::event::{Micros, TermSize};

/// The longest title that is kept, in bytes: of one that is not ended where a
/// keyframe is, avt's dump has somewhat more.
pub(super) const TITLE: usize = 1000;
/// The longest dump, in bytes: a screen of the largest size with a few words on
/// each line, or an 8K one with each cell in another colour.
const DUMP: usize = 4 * 1024 * 1024;
/// What an encoded keyframe begins with: name and version.
const MAGIC: &[u8; 4] = b"hkf\x01";

/// DEC private modes that avt does not know and a player needs, in the order of
/// their bits in [`Outside`]: mouse tracking, focus reports, mouse encodings,
/// wheel as keys, bracketed paste. The first bit is the keypad's (DECKPAM).
const MODES: [u16; 12] = [66, 9, 1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 2004];

/// Where in a recording a keyframe is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Microseconds since the start of the recording.
    pub time: Micros,
    /// Bytes of the recording's text before it.
    pub text: u64,
    /// Events before it.
    pub event: u64,
}

/// What a program asked of the terminal, besides what it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    title: Option<String>,
    /// DECSCUSR, 0 to 6.
    shape: u8,
    /// Bits in the order of [`MODES`].
    modes: u16,
}

impl Outside {
    /// The window's title (OSC 0 or 2), at most 1,000 bytes of it. It is
    /// hostile text.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The cursor's shape: the parameter of DECSCUSR, 0 to 6.
    #[must_use]
    pub fn cursor_shape(&self) -> u8 {
        self.shape
    }

    /// Whether this DEC private mode is set: 9, 1000, 1002, 1003 (mouse), 1004
    /// (focus), 1005, 1006, 1015, 1016 (mouse encodings), 1007 (wheel as keys),
    /// 2004 (bracketed paste), 66 (keypad). Others are never.
    #[must_use]
    pub fn mode(&self, mode: u16) -> bool {
        bit(mode).is_some_and(|bit| self.modes & bit != 0)
    }

    pub(super) fn set_mode(&mut self, mode: u16, on: bool) {
        match bit(mode) {
            Some(bit) if on => self.modes |= bit,
            Some(bit) => self.modes &= !bit,
            None => {}
        }
    }

    pub(super) fn keypad(&mut self, on: bool) {
        self.set_mode(66, on);
    }

    pub(super) fn shape(&mut self, shape: u8) {
        self.shape = shape;
    }

    pub(super) fn set_title(&mut self, title: &str) {
        let mut end = title.len().min(TITLE);
        while !title.is_char_boundary(end) {
            end -= 1;
        }
        let title = title.get(..end);
        self.title = title.map(str::to_owned);
    }
}

fn bit(mode: u16) -> Option<u16> {
    MODES.iter().position(|&known| known == mode).map(|at| 1 << at)
}

/// A terminal's state, and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyframe {
    /// Where it is.
    pub position: Position,
    /// The size there.
    pub size: TermSize,
    /// What avt does not model.
    pub outside: Outside,
    /// avt's dump: output that makes a blank terminal of the size the same.
    dump: String,
    /// The beginning of a character at the end of the output, 0 to 3 bytes.
    held: Vec<u8>,
}

/// Why bytes are no keyframe. Nothing is lost: the recording's text makes them
/// anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Another thing, or of a later version.
    #[error("not a keyframe that this hrec knows; the recording plays without it")]
    Foreign,
    /// Cut short, overlong, or out of range.
    #[error("the keyframe is damaged; the recording plays without it")]
    Damaged,
}

impl Keyframe {
    /// The terminal's state, if its dump restores it.
    pub(super) fn checked(
        terminal: &Terminal,
        position: Position,
        held: Vec<u8>,
        outside: Outside,
    ) -> Option<Self> {
        let (cols, rows) = terminal.size();
        let size = TermSize::clamped(cols as u64, rows as u64);
        let dump = terminal.dump();
        let keyframe = Self { position, size, outside, dump, held };
        if keyframe.dump.len() > DUMP || !plausible(&keyframe.dump, size) {
            return None;
        }
        let model = Model::restored(size, &keyframe.dump, &[], &keyframe.outside);
        same(terminal, model.terminal()).then_some(keyframe)
    }

    /// The terminal as it was.
    #[must_use]
    pub fn restore(&self) -> Model {
        Model::restored(self.size, &self.dump, &self.held, &self.outside)
    }

    /// Output that makes a blank terminal of the size the same, and the
    /// beginning of a character after it.
    pub(super) fn output(&self) -> (&str, &[u8]) {
        (&self.dump, &self.held)
    }

    /// The keyframe as bytes: `hkf`, version 1; time (µs), text offset, event,
    /// columns, rows, modes, cursor shape as LEB128; then, each after its length
    /// plus one (0: there is none), title, held bytes and dump.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let Position { time, text, event } = self.position;
        let (cols, rows) = (self.size.cols().into(), self.size.rows().into());
        let outside = &self.outside;
        for number in [time, text, event, cols, rows, outside.modes.into(), outside.shape.into()] {
            push_number(number, &mut out);
        }
        let title = outside.title.as_ref().map(String::as_bytes);
        for bytes in [title, Some(&self.held), Some(self.dump.as_bytes())] {
            push_number(bytes.map_or(0, |bytes| bytes.len() as u64 + 1), &mut out);
            out.extend_from_slice(bytes.unwrap_or_default());
        }
        out
    }

    /// A keyframe of what [`Keyframe::encode`] gave.
    ///
    /// # Errors
    ///
    /// Whatever [`Keyframe::encode`] could not have given, or what could not be
    /// restored in time proportional to its length and size.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let rest = &mut bytes.strip_prefix(MAGIC).ok_or(Malformed::Foreign)?;
        let position = Position {
            time: take_number(rest)?,
            text: take_number(rest)?,
            event: take_number(rest)?,
        };
        let (cols, rows) = (take_number(rest)?, take_number(rest)?);
        let size = TermSize::clamped(cols, rows);
        if (u64::from(size.cols()), u64::from(size.rows())) != (cols, rows) {
            return Err(Malformed::Damaged);
        }
        let modes = take_number(rest)?;
        let shape = take_number(rest)?;
        let title = take_text(rest, TITLE)?;
        let held = take_bytes(rest, 3)?.ok_or(Malformed::Damaged)?;
        let dump = take_text(rest, DUMP)?.ok_or(Malformed::Damaged)?;
        let sound = modes < 1 << MODES.len()
            && shape <= 6
            && rest.is_empty()
            && begins_character(held)
            && plausible(dump, size);
        if !sound {
            return Err(Malformed::Damaged);
        }
        let outside =
            Outside { title: title.map(str::to_owned), shape: shape as u8, modes: modes as u16 };
        Ok(Self { position, size, outside, dump: dump.to_owned(), held: held.to_vec() })
    }
}

/// Whether what two terminals show is equal, and what they dump of the rest.
pub(super) fn same(one: &Terminal, other: &Terminal) -> bool {
    let screens = |t: &Terminal| (t.active_screen_kind(), t.cursor(), t.cursor_key_app_mode());
    let lines = one.primary_screen().visible_lines().eq(other.primary_screen().visible_lines())
        && one.screen().visible_lines().eq(other.screen().visible_lines());
    screens(one) == screens(other) && lines && one.dump() == other.dump()
}

/// Whether a dump has only what avt's dumps have, and prints no more than two
/// screens: restoring hostile bytes is not to take hours (REP alone prints
/// 65,535 characters for 9 bytes).
fn plausible(dump: &str, size: TermSize) -> bool {
    use Function::*;
    let cells = 2 * u64::from(size.cols()) * u64::from(size.rows()) + 16;
    let (mut printed, mut screens) = (0, 0);
    let mut parser = Parser::new();
    dump.chars().filter_map(|ch| parser.feed(ch)).all(|function| {
        match &function {
            Print(_) => printed += 1,
            Rep(n) => printed += u64::from(*n),
            Decset(modes) => {
                screens += modes.as_slice().contains(&DecMode::AltScreenBuffer) as u32;
            }
            Cha(_) | Cr | Ctc(_) | Cub(_) | Cud(_) | Cuf(_) | Cup(..) | Cuu(_) | Decrst(_)
            | Decsc | Decstbm(..) | G1d4(_) | Gzd4(_) | Lf | Scorc | Sgr(_) | Sm(_) | So => {}
            _ => return false,
        }
        printed <= cells && screens <= 1
    })
}

/// Whether these are no bytes, or the first ones of a character's longer UTF-8.
fn begins_character(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.is_empty(),
        Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
    }
}

fn push_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// LEB128 in its shortest form.
fn take_number(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Malformed::Damaged)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
            return Err(Malformed::Damaged);
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Malformed::Damaged)
}

fn take_bytes<'a>(bytes: &mut &'a [u8], most: usize) -> Result<Option<&'a [u8]>, Malformed> {
    let Some(len) = take_number(bytes)?.checked_sub(1) else { return Ok(None) };
    let len = usize::try_from(len).ok().filter(|&len| len <= most).ok_or(Malformed::Damaged)?;
    let (taken, rest) = bytes.split_at_checked(len).ok_or(Malformed::Damaged)?;
    *bytes = rest;
    Ok(Some(taken))
}

fn take_text<'a>(bytes: &mut &'a [u8], most: usize) -> Result<Option<&'a str>, Malformed> {
    let bytes = take_bytes(bytes, most)?;
    bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| Malformed::Damaged)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Data, Event};
    use crate::screen::Keyframer;
    use proptest::prelude::*;

    fn size() -> TermSize {
        TermSize::clamped(10, 3)
    }

    fn keyframe(output: &[u8]) -> Option<Keyframe> {
        let mut keyframer = Keyframer::new(size());
        keyframer.output(output);
        keyframer.keyframe(Position { time: 5_000_000, text: 300, event: 7 })
    }

    #[test]
    fn its_bytes() {
        let keyframe = keyframe(b"\x1b]2;t\x07\x1b[?2004h\x1b[4 qhi\r\n\xe7\x95").unwrap();
        let bytes = b"hkf\x01\xc0\x96\xb1\x02\xac\x02\x07\x0a\x03\x80\x10\x04\x02t\x03\xe7\x95\x18hi \x1b[7b\r\n\x1b[0m\x1b[2;1H\x1b[0m";
        assert_eq!(keyframe.encode().escape_ascii().to_string(), bytes.escape_ascii().to_string());
        assert_eq!(Keyframe::decode(&keyframe.encode()), Ok(keyframe));
    }

    #[test]
    fn a_restored_terminal_goes_on_in_the_middle_of_anything() {
        for (before, after) in [
            ("\u{1b}[3", "1mred"),
            ("ab\u{1b}", "[Hx"),
            ("0123456789", "wraps"),
            ("\u{9d}0;", "x\u{7}y"),
        ] {
            let mut restored = keyframe(before.as_bytes()).unwrap().restore();
            let mut full = Model::new(size());
            let output = |text: &str| Event { time: 0, data: Data::Output(text.into()) };
            full.event(&output(before));
            full.event(&output(after));
            restored.event(&output(after));
            assert!(same(full.terminal(), restored.terminal()), "{before:?}");
        }
        // A character whose bytes come in two pieces.
        let mut restored = keyframe(b"\xe7\x95").unwrap().restore();
        restored.event(&Event { time: 0, data: Data::Output(b"\x8c".to_vec()) });
        assert_eq!(restored.terminal().screen().line(0).unwrap().text().trim_end(), "界");
    }

    #[test]
    fn what_a_dump_cannot_restore_is_left_out() {
        // avt 0.19 reaches a cursor outside the margins by way of the saved one.
        let odd = b"\x1b[?6h\x1b7\x1b[2;3r\x1b[?1049l\x1b[?1047h";
        assert_eq!(keyframe(odd), None);
        assert!(keyframe(b"\x1b[?6h\x1b7\x1b[2;3r").is_some());
    }

    #[test]
    fn what_avt_does_not_model() {
        let outside = |output: &str| keyframe(output.as_bytes()).unwrap().outside;
        assert_eq!(outside("").title(), None);
        assert_eq!(
            outside("\u{1b}]0;a\u{7}\u{1b}]2;b界\u{1b}\\\u{1b}]1;c\u{7}").title(),
            Some("b界")
        );
        assert_eq!(outside("\u{9d}2;a\u{9c}x\u{1b}]2;b\u{18}").title(), Some("a"));
        let long = outside(&format!("\u{1b}]2;{}\u{7}", "界".repeat(1_000)));
        assert_eq!(long.title().unwrap().len(), 999);
        let set = outside("\u{1b}[?1000;1006h\u{1b}[?2004h\u{1b}[?1000l\u{1b}[?9999h\u{1b}=");
        let modes: Vec<u16> = (0..10_000).filter(|&mode| set.mode(mode)).collect();
        assert_eq!(modes, [66, 1006, 2004]);
        assert_eq!(outside("\u{1b}[5 q\u{1b}[9 q\u{1b}[>2 q").cursor_shape(), 5);
        assert_eq!(outside("\u{1b}[5 q\u{1b}]0;a\u{7}\u{1b}[?2004h\u{1b}c"), Outside::default());
        // In pieces, and in the middle of one another.
        let mut keyframer = Keyframer::new(size());
        for byte in "\u{1b}[?20\u{1b}[?1004h\u{9b}2 q\u{1b}]0;t\u{1b}[?20\n04h".bytes() {
            keyframer.output(&[byte]);
        }
        let outside = keyframer.keyframe(Position::default()).unwrap().outside;
        assert!(outside.mode(1004) && outside.mode(2004));
        assert_eq!((outside.cursor_shape(), outside.title()), (2, Some("t")));
    }

    #[test]
    fn hostile_bytes_are_refused() {
        let good = keyframe(b"\x1b[31mabc").unwrap();
        let bytes = good.encode();
        for len in 0..bytes.len() {
            assert!(Keyframe::decode(&bytes[..len]).is_err(), "{len}");
        }
        assert_eq!(Keyframe::decode(&[&bytes[..], b"x"].concat()), Err(Malformed::Damaged));
        assert_eq!(Keyframe::decode(b"hkf\x02"), Err(Malformed::Foreign));
        for dump in [
            "x\u{1b}[65535b".repeat(1_000),
            "\u{1b}[?1047h\u{1b}[?1047l".repeat(2),
            "\u{1b}[2J".into(),
            "\u{1b}c".into(),
        ] {
            let bad = Keyframe { dump, ..good.clone() };
            assert_eq!(Keyframe::decode(&bad.encode()), Err(Malformed::Damaged), "{bad:?}");
        }
        for held in [&b"a"[..], b"\xff", b"\xe7\x95\x8c", b"\xc2\xc2"] {
            let bad = Keyframe { held: held.to_vec(), ..good.clone() };
            assert_eq!(Keyframe::decode(&bad.encode()), Err(Malformed::Damaged), "{held:?}");
        }
    }

    proptest! {
        #[test]
        fn decoding_takes_anything(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            random in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut bytes = keyframe(b"\x1b[?1049h\x1b]0;t\x07\x1b7ab\x1b[2;3r\xe7").unwrap().encode();
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for bytes in [bytes, [&MAGIC[..], &random].concat(), random] {
                if let Ok(keyframe) = Keyframe::decode(&bytes) {
                    prop_assert_eq!(keyframe.encode(), bytes);
                    let _ = keyframe.restore();
                }
            }
        }
    }
}
