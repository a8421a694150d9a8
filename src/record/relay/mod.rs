//! The thread that moves bytes between the person and the program.
//!
//! One loop over poll(2). Both directions have one bounded buffer, and a side
//! is read only while the other has taken everything: a paste into a program
//! whose own output waits for a stalled terminal cannot deadlock, and nothing
//! grows. What passed is handed to the [`Queue`] *after* it was passed on.

mod jobs;
mod passage;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use self::passage::{BUFFER, Passage};
use super::queue::{Kind, Queue};
use super::streams::Tap;
use crate::event::Micros;
use crate::sys::clock::Clock;
use crate::sys::monitor::{GRACE, Monitor, Order, Report};
use crate::sys::signals::Signals;
use crate::sys::tty::{Tty, line_mode};

/// How long to go on reading after the program's end while a background child
/// still holds the terminal: what the program itself wrote is there within a
/// scheduling delay, and what its child writes later is not the program's.
const LINGER: Duration = Duration::from_millis(40);

/// More than the kernel keeps for a PTY's reader (64 KiB and a page).
const PTY_HOLDS: usize = 1 << 18;

/// How often a session that wants the terminal while it is in the background
/// looks whether it has come to the foreground: a shell's `fg` on a job that
/// runs sends no signal.
const FOREGROUND_CHECK: Duration = Duration::from_millis(300);

/// The signals that the relay takes as data.
pub const SIGNALS: [i32; 9] = [
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGTSTP,
];

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status, 0 to 255.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was never executed: errno, execve(2).
    NotExecuted(i32),
}

/// Why the session ended, as the manifest's `end_reason` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The program ended by itself.
    Exit,
    /// The program was ended by a signal.
    Signal,
    /// The person's terminal went away.
    Hangup,
    /// hrec was told to end.
    Ended,
    /// The record could not be kept, and policy is `strict`.
    StoreFailed,
}

impl Reason {
    /// The manifest's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Hangup => "hangup",
            Self::Ended => "ended",
            Self::StoreFailed => "store-failed",
        }
    }
}

/// What the relay works on.
#[derive(Debug)]
pub struct Endpoints {
    /// The person's terminal, where there is one.
    pub tty: Option<Tty>,
    /// The master of the program's PTY, where it has one; it does not block.
    pub master: Option<OwnedFd>,
    /// The monitor, which has not been told to start the program yet.
    pub monitor: Monitor,
    /// [`SIGNALS`], blocked.
    pub signals: Signals,
    /// Pipes to and from the program in place of a PTY.
    pub taps: Vec<Tap>,
    /// Where events go.
    pub queue: Arc<Queue>,
    /// The session's clock.
    pub clock: Clock,
    /// Whether a record that fails ends the session.
    pub strict: bool,
    /// Whether the program may use the terminal from the start.
    pub foreground: bool,
}

/// How far an end that hrec brings about has got.
#[derive(Clone, Copy, Debug)]
struct Ending {
    reason: Reason,
    next: Instant,
    then: Step,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    HangUp,
    Terminate,
    Kill,
    GiveUp,
}

/// The relay.
pub struct Relay {
    tty: Option<Tty>,
    master: Option<OwnedFd>,
    monitor: Monitor,
    signals: Signals,
    taps: Vec<Tap>,
    queue: Arc<Queue>,
    clock: Clock,
    strict: bool,
    to_person: Passage,
    to_program: Passage,
    /// Whether the program has, or has asked for, the terminal.
    wants_terminal: bool,
    /// A CR that may belong to a CR LF, kept back from a terminal that adds
    /// the CR itself.
    held_cr: bool,
    person_gone: bool,
    ending: Option<Ending>,
    exit: Option<Exit>,
    drained_by: Option<Instant>,
    late_bytes: usize,
    /// Whether a hang-up is to be ignored, nohup(1).
    hangup_ignored: bool,
}

impl Relay {
    /// A relay over these endpoints.
    #[must_use]
    pub fn new(ends: Endpoints) -> Self {
        let hangup_ignored = !ends.signals.has(libc::SIGHUP);
        Self {
            tty: ends.tty,
            master: ends.master,
            monitor: ends.monitor,
            signals: ends.signals,
            taps: ends.taps,
            queue: ends.queue,
            clock: ends.clock,
            strict: ends.strict,
            to_person: Passage::new(),
            to_program: Passage::new(),
            wants_terminal: ends.foreground,
            held_cr: false,
            person_gone: false,
            ending: None,
            exit: None,
            drained_by: None,
            late_bytes: 0,
            hangup_ignored,
        }
    }

    /// Starts the program and relays until it has ended. The person's
    /// terminal is back as it was found when this returns.
    pub fn run(mut self) -> (Exit, Reason) {
        if self.wants_terminal {
            self.take_terminal();
        }
        // Between the first look and the blocking of SIGWINCH it may have changed.
        self.sync_size();
        self.monitor.order(Order::Start);
        while !self.is_over() {
            self.wait_and_move();
        }
        self.deliver_rest();
        self.finish()
    }

    fn finish(self) -> (Exit, Reason) {
        let exit = self.exit.unwrap_or(Exit::Signal(libc::SIGKILL));
        let reason = match (self.ending, exit) {
            (Some(ending), _) => ending.reason,
            (None, Exit::Signal(_)) => Reason::Signal,
            (None, _) => Reason::Exit,
        };
        // The master first: the hang-up reaches the monitor while it leads the
        // session, and whatever holds the terminal still.
        drop(self.master);
        drop(self.tty);
        self.monitor.close();
        (exit, reason)
    }

    fn is_over(&self) -> bool {
        if self.exit.is_none() {
            return false;
        }
        let outputs_done = self.master.is_none() && self.taps.iter().all(Tap::is_done);
        let late = self.drained_by.is_some_and(|at| Instant::now() >= at) && self.queue.has_room();
        (outputs_done || late) && (self.to_person.is_empty() || self.person_gone)
    }

    fn wait_and_move(&mut self) {
        let room = self.queue.has_room();
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(8);
        fds.push(PollFd::new(&self.signals, PollFlags::IN));
        fds.push(PollFd::new(&self.monitor, PollFlags::IN));
        let queue = Arc::clone(&self.queue);
        fds.push(PollFd::from_borrowed_fd(queue.room(), PollFlags::IN));
        let (mut program, mut person_in, mut person_out) = (None, None, None);
        if let Some(master) = &self.master {
            let mut flags = PollFlags::empty();
            if self.to_person.is_empty() && room {
                flags |= PollFlags::IN;
            }
            if !self.to_program.is_empty() {
                flags |= PollFlags::OUT;
            }
            if !flags.is_empty() {
                program = Some(fds.len());
                fds.push(PollFd::new(master, flags));
            }
        }
        if let (Some(tty), false) = (&self.tty, self.person_gone) {
            if tty.is_raw() && self.to_program.is_empty() && room && self.master.is_some() {
                person_in = Some(fds.len());
                fds.push(PollFd::new(tty.input(), PollFlags::IN));
            }
            if !self.to_person.is_empty() {
                person_out = Some(fds.len());
                fds.push(PollFd::new(tty.output(), PollFlags::OUT));
            }
        }
        let first_tap = fds.len();
        for tap in &self.taps {
            tap.poll(room, &mut fds);
        }
        let timeout = self.timeout();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            // Out of kernel memory: try again, rather than lose the session.
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
        let ready = |n: Option<usize>| {
            n.and_then(|n| fds.get(n)).map_or(PollFlags::empty(), PollFd::revents)
        };
        let (signal, report, woken) = (ready(Some(0)), ready(Some(1)), ready(Some(2)));
        let (program, person_in, person_out) = (ready(program), ready(person_in), ready(person_out));
        let taps: bool = fds.iter().skip(first_tap).any(|fd| !fd.revents().is_empty());
        drop(fds);

        if !woken.is_empty() {
            self.queue.acknowledge();
        }
        if !person_out.is_empty() {
            self.write_to_person();
        }
        if program.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.read_from_program();
        }
        if !person_in.is_empty() {
            self.read_from_person();
        }
        if program.contains(PollFlags::OUT) {
            self.write_to_program();
        }
        if taps {
            let now = self.clock.micros();
            for tap in &mut self.taps {
                tap.pass(room, now, &self.queue);
            }
        }
        if !signal.is_empty() {
            while let Some(arrived) = self.signals.next() {
                self.on_signal(arrived);
            }
        }
        if !report.is_empty() {
            self.on_report();
        }
        if self.strict && self.queue.has_failed() && self.exit.is_none() {
            self.begin_ending(Reason::StoreFailed, Step::HangUp);
        }
        self.on_time();
    }

    fn timeout(&self) -> Option<Timespec> {
        let now = Instant::now();
        let mut next: Option<Duration> = None;
        let mut at_most = |d: Duration| next = Some(next.map_or(d, |n| n.min(d)));
        if let Some(ending) = self.ending
            && self.exit.is_none()
        {
            at_most(ending.next.saturating_duration_since(now));
        }
        if let Some(at) = self.drained_by {
            at_most(at.saturating_duration_since(now));
        }
        if self.wants_terminal
            && self.exit.is_none()
            && self.tty.as_ref().is_some_and(|tty| !tty.is_raw() && !self.person_gone)
        {
            at_most(FOREGROUND_CHECK);
        }
        next.map(|d| Timespec {
            tv_sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(d.subsec_nanos()),
        })
    }

    fn on_time(&mut self) {
        if let Some(ending) = self.ending
            && self.exit.is_none()
            && Instant::now() >= ending.next
        {
            self.take_step(ending.reason, ending.then);
        }
        if self.wants_terminal && self.tty.as_ref().is_some_and(|tty| !tty.is_raw()) {
            self.take_terminal();
        }
    }

    fn read_from_program(&mut self) {
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
    fn note_late_output(&mut self, n: usize) {
        if self.exit.is_some() {
            self.late_bytes += n;
            if self.late_bytes < PTY_HOLDS {
                self.drained_by = Some(Instant::now() + LINGER);
            }
        }
    }

    fn record_output(&self, now: Micros, n: usize) {
        let bytes = self.to_person.buffer.get(..n).unwrap_or_default();
        self.queue.push(now, Kind::Output, bytes);
    }

    /// Turns CR LF into LF for a terminal that turns LF into CR LF: the PTY
    /// has done that already.
    fn collapse_cr(&mut self) {
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

    fn write_to_person(&mut self) {
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

    fn read_from_person(&mut self) {
        let Some(tty) = &self.tty else { return };
        match tty.input().read(self.to_program.space()) {
            // A raw terminal has no end of file: it is gone.
            Ok(0) => self.lose_person(),
            Ok(n) => {
                let now = self.clock.micros();
                self.to_program.fill(n);
                let mode = self.master.as_ref().and_then(|master| line_mode(master).ok());
                self.write_to_program();
                let bytes = self.to_program.buffer.get(..n).unwrap_or_default();
                self.queue.push(now, Kind::Input(mode), bytes);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.lose_person(),
        }
    }

    fn write_to_program(&mut self) {
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

    fn on_report(&mut self) {
        let exit = match self.monitor.report() {
            Err(_) => return,
            Ok(Some(Report::Started(_))) => return,
            Ok(Some(Report::Stopped(signal))) => return self.on_stop(signal),
            Ok(Some(Report::Exited(code))) => Exit::Code(code),
            Ok(Some(Report::Killed(signal))) => Exit::Signal(signal),
            Ok(Some(Report::ExecFailed(errno))) => Exit::NotExecuted(errno),
            // Somebody killed the monitor; its session went with it.
            Ok(None) if self.exit.is_none() => Exit::Signal(libc::SIGKILL),
            Ok(None) => return,
        };
        if self.exit.is_none() {
            self.exit = Some(exit);
            self.drained_by = Some(Instant::now() + LINGER);
        }
    }

    /// A CR that was held back, and what a slow terminal has not taken yet:
    /// the program is gone, but its last words are the person's.
    fn deliver_rest(&mut self) {
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
