//! The writer against whatever bytes come, and its readers against whatever
//! became of them.

mod disks;
mod keyframes;

use proptest::prelude::*;

use super::*;
use crate::event::Data;
use crate::format::cipher::Identities;
use crate::recording::faulty::{header, keys, noise, read};
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
