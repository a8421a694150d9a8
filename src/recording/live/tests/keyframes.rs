//! Keyframes and the index that the writer leaves behind.

use std::sync::{Arc, Mutex};

use super::*;

/// Stands in for the terminal model: says what it was told.
pub(super) struct Told(pub(super) Arc<Mutex<Vec<u8>>>);

impl Keyframes for Told {
    fn output(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }

    fn resize(&mut self, size: TermSize) {
        self.0.lock().unwrap().extend_from_slice(format!("<{size}>").as_bytes());
    }

    fn keyframe(&mut self, place: &Mark) -> Option<Vec<u8>> {
        // Every third is left out.
        has_keyframe(place).then(|| summary(&self.0.lock().unwrap()))
    }
}

pub(super) fn has_keyframe(place: &Mark) -> bool {
    !(place.time / 300_000_000).is_multiple_of(3)
}

/// How much there is, and its end.
pub(super) fn summary(told: &[u8]) -> Vec<u8> {
    let end = &told[told.len().saturating_sub(100)..];
    [&told.len().to_le_bytes(), end].concat()
}

#[test]
fn keyframes_and_the_index_say_where_each_frame_is() {
    use crate::format::asciicast::{Place, Reader, Version};
    use crate::format::cipher::{Head, decrypt};
    use crate::format::frames::{FrameReader, SeekTable};
    use crate::format::index::{Index, read_keyframe};
    use std::io::{Cursor, Read};
    let dir = tempfile::tempdir().unwrap();
    let (recipients, identities) = keys();
    let paths = Paths::at(&dir.path().join("x"));
    let options = Options { sync: false };
    let mut live = Live::create(paths.clone(), &header(), &recipients, options).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    live.follow(Box::new(Told(Arc::clone(&told))));
    for i in 0..12_u64 {
        let now = i * 300_000_000;
        if i > 0 {
            live.flush_frame(now).unwrap();
        }
        live.input(now, b"x").unwrap();
        // Half a character stays behind when the frame closes, and comes before
        // the size.
        live.output(now + 1, format!("{i} \u{e9}").as_bytes()).unwrap();
        live.output(now + 1, b"\xc3").unwrap();
        if i % 2 == 0 {
            live.resize(now + 2, TermSize::clamped(80 + i, 24)).unwrap();
        }
        // Frames that compress well, so that the chunk is padded.
        if i == 3 {
            for _ in 0..100 {
                live.output(now + 3, &b"y\r\n".repeat(20_000)).unwrap();
            }
        }
    }
    live.finish(4_000_000_000, None).unwrap();
    let file = std::fs::read(paths.finished()).unwrap();
    Head::read(&mut file.as_slice()).unwrap();
    let mut payload = Vec::new();
    decrypt(file.as_slice(), &identities).unwrap().read_to_end(&mut payload).unwrap();
    let table = SeekTable::read(&mut Cursor::new(&payload)).unwrap().unwrap();
    let index = Index::read(&mut Cursor::new(&payload), &table).unwrap().unwrap();
    let got = read(&paths.finished(), &identities);
    let end = index.end;
    assert_eq!((end.event, end.time), (got.events.len() as u64, got.events.last().unwrap().time));
    assert!(index.frames.len() >= 12);
    let mut with_keyframe = 0;
    for frame in &index.frames[1..] {
        let (at, start) = (frame.at as usize, frame.start);
        let before = &got.events[..start.event as usize];
        assert_eq!(start.time, before.last().unwrap().time);
        let mut expected = Vec::new();
        let mut size = header().size;
        for event in before {
            match &event.data {
                Data::Output(bytes) => expected.extend_from_slice(bytes),
                Data::Resize(new) => {
                    size = *new;
                    expected.extend_from_slice(format!("<{size}>").as_bytes());
                }
                _ => {}
            }
        }
        assert_eq!(start.size, size);
        let key = frame.at - u64::from(frame.keyframe);
        let mut input = Cursor::new(&payload);
        let state = read_keyframe(&mut input, key, frame.keyframe, &start).unwrap();
        if has_keyframe(&start) {
            assert_eq!(state.unwrap(), summary(&expected));
            with_keyframe += 1;
        } else {
            assert_eq!((frame.keyframe, state), (0, None));
        }
        let text = FrameReader::new(&payload[at..at + frame.size as usize]).unwrap();
        let place = Place::new(start.text, 0, start.time);
        let text = std::io::BufReader::new(text);
        let mut reader = Reader::resume(text, Version::V3, header(), place);
        assert_eq!(reader.next_event().unwrap().as_ref(), got.events.get(before.len()));
    }
    let ends = index.frames.iter().map(|frame| frame.at + u64::from(frame.size));
    let padding =
        ends.zip(&index.frames[1..]).map(|(end, next)| next.at - end - u64::from(next.keyframe));
    assert!(padding.filter(|padding| *padding > 0).count() > 0);
    assert!(with_keyframe > 5 && with_keyframe + 1 < index.frames.len());
}
