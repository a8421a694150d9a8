//! Job control and the end: signals, stops, the terminal's foreground, and the
//! steps by which hrec ends a session that it must end.

use std::os::fd::AsFd;
use std::time::Instant;

use rustix::termios::tcsetwinsize;

use super::{Ending, Exit, Reason, Relay, Step};
use crate::event::{Fact, TermSize};
use crate::record::queue::Kind;
use crate::sys::clock;
use crate::sys::monitor::{GRACE, Order};
use crate::sys::pty;
use crate::sys::signals;
use crate::sys::tty::Tty;

impl Relay {
    pub(super) fn lose_person(&mut self) {
        self.person_gone = true;
        self.to_person.clear();
        if !self.hangup_ignored {
            self.begin_ending(Reason::Hangup, Step::HangUp);
        }
    }

    pub(super) fn begin_ending(&mut self, reason: Reason, step: Step) {
        if self.ending.is_none() {
            self.take_step(reason, step);
        }
    }

    pub(super) fn take_step(&mut self, reason: Reason, step: Step) {
        let then = match step {
            Step::HangUp => {
                // SIGHUP first and the hang-up of the terminal after it, as a
                // session's leader has it from the kernel. The other way round
                // an interactive shell may read end of file before the signal
                // comes, and leave without ending its jobs.
                self.monitor.order(Order::Signal(libc::SIGHUP));
                Step::CloseMaster
            }
            Step::CloseMaster => {
                // The kernel hangs the session up: EIO for whoever reads or
                // writes.
                self.master = None;
                Step::Terminate
            }
            Step::Terminate => {
                self.monitor.order(Order::Signal(libc::SIGTERM));
                if self.master.is_some() { Step::HangUp } else { Step::Kill }
            }
            Step::Kill => {
                self.monitor.order(Order::Signal(libc::SIGKILL));
                Step::GiveUp
            }
            Step::GiveUp => {
                // Unkillable (stuck in the kernel): the record ends here.
                self.exit.get_or_insert(Exit::Signal(libc::SIGKILL));
                self.drained_by = Some(Instant::now());
                Step::GiveUp
            }
        };
        self.ending = Some(Ending { reason, next: Instant::now() + GRACE, then });
    }

    /// The program has its SIGHUP: the terminal goes too.
    pub(super) fn close_master(&mut self) {
        if let Some(Ending { reason, then: Step::CloseMaster, .. }) = self.ending {
            self.take_step(reason, Step::CloseMaster);
        }
    }

    pub(super) fn on_signal(&mut self, arrived: signals::Arrived) {
        match arrived.signal {
            libc::SIGWINCH => self.sync_size(),
            libc::SIGHUP => self.lose_person(),
            libc::SIGTERM => self.begin_ending(Reason::Ended, Step::Terminate),
            libc::SIGCONT => {
                self.come_back();
                if self.tty.is_none() {
                    // Sent to hrec alone it is meant for the program.
                    self.monitor.go_on();
                    self.monitor.order(Order::Signal(libc::SIGCONT));
                }
            }
            libc::SIGTSTP if self.tty.is_none() => {
                if !arrived.kernel {
                    self.monitor.order(Order::Signal(libc::SIGTSTP));
                }
                signals::stop_self();
            }
            libc::SIGPIPE if arrived.own => {}
            // Without a PTY the program is in hrec's process group: what a key
            // sent, it has got.
            libc::SIGINT | libc::SIGQUIT | libc::SIGTSTP
                if self.master.is_none() && arrived.kernel => {}
            signal => self.monitor.order(Order::Signal(signal)),
        }
    }

    pub(super) fn on_stop(&mut self, signal: i32) {
        let asks = signal == libc::SIGTTIN || signal == libc::SIGTTOU;
        if asks {
            self.wants_terminal = true;
            if self.take_terminal() {
                return;
            }
        }
        self.suspend(signal);
    }

    /// Stops as the program has stopped, for the shell that started us.
    pub(super) fn suspend(&mut self, signal: i32) {
        self.write_to_person();
        let time = self.clock.micros();
        let fact = Fact::new("suspend").with("wall", clock::wall_rfc3339());
        self.queue.push(time, Kind::Fact(fact), &[]);
        self.queue.sync();
        if let Some(tty) = &mut self.tty {
            tty.restore();
        }
        let stopped = signals::stop_own_group(signal);
        // Here somebody has sent SIGCONT, or the kernel discarded the stop since
        // nobody could end it (an orphaned process group): then the program
        // would not have stopped either, had hrec not been there.
        if stopped || signal != libc::SIGSTOP {
            let fact = Fact::new("resume").with("wall", clock::wall_rfc3339());
            self.queue.push(self.clock.micros(), Kind::Fact(fact), &[]);
            self.come_back();
            if !self.tty.as_ref().is_some_and(Tty::is_raw) {
                self.monitor.order(Order::Continue { foreground: false });
            }
        }
    }

    /// After a SIGCONT: things may have changed meanwhile.
    pub(super) fn come_back(&mut self) {
        self.sync_size();
        let raw = self.tty.as_ref().is_some_and(Tty::is_raw);
        if let Some(tty) = &mut self.tty
            && raw
            && !tty.is_foreground()
        {
            // Continued in the background: the settings are the shell's now.
            tty.forget();
            self.monitor.order(Order::Continue { foreground: false });
        } else if self.wants_terminal {
            self.take_terminal();
        }
    }

    /// Makes the terminal the program's, if it is ours to give.
    pub(super) fn take_terminal(&mut self) -> bool {
        let Some(tty) = &mut self.tty else { return false };
        if self.person_gone || !tty.is_foreground() || tty.raw().is_err() {
            return false;
        }
        if let (Some(provisional), Some(master)) = (self.provisional.take(), &self.master)
            && let Ok(person) = tty.termios()
        {
            // A hang-up is met again where bytes are moved.
            let _ = pty::change(master, &provisional, &person);
        }
        self.monitor.order(Order::Continue { foreground: true });
        true
    }

    pub(super) fn sync_size(&mut self) {
        let (Some(tty), Some(master)) = (&self.tty, &self.master) else { return };
        let (Ok(outer), Ok(inner)) = (tty.size(), rustix::termios::tcgetwinsize(master)) else {
            return;
        };
        if outer == inner || tcsetwinsize(master.as_fd(), outer).is_err() {
            return;
        }
        if (outer.ws_col, outer.ws_row) != (inner.ws_col, inner.ws_row) {
            let size = TermSize::clamped(outer.ws_col.into(), outer.ws_row.into());
            self.queue.push(self.clock.micros(), Kind::Resize(size), &[]);
        }
    }
}
