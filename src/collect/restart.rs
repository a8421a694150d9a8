//! What a collector that is no more has left.
//!
//! Its invariant: each session that it held is either waited for, while its
//! process lives, or sealed; and the ledger has one start and one end of each.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::ending::{self, How};
use super::held::Held;
use super::record::{self, Record};
use super::session::{self, Recording};
use super::{Daemon, Live};
use crate::recording::{Id, Paths};
use crate::seal::manifest::{self, Manifest, State};
use crate::store::{Entry, Local};
use crate::sys::peer;

/// Where the run of the host is noted in which a collector was at work.
const BOOT: &str = "collect/boot";

/// How many of those that may come back are read at once.
const AT_ONCE: usize = 4;

/// Lists what was left as live, at once, so that who comes back finds it; and
/// goes through it in a thread.
pub(super) fn take_over(daemon: &Arc<Daemon>) {
    let store = &daemon.options.store;
    let (records, bad) = record::left(store);
    for path in bad {
        daemon.log.say(&format!("{} is damaged, and left as it is", path.display()));
    }
    let boot = store.join(BOOT);
    let again = std::fs::read_to_string(&boot).is_ok_and(|before| before == daemon.boot);
    let before = boot.metadata().and_then(|data| data.modified()).ok();
    let (mut alive, mut dead) = (Vec::new(), Vec::new());
    for record in records {
        let Some((live, paths)) = place(daemon, &record) else {
            daemon.log.say("a session that was left has no recording's id");
            continue;
        };
        let same = record.boot == daemon.boot;
        let process = same.then(|| peer::watch(record.process())).flatten();
        let left = Left { record, live, paths, process };
        let comes_back = left.process.is_some() && left.record.end.is_none();
        if comes_back { alive.push(left) } else { dead.push(left) }
    }
    // Somebody may wait for the answer to an end.
    dead.sort_by_key(|left| left.process.is_none());
    let theirs = Arc::clone(daemon);
    let work = move || {
        all_at_once(&theirs, alive);
        for left in dead {
            one(&theirs, left);
        }
        if !again {
            search(&theirs, before);
            let _ = std::fs::write(&boot, &theirs.boot);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("restart".to_owned()).spawn(work) {
        daemon.log.say(&format!("no thread for what was left: {error}"));
    }
}

/// A session that was left.
struct Left {
    record: Record,
    live: Arc<Live>,
    paths: Paths,
    /// Ready when its process has ended; none where it has.
    process: Option<OwnedFd>,
}

/// Goes through those that may come back: they wait only for so long, and each
/// is read whole first. None of them is sealed here, which may take for ever.
fn all_at_once(daemon: &Arc<Daemon>, alive: Vec<Left>) {
    let alive = Mutex::new(alive.into_iter());
    let work = || {
        loop {
            let next = alive.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(left) = next else { return };
            one(daemon, left);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..AT_ONCE {
            let thread = std::thread::Builder::new().name("restart".to_owned());
            if thread.spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}

fn place(daemon: &Daemon, record: &Record) -> Option<(Arc<Live>, Paths)> {
    let id = Id::parse(&record.manifest.id)?;
    let dir = Local::new(daemon.options.store.clone()).day(id.date()).ok()?;
    let paths = Paths::in_dir(&dir, &id);
    let live = Arc::new(Live::new(id.to_string(), dir, record.uid, record.process()));
    daemon.sessions.add(&live).then_some((live, paths))
}

/// Whether its program may have started; an error where nobody can tell.
fn has_begun(daemon: &Daemon, id: &str, paths: &Paths) -> Result<Option<Manifest>, String> {
    match Manifest::read(&paths.manifest()) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(manifest::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            match ending::has(daemon, id) {
                Ok((false, _)) => Ok(None),
                Ok((true, _)) => Err("the ledger has its start, and it has no manifest".to_owned()),
                Err(why) => {
                    Err(format!("it has no manifest, and the ledger cannot be read: {why}"))
                }
            }
        }
        Err(error) => Err(error.to_string()),
    }
}

fn one(daemon: &Arc<Daemon>, left: Left) {
    let Left { record, live, paths, process } = left;
    let id = live.id.clone();
    // What cannot be read now is not removed: it may be evidence.
    let found = has_begun(daemon, &id, &paths).and_then(|manifest| {
        Ok((manifest, Held::found(paths).map_err(|error| error.to_string())?))
    });
    let (manifest, held) = match found {
        Ok(found) => found,
        Err(why) => {
            daemon.log.say(&format!("{id} was left, and is left as it is: {why}"));
            daemon.sessions.remove(&id);
            live.ended();
            return daemon.away.wake();
        }
    };
    let begun = manifest.is_some();
    let mut recording = Box::new(Recording { live, held, record, begun, losses: 0 });
    if !begun {
        return session::end(daemon, recording, How::Interrupted);
    }
    let (started, ended) = ending::has(daemon, &id).unwrap_or_else(|why| {
        daemon.log.say(&format!("the ledger cannot be read: {why}"));
        (true, false)
    });
    if !started
        && let Err(why) = session::start(&recording).and_then(|events| daemon.clerk.enter(events))
    {
        daemon.log.say(&format!("the ledger does not have the start of {id}: {why}"));
    }
    let sealed = manifest.is_some_and(|manifest| manifest.state != State::Live);
    if sealed && ended {
        return ending::over(daemon, &recording);
    }
    if recording.record.end.is_some() {
        return ending::seal_at_last(daemon, &mut recording, How::Said);
    }
    let Some(ended) = process else {
        return session::lost(daemon, recording, How::CollectorLost);
    };
    let theirs = Arc::clone(daemon);
    let name = "away".to_owned();
    let wait = move || session::leave(&theirs, recording, &ended);
    if let Err(error) = std::thread::Builder::new().name(name).spawn(wait) {
        daemon.log.say(&format!("no thread for {id}: {error}"));
    }
}

/// After a start of the host: what the disk has of sessions whose record it
/// has not, and whose end the ledger has not. What was sealed since `before`,
/// when the host had started the time before, may be so.
fn search(daemon: &Arc<Daemon>, before: Option<SystemTime>) {
    let mut sealed = BTreeMap::new();
    let entries = Local::new(daemon.options.store.clone()).list().unwrap_or_default();
    for Entry { id, dir } in entries {
        let Some(parsed) = Id::parse(&id) else { continue };
        let paths = Paths::in_dir(&dir, &parsed);
        if daemon.sessions.get(&id).is_some() {
            continue;
        }
        // Of a store of years this reads the few manifests that may be live:
        // what is sealed has its seal.
        let path = paths.manifest();
        if !paths.part().exists() && manifest::signature(&path).exists() {
            if is_since(&path, before) {
                sealed.insert(id, paths);
            }
            continue;
        }
        let Ok(manifest) = Manifest::read(&path) else { continue };
        if manifest.writer != "collector" {
            continue;
        }
        if manifest.state != State::Live {
            if is_since(&path, before) {
                sealed.insert(id, paths);
            }
            continue;
        }
        let Some(record) = Record::of_manifest(manifest) else { continue };
        if record.boot == daemon.boot {
            continue;
        }
        if let Some((live, paths)) = place(daemon, &record) {
            one(daemon, Left { record, live, paths, process: None });
        }
    }
    tell_late(daemon, &sealed);
}

fn is_since(path: &Path, before: Option<SystemTime>) -> bool {
    let changed = path.metadata().and_then(|data| data.modified()).ok();
    before.is_none_or(|before| changed.is_none_or(|changed| changed >= before))
}

/// Tells the ledger what it did not hear any more.
fn tell_late(daemon: &Daemon, sealed: &BTreeMap<String, Paths>) {
    if sealed.is_empty() {
        return;
    }
    let untold = ending::untold(daemon, sealed.keys().cloned().collect()).unwrap_or_else(|why| {
        daemon.log.say(&format!("the ledger cannot be read: {why}"));
        Vec::new()
    });
    for (id, paths) in sealed.iter().filter(|(id, _)| untold.contains(id)) {
        // One that began since, and ended just now, is told of by itself.
        if daemon.sessions.get(id).is_some() {
            continue;
        }
        if let Err(why) = ending::tell_late(daemon, id, paths) {
            daemon.log.say(&format!("the ledger does not have the end of {id}: {why}"));
        }
    }
}
