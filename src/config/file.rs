//! One configuration file: read it, and find what each line says.
//!
//! Knows which keys exist, not what they mean. Its invariant: whatever is
//! wrong is reported with the file and the line.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::value::quoted;
use super::{Error, KEYS, Key};

/// 1 MiB: no configuration comes near, and a mistaken link to a device or a
/// log must not fill the memory.
const LIMIT: u64 = 1 << 20;

/// The file's text; `None` when there is no such file.
///
/// The system's file must not be writable by others: neither it nor the
/// directory it is in.
pub(super) fn read(path: &Path, system: bool) -> Result<Option<String>, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    // Whatever it is, it is not waited for.
    let options = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = match options {
        Ok(file) => file,
        Err(e)
            if matches!(
                e.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(e) => return Err(unreadable(e)),
    };
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err(unreadable(std::io::Error::other("it is no regular file")));
    }
    if system {
        writable_by_others(path, &meta)?;
        if let Some(dir) = path.parent() {
            writable_by_others(dir, &dir.metadata().map_err(unreadable)?)?;
        }
    }
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT {
        return Err(unreadable(std::io::Error::other("it is larger than 1 MiB")));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(e) => {
            let line = line_of(e.as_bytes(), e.utf8_error().valid_up_to());
            Err(Error::Content {
                path: path.to_owned(),
                line,
                message: "this is no UTF-8 text".to_owned(),
            })
        }
    }
}

/// A sticky directory (like /tmp) is no better: whoever made the file there
/// owns it, and that was anybody. Writable by a group is the administrator's
/// choice.
fn writable_by_others(path: &Path, meta: &std::fs::Metadata) -> Result<(), Error> {
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o002 != 0 {
        return Err(Error::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// What a file says, as TOML with positions.
pub(super) struct Table<'a> {
    path: &'a Path,
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

/// One key of a file.
pub(super) struct Entry<'t> {
    pub(super) key: &'static Key,
    pub(super) value: &'t DeValue<'t>,
    pub(super) line: usize,
    path: &'t Path,
}

impl Entry<'_> {
    /// The error for this entry.
    pub(super) fn error(&self, message: String) -> Error {
        Error::Content {
            path: self.path.to_owned(),
            line: self.line,
            message: format!("{}: {message}", self.key.name),
        }
    }
}

/// Parses the text of the file at `path`.
pub(super) fn parse<'a>(path: &'a Path, text: &'a str) -> Result<Table<'a>, Error> {
    match DeTable::parse(text) {
        Ok(root) => Ok(Table { path, text, root }),
        Err(e) => {
            let line = line_of(text.as_bytes(), e.span().map_or(0, |s| s.start));
            Err(Error::Content {
                path: path.to_owned(),
                line,
                message: e.message().replace('\n', "; "),
            })
        }
    }
}

impl<'a> Table<'a> {
    /// Every key but `locked`, in the order of the file.
    pub(super) fn entries(&'a self) -> Result<Vec<Entry<'a>>, Error> {
        // In file order, so that of several mistakes the first is named.
        let mut found = Vec::new();
        for (section, value) in self.root.get_ref() {
            match value.get_ref().as_table() {
                Some(keys) => found.extend(keys.iter().map(|(key, value)| {
                    (
                        key.span().start,
                        format!("{}.{}", section.get_ref(), key.get_ref()),
                        value.get_ref(),
                    )
                })),
                None if section.get_ref() == LOCKED => {}
                None => found.push((
                    section.span().start,
                    section.get_ref().to_string(),
                    value.get_ref(),
                )),
            }
        }
        found.sort_by_key(|(at, ..)| *at);
        found
            .into_iter()
            .map(|(at, name, value)| {
                let line = line_of(self.text.as_bytes(), at);
                match KEYS.iter().find(|k| k.name == name) {
                    Some(key) => Ok(Entry { key, value, line, path: self.path }),
                    None => Err(self.wrong(at, unknown(&name))),
                }
            })
            .collect()
    }

    /// The keys that `locked` names, each with the line of `locked`.
    pub(super) fn locked(&self) -> Result<Vec<(&'static Key, usize)>, Error> {
        let Some((_, value)) = self.root.get_ref().iter().find(|(key, _)| key.get_ref() == LOCKED)
        else {
            return Ok(Vec::new());
        };
        let at = value.span().start;
        let Some(patterns) = value.get_ref().as_array() else {
            return Err(
                self.wrong(at, r#"locked must be a list of keys, as ["record.*"]"#.to_owned())
            );
        };
        let mut locked = Vec::new();
        for item in patterns.iter() {
            let at = item.span().start;
            let Some(pattern) = item.get_ref().as_str() else {
                return Err(
                    self.wrong(at, r#"locked must be a list of keys, as ["record.*"]"#.to_owned())
                );
            };
            let before = locked.len();
            let line = line_of(self.text.as_bytes(), at);
            locked.extend(KEYS.iter().filter(|k| matches(pattern, k.name)).map(|k| (k, line)));
            // A lock that locks nothing is a lock that somebody relies on.
            if locked.len() == before {
                return Err(self.wrong(at, format!("locked: {}", unknown(pattern))));
            }
        }
        Ok(locked)
    }

    /// The error for a `locked` in a user's file.
    pub(super) fn refuse_locked(&self) -> Result<(), Error> {
        match self.root.get_ref().iter().find(|(key, _)| key.get_ref() == LOCKED) {
            None => Ok(()),
            Some((key, _)) => Err(self.wrong(
                key.span().start,
                format!("locked is for {} only; remove it here", super::SYSTEM),
            )),
        }
    }

    fn wrong(&self, at: usize, message: String) -> Error {
        Error::Content {
            path: self.path.to_owned(),
            line: line_of(self.text.as_bytes(), at),
            message,
        }
    }
}

const LOCKED: &str = "locked";

/// `record.mode`, `record.*`, or `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => (prefix.is_empty() || prefix.ends_with('.')) && name.starts_with(prefix),
        None => pattern == name,
    }
}

fn unknown(name: &str) -> String {
    let nearest = nearest(name, KEYS.iter().map(|k| k.name));
    match nearest {
        Some(near) => format!("there is no key {}; did you mean {near}?", quoted(name)),
        None => format!("there is no key {}; `man hrec-config` lists them", quoted(name)),
    }
}

/// From 1.
fn line_of(text: &[u8], at: usize) -> usize {
    memchr::memchr_iter(b'\n', text.get(..at).unwrap_or(text)).count() + 1
}
