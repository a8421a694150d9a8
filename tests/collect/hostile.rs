//! Peers that do not keep to the protocol.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use hrec::format::wire::{self, Ack, Append, Frame, Has, Hello, Refused, Role, kind};
use hrec::recording::Id;
use serde_json::{Map, Value, json};

use crate::collector::Collector;
use crate::support::{tool, wait_until};

/// This process as a session.
struct Peer {
    stream: UnixStream,
    id: String,
}

/// The part's and the first journal's first bytes, of a real recording.
fn beginning() -> (Vec<u8>, Vec<u8>) {
    use hrec::recording::{Paths, live};
    let dir = tempfile::tempdir().unwrap();
    let mut recipients = hrec::format::cipher::Recipients::new();
    recipients.add(&age::x25519::Identity::generate().to_public().to_string()).unwrap();
    let paths = Paths::at(&dir.path().join("x"));
    let header = hrec::event::Header::default();
    live::Live::create(paths.clone(), &header, &recipients, live::Options { sync: false }).unwrap();
    (std::fs::read(paths.part()).unwrap(), std::fs::read(paths.journal(0)).unwrap())
}

fn own_id(target: &str) -> String {
    let uid = rustix::process::getuid().as_raw();
    let user = hrec::sys::users::name(uid).unwrap_or_else(|| "unknown".to_owned());
    Id::new(jiff::Timestamp::now(), &user, target).to_string()
}

fn manifest(id: &str) -> Value {
    json!({
        "v": 1, "id": id, "state": "finished", "writer": "session", "mode": "strict",
        "input": "none", "start": jiff::Timestamp::now().to_string(), "program": "sh",
        "identity": {"uid": {"value": 4_000_000, "trust": "kernel"}},
    })
}

impl Peer {
    fn connect(collector: &Collector) -> Self {
        let stream = UnixStream::connect(collector.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, id: own_id("db1") }
    }

    fn hello(&mut self, id: &str, with: Option<Value>) {
        let mut rest = Map::new();
        rest.insert("id".to_owned(), id.into());
        rest.extend(with.map(|manifest| ("manifest".to_owned(), manifest)));
        wire::write(&mut self.stream, kind::HELLO, &Hello::new(Role::Session, rest)).unwrap();
    }

    fn append(&mut self, file: u32, offset: u64, bytes: &[u8]) {
        let mut frames = Vec::new();
        Append { file, offset, bytes }.put(&mut frames);
        self.stream.write_all(&frames).unwrap();
    }

    fn plain(&mut self, kind: u8, body: &[u8]) {
        let mut frame = Vec::new();
        wire::put(kind, body, &mut frame);
        self.stream.write_all(&frame).unwrap();
    }

    fn frame(&mut self) -> Option<Frame> {
        wire::read(&mut self.stream).unwrap_or(None)
    }

    fn refused(&mut self) -> Refused {
        loop {
            let frame = self.frame().expect("it is refused, not just left");
            if frame.kind == kind::REFUSED {
                return frame.json().unwrap();
            }
        }
    }

    /// One that has begun.
    fn begun(collector: &Collector) -> Self {
        let (part, journal) = beginning();
        let mut peer = Self::connect(collector);
        let id = peer.id.clone();
        peer.hello(&id, Some(manifest(&id)));
        peer.append(0, 0, &part);
        peer.append(1, 0, &journal);
        peer.plain(kind::BEGIN, b"");
        let has: Has = peer.frame().unwrap().json_of(kind::OK).unwrap();
        assert!(!has.begun && has.files.is_empty());
        let has: Has = peer.frame().unwrap().json_of(kind::OK).unwrap();
        assert!(has.begun);
        let length = |file: u32| has.files.iter().find(|ack| ack.file == file).unwrap().durable;
        assert_eq!((length(0), length(1)), (part.len() as u64, journal.len() as u64));
        peer
    }
}

/// A process of its own that says something and is told what.
fn other_process(collector: &Collector, uid: Option<&str>, said: &[u8]) -> Vec<u8> {
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX);s.settimeout(60)\n\
                  s.connect(sys.argv[1]);s.sendall(sys.stdin.buffer.read());s.shutdown(1)\n\
                  while True:\n b=s.recv(9999)\n if not b: break\n sys.stdout.buffer.write(b)";
    let mut command = Command::new(tool("setpriv"));
    command.env("PATH", tool::PATH);
    if let Some(uid) = uid {
        command.args(["--reuid", uid, "--clear-groups"]);
    }
    command.args(["python3", "-c", script]).arg(collector.socket());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("setpriv and python3");
    child.stdin.take().unwrap().write_all(said).unwrap();
    let outcome = child.wait_with_output().unwrap();
    outcome.stdout
}

type Lie = fn(&mut Peer);

#[test]
fn a_lie_ends_the_liars_recording_and_changes_nothing_of_it() {
    let collector = Collector::start("");
    let lies: [(&str, Lie); 6] = [
        ("bytes came for offset", |peer| peer.append(1, 9_000_000, b"x")),
        ("bytes came for offset", |peer| peer.append(7, 1, b"x")),
        ("out of turn", |peer| peer.plain(kind::ACK, b"{}")),
        ("none of this protocol", |peer| peer.stream.write_all(&[255; 40]).unwrap()),
        ("too short", |peer| peer.plain(kind::APPEND, b"short")),
        // What a session may not say is not heard.
        ("its end is none", |peer| {
            peer.plain(kind::END, br#"{"finished":true,"manifest":{"bytes_out":"many"}}"#);
        }),
    ];
    for (number, (sentence, lie)) in lies.into_iter().enumerate() {
        let mut peer = Peer::begun(&collector);
        // Sent once more, and other than it was: it is not looked at.
        peer.append(1, 0, &[0; 20]);
        lie(&mut peer);
        let refused = peer.refused();
        assert!(refused.sentence.contains(sentence), "{refused:?}");
        assert!(collector.log().contains(&refused.reference), "{}", collector.log());
        let manifest = collector.settled(number + 1).pop().unwrap();
        assert_eq!(manifest["state"], "interrupted");
        assert_eq!(manifest["id"], peer.id.as_str());
        assert_eq!(manifest["identity"]["claimed_uid"]["value"], 4_000_000);
        assert_eq!(manifest["identity"]["claimed_uid"]["trust"], "claimed");
        assert_eq!(manifest["identity"]["differ"]["value"], json!(["uid"]));
    }
    collector.verify();
    assert!(collector.rec("true").status.success());
}

#[test]
fn what_is_no_beginning_is_refused_and_leaves_nothing() {
    let collector = Collector::start("");
    let old = "20200101T000000.000Z-root-db1-AAAAAAAA";
    let strange = own_id("db1").replacen("-root-", "-somebody-", 1);
    for (id, sentence) in
        [(old, "another time"), ("../../etc/passwd", "no recording's id"), (&strange, "no id for")]
    {
        let mut peer = Peer::connect(&collector);
        peer.hello(id, Some(manifest(id)));
        let refused = peer.refused();
        assert!(refused.sentence.contains(sentence), "{id}: {refused:?}");
    }
    let mut peer = Peer::connect(&collector);
    let id = peer.id.clone();
    peer.hello(&id, None);
    assert!(peer.refused().sentence.contains("is being made"));
    let mut peer = Peer::connect(&collector);
    peer.stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(peer.refused().sentence.contains("no greeting"));
    for body in [&b"{}"[..], b"[]", br#"{"v":99,"as":"session"}"#, br#"{"v":1,"as":"king"}"#] {
        let mut peer = Peer::connect(&collector);
        peer.plain(kind::HELLO, body);
        peer.refused();
    }
    let mut peer = Peer::connect(&collector);
    peer.hello(&id, Some(manifest(&id)));
    peer.append(0, 0, b"no age file");
    peer.plain(kind::BEGIN, b"");
    assert!(peer.refused().sentence.contains("no beginning"));
    wait_until("nothing is left of it", || (collector.sandbox.stored("").is_empty()).then_some(()));
    assert!(collector.ledger("start").is_empty());
}

#[test]
fn what_does_not_begin_is_not_taken_for_ever() {
    let collector = Collector::start("");
    let (part, _) = beginning();
    for (first, file, sentence) in
        [(&b""[..], 0, "no header"), (&part, 0, "before BEGIN"), (&part, 1, "before BEGIN")]
    {
        let mut peer = Peer::connect(&collector);
        let id = peer.id.clone();
        peer.hello(&id, Some(manifest(&id)));
        peer.append(0, 0, first);
        let start = if file == 0 { first.len() as u64 } else { 0 };
        let mut frames = Vec::new();
        Append { file, offset: start, bytes: &vec![0; 4 << 20] }.put(&mut frames);
        // It may be closed before all of it is there.
        let _ = peer.stream.write_all(&frames);
        let refused = peer.refused();
        assert!(refused.sentence.contains(sentence), "{refused:?}");
    }
    wait_until("nothing is left of it", || (collector.sandbox.stored("").is_empty()).then_some(()));
}

#[test]
fn deep_nesting_is_refused_and_another_session_goes_on() {
    let collector = Collector::start("");
    let mut other = Peer::begun(&collector);
    let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let id = own_id("db1");
    for depth in [120, 10_000] {
        let mut peer = Peer::connect(&collector);
        let deep = nested(depth);
        let body = format!(r#"{{"v":1,"as":"session","id":"{id}","manifest":{deep}}}"#);
        peer.plain(kind::HELLO, body.as_bytes());
        assert!(peer.refused().sentence.contains("too deep"));
    }
    let mut peer = Peer::begun(&collector);
    let body = format!(r#"{{"finished":false,"manifest":{}}}"#, nested(120));
    peer.plain(kind::END, body.as_bytes());
    assert!(peer.refused().sentence.contains("too deep"));
    other.plain(kind::END, br#"{"finished":false,"manifest":{"end_reason":"exit"}}"#);
    loop {
        let frame = other.frame().expect("it goes on");
        if frame.kind != kind::ACK {
            frame.json_of::<wire::Done>(kind::OK).unwrap();
            break;
        }
    }
    collector.settled(2);
}

#[test]
fn a_connection_that_is_lost_is_closed_while_its_process_lives() {
    let collector = Collector::start("shell.collector_wait = \"100s\"\n");
    let mut peer = Peer::begun(&collector);
    peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
    // Within the time that a read may take here, which is less.
    assert!(peer.frame().is_none() && peer.stream.take_error().unwrap().is_none());
    peer.stream.set_nonblocking(true).unwrap();
    assert_eq!(peer.stream.read(&mut [0]).unwrap(), 0, "it is closed");
}

#[test]
fn nobody_else_goes_on_with_a_session_and_its_own_process_does() {
    let collector = Collector::start("");
    let mut peer = Peer::begun(&collector);
    let hello = |with: Option<Value>| {
        let mut rest = Map::new();
        rest.insert("id".to_owned(), peer.id.clone().into());
        rest.extend(with.map(|manifest| ("manifest".to_owned(), manifest)));
        wire::json(kind::HELLO, &Hello::new(Role::Session, rest)).unwrap()
    };
    for with in [None, Some(manifest(&peer.id))] {
        let answer = other_process(&collector, None, &hello(with));
        let frame = wire::read(&mut answer.as_slice()).unwrap().unwrap();
        let refused: Refused = frame.json_of(kind::REFUSED).unwrap();
        assert!(refused.sentence.contains("another process"), "{refused:?}");
    }
    // It is not disturbed by that, and may come back, also while its old
    // connection is there.
    let journal = std::fs::read(collector.sandbox.stored(".journal.0").pop().unwrap()).unwrap();
    let length = journal.len() as u64;
    peer.append(1, length, b"abc");
    let ack: Ack = peer.frame().unwrap().json_of(kind::ACK).unwrap();
    assert_eq!((ack.file, ack.durable), (1, length + 3));
    let mut again = Peer::connect(&collector);
    again.hello(&peer.id.clone(), None);
    let has: Has = again.frame().unwrap().json_of(kind::OK).unwrap();
    assert!(has.begun);
    assert!(has.files.contains(&Ack { file: 1, durable: length + 3 }), "{has:?}");
    assert_eq!(peer.stream.read(&mut [0]).unwrap_or(0), 0, "the old one is closed");
    again.append(1, length + 3, b"def");
    let ack: Ack = again.frame().unwrap().json_of(kind::ACK).unwrap();
    assert_eq!(ack.durable, length + 6);
    again.plain(kind::END, br#"{"finished":false,"manifest":{"end_reason":"exit"}}"#);
    again.frame().unwrap().json_of::<wire::Done>(kind::OK).unwrap();
    // Whoever lost that answer gets it again.
    let mut later = Peer::connect(&collector);
    later.hello(&peer.id.clone(), None);
    let has: Has = later.frame().unwrap().json_of(kind::OK).unwrap();
    assert!(has.done.is_some());
    let mut late = Peer::connect(&collector);
    late.hello(&peer.id.clone(), Some(manifest(&peer.id)));
    assert!(late.refused().sentence.contains("already"));
    assert_eq!(collector.ledger("end").len(), 1);
}

#[test]
fn ten_thousand_connections_leave_room_for_others() {
    assert!(rustix::process::geteuid().is_root(), "this test needs another user: run it as root");
    // Descriptors for some forty connections.
    let mut collector = Collector::start_after("", "ulimit -n 400;");
    let open =
        |path| std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777));
    open(collector.socket()).unwrap();
    open(collector.sandbox.path("runtime")).unwrap();
    std::fs::set_permissions(
        collector.sandbox.path(""),
        std::os::unix::fs::PermissionsExt::from_mode(0o711),
    )
    .unwrap();
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..10_000 {
        let Ok(mut stream) = UnixStream::connect(collector.socket()) else { continue };
        if held.len() < 100 {
            held.push(stream);
        } else if stream.set_read_timeout(Some(Duration::from_secs(60))).is_ok() {
            refused += usize::from(wire::read(&mut stream).is_ok_and(|frame| frame.is_some()));
        }
    }
    assert!(refused > 9000, "{refused}");
    assert!(collector.lives());
    let mut hello = Vec::new();
    wire::put(kind::HELLO, br#"{"v":1,"as":"session","id":"x"}"#, &mut hello);
    let answer = other_process(&collector, Some("65534"), &hello);
    let frame = wire::read(&mut answer.as_slice()).unwrap().unwrap();
    let said: Refused = frame.json_of(kind::REFUSED).unwrap();
    assert!(said.sentence.contains("no recording's id"), "{said:?}");
    // The log has not grown with them.
    assert!(collector.log().lines().count() < 100, "{}", collector.log());
    drop(held);
    wait_until("there is room again", || collector.rec("true").status.success().then_some(()));
    collector.settled(1);
    collector.verify();
}

#[test]
fn a_peer_that_stalls_or_floods_holds_up_nobody_else() {
    let collector = Collector::start("");
    let mut stalls = Peer::begun(&collector);
    stalls.stream.write_all(&[200, 0]).unwrap();
    let flood = Peer::begun(&collector);
    let length =
        std::fs::read(collector.sandbox.stored(".journal.0").pop().unwrap()).unwrap().len();
    let mut writes = flood.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        // It reads no answer, and repeats what is there.
        let mut frames = Vec::new();
        Append { file: 1, offset: 0, bytes: &vec![0; length] }.put(&mut frames);
        for _ in 0..20_000 {
            if writes.write_all(&frames).is_err() {
                return;
            }
        }
    });
    for _ in 0..5 {
        assert!(collector.rec("echo fine").status.success(), "{}", collector.log());
    }
    writer.join().unwrap();
    drop(flood);
    drop(stalls);
}
