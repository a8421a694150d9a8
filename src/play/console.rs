//! The person's terminal while a replay has it.
//!
//! Refuses to know what is shown on it and what keys mean. The invariant: from
//! the moment it is taken until it is given back, however that comes about, its
//! settings and its main screen are kept, and signals wait until they are asked
//! for.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::event::{Micros, TermSize};
use crate::screen::safe_text;
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

/// Why [`Console::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// It is time, or there is news.
    Due,
    /// So many bytes were typed.
    Typed(usize),
    /// The window may show anything: its size changed, or somebody else had it.
    Repaint,
    /// This signal asks the process to end, or the terminal is gone (SIGHUP).
    Signal(i32),
}

/// A terminal that is taken over, in raw mode.
pub(super) struct Console {
    tty: Tty,
    signals: Signals,
    start: Instant,
    /// How long it was suspended so far.
    away: Duration,
    enter: Vec<u8>,
    leave: Vec<u8>,
    entered: bool,
    /// Signals that came while the terminal took no bytes.
    queued: VecDeque<i32>,
}

impl Console {
    /// Takes the person's terminal; `None` when there is none. `enter` is
    /// written whenever it becomes ours, `leave` before it is given back.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub(super) fn take(enter: Vec<u8>, leave: Vec<u8>) -> io::Result<Option<Self>> {
        let Some(tty) = Tty::find() else { return Ok(None) };
        keep_panics();
        let signals = Signals::block(&SIGNALS)?;
        let start = Instant::now();
        let (away, queued) = (Duration::ZERO, VecDeque::new());
        let mut console = Self { tty, signals, start, away, enter, leave, entered: false, queued };
        console.take_again()?;
        Ok(Some(console))
    }

    fn take_again(&mut self) -> io::Result<()> {
        self.tty.raw()?;
        self.entered = true;
        TAKEN.store(true, Ordering::SeqCst);
        let enter = std::mem::take(&mut self.enter);
        let shown = self.show(&enter);
        self.enter = enter;
        shown
    }

    /// The window's size.
    pub(super) fn size(&self) -> TermSize {
        self.tty.size().map_or(TermSize::DEFAULT, |size| {
            TermSize::clamped(size.ws_col.into(), size.ws_row.into())
        })
    }

    /// Microseconds since it was taken, without the time it was suspended.
    pub(super) fn now(&self) -> Micros {
        let passed = self.start.elapsed().saturating_sub(self.away);
        Micros::try_from(passed.as_micros()).unwrap_or(Micros::MAX)
    }

    /// Gives the terminal back, until somebody says `fg`.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        let before = Instant::now();
        self.leave()?;
        stop_own_group(libc::SIGTSTP);
        self.take_again()?;
        self.away += before.elapsed();
        Ok(())
    }

    /// Waits until `until` (`None`: for ever), or until something else happens,
    /// as that `news` can be read. Looks whether something has even when
    /// `until` is past. The person's keys come first.
    pub(super) fn wait(
        &mut self,
        until: Option<Micros>,
        keys: &mut [u8],
        news: Option<BorrowedFd<'_>>,
    ) -> io::Result<Woken> {
        loop {
            if let Some(woken) = self.signal()? {
                return Ok(woken);
            }
            // A day at most, since a timeout has a limit.
            let left = until.map(|until| until.saturating_sub(self.now()).min(86_400_000_000));
            let timeout =
                left.and_then(|left| Timespec::try_from(Duration::from_micros(left)).ok());
            // In the place of none, one that is looked at anyway.
            let other = news.unwrap_or_else(|| self.signals.as_fd());
            let mut fds = [
                PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.tty.input().as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(other, PollFlags::IN),
            ];
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [_, input, other] = fds.map(|fd| !fd.revents().is_empty());
            if input {
                match self.tty.input().read(keys) {
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    // The terminal hung up.
                    Ok(0) | Err(_) => return Ok(Woken::Signal(libc::SIGHUP)),
                    Ok(count) => return Ok(Woken::Typed(count)),
                }
            }
            if let Some(woken) = self.signal()? {
                return Ok(woken);
            }
            if (other && news.is_some()) || until.is_some_and(|until| self.now() >= until) {
                return Ok(Woken::Due);
            }
        }
    }

    fn signal(&mut self) -> io::Result<Option<Woken>> {
        let fresh = || self.signals.next().map(|arrived| arrived.signal);
        Ok(match self.queued.pop_front().or_else(fresh) {
            None | Some(libc::SIGCONT) => None,
            Some(libc::SIGWINCH) => Some(Woken::Repaint),
            Some(libc::SIGTSTP) => {
                self.suspend()?;
                Some(Woken::Repaint)
            }
            Some(signal) => Some(Woken::Signal(signal)),
        })
    }

    /// Writes bytes. A terminal that takes none is waited for, unless a signal
    /// comes.
    pub(super) fn show(&mut self, mut bytes: &[u8]) -> io::Result<()> {
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

    /// Gives the terminal back; what is shown after this stays on it.
    pub(super) fn leave(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.entered) {
            return Ok(());
        }
        self.queued.clear();
        let leave = std::mem::take(&mut self.leave);
        let shown = self.show(&leave);
        self.leave = leave;
        self.tty.restore();
        tell_panics();
        shown
    }
}

/// Whether a replay has the terminal.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// What panics had to say meanwhile.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// On the alternate screen of a raw terminal a panic's message is lost: it is
/// kept until the terminal is given back.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if TAKEN.load(Ordering::SeqCst) {
                PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
            } else {
                before(panic);
            }
        }));
    });
}

fn tell_panics() {
    TAKEN.store(false, Ordering::SeqCst);
    let panics = std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner));
    let mut err = io::stderr().lock();
    for panic in panics {
        let _ = writeln!(err, "hrec: {}; please report it", safe_text(&panic));
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Nobody is left to be told that it failed.
        let _ = self.leave();
    }
}
