//! The person's own terminal: what it is set to, and giving it back so.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, Termios, Winsize, isatty, tcgetattr, tcgetpgrp,
    tcgetwinsize, tcsetattr,
};

use super::nonblock::Nonblocking;

/// The terminal that hrec was started on.
///
/// On drop its settings are what they were when it was taken, to the bit,
/// whichever way the process leaves (a panic unwinds through here too).
#[derive(Debug)]
pub struct Tty {
    fd: OwnedFd,
    input: Nonblocking,
    output: Nonblocking,
    /// The person's settings while the terminal is raw.
    saved: Option<Termios>,
    /// Whether nobody else may open it.
    exclusive: bool,
}

impl Tty {
    /// The terminal behind standard input, output or error, or else the
    /// controlling terminal; `None` when there is none at all.
    #[must_use]
    pub fn find() -> Option<Self> {
        let fd = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
            .into_iter()
            .find(|fd| isatty(fd))
            .and_then(|fd| fd.try_clone_to_owned().ok())
            .or_else(|| {
                open("/dev/tty", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
                    .ok()
            })?;
        Self::on(fd)
    }

    /// The terminal behind this descriptor.
    fn on(fd: OwnedFd) -> Option<Self> {
        let input = Nonblocking::of(fd.as_fd(), false).ok()?;
        let output = Nonblocking::of(fd.as_fd(), true).ok()?;
        Some(Self { fd, input, output, saved: None, exclusive: false })
    }

    /// Lets nobody but root open it while this lives: whoever could, from
    /// inside the session, would talk to the person past the recorder.
    pub fn keep_others_out(&mut self) {
        self.exclusive = rustix::termios::ioctl_tiocexcl(&self.fd).is_ok();
    }

    /// Where the person's keys come from.
    #[must_use]
    pub fn input(&self) -> &Nonblocking {
        &self.input
    }

    /// Where the person looks.
    #[must_use]
    pub fn output(&self) -> &Nonblocking {
        &self.output
    }

    /// The person's settings.
    ///
    /// # Errors
    /// `EIO` when the terminal is gone.
    pub fn termios(&self) -> io::Result<Termios> {
        match &self.saved {
            Some(saved) => Ok(saved.clone()),
            None => Ok(tcgetattr(&self.fd)?),
        }
    }

    /// The size, pixels included.
    ///
    /// # Errors
    /// `EIO` when the terminal is gone.
    pub fn size(&self) -> io::Result<Winsize> {
        Ok(tcgetwinsize(&self.fd)?)
    }

    /// The name of its device, such as `/dev/pts/3`.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let name = rustix::termios::ttyname(&self.fd, Vec::new()).ok()?;
        Some(name.to_string_lossy().into_owned())
    }

    /// Whether hrec may use it now: whether its process group is the terminal's
    /// foreground process group. A terminal that is not the controlling one
    /// has no say in that, so it counts as ours.
    #[must_use]
    pub fn is_foreground(&self) -> bool {
        match tcgetpgrp(&self.fd) {
            Ok(group) => group == getpgrp(),
            Err(e) => e == rustix::io::Errno::NOTTY,
        }
    }

    /// Makes it raw: every byte passes, nothing is echoed here. Typed-ahead
    /// bytes stay (`TCSANOW` discards nothing, tcsetattr(3)).
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn raw(&mut self) -> io::Result<()> {
        let person = match self.saved.take() {
            Some(saved) => saved,
            None => tcgetattr(&self.fd)?,
        };
        let mut raw = person.clone();
        raw.make_raw();
        self.saved = Some(person);
        tcsetattr(&self.fd, OptionalActions::Now, &raw)?;
        Ok(())
    }

    /// Whether [`Tty::raw`] is in force.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.saved.is_some()
    }

    /// Gives the person's settings back. Only the foreground may: from the
    /// background the kernel would stop us, and the settings are not ours then.
    pub fn restore(&mut self) {
        if let Some(person) = self.saved.take()
            && self.is_foreground()
        {
            // TCSADRAIN would wait for ever on a terminal stopped with ^S.
            let _ = tcsetattr(&self.fd, OptionalActions::Now, &person);
        }
    }

    /// Leaves the settings as they are: they are somebody else's now.
    pub fn forget(&mut self) {
        self.saved = None;
    }

    /// Whether the terminal turns LF into CR LF by itself just now.
    #[must_use]
    pub fn adds_cr(&self) -> bool {
        !self.is_raw()
            && tcgetattr(&self.fd)
                .is_ok_and(|t| t.output_modes.contains(OutputModes::OPOST | OutputModes::ONLCR))
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.restore();
        if self.exclusive {
            let _ = rustix::termios::ioctl_tiocnxcl(&self.fd);
        }
    }
}

/// What a PTY's line discipline does with typed bytes just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineMode {
    /// `ECHO`: typed characters are shown.
    pub echo: bool,
    /// `ICANON`: input is collected to lines.
    pub canonical: bool,
}

/// Reads the program's line mode; through the master, which shares the
/// slave's settings on Linux.
///
/// # Errors
/// `EIO` once the pseudo-terminal is hung up.
pub fn line_mode(fd: impl AsFd) -> io::Result<LineMode> {
    let modes = tcgetattr(fd)?.local_modes;
    Ok(LineMode {
        echo: modes.contains(LocalModes::ECHO),
        canonical: modes.contains(LocalModes::ICANON),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::pty;

    /// Every flag and every control character.
    fn settings(fd: &OwnedFd) -> String {
        let t = tcgetattr(fd).unwrap();
        format!("{t:?} {} {}", t.input_speed(), t.output_speed())
    }

    #[test]
    fn a_panic_gives_the_terminal_back_to_the_bit() {
        let person = pty::open(None, None).unwrap();
        let mut odd = tcgetattr(&person.slave).unwrap();
        odd.local_modes.remove(LocalModes::ECHOKE);
        odd.special_codes[rustix::termios::SpecialCodeIndex::VINTR] = 7;
        tcsetattr(&person.slave, OptionalActions::Now, &odd).unwrap();
        let before = settings(&person.slave);
        let master = person.master.try_clone().unwrap();
        let mut tty = Tty::on(person.slave.try_clone().unwrap()).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            tty.raw().unwrap();
            assert!(!line_mode(&master).unwrap().echo);
            panic!("in the middle of a session");
        }));
        assert!(panicked.is_err());
        assert_eq!(settings(&person.slave), before);
    }
}
