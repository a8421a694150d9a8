//! `hrec play` alone, on a real terminal, as a person runs it.

use std::fs;
use std::path::Path;

use age::secrecy::SecretString;

use crate::support::{Sandbox, Terminal};

const HREC: &str = env!("CARGO_BIN_EXE_hrec");

/// Records a program in a terminal of its own.
fn record(sandbox: &Sandbox, script: &str) {
    let mut terminal = Terminal::spawn(sandbox, &[HREC, "rec", "--", "sh", "-c", script]);
    assert_eq!(terminal.wait(), 0);
}

fn has(text: &str) -> impl Fn(&[String]) -> bool + '_ {
    move |lines| lines.iter().any(|line| line.contains(text))
}

/// Leaves the browser, which gives the terminal back as it was.
fn leave(mut terminal: Terminal, keys: &str, settings: &str) {
    terminal.send(keys);
    assert_eq!(terminal.wait(), 0);
    assert_eq!(terminal.settings(), settings);
    let seen = String::from_utf8_lossy(terminal.seen()).into_owned();
    assert!(seen.ends_with("\u{1b}[?1049l"), "{:?}", &seen[seen.len().saturating_sub(80)..]);
}

#[test]
fn choose_look_play_and_come_back() {
    let sandbox = Sandbox::new();
    record(&sandbox, "echo the first of them");
    record(&sandbox, "echo the second of them");
    record(&sandbox, "printf '\\033[?1049h\\033[Hin an editor'; sleep 0.1; printf '\\033[?1049l'");
    let mut terminal = Terminal::spawn(&sandbox, &["sh", "-c", "read x; exec hrec play"]);
    let settings = terminal.settings();
    terminal.send("\r");
    // The newest is chosen; of an editor it is what was there before it left.
    let lines = terminal.expect_screen("the list", |lines| {
        has("3 recordings")(lines) && has("in an editor")(lines)
    });
    assert!(lines.iter().any(|line| line.contains("80x24, before it was cleared")), "{lines:#?}");
    terminal.send("\x1b[B");
    terminal.expect_screen("the last screen of the second", has("the second of them"));
    terminal.send("\x1b[B\r");
    terminal.expect_screen("the player", |lines| {
        has("the first of them")(lines) && !has("3 recordings")(lines)
    });
    terminal.send("\x1b");
    // Where one was.
    terminal.expect_screen("the list again", |lines| {
        has("3 recordings")(lines) && has("the first of them")(lines)
    });
    terminal.send("nobody");
    terminal.expect_screen("nothing that fits", |lines| {
        has("0 of 3")(lines) && has("No recording fits")(lines)
    });
    terminal.send("\x15sh date:today");
    terminal.expect_screen("all of them", |lines| {
        has("Filter: sh date:today")(lines) && has("3 recordings")(lines)
    });
    terminal.send("\x1b");
    terminal.expect_screen("no filter", has("Filter: alice"));
    leave(terminal, "\x1b", &settings);
}

#[test]
fn a_store_without_recordings_says_what_to_type() {
    let sandbox = Sandbox::without_keys();
    let mut terminal = Terminal::spawn(&sandbox, &["sh", "-c", "read x; exec hrec play"]);
    let settings = terminal.settings();
    terminal.send("\r");
    terminal.expect_screen("what to type", has("hrec rec        a shell"));
    leave(terminal, "\x03", &settings);
}

#[test]
fn a_session_that_is_still_running_is_among_them() {
    let sandbox = Sandbox::new();
    let mut running = Terminal::spawn(
        &sandbox,
        &[HREC, "rec", "--", "sh", "-c", "echo begun; read x; echo and done; read y"],
    );
    running.expect("begun");
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "play"]);
    terminal.expect_screen("a live one", |lines| has("● live")(lines) && has("begun")(lines));
    // What it shows changes by itself.
    running.send("\r");
    running.expect("and done");
    terminal.expect_screen("what came since", has("and done"));
    running.send("\r");
    assert_eq!(running.wait(), 0);
    terminal
        .expect_screen("that it is over", |lines| !has("live,")(lines) && has("finished,")(lines));
    terminal.send("\x03");
    assert_eq!(terminal.wait(), 0);
}

/// Puts the sandbox's identity under a passphrase, at the least cost there is.
fn lock(path: &Path, passphrase: &str) {
    let mut to = age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    to.set_work_factor(2);
    let locked = age::encrypt_and_armor(&to, &fs::read(path).unwrap()).unwrap();
    fs::write(path, locked).unwrap();
}

#[test]
fn a_passphrase_is_asked_for_once_and_only_when_it_must() {
    let sandbox = Sandbox::new();
    record(&sandbox, "echo one secret");
    record(&sandbox, "echo two secrets");
    lock(&sandbox.path("config/hrec/identity.txt"), "correct horse");
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "play"]);
    // Not for looking through the list.
    terminal.expect_screen("why there is no screen", |lines| {
        has("2 recordings")(lines) && has("Not shown unasked")(lines)
    });
    terminal.send("\r");
    terminal.expect_screen("the question", |lines| {
        has("Type passphrase for encrypted identity")(lines) && has("2 recordings")(lines)
    });
    terminal.send("wrong\r");
    terminal.expect_screen("that it was wrong", has("That was not it."));
    terminal.send("correct horse");
    let lines = terminal.expect_screen("dots", has("> •••••••••••••"));
    assert!(!lines.iter().any(|line| line.contains("horse")), "{lines:#?}");
    terminal.send("\r");
    terminal.expect_screen("the player", |lines| {
        has("two secrets")(lines) && !has("2 recordings")(lines)
    });
    terminal.send("\x1b");
    terminal.expect_screen("its last screen", |lines| {
        has("2 recordings")(lines) && has("two secrets")(lines)
    });
    // Now it is known.
    terminal.send("\x1b[B");
    terminal.expect_screen("the other's", has("one secret"));
    terminal.send("\r");
    terminal.expect_screen("the other", |lines| {
        has("one secret")(lines) && !has("2 recordings")(lines)
    });
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
    assert!(!String::from_utf8_lossy(terminal.seen()).contains("correct horse"));

    // One who gives up is told, and is where he was.
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "play"]);
    terminal.expect_screen("the list", has("2 recordings"));
    terminal.send("\r");
    terminal.expect_screen("the question", has("Type passphrase"));
    terminal.send("\x1b");
    terminal.expect_screen("that it cannot be played", has("This recording cannot be played"));
    terminal.send("x");
    terminal.expect_screen("the list", |lines| {
        has("Filter: alice")(lines) && !has("cannot be played")(lines)
    });
    terminal.send("\x1b");
    assert_eq!(terminal.wait(), 0);

    // By name it is asked for too, in the same way.
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "play", "-1"]);
    terminal.expect_screen("the question", has("Type passphrase"));
    terminal.send("correct horse\r");
    terminal.expect_screen("the player", has("two secrets"));
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn who_could_open_it_is_told_where_nobody_can() {
    let sandbox = Sandbox::new();
    record(&sandbox, "echo a secret");
    let recipient = sandbox.manifest()["recipients"][0].as_str().unwrap().to_owned();
    fs::remove_file(sandbox.path("config/hrec/identity.txt")).unwrap();
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "play"]);
    // Boxes and panes may break a line.
    let joined = |lines: &[String]| -> String {
        lines.iter().flat_map(|line| line.split([' ', '│'])).collect()
    };
    terminal.expect_screen("for whom it is", |lines| joined(lines).contains(&recipient));
    terminal.send("\r");
    terminal.expect_screen("the same in full", |lines| {
        has("This recording cannot be played")(lines) && joined(lines).contains(&recipient)
    });
    terminal.send("\r");
    terminal.expect_screen("the list", |lines| {
        has("1 recording")(lines) && !has("cannot be played")(lines)
    });
    terminal.send("\x1b");
    assert_eq!(terminal.wait(), 0);
}

/// A manifest of a recording that is not there.
fn manifest(id: &str, name: &str) -> String {
    let name = serde_json::to_string(name).unwrap();
    format!(
        r#"{{"v":1,"id":{name},"state":"finished","writer":"session","mode":"strict",
        "input":"none","start":"2026-11-21T14:15:03Z","end":"2026-11-21T15:15:03Z",
        "program":{name},"target":{{"name":{name},"host":{name}}},"end_reason":"store-failed",
        "identity":{{"user":{{"value":{name},"trust":"kernel"}},"host":{{"value":{name},"trust":"kernel"}}}},
        "recipients":[{name}],"policy_sha256":"{id}"}}"#
    )
}

#[test]
fn ten_thousand_manifests_hostile_ones_among_them() {
    let sandbox = Sandbox::new();
    let day = sandbox.path("data/hrec/recordings/2026/11/21");
    fs::create_dir_all(&day).unwrap();
    let hostile =
        "\u{1b}]0;owned\u{7}\u{1b}]52;c;aGk=\u{7}\u{9b}6n\u{9d}0;x\u{9c}\r\n\u{202e}\u{5}";
    for n in 0..10_000 {
        let id = format!(
            "20261121T1415{:02}.{:03}Z-user{}-host{}-AAAAAAAA",
            n / 1000,
            n % 1000,
            n % 7,
            n % 9
        );
        let text = if n % 3 == 0 { hostile.to_owned() } else { format!("name{n}") };
        fs::write(day.join(format!("{id}.manifest.json")), manifest(&id, &text)).unwrap();
        if n % 5 == 0 {
            // Not what it is called.
            fs::write(day.join(format!("{id}.cast.zst.age")), hostile).unwrap();
        }
    }
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "play"]);
    terminal.expect_screen("all of them", has("10,000 recordings"));
    terminal.send("name9998");
    terminal
        .expect_screen("one of them", |lines| has("1 of 10,000")(lines) && has("name9998")(lines));
    terminal.send("\x15!name");
    terminal.expect_screen("the hostile ones", |lines| {
        has("3,334 of 10,000")(lines) && has("\\u{1b}]0;owned")(lines)
    });
    terminal.send("\x1b[F");
    terminal.expect_screen("the last of them", |lines| {
        lines.iter().any(|line| line.contains("2026-11-21 14:15"))
    });
    terminal.send("\x1b[H\r\x1b[5~\x1b[6~\x03");
    assert_eq!(terminal.wait(), 0);
    // All that was written is the canvas's own.
    let seen = String::from_utf8(terminal.seen().to_vec()).unwrap();
    let listed = regex::Regex::new(
        "\u{1b}\\[([0-9]+;[0-9]+H|[0-9]+G|K|2J|[0-9;]+m|\\?(7|25|1002|1006|1049)[hl])",
    )
    .unwrap();
    let rest = listed.replace_all(&seen, "");
    let odd = |ch: char| ch.is_control() || ch == '\u{202e}';
    assert!(!rest.contains(odd), "{:?}", rest.chars().filter(|ch| odd(*ch)).collect::<String>());
}

/// Where every look is noted, going through the list is none.
#[test]
fn there_is_no_preview_where_looks_are_noted() {
    let sandbox = Sandbox::new();
    record(&sandbox, "echo something secret");
    let config = sandbox.path("config/hrec/config.toml");
    fs::write(&config, "[seal]\nlog_views = true\n[play.keys]\nbrowser-play = \"ctrl-o\"\n")
        .unwrap();
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "play"]);
    let lines = terminal.expect_screen("why there is no screen", |lines| {
        let one = lines.iter().any(|line| line.trim_end().ends_with(" 1 recording"));
        one && has("seal.log_views is on")(lines)
    });
    assert!(!has("something secret")(&lines), "{lines:#?}");
    // Another key plays it, and the old one does not.
    assert!(has(" ^O play ")(&lines), "{lines:#?}");
    terminal.send("\r\x0f");
    terminal.expect_screen("the player", has("something secret"));
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
    let ledger = fs::read(sandbox.path("data/hrec/ledger/records/000")).unwrap();
    let ledger = String::from_utf8_lossy(&ledger);
    assert_eq!(ledger.matches(r#""k":"view""#).count(), 1, "{ledger}");
}
