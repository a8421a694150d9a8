//! One session from its first byte to its last: puts terminal, PTY, monitor,
//! relay, queue and writer together, in the one order that is safe.
//!
//! The monitor is forked before any thread exists; the recording is open
//! before the program starts; the terminal is given back before anything is
//! said.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::isatty;

use super::input::{Judge, Mode};
use super::queue::Queue;
use super::relay::{Ended, Endpoints, Exit, Reason, Relay, SIGNALS};
use super::sink::Sink;
use super::streams::{BUFFER, Tap};
use super::writer::{Rules, StreamLimits, Tally, Writer};
use crate::event::{Micros, TermSize};
use crate::format::transfer::Follower;
use crate::sys::clock::{self, Clock};
use crate::sys::inherited;
use crate::sys::monitor::{Monitor, Program, Stream};
use crate::sys::nonblock::{self, Nonblocking};
use crate::sys::privilege::Own;
use crate::sys::pty;
use crate::sys::signals::{OF_THE_PROGRAM, Signals};
use crate::sys::tty::Tty;

/// How long the store may take to finish a recording once the program has
/// ended, before hrec leaves it as it is: readable, and interrupted. Longer
/// than a disk takes to wake from sleep.
const FINISH: Duration = Duration::from_secs(15);

/// The same, where the session was ended because of the store.
const FINISH_FAILED: Duration = Duration::from_secs(1);

/// What to run, and how.
#[derive(Debug)]
pub struct Plan {
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// `argv[0]`, where that is not the program's name.
    pub arg0: Option<OsString>,
    /// Added to its environment.
    pub env: Vec<(OsString, OsString)>,
    /// Whether a store that fails ends the session.
    pub strict: bool,
    /// What is kept of typed keys.
    pub input: Mode,
    /// How much of a stream without a PTY is kept.
    pub streams: StreamLimits,
    /// Who reads off the streams which files they move.
    pub transfers: Option<Follower>,
    /// Set where nobody may work around the record: what hrec took from the
    /// person for itself. Then standard input passes through hrec too, nobody
    /// else can open the terminal while the session lasts, and it lasts until
    /// the program's streams have ended, as without hrec.
    pub guarded: Option<Own>,
}

/// A session whose program waits to be started.
#[derive(Debug)]
pub struct Prepared {
    tty: Option<Tty>,
    master: Option<OwnedFd>,
    monitor: Monitor,
    signals: Signals,
    taps: Vec<Tap>,
    /// hrec's own streams, where the taps have taken their places.
    aside: Vec<(u8, OwnedFd)>,
    foreground: bool,
    guarded: bool,
    strict: bool,
    input: Mode,
    limits: StreamLimits,
    transfers: Option<Follower>,
}

/// How a session went.
#[derive(Debug)]
pub struct Outcome<T> {
    /// The program's end.
    pub exit: Exit,
    /// The session's.
    pub reason: Reason,
    /// Its length.
    pub duration: Micros,
    /// Why the record could no longer be kept, where that is known.
    pub failure: Option<String>,
    /// Why not all that the program wrote to its standard output, a pipe here,
    /// reached hrec's: the program has taken it for written.
    pub refused: Option<io::Error>,
    /// What `finish` made of it; `None` when the store did not answer in time.
    pub finished: Option<(T, Tally)>,
}

impl Prepared {
    /// Takes the terminal's measure, opens the PTY, forks the monitor. Nothing
    /// is written to the terminal and nothing of it is changed.
    ///
    /// # Errors
    /// When the system has no PTY, process or descriptor left.
    pub fn new(plan: Plan) -> io::Result<Self> {
        let guarded = plan.guarded.is_some();
        let mut tty = Tty::find();
        if guarded && let Some(tty) = &mut tty {
            tty.keep_others_out();
        }
        let pty = match &tty {
            Some(tty) => Some(pty::open(tty.termios().ok().as_ref(), tty.size().ok())?),
            None => None,
        };
        let mut taps = Vec::new();
        let mut pipes: Vec<(FileId, OwnedFd)> = Vec::new();
        let mut stream = |number: u8, fd: std::os::fd::BorrowedFd<'_>| -> io::Result<Stream> {
            if pty.is_some() && isatty(fd) {
                return Ok(Stream::Pty);
            }
            // What the program cannot use there it gets as it is: nothing
            // passes through it that could be kept.
            let usable = !inherited::was_closed(number) && nonblock::is_for(fd, number > 0);
            if number == 0 && guarded && usable {
                let (theirs, to) = wide_pipe()?;
                taps.push(Tap::new(number, Nonblocking::of(fd, false)?, Nonblocking::ours(to)?));
                return Ok(Stream::Fd(theirs));
            }
            if number == 0 || !usable {
                // Read through a pipe of ours, standard input would lose what
                // the program leaves unread for the next one (`ssh -n` in a
                // shell's `while read` loop).
                return Ok(Stream::Inherit);
            }
            // `>log 2>&1`: through two pipes the order of the two would be lost.
            let id = file_id(fd);
            if let Some((_, pipe)) = pipes.iter().find(|(other, _)| id.is_some() && *other == id) {
                return Ok(Stream::Fd(pipe.try_clone()?));
            }
            let (from, theirs) = wide_pipe()?;
            pipes.push((id, theirs.try_clone()?));
            taps.push(Tap::new(number, Nonblocking::ours(from)?, Nonblocking::of(fd, true)?));
            Ok(Stream::Fd(theirs))
        };
        let streams = [
            stream(0, rustix::stdio::stdin())?,
            stream(1, rustix::stdio::stdout())?,
            stream(2, rustix::stdio::stderr())?,
        ];
        drop(pipes);
        let aside = if guarded { set_aside(&streams)? } else { Vec::new() };
        // In a pipeline other programs use the terminal as well: the program
        // gets it when it asks for it.
        let all_pty = streams.iter().all(|s| matches!(s, Stream::Pty));
        let foreground = all_pty && tty.as_ref().is_some_and(Tty::is_foreground);
        let program = Program {
            name: plan.program,
            args: plan.args,
            arg0: plan.arg0,
            env: plan.env,
            own: plan.guarded,
            streams,
            foreground,
        };
        let (master, slave) = pty.map_or((None, None), |p| (Some(p.master), Some(p.slave)));
        let monitor = Monitor::fork(program, slave)?;
        inherited::hear_broken_pipes();
        let signals = Signals::block(&[&SIGNALS[..], &OF_THE_PROGRAM].concat())?;
        Ok(Self {
            tty,
            master,
            monitor,
            signals,
            taps,
            aside,
            foreground,
            guarded,
            strict: plan.strict,
            input: plan.input,
            limits: plan.streams,
            transfers: plan.transfers,
        })
    }

    /// Whether the program gets a PTY.
    #[must_use]
    pub fn has_pty(&self) -> bool {
        self.master.is_some()
    }

    /// The size that the program will find, 80x24 where there is no terminal:
    /// the PTY's, not the person's terminal's, which may have changed since.
    /// The relay sets the PTY's, and records that.
    #[must_use]
    pub fn size(&self) -> TermSize {
        let size = self.master.as_ref().and_then(|pty| rustix::termios::tcgetwinsize(pty).ok());
        size.map_or(TermSize::DEFAULT, |s| TermSize::clamped(s.ws_col.into(), s.ws_row.into()))
    }

    /// The terminal's device.
    #[must_use]
    pub fn tty_name(&self) -> Option<String> {
        self.tty.as_ref().and_then(Tty::name)
    }

    /// Lets everything go; the program is never started.
    pub fn abandon(self) {
        for (number, fd) in self.aside {
            let _ = match number {
                0 => rustix::stdio::dup2_stdin(&fd),
                _ => rustix::stdio::dup2_stdout(&fd),
            };
        }
        drop(self.master);
        self.monitor.close();
    }

    /// Runs the session. `begun` is called in the writer's thread while the
    /// program starts, and must not take time; `finish` there too, once all is
    /// in the sink, with the time of the end.
    ///
    /// # Errors
    /// When the system has no descriptor or thread left; the program has not
    /// been started then.
    pub fn run<S, T>(
        self,
        sink: S,
        clock: Clock,
        begun: impl FnOnce(&Arc<Queue>) + Send + 'static,
        finish: impl FnOnce(S, &Tally, Exit, Reason, Micros) -> T + Send + 'static,
    ) -> io::Result<Outcome<T>>
    where
        S: Sink,
        T: Send + 'static,
    {
        let queue = Arc::new(Queue::new()?);
        let judge = Judge::new(self.input, self.size());
        drop(self.aside);
        let (strict, transfers) = (self.strict, self.transfers);
        let rules = Rules { strict, judge, streams: self.limits, transfers };
        let writer = Writer::new(sink, Arc::clone(&queue), clock, rules);
        let shared = Arc::clone(&queue);
        let (end, ended) = mpsc::channel();
        let (result, finished) = mpsc::channel();
        let guard = FailOnPanic(Arc::clone(&queue));
        keep_panics_for_the_end();
        std::thread::Builder::new().name(WRITER.to_owned()).spawn(move || {
            let guard = guard;
            begun(&shared);
            drop(shared);
            let (sink, tally) = writer.run();
            if let Ok((exit, reason, time)) = ended.recv() {
                let made = finish(sink, &tally, exit, reason, time);
                let _ = result.send((made, tally));
            }
            std::mem::forget(guard);
        })?;
        let relay = Relay::new(Endpoints {
            tty: self.tty,
            master: self.master,
            monitor: self.monitor,
            signals: self.signals,
            taps: self.taps,
            queue: Arc::clone(&queue),
            clock,
            strict: self.strict,
            foreground: self.foreground,
            complete: self.guarded,
        });
        // The terminal is the person's again, and the program hung up, by the
        // time a panic arrives here; what was recorded up to then is finished.
        let ran = catch_unwind(AssertUnwindSafe(|| relay.run()));
        let _ = std::panic::take_hook();
        let (exit, reason, refused, monitor, signals) = match ran {
            Ok(Ended { exit, reason, refused, monitor, signals }) => {
                (exit, reason, refused, Some(monitor), signals)
            }
            Err(_) => {
                queue.fail(&format!("an error inside hrec: {}", last_words()));
                (Exit::Signal(libc::SIGHUP), Reason::Interrupted, None, None, None)
            }
        };
        let duration = clock.micros();
        let _ = end.send((exit, reason, duration));
        queue.close();
        // While the writer finishes.
        if let Some(monitor) = monitor {
            monitor.close();
        }
        let limit = if reason == Reason::StoreFailed { FINISH_FAILED } else { FINISH };
        let finished = finished.recv_timeout(limit).ok();
        // What came too late for the program ends nothing any more.
        while signals.as_ref().and_then(Signals::next).is_some() {}
        drop(signals);
        let failure = queue.failure().map(str::to_owned);
        let refused = refused.map(io::Error::from);
        Ok(Outcome { exit, reason, duration, failure, refused, finished })
    }
}

/// A pipe that holds as much as a tap moves, where the system lets it.
fn wide_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (from, to) = pipe_with(PipeFlags::CLOEXEC)?;
    let _ = rustix::pipe::fcntl_setpipe_size(&to, BUFFER);
    Ok((from, to))
}

/// Puts nothing in the places of standard input and output, where these pass
/// through hrec: the taps have them, and whoever is at the other end is to see the
/// end when the program makes it, not only when hrec leaves.
fn set_aside(streams: &[Stream; 3]) -> io::Result<Vec<(u8, OwnedFd)>> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, 0.into())?;
    let mut aside = Vec::new();
    let own = [(0, rustix::stdio::stdin()), (1, rustix::stdio::stdout())];
    for ((number, fd), stream) in own.into_iter().zip(streams) {
        if !matches!(stream, Stream::Fd(_)) {
            continue;
        }
        if let Ok(kept) = rustix::io::fcntl_dupfd_cloexec(fd, 3) {
            aside.push((number, kept));
            match number {
                0 => rustix::stdio::dup2_stdin(&null)?,
                _ => rustix::stdio::dup2_stdout(&null)?,
            }
        }
    }
    Ok(aside)
}

/// Which file a descriptor is: device and inode.
type FileId = Option<(u64, u64)>;

fn file_id(fd: std::os::fd::BorrowedFd<'_>) -> FileId {
    rustix::fs::fstat(fd).ok().map(|s| (s.st_dev, s.st_ino))
}

/// Tells the relay when the writer is no more.
struct FailOnPanic(Arc<Queue>);

impl Drop for FailOnPanic {
    fn drop(&mut self) {
        self.0.fail(&format!("an error inside hrec: {}", last_words()));
    }
}

/// The writer's thread.
const WRITER: &str = "writer";

/// What a thread of the session said when it panicked.
static PANIC: Mutex<String> = Mutex::new(String::new());

fn last_words() -> String {
    PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Has a panic's words kept for the end: on the terminal they would land in
/// the middle of what the program shows.
fn keep_panics_for_the_end() {
    std::panic::set_hook(Box::new(|info| {
        let words = info.to_string().replace('\n', " ");
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }));
}

/// Whether a descriptor is a terminal.
#[must_use]
pub fn is_terminal(fd: impl AsFd) -> bool {
    isatty(fd)
}

/// The wall clock now, microseconds since 1970.
#[must_use]
pub fn wall() -> u64 {
    clock::wall()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Fact;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    /// A recording with an error in its code.
    struct Broken;

    impl Sink for Broken {
        type Error = String;

        fn output(&mut self, _: Micros, _: &[u8]) -> Result<(), String> {
            panic!("a bug in the sink")
        }

        fn input(&mut self, _: Micros, _: &[u8]) -> Result<(), String> {
            Ok(())
        }

        fn resize(&mut self, _: Micros, _: TermSize) -> Result<(), String> {
            Ok(())
        }

        fn fact(&mut self, _: Micros, _: &Fact) -> Result<(), String> {
            panic!("a bug in the sink")
        }

        fn due(&self) -> Option<Micros> {
            None
        }

        fn backlog(&self) -> usize {
            0
        }

        fn flush(&mut self, _: Micros) -> Result<(), String> {
            Ok(())
        }
    }

    const CHILD: &str = "HREC_TEST_SESSION";

    /// The session, in a process without a terminal; says how it went.
    fn session(mode: &str) {
        let strict = mode == "strict";
        let script =
            if strict { "echo a; exec sleep 60" } else { "echo a; sleep 1; echo b; exit 5" };
        let plan = Plan {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            arg0: None,
            env: Vec::new(),
            strict,
            input: Mode::None,
            streams: StreamLimits { burst: 1 << 20, rate: 1 << 20 },
            transfers: None,
            guarded: None,
        };
        let prepared = Prepared::new(plan).unwrap();
        let outcome = prepared.run(Broken, Clock::start(), |_| (), |_, _, _, _, _| ()).unwrap();
        let Outcome { exit, reason, failure, finished, .. } = outcome;
        let failure = failure.unwrap_or_default();
        let line = format!("{exit:?} {reason:?} {} {failure}\n", finished.is_none());
        rustix::io::write(rustix::stdio::stdout(), line.as_bytes()).unwrap();
        std::process::exit(0);
    }

    #[test]
    fn an_error_inside_hrec_is_a_store_that_failed() {
        if let Ok(mode) = std::env::var(CHILD) {
            session(&mode);
        }
        for (mode, shown, end) in [
            ("best-effort", "a\nb\n", "Code(5) Exit true an error inside hrec: "),
            ("strict", "a\n", "Signal(1) StoreFailed true an error inside hrec: "),
        ] {
            let start = Instant::now();
            let name = "record::session::tests::an_error_inside_hrec_is_a_store_that_failed";
            let child = Command::new("setsid")
                .arg("--wait")
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", name, "--nocapture"])
                .env(CHILD, mode)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&child.stdout).into_owned();
            assert!(said.contains(&format!("{shown}{end}")), "{mode}: {child:?}");
            assert!(said.contains("a bug in the sink"), "{mode}: {said}");
            let stderr = String::from_utf8_lossy(&child.stderr);
            assert!(!stderr.contains("a bug in the sink"), "{mode}: on the terminal: {stderr}");
            assert!(start.elapsed() < std::time::Duration::from_secs(60), "{mode}");
        }
    }
}
