//! The one writer of the ledger, for all connections.
//!
//! Its invariant: what waits is entered together, and so shares one signature
//! and one sync; each is answered when its own entries are durable.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};

use super::{Error, Options};
use crate::seal::ledger::{self, Event, Ledger};
use crate::sys::clock;

/// How many may wait: as many as there are connections wait by themselves.
const WAITING: usize = 1024;

/// The most that are entered at once.
const TOGETHER: usize = 512;

type Answer = SyncSender<Result<(), String>>;

/// The way to the writer.
#[derive(Clone, Debug)]
pub struct Clerk {
    sender: SyncSender<(Vec<Event>, Answer)>,
}

impl Clerk {
    /// Opens the ledger and starts its writer.
    ///
    /// # Errors
    /// When the ledger cannot be opened, or the system has no thread left.
    pub(super) fn start(options: &Arc<Options>) -> Result<Self, Error> {
        let mut ledger = options.keys.ledger().map_err(Error::Ledger)?;
        // Of what a collector before has entered last, it must be seen that it
        // did: it is not entered again.
        ledger.catch_up().map_err(|error| Error::Ledger(error.to_string()))?;
        let (sender, waiting) = mpsc::sync_channel(WAITING);
        let (anchor, anchors) = mpsc::sync_channel(1);
        let desk = Desk { options: Arc::clone(options), ledger: Some(ledger), gap: None, anchor };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let start = thread("ledger").spawn(move || desk.run(&waiting)).and_then(|_| {
            let options = Arc::clone(options);
            thread("anchors").spawn(move || {
                while let Ok(()) = anchors.recv() {
                    options.keys.hand_on();
                }
            })
        });
        start.map_err(|error| Error::Ledger(format!("cannot start a thread: {error}")))?;
        Ok(Self { sender })
    }

    /// Enters these when there is time, where there is any.
    pub(super) fn post(&self, events: Vec<Event>) {
        let (answer, _) = mpsc::sync_channel(1);
        let _ = self.sender.try_send((events, answer));
    }

    /// Enters these, and waits until they are durable.
    ///
    /// # Errors
    /// When the ledger cannot be written, as a sentence.
    pub fn enter(&self, events: Vec<Event>) -> Result<(), String> {
        let gone = || "the ledger's writer has ended".to_owned();
        let (answer, answered) = mpsc::sync_channel(1);
        self.sender.send((events, answer)).map_err(|_| gone())?;
        answered.recv().unwrap_or_else(|_| Err(gone()))
    }
}

struct Desk {
    options: Arc<Options>,
    ledger: Option<Ledger>,
    /// Why it could not be written, and since when.
    gap: Option<(String, String)>,
    anchor: SyncSender<()>,
}

impl Desk {
    fn run(mut self, waiting: &Receiver<(Vec<Event>, Answer)>) {
        while let Ok((mut events, answer)) = waiting.recv() {
            let mut answers = vec![answer];
            while answers.len() < TOGETHER
                && let Ok((more, answer)) = waiting.try_recv()
            {
                events.extend(more);
                answers.push(answer);
            }
            let told = self.enter(events);
            for answer in answers {
                let _ = answer.send(told.clone());
            }
            // One that is full has this head to hand on already.
            let _ = self.anchor.try_send(());
        }
    }

    fn enter(&mut self, events: Vec<Event>) -> Result<(), String> {
        let gap = self.gap.clone().map(|(reason, from)| Event::Gap { reason, from });
        let events: Vec<Event> = gap.into_iter().chain(events).collect();
        let told = match &mut self.ledger {
            Some(ledger) => ledger.append(&events),
            None => Err(ledger::Error::Replaced(PathBuf::new())),
        };
        let told = match told {
            Ok(_) => Ok(()),
            // Its key was replaced, which this did not know yet.
            Err(ledger::Error::Replaced(_) | ledger::Error::Signer { .. }) => {
                self.ledger = None;
                self.options.keys.ledger().and_then(|ledger| {
                    let ledger = self.ledger.insert(ledger);
                    ledger.append(&events).map(drop).map_err(|error| error.to_string())
                })
            }
            Err(error) => Err(error.to_string()),
        };
        match &told {
            Ok(()) => self.gap = None,
            Err(why) => {
                self.gap.get_or_insert_with(|| (why.clone(), clock::wall_rfc3339()));
            }
        }
        told
    }
}
