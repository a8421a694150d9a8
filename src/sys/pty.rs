//! Pseudo-terminals, pty(7).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

/// Both ends of a pseudo-terminal. Neither survives an exec.
#[derive(Debug)]
pub struct Pty {
    /// The recorder's end. Reading and writing never block.
    pub master: OwnedFd,
    /// The program's end.
    pub slave: OwnedFd,
}

/// Opens a pseudo-terminal that has these settings and this size, pixels
/// included, before anybody can look at it.
///
/// # Errors
/// When no pseudo-terminal is left (`kernel.pty.max`), or devpts is missing.
pub fn open(termios: Option<&Termios>, size: Option<Winsize>) -> io::Result<Pty> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    // TIOCGPTPEER opens the peer of this very master, whatever is mounted
    // where /dev/pts should be.
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    if let Some(termios) = termios {
        tcsetattr(&slave, OptionalActions::Now, termios)?;
    }
    if let Some(size) = size {
        tcsetwinsize(&slave, size)?;
    }
    fcntl_setfl(&master, fcntl_getfl(master.as_fd())? | OFlags::NONBLOCK)?;
    Ok(Pty { master, slave })
}

/// Gives a pseudo-terminal other settings, where nobody has changed those that
/// it was opened with; through the master, which shares the slave's on Linux.
///
/// # Errors
/// `EIO` once the pseudo-terminal is hung up.
pub fn change(master: impl AsFd, from: &Termios, to: &Termios) -> io::Result<()> {
    let now = tcgetattr(&master)?;
    let flags = |t: &Termios| (t.input_modes, t.output_modes, t.control_modes, t.local_modes);
    if flags(&now) == flags(from) {
        tcsetattr(&master, OptionalActions::Now, to)?;
    }
    Ok(())
}
