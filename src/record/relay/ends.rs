//! What a relay works on, and what comes of it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;

use crate::record::queue::Queue;
use crate::record::streams::Tap;
use crate::sys::clock::Clock;
use crate::sys::monitor::Monitor;
use crate::sys::signals::Signals;
use crate::sys::tty::Tty;

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
    /// hrec itself failed.
    Interrupted,
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
            Self::Interrupted => "interrupted",
            Self::StoreFailed => "store-failed",
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Ended {
    /// The program's end.
    pub exit: Exit,
    /// The session's.
    pub reason: Reason,
    /// Why standard output took no more, write(2).
    pub refused: Option<Errno>,
    /// To be reaped when there is time for it.
    pub monitor: Monitor,
    /// Blocked still, where there is no terminal: whoever signals the process
    /// group means the program, and not its record.
    pub signals: Option<Signals>,
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
    /// Whether a session without a PTY lasts until the program's streams have
    /// ended, whoever holds them then.
    pub complete: bool,
}
