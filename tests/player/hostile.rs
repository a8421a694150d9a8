//! Recordings that are made to act on whoever looks at them. Every byte that
//! the player writes is read back, and is one of its own.

use std::time::Duration;

use hrec::play::notes::{Key, Notes};

use crate::headless::Cast;
use crate::support::sandbox::HREC;
use crate::support::{Sandbox, Size, Start};

/// What terminals answer, beep or obey, in 7 and 8 bits.
const HOSTILE: &[&str] = &[
    "\x07\x1b]0;pwned\x07\x1b]2;pwned\x1b\\",
    "\x1b]52;c;cHduZWQ=\x07\u{9d}52;c;cHduZWQ=\u{9c}",
    "\x1b[c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\u{9b}6n\u{9b}c\x1bZ\x05\x1b[>q\x1b[?u\x1b[x",
    "\x1b[5i\x1b[4i\x1b[?5i\x1b[21t\x1b[18t\x1b[?1000h\x1b[?1006h\x1b[?2004h\x1b[?1004h",
    "\x1b]10;?\x07\x1b]11;?\x1b\\\x1b]4;1;?\x07\x1bP+q544e\x1b\\\u{90}$qm\u{9c}",
    "\x1b]8;;http://evil.example/\x07link\x1b]8;;\x07\x1b_Ga=q;AAAA\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\",
    "\x1b]1337;File=:AA\x07\x1b[?1049h\x1b[2Jalt\x1b[?1049l\x0e\x0f\x1b(0\x1b#8\x1bc",
    "\u{202e}rtl\u{2066}\u{200b}\u{feff}\0\x7f\u{e0041}",
    // The player's own modes, which are taken once and left once.
    "\x1b[?1049l\x1b[?1002l\x1b[?1006l\x1b[?25l\x1b[?7l\x1b[?1003h\x1b[?1015h\x1b[?9h\u{9b}?1002h",
    "\x1b]9;note\x07\x1b]777;notify;a;b\x1b\\\x1b]7;file:///\x07\x1b]104\x07\x1b]50;x\x07\u{9d}0;pwned\u{9c}",
    "\x1b[0c\x1b[>0q\x1b[14t\x1b[20t\x1b[?6n\x1b[?996n\x1b[?2026$p\x1b[22;0t\x1b[1;1r\x1b[!p\x1b P\x1b%@\x1b=\x1b>",
    "\u{9f}apc\u{9c}\u{9e}pm\u{9c}\u{98}sos\u{9c}\u{9a}\u{84}\u{85}\u{8d}\u{8e}\u{8f}\x1b[99999999b\x1b[99999999@",
];

/// Everything between taking and leaving, held to the list that the canvas
/// states.
fn assert_listed(seen: &[u8]) {
    let text = String::from_utf8_lossy(seen);
    let listed = regex::Regex::new(
        "\x1b\\[([0-9]+;[0-9]+H|[0-9]+G|2J|[0-9;]+m|\\?(7|25|1002|1006|1049)[hl])",
    )
    .expect("a regular expression");
    let rest = listed.replace_all(&text, "");
    let bad: Vec<char> = rest
        .chars()
        .filter(|ch| {
            ch.is_control() || matches!(ch, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{200b}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        })
        .collect();
    assert!(bad.is_empty(), "{bad:?} in {rest:?}");
}

#[test]
fn nothing_recorded_acts() {
    let sandbox = Sandbox::without_keys();
    let mut cast = Cast::new(40, 10);
    cast.text = cast.text.replacen(
        "\"timestamp\"",
        "\"title\":\"\\u001b]0;pwned\\u0007\",\"command\":\"\\u001b[6n\\u009b6n\",\"timestamp\"",
        1,
    );
    for text in HOSTILE {
        cast.event(0.05, "o", text);
        cast.event(0.0, "o", "\r\n");
        // Cut in the middle.
        let middle = (1..text.len()).find(|at| *at > text.len() / 2 && text.is_char_boundary(*at));
        let (start, end) = text.split_at(middle.unwrap_or(0));
        cast.event(0.05, "o", start);
        cast.event(0.05, "o", end);
        cast.event(0.01, "i", text);
        cast.event(0.01, "i", "\r");
        cast.event(0.01, "m", text);
        let fact = serde_json::json!({"k": "alert", "rule": text, "severity": text, "text": text});
        cast.fact(0.01, &fact.to_string());
        let fact = serde_json::json!({"k": "sql", "n": 1, "text": text, "kind": text});
        cast.fact(0.01, &fact.to_string());
    }
    cast.event(0.1, "o", "harmless");
    let path = sandbox.file("bad\x1b]0;pwned\x07name.cast", &cast.text);
    // Notes are the person's own, and yet somebody may have sent him a file.
    let key = Key::of_start(cast.text.as_bytes()).expect("a key");
    let mut notes = Notes::at(&sandbox.path("data/hrec/notes"), key, "bad");
    for (at, text) in (1..).zip(HOSTILE) {
        notes.set(3_000_000 + at, text).expect("a marker");
    }
    let mut terminal =
        Start::new(&sandbox).size(Size::new(60, 16)).spawn(&[HREC, "play", "--speed", "64", &path]);
    terminal.expect_screen("the end", |rows| {
        rows.iter().any(|row| row.contains("harmless")) && rows[15].starts_with(" ‖")
    });
    // Everything that shows text of the recording.
    let opened: &[(&str, &str)] = &[
        ("l", "own mark"),
        ("\x1b", "‖"),
        ("d", "Details"),
        ("\x1b", "‖"),
        ("k", "typed:"),
        ("[", "‖"),
        ("i", "‖"),
        ("c", "‖"),
        ("\x1b[5~", "‖"),
        ("\x1b", "‖"),
        ("/pwned\r", "pwned"),
        ("N", "‖"),
        ("s", "Write to"),
        ("\x1b", "‖"),
        ("v", "‖"),
        ("\x1b", "‖"),
    ];
    for (keys, shown) in opened {
        terminal.send(keys);
        terminal.watch(Duration::from_millis(150));
        terminal.expect_screen(shown, |rows| rows.iter().any(|row| row.contains(shown)));
    }
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
    assert_listed(terminal.seen());
    let count = |what: &str| {
        terminal.seen().windows(what.len()).filter(|bytes| *bytes == what.as_bytes()).count()
    };
    for mode in ["1049", "1002", "1006"] {
        let (set, reset) = (format!("\x1b[?{mode}h"), format!("\x1b[?{mode}l"));
        assert_eq!((count(&set), count(&reset)), (1, 1), "{mode}");
    }
}

/// The one sequence with recorded text in it, and only when a person asks.
#[test]
fn the_clipboard_is_the_persons() {
    let sandbox = Sandbox::without_keys();
    let mut cast = Cast::new(20, 4);
    cast.event(0.0, "o", "\x1b]52;c;cHduZWQ=\x07mine");
    let path = sandbox.file("copy.cast", &cast.text);
    let mut terminal = Start::new(&sandbox).spawn(&[HREC, "play", &path]);
    terminal.expect_screen("the text", |rows| rows[0].contains("mine"));
    assert!(!terminal.seen().windows(4).any(|bytes| bytes == b"]52;"));
    terminal.send("y");
    // base64 of "mine\n".
    terminal.expect("\x1b]52;c;bWluZQo=\x1b\\");
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
    assert_eq!(terminal.seen().windows(4).filter(|bytes| *bytes == b"]52;").count(), 1);
}
