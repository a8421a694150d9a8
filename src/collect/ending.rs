//! The end of a recording: its manifest, its seal, its place in the ledger.
//!
//! Its invariant: each step may be made again, so that a collector that dies in
//! between leaves nothing half done to its successor, and nothing done twice.

use std::collections::BTreeSet;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::held::Error;
use super::session::{Recording, done_of};
use super::{Daemon, claim};
use crate::format::wire::Done;
use crate::recording::{Id, Paths};
use crate::seal::ledger::{Event, Reader};
use crate::seal::manifest::{self, Manifest, State};
use crate::store::Local;
use crate::sys::clock;
use crate::sys::peer::Peer;

/// Between attempts to seal on a disk that refuses: somebody must free space
/// first.
const AGAIN: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// As it said itself.
    Said,
    /// It is gone.
    Interrupted,
    /// It is gone, and went while there was no collector.
    CollectorLost,
    /// It was refused.
    StoreFailed,
}

/// Seals a recording: afterwards its files are as they stay.
///
/// # Errors
/// When the disk refuses; it may be called again.
pub(super) fn seal(daemon: &Daemon, recording: &mut Recording, how: How) -> Result<Done, Error> {
    let store = &daemon.options.store;
    let end = recording.record.end.clone();
    // Also where only its name tells that it is whole, after a power cut.
    let finished = recording.held.is_finished() || end.as_ref().is_some_and(|end| end.finished);
    let mut sealed = match &end {
        Some(end) => claim::ended(&recording.record.manifest, end)
            .map_err(|refusal| Error::Peer(refusal.sentence))?,
        None => recording.record.manifest.clone(),
    };
    if how == How::Said {
        // A successor goes on from here.
        recording.record.write(store).map_err(|source| Error::Disk { what: "end", source })?;
    }
    let mut bytes = 0;
    if finished {
        bytes = recording.held.finish()?;
    } else {
        recording.held.sync()?;
    }
    sealed.state = if finished { State::Finished } else { State::Interrupted };
    if end.is_none() {
        sealed.end = Some(clock::wall_rfc3339());
        sealed.end_reason = Some(how.name().to_owned());
    }
    sealed.files = recording.held.digests();
    sealed.chain = recording.held.chain();
    let mut done = done_of(bytes, true);
    sealed
        .write_sealed(&recording.held.paths().manifest(), true, |manifest| {
            let seal = daemon.options.keys.seal(manifest);
            seal.map_err(|why| done.unsealed = Some(why)).ok()
        })
        .map_err(|error| Error::Disk {
            what: "seal",
            source: std::io::Error::other(error.to_string()),
        })?;
    recording.held.names_are_durable();
    if finished {
        recording.held.remove_journals();
    }
    let told = sealed.to_bytes().map_err(|error| error.to_string());
    let told = told.and_then(|bytes| tell(daemon, &sealed, &bytes, done.unsealed.is_none()));
    done.untold = told.err();
    for why in done.unsealed.iter().chain(&done.untold) {
        daemon.log.say(&format!("{}: {why}", recording.live.id));
    }
    Ok(done)
}

impl How {
    /// The manifest's word for it.
    fn name(self) -> &'static str {
        match self {
            Self::Said | Self::Interrupted => "interrupted",
            Self::CollectorLost => "collector-lost",
            Self::StoreFailed => "store-failed",
        }
    }
}

fn tell(daemon: &Daemon, manifest: &Manifest, bytes: &[u8], sealed: bool) -> Result<(), String> {
    daemon.clerk.enter(vec![Event::End {
        id: manifest.id.clone(),
        state: manifest.state.name().to_owned(),
        manifest_sha256: HEXLOWER.encode(&Sha256::digest(bytes)),
        chain: manifest.chain.clone(),
        sealed,
    }])
}

/// The same for a session that nobody waits for, however long it takes.
pub(super) fn seal_at_last(daemon: &Daemon, recording: &mut Recording, how: How) {
    let mut pauses = AGAIN.iter();
    let mut pause = Duration::ZERO;
    while let Err(error) = seal(daemon, recording, how) {
        let next = *pauses.next().unwrap_or(&Duration::from_secs(30));
        if next != pause {
            daemon.log.say(&format!("{} cannot be sealed yet: {error}", recording.live.id));
        }
        pause = next;
        std::thread::sleep(pause);
    }
    over(daemon, recording);
}

/// It is no live session any more.
pub(super) fn over(daemon: &Daemon, recording: &Recording) {
    if let Err(error) = daemon.after_seal.add(&recording.live.id) {
        let id = &recording.live.id;
        daemon.log.say(&format!("collect.after_seal will not be run for {id}: {error}"));
    }
    recording.record.remove(&daemon.options.store);
    daemon.usage.ended(&recording.live.id);
    daemon.sessions.remove(&recording.live.id);
    recording.live.ended();
    daemon.away.wake();
}

/// What came of a recording that this peer has made, where it is sealed: its
/// answer was lost on the way.
pub(super) fn done(daemon: &Daemon, id: &Id, peer: &Peer) -> Option<Done> {
    let dir = Local::new(daemon.options.store.clone()).day(id.date()).ok()?;
    let paths = Paths::in_dir(&dir, id);
    let manifest = Manifest::read(&paths.manifest()).ok()?;
    let number = |field| manifest.who(field).and_then(serde_json::Value::as_u64);
    let theirs = number("pid") == Some(u64::from(peer.process.pid))
        && number("pid_start") == Some(peer.process.start)
        && number("uid") == Some(u64::from(peer.uid))
        && manifest.who("boot").and_then(serde_json::Value::as_str) == Some(&daemon.boot);
    if !theirs || manifest.state == State::Live {
        return None;
    }
    let bytes = manifest.files.first().map_or(0, |file| file.size);
    Some(done_of(bytes, manifest::signature(&paths.manifest()).exists()))
}

/// Those of these recordings, which are sealed, whose start the ledger has and
/// whose end it has not: the host stopped in between.
///
/// # Errors
/// When it cannot be read.
pub(super) fn untold(daemon: &Daemon, mut ids: BTreeSet<String>) -> Result<Vec<String>, String> {
    let dir = daemon.options.store.join("ledger");
    let reader = Reader::open(&dir).map_err(|error| error.to_string())?;
    let mut started = BTreeSet::new();
    let lines = reader.iter().flat_map(|reader| reader.lines(0));
    for line in lines {
        let content = line.map_err(|error| error.to_string())?.content;
        match content.and_then(|content| content.record().ok()).map(|record| record.event) {
            Some(Event::Start { id, .. }) if ids.contains(&id) => {
                started.insert(id);
            }
            Some(Event::End { id, .. }) => {
                ids.remove(&id);
            }
            _ => {}
        }
    }
    Ok(ids.into_iter().filter(|id| started.contains(id)).collect())
}

/// Tells the ledger of the end of such a one, and has run what is run for it.
///
/// # Errors
/// Why not.
pub(super) fn tell_late(daemon: &Daemon, id: &str, paths: &Paths) -> Result<(), String> {
    let path = paths.manifest();
    let manifest = Manifest::read(&path).map_err(|error| error.to_string())?;
    let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
    tell(daemon, &manifest, &bytes, manifest::signature(&path).exists())?;
    daemon.after_seal.add(id).map_err(|error| error.to_string())
}

/// What the ledger has of a recording that a collector left: its start, and
/// its end.
///
/// # Errors
/// When it cannot be read.
pub(super) fn has(daemon: &Daemon, id: &str) -> Result<(bool, bool), String> {
    let dir = daemon.options.store.join("ledger");
    let reader = Reader::open(&dir).map_err(|error| error.to_string())?;
    let Some(reader) = reader else { return Ok((false, false)) };
    let about = reader.about(id).map_err(|error| error.to_string())?;
    let has = |wanted: fn(&Event) -> bool| about.iter().any(|(_, record)| wanted(&record.event));
    Ok((
        has(|event| matches!(event, Event::Start { .. })),
        has(|event| matches!(event, Event::End { .. })),
    ))
}
