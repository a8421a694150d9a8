//! Keyframes and the index, as the writer makes them.
//!
//! Knows nothing of what a keyframe holds: somebody else follows the output
//! and says. Its invariant: a recording without any of this is as whole.

use crate::event::{Micros, TermSize};
use crate::format::frames::Frames;
use crate::format::index::{Frame, Index, MAGIC_INDEX, MAGIC_KEYFRAME, Mark, encode_keyframe};

/// Keyframes are some KiB, and the same screen again and again: higher levels
/// gain 2 % of them.
const LEVEL: i32 = 6;

/// Follows what is recorded, and gives the terminal's state between two
/// frames.
pub trait Keyframes: Send {
    /// Takes bytes that the program wrote.
    fn output(&mut self, bytes: &[u8]);

    /// Takes a new size.
    fn resize(&mut self, size: TermSize);

    /// The state now, encoded; `None` when it is not known, or finding it would
    /// take more time than there is.
    fn keyframe(&mut self, place: &Mark) -> Option<Vec<u8>>;
}

/// What is known of the frames so far.
pub(in crate::recording) struct Marks {
    index: Index,
    /// The open frame, but for its size.
    open: Frame,
}

impl Marks {
    pub(in crate::recording) fn new(size: TermSize) -> Self {
        let start = Mark { size, ..Mark::default() };
        let open = Frame { at: 0, size: 0, start, keyframe: 0 };
        Self { index: Index::default(), open }
    }

    /// The open frame has been closed.
    pub(in crate::recording) fn closed(&mut self, frames: &Frames) {
        let size = u32::try_from(frames.written() - self.open.at).unwrap_or(u32::MAX);
        self.index.frames.push(Frame { size, ..self.open });
    }

    /// The next frame begins at `place`, after a keyframe with this payload.
    pub(in crate::recording) fn next(
        &mut self,
        place: Mark,
        keyframe: Option<&[u8]>,
        frames: &mut Frames,
        out: &mut Vec<u8>,
    ) {
        let keyframe = keyframe.map_or(0, |payload| frames.skippable(MAGIC_KEYFRAME, payload, out));
        self.open = Frame { at: frames.written(), size: 0, start: place, keyframe };
    }

    /// The last frame is closed: the index.
    pub(in crate::recording) fn finish(
        &mut self,
        end: Mark,
        frames: &mut Frames,
        out: &mut Vec<u8>,
    ) {
        self.index.end = end;
        frames.skippable(MAGIC_INDEX, &self.index.encode(), out);
    }
}

/// Where the writer stands, and who follows it.
pub(in crate::recording) struct Follower {
    pub(in crate::recording) size: TermSize,
    pub(in crate::recording) events: u64,
    keyframes: Option<Box<dyn Keyframes>>,
}

impl Follower {
    pub(in crate::recording) fn new(size: TermSize) -> Self {
        Self { size, events: 0, keyframes: None }
    }

    pub(in crate::recording) fn follow(&mut self, keyframes: Box<dyn Keyframes>) {
        self.keyframes = Some(keyframes);
    }

    pub(in crate::recording) fn output(&mut self, bytes: &[u8]) {
        self.events += 1;
        if let Some(keyframes) = &mut self.keyframes {
            keyframes.output(bytes);
        }
    }

    pub(in crate::recording) fn resize(&mut self, size: TermSize) {
        self.size = size;
        if let Some(keyframes) = &mut self.keyframes {
            keyframes.resize(size);
        }
    }

    /// A session without a PTY: what a player shows of it is not only its
    /// output, so from here on there are no keyframes.
    pub(in crate::recording) fn stream(&mut self) {
        self.keyframes = None;
    }

    /// After an event at `time`, with so many bytes of text.
    pub(in crate::recording) fn mark(&self, time: Micros, text: u64) -> Mark {
        Mark { time, event: self.events, text, size: self.size }
    }

    /// The payload of a keyframe that holds at `place`.
    pub(in crate::recording) fn keyframe(&mut self, place: &Mark) -> Option<Vec<u8>> {
        let state = self.keyframes.as_mut()?.keyframe(place)?;
        // Without memory there is no keyframe either.
        let state = zstd::bulk::compress(&state, LEVEL).ok()?;
        let mut payload = Vec::new();
        encode_keyframe(place, &state, &mut payload);
        Some(payload)
    }
}
