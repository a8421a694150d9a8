//! The viewer's real terminal.
//!
//! Refuses to know what is shown on it. The invariant: from the moment it is
//! taken until it is given back, however that comes about, its settings and
//! its main screen are kept, and signals wait until they are asked for.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Viewer, Wake};
use crate::event::{Micros, TermSize};
use crate::screen::Painter;
use crate::sys::signals::{Signals, stop_own_group};
use crate::sys::tty::Tty;

/// Those that must not end or stop us before the terminal is given back.
const SIGNALS: [i32; 7] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGTSTP,
    libc::SIGCONT,
    libc::SIGWINCH,
];

/// Those after which nobody waits for a picture.
const FATAL: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// A terminal that is taken over for a replay, in raw mode, on its alternate
/// screen. `q` and ^C end the replay, ^Z suspends it.
pub struct Terminal {
    tty: Tty,
    signals: Signals,
    start: Instant,
    /// How long it was suspended so far.
    away: Duration,
    entered: bool,
    /// Signals that came while the terminal took no bytes.
    queued: VecDeque<i32>,
}

impl Terminal {
    /// Takes the person's terminal; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn take() -> io::Result<Option<Self>> {
        let Some(tty) = Tty::find() else { return Ok(None) };
        let signals = Signals::block(&SIGNALS)?;
        let start = Instant::now();
        let (away, queued) = (Duration::ZERO, VecDeque::new());
        let mut terminal = Self { tty, signals, start, away, entered: false, queued };
        terminal.enter()?;
        Ok(Some(terminal))
    }

    fn enter(&mut self) -> io::Result<()> {
        self.tty.raw()?;
        self.entered = true;
        let mut bytes = Vec::new();
        Painter::enter(&mut bytes);
        self.show(&bytes)
    }

    /// ^Z: the terminal as it was, until somebody says `fg`.
    fn suspend(&mut self) -> io::Result<Wake> {
        let before = Instant::now();
        self.leave()?;
        stop_own_group(libc::SIGTSTP);
        self.enter()?;
        self.away += before.elapsed();
        Ok(Wake::Repaint)
    }

    fn signal(&mut self) -> io::Result<Option<Wake>> {
        let fresh = || self.signals.next().map(|arrived| arrived.signal);
        Ok(match self.queued.pop_front().or_else(fresh) {
            None | Some(libc::SIGCONT) => None,
            Some(libc::SIGWINCH) => Some(Wake::Repaint),
            Some(libc::SIGTSTP) => Some(self.suspend()?),
            Some(signal) => Some(Wake::Signal(signal)),
        })
    }

    fn keys(&mut self) -> io::Result<Option<Wake>> {
        let mut keys = [0; 256];
        let count = match self.tty.input().read(&mut keys) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
            // The terminal hung up.
            Err(_) => return Ok(Some(Wake::Signal(libc::SIGHUP))),
        };
        match keys.get(..count).unwrap_or_default() {
            [] => Ok(Some(Wake::Signal(libc::SIGHUP))),
            // ^C and ^\, which raw mode does not turn into signals.
            keys if keys.contains(&0x03) => Ok(Some(Wake::Signal(libc::SIGINT))),
            keys if keys.contains(&0x1c) => Ok(Some(Wake::Signal(libc::SIGQUIT))),
            keys if keys.contains(&0x1a) => self.suspend().map(Some),
            // No key that sends a sequence has this letter in it.
            keys if keys.contains(&b'q') => Ok(Some(Wake::Quit)),
            _ => Ok(None),
        }
    }
}

impl Viewer for Terminal {
    fn size(&self) -> TermSize {
        self.tty.size().map_or(TermSize::DEFAULT, |size| {
            TermSize::clamped(size.ws_col.into(), size.ws_row.into())
        })
    }

    fn now(&self) -> Micros {
        let played = self.start.elapsed().saturating_sub(self.away);
        Micros::try_from(played.as_micros()).unwrap_or(Micros::MAX)
    }

    fn wait(&mut self, until: Micros) -> io::Result<Wake> {
        loop {
            if let Some(wake) = self.signal()? {
                return Ok(wake);
            }
            let left = until.saturating_sub(self.now());
            // A day at most, since a timeout has a limit.
            let timeout = Timespec::try_from(Duration::from_micros(left.min(86_400_000_000))).ok();
            let mut fds = [
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(self.tty.input(), PollFlags::IN),
            ];
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [_, input] = fds.map(|fd| !fd.revents().is_empty());
            if input && let Some(wake) = self.keys()? {
                return Ok(wake);
            }
            if let Some(wake) = self.signal()? {
                return Ok(wake);
            }
            if self.now() >= until {
                return Ok(Wake::Due);
            }
        }
    }

    /// A terminal that takes no bytes is waited for, unless a signal comes.
    fn show(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && !self.queued.iter().any(|s| FATAL.contains(s)) {
            match self.tty.output().write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut fds = [
                        PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
                        PollFd::from_borrowed_fd(self.tty.output().as_fd(), PollFlags::OUT),
                    ];
                    match poll(&mut fds, None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                    self.queued.extend(self.signals.next().map(|arrived| arrived.signal));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn leave(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.entered) {
            return Ok(());
        }
        self.queued.clear();
        let mut bytes = Vec::new();
        Painter::leave(&mut bytes);
        let shown = self.show(&bytes);
        self.tty.restore();
        shown
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nobody is left to be told that it failed.
        let _ = self.leave();
    }
}
