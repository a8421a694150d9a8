//! The viewer's real terminal, for the plain replay.
//!
//! Refuses to know what is shown on it. The invariant: `q` and ^C end the
//! replay, ^Z suspends it, and no other key does anything.

use std::io;

use super::console::{Console, Woken};
use super::{Viewer, Wake};
use crate::event::{Micros, TermSize};
use crate::screen::Painter;

/// A terminal that is taken over for a replay, in raw mode, on its alternate
/// screen.
pub struct Terminal(Console);

impl Terminal {
    /// Takes the person's terminal; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn take() -> io::Result<Option<Self>> {
        let (mut enter, mut leave) = (Vec::new(), Vec::new());
        Painter::enter(&mut enter);
        Painter::leave(&mut leave);
        Ok(Console::take(enter, leave)?.map(Self))
    }

    fn keys(&mut self, keys: &[u8]) -> io::Result<Option<Wake>> {
        Ok(match keys {
            // ^C and ^\, which raw mode does not turn into signals.
            keys if keys.contains(&0x03) => Some(Wake::Signal(libc::SIGINT)),
            keys if keys.contains(&0x1c) => Some(Wake::Signal(libc::SIGQUIT)),
            keys if keys.contains(&0x1a) => {
                self.0.suspend()?;
                Some(Wake::Repaint)
            }
            // No key that sends a sequence has this letter in it.
            keys if keys.contains(&b'q') => Some(Wake::Quit),
            _ => None,
        })
    }
}

impl Viewer for Terminal {
    fn size(&self) -> TermSize {
        self.0.size()
    }

    fn now(&self) -> Micros {
        self.0.now()
    }

    fn wait(&mut self, until: Micros) -> io::Result<Wake> {
        let mut keys = [0; 256];
        loop {
            match self.0.wait(Some(until), &mut keys, None)? {
                Woken::Due => return Ok(Wake::Due),
                Woken::Repaint => return Ok(Wake::Repaint),
                Woken::Signal(signal) => return Ok(Wake::Signal(signal)),
                Woken::Typed(count) => {
                    if let Some(wake) = self.keys(keys.get(..count).unwrap_or_default())? {
                        return Ok(wake);
                    }
                }
            }
        }
    }

    fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.show(bytes)
    }

    fn leave(&mut self) -> io::Result<()> {
        self.0.leave()
    }
}
