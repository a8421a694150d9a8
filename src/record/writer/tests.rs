//! The writer, with a real recording behind it, on disks that fail and by
//! clocks that jump.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::*;
use crate::event::{Data, TermSize};
use crate::format::cipher::{Identities, Recipients};
use crate::record::input::Mode;
use crate::recording::faulty::{Fault, Faulty, Read, header, keys, noise, read};
use crate::recording::live::{Live, Options};
use crate::recording::{Paths, State};

const STEP: Micros = 300_000;

/// Clocks that show what a test says.
#[derive(Clone, Default)]
struct Said(Arc<(AtomicU64, AtomicI64)>);

impl Said {
    fn set(&self, micros: Micros) {
        self.0.0.store(micros, Ordering::SeqCst);
    }

    fn set_wall(&self, at_zero: i64) {
        self.0.1.store(at_zero, Ordering::SeqCst);
    }
}

impl Time for Said {
    fn micros(&self) -> Micros {
        self.0.0.load(Ordering::SeqCst)
    }

    fn wall_at_zero(&self) -> i128 {
        self.0.1.load(Ordering::SeqCst).into()
    }
}

struct Session {
    writer: Writer<Live, Said>,
    queue: Arc<Queue>,
    clock: Said,
    paths: Paths,
    sent: Vec<u8>,
    /// How much of it was reported as saved.
    saved: usize,
}

impl Session {
    fn begin(dir: &Path, disk: &Faulty, recipients: &Recipients, strict: bool) -> Option<Self> {
        let paths = Paths::at(&dir.join("x"));
        let options = Options { sync: true };
        let live =
            Live::create_on(Box::new(disk.clone()), paths.clone(), &header(), recipients, options)
                .ok()?;
        let queue = Arc::new(Queue::new().unwrap());
        let clock = Said::default();
        let judge = Judge::new(Mode::None, TermSize::DEFAULT);
        let streams = StreamLimits { burst: 0, rate: 0 };
        let rules = Rules { strict, judge, streams, transfers: None };
        let writer = Writer::new(live, Arc::clone(&queue), clock.clone(), rules);
        Some(Self { writer, queue, clock, paths, sent: Vec::new(), saved: 0 })
    }

    /// The program writes `length` bytes at `time`, and the writer comes round
    /// some time later.
    fn shows(&mut self, time: Micros, length: usize) {
        let text: Vec<u8> = noise(length, time + 5).iter().map(|byte| b'!' + byte % 90).collect();
        self.queue.push(time, Kind::Output, &text);
        self.sent.extend(text);
        self.clock.set(time + STEP / 2);
        self.writer.write(self.queue.take(Some(Duration::ZERO)));
        self.clock.set(time + STEP);
        self.writer.write(self.queue.take(Some(Duration::ZERO)));
        if self.writer.outage.is_none() {
            self.saved = self.sent.len();
        }
    }

    /// The program ends. Gives what is left on the disk, whether the
    /// recording was finished, and the writer's account.
    fn end(self, identities: &Identities, tries: usize) -> (Read, bool, Tally, Vec<u8>, usize) {
        let now = self.clock.micros();
        let (mut live, tally) = self.writer.end();
        let finished = (0..tries).any(|_| live.finish(now, Some("0")).is_ok());
        drop(live);
        (read(&self.paths.finished(), identities), finished, tally, self.sent, self.saved)
    }
}

/// Killed before the header was written: that is said, not guessed at.
#[test]
fn a_recording_that_was_not_begun_says_so() {
    let (_, identities) = keys();
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::at(&dir.path().join("x"));
    for begun in ["", "age-encryption.org/v1\n-> X25519 abc"] {
        std::fs::write(paths.part(), begun).unwrap();
        let said = crate::recording::open(&paths.part(), &identities).unwrap_err().to_string();
        assert!(said.contains("nothing was recorded"), "{said}");
    }
}

fn gaps(read: &Read) -> Vec<&Fact> {
    let facts = read.events.iter().filter_map(|event| match &event.data {
        Data::Fact(fact) => Some(fact),
        _ => None,
    });
    facts.filter(|fact| fact.kind == "gap").collect()
}

/// The session of the fault tests: bursts that fill chunks and frames, single
/// lines, silence.
fn run(session: &mut Session) {
    for i in 0..12 {
        if session.writer.strict && session.queue.has_failed() {
            // The relay shows nothing more.
            return;
        }
        let length = if i % 4 == 0 { 70_000 } else { 40 };
        session.shows(i * 1_500_000, length);
    }
}

fn calls(recipients: &Recipients, identities: &Identities) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let disk = Faulty::never();
    let mut session = Session::begin(dir.path(), &disk, recipients, false).unwrap();
    run(&mut session);
    let (read, finished, tally, sent, _) = session.end(identities, 1);
    assert!(finished && read.output == sent && tally.failure.is_none() && gaps(&read).is_empty());
    disk.calls()
}

#[test]
fn a_passing_error_costs_a_best_effort_session_nothing_but_a_gap_fact() {
    let (recipients, identities) = keys();
    let (enospc, eio, edquot, eintr) = (28, 5, 122, 4);
    let total = calls(&recipients, &identities);
    assert!(total > 35, "{total}");
    let faults = [
        (Fault::Errno(enospc), 1),
        (Fault::Errno(eio), 2),
        (Fault::ShortThen(edquot), 2),
        (Fault::Short, 1),
        (Fault::Errno(eintr), 2),
    ];
    let mut noted = 0;
    for (fault, fails) in faults {
        for at in 0..total {
            let context = format!("{fault:?} at {at}, {fails} times");
            let dir = tempfile::tempdir().unwrap();
            let disk = Faulty::new(fault, at, fails);
            let Some(mut session) = Session::begin(dir.path(), &disk, &recipients, false) else {
                continue;
            };
            run(&mut session);
            let before_the_end = disk.calls();
            let (read, finished, tally, sent, _) = session.end(&identities, 4);
            assert!(finished && read.state == State::Finished, "{context}");
            assert_eq!(read.output, sent, "{context}");
            assert_eq!(tally.gap_bytes, 0, "{context}");
            assert_eq!(gaps(&read).len() as u64, tally.gaps, "{context}");
            assert_eq!(tally.gaps > 0, tally.failure.is_some(), "{context}");
            let harmless = matches!(fault, Fault::Short | Fault::Errno(4));
            assert!(!harmless || tally.gaps == 0, "{context}");
            if !harmless && at < before_the_end && tally.gaps > 0 {
                noted += 1;
            }
        }
    }
    assert!(noted > 50, "{noted}");
}

#[test]
fn a_strict_session_is_told_to_end_and_keeps_what_it_showed_where_it_can() {
    let (recipients, identities) = keys();
    let (enospc, eio) = (28, 5);
    let total = calls(&recipients, &identities);
    let mut ended = 0;
    for (fault, fails) in [
        (Fault::Errno(enospc), 1),
        (Fault::Errno(eio), usize::MAX),
        (Fault::ShortThen(enospc), usize::MAX),
    ] {
        for at in 0..total {
            let context = format!("{fault:?} at {at}, {fails} times");
            let dir = tempfile::tempdir().unwrap();
            let disk = Faulty::new(fault, at, fails);
            let Some(mut session) = Session::begin(dir.path(), &disk, &recipients, true) else {
                continue;
            };
            run(&mut session);
            let queue = Arc::clone(&session.queue);
            let (read, finished, tally, sent, saved) = session.end(&identities, 1);
            assert!(sent.starts_with(&read.output), "{context}");
            assert!(read.output.len() >= saved, "{context}");
            assert_eq!(queue.has_failed(), tally.failure.is_some(), "{context}");
            assert!(!finished || read.state == State::Finished, "{context}");
            assert!(!finished || read.output == sent, "{context}");
            // Whether it is told by the writer or by the end that failed.
            assert!(finished || fails == usize::MAX || disk.calls() > at, "{context}");
            ended += usize::from(queue.has_failed());
        }
    }
    assert!(ended > 50, "{ended}");
}

#[test]
fn killed_at_any_call_leaves_all_that_was_saved() {
    let (recipients, identities) = keys();
    let total = calls(&recipients, &identities);
    for at in 0..total {
        let dir = tempfile::tempdir().unwrap();
        let disk = Faulty::new(Fault::Kill, at, 0);
        let Some(mut session) = Session::begin(dir.path(), &disk, &recipients, false) else {
            continue;
        };
        run(&mut session);
        let (read, finished, _, sent, saved) = session.end(&identities, 4);
        assert!(sent.starts_with(&read.output), "killed at {at}");
        assert!(read.output.len() >= saved, "killed at {at}: {} < {saved}", read.output.len());
        assert!(!finished || read.output == sent, "killed at {at}");
    }
}

/// A store that is full for a minute of a session that shows more than memory
/// is given for it.
#[test]
fn what_a_long_failure_costs_is_one_hole_of_the_size_that_the_gap_says() {
    let (recipients, identities) = keys();
    let dir = tempfile::tempdir().unwrap();
    let disk = Faulty::never();
    let mut session = Session::begin(dir.path(), &disk, &recipients, false).unwrap();
    session.shows(0, 1000);
    disk.fail_from_now(Fault::Errno(28), true);
    for i in 1..60 {
        session.shows(i * 1_000_000, 100_000);
        assert!(session.writer.sink.backlog() < BACKLOG + 200_000);
    }
    let size = TermSize::clamped(132, 50);
    session.queue.push(60_000_000, Kind::Resize(size), &[]);
    session.shows(60_000_000, 50);
    disk.fail_from_now(Fault::Errno(28), false);
    session.shows(70_000_000, 3000);
    session.shows(71_000_000, 50);
    let (read, finished, tally, sent, _) = session.end(&identities, 1);
    assert!(finished);
    let gaps = gaps(&read);
    assert_eq!(gaps.len(), 1);
    let bytes = gaps[0].fields["bytes"].as_u64().unwrap() as usize;
    assert_eq!((tally.gaps, tally.gap_bytes as usize), (1, bytes));
    assert!(gaps[0].fields["reason"].as_str().unwrap().contains("free space"), "{gaps:?}");
    assert_eq!(read.output.len() + bytes, sent.len());
    let hole = sent.iter().zip(&read.output).take_while(|(a, b)| a == b).count();
    assert!(hole > 1_000_000 && sent.ends_with(&read.output[hole..]), "{hole}");
    let from = gaps[0].fields["from_us"].as_u64().unwrap();
    assert!((10_000_000..30_000_000).contains(&from), "{from}");
    assert!(read.events.iter().any(|event| event.data == Data::Resize(size)));
}

#[test]
fn a_wall_clock_that_is_set_is_noted_and_moves_no_event() {
    let (recipients, identities) = keys();
    let dir = tempfile::tempdir().unwrap();
    let session = &mut Session::begin(dir.path(), &Faulty::never(), &recipients, false).unwrap();
    let noon = 1_795_262_400_000_000; // 2026-11-21T12:00:00Z
    session.clock.set_wall(noon);
    session.writer.wall = noon.into();
    let hour = 3_600_000_000;
    session.shows(1_000_000, 10);
    // What a time daemon does all day is no step.
    session.clock.set_wall(noon + 400_000);
    session.shows(2_000_000, 10);
    session.clock.set_wall(noon + 3 * hour);
    session.shows(3_000_000, 10);
    session.clock.set_wall(noon - 5 * hour);
    session.shows(4_000_000, 10);
    session.shows(5_000_000, 10);
    let (read, ..) = std::mem::replace(
        session,
        Session::begin(&tempfile::tempdir().unwrap().keep(), &Faulty::never(), &recipients, false)
            .unwrap(),
    )
    .end(&identities, 1);
    let walls: Vec<(Micros, String)> = read
        .events
        .iter()
        .filter_map(|event| match &event.data {
            Data::Fact(fact) if fact.kind == "clock" => {
                Some((event.time, fact.fields["wall"].as_str().unwrap().to_owned()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(walls.len(), 2, "{walls:?}");
    assert_eq!(walls[0].1, "2026-11-21T15:00:03.300000Z");
    assert_eq!(walls[1].1, "2026-11-21T07:00:04.300000Z");
    let times: Vec<Micros> = read
        .events
        .iter()
        .filter(|event| matches!(event.data, Data::Output(_)))
        .map(|event| event.time)
        .collect();
    assert_eq!(times, [1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]);
}

/// A laptop that sleeps: the session's clock, `CLOCK_BOOTTIME`, goes on.
#[test]
fn a_night_of_suspension_is_a_pause_of_that_length() {
    let (recipients, identities) = keys();
    let dir = tempfile::tempdir().unwrap();
    let mut session = Session::begin(dir.path(), &Faulty::never(), &recipients, true).unwrap();
    let night = 9 * 3_600_000_000;
    session.shows(1_000_000, 10);
    session.shows(night, 10);
    assert!(!session.queue.has_failed());
    let (read, finished, tally, sent, _) = session.end(&identities, 1);
    assert!(finished && read.output == sent && tally.gaps == 0);
    let times: Vec<Micros> = read.events.iter().map(|event| event.time).collect();
    assert_eq!(times, [1_000_000, night, night + STEP]);
}

#[test]
fn the_idle_tail_is_saved_without_any_later_output() {
    let (recipients, identities) = keys();
    let dir = tempfile::tempdir().unwrap();
    let session = Session::begin(dir.path(), &Faulty::never(), &recipients, true).unwrap();
    let Session { writer, queue, paths, clock, .. } = session;
    queue.push(0, Kind::Output, b"the last line");
    // Real waiting, by a clock that this thread moves.
    let thread = std::thread::spawn(move || writer.run());
    let start = std::time::Instant::now();
    loop {
        clock.set(u64::try_from(start.elapsed().as_micros()).unwrap());
        if read(&paths.part(), &identities).output == b"the last line" {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(40), "never saved");
        std::thread::sleep(Duration::from_millis(2));
    }
    queue.close();
    thread.join().unwrap();
}
