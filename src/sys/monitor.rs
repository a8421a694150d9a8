//! The process between hrec and the recorded program.
//!
//! A program that is put into a session of its own, as a PTY needs, would be
//! in an orphaned process group there if hrec were its parent: the kernel
//! then ignores ^Z (POSIX.1-2017, 3.268 and 11.1.4). So a small process, the
//! monitor, leads the new session and starts the program in a process group
//! of its own; the program has a parent in its session, and job control works.
//! The monitor reports starts, stops and the end over a socket, and passes
//! signals on.
//!
//! Without a PTY it makes no session; it starts the program among hrec's own
//! process group and reports its end.

#![allow(unsafe_code)]

mod wire;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, WaitStatus, getpid, waitpid};
use rustix::termios::tcsetpgrp;

pub use self::wire::{Order, Report};
use self::wire::{receive, send};
use super::inherited;
use super::privilege::{self, Own};
use super::signals::{OF_THE_PROGRAM, Signals, to_group};

/// How long the program may take to end after a hang-up, and again after
/// SIGTERM, before the next, harder signal. systemd's own pause between a
/// session's SIGTERM and SIGKILL is longer, so hrec is still there to finish
/// its record.
pub const GRACE: Duration = Duration::from_secs(2);

/// What, without a PTY, somebody sends the process group that the monitor shares
/// with the program, with those [`OF_THE_PROGRAM`]: the program has it, and the
/// monitor lives to tell of that.
const FOR_THE_GROUP: [i32; 4] = [libc::SIGTSTP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGXCPU];

fn is_for_the_group(signal: i32) -> bool {
    FOR_THE_GROUP.contains(&signal) || OF_THE_PROGRAM.contains(&signal)
}

/// A standard stream of the program.
#[derive(Debug)]
pub enum Stream {
    /// The PTY.
    Pty,
    /// hrec's own, handed on untouched.
    Inherit,
    /// A pipe or another descriptor.
    Fd(OwnedFd),
}

/// What to run.
#[derive(Debug)]
pub struct Program {
    /// Its name, looked up in PATH as execvp(3) does, or its path.
    pub name: OsString,
    /// Its arguments, the name not among them.
    pub args: Vec<OsString>,
    /// `argv[0]`, where that is not the name.
    pub arg0: Option<OsString>,
    /// Variables added to hrec's own environment, or to that in `own`.
    pub env: Vec<(OsString, OsString)>,
    /// What hrec took from the person for itself, and the program gets back;
    /// the group that hrec has by its binary is given up then.
    pub own: Option<Own>,
    /// Standard input, output and error.
    pub streams: [Stream; 3],
    /// Whether it may use the PTY from the start, or must ask for it (SIGTTIN,
    /// SIGTTOU) because it stands in a pipeline or in the background.
    pub foreground: bool,
}

/// hrec's end of the monitor.
#[derive(Debug)]
pub struct Monitor {
    socket: OwnedFd,
    /// What the program's process waits at, ready to be executed.
    gate: Option<OwnedFd>,
    pid: Option<Pid>,
}

impl Monitor {
    /// Forks the monitor. Must be called while the process has one thread.
    /// The program starts at [`Monitor::start`].
    ///
    /// # Errors
    /// fork(2)'s, socketpair(2)'s and pipe(2)'s: no process or descriptor left.
    pub fn fork(program: Program, pty: Option<OwnedFd>) -> io::Result<Self> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let (gate, opener) = pipe_with(PipeFlags::CLOEXEC)?;
        inherited::hear_children();
        // SAFETY: the process has one thread (hrec starts none before this),
        // so the child may go on as an ordinary program.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop(ours);
                drop(opener);
                let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    Watch::run(program, pty, theirs, gate)
                }));
                // SAFETY: _exit runs nothing of the parent's: no destructor may
                // touch the terminal or the recording from here.
                unsafe { libc::_exit(i32::from(!matches!(status, Ok(Ok(()))))) }
            }
            pid => Ok(Self { socket: ours, gate: Some(opener), pid: Pid::from_raw(pid) }),
        }
    }

    /// Starts the program: everything it needs is there.
    pub fn start(&mut self) {
        if let Some(gate) = self.gate.take() {
            let _ = rustix::io::retry_on_intr(|| rustix::io::write(&gate, &[1]));
        }
    }

    /// Gives an order. A monitor that is gone gets none; its end shows as the
    /// socket's.
    pub fn order(&self, order: Order) {
        // What has not begun need not go on; and the order, if it came late, would
        // wake a program that ^Z has stopped meanwhile.
        if self.gate.is_some() && matches!(order, Order::Continue { .. }) {
            return;
        }
        let (tag, value) = match order {
            Order::Continue { foreground } => (b'c', i32::from(foreground)),
            Order::Signal(signal) => (b'k', signal),
        };
        send(self.socket.as_fd(), tag, value);
    }

    /// Lets a monitor go on that was stopped with its process group.
    pub fn go_on(&self) {
        if let Some(pid) = self.pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::CONT);
        }
    }

    /// The next report; `Ok(None)` when the monitor is gone.
    ///
    /// # Errors
    /// `EAGAIN` when there is none yet.
    pub fn report(&self) -> rustix::io::Result<Option<Report>> {
        Ok(receive(self.socket.as_fd())?.and_then(|(tag, value)| match tag {
            b'p' => Some(Report::Started),
            b'f' => Some(Report::ExecFailed(value)),
            b't' => Some(Report::Stopped(value)),
            b'x' => Some(Report::Exited(value)),
            b'k' => Some(Report::Killed(value)),
            b'h' => Some(Report::HungUp),
            _ => None,
        }))
    }

    /// Lets the monitor go and reaps it. A program that has not been started
    /// never is.
    pub fn close(self) {
        drop(self.gate);
        drop(self.socket);
        if let Some(pid) = self.pid {
            let _ = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The monitor itself, in its own process.
struct Watch {
    socket: OwnedFd,
    pty: Option<OwnedFd>,
    signals: Signals,
    /// The program's process id, and under a PTY its process group.
    program: Option<Pid>,
    /// Where the program says that it could not be executed.
    failure: Option<OwnedFd>,
    /// Whether the program has had its SIGHUP.
    hung_up: bool,
    /// When the next, harder signal is due, once hrec is gone.
    escalate: Option<(Instant, i32)>,
}

impl Watch {
    fn run(
        mut program: Program,
        pty: Option<OwnedFd>,
        socket: OwnedFd,
        gate: OwnedFd,
    ) -> io::Result<()> {
        if program.own.is_some() {
            privilege::drop_group()?;
        }
        // Until the program has them, what it inherits stays open too.
        let own = [&socket, &gate].into_iter().chain(&pty).map(AsRawFd::as_raw_fd);
        let streams = program.streams.iter().filter_map(stream_fd);
        let inherited = inherited::descriptors().iter().copied();
        inherited::close_all_but(&own.chain(streams).chain(inherited).collect::<Vec<_>>());
        let mut signals =
            vec![libc::SIGCHLD, libc::SIGHUP, libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];
        if pty.is_some() {
            signals.extend([libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU]);
        } else {
            signals.extend(FOR_THE_GROUP.into_iter().chain(OF_THE_PROGRAM));
        }
        let signals = Signals::block(&signals)?;
        if let Some(pty) = &pty {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(pty)?;
        }
        let mut watch = Self {
            socket,
            pty,
            signals,
            program: None,
            failure: None,
            hung_up: false,
            escalate: None,
        };
        if let Err(e) = watch.spawn(&mut program, gate) {
            watch.pty = None;
            send(watch.socket.as_fd(), b'f', e.raw_os_error().unwrap_or(libc::EIO));
            return Ok(());
        }
        // These were the program's; held here they would keep pipes open.
        drop(program);
        inherited::close_descriptors();
        detach_stdio();
        watch.watch()
    }

    /// Makes the program's process, which goes as far as it can without being
    /// the program, beside what hrec still has to do, and waits at `gate`. That
    /// is closed unopened when hrec cannot record, or is gone.
    ///
    /// Nobody waits here until it is executed: ^Z may stop it before that, and
    /// somebody must be there to see it. Whether the execution failed is looked
    /// at when it has ended.
    fn spawn(&mut self, program: &mut Program, gate: OwnedFd) -> io::Result<()> {
        let mut command = Command::new(&program.name);
        let own = program.own.take();
        if let Some(own) = &own {
            command.env_clear().envs(own.environment.iter().map(|(k, v)| (k, v)));
        }
        command.args(&program.args).envs(program.env.iter().map(|(k, v)| (k, v)));
        if let Some(arg0) = &program.arg0 {
            command.arg0(arg0);
        }
        let stdio = |stream: &mut Stream| -> io::Result<Stdio> {
            match std::mem::replace(stream, Stream::Inherit) {
                Stream::Inherit => Ok(Stdio::inherit()),
                Stream::Fd(fd) => Ok(fd.into()),
                Stream::Pty => match &self.pty {
                    Some(pty) => Ok(pty.try_clone()?.into()),
                    None => Err(io::Error::from_raw_os_error(libc::ENOTTY)),
                },
            }
        };
        let [input, output, error] = &mut program.streams;
        command.stdin(stdio(input)?).stdout(stdio(output)?).stderr(stdio(error)?);
        let tty = self.pty.as_ref().map(AsRawFd::as_raw_fd);
        let socket = self.socket.as_raw_fd();
        let foreground = program.foreground;
        let mask = self.signals.before();
        // SAFETY: the closure calls only setpgid, pthread_sigmask, tcsetpgrp, read,
        // setrlimit, umask and send, which are async-signal-safe, and the descriptors stay open
        // until the exec.
        unsafe {
            command.pre_exec(move || {
                if let Some(tty) = tty {
                    rustix::process::setpgid(None, None)?;
                    if foreground {
                        // SIGTTOU is blocked still; were it not, the kernel
                        // would stop us here, in the background as we are.
                        tcsetpgrp(BorrowedFd::borrow_raw(tty), getpid())?;
                    }
                }
                let opened = rustix::io::retry_on_intr(|| rustix::io::read(&gate, &mut [0; 1]))?;
                if opened == 0 {
                    return Err(io::Error::from_raw_os_error(libc::ECANCELED));
                }
                send(BorrowedFd::borrow_raw(socket), b'p', 0);
                if let Some(own) = &own {
                    own.give_back();
                }
                // The program starts with the mask that hrec was started with.
                mask.apply();
                Ok(())
            });
        }
        inherited::hand_on(&mut command);
        let (failure, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // SAFETY: the monitor has one thread, so the child may go on as an
        // ordinary program; it ends in execve(2) or _exit(2).
        match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error()),
            0 => {
                let errno = command.exec().raw_os_error().unwrap_or(libc::EIO);
                let _ = rustix::io::write(&theirs, &errno.to_le_bytes());
                // SAFETY: runs nothing of the monitor's.
                unsafe { libc::_exit(127) }
            }
            pid => self.program = Pid::from_raw(pid),
        }
        if self.pty.is_some() {
            // The program does the same; whoever comes first, from here on the
            // group is there to be sent signals.
            let _ = rustix::process::setpgid(self.program, self.program);
        }
        self.failure = Some(failure);
        Ok(())
    }

    /// Why the program was not executed, once it has ended: errno.
    fn why_not_executed(&self) -> Option<i32> {
        let mut errno = [0; 4];
        let read = rustix::io::read(self.failure.as_ref()?, &mut errno);
        (read == Ok(errno.len())).then(|| i32::from_le_bytes(errno))
    }

    fn watch(mut self) -> io::Result<()> {
        // The program may have ended before SIGCHLD was looked at.
        if self.reap() {
            return self.linger();
        }
        let mut recorder_alive = true;
        loop {
            let timeout = self.escalate.map(|(at, _)| at.saturating_duration_since(Instant::now()));
            let mut fds = [
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(&self.socket, PollFlags::IN),
            ];
            let fds = if recorder_alive { &mut fds[..] } else { &mut fds[..1] };
            wait(fds, timeout)?;
            while let Some(arrived) = self.signals.next() {
                if arrived.signal == libc::SIGCHLD {
                    if self.reap() {
                        return self.linger();
                    }
                } else if self.pty.is_some() || !arrived.kernel && !is_for_the_group(arrived.signal)
                {
                    self.pass_on(arrived.signal);
                }
            }
            if recorder_alive {
                match receive(self.socket.as_fd()) {
                    Ok(Some((b'c', foreground))) => self.resume(foreground != 0),
                    Ok(Some((b'k', signal))) => {
                        self.pass_on(signal);
                        if signal == libc::SIGHUP {
                            send(self.socket.as_fd(), b'h', 0);
                        }
                    }
                    Ok(Some(_)) | Err(rustix::io::Errno::AGAIN) => {}
                    // hrec is gone, and the PTY's master with it: the kernel has
                    // hung the session up. Nobody goes on unrecorded.
                    Ok(None) | Err(_) => {
                        recorder_alive = false;
                        self.pass_on(libc::SIGHUP);
                        self.escalate = Some((Instant::now() + GRACE, libc::SIGTERM));
                    }
                }
            }
            if let Some((at, signal)) = self.escalate
                && Instant::now() >= at
            {
                self.pass_on(signal);
                self.escalate =
                    (signal != libc::SIGKILL).then(|| (Instant::now() + GRACE, libc::SIGKILL));
            }
        }
    }

    /// After the end: takes the terminal's foreground, so that the hang-up to
    /// come reaches this process and not a background child that the program
    /// left in its process group; reports; waits for hrec to let go.
    fn linger(mut self) -> io::Result<()> {
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        while rustix::io::retry_on_intr(|| poll(&mut fds, None)).is_ok() {
            match receive(self.socket.as_fd()) {
                Ok(Some(_)) | Err(rustix::io::Errno::AGAIN) => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.program = None;
        Ok(())
    }

    /// Reports every change of the program's state; whether it has ended.
    fn reap(&mut self) -> bool {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
        while let Ok(Some((_, status))) = waitpid(self.program, options) {
            if let Some(signal) = status.stopping_signal() {
                if self.pty.is_some() {
                    send(self.socket.as_fd(), b't', signal);
                }
                continue;
            }
            if let Some(pty) = self.pty.take() {
                let _ = tcsetpgrp(&pty, getpid());
                // Closed before the report: when no other process holds the
                // terminal either, hrec reads to its very end without waiting.
                drop(pty);
            }
            let (tag, value) =
                self.why_not_executed().map_or(end_of(status), |errno| (b'f', errno));
            send(self.socket.as_fd(), tag, value);
            return true;
        }
        false
    }

    fn resume(&mut self, foreground: bool) {
        if let (Some(pty), Some(program)) = (&self.pty, self.program) {
            let _ = tcsetpgrp(pty, if foreground { program } else { getpid() });
        }
        self.pass_on(libc::SIGCONT);
    }

    fn pass_on(&mut self, signal: i32) {
        let Some(program) = self.program else { return };
        if self.pty.is_some() {
            // One hang-up reaches us as hrec's order, as the kernel's SIGHUP and
            // as hrec's end. A shell that is sent a second one while it is busy
            // with the first may die before it has ended its jobs.
            if signal == libc::SIGHUP && std::mem::replace(&mut self.hung_up, true) {
                return;
            }
            to_group(program.as_raw_nonzero().get(), signal);
            if signal == libc::SIGHUP || signal == libc::SIGTERM {
                // A stopped program takes no signal but SIGKILL until it goes on.
                to_group(program.as_raw_nonzero().get(), libc::SIGCONT);
            }
        } else if let Some(signal) = rustix::process::Signal::from_named_raw(signal) {
            let _ = rustix::process::kill_process(program, signal);
        }
    }
}

fn end_of(status: WaitStatus) -> (u8, i32) {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => (b'x', code),
        (None, Some(signal)) => (b'k', signal),
        (None, None) => (b'x', 125),
    }
}

fn wait(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    let timeout = timeout.map(|t| Timespec {
        tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(t.subsec_nanos()),
    });
    match poll(fds, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

fn stream_fd(stream: &Stream) -> Option<i32> {
    match stream {
        Stream::Fd(fd) => Some(fd.as_raw_fd()),
        Stream::Pty | Stream::Inherit => None,
    }
}

/// Points the monitor's own standard streams at nothing, so that it holds no
/// pipe open that somebody waits on.
fn detach_stdio() {
    use rustix::fs::{Mode, OFlags, open};
    if let Ok(null) = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}
