//! The thread behind the queue: everything that costs time.
//!
//! It turns what the relay saw into events, gives them to the recording, sees
//! that each is durable in time, and, where the store fails, does what policy
//! says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::bucket::Bucket;
use super::input::{Decision, Judge};
use super::queue::{Batch, Item, Kind, Queue};
use crate::event::{Fact, Micros, TermSize};
use crate::recording::live::Live;
use crate::sys::clock::Clock;

/// How long the writer lets the queue fill before it looks again: a tenth of
/// what an event may stay unsaved, and twenty wake-ups a second at most.
const NAP: Duration = Duration::from_millis(25);

/// How often a best-effort session tries a store that failed.
const RETRY: Micros = 1_000_000;

/// How a recording takes events. `recording::live` does; tests may stand in.
///
/// An event is taken even where the call fails: the failure is the store's, and
/// the next [`Sink::flush`] tries to save the event again.
pub trait Sink: Send + 'static {
    /// Why it cannot.
    type Error: std::fmt::Display + Send;

    /// Bytes from the PTY.
    ///
    /// # Errors
    /// When the store fails.
    fn output(&mut self, time: Micros, bytes: &[u8]) -> Result<(), Self::Error>;
    /// Typed bytes, judged.
    ///
    /// # Errors
    /// When the store fails.
    fn input(&mut self, time: Micros, bytes: &[u8]) -> Result<(), Self::Error>;
    /// A new size.
    ///
    /// # Errors
    /// When the store fails.
    fn resize(&mut self, time: Micros, size: TermSize) -> Result<(), Self::Error>;
    /// A fact.
    ///
    /// # Errors
    /// When the store fails.
    fn fact(&mut self, time: Micros, fact: &Fact) -> Result<(), Self::Error>;
    /// When [`Sink::flush`] must be called next, if anything is unsaved.
    fn due(&self) -> Option<Micros>;
    /// Saves all there is. After an error it may be called again.
    ///
    /// # Errors
    /// When the store fails.
    fn flush(&mut self, now: Micros) -> Result<(), Self::Error>;
}

impl Sink for Live {
    type Error = crate::recording::Error;

    fn output(&mut self, time: Micros, bytes: &[u8]) -> Result<(), Self::Error> {
        Live::output(self, time, bytes)
    }

    fn input(&mut self, time: Micros, bytes: &[u8]) -> Result<(), Self::Error> {
        Live::input(self, time, bytes)
    }

    fn resize(&mut self, time: Micros, size: TermSize) -> Result<(), Self::Error> {
        Live::resize(self, time, size)
    }

    fn fact(&mut self, time: Micros, fact: &Fact) -> Result<(), Self::Error> {
        Live::fact(self, time, fact)
    }

    fn due(&self) -> Option<Micros> {
        Live::due(self)
    }

    fn flush(&mut self, now: Micros) -> Result<(), Self::Error> {
        Live::flush(self, now)
    }
}

/// What went through the writer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes that the program wrote.
    pub bytes_out: u64,
    /// Bytes that the person typed.
    pub bytes_in: u64,
    /// Stretches that could not be recorded.
    pub gaps: u64,
    /// Bytes in them.
    pub gap_bytes: u64,
    /// Why the store failed, the last time it did.
    pub failure: Option<String>,
}

/// How much of streams without a PTY is kept.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Bytes at once.
    pub burst: u64,
    /// Bytes a second.
    pub rate: u64,
}

/// What policy says of a session.
#[derive(Debug)]
pub struct Rules {
    /// Whether a store that fails ends the session.
    pub strict: bool,
    /// What is kept of typed keys.
    pub judge: Judge,
    /// How much of streams without a PTY is kept.
    pub streams: StreamLimits,
}

/// A stretch that is being lost.
#[derive(Debug)]
struct Gap {
    reason: String,
    from: Micros,
    bytes: u64,
    retry: Micros,
}

/// The writer.
#[derive(Debug)]
pub struct Writer<S> {
    sink: S,
    queue: Arc<Queue>,
    clock: Clock,
    strict: bool,
    judge: Judge,
    streams: [Bucket; 3],
    facts: Vec<Fact>,
    gap: Option<Gap>,
    tally: Tally,
}

impl<S: Sink> Writer<S> {
    /// A writer of `queue` into `sink`.
    #[must_use]
    pub fn new(sink: S, queue: Arc<Queue>, clock: Clock, rules: Rules) -> Self {
        let bucket = |n| Bucket::new(n, rules.streams.burst, rules.streams.rate);
        Self {
            sink,
            queue,
            clock,
            strict: rules.strict,
            judge: rules.judge,
            streams: [bucket(0), bucket(1), bucket(2)],
            facts: Vec::new(),
            gap: None,
            tally: Tally::default(),
        }
    }

    /// Writes until the queue is closed and empty; gives the sink back for
    /// its end.
    pub fn run(mut self) -> (S, Tally) {
        loop {
            let now = self.clock.micros();
            let batch = self.queue.take(self.until_due(now));
            let closed = batch.closed;
            self.write(batch);
            if closed {
                break;
            }
            self.queue.nap(NAP);
        }
        let now = self.clock.micros();
        for n in 0..self.streams.len() {
            if let Some(bucket) = self.streams.get_mut(n) {
                bucket.end(&mut self.facts);
            }
        }
        self.judge.end(now);
        self.write_judged(now);
        let result = self.write_facts(now).and_then(|()| self.sink.flush(now));
        self.settle(now, result);
        self.close_gap(now);
        (self.sink, self.tally)
    }

    fn until_due(&self, now: Micros) -> Option<Duration> {
        let due = match &self.gap {
            Some(gap) => Some(gap.retry),
            None => self.sink.due().into_iter().chain(self.judge.due()).min(),
        };
        due.map(|due| Duration::from_micros(due.saturating_sub(now)))
    }

    fn write(&mut self, batch: Batch) {
        let Batch { items, bytes, sync, closed } = batch;
        self.write_items(items, &bytes);
        let now = self.clock.micros();
        if self.judge.due().is_some_and(|due| due <= now) {
            self.judge.tick(now);
            self.write_judged(now);
        }
        if self.gap.as_ref().is_some_and(|gap| now >= gap.retry || closed) {
            self.close_gap(now);
        } else if self.gap.is_none() && (sync || self.sink.due().is_some_and(|due| due <= now)) {
            let result = self.sink.flush(now);
            self.settle(now, result);
        }
    }

    fn write_items(&mut self, items: VecDeque<Item>, bytes: &[u8]) {
        let mut rest = bytes;
        for item in items {
            let (own, others) = rest.split_at_checked(item.len).unwrap_or((rest, &[]));
            rest = others;
            match item.kind {
                Kind::Output | Kind::Stream(_) => self.tally.bytes_out += own.len() as u64,
                Kind::Input(_) => self.tally.bytes_in += own.len() as u64,
                Kind::Resize(_) | Kind::Fact(_) => {}
            }
            if let Some(gap) = &mut self.gap {
                gap.bytes += own.len() as u64;
                self.unkept(item.time, &item.kind, own);
                continue;
            }
            let result = self.event(item.time, &item.kind, own);
            self.settle(item.time, result);
        }
    }

    /// An event of a gap: the judge follows the terminal all the same.
    fn unkept(&mut self, time: Micros, kind: &Kind, bytes: &[u8]) {
        match kind {
            Kind::Output => self.judge.output(time, bytes),
            Kind::Input(line) => self.judge.typed(time, bytes, *line),
            Kind::Resize(size) => self.judge.resized(time, *size),
            Kind::Stream(_) | Kind::Fact(_) => {}
        }
        while self.judge.next_decision().is_some() {}
    }

    fn event(&mut self, time: Micros, kind: &Kind, bytes: &[u8]) -> Result<(), S::Error> {
        match kind {
            Kind::Output => {
                self.judge.output(time, bytes);
                self.sink.output(time, bytes).and_then(|()| self.judged(time))
            }
            Kind::Input(line) => {
                self.judge.typed(time, bytes, *line);
                self.judged(time)
            }
            Kind::Resize(size) => {
                self.judge.resized(time, *size);
                self.sink.resize(time, *size).and_then(|()| self.judged(time))
            }
            Kind::Fact(fact) => self.sink.fact(time, fact),
            Kind::Stream(number) => {
                if let Some(bucket) = self.streams.get_mut(usize::from(*number)) {
                    bucket.take(time, bytes, &mut self.facts);
                }
                self.write_facts(time)
            }
        }
    }

    fn write_judged(&mut self, time: Micros) {
        let result = self.judged(time);
        self.settle(time, result);
    }

    /// Writes what has been decided of the person's typing. What is typed in a
    /// gap is judged too, and lost with it: the judge must see all there is.
    fn judged(&mut self, time: Micros) -> Result<(), S::Error> {
        let mut result = Ok(());
        while let Some(decision) = self.judge.next_decision() {
            if self.gap.is_none() && result.is_ok() {
                result = self.decision(time, &decision);
            }
        }
        result
    }

    fn decision(&mut self, time: Micros, decision: &Decision) -> Result<(), S::Error> {
        let times = |kind, start: &Micros, end: &Micros| {
            Fact::new(kind).with("start_us", *start).with("end_us", *end)
        };
        match decision {
            Decision::Keep { start_us, end_us, bytes } => {
                self.sink.fact(time, &times("typed", start_us, end_us))?;
                self.sink.input(time, bytes)
            }
            Decision::Masked { reason, start_us, end_us } => {
                let fact = times("masked", start_us, end_us).with("reason", reason.name());
                self.sink.fact(time, &fact)
            }
            Decision::Reply { bytes } => {
                let b64 = data_encoding::BASE64.encode(bytes);
                self.sink.fact(time, &Fact::new("reply").with("b64", b64))
            }
        }
    }

    fn write_facts(&mut self, time: Micros) -> Result<(), S::Error> {
        for fact in std::mem::take(&mut self.facts) {
            self.sink.fact(time, &fact)?;
        }
        Ok(())
    }

    /// What follows from a failure: a strict session is told to end, a
    /// best-effort one goes on with a gap.
    fn settle(&mut self, time: Micros, result: Result<(), S::Error>) {
        let Err(error) = result else { return };
        let reason = error.to_string();
        self.tally.failure = Some(reason.clone());
        if self.strict {
            self.queue.fail();
        }
        let gap = Gap { reason, from: time, bytes: 0, retry: time + RETRY };
        self.gap.get_or_insert(gap);
    }

    /// Tries the store again, and, where it is back, notes what was lost.
    fn close_gap(&mut self, now: Micros) {
        let Some(mut gap) = self.gap.take() else { return };
        let fact = Fact::new("gap")
            .with("reason", gap.reason.clone())
            .with("bytes", gap.bytes)
            .with("from_us", gap.from)
            .with("to_us", now);
        let back = self.sink.flush(now).and_then(|()| self.sink.fact(now, &fact));
        match back.and_then(|()| self.sink.flush(now)) {
            Ok(()) => {
                self.tally.gaps += 1;
                self.tally.gap_bytes += gap.bytes;
            }
            Err(error) => {
                gap.reason = error.to_string();
                gap.retry = now + RETRY;
                self.tally.failure = Some(gap.reason.clone());
                self.gap = Some(gap);
            }
        }
    }
}
