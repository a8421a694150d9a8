use std::fs;
use std::sync::Mutex;

use super::*;
use crate::format::reading::Message;

const ID: &str = "20261121T141503.123Z-ann-db1-AAAAAAAA";

/// A collector that notes what it is told, or cannot.
#[derive(Default)]
struct Clerk {
    noted: Mutex<Vec<Event>>,
    broken: bool,
}

impl Host for Clerk {
    fn note(&self, events: Vec<Event>) -> Result<(), String> {
        if self.broken {
            return Err("the disk is full".to_owned());
        }
        self.noted.lock().unwrap().extend(events);
        Ok(())
    }

    fn end(&self, _: &Id, _: &Reader) -> Result<(), String> {
        Err("it is over already".to_owned())
    }

    fn log(&self, _: &str) {}

    fn refuse(&self, stream: &UnixStream, what: &str, sentence: &str) {
        let refused = Say::Refused { what: sentence.to_owned(), reference: Some(what.to_owned()) };
        reading::say(&mut &*stream, &refused).unwrap();
    }
}

fn store() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let day = dir.path().join("recordings/2026/11/21");
    fs::create_dir_all(&day).unwrap();
    fs::write(dir.path().join("secret"), "of the host").unwrap();
    (dir, day)
}

fn reader(reads: bool, ends: bool) -> Reader {
    Reader { uid: 7, name: "ann".to_owned(), reads, ends }
}

/// What is said to these questions.
fn answers(store: &Path, reader: &Reader, host: &Clerk, asks: &[Ask]) -> Vec<Message> {
    let (near, far) = UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        let served = scope.spawn(move || attend(&far, store, reader, host));
        for ask in asks {
            // Who is refused at the door is not heard any more.
            let _ = reading::ask(&mut &near, ask);
        }
        let _ = near.shutdown(std::net::Shutdown::Write);
        let mut said = Vec::new();
        while let Ok(Some(message)) = reading::said(&mut &near) {
            said.push(message);
        }
        let _ = served.join().unwrap();
        said
    })
}

fn refusals(messages: &[Message]) -> Vec<&str> {
    let refusal = |message| match message {
        &Message::Said(Say::Refused { ref what, .. }) => Some(what.as_str()),
        _ => None,
    };
    messages.iter().filter_map(refusal).collect()
}

fn get(id: &str) -> Ask {
    Ask::Get { id: id.to_owned(), verb: "cat".to_owned(), follow: false }
}

#[test]
fn nobody_gets_what_the_lists_do_not_give_them() {
    let (dir, day) = store();
    fs::write(day.join(format!("{ID}.cast.zst.age")), "whole").unwrap();
    let host = Clerk::default();
    let asks = [Ask::List { manifests: true }, get(ID), Ask::Ledger, Ask::End { id: ID.into() }];
    let said = answers(dir.path(), &reader(false, false), &host, &asks);
    assert_eq!(said.len(), 1);
    assert!(refusals(&said)[0].contains("collect.readers"), "{said:?}");
    // Whoever ends may not read.
    let said = answers(dir.path(), &reader(false, true), &host, &asks);
    assert_eq!(refusals(&said).len(), 4, "{said:?}");
    assert!(refusals(&said)[3].contains("over already"));
    let said = answers(dir.path(), &reader(true, false), &host, &asks[3..]);
    assert!(refusals(&said)[0].contains("collect.enders"), "{said:?}");
    assert!(host.noted.lock().unwrap().is_empty());
    assert!(!said.iter().any(|message| matches!(message, Message::Data(_))));
}

#[test]
fn the_ledger_knows_first() {
    let (dir, day) = store();
    fs::write(day.join(format!("{ID}.cast.zst.age")), "whole").unwrap();
    fs::write(day.join(format!("{ID}.manifest.json")), "{}").unwrap();
    let host = Clerk { broken: true, ..Clerk::default() };
    let said = answers(dir.path(), &reader(true, false), &host, &[get(ID)]);
    assert!(refusals(&said)[0].contains("cannot be noted"), "{said:?}");
    assert!(!said.iter().any(|message| matches!(message, Message::Data(_))));
    let host = Clerk::default();
    let said = answers(dir.path(), &reader(true, false), &host, &[get(ID)]);
    let data: Vec<&[u8]> = said
        .iter()
        .filter_map(|message| match message {
            Message::Data(bytes) => Some(bytes.as_slice()),
            Message::Said(_) => None,
        })
        .collect();
    assert_eq!(data, [&b"whole"[..], b"{}"]);
    let noted = host.noted.lock().unwrap();
    let [Event::View { id, verb, by }] = noted.as_slice() else { panic!("{noted:?}") };
    assert_eq!((id.as_str(), verb.as_str()), (ID, "cat"));
    assert_eq!(by["user"], json!({"value": "ann", "trust": "kernel"}));
    assert_eq!(by["uid"]["value"], 7);
}

#[test]
fn an_id_leads_to_recordings_and_to_nothing_else() {
    let (dir, day) = store();
    // What a path would lead to, were one taken for an id.
    fs::write(day.join("x.cast.zst.age"), "x").unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret"), day.join(format!("{ID}.link"))).unwrap();
    fs::create_dir(day.join(format!("{ID}.dir"))).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        day.join(format!("{ID}.fifo")),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let host = Clerk::default();
    let tricks =
        ["", "x", "../secret", "/etc/passwd", "20261121T141503.123Z-../../../secret-AAAAAAAA"];
    let asks: Vec<Ask> = tricks.iter().map(|id| get(id)).collect();
    let said = answers(dir.path(), &reader(true, true), &host, &asks);
    assert_eq!(refusals(&said).len(), tricks.len(), "{said:?}");
    fs::write(day.join(format!("{ID}.manifest.json")), "{}").unwrap();
    let said =
        answers(dir.path(), &reader(true, true), &host, &[get(ID), Ask::List { manifests: true }]);
    let text = format!("{said:?}");
    assert!(
        !text.contains("of the host") && !text.contains(".fifo") && !text.contains(".dir"),
        "{text}"
    );
    assert!(!text.contains(".link"), "{text}");
    assert_eq!(host.noted.lock().unwrap().len(), 1);
}

#[test]
fn a_verb_is_a_word_and_groups_have_a_mark() {
    let (dir, day) = store();
    fs::write(day.join(format!("{ID}.manifest.json")), "{}").unwrap();
    let host = Clerk::default();
    let ask = Ask::Get { id: ID.into(), verb: "play\u{1b}]0;x".into(), follow: false };
    answers(dir.path(), &reader(true, true), &host, &[ask]);
    assert!(matches!(&host.noted.lock().unwrap()[0], Event::View { verb, .. } if verb == "other"));
    let groups = ["audit".to_owned()];
    for (list, named) in
        [("ann", true), ("audit", false), ("@audit", true), ("%audit", true), ("@ann", false)]
    {
        assert_eq!(is_named(&[list.to_owned()], "ann", &groups), named, "{list}");
    }
}
