//! A writer that is stopped anywhere: what was acknowledged is there, and the
//! next one goes on.

use std::path::Path;
use std::sync::Arc;

use hrec::seal::ledger::{Event, Ledger, Options};

use super::faulty::{Faulty, Stop};
use super::writing::check_tiles;
use super::{content, event, ledger, options};

/// Appends until it is stopped; what was acknowledged.
fn write(disk: Arc<Faulty>, dir: &Path, options: Options, batches: &[&[u64]]) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for batch in batches {
        let events: Vec<Event> = batch.iter().copied().map(event).collect();
        let opened = Ledger::open_on(disk.clone(), dir, options.clone());
        if opened.and_then(|mut ledger| ledger.append(&events)).is_ok() {
            acknowledged.extend_from_slice(batch);
        }
    }
    acknowledged
}

/// Stops the writer at each call in turn, on a ledger with `before` entries.
fn stop_everywhere(stop: Stop, before: u64, batches: &[&[u64]]) {
    let options = || Options { sync: true, ..options() };
    let prepared = tempfile::tempdir().unwrap();
    let prepared = prepared.path().join("ledger");
    let first: Vec<Event> = (0..before).map(event).collect();
    if before > 0 {
        ledger(&prepared).append(&first).unwrap();
    }
    for at in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("ledger");
        if before > 0 {
            let copied =
                std::process::Command::new("cp").arg("-r").args([&prepared, &dir]).status();
            assert!(copied.unwrap().success());
        }
        let disk = Arc::new(Faulty::new(stop, at));
        let acknowledged = write(disk.clone(), &dir, options(), batches);
        let said = format!("{stop:?} at call {at} after {before}");
        // The next process.
        let next = ledger_of(&dir, options()).append(&[event(1_000_000)]);
        next.unwrap_or_else(|error| panic!("{said}: {error}"));
        let all = content(&dir);
        check_tiles(&dir);
        for n in (0..before).chain(acknowledged.iter().copied()).chain([1_000_000]) {
            let wanted = Some(format!("event {n}"));
            let times = all.iter().filter(|said| **said == wanted).count();
            assert_eq!(times, 1, "{said}: event {n}");
        }
        // Nothing but what was asked for, in its order.
        let numbers: Vec<u64> = all
            .iter()
            .map(|said| said.as_ref().unwrap().strip_prefix("event ").unwrap().parse().unwrap())
            .collect();
        assert!(numbers.is_sorted(), "{said}: {numbers:?}");
        if disk.calls() <= at {
            let asked: usize = batches.iter().map(|batch| batch.len()).sum();
            assert_eq!(acknowledged.len(), asked);
            return;
        }
    }
}

fn ledger_of(dir: &Path, options: Options) -> Ledger {
    Ledger::open(dir, options).unwrap()
}

const ALL: [Stop; 5] = [Stop::Before, Stop::Middle, Stop::Refused, Stop::Power, Stop::TornPower];

#[test]
fn stopped_at_the_first_entries() {
    for stop in ALL {
        stop_everywhere(stop, 0, &[&[0], &[1, 2], &[3]]);
    }
}

#[test]
fn stopped_where_a_tile_gets_full() {
    for stop in [Stop::Middle, Stop::Refused, Stop::TornPower] {
        stop_everywhere(stop, 255, &[&[300], &[301]]);
    }
}

#[test]
fn stopped_in_a_batch_over_two_tiles() {
    let batch: Vec<u64> = (300..320).collect();
    for stop in [Stop::Middle, Stop::TornPower] {
        stop_everywhere(stop, 250, &[&batch]);
    }
}

/// Whoever has kept a ledger open does not take what another has signed since
/// for nothing, because that did not live to say so.
#[test]
fn what_another_signed_and_did_not_live_to_say_is_gone_on_from() {
    for before in [255, 256, 257] {
        for at in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let dir = dir.path().join("ledger");
            let mut kept = ledger(&dir);
            kept.append(&(0..before).map(event).collect::<Vec<_>>()).unwrap();
            let disk = Arc::new(Faulty::new(Stop::Before, at));
            let told = write(disk.clone(), &dir, options(), &[&[900]]);
            let records = ["000", "001"].map(|name| std::fs::read(dir.join("records").join(name)));
            let records =
                records.map(|bytes| String::from_utf8(bytes.unwrap_or_default()).unwrap());
            let signed =
                records.concat().contains(&format!("@ host.example/hrec/test {} ", before + 1));
            kept.append(&[event(901)]).unwrap();
            check_tiles(&dir);
            let all = content(&dir);
            let there = all.contains(&Some("event 900".to_owned()));
            assert_eq!(there, signed, "stopped at call {at} after {before}");
            assert_eq!(all.len() as u64, before + 1 + u64::from(signed));
            if disk.calls() <= at {
                assert_eq!(told, [900]);
                break;
            }
        }
    }
}
