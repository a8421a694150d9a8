//! The writer against good and bad disks, and against whatever bytes come.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::event::Data;
use crate::format::cipher::Identities;
use crate::recording::faulty::{Fault, Faulty, header, keys, noise, read};
use crate::recording::{State, journal_paths, open};

const SYNC: Options = Options { sync: true };

#[test]
fn a_session_round_trips_and_leaves_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let (recipients, identities) = keys();
    let paths = Paths::at(&dir.path().join("demo.cast.zst.age"));
    let mut live = Live::create(paths.clone(), &header(), &recipients, SYNC).unwrap();
    assert!(paths.part().exists() && paths.journal(0).exists());
    assert_eq!(live.due(), None);
    live.output(10, b"caf\xc3").unwrap();
    assert_eq!(live.due(), Some(250_010));
    live.output(20, b"\xa9 \xff\r\n").unwrap();
    live.resize(30, TermSize::clamped(100, 30)).unwrap();
    live.input(40, b"ls\r").unwrap();
    live.fact(50, &Fact::new("target").with("host", "db1")).unwrap();
    live.flush(250_010).unwrap();
    let finished = live.finish(300_000, Some("0")).unwrap();
    assert_eq!(finished.path, paths.finished());
    assert!(live.output(400_000, b"late").is_err());

    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
    assert_eq!(names.len(), 1);
    let got = read(&paths.finished(), &identities);
    assert_eq!(got.state, State::Finished);
    assert_eq!(got.output, b"caf\xc3\xa9 \xff\r\n");
    assert_eq!(got.remarks, Vec::<String>::new());
    assert_eq!(got.events.last().unwrap().data, Data::Exit("0".into()));
    assert!(got.events.iter().any(|e| e.data == Data::Resize(TermSize::clamped(100, 30))));
    use std::os::unix::fs::MetadataExt;
    let data = paths.finished().metadata().unwrap();
    assert_eq!((data.len(), data.mode() & 0o777), (finished.bytes_file, 0o600));
    let bytes = std::fs::read(paths.finished()).unwrap();
    use sha2::Digest;
    let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&bytes));
    assert_eq!(finished.files.first().unwrap().sha256, digest);
}

#[test]
fn what_was_appended_is_there_after_the_writer_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (recipients, identities) = keys();
    let paths = Paths::at(&dir.path().join("x"));
    let mut live = Live::create(paths.clone(), &header(), &recipients, SYNC).unwrap();
    let mut sent = Vec::new();
    for i in 0..60_u64 {
        let bytes = noise(40_000 + i as usize * 100, i + 7);
        live.output(i * 200_000, &bytes).unwrap();
        sent.extend(bytes);
        if live.due().is_some_and(|due| due <= i * 200_000) || i % 3 == 0 {
            live.flush(i * 200_000).unwrap();
            if i % 6 == 0 {
                let got = read(&paths.part(), &identities);
                assert_eq!(got.state, State::Live);
                // The last bytes may be the beginning of a character: then a
                // flush lets go of them too.
                assert_eq!(got.output, sent);
            }
        }
    }
    live.flush(60 * 200_000).unwrap();
    drop(live);
    let got = read(&paths.finished(), &identities);
    assert_eq!(got.state, State::Interrupted);
    assert_eq!(got.output, sent);
    assert!(got.remarks.last().unwrap().contains("0:00:11.800"), "{:?}", got.remarks);
    // Old journals are gone: only frames near the end still have theirs.
    assert!(journal_paths(&paths).unwrap().len() <= 2);
}

#[test]
fn a_flood_that_compresses_well_is_bounded_by_padding() {
    let dir = tempfile::tempdir().unwrap();
    let (recipients, identities) = keys();
    let paths = Paths::at(&dir.path().join("x"));
    let mut live =
        Live::create(paths.clone(), &header(), &recipients, Options { sync: false }).unwrap();
    let block = b"y\r\n".repeat(10_000);
    let mut most = 0;
    for i in 0..400 {
        live.output(i, &block).unwrap();
        most = most.max(live.backlog());
    }
    assert!(most < 10 << 20, "{most}");
    let finished = live.finish(2_000, None).unwrap();
    assert_eq!(read(&paths.finished(), &identities).output.len(), block.len() * 400);
    assert!(finished.bytes_file < 1 << 20, "{}", finished.bytes_file);
}

#[test]
fn what_comes_slowly_is_one_frame_and_idleness_needs_no_wakeup() {
    use crate::format::cipher::decrypt;
    use crate::format::frames::SeekTable;
    use std::io::{Cursor, Read};
    let dir = tempfile::tempdir().unwrap();
    let (recipients, identities) = keys();
    let paths = Paths::at(&dir.path().join("x"));
    let mut live = Live::create(paths.clone(), &header(), &recipients, SYNC).unwrap();
    for hour in 0..10 {
        let now = hour * 3_600_000_000;
        live.output(now, b"a").unwrap();
        assert_eq!(live.due(), Some(now + 250_000));
        live.flush(now + 250_000).unwrap();
        assert_eq!(live.due(), None);
    }
    assert_eq!(read(&paths.part(), &identities).output, b"aaaaaaaaaa");
    live.finish(36_000_000_000, Some("0")).unwrap();
    let file = std::fs::read(paths.finished()).unwrap();
    let mut payload = Vec::new();
    decrypt(file.as_slice(), &identities).unwrap().read_to_end(&mut payload).unwrap();
    let table = SeekTable::read(&mut Cursor::new(&payload)).unwrap().unwrap();
    assert_eq!(table.entries.iter().filter(|entry| entry.text > 0).count(), 1);
}

#[test]
fn refuses_to_begin_over_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (recipients, _) = keys();
    for name in ["x", "x.part", "x.journal.0", "x.journal.7"] {
        let other = dir.path().join(name);
        std::fs::write(&other, b"precious").unwrap();
        let paths = Paths::at(&dir.path().join("x"));
        let error = Live::create(paths, &header(), &recipients, SYNC).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        assert_eq!(std::fs::read(&other).unwrap(), b"precious");
        std::fs::remove_file(&other).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn the_chain_is_that_of_the_files() {
    use crate::format::chain::{CHUNK, JournalChain};
    use crate::format::{cipher::Head, journal};
    use sha2::Digest;
    let dir = tempfile::tempdir().unwrap();
    let (recipients, _) = keys();
    let paths = Paths::at(&dir.path().join("x"));
    let mut live = Live::create(paths.clone(), &header(), &recipients, SYNC).unwrap();
    for i in 0..9 {
        live.output(i, &noise(100_000, i + 1)).unwrap();
        live.flush(i * 1000).unwrap();
    }
    let chain = live.chain();
    let part = std::fs::read(paths.part()).unwrap();
    let head = Head::read(&mut part.as_slice()).unwrap();
    let upto = head.bytes().len() + (chain.part.chunks * CHUNK) as usize;
    assert!(chain.part.chunks > 3);
    assert_eq!(
        chain.part.sha256,
        data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&part[..upto]))
    );
    let last = chain.journal.unwrap();
    let bytes = std::fs::read(paths.journal(last.number)).unwrap();
    let mut again = JournalChain::seed(head.bytes(), last.number);
    let mut input = bytes.as_slice();
    while let Some(raw) = journal::read_raw(&mut input).unwrap() {
        again.extend(&raw);
    }
    assert_eq!(again.state(), last);
    for file in live.files() {
        let bytes = std::fs::read(dir.path().join(&file.name)).unwrap();
        assert_eq!(file.size, bytes.len() as u64);
        assert_eq!(file.sha256, data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&bytes)));
    }
    let finished = live.finish(10_000, Some("0")).unwrap();
    let file = std::fs::read(paths.finished()).unwrap();
    let upto = head.bytes().len() + (finished.chain.part.chunks * CHUNK) as usize;
    let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&file[..upto]));
    assert_eq!(finished.chain.part.sha256, digest);
}

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

/// Everything in a directory, as bytes.
fn snapshot(paths: &Paths) -> (Vec<u8>, Vec<(std::path::PathBuf, Vec<u8>)>) {
    let journals = journal_paths(paths).unwrap();
    let journals = journals.into_iter().map(|p| (p.clone(), std::fs::read(p).unwrap())).collect();
    (std::fs::read(paths.part()).unwrap(), journals)
}

#[test]
fn torn_or_damaged_anywhere_gives_a_prefix_or_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (recipients, identities) = keys();
    let paths = Paths::at(&dir.path().join("x"));
    let mut live = Live::create(paths.clone(), &header(), &recipients, SYNC).unwrap();
    let mut sent = Vec::new();
    for i in 0..40_u64 {
        let text: Vec<u8> = noise(50, i + 1).iter().map(|b| b'!' + b % 90).collect();
        live.output(i * 1000, &text).unwrap();
        sent.extend(text);
        if i % 8 == 7 {
            live.flush(i * 1000).unwrap();
        }
    }
    drop(live);
    let (part, journals) = snapshot(&paths);
    let (journal, bytes) = &journals[0];
    let attempt = || -> Option<Vec<u8>> {
        let mut recording = open(&paths.part(), &identities).ok()?;
        let mut out = Vec::new();
        while let Ok(Some(event)) = recording.next_event() {
            if let Data::Output(bytes) = event.data {
                out.extend(bytes);
            }
        }
        let _ = recording.remarks();
        Some(out)
    };
    let mut longest = 0;
    for cut in 0..=bytes.len() {
        std::fs::write(journal, &bytes[..cut]).unwrap();
        let out = attempt().unwrap_or_default();
        assert!(sent.starts_with(&out) && out.len() >= longest, "cut at {cut}");
        longest = out.len();
    }
    assert_eq!(longest, sent.len());
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        std::fs::write(journal, &changed).unwrap();
        assert!(sent.starts_with(&attempt().unwrap_or_default()), "journal, byte {at}");
    }
    std::fs::write(journal, bytes).unwrap();
    for at in 0..part.len() {
        std::fs::write(paths.part(), &part[..at]).unwrap();
        assert!(sent.starts_with(&attempt().unwrap_or_default()), "part cut at {at}");
        let mut changed = part.clone();
        changed[at] ^= 0x41;
        std::fs::write(paths.part(), &changed).unwrap();
        assert!(sent.starts_with(&attempt().unwrap_or_default()), "part, byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_split_anywhere_come_back(
        pieces in prop::collection::vec(
            (0..3_000_000_u64, prop::collection::vec(any::<u8>(), 0..300), 0..5_u8), 0..40),
        finish in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (recipients, identities) = keys();
        let paths = Paths::at(&dir.path().join("x"));
        let mut live =
            Live::create(paths.clone(), &header(), &recipients, Options { sync: false }).unwrap();
        let (mut now, mut sent, mut typed, mut sizes) = (0, Vec::new(), Vec::new(), Vec::new());
        for (wait, bytes, what) in &pieces {
            now += wait;
            if live.due().is_some_and(|due| due <= now) {
                live.flush(now).unwrap();
            }
            match what {
                0 => {
                    live.input(now, bytes).unwrap();
                    typed.extend_from_slice(bytes);
                }
                1 => {
                    let size = TermSize::clamped(bytes.len() as u64, u64::from(*wait as u16));
                    live.resize(now, size).unwrap();
                    sizes.push(size);
                }
                _ => {
                    live.output(now, bytes).unwrap();
                    sent.extend_from_slice(bytes);
                }
            }
        }
        if finish {
            live.finish(now, Some("0")).unwrap();
        } else {
            live.flush(now).unwrap();
            drop(live);
        }
        let got = read(&paths.finished(), &identities);
        prop_assert_eq!(&got.output, &sent);
        let mut got_typed = Vec::new();
        let mut got_sizes = Vec::new();
        for event in got.events {
            match event.data {
                Data::Input(bytes) => got_typed.extend(bytes),
                Data::Resize(size) => got_sizes.push(size),
                _ => {}
            }
        }
        prop_assert_eq!(got_typed, typed);
        prop_assert_eq!(got_sizes, sizes);
    }
}

/// Stands in for the terminal model: says what it was told.
struct Told(Arc<Mutex<Vec<u8>>>);

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

fn has_keyframe(place: &Mark) -> bool {
    !(place.time / 300_000_000).is_multiple_of(3)
}

/// How much there is, and its end.
fn summary(told: &[u8]) -> Vec<u8> {
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
