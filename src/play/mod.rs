//! Showing a recording to a person.
//!
//! Refuses to know where recordings come from. The invariant: a replay works
//! on a [`Viewer`], so that it runs the same on a real terminal and in a test.

mod back;
pub mod browser;
pub mod clock;
pub mod colour;
mod console;
mod driver;
mod finding;
pub mod input;
mod key;
pub mod keymap;
mod landmarks;
mod line;
mod list;
mod model;
pub mod notes;
mod paint;
pub mod panel;
pub mod picture;
pub mod plain;
mod playhead;
pub mod prompt;
mod selection;
mod terminal;
mod track;
mod update;
pub mod view;
mod wall;

use std::io;

use crate::event::{Micros, TermSize};

pub use driver::Driver;
pub use model::{Check, Lost, Model, Setup};
pub use paint::Canvas;
pub use playhead::{Playhead, Skipped, Turn};
pub use terminal::Terminal;
pub use update::{Effects, Quit};

/// What a replay is shown on, and the clock it is shown by.
pub trait Viewer {
    /// The window's size.
    fn size(&self) -> TermSize;

    /// Microseconds since the replay began, without the time it was suspended.
    fn now(&self) -> Micros;

    /// Waits until `until`, or until something else happens. Looks whether
    /// something has even when `until` is past.
    ///
    /// # Errors
    /// When waiting itself fails.
    fn wait(&mut self, until: Micros) -> io::Result<Wake>;

    /// Writes bytes that make up a picture.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn show(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Gives the terminal back; what is shown after this stays on it.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn leave(&mut self) -> io::Result<()>;
}

/// Why a [`Viewer`] stopped waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// It is time.
    Due,
    /// The window may show anything: its size changed, or somebody else had it.
    Repaint,
    /// The person has seen enough.
    Quit,
    /// A signal asks the process to end.
    Signal(i32),
}

/// How a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With the recording.
    Whole,
    /// Before its end, by the person's wish.
    Quit,
    /// Likewise, to go back to where it was chosen.
    Back,
    /// By this signal, of which the process should now die.
    Signal(i32),
}
