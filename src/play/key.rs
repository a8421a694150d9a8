//! Keys, and what they are called.
//!
//! Refuses to know what they do. The invariant: a key that has a name is what a
//! terminal tells when it is pressed, and every key that a terminal tells of
//! can be shown.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

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

    /// The names of keys that are no character.
    pub(super) fn names() -> String {
        NAMED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// Whether it is a character by itself, as one types it into a line.
    #[must_use]
    pub fn is_typed(&self) -> bool {
        matches!(self.code, KeyCode::Char(_)) && self.modifiers.is_empty()
    }

    /// What a terminal tells when it is pressed.
    #[must_use]
    pub fn event(&self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }

    /// As help shows it: `^X`, `Shift-←`, `F1`, `Space`.
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
            KeyCode::Enter => "Enter",
            KeyCode::Tab => "Tab",
            KeyCode::BackTab => "Tab",
            KeyCode::Backspace => "Backspace",
            KeyCode::Delete => "Del",
            KeyCode::Insert => "Ins",
            KeyCode::Char(ch) => {
                out.push(ch);
                ""
            }
            KeyCode::F(n) => {
                out.push_str(&format!("F{n}"));
                ""
            }
            _ => "",
        };
        out.push_str(name);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_key_can_be_shown() {
        for (name, _) in NAMED {
            let shown = Key::named(name).unwrap().shown();
            assert!(!shown.is_empty() && shown != *name, "{name} is shown as {shown:?}");
        }
        for (name, shown) in
            [("enter", "Enter"), ("ctrl-x", "^X"), ("shift-left", "Shift-←"), ("alt-f2", "Alt-F2")]
        {
            assert_eq!(Key::named(name).unwrap().shown(), shown);
        }
    }
}
