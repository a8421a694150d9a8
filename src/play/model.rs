//! Everything the player shows: where in the recording it is, and what is open
//! over it.
//!
//! Refuses to know the terminal and the clock: what changes it is in
//! [`super::update`], what draws it in [`super::view`]. The invariant: it can
//! be drawn at any moment, in a window of any size.

use super::clock::Wall;
use super::keymap::Keymap;
use super::line::Line;
use super::playhead::Playhead;
use crate::event::{Micros, TermSize};
use crate::timeline::Timeline;

/// What a player begins with, beside the recording.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its name, for titles and files.
    pub name: String,
    /// The keys.
    pub keymap: Keymap,
    /// When it was made.
    pub wall: Wall,
    /// Whether it was chosen somewhere that Esc goes back to.
    pub chosen: bool,
    /// What is known of it, by name: the details.
    pub details: Vec<(String, String)>,
}

/// The player's state.
pub struct Model {
    pub(super) setup: Setup,
    pub(super) playhead: Playhead,
    pub(super) window: TermSize,
    pub(super) open: Open,
    pub(super) pan: Pan,
    pub(super) time: TimeShown,
    pub(super) shows_keys: bool,
    pub(super) message: Option<Message>,
}

/// What is open over the recording's screen.
#[derive(Debug, Default)]
pub(super) enum Open {
    #[default]
    Nothing,
    Help {
        top: u16,
    },
    Details {
        top: u16,
    },
    Asking(Asked, Line),
}

/// What a line is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    GoTo,
}

/// Which part of a recording that is larger than the window is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pan {
    /// The recorded column and row at the top left, where the person put them;
    /// `None` while it follows the cursor.
    pub(super) fixed: Option<(u16, u16)>,
}

/// Which time is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TimeShown {
    #[default]
    Elapsed,
    Remaining,
    Local,
    Utc,
}

/// Something to tell the person, until it is old.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) wrong: bool,
    /// By the viewer's clock.
    pub(super) until: Micros,
}

impl Model {
    /// A player of this recording, in a window of this size, paused at its
    /// start.
    #[must_use]
    pub fn new(playhead: Playhead, setup: Setup, window: TermSize) -> Self {
        Self {
            setup,
            playhead,
            window,
            open: Open::default(),
            pan: Pan::default(),
            time: TimeShown::default(),
            shows_keys: false,
            message: None,
        }
    }

    /// The recording, once the player is done.
    #[must_use]
    pub fn into_timeline(self) -> Timeline {
        self.playhead.into_timeline()
    }

    /// Where it is in the recording.
    #[must_use]
    pub fn playhead(&self) -> &Playhead {
        &self.playhead
    }

    /// The same, to put it elsewhere before it is shown.
    pub fn playhead_mut(&mut self) -> &mut Playhead {
        &mut self.playhead
    }
}
