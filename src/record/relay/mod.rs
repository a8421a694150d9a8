//! The thread that moves bytes between the person and the program.
//!
//! One loop over poll(2). Both directions have one bounded buffer, and a side
//! is read only while the other has taken everything: a paste into a program
//! whose own output waits for a stalled terminal cannot deadlock, and nothing
//! grows. What passed is handed to the [`Queue`] *after* it was passed on.

mod ends;
mod jobs;
mod passage;
mod traffic;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{Termios, tcgetattr};

pub use self::ends::{Ended, Endpoints, Exit, Reason};
use self::passage::Passage;
use super::queue::Queue;
use super::streams::Tap;
use crate::event::Micros;
use crate::sys::clock::Clock;
use crate::sys::monitor::{GRACE, Monitor, Report};
use crate::sys::signals::Signals;
use crate::sys::tty::Tty;

/// How long to go on reading after the program's end while a background child
/// still holds the terminal: what the program itself wrote is there, and what
/// its child writes later is not the program's. Never before all that is there
/// has been read, and taken by whoever reads hrec's output.
const LINGER: Duration = Duration::from_millis(40);

/// More than the kernel keeps for a PTY's reader (64 KiB and a page).
const PTY_HOLDS: usize = 1 << 18;

/// How often a session that wants the terminal while it is in the background
/// looks whether it has come to the foreground: a shell's `fg` on a job that
/// runs sends no signal.
const FOREGROUND_CHECK: Duration = Duration::from_millis(300);

/// The signals that the relay takes as data, with
/// [`crate::sys::signals::OF_THE_PROGRAM`].
pub const SIGNALS: [i32; 11] = [
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGTSTP,
    // Sent by name or to the whole process group: the program's to die of.
    libc::SIGPIPE,
    // Beyond RLIMIT_FSIZE, to the thread that writes: blocked, so that the store
    // fails with EFBIG, and hrec lives to say so.
    libc::SIGXFSZ,
];

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
    CloseMaster,
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
    complete: bool,
    to_person: Passage,
    to_program: Passage,
    /// Whether the program has, or has asked for, the terminal.
    wants_terminal: bool,
    /// What the program's PTY began with in the background: a shell at its
    /// prompt sets the terminal for its line editor, and for a job that it
    /// brings to the foreground, as the person has it.
    provisional: Option<Termios>,
    /// A CR that may belong to a CR LF, kept back from a terminal that adds
    /// the CR itself.
    held_cr: bool,
    /// Whether the program is there to be typed to: a ^Z that came to its
    /// terminal before it would be lost.
    started: bool,
    person_gone: bool,
    ending: Option<Ending>,
    exit: Option<Exit>,
    drained_by: Option<Instant>,
    /// Whether the program's end of everything was looked at last and had
    /// nothing more.
    dry: bool,
    late_bytes: usize,
    /// Since when the queue has been full.
    full_since: Option<Instant>,
    /// What a best-effort session has lost since then: from when, how much.
    lost: Option<(Micros, u64)>,
    /// Whether a hang-up is to be ignored, nohup(1).
    hangup_ignored: bool,
}

impl Relay {
    /// A relay over these endpoints.
    #[must_use]
    pub fn new(ends: Endpoints) -> Self {
        let hangup_ignored = !ends.signals.has(libc::SIGHUP);
        let background = ends.master.as_ref().filter(|_| !ends.foreground);
        let provisional = background.and_then(|master| tcgetattr(master).ok());
        Self {
            tty: ends.tty,
            master: ends.master,
            monitor: ends.monitor,
            signals: ends.signals,
            taps: ends.taps,
            queue: ends.queue,
            clock: ends.clock,
            strict: ends.strict,
            complete: ends.complete,
            to_person: Passage::new(),
            to_program: Passage::new(),
            wants_terminal: ends.foreground,
            provisional,
            held_cr: false,
            started: false,
            person_gone: false,
            ending: None,
            exit: None,
            drained_by: None,
            dry: false,
            late_bytes: 0,
            full_since: None,
            lost: None,
            hangup_ignored,
        }
    }

    /// Starts the program and relays until it has ended. The person's
    /// terminal is back as it was found when this returns.
    pub fn run(mut self) -> Ended {
        if self.wants_terminal {
            self.take_terminal();
        }
        // Between the first look and the blocking of SIGWINCH it may have changed.
        self.sync_size();
        self.monitor.start();
        while !self.is_over() {
            self.wait_and_move();
        }
        self.deliver_rest();
        self.note_lost();
        self.finish()
    }

    fn finish(self) -> Ended {
        let exit = self.exit.unwrap_or(Exit::Signal(libc::SIGKILL));
        let reason = match (self.ending, exit) {
            (Some(ending), _) => ending.reason,
            (None, Exit::Signal(_)) => Reason::Signal,
            (None, _) => Reason::Exit,
        };
        // The master first: the hang-up reaches the monitor while it leads the
        // session, and whatever holds the terminal still.
        drop(self.master);
        let signals = self.tty.is_none().then_some(self.signals);
        drop(self.tty);
        let refused = self.taps.iter().find_map(Tap::refused);
        Ended { exit, reason, refused, monitor: self.monitor, signals }
    }

    fn is_over(&self) -> bool {
        if self.exit.is_none() {
            return false;
        }
        if self.full_since.is_some() && self.lost.is_none() && self.ending.is_none() {
            return false;
        }
        let now = Instant::now();
        let late = self.drained_by.is_some_and(|at| now >= at);
        // Whoever ends a session does not wait for its reader.
        if self.ending.is_some() && self.drained_by.is_some_and(|at| now >= at + GRACE) {
            return true;
        }
        // A strict session whose store has failed reads no more; and a child
        // may write for ever.
        let read = self.dry
            || self.late_bytes >= PTY_HOLDS
            || self.ends_for_the_store()
            || self.strict && self.queue.has_failed();
        let ended = self.master.is_none() && self.outputs().all(Tap::is_done);
        (ended || late && read && !self.waits_for_streams()) && self.has_delivered()
    }

    fn outputs(&self) -> impl Iterator<Item = &Tap> {
        self.taps.iter().filter(|tap| tap.is_output())
    }

    fn waits_for_streams(&self) -> bool {
        self.complete && self.master.is_none() && self.ending.is_none()
    }

    /// Whether all that was read has reached whoever reads hrec's output.
    fn has_delivered(&self) -> bool {
        (self.to_person.is_empty() || self.person_gone) && self.outputs().all(Tap::is_empty)
    }

    fn wait_and_move(&mut self) {
        let room = self.may_read();
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(8);
        fds.push(PollFd::new(&self.signals, PollFlags::IN));
        fds.push(PollFd::new(&self.monitor, PollFlags::IN));
        let queue = Arc::clone(&self.queue);
        fds.push(PollFd::from_borrowed_fd(queue.room(), PollFlags::IN));
        let watched = self.strict && self.ending.is_none();
        let alarmed = if watched { PollFlags::IN } else { PollFlags::empty() };
        fds.push(PollFd::from_borrowed_fd(queue.alarm(), alarmed));
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
            let listens = self.started && self.master.is_some();
            if tty.is_raw() && self.to_program.is_empty() && room && listens {
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
        let timeout = self.timeout(room);
        let looked = match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => true,
            Err(Errno::INTR) => false,
            // Out of kernel memory: try again, rather than lose the session.
            Err(_) => {
                std::thread::sleep(Duration::from_millis(10));
                false
            }
        };
        let ready = |n: Option<usize>| {
            n.and_then(|n| fds.get(n)).map_or(PollFlags::empty(), PollFd::revents)
        };
        let (signal, report, woken, alarm) =
            (ready(Some(0)), ready(Some(1)), ready(Some(2)), ready(Some(3)));
        let (program, person_in, person_out) =
            (ready(program), ready(person_in), ready(person_out));
        let taps: bool = fds.iter().skip(first_tap).any(|fd| !fd.revents().is_empty());
        drop(fds);
        let readable = program.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
        self.dry = looked
            && !taps
            && self.taps.iter().all(|tap| tap.is_done() || tap.listens(room))
            && (self.master.is_none() || self.to_person.is_empty() && room && !readable);

        if !woken.is_empty() {
            self.queue.acknowledge();
        }
        if !person_out.is_empty() {
            self.write_to_person();
        }
        if readable {
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
            let mut read = 0;
            for tap in &mut self.taps {
                let lost = self.lost.as_mut().map(|(_, lost)| lost);
                read += tap.pass(room, now, &self.queue, lost);
            }
            self.note_late_output(read);
        }
        if !signal.is_empty() {
            while let Some(arrived) = self.signals.next() {
                self.on_signal(arrived);
            }
        }
        if !report.is_empty() {
            self.on_report();
        }
        if self.strict && (self.queue.has_failed() || !alarm.is_empty()) && self.exit.is_none() {
            self.begin_ending(Reason::StoreFailed, Step::HangUp);
        }
        self.on_time();
    }

    fn timeout(&self, room: bool) -> Option<Timespec> {
        let now = Instant::now();
        let mut next: Option<Duration> = None;
        let mut at_most = |d: Duration| next = Some(next.map_or(d, |n| n.min(d)));
        if let Some(ending) = self.ending
            && self.exit.is_none()
        {
            at_most(ending.next.saturating_duration_since(now));
        }
        if let (Some(since), None) = (self.full_since, self.lost) {
            at_most((since + self.queue.patience()).saturating_duration_since(now));
        }
        // Until there is room, or what was read is taken, there is nothing to
        // be done then.
        if let Some(at) = self.drained_by {
            if room && self.has_delivered() && !self.waits_for_streams() {
                at_most(at.saturating_duration_since(now));
            }
            if self.ending.is_some() {
                at_most((at + GRACE).saturating_duration_since(now));
            }
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

    fn on_report(&mut self) {
        let exit = match self.monitor.report() {
            Err(_) => return,
            Ok(Some(Report::Started)) => {
                self.started = true;
                return;
            }
            Ok(Some(Report::Stopped(signal))) => return self.on_stop(signal),
            Ok(Some(Report::HungUp)) => return self.close_master(),
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
            self.dry = false;
        }
    }
}
