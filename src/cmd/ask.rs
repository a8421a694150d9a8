//! Asks the person for a passphrase, on the terminal and never on a pipe.

use std::io;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::screen::safe_text;
use crate::sys::nonblock::Nonblocking;
use crate::sys::signals::Signals;
use crate::sys::tty::Tty;

/// Longer ones than this are a mistake.
const LONGEST: usize = 1024;

/// Asks `what`, such as "Type passphrase for OpenSSH key". `None` when there is no terminal,
/// or the person gives up (^C, ^D on an empty line, or a signal).
pub(crate) fn passphrase(what: &str) -> Option<String> {
    // A signal must not end us while the terminal is raw; one that comes while
    // we wait is giving up, and acts when it is let through again.
    let signals =
        Signals::block(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT]).ok()?;
    let mut tty = Tty::find()?;
    tty.raw().ok()?;
    let prompt = format!("{}: ", safe_text(what));
    let typed = write(tty.output(), prompt.as_bytes()).and_then(|()| read(tty.input(), &signals));
    let _ = write(tty.output(), b"\r\n");
    tty.restore();
    typed.ok()?
}

fn write(output: &Nonblocking, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(output, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A line, with what a line discipline would do to it: raw mode has none.
fn read(input: &Nonblocking, signals: &Signals) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let mut fds = [PollFd::new(input, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let [_, signal] = fds.map(|fd| !fd.revents().is_empty());
        if signal {
            return Ok(None);
        }
        // One byte at a time: what is typed after the line is not ours.
        let mut byte = [0];
        match input.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match byte {
            [b'\r' | b'\n'] => return Ok(String::from_utf8(line).ok()),
            [0x03 | 0x1c] => return Ok(None),
            [0x04] if line.is_empty() => return Ok(None),
            [0x08 | 0x7f] => {
                // The whole character, not its last byte.
                while line.pop().is_some_and(|b| b & 0xc0 == 0x80) {}
            }
            [0x15] => line.clear(),
            [byte] if line.len() < LONGEST => line.push(byte),
            _ => return Ok(None),
        }
    }
}
