//! Every command of the player, as the screen that its key leads to.
//!
//! The screens are in `screens/`, reviewed by eye. After a change that is meant
//! to be one: `HREC_UPDATE=1 cargo test --test player`, and look at the
//! difference.

use std::path::PathBuf;

use hrec::play::keymap::{Command, Commands, Key};

use crate::headless::{Player, session};

/// What is done before a command's key, and after.
struct Case {
    name: &'static str,
    before: &'static [&'static str],
    after: &'static [&'static str],
}

const fn case(
    name: &'static str,
    before: &'static [&'static str],
    after: &'static [&'static str],
) -> Case {
    Case { name, before, after }
}

const CASES: &[Case] = &[
    case("pause", &[], &["~1.5"]),
    case("slower", &[], &[]),
    case("faster", &[], &[]),
    case("normal-speed", &["+", "+"], &[]),
    case("full-speed", &[], &["space", "~0.1"]),
    case("idle", &[], &[]),
    case("back", &["5"], &[]),
    case("forward", &[], &[]),
    case("back-minute", &["9"], &[]),
    case("forward-minute", &[], &[]),
    case("tenth-0", &["5"], &[]),
    case("tenth-1", &[], &[]),
    case("tenth-2", &[], &[]),
    case("tenth-3", &[], &[]),
    case("tenth-4", &[], &[]),
    case("tenth-5", &[], &[]),
    case("tenth-6", &[], &[]),
    case("tenth-7", &[], &[]),
    case("tenth-8", &[], &[]),
    case("tenth-9", &[], &[]),
    case("start", &["end"], &[]),
    case("end", &["space"], &[]),
    case("previous-event", &["5"], &[]),
    case("next-event", &["space"], &["."]),
    case("previous-marker", &["end"], &[]),
    case("next-marker", &[], &[]),
    case("previous-typed", &["end"], &[]),
    case("next-typed", &["i"], &[]),
    case("previous-command", &["end"], &[]),
    case("next-command", &["c"], &[]),
    case("go-to", &[], &["\"50%", "enter"]),
    case("search", &["space"], &["\"drop table", "enter"]),
    case("search-typed", &[], &["\"drop", "enter"]),
    case("next-match", &["/", "\"file", "enter"], &[]),
    case("previous-match", &["end", "/", "\"file1", "enter"], &[]),
    case("list", &["5"], &[]),
    case("scroll-up", &["2"], &[]),
    case("scroll-down", &["2", "pageup", "pageup"], &[]),
    case("pan-left", &["L", "L"], &[]),
    case("pan-down", &["1"], &[]),
    case("pan-up", &["J", "J"], &[]),
    case("pan-right", &["1"], &[]),
    case("follow-cursor", &["2", "L", "K", "K"], &[]),
    case("keys", &["2", "c"], &[]),
    case("time", &["5"], &["t"]),
    case("details", &[], &[]),
    case("help", &[], &[]),
    case("redraw", &[], &[]),
    case("mark", &["5"], &["\"look here", "enter"]),
    case("select", &["1"], &["v", "k", "k"]),
    case("copy", &["1"], &[]),
    case("save", &["1"], &["tab"]),
    case("leave", &["/", "\"file", "enter"], &[]),
    case("suspend", &[], &[]),
    case("quit", &[], &[]),
    case("interrupt", &[], &[]),
];

/// The window of a case: smaller than the recording where that is the point.
fn window(name: &str) -> (u64, u64) {
    let pans = name.starts_with("pan-") || name == "follow-cursor";
    if pans { (40, 10) } else { (72, 17) }
}

#[test]
fn every_command_has_its_screen() {
    let mut failed = Vec::new();
    let mut entries: Vec<_> = Command::all().collect();
    for case in CASES {
        let at = entries.iter().position(|entry| entry.name == case.name);
        let entry = entries.remove(at.unwrap_or_else(|| panic!("{} is no command", case.name)));
        let (cols, rows) = window(case.name);
        let mut player = Player::open(&session(), cols, rows);
        player.press(case.before);
        player.effects.clear();
        player.press(&[entry.keys[0]]).press(case.after);
        let shown = format!("{}{}", player.screen(), outside(&player));
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/player/screens/{}.txt", case.name));
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        if shown != known {
            if std::env::var_os("HREC_UPDATE").is_some() {
                std::fs::write(&path, shown).expect("a file");
            } else {
                failed.push(format!("{}\n{shown}\nand not\n{known}", case.name));
            }
        }
    }
    let names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
    assert!(names.is_empty(), "without a screen: {names:?}");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// What was to be done outside.
fn outside(player: &Player) -> String {
    let mut text = String::new();
    for effects in &player.effects {
        for (name, is) in [("forget", effects.forget), ("suspend", effects.suspend)] {
            if is {
                text.push_str(&format!("outside: {name}\n"));
            }
        }
        if let Some(copy) = &effects.copy {
            text.push_str(&format!("outside: copy\n{copy}"));
        }
        if let Some((path, content)) = &effects.write {
            text.push_str(&format!("outside: write {}\n{content}", path.display()));
        }
        if let Some(quit) = &effects.quit {
            text.push_str(&format!("outside: quit {quit:?}\n"));
        }
    }
    text
}

/// Each of a command's keys gives it.
#[test]
fn every_key_is_heard() {
    for entry in Command::all() {
        let screens: Vec<String> = entry
            .keys
            .iter()
            .map(|key| {
                assert!(Key::named(key).is_some(), "{key}");
                let mut player = Player::open(&session(), 72, 17);
                player.press(&["3"]).press(&[key]);
                format!("{}{}", player.screen(), outside(&player))
            })
            .collect();
        assert!(screens.windows(2).all(|pair| pair[0] == pair[1]), "{}", entry.name);
    }
}
