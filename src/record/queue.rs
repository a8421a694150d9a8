//! The bounded queue between the relay and the writer.
//!
//! The relay appends under an uncontended lock and wakes the writer only where
//! it sleeps without a timeout or the queue is half full; the writer takes
//! everything at once. So a flood costs a lock for each 4 KiB and a handful of
//! wake-ups a second, and a session in which nothing happens costs nothing.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::event::{Fact, Micros, TermSize};
use crate::sys::tty::LineMode;

/// How many bytes may wait: what a PTY moves in some 5 ms, so that a burst
/// rides over a scheduling delay of the writer, and little enough that a
/// strict session shows little that is not yet stored.
pub const CAPACITY: usize = 1 << 20;

/// How long the store may hold anything up, where nobody has said otherwise: a
/// disk that wakes from sleep or a short network stall is ridden out; beyond
/// that policy decides.
const STALL: Duration = Duration::from_secs(5);

/// Bytes that are handed over as they are, in the memory that they were read
/// to. It is whoever has it alone who may write there.
pub type Block = Arc<[u8]>;

/// One thing the relay saw, without its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// When.
    pub time: Micros,
    /// What.
    pub kind: Kind,
    /// How many bytes are its own: of the block, or of the batch's.
    pub len: usize,
    /// Where they are, if not with the batch's others.
    pub block: Option<Block>,
}

/// What an [`Item`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Bytes from the program's PTY.
    Output,
    /// Bytes typed, and what the PTY does with typed bytes (`None`: unknown,
    /// the PTY is gone).
    Input(Option<LineMode>),
    /// The terminal has a new size.
    Resize(TermSize),
    /// Bytes of a stream without a PTY: 0, 1 or 2.
    Stream(u8),
    /// Something to note.
    Fact(Fact),
}

/// What the writer takes at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// In order.
    pub items: VecDeque<Item>,
    /// Their bytes, one after the other, of those that have no block.
    pub bytes: Vec<u8>,
    in_blocks: usize,
    /// Whether this is the last.
    pub closed: bool,
    /// Whether all up to here is to be made durable at once.
    pub sync: bool,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && !self.closed && !self.sync
    }

    /// What there is, each with its bytes.
    pub fn each(&self) -> impl Iterator<Item = (&Item, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.items.iter().map(move |item| match &item.block {
            Some(block) => (item, block.get(..item.len).unwrap_or(block)),
            None => {
                let (own, others) = rest.split_at_checked(item.len).unwrap_or((rest, &[]));
                rest = others;
                (item, own)
            }
        })
    }

    /// Nothing, in the same memory.
    fn emptied(mut self) -> Self {
        self.items.clear();
        self.bytes.clear();
        Self { in_blocks: 0, closed: false, sync: false, ..self }
    }
}

/// How the writer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// It works.
    No,
    /// It naps: it comes by itself, soon.
    Nap,
    /// It sleeps until something comes.
    Sleep,
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<(Batch, Waiting)>,
    changed: Condvar,
    /// A batch that was written: its memory is there and in the cache, a new
    /// one's would be a page fault for each 4 KiB.
    spare: Mutex<Batch>,
    waiting_bytes: AtomicUsize,
    failed: OnceLock<String>,
    starved: AtomicBool,
    room: OwnedFd,
    alarm: OwnedFd,
    /// In milliseconds.
    patience: AtomicU64,
}

impl Queue {
    /// An empty queue.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            state: Mutex::new((Batch::default(), Waiting::No)),
            changed: Condvar::new(),
            spare: Mutex::default(),
            waiting_bytes: AtomicUsize::new(0),
            failed: OnceLock::new(),
            starved: AtomicBool::new(false),
            room: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            alarm: timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
            )?,
            patience: AtomicU64::new(millis(STALL)),
        })
    }

    fn lock(&self) -> MutexGuard<'_, (Batch, Waiting)> {
        // A writer that panicked leaves the batch as it was: nothing of it is
        // in an intermediate state while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends; never blocks, never refuses: the relay asks [`Queue::has_room`]
    /// before it reads.
    pub fn push(&self, time: Micros, kind: Kind, bytes: &[u8]) {
        self.append(Item { time, kind, len: bytes.len(), block: None }, bytes);
    }

    /// Appends the first `len` bytes of a block, without a copy.
    pub fn push_block(&self, time: Micros, kind: Kind, block: Block, len: usize) {
        self.append(Item { time, kind, len, block: Some(block) }, &[]);
    }

    fn append(&self, item: Item, bytes: &[u8]) {
        let mut state = self.lock();
        let (batch, waiting) = &mut *state;
        batch.in_blocks += item.block.as_ref().map_or(0, |_| item.len);
        batch.items.push_back(item);
        batch.bytes.extend_from_slice(bytes);
        // Many tiny items weigh too.
        let weight = batch.bytes.len() + batch.in_blocks + batch.items.len() * 64;
        self.waiting_bytes.store(weight, Ordering::Relaxed);
        let wake = match waiting {
            Waiting::Sleep => true,
            Waiting::Nap => weight > CAPACITY / 2,
            Waiting::No => false,
        };
        if wake {
            *waiting = Waiting::No;
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Whether the relay may read more. When not, [`Queue::room`] becomes
    /// readable once it may.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let full = |queue: &Self| queue.waiting_bytes.load(Ordering::SeqCst) >= CAPACITY;
        if !full(self) {
            return true;
        }
        self.starved.store(true, Ordering::SeqCst);
        // The writer may have emptied it in between, and seen nobody starve.
        !full(self)
    }

    /// Becomes readable when there is room again, or the record failed.
    #[must_use]
    pub fn room(&self) -> BorrowedFd<'_> {
        self.room.as_fd()
    }

    /// Takes the wake-ups off [`Queue::room`].
    pub fn acknowledge(&self) {
        let _ = rustix::io::read(&self.room, &mut [0u8; 8]);
    }

    /// Says that nothing more will come.
    pub fn close(&self) {
        self.lock().0.closed = true;
        self.changed.notify_one();
    }

    /// Asks that everything so far be made durable now.
    pub fn sync(&self) {
        self.lock().0.sync = true;
        self.changed.notify_one();
    }

    /// Whether the record can no longer be kept.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.get().is_some()
    }

    /// Why it cannot, where it cannot.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Says that the record can no longer be kept, and why. The first reason
    /// stands.
    pub fn fail(&self, reason: &str) {
        let _ = self.failed.set(reason.to_owned());
        self.wake_relay();
    }

    /// How long the store may hold anything up.
    #[must_use]
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Relaxed))
    }

    /// Has the store be waited for longer, or less long.
    pub fn set_patience(&self, patience: Duration) {
        self.patience.store(millis(patience), Ordering::Relaxed);
    }

    /// Becomes readable when the writer has been busy for too long: the store
    /// does not answer. A timer of the kernel's, so that neither side wakes up
    /// to look while nothing happens.
    #[must_use]
    pub fn alarm(&self) -> BorrowedFd<'_> {
        self.alarm.as_fd()
    }

    /// The writer's side: it begins something that may take time.
    pub fn busy(&self) {
        self.set_alarm(self.patience());
    }

    /// The writer's side: it has come to an end of that.
    pub fn idle(&self) {
        self.set_alarm(Duration::ZERO);
    }

    fn set_alarm(&self, after: Duration) {
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let tv_sec = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
        let tv_nsec = after.subsec_nanos().into();
        let once = Itimerspec { it_interval: never, it_value: Timespec { tv_sec, tv_nsec } };
        let _ = timerfd_settime(&self.alarm, TimerfdTimerFlags::empty(), &once);
    }

    /// The writer's side: everything there is, waiting at most `timeout` for
    /// something (`None`: as long as it takes).
    #[must_use]
    pub fn take(&self, timeout: Option<Duration>) -> Batch {
        let mut state = self.lock();
        if state.0.is_empty() {
            state.1 = Waiting::Sleep;
            state = match timeout {
                None => self
                    .changed
                    .wait_while(state, |(batch, _)| batch.is_empty())
                    .unwrap_or_else(PoisonError::into_inner),
                Some(t) => {
                    self.changed
                        .wait_timeout_while(state, t, |(batch, _)| batch.is_empty())
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        state.1 = Waiting::No;
        let closed = state.0.closed;
        let spare = std::mem::take(&mut *self.spare.lock().unwrap_or_else(PoisonError::into_inner));
        let batch = std::mem::replace(&mut state.0, Batch { closed, ..spare });
        self.waiting_bytes.store(0, Ordering::SeqCst);
        drop(state);
        if self.starved.swap(false, Ordering::SeqCst) {
            self.wake_relay();
        }
        batch
    }

    /// The writer's side: a batch is done with.
    pub fn give_back(&self, batch: Batch) {
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = batch.emptied();
    }

    /// The writer's side: lets the queue fill for this long, or until it is
    /// half full, or there is haste.
    pub fn nap(&self, time: Duration) {
        let mut state = self.lock();
        // What is half full already nobody may come to fill: the relay waits for
        // room then.
        let full = self.waiting_bytes.load(Ordering::Relaxed) > CAPACITY / 2;
        if state.0.closed || state.0.sync || full {
            return;
        }
        state.1 = Waiting::Nap;
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, time, |(batch, waiting)| {
                *waiting == Waiting::Nap && !batch.closed && !batch.sync
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.1 = Waiting::No;
    }

    fn wake_relay(&self) {
        let _ = rustix::io::write(&self.room, &1u64.to_ne_bytes());
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn everything_arrives_in_order_and_the_relay_is_woken_when_there_is_room() {
        let queue = Arc::new(Queue::new().unwrap());
        let theirs = Arc::clone(&queue);
        let writer = std::thread::spawn(move || {
            let (mut times, mut bytes) = (Vec::new(), Vec::<u8>::new());
            loop {
                let batch = theirs.take(None);
                times.extend(batch.items.iter().map(|i| i.time));
                bytes.extend(&batch.bytes);
                if batch.closed {
                    return (times, bytes);
                }
                theirs.give_back(batch);
                theirs.nap(Duration::from_millis(3));
            }
        });
        for n in 0..20_000u64 {
            while !queue.has_room() {
                let mut fds = [rustix::event::PollFd::from_borrowed_fd(
                    queue.room(),
                    rustix::event::PollFlags::IN,
                )];
                rustix::event::poll(&mut fds, None).unwrap();
                queue.acknowledge();
            }
            queue.push(n, Kind::Output, &[n as u8; 200]);
        }
        queue.close();
        let (times, bytes) = writer.join().unwrap();
        assert!(times.iter().copied().eq(0..20_000));
        assert_eq!(bytes.len(), 4_000_000);
        assert!(bytes.chunks(200).zip(0u64..).all(|(c, n)| c.iter().all(|&b| b == n as u8)));
    }
}
