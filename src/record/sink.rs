//! What the writer writes into.
//!
//! Its invariant: an event is taken even where the call fails. So a store that
//! refuses for a moment costs nothing, and the one who calls decides how much
//! may wait in memory.

use crate::event::{Fact, Micros, TermSize};
use crate::recording::live::Live;

/// How a recording takes events. `recording::live` does; tests may stand in.
///
/// An event is taken even where the call fails: the failure is the store's, and
/// the next [`Sink::flush`] tries to save the event again.
pub trait Sink: Send + 'static {
    /// Why it cannot.
    type Error: std::fmt::Display + Send;

    /// Bytes from the PTY.
    ///
    /// # Errors
    /// When the store fails.
    fn output(&mut self, time: Micros, bytes: &[u8]) -> Result<(), Self::Error>;
    /// Typed bytes, judged.
    ///
    /// # Errors
    /// When the store fails.
    fn input(&mut self, time: Micros, bytes: &[u8]) -> Result<(), Self::Error>;
    /// A new size.
    ///
    /// # Errors
    /// When the store fails.
    fn resize(&mut self, time: Micros, size: TermSize) -> Result<(), Self::Error>;
    /// A fact.
    ///
    /// # Errors
    /// When the store fails.
    fn fact(&mut self, time: Micros, fact: &Fact) -> Result<(), Self::Error>;
    /// When [`Sink::flush`] must be called next, if anything is unsaved.
    fn due(&self) -> Option<Micros>;
    /// Bytes that only memory holds.
    fn backlog(&self) -> usize;
    /// Saves all there is. After an error it may be called again.
    ///
    /// # Errors
    /// When the store fails.
    fn flush(&mut self, now: Micros) -> Result<(), Self::Error>;
}

impl Sink for Live {
    type Error = crate::recording::Error;

    fn output(&mut self, time: Micros, bytes: &[u8]) -> Result<(), Self::Error> {
        Live::output(self, time, bytes)
    }

    fn input(&mut self, time: Micros, bytes: &[u8]) -> Result<(), Self::Error> {
        Live::input(self, time, bytes)
    }

    fn resize(&mut self, time: Micros, size: TermSize) -> Result<(), Self::Error> {
        Live::resize(self, time, size)
    }

    fn fact(&mut self, time: Micros, fact: &Fact) -> Result<(), Self::Error> {
        Live::fact(self, time, fact)
    }

    fn due(&self) -> Option<Micros> {
        Live::due(self)
    }

    fn backlog(&self) -> usize {
        Live::backlog(self)
    }

    fn flush(&mut self, now: Micros) -> Result<(), Self::Error> {
        Live::flush(self, now)
    }
}
