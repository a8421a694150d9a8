//! A recording's terminal state at any moment, for a fraction of what feeding
//! everything to the terminal model costs.
//!
//! Refuses to know time, files and formats. The invariant: a [`Keyframe`] it
//! gives restores to exactly the state that feeding the whole output gives.
//!
//! Plain output determines the screen by its tail, so the output is kept
//! unfed, and what no longer matters is cut out of it:
//!
//! - *Restart.* Before a line that begins after CR LF, with `rows - 1` line
//!   feeds before it and `rows` after, the cursor is at the start of the bottom
//!   row, and every row shown at the end was scrolled in after it. So all that
//!   is before the line can go, but for pen and modes ([`carry`]). The same
//!   holds before a cursor position and an erase of the whole display that
//!   follow each other. Whatever breaks this (a cursor moved up, a scroll
//!   down, margins, REP, an unknown sequence) is a *barrier*: the argument
//!   begins anew behind it.
//! - *Visit.* What happened on the alternate screen between 1049 set and reset
//!   is cut out when it ends.
//! - *Pin.* A saved cursor remembers where the cursor was, so what determined
//!   it is kept until the next save.
//!
//! What is left is fed when a keyframe is asked for, at a resize (which
//! reflows the screen), and before the few things that read the cursor into a
//! state that lasts (tab stops; saves on the alternate screen; 1047).

mod carry;
mod cut;
mod lasting;
mod scan;
#[cfg(test)]
pub(super) mod tests;
mod tracked;

use avt::{Parser, Terminal};

use self::carry::{Controls, Op};
use self::tracked::Tracked;
pub(super) use self::tracked::Tracker;
use super::keyframe::{Keyframe, Position};
use super::model::{Decoder, new_terminal};
use crate::event::TermSize;

/// When to do what. Only the cost depends on these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Unfed output that is kept before it is shortened, in bytes. Larger than
    /// what a full-screen program's visit of some seconds prints; small enough
    /// to stay in a core's cache and within a 1 MiB bound for everything here.
    kept: usize,
    /// Output is taken in pieces of this size, so that `kept` bounds memory.
    piece: usize,
    /// Acts that are kept before the output is shortened: 96 KiB of them.
    ops: usize,
    /// Less than this is not worth cutting out.
    worth: usize,
}

const LIMITS: Limits = Limits { kept: 256 * 1024, piece: 32 * 1024, ops: 4096, worth: 128 };

/// A place in the unfed output from which the state depends on nothing before
/// it but pen and modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Restart {
    at: usize,
    /// The cursor is at the start of the bottom row there. Otherwise what
    /// follows says where it is.
    bottom: bool,
}

/// The last save of the cursor on the primary screen in the unfed output.
#[derive(Clone, Copy, Debug)]
struct Pin {
    /// The sequence that saved it.
    from: usize,
    /// The end of it.
    at: usize,
    /// What held before it.
    outer: Outer,
}

/// What a restart argument stands on at some offset.
#[derive(Clone, Copy, Debug)]
struct Outer {
    /// The end of the last thing that the argument cannot cross.
    barrier: usize,
    /// The last restart known to be good, before or at the barrier.
    safe: Option<Restart>,
    margins: (usize, usize),
}

/// Two things in a row that determine a screen: a position and an erase.
#[derive(Clone, Copy, Debug, Default)]
struct Adjacent {
    from: usize,
    end: usize,
    placed: bool,
    home: bool,
    cleared: bool,
}

/// What is not exact, after output was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stale {
    /// The active screen's cells, or the cursor.
    screen: bool,
    /// The primary screen, while the alternate one is active.
    hidden: bool,
    /// The primary screen's saved cursor.
    saved_primary: bool,
    /// The alternate screen's saved cursor.
    saved_alternate: bool,
    /// Tab stops.
    tabs: bool,
}

/// Is fed a recording's output and sizes, and gives [`Keyframe`]s.
///
/// Memory: at most 512 KiB, and what avt takes for a screen of the size.
pub struct Keyframer {
    limits: Limits,
    size: TermSize,
    /// Exact up to where `text` begins, but for what is `stale`.
    terminal: Terminal,
    decoder: Decoder,
    tracked: Tracked,
    allowance: Option<u64>,
    fed: u64,
    stale: Stale,

    /// Output that was not fed, cut down.
    text: Vec<u8>,
    /// What lasts in it.
    ops: Vec<Op>,
    /// Up to here in `text` nothing is cut out.
    base: usize,
    /// The end of the last thing that a restart argument cannot cross.
    barrier: usize,
    /// The last restart known to be good, before or at the barrier.
    safe: Option<Restart>,
    pin: Option<Pin>,
    /// The stay on the alternate screen began with the sequence at the pin.
    visit: bool,
    adjacent: Adjacent,
    /// Searching for a restart before this offset is pointless.
    next_search: usize,

    /// Scanned up to here.
    at: usize,
    /// A sequence is open; the parser has it up to `at`.
    inside: bool,
    /// Where it begins.
    span: usize,
    /// Its beginning was fed already.
    torn: bool,
    /// It is no mere mode: what is adjacent ends with it.
    broken: bool,
    /// It has held a line break.
    line_break: bool,
    parser: Parser,
    controls: Controls,

    alternate: bool,
    /// First and last row, from 0.
    margins: (usize, usize),
    /// G0 is the line drawing set.
    drawing: bool,
}

impl Keyframer {
    /// A blank terminal.
    #[must_use]
    pub fn new(size: TermSize) -> Self {
        Self {
            limits: LIMITS,
            size,
            terminal: new_terminal(size),
            decoder: Decoder::default(),
            tracked: Tracked::default(),
            allowance: None,
            fed: 0,
            stale: Stale::default(),
            text: Vec::new(),
            ops: Vec::new(),
            base: 0,
            barrier: 0,
            safe: None,
            pin: None,
            visit: false,
            adjacent: Adjacent { end: usize::MAX, ..Adjacent::default() },
            next_search: 0,
            at: 0,
            inside: false,
            span: 0,
            torn: false,
            broken: false,
            line_break: false,
            parser: Parser::new(),
            controls: Controls::default(),
            alternate: false,
            margins: (0, usize::from(size.rows()) - 1),
            drawing: false,
        }
    }

    /// The terminal of a keyframe.
    #[must_use]
    pub fn resume(keyframe: &Keyframe) -> Self {
        let mut keyframer = Self::new(keyframe.size);
        let (dump, held) = keyframe.output();
        keyframer.output(dump.as_bytes());
        keyframer.output(held);
        keyframer.tracked.set(&keyframe.outside);
        keyframer
    }

    /// How many bytes may be fed to the terminal model from now on, at 50 to
    /// 60 MB/s; `None`, as at the start, is no limit.
    ///
    /// When they are used up, output that cannot be skipped exactly is given
    /// up, and there are no keyframes until the output itself has determined
    /// the whole state anew.
    pub fn set_allowance(&mut self, bytes: Option<u64>) {
        self.allowance = bytes;
    }

    /// What is left of the allowance.
    #[must_use]
    pub fn allowance(&self) -> Option<u64> {
        self.allowance
    }

    /// How many bytes the terminal model was fed so far: what this costs,
    /// beside reading the output.
    #[must_use]
    pub fn fed(&self) -> u64 {
        self.fed
    }

    /// Takes output, cut anywhere.
    pub fn output(&mut self, bytes: &[u8]) {
        let Limits { kept, piece, ops, .. } = self.limits;
        for piece in bytes.chunks(piece) {
            self.text.extend_from_slice(piece);
            self.scan();
            if self.text.len() > kept || self.ops.len() > ops {
                self.shorten();
                if self.text.len() > kept / 2 || self.ops.len() > ops / 2 {
                    self.feed(self.text.len());
                }
            }
        }
    }

    /// Takes a new size.
    pub fn resize(&mut self, size: TermSize) {
        if size == self.size {
            return;
        }
        self.feed_all();
        self.terminal.resize(size.cols().into(), size.rows().into());
        if size.rows() != self.size.rows() {
            self.margins = (0, usize::from(size.rows()) - 1);
        }
        self.size = size;
    }

    /// The size now.
    #[must_use]
    pub fn size(&self) -> TermSize {
        self.size
    }

    /// The state now; `None` if it is not known (see
    /// [`Keyframer::set_allowance`]), or if avt's dump of it does not restore it.
    pub fn keyframe(&mut self, position: Position) -> Option<Keyframe> {
        self.feed_all();
        if self.stale != Stale::default() {
            return None;
        }
        let held = self.decoder.held().to_vec();
        Keyframe::checked(&self.terminal, position, held, self.tracked.outside().clone())
    }

    fn rows(&self) -> usize {
        self.size.rows().into()
    }

    /// Where the open sequence begins, or all that is scanned ends.
    fn ground(&self) -> usize {
        if self.inside { self.span } else { self.at }
    }

    fn feed_all(&mut self) {
        self.shorten();
        self.feed(self.text.len());
    }

    /// Feeds `text[..end]` as it is, or gives it up.
    fn feed(&mut self, end: usize) {
        self.resolve();
        let mut end = end;
        let cost = u64::try_from(end).unwrap_or(u64::MAX);
        let left = self.allowance.map(|left| left.checked_sub(cost));
        if self.stale.screen || left == Some(None) {
            end = self.give_up(end);
        } else {
            self.allowance = left.flatten();
        }
        self.fed += u64::try_from(end).unwrap_or(0);
        let (terminal, decoder) = (&mut self.terminal, &mut self.decoder);
        decoder.decode(self.text.get(..end).unwrap_or_default(), |text| terminal.feed(text));
        self.text.drain(..end);
        let past = |at: usize| at.saturating_sub(end);
        self.ops.retain_mut(|op| {
            let kept = op.at >= end;
            op.at = past(op.at);
            kept
        });
        // A pin in the sequence that is being looked at stays.
        self.pin = self.pin.filter(|pin| pin.at > end);
        self.visit &= self.pin.is_some();
        if let Some(pin) = &mut self.pin {
            let outer = Outer { barrier: 0, safe: None, ..pin.outer };
            *pin = Pin { from: past(pin.from), at: past(pin.at), outer };
        }
        self.safe = None;
        self.base = past(self.base);
        self.barrier = past(self.barrier);
        self.adjacent.end = usize::MAX;
        self.next_search = 0;
        self.torn |= self.inside && self.span < end;
        self.at = past(self.at);
        self.span = past(self.span);
    }

    /// Cuts everything out of `text[base..end]` that can be, exact or not;
    /// returns where `end` is then.
    fn give_up(&mut self, end: usize) -> usize {
        let to = end.min(self.ground()).max(self.base);
        self.stale.saved_primary |= self.pin.is_some_and(|pin| pin.at <= to);
        self.stale.hidden |= self.visit;
        self.stale.screen = true;
        let before = self.text.len();
        self.cut(self.base, Restart { at: to, bottom: false });
        (end + self.text.len()).saturating_sub(before)
    }

    /// Notes that the screen is exact again, if it is.
    fn resolve(&mut self) {
        // With tab stops unknown, so is what comes after a tab.
        if self.stale.screen && !self.stale.tabs && self.restart(self.ground()).is_some() {
            self.stale.screen = false;
        }
    }
}
