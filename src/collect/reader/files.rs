//! The files of one recording, as they are and as they grow.
//!
//! Knows nothing of who reads them. Its invariant: whoever stops taking them at
//! any moment has, in what came, a prefix of what was recorded. Text moves from
//! journals to the part, so the journals are read first, the part after them,
//! and only then is a journal said to be gone.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::is_last;
use crate::format::reading::{self, Ask, Say, is_file_of};
use crate::format::wire;
use crate::recording::{Paths, is_live, journal_paths, open_own};

/// How often it is looked for what has come: a session's appends are made
/// every 250 ms.
const LOOK: Duration = Duration::from_millis(200);

/// How long a recording that has its last bytes may be without the manifest
/// that says so.
const CLOSING: Duration = Duration::from_secs(3);

/// The files that there are of a recording.
pub(super) struct Files {
    /// By name, with their lengths.
    found: BTreeMap<String, u64>,
}

impl Files {
    /// As they are now.
    pub(super) fn of(paths: &Paths) -> Self {
        let id = paths.stem().to_string_lossy();
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(paths.dir()).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !is_file_of(&id, &name) {
                continue;
            }
            if let Ok(data) = entry.metadata()
                && data.is_file()
            {
                found.insert(name, data.len());
            }
        }
        Self { found }
    }

    pub(super) fn sizes(self) -> Vec<(String, u64)> {
        self.found.into_iter().collect()
    }
}

/// What there was to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing at all.
    Nothing,
    /// A recording that is being made.
    Live,
    /// One that stays as it is.
    Whole,
}

/// What has been sent of a recording.
pub(super) struct Sent<'a, W> {
    paths: &'a Paths,
    out: &'a mut W,
    part: Option<Growing>,
    journals: BTreeMap<u64, Growing>,
}

/// A file, and how much of it has been sent.
struct Growing {
    name: String,
    file: File,
    sent: u64,
}

impl<'a, W: Write> Sent<'a, W> {
    pub(super) fn new(paths: &'a Paths, out: &'a mut W) -> Self {
        Self { paths, out, part: None, journals: BTreeMap::new() }
    }

    /// Sends all files as they are.
    pub(super) fn all(&mut self) -> io::Result<Found> {
        let started = Instant::now();
        let found = loop {
            let finished = self.paths.finished();
            if open_own(&finished).is_ok() {
                // It has its name before its manifest says so.
                while is_manifest_of_live(&self.paths.manifest()) && started.elapsed() < CLOSING {
                    std::thread::sleep(LOOK / 4);
                }
                whole(self.out, name_of(&finished), &finished)?;
                break Found::Whole;
            }
            self.journals()?;
            let part = self.paths.part();
            match open_own(&part) {
                Ok(file) => {
                    let live = is_live(&part);
                    self.say(&Say::Live { live })?;
                    let mut part = Growing { name: name_of(&part), file, sent: 0 };
                    part.send(self.out)?;
                    self.part = Some(part);
                    break if live { Found::Live } else { Found::Whole };
                }
                // Finished in between: what its journals had is in it.
                Err(_) if self.paths.finished().exists() => self.forget_journals()?,
                Err(_) if Files::of(self.paths).found.is_empty() => return Ok(Found::Nothing),
                Err(_) => break Found::Whole,
            }
        };
        self.others()?;
        self.say(&Say::Sent)?;
        self.out.flush()?;
        Ok(found)
    }

    /// Sends what comes, until the reader wants no more.
    pub(super) fn follow(&mut self, reader: &UnixStream) -> io::Result<()> {
        self.until_end(reader)?;
        self.out.flush()?;
        // Who asked says when it is over: then nobody has to know whether the
        // end or the question came first.
        stopped(reader)
    }

    fn until_end(&mut self, reader: &UnixStream) -> io::Result<()> {
        loop {
            if readable(reader, LOOK)? {
                return Ok(());
            }
            let part = self.paths.part();
            // Looked at first: what is sent after it is all there was.
            let live = is_live(&part);
            let ended = self.paths.finished().exists();
            self.journals()?;
            let file = self.part.as_mut().map(|part| part.send(self.out)).transpose()?;
            self.lost_journals()?;
            if ended {
                return self.finished();
            }
            if !live && file == Some(false) {
                // Between the end and the rename there is a moment; and where
                // there is no rename it was interrupted.
                std::thread::sleep(LOOK);
                if self.paths.finished().exists() {
                    continue;
                }
                self.others()?;
                self.say(&Say::Live { live })?;
                return Ok(());
            }
            self.out.flush()?;
        }
    }

    /// It has another name now, and its last manifest.
    fn finished(&mut self) -> io::Result<()> {
        let started = Instant::now();
        while is_manifest_of_live(&self.paths.manifest()) && started.elapsed() < CLOSING {
            std::thread::sleep(LOOK / 4);
        }
        if let Some(part) = &mut self.part {
            part.send(self.out)?;
        }
        self.others()?;
        self.forget_journals()?;
        let (from, to) = (name_of(&self.paths.part()), name_of(&self.paths.finished()));
        self.say(&Say::Renamed { from, to })?;
        self.say(&Say::Live { live: false })
    }

    fn say(&mut self, said: &Say) -> io::Result<()> {
        reading::say(self.out, said)
    }

    /// Sends what journals have, in the order of their frames.
    fn journals(&mut self) -> io::Result<()> {
        for path in journal_paths(self.paths).unwrap_or_default() {
            let Some(number) = path.file_name().and_then(|name| self.paths.journal_number(name))
            else {
                continue;
            };
            let journal = match self.journals.entry(number) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    // One that is gone by now is in the part.
                    let Ok(file) = open_own(&path) else { continue };
                    place.insert(Growing { name: name_of(&path), file, sent: 0 })
                }
            };
            journal.send(self.out)?;
        }
        Ok(())
    }

    /// Tells of journals that are no more.
    fn lost_journals(&mut self) -> io::Result<()> {
        let gone: Vec<u64> = self
            .journals
            .keys()
            .copied()
            .filter(|&number| self.paths.journal(number).symlink_metadata().is_err())
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        // What made it go is in the part.
        if let Some(part) = &mut self.part {
            part.send(self.out)?;
        }
        for number in gone {
            if let Some(journal) = self.journals.remove(&number) {
                self.say(&Say::Gone { name: journal.name })?;
            }
        }
        Ok(())
    }

    fn forget_journals(&mut self) -> io::Result<()> {
        for (_, journal) in std::mem::take(&mut self.journals) {
            self.say(&Say::Gone { name: journal.name })?;
        }
        Ok(())
    }

    /// Sends what is neither part nor journal nor finished recording: manifests
    /// and seals, of which the newest come last.
    fn others(&mut self) -> io::Result<()> {
        let files = Files::of(self.paths);
        let large = [name_of(&self.paths.part()), name_of(&self.paths.finished())];
        let mut small: Vec<String> = files
            .found
            .into_keys()
            .filter(|name| {
                !large.contains(name) && self.paths.journal_number(name.as_ref()).is_none()
            })
            .collect();
        small.sort_by_key(|name| is_last(name, self.paths));
        for name in small {
            let path = self.paths.dir().join(&name);
            whole(self.out, name, &path)?;
        }
        Ok(())
    }
}

impl Growing {
    /// Sends what there is more of it by now; whether there was.
    fn send(&mut self, out: &mut impl Write) -> io::Result<bool> {
        let size = self.file.metadata()?.len();
        if size <= self.sent {
            return Ok(false);
        }
        reading::say(out, &Say::File { name: self.name.clone(), at: self.sent, size })?;
        self.file.seek(SeekFrom::Start(self.sent))?;
        self.sent += pieces(out, (&self.file).take(size - self.sent))?;
        Ok(true)
    }
}

/// Sends a file that is not followed, where it is there.
pub(super) fn whole(out: &mut impl Write, name: String, path: &Path) -> io::Result<()> {
    let Ok(file) = open_own(path) else { return Ok(()) };
    let size = file.metadata()?.len();
    reading::say(out, &Say::File { name, at: 0, size })?;
    pieces(out, file.take(size)).map(drop)
}

fn pieces(out: &mut impl Write, mut from: impl Read) -> io::Result<u64> {
    let mut piece = vec![0; wire::PAYLOAD];
    let mut all = 0;
    loop {
        let count = match from.read(&mut piece) {
            Ok(0) => return Ok(all),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        reading::data(out, piece.get(..count).unwrap_or_default())?;
        all += count as u64;
    }
}

/// Whether something comes from the reader, in this time.
fn readable(reader: &UnixStream, within: Duration) -> io::Result<bool> {
    let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(within.subsec_nanos()) };
    let mut fds = [PollFd::from_borrowed_fd(reader.as_fd(), PollFlags::IN)];
    match poll(&mut fds, Some(&wait)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The reader says that it is enough.
fn stopped(reader: &UnixStream) -> io::Result<()> {
    match reading::asked(&mut &*reader)? {
        Some(Ask::Stop) => Ok(()),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "asked before the answer")),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether there is a manifest and says that the recording is being made.
fn is_manifest_of_live(path: &Path) -> bool {
    use crate::seal::manifest::{Manifest, State};
    Manifest::read(path).is_ok_and(|manifest| manifest.state == State::Live)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
