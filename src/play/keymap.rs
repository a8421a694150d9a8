//! The commands of the player, and the keys that give them.
//!
//! This one table makes what keys do, the help, the key section of
//! `hrec-play(1)`, and what `play.keys` in the configuration may name. It
//! refuses to know what the commands do. The invariant: every command has a
//! name and, unless a person took it away, a key; no key gives two.

use std::collections::BTreeMap;
use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What is known of a command.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The command.
    pub command: Command,
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its keys when nothing else is configured.
    pub keys: &'static [&'static str],
    /// What it does, in a few words.
    pub about: &'static str,
}

/// Commands of a kind, as the help shows them.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its title.
    pub title: &'static str,
    /// Its commands.
    pub entries: &'static [Entry],
}

macro_rules! commands {
    ($($title:literal { $($variant:ident $name:literal [$($key:literal),*] $about:literal;)+ })+) => {
        /// Something that the player can be told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Command {
            $($(#[doc = $about] $variant,)+)+
        }

        /// All commands.
        pub const GROUPS: &[Group] = &[
            $(Group {
                title: $title,
                entries: &[$(Entry {
                    command: Command::$variant,
                    name: $name,
                    keys: &[$($key),*],
                    about: $about,
                },)+],
            },)+
        ];
    };
}

commands! {
    "Playing" {
        Pause "pause" ["space"] "play, or pause";
        Slower "slower" ["<", "-"] "play slower";
        Faster "faster" [">", "+"] "play faster";
        NormalSpeed "normal-speed" ["="] "play as fast as it happened";
        FullSpeed "full-speed" ["*"] "play as fast as possible, or as before";
        Idle "idle" ["z"] "shorten pauses, or keep them";
    }
    "Going" {
        Back "back" ["left", "h"] "5 seconds back";
        Forward "forward" ["right"] "5 seconds on";
        BackMinute "back-minute" ["shift-left"] "a minute back";
        ForwardMinute "forward-minute" ["shift-right"] "a minute on";
        Tenth0 "tenth-0" ["0"] "to the start";
        Tenth1 "tenth-1" ["1"] "to 1 tenth of the recording";
        Tenth2 "tenth-2" ["2"] "to 2 tenths";
        Tenth3 "tenth-3" ["3"] "to 3 tenths";
        Tenth4 "tenth-4" ["4"] "to 4 tenths";
        Tenth5 "tenth-5" ["5"] "to the middle";
        Tenth6 "tenth-6" ["6"] "to 6 tenths";
        Tenth7 "tenth-7" ["7"] "to 7 tenths";
        Tenth8 "tenth-8" ["8"] "to 8 tenths";
        Tenth9 "tenth-9" ["9"] "to 9 tenths";
        Start "start" ["home", "^"] "to the start";
        End "end" ["end", "G", "$"] "to the end, and pause; follow what is still being made";
        PreviousEvent "previous-event" [","] "one event back, and pause";
        NextEvent "next-event" ["."] "one event on, and pause";
        PreviousMarker "previous-marker" ["["] "to the marker before";
        NextMarker "next-marker" ["]"] "to the next marker";
        PreviousTyped "previous-typed" ["I"] "to the typed line before";
        NextTyped "next-typed" ["i"] "to the next typed line";
        PreviousCommand "previous-command" ["C", "{"] "to the command or statement before";
        NextCommand "next-command" ["c", "}"] "to the next command or statement";
        GoTo "go-to" ["g", ":"] "to a time: 1:23:45, -30, +10, 50%, or 14:03 by the clock";
    }
    "Finding" {
        Search "search" ["/"] "search what was shown";
        SearchTyped "search-typed" ["\\"] "search what was typed";
        NextMatch "next-match" ["n"] "to the next match";
        PreviousMatch "previous-match" ["N"] "to the match before";
        List "list" ["l"] "list commands, statements, markers, alerts, transfers and resizes";
    }
    "Looking" {
        ScrollUp "scroll-up" ["pageup", "ctrl-b", "ctrl-u"] "look at what has scrolled away";
        ScrollDown "scroll-down" ["pagedown", "ctrl-f", "ctrl-d"] "come back from it";
        PanLeft "pan-left" ["H", "ctrl-left"] "look farther left in a large recording";
        PanDown "pan-down" ["J", "ctrl-down"] "look farther down";
        PanUp "pan-up" ["K", "ctrl-up"] "look farther up";
        PanRight "pan-right" ["L", "ctrl-right"] "look farther right";
        FollowCursor "follow-cursor" ["f"] "look where the cursor is";
        Keys "keys" ["k"] "show the keys that were typed, or hide them";
        Time "time" ["t"] "show time elapsed, remaining, by the local clock, or in UTC";
        Details "details" ["d"] "tell about the recording";
        Help "help" ["?", "f1"] "list the keys";
        Redraw "redraw" ["ctrl-l"] "draw everything anew";
    }
    "Keeping" {
        Mark "mark" ["m"] "set a marker, in your own notes";
        Select "select" ["v"] "select text";
        Copy "copy" ["y"] "copy the visible text, or the selection";
        Save "save" ["s"] "write the screen to a file, as text, ANSI or SVG";
    }
    "Leaving" {
        Leave "leave" ["esc"] "close what is open; forget the search";
        Suspend "suspend" ["ctrl-z"] "stop, until the shell says fg";
        Quit "quit" ["q"] "leave the player";
        Interrupt "interrupt" ["ctrl-c", "ctrl-\\"] "leave it as one leaves a program that hangs";
    }
}

impl Command {
    /// Every command, with what is known of it.
    pub fn all() -> impl Iterator<Item = &'static Entry> {
        GROUPS.iter().flat_map(|group| group.entries)
    }

    /// Which tenth it goes to.
    #[must_use]
    pub fn tenth(self) -> Option<u64> {
        let tenths = [
            Self::Tenth0,
            Self::Tenth1,
            Self::Tenth2,
            Self::Tenth3,
            Self::Tenth4,
            Self::Tenth5,
            Self::Tenth6,
            Self::Tenth7,
            Self::Tenth8,
            Self::Tenth9,
        ];
        tenths.iter().position(|&tenth| tenth == self).and_then(|n| u64::try_from(n).ok())
    }
}

/// A key as it is named in help and configuration: `x`, `ctrl-x`,
/// `shift-left`, `f1`, `space`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

const NAMED: &[(&str, KeyCode)] = &[
    ("space", KeyCode::Char(' ')),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("esc", KeyCode::Esc),
    ("enter", KeyCode::Enter),
    ("tab", KeyCode::Tab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
];

impl Key {
    /// The key with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (mut rest, mut modifiers) = (name, KeyModifiers::NONE);
        let prefixes = [
            ("ctrl-", KeyModifiers::CONTROL),
            ("alt-", KeyModifiers::ALT),
            ("shift-", KeyModifiers::SHIFT),
        ];
        while let Some((stripped, modifier)) = prefixes.iter().find_map(|(prefix, modifier)| {
            rest.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(|rest| (rest, *modifier))
        }) {
            rest = stripped;
            modifiers |= modifier;
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(ch), None) if !ch.is_control() && ch != ' ' => KeyCode::Char(ch),
            (Some('f'), Some('1'..='9')) => {
                KeyCode::F(rest.get(1..)?.parse().ok().filter(|n| (1..=12).contains(n))?)
            }
            _ => NAMED.iter().find(|(named, _)| *named == rest)?.1,
        };
        // A terminal sends the capital, and no shift beside it.
        let plain = matches!(code, KeyCode::Char(_));
        (!plain || !modifiers.contains(KeyModifiers::SHIFT)).then_some(Self { code, modifiers })
    }

    /// The key that this event is of.
    #[must_use]
    pub fn of(event: &KeyEvent) -> Self {
        let mut modifiers = event.modifiers;
        if matches!(event.code, KeyCode::Char(_)) {
            modifiers.remove(KeyModifiers::SHIFT);
        }
        Self { code: event.code, modifiers }
    }

    /// What a terminal tells when it is pressed.
    #[must_use]
    pub fn event(&self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }

    /// As help shows it: `^X`, `⇧←`, `F1`, `Space`.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut out = String::new();
        if self.modifiers.contains(KeyModifiers::ALT) {
            out.push_str("Alt-");
        }
        if self.modifiers.contains(KeyModifiers::SHIFT) {
            out.push_str("Shift-");
        }
        match self.code {
            KeyCode::Char(ch) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                out.push('^');
                out.extend(ch.to_uppercase());
                return out;
            }
            _ if self.modifiers.contains(KeyModifiers::CONTROL) => out.push_str("Ctrl-"),
            _ => {}
        }
        let name: &str = match self.code {
            KeyCode::Char(' ') => "Space",
            KeyCode::Left => "←",
            KeyCode::Right => "→",
            KeyCode::Up => "↑",
            KeyCode::Down => "↓",
            KeyCode::Home => "Home",
            KeyCode::End => "End",
            KeyCode::PageUp => "PgUp",
            KeyCode::PageDown => "PgDn",
            KeyCode::Esc => "Esc",
            KeyCode::Char(ch) => {
                out.push(ch);
                ""
            }
            KeyCode::F(n) => {
                out.push_str(&format!("F{n}"));
                ""
            }
            code => NAMED.iter().find(|(_, named)| *named == code).map_or("", |(name, _)| name),
        };
        out.push_str(name);
        out
    }
}

/// What is wrong with `play.keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no such command.
    Command(String),
    /// There is no such key.
    Key(String),
    /// Two commands want this key.
    Twice(String, &'static str, &'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(name) => write!(f, "there is no command {name:?}"),
            Self::Key(name) => write!(
                f,
                "there is no key {name:?}; a key is a character, or one of f1 to f12, {}; with ctrl-, alt- or, but for characters, shift- before it",
                NAMED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
            ),
            Self::Twice(key, one, other) => {
                write!(f, "the key {key:?} is given to both {one} and {other}; take it from one")
            }
        }
    }
}

impl std::error::Error for Error {}

/// Which key gives which command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    /// By the commands' places in the table.
    keys: Vec<Vec<Key>>,
}

impl Default for Keymap {
    fn default() -> Self {
        let keys = |entry: &Entry| entry.keys.iter().filter_map(|name| Key::named(name)).collect();
        Self { keys: Command::all().map(keys).collect() }
    }
}

impl Keymap {
    /// The keys with these changes: command to keys. A command that is named
    /// has these keys and no others, and a key that is named is nobody else's.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn with(changes: &BTreeMap<String, Vec<String>>) -> Result<Self, Error> {
        let mut map = Self::default();
        let mut taken: Vec<(Key, &'static str)> = Vec::new();
        for (name, keys) in changes {
            let entry = Command::all().find(|entry| entry.name == name);
            let entry = entry.ok_or_else(|| Error::Command(name.clone()))?;
            for text in keys {
                let key = Key::named(text).ok_or_else(|| Error::Key(text.clone()))?;
                if let Some((_, other)) = taken.iter().find(|(one, _)| *one == key) {
                    return Err(Error::Twice(text.clone(), other, entry.name));
                }
                taken.push((key, entry.name));
            }
        }
        for (entry, keys) in Command::all().zip(&mut map.keys) {
            match changes.get(entry.name) {
                Some(names) => *keys = names.iter().filter_map(|name| Key::named(name)).collect(),
                None => keys.retain(|key| !taken.iter().any(|(one, _)| one == key)),
            }
        }
        Ok(map)
    }

    /// The command that this key gives.
    #[must_use]
    pub fn command(&self, event: &KeyEvent) -> Option<Command> {
        let key = Key::of(event);
        let found = Command::all().zip(&self.keys).find(|(_, keys)| keys.contains(&key));
        found.map(|(entry, _)| entry.command)
    }

    /// The keys of a command, as help shows them.
    #[must_use]
    pub fn shown(&self, command: Command) -> String {
        let keys = Command::all().zip(&self.keys).find(|(entry, _)| entry.command == command);
        let keys = keys.map(|(_, keys)| keys.iter().map(Key::shown).collect::<Vec<_>>());
        keys.unwrap_or_default().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(list: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        list.iter().map(|(name, names)| ((*name).to_owned(), keys(names))).collect()
    }

    fn press(name: &str) -> KeyEvent {
        Key::named(name).unwrap().event()
    }

    #[test]
    fn the_table_is_sound() {
        let mut names = Vec::new();
        let mut keys = Vec::new();
        for entry in Command::all() {
            assert!(!names.contains(&entry.name), "{}", entry.name);
            names.push(entry.name);
            assert!(!entry.keys.is_empty(), "{}", entry.name);
            for name in entry.keys {
                let key = Key::named(name).unwrap_or_else(|| panic!("{name}"));
                assert!(!keys.contains(&key), "{name} is there twice");
                keys.push(key);
                assert_eq!(Keymap::default().command(&press(name)), Some(entry.command));
            }
        }
    }

    #[test]
    fn keys_can_be_given_to_other_commands() {
        let map = Keymap::with(&changes(&[("quit", &["Q", "ctrl-q"]), ("pause", &["q"])])).unwrap();
        assert_eq!(map.command(&press("Q")), Some(Command::Quit));
        assert_eq!(map.command(&press("ctrl-q")), Some(Command::Quit));
        assert_eq!(map.command(&press("q")), Some(Command::Pause));
        assert_eq!(map.command(&press("space")), None);
        assert_eq!(map.command(&press("?")), Some(Command::Help));
        assert_eq!(map.shown(Command::Quit), "Q ^Q");
    }

    #[test]
    fn what_is_wrong_is_told() {
        let wrong = |list: &[(&str, &[&str])]| Keymap::with(&changes(list)).unwrap_err();
        assert_eq!(wrong(&[("qiut", &["x"])]), Error::Command("qiut".to_owned()));
        for key in ["", "meta-x", "f13", "f0", "shift-a", "ctrl-", "left2", "ab"] {
            assert_eq!(wrong(&[("quit", &[key])]), Error::Key(key.to_owned()), "{key}");
        }
        let twice = wrong(&[("quit", &["x"]), ("pause", &["x"])]);
        assert_eq!(twice, Error::Twice("x".to_owned(), "pause", "quit"));
    }
}
