//! The types that settings have, and how each is written in TOML.
//!
//! Knows nothing of files or of which keys exist. Its invariant: what
//! [`Value::show`] writes, [`Value::read`] reads back to the same value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;

use super::nearest::nearest;
use crate::play::keymap;
use crate::seal::ledger::Anchor;

/// A type that a setting can have.
pub trait Value: Sized + Clone + PartialEq {
    /// What is accepted, for error messages and `hrec-config(5)`.
    const ACCEPTS: &'static str;

    /// Reads the value; the error is what was wrong with it, in a few words.
    ///
    /// # Errors
    /// When the TOML value is of another type or out of range.
    fn read(toml: &DeValue<'_>) -> Result<Self, String>;

    /// The value as TOML.
    fn show(&self) -> String;
}

/// A size in bytes: `"1GiB"`, `"500MB"`, `"0"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// A path: absolute, or below the person's home when it begins with `~/`.
///
/// Never relative: what it would be relative to (the file, the working
/// directory) is where surprises come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

/// A path, or, as `""`, the place that hrec chooses itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPath(pub Option<PathBuf>);

/// Which users, or groups, have which program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs(pub BTreeMap<String, PathBuf>);

/// What happens when a recording cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The session ends: nothing is shown that is not kept.
    Strict,
    /// The session goes on, and the gap is recorded.
    BestEffort,
}

/// What is kept of typed keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// What the terminal echoed.
    Echoed,
    /// All but what is typed while echo is off.
    Full,
    /// Nothing.
    None,
}

/// What the manifest tells of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestCommand {
    /// Nothing.
    None,
    /// All of it but what looks like a secret.
    Scrubbed,
}

/// Which keys of the player give which command: changes to its own table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlayKeys(pub BTreeMap<String, Vec<String>>);

/// A value that is one of a few words.
macro_rules! words {
    ($type:ident, $accepts:literal, $($variant:ident = $word:literal),+) => {
        impl $type {
            /// The word that stands for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl Value for $type {
            const ACCEPTS: &'static str = $accepts;

            fn read(toml: &DeValue<'_>) -> Result<Self, String> {
                match toml.as_str() {
                    $(Some($word) => Ok(Self::$variant),)+
                    _ => Err(wanted::<Self>(toml)),
                }
            }

            fn show(&self) -> String {
                quoted(self.as_str())
            }
        }
    };
}

words!(Mode, r#""strict" or "best-effort""#, Strict = "strict", BestEffort = "best-effort");
words!(Input, r#""echoed", "full" or "none""#, Echoed = "echoed", Full = "full", None = "none");
words!(ManifestCommand, r#""none" or "scrubbed""#, None = "none", Scrubbed = "scrubbed");

impl Value for bool {
    const ACCEPTS: &'static str = "true or false";

    fn read(toml: &DeValue<'_>) -> Result<Self, String> {
        toml.as_bool().ok_or_else(|| wanted::<Self>(toml))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    const ACCEPTS: &'static str = "a string";

    fn read(toml: &DeValue<'_>) -> Result<Self, String> {
        toml.as_str().map(str::to_owned).ok_or_else(|| wanted::<Self>(toml))
    }

    fn show(&self) -> String {
        quoted(self)
    }
}

impl Value for Vec<String> {
    const ACCEPTS: &'static str = "a list of strings";

    fn read(toml: &DeValue<'_>) -> Result<Self, String> {
        let items = toml.as_array().ok_or_else(|| wanted::<Self>(toml))?;
        items
            .iter()
            .map(|item| match item.get_ref().as_str() {
                Some("") | None => Err(format!(
                    "{} is in the list; each must be a string that is not empty",
                    shown(item.get_ref())
                )),
                Some(text) => Ok(text.to_owned()),
            })
            .collect()
    }

    fn show(&self) -> String {
        list(self.iter().map(|s| quoted(s)))
    }
}

impl Value for Vec<FilePath> {
    const ACCEPTS: &'static str = "a list of paths, each absolute or beginning with ~/";

    fn read(toml: &DeValue<'_>) -> Result<Self, String> {
        let items = toml.as_array().ok_or_else(|| wanted::<Self>(toml))?;
        items
            .iter()
            .map(|item| {
                item.get_ref()
                    .as_str()
                    .map_or_else(|| Err(wanted::<Self>(toml)), path)
                    .map(FilePath)
            })
            .collect()
    }

    fn show(&self) -> String {
        list(self.iter().map(|p| quoted(&p.0.to_string_lossy())))
    }
}

impl Value for Vec<Anchor> {
    const ACCEPTS: &'static str =
        "a list of \"syslog\", \"file:PATH\", \"command:TEXT\" and \"witness:URL KEY\"";

    fn read(toml: &DeValue<'_>) -> Result<Self, String> {
        let items = toml.as_array().ok_or_else(|| wanted::<Self>(toml))?;
        let texts =
            items.iter().map(|item| item.get_ref().as_str().ok_or_else(|| wanted::<Self>(toml)));
        let anchors = texts.map(|text| text.and_then(Anchor::parse));
        let explained = |error: String| match error.contains(Self::ACCEPTS) {
            true => error,
            false => format!("{error}; this is {}", Self::ACCEPTS),
        };
        anchors.map(|anchor| anchor.map_err(explained)).collect()
    }

    fn show(&self) -> String {
        list(self.iter().map(|anchor| quoted(&anchor.to_string())))
    }
}

impl Value for OwnPath {
    const ACCEPTS: &'static str = "a path, absolute or beginning with ~/";

    fn read(toml: &DeValue<'_>) -> Result<Self, String> {
        match toml.as_str() {
            Some("") => Ok(Self(None)),
            Some(text) => path(text).map(|p| Self(Some(p))),
            None => Err(wanted::<Self>(toml)),
        }
    }

    fn show(&self) -> String {
        self.0.as_ref().map_or_else(|| quoted(""), |p| quoted(&p.to_string_lossy()))
    }
}

impl Value for FilePath {
    const ACCEPTS: &'static str = "an absolute path";

    fn read(toml: &DeValue<'_>) -> Result<Self, String> {
        match toml.as_str() {
            Some(text) if Path::new(text).is_absolute() => Ok(Self(PathBuf::from(text))),
            _ => Err(wanted::<Self>(toml)),
        }
    }

    fn show(&self) -> String {
        quoted(&self.0.to_string_lossy())
    }
}

impl Value for Programs {
    const ACCEPTS: &'static str =
        r#"a table of names, each with an absolute path, as { alice = "/bin/zsh" }"#;

    fn read(toml: &DeValue<'_>) -> Result<Self, String> {
        let table = toml.as_table().ok_or_else(|| wanted::<Self>(toml))?;
        let one = |(name, path): (
            &toml::Spanned<toml::de::DeString<'_>>,
            &toml::Spanned<DeValue<'_>>,
        )| {
            let name = name.get_ref().to_string();
            let path = FilePath::read(path.get_ref());
            path.map(|path| (name.clone(), path.0)).map_err(|wrong| format!("{name}: {wrong}"))
        };
        table.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    fn show(&self) -> String {
        if self.0.is_empty() {
            return "{}".to_owned();
        }
        let one = |(name, path): (&String, &PathBuf)| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let bare = !name.is_empty() && name.chars().all(plain);
            let name = if bare { name.clone() } else { quoted(name) };
            format!("{name} = {}", quoted(&path.to_string_lossy()))
        };
        format!("{{ {} }}", self.0.iter().map(one).collect::<Vec<_>>().join(", "))
    }
}

impl Value for Bytes {
    const ACCEPTS: &'static str = r#"a size: a whole number and B, KiB, MiB, GiB, TiB, kB, MB, GB or TB, as "1GiB"; "0" for none"#;

    fn read(toml: &DeValue<'_>) -> Result<Self, String> {
        toml.as_str().and_then(bytes).map(Self).ok_or_else(|| wanted::<Self>(toml))
    }

    fn show(&self) -> String {
        let exact = UNITS
            .iter()
            .rev()
            .find(|(_, n)| self.0 != 0 && self.0.is_multiple_of(*n) && (n.is_power_of_two()));
        match exact {
            Some((unit, n)) if *n > 1 => quoted(&format!("{}{unit}", self.0 / n)),
            _ => quoted(&self.0.to_string()),
        }
    }
}

impl Value for PlayKeys {
    const ACCEPTS: &'static str = r#"a table of commands, each with a key or a list of keys, as { quit = "Q", pause = ["space", "p"] }"#;

    fn read(toml: &DeValue<'_>) -> Result<Self, String> {
        let table = toml.as_table().ok_or_else(|| wanted::<Self>(toml))?;
        let mut changes = BTreeMap::new();
        for (name, keys) in table {
            let keys = keys.get_ref();
            let keys = match keys.as_str() {
                Some(key) => vec![key.to_owned()],
                None => Vec::<String>::read(keys).map_err(|wrong| format!("{name}: {wrong}"))?,
            };
            changes.insert(name.get_ref().to_string(), keys);
        }
        match keymap::check(&changes) {
            Ok(()) => Ok(Self(changes)),
            Err(keymap::Error::Command(name)) => {
                let meant = nearest(&name, keymap::names());
                let meant = meant.map_or("hrec-play(1) lists them".to_owned(), |meant| {
                    format!("did you mean {meant}?")
                });
                Err(format!("there is no command {}; {meant}", quoted(&name)))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn show(&self) -> String {
        if self.0.is_empty() {
            return "{}".to_owned();
        }
        let one = |(name, keys): (&String, &Vec<String>)| {
            format!("{name} = {}", list(keys.iter().map(|key| quoted(key))))
        };
        format!("{{ {} }}", self.0.iter().map(one).collect::<Vec<_>>().join(", "))
    }
}

impl Value for Duration {
    const ACCEPTS: &'static str =
        r#"a time: a number and ms, s, m or h, as "1.5s"; without a unit, seconds"#;

    fn read(toml: &DeValue<'_>) -> Result<Self, String> {
        toml.as_str().and_then(duration).ok_or_else(|| wanted::<Self>(toml))
    }

    fn show(&self) -> String {
        if self.subsec_nanos() == 0 {
            quoted(&format!("{}s", self.as_secs()))
        } else {
            quoted(&format!("{}ms", self.as_nanos() as f64 / 1e6))
        }
    }
}

/// In growing order, so that the largest that divides a size is the last.
const UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

fn bytes(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = unit.trim_start();
    let factor = if unit.is_empty() { 1 } else { UNITS.iter().find(|(u, _)| *u == unit)?.1 };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// At most 100 years: beyond, sums with a session's clock could overflow.
fn duration(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor = match unit.trim_start() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * factor;
    if !(0.0..=3.2e9).contains(&seconds) {
        return None;
    }
    // To the µs, a recording's unit: so that 0.1 is 100 ms and not 100.000001.
    Some(Duration::from_micros((seconds * 1e6).round() as u64))
}

fn path(text: &str) -> Result<PathBuf, String> {
    if Path::new(text).is_absolute() || text.starts_with("~/") {
        Ok(PathBuf::from(text))
    } else {
        Err(format!("{} is no absolute path; write it from / or from ~/", quoted(text)))
    }
}

fn wanted<T: Value>(got: &DeValue<'_>) -> String {
    format!("{} is not {}", shown(got), T::ACCEPTS)
}

/// What was there, for an error message; only the type of what is long.
fn shown(got: &DeValue<'_>) -> String {
    match got {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(n) => n.as_str().to_owned(),
        DeValue::Float(n) => n.as_str().to_owned(),
        DeValue::Boolean(b) => b.to_string(),
        other => format!("a value of type {}", other.type_str()),
    }
}

/// A TOML basic string, with all that could act on a terminal escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            // Control, and the bidirectional and invisible format characters.
            c if c.is_control()
                || matches!(u32::from(c), 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff) =>
            {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Value>(toml: &str) -> Result<T, String> {
        T::read(DeValue::parse(toml).unwrap().get_ref())
    }

    #[test]
    fn sizes() {
        for (text, want) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("1GiB", Some(1 << 30)),
            ("16 KiB", Some(16384)),
            ("5MB", Some(5_000_000)),
            ("16777216TiB", None),
            ("-1", None),
            ("1.5GiB", None),
            ("GiB", None),
            ("1gib", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), want, "{text}");
        }
        assert!(read::<Bytes>("5").is_err(), "a bare number says nothing of its unit");
    }

    #[test]
    fn durations() {
        for (text, want) in [
            ("2s", Some(2_000_000)),
            ("2", Some(2_000_000)),
            ("0.1", Some(100_000)),
            ("500ms", Some(500_000)),
            ("1.5m", Some(90_000_000)),
            ("1 h", Some(3_600_000_000)),
            ("0s", Some(0)),
            ("-1s", None),
            ("1e9s", None),
            ("99999999999h", None),
            ("1d", None),
            ("s", None),
            ("1..2s", None),
            ("NaN", None),
        ] {
            assert_eq!(duration(text).map(|d| d.as_micros()), want, "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        fn there_and_back<T: Value + std::fmt::Debug>(value: T) {
            assert_eq!(read::<T>(&value.show()), Ok(value.clone()), "{}", value.show());
        }
        for n in [0, 1, 1000, 1023, 1024, 1536, 1 << 30, 3 << 40, 5_000_000, u64::MAX] {
            there_and_back(Bytes(n));
        }
        for us in [0, 1, 999, 1000, 1_500_000, 2_000_000, 3_600_000_000] {
            there_and_back(Duration::from_micros(us));
        }
        there_and_back(vec!["a\"b\\c\u{7}\u{202e}é".to_owned(), "x".to_owned()]);
        there_and_back(vec![FilePath("/a b/c".into())]);
        there_and_back(OwnPath(None));
        there_and_back(OwnPath(Some("~/r".into())));
        there_and_back(FilePath("/a b/c".into()));
        there_and_back(Programs::default());
        there_and_back(read::<Programs>(r#"{ alice = "/bin/zsh", "a b" = "/bin/fish" }"#).unwrap());
        there_and_back(true);
        there_and_back(Mode::Strict);
        there_and_back(Input::Full);
        there_and_back(ManifestCommand::Scrubbed);
        there_and_back(PlayKeys::default());
        there_and_back(
            read::<PlayKeys>(r#"{ quit = "Q", pause = ["space", "\"", "\\"] }"#).unwrap(),
        );
    }

    #[test]
    fn programs_have_absolute_paths() {
        let wrong = read::<Programs>(r#"{ alice = "zsh" }"#).unwrap_err();
        assert_eq!(wrong, r#"alice: "zsh" is not an absolute path"#);
        assert!(read::<Programs>(r#""zsh""#).unwrap_err().contains("is not a table of names"));
        assert!(read::<FilePath>(r#""~/zsh""#).is_err());
    }

    #[test]
    fn keys_of_the_player() {
        let wrong = |toml| read::<PlayKeys>(toml).unwrap_err();
        assert_eq!(
            wrong(r#"{ puase = "p" }"#),
            r#"there is no command "puase"; did you mean pause?"#
        );
        assert!(wrong(r#"{ pause = "hyper-p" }"#).starts_with(r#"there is no key "hyper-p"; "#));
        assert!(wrong(r#"{ pause = "x", quit = "x" }"#).contains("both pause and quit"));
        assert!(wrong(r#"{ pause = 1 }"#).starts_with("pause: 1 is not a list of strings"));
        assert!(wrong(r#""pause""#).contains("is not a table of commands"));
        // A command may be without any.
        assert!(read::<PlayKeys>("{ quit = [] }").is_ok());
    }

    #[test]
    fn relative_paths_are_refused() {
        assert!(read::<OwnPath>(r#""recordings""#).unwrap_err().contains("no absolute path"));
        assert!(read::<OwnPath>(r#""~root/x""#).is_err());
        assert!(read::<Vec<FilePath>>(r#"["/ok", "x"]"#).is_err());
    }

    #[test]
    fn hostile_text_is_escaped_in_messages() {
        let message = read::<Mode>(r#""\u001b]0;x\u0007\u202e""#).unwrap_err();
        assert!(!message.chars().any(|c| c.is_control() || c == '\u{202e}'), "{message:?}");
    }
}
