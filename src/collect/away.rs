//! Recordings whose sessions have lost their connection, until they come back
//! or are given up.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Live;
use super::session::Recording;

/// All of them, by id.
#[derive(Default)]
pub(super) struct Away {
    all: Mutex<HashMap<String, Box<Recording>>>,
    changed: Condvar,
}

impl Away {
    /// Leaves one here.
    pub(super) fn put(&self, recording: Box<Recording>) {
        self.lock().insert(recording.live.id.clone(), recording);
        self.changed.notify_all();
    }

    /// Takes one, waiting for it to be left: whoever has it is told to. `None`
    /// where it has ended instead.
    pub(super) fn take(&self, live: &Live, limit: Duration) -> Option<Box<Recording>> {
        let all = self.lock();
        let (mut all, _) = self
            .changed
            .wait_timeout_while(all, limit, |all| !all.contains_key(&live.id) && !live.seen().ended)
            .unwrap_or_else(PoisonError::into_inner);
        all.remove(&live.id)
    }

    /// One that somebody may wait for has ended.
    pub(super) fn wake(&self) {
        // Whoever has looked, and not waited yet, is not missed.
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Takes one that was lost for the so-manieth time, if it is still here.
    pub(super) fn take_lost(&self, id: &str, losses: u64) -> Option<Box<Recording>> {
        let mut all = self.lock();
        if all.get(id).is_none_or(|recording| recording.losses != losses) {
            return None;
        }
        all.remove(id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Box<Recording>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
