//! The terminal that `hrec play` shows things on, and asking the person there.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use crate::format::cipher::{Identities, MessageCallback, PassphraseCallback};
use crate::play::Driver;
use crate::play::colour::Depth;
use crate::play::panel::Shown;
use crate::play::prompt::{Answers, Message, Prompt};
use crate::recording;

use super::place;

/// How often a passphrase may be wrong: as ssh and sudo have it.
const TRIES: usize = 3;

/// A terminal that is taken when it is first needed: nothing flickers before a
/// recording that cannot be opened is said to be so.
#[derive(Clone, Default)]
pub(crate) struct Stage(Arc<Shared>);

#[derive(Default)]
struct Shared {
    driver: Mutex<Option<Driver>>,
    answers: Arc<Answers>,
    /// Whether the person gave a passphrase since this was last looked at.
    answered: AtomicBool,
    /// What was wrong with the last one.
    complaint: Mutex<Option<&'static str>>,
    /// The signal that came while the person was asked.
    signal: Mutex<Option<i32>>,
}

impl Stage {
    /// The passphrases that were given.
    pub(crate) fn answers(&self) -> Arc<Answers> {
        Arc::clone(&self.0.answers)
    }

    /// Does something on the terminal; `None` when there is none.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Driver) -> T) -> io::Result<Option<T>> {
        let mut driver = self.0.driver.lock().unwrap_or_else(PoisonError::into_inner);
        if driver.is_none() {
            *driver = Driver::take(Depth::of(|name| std::env::var(name).ok()))?;
        }
        Ok(driver.as_mut().map(act))
    }

    /// Gives the terminal back, if it was taken.
    pub(crate) fn leave(&self) -> io::Result<()> {
        let driver = self.0.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        driver.map_or(Ok(()), |mut driver| driver.leave())
    }

    /// The signal that ended a question, if one did.
    pub(crate) fn signal(&self) -> Option<i32> {
        *self.0.signal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The identities in these files, asking for what passphrases they need.
    pub(crate) fn identities(&self, files: &[PathBuf]) -> Result<Identities> {
        place::identities_of(files, self.ask(), self.tell())
    }

    /// Opens a recording with the identities in these files, asking for what
    /// passphrases they need, again when one was wrong.
    pub(crate) fn opening<T>(
        &self,
        files: &[PathBuf],
        open: impl Fn(&Identities) -> Result<T>,
    ) -> Result<T> {
        let shared = &self.0;
        let complain = |what| {
            *shared.complaint.lock().unwrap_or_else(PoisonError::into_inner) = what;
        };
        complain(None);
        let mut tries = 1;
        loop {
            shared.answered.store(false, Ordering::Relaxed);
            let opened = self.identities(files).and_then(|identities| open(&identities));
            let Err(error) = opened else { return opened };
            let answered = shared.answered.load(Ordering::Relaxed);
            if answered || is_locked(&error) {
                // One of those that were given is wrong.
                shared.answers.forget();
            }
            if !answered || tries >= TRIES || !is_locked(&error) || self.signal().is_some() {
                return Err(error);
            }
            tries += 1;
            complain(Some("That was not it."));
        }
    }

    fn ask(&self) -> PassphraseCallback {
        let stage = self.clone();
        self.0.answers.asking(Arc::new(move |question| stage.question(question)))
    }

    fn question(&self, question: &str) -> Option<String> {
        let complaint = *self.0.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        let mut prompt = Prompt::new(question, complaint);
        match self.with(|driver| driver.show(&mut prompt)).ok()??.ok()? {
            Shown::Answer(answer) => {
                self.0.answered.store(answer.is_some(), Ordering::Relaxed);
                answer.map(|answer| answer.as_str().to_owned())
            }
            Shown::Signal(signal) => {
                *self.0.signal.lock().unwrap_or_else(PoisonError::into_inner) = Some(signal);
                None
            }
        }
    }

    /// A plugin waits for the person.
    fn tell(&self) -> MessageCallback {
        let stage = self.clone();
        Arc::new(move |what: &str| {
            let mut notice = Message::notice("Please", what);
            let _ = stage.with(|driver| driver.tell(&mut notice));
        })
    }
}

/// Whether it is a passphrase that is missing or wrong.
fn is_locked(error: &anyhow::Error) -> bool {
    use crate::format::cipher::Error as Cipher;
    let cipher = match error.downcast_ref() {
        Some(recording::Error::Cipher { source, .. }) => Some(source),
        _ => error.downcast_ref(),
    };
    matches!(cipher, Some(Cipher::Identity { .. } | Cipher::Decrypt(_)))
}
