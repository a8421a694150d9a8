//! What a collector that is no more has left.
//!
//! Its invariant: each session that it held is either waited for, while its
//! process lives, or sealed; and the ledger has one start and one end of each.

use std::sync::Arc;

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
    let mut found = Vec::new();
    for record in records {
        match place(daemon, &record) {
            Some((live, paths)) => found.push((record, live, paths)),
            None => daemon.log.say("a session that was left has no recording's id"),
        }
    }
    let theirs = Arc::clone(daemon);
    let work = move || {
        for (record, live, paths) in found {
            one(&theirs, record, live, paths);
        }
        if !again {
            search(&theirs);
            let _ = std::fs::write(&boot, &theirs.boot);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("restart".to_owned()).spawn(work) {
        daemon.log.say(&format!("no thread for what was left: {error}"));
    }
}

fn place(daemon: &Daemon, record: &Record) -> Option<(Arc<Live>, Paths)> {
    let id = Id::parse(&record.manifest.id)?;
    let dir = Local::new(daemon.options.store.clone()).day(id.date()).ok()?;
    let paths = Paths::in_dir(&dir, &id);
    let live = Arc::new(Live::new(id.to_string(), dir, record.uid, record.process()));
    daemon.sessions.add(&live).then_some((live, paths))
}

fn one(daemon: &Arc<Daemon>, record: Record, live: Arc<Live>, paths: Paths) {
    let id = live.id.clone();
    let manifest = Manifest::read(&paths.manifest()).ok();
    let held = match Held::found(paths) {
        Ok(held) => held,
        Err(error) => {
            daemon.log.say(&format!("{id} was left, and is so: {error}"));
            daemon.sessions.remove(&id);
            return live.ended();
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
    let process = recording.record.process();
    let same = recording.record.boot == daemon.boot;
    let Some(ended) = peer::watch(process).filter(|_| same) else {
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
/// has not.
fn search(daemon: &Arc<Daemon>) {
    let entries = Local::new(daemon.options.store.clone()).list().unwrap_or_default();
    for Entry { id, dir } in entries {
        let Some(parsed) = Id::parse(&id) else { continue };
        let paths = Paths::in_dir(&dir, &parsed);
        // Of a store of years this reads the few manifests that may be live:
        // what is sealed has its seal.
        let ended = !paths.part().exists() && manifest::signature(&paths.manifest()).exists();
        if ended || daemon.sessions.get(&id).is_some() {
            continue;
        }
        let Ok(manifest) = Manifest::read(&paths.manifest()) else { continue };
        if manifest.state != State::Live || manifest.writer != "collector" {
            continue;
        }
        let Some(record) = Record::of_manifest(manifest) else { continue };
        if record.boot == daemon.boot {
            continue;
        }
        if let Some((live, paths)) = place(daemon, &record) {
            one(daemon, record, live, paths);
        }
    }
}
