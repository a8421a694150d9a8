//! zstd frames and the seek table.

use std::io::Cursor;

use hrec::format::frames::{FrameReader, Frames, LEVEL, LEVEL_FLOOD, SeekTable};
use hrec::format::index::{Index, MAGIC_KEYFRAME, decode_keyframe, encode_keyframe, read_keyframe};
use hrec::format::walk::{self, Kind};

use super::{Choices, read_bounded};

const TEXT_MAX: usize = 1 << 20;

pub fn decode(input: &[u8]) {
    let mut reader = FrameReader::new(input).unwrap();
    let (text, result) = read_bounded(&mut reader, TEXT_MAX);
    if text.len() >= TEXT_MAX {
        return;
    }
    // Cut short, it gives a prefix. Where there is damage further on, the whole
    // may give less: zstd takes back what it decoded in the failing step.
    let cut = &input[..input.len() / 2];
    let (prefix, torn) = read_bounded(FrameReader::new(cut).unwrap(), TEXT_MAX);
    let both = text.len().min(prefix.len());
    assert_eq!(text[..both], prefix[..both], "the beginning differs when the end is missing");
    assert!(result.is_err() || (torn.is_ok() && both == prefix.len()));
}

/// Text in, frames as the input says, and the same text out.
pub fn encode(input: &[u8]) {
    let mut choices = Choices(input);
    let (mut frames, mut out) = (Frames::new().unwrap(), Vec::new());
    let (mut text, mut open) = (Vec::new(), Vec::new());
    while !choices.0.is_empty() {
        match choices.byte() {
            close @ 0..=4 => {
                let level = if close == 4 { LEVEL_FLOOD } else { LEVEL };
                frames.frame(level, &std::mem::take(&mut open), &mut out).unwrap();
            }
            size @ 5..=7 => {
                frames.frame(LEVEL, &std::mem::take(&mut open), &mut out).unwrap();
                frames.pad(usize::from(size) * 5, &mut out);
            }
            repeat => {
                let length = usize::from(choices.byte());
                let piece = choices.bytes(length).repeat(usize::from(repeat & 15) + 1);
                open.extend_from_slice(&piece);
                text.extend(piece);
            }
        }
    }
    frames.frame(LEVEL, &open, &mut out).unwrap();
    frames.finish(&mut out);
    assert_eq!(frames.written(), out.len() as u64);
    let mut reader = FrameReader::new(out.as_slice()).unwrap();
    let (given, result) = read_bounded(&mut reader, usize::MAX);
    result.unwrap();
    assert!(!reader.torn());
    assert!(given == text, "other text than was written");
    let table = SeekTable::read(&mut Cursor::new(&out)).unwrap().expect("no seek table");
    let (mut at, mut text_at) = (0, 0);
    for entry in table.entries {
        let frame = &out[at..at + entry.size as usize];
        let (given, result) = read_bounded(FrameReader::new(frame).unwrap(), usize::MAX);
        result.unwrap();
        assert_eq!(given, text[text_at..text_at + entry.text as usize]);
        (at, text_at) = (at + entry.size as usize, text_at + entry.text as usize);
    }
    assert_eq!(text_at, text.len());
}

pub fn seek_table(input: &[u8]) {
    let Some(table) = SeekTable::read(&mut Cursor::new(input)).unwrap() else { return };
    let covered: u64 = table.entries.iter().map(|entry| u64::from(entry.size)).sum();
    let head = input.get(usize::try_from(covered).unwrap()..).expect("a frame beyond the end");
    assert!(head.starts_with(&0x184D_2A5E_u32.to_le_bytes()));
    assert!(table.entries.len() * 8 < input.len());
}

/// The index's payload, a keyframe's, and both found in a stream.
pub fn index(input: &[u8]) {
    if let Some(index) = Index::decode(input) {
        let again = index.encode();
        assert_eq!(Index::decode(&again), Some(index), "what it says is written differently");
    }
    if let Some((mark, state)) = decode_keyframe(input) {
        let mut again = Vec::new();
        encode_keyframe(&mark, state, &mut again);
        assert_eq!(decode_keyframe(&again), Some((mark, state)));
    }
    let mut stream = Cursor::new(input);
    let place = decode_keyframe(input.get(8..).unwrap_or_default()).map(|(mark, _)| mark);
    let size = u32::try_from(input.len()).unwrap();
    let state = read_keyframe(&mut stream, 0, size, &place.unwrap_or_default()).unwrap();
    assert!(state.is_none_or(|state| state.len() <= 5 << 20));
    let Some(table) = SeekTable::read(&mut stream).unwrap() else { return };
    let Some(index) = Index::read(&mut stream, &table).unwrap() else { return };
    let text: u64 = table.entries.iter().map(|entry| u64::from(entry.text)).sum();
    assert_eq!(index.end.text, text);
    for pair in index.frames.windows(2) {
        assert!(pair[0].start.time <= pair[1].start.time && pair[0].at < pair[1].at);
    }
}

/// From frame to frame: what is given is whole, and no shorter than zstd finds
/// it.
pub fn walk(input: &[u8]) {
    let mut rest = input;
    while let Some(item) = walk::next(&mut &*rest, (input.len() - rest.len()) as u64).unwrap() {
        assert_eq!(item.at, (input.len() - rest.len()) as u64);
        let (whole, after) = rest.split_at(usize::try_from(item.size).unwrap());
        assert!(!whole.is_empty());
        assert_eq!(walk::next(&mut &whole[..whole.len() - 1], item.at).unwrap(), None);
        assert_eq!(walk::next(&mut &*whole, item.at).unwrap(), Some(item));
        match item.kind {
            Kind::Frame => {
                let mut reader = FrameReader::new(whole).unwrap();
                let (text, result) = read_bounded(&mut reader, TEXT_MAX);
                // Cut before its end it would be torn.
                assert!(result.is_err() || text.len() >= TEXT_MAX || !reader.torn());
            }
            Kind::Keyframe(mark) => {
                assert!(whole.starts_with(&MAGIC_KEYFRAME.to_le_bytes()));
                let payload = whole.get(8..).unwrap();
                assert_eq!(decode_keyframe(payload).map(|(found, _)| found), Some(mark));
            }
            Kind::Other => assert!((0x50..=0x5f).contains(&whole[0])),
        }
        rest = after;
    }
}
