//! What is known of the recording, and what only reading all of it tells.
//!
//! Refuses to know what is checked. The invariant: nobody waits for it, and it
//! is done once.

use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, channel};

use super::super::model::{Model, Open};

/// What stands where the answer will.
const CHECKING: (&str, &str) = ("verified", "checking…");

impl Model {
    /// Opens the details, and begins to look for what is missing of them.
    pub(super) fn open_details(&mut self) {
        self.open = Open::Details { top: 0 };
        let Some(check) = self.setup.check.take() else { return };
        let (sender, receiver) = channel();
        let wake = Arc::clone(&self.setup.wake);
        let work = move || {
            // What the person does meanwhile comes first: 0 is this thread
            // (setpriority(2), on Linux).
            let _ = rustix::process::setpriority_process(None, 10);
            // Nobody waits for it when the player has ended.
            let _ = sender.send(check());
            wake();
        };
        let begun = std::thread::Builder::new().name("hrec-check".to_owned()).spawn(work);
        let told = match begun {
            Ok(_) => {
                self.checking = Some(receiver);
                CHECKING.1.to_owned()
            }
            Err(error) => format!("not checked: no thread could be started: {error}"),
        };
        let sealed = self.setup.details.iter().position(|(name, _)| name == "sealed");
        let at = sealed.map_or(self.setup.details.len(), |at| at + 1);
        self.setup.details.insert(at, (CHECKING.0.to_owned(), told));
    }

    /// Takes what was found; whether there is anything.
    pub(super) fn checked(&mut self) -> bool {
        let Some(checking) = &self.checking else { return false };
        let found = match checking.try_recv() {
            Ok(found) => found,
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => {
                vec![(CHECKING.0.to_owned(), "not checked: it could not be".to_owned())]
            }
        };
        self.checking = None;
        let details = &mut self.setup.details;
        let at =
            details.iter().position(|(name, value)| (name.as_str(), value.as_str()) == CHECKING);
        if let Some(at) = at {
            details.splice(at..=at, found);
        }
        true
    }
}
