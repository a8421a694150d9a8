//! What lets a player begin in the middle: marks at the frames' starts, and the
//! skippable frames that hold them.
//!
//! Knows nothing of a keyframe's content. Its invariant: everything here can be
//! computed again from the text, and what does not agree with the rest of the
//! stream counts as not there.
//!
//! A *keyframe* lies directly before the frame at whose start it holds: after
//! the frame before, and after padding if there is some. The *index* comes
//! after the last frame, directly before the seek table.

use std::io::{self, Read, Seek, SeekFrom};

use super::frames::{Entry, SeekTable};
use super::leb128;
use crate::event::{Micros, TermSize};

/// A keyframe's magic number: one of the sixteen that RFC 8878 (3.1.2) sets
/// aside for skippable frames.
pub const MAGIC_KEYFRAME: u32 = 0x184D_2A51;
/// The index's.
pub const MAGIC_INDEX: u32 = 0x184D_2A52;

/// Others may use these numbers too, so both say whose they are, and their
/// version.
const INDEX: &[u8; 4] = b"hix\x01";
const KEYFRAME: &[u8; 4] = b"hkf\x01";

/// The most that a keyframe holds: that of a screen of 2,048 by 1,024 cells
/// has at most 4 MiB.
const STATE_MAX: usize = 5 << 20;

/// Where a recording stands between two events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The time of the last event before, in µs since the start.
    pub time: Micros,
    /// How many events are before.
    pub event: u64,
    /// How many bytes of text are before.
    pub text: u64,
    /// The terminal's size.
    pub size: TermSize,
}

/// A frame, as the index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its first byte in the stream.
    pub at: u64,
    /// Its bytes in the stream.
    pub size: u32,
    /// Where the recording stands at its start.
    pub start: Mark,
    /// The bytes of the keyframe that ends where the frame begins, with its
    /// head of 8 bytes; 0 when there is none.
    pub keyframe: u32,
}

/// The frames of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// In their order; none is empty.
    pub frames: Vec<Frame>,
    /// The recording's end.
    pub end: Mark,
}

impl Index {
    /// The payload of the index's skippable frame: `hix`, version 1; then, as
    /// LEB128, the number of frames, and for each the bytes of padding before
    /// it, of its keyframe, of itself and of its text, the microseconds and
    /// events in it, and the columns and rows at its start (0 columns, and no
    /// rows: as before).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = INDEX.to_vec();
        leb128::push(self.frames.len() as u64, &mut out);
        let (mut at, mut size) = (0, None);
        let ends = self.frames.iter().skip(1).map(|next| next.start).chain([self.end]);
        for (frame, end) in self.frames.iter().zip(ends) {
            let (start, keyframe) = (frame.start, u64::from(frame.keyframe));
            let padding = frame.at.saturating_sub(at).saturating_sub(keyframe);
            for number in [
                padding,
                keyframe,
                frame.size.into(),
                end.text.saturating_sub(start.text),
                end.time.saturating_sub(start.time),
                end.event.saturating_sub(start.event),
            ] {
                leb128::push(number, &mut out);
            }
            push_size(&mut size, start.size, &mut out);
            at = frame.at.saturating_add(frame.size.into());
        }
        push_size(&mut size, self.end.size, &mut out);
        out
    }

    /// What [`Index::encode`] made; `None` for anything else, of a later
    /// version for example.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let rest = &mut payload.strip_prefix(INDEX)?;
        let count = leb128::take(rest)?;
        let mut frames = Vec::new();
        let (mut at, mut mark, mut size) = (0_u64, Mark::default(), None);
        // A count that promises too much ends with the bytes.
        for _ in 0..count {
            let padding = leb128::take(rest)?;
            let keyframe = u32::try_from(leb128::take(rest)?).ok()?;
            let bytes = u32::try_from(leb128::take(rest)?).ok().filter(|&bytes| bytes > 0)?;
            let text = leb128::take(rest).filter(|&text| text > 0)?;
            let (time, event) = (leb128::take(rest)?, leb128::take(rest)?);
            mark.size = take_size(&mut size, rest)?;
            at = at.checked_add(padding)?.checked_add(keyframe.into())?;
            frames.push(Frame { at, size: bytes, start: mark, keyframe });
            at = at.checked_add(bytes.into())?;
            mark.text = mark.text.checked_add(text)?;
            mark.time = mark.time.checked_add(time)?;
            mark.event = mark.event.checked_add(event)?;
        }
        mark.size = take_size(&mut size, rest)?;
        rest.is_empty().then_some(Self { frames, end: mark })
    }

    /// Reads the index that lies before this seek table; `None` when there is
    /// none, or one that does not agree with the table.
    ///
    /// # Errors
    /// When `input` cannot be read.
    pub fn read(input: &mut (impl Read + Seek), table: &SeekTable) -> io::Result<Option<Self>> {
        let Some((Entry { size, text: 0 }, before)) = table.entries.split_last() else {
            return Ok(None);
        };
        let at: u64 = before.iter().map(|entry| u64::from(entry.size)).sum();
        input.seek(SeekFrom::Start(at))?;
        let payload = read_skippable(input, MAGIC_INDEX, *size, usize::MAX)?;
        let index = payload.and_then(|payload| Self::decode(&payload));
        Ok(index.filter(|index| index.agrees(before)))
    }

    /// Whether these are the frames of the seek table, and each keyframe one
    /// of its frames.
    fn agrees(&self, entries: &[Entry]) -> bool {
        let mut frames = self.frames.iter().peekable();
        let (mut at, mut text, mut last) = (0, 0, 0);
        for entry in entries {
            if entry.text > 0 {
                let Some(frame) = frames.next() else { return false };
                let keyframe = frame.keyframe == 0 || frame.keyframe == last;
                let same = (frame.at, frame.size, frame.start.text) == (at, entry.size, text);
                if !keyframe || !same {
                    return false;
                }
                text += u64::from(entry.text);
            }
            last = if entry.text == 0 { entry.size } else { 0 };
            at += u64::from(entry.size);
        }
        frames.next().is_none() && self.end.text == text
    }
}

fn push_size(last: &mut Option<TermSize>, size: TermSize, out: &mut Vec<u8>) {
    if last.replace(size) == Some(size) {
        out.push(0);
    } else {
        leb128::push(size.cols().into(), out);
        leb128::push(size.rows().into(), out);
    }
}

fn take_size(last: &mut Option<TermSize>, rest: &mut &[u8]) -> Option<TermSize> {
    match leb128::take(rest)? {
        0 => *last,
        cols => {
            let rows = leb128::take(rest)?;
            let size = TermSize::clamped(cols, rows);
            let exact = (u64::from(size.cols()), u64::from(size.rows())) == (cols, rows);
            // One form for one meaning.
            let new = last.replace(size) != Some(size);
            (exact && new).then_some(size)
        }
    }
}

/// The payload of a keyframe's skippable frame: `hkf`, version 1; then, as
/// LEB128, time (µs), events, bytes of text, columns and rows at the place where
/// it holds; then the state, as a zstd frame.
pub fn encode_keyframe(place: &Mark, state: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(KEYFRAME);
    let (cols, rows) = (place.size.cols().into(), place.size.rows().into());
    for number in [place.time, place.event, place.text, cols, rows] {
        leb128::push(number, out);
    }
    out.extend_from_slice(state);
}

/// The place where a keyframe holds, and its state as a zstd frame; `None` when
/// this is no keyframe's payload. `beginning` may be the first 54 bytes only.
#[must_use]
pub fn decode_keyframe(beginning: &[u8]) -> Option<(Mark, &[u8])> {
    let mut rest = beginning.strip_prefix(KEYFRAME)?;
    let time = leb128::take(&mut rest)?;
    let event = leb128::take(&mut rest)?;
    let text = leb128::take(&mut rest)?;
    let (cols, rows) = (leb128::take(&mut rest)?, leb128::take(&mut rest)?);
    let size = TermSize::clamped(cols, rows);
    let exact = (u64::from(size.cols()), u64::from(size.rows())) == (cols, rows);
    exact.then_some((Mark { time, event, text, size }, rest))
}

/// How many bytes of a keyframe's payload [`decode_keyframe`] needs to know its
/// place.
pub const KEYFRAME_PLACE: usize = KEYFRAME.len() + 5 * 10;

/// Reads the state of the keyframe of `size` bytes at `at`; `None` when there
/// is none that holds at `place`.
///
/// # Errors
/// When `input` cannot be read.
pub fn read_keyframe(
    input: &mut (impl Read + Seek),
    at: u64,
    size: u32,
    place: &Mark,
) -> io::Result<Option<Vec<u8>>> {
    input.seek(SeekFrom::Start(at))?;
    let Some(payload) = read_skippable(input, MAGIC_KEYFRAME, size, STATE_MAX)? else {
        return Ok(None);
    };
    let Some((_, frame)) = decode_keyframe(&payload).filter(|(mark, _)| mark == place) else {
        return Ok(None);
    };
    let mut state = Vec::new();
    let decoded = match zstd::Decoder::with_buffer(frame) {
        Ok(decoder) => decoder.take(STATE_MAX as u64 + 1).read_to_end(&mut state),
        Err(error) => Err(error),
    };
    Ok((decoded.is_ok() && state.len() <= STATE_MAX).then_some(state))
}

/// Reads the payload of a skippable frame of `size` bytes, head and all, that
/// begins here; `None` when it is none with this magic, or longer than `most`.
fn read_skippable(
    input: &mut impl Read,
    magic: u32,
    size: u32,
    most: usize,
) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    if size as usize > most {
        return Ok(None);
    }
    // What is not there is not allocated.
    input.take(size.into()).read_to_end(&mut bytes)?;
    let Some((head, payload)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
    let [m0, m1, m2, m3, length @ ..] = *head;
    let sound = u32::from_le_bytes([m0, m1, m2, m3]) == magic
        && u32::from_le_bytes(length) as usize == payload.len()
        && bytes.len() == size as usize;
    Ok(sound.then(|| bytes.split_off(8)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::frames::{Frames, LEVEL};
    use proptest::prelude::*;
    use std::io::Cursor;

    fn size(n: u64) -> TermSize {
        TermSize::clamped(80 + n, 24)
    }

    /// A stream of three frames, the second with a keyframe, the third after
    /// padding.
    fn stream() -> (Vec<u8>, Index) {
        let mut out = Vec::new();
        let mut frames = Frames::new().unwrap();
        let mut index = Index::default();
        let mut mark = Mark { size: size(0), ..Mark::default() };
        for n in 0..3_u64 {
            let mut keyframe = 0;
            if n == 2 {
                frames.pad(100, &mut out);
            }
            if n > 0 {
                let state = zstd::bulk::compress(&[7; 300], 1).unwrap();
                let mut payload = Vec::new();
                encode_keyframe(&mark, &state, &mut payload);
                keyframe = frames.skippable(MAGIC_KEYFRAME, &payload, &mut out);
            }
            let at = frames.written();
            let text = vec![b'a' + n as u8; 1000 + n as usize];
            frames.frame(LEVEL, &text, &mut out).unwrap();
            let bytes = (frames.written() - at) as u32;
            index.frames.push(Frame { at, size: bytes, start: mark, keyframe });
            mark.time += 1_000_000 * n;
            mark.event += 5;
            mark.text += text.len() as u64;
            mark.size = size(n / 2);
        }
        index.end = mark;
        frames.skippable(MAGIC_INDEX, &index.encode(), &mut out);
        frames.finish(&mut out);
        (out, index)
    }

    #[test]
    fn what_is_written_is_read() {
        let (bytes, index) = stream();
        let mut input = Cursor::new(&bytes);
        let table = SeekTable::read(&mut input).unwrap().unwrap();
        assert_eq!(Index::read(&mut input, &table).unwrap(), Some(index.clone()));
        assert!(index.encode().len() < 60);
        for frame in &index.frames[1..] {
            let at = frame.at - u64::from(frame.keyframe);
            let state = read_keyframe(&mut input, at, frame.keyframe, &frame.start).unwrap();
            assert_eq!(state, Some(vec![7; 300]));
            let elsewhere = Mark { text: 1, ..frame.start };
            assert_eq!(read_keyframe(&mut input, at, frame.keyframe, &elsewhere).unwrap(), None);
        }
        assert_eq!(zstd::decode_all(bytes.as_slice()).unwrap().len(), 3003);
    }

    #[test]
    fn an_index_of_another_stream_is_none() {
        let (bytes, index) = stream();
        let table = SeekTable::read(&mut Cursor::new(&bytes)).unwrap().unwrap();
        let entries = table.entries.split_last().unwrap().1;
        assert!(index.agrees(entries));
        let change = |change: &dyn Fn(&mut Index)| {
            let mut index = index.clone();
            change(&mut index);
            !index.agrees(entries)
        };
        assert!(change(&|index| index.frames[1].at += 1));
        assert!(change(&|index| index.frames[1].size += 1));
        assert!(change(&|index| index.frames[2].start.text += 1));
        assert!(change(&|index| index.frames[2].keyframe = 108));
        assert!(change(&|index| index.frames[0].keyframe = 8));
        assert!(change(&|index| index.end.text += 1));
        assert!(change(&|index| index.frames.truncate(2)));
        assert!(change(&|index| index.frames.push(index.frames[2])));
    }

    #[test]
    fn hostile_bytes_are_refused() {
        let (good, index) = stream();
        let table = SeekTable::read(&mut Cursor::new(&good)).unwrap().unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0xff;
            let mut input = Cursor::new(&bytes);
            let _ = Index::read(&mut input, &table).unwrap();
            let frame = index.frames[1];
            let key = frame.at - u64::from(frame.keyframe);
            let _ = read_keyframe(&mut input, key, frame.keyframe, &frame.start).unwrap();
        }
        let mut input = Cursor::new(&good);
        assert_eq!(read_keyframe(&mut input, u64::MAX / 2, u32::MAX, &index.end).unwrap(), None);
        assert_eq!(read_keyframe(&mut input, 0, 0, &index.end).unwrap(), None);
        // Claims 2^64 - 1 frames.
        let mut bytes = INDEX.to_vec();
        leb128::push(u64::MAX, &mut bytes);
        assert_eq!(Index::decode(&bytes), None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_one_meaning(
            mut bytes in prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..60),
        ) {
            bytes.splice(0..0, *INDEX);
            if let Some(index) = Index::decode(&bytes) {
                prop_assert_eq!(index.encode(), bytes);
            }
        }

        #[test]
        fn any_index_comes_back(
            frames in prop::collection::vec(
                (0..1000_u64, any::<u32>(), 1..=u32::MAX, 1..u64::from(u32::MAX),
                 any::<u32>(), any::<u32>(), 0..3_u64), 0..20),
        ) {
            let mut index = Index { end: Mark { size: size(0), ..Mark::default() }, ..Index::default() };
            let mut at = 0;
            for (padding, keyframe, bytes, text, time, events, cols) in frames {
                at += padding + u64::from(keyframe);
                let start = Mark { size: size(cols), ..index.end };
                index.frames.push(Frame { at, size: bytes, start, keyframe });
                at += u64::from(bytes);
                index.end.text += text;
                index.end.time += u64::from(time);
                index.end.event += u64::from(events);
            }
            prop_assert_eq!(Index::decode(&index.encode()), Some(index));
        }
    }
}
