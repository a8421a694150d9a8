//! The thread behind the queue: everything that costs time.
//!
//! It turns what the relay saw into events, gives them to the recording, sees
//! that each is durable in time, and, where the store fails, does what policy
//! says.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::bucket::Bucket;
use super::input::{Decision, Judge};
use super::outage::Outage;
use super::queue::{Batch, Kind, Queue};
use super::sink::Sink;
use crate::event::{Fact, Micros};
use crate::format::transfer::{Follower, Side};
use crate::sys::clock::{self, Clock};

/// How long the writer lets the queue fill before it looks again: a tenth of
/// what an event may stay unsaved, and twenty wake-ups a second at most.
const NAP: Micros = 25_000;

/// What may wait in memory while the store refuses; what a best-effort session
/// shows beyond that is lost. Twice what the queue holds, so that one batch
/// never decides.
const BACKLOG: usize = 2 << 20;

/// A wall clock that moved by more than this was set. A leap second is none.
const CLOCK_STEP: u128 = 1_000_000;

/// The clocks that the writer looks at; a test may stand in.
pub trait Time: Send + 'static {
    /// The session's clock.
    fn micros(&self) -> Micros;
    /// What the wall clock would have shown at the session clock's zero,
    /// microseconds since 1970.
    fn wall_at_zero(&self) -> i128;
}

impl Time for Clock {
    fn micros(&self) -> Micros {
        Clock::micros(self)
    }

    fn wall_at_zero(&self) -> i128 {
        Clock::wall_at_zero(self)
    }
}

/// What went through the writer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes that the program wrote.
    pub bytes_out: u64,
    /// Bytes that the person typed.
    pub bytes_in: u64,
    /// Stretches in which the store failed.
    pub gaps: u64,
    /// Bytes that were lost in them.
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
    /// Who reads off the streams which files they move.
    pub transfers: Option<Follower>,
}

/// The writer.
#[derive(Debug)]
pub struct Writer<S, T = Clock> {
    sink: S,
    queue: Arc<Queue>,
    clock: T,
    /// [`Time::wall_at_zero`] when it was last noted.
    wall: i128,
    strict: bool,
    judge: Judge,
    streams: [Bucket; 3],
    transfers: Option<Follower>,
    facts: Vec<Fact>,
    outage: Option<Outage>,
    tally: Tally,
}

impl<S: Sink, T: Time> Writer<S, T> {
    /// A writer of `queue` into `sink`.
    #[must_use]
    pub fn new(sink: S, queue: Arc<Queue>, clock: T, rules: Rules) -> Self {
        let bucket = |n| Bucket::new(n, rules.streams.burst, rules.streams.rate);
        Self {
            sink,
            queue,
            wall: clock.wall_at_zero(),
            clock,
            strict: rules.strict,
            judge: rules.judge,
            streams: [bucket(0), bucket(1), bucket(2)],
            transfers: rules.transfers,
            facts: Vec::new(),
            outage: None,
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
            // A strict session waits for no store that hangs.
            if self.strict {
                self.queue.busy();
            }
            self.write(batch);
            if self.strict {
                self.queue.idle();
            }
            if closed {
                break;
            }
            self.queue.nap(Duration::from_micros(NAP));
        }
        self.end()
    }

    /// What is still undecided or unsaved, once nothing more will come.
    fn end(mut self) -> (S, Tally) {
        let now = self.clock.micros();
        for bucket in &mut self.streams {
            bucket.end(&mut self.facts);
        }
        if let Some(transfers) = self.transfers.take() {
            transfers.finish(&mut self.facts);
        }
        self.judge.end(now);
        self.write_judged(now);
        let result = self.write_facts(now);
        self.settle(now, result);
        self.flush(now);
        // The fact is in memory now whatever the store says: where the
        // recording can be finished at all, it tells of the gap.
        if let Some(outage) = self.outage.take() {
            self.note_gap(outage, now);
        }
        (self.sink, self.tally)
    }

    fn until_due(&self, now: Micros) -> Option<Duration> {
        let due = match &self.outage {
            Some(outage) => Some(outage.retry),
            None => self.sink.due().into_iter().chain(self.judge.due()).min(),
        };
        due.map(|due| Duration::from_micros(due.saturating_sub(now)))
    }

    fn write(&mut self, batch: Batch) {
        let Batch { sync, closed, .. } = &batch;
        self.write_items(&batch);
        let now = self.clock.micros();
        if self.judge.due().is_some_and(|due| due <= now) {
            self.judge.tick(now);
            self.write_judged(now);
        }
        let due = match &self.outage {
            Some(outage) => now >= outage.retry || *closed,
            // Rather a nap too early than a nap too late.
            None => *sync || self.sink.due().is_some_and(|due| due <= now + NAP),
        };
        if due {
            self.flush(now);
        }
        self.queue.give_back(batch);
    }

    fn write_items(&mut self, batch: &Batch) {
        for (item, own) in batch.each() {
            match &item.kind {
                Kind::Input(_) | Kind::Stream(0) => self.tally.bytes_in += own.len() as u64,
                Kind::Output | Kind::Stream(_) => self.tally.bytes_out += own.len() as u64,
                Kind::Fact(fact) if fact.kind == "gap" => self.tally.lost(fact),
                Kind::Resize(_) | Kind::Fact(_) => {}
            }
            let full = !self.strict && self.sink.backlog() >= BACKLOG;
            if let Some(outage) = &mut self.outage
                && outage.loses(full, item, own.len())
            {
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
                let result = self.sink.output(time, bytes);
                result.and(self.judged(time))
            }
            Kind::Input(line) => {
                self.judge.typed(time, bytes, *line);
                self.judged(time)
            }
            Kind::Resize(size) => {
                self.judge.resized(time, *size);
                let result = self.sink.resize(time, *size);
                result.and(self.judged(time))
            }
            Kind::Fact(fact) => self.sink.fact(time, fact),
            Kind::Stream(number) => {
                let mut told = Vec::new();
                let taken = match (&mut self.transfers, number) {
                    (Some(transfers), 0 | 1) => {
                        let side = if *number == 0 { Side::Client } else { Side::Server };
                        transfers.feed(side, bytes, &mut told);
                        transfers.taken()
                    }
                    _ => &[],
                };
                if let Some(bucket) = self.streams.get_mut(usize::from(*number)) {
                    bucket.take(time, bytes, taken, &mut self.facts);
                }
                self.facts.append(&mut told);
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
            if !self.outage.as_ref().is_some_and(Outage::is_losing) {
                result = result.and(self.decision(time, &decision));
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
                let typed = self.sink.fact(time, &times("typed", start_us, end_us));
                typed.and(self.sink.input(time, bytes))
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
        let facts = std::mem::take(&mut self.facts);
        let mut result = Ok(());
        for fact in &facts {
            result = result.and(self.sink.fact(time, fact));
        }
        result
    }

    /// What follows from a failure: a strict session is told to end, and what
    /// was shown until then waits for the store to come back; a best-effort one
    /// goes on.
    fn settle(&mut self, time: Micros, result: Result<(), S::Error>) {
        let Err(error) = result else { return };
        let reason = error.to_string();
        if self.strict {
            self.queue.fail(&reason);
        }
        self.tally.failure = Some(reason.clone());
        match &mut self.outage {
            Some(outage) => outage.again(reason, time),
            none => *none = Some(Outage::begin(reason, time)),
        }
    }

    /// Saves all there is, and, where the store is back, notes the gap.
    fn flush(&mut self, now: Micros) {
        self.note_clock(now);
        let result = self.sink.flush(now);
        let back = result.is_ok();
        self.settle(now, result);
        if back && let Some(outage) = self.outage.take() {
            self.note_gap(outage, now);
        }
    }

    fn note_gap(&mut self, outage: Outage, now: Micros) {
        let fact = outage.fact(now);
        self.tally.lost(&fact);
        let mut result = self.sink.fact(now, &fact);
        if let Some(size) = outage.size() {
            result = result.and(self.sink.resize(now, size));
        }
        self.settle(now, result);
        let result = self.sink.flush(now);
        self.settle(now, result);
    }

    /// Notes that somebody has set the wall clock. The events' times do not
    /// depend on it.
    fn note_clock(&mut self, now: Micros) {
        let wall = self.clock.wall_at_zero();
        if wall.abs_diff(self.wall) > CLOCK_STEP {
            self.wall = wall;
            let shows = u64::try_from(wall + i128::from(now)).unwrap_or(0);
            let fact = Fact::new("clock").with("wall", clock::rfc3339(shows));
            let result = self.sink.fact(now, &fact);
            self.settle(now, result);
        }
    }
}

impl Tally {
    /// Counts what a `gap` fact tells of.
    fn lost(&mut self, fact: &Fact) {
        self.gaps += 1;
        self.gap_bytes += fact.fields.get("bytes").and_then(Value::as_u64).unwrap_or(0);
        if let Some(reason) = fact.fields.get("reason").and_then(Value::as_str) {
            self.failure = Some(reason.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
