//! How much room recordings take, and who may have more.
//!
//! Its invariant: what is not known yet is not held against anybody; what one
//! person uses up is refused to that person alone.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::{Daemon, Live, Refusal};
use crate::seal::manifest::Manifest;

/// How old a look at the store may be: what others removed counts until then.
const FRESH: Duration = Duration::from_secs(60);

/// What stays for seals, the ledger and the log when sessions have used up the
/// disk: of `store.min_free` this part, and so much at most.
const RESERVE: (u64, u64) = (8, 64 << 20);

/// What is used.
#[derive(Debug, Default)]
pub(super) struct Usage {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    looked: Option<Instant>,
    looking: bool,
    /// Of each day: when its directory changed, and what each uid has in it.
    days: HashMap<PathBuf, (SystemTime, HashMap<u32, u64>)>,
    /// Of those that are being made, and of those that have ended since the
    /// last look: whose, how much, and when it ended.
    recent: HashMap<String, (u32, u64, Option<Instant>)>,
}

impl Usage {
    /// Whether this user may begin another recording.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn admit(&self, daemon: &Arc<Daemon>, uid: u32) -> Result<(), Refusal> {
        let options = &daemon.options;
        let free = free(&options.store);
        if free < options.min_free {
            let wanted = options.min_free;
            return Err(format!(
                "the collector's disk has {free} bytes free, less than store.min_free ({wanted})"
            )
            .into());
        }
        self.refresh(daemon);
        self.check(daemon, uid)
    }

    /// Whether a recording that takes so much by now may go on.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn grew(
        &self,
        daemon: &Arc<Daemon>,
        live: &Live,
        bytes: u64,
    ) -> Result<(), Refusal> {
        let options = &daemon.options;
        if options.quota == 0 && options.quota_user == 0 {
            return Ok(());
        }
        self.lock().recent.insert(live.id.clone(), (live.uid, bytes, None));
        self.check(daemon, live.uid)
    }

    /// Whether there is room for so many bytes more: what is left over is for
    /// the seals of those who are refused.
    ///
    /// # Errors
    /// When there is not.
    pub(super) fn room(daemon: &Daemon, bytes: usize) -> Result<(), Refusal> {
        let (part, most) = RESERVE;
        let reserve = (daemon.options.min_free / part).min(most);
        let free = free(&daemon.options.store);
        if free < reserve.saturating_add(bytes as u64) {
            return Err(format!("the collector's disk has only {free} bytes free").into());
        }
        Ok(())
    }

    fn check(&self, daemon: &Daemon, uid: u32) -> Result<(), Refusal> {
        let (quota_user, quota) = (daemon.options.quota_user, daemon.options.quota);
        if quota_user == 0 && quota == 0 {
            return Ok(());
        }
        let (own, all) = self.lock().used(uid);
        if quota_user > 0 && own >= quota_user {
            return Err(Refusal {
                sentence: format!(
                    "your recordings take {own} bytes, and store.quota_user is {quota_user}; ask \
                     the administrator to move older ones away"
                ),
                own_doing: true,
            });
        }
        if quota > 0 && all >= quota {
            return Err(format!(
                "all recordings together take {all} bytes, and collect.quota is {quota}"
            )
            .into());
        }
        Ok(())
    }

    /// A recording is as large as it will be.
    pub(super) fn ended(&self, id: &str) {
        if let Some((_, _, ended)) = self.lock().recent.get_mut(id) {
            *ended = Some(Instant::now());
        }
    }

    /// A recording has not begun.
    pub(super) fn forget(&self, id: &str) {
        self.lock().recent.remove(id);
    }

    /// Looks at the store again, in a thread, where that is due.
    pub(super) fn refresh(&self, daemon: &Arc<Daemon>) {
        if daemon.options.quota == 0 && daemon.options.quota_user == 0 {
            return;
        }
        {
            let mut state = self.lock();
            let fresh = state.looked.is_some_and(|at| at.elapsed() < FRESH);
            if state.looking || fresh {
                return;
            }
            state.looking = true;
        }
        let theirs = Arc::clone(daemon);
        let look = move || theirs.usage.look(&theirs);
        if std::thread::Builder::new().name("usage".to_owned()).spawn(look).is_err() {
            self.lock().looking = false;
        }
    }

    fn look(&self, daemon: &Daemon) {
        let began = Instant::now();
        // What was known counts until the new is.
        let before = self.lock().days.clone();
        let mut days = HashMap::new();
        for dir in directories(&daemon.options.store.join("recordings"), 3) {
            let Ok(changed) = dir.metadata().and_then(|data| data.modified()) else { continue };
            // What changes within the clock's step after it was looked at is
            // seen the next time: a live session is not counted here anyway.
            let counted = match before.get(&dir) {
                Some((then, counted)) if *then == changed => counted.clone(),
                _ => count(&dir, daemon),
            };
            days.insert(dir, (changed, counted));
        }
        let mut state = self.lock();
        state.days = days;
        state.recent.retain(|_, (_, _, ended)| ended.is_none_or(|ended| ended >= began));
        state.looked = Some(Instant::now());
        state.looking = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What one user's recordings take, and what all do.
    fn used(&self, uid: u32) -> (u64, u64) {
        let days = self.days.values().flat_map(|(_, counted)| counted);
        let days = days.map(|(whose, bytes)| (*whose, *bytes));
        let recent = self.recent.values().map(|(whose, bytes, _)| (*whose, *bytes));
        days.chain(recent).fold((0, 0), |(own, all), (whose, bytes)| {
            (if whose == uid { own + bytes } else { own }, all + bytes)
        })
    }
}

/// Bytes that are free for who is not root.
fn free(store: &Path) -> u64 {
    rustix::fs::statvfs(store)
        .map_or(u64::MAX, |found| found.f_bavail.saturating_mul(found.f_frsize))
}

/// The directories so many levels below.
fn directories(dir: &Path, levels: u32) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    for _ in 0..levels {
        let entries = found.iter().filter_map(|dir| fs::read_dir(dir).ok());
        let below = entries.flatten().flatten().map(|entry| entry.path());
        found = below.filter(|path| path.is_dir()).collect();
    }
    found
}

/// What each user has in a day, but for what is being made.
fn count(dir: &Path, daemon: &Daemon) -> HashMap<u32, u64> {
    let mut sizes: HashMap<String, u64> = HashMap::new();
    let mut owners = HashMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let end = [".cast.zst.age", ".manifest.json", ".journal."].iter();
        let Some(at) = end.filter_map(|end| name.find(end)).min() else { continue };
        let id = name.get(..at).unwrap_or_default().to_owned();
        if daemon.sessions.get(&id).is_some() {
            continue;
        }
        if name.ends_with(".manifest.json")
            && let Ok(manifest) = Manifest::read(&entry.path())
        {
            let uid = manifest.who("uid").and_then(serde_json::Value::as_u64);
            owners.insert(id.clone(), uid.and_then(|uid| u32::try_from(uid).ok()));
        }
        *sizes.entry(id).or_default() += entry.metadata().map_or(0, |data| data.len());
    }
    let mut counted = HashMap::new();
    for (id, bytes) in sizes {
        // Nobody's counts for all together.
        let uid = owners.get(&id).copied().flatten().unwrap_or(u32::MAX);
        *counted.entry(uid).or_default() += bytes;
    }
    counted
}
