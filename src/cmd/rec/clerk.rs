//! The thread that tells the ledger of a running session: how far it is, and
//! its end.
//!
//! Its invariant: a ledger that is slow, locked or full never keeps the
//! session waiting; what it could not be told at its time it is told as soon
//! as it can, with the gap.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::cmd::ledger::Access;
use crate::event::{Fact, Micros, TermSize};
use crate::format::chain::ChainState;
use crate::record::sink::Sink;
use crate::recording::live::Live;
use crate::seal::ledger::{Error, Event, Ledger};
use crate::sys::clock;

/// How often the ledger is told how far a session is, while it goes on.
const HEADS: Micros = 60_000_000;

/// What may wait for the thread: a minute's worth each.
const WAITING: usize = 4;

/// How long the anchors may take altogether, while the session goes on.
const ANCHORS: Duration = Duration::from_secs(30);

/// And when it has ended, and the person waits for their prompt. One that takes
/// longer has the head of the next session's start.
const ANCHORS_END: Duration = Duration::from_secs(2);

/// How long the end of a session waits for the ledger.
const END: Duration = Duration::from_secs(10);

/// The way to the thread.
pub struct Clerk {
    sender: SyncSender<Note>,
}

enum Note {
    Head(ChainState),
    End(Box<Event>, SyncSender<Result<()>>),
}

/// What came of telling the ledger of the start.
pub enum Outcome {
    /// It is in it.
    Start(Box<Ledger>),
    /// It could not be told: why, and what.
    Nothing(anyhow::Error, Box<Event>),
}

/// What the ledger has been told of the start.
pub enum Told {
    /// What came of it.
    Now(Outcome),
    /// It has not answered yet: as a sentence, and where it will.
    Later(String, Receiver<Outcome>),
}

impl Told {
    /// Why it does not have it yet, if it does not.
    pub fn why_not(&self) -> Option<String> {
        match self {
            Self::Now(Outcome::Start(_)) => None,
            Self::Now(Outcome::Nothing(error, _)) => Some(crate::cmd::told(error)),
            Self::Later(reason, _) => Some(reason.clone()),
        }
    }
}

impl Clerk {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has none left.
    pub fn start(id: &str, access: Access, told: Told) -> std::io::Result<Self> {
        let (sender, notes) = mpsc::sync_channel(WAITING);
        let mut desk =
            Desk { id: id.to_owned(), access, ledger: None, owed: Vec::new(), gap: None };
        let later = match told {
            Told::Now(outcome) => {
                desk.started(outcome);
                None
            }
            Told::Later(_, outcome) => Some(outcome),
        };
        std::thread::Builder::new().name("ledger".to_owned()).spawn(move || {
            // What comes after the start is entered after it.
            if let Some(Ok(outcome)) = later.map(|later| later.recv()) {
                desk.started(outcome);
            }
            desk.run(&notes);
        })?;
        Ok(Self { sender })
    }

    /// Tells it of the end, and waits for its answer.
    ///
    /// # Errors
    /// When the ledger cannot be written, or does not answer.
    pub fn end(self, event: Event) -> Result<()> {
        let (answer, answered) = mpsc::sync_channel(1);
        let gone = || anyhow!("the ledger has not answered for {} seconds", END.as_secs());
        let mut note = Note::End(Box::new(event), answer);
        let until = std::time::Instant::now() + END;
        // Full only behind a ledger that does not answer.
        while let Err(refused) = self.sender.try_send(note) {
            note = match refused {
                mpsc::TrySendError::Full(note) if std::time::Instant::now() < until => note,
                _ => return Err(gone()),
            };
            std::thread::sleep(Duration::from_millis(20));
        }
        answered.recv_timeout(END).unwrap_or_else(|_| Err(gone()))
    }
}

/// What the thread has before it.
struct Desk {
    id: String,
    access: Access,
    ledger: Option<Ledger>,
    /// What it could not be told in its time.
    owed: Vec<Event>,
    /// Why not, and since when.
    gap: Option<(String, String)>,
}

impl Desk {
    fn started(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Start(ledger) => self.ledger = Some(*ledger),
            Outcome::Nothing(error, start) => {
                self.owed.push(*start);
                self.gap = Some((crate::cmd::told(&error), clock::wall_rfc3339()));
            }
        }
    }

    fn run(mut self, notes: &Receiver<Note>) {
        let anchors = self.anchors();
        // One that is full has a session's head to hand on already.
        let hand_on = || {
            let (done, wait) = mpsc::sync_channel(1);
            let _ = anchors.try_send(done);
            wait
        };
        drop(hand_on());
        while let Ok(note) = notes.recv() {
            match note {
                Note::Head(chain) => {
                    let _ = self.tell(Some(Event::Head { id: self.id.clone(), chain }));
                    // One that cannot be told is out of date by the next.
                    self.owed.retain(|event| !matches!(event, Event::Head { .. }));
                    drop(hand_on());
                }
                Note::End(event, answer) => {
                    let told = self.tell(Some(*event));
                    let _ = hand_on().recv_timeout(ANCHORS_END);
                    let _ = answer.send(told);
                }
            }
        }
    }

    /// The thread that hands the head on, whenever it is sent something; it
    /// says so there when it has.
    fn anchors(&self) -> SyncSender<SyncSender<()>> {
        let (sender, wanted) = mpsc::sync_channel::<SyncSender<()>>(1);
        let access = self.access.clone();
        let work = move || {
            while let Ok(done) = wanted.recv() {
                access.hand_on(ANCHORS);
                let _ = done.send(());
            }
        };
        // Without a thread nothing is handed on until the next session.
        let _ = std::thread::Builder::new().name("anchors".to_owned()).spawn(work);
        sender
    }

    fn tell(&mut self, event: Option<Event>) -> Result<()> {
        self.owed.extend(event);
        let gap = self.gap.clone();
        let gap = gap.map(|(reason, from)| Event::Gap { reason, from });
        let events: Vec<Event> = gap.into_iter().chain(self.owed.iter().cloned()).collect();
        self.append(&events)?;
        self.owed.clear();
        self.gap = None;
        Ok(())
    }

    fn append(&mut self, events: &[Event]) -> Result<()> {
        let told = self.ledger.as_mut().map(|ledger| ledger.append(events));
        let result = match told {
            Some(Err(Error::Replaced(_) | Error::Signer { .. })) | None => {
                let opened = self.access.open();
                opened.and_then(|ledger| Ok(self.ledger.insert(ledger).append(events)?))
            }
            Some(told) => told.map_err(anyhow::Error::from),
        };
        if let Err(error) = &result {
            let reason = crate::cmd::told(error);
            self.gap.get_or_insert_with(|| (reason, clock::wall_rfc3339()));
        }
        result.map(drop)
    }
}

/// A recording, and the clerk who is told how far it is.
pub struct Watched {
    live: Live,
    clerk: Option<Clerk>,
    told: Option<ChainState>,
    next: Micros,
}

impl Watched {
    /// The recording; without a clerk, just that.
    pub fn new(live: Live, clerk: Option<Clerk>) -> Self {
        let told = Some(live.chain());
        Self { live, clerk, told, next: HEADS }
    }

    /// Both, for their ends.
    pub fn into_parts(self) -> (Live, Option<Clerk>) {
        (self.live, self.clerk)
    }

    fn tell(&mut self, now: Micros) {
        let Some(clerk) = self.clerk.as_ref().filter(|_| now >= self.next) else { return };
        let chain = self.live.chain();
        if self.told.as_ref() != Some(&chain)
            && clerk.sender.try_send(Note::Head(chain.clone())).is_ok()
        {
            self.told = Some(chain);
        }
        self.next = now.saturating_add(HEADS);
    }
}

impl Sink for Watched {
    type Error = <Live as Sink>::Error;

    fn output(&mut self, time: Micros, bytes: &[u8]) -> Result<(), Self::Error> {
        self.live.output(time, bytes)
    }

    fn input(&mut self, time: Micros, bytes: &[u8]) -> Result<(), Self::Error> {
        self.live.input(time, bytes)
    }

    fn resize(&mut self, time: Micros, size: TermSize) -> Result<(), Self::Error> {
        self.live.resize(time, size)
    }

    fn fact(&mut self, time: Micros, fact: &Fact) -> Result<(), Self::Error> {
        self.live.fact(time, fact)
    }

    fn due(&self) -> Option<Micros> {
        self.live.due()
    }

    fn backlog(&self) -> usize {
        self.live.backlog()
    }

    fn flush(&mut self, now: Micros) -> Result<(), Self::Error> {
        let flushed = self.live.flush(now);
        self.tell(now);
        flushed
    }
}
