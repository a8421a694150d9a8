//! Tells the ledger that a session is about to start.
//!
//! Its invariant: a ledger that does not answer keeps nobody waiting for ever;
//! a start that it takes late says so, and one that nobody waits for any more
//! is not entered, or taken back.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::clerk::{Outcome, Told};
use crate::cmd::ledger::Access;
use crate::format::chain::ChainState;
use crate::seal::ledger::{Event, Ledger, Reader};
use crate::seal::manifest::Manifest;
use crate::sys::clock;

/// How long the ledger may take before the program starts without it.
const LIMIT: Duration = Duration::from_secs(10);

/// Why nobody waits any more, and since when; and whether the start is still to
/// be told.
struct Late {
    reason: String,
    from: String,
    wanted: bool,
}

/// The start of one session, for a thread that may never come back.
struct Start {
    access: Access,
    /// As it is entered in time.
    event: Event,
    /// As it is entered late.
    later: Event,
    policy: String,
    id: String,
    late: Arc<Mutex<Option<Late>>>,
}

/// Tells the ledger of it. Only where policy is strict is it an error that it
/// cannot be told; then it is not told later either.
///
/// # Errors
/// Where it is strict, when the ledger cannot be written or does not answer; or
/// when there is no thread left.
pub fn tell(
    access: &Access,
    manifest: &Manifest,
    chain: Option<ChainState>,
    strict: bool,
) -> Result<Told> {
    let (event, later) = events(manifest, chain)?;
    let late = Arc::new(Mutex::new(None));
    let start = Start {
        access: access.clone(),
        event,
        later,
        policy: manifest.policy_sha256.clone(),
        id: manifest.id.clone(),
        late: Arc::clone(&late),
    };
    let (sender, outcome) = mpsc::channel();
    std::thread::Builder::new()
        .name("start".to_owned())
        .spawn(move || {
            let (told, id) = start.enter();
            if let Err(mpsc::SendError(Outcome::Start(mut ledger))) = sender.send(told) {
                let reason = "the ledger was too slow".to_owned();
                let _ = ledger.append(&[Event::Void { id, reason }]);
            }
        })
        .context("cannot start a thread")?;
    in_time(outcome, access, &late, strict)
}

fn in_time(
    outcome: Receiver<Outcome>,
    access: &Access,
    late: &Mutex<Option<Late>>,
    strict: bool,
) -> Result<Told> {
    match outcome.recv_timeout(LIMIT) {
        Ok(Outcome::Nothing(error, _)) if strict => Err(error),
        Ok(outcome) => Ok(Told::Now(outcome)),
        Err(_) => {
            let (dir, seconds) = (access.dir().display(), LIMIT.as_secs());
            let reason = format!("{dir} has not answered for {seconds} seconds");
            let from = clock::wall_rfc3339();
            let why = Late { reason: reason.clone(), from, wanted: !strict };
            *late.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
            if strict {
                return Err(anyhow!("{reason}: another program holds its lock"));
            }
            Ok(Told::Later(reason, outcome))
        }
    }
}

/// What it is told, in time and late.
fn events(manifest: &Manifest, chain: Option<ChainState>) -> Result<(Event, Event)> {
    let manifest_sha256 = HEXLOWER.encode(&Sha256::digest(manifest.to_bytes()?));
    let user = manifest.who("user").and_then(serde_json::Value::as_str);
    let start = |started| Event::Start {
        id: manifest.id.clone(),
        user: user.unwrap_or("unknown").to_owned(),
        program: manifest.program.clone(),
        target: manifest.target_name().to_owned(),
        manifest_sha256: manifest_sha256.clone(),
        chain: chain.clone(),
        policy_sha256: manifest.policy_sha256.clone(),
        session_key: manifest.session_key.clone(),
        started,
    };
    Ok((start(None), start(Some(manifest.start.clone()))))
}

impl Start {
    /// Waits for the ledger, however long that takes, and enters it.
    fn enter(self) -> (Outcome, String) {
        let written = self.access.open().and_then(|mut ledger| {
            let last = Reader::open(self.access.dir())?.and_then(|reader| reader.last_policy());
            let changed = last.is_some_and(|last| last != self.policy);
            let changed = changed.then(|| Event::Policy { sha256: self.policy.clone() });
            let (gap, start) = match &*self.late.lock().unwrap_or_else(PoisonError::into_inner) {
                None => (None, self.event.clone()),
                Some(Late { reason, wanted: false, .. }) => anyhow::bail!("{reason}"),
                Some(Late { reason, from, .. }) => {
                    let gap = Event::Gap { reason: reason.clone(), from: from.clone() };
                    (Some(gap), self.later.clone())
                }
            };
            let events: Vec<Event> = gap.into_iter().chain(changed).chain([start]).collect();
            ledger.append(&events)?;
            Ok::<Ledger, anyhow::Error>(ledger)
        });
        let outcome = match written {
            Ok(ledger) => Outcome::Start(Box::new(ledger)),
            Err(error) => Outcome::Nothing(error, Box::new(self.later)),
        };
        (outcome, self.id)
    }
}
