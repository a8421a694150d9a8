//! The commands of the browser, and the keys that give them.
//!
//! One table, as the player's: it makes what keys do, the help, and the section
//! of `hrec-play(1)`. The invariant: no command has a letter, since letters are
//! what a filter is typed with.

use crossterm::event::KeyEvent;

use crate::play::keymap::Key;

/// What is known of a command.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The command.
    pub command: Command,
    /// Its keys.
    pub keys: &'static [&'static str],
    /// What it does, in a few words.
    pub about: &'static str,
}

macro_rules! commands {
    ($($variant:ident [$($key:literal),*] $about:literal;)+) => {
        /// Something that the browser can be told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Command {
            $(#[doc = $about] $variant,)+
        }

        /// All commands, as the help lists them.
        pub const COMMANDS: &[Entry] = &[
            $(Entry { command: Command::$variant, keys: &[$($key),*], about: $about },)+
        ];
    };
}

commands! {
    Play ["enter"] "play the recording";
    Up ["up", "ctrl-p", "ctrl-k"] "to the one above";
    Down ["down", "ctrl-n", "ctrl-j"] "to the one below";
    PageUp ["pageup"] "a page up";
    PageDown ["pagedown"] "a page down";
    First ["home"] "to the newest";
    Last ["end"] "to the oldest";
    Preview ["tab"] "show its last screen, or hide it";
    Reload ["ctrl-r"] "look anew what there is";
    Help ["f1", "?"] "list the keys";
    Leave ["esc"] "clear the filter; leave, when there is none";
    Quit ["ctrl-c", "ctrl-q"] "leave";
}

/// The command that this key gives.
#[must_use]
pub fn command(event: &KeyEvent) -> Option<Command> {
    let key = Key::of(event);
    let gives = |entry: &&Entry| entry.keys.iter().any(|name| Key::named(name) == Some(key));
    COMMANDS.iter().find(gives).map(|entry| entry.command)
}

/// The keys of a command, as the help shows them.
#[must_use]
pub fn shown(entry: &Entry) -> String {
    let keys = entry.keys.iter().filter_map(|name| Key::named(name));
    keys.map(|key| key.shown()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let mut seen = Vec::new();
        for entry in COMMANDS {
            assert!(!entry.keys.is_empty() && !shown(entry).is_empty());
            for name in entry.keys {
                assert!(Key::named(name).is_some(), "{name}");
                assert!(!seen.contains(name), "{name} is there twice");
                assert!(name.len() > 1 || *name == "?", "{name} is a letter");
                seen.push(name);
            }
        }
    }
}
