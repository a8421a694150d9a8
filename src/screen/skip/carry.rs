//! What a removed piece of output leaves behind: pen and modes.
//!
//! Refuses to know cells and the cursor. The invariant: feeding what
//! [`Carry`] holds gives a terminal the same pen, charsets, modes, margins and
//! saved pens as feeding the whole piece, whatever its state was before.

use avt::parser::{Function, SgrOp};
use avt::{Color, Parser};
use memchr::memrchr_iter;

/// A mode that only ever holds what it was last set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// G0 is the line drawing set (SCS).
    G0(bool),
    /// G1 is the line drawing set.
    G1(bool),
    /// G1 is in use (SO), else G0 (SI).
    Shift(bool),
    /// IRM.
    Insert(bool),
    /// LNM.
    NewLine(bool),
    /// DECAWM.
    Wrap(bool),
    /// DECOM.
    Origin(bool),
    /// DECCKM.
    CursorKeys(bool),
    /// DECTCEM.
    Visible(bool),
    /// DECSTBM: first and last row, from 0.
    Margins(u16, u16),
    /// TBC 3: no tab stops.
    NoTabs,
}

/// Kinds of [`Set`].
const KINDS: usize = 11;

impl Set {
    fn kind(self) -> usize {
        match self {
            Self::G0(_) => 0,
            Self::G1(_) => 1,
            Self::Shift(_) => 2,
            Self::Insert(_) => 3,
            Self::NewLine(_) => 4,
            Self::Wrap(_) => 5,
            Self::Origin(_) => 6,
            Self::CursorKeys(_) => 7,
            Self::Visible(_) => 8,
            Self::Margins(..) => 9,
            Self::NoTabs => 10,
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        let mode = |out: &mut Vec<u8>, number: &[u8], on: bool| {
            out.extend_from_slice(b"\x1b[");
            out.extend_from_slice(number);
            out.push(if on { b'h' } else { b'l' });
        };
        match self {
            Self::G0(drawing) => out.extend_from_slice(if drawing { b"\x1b(0" } else { b"\x1b(B" }),
            Self::G1(drawing) => out.extend_from_slice(if drawing { b"\x1b)0" } else { b"\x1b)B" }),
            Self::Shift(on) => out.push(if on { 0x0e } else { 0x0f }),
            Self::Insert(on) => mode(out, b"4", on),
            Self::NewLine(on) => mode(out, b"20", on),
            Self::Wrap(on) => mode(out, b"?7", on),
            Self::Origin(on) => mode(out, b"?6", on),
            Self::CursorKeys(on) => mode(out, b"?1", on),
            Self::Visible(on) => mode(out, b"?25", on),
            Self::Margins(top, bottom) => {
                out.extend_from_slice(format!("\x1b[{};{}r", top + 1, bottom + 1).as_bytes());
            }
            Self::NoTabs => out.extend_from_slice(b"\x1b[3g"),
        }
    }
}

/// Something in the output that outlives the cells it was among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// A mode.
    Set(Set),
    /// DECSC, SCOSC, 1048 set.
    Save,
    /// DECRC, SCORC, 1048 reset, 1049 reset on the primary screen.
    Restore,
    /// 1049 set on the primary screen.
    Enter,
    /// 1049 reset on the alternate screen.
    Leave,
    /// DECSTR.
    SoftReset,
}

/// An [`Act`], and where the sequence that does it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub(super) at: usize,
    pub(super) act: Act,
}

/// What replaces a removed piece.
#[derive(Debug, Default)]
pub(super) struct Carry {
    /// The bytes to feed.
    pub(super) text: Vec<u8>,
    /// The acts in them, at their offsets in `text`.
    pub(super) ops: Vec<Op>,
    sets: [Option<Set>; KINDS],
    pen: Pen,
}

impl Carry {
    /// What `text[from..to]` leaves behind; `ops` are the acts that begin in
    /// it, in order. `from` and `to` lie between sequences.
    pub(super) fn of(text: &[u8], from: usize, to: usize, ops: &[Op]) -> Self {
        let mut carry = Self::default();
        let mut from = from;
        for op in ops {
            match op.act {
                Act::Set(set) => {
                    if let Some(slot) = carry.sets.get_mut(set.kind()) {
                        *slot = Some(set);
                    }
                }
                act => {
                    carry.pen.fold(text.get(from..op.at).unwrap_or_default());
                    from = op.at;
                    carry.settle();
                    carry.act(act);
                }
            }
        }
        carry.pen.fold(text.get(from..to).unwrap_or_default());
        carry.settle();
        carry
    }

    /// Writes the modes and the pen as they stand.
    fn settle(&mut self) {
        for set in std::mem::take(&mut self.sets).into_iter().flatten() {
            self.ops.push(Op { at: self.text.len(), act: Act::Set(set) });
            set.write(&mut self.text);
        }
        std::mem::take(&mut self.pen).write(&mut self.text);
    }

    fn act(&mut self, act: Act) {
        // Right behind a save, another one and a restore change nothing.
        let saved = |op: &Op| op.act == Act::Save && op.at + 2 == self.text.len();
        if matches!(act, Act::Save | Act::Restore) && self.ops.last().is_some_and(saved) {
            return;
        }
        self.ops.push(Op { at: self.text.len(), act });
        self.text.extend_from_slice(match act {
            Act::Save => b"\x1b7".as_slice(),
            Act::Restore => b"\x1b8",
            Act::Enter => b"\x1b[?1049h",
            Act::Leave => b"\x1b[?1049l",
            Act::SoftReset => b"\x1b[!p",
            Act::Set(_) => b"",
        });
    }
}

/// Changes to the pen: a reset or not, and the last word on each attribute
/// since.
#[derive(Debug, Default)]
struct Pen {
    reset: bool,
    /// Intensity, italic, underline, blink, inverse, strikethrough, foreground,
    /// background.
    last: [Option<SgrOp>; 8],
}

impl Pen {
    /// Adds what `text` does to the pen. `text` begins between sequences.
    fn fold(&mut self, text: &[u8]) {
        let mut rest = match last_reset(text) {
            Some(at) => text.get(at..).unwrap_or_default(),
            None => text,
        };
        let mut parser = Parser::new();
        while let Some(at) = memchr::memchr2(0x1b, 0xc2, rest) {
            rest = rest.get(at..).unwrap_or_default();
            if let Some((op, len)) = common(rest) {
                self.op(op);
                rest = rest.get(len..).unwrap_or_default();
                continue;
            }
            if let [0xc2, 0xa0..=0xff, ..] = rest {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let mut controls = Controls::default();
            let mut used = 0;
            for &byte in rest {
                used += 1;
                for ch in controls.feed(byte) {
                    if let Some(Function::Sgr(ops)) = parser.feed(ch) {
                        ops.as_slice().iter().for_each(|&op| self.op(op));
                    }
                }
                if controls.idle() && parser.state == avt::parser::State::Ground {
                    break;
                }
            }
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    fn op(&mut self, op: SgrOp) {
        use SgrOp::*;
        let slot = match op {
            Reset => {
                *self = Self { reset: true, ..Self::default() };
                return;
            }
            SetBoldIntensity | SetFaintIntensity | ResetIntensity => 0,
            SetItalic | ResetItalic => 1,
            SetUnderline | ResetUnderline => 2,
            SetBlink | ResetBlink => 3,
            SetInverse | ResetInverse => 4,
            SetStrikethrough | ResetStrikethrough => 5,
            SetForegroundColor(_) | ResetForegroundColor => 6,
            SetBackgroundColor(_) | ResetBackgroundColor => 7,
        };
        if let Some(slot) = self.last.get_mut(slot) {
            *slot = Some(op);
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        let params: Vec<String> = self
            .reset
            .then_some(SgrOp::Reset)
            .into_iter()
            .chain(self.last.into_iter().flatten())
            .map(param)
            .collect();
        if !params.is_empty() {
            out.extend_from_slice(format!("\x1b[{}m", params.join(";")).as_bytes());
        }
    }
}

fn param(op: SgrOp) -> String {
    use SgrOp::*;
    let color = |base: u8, color: Color| match color {
        Color::Indexed(n) => format!("{base}:5:{n}"),
        Color::RGB(c) => format!("{base}:2:{}:{}:{}", c.r, c.g, c.b),
    };
    let plain: u8 = match op {
        SetForegroundColor(c) => return color(38, c),
        SetBackgroundColor(c) => return color(48, c),
        Reset => 0,
        SetBoldIntensity => 1,
        SetFaintIntensity => 2,
        SetItalic => 3,
        SetUnderline => 4,
        SetBlink => 5,
        SetInverse => 7,
        SetStrikethrough => 9,
        ResetIntensity => 22,
        ResetItalic => 23,
        ResetUnderline => 24,
        ResetBlink => 25,
        ResetInverse => 27,
        ResetStrikethrough => 29,
        ResetForegroundColor => 39,
        ResetBackgroundColor => 49,
    };
    plain.to_string()
}

/// The SGR at the start of `text`, if it is of one plain number; and its length.
fn common(text: &[u8]) -> Option<(SgrOp, usize)> {
    use SgrOp::*;
    let digit = |byte: &u8| byte.checked_sub(b'0').filter(|&digit| digit < 10);
    let (number, len) = match text {
        [0x1b, b'[', a, b'm', ..] => (digit(a)?, 4),
        [0x1b, b'[', a, b, b'm', ..] => (digit(a)? * 10 + digit(b)?, 5),
        _ => return None,
    };
    let op = match number {
        1 => SetBoldIntensity,
        2 => SetFaintIntensity,
        22 => ResetIntensity,
        30..=37 => SetForegroundColor(Color::Indexed(number - 30)),
        39 => ResetForegroundColor,
        40..=47 => SetBackgroundColor(Color::Indexed(number - 40)),
        49 => ResetBackgroundColor,
        90..=97 => SetForegroundColor(Color::Indexed(number - 82)),
        _ => return None,
    };
    Some((op, len))
}

/// Where the last SGR begins whose first parameter is 0 or missing. ESC starts
/// a sequence in every state of the parser, so these bytes are an SGR wherever
/// they stand, and the pen before them does not matter.
fn last_reset(text: &[u8]) -> Option<usize> {
    memrchr_iter(0x1b, text).find(|&at| match text.get(at + 1..) {
        Some([b'[', b'm', ..] | [b'[', b'0', b'm', ..]) => true,
        Some([b'[', b'0', b';', params @ ..]) => {
            params.iter().find(|b| !matches!(b, b'0'..=b';')) == Some(&b'm')
        }
        _ => false,
    })
}

/// Bytes to what the parser must see of them: ASCII and C1 controls as they
/// are, anything else as U+FFFD, one for each byte. To the parser all
/// characters from U+00A0 on are one class, and outside strings (which have no
/// effect here) the first one of it ends what is open, so their number does not
/// matter.
#[derive(Debug, Default)]
pub(super) struct Controls {
    /// The last byte was C2, with which C1 controls begin.
    c2: bool,
}

impl Controls {
    pub(super) fn feed(&mut self, byte: u8) -> impl Iterator<Item = char> + use<> {
        let (first, second) = match (std::mem::take(&mut self.c2), byte) {
            (true, 0x80..=0x9f) => (Some(char::from(byte)), None),
            (c2, _) => {
                let before = c2.then_some('\u{fffd}');
                match byte {
                    0xc2 => {
                        self.c2 = true;
                        (before, None)
                    }
                    0..0x80 => (before, Some(char::from(byte))),
                    _ => (before, Some('\u{fffd}')),
                }
            }
        };
        first.into_iter().chain(second)
    }

    /// Whether no C2 waits for its second byte.
    pub(super) fn idle(&self) -> bool {
        !self.c2
    }
}
