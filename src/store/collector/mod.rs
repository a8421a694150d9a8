//! A recording's way to a collector: what a session sends, and what of it the
//! collector has said is durable.
//!
//! Knows nothing of what is in the files. Its invariant: what was not
//! acknowledged is kept here, so that a collector that was away gets it again
//! from where it stands; and nobody waits for it longer than he was told.

mod calls;
mod state;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use self::calls::Shared;
use self::state::State;
use crate::format::wire::{Append, Done, End, Refused, kind};

/// What may wait for the collector: what the queue of a session holds, and as
/// much again that is on its way.
const KEPT: usize = 4 << 20;

/// The reader of the answers needs little, and every session has one.
const STACK: usize = 128 << 10;

/// Why a collector does not have it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or does not answer.
    #[error("the collector at {} does not answer: {why}", path.display())]
    Lost {
        /// Its socket.
        path: PathBuf,
        /// In which way.
        why: String,
    },
    /// It refuses.
    #[error("the collector refuses: {} [{}]", .0.sentence, .0.reference)]
    Refused(Refused),
}

impl Error {
    /// Whether the person's own use of the store is the reason.
    #[must_use]
    pub fn is_own_doing(&self) -> bool {
        matches!(self, Self::Refused(refused) if refused.own_doing)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

/// What a session wants to hear between its own calls. Called from another
/// thread; none may take long.
pub trait Listener: Send + Sync {
    /// The collector is waited for, for so long at most.
    fn waits(&self, limit: Duration);
    /// It is there again.
    fn back(&self);
    /// The recording cannot go on.
    fn lost(&self, error: &Error);
    /// The session is to end.
    fn stop(&self, sentence: &str);
}

/// A recording that a collector holds.
pub struct Client {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl Client {
    /// Calls the collector whose socket this is, with the manifest of a
    /// recording that is to begin.
    ///
    /// # Errors
    /// When nobody answers within `wait`.
    pub fn connect(
        path: &Path,
        wait: Duration,
        id: &str,
        manifest: Map<String, Value>,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            wait,
            id: id.to_owned(),
            state: Mutex::new(State { manifest: Some(manifest), ..State::default() }),
            changed: Condvar::new(),
            listener: Mutex::new(Some(listener)),
        });
        let stream = shared.call_first()?;
        let theirs = shared.lost_of("it ended at once");
        let answers = stream.try_clone().map_err(|_| theirs)?;
        {
            let mut state = shared.lock();
            let hello = shared.hello(&state)?;
            state.ask(&stream, kind::HELLO, &hello);
            state.stream = Some(stream);
        }
        let own = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("collector".to_owned())
            .stack_size(STACK)
            .spawn(move || own.listen(answers))
            .map_err(|error| shared.lost_of(&error.to_string()))?;
        Ok(Self { shared })
    }

    /// Another who uses it.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }

    /// Who is told from now on.
    pub fn listen(&self, listener: Arc<dyn Listener>) {
        let failed = {
            let mut place = self.shared.listeners();
            *place = Some(Arc::clone(&listener));
            self.shared.lock().failed.clone()
        };
        if let Some(error) = failed {
            listener.lost(&error);
        }
    }

    /// Takes bytes for the end of a file, and sends them. Waits only while very
    /// much is on its way.
    ///
    /// # Errors
    /// When the recording cannot go on.
    pub fn append(&self, file: u32, bytes: &[u8]) -> Result<(), Error> {
        let mut state = self.shared.wait_until(|state| state.kept() < KEPT || !state.begun)?;
        let sent = state.files.entry(file).or_default();
        let offset = sent.end();
        sent.kept.extend_from_slice(bytes);
        let mut frames = Vec::with_capacity(bytes.len() + 32);
        Append { file, offset, bytes }.put(&mut frames);
        state.heard.get_or_insert_with(Instant::now);
        state.send(&frames);
        Ok(())
    }

    /// Waits until all that was taken is durable. Before the beginning that
    /// is what [`Client::begin`] does.
    ///
    /// # Errors
    /// When the recording cannot go on.
    pub fn sync(&self) -> Result<(), Error> {
        self.shared.wait_until(|state| !state.begun || state.kept() == 0).map(drop)
    }

    /// Has the collector make what was sent a recording that has begun.
    ///
    /// # Errors
    /// When it refuses, or does not answer.
    pub fn begin(&self) -> Result<(), Error> {
        {
            let mut state = self.shared.check()?;
            state.wants_begin = true;
            state.send_begin();
        }
        self.shared.wait_until(|state| state.begun).map(drop)
    }

    /// Says how the session has ended; what came of the recording.
    ///
    /// # Errors
    /// When the collector refuses, or does not answer.
    pub fn end(&self, end: End) -> Result<Done, Error> {
        {
            let mut state = self.shared.check()?;
            state.end = Some(end);
            state.send_end();
        }
        let mut state = self.shared.wait_until(|state| state.done.is_some())?;
        state.closed = true;
        Ok(state.done.clone().unwrap_or_default())
    }

    /// Its socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Whether the recording was lost for want of a collector.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self.shared.lock().failed, Some(Error::Lost { .. }))
    }

    /// Leaves the collector: a recording that has not begun is none.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.hang_up();
    }
}
