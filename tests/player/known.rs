//! What the player knows of a recording besides its events: the clock on the
//! wall, commands, the seal, the person's notes.

use hrec::play::notes::{Key, Notes};

use crate::headless::{Cast, Player, session};

#[test]
fn a_clock_that_was_set_and_a_session_that_slept() {
    let mut cast = Cast::new(40, 5);
    cast.event(1.0, "o", "begun");
    // By the local clock, an hour ahead of UTC, it began at 14:55.
    cast.fact(299.0, r#"{"k":"suspend","wall":"2026-11-21T14:00:00Z"}"#);
    cast.fact(0.0, r#"{"k":"resume","wall":"2026-11-21T16:30:00Z"}"#);
    cast.event(600.0, "o", "later");
    cast.fact(1.0, r#"{"k":"clock","wall":"not a time"}"#);
    cast.fact(0.0, r#"{"k":"clock","wall":5}"#);
    cast.event(60.0, "o", "the end");
    let mut player = Player::open(&cast.text, 90, 10);
    for (text, seconds, clock) in [
        ("14:58", 180, "2026-11-21 14:58:00"),
        ("17:33", 480, "2026-11-21 17:33:00"),
        // While it slept: just after.
        ("16:00", 300, "2026-11-21 17:30:00"),
    ] {
        player.press(&["g", &format!("\"{text}"), "enter"]);
        assert_eq!(player.at(), seconds * 1_000_000, "{text}");
        player.press(&["t", "t"]);
        assert!(player.status().contains(clock), "{clock}: {}", player.status());
        player.press(&["t", "t"]);
    }
}

/// Where a replay begins may depend on all of the recording.
#[test]
fn it_begins_where_the_clock_says() {
    let mut cast = Cast::new(40, 5);
    cast.fact(60.0, r#"{"k":"resume","wall":"2026-11-21T16:30:00Z"}"#);
    cast.event(600.0, "o", "later");
    let mut player = Player::open(&cast.text, 60, 10);
    player.model.begin_at("17:33");
    player.settle();
    assert_eq!(player.at(), 240_000_000);
}

/// The commands that the list has, of a shell that prints this around them.
fn commands(prompt: &str, entered: &str, done: &str) -> Vec<String> {
    let mut cast = Cast::new(60, 20);
    for command in ["make test", "git push"] {
        cast.event(0.5, "o", prompt);
        for ch in command.chars() {
            cast.event(0.1, "o", &ch.to_string());
        }
        match entered.strip_prefix("later: ") {
            Some(later) => {
                cast.event(0.3, "o", "\r\n");
                cast.event(0.01, "o", later);
            }
            None => cast.event(0.3, "o", &format!("\r\n{entered}")),
        }
        cast.event(0.5, "o", &format!("some output\r\n{done}"));
    }
    cast.event(0.1, "o", prompt);
    let mut player = Player::open(&cast.text, 70, 20);
    player.press(&["l"]);
    let screen = player.screen();
    let lines = screen.lines().filter_map(|line| line.split_once("command   "));
    lines.map(|(_, text)| text.trim_end_matches(['│', '|', ' ']).to_owned()).collect()
}

#[test]
fn commands_are_found_whatever_a_shell_marks() {
    let known = ["make test", "git push"];
    for (what, prompt, entered, done) in [
        ("nothing", "$ ", "", ""),
        ("all", "\x1b]133;A\x07$ \x1b]133;B\x07", "\x1b]133;C\x07", "\x1b]133;D;0\x07"),
        // As fish and kitty do: with parameters.
        ("more", "\x1b]133;A;k=s\x07$ \x1b]133;B\x07", "\x1b]133;C;x=y\x07", "\x1b]133;D\x07"),
        ("all", "\x1b]133;A\x07$ \x1b]133;B\x07", "later: \x1b]133;C\x07", "\x1b]133;D;0\x07"),
        ("prompts", "\x1b]133;A\x07$ \x1b]133;B\x07", "", ""),
        ("prompts' starts", "\x1b]133;A\x07$ ", "", ""),
        ("where a command runs", "$ ", "\x1b]133;C\x07", "\x1b]133;D;0\x07"),
    ] {
        assert_eq!(commands(prompt, entered, done), known, "a shell that marks {what}");
    }
}

/// What was typed is kept some time later, when it is known to be no secret.
#[test]
fn typed_lines_stand_where_they_were_typed() {
    let mut cast = Cast::new(60, 20);
    let mut now = 0;
    let mut kept = Vec::new();
    for (n, command) in ["make test", "sl -a", "no prompt"].into_iter().enumerate() {
        cast.event(1.0, "o", if n < 2 { "$ " } else { "" });
        cast.event(1.0, "o", command);
        cast.event(1.0, "o", "\r\n");
        now += 3_000_000;
        kept.push((now - 1_000, command));
    }
    for (at, command) in kept {
        cast.fact(0.5, &format!(r#"{{"k":"typed","start_us":{at},"end_us":{at}}}"#));
        cast.event(0.0, "i", &format!("{command}\r"));
    }
    let mut player = Player::open(&cast.text, 70, 20);
    for (key, seconds) in [("i", [2.999, 5.999, 8.999]), ("c", [3.0, 6.0, 8.999])] {
        player.press(&["0"]);
        for at in seconds {
            player.press(&[key]);
            assert!((player.at() as f64 / 1e6 - at).abs() < 1.1, "{key}: {}", player.at());
        }
        let end = player.at();
        player.press(&[key]);
        assert_eq!(player.at(), end, "{key}");
    }
    player.press(&["l"]);
    let screen = player.screen();
    let listed = screen.lines().filter(|line| line.contains(" 0:00:0"));
    assert_eq!(listed.filter(|line| line.contains("command") || line.contains("typed")).count(), 3);
}

#[test]
fn whether_the_seal_is_good_is_looked_up_once_and_nobody_waits() {
    let (answer, asked) = std::sync::mpsc::channel::<()>();
    let mut player = Player::of(&session(), 72, 17, |setup| {
        setup.details.insert(1, ("sealed".to_owned(), "by ann".to_owned()));
        setup.check = Some(Box::new(move || {
            asked.recv().expect("a word");
            ["altered: x\u{1b}[2J", "missing: y"]
                .map(|line| ("verified".to_owned(), line.to_owned()))
                .to_vec()
        }));
    });
    let key = hrec::play::keymap::Key::named("d").expect("a key").event();
    let input = hrec::play::input::Input::Key(key);
    player.model.input(0, input).expect("a recording");
    assert!(player.screen().contains("verified     checking…"), "{}", player.screen());
    answer.send(()).expect("somebody waits");
    player.settle();
    for _ in 0..2 {
        let screen = player.screen();
        let lines: Vec<&str> = screen.lines().filter(|line| line.contains("verified")).collect();
        assert_eq!(lines.len(), 2, "{screen}");
        assert!(lines[0].contains("altered: x\\u{1b}[2J"), "{screen}");
        assert!(screen.find("sealed") < screen.find("verified"), "{screen}");
        player.press(&["esc", "d"]);
    }
}

#[test]
fn notes_that_cannot_be_read_are_told_of_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = || Key::of_start(&b"x"[..]).expect("a key");
    let mut notes = Notes::at(dir.path(), key(), "test");
    let path = notes.path();
    std::fs::write(&path, "mine = [").expect("a file");
    let failed = notes.read_again().expect_err("no notes").to_string();
    let mut player = Player::of(&session(), 60, 17, |setup| {
        setup.notes = notes;
        setup.remark = Some(failed);
    });
    // Longer than the bar, and yet all of it can be read.
    let told = |player: &Player| {
        let screen = player.screen().replace("|\n|", "");
        let text: String = screen.split_whitespace().collect();
        text.contains("holdsnonotes") && text.contains("mendit,ormoveitaway")
    };
    assert!(told(&player), "{}", player.screen());
    player.press(&["5"]);
    assert!(!told(&player), "{}", player.screen());
    // Setting one does not do away with them.
    player.press(&["m", "\"here", "enter"]);
    assert!(told(&player), "{}", player.screen());
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "mine = [");
}
