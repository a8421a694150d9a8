//! Finding the sequences in the output.
//!
//! Refuses to know what they do, but for the commonest few. The invariant: all
//! others are read by avt's own parser, so what a sequence is taken for is what
//! avt takes it for.

use avt::parser::State;
use memchr::{memchr, memchr2, memchr3};

use super::carry::{Act, Op, Set};
use super::{Adjacent, Keyframer, Restart};

/// The sequences that are most of all output.
pub(super) enum Common {
    /// Changes cells of the row, moves along it or down, or does nothing.
    Plain,
    /// CUP; whether to the first cell.
    Place(bool),
    /// ED 2.
    EraseAll,
    /// ED 0.
    EraseBelow,
    /// Moves up, scrolls, or reads a cell.
    Barrier,
    /// SCS G0: ASCII or line drawing.
    G0(bool),
}

/// What begins behind an ESC, and its length, if it is whole and common.
pub(super) fn common(text: &[u8]) -> Option<(Common, usize)> {
    let params = match text {
        [b'[', params @ ..] => params,
        [b'(', b'B', ..] => return Some((Common::G0(false), 2)),
        [b'(', b'0', ..] => return Some((Common::G0(true), 2)),
        _ => return None,
    };
    let len = params.iter().take(32).position(|b| !matches!(b, b'0'..=b';'))?;
    let (params, last) = (params.get(..len)?, params.get(len)?);
    let common = match last {
        b'm' | b'K' | b'C' | b'D' | b'G' | b'B' | b'X' | b'P' | b'@' | b'`' | b'a' | b'e'
        | b'E' | b'I' | b'Z' => Common::Plain,
        b'H' | b'f' => Common::Place(matches!(params, b"" | b"1" | b"1;1" | b";")),
        b'J' => match params {
            b"2" => Common::EraseAll,
            b"" | b"0" => Common::EraseBelow,
            _ => Common::Plain,
        },
        b'A' | b'F' | b'L' | b'M' | b'S' | b'T' | b'b' | b'd' => Common::Barrier,
        _ => return None,
    };
    Some((common, len + 2))
}

impl Keyframer {
    /// Reads on up to the end of the text.
    pub(super) fn scan(&mut self) {
        // Hardly any output has the others, and looking for fewer is faster.
        let rest = self.text.get(self.at..).unwrap_or_default();
        let find: fn(&[u8]) -> Option<usize> = match memchr3(0x0e, 0x0f, 0xc2, rest) {
            None => |text| memchr(0x1b, text),
            Some(_) if memchr2(0x0e, 0x0f, rest).is_none() => |text| memchr2(0x1b, 0xc2, text),
            Some(_) => |text| text.iter().position(|b| matches!(b, 0x1b | 0x0e | 0x0f | 0xc2)),
        };
        loop {
            if self.inside && !self.sequence() {
                return;
            }
            let rest = self.text.get(self.at..).unwrap_or_default();
            let next = find(rest);
            let Some(next) = next else {
                self.at = self.text.len();
                return;
            };
            let rest = rest.get(next..).unwrap_or_default();
            let common = match rest {
                [0x1b, rest @ ..] => common(rest),
                _ => None,
            };
            let c2 = matches!(rest, [0xc2, 0xa0..=0xff | 0..=0x7f, ..]);
            self.at += next;
            self.span = self.at;
            match common {
                Some((common, len)) => {
                    self.at += 1 + len;
                    self.common(&common);
                }
                None if c2 => self.at += 1,
                None => {
                    self.inside = true;
                    self.torn = false;
                    self.broken = false;
                    self.line_break = false;
                }
            }
        }
    }

    fn common(&mut self, common: &Common) {
        match *common {
            Common::Plain => self.extend(),
            Common::Place(home) => {
                self.barrier(self.span);
                self.adjacent(|next| {
                    next.placed = true;
                    next.home = home;
                });
            }
            Common::EraseAll => self.adjacent(|next| next.cleared = true),
            Common::EraseBelow => {
                // From the first cell it erases all; and only there.
                let top = self.margins.0 == 0;
                if self.adjacent.end == self.span && self.adjacent.home && top {
                    self.adjacent(|next| next.cleared = true);
                } else {
                    self.extend();
                }
            }
            Common::Barrier => self.barrier(self.span),
            Common::G0(drawing) => {
                if drawing != self.drawing {
                    self.set(Set::G0(drawing));
                    self.drawing = drawing;
                }
                self.extend();
            }
        }
    }

    /// The sequence changes nothing about the one before it.
    fn extend(&mut self) {
        if self.adjacent.end == self.span {
            self.adjacent.end = self.at;
        }
    }

    /// Notes a position or an erase that follows what is adjacent, and a
    /// restart when there is now one of each.
    fn adjacent(&mut self, note: impl FnOnce(&mut Adjacent)) {
        if self.adjacent.end != self.span {
            self.adjacent = Adjacent { from: self.span, ..Adjacent::default() };
        }
        note(&mut self.adjacent);
        self.adjacent.end = self.at;
        if self.adjacent.placed && self.adjacent.cleared {
            self.safe = Some(Restart { at: self.adjacent.from, bottom: false });
            self.barrier = self.at;
        }
    }

    /// What is behind this sequence cannot be argued from line feeds before it.
    pub(super) fn barrier(&mut self, from: usize) {
        if from >= self.barrier + 4 * self.rows() {
            self.restart(from);
        }
        self.barrier = self.at;
        self.broken = true;
    }

    pub(super) fn act(&mut self, act: Act) {
        self.ops.push(Op { at: self.span, act });
    }

    pub(super) fn set(&mut self, set: Set) {
        self.act(Act::Set(set));
    }

    /// Has avt's parser read the open sequence; false if the text ends first.
    fn sequence(&mut self) -> bool {
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            self.line_break |= matches!(byte, b'\n' | b'\r');
            self.tracked.byte(self.parser.state, byte);
            for ch in self.controls.feed(byte) {
                let before = self.parser.state;
                let function = self.parser.feed(ch);
                self.tracked.change(before, ch, self.parser.state);
                if let Some(function) = function {
                    self.function(&function);
                }
            }
            if self.parser.state == State::Ground && self.controls.idle() {
                self.inside = false;
                // The search would take a line break in a sequence for one
                // that scrolls.
                if self.line_break {
                    self.barrier = self.at;
                    self.broken = true;
                }
                if self.torn {
                    self.base = self.at;
                } else if !self.broken {
                    self.extend();
                }
                return true;
            }
        }
        false
    }
}
