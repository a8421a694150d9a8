//! The commands of the browser, and the keys that give them.
//!
//! A table like the player's: with that it makes what keys do, the help, the
//! section of `hrec-play(1)`, and what `play.keys` may name. The invariant: no
//! command has a letter, since letters are what a filter is typed with.

use crate::play::keymap::{Commands, Entry};

macro_rules! commands {
    ($($variant:ident $name:literal [$($key:literal),*] $about:literal;)+) => {
        /// Something that the browser can be told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Command {
            $(#[doc = $about] $variant,)+
        }

        /// All commands, as the help lists them.
        pub const COMMANDS: &[Entry<Command>] = &[
            $(Entry {
                command: Command::$variant,
                name: $name,
                keys: &[$($key),*],
                about: $about,
            },)+
        ];
    };
}

commands! {
    Play "browser-play" ["enter"] "play the recording";
    Up "browser-up" ["up", "ctrl-p", "ctrl-k"] "to the one above";
    Down "browser-down" ["down", "ctrl-n", "ctrl-j"] "to the one below";
    PageUp "browser-page-up" ["pageup"] "a page up";
    PageDown "browser-page-down" ["pagedown"] "a page down";
    First "browser-first" ["home"] "to the newest";
    Last "browser-last" ["end"] "to the oldest";
    Preview "browser-preview" ["tab"] "show its last screen, or hide it";
    Reload "browser-reload" ["ctrl-r"] "look anew what there is";
    Help "browser-help" ["?", "f1"] "list the keys";
    Leave "browser-leave" ["esc"] "clear the filter; leave, when there is none";
    Quit "browser-quit" ["ctrl-c", "ctrl-q"] "leave";
}

impl Commands for Command {
    const TYPES: bool = true;

    fn all() -> impl Iterator<Item = &'static Entry<Self>> {
        COMMANDS.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::keymap::{Key, Keymap};

    #[test]
    fn the_table_is_sound() {
        let mut seen = Vec::new();
        let map = Keymap::default();
        for entry in COMMANDS {
            assert!(entry.name.starts_with("browser-"), "{}", entry.name);
            assert!(!entry.keys.is_empty() && !map.shown(entry.command).is_empty());
            for name in entry.keys {
                let key = Key::named(name).unwrap_or_else(|| panic!("{name}"));
                assert!(!seen.contains(&key), "{name} is there twice");
                assert!(!key.is_typed() || *name == "?", "{name} is a letter");
                assert_eq!(map.command(&key.event()), Some(entry.command), "{name}");
                seen.push(key);
            }
        }
    }
}
