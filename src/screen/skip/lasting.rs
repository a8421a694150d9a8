//! What outlives the cells that a sequence changes, and what ends a restart
//! argument.
//!
//! Refuses to know how sequences are written. The invariant: after each, modes
//! and margins here are those of avt, and nothing is taken for exact that is
//! not.

use avt::Charset;
use avt::parser::{AnsiMode, CtcOp, DecMode, Function, TbcScope};

use super::carry::{Act, Carry, Op, Set};
use super::{Adjacent, Keyframer, Pin, Restart, Stale};

impl Keyframer {
    pub(super) fn function(&mut self, function: &Function) {
        match function {
            Function::Cpl(_)
            | Function::Cup(..)
            | Function::Cuu(_)
            | Function::Decaln
            | Function::Dl(_)
            | Function::Il(_)
            | Function::Rep(_)
            | Function::Ri
            | Function::Sd(_)
            | Function::Su(_)
            | Function::Vpa(_) => self.barrier(self.span),

            Function::Hts
            | Function::Ctc(CtcOp::Set | CtcOp::ClearCurrentColumn)
            | Function::Tbc(TbcScope::CurrentColumn) => {
                self.now();
                self.stale.tabs |= self.stale.screen;
            }
            Function::Ctc(CtcOp::ClearAll) | Function::Tbc(TbcScope::All) => {
                self.set(Set::NoTabs);
                if self.stale.tabs {
                    self.stale.tabs = false;
                    self.barrier(self.span);
                    self.safe = None;
                }
            }

            Function::Decsc | Function::Scosc => self.save(),
            Function::Decrc | Function::Scorc => self.restore(),
            Function::Decset(modes) => modes.as_slice().iter().for_each(|&m| self.mode(m, true)),
            Function::Decrst(modes) => modes.as_slice().iter().for_each(|&m| self.mode(m, false)),
            Function::Sm(modes) => modes.as_slice().iter().for_each(|&m| self.ansi_mode(m, true)),
            Function::Rm(modes) => modes.as_slice().iter().for_each(|&m| self.ansi_mode(m, false)),
            Function::Decstbm(top, bottom) => self.margins(*top, *bottom),
            Function::Gzd4(charset) => {
                self.drawing = *charset == Charset::Drawing;
                self.set(Set::G0(self.drawing));
            }
            Function::G1d4(charset) => self.set(Set::G1(*charset == Charset::Drawing)),
            Function::So => self.set(Set::Shift(true)),
            Function::Si => self.set(Set::Shift(false)),
            Function::Decstr => self.soft_reset(),
            Function::Ris => self.hard_reset(),

            // Cells of the row, the cursor along it or down, the pen (which a
            // cut reads by itself), or nothing.
            Function::Bs
            | Function::Cbt(_)
            | Function::Cha(_)
            | Function::Cht(_)
            | Function::Cnl(_)
            | Function::Cr
            | Function::Cub(_)
            | Function::Cud(_)
            | Function::Cuf(_)
            | Function::Dch(_)
            | Function::Ech(_)
            | Function::Ed(_)
            | Function::El(_)
            | Function::Ht
            | Function::Ich(_)
            | Function::Lf
            | Function::Nel
            | Function::Osc(_)
            | Function::Print(_)
            | Function::Sgr(_)
            | Function::Vpr(_)
            | Function::Xtwinops(_) => {}
        }
    }

    /// Feeds all that is before the open sequence, and keeps the sequence as
    /// it is: it does what no cut could carry.
    fn now(&mut self) {
        self.shorten();
        self.feed(self.span);
        self.torn = true;
        self.broken = true;
        self.barrier = self.at;
    }

    fn ansi_mode(&mut self, mode: AnsiMode, on: bool) {
        self.set(match mode {
            AnsiMode::Insert => Set::Insert(on),
            AnsiMode::NewLine => Set::NewLine(on),
        });
    }

    fn mode(&mut self, mode: DecMode, on: bool) {
        match (mode, on) {
            (DecMode::CursorKeys, _) => self.set(Set::CursorKeys(on)),
            (DecMode::AutoWrap, _) => self.set(Set::Wrap(on)),
            (DecMode::TextCursorEnable, _) => self.set(Set::Visible(on)),
            (DecMode::Origin, _) => {
                self.barrier(self.span);
                self.set(Set::Origin(on));
            }
            (DecMode::SaveCursor, true) => self.save(),
            (DecMode::SaveCursor, false) => self.restore(),
            (DecMode::AltScreenBuffer, true) => self.enter_only(),
            (DecMode::AltScreenBuffer, false) => self.leave_only(),
            (DecMode::SaveCursorAltScreenBuffer, true) => self.enter(),
            (DecMode::SaveCursorAltScreenBuffer, false) => self.leave(),
        }
    }

    /// As avt does it: margins that are none change nothing but the cursor.
    fn margins(&mut self, top: u16, bottom: u16) {
        self.barrier(self.span);
        let rows = self.size.rows();
        let (top, bottom) = (top.max(1) - 1, if bottom == 0 { rows } else { bottom } - 1);
        if top < bottom && bottom < rows {
            self.margins = (top.into(), bottom.into());
            self.set(Set::Margins(top, bottom));
        }
    }

    fn save(&mut self) {
        self.resolve();
        self.broken = true;
        if self.alternate {
            self.now();
            self.stale.saved_alternate = self.stale.screen;
        } else {
            self.pin = Some(Pin { from: self.span, at: self.at, outer: self.outer() });
            self.visit = false;
            self.stale.saved_primary = self.stale.screen;
            self.act(Act::Save);
        }
    }

    fn restore(&mut self) {
        self.resolve();
        self.barrier(self.span);
        if self.alternate {
            self.stale.screen |= self.stale.saved_alternate;
        } else {
            self.stale.screen |= self.stale.saved_primary;
            // The cursor is now what it was at the pin, so the state depends
            // on all that the pin depends on, and on what came since.
            if let Some(mut pin) = self.pin {
                pin.outer.safe = self.search(pin.outer, pin.from).or(pin.outer.safe);
                pin.outer.barrier = pin.from;
                self.safe = pin.outer.safe;
                self.pin = Some(pin);
            }
        }
        if self.stale.screen {
            self.safe = None;
        }
        self.act(Act::Restore);
    }

    /// 1047 set.
    fn enter_only(&mut self) {
        if self.alternate {
            return;
        }
        self.now();
        self.stale.hidden = self.stale.screen;
        self.alternate = true;
        self.safe = None;
    }

    /// 1047 reset: the cursor stays where it is.
    fn leave_only(&mut self) {
        if !self.alternate {
            return;
        }
        self.now();
        self.stale.screen |= self.stale.hidden;
        self.stale.hidden = false;
        self.alternate = false;
        self.visit = false;
        self.safe = None;
    }

    /// 1049 set.
    fn enter(&mut self) {
        if self.alternate {
            // Only the save is left of it.
            return self.save();
        }
        self.restart(self.span);
        self.save();
        if let Some(op) = self.ops.last_mut() {
            op.act = Act::Enter;
        }
        self.visit = true;
        self.stale.hidden = self.stale.screen;
        self.alternate = true;
        self.safe = None;
        self.barrier = self.at;
        // The alternate screen is blank then; the cursor is where it was.
        self.adjacent =
            Adjacent { from: self.at, end: self.at, cleared: true, ..Adjacent::default() };
    }

    /// 1049 reset.
    fn leave(&mut self) {
        if !self.alternate {
            return self.restore();
        }
        self.alternate = false;
        self.broken = true;
        self.stale.screen = self.stale.hidden || self.stale.saved_primary || self.stale.tabs;
        self.stale.hidden = false;
        let margins = self.margins;
        match self.pin.filter(|_| self.visit) {
            Some(pin) => {
                let kept = self.drop_visit(pin);
                self.act(kept);
                self.safe = pin.outer.safe;
                // Line feeds on both sides of a mere save and restore count as
                // one run.
                let through = kept == Act::Restore && margins == pin.outer.margins;
                self.barrier = if through { pin.outer.barrier } else { self.at };
            }
            None => {
                self.cut(self.base, Restart { at: self.span, bottom: false });
                self.act(Act::Leave);
                self.safe = None;
                self.barrier = self.at;
            }
        }
        if self.stale.screen {
            self.safe = None;
        }
        self.visit = false;
    }

    /// Cuts the stay on the alternate screen out; says what the sequence that
    /// ends it does then.
    fn drop_visit(&mut self, pin: Pin) -> Act {
        let first = self.ops.partition_point(|op| op.at < pin.from);
        let last = self.ops.partition_point(|op| op.at < self.span);
        let inner = self.ops.get(first..last).unwrap_or_default();
        // With nothing but modes in it, a stay is a save and a restore: no
        // screen need be made for it.
        // But what the two sequences do besides is not to be lost, nor done
        // to the primary screen.
        let clean = |from, to| {
            let text = self.text.get(from..to).unwrap_or_default();
            text.iter().skip(1).all(|b| matches!(b, b' '..=b'~'))
        };
        let clean = clean(pin.from, pin.at) && clean(self.span, self.at);
        if !clean
            || pin.from < self.base
            || inner.iter().any(|op| !matches!(op.act, Act::Set(_) | Act::Enter))
        {
            self.cut(pin.at, Restart { at: self.span, bottom: false });
            return Act::Leave;
        }
        let inner: Vec<Op> = inner
            .iter()
            .map(|op| match op.act {
                Act::Enter => Op { act: Act::Save, ..*op },
                _ => *op,
            })
            .collect();
        let Carry { text, mut ops, .. } = Carry::of(&self.text, pin.from, self.span, &inner);
        ops.iter_mut().for_each(|op| op.at += pin.from);
        let save = ops.iter().rev().find(|op| op.act == Act::Save).map_or(pin.from, |op| op.at);
        self.replace(pin.from, self.span, first, last, &text, &ops);
        // ESC 7
        self.pin = Some(Pin { from: save, at: save + 2, ..pin });
        Act::Restore
    }

    fn soft_reset(&mut self) {
        self.barrier(self.span);
        self.margins = (0, self.rows() - 1);
        self.drawing = false;
        if self.alternate {
            self.stale.saved_alternate = false;
        } else {
            self.stale.saved_primary = false;
        }
        self.act(Act::SoftReset);
    }

    /// Nothing before it matters.
    fn hard_reset(&mut self) {
        self.text.drain(..self.span);
        self.ops.clear();
        self.at -= self.span;
        self.span = 0;
        self.torn = true;
        self.broken = true;
        self.barrier = self.at;
        self.safe = None;
        self.pin = None;
        self.visit = false;
        self.adjacent.end = usize::MAX;
        self.next_search = 0;
        self.stale = Stale::default();
        self.alternate = false;
        self.margins = (0, self.rows() - 1);
        self.drawing = false;
    }
}
