//! [`Keyframes`] from the terminal model.
//!
//! Knows nothing of frames. Its invariant: while a session is recorded it never
//! costs more than its share of a core, whatever is printed.

use super::Keyframes;
use crate::event::{Micros, TermSize};
use crate::format::index::Mark;
use crate::screen::{Keyframer, Position};

/// Bytes that may be fed to the terminal model in each second of the session:
/// at 56 MB/s (a working day's output, 120x40), a fourteenth of a core.
const RATE: u64 = 4_000_000;
/// And at once: a few screens of dense colour, or what a frame holds.
const MOST: u64 = 2_000_000;

/// Makes keyframes of the screen.
pub struct Screen {
    size: TermSize,
    /// Made with the first output: a session's start does not wait for it.
    keyframer: Option<Keyframer>,
    hurried: bool,
    last: Micros,
}

impl Screen {
    /// A blank terminal of this size.
    #[must_use]
    pub fn new(size: TermSize) -> Self {
        Self { size, keyframer: None, hurried: true, last: 0 }
    }

    /// The same where nobody waits: it takes whatever time it takes.
    #[must_use]
    pub fn unhurried(size: TermSize) -> Self {
        Self { hurried: false, ..Self::new(size) }
    }

    fn keyframer(&mut self) -> &mut Keyframer {
        self.keyframer.get_or_insert_with(|| {
            let mut keyframer = Keyframer::new(self.size);
            keyframer.set_allowance(self.hurried.then_some(MOST));
            keyframer
        })
    }
}

impl Keyframes for Screen {
    fn output(&mut self, bytes: &[u8]) {
        self.keyframer().output(bytes);
    }

    fn resize(&mut self, size: TermSize) {
        self.keyframer().resize(size);
    }

    fn keyframe(&mut self, place: &Mark) -> Option<Vec<u8>> {
        let earned = place.time.saturating_sub(self.last).saturating_mul(RATE) / 1_000_000;
        self.last = place.time;
        let keyframer = self.keyframer();
        let left = keyframer.allowance();
        keyframer.set_allowance(left.map(|left| left.saturating_add(earned).min(MOST)));
        let Mark { time, event, text, .. } = *place;
        Some(keyframer.keyframe(Position { time, text, event })?.encode())
    }
}
