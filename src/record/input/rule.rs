//! The rule: from what was typed and shown to what is decided.

use super::control::Act;
use super::keys::is_enter;
use super::prompt;
use super::run::{End, Fate, LONGEST, Run};
use super::{Decision, Judge, Mode, PATIENCE, Reason, Waiting};
use crate::event::Micros;

/// Text that follows an Enter or a Tab within this time was not typed by
/// fingers: it is one paste with what went before.
const BURST: Micros = 10_000;

/// Keys that may wait behind a run that is not decided.
const MAX_WAITING: usize = 1024;

/// Rows that are remembered above the cursor while nothing is awaited.
const ROWS_KEPT: i64 = 64;

impl Judge {
    /// Text was typed; `joins` what was typed just before, if that was one
    /// paste with it.
    pub(super) fn text(&mut self, time: Micros, mut bytes: &[u8], joins: bool) {
        while !bytes.is_empty() {
            if self.run.is_none() {
                let run = if joins { self.rejoined(time) } else { None };
                self.run = Some(run.unwrap_or_else(|| self.begun(time)));
            }
            let hidden = self.line.is_some_and(|line| line.canonical && !line.echo);
            let late =
                self.run.as_ref().is_some_and(|run| self.is_elsewhere(run)) && self.is_at_prompt();
            let Some(run) = self.run.as_mut() else { return };
            if hidden {
                run.mask(Reason::Echo);
            } else if late {
                run.mask(Reason::Prompt);
            }
            let room = LONGEST.saturating_sub(run.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            run.push(time, now);
            self.grid.stamp += now.len() as u64;
            bytes = later;
            if bytes.is_empty() {
                return;
            }
            // It is judged here. What was shown is kept and a new run begins;
            // else all that is yet to come of it is masked with it.
            match self.mode {
                Mode::Full => self.cut(),
                _ if run.stands(&self.grid) => self.end_run(time, End::Key),
                _ => run.mask(Reason::Undecided),
            }
        }
    }

    /// Whether the cursor is somewhere else than where this run's echo would
    /// have taken it, so that a prompt may have come after typing began.
    fn is_elsewhere(&self, run: &Run) -> bool {
        !matches!(run.fate, Fate::Masked(Reason::Echo | Reason::Prompt))
            && run.len() > 0
            && !(run.begins(&self.grid) && run.anchor().is_some_and(|(r, _)| r == self.grid.row()))
    }

    fn is_at_prompt(&self) -> bool {
        let row = self.grid.row();
        let until = self.shown_at.filter(|(shown, _)| *shown == row).map(|(_, col)| col);
        self.prompted == Some(row) || prompt::is_password(&self.grid.before_cursor(until))
    }

    fn begun(&self, time: Micros) -> Run {
        let place = self.grid.place();
        let mut run = Run::new(time, self.grid.stamp, place, self.asked.win32);
        if let Some(reason) = self.carried {
            run.mask(reason);
        } else if self.is_at_prompt() {
            run.mask(Reason::Prompt);
        } else if place.is_none() && self.mode == Mode::Echoed {
            run.mask(Reason::Undecided);
        }
        run
    }

    /// The run that what comes now is one paste with: it ended just now by a
    /// Tab or an Enter, which is text of it then.
    fn rejoined(&mut self, time: Micros) -> Option<Run> {
        let mut first = time;
        let mut breaks = 0;
        for item in self.waiting.iter().rev() {
            match item {
                Waiting::Key { time, soft: true, .. } if *time + BURST >= first => {
                    first = *time;
                    breaks += 1;
                }
                Waiting::Run(run) if breaks > 0 && run.end.is_some_and(|(e, _)| e == first) => {
                    let keys = self.waiting.split_off(self.waiting.len() - breaks);
                    let Some(Waiting::Run(mut run)) = self.waiting.pop_back() else { return None };
                    self.waiting_bytes -= run.weight + breaks;
                    run.reopen();
                    for key in keys {
                        if let Waiting::Key { time, bytes, .. } = key {
                            run.push(time, &bytes);
                        }
                    }
                    return Some(run);
                }
                _ => return None,
            }
        }
        None
    }

    /// The run ends here, by a key or because the session does.
    pub(super) fn end_run(&mut self, time: Micros, end: End) {
        let Some(mut run) = self.run.take() else {
            if end != End::Completion {
                self.carried = None;
            }
            if end == End::Enter {
                self.shown_at = None;
                self.prompted = None;
            }
            return;
        };
        run.end = Some((time, end));
        if run.is_watched() && (run.closing == Some(true) || run.stands(&self.grid)) {
            run.fate = Fate::Shown;
        } else if run.left {
            run.mask(Reason::Echo);
        }
        run.closing = None;
        self.note_shown(&run);
        self.prompted = match (run.fate, end) {
            (_, End::Enter) => None,
            (Fate::Masked(Reason::Prompt), _) => Some(self.grid.row()),
            _ => self.prompted,
        };
        if end == End::Enter {
            self.shown_at = None;
        }
        self.carried = None;
        run.weight = run.len();
        self.waiting_bytes += run.weight;
        self.waiting.push_back(Waiting::Run(run));
        if self.mode == Mode::Full {
            while !self.waiting.is_empty() {
                self.decide_first();
            }
        }
    }

    /// Remembers where what stands on the cursor's row was typed.
    fn note_shown(&mut self, run: &Run) {
        let shown = match self.mode {
            Mode::Full => run.begins(&self.grid),
            _ => run.fate == Fate::Shown,
        };
        if shown && !matches!(run.end, Some((_, End::Enter))) {
            let here = self.shown_at.is_some_and(|(row, _)| row == self.grid.row());
            self.shown_at = if here { self.shown_at } else { run.anchor() };
        }
    }

    /// A key that is no text was typed.
    pub(super) fn key(&mut self, time: Micros, bytes: &[u8], soft: bool) {
        self.grid.stamp += bytes.len() as u64;
        self.waiting_bytes += bytes.len();
        self.waiting.push_back(Waiting::Key { time, bytes: bytes.to_vec(), soft });
        while matches!(self.waiting.front(), Some(Waiting::Key { .. }))
            || self.waiting.len() > MAX_WAITING
            || self.waiting_bytes > LONGEST
        {
            self.decide_first();
        }
    }

    /// [`Mode::Full`]: whether what is typed of this run so far is kept before
    /// it ends, so that a crash costs a second and not a page.
    pub(super) fn is_due_while_typed(&self, run: &Run) -> bool {
        self.mode == Mode::Full && !matches!(run.fate, Fate::Masked(_))
    }

    /// Keeps what there is of the run that is being typed.
    fn cut(&mut self) {
        let Some(mut run) = self.run.take() else { return };
        self.note_shown(&run);
        if let Fate::Masked(reason) = run.fate {
            self.carried = Some(reason);
            self.run = Some(run);
            return;
        }
        let (start_us, end_us) = (run.start, run.last);
        self.decided.push_back(Decision::Keep { start_us, end_us, bytes: run.reveal() });
    }

    /// Decides what is due.
    pub(super) fn settle(&mut self, now: Micros) {
        while let Some(Waiting::Run(run)) = self.waiting.front()
            && run.end.is_none_or(|(end, _)| end + PATIENCE <= now)
        {
            self.decide_first();
        }
        if self
            .run
            .as_ref()
            .is_some_and(|r| self.is_due_while_typed(r) && r.start + PATIENCE <= now)
        {
            self.cut();
        }
    }

    /// Decides the first that waits, and the keys behind it.
    pub(super) fn decide_first(&mut self) {
        match self.waiting.pop_front() {
            Some(Waiting::Run(run)) => self.decide(run),
            Some(Waiting::Key { time, bytes, .. }) => self.keep_key(time, bytes),
            None => {}
        }
        while matches!(self.waiting.front(), Some(Waiting::Key { .. })) {
            if let Some(Waiting::Key { time, bytes, .. }) = self.waiting.pop_front() {
                self.keep_key(time, bytes);
            }
        }
    }

    fn keep_key(&mut self, time: Micros, bytes: Vec<u8>) {
        self.waiting_bytes -= bytes.len();
        if is_enter(&bytes) {
            self.refused_at = None;
        }
        self.decided.push_back(Decision::Keep { start_us: time, end_us: time, bytes });
    }

    fn decide(&mut self, mut run: Run) {
        self.waiting_bytes -= run.weight;
        if run.fate == Fate::Open && self.mode == Mode::Echoed && run.stands(&self.grid) {
            run.fate = Fate::Shown;
        }
        if run.fate == Fate::Shown && run.anchor() == self.refused_at {
            run.mask(Reason::Echo);
        }
        let (start_us, end_us) = (run.start, run.last);
        let reason = match run.fate {
            Fate::Masked(reason) => reason,
            Fate::Open if self.mode == Mode::Echoed => Reason::Undecided,
            _ => {
                self.decided.push_back(Decision::Keep { start_us, end_us, bytes: run.reveal() });
                return;
            }
        };
        self.refused_at = run.anchor();
        self.decided.push_back(Decision::Masked { reason, start_us, end_us });
    }

    /// Runs that hang on what the terminal shows next.
    pub(super) fn watched(&mut self) -> impl Iterator<Item = &mut Run> {
        let waiting = self.waiting.iter_mut().filter_map(|item| match item {
            Waiting::Run(run) => Some(run),
            Waiting::Key { .. } => None,
        });
        waiting.chain(self.run.as_mut()).filter(|run| run.is_watched())
    }

    pub(super) fn is_watching(&mut self) -> bool {
        self.mode == Mode::Echoed && self.watched().next().is_some()
    }

    pub(super) fn look_at_tail(&mut self) {
        let mut tail = std::mem::take(&mut self.tail);
        self.look_at(&tail);
        tail.clear();
        self.tail = tail;
        if !self.is_watching() {
            self.grid.forget_above(ROWS_KEPT);
        }
    }

    pub(super) fn look_at(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut parser = std::mem::take(&mut self.parser);
        let mut watching = self.is_watching();
        parser.parse(bytes, &mut |act| {
            self.asked.act(&act);
            if watching && moves(&act) {
                self.compare(is_line_feed(&act));
                watching = self.is_watching();
            }
            self.grid.act(&act);
        });
        self.parser = parser;
    }

    /// Goes over output only for the modes that it sets.
    pub(super) fn skim(&mut self, bytes: &[u8]) {
        let (asked, grid) = (&mut self.asked, &mut self.grid);
        self.parser.skim(bytes, grid.conceals(), &mut |act| {
            asked.act(&act);
            // Where the cursor goes is lost anyhow.
            let sets =
                !matches!(&act, Act::Csi(csi) if !matches!(csi.last, b'h' | b'l' | b'm' | b'r'));
            if sets {
                grid.act(&act);
            }
            grid.conceals()
        });
        if !bytes.is_empty() {
            grid.lose();
        }
    }

    /// The cursor is about to go elsewhere, so a run that has ended may stand
    /// there whole for the last time.
    fn compare(&mut self, line_feed: bool) {
        let mut grid = std::mem::replace(&mut self.grid, super::Grid::nowhere());
        for run in self.watched() {
            let ended = run.end.is_some();
            if (ended || run.closing == Some(false)) && run.stands(&grid) {
                run.closing = Some(true);
                if ended {
                    run.fate = Fate::Shown;
                }
            }
            if line_feed && run.is_watched() && !run.leaves_row(&grid, grid.row()) {
                if run.closing == Some(true) {
                    run.left = true;
                } else {
                    run.mask(Reason::Echo);
                }
            }
        }
        std::mem::swap(&mut self.grid, &mut grid);
    }
}

/// Whether this may take the cursor away from where text was written, or the
/// text away.
fn moves(act: &Act<'_>) -> bool {
    match act {
        Act::Print(_) => false,
        Act::Control(c) => matches!(c, 0x08..=0x0d),
        Act::Escape(0, _) | Act::C1 => true,
        Act::Escape(..) => false,
        Act::Csi(csi) => csi.last != b'm' || csi.private != 0,
    }
}

fn is_line_feed(act: &Act<'_>) -> bool {
    matches!(act, Act::Control(0x0a..=0x0c) | Act::Escape(0, b'D' | b'E'))
}
