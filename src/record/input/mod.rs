//! What of a person's typing is kept.
//!
//! Knows nothing of files, descriptors and clocks: it is told what was typed,
//! what the program put out, and when. Its one invariant: bytes come out as
//! [`Decision::Keep`] only when they are a key that is no text, or text of
//! which the mode's rule says that it may be kept; in [`Mode::Echoed`], that
//! the terminal showed it where it was typed.
//!
//! When in doubt it masks: a masked command can be read from the program's
//! output, where it was shown; a kept password cannot be taken back.

mod control;
mod grid;
mod keys;
mod prompt;
mod reply;
mod rule;
mod run;
mod secret;

use std::collections::VecDeque;

use self::control::Parser;
use self::grid::{Grid, Place};
use self::keys::{HOLD, Keys, Sent, is_enter};
use self::reply::{Asked, without_clipboard};
use self::run::{End, Fate, Run};
use crate::event::{Micros, TermSize};
use crate::sys::tty::LineMode;

/// How long after its end a run may still come back from the program.
const PATIENCE: Micros = 1_000_000;

/// How much output is looked at when a run begins: the cursor's column needs
/// the last carriage return, a prompt its line. What lies before it is only
/// searched for modes.
const TAIL: usize = 16 << 10;

/// Which typing is kept: `record.input`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Text that the terminal showed, and keys that are no text.
    #[default]
    Echoed,
    /// All but what is typed with echo off or at a password prompt.
    Full,
    /// Nothing.
    None,
}

/// Why typed text is not kept: the `reason` of a `masked` fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The terminal was not to show it, or showed something else.
    Echo,
    /// It was typed at a password prompt.
    Prompt,
    /// Whether it was shown could not be told in time.
    Undecided,
}

impl Reason {
    /// As it is written in the fact.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Prompt => "prompt",
            Self::Undecided => "undecided",
        }
    }
}

/// What is to be written of what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A `typed` fact, then an `i` event, both at the time of judgement.
    Keep {
        /// When the first of it was typed.
        start_us: Micros,
        /// When the last of it was typed.
        end_us: Micros,
        /// What was typed.
        bytes: Vec<u8>,
    },
    /// A `masked` fact. How much was typed is said nowhere.
    Masked {
        /// Why.
        reason: Reason,
        /// When the first of it was typed.
        start_us: Micros,
        /// When the last of it was typed.
        end_us: Micros,
    },
    /// A `reply` fact: what the person's terminal answered by itself; in
    /// [`Mode::Echoed`] without what it answered of the clipboard.
    Reply {
        /// The answer.
        bytes: Vec<u8>,
    },
}

#[derive(Debug)]
enum Waiting {
    Run(Run),
    /// `soft`: Tab or Enter, which a paste may have among its text.
    Key {
        time: Micros,
        bytes: Vec<u8>,
        soft: bool,
    },
}

/// The judge of one session's typing.
#[derive(Debug)]
pub struct Judge {
    mode: Mode,
    line: Option<LineMode>,
    keys: Keys,
    asked: Asked,
    parser: Parser,
    grid: Grid,
    /// Output that nobody has looked at yet.
    tail: Vec<u8>,
    /// What is being typed.
    run: Option<Run>,
    /// What was, behind the first run that is not yet decided.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    decided: VecDeque<Decision>,
    /// Where a run of the line that is being typed began that was shown:
    /// whatever stands right of it is no prompt.
    shown_at: Option<Place>,
    /// The row of a prompt that is being answered.
    prompted: Option<i64>,
    /// Where a run of this line began that was not shown. A prompt that shows
    /// nothing leaves the cursor there, and what is typed after a correction
    /// is of the same secret.
    refused_at: Option<Place>,
    /// [`Mode::Full`]: the run that is being typed is masked, of which a part
    /// was already decided.
    carried: Option<Reason>,
}

impl Judge {
    /// A judge for a program that is about to start on a terminal of this
    /// size.
    #[must_use]
    pub fn new(mode: Mode, size: TermSize) -> Self {
        Self {
            mode,
            line: None,
            keys: Keys::default(),
            asked: Asked::default(),
            parser: Parser::default(),
            grid: Grid::new(size),
            tail: Vec::new(),
            run: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            decided: VecDeque::new(),
            shown_at: None,
            prompted: None,
            refused_at: None,
            carried: None,
        }
    }

    /// These bytes came from the person's terminal while the program's PTY was
    /// in this mode (`None`: unknown). Times never decrease.
    pub fn typed(&mut self, time: Micros, bytes: &[u8], line: Option<LineMode>) {
        if self.mode == Mode::None {
            return;
        }
        self.tick(time);
        self.look_at_tail();
        self.line = line;
        let mut keys = std::mem::take(&mut self.keys);
        let mut asked = self.asked;
        keys.feed(time, bytes, &mut asked, &mut |at, sent| self.sent(at, sent));
        self.keys = keys;
        self.asked = asked;
        if self.keys.held().is_some()
            && let Some(run) = self.run.as_mut()
            && run.is_watched()
            && run.closing.is_none()
        {
            run.closing = Some(run.stands(&self.grid));
        }
        self.settle(time);
    }

    /// The program put out these bytes.
    pub fn output(&mut self, time: Micros, bytes: &[u8]) {
        if self.mode == Mode::None {
            return;
        }
        self.tick(time);
        if self.is_watching() {
            self.look_at_tail();
            self.look_at(bytes);
            return;
        }
        let far = bytes.len().saturating_sub(TAIL);
        if let Some((far, near)) = bytes.split_at_checked(far)
            && !far.is_empty()
        {
            let tail = std::mem::take(&mut self.tail);
            self.skim(&tail);
            self.skim(far);
            self.tail = tail;
            self.tail.clear();
            self.tail.extend_from_slice(near);
            return;
        }
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 2 * TAIL {
            let mut tail = std::mem::take(&mut self.tail);
            let far = tail.len() - TAIL;
            self.skim(tail.get(..far).unwrap_or_default());
            tail.drain(..far);
            self.tail = tail;
        }
    }

    /// The terminal has another size.
    pub fn resized(&mut self, time: Micros, size: TermSize) {
        if self.mode == Mode::None {
            return;
        }
        self.tick(time);
        self.look_at_tail();
        for run in self.watched() {
            run.mask(Reason::Undecided);
        }
        self.grid.resize(size);
    }

    /// When [`Judge::tick`] must be called, if nothing else is.
    #[must_use]
    pub fn due(&self) -> Option<Micros> {
        let key = self.keys.held().map(|(_, latest)| latest + HOLD);
        let run = match (self.waiting.front(), &self.run) {
            (Some(Waiting::Run(run)), _) => run.end.map(|(end, _)| end + PATIENCE),
            (_, Some(run)) if self.is_due_while_typed(run) => Some(run.start + PATIENCE),
            _ => None,
        };
        key.into_iter().chain(run).min()
    }

    /// It is this late, and all that happened before has been told.
    pub fn tick(&mut self, now: Micros) {
        if self.keys.held().is_some_and(|(_, latest)| latest + HOLD <= now) {
            self.give_up();
        }
        self.settle(now);
    }

    /// The session is over: what is not decided is masked.
    pub fn end(&mut self, now: Micros) {
        self.tick(now);
        self.look_at_tail();
        self.give_up();
        self.end_run(now, End::Key);
        while !self.waiting.is_empty() {
            self.decide_first();
        }
    }

    /// The next decision, in the order of typing; replies come at once.
    pub fn next_decision(&mut self) -> Option<Decision> {
        self.decided.pop_front()
    }

    fn give_up(&mut self) {
        let mut keys = std::mem::take(&mut self.keys);
        let mut asked = self.asked;
        keys.give_up(&mut asked, &mut |at, sent| self.sent(at, sent));
        self.keys = keys;
        self.asked = asked;
    }

    fn sent(&mut self, time: Micros, sent: Sent<'_>) {
        match sent {
            Sent::Answer(bytes) => {
                if let Some(run) = self.run.as_mut() {
                    run.closing = None;
                    if std::mem::take(&mut run.left) {
                        run.mask(Reason::Echo);
                    }
                }
                let bytes = match self.mode {
                    Mode::Echoed => without_clipboard(bytes),
                    _ => bytes,
                };
                self.decided.push_back(Decision::Reply { bytes });
            }
            Sent::Text(bytes) => self.text(time, bytes, true),
            Sent::Break { byte, pasted: true } => self.text(time, &[byte], false),
            Sent::Break { byte, pasted: false } => {
                self.end_run(time, if byte == b'\t' { End::Completion } else { End::Enter });
                self.key(time, &[byte], true);
            }
            // With Alt, or one after Escape: at a password prompt text all the same.
            Sent::Key([0x1b, 0x20..=0x7e]) if self.is_hidden() => {
                if let Sent::Key(bytes) = sent {
                    self.text(time, bytes, false);
                }
            }
            Sent::Key(bytes) => {
                self.end_run(time, if is_enter(bytes) { End::Enter } else { End::Key });
                self.key(time, bytes, false);
            }
            Sent::PasteStart(bytes) => {
                self.end_run(time, End::Key);
                self.text(time, bytes, false);
            }
            Sent::PasteEnd(bytes) => {
                self.text(time, bytes, false);
                self.end_run(time, End::Key);
            }
        }
    }

    /// Whether the terminal was told not to show what is typed now.
    fn is_hidden(&self) -> bool {
        let at_prompt = |run: &Run| matches!(run.fate, Fate::Masked(Reason::Prompt));
        self.line.is_some_and(|line| line.canonical && !line.echo)
            || self.run.as_ref().is_some_and(at_prompt)
    }
}

#[cfg(test)]
mod tests;
