//! The player on a terminal: it takes it, and gives it back, whatever happens.

use std::time::Duration;

use hrec::play::Driver;
use hrec::play::colour::Depth;
use rustix::process::{Pid, Signal, kill_process};

use crate::headless::{Cast, session};
use crate::support::sandbox::HREC;
use crate::support::{Sandbox, Size, Start, Terminal};

/// The last bytes before the terminal is somebody else's.
const LEAVE: &str = "\x1b[0m\x1b[?1006l\x1b[?1002l\x1b[?7h\x1b[?25h\x1b[?1049l";

fn play(sandbox: &Sandbox, args: &[&str]) -> Terminal {
    let path = sandbox.file("test.cast", session());
    let argv = [&[HREC, "play"], args, &[path.as_str()]].concat();
    Start::new(sandbox).size(Size::new(80, 20)).spawn(&argv)
}

/// Waits for the player to play.
fn wait_for_player(terminal: &mut Terminal) -> Vec<String> {
    terminal.expect_screen("the timeline", |rows| {
        rows.last().is_some_and(|row| row.contains("0:0") && row.contains("help"))
    })
}

fn signal(terminal: &Terminal, signal: Signal) {
    let pid = Pid::from_raw(terminal.pid()).expect("a process");
    kill_process(pid, signal).expect("it runs");
}

#[test]
fn keys_lead_to_screens() {
    let sandbox = Sandbox::without_keys();
    let mut terminal = play(&sandbox, &["--idle-limit", "0"]);
    let before = terminal.settings_before();
    wait_for_player(&mut terminal);
    terminal.send("/DROP TAB");
    terminal.expect_screen("the line typed", |rows| rows[19].contains("shown: DROP TAB"));
    terminal.send("LE\r");
    let rows = terminal.expect_screen("the match", |rows| rows[19].contains("1 of"));
    assert!(rows.iter().any(|row| row.contains("prod=> DROP TABLE")), "{rows:#?}");
    assert!(rows[19].starts_with(" ‖"), "{}", rows[19]);
    // Arrows and Escape, as terminals send them.
    terminal.send("\x1b[H");
    terminal.expect_screen("the start", |rows| rows[19].contains("0:00:00 /"));
    terminal.send("\x1b[1;2C");
    terminal.expect_screen("a minute on", |rows| rows[19].contains("0:01:00 /"));
    terminal.send("?");
    terminal
        .expect_screen("the help", |rows| rows.iter().any(|row| row.contains("play, or pause")));
    terminal.send("\x1b");
    terminal
        .expect_screen("no help", |rows| !rows.iter().any(|row| row.contains("play, or pause")));
    // The mouse, on the middle of the timeline.
    terminal.send("\x1b[<0;41;19M\x1b[<0;41;19m");
    terminal.expect_screen("the middle", |rows| rows[19].contains("0:00:5"));
    // Another window.
    terminal.resize(Size::new(50, 12));
    terminal.expect_screen("the smaller window", |rows| {
        rows.len() == 12 && rows[11].contains("0:00:5")
    });
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
    assert!(terminal.seen().ends_with(LEAVE.as_bytes()));
    assert_eq!(terminal.settings(), before);
}

#[test]
fn every_signal_and_key_that_ends_it_gives_the_terminal_back() {
    let sandbox = Sandbox::without_keys();
    type End = fn(&mut Terminal);
    let ends: [(&str, End, i32); 6] = [
        ("SIGTERM", |terminal| signal(terminal, Signal::TERM), 128 + 15),
        ("SIGHUP", |terminal| signal(terminal, Signal::HUP), 128 + 1),
        ("SIGINT", |terminal| signal(terminal, Signal::INT), 128 + 2),
        ("SIGQUIT", |terminal| signal(terminal, Signal::QUIT), 128 + 3),
        ("^C", |terminal| terminal.send("\x03"), 128 + 2),
        ("q", |terminal| terminal.send("q"), 0),
    ];
    for (name, end, status) in ends {
        let mut terminal = play(&sandbox, &[]);
        let before = terminal.settings_before();
        wait_for_player(&mut terminal);
        assert_ne!(terminal.settings(), before, "{name}");
        end(&mut terminal);
        assert_eq!(terminal.wait(), status, "{name}");
        assert!(terminal.seen().ends_with(LEAVE.as_bytes()), "{name}");
        assert_eq!(terminal.settings(), before, "{name}");
    }
}

#[test]
fn a_lost_terminal_ends_it() {
    let sandbox = Sandbox::without_keys();
    let mut terminal = play(&sandbox, &[]);
    wait_for_player(&mut terminal);
    terminal.hang_up();
    assert_eq!(terminal.wait(), 128 + 1);
}

/// Not a test: what the next one runs in its terminal.
#[test]
fn a_driver_that_panics() {
    if std::env::var_os("TEST_PANIC").is_none() {
        return;
    }
    let driver = Driver::take(Depth::True).expect("a terminal");
    assert!(driver.is_some());
    panic!("in the middle of a picture");
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_told() {
    let sandbox = Sandbox::without_keys().with_env("TEST_PANIC", "1");
    let this = std::env::current_exe().expect("a name").display().to_string();
    let argv = [this.as_str(), "--exact", "terminal::a_driver_that_panics", "--nocapture"];
    let mut terminal = Terminal::spawn(&sandbox, &argv);
    let before = terminal.settings_before();
    terminal.expect("\x1b[?1049h");
    terminal.expect(LEAVE);
    terminal.expect("in the middle of a picture");
    assert_ne!(terminal.wait(), 0);
    assert_eq!(terminal.settings(), before);
}

#[test]
fn it_stops_and_goes_on_under_a_shell() {
    let sandbox = Sandbox::without_keys().with_env("PS1", "outer> ");
    let path = sandbox.file("test.cast", session());
    let mut terminal = Terminal::spawn(&sandbox, &["bash", "--norc", "--noprofile", "-i"]);
    terminal.expect("outer> ");
    // bash would ask for bracketed paste around every prompt.
    terminal.send("set +o emacs\n");
    terminal.expect("outer> ");
    let own = terminal.settings();
    terminal.send(format!("{HREC} play {path}\n"));
    wait_for_player(&mut terminal);
    for _ in 0..2 {
        terminal.send("\x1a");
        terminal.expect(LEAVE);
        terminal.expect("Stopped");
        terminal.expect("outer> ");
        assert_eq!(terminal.settings(), own);
        terminal.send("fg\n");
        terminal.expect("\x1b[?1049h");
        wait_for_player(&mut terminal);
    }
    terminal.send("q");
    terminal.expect(LEAVE);
    terminal.expect("outer> ");
    assert_eq!(terminal.settings(), own);
    terminal.send("exit 0\n");
    assert_eq!(terminal.wait(), 0);
}

/// The recording comes from a pipe, and keys from the terminal.
#[test]
fn standard_input_is_the_recording() {
    let sandbox = Sandbox::without_keys();
    let path = sandbox.file("test.cast", session());
    let line = format!("cat {path} | {HREC} play -");
    let mut terminal = Terminal::spawn(&sandbox, &["sh", "-c", &line]);
    wait_for_player(&mut terminal);
    terminal.send(" ");
    terminal.expect_screen("it paused", |rows| rows[23].starts_with(" ‖"));
    terminal.send("5");
    terminal.expect_screen("the middle", |rows| rows[23].contains("0:00:5"));
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_the_plain_replay() {
    let mut cast = Cast::new(40, 5);
    cast.event(0.1, "o", "just this\r\n");
    let sandbox = Sandbox::without_keys().with_env("TERM", "dumb");
    let path = sandbox.file("short.cast", &cast.text);
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "play", &path]);
    terminal.expect("just this");
    assert_eq!(terminal.wait(), 0);
    assert!(!terminal.seen().windows(8).any(|bytes| bytes == b"\x1b[?1002h"));
}

#[test]
fn a_picture_goes_to_a_file_that_was_not_there() {
    let sandbox = Sandbox::without_keys();
    let mut terminal = play(&sandbox, &["--at", "5"]);
    wait_for_player(&mut terminal);
    let there = sandbox.file("there.txt", "mine");
    for (name, said) in [("there.txt", "is there already"), ("new.txt", "written to new.txt")] {
        terminal.send("s\x15");
        terminal.send(format!("{name}\r"));
        terminal.expect_screen(said, |rows| rows[19].contains(said));
    }
    assert_eq!(std::fs::read_to_string(there).expect("a file"), "mine");
    let written = std::fs::read_to_string(sandbox.work().join("new.txt")).expect("a file");
    assert!(written.contains("\n-rw-r--r-- 1 ann ann 19 file19\n"), "{written}");
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
}

/// A session that goes on is followed, gone back in, and followed again.
#[test]
fn a_live_session_is_followed() {
    let sandbox = Sandbox::new();
    let script = "i=0; while [ ! -e stop ]; do i=$((i+1)); echo tick $i; sleep 0.2; done";
    let mut recorded = Terminal::spawn(&sandbox, &[HREC, "rec", "--", "sh", "-c", script]);
    recorded.expect("tick 3");
    let mut viewer =
        Start::new(&sandbox).size(Size::new(90, 30)).spawn(&[HREC, "play", "--follow"]);
    let tick = |rows: &[String]| {
        rows.iter()
            .filter_map(|row| row.strip_prefix("tick ")?.split_whitespace().next()?.parse().ok())
            .max()
    };
    let live = |rows: &[String]| rows[29].contains("LIVE");
    let rows = viewer.expect_screen("it live", |rows| live(rows) && tick(rows).is_some());
    let first: u32 = tick(&rows).expect("a tick");
    recorded.watch(Duration::from_millis(500));
    viewer.expect_screen("later ticks", |rows| live(rows) && tick(rows) > Some(first + 1));
    viewer.send("0 ");
    viewer.expect_screen("the start", |rows| !live(rows) && rows[29].contains("0:00:00"));
    viewer.send("\x1b[F");
    viewer.expect_screen("it live again", |rows| live(rows) && tick(rows) > Some(first + 1));
    // What there is to go to is looked for as it comes, and is there once.
    viewer.send("l");
    for (cols, rows) in [(70, 20), (75, 21)] {
        recorded.resize(Size::new(cols, rows));
        let resized = format!("resize    {cols}x{rows}");
        recorded.watch(Duration::from_millis(300));
        viewer.expect_screen("it in the list", |rows| {
            rows.iter().filter(|row| row.contains(&resized)).count() == 1
        });
    }
    viewer.send("\x1b");
    sandbox.file("stop", "");
    assert_eq!(recorded.wait(), 0);
    viewer.expect_screen("its end", |rows| !live(rows) && rows[29].starts_with(" ‖"));
    viewer.send("q");
    assert_eq!(viewer.wait(), 0);
}
