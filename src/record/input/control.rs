//! A program's output, taken apart: text, controls, escape sequences.
//!
//! Knows nothing of what a sequence does; after the state machine of ECMA-48
//! and xterm's `ctlseqs`. Its invariants: how the output is cut into reads
//! makes no difference, and no output takes more than a fixed amount of
//! memory.

/// How many numbers of a sequence are looked at, those past it are dropped;
/// the longest that matters here, `CSI ? … h`, has seldom more than four.
const MAX_PARAMS: usize = 16;

/// One thing that the program told the terminal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Act<'a> {
    /// A character; U+FFFD for each malformed byte sequence.
    Print(char),
    /// A C0 control.
    Control(u8),
    /// `ESC I F`; an intermediate byte of 0 stands for none.
    Escape(u8, u8),
    /// `CSI`.
    Csi(&'a Csi),
    /// A C1 control as a character: terminals differ in what they make of it.
    C1,
}

/// A control sequence.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Csi {
    /// `<`, `=`, `>` or `?` before the numbers, or 0.
    pub(super) private: u8,
    /// The last intermediate byte, or 0.
    pub(super) intermediate: u8,
    /// The final byte.
    pub(super) last: u8,
    params: [u16; MAX_PARAMS],
    count: usize,
}

impl Csi {
    /// The numbers, 0 where one was left out.
    pub(super) fn params(&self) -> &[u16] {
        self.params.get(..self.count).unwrap_or_default()
    }

    /// The number at this place, where 0 and none mean 1.
    pub(super) fn count_at(&self, place: usize) -> usize {
        usize::from(self.params().get(place).copied().unwrap_or(0)).max(1)
    }

    /// The number at this place, 0 where there is none.
    pub(super) fn at(&self, place: usize) -> u16 {
        self.params().get(place).copied().unwrap_or(0)
    }

    fn digit(&mut self, digit: u8) {
        self.count = self.count.max(1);
        if let Some(n) = self.params.get_mut(self.count - 1) {
            *n = n.saturating_mul(10).saturating_add(u16::from(digit - b'0'));
        }
    }

    fn next(&mut self) {
        // Sub-parameters after a colon count as parameters of their own: only
        // colours have them, and those are not looked at.
        self.count = (self.count.max(1) + 1).min(MAX_PARAMS);
        if self.count == MAX_PARAMS
            && let Some(n) = self.params.last_mut()
        {
            *n = 0;
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape(u8),
    Csi,
    /// OSC, DCS and their kind, which end at ST, the first also at BEL.
    String {
        osc: bool,
    },
}

/// The length of the sequence behind an ESC, if it is whole and does nothing
/// but move the cursor, erase, or set colours: text that is not concealed
/// before it is not concealed after it.
fn idle(text: &[u8], concealed: bool) -> Option<usize> {
    let params = text.strip_prefix(b"[")?;
    let len = params.iter().take(32).position(|b| !matches!(b, b'0'..=b';'))?;
    let idle = match params.get(len)? {
        // 8 conceals.
        b'm' => !concealed && !params.get(..len)?.contains(&b'8'),
        b'A'..=b'H' | b'J' | b'K' | b'X' | b'P' | b'@' | b'L' | b'M' | b'S' | b'T' | b'd' => true,
        _ => false,
    };
    idle.then_some(len + 2)
}

/// The parser.
#[derive(Debug, Default)]
pub(super) struct Parser {
    state: State,
    csi: Csi,
    utf8: [u8; 4],
    held: usize,
}

impl Parser {
    /// Takes all of it apart.
    pub(super) fn parse(&mut self, bytes: &[u8], act: &mut impl FnMut(Act<'_>)) {
        for &byte in bytes {
            self.byte(byte, act);
        }
    }

    /// Takes only the escape sequences out: text and controls go by unseen, at
    /// the speed of a `memchr`, and so do those that are [`idle`], which are
    /// most of all. `act` says whether text is concealed now, as it was at the
    /// start if `concealed`.
    pub(super) fn skim(
        &mut self,
        mut bytes: &[u8],
        mut concealed: bool,
        act: &mut impl FnMut(Act<'_>) -> bool,
    ) {
        self.held = 0;
        while !bytes.is_empty() {
            let stop = match self.state {
                State::Ground => memchr::memchr(0x1b, bytes),
                State::String { .. } => memchr::memchr3(0x1b, 0x07, 0x18, bytes),
                _ => Some(0),
            };
            let Some((&byte, rest)) = stop.and_then(|at| bytes.get(at..)?.split_first()) else {
                return;
            };
            let skipped = match self.state {
                State::Ground => idle(rest, concealed),
                _ => None,
            };
            bytes = rest.get(skipped.unwrap_or(0)..).unwrap_or_default();
            if skipped.is_none() {
                self.byte(byte, &mut |told| concealed = act(told));
            }
        }
    }

    fn byte(&mut self, byte: u8, act: &mut impl FnMut(Act<'_>)) {
        if let State::String { osc } = self.state {
            match byte {
                0x1b => self.state = State::Escape(0),
                0x07 if osc => self.state = State::Ground,
                0x18 | 0x1a => self.state = State::Ground,
                _ => {}
            }
            return;
        }
        match byte {
            0x1b => {
                self.broken(act);
                self.state = State::Escape(0);
            }
            0x18 | 0x1a if self.state != State::Ground => self.state = State::Ground,
            // Controls inside a sequence act at once and do not end it.
            0x00..=0x1f => {
                self.broken(act);
                act(Act::Control(byte));
            }
            _ => match self.state {
                State::Ground => self.text(byte, act),
                State::Escape(between) => self.escape(between, byte, act),
                State::Csi => self.csi(byte, act),
                State::String { .. } => {}
            },
        }
    }

    fn escape(&mut self, between: u8, byte: u8, act: &mut impl FnMut(Act<'_>)) {
        self.state = match byte {
            b'[' if between == 0 => {
                self.csi = Csi::default();
                State::Csi
            }
            b']' if between == 0 => State::String { osc: true },
            b'P' | b'X' | b'^' | b'_' if between == 0 => State::String { osc: false },
            0x20..=0x2f => State::Escape(byte),
            0x30..=0x7e => {
                self.state = State::Ground;
                act(Act::Escape(between, byte));
                return;
            }
            _ => State::Ground,
        };
    }

    fn csi(&mut self, byte: u8, act: &mut impl FnMut(Act<'_>)) {
        match byte {
            b'0'..=b'9' => self.csi.digit(byte),
            b';' | b':' => self.csi.next(),
            b'<'..=b'?' => self.csi.private = byte,
            0x20..=0x2f => self.csi.intermediate = byte,
            0x40..=0x7e => {
                self.state = State::Ground;
                self.csi.last = byte;
                act(Act::Csi(&self.csi));
            }
            _ => {}
        }
    }

    fn text(&mut self, byte: u8, act: &mut impl FnMut(Act<'_>)) {
        if byte < 0x80 {
            self.broken(act);
            if byte != 0x7f {
                act(Act::Print(char::from(byte)));
            }
            return;
        }
        if byte & 0xc0 != 0x80 {
            self.broken(act);
        }
        let Some(place) = self.utf8.get_mut(self.held) else { return };
        *place = byte;
        self.held += 1;
        let so_far = self.utf8.get(..self.held).unwrap_or_default();
        match std::str::from_utf8(so_far) {
            Ok(text) => {
                let found = text.chars().next();
                self.held = 0;
                match found {
                    Some('\u{80}'..='\u{9f}') => act(Act::C1),
                    Some(c) => act(Act::Print(c)),
                    None => {}
                }
            }
            Err(e) if e.error_len().is_none() => {}
            Err(_) => {
                // The first byte of it is at fault, or what came before is.
                let again = self.held > 1 && byte & 0xc0 != 0x80;
                self.held = 0;
                act(Act::Print('\u{fffd}'));
                if again {
                    self.text(byte, act);
                }
            }
        }
    }

    /// An unfinished character is followed by something else.
    fn broken(&mut self, act: &mut impl FnMut(Act<'_>)) {
        if self.held > 0 {
            self.held = 0;
            act(Act::Print('\u{fffd}'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(parts: &[&[u8]]) -> Vec<String> {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        for part in parts {
            parser.parse(part, &mut |act| {
                out.push(match act {
                    Act::Print(c) => c.to_string(),
                    Act::Control(c) => format!("^{c}"),
                    Act::Escape(i, f) => format!("esc {i} {}", char::from(f)),
                    Act::Csi(c) => {
                        format!("csi {} {:?} {}", c.private, c.params(), char::from(c.last))
                    }
                    Act::C1 => "c1".into(),
                });
            });
        }
        out
    }

    #[test]
    fn text_controls_and_sequences_are_told_apart() {
        let bytes = b"a\x1b[?1;22h\r\x1b]0;t\x1b\\\xc3\xa9\xff\x1b(B\x1bPzz\x1b\\\x1b[m\xc2\x9bx";
        let want = [
            "a",
            "csi 63 [1, 22] h",
            "^13",
            "esc 0 \\",
            "é",
            "\u{fffd}",
            "esc 40 B",
            "esc 0 \\",
            "csi 0 [] m",
            "c1",
            "x",
        ];
        assert_eq!(told(&[bytes]), want);
    }

    /// What of `bytes` matters to one who goes over them for modes: the acts,
    /// and whether text is concealed at the end.
    fn modes(bytes: &[u8], skims: bool) -> (Vec<String>, bool) {
        let (mut told, mut concealed) = (Vec::new(), false);
        let mut parser = Parser::default();
        let mut act = |act: Act<'_>| {
            match act {
                Act::Csi(csi) if (csi.private, csi.intermediate, csi.last) == (0, 0, b'm') => {
                    let numbers = csi.params().iter().copied();
                    let numbers = numbers.take_while(|n| !matches!(n, 38 | 48 | 58));
                    let set = numbers.filter(|n| matches!(n, 0 | 8 | 28)).last();
                    let set = if csi.params().is_empty() { Some(0) } else { set };
                    concealed = set.map_or(concealed, |n| n == 8);
                }
                Act::Csi(csi) if !b"ABCDEFGHJKXP@LMSTd".contains(&csi.last) || csi.private > 0 => {
                    told.push(format!("{csi:?}"));
                }
                Act::Escape(between, last) => told.push(format!("{between} {last}")),
                _ => {}
            }
            concealed
        };
        if skims {
            parser.skim(bytes, false, &mut act);
        } else {
            parser.parse(bytes, &mut |told| {
                act(told);
            });
        }
        (told, concealed)
    }

    proptest! {
        #[test]
        fn skimming_misses_no_mode(parts in prop::collection::vec(prop_oneof![
            Just("\x1b["), Just("\x1b[1;3"), Just("m"), Just("0m"), Just("8"), Just("8m"), Just(";"),
            Just("38;5;8m"), Just("\x1b[28m"), Just("h"), Just("?25"), Just("\x1b[2J"), Just(" q"),
            Just("\x1b[6n"), Just("\x1b]0;"), Just("\x07"), Just("\x1b"), Just("(0"), Just("x\r\n")],
            0..20))
        {
            let bytes = parts.concat().into_bytes();
            prop_assert_eq!(modes(&bytes, true), modes(&bytes, false));
        }

        #[test]
        fn cuts_make_no_difference(bytes in prop::collection::vec(
            prop_oneof![Just(0x1bu8), Just(b'['), Just(b']'), Just(0xe6), Just(0x9b), any::<u8>()], 0..60),
            cut in 0usize..60)
        {
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(told(&[&bytes]), told(&[a, b]));
        }
    }
}
