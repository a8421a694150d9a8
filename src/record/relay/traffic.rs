//! The bytes themselves: reading, passing on, handing to the queue.

use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::passage::BUFFER;
use super::{LINGER, PTY_HOLDS, Reason, Relay, Step};
use crate::event::{Fact, Micros};
use crate::record::queue::Kind;
use crate::sys::monitor::GRACE;
use crate::sys::tty::{Tty, line_mode};

impl Relay {
    pub(super) fn read_from_program(&mut self) {
        let Some(master) = &self.master else { return };
        match rustix::io::read(master, self.to_person.space()) {
            Ok(0) => self.master = None,
            Ok(n) => {
                let now = self.clock.micros();
                self.to_person.fill(n);
                self.note_late_output(n);
                // The queue takes the bytes as the program wrote them; so it
                // must come before a CR is taken out for a cooked terminal,
                // and the write before the queue.
                if self.tty.as_ref().is_some_and(Tty::is_raw) {
                    let all = self.to_person.end;
                    self.write_to_person();
                    self.record_output(now, all);
                } else {
                    self.record_output(now, n);
                    self.collapse_cr();
                    self.write_to_person();
                }
            }
            // EIO is the end of file on Linux: nobody holds the slave.
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.master = None,
        }
    }

    /// After the program's end: what it left is still being read; what a
    /// background child goes on writing must not keep the session open.
    pub(super) fn note_late_output(&mut self, n: usize) {
        if self.exit.is_some() && n > 0 {
            self.late_bytes += n;
            if self.late_bytes < PTY_HOLDS {
                self.drained_by = Some(Instant::now() + LINGER);
            }
        }
    }

    pub(super) fn record_output(&mut self, now: Micros, n: usize) {
        if let Some((_, lost)) = &mut self.lost {
            *lost += n as u64;
            return;
        }
        let bytes = self.to_person.buffer.get(..n).unwrap_or_default();
        self.queue.push(now, Kind::Output, bytes);
    }

    /// Whether anything may be read: whether the queue has room, or this
    /// session goes on without. Where the store has failed a strict session it
    /// shows nothing more.
    pub(super) fn may_read(&mut self) -> bool {
        let failed = self.queue.has_failed();
        if self.strict && (failed || self.ends_for_the_store()) {
            return false;
        }
        // In a best-effort session that is a writer that died.
        if !failed && self.queue.has_room() {
            self.full_since = None;
            self.note_lost();
            return true;
        }
        let since = *self.full_since.get_or_insert_with(Instant::now);
        if self.lost.is_none() && (failed || since.elapsed() >= self.queue.patience()) {
            if self.strict {
                self.begin_ending(Reason::StoreFailed, Step::HangUp);
            } else {
                self.lost = Some((self.clock.micros(), 0));
            }
        }
        self.lost.is_some()
    }

    pub(super) fn ends_for_the_store(&self) -> bool {
        self.ending.is_some_and(|ending| ending.reason == Reason::StoreFailed)
    }

    /// Notes what was lost while the queue was full.
    pub(super) fn note_lost(&mut self) {
        let Some((from, bytes)) = self.lost.take() else { return };
        let now = self.clock.micros();
        let fact = Fact::new("gap")
            .with("reason", "the store did not answer")
            .with("bytes", bytes)
            .with("from_us", from)
            .with("to_us", now);
        self.queue.push(now, Kind::Fact(fact), &[]);
    }

    /// Turns CR LF into LF for a terminal that turns LF into CR LF: the PTY
    /// has done that already.
    pub(super) fn collapse_cr(&mut self) {
        if !self.held_cr && !self.tty.as_ref().is_some_and(Tty::adds_cr) {
            return;
        }
        let mut bytes = Vec::with_capacity(self.to_person.end + 1);
        for &byte in self.to_person.pending() {
            if self.held_cr && byte != b'\n' {
                bytes.push(b'\r');
            }
            self.held_cr = byte == b'\r';
            if !self.held_cr {
                bytes.push(byte);
            }
        }
        bytes.truncate(BUFFER);
        let n = bytes.len();
        if let Some(space) = self.to_person.space().get_mut(..n) {
            space.copy_from_slice(&bytes);
        }
        self.to_person.fill(n);
    }

    pub(super) fn write_to_person(&mut self) {
        let Some(tty) = &self.tty else {
            self.to_person.clear();
            return;
        };
        if self.to_person.is_empty() {
            return;
        }
        match tty.output().write(self.to_person.pending()) {
            Ok(n) => self.to_person.take(n),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.lose_person(),
        }
    }

    pub(super) fn read_from_person(&mut self) {
        let Some(tty) = &self.tty else { return };
        match tty.input().read(self.to_program.space()) {
            // A raw terminal has no end of file: it is gone.
            Ok(0) => self.lose_person(),
            Ok(n) => {
                let now = self.clock.micros();
                self.to_program.fill(n);
                let mode = self.master.as_ref().and_then(|master| line_mode(master).ok());
                self.write_to_program();
                if let Some((_, lost)) = &mut self.lost {
                    *lost += n as u64;
                } else {
                    let bytes = self.to_program.buffer.get(..n).unwrap_or_default();
                    self.queue.push(now, Kind::Input(mode), bytes);
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.lose_person(),
        }
    }

    pub(super) fn write_to_program(&mut self) {
        let Some(master) = &self.master else {
            self.to_program.clear();
            return;
        };
        if self.to_program.is_empty() {
            return;
        }
        match rustix::io::write(master, self.to_program.pending()) {
            Ok(n) => self.to_program.take(n),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.to_program.clear(),
        }
    }

    /// A CR that was held back, and what a slow terminal has not taken yet:
    /// the program is gone, but its last words are the person's.
    pub(super) fn deliver_rest(&mut self) {
        let Some(tty) = &self.tty else { return };
        if self.held_cr {
            let _ = tty.output().write(b"\r");
        }
        let until = Instant::now() + GRACE;
        while !self.to_person.is_empty() && !self.person_gone && Instant::now() < until {
            let Some(tty) = &self.tty else { return };
            let mut fds = [PollFd::new(tty.output(), PollFlags::OUT)];
            let moment = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            let _ = poll(&mut fds, Some(&moment));
            self.write_to_person();
        }
    }
}
