//! Everything the player shows: where in the recording it is, and what is open
//! over it.
//!
//! Refuses to know the terminal and the clock: what changes it is in
//! [`super::update`], what draws it in [`super::view`]. The invariant: it can
//! be drawn at any moment, in a window of any size.

use std::sync::mpsc::Receiver;

use super::back::Back;
use super::clock::Wall;
use super::finding::Finding;
use super::keymap::Keymap;
use super::landmarks::{Landmarks, Stops};
use super::line::Line;
use super::list::List;
use super::notes::Notes;
use super::playhead::Playhead;
use super::selection::{Selection, Spot};
use super::track::Track;
use crate::event::{Micros, TermSize};
use crate::recording::Result;
use crate::timeline::search::Scope;
use crate::timeline::{Timeline, Wake};

/// Gives more of what is known of a recording, by name.
pub type Check = Box<dyn FnOnce() -> Vec<(String, String)> + Send>;

/// What a player begins with, beside the recording.
pub struct Setup {
    /// Its name, for titles and files.
    pub name: String,
    /// The keys.
    pub keymap: Keymap,
    /// When it was made.
    pub wall: Wall,
    /// What is known of it, by name: the details.
    pub details: Vec<(String, String)>,
    /// Whether its seal is good, and whatever else takes reading all of it, for
    /// the details too: asked for once, in a thread, when they are first shown.
    pub check: Option<Check>,
    /// The person's own markers in it.
    pub notes: Notes,
    /// What the person is to be told at the start.
    pub remark: Option<String>,
    /// Why what was growing grows no more, where that is not its end.
    pub lost: Option<Lost>,
    /// Whether it was chosen somewhere that Esc goes back to.
    pub chosen: bool,
    /// Called from other threads when [`Model::tick`] would find something new.
    pub wake: Wake,
}

/// Says why no more comes of a recording that is made elsewhere.
pub type Lost = Box<dyn Fn() -> Option<String>>;

/// The player's state.
pub struct Model {
    pub(super) setup: Setup,
    pub(super) playhead: Playhead,
    pub(super) window: TermSize,
    pub(super) open: Open,
    pub(super) pan: Pan,
    pub(super) time: TimeShown,
    pub(super) shows_keys: bool,
    /// Where [`Setup::check`] tells what it found.
    pub(super) checking: Option<Receiver<Vec<(String, String)>>>,
    pub(super) message: Option<Message>,
    pub(super) landmarks: Landmarks,
    /// When the recording was last looked through for more of them.
    pub(super) scanned: Micros,
    /// What is to be gone to as soon as it is found, and whether it is ahead.
    pub(super) wish: Option<(Stops, bool)>,
    /// What is to be done as soon as the recording's length is known.
    pub(super) later: Option<Later>,
    pub(super) finding: Option<Finding>,
    /// What was searched for last.
    pub(super) pattern: String,
    pub(super) back: Option<Back>,
    pub(super) drag: Option<Drag>,
    pub(super) track: Track,
    /// The track is to be made anew.
    pub(super) stale: bool,
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
    List(List),
    Selecting(Selection),
    Asking(Asked, Line),
}

/// What a line is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    GoTo,
    Search(Scope),
    /// The label of a marker at this time.
    Mark(Micros),
    /// The name of the file that the screen goes to.
    Save,
}

/// What takes the recording's length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Later {
    Tenth(u64),
    /// As the person typed it.
    GoTo(String),
}

/// What the mouse's button is held on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drag {
    Bar,
    /// From this place on the recorded screen.
    Screen(Spot),
}

/// Which part of a recording that is larger than the window is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pan {
    /// The recorded column and row at the top left, where the person put them;
    /// `None` while it follows the cursor.
    pub(super) fixed: Option<Spot>,
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
    /// A player of this recording, in a window of this size.
    #[must_use]
    pub fn new(playhead: Playhead, mut setup: Setup, window: TermSize) -> Self {
        // Until a key is pressed.
        let told = |text| Message { text, wrong: true, until: Micros::MAX };
        let message = setup.remark.take().map(told);
        Self {
            setup,
            playhead,
            window,
            open: Open::default(),
            pan: Pan::default(),
            time: TimeShown::default(),
            shows_keys: false,
            checking: None,
            message,
            landmarks: Landmarks::default(),
            scanned: 0,
            wish: None,
            later: None,
            finding: None,
            pattern: String::new(),
            back: None,
            drag: None,
            track: Track::default(),
            stale: true,
        }
    }

    /// Goes, as soon as enough is known of the recording, where this says.
    pub fn begin_at(&mut self, text: &str) {
        self.later = Some(Later::GoTo(text.to_owned()));
    }

    /// The recording, once the player is done.
    #[must_use]
    pub fn into_timeline(self) -> Timeline {
        self.playhead.into_timeline()
    }

    /// Begins to look, in a thread of its own, for what there is in the
    /// recording: after the first picture, which is not to wait for it.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn look_around(&mut self) -> Result<()> {
        self.landmarks.start(self.playhead.timeline(), self.setup.wake.clone())
    }

    /// Where it is in the recording.
    #[must_use]
    pub fn playhead(&self) -> &Playhead {
        &self.playhead
    }

    /// Whether it waits for nothing but the person and the clock: it arrived,
    /// and all of the recording was looked at.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let waiting = self.finding.as_ref().is_some_and(|finding| !finding.is_done());
        let reading = self.landmarks.progress().is_some() || self.checking.is_some();
        !self.playhead.is_seeking() && !waiting && !reading
    }

    /// Where the search goes on from.
    pub(super) fn search_place(&self) -> (u64, u64) {
        let timeline = self.playhead.timeline();
        (timeline.position().event, timeline.inside())
    }

    /// The rows that are looked at.
    pub(super) fn rows(&self) -> Vec<&avt::Line> {
        match &self.back {
            Some(back) => back.rows().iter().collect(),
            None => self.playhead.screen().terminal().screen().visible_lines().collect(),
        }
    }
}
