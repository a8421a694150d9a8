//! Where in a stream of frames a place of the text is.
//!
//! Knows nothing of files. Its invariant: all of it is in order, so that every
//! question is answered by bisection.

use std::io::{self, BufReader, Read, Seek};

use super::payload::Payload;
use crate::format::frames::SeekTable;
use crate::format::index::{Index, Mark};
use crate::format::walk::{self, Kind};

/// A place between two frames of which the time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// What is before it.
    pub mark: Mark,
    /// The frame that begins there, in the payload.
    pub(super) at: u64,
    /// Bytes of the keyframe before that, or 0.
    pub(super) keyframe: u32,
}

impl Anchor {
    /// Whether the terminal's state there is stored.
    #[must_use]
    pub fn has_keyframe(&self) -> bool {
        self.keyframe > 0
    }
}

/// A frame's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) text: u64,
    pub(super) at: u64,
}

/// The frames of a stream.
#[derive(Clone, Default)]
pub(super) struct Map {
    pub(super) anchors: Vec<Anchor>,
    /// Frames from the seek table, when there are no anchors from an index.
    stops: Vec<Stop>,
    /// The recording's end, from the index.
    pub(super) end: Option<Mark>,
    /// How far the stream was walked for keyframes.
    walked: u64,
}

impl Map {
    /// What the end of the stream says of it.
    pub(super) fn read(input: &mut (impl Read + Seek)) -> io::Result<Self> {
        let Some(table) = end_of_stream(SeekTable::read(input))?.flatten() else {
            return Ok(Self::default());
        };
        let Some(index) = end_of_stream(Index::read(input, &table))?.flatten() else {
            return Ok(Self { stops: stops(&table), ..Self::default() });
        };
        let anchors = index.frames.iter().map(|frame| Anchor {
            mark: frame.start,
            at: frame.at,
            keyframe: frame.keyframe,
        });
        Ok(Self { anchors: anchors.collect(), end: Some(index.end), ..Self::default() })
    }

    /// Looks for keyframes in what has come since the last time, when there is
    /// no index.
    pub(super) fn walk(&mut self, payload: &Payload) -> io::Result<()> {
        if self.end.is_some() {
            return Ok(());
        }
        let Some(input) = end_of_stream(payload.open(self.walked))? else { return Ok(()) };
        let mut input = BufReader::with_capacity(1 << 16, input);
        // A changed chunk is met again, and said, when it is read.
        while let Some(item) = end_of_stream(walk::next(&mut input, self.walked))?.flatten() {
            self.walked = item.at + item.size;
            let Kind::Keyframe(mark) = item.kind else { continue };
            let last = self.anchors.last().map(|last| last.mark).unwrap_or_default();
            // What comes next is its frame, or as much of it as there is.
            let later = last.text < mark.text && last.event < mark.event && last.time <= mark.time;
            if let (true, Ok(keyframe)) = (later, u32::try_from(item.size)) {
                self.anchors.push(Anchor { mark, at: self.walked, keyframe });
            }
        }
        Ok(())
    }

    /// The last known frame's start at or before byte `text` of the text.
    pub(super) fn stop(&self, text: u64) -> Stop {
        let anchors = self.anchors.partition_point(|anchor| anchor.mark.text <= text);
        let stops = self.stops.partition_point(|stop| stop.text <= text);
        let anchor = self.anchors.get(..anchors).and_then(<[_]>::last);
        let anchor = anchor.map(|anchor| Stop { text: anchor.mark.text, at: anchor.at });
        let stop = self.stops.get(..stops).and_then(<[_]>::last).copied();
        let both = anchor.into_iter().chain(stop);
        both.max_by_key(|stop| stop.text).unwrap_or_default()
    }
}

/// A stream that is torn or damaged has no end that says anything.
fn end_of_stream<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Ok(None),
            _ => Err(error),
        },
    }
}

fn stops(table: &SeekTable) -> Vec<Stop> {
    let mut stop = Stop::default();
    let mut stops = Vec::new();
    for entry in &table.entries {
        if entry.text > 0 {
            stops.push(stop);
        }
        stop.text += u64::from(entry.text);
        stop.at += u64::from(entry.size);
    }
    stops
}
