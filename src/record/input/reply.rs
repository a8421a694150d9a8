//! What a terminal answers by itself, told from what a person types.
//!
//! Knows nothing of text. The forms are those of xterm's `ctlseqs` and of the
//! kitty keyboard and clipboard protocols. Its invariant: where a form is both
//! an answer and a key, it is an answer only after the program asked for it or
//! switched it on.

use super::control::{Act, Csi};

/// What the program asked the terminal for and switched on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// Cursor position reports that are not yet answered.
    positions: u32,
    focus: bool,
    /// Mouse tracking modes 9 and 1000 to 1003, a bit for each.
    mouse: u8,
    /// `?2004`: pastes come in brackets.
    pub(super) paste: bool,
    /// `?9001`: each key comes as a Windows console's key record.
    pub(super) win32: bool,
}

impl Asked {
    pub(super) fn act(&mut self, act: &Act<'_>) {
        match act {
            Act::Escape(0, b'c') => *self = Self::default(),
            Act::Csi(csi) if csi.intermediate == 0 => self.csi(csi),
            Act::Csi(csi) if csi.intermediate == b'!' && csi.last == b'p' => {
                *self = Self { positions: self.positions, ..Self::default() };
            }
            _ => {}
        }
    }

    fn csi(&mut self, csi: &Csi) {
        match (csi.private, csi.last) {
            (0 | b'?', b'n') if csi.at(0) == 6 => {
                // A terminal that answers none must not turn F3 into an
                // answer for ever.
                self.positions = (self.positions + 1).min(64);
            }
            (b'?', b'h' | b'l') => {
                let on = csi.last == b'h';
                for &mode in csi.params() {
                    match mode {
                        1004 => self.focus = on,
                        2004 => self.paste = on,
                        9001 => self.win32 = on,
                        9 => self.track(0, on),
                        1000..=1003 => self.track(mode - 999, on),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn track(&mut self, bit: u16, on: bool) {
        self.mouse = self.mouse & !(1 << bit) | (u8::from(on) << bit);
    }

    /// Whether the three bytes after `CSI M` belong to it.
    pub(super) fn mouse(&self) -> bool {
        self.mouse != 0
    }

    /// Whether this whole escape sequence is an answer.
    pub(super) fn answers(&mut self, sequence: &[u8]) -> bool {
        match sequence {
            [0x1b, b'[', rest @ ..] => self.answers_csi(rest),
            [0x1b, b']', rest @ ..] => is_osc_answer(rest),
            [0x1b, b'P', rest @ ..] => is_dcs_answer(rest),
            // Kitty's graphics protocol.
            [0x1b, b'_', b'G', ..] => true,
            _ => false,
        }
    }

    fn answers_csi(&mut self, rest: &[u8]) -> bool {
        let Some((&last, body)) = rest.split_last() else { return false };
        if matches!(rest, [b'M', _, _, _]) {
            return self.mouse();
        }
        let private = body.first().copied().filter(|b| (b'<'..=b'?').contains(b));
        let first = body.split(|&b| b == b';' || b == b':').next().unwrap_or_default();
        match (private, last) {
            // DA1, DA2, DA3's older form; kitty's flags; XTSMGRAPHICS; DSR's
            // private answers, the colour scheme (997) among them.
            (Some(b'?' | b'>' | b'='), b'c') | (Some(b'?'), b'u' | b'S' | b'n') => true,
            (_, b'y') => body.ends_with(b"$"),
            (Some(b'?') | None, b'R') => {
                let asked = self.positions > 0;
                self.positions = self.positions.saturating_sub(1);
                asked
            }
            (None, b'n') => matches!(first, b"0" | b"3"),
            (None, b't') => {
                matches!(first, b"1" | b"2" | b"3" | b"4" | b"5" | b"6" | b"8" | b"9" | b"48")
            }
            (None, b'x') => matches!(first, b"2" | b"3"),
            (None, b'I' | b'O') => self.focus && body.is_empty(),
            (Some(b'<'), b'M' | b'm') => self.mouse(),
            (None, b'M') => self.mouse() && body.iter().filter(|&&b| b == b';').count() == 2,
            _ => false,
        }
    }
}

fn is_osc_answer(rest: &[u8]) -> bool {
    let number = rest.split(|&b| b == b';').next().unwrap_or_default();
    match number {
        // Labels of window and icon.
        [b'l' | b'L', ..] => true,
        _ => !number.is_empty() && number.len() < 6 && number.iter().all(u8::is_ascii_digit),
    }
}

fn is_dcs_answer(rest: &[u8]) -> bool {
    // XTVERSION, DA3, DECRQSS, XTGETTCAP, DECRQCRA.
    let digits = rest.iter().take_while(|b| b.is_ascii_digit() || **b == b';').count();
    matches!(
        rest.get(digits..).unwrap_or_default(),
        [b'>', b'|', ..] | [b'!', b'|' | b'~', ..] | [b'$' | b'+', b'r', ..]
    )
}

/// The answer without what it holds of the clipboard, which may be a password
/// that nobody was shown: `OSC 52`, and kitty's `OSC 5522`.
pub(super) fn without_clipboard(answer: Vec<u8>) -> Vec<u8> {
    let end = match answer.strip_suffix(b"\x1b\\") {
        Some(_) => b"\x1b\\".as_slice(),
        None => b"\x07",
    };
    for start in [b"\x1b]52;".as_slice(), b"\x1b]5522;"] {
        if answer.starts_with(start) {
            zeroize::Zeroizing::new(answer);
            return [start, end].concat();
        }
    }
    answer
}
