//! All of a recording read in threads, piece by piece.
//!
//! Refuses to know what is looked for. The invariant: every event lies in one
//! segment, the state at a segment's start is known without what is before it,
//! and what was found is kept by segments, so that its order is the
//! recording's whoever was first.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::spot::Spot;
use crate::event::Event;
use crate::format::asciicast::Next;
use crate::recording::{Anchor, Recording, Result, Source};
use crate::screen::Keyframe;

/// Called when there is something new, from any thread: it is to wake up
/// whoever asks then, and to return at once.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// More threads than this do not help a disk, and each has its buffers.
const THREADS: usize = 8;

/// Frames in the largest part of [`Segment::graded`]: at a frame each
/// millisecond, what a search is behind in telling how far it is.
const LARGEST: usize = 16;
/// A part has a frame for so many that are between it and the place.
const GRADE: usize = 8;

/// A stretch of a recording.
pub(super) struct Segment {
    /// Where it begins.
    pub(super) start: Spot,
    /// With the terminal's state there. Without, it is the recording's start.
    anchor: Option<Anchor>,
    /// How many events are before its end; `None`: all there are.
    pub(super) end: Option<u64>,
    /// Bytes of text in it, as far as that is known.
    pub(super) text: u64,
    /// Places in its middle at which the terminal's state is known.
    inside: Vec<(Spot, Option<Anchor>)>,
}

impl Segment {
    /// The whole recording in its parts.
    pub(super) fn all(source: &mut Source) -> Result<Vec<Self>> {
        let start = Spot::start(source);
        let end = source.end().map_or(0, |end| end.text);
        let anchors = source.anchors()?.iter().filter(|one| one.has_keyframe());
        let anchors = anchors.filter(|anchor| anchor.mark.event > 0).copied();
        let mut segments =
            vec![Self { start, anchor: None, end: None, text: 0, inside: Vec::new() }];
        for anchor in anchors {
            let start = Spot::at(&anchor);
            if let Some(last) = segments.last_mut() {
                last.end = Some(start.event);
                last.text = start.place.text().saturating_sub(last.start.place.text());
            }
            segments.push(Self {
                start,
                anchor: Some(anchor),
                end: None,
                text: 0,
                inside: Vec::new(),
            });
        }
        if let Some(last) = segments.last_mut() {
            last.text = end.saturating_sub(last.start.place.text());
        }
        Ok(segments)
    }

    /// The whole recording in larger parts, the farther from event `from` the
    /// larger: what is near is known soon, and beginning a part costs what
    /// searching a fourth of a frame does. Parts of one that `grows` stay what
    /// they are, but for the last; the last ones of another are small, so that
    /// all threads are busy to the end.
    pub(super) fn graded(source: &mut Source, from: u64, grows: bool) -> Result<Vec<Self>> {
        let all = Self::all(source)?;
        let (count, here) = (all.len(), all.partition_point(|one| one.start.event <= from));
        let here = here.saturating_sub(1);
        let (mut parts, mut room) = (Vec::<Self>::new(), 0);
        for (at, segment) in all.into_iter().enumerate() {
            if room == 0 {
                let ahead = if grows { usize::MAX } else { count - at };
                room = at.abs_diff(here).min(ahead) / GRADE;
                // None has the nearest one in its middle.
                room = if at < here { room.min(here - at) } else { room }.clamp(1, LARGEST);
                parts.push(segment);
            } else if let Some(part) = parts.last_mut() {
                part.end = segment.end;
                part.text += segment.text;
                part.inside.push((segment.start, segment.anchor));
            }
            room -= 1;
        }
        Ok(parts)
    }

    /// All that comes after `start`, as one.
    pub(super) fn after(source: &Source, start: Spot) -> Self {
        let text = source.end().map_or(0, |end| end.text);
        let text = text.saturating_sub(start.place.text());
        Self { start, anchor: None, end: None, text, inside: Vec::new() }
    }

    /// All of it as one.
    pub(super) fn whole(source: &Source) -> Vec<Self> {
        vec![Self::after(source, Spot::start(source))]
    }

    /// What is left of it behind the last place, not behind `event`, at which
    /// the terminal's state is known.
    pub(super) fn rest(&self, event: u64) -> Self {
        let count = self.inside.partition_point(|(start, _)| start.event <= event);
        let last = count.checked_sub(1).and_then(|last| self.inside.get(last)).copied();
        let (start, anchor) = last.unwrap_or((self.start, self.anchor));
        Self { start, anchor, end: self.end, text: 0, inside: Vec::new() }
    }

    /// The terminal's state at its start; `None` where it is blank, and where
    /// the keyframe is damaged.
    pub(super) fn keyframe(&self, source: &Source) -> Result<Option<Keyframe>> {
        let Some(anchor) = &self.anchor else { return Ok(None) };
        let state = source.keyframe(anchor)?;
        let keyframe = state.and_then(|state| Keyframe::decode(&state).ok());
        Ok(keyframe.filter(|keyframe| keyframe.position == self.start.position()))
    }

    /// Its events, each with its place in the recording's count.
    pub(super) fn events(&self, source: &Source) -> Result<SegmentEvents> {
        let recording = self.start.read_much(source)?;
        Ok(SegmentEvents { recording, spot: self.start, end: self.end })
    }
}

/// The events of a [`Segment`].
pub(super) struct SegmentEvents {
    recording: Recording,
    spot: Spot,
    end: Option<u64>,
}

impl SegmentEvents {
    /// The next event, and how many are before it.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Event)>> {
        let number = self.spot.event;
        if self.end.is_some_and(|end| number >= end) {
            return Ok(None);
        }
        let Some(event) = self.recording.next_event()? else { return Ok(None) };
        self.spot.event += 1;
        self.spot.time = event.time;
        Ok(Some((number, self.spot.streams.convert(event))))
    }

    /// The same, but output is offered to `pass` as it is written; where that
    /// says `true`, there is no event. See [`Recording::next_unless`].
    pub(super) fn next_unless(
        &mut self,
        mut pass: impl FnMut(&[u8]) -> bool,
    ) -> Result<Option<(u64, Option<Event>)>> {
        let number = self.spot.event;
        if self.end.is_some_and(|end| number >= end) {
            return Ok(None);
        }
        let next = self.recording.next_unless(|_, text| pass(text))?;
        let Some(next) = next else { return Ok(None) };
        self.spot.event += 1;
        Ok(Some(match next {
            Next::Passed(time) => {
                self.spot.time = time;
                (number, None)
            }
            Next::Event(event) => {
                self.spot.time = event.time;
                (number, Some(self.spot.streams.convert(event)))
            }
        }))
    }

    /// The place after the last event that was given.
    pub(super) fn here(&self) -> Spot {
        Spot { place: self.recording.place(), ..self.spot }
    }
}

/// What is found in a segment, in pieces that follow each other.
pub(super) trait Found: Default + Send + 'static {
    /// Adds what was found after it.
    fn append(&mut self, later: Self);
}

/// What a segment's work is done with.
pub(super) struct Task<'a, T> {
    pub(super) source: &'a Source,
    pub(super) segment: &'a Arc<Segment>,
    index: usize,
    shared: &'a Shared<T>,
}

impl<T: Found> Task<'_, T> {
    /// Hands over what was found; `false` when nobody wants more.
    pub(super) fn give(&self, found: T) -> bool {
        if !self.wanted() {
            return false;
        }
        if let Some(slot) = self.shared.lock().slots.get_mut(self.index)
            && Arc::ptr_eq(&slot.segment, self.segment)
        {
            slot.found.append(found);
            slot.news = true;
        }
        self.shared.tell();
        true
    }

    /// Whether anybody waits for this.
    pub(super) fn wanted(&self) -> bool {
        !self.shared.cancelled.load(Ordering::Relaxed)
    }

    /// Ends the work on all segments.
    pub(super) fn stop(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
        self.shared.lock().stopped = true;
    }
}

/// A segment, and what was found in it so far.
pub(super) struct Slot<T> {
    segment: Arc<Segment>,
    pub(super) found: T,
    pub(super) done: bool,
    /// Something was found since this was last made false.
    pub(super) news: bool,
}

impl<T> Slot<T> {
    pub(super) fn start(&self) -> u64 {
        self.segment.start.event
    }
}

pub(super) struct Slots<T> {
    source: Source,
    pub(super) slots: Vec<Slot<T>>,
    /// What is yet to be begun, the most urgent first.
    queue: VecDeque<usize>,
    threads: usize,
    pub(super) error: Option<String>,
    /// [`Task::stop`] was called.
    pub(super) stopped: bool,
}

impl<T> Slots<T> {
    /// The part of the text that was read, and whether that is all.
    pub(super) fn progress(&self) -> (f64, bool) {
        let done = self.threads == 0 && self.queue.is_empty();
        let (mut read, mut all) = (0, 0);
        for slot in &self.slots {
            // One byte each, so that no division is by zero.
            let text = slot.segment.text + 1;
            all += text;
            read += if slot.done { text } else { 0 };
        }
        (if done { 1.0 } else { read as f64 / all.max(1) as f64 }, done)
    }
}

type Job<T> = Box<dyn Fn(&Task<'_, T>) -> Result<()> + Send + Sync>;

struct Shared<T> {
    slots: Mutex<Slots<T>>,
    changed: Condvar,
    cancelled: AtomicBool,
    wake: Wake,
    job: Job<T>,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Slots<T>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changed.notify_all();
        (self.wake)();
    }
}

/// Work on all segments, going on in threads; dropping it ends them.
pub(super) struct Sweep<T: Found> {
    shared: Arc<Shared<T>>,
    threads: usize,
}

impl<T: Found> Drop for Sweep<T> {
    fn drop(&mut self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }
}

impl<T: Found> Sweep<T> {
    /// Begins with the segment that has event `from`, and goes round.
    pub(super) fn start(
        source: Source,
        segments: Vec<Segment>,
        from: u64,
        threads: Option<usize>,
        wake: Wake,
        job: impl Fn(&Task<'_, T>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let first = segments.partition_point(|one| one.start.event <= from).saturating_sub(1);
        let mut queue: VecDeque<usize> = (0..segments.len()).collect();
        queue.rotate_left(first);
        let slots = segments.into_iter().map(slot).collect();
        let slots = Slots { source, slots, queue, threads: 0, error: None, stopped: false };
        let shared = Arc::new(Shared {
            slots: Mutex::new(slots),
            changed: Condvar::new(),
            cancelled: AtomicBool::new(false),
            wake,
            job: Box::new(job),
        });
        let sweep = Self { shared, threads: threads.unwrap_or_else(cores).min(THREADS) };
        sweep.spawn();
        sweep
    }

    /// Looks at what has come since, in a recording that has grown. The last
    /// segment is read again.
    pub(super) fn extend(&self, source: Source, mut segments: Vec<Segment>) {
        let mut slots = self.shared.lock();
        if slots.stopped {
            return;
        }
        let known = slots.slots.len().saturating_sub(1);
        slots.slots.truncate(known);
        slots.queue.retain(|at| *at < known);
        let new = segments.split_off(known.min(segments.len()));
        for segment in new {
            let at = slots.slots.len();
            slots.slots.push(slot(segment));
            slots.queue.push_back(at);
        }
        slots.source = source;
        drop(slots);
        self.spawn();
    }

    /// Goes on behind the last segment, which was read to its end: what is
    /// found is added to what was found there.
    pub(super) fn go_on(&self, source: Source, segment: Segment) {
        let mut slots = self.shared.lock();
        let last = slots.slots.len().saturating_sub(1);
        match slots.slots.last_mut() {
            Some(slot) if slot.done => {
                slot.segment = Arc::new(segment);
                slot.done = false;
            }
            _ => return,
        }
        slots.source = source;
        slots.queue.push_back(last);
        drop(slots);
        self.spawn();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Slots<T>> {
        self.shared.lock()
    }

    /// Waits until something changes, or all is done.
    pub(super) fn wait(&self, limit: Duration) {
        let slots = self.shared.lock();
        let idle =
            |slots: &mut Slots<T>| !slots.progress().1 && !slots.slots.iter().any(|slot| slot.news);
        drop(self.shared.changed.wait_timeout_while(slots, limit, idle));
    }

    fn spawn(&self) {
        let mut slots = self.shared.lock();
        let wanted = self.threads.min(slots.queue.len() + slots.threads);
        while slots.threads < wanted {
            let shared = Arc::clone(&self.shared);
            let worker = std::thread::Builder::new().name("hrec-sweep".to_owned());
            match worker.spawn(move || work(&shared)) {
                Ok(_) => slots.threads += 1,
                // Without one, the next question tries again.
                Err(error) => {
                    slots.error = Some(format!("no thread could be started: {error}"));
                    return;
                }
            }
        }
    }
}

fn slot<T: Default>(segment: Segment) -> Slot<T> {
    Slot { segment: Arc::new(segment), found: T::default(), done: false, news: false }
}

fn work<T: Found>(shared: &Shared<T>) {
    loop {
        let mut slots = shared.lock();
        let cancelled = shared.cancelled.load(Ordering::Relaxed);
        let next = if cancelled { None } else { slots.queue.pop_front() };
        let Some(index) = next else { break };
        let Some(slot) = slots.slots.get(index) else { continue };
        let segment = Arc::clone(&slot.segment);
        let source = slots.source.clone();
        drop(slots);
        let result = (shared.job)(&Task { source: &source, segment: &segment, index, shared });
        let mut slots = shared.lock();
        if let Err(error) = result {
            slots.error.get_or_insert_with(|| error.to_string());
        }
        // It may have been begun anew since.
        if let Some(slot) = slots.slots.get_mut(index)
            && Arc::ptr_eq(&slot.segment, &segment)
        {
            slot.done = true;
        }
        drop(slots);
        shared.tell();
    }
    let mut slots = shared.lock();
    slots.threads -= 1;
    if slots.threads == 0 && shared.cancelled.load(Ordering::Relaxed) {
        slots.queue.clear();
    }
    drop(slots);
    shared.tell();
}
