//! What is appended is there: in the files, in the tree, for others to check.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hrec::seal::ledger::disk::{Disk, RealDisk};
use hrec::seal::ledger::merkle::{self, Frontier};
use hrec::seal::ledger::tile::{self, Holds, Tile};
use hrec::seal::ledger::{Error, Event, Ledger, Options, Reader, check};

use super::{content, event, key, ledger, options, public};

fn reasons(range: std::ops::Range<u64>) -> Vec<Option<String>> {
    range.map(|n| Some(format!("event {n}"))).collect()
}

/// Every tile that a log of this size has, compared with the tree of its
/// entries, and no entry but those in the records.
pub fn check_tiles(dir: &Path) {
    let reader = Reader::open(dir).unwrap().unwrap();
    let size = reader.checkpoint().head.size;
    let mut level: Vec<merkle::Hash> = Vec::new();
    let mut tree = Frontier::default();
    for line in reader.lines(0) {
        let hash = merkle::leaf(&line.unwrap().commitment);
        tree.push(hash);
        level.push(hash);
    }
    assert_eq!(tree.root(), reader.checkpoint().head.root);
    for (index, hashes) in (0..).zip(level.chunks(256)) {
        let width = u16::try_from(hashes.len()).unwrap();
        let path = Tile { holds: Holds::Entries, index, width }.path();
        let bundle = std::fs::read(dir.join(path)).unwrap();
        let entries = tile::entries(&bundle).unwrap();
        assert_eq!(entries.iter().map(|entry| merkle::leaf(entry)).collect::<Vec<_>>(), hashes);
    }
    for number in 0_u8.. {
        if level.is_empty() {
            break;
        }
        let mut above = Vec::new();
        for (index, hashes) in (0..).zip(level.chunks(256)) {
            let width = u16::try_from(hashes.len()).unwrap();
            let path = Tile { holds: Holds::Hashes(number), index, width }.path();
            assert_eq!(std::fs::read(dir.join(&path)).unwrap(), hashes.concat(), "{size} {path}");
            if width == 256 {
                above.extend(merkle::over(hashes));
            }
        }
        level = above;
    }
}

#[test]
fn what_is_appended_is_there_at_every_size() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("store/ledger");
    for n in 0..10 {
        // Every time another process, as it were.
        assert_eq!(ledger(&dir).append(&[event(n)]).unwrap(), n);
        assert_eq!(content(&dir), reasons(0..n + 1));
        check_tiles(&dir);
    }
    let mut kept = ledger(&dir);
    let mut n = 10;
    for batch in [200, 45, 1, 1, 300, 255, 212] {
        let events: Vec<Event> = (n..n + batch).map(event).collect();
        assert_eq!(kept.append(&events).unwrap(), n);
        n += batch;
        check_tiles(&dir);
    }
    assert_eq!(n, 1024);
    assert_eq!(content(&dir), reasons(0..1024));
    assert_eq!(kept.append(&[]).unwrap(), 1024);
    assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(&dir).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode() & 0o077;
        assert_eq!(mode, 0);
    }
}

#[test]
fn partial_tiles_go_when_the_full_one_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    let mut ledger = ledger(&dir);
    let partials = |level: &str, index: &str| {
        std::fs::read_dir(dir.join(format!("tile/{level}/{index}.p"))).map_or(0, Iterator::count)
    };
    for n in 0..256 {
        ledger.append(&[event(n)]).unwrap();
    }
    assert_eq!((partials("0", "000"), partials("entries", "000")), (255, 255));
    for n in 256..512 {
        ledger.append(&[event(n)]).unwrap();
    }
    assert_eq!((partials("0", "000"), partials("entries", "000")), (0, 0));
    assert_eq!((partials("0", "001"), partials("entries", "001")), (255, 255));
}

#[test]
fn earlier_heads_are_proven_to_be_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    let mut heads = Vec::new();
    let mut ledger = ledger(&dir);
    for n in 0..300 {
        ledger.append(&[event(n)]).unwrap();
        heads.push(Reader::open(&dir).unwrap().unwrap());
    }
    let mut reader = Reader::open(&dir).unwrap().unwrap();
    let new = reader.checkpoint().head;
    for old in &heads {
        let old = old.checkpoint().head;
        let proof = reader.consistency(old.size).unwrap();
        assert!(merkle::extends(&old, &new, &proof), "{}", old.size);
    }
    // An old reader's proofs lead to its own head, partial tiles swept or not.
    for reader in heads.iter_mut().step_by(50) {
        let size = reader.checkpoint().head.size;
        let proof = reader.prove(size / 2).unwrap();
        assert_eq!(proof.note, *reader.note());
    }
    assert!(matches!(reader.prove(300), Err(Error::NoEntry { .. })));
}

#[test]
fn many_writers_at_once() {
    const WRITERS: u64 = 6;
    const EACH: u64 = 60;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let dir = &dir;
            scope.spawn(move || {
                for n in 0..EACH {
                    let event = event(writer * EACH + n);
                    let index = ledger(dir).append(std::slice::from_ref(&event)).unwrap();
                    let reader = Reader::open(dir).unwrap().unwrap();
                    let said = reader.line(index).unwrap().content.unwrap().record().unwrap();
                    assert_eq!(said.event, event);
                }
            });
        }
    });
    let mut all = content(&dir);
    check_tiles(&dir);
    let number = |text: &Option<String>| -> u64 {
        text.as_ref().unwrap().strip_prefix("event ").unwrap().parse().unwrap()
    };
    all.sort_by_key(number);
    assert_eq!(all, reasons(0..WRITERS * EACH));
}

/// A disk that counts the syncs of records, each of which takes a while.
#[derive(Default)]
struct Slow(AtomicUsize);

impl Disk for Slow {
    fn append(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        RealDisk.append(path, bytes)
    }

    fn cut(&self, path: &Path, length: u64) -> std::io::Result<()> {
        RealDisk.cut(path, length)
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        RealDisk.put(path, bytes)
    }

    fn sync(&self, path: &Path) -> std::io::Result<()> {
        if path.is_file() {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
        }
        RealDisk.sync(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) {
        RealDisk.remove(path);
    }
}

/// Those who wait for a sync find that it was theirs too.
#[test]
fn many_who_append_at_once_share_a_sync() {
    const WRITERS: u64 = 8;
    const EACH: u64 = 10;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    let options = || Options { sync: true, ..options() };
    ledger(&dir).append(&[event(0)]).unwrap();
    let disk = Arc::new(Slow::default());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (dir, disk) = (&dir, disk.clone());
            scope.spawn(move || {
                let mut ledger = Ledger::open_on(disk, dir, options()).unwrap();
                for n in 0..EACH {
                    let index = ledger.append(&[event(1 + writer * EACH + n)]).unwrap();
                    // In the head that readers see, when it is acknowledged.
                    let head = Reader::open(dir).unwrap().unwrap().checkpoint().head;
                    assert!(head.size > index);
                }
            });
        }
    });
    let syncs = disk.0.load(Ordering::Relaxed) as u64;
    assert!(syncs < WRITERS * EACH, "{syncs} syncs for {} appends", WRITERS * EACH);
    let mut all = content(&dir);
    check_tiles(&dir);
    all.sort_by_key(|text| text.as_ref().unwrap()[6..].parse::<u64>().unwrap());
    assert_eq!(all, reasons(0..1 + WRITERS * EACH));
}

/// A power cut may keep a later block of the records, and lose one before it:
/// what is behind the hole was never acknowledged.
#[test]
fn a_hole_in_what_was_not_synced_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    let path = dir.join("records/000");
    ledger(&dir).append(&[event(0), event(1)]).unwrap();
    let head = std::fs::read(dir.join("checkpoint")).unwrap();
    let durable = std::fs::read(&path).unwrap().len();
    for n in 2..6 {
        ledger(&dir).append(&[event(n)]).unwrap();
    }
    let all = std::fs::read(&path).unwrap();
    let (from, to) = (durable + 40, durable + (all.len() - durable) / 2);
    std::fs::write(&path, [&all[..from], &vec![0; to - from], &all[to..]].concat()).unwrap();
    std::fs::write(dir.join("checkpoint"), head).unwrap();
    ledger(&dir).append(&[event(2), event(3)]).unwrap();
    assert_eq!(content(&dir), reasons(0..4));
    assert!(!std::fs::read(&path).unwrap().contains(&0));
    check_tiles(&dir);
    assert!(check(&dir, &[public(1).into()], &[]).findings.is_empty());
}

#[test]
fn what_is_erased_is_gone_and_its_entry_proven() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    let mut ledger = ledger(&dir);
    let events: Vec<Event> = (0..300).map(event).collect();
    ledger.append(&events).unwrap();
    let before = Reader::open(&dir).unwrap().unwrap();
    let erase = |index| Event::Erase { index, by: serde_json::Map::new(), reason: String::new() };
    assert_eq!(ledger.erase(7, erase(7)).unwrap(), 300);
    ledger.erase(299, erase(299)).unwrap();
    assert!(matches!(ledger.erase(400, erase(400)), Err(Error::NoEntry { .. })));
    let all = content(&dir);
    assert_eq!((all.len(), all[7].clone(), all[299].clone()), (302, None, None));
    assert_eq!(all[8], Some("event 8".to_owned()));
    check_tiles(&dir);
    let files = |what: &str| {
        let found = Command::new("grep").args(["-rl", what]).arg(&dir).output().unwrap();
        String::from_utf8(found.stdout).unwrap()
    };
    assert_eq!(files("event 7\""), "");
    assert_ne!(files("event 8\""), "");
    let mut reader = Reader::open(&dir).unwrap().unwrap();
    assert!(matches!(reader.prove(7), Err(Error::Erased(7))));
    let old = before.checkpoint().head;
    let proof = reader.consistency(old.size).unwrap();
    assert!(merkle::extends(&old, &reader.checkpoint().head, &proof));
    // And it goes on.
    assert_eq!(super::ledger(&dir).append(&[event(1)]).unwrap(), 302);
}

fn with_key(n: u8, earlier: &[u8]) -> Options {
    let earlier = earlier.iter().map(|n| public(*n).into()).collect();
    Options { signer: Arc::new(key(n)), earlier, ..options() }
}

#[test]
fn another_key_is_taken_only_after_one_that_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    ledger(&dir).append(&[event(0)]).unwrap();
    let refused = Ledger::open(&dir, with_key(2, &[])).unwrap_err();
    assert!(matches!(refused, Error::Signer { .. }), "{refused}");
    // Replaced by hand, with the old public key still known: it is noted.
    let mut second = Ledger::open(&dir, with_key(2, &[1])).unwrap();
    second.append(&[event(2)]).unwrap();
    let reader = Reader::open(&dir).unwrap().unwrap();
    assert!(
        reader.verify(&[public(2).into()]).is_ok() && reader.verify(&[public(1).into()]).is_err()
    );
    let record = reader.line(1).unwrap().content.unwrap().record().unwrap();
    let Event::Key { from, to } = record.event else { panic!("{record:?}") };
    assert!(from.starts_with("host.example/hrec/test+") && from != to, "{from} {to}");
    // Rotated: the head in between is signed by both.
    let index = second.rotate(Arc::new(key(3))).unwrap();
    let reader = Reader::open(&dir).unwrap().unwrap();
    assert!(
        reader.verify(&[public(2).into()]).is_ok() && reader.verify(&[public(3).into()]).is_ok()
    );
    let record = reader.line(index).unwrap().content.unwrap().record().unwrap();
    assert!(matches!(record.event, Event::Key { .. }));
    second.append(&[event(3)]).unwrap();
    let reader = Reader::open(&dir).unwrap().unwrap();
    assert!(
        reader.verify(&[public(2).into()]).is_err() && reader.verify(&[public(3).into()]).is_ok()
    );
}

/// What somebody does to the files is never signed over.
#[test]
fn a_damaged_ledger_is_not_written_on() {
    type Deed = fn(&Path);
    let deeds: [(&str, Deed); 5] = [
        ("another size is claimed", |dir| {
            let path = dir.join("checkpoint");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, text.replace("\n300\n", "\n299\n")).unwrap();
        }),
        ("a record and its tiles are altered", |dir| {
            let path = dir.join("records/001");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, text.replace("event 290", "event 666")).unwrap();
            std::fs::remove_dir_all(dir.join("tile")).unwrap();
        }),
        ("the last record is gone", |dir| {
            let path = dir.join("records/001");
            let text = std::fs::read_to_string(&path).unwrap();
            let end = text.find("\n299 ").unwrap() + 1;
            std::fs::write(path, &text[..end]).unwrap();
        }),
        ("all records are gone", |dir| std::fs::remove_dir_all(dir.join("records")).unwrap()),
        ("a tile and a record fit each other, not the head", |dir| {
            let mut other = Vec::new();
            let aside = dir.with_file_name("aside");
            let mut ledger = Ledger::open(&aside, options()).unwrap();
            ledger.append(&(0..300).map(event).collect::<Vec<_>>()).unwrap();
            for name in ["records", "tile"] {
                std::fs::remove_dir_all(dir.join(name)).unwrap();
                std::fs::rename(aside.join(name), dir.join(name)).unwrap();
                other.push(name);
            }
        }),
    ];
    for (what, deed) in deeds {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("ledger");
        ledger(&dir).append(&(0..300).map(event).collect::<Vec<_>>()).unwrap();
        deed(&dir);
        let head = std::fs::read(dir.join("checkpoint")).ok();
        let result =
            Ledger::open(&dir, options()).and_then(|mut ledger| ledger.append(&[event(0)]));
        let error = result.expect_err(what).to_string();
        assert!(error.contains(dir.to_str().unwrap()), "{what}: {error}");
        assert_eq!(std::fs::read(dir.join("checkpoint")).ok(), head, "{what}");
    }
}

/// The head is in the records too.
#[test]
fn a_lost_head_is_put_back() {
    for deed in [
        |path: &Path| std::fs::remove_file(path),
        |path: &Path| std::fs::write(path, ""),
        |path: &Path| std::fs::write(path, [0; 200]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("ledger");
        let mut first = ledger(&dir);
        first.append(&(0..600).map(event).collect::<Vec<_>>()).unwrap();
        first.append(&[event(600)]).unwrap();
        let head = std::fs::read(dir.join("checkpoint")).unwrap();
        deed(&dir.join("checkpoint")).unwrap();
        let mut again = ledger(&dir);
        assert_eq!(std::fs::read(dir.join("checkpoint")).unwrap(), head);
        again.append(&[event(601)]).unwrap();
        assert_eq!(content(&dir), reasons(0..602));
        check_tiles(&dir);
    }
}

/// Where only tiles are lost or torn, as a power cut may leave them, they are
/// made again from the records.
#[test]
fn lost_tiles_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    ledger(&dir).append(&(0..300).map(event).collect::<Vec<_>>()).unwrap();
    std::fs::write(dir.join("tile/0/001.p/44"), [0; 3]).unwrap();
    std::fs::remove_dir_all(dir.join("tile/1")).unwrap();
    std::fs::remove_file(dir.join("tile/0/000")).unwrap();
    ledger(&dir).append(&[event(300)]).unwrap();
    check_tiles(&dir);
    assert_eq!(content(&dir), reasons(0..301));
}

/// What nobody signed is not signed later either.
#[test]
fn what_somebody_adds_by_hand_is_cut_off() {
    for (entries, file) in [(3, "000"), (255, "000"), (256, "001"), (300, "001")] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("ledger");
        let aside = dir.with_file_name("aside");
        let events: Vec<Event> = (0..entries).map(event).collect();
        ledger(&dir).append(&events).unwrap();
        ledger(&aside).append(&events).unwrap();
        let purge = Event::Purge {
            id: "x".to_owned(),
            by: serde_json::Map::new(),
            rule: "forged".to_owned(),
            manifest_sha256: String::new(),
        };
        ledger(&aside).append(&[purge.clone(), purge]).unwrap();
        let forged = std::fs::read_to_string(aside.join("records").join(file)).unwrap();
        let lines: String = forged
            .lines()
            .filter(|line| line.contains("forged"))
            .map(|line| format!("{line}\n"))
            .collect();
        let path = dir.join("records").join(file);
        let mut text = std::fs::read_to_string(&path).unwrap_or_default();
        text.push_str(&lines);
        std::fs::write(&path, text).unwrap();
        if file == "000" {
            std::fs::write(dir.join("records/001"), &lines).unwrap();
        }
        ledger(&dir).append(&(entries..entries + 3).map(event).collect::<Vec<_>>()).unwrap();
        assert_eq!(content(&dir), reasons(0..entries + 3), "{entries}");
        check_tiles(&dir);
        assert!(check(&dir, &[public(1).into()], &[]).findings.is_empty());
    }
}
