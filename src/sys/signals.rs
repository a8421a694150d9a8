//! Signals as data: blocked, and read from a descriptor beside all the others.

#![allow(unsafe_code)]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// What hrec has no use for, and what ends a program that has none either, sent
/// by name or by a timer that was set before (signal(7)): the recorded program's
/// to have, so that hrec and its monitor both live to tell of it.
pub const OF_THE_PROGRAM: [i32; 6] =
    [libc::SIGALRM, libc::SIGVTALRM, libc::SIGPROF, libc::SIGIO, libc::SIGPWR, libc::SIGSTKFLT];

/// One signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its number, signal(7).
    pub signal: i32,
    /// Whether the kernel sent it (a key on the terminal, a hang-up), rather
    /// than a process.
    pub kernel: bool,
    /// Whether it is this process's own doing: SIGPIPE for a write of its own.
    pub own: bool,
}

/// Signals that are blocked and read through signalfd(2). No handler, so no
/// window between a check and a poll in which one could be lost.
///
/// One that is ignored already (nohup(1), a shell's `trap ''`) is left so: the
/// kernel would queue it all the same once it is blocked.
///
/// Threads started afterwards have them blocked too. On drop the mask is what
/// it was.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
    set: libc::sigset_t,
    before: libc::sigset_t,
}

impl Signals {
    /// Blocks these signals in the calling thread.
    ///
    /// # Errors
    /// signalfd(2)'s: no descriptor left.
    pub fn block(signals: &[i32]) -> io::Result<Self> {
        let wanted: Vec<i32> = signals.iter().copied().filter(|&s| !is_ignored(s)).collect();
        let set = set_of(&wanted);
        let mut before = MaybeUninit::uninit();
        // SAFETY: `set` is initialised; pthread_sigmask fills `before` before
        // it returns 0, and it cannot fail with a valid `how`.
        let before = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, before.as_mut_ptr());
            before.assume_init()
        };
        // SAFETY: `set` is initialised; -1 asks for a new descriptor.
        let fd =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            let error = io::Error::last_os_error();
            restore(&before);
            return Err(error);
        }
        // SAFETY: signalfd just returned this descriptor, and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, set, before })
    }

    /// What was blocked before these were.
    #[must_use]
    pub fn before(&self) -> Mask {
        Mask(self.before)
    }

    /// Whether this signal is among them.
    #[must_use]
    pub fn has(&self, signal: i32) -> bool {
        // SAFETY: the set is initialised.
        unsafe { libc::sigismember(&raw const self.set, signal) == 1 }
    }

    /// The next signal that has arrived, if any has.
    #[must_use]
    pub fn next(&self) -> Option<Arrived> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer has `size` bytes.
        let n = unsafe { libc::read(self.fd.as_raw_fd(), info.as_mut_ptr().cast(), size) };
        if n != isize::try_from(size).unwrap_or(-1) {
            return None;
        }
        // SAFETY: the kernel filled the whole structure.
        let info = unsafe { info.assume_init() };
        Some(Arrived {
            signal: i32::try_from(info.ssi_signo).unwrap_or(0),
            kernel: info.ssi_code == libc::SI_KERNEL,
            own: u32::try_from(rustix::process::getpid().as_raw_nonzero().get())
                .is_ok_and(|own| own == info.ssi_pid),
        })
    }
}

/// A set of blocked signals.
#[derive(Clone, Copy, Debug)]
pub struct Mask(libc::sigset_t);

impl Mask {
    /// Makes it the calling thread's. Async-signal-safe.
    pub fn apply(&self) {
        restore(&self.0);
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        restore(&self.before);
    }
}

/// Lets [`Signals`] have SIGPIPE, which the Rust runtime ignores, and which would
/// not be queued then. Where it is not blocked it has no effect all the same.
pub fn hear_broken_pipes() {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler: extern "C" fn(libc::c_int) = nothing;
    // SAFETY: the handler does nothing, so it may run anywhere; signal(2) as the
    // C library has it restarts what it interrupts.
    unsafe {
        libc::signal(libc::SIGPIPE, handler as libc::sighandler_t);
    }
}

/// Whether this process ignores a signal.
pub(super) fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with no new action sigaction(2) only fills the old one, which is
    // read only when it did.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set; sigaddset only reads numbers.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for &signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

fn restore(mask: &libc::sigset_t) {
    // SAFETY: `mask` came from pthread_sigmask.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, mask, std::ptr::null_mut());
    }
}

/// Sends a signal to a process group; a group that is gone is no error.
pub fn to_group(group: i32, signal: i32) {
    if group > 1 {
        // SAFETY: kill(2) has no memory preconditions; the group is no
        // special value.
        unsafe {
            libc::kill(-group, signal);
        }
    }
}

/// Dies of this signal, as the recorded program did. Returns only where the
/// signal does not end a process.
pub fn die_of(signal: i32) {
    let none = set_of(&[]);
    // SAFETY: SIG_DFL is a valid disposition, and the mask is initialised.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::raise(signal);
    }
}

/// Stops this process alone with SIGTSTP, and returns once it goes on, or the
/// kernel has discarded the stop.
pub fn stop_self() {
    stop(rustix::process::getpid().as_raw_nonzero().get(), libc::SIGTSTP);
}

/// Stops this process's own process group with a job-control signal, so that
/// the pipeline it stands in stops as a whole, as a terminal's ^Z would have it.
/// Returns once it goes on: whether it was stopped at all. The kernel discards
/// the stop where nobody could end it (an orphaned process group).
pub fn stop_own_group(signal: i32) -> bool {
    // SIGSTOP cannot be discarded; one that nobody can end must not be sent.
    let signal = if signal == libc::SIGSTOP { libc::SIGTSTP } else { signal };
    let before = continued();
    stop(0, signal);
    continued() && !before
}

/// Sends `whom`, 0 for the process group, this signal, and has it here.
fn stop(whom: i32, signal: i32) {
    let set = set_of(&[signal]);
    // SAFETY: the set is initialised, kill(2) has no memory preconditions. The
    // signal is delivered to this thread before pthread_sigmask returns, since
    // every other thread has it blocked.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(whom, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

/// Whether a SIGCONT waits, blocked, to be read.
fn continued() -> bool {
    let mut pending = MaybeUninit::uninit();
    // SAFETY: sigpending fills the set before it returns 0; sigismember reads it.
    unsafe {
        libc::sigpending(pending.as_mut_ptr()) == 0
            && libc::sigismember(pending.as_ptr(), libc::SIGCONT) == 1
    }
}
