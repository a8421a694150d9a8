//! The files that one recording consists of.
//!
//! Touches no file. Its invariant: all names of a recording differ only after
//! the common stem, so that they sort and move together.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::Id;

/// What a finished recording's name ends in.
pub const SUFFIX: &str = ".cast.zst.age";

/// The paths of one recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    dir: PathBuf,
    stem: OsString,
    file: OsString,
}

impl Paths {
    /// The files of the recording `id` in the directory `dir`.
    #[must_use]
    pub fn in_dir(dir: &Path, id: &Id) -> Self {
        let mut file = OsString::from(id.as_str());
        let stem = file.clone();
        file.push(SUFFIX);
        Self { dir: dir.to_owned(), stem, file }
    }

    /// The files of a recording whose finished name is `file` (`rec -o FILE`):
    /// the others lie beside it. The stem is the file's name less
    /// `.cast.zst.age`, or the whole name when it does not end so.
    #[must_use]
    pub fn at(file: &Path) -> Self {
        let name = file.file_name().unwrap_or(OsStr::new("recording")).to_owned();
        let dir = match file.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
            _ => PathBuf::from("."),
        };
        let stem = name
            .to_str()
            .and_then(|name| name.strip_suffix(SUFFIX))
            .filter(|stem| !stem.is_empty())
            .map_or_else(|| name.clone(), OsString::from);
        Self { dir, stem, file: name }
    }

    /// The directory that all the files are in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The finished recording.
    #[must_use]
    pub fn finished(&self) -> PathBuf {
        self.dir.join(&self.file)
    }

    /// The recording while it is made, or when it was interrupted.
    #[must_use]
    pub fn part(&self) -> PathBuf {
        let mut name = self.file.clone();
        name.push(".part");
        self.dir.join(name)
    }

    /// The journal of frame `number`.
    #[must_use]
    pub fn journal(&self, number: u64) -> PathBuf {
        self.beside(&format!(".journal.{number}"))
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.beside(".manifest.json")
    }

    /// The number of the journal that `name` names, when it is one of this
    /// recording's.
    #[must_use]
    pub fn journal_number(&self, name: &OsStr) -> Option<u64> {
        let rest = name.as_encoded_bytes().strip_prefix(self.stem.as_encoded_bytes())?;
        let digits = std::str::from_utf8(rest.strip_prefix(b".journal.")?).ok()?;
        let number: u64 = digits.parse().ok()?;
        // `+7` and `007` parse too, but no writer makes them.
        (number.to_string() == digits).then_some(number)
    }

    /// The stem, which is the id for a recording in a store.
    #[must_use]
    pub fn stem(&self) -> &OsStr {
        &self.stem
    }

    fn beside(&self, end: &str) -> PathBuf {
        let mut name = self.stem.clone();
        name.push(end);
        self.dir.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_contract() {
        let id = Id::parse("20261121T141503.123Z-ann-db1-AAAAAAAA").unwrap();
        let paths = Paths::in_dir(Path::new("/s"), &id);
        assert_eq!(paths.finished(), Path::new("/s").join(format!("{id}.cast.zst.age")));
        assert_eq!(paths.part(), Path::new("/s").join(format!("{id}.cast.zst.age.part")));
        assert_eq!(paths.journal(3), Path::new("/s").join(format!("{id}.journal.3")));
        assert_eq!(paths.manifest(), Path::new("/s").join(format!("{id}.manifest.json")));
        assert_eq!(Paths::at(&paths.finished()), paths);
    }

    #[test]
    fn a_file_of_any_name_has_its_own_beside_it() {
        let paths = Paths::at(Path::new("demo"));
        assert_eq!(paths.part(), Path::new("./demo.part"));
        assert_eq!(paths.journal_number(OsStr::new("demo.journal.12")), Some(12));
        for other in ["demo.journal.", "demo.journal.+1", "demo.journal.01", "x.journal.1"] {
            assert_eq!(paths.journal_number(OsStr::new(other)), None, "{other}");
        }
    }
}
