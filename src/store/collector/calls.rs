//! The connection to a collector: made, listened to, and made again.
//!
//! Its invariant: nobody waits for an answer for longer than he was told, and
//! who listens is told of the end once.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::state::State;
use super::{Error, Listener};
use crate::format::wire::{self, Ack, Begins, Frame, Has, Hello, Role, Stop, kind};

/// How often a collector that is away is called.
const CALLS: Duration = Duration::from_millis(50);

/// Before it is said that the collector is waited for: its restart alone takes
/// less.
const SILENT: Duration = Duration::from_secs(1);

pub(super) struct Shared {
    pub(super) path: PathBuf,
    pub(super) wait: Duration,
    pub(super) id: String,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) listener: Mutex<Option<Arc<dyn Listener>>>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn listeners(&self) -> MutexGuard<'_, Option<Arc<dyn Listener>>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn listener(&self) -> Option<Arc<dyn Listener>> {
        self.listeners().clone()
    }

    pub(super) fn lost_of(&self, why: &str) -> Error {
        Error::Lost { path: self.path.clone(), why: why.to_owned() }
    }

    pub(super) fn check(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.lock();
        match &state.failed {
            Some(error) => Err(error.clone()),
            None => Ok(state),
        }
    }

    /// Waits for something that an answer brings, for as long as answers may
    /// take; beyond a moment the person is told.
    pub(super) fn wait_until(
        &self,
        done: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.lock();
        let mut said = false;
        loop {
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            if done(&state) {
                drop(state);
                if let Some(listener) = self.listener().filter(|_| said) {
                    listener.back();
                }
                return self.check();
            }
            let waited = state.heard.map_or(Duration::ZERO, |heard| heard.elapsed());
            if waited >= self.wait {
                let error = self.lost_of("nothing came from it in time");
                self.fail(&mut state, &error);
                return Err(error);
            }
            if waited >= SILENT && !said {
                said = true;
                drop(state);
                if let Some(listener) = self.listener() {
                    listener.waits(self.wait);
                }
                state = self.lock();
                continue;
            }
            let next = if said { self.wait } else { SILENT.min(self.wait) };
            let pause = next.saturating_sub(waited).max(Duration::from_millis(1));
            let waited = self.changed.wait_timeout(state, pause);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn fail(&self, state: &mut State, error: &Error) {
        state.failed.get_or_insert_with(|| error.clone());
        state.hang_up();
        self.changed.notify_all();
    }

    /// Connects for the first time, and says where that takes long.
    pub(super) fn call_first(&self) -> Result<UnixStream, Error> {
        let until = Instant::now() + self.wait;
        let soon = self.call(until.min(Instant::now() + SILENT));
        let error = match soon {
            Err(error) if Instant::now() < until && !self.is_hopeless() => error,
            result => return result,
        };
        let Some(listener) = self.listener() else { return Err(error) };
        listener.waits(self.wait);
        let stream = self.call(until)?;
        listener.back();
        Ok(stream)
    }

    /// Whether waiting helps nobody.
    pub(super) fn is_hopeless(&self) -> bool {
        UnixStream::connect(&self.path).is_err_and(|error| hopeless(&error))
    }

    /// Connects, as often as it takes.
    pub(super) fn call(&self, until: Instant) -> Result<UnixStream, Error> {
        loop {
            let error = match UnixStream::connect(&self.path) {
                Ok(stream) => {
                    let _ = stream.set_write_timeout(Some(self.wait.max(CALLS)));
                    return Ok(stream);
                }
                Err(error) => error,
            };
            if hopeless(&error) || Instant::now() >= until {
                return Err(self.lost_of(&error.to_string()));
            }
            std::thread::sleep(CALLS);
        }
    }

    pub(super) fn hello(&self, state: &State) -> Result<Vec<u8>, Error> {
        let manifest = state.manifest.clone();
        let begins = Begins { id: self.id.clone(), manifest };
        let rest = match serde_json::to_value(begins) {
            Ok(Value::Object(rest)) => rest,
            _ => Map::new(),
        };
        wire::json(kind::HELLO, &Hello::new(Role::Session, rest))
            .map_err(|error| self.lost_of(&error.to_string()))
    }

    /// The thread that hears the answers, and calls again.
    pub(super) fn listen(&self, mut answers: UnixStream) {
        loop {
            let why = match self.hear(&answers) {
                Ok(()) => "it has left".to_owned(),
                Err(error) => error.to_string(),
            };
            {
                let mut state = self.lock();
                state.stream = None;
                state.asked.clear();
                if state.closed || state.failed.is_some() {
                    return;
                }
            }
            match self.again() {
                Ok(stream) => answers = stream,
                Err(error) => {
                    let error = match error {
                        Error::Lost { path, why: again } => {
                            Error::Lost { path, why: format!("{why}; {again}") }
                        }
                        refused => refused,
                    };
                    self.fail(&mut self.lock(), &error);
                    if let Some(listener) = self.listener() {
                        listener.lost(&error);
                    }
                    return;
                }
            }
        }
    }

    /// Hears answers until the connection ends.
    pub(super) fn hear(&self, mut answers: &UnixStream) -> Result<(), wire::Error> {
        while let Some(frame) = wire::read(&mut answers)? {
            if frame.kind == kind::STOP {
                let stop: Stop = frame.json()?;
                if let Some(listener) = self.listener() {
                    listener.stop(&stop.sentence);
                }
                continue;
            }
            let mut state = self.lock();
            let heard = self.answer(&mut state, &frame);
            state.heard = state.waits().then(Instant::now);
            drop(state);
            self.changed.notify_all();
            if let Some(error) = heard? {
                if let Some(listener) = self.listener() {
                    listener.lost(&error);
                }
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) fn answer(
        &self,
        state: &mut State,
        frame: &Frame,
    ) -> Result<Option<Error>, wire::Error> {
        match frame.kind {
            kind::ACK => {
                let ack: Ack = frame.json()?;
                if let Some(sent) = state.files.get_mut(&ack.file) {
                    sent.settle(ack.durable);
                }
            }
            kind::REFUSED => {
                let error = Error::Refused(frame.json()?);
                self.fail(state, &error);
                return Ok(Some(error));
            }
            kind::OK => match state.asked.pop_front() {
                Some(kind::BEGIN) => {
                    let has: Has = frame.json()?;
                    state.begin(&has);
                }
                Some(kind::END) => state.done = Some(frame.json()?),
                _ => {}
            },
            other => return Err(wire::Error::Unexpected(other)),
        }
        Ok(None)
    }

    /// Calls again, and goes on from where the collector stands.
    pub(super) fn again(&self) -> Result<UnixStream, Error> {
        let lost = Instant::now();
        let until = lost + self.wait;
        let mut said = false;
        loop {
            let error = match self.resume(until.min(Instant::now() + SILENT)) {
                Ok(stream) => {
                    if let Some(listener) = self.listener().filter(|_| said) {
                        listener.back();
                    }
                    return Ok(stream);
                }
                Err(error) => error,
            };
            if matches!(error, Error::Refused(_)) || Instant::now() >= until {
                return Err(error);
            }
            if self.lock().closed {
                return Err(error);
            }
            if !said && lost.elapsed() >= SILENT {
                said = true;
                if let Some(listener) = self.listener() {
                    listener.waits(self.wait);
                }
            }
            std::thread::sleep(CALLS);
        }
    }

    pub(super) fn resume(&self, until: Instant) -> Result<UnixStream, Error> {
        let stream = self.call(until)?;
        let lost = |error: &dyn std::fmt::Display| self.lost_of(&error.to_string());
        let hello = self.hello(&self.lock())?;
        (&stream).write_all(&hello).map_err(|error| lost(&error))?;
        // It may have to read what it has of this recording first.
        let _ = stream.set_read_timeout(Some(self.wait.max(CALLS)));
        let frame = wire::read(&mut &stream).map_err(|error| lost(&error))?;
        let frame = frame.ok_or_else(|| lost(&"it has left again"))?;
        if frame.kind == kind::REFUSED {
            return Err(Error::Refused(frame.json().map_err(|error| lost(&error))?));
        }
        let has: Has = frame.json_of(kind::OK).map_err(|error| lost(&error))?;
        let _ = stream.set_read_timeout(None);
        let answers = stream.try_clone().map_err(|error| lost(&error))?;
        let mut state = self.lock();
        let frames =
            state.rest(&has).ok_or_else(|| lost(&"it does not have what it said was durable"))?;
        (&stream).write_all(&frames).map_err(|error| lost(&error))?;
        state.stream = Some(stream);
        if has.begun {
            state.begun = true;
            state.manifest = None;
        } else if state.wants_begin {
            state.send_begin();
        }
        if let Some(done) = has.done {
            state.done = Some(done);
        } else if state.end.is_some() {
            state.send_end();
        }
        state.heard = state.waits().then(Instant::now);
        drop(state);
        self.changed.notify_all();
        Ok(answers)
    }
}

/// Nobody comes to mend that while we wait.
fn hopeless(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput)
}
