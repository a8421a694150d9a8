//! Anchors: each gets the head, a witness's cosignature counts only when it is
//! one, and what fails is tried again.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64;
use hrec::seal::ledger::anchor::{Anchor, hand_on, states};
use hrec::seal::ledger::merkle::{self, Hash, Head};
use hrec::seal::ledger::note::{Kind, Note, VerifierKey, split};
use hrec::seal::ledger::{Checkpoint, Reader};

use super::{event, key, ledger, public};

const LIMIT: Duration = Duration::from_secs(60);

/// A witness as c2sp.org/tlog-witness has it, with what it has seen.
#[derive(Clone)]
struct Witness {
    seen: Arc<Mutex<Head>>,
    /// What it signs with; its real key is 9.
    key: u8,
    address: String,
}

impl Witness {
    fn start(key: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Head { size: 0, root: merkle::empty() }));
        let witness = Self { seen, key, address };
        let own = witness.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                own.answer(stream.unwrap());
            }
        });
        witness
    }

    fn anchor(&self) -> Anchor {
        let key = VerifierKey::new("witness.example/w", Kind::Witness, &public(9)).unwrap();
        Anchor::parse(&format!("witness:http://{}/x/ {key}", self.address)).unwrap()
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        let body = loop {
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "the request is cut");
            request.extend_from_slice(&buffer[..n]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                assert!(head.starts_with("POST /x/add-checkpoint HTTP/1."), "{head}");
                break body.to_owned();
            }
        };
        let (status, body) = self.judge(&body);
        let answer =
            format!("HTTP/1.1 {status} Word\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).unwrap();
    }

    /// What the specification says it must answer.
    fn judge(&self, body: &str) -> (u16, String) {
        let (above, note) = body.split_once("\n\n").unwrap();
        let mut lines = above.lines();
        let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
        let proof: Vec<Hash> =
            lines.map(|line| BASE64.decode(line.as_bytes()).unwrap().try_into().unwrap()).collect();
        let mut note = Note::parse(note.as_bytes()).unwrap();
        let log = VerifierKey::new("host.example/hrec/test", Kind::Log, &public(1)).unwrap();
        let Ok(checkpoint) = Checkpoint::open(&note, &[log]) else {
            return (403, String::new());
        };
        let mut seen = self.seen.lock().unwrap();
        if old > checkpoint.head.size {
            return (400, String::new());
        }
        if old != seen.size {
            return (409, format!("{}\n", seen.size));
        }
        if !merkle::extends(&seen, &checkpoint.head, &proof) {
            return (422, String::new());
        }
        *seen = checkpoint.head;
        let before = note.to_string();
        note.cosign("witness.example/w", &key(self.key), 1_800_000_000).unwrap();
        let line = note.to_string().strip_prefix(&before).unwrap().to_owned();
        // And one that nobody knows.
        note.cosign("witness.example/other", &key(7), 1_800_000_000).unwrap();
        let other = note.to_string();
        (200, line + other.lines().last().unwrap() + "\n")
    }
}

/// Why the anchor has not got the head.
fn failure(dir: &Path, anchor: &Anchor) -> Option<String> {
    states(dir, std::slice::from_ref(anchor))[0].failed.as_ref().map(|failed| failed.why.clone())
}

#[test]
fn a_witness_cosigns_what_extends_what_it_has_seen() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    let witness = Witness::start(9);
    let anchor = [witness.anchor()];
    assert_eq!(Anchor::parse(&anchor[0].to_string()), Ok(anchor[0].clone()));
    let mut ledger = ledger(&dir);
    let mut size = 0;
    for more in [1, 6, 300, 1] {
        ledger.append(&(0..more).map(event).collect::<Vec<_>>()).unwrap();
        size += more;
        hand_on(&dir, &anchor, LIMIT);
        assert_eq!(failure(&dir, &anchor[0]), None);
        assert_eq!(witness.seen.lock().unwrap().size, size);
    }
    // What is kept is the head with both signatures, and no stranger's.
    let kept = std::fs::read_dir(dir.join("anchors"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "checkpoint"))
        .unwrap();
    let note = Note::parse(&std::fs::read(kept).unwrap()).unwrap();
    let keys = [
        VerifierKey::new("host.example/hrec/test", Kind::Log, &public(1)).unwrap(),
        VerifierKey::new("witness.example/w", Kind::Witness, &public(9)).unwrap(),
    ];
    let signed = note.verify(&keys).unwrap();
    assert_eq!((signed.len(), signed[1].time), (2, Some(1_800_000_000)));
    assert_eq!(note.signatures().count(), 2);

    // Whoever forgets what the witness has seen is told.
    std::fs::remove_dir_all(dir.join("anchors")).unwrap();
    ledger.append(&[event(0)]).unwrap();
    hand_on(&dir, &anchor, LIMIT);
    assert_eq!(failure(&dir, &anchor[0]), None);
    assert_eq!(witness.seen.lock().unwrap().size, size + 1);
}

#[test]
fn a_witness_finds_a_ledger_that_was_rolled_back_or_forked() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("ledger");
    let witness = Witness::start(9);
    let anchor = [witness.anchor()];
    ledger(&dir).append(&(0..20).map(event).collect::<Vec<_>>()).unwrap();
    hand_on(&dir, &anchor, LIMIT);
    assert_eq!(failure(&dir, &anchor[0]), None);
    // The same key, another past.
    for (entries, said) in [(10, "rolled back"), (30, "forked")] {
        let other = root.path().join(format!("other{entries}"));
        ledger(&other).append(&(0..entries).map(event).collect::<Vec<_>>()).unwrap();
        hand_on(&other, &anchor, LIMIT);
        let why = failure(&other, &anchor[0]).unwrap();
        assert!(why.contains(said), "{why}");
    }
    assert_eq!(witness.seen.lock().unwrap().size, 20);
}

#[test]
fn what_is_no_cosignature_does_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    let impostor = Witness::start(8);
    ledger(&dir).append(&[event(0)]).unwrap();
    hand_on(&dir, &[impostor.anchor()], LIMIT);
    let why = failure(&dir, &impostor.anchor()).unwrap();
    assert!(why.contains("no cosignature"), "{why}");
    // One that answers nonsense, and one that is not there.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let babbler = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer).unwrap();
        stream.write_all(&[0xff; 100]).unwrap();
    });
    let key = VerifierKey::new("w", Kind::Witness, &public(9)).unwrap();
    let anchor = Anchor::parse(&format!("witness:http://{address} {key}")).unwrap();
    hand_on(&dir, std::slice::from_ref(&anchor), LIMIT);
    assert!(failure(&dir, &anchor).is_some());
    babbler.join().unwrap();
    hand_on(&dir, std::slice::from_ref(&anchor), LIMIT);
    assert!(failure(&dir, &anchor).is_some());
}

#[test]
fn a_file_and_a_command_get_each_head_once_and_late_ones_the_next_time() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("ledger");
    let file = root.path().join("medium/heads");
    let got = root.path().join("got");
    let anchors = [
        Anchor::parse(&format!("file:{}", file.display())).unwrap(),
        Anchor::parse(&format!("command:cat >>{}", got.display())).unwrap(),
        Anchor::parse("command:exit 3").unwrap(),
    ];
    let mut ledger = ledger(&dir);
    ledger.append(&[event(0)]).unwrap();
    hand_on(&dir, &anchors, LIMIT);
    let first = states(&dir, &anchors);
    assert!(first[0].failed.as_ref().unwrap().why.contains("medium/heads"), "{first:?}");
    assert_eq!((first[1].size, first[1].failed.is_none()), (1, true));
    assert!(first[2].failed.as_ref().unwrap().why.contains('3'), "{first:?}");
    // The medium is there now: what it missed it gets.
    std::fs::create_dir(root.path().join("medium")).unwrap();
    hand_on(&dir, &anchors, LIMIT);
    assert_eq!(states(&dir, &anchors)[0].size, 1);
    ledger.append(&[event(1)]).unwrap();
    hand_on(&dir, &anchors, LIMIT);
    hand_on(&dir, &anchors, LIMIT);
    for path in [file, got] {
        let text = std::fs::read_to_string(path).unwrap();
        let notes = split(&text);
        let sizes: Vec<u64> = notes
            .iter()
            .map(|note| {
                let note = Note::parse(note.as_bytes()).unwrap();
                Checkpoint::parse(note.text()).unwrap().head.size
            })
            .collect();
        assert_eq!(sizes, [1, 2]);
    }
    let reader = Reader::open(&dir).unwrap().unwrap();
    assert_eq!(reader.checkpoint().head.size, 2);
}

#[test]
fn a_command_that_does_not_end_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    let anchor = [Anchor::parse("command:exec sleep 1000").unwrap()];
    ledger(&dir).append(&[event(0)]).unwrap();
    hand_on(&dir, &anchor, Duration::from_millis(200));
    assert!(failure(&dir, &anchor[0]).unwrap().contains("in time"));
}

#[test]
fn anchors_that_are_none() {
    let witness = VerifierKey::new("w", Kind::Witness, &public(9)).unwrap();
    let log = VerifierKey::new("w", Kind::Log, &public(9)).unwrap();
    for bad in [
        "".to_owned(),
        "journal".to_owned(),
        "file:relative".to_owned(),
        "command: ".to_owned(),
        "witness:http://h".to_owned(),
        format!("witness:https://h {witness}"),
        format!("witness:ftp://h {witness}"),
        format!("witness:http:// {witness}"),
        format!("witness:http://h:x {witness}"),
        format!("witness:http://u@h {witness}"),
        format!("witness:http://h {log}"),
        "witness:http://h w+00000000+AAAA".to_owned(),
    ] {
        assert!(Anchor::parse(&bad).is_err(), "{bad}");
    }
    let good = format!("witness:http://[::1]:8080/a/b {witness}");
    assert_eq!(Anchor::parse(&good).unwrap().to_string(), good);
}
