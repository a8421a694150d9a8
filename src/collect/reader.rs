//! A reader's connection: what recordings there are, their ciphertext, and the
//! ledger's files.
//!
//! Knows nothing of keys: what it gives is encrypted to others. Its invariant:
//! before a byte of a recording is given, the ledger says who asked for it.

mod files;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use self::files::Files;
use super::login::As;
use super::{Daemon, Options, Refusal, ender};
use crate::format::id::Id;
use crate::format::reading::{self, Ask, MANIFEST, Say};
use crate::format::wire::Hello;
use crate::recording::{Paths, is_live};
use crate::screen::safe_text;
use crate::seal::ledger::{By, Event, disk};
use crate::seal::manifest::signature;
use crate::store::Local;
use crate::sys::peer::Peer;
use crate::sys::users;

/// How long a reader may not take what it has asked for: a laptop that sleeps
/// comes back anew.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of a recording of which there is nothing.
const NOT_THERE: &str = "there is no such recording in the collector's store";

/// The longest verb that is noted.
const VERB: usize = 16;

/// Tiles of the ledger that are sent as they were together with its head: those
/// that an append replaces. There is one a level, and one of entries.
const PARTIAL: usize = 16 << 10;

/// Who reads.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The user, by the kernel's word.
    pub uid: u32,
    /// That one's name.
    pub name: String,
    /// Whether `collect.readers` names them.
    pub reads: bool,
    /// Whether `collect.enders` does.
    pub ends: bool,
}

impl Reader {
    /// The user of this number, with what these two lists let them do: users,
    /// and groups as `@name` or `%name`.
    #[must_use]
    pub fn of(uid: u32, readers: &[String], enders: &[String]) -> Self {
        let user = users::by_uid(uid);
        let groups = user.as_ref().map(users::groups).unwrap_or_default();
        let name = user.map_or_else(|| uid.to_string(), |user| user.name);
        let reads = is_named(readers, &name, &groups);
        let ends = is_named(enders, &name, &groups);
        Self { uid, name, reads, ends }
    }

    /// What the ledger is told of them.
    #[must_use]
    pub fn by(&self) -> By {
        let kernel = |value: serde_json::Value| json!({"value": value, "trust": "kernel"});
        [("uid".to_owned(), kernel(json!(self.uid))), ("user".to_owned(), kernel(json!(self.name)))]
            .into_iter()
            .collect()
    }
}

/// Whether a list of users and groups (`@group`, `%group`) names this user.
#[must_use]
pub fn is_named(list: &[String], user: &str, groups: &[String]) -> bool {
    list.iter().any(|entry| match entry.strip_prefix(['@', '%']) {
        Some(group) => groups.iter().any(|own| own == group),
        None => entry == user,
    })
}

/// Serves one, until it has what it wants.
///
/// # Errors
/// With what it is told where it may not have that.
pub(super) fn serve(
    daemon: &Arc<Daemon>,
    stream: UnixStream,
    peer: &Peer,
    _hello: &Hello,
) -> Result<(), Refusal> {
    let Options { readers, enders, store, .. } = &*daemon.options;
    let reader = Reader::of(peer.uid, readers, enders);
    daemon.logins.account(peer.process, As::Reader);
    let collector = Collector { daemon, peer };
    let done = attend(&stream, store, &reader, &collector);
    // Whoever is gone needs to be told nothing.
    if let Err(error) = done
        && error.kind() == io::ErrorKind::InvalidData
    {
        return Err(format!("this is no question: {error}").into());
    }
    Ok(())
}

struct Collector<'a> {
    daemon: &'a Arc<Daemon>,
    peer: &'a Peer,
}

impl Host for Collector<'_> {
    fn note(&self, events: Vec<Event>) -> Result<(), String> {
        self.daemon.clerk.enter(events)
    }

    fn end(&self, id: &Id, by: &Reader) -> Result<(), String> {
        ender::end(self.daemon, id, by)
    }

    fn log(&self, line: &str) {
        self.daemon.log.say_of(self.peer.uid, line);
    }

    fn refuse(&self, stream: &UnixStream, what: &str, sentence: &str) {
        self.daemon.log.refuse(stream, self.peer, what, &sentence.into());
    }
}

/// What a reader's connection needs of the collector.
pub trait Host {
    /// Adds to the ledger, durably.
    ///
    /// # Errors
    /// Why it cannot.
    fn note(&self, events: Vec<Event>) -> Result<(), String>;

    /// Ends a session.
    ///
    /// # Errors
    /// Why there is none to end.
    fn end(&self, id: &Id, by: &Reader) -> Result<(), String>;

    /// A line in the collector's log.
    fn log(&self, line: &str);

    /// Tells the reader, and the log, that this is not done: the sentence is
    /// for both.
    fn refuse(&self, stream: &UnixStream, what: &str, sentence: &str);
}

/// Serves a reader until they are gone.
///
/// # Errors
/// As the stream's, and for what is no message: the connection is over then.
pub fn attend(
    stream: &UnixStream,
    store: &Path,
    reader: &Reader,
    host: &dyn Host,
) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    // Somebody looks for hours, and asks for the next one then.
    stream.set_read_timeout(None)?;
    let mut desk =
        Desk { stream, out: BufWriter::with_capacity(1 << 16, stream), store, reader, host };
    if !reader.reads && !reader.ends {
        return desk.refuse(
            "a reading",
            "you are neither in collect.readers nor in collect.enders of this collector",
        );
    }
    desk.say(&Say::Hello { v: reading::VERSION })?;
    desk.out.flush()?;
    while let Some(ask) = reading::asked(&mut &*stream)? {
        desk.answer(ask)?;
        desk.out.flush()?;
    }
    Ok(())
}

struct Desk<'a> {
    stream: &'a UnixStream,
    out: BufWriter<&'a UnixStream>,
    store: &'a Path,
    reader: &'a Reader,
    host: &'a dyn Host,
}

impl Desk<'_> {
    fn say(&mut self, said: &Say) -> io::Result<()> {
        reading::say(&mut self.out, said)
    }

    /// `what` is for the log, the sentence for both.
    fn refuse(&mut self, what: &str, sentence: &str) -> io::Result<()> {
        self.out.flush()?;
        self.host.refuse(self.stream, what, sentence);
        Ok(())
    }

    fn answer(&mut self, ask: Ask) -> io::Result<()> {
        let Reader { reads, ends, .. } = self.reader;
        let (what, allowed, list) = match &ask {
            Ask::End { .. } => ("end a session", *ends, "collect.enders"),
            // Whoever ends a session must be able to name it.
            Ask::List { manifests: false } => ("list recordings", true, ""),
            _ => ("read recordings", *reads, "collect.readers"),
        };
        if !allowed {
            let told = format!("you may not {what} here: you are not in {list}");
            return self.refuse(what, &told);
        }
        match ask {
            Ask::List { manifests } => self.list(manifests),
            Ask::Get { id, verb, follow } => self.get(&id, &verb, follow),
            Ask::Stop => self.say(&Say::Done),
            Ask::Ledger => self.ledger(),
            Ask::End { id } => self.end(&id),
        }
    }

    fn list(&mut self, manifests: bool) -> io::Result<()> {
        let entries = match Local::new(self.store.to_owned()).list() {
            Ok(entries) => entries,
            Err(error) => {
                self.host.log(&error.to_string());
                return self.refuse("a list", "the collector's store cannot be read");
            }
        };
        for id in entries.iter().filter_map(|entry| Id::parse(&entry.id)) {
            let (mut files, mut live, mut manifest) = (Vec::new(), false, None);
            if manifests {
                let paths = paths(self.store, &id);
                files = Files::of(&paths).sizes();
                let part = paths.part();
                live = part.symlink_metadata().is_ok() && is_live(&part);
                let bytes = disk::read(&paths.manifest(), MANIFEST).ok();
                manifest = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            }
            for item in Say::items(id.as_str(), live, &files, manifest.as_deref()) {
                self.say(&item)?;
            }
        }
        self.say(&Say::Done)
    }

    /// The recording's paths, where there is one of this id.
    fn find(&mut self, id: &str) -> Option<(Id, Paths)> {
        let id = Id::parse(id)?;
        let paths = paths(self.store, &id);
        let there = [paths.manifest(), paths.finished(), paths.part()];
        there.iter().any(|path| path.symlink_metadata().is_ok()).then_some((id, paths))
    }

    fn get(&mut self, id: &str, verb: &str, follow: bool) -> io::Result<()> {
        let what = format!("a reading of {}", safe_text(id));
        let Some((id, paths)) = self.find(id) else {
            return self.refuse(&what, NOT_THERE);
        };
        let known = verb.len() <= VERB && verb.bytes().all(|byte| byte.is_ascii_lowercase());
        let verb = if known && !verb.is_empty() { verb } else { "other" };
        let view =
            Event::View { id: id.as_str().to_owned(), verb: verb.to_owned(), by: self.reader.by() };
        if let Err(why) = self.host.note(vec![view]) {
            let sentence = format!("that you read it cannot be noted, so it is not given: {why}");
            return self.refuse(&what, &sentence);
        }
        self.host.log(&format!("{} reads {id} ({verb})", self.reader.name));
        let mut sent = files::Sent::new(&paths, &mut self.out);
        match sent.all()? {
            files::Found::Nothing => {
                return self.refuse(&what, NOT_THERE);
            }
            files::Found::Live if follow => sent.follow(self.stream)?,
            _ => {}
        }
        self.say(&Say::Done)
    }

    fn end(&mut self, id: &str) -> io::Result<()> {
        let what = format!("an end of {}", safe_text(id));
        let Some((id, _)) = self.find(id) else {
            return self.refuse(&what, NOT_THERE);
        };
        match self.host.end(&id, self.reader) {
            Ok(()) => self.say(&Say::Done),
            Err(why) => self.refuse(&what, &why),
        }
    }

    fn ledger(&mut self) -> io::Result<()> {
        let dir = self.store.join("ledger");
        let (now, later) = match ledger_files(&dir) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.say(&Say::Done),
            Err(error) => {
                self.host.log(&format!("the ledger cannot be read: {error}"));
                return self.refuse("the ledger", "the collector's ledger cannot be read");
            }
        };
        for (name, bytes) in now {
            self.say(&Say::File { name, at: 0, size: bytes.len() as u64 })?;
            reading::data(&mut self.out, &bytes)?;
        }
        for (name, path) in later {
            files::whole(&mut self.out, name, &path)?;
        }
        self.say(&Say::Done)
    }
}

/// What of the ledger's files belongs together, read while nobody appends; and
/// the paths of what is only ever added to.
type Ledger = (BTreeMap<String, Vec<u8>>, Vec<(String, PathBuf)>);

fn ledger_files(dir: &Path) -> io::Result<Ledger> {
    let checkpoint = dir.join("checkpoint");
    checkpoint.symlink_metadata()?;
    let _lock = disk::lock(&dir.join("lock"))?;
    let _head = disk::lock(&dir.join("lock.head"))?;
    let mut now = BTreeMap::new();
    now.insert("checkpoint".to_owned(), disk::read(&checkpoint, PARTIAL)?);
    let mut later = Vec::new();
    let mut dirs = vec![dir.join("records"), dir.join("tile")];
    while let Some(below) = dirs.pop() {
        for entry in std::fs::read_dir(&below).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = path.strip_prefix(dir).ok().and_then(Path::to_str).map(str::to_owned);
            if kind.is_dir() {
                dirs.push(path);
                continue;
            }
            let Some(name) = name.filter(|name| reading::is_file_of_ledger(name)) else { continue };
            if kind.is_file() && name.contains(".p/") {
                now.insert(name, disk::read(&path, PARTIAL)?);
            } else if kind.is_file() {
                later.push((name, path));
            }
        }
    }
    later.sort_unstable();
    Ok((now, later))
}

/// Where a recording is in a store.
fn paths(store: &Path, id: &Id) -> Paths {
    let (year, month, day) = id.date();
    Paths::in_dir(&store.join("recordings").join(year).join(month).join(day), id)
}

/// What is small, and has its place after what it is about.
fn is_last(name: &str, paths: &Paths) -> bool {
    let manifest = paths.manifest();
    [signature(&manifest), manifest]
        .iter()
        .any(|path| path.file_name().is_some_and(|own| own == name))
}

#[cfg(test)]
mod tests;
