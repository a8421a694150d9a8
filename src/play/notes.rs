//! The person's own markers, kept beside no evidence.
//!
//! Refuses to know players and recordings. The invariant: a recording is never
//! written to, and a file of notes that cannot be understood is never
//! overwritten.
//!
//! What is kept is what the person typed: a time and a label, in the clear, in
//! a file that only its owner can read. Nothing of the session's content is in
//! it unless the person types it there; `hrec-play(1)` says so.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::event::Micros;
use crate::recording::Id;

/// More than any person types: a file beyond this is not ours.
const LARGEST: u64 = 1 << 20;
/// A label's longest, in characters.
const LABEL: usize = 200;
/// What a recording without an id is known by: the digest of so many bytes of
/// its beginning. An age file's header is random; a foreign one's beginning
/// has its time and first output.
const START: u64 = 1 << 16;

/// Why notes cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {what} your notes in {}: {source}", path.display())]
    Io {
        /// A verb: "read", "write".
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no file of notes.
    #[error("{} holds no notes that this hrec can read ({why}); it is left as it is: mend it, or move it away", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file would become larger than is read again.
    #[error("{} is full; remove markers from it that you no longer need", .0.display())]
    Full(PathBuf),
}

/// A marker of the person's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Microseconds since the start of the recording.
    pub at_us: Micros,
    /// What the person typed; may be empty.
    #[serde(default)]
    pub label: String,
    /// When it was set, RFC 3339 in UTC.
    #[serde(default)]
    pub made: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Form {
    /// As a person would name it who finds the file.
    #[serde(default)]
    recording: String,
    #[serde(default)]
    marker: Vec<Marker>,
}

/// What a recording is known by here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A recording of hrec's, by its id. `None` when the text is no id: it
    /// comes from a file, and becomes the name of one.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Id::parse(id).map(|id| Self(id.as_str().to_owned()))
    }

    /// Any other, by the SHA-256 of its first 64 KiB. A recording that is
    /// shorter and still grows becomes another one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_start(input: impl Read) -> io::Result<Self> {
        let mut start = Vec::new();
        input.take(START).read_to_end(&mut start)?;
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&start));
        Ok(Self(format!("sha256-{digest}")))
    }

    /// The name of the file, without its ending.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The notes on one recording.
#[derive(Debug)]
pub struct Notes {
    dir: PathBuf,
    key: Key,
    /// The recording's name, for whoever finds the file.
    name: String,
    markers: Vec<Marker>,
}

impl Notes {
    /// The notes in the directory `dir` on this recording; none when there is
    /// no such file. `name` is kept in it for a person to read.
    ///
    /// # Errors
    /// When there is a file, and it cannot be read or holds no notes.
    pub fn open(dir: &Path, key: Key, name: &str) -> Result<Self, Error> {
        let mut notes = Self::at(dir, key, name);
        notes.read_again()?;
        Ok(notes)
    }

    /// The same, not read yet.
    #[must_use]
    pub fn at(dir: &Path, key: Key, name: &str) -> Self {
        Self { dir: dir.to_owned(), key, name: name.to_owned(), markers: Vec::new() }
    }

    /// Reads them, whoever changed them.
    ///
    /// # Errors
    /// As [`Notes::open`]; then the markers are as they were.
    pub fn read_again(&mut self) -> Result<(), Error> {
        self.markers = self.read()?.marker;
        // Somebody may have edited the file.
        self.markers.sort_by_key(|marker| marker.at_us);
        Ok(())
    }

    /// Notes that are kept nowhere.
    #[must_use]
    pub fn none() -> Self {
        let (dir, key) = (PathBuf::new(), Key(String::new()));
        Self { dir, key, name: String::new(), markers: Vec::new() }
    }

    /// The file that they are in, which need not be there yet.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.join(format!("{}.toml", self.key.as_str()))
    }

    /// The markers, in the order of their times. Labels are anybody's text.
    #[must_use]
    pub fn markers(&self) -> &[Marker] {
        &self.markers
    }

    /// Sets a marker, durably. One that is at this very time gets the new
    /// label.
    ///
    /// # Errors
    /// When it cannot be kept; then it is not among [`Notes::markers`] either.
    pub fn set(&mut self, at_us: Micros, label: &str) -> Result<(), Error> {
        let label: String = label.trim().chars().take(LABEL).collect();
        let made = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let marker = Marker { at_us, label, made };
        self.change(|markers| {
            markers.retain(|known| known.at_us != at_us);
            markers.push(marker);
        })
    }

    /// Removes the marker at this very time, if there is one.
    ///
    /// # Errors
    /// As [`Notes::set`].
    pub fn remove(&mut self, at_us: Micros) -> Result<(), Error> {
        self.change(|markers| markers.retain(|known| known.at_us != at_us))
    }

    /// Another player may have the same recording open: what it kept since is
    /// read first, and nobody else changes it meanwhile.
    fn change(&mut self, change: impl FnOnce(&mut Vec<Marker>)) -> Result<(), Error> {
        if self.dir.as_os_str().is_empty() {
            change(&mut self.markers);
            self.markers.sort_by_key(|marker| marker.at_us);
            return Ok(());
        }
        let failed = |what| {
            let path = self.dir.clone();
            move |source| Error::Io { what, path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(failed("make a place for"))?;
        let dir = File::open(&self.dir).map_err(failed("open"))?;
        flock(&dir, FlockOperation::LockExclusive).map_err(|e| failed("lock")(e.into()))?;
        let mut markers = self.read()?.marker;
        change(&mut markers);
        markers.sort_by_key(|marker| marker.at_us);
        self.write(&markers)?;
        dir.sync_all().map_err(failed("sync"))?;
        self.markers = markers;
        Ok(())
    }

    fn read(&self) -> Result<Form, Error> {
        let path = self.path();
        let failed = |source| Error::Io { what: "read", path: path.clone(), source };
        let malformed = |why: String| Error::Form { path: path.clone(), why };
        // A FIFO of this name must not keep the player waiting.
        let options = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        let file = match options {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Form::default()),
            Err(error) => return Err(failed(error)),
        };
        let mut text = String::new();
        let read = file.take(LARGEST + 1).read_to_string(&mut text);
        match read {
            Ok(_) if text.len() as u64 > LARGEST => Err(malformed("it is too large".to_owned())),
            Ok(_) => toml::from_str(&text).map_err(|error| malformed(one_line(error.message()))),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(malformed("it is no text".to_owned()))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Whoever looks sees the old file or the new one.
    fn write(&self, markers: &[Marker]) -> Result<(), Error> {
        let path = self.path();
        let failed = |source| Error::Io { what: "write", path: path.clone(), source };
        let form = Form { recording: self.name.clone(), marker: markers.to_vec() };
        let body = toml::to_string(&form).map_err(|error| failed(io::Error::other(error)))?;
        let text = format!(
            "# Markers that were set with `m` in `hrec play`. They are yours, and no part of the\n\
             # recording, which nothing here can change. at_us: microseconds since its start.\n\n\
             {body}"
        );
        if text.len() as u64 > LARGEST {
            return Err(Error::Full(path));
        }
        let draft = path.with_extension(format!("toml.{:08x}", rand::random::<u32>()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&draft, &path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&draft);
            failed(error)
        })
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const ID: &str = "20261121T141503.123Z-ann-db1-AAAAAAAA";

    fn times(notes: &Notes) -> Vec<(Micros, &str)> {
        notes.markers().iter().map(|marker| (marker.at_us, marker.label.as_str())).collect()
    }

    #[test]
    fn kept_for_their_owner_alone_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("hrec/notes");
        let open = || Notes::open(&dir, Key::of_id(ID).unwrap(), "db1").unwrap();
        let mut notes = open();
        assert!(notes.markers().is_empty() && !notes.path().exists());
        notes.set(5_000_000, " here\u{1b}]0;x\u{7} it \"began\" ").unwrap();
        notes.set(1, "").unwrap();
        // Another player, meanwhile.
        let mut other = open();
        other.set(3, "three").unwrap();
        notes.set(5_000_000, "again").unwrap();
        notes.remove(1).unwrap();
        notes.remove(99).unwrap();
        assert_eq!(times(&notes), [(3, "three"), (5_000_000, "again")]);
        assert_eq!(times(&open()), times(&notes));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&notes.path())), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        let text = std::fs::read_to_string(notes.path()).unwrap();
        assert!(text.contains("recording = \"db1\"") && text.starts_with("# Markers"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn what_is_no_file_of_notes_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut notes = Notes::open(dir.path(), Key::of_id(ID).unwrap(), "").unwrap();
        for text in
            ["marker = 3\n", "[[marker]]\nat_us = -1\n", "\u{1b}[2J", &"#\n".repeat(1 << 19)]
        {
            let long = format!("{text}#");
            std::fs::write(notes.path(), &long).unwrap();
            let said = notes.set(1, "x").unwrap_err().to_string();
            assert!(said.contains(".toml holds no notes") && !said.contains('\n'), "{said}");
            assert!(Notes::open(dir.path(), Key::of_id(ID).unwrap(), "").is_err());
            assert_eq!(std::fs::read_to_string(notes.path()).unwrap(), long);
            assert!(notes.markers().is_empty());
        }
        std::fs::write(notes.path(), b"\xff").unwrap();
        assert!(notes.set(1, "x").is_err());
    }

    #[test]
    fn a_hostile_id_names_no_file() {
        for id in ["../../.ssh/authorized_keys", "", "20261121T141503.123Z-a/b-c-AAAAAAAA", "x\0y"]
        {
            assert_eq!(Key::of_id(id), None, "{id:?}");
        }
        let key = Key::of_start(&b"abc"[..]).unwrap();
        assert_eq!(
            key.as_str(),
            "sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let long = [7; 1 << 17];
        assert_eq!(Key::of_start(&long[..]).unwrap(), Key::of_start(&long[..1 << 16]).unwrap());
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut notes = Notes::open(dir.path(), Key::of_id(ID).unwrap(), "").unwrap();
        let markers =
            (0..5000).map(|at_us| Marker { at_us, label: "x".repeat(200), made: String::new() });
        let form = Form { recording: String::new(), marker: markers.collect() };
        let mut text = toml::to_string(&form).unwrap();
        while text.len() as u64 > LARGEST - 300 {
            text.truncate(text.rfind("[[marker]]").unwrap());
        }
        std::fs::write(notes.path(), text).unwrap();
        let label = "é".repeat(1000);
        let full = (0..10).find_map(|n| notes.set(10_000 + n, &label).err()).unwrap();
        assert!(matches!(full, Error::Full(_)), "{full}");
        assert!(Notes::open(dir.path(), Key::of_id(ID).unwrap(), "").unwrap().markers().len() > 1);
    }

    #[test]
    fn without_a_place_they_last_as_long_as_the_player() {
        let mut notes = Notes::none();
        notes.set(2, "b").unwrap();
        notes.set(1, "a").unwrap();
        assert_eq!(times(&notes), [(1, "a"), (2, "b")]);
    }
}
