//! What hrec and the monitor say to each other: a tag and a number a message.
//!
//! Knows nothing of processes. Its invariant: a message is read whole or not at
//! all, as a socket of packets has it.

use std::os::fd::BorrowedFd;

use rustix::net::{RecvFlags, SendFlags};

/// What the monitor says happened to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It is there, and under a PTY in its place: keys that are signals reach
    /// it from now on.
    Started,
    /// It could not be executed: errno, execve(2).
    ExecFailed(i32),
    /// It was stopped by this signal.
    Stopped(i32),
    /// It ended with this status, 0 to 255.
    Exited(i32),
    /// It was ended by this signal.
    Killed(i32),
    /// It has been sent the SIGHUP that was ordered.
    HungUp,
}

/// What the monitor is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Let a stopped program go on, in the PTY's foreground or background.
    Continue {
        /// Whether it may use the terminal.
        foreground: bool,
    },
    /// Pass this signal on to the program('s process group).
    Signal(i32),
}

/// Sends one message; a reader that is gone gets none.
pub(super) fn send(socket: BorrowedFd<'_>, tag: u8, value: i32) {
    let [a, b, c, d] = value.to_le_bytes();
    let message = [tag, a, b, c, d];
    let _ = rustix::io::retry_on_intr(|| rustix::net::send(socket, &message, SendFlags::NOSIGNAL));
}

/// The next message; `Ok(None)` when the other end is gone.
pub(super) fn receive(socket: BorrowedFd<'_>) -> rustix::io::Result<Option<(u8, i32)>> {
    let mut message = [0u8; 5];
    let (n, _) =
        rustix::io::retry_on_intr(|| rustix::net::recv(socket, &mut message, RecvFlags::DONTWAIT))?;
    let [tag, a, b, c, d] = message;
    Ok((n == message.len()).then(|| (tag, i32::from_le_bytes([a, b, c, d]))))
}
