//! The sessions that are being recorded, for whoever watches or ends them.
//!
//! Knows nothing of their files. Its invariant: a session is listed from before
//! its first byte until after its last, once.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::format::wire::{self, Stop, kind};
use crate::sys::peer::Process;

/// A session that is being recorded.
#[derive(Debug)]
pub struct Live {
    /// Its recording's id.
    pub id: String,
    /// The directory that its files are in.
    pub dir: PathBuf,
    /// Whose it is.
    pub uid: u32,
    /// The process that records it.
    pub process: Process,
    /// The connection, while there is one.
    stream: Mutex<Option<UnixStream>>,
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// How far a session was when somebody looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Counts what became durable.
    pub appends: u64,
    /// Whether it is over, and its files are as they stay.
    pub ended: bool,
}

impl Live {
    /// A session that begins.
    #[must_use]
    pub fn new(id: String, dir: PathBuf, uid: u32, process: Process) -> Self {
        Self {
            id,
            dir,
            uid,
            process,
            stream: Mutex::default(),
            seen: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Has the session end its program, and say this to its person.
    ///
    /// # Errors
    /// When there is no connection to it at the moment, or it takes nothing.
    pub fn stop(&self, sentence: &str) -> io::Result<()> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stream) = &*stream else {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "it is not connected"));
        };
        let stop = Stop { sentence: sentence.to_owned() };
        wire::write(&mut &*stream, kind::STOP, &stop).map_err(|error| match error {
            wire::Error::Io(error) => error,
            other => io::Error::other(other),
        })
    }

    /// How far it is.
    #[must_use]
    pub fn seen(&self) -> Seen {
        *self.lock()
    }

    /// Waits until it is further than that, or has ended, or the time is over.
    #[must_use]
    pub fn wait(&self, than: Seen, limit: Duration) -> Seen {
        let seen = self.lock();
        let (seen, _) = self
            .changed
            .wait_timeout_while(seen, limit, |seen| *seen == than && !seen.ended)
            .unwrap_or_else(PoisonError::into_inner);
        *seen
    }

    /// Runs `answer` with the connection, so that no other frame comes in
    /// between.
    pub(super) fn answer(
        &self,
        answer: impl FnOnce(&UnixStream) -> io::Result<()>,
    ) -> io::Result<()> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.as_ref().map_or_else(|| Err(io::ErrorKind::NotConnected.into()), answer)
    }

    /// Says which connection it has, or that it has none.
    pub(super) fn connect(&self, stream: Option<UnixStream>) {
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = stream;
    }

    /// Ends the connection it has: whoever holds the recording lets go of it.
    pub(super) fn hang_up(&self) {
        if let Some(stream) = &*self.stream.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Something became durable.
    pub(super) fn grew(&self) {
        self.lock().appends += 1;
        self.changed.notify_all();
    }

    /// It is over.
    pub(super) fn ended(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All of them, by id.
#[derive(Debug, Default)]
pub struct Sessions {
    all: Mutex<BTreeMap<String, Arc<Live>>>,
}

impl Sessions {
    /// The one of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Live>> {
        self.lock().get(id).cloned()
    }

    /// Each, by id.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Live>> {
        self.lock().values().cloned().collect()
    }

    /// Adds one; `false` where there is one of that id.
    pub(super) fn add(&self, live: &Arc<Live>) -> bool {
        use std::collections::btree_map::Entry;
        match self.lock().entry(live.id.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(Arc::clone(live));
                true
            }
        }
    }

    /// Takes one off.
    pub(super) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Live>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
