//! The writer against bad disks: each call fails in turn.

use std::sync::Arc;

use super::keyframes::{Told, has_keyframe, summary};
use super::*;
use crate::recording::faulty::{Fault, Faulty};

/// Who makes the keyframes of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Following {
    Nobody,
    /// The stand-in, whose keyframes are known.
    Told,
    /// As in the recorder.
    Screen,
}

/// Runs a session on a faulty disk; returns what was sent and how far a flush
/// had reported success, and whether it was finished.
fn session(
    disk: &Faulty,
    paths: &Paths,
    recipients: &Recipients,
    retry: bool,
    following: Following,
) -> (Vec<u8>, usize, bool) {
    let (mut sent, mut saved) = (Vec::new(), 0);
    let live = Live::create_on(Box::new(disk.clone()), paths.clone(), &header(), recipients, SYNC);
    let Ok(mut live) = live else { return (sent, 0, false) };
    // More than two full frames; with keyframes, few bytes, since they are drawn,
    // and frames that close early.
    let (length, step) = match following {
        Following::Nobody => (160_000, 100_000),
        _ => (7_000, 310_000_000),
    };
    match following {
        Following::Nobody => {}
        Following::Told => live.follow(Box::new(Told(Arc::default()))),
        Following::Screen => live.follow(Box::new(Screen::new(header().size))),
    }
    for i in 0..14 {
        let bytes = noise(length, i + 3);
        // Valid UTF-8, so that no event is long.
        let text: Vec<u8> = bytes.iter().map(|b| b'!' + b % 90).collect();
        sent.extend_from_slice(&text);
        let mut ok = live.output(i * step, &text).is_ok();
        if i % 2 == 0 {
            ok = match following {
                Following::Nobody => live.flush(i * step).is_ok(),
                _ => live.flush_frame(i * step).is_ok(),
            };
            if !ok && retry {
                ok = live.flush(i * step).is_ok() || live.flush(i * step).is_ok();
            }
            if ok {
                saved = sent.len();
            }
        }
        if !ok && !retry {
            return (sent, saved, false);
        }
    }
    let finished = live.finish(20 * step, Some("0")).is_ok()
        || (retry && (live.finish(0, None).is_ok() || live.finish(0, None).is_ok()));
    (sent, saved, finished)
}

fn every_call_fails_in_turn(following: Following) {
    let (recipients, identities) = keys();
    let total = {
        let dir = tempfile::tempdir().unwrap();
        let disk = Faulty::never();
        let paths = Paths::at(&dir.path().join("x"));
        assert!(session(&disk, &paths, &recipients, false, following).2);
        assert_frames_are_found(&paths, &identities, following);
        disk.calls()
    };
    assert!(total > 30, "{total}");
    let (enospc, eio, eintr) = (28, 5, 4);
    let faults = [
        (Fault::Errno(enospc), 1, true),
        (Fault::Errno(enospc), 2, true),
        (Fault::Errno(eio), 1, false),
        (Fault::Errno(eintr), 3, false),
        (Fault::Short, 2, false),
        (Fault::ShortThen(enospc), 2, true),
        (Fault::Kill, 0, false),
    ];
    for (fault, fails, retry) in faults {
        for at in 0..total {
            let dir = tempfile::tempdir().unwrap();
            let paths = Paths::at(&dir.path().join("x"));
            let disk = Faulty::new(fault, at, fails);
            let (sent, saved, finished) = session(&disk, &paths, &recipients, retry, following);
            let context = format!("{fault:?} at {at}, {fails} times, retry {retry}, {following:?}");
            if matches!(fault, Fault::Short) || fault == Fault::Errno(eintr) {
                assert!(finished, "{context}");
            }
            if finished {
                let got = read(&paths.finished(), &identities);
                assert_eq!(got.output, sent, "{context}");
                assert_eq!(got.state, State::Finished, "{context}");
                assert_frames_are_found(&paths, &identities, following);
                continue;
            }
            if sent.is_empty() {
                // It could not be begun: nothing may be left, unless removing
                // failed as well.
                let left = std::fs::read_dir(dir.path()).unwrap().count();
                assert!(left == 0 || fault == Fault::Kill || fails > 1, "{context}");
                continue;
            }
            let got = read(&paths.finished(), &identities);
            assert!(sent.starts_with(&got.output), "{context}");
            assert!(got.output.len() >= saved, "{context}: {} < {saved}", got.output.len());
        }
    }
}

#[test]
fn every_call_fails_in_turn_and_nothing_that_was_saved_is_lost() {
    every_call_fails_in_turn(Following::Nobody);
}

#[test]
fn nor_when_there_are_keyframes_and_each_is_right() {
    every_call_fails_in_turn(Following::Told);
}

#[test]
fn nor_when_the_screen_is_drawn() {
    every_call_fails_in_turn(Following::Screen);
}

/// A finished recording's index has its frames, and each keyframe is what was
/// to be there at that place.
fn assert_frames_are_found(paths: &Paths, identities: &Identities, following: Following) {
    use crate::format::cipher::decrypt;
    use crate::format::frames::SeekTable;
    use crate::format::index::{Index, read_keyframe};
    use std::io::{Cursor, Read};
    let file = std::fs::read(paths.finished()).unwrap();
    let mut payload = Vec::new();
    decrypt(file.as_slice(), identities).unwrap().read_to_end(&mut payload).unwrap();
    let mut input = Cursor::new(&payload);
    let table = SeekTable::read(&mut input).unwrap().unwrap();
    let index = Index::read(&mut input, &table).unwrap().expect("an index that agrees");
    let got = read(&paths.finished(), identities);
    assert_eq!(index.end.event, got.events.len() as u64);
    if following == Following::Nobody {
        return;
    }
    assert!(index.frames.len() > 5, "{}", index.frames.len());
    for frame in &index.frames[1..] {
        let mut before = Vec::new();
        for event in &got.events[..frame.start.event as usize] {
            if let Data::Output(bytes) = &event.data {
                before.extend_from_slice(bytes);
            }
        }
        let key = frame.at - u64::from(frame.keyframe);
        let state = read_keyframe(&mut input, key, frame.keyframe, &frame.start).unwrap();
        assert_eq!(state.is_some(), frame.keyframe > 0, "a keyframe that cannot be read");
        if following == Following::Told {
            assert_eq!(state, has_keyframe(&frame.start).then(|| summary(&before)));
        }
    }
}
