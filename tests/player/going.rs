//! Where keys and the mouse lead, in time.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use hrec::play::input::Input;
use hrec::play::keymap::Keymap;

use crate::headless::{Cast, Player, session};

/// The session's length (µs).
const LENGTH: u64 = 100_820_000;

#[test]
fn playing_takes_as_long_as_it_took_but_for_pauses() {
    let mut player = Player::open(&session(), 72, 17);
    player.press(&["space", "~1"]);
    assert_eq!(player.at(), 1_000_000);
    player.press(&["+", "~1"]);
    assert_eq!(player.at(), 3_000_000);
    player.press(&["space", "~100"]);
    assert_eq!(player.at(), 3_000_000);
    // The pause of 30 s takes 2 s, at one time its speed.
    player.press(&["=", "/", "\"^DROP TABLE$", "enter"]);
    let before = player.at();
    player.press(&["space", "~1.9"]);
    assert_eq!(player.at(), before + 1_900_000);
    player.press(&["~0.2"]);
    assert!(player.at() > before + 30_000_000, "{}", player.at());
    assert!(player.status().contains("28.0 s"), "{}", player.status());
    // To the end, and no farther.
    player.press(&["~60"]);
    assert_eq!(player.at(), LENGTH);
    assert!(player.status().starts_with("‖"), "{}", player.status());
    // Again from the start.
    player.press(&["space", "~1"]);
    assert_eq!(player.at(), 1_000_000);
}

#[test]
fn with_pauses_as_long_as_they_were() {
    let mut player = Player::open(&session(), 72, 17);
    player.press(&["z", "space", "~100"]);
    assert_eq!(player.at(), 100_000_000);
    assert!(!player.status().contains("skipped"), "{}", player.status());
}

#[test]
fn paused_nothing_is_due() {
    let mut player = Player::open(&session(), 72, 17);
    assert_eq!(player.model.due(0).expect("a recording"), None);
    player.press(&["space", "~2", "space"]);
    assert_eq!(player.model.due(player.now).expect("a recording"), None);
    player.press(&["end"]);
    assert_eq!(player.model.due(player.now).expect("a recording"), None);
    // But for a message, which goes by itself.
    player.press(&["z", "~10"]);
    assert_eq!(player.model.due(player.now).expect("a recording"), None);
}

#[test]
fn places_to_go_to() {
    let mut player = Player::open(&session(), 72, 17);
    for (text, at) in [
        ("90", 90_000_000),
        ("-30", 60_000_000),
        ("+10", 70_000_000),
        ("0:01:05", 65_000_000),
        ("50%", LENGTH / 2),
        // By the local clock, an hour ahead of UTC.
        ("14:56", 60_000_000),
        ("1:30", 90_000_000),
        ("9:00:00", LENGTH),
    ] {
        player.press(&["g", &format!("\"{text}"), "enter"]);
        assert_eq!(player.at(), at, "{text}");
    }
    player.press(&["g", "\"g", "enter"]);
    assert_eq!(player.at(), 0);
    for text in ["nonsense", "99:99", "-x"] {
        player.press(&["g", &format!("\"{text}"), "enter"]);
        assert_eq!(player.at(), 0, "{text}");
        let said = player.screen();
        assert!(said.contains("not in the recording") || said.contains("is no time"), "{said}");
    }
    // Escape, and nothing happens.
    player.press(&["g", "\"90", "esc"]);
    assert_eq!(player.at(), 0);
}

#[test]
fn event_by_event() {
    let mut player = Player::open(&session(), 72, 17);
    let mut screens = vec![player.recorded()];
    for _ in 0..40 {
        player.press(&["."]);
        screens.push(player.recorded());
    }
    for screen in screens.iter().rev().skip(1) {
        player.press(&[","]);
        assert_eq!(player.recorded(), *screen);
    }
    player.press(&[","]);
    assert_eq!(player.at(), 0);
}

#[test]
fn search_goes_round_and_pauses() {
    let mut player = Player::open(&session(), 72, 17);
    player.press(&["space", "~1", "/", "\"file1\\b", "enter"]);
    let first = player.at();
    assert!(player.recorded().join("\n").contains("file1"));
    assert!(player.status().contains("1 of 1"), "{}", player.status());
    player.press(&["~5"]);
    assert_eq!(player.at(), first, "it pauses");
    player.press(&["n"]);
    assert_eq!(player.at(), first);
    assert!(player.status().contains("went round"), "{}", player.status());
    player.press(&["/", "\"nowhere at all", "enter"]);
    assert_eq!(player.at(), first);
    assert!(player.status().contains("nowhere"), "{}", player.status());
    player.press(&["/", "\"(", "enter"]);
    assert_eq!(player.at(), first);
    // What was typed is found where it was typed; Tab says so too.
    player.press(&["/", "\"psql", "tab", "enter"]);
    assert!(player.status().contains("\\psql"), "{}", player.status());
    assert!(player.recorded().join("\n").contains("$ psql prod"));
}

#[test]
fn matches_stand_on_the_screen_that_is_gone_to() {
    let mut player = Player::open(&session(), 72, 17);
    player.press(&["/", "\"file\\d+", "enter"]);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let screen = player.recorded().join("\n");
        assert!(screen.contains("file"), "{screen}");
        assert!(player.screen().contains("lit: "), "{}", player.screen());
        seen.insert(player.at());
        player.press(&["n"]);
    }
    // A place for each of the lines.
    assert!(seen.len() >= 20, "{seen:?}");
}

#[test]
fn the_list_leads_everywhere() {
    let mut player = Player::open(&session(), 72, 17);
    player.press(&["l"]);
    let screen = player.screen();
    for text in [
        "command   ls -l",
        "marker    half way",
        "statement DROP TABLE users;",
        "ALERT     high drop a table is gone",
        "resize    50x10",
    ] {
        assert!(screen.contains(text), "{text}:\n{screen}");
    }
    player.press(&["/", "\"drop users", "enter"]);
    assert!(player.recorded().join("\n").contains("DROP TABLE users;"));
    let at = player.at();
    player.press(&["~5"]);
    assert_eq!(player.at(), at, "it pauses");
}

#[test]
fn own_markers() {
    let mut player = Player::open(&session(), 72, 17);
    player.press(&["g", "\"50", "enter", "m", "\"mine", "enter", "0", "]"]);
    assert!(player.status().contains("half way"), "{}", player.status());
    player.press(&["]"]);
    assert_eq!(player.at(), 50_000_000);
    assert!(player.status().contains("mine"), "{}", player.status());
    player.press(&["]"]);
    assert!(player.status().contains("there is no marker after this"), "{}", player.status());
    player.press(&["["]);
    assert!(player.status().contains("half way"), "{}", player.status());
}

#[test]
fn looking_back_shows_what_scrolled_away() {
    let mut player = Player::open(&session(), 72, 17);
    player.press(&["/", "\"file19", "enter", "."]);
    assert!(!player.recorded().join("\n").contains("file3 "));
    player.press(&["pageup", "pageup", "pageup"]);
    assert_eq!(
        player.recorded()[0],
        "$ ls -l                                                     │"
    );
    assert!(player.status().starts_with("↑"), "{}", player.status());
    player.press(&["pagedown", "pagedown", "pagedown"]);
    assert!(player.recorded().join("\n").contains("file19"));
    assert!(player.status().starts_with("‖"), "{}", player.status());
}

fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Input {
    Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

#[test]
fn the_mouse() {
    let left = MouseButton::Left;
    let mut player = Player::open(&session(), 72, 17);
    player.input(mouse(MouseEventKind::Down(left), 36, 15));
    assert_eq!(player.at(), LENGTH / 2);
    player.input(mouse(MouseEventKind::Drag(left), 71, 3));
    assert_eq!(player.at(), LENGTH);
    player.input(mouse(MouseEventKind::Drag(left), 0, 16));
    assert_eq!(player.at(), 0);
    player.input(mouse(MouseEventKind::Up(left), 0, 16));
    player.input(mouse(MouseEventKind::ScrollDown, 10, 15));
    assert_eq!(player.at(), 5_000_000);
    player.input(mouse(MouseEventKind::ScrollUp, 10, 16));
    assert_eq!(player.at(), 0);
    // Dragging over the screen selects.
    player.press(&["/", "\"file19", "enter"]);
    let row = player.recorded().iter().position(|row| row.contains("file19")).expect("a row");
    let row = u16::try_from(row).expect("a small number");
    player.input(mouse(MouseEventKind::Down(left), 0, row));
    player.input(mouse(MouseEventKind::Drag(left), 9, row));
    player.input(mouse(MouseEventKind::Up(left), 9, row));
    player.press(&["y"]);
    assert_eq!(player.effect(|effects| effects.copy.clone()).as_deref(), Some("-rw-r--r--"));
    // The wheel looks back.
    player.input(mouse(MouseEventKind::ScrollUp, 5, 5));
    assert!(player.status().starts_with("↑"), "{}", player.status());
    player.input(mouse(MouseEventKind::ScrollDown, 5, 5));
    assert!(player.status().starts_with("‖"), "{}", player.status());
}

#[test]
fn selecting_says_what_it_waits_for() {
    let mut player = Player::open(&session(), 100, 17);
    player.press(&["/", "\"file19", "enter", "esc", "v"]);
    let row = player.recorded().iter().position(|row| row.contains("file19")).expect("a row");
    let line = player.recorded()[row].trim_end_matches([' ', '│']).to_owned();
    player.press(&["g"]).press(&vec!["j"; row]);
    let begun = "move, y copies, v or space lets go, Esc leaves";
    let before = "move, v or space begins, y copies the line, Esc leaves";
    assert!(player.status().ends_with(before), "{}", player.status());
    player.press(&["v", "l"]);
    assert!(player.status().ends_with(begun), "{}", player.status());
    player.press(&["space"]);
    assert!(player.status().ends_with(before), "{}", player.status());
    // Nothing is selected: the line, and not the screen.
    player.effects.clear();
    player.press(&["y"]);
    assert_eq!(player.effect(|effects| effects.copy.clone()), Some(line));
    assert!(!player.status().contains("begins"), "{}", player.status());
    // In a narrow window, what there is room for.
    let mut narrow = Player::open(&session(), 40, 10);
    narrow.press(&["v"]);
    assert!(narrow.status().ends_with("v begins, y the line, Esc"), "{}", narrow.status());
}

#[test]
fn other_keys() {
    let changes = [("quit".to_owned(), vec!["Q".to_owned()])].into_iter().collect();
    let keymap = Keymap::with(&changes).expect("keys");
    let mut player = Player::with(&session(), 72, 17, keymap);
    player.press(&["q"]);
    assert_eq!(player.effect(|effects| effects.quit), None);
    player.press(&["Q"]);
    assert!(player.effect(|effects| effects.quit).is_some());
}

#[test]
fn an_empty_recording_and_one_without_time() {
    let mut player = Player::open(&Cast::new(20, 5).text, 40, 10);
    player.press(&[
        "space", "~1", "5", "end", "n", "l", "esc", "]", "c", ",", ".", "pageup", "k", "y",
    ]);
    assert_eq!(player.at(), 0);
    let mut cast = Cast::new(20, 5);
    cast.event(0.0, "o", "at once");
    let mut player = Player::open(&cast.text, 40, 10);
    player.press(&["space", "~1"]);
    assert_eq!(player.recorded()[0].trim_end_matches(['│', ' ']), "at once");
    player.press(&["5", "end", "[", "<", "*", "space", "~1"]);
}
