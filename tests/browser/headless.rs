//! The browser without a terminal: what it shows after which keys.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use hrec::event::{Data, Event, TermSize};
use hrec::play::browser::filter::Fields;
use hrec::play::browser::keys::COMMANDS;
use hrec::play::browser::{Browser, Details, Entry, News, Outcome, Screen, State};
use hrec::play::keymap::Key;
use hrec::screen::Model;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;

const NOW: &str = "2026-11-22T03:00:00Z";

fn entry(day: u32, user: &str, target: &str, random: char) -> Entry {
    let random = random.to_string().repeat(8);
    let id = format!("202611{day:02}T141503.123Z-{user}-{target}-{random}");
    let path = PathBuf::from(format!("/s/{id}.cast.zst.age"));
    Entry { id, path }
}

fn details(day: u32, user: &str, program: &str, target: &str, state: State) -> Details {
    let start: Timestamp = format!("2026-11-{day:02}T14:15:03.123Z").parse().unwrap();
    Details {
        start: Some(start),
        seconds: (state != State::Live).then_some(3661),
        size: 3_400_000 / u64::from(day),
        state,
        fields: Fields {
            user: user.to_owned(),
            host: "bastion1".to_owned(),
            target: target.to_owned(),
            program: program.to_owned(),
            ..Fields::default()
        },
        summary: format!("{user}: {program} {target}"),
        more: vec![
            ("exit".to_owned(), "0".to_owned()),
            ("on".to_owned(), "bastion1".to_owned()),
            ("from".to_owned(), "10.0.0.7".to_owned()),
        ],
        warnings: Vec::new(),
    }
}

/// Five recordings in every state, newest first.
fn five() -> (Vec<Entry>, Vec<Details>) {
    let list = [
        (21, "alice", "psql", "prod-db1", State::Live),
        (20, "bob", "ssh", "web3", State::Finished),
        (19, "alice", "vim", "notes.txt", State::Interrupted),
        (18, "carol", "kubectl", "shop/cart-7", State::Recovered),
        (3, "bob", "ssh", "prod-db1", State::Missing),
    ];
    let entries = list
        .iter()
        .zip('A'..)
        .map(|((day, user, _, target, _), random)| entry(*day, user, target, random));
    let details = list
        .iter()
        .map(|(day, user, program, target, state)| details(*day, user, program, target, *state));
    (entries.collect(), details.collect())
}

fn browser() -> Browser {
    let (entries, details) = five();
    let mut browser = Browser::new("/var/lib/hrec", TimeZone::UTC);
    browser.set_now(NOW.parse().unwrap());
    let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
    browser.learn(News::List(entries));
    browser.learn(News::Details(ids.into_iter().zip(details).collect()));
    browser
}

fn picture(browser: &mut Browser, width: u16, height: u16) -> (Buffer, Option<Position>) {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let cursor = browser.render(area, &mut buffer);
    (buffer, cursor)
}

/// The text of a picture; blanks at the ends of lines aside.
fn text(buffer: &Buffer) -> String {
    let rows = buffer.content().chunks(buffer.area.width.into());
    let row = |cells: &[ratatui::buffer::Cell]| {
        cells.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()
    };
    rows.map(row).collect::<Vec<_>>().join("\n")
}

fn shown(browser: &mut Browser, width: u16, height: u16) -> String {
    text(&picture(browser, width, height).0)
}

/// Presses keys: characters, and names in angle brackets.
fn press(browser: &mut Browser, keys: &str) -> Outcome {
    let mut outcome = Outcome::Stay;
    let mut rest = keys;
    while let Some(ch) = rest.chars().next() {
        let (code, modifiers, len) = match rest.strip_prefix('<').and_then(|r| r.split_once('>')) {
            Some((name, _)) => {
                let code = match name {
                    "enter" => KeyCode::Enter,
                    "esc" => KeyCode::Esc,
                    "up" => KeyCode::Up,
                    "down" => KeyCode::Down,
                    "pgdn" => KeyCode::PageDown,
                    "pgup" => KeyCode::PageUp,
                    "home" => KeyCode::Home,
                    "end" => KeyCode::End,
                    "tab" => KeyCode::Tab,
                    "bs" => KeyCode::Backspace,
                    "f1" => KeyCode::F(1),
                    other => KeyCode::Char(other.strip_prefix("ctrl-").unwrap().parse().unwrap()),
                };
                let control = name.starts_with("ctrl-");
                let modifiers = if control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
                (code, modifiers, name.len() + 2)
            }
            None => (KeyCode::Char(ch), KeyModifiers::NONE, ch.len_utf8()),
        };
        outcome = browser.key(&KeyEvent::new(code, modifiers));
        rest = &rest[len..];
    }
    outcome
}

fn chosen(browser: &Browser) -> &str {
    browser.chosen().map_or("", |entry| entry.id.rsplit('-').next().unwrap())
}

fn screen(output: &str) -> Screen {
    let mut model = Model::new(TermSize::clamped(80, 24));
    model.event(&Event { time: 0, data: Data::Output(output.as_bytes().to_vec()) });
    Screen::of(&model)
}

/// A snapshot, with its lines as they are; blanks at the end aside.
#[track_caller]
fn assert_shown(browser: &mut Browser, (width, height): (u16, u16), expected: &[&str]) {
    let got = shown(browser, width, height);
    let got = got.trim_end_matches('\n');
    assert!(got == expected.join("\n"), "\n{got}\n\nis not\n\n{}", expected.join("\n"));
}

#[test]
fn the_list_and_the_last_screen() {
    let mut browser = browser();
    let id = browser.wanted().unwrap().0.id.clone();
    browser.learn(News::Preview(
        id.clone(),
        Ok(screen("prod=# select 1;\r\n ?column?\r\n----------\r\n        1\r\n(1 row)\r\n\r\nprod=# 日本")),
    ));
    // The alerts are wanted still.
    assert!(browser.wanted().is_some());
    browser.learn(News::Alerts(id.clone(), 0, Vec::new()));
    assert_eq!(browser.wanted(), None);
    assert_shown(
        &mut browser,
        (80, 24),
        &[
            " Filter: alice  target:db  host:web  date:2026-11  state:live  !…  5 recordings",
            " START                  LENGTH     SIZE  STATE          WHO: WHAT",
            " 2026-11-21 14:15:03  12:44:56   162 kB  ● live         alice: psql prod-db1",
            " 2026-11-20 14:15:03   1:01:01   170 kB  finished       bob: ssh web3",
            " 2026-11-19 14:15:03   1:01:01   179 kB  ! interrupted  alice: vim notes.txt",
            " 2026-11-18 14:15:03   1:01:01   189 kB  + recovered    carol: kubectl shop/car…",
            " 2026-11-03 14:15:03   1:01:01   1.1 MB  x missing      bob: ssh prod-db1",
            "",
            " alice: psql prod-db1 ──────────────────────────────────────────────────────────",
            "● live, 162 kB",
            "exit 0, on bastion1, from 10.0.0.7",
            "──────────────────────────────────────────────────────────────────────── 80x24 ─",
            "prod=# select 1;",
            " ?column?",
            "----------",
            "        1",
            "(1 row)",
            "",
            "prod=# 日本",
            "",
            "",
            "",
            "",
            " Enter play  ↑↓ choose  Esc leave  ? keys  Tab hide the screen    /var/lib/hrec",
        ],
    );
    // Beside the list in a wide window; without it, the list alone.
    assert_shown(
        &mut browser,
        (124, 12),
        &[
            " Filter: alice  target:db  host:web  date:2026-11  state:live  !word                                           5 recordings",
            " START           LENGTH  STATE          WHO: WHAT             ┌ alice: psql prod-db1 ───────────────────────────────────────",
            " Nov 21 14:15  12:44:56  ● live         alice: psql prod-db1  │● live, 162 kB",
            " Nov 20 14:15   1:01:01  finished       bob: ssh web3         │exit 0, on bastion1, from 10.0.0.7",
            " Nov 19 14:15   1:01:01  ! interrupted  alice: vim notes.txt  │───────────────────────────────────────────── part of 80x24 ─",
            " Nov 18 14:15   1:01:01  + recovered    carol: kubectl shop/c…│ ?column?",
            " Nov 03 14:15   1:01:01  x missing      bob: ssh prod-db1     │----------",
            "                                                              │        1",
            "                                                              │(1 row)",
            "                                                              │",
            "                                                              │prod=# 日本",
            " Enter play  ↑↓ choose  Esc leave  ? keys  Tab hide the screen                                                /var/lib/hrec",
        ],
    );
    press(&mut browser, "<tab>");
    assert_eq!(browser.wanted(), None);
    assert_shown(
        &mut browser,
        (60, 9),
        &[
            " Filter: alice  target:db  host:web  date:20…  5 recordings",
            " START           LENGTH  STATE          WHO: WHAT",
            " Nov 21 14:15  12:44:56  ● live         alice: psql prod-db1",
            " Nov 20 14:15   1:01:01  finished       bob: ssh web3",
            " Nov 19 14:15   1:01:01  ! interrupted  alice: vim notes.txt",
            " Nov 18 14:15   1:01:01  + recovered    carol: kubectl shop…",
            " Nov 03 14:15   1:01:01  x missing      bob: ssh prod-db1",
            "",
            " Enter play  ↑↓ choose  Esc leave  ? keys  Tab screen",
        ],
    );
}

#[test]
fn narrows_as_one_types() {
    let mut browser = browser();
    assert_eq!(press(&mut browser, "user:bob"), Outcome::Stay);
    assert_shown(
        &mut browser,
        (60, 6),
        &[
            " Filter: user:bob                                    2 of 5",
            " START           LENGTH  STATE          WHO: WHAT",
            " Nov 20 14:15   1:01:01  finished       bob: ssh web3",
            " Nov 03 14:15   1:01:01  x missing      bob: ssh prod-db1",
            "",
            " Enter play  ↑↓ choose  Esc clear  ? keys     /var/lib/hrec",
        ],
    );
    assert_eq!(chosen(&browser), "BBBBBBBB");
    press(&mut browser, "x");
    assert!(shown(&mut browser, 60, 6).contains("No recording fits the filter. Esc clears it."));
    assert_eq!(browser.chosen(), None);
    assert_eq!(press(&mut browser, "<enter>"), Outcome::Stay);
    press(&mut browser, "<bs>");
    assert!(shown(&mut browser, 60, 6).contains("2 of 5"));
    // Each way of saying it.
    for (filter, expected) in [
        ("", "ABCDE"),
        ("alice", "AC"),
        ("ALICE vim", "C"),
        ("target:prod-db1", "AE"),
        ("date:2026-11-0", "E"),
        ("date:yesterday", "A"),
        ("!state:live !bob", "CD"),
        ("host:bastion program:ssh", "BE"),
        ("state:rec", "D"),
        ("id:cccc", "C"),
        ("nothing", ""),
    ] {
        press(&mut browser, "<esc>");
        press(&mut browser, filter);
        let mut found = String::new();
        press(&mut browser, "<home>");
        while let Some(entry) = browser.chosen() {
            let random = entry.id.chars().last().unwrap();
            if found.ends_with(random) {
                break;
            }
            found.push(random);
            press(&mut browser, "<down>");
        }
        assert_eq!(found, expected, "{filter}");
    }
    // Esc clears, then leaves.
    assert_eq!(press(&mut browser, "<esc>"), Outcome::Stay);
    assert_eq!(press(&mut browser, "<esc>"), Outcome::Quit);
    assert_eq!(press(&mut browser, "q<ctrl-c>"), Outcome::Quit);
}

#[test]
fn keys_choose_and_play() {
    let mut browser = browser();
    shown(&mut browser, 80, 6);
    for (keys, expected) in [
        ("", 'A'),
        ("<up>", 'A'),
        ("<down>", 'B'),
        ("<ctrl-n><ctrl-j>", 'D'),
        ("<ctrl-p><ctrl-k>", 'B'),
        ("<pgdn>", 'E'),
        ("<down>", 'E'),
        ("<pgup>", 'B'),
        ("<end>", 'E'),
        ("<home>", 'A'),
    ] {
        assert_eq!(press(&mut browser, keys), Outcome::Stay);
        assert_eq!(chosen(&browser).chars().next(), Some(expected), "{keys}");
        let (buffer, _) = picture(&mut browser, 80, 6);
        // The one that is chosen is the one in reverse.
        let row = (2..5).find(|y| buffer[(3, *y)].modifier.contains(Modifier::REVERSED)).unwrap();
        let line: String = (0..80).map(|x| buffer[(x, row)].symbol()).collect();
        let day = match expected {
            'A' => "11-21",
            'B' => "11-20",
            'C' => "11-19",
            'D' => "11-18",
            _ => "11-03",
        };
        assert!(line.contains(day), "{keys}: {line}");
    }
    let Outcome::Play(entry) = press(&mut browser, "<down><enter>") else { panic!() };
    assert_eq!(Some(&entry), browser.chosen());
    assert!(entry.path.ends_with(format!("{}.cast.zst.age", entry.id)));
    // Nothing to play; it says so until the next key.
    assert_eq!(press(&mut browser, "<end><enter>"), Outcome::Stay);
    assert!(shown(&mut browser, 80, 8).contains("nothing to play"));
    press(&mut browser, "<home>");
    assert!(!shown(&mut browser, 80, 8).contains("nothing to play"));
    assert_eq!(press(&mut browser, "<ctrl-r>"), Outcome::Reload);
}

#[test]
fn every_key_of_every_command_does_the_same() {
    let pressed = |name: Option<&str>| {
        let mut browser = browser();
        for _ in 0..2 {
            browser.key(&Key::named("down").unwrap().event());
        }
        shown(&mut browser, 80, 12);
        let outcome = name.map(|name| browser.key(&Key::named(name).unwrap().event()));
        let screen = shown(&mut browser, 80, 12);
        let chosen = browser.chosen().map(|entry| entry.id.clone());
        (outcome.unwrap_or(Outcome::Stay), chosen, screen)
    };
    for entry in COMMANDS {
        let first = pressed(Some(entry.keys[0]));
        assert!(first != pressed(None), "{} does nothing", entry.name);
        for key in entry.keys {
            assert!(first == pressed(Some(key)), "{}: {key}", entry.name);
        }
    }
}

#[test]
fn help_says_what_keys_and_words_do() {
    let mut browser = browser();
    for key in ["?", "<f1>"] {
        press(&mut browser, key);
        let help = shown(&mut browser, 80, 24);
        for part in ["play the recording", "date:2026-11-21", "!word: not that", "^R"] {
            assert!(help.contains(part), "{part}\n{help}");
        }
        // Any key closes it, and does nothing else.
        assert_eq!(press(&mut browser, "x"), Outcome::Stay);
        assert!(!shown(&mut browser, 80, 24).contains("play the recording"));
        assert!(shown(&mut browser, 80, 24).contains("5 recordings"));
    }
    press(&mut browser, "?");
    assert_eq!(press(&mut browser, "<ctrl-c>"), Outcome::Quit);
}

#[test]
fn the_mouse_chooses_and_plays() {
    let mut browser = browser();
    shown(&mut browser, 80, 9);
    let mut mouse = |kind, row| {
        let event = MouseEvent { kind, column: 5, row, modifiers: KeyModifiers::NONE };
        (browser.mouse(&event), chosen(&browser).chars().next())
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    assert_eq!(mouse(click, 4), (Outcome::Stay, Some('C')));
    assert!(matches!(mouse(click, 4), (Outcome::Play(_), Some('C'))));
    for row in [0, 1, 7, 8] {
        assert_eq!(mouse(click, row), (Outcome::Stay, Some('C')), "{row}");
    }
    assert_eq!(mouse(MouseEventKind::ScrollUp, 3), (Outcome::Stay, Some('A')));
    assert_eq!(mouse(MouseEventKind::ScrollDown, 3), (Outcome::Stay, Some('D')));
}

#[test]
fn what_is_chosen_stays_chosen_while_the_list_changes() {
    let (entries, all) = five();
    let mut browser = browser();
    press(&mut browser, "<down>");
    let mut more = entries.clone();
    more.insert(0, entry(22, "dave", "new", 'Z'));
    browser.learn(News::List(more));
    assert_eq!(chosen(&browser), "BBBBBBBB");
    // Of the new one nothing is known but its id.
    let screen = shown(&mut browser, 70, 9);
    assert!(screen.contains("Nov 22 14:15") && screen.contains("dave-new-ZZZZZZZZ"), "{screen}");
    // The live one ends: its last screen is looked for anew, and the old one
    // shown until then.
    press(&mut browser, "<home><down>");
    let id = browser.chosen().unwrap().id.clone();
    browser.learn(News::Preview(id.clone(), Ok(self::screen("before"))));
    browser.learn(News::Alerts(id.clone(), 0, Vec::new()));
    assert_eq!(browser.wanted(), None);
    let mut over = all[0].clone();
    over.state = State::Finished;
    browser.learn(News::Details(vec![(id, over)]));
    assert_eq!(browser.wanted().map(|(_, version)| version), Some(1));
    assert!(shown(&mut browser, 80, 24).contains("before"));
    // What is gone is gone.
    browser.learn(News::List(entries[2..].to_vec()));
    assert_eq!(chosen(&browser), "CCCCCCCC");
    browser.learn(News::List(Vec::new()));
    assert_eq!(browser.chosen(), None);
}

#[test]
fn says_why_there_is_no_screen() {
    let mut browser = browser();
    let id = browser.wanted().unwrap().0.id.clone();
    assert!(shown(&mut browser, 80, 24).contains('…'));
    let why = "none of 1 identity opens it; it is for: age1qqqq; name its file with -i FILE";
    browser.learn(News::Preview(id.clone(), Err(why.to_owned())));
    assert!(shown(&mut browser, 80, 24).contains("it is for: age1qqqq"));
    assert_eq!(browser.wanted(), None);
    browser.forget_failures();
    assert!(browser.wanted().is_some());
    browser.learn(News::Preview(id.clone(), Ok(screen(""))));
    assert!(shown(&mut browser, 80, 24).contains("The last screen is blank."));
    // News of one that is not chosen any more changes nothing here.
    press(&mut browser, "<down>");
    browser.learn(News::Preview(id, Ok(screen("secret"))));
    assert!(!shown(&mut browser, 80, 24).contains("secret"));
}

#[test]
fn an_empty_store_says_what_to_type() {
    let mut browser = Browser::new("/var/lib/hrec", TimeZone::UTC);
    assert!(!shown(&mut browser, 80, 14).contains("no recordings"), "before it is known");
    browser.learn(News::List(Vec::new()));
    assert_shown(
        &mut browser,
        (62, 12),
        &[
            " Filter: alice  target:db  host:web  date:2026-11  state:liv…",
            "",
            " There are no recordings in /var/lib/hrec yet.",
            "",
            " To make one, leave (Esc) and type one of these:",
            "",
            "   hrec rec        a shell, until you leave it",
            "   hrec ssh HOST   a login on another machine",
            "",
            " Recordings elsewhere are played by name: hrec play FILE",
            "",
            " Esc leave  ? keys                              /var/lib/hrec",
        ],
    );
    assert_eq!(press(&mut browser, "<enter>"), Outcome::Stay);
    assert_eq!(press(&mut browser, "<esc>"), Outcome::Quit);
}

#[test]
fn hostile_names_are_text() {
    const HOSTILE: &str = "db\u{1b}]0;x\u{7}\u{9d}52;c;aGk=\u{9c}\r\n\t\u{202e}\u{200b}";
    let mut hostile = details(21, HOSTILE, HOSTILE, HOSTILE, State::Finished);
    hostile.more = vec![("from".to_owned(), HOSTILE.to_owned())];
    hostile.warnings = vec![HOSTILE.to_owned()];
    let name = entry(21, "u", "t", 'A');
    let mut browser = Browser::new(HOSTILE, TimeZone::UTC);
    browser.set_now(NOW.parse().unwrap());
    browser.learn(News::List(vec![name.clone()]));
    browser.learn(News::Details(vec![(name.id.clone(), hostile)]));
    browser.learn(News::Preview(name.id.clone(), Ok(screen(HOSTILE))));
    browser.learn(News::Alerts(name.id.clone(), 3, vec![HOSTILE.to_owned()]));
    let harmless = |browser: &mut Browser| {
        for (width, height) in [(200, 50), (80, 24), (40, 8), (7, 3), (1, 1)] {
            let (buffer, _) = picture(browser, width, height);
            for cell in buffer.content() {
                let odd = |ch: char| ch.is_control() || "\u{202e}\u{200b}".contains(ch);
                assert!(!cell.symbol().contains(odd), "{:?}", cell.symbol());
            }
        }
    };
    harmless(&mut browser);
    browser.learn(News::Preview(name.id.clone(), Err(HOSTILE.to_owned())));
    harmless(&mut browser);
    browser.tell(HOSTILE);
    harmless(&mut browser);
    assert!(shown(&mut browser, 80, 24).contains("\\u{1b}]0;x"));
    press(&mut browser, HOSTILE);
    harmless(&mut browser);
    // A file that has a name like an id, but is none.
    let name = Entry { id: HOSTILE.to_owned(), path: PathBuf::from("/s/x") };
    browser.learn(News::List(vec![name]));
    harmless(&mut browser);
}

#[test]
fn any_window_will_do() {
    let mut browser = browser();
    let id = browser.chosen().unwrap().id.clone();
    browser.learn(News::Preview(id, Ok(screen("日本\r\n".repeat(30).as_str()))));
    for filter in ["", "a", "日本語 target:db", "nothing fits this long filter"] {
        press(&mut browser, "<esc>");
        press(&mut browser, filter);
        for open in ["", "?"] {
            for (width, height) in
                (0..60).flat_map(|w| (0..30).map(move |h| (w, h))).chain([(300, 100), (120, 6)])
            {
                press(&mut browser, open);
                let (buffer, cursor) = picture(&mut browser, width, height);
                if let Some(cursor) = cursor {
                    assert!(buffer.area.contains(cursor), "{width}x{height}");
                }
                if !open.is_empty() {
                    press(&mut browser, "<tab>");
                }
            }
        }
    }
}

#[test]
fn ten_thousand_are_no_burden() {
    let entries: Vec<Entry> = (0..10_000)
        .map(|n| {
            let id = format!(
                "2026{:02}{:02}T{:02}{:02}03.{:03}Z-user{}-host{}-AAAAAAAA",
                12 - n / 1000,
                28 - n / 40 % 28,
                23 - n % 24,
                n % 60,
                n % 1000,
                n % 50,
                n % 300
            );
            Entry { path: PathBuf::from(format!("/s/{id}")), id }
        })
        .collect();
    let mut browser = Browser::new("/s", TimeZone::UTC);
    browser.learn(News::List(entries));
    press(&mut browser, "host29 user7");
    let screen = shown(&mut browser, 80, 24);
    assert!(screen.contains(" of 10,000"), "{screen}");
    let start = std::time::Instant::now();
    for _ in 0..20 {
        press(&mut browser, "<end>");
        shown(&mut browser, 80, 24);
        press(&mut browser, "<home>1<bs>");
    }
    // 20 ms each in a debug build; what would show is a search for each row.
    assert!(start.elapsed().as_secs() < 30);
}
