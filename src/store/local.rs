//! A store in a local directory: `recordings/YYYY/MM/DD/ID.…`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::sys::sharing;

/// What the names of a recording's files end in, after its id.
const SUFFIXES: [&str; 3] = [".cast.zst.age", ".cast.zst.age.part", ".manifest.json"];

/// How many candidates an ambiguous name's error lists.
const LISTED: usize = 10;

/// Why a store cannot be used, or a recording not be found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {what} {}: {source}{}", path.display(), remedy(.source))]
    Io {
        /// A verb: "create", "read".
        what: &'static str,
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The disk is too full to begin a recording.
    #[error("{} has {free} bytes free, less than store.min_free ({wanted}); free space there, or set store.path to another disk", path.display())]
    Full {
        /// The store.
        path: PathBuf,
        /// What is left, for users who are not root.
        free: u64,
        /// What must be left.
        wanted: u64,
    },
    /// The person's own recordings are as large as they may be.
    #[error("your recordings in {} take {used} bytes, and store.quota_user is {quota}; ask the administrator to move older ones away", path.display())]
    Quota {
        /// The store.
        path: PathBuf,
        /// Bytes of this user's files.
        used: u64,
        /// What they may be.
        quota: u64,
    },
    /// No recording is called so.
    #[error("no recording matches {name} in {}; `hrec ls{}` lists them", path.display(), elsewhere(path))]
    NotFound {
        /// As asked for, escaped for a terminal.
        name: String,
        /// The store.
        path: PathBuf,
    },
    /// There are not that many recordings.
    #[error("there is no recording {name}: {} has {count}", path.display())]
    TooFew {
        /// As asked for.
        name: String,
        /// The store.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// Several are.
    #[error("{name} matches {count} recordings; say more of one of these:")]
    Ambiguous {
        /// As asked for, escaped for a terminal.
        name: String,
        /// How many.
        count: usize,
        /// The newest of them.
        candidates: Vec<String>,
    },
    /// It is in another host's store, and this verb needs it in this one's.
    #[error(
        "{0}: this command is for the host's own store, and that is a collector's; log in there and use the id"
    )]
    Remote(String),
}

/// A recording in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its id: the stem of its files' names.
    pub id: String,
    /// The directory that they are in.
    pub dir: PathBuf,
}

/// What a `REC` argument means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// A file.
    File(PathBuf),
    /// A recording of the store.
    Stored(Entry),
}

/// The store.
#[derive(Clone, Debug)]
pub struct Local {
    root: PathBuf,
}

impl Local {
    /// The store in this directory, which need not be there yet.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes the directory for a recording that starts on this day (`YYYY`,
    /// `MM`, `DD`), for its owner alone unless the store is shared. A directory that was made is durable
    /// when this returns: a recording in it is worth nothing without it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn day(&self, (year, month, day): (&str, &str, &str)) -> Result<PathBuf, Error> {
        let dir = self.root.join("recordings").join(year).join(month).join(day);
        let there = dir.ancestors().find(|dir| dir.is_dir()).map(Path::to_owned);
        sharing::create_dir_all(&dir).map_err(|source| Error::Io {
            what: "create",
            path: dir.clone(),
            source,
        })?;
        for parent in dir.ancestors().skip(1) {
            if there.as_deref().is_none_or(|there| there == dir || !parent.starts_with(there)) {
                break;
            }
            fs::File::open(parent)
                .and_then(|parent| parent.sync_all())
                .map_err(|source| Error::Io { what: "sync", path: parent.to_owned(), source })?;
        }
        Ok(dir)
    }

    /// Whether a recording may be begun.
    ///
    /// # Errors
    /// [`Error::Full`] with less than `min_free` bytes left; [`Error::Quota`]
    /// when `uid`'s files take `quota` bytes or more (0: any number).
    pub fn admit(&self, min_free: u64, quota: u64, uid: u32) -> Result<(), Error> {
        let free = rustix::fs::statvfs(&self.root)
            .map(|s| s.f_bavail.saturating_mul(s.f_frsize))
            .map_err(|e| Error::Io {
            what: "examine",
            path: self.root.clone(),
            source: e.into(),
        })?;
        if free < min_free {
            return Err(Error::Full { path: self.root.clone(), free, wanted: min_free });
        }
        if quota > 0 {
            let used = used_by(&self.root.join("recordings"), uid);
            if used >= quota {
                return Err(Error::Quota { path: self.root.clone(), used, quota });
            }
        }
        Ok(())
    }

    /// All recordings, newest first. A store that is not there has none.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        let mut all = Vec::new();
        for day in self.days()? {
            all.extend(in_day(&day)?);
        }
        // Ids begin with the time of the start.
        all.sort_unstable_by(|a, b| b.id.cmp(&a.id));
        all.dedup_by(|a, b| a.id == b.id);
        Ok(all)
    }

    /// The directories of days, newest first.
    fn days(&self) -> Result<Vec<PathBuf>, Error> {
        let mut level = vec![self.root.join("recordings")];
        for digits in [4, 2, 2] {
            let mut below = Vec::new();
            for dir in level {
                let numbers =
                    |name: &str| name.len() == digits && name.bytes().all(|b| b.is_ascii_digit());
                let mut found: Vec<_> = names(&dir)?.into_iter().filter(|n| numbers(n)).collect();
                found.sort_unstable_by(|a, b| b.cmp(a));
                below.extend(found.into_iter().map(|name| dir.join(name)));
            }
            level = below;
        }
        Ok(level)
    }

    /// The `n`th latest by id, from 1, not counting `own`.
    fn latest(&self, n: usize, own: Option<&str>) -> Result<Result<Entry, usize>, Error> {
        let mut seen = 0;
        for day in self.days()? {
            for entry in in_day(&day)? {
                if own != Some(entry.id.as_str()) {
                    seen += 1;
                    if seen == n {
                        return Ok(Ok(entry));
                    }
                }
            }
        }
        Ok(Err(seen))
    }

    /// Finds what `rec` names: a path, an id, a unique part of one, `-1` for the
    /// latest in any state, `-2` …; never the session `own`.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn resolve(&self, rec: &OsStr, own: Option<&str>) -> Result<Located, Error> {
        let text = rec.to_string_lossy();
        let name = plain(&text);
        if text.starts_with("ssh://") {
            return Err(Error::Remote(name));
        }
        if let Some(n) =
            text.strip_prefix('-').and_then(|n| n.parse::<usize>().ok()).filter(|&n| n > 0)
        {
            return self.latest(n, own)?.map(Located::Stored).map_err(|count| Error::TooFew {
                name,
                path: self.root.clone(),
                count,
            });
        }
        // A file here, or one that was to be: whoever typed `demo.cast.zst.age`
        // after a crash means the part of that, and no recording in the store.
        let mut part = rec.to_owned();
        part.push(".part");
        let here = [rec, &part].iter().any(|name| Path::new(name).symlink_metadata().is_ok());
        if text.contains('/') || here {
            return Ok(Located::File(PathBuf::from(rec)));
        }
        let entries = self.list()?;
        let ids = entries.iter().map(|entry| entry.id.as_str());
        let id = matching(&text, ids, &self.root, own)?.to_owned();
        let found = entries.into_iter().find(|entry| entry.id == id);
        found.map(Located::Stored).ok_or(Error::NotFound { name, path: self.root.clone() })
    }
}

/// Which of these ids, the newest first, `rec` names: an id, a unique part of
/// one, `-1` for the latest, `-2` …; never `own`. `place` is where they are,
/// for a message.
///
/// # Errors
/// When it is none of them, or several.
pub fn choose<'a>(
    rec: &str,
    ids: impl Iterator<Item = &'a str>,
    place: &str,
    own: Option<&str>,
) -> Result<&'a str, Error> {
    let number = rec.strip_prefix('-').and_then(|n| n.parse::<usize>().ok()).filter(|&n| n > 0);
    let Some(number) = number else { return matching(rec, ids, Path::new(place), own) };
    let others: Vec<&str> = ids.filter(|id| own != Some(id)).collect();
    others.get(number - 1).copied().ok_or_else(|| Error::TooFew {
        name: plain(rec),
        path: place.into(),
        count: others.len(),
    })
}

fn matching<'a>(
    rec: &str,
    ids: impl Iterator<Item = &'a str>,
    place: &Path,
    own: Option<&str>,
) -> Result<&'a str, Error> {
    let wanted = rec.strip_suffix(".cast.zst.age").unwrap_or(rec);
    let fits = |id: &&str| *id == wanted || (id.contains(wanted) && own != Some(id));
    let matching: Vec<&str> = ids.filter(fits).collect();
    if let Some(exact) = matching.iter().find(|id| **id == wanted) {
        return Ok(exact);
    }
    match matching.as_slice() {
        [] => Err(Error::NotFound { name: plain(rec), path: place.to_owned() }),
        [one] => Ok(one),
        several => Err(Error::Ambiguous {
            name: plain(rec),
            count: several.len(),
            candidates: several.iter().take(LISTED).map(|id| (*id).to_owned()).collect(),
        }),
    }
}

/// What was asked for, without what acts on a terminal.
fn plain(rec: &str) -> String {
    rec.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A directory's names; none for one that is not there.
fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let io = |source| Error::Io { what: "read", path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(e) => return Err(io(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.map_err(io)?.file_name().into_string() {
            found.push(name);
        }
    }
    Ok(found)
}

/// The recordings of a day, newest first.
fn in_day(dir: &Path) -> Result<Vec<Entry>, Error> {
    let ids: BTreeSet<String> = names(dir)?
        .iter()
        .filter_map(|name| SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)))
        .filter(|id| id.bytes().all(|b| b.is_ascii_graphic()))
        .map(str::to_owned)
        .collect();
    let entries = ids.into_iter().rev().map(|id| Entry { id, dir: dir.to_owned() });
    Ok(entries.filter(|entry| !is_double(entry)).collect())
}

/// Whether this is a second recording of an id whose own day, which the id
/// begins with, has the first.
fn is_double(entry: &Entry) -> bool {
    let digits = |from: usize, to: usize| {
        entry.id.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))
    };
    let (Some(year), Some(month), Some(day)) = (digits(0, 4), digits(4, 6), digits(6, 8)) else {
        return false;
    };
    let Some(all) = entry.dir.ancestors().nth(3) else { return false };
    let own = all.join(year).join(month).join(day);
    let there = |suffix| own.join(format!("{}{suffix}", entry.id)).symlink_metadata().is_ok();
    own != entry.dir && SUFFIXES.into_iter().any(there)
}

/// The bytes of a user's files below a directory; what cannot be read counts
/// as nothing.
fn used_by(dir: &Path, uid: u32) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok().map(|data| (entry, data)))
        .map(|(entry, data)| match data.is_dir() {
            true => used_by(&entry.path(), uid),
            false if data.uid() == uid => data.len(),
            false => 0,
        })
        .sum()
}

/// What `hrec ls` needs to list them.
fn elsewhere(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.starts_with("ssh://") { format!(" {text}") } else { String::new() }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "; free space there, or set store.path to another disk",
        io::ErrorKind::PermissionDenied => "; check who owns that directory, and its mode",
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotADirectory => {
            "; set store.path to a directory that can be written"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32, target: &str) -> String {
        format!("202611{:02}T101010.00{n}Z-eve-{target}-AAAAAAA{n}", 20 + n)
    }

    fn store() -> (tempfile::TempDir, Local) {
        let dir = tempfile::tempdir().unwrap();
        let local = Local::new(dir.path().join("s"));
        for (n, target, suffix) in [
            (2, "db1", ".cast.zst.age"),
            (3, "db1", ".cast.zst.age.part"),
            (4, "web", ".manifest.json"),
        ] {
            let id = id(n, target);
            let day = local.day(("2026", "11", id.get(6..8).unwrap())).unwrap();
            fs::write(day.join(format!("{id}{suffix}")), "").unwrap();
            fs::write(day.join("README"), "").unwrap();
        }
        fs::create_dir_all(dir.path().join("s/recordings/lost+found")).unwrap();
        (dir, local)
    }

    fn stored(local: &Local, rec: &str, own: Option<&str>) -> Result<String, Error> {
        match local.resolve(OsStr::new(rec), own)? {
            Located::Stored(entry) => Ok(entry.id),
            Located::File(path) => panic!("{path:?}"),
        }
    }

    #[test]
    fn found_by_number_id_and_unique_part_but_never_oneself() {
        let (_dir, local) = store();
        assert_eq!(stored(&local, "-1", None).unwrap(), id(4, "web"));
        assert_eq!(stored(&local, "-1", Some(&id(4, "web"))).unwrap(), id(3, "db1"));
        assert_eq!(stored(&local, "-3", None).unwrap(), id(2, "db1"));
        assert_eq!(stored(&local, "web", None).unwrap(), id(4, "web"));
        assert_eq!(stored(&local, &id(2, "db1"), None).unwrap(), id(2, "db1"));
        assert_eq!(
            stored(&local, &format!("{}.cast.zst.age", id(2, "db1")), None).unwrap(),
            id(2, "db1")
        );
        assert_eq!(stored(&local, "db1", Some(&id(3, "db1"))).unwrap(), id(2, "db1"));
        assert_eq!(local.list().unwrap().len(), 3);
    }

    #[test]
    fn another_day_has_no_second_recording_of_an_id() {
        let (_dir, local) = store();
        let twice = id(2, "db1");
        for day in ["21", "23"] {
            let dir = local.day(("2026", "11", day)).unwrap();
            fs::write(dir.join(format!("{twice}.cast.zst.age")), "another").unwrap();
        }
        let Ok(Located::Stored(found)) = local.resolve(OsStr::new(&twice), None) else { panic!() };
        assert!(found.dir.ends_with("2026/11/22"), "{found:?}");
        assert_eq!(stored(&local, "-3", None).unwrap(), twice);
        assert_eq!(stored(&local, "-2", None).unwrap(), id(3, "db1"));
        fs::remove_file(found.dir.join(format!("{twice}.cast.zst.age"))).unwrap();
        // One that was moved is found where it is.
        assert!(stored(&local, &twice, None).is_ok());
    }

    #[test]
    fn what_is_not_found_says_what_is_there() {
        let (_dir, local) = store();
        let said = |rec| stored(&local, rec, None).unwrap_err().to_string();
        assert!(said("-9").contains("has 3"), "{}", said("-9"));
        assert!(said("db1").contains("matches 2 recordings"), "{}", said("db1"));
        assert!(said("\x1b[31mx").contains("no recording matches \u{fffd}[31mx"));
        assert!(said("ssh://b/x").contains("collector"));
        let nowhere = Local::new(PathBuf::from("/nonexistent"));
        assert!(nowhere.list().unwrap().is_empty());
    }

    #[test]
    fn a_full_store_admits_nobody() {
        let (dir, local) = store();
        let uid = rustix::process::getuid().as_raw();
        assert!(local.admit(0, 0, uid).is_ok());
        assert!(matches!(local.admit(u64::MAX, 0, uid), Err(Error::Full { .. })));
        fs::write(dir.path().join("s/recordings/2026/11/22/x"), [0; 100]).unwrap();
        assert!(matches!(local.admit(0, 100, uid), Err(Error::Quota { used: 100, .. })));
        assert!(local.admit(0, 101, uid).is_ok());
        assert!(local.admit(0, 100, uid + 1).is_ok());
    }
}
