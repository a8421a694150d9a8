//! Searching, what happened, and what had scrolled away.

use std::sync::Arc;
use std::time::Duration;

use hrec::timeline::search::{Match, Query, Scope, Search};

use super::*;

fn wake() -> hrec::timeline::Wake {
    Arc::new(|| {})
}

fn search(timeline: &Timeline, pattern: &str, scope: Scope) -> Vec<Match> {
    let query = Query::new(pattern, scope).unwrap();
    let mut search = Search::start(timeline, query, 0, wake()).unwrap();
    loop {
        search.wait(Duration::from_secs(60));
        let progress = search.poll();
        assert_eq!(progress.error, None);
        if progress.done {
            return search.matches();
        }
    }
}

fn outputs(pieces: &[&str]) -> Vec<Event> {
    let at = |(n, piece): (usize, &&str)| Event {
        time: n as u64 * 1_000_000,
        data: Data::Output(piece.as_bytes().to_vec()),
    };
    pieces.iter().enumerate().map(at).collect()
}

fn open_made(events: &[Event]) -> (Timeline, tempfile::TempDir) {
    let (dir, keys) = (tempfile::tempdir().unwrap(), keys());
    let path = make(dir.path(), &keys, events, Form::Finished { keyframes: true });
    (Timeline::open(&path, &keys.identities).unwrap(), dir)
}

#[test]
fn a_match_is_where_it_is_seen() {
    let events = outputs(&[
        "DR\u{1b}[31mOP\u{1b}[0m TABLE users\r\n",
        "long line that is wrap",
        "ped\r\n",
        "\u{1b}[1;1Hx\u{1b}[3;5Hneedle",
        "\r\n2\r\nthis passes\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9",
    ]);
    let (mut timeline, _dir) = open_made(&events);
    let at = |event, offset| Match {
        time: events[(event - u64::from(offset == 0)) as usize].time,
        event,
        offset,
    };
    assert_eq!(search(&timeline, "drop table", Scope::Shown), [at(1, 0)]);
    assert_eq!(search(&timeline, "wrapped", Scope::Shown), [at(3, 0)]);
    assert_eq!(search(&timeline, "needle", Scope::Shown), [at(4, 0)]);
    assert_eq!(search(&timeline, "not there", Scope::Shown), []);
    let passes = search(&timeline, "passes$", Scope::Shown);
    assert_eq!(passes, [at(4, 17)]);
    let query = Query::new("passes", Scope::Shown).unwrap();
    let model = timeline.seek_place(&passes[0]).unwrap();
    assert_eq!(query.lit(model).len(), 1);
    assert_eq!((timeline.position().event, timeline.inside()), (4, 17));
    assert_eq!(timeline.position().time, 4_000_000);
    timeline.step().unwrap();
    assert!(query.lit(timeline.model()).is_empty());
}
