//! The commands of the player, and the keys that give them.
//!
//! This one table, with the browser's, makes what keys do, the help, the key
//! section of `hrec-play(1)`, and what `play.keys` in the configuration may
//! name. It refuses to know what the commands do. The invariant: every command
//! has a name and, unless a person took it away, a key; no key gives two.

use std::collections::BTreeMap;
use std::fmt;

use crossterm::event::KeyEvent;

use super::browser;
pub use super::key::Key;

/// What is known of a command.
#[derive(Clone, Copy, Debug)]
pub struct Entry<C = Command> {
    /// The command.
    pub command: C,
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its keys when nothing else is configured.
    pub keys: &'static [&'static str],
    /// What it does, in a few words.
    pub about: &'static str,
}

/// Commands that keys give.
pub trait Commands: Copy + PartialEq + fmt::Debug + 'static {
    /// Letters are typed into a line, and give no command.
    const TYPES: bool;

    /// Every command, with what is known of it.
    fn all() -> impl Iterator<Item = &'static Entry<Self>>;
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
        Select "select" ["v"] "select text: move, v or space begins, y copies";
        Copy "copy" ["y"] "copy the visible text; while selecting, that or the line";
        Save "save" ["s"] "write the screen to a file, as text, ANSI or SVG";
    }
    "Leaving" {
        Leave "leave" ["esc"] "close what is open; forget the search";
        Suspend "suspend" ["ctrl-z"] "stop, until the shell says fg";
        Quit "quit" ["q"] "leave the player";
        Interrupt "interrupt" ["ctrl-c", "ctrl-\\"] "leave it as one leaves a program that hangs";
    }
}

impl Commands for Command {
    const TYPES: bool = false;

    fn all() -> impl Iterator<Item = &'static Entry> {
        GROUPS.iter().flat_map(|group| group.entries)
    }
}

impl Command {
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

/// What is wrong with `play.keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no such command.
    Command(String),
    /// There is no such key.
    Key(String),
    /// Two commands want this key.
    Twice(String, &'static str, &'static str),
    /// This key is typed where this command is given.
    Typed(String, &'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(name) => write!(f, "there is no command {name:?}"),
            Self::Key(name) => write!(
                f,
                "there is no key {name:?}; a key is a character, or one of f1 to f12, {}; with ctrl-, alt- or, but for characters, shift- before it",
                Key::names()
            ),
            Self::Twice(key, one, other) => {
                write!(f, "the key {key:?} is given to both {one} and {other}; take it from one")
            }
            Self::Typed(key, name) => {
                write!(
                    f,
                    "the key {key:?} is typed into the filter, and cannot give {name}; take one with ctrl- or alt- before it"
                )
            }
        }
    }
}

impl std::error::Error for Error {}

/// Whether these changes are ones that the player's keys and the browser's can
/// be given.
///
/// # Errors
/// What is wrong with them.
pub fn check(changes: &BTreeMap<String, Vec<String>>) -> Result<(), Error> {
    if let Some(name) = changes.keys().find(|name| !names().any(|known| known == *name)) {
        return Err(Error::Command(name.clone()));
    }
    Keymap::<Command>::with(changes)?;
    Keymap::<browser::keys::Command>::with(changes).map(drop)
}

/// The names of all commands: the player's, and the browser's.
pub fn names() -> impl Iterator<Item = &'static str> {
    let browser = browser::keys::Command::all().map(|entry| entry.name);
    Command::all().map(|entry| entry.name).chain(browser)
}

/// Which key gives which command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap<C = Command> {
    /// The commands of the table, with their keys.
    keys: Vec<(C, Vec<Key>)>,
}

impl<C: Commands> Default for Keymap<C> {
    fn default() -> Self {
        let keys = |entry: &Entry<C>| {
            (entry.command, entry.keys.iter().filter_map(|name| Key::named(name)).collect())
        };
        Self { keys: C::all().map(keys).collect() }
    }
}

impl<C: Commands> Keymap<C> {
    /// The keys with these changes: command to keys. A command that is named
    /// has these keys and no others, and a key that is named is nobody else's.
    /// Commands of other tables are passed over.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn with(changes: &BTreeMap<String, Vec<String>>) -> Result<Self, Error> {
        let mut map = Self::default();
        let mut taken: Vec<(Key, &'static str)> = Vec::new();
        for (name, keys) in changes {
            let Some(entry) = C::all().find(|entry| entry.name == name) else { continue };
            for text in keys {
                let key = Key::named(text).ok_or_else(|| Error::Key(text.clone()))?;
                if C::TYPES && key.is_typed() && !entry.keys.contains(&text.as_str()) {
                    return Err(Error::Typed(text.clone(), entry.name));
                }
                if let Some((_, other)) = taken.iter().find(|(one, _)| *one == key) {
                    return Err(Error::Twice(text.clone(), other, entry.name));
                }
                taken.push((key, entry.name));
            }
        }
        for (entry, (_, keys)) in C::all().zip(&mut map.keys) {
            match changes.get(entry.name) {
                Some(names) => *keys = names.iter().filter_map(|name| Key::named(name)).collect(),
                None => keys.retain(|key| !taken.iter().any(|(one, _)| one == key)),
            }
        }
        Ok(map)
    }

    /// The command that this key gives.
    #[must_use]
    pub fn command(&self, event: &KeyEvent) -> Option<C> {
        let key = Key::of(event);
        self.keys.iter().find(|(_, keys)| keys.contains(&key)).map(|(command, _)| *command)
    }

    /// The keys of a command, as help shows them.
    #[must_use]
    pub fn shown(&self, command: C) -> String {
        let keys = self.keys.iter().find(|(one, _)| *one == command);
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
                assert_eq!(Keymap::<Command>::default().command(&press(name)), Some(entry.command));
            }
        }
    }

    #[test]
    fn keys_can_be_given_to_other_commands() {
        let map =
            Keymap::<Command>::with(&changes(&[("quit", &["Q", "ctrl-q"]), ("pause", &["q"])]))
                .unwrap();
        assert_eq!(map.command(&press("Q")), Some(Command::Quit));
        assert_eq!(map.command(&press("ctrl-q")), Some(Command::Quit));
        assert_eq!(map.command(&press("q")), Some(Command::Pause));
        assert_eq!(map.command(&press("space")), None);
        assert_eq!(map.command(&press("?")), Some(Command::Help));
        assert_eq!(map.shown(Command::Quit), "Q ^Q");
    }

    #[test]
    fn what_is_wrong_is_told() {
        let wrong = |list: &[(&str, &[&str])]| check(&changes(list)).unwrap_err();
        assert_eq!(wrong(&[("qiut", &["x"])]), Error::Command("qiut".to_owned()));
        for key in ["", "meta-x", "f13", "f0", "shift-a", "ctrl-", "left2", "ab"] {
            assert_eq!(wrong(&[("quit", &[key])]), Error::Key(key.to_owned()), "{key}");
        }
        let twice = wrong(&[("quit", &["x"]), ("pause", &["x"])]);
        assert_eq!(twice, Error::Twice("x".to_owned(), "pause", "quit"));
        let typed = wrong(&[("browser-play", &["p"])]);
        assert_eq!(typed, Error::Typed("p".to_owned(), "browser-play"));
        // The same key in both is no contradiction: one is where the other is not.
        check(&changes(&[("browser-play", &["ctrl-o"]), ("mark", &["ctrl-o"])])).unwrap();
        check(&changes(&[("browser-help", &["?"])])).unwrap();
    }
}
