//! A bastion that is somebody else's by now: whatever it sends, the laptop is
//! no worse off than without a recording.

use std::fs;

use hrec::format::reading::{Say, data, say};
use hrec::format::wire::{self, kind};

use crate::far::{Far, said};

const ID: &str = "20261121T141503.123Z-ann-db1-AAAAAAAA";

/// What ssh brings, whatever is asked; then it waits, or goes.
fn bastion(far: &Far, bytes: &[u8], then: &str) {
    let file = far.laptop.file("bytes", bytes);
    far.ssh(&format!("cat {file}; {then}"));
}

fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    say(&mut bytes, &Say::Hello { v: 1 }).unwrap();
    bytes
}

/// A list of the one recording, and then these.
fn listed_and(rest: &[Say]) -> Vec<u8> {
    let mut bytes = hello();
    let item = Say::Item { id: ID.into(), live: false, files: Vec::new(), manifest: None };
    for one in [item, Say::Done].iter().chain(rest) {
        say(&mut bytes, one).unwrap();
    }
    bytes
}

fn file(name: &str, at: u64, size: u64) -> Say {
    Say::File { name: name.to_owned(), at, size }
}

#[test]
fn garbage_is_said_to_be_garbage() {
    let far = Far::start();
    let mut long = vec![0xff; 4];
    long.push(kind::ITEM);
    let mut other = Vec::new();
    wire::put(kind::ITEM, br#"{"say":"hello","v":99}"#, &mut other);
    for (bytes, told) in [
        (&b"Welcome to box, \x1b]0;owned\x07 have fun\n"[..], "nothing that a collector says"),
        (&long, "nothing that a collector says"),
        (&other, "speaks version 99"),
        (b"", "before it said anything"),
        (&[0; 4096], "nothing that a collector says"),
    ] {
        bastion(&far, bytes, "exit 1");
        let refused = far.hrec(&["ls", "ssh://box/"]);
        let text = said(&refused);
        assert_eq!(refused.status.code(), Some(125), "{text}");
        assert!(text.contains(told), "{told}: {text}");
        assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text:?}");
    }
    far.nothing_is_left();
}

#[test]
fn names_lead_nowhere_and_lengths_reserve_nothing() {
    let far = Far::start();
    let whole = format!("{ID}.cast.zst.age");
    let tricks: Vec<(Vec<Say>, &str)> = vec![
        (vec![file("../../../../../owned", 0, 1)], "can be none of what was asked for"),
        (vec![file("/tmp/owned", 0, 1)], "can be none of what was asked for"),
        (vec![file(&format!("{ID}.a/../../owned"), 0, 1)], "can be none of what was asked for"),
        (vec![file("20261121T141503.123Z-ann-db1-BBBBBBBB.cast.zst.age", 0, 1)], "can be none"),
        (vec![file(&whole, 0, u64::MAX)], "cannot keep"),
        (vec![file(&whole, 7, 9)], "cannot keep"),
        (vec![file(&whole, 9, 7)], "ends before it begins"),
        (vec![Say::Renamed { from: whole.clone(), to: "../owned".into() }], "can be none"),
        (vec![Say::Gone { name: "../../../tmp".into() }], "can be none"),
        (vec![Say::Hello { v: 1 }], "answer is to something else"),
        (
            vec![Say::Refused {
                what: "\u{1b}]0;owned\u{7}no".repeat(99),
                reference: Some("\n\n".into()),
            }],
            "no",
        ),
    ];
    for (messages, told) in tricks {
        bastion(&far, &listed_and(&messages), "cat >/dev/null");
        let refused = far.hrec(&["cat", "ssh://box/-1"]);
        let text = said(&refused);
        assert_eq!(refused.status.code(), Some(125), "{messages:?}: {text}");
        assert!(text.contains(told), "{messages:?}: {text}");
        assert!(text.len() < 8000 && text.lines().count() == 1, "{text}");
        assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text:?}");
        far.nothing_is_left();
    }
    // More than was said, and bytes of nothing.
    for prefix in [vec![file(&whole, 0, 3)], Vec::new()] {
        let mut bytes = listed_and(&prefix);
        data(&mut bytes, b"four").unwrap();
        bastion(&far, &bytes, "cat >/dev/null");
        let text = said(&far.hrec(&["cat", "ssh://box/-1"]));
        assert!(
            text.contains("more of a file than it said") || text.contains("bytes of no file"),
            "{text}"
        );
    }
    assert!(!far.laptop.path("owned").exists() && !far.laptop.work().join("owned").exists());
    far.nothing_is_left();
}

#[test]
fn a_list_shows_what_is_no_harm_to_look_at() {
    let far = Far::start();
    let mut bytes = hello();
    let manifest = format!("{ID}.manifest.json");
    let text = format!(
        r#"{{"v":1,"id":"{ID}","state":"finished","writer":"session","mode":"strict","input":"none",
        "start":"2026-11-21T14:15:03Z","program":"\u001b]0;owned\u0007","target":{{"name":"x\u202ey"}},
        "identity":{{}}}}"#
    );
    let files = vec![
        (manifest, 1),
        (format!("{ID}.cast.zst.age"), u64::MAX),
        ("../../../owned".to_owned(), 5),
        ("x".repeat(5000), 5),
    ];
    say(&mut bytes, &Say::Item { id: ID.into(), live: true, files, manifest: Some(text) }).unwrap();
    say(&mut bytes, &Say::Done).unwrap();
    bastion(&far, &bytes, "cat >/dev/null");
    let listed = far.hrec(&["ls", "ssh://box/"]);
    let text = said(&listed);
    assert!(listed.status.success() && text.contains("AAAAAAAA"), "{text}");
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text:?}");
    assert!(!far.laptop.path("owned").exists());
    far.nothing_is_left();

    let mut bytes = hello();
    let item = Say::Item { id: "../../x".into(), live: false, files: Vec::new(), manifest: None };
    say(&mut bytes, &item).unwrap();
    bastion(&far, &bytes, "cat >/dev/null");
    assert!(said(&far.hrec(&["ls", "ssh://box/"])).contains("can be no recordings"));
    far.nothing_is_left();
    assert!(fs::read_dir(far.laptop.work()).unwrap().count() <= 1);
}
