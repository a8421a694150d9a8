//! Recordings and windows of different sizes.

use hrec::event::TermSize;
use proptest::prelude::*;

use crate::headless::{Cast, Player};

fn numbered(cols: u16, rows: u16) -> String {
    let mut cast = Cast::new(cols, rows);
    for row in 1..=rows {
        let line: String = (0..cols).map(|col| char::from(b'0' + (col % 10) as u8)).collect();
        cast.event(0.0, "o", &format!("\x1b[{row};1H{row}:{}", &line[row.to_string().len() + 1..]));
    }
    cast.event(0.1, "o", "\x1b[1;1H");
    cast.text
}

#[test]
fn a_smaller_recording_has_a_frame() {
    let mut player = Player::open(&numbered(10, 3), 14, 8);
    player.press(&["end"]);
    let rows = player.recorded();
    assert_eq!(rows, ["1:23456789│", "2:23456789│", "3:23456789│", "──────────┘", "", ""]);
}

#[test]
fn one_that_fits_has_none() {
    let mut player = Player::open(&numbered(10, 3), 10, 5);
    player.press(&["end"]);
    let screen = player.screen();
    assert!(screen.starts_with("|1:23456789|\n|2:23456789|\n|3:23456789|\n"), "{screen}");
}

#[test]
fn a_larger_one_is_cut_and_says_so() {
    let mut player = Player::open(&numbered(30, 12), 12, 8);
    player.press(&["end"]);
    assert_eq!(
        player.recorded(),
        [
            "1:234567890>",
            "2:234567890>",
            "3:234567890>",
            "4:234567890>",
            "5:234567890>",
            "vvvvvvvvvvv"
        ]
    );
    player.press(&["L", "J"]);
    assert_eq!(player.recorded()[0], " ^^^^^^^^^^");
    assert_eq!(player.recorded()[1], "<8901234567>");
    // No farther than there is anything.
    player.press(&["L", "L", "L", "L", "J", "J", "J", "J"]);
    let rows = player.recorded();
    assert_eq!(rows[5], "<90123456789", "{rows:?}");
    player.press(&["f"]);
    assert_eq!(player.recorded()[0], "1:234567890>");
}

#[test]
fn wide_characters_at_the_edge() {
    let mut cast = Cast::new(20, 4);
    cast.event(0.0, "o", "日本日本日本日本日本");
    let mut player = Player::open(&cast.text, 10, 8);
    player.press(&["end", "H", "H", "H"]);
    // Nine columns and the border: half of the fifth is a blank.
    assert_eq!(player.recorded()[0], "日本日本 >");
    player.press(&["L"]);
    assert!(player.recorded()[0].starts_with('<'), "{:?}", player.recorded());
}

#[test]
fn a_recorded_size_is_followed() {
    let mut cast = Cast::new(10, 3);
    cast.event(0.1, "o", "one");
    cast.event(1.0, "r", "14x4");
    cast.event(1.0, "r", "4x2");
    let mut player = Player::open(&cast.text, 30, 10);
    let widths = |player: &Player| player.recorded()[0].chars().position(|ch| ch == '│');
    player.press(&["g", "\"0.5", "enter"]);
    assert_eq!(widths(&player), Some(10));
    player.press(&["g", "\"1.5", "enter"]);
    assert_eq!(widths(&player), Some(14));
    player.press(&["end"]);
    assert_eq!(widths(&player), Some(4));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the sizes and the keys, it can be drawn.
    #[test]
    fn any_window_and_any_keys(
        window in (1..60u64, 1..20u64),
        size in (1..60u16, 1..20u16),
        keys in prop::collection::vec(0..KEYS.len(), 0..25),
        again in (1..60u64, 1..20u64),
    ) {
        let mut cast = Cast::new(size.0, size.1);
        for n in 0..30 {
            cast.event(0.3, "o", &format!("line {n} 日本 \x1b[7m{n}\x1b[0m\r\n"));
        }
        let mut player = Player::open(&cast.text, window.0, window.1);
        for key in keys {
            player.press(&[KEYS[key]]);
            prop_assert_eq!(player.screen().lines().count(), usize::try_from(window.1).unwrap() + 2);
        }
        player.model.resize(TermSize::clamped(again.0, again.1));
        player.settle();
        prop_assert_eq!(player.screen().lines().count(), usize::try_from(again.1).unwrap() + 2);
    }
}

const KEYS: &[&str] = &[
    "space", "5", "end", "l", "d", "?", "v", "J", "L", "K", "H", "pageup", "pagedown", "esc", "g",
    "/", "\"line", "enter", "n", "N", "k", "t", "m", "s", "down", "up", "~1", "y",
];
