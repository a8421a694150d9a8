//! Searching, what happened, and what had scrolled away.

use std::sync::Arc;
use std::time::Duration;

use avt::{Line, Observation, Observer};
use hrec::timeline::Wake;
use hrec::timeline::scan::{Item, Kind, Scan, Stretch};
use hrec::timeline::search::{Direction, Match, Nearest, Query, Scope, Search};

use super::*;

fn wake() -> Wake {
    Arc::new(|| {})
}

fn searched(timeline: &Timeline, pattern: &str, scope: Scope, from: u64) -> Search {
    let query = Query::new(pattern, scope).unwrap();
    let mut search = Search::start(timeline, query, from, wake()).unwrap();
    let mut given = 0;
    loop {
        search.wait(Duration::from_secs(60));
        let progress = search.poll();
        assert_eq!(progress.error, None);
        given += progress.matches.len();
        if progress.done {
            assert_eq!(given, search.matches().len());
            assert_eq!(progress.searched, 1.0);
            return search;
        }
    }
}

fn search(timeline: &Timeline, pattern: &str, scope: Scope) -> Vec<Match> {
    searched(timeline, pattern, scope, 0).matches()
}

fn scanned(timeline: &Timeline) -> Scan {
    let mut scan = Scan::start(timeline, wake()).unwrap();
    loop {
        scan.wait(Duration::from_secs(60));
        let progress = scan.poll();
        assert_eq!(progress.error, None);
        if progress.done {
            return scan;
        }
    }
}

fn at_seconds(datas: Vec<Data>) -> Vec<Event> {
    let at = |(n, data)| Event { time: n as u64 * 1_000_000, data };
    datas.into_iter().enumerate().map(at).collect()
}

fn outputs(pieces: &[&str]) -> Vec<Event> {
    at_seconds(pieces.iter().map(|piece| Data::Output(piece.as_bytes().to_vec())).collect())
}

fn open_made(events: &[Event], form: Form) -> (Timeline, tempfile::TempDir) {
    let (dir, keys) = (tempfile::tempdir().unwrap(), keys());
    let path = make(dir.path(), &keys, events, form);
    (Timeline::open(&path, &keys.identities).unwrap(), dir)
}

const FINISHED: Form = Form::Finished { keyframes: true };

#[test]
fn a_match_is_where_it_is_seen() {
    let events = outputs(&[
        "DR\u{1b}[31mOP\u{1b}[0m TABLE users\r\n",
        "long line that is wrap",
        "ped\r\n",
        "\u{1b}[1;1Hx\u{1b}[4;5Hneedle",
        "1\r\n2\r\nthis passes\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9",
        "\u{1b}[?1049h\u{1b}[2;2Hab\u{1b}[3;1Hcd\u{1b}[2;4Hcd",
        "\u{1b}[2Jgone\u{1b}[2J\u{1b}[H\u{1b}[Knever\r\u{1b}[K",
    ]);
    let (mut timeline, _dir) = open_made(&events, FINISHED);
    let at = |event: u64, offset| {
        let time = events[event as usize - usize::from(offset == 0)].time;
        Match { time, event, offset }
    };
    let find = |pattern| search(&timeline, pattern, Scope::Shown);
    assert_eq!(find("drop table"), [at(1, 0)]);
    assert_eq!(find("wrapped"), [at(3, 0)]);
    assert_eq!(find("needle"), [at(4, 0)]);
    assert_eq!(find("abcd$"), [at(6, 0)]);
    assert_eq!(find("gone"), [at(6, 11)]);
    assert_eq!(find("never|not there"), []);
    let passes = find("passes$");
    assert_eq!(passes, [at(4, 18)]);
    let query = Query::new("passes", Scope::Shown).unwrap();
    let model = timeline.seek_place(&passes[0]).unwrap();
    assert_eq!(query.lit(model).len(), 1);
    assert_eq!((timeline.position().event, timeline.inside()), (4, 18));
    assert_eq!(timeline.position().time, 4_000_000);
    timeline.step().unwrap();
    assert!(query.lit(timeline.model()).is_empty());
    assert_eq!((timeline.position().event, timeline.inside()), (5, 0));
}

/// A screenful that is drawn again and again is one place.
#[test]
fn what_is_drawn_again_is_no_new_match() {
    let mut pieces = vec!["\u{1b}[?1049h".to_owned()];
    pieces.extend((0..50).map(|n| format!("\u{1b}[H{n:>4} postgres {}%\u{1b}[K\r\n", n % 7)));
    pieces.push("\u{1b}[3;1Hpostgres too".to_owned());
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let (timeline, _dir) = open_made(&outputs(&pieces), FINISHED);
    let found = search(&timeline, "postgres", Scope::Shown);
    let events: Vec<u64> = found.iter().map(|found| found.event).collect();
    assert_eq!(events, [2, 52]);
}

/// As a file printed by accident in another recorder's recording.
#[test]
fn an_event_of_megabytes_is_drawn_in_pieces_or_passed() {
    let mut much = String::new();
    for n in 0..60_000 {
        much.push_str(&format!("\u{1b}[3{}mline {n} é 界\r\n", n % 8));
    }
    assert!(much.len() > 1 << 20);
    let events = outputs(&["before", &much, "behind"]);
    let state_after = |count: usize| {
        let mut model = Model::new(header().size);
        events.iter().take(count).for_each(|event| model.event(event));
        state(&model)
    };
    for form in [Form::Gzip, Form::Plain] {
        let (mut timeline, _dir) = open_made(&events, form);
        assert_eq!(timeline.step_some(1 << 18).unwrap().as_ref(), Some(&events[0]));
        let mut pieces = 0;
        while timeline.step_some(1 << 18).unwrap().is_none() {
            pieces += 1;
            assert_eq!(timeline.inside(), pieces << 18);
            assert_eq!(timeline.position().event, 1);
        }
        assert_eq!(pieces, (much.len() as u64 - 1) >> 18);
        assert_eq!((timeline.position().event, timeline.inside()), (2, 0));
        assert_eq!(state(timeline.model()), state_after(2));
        // Elsewhere from the middle of it.
        for (count, to) in [(1, 1), (2, 2), (3, u64::MAX)] {
            timeline.seek_event(1).unwrap();
            assert!(timeline.step_some(1000).unwrap().is_none());
            timeline.seek_event(to).unwrap();
            assert_eq!(state(timeline.model()), state_after(count));
        }
        timeline.seek_event(1).unwrap();
        assert!(timeline.step_some(1000).unwrap().is_none());
        assert!(timeline.step_back().unwrap());
        assert_eq!(state(timeline.model()), state_after(1));
        assert_eq!(timeline.step().unwrap().as_ref(), Some(&events[1]));
        assert_eq!(state(timeline.model()), state_after(2));
    }
}

#[test]
fn the_nearest_match_goes_round() {
    let long = long(4000);
    let (timeline, _dir) = open_made(&long, FINISHED);
    let all = searched(&timeline, "^[0-9a-f]*77", Scope::Shown, 2000);
    let places: Vec<(u64, u64)> = all.matches().iter().map(Match::order).collect();
    assert!(places.len() > 50, "{}", places.len());
    assert!(places.is_sorted());
    for place in [(0, 0), places[0], places[20], (places[20].0, places[20].1 + 1), (9999, 0)] {
        let after = places.iter().find(|one| **one > place);
        let before = places.iter().rev().find(|one| **one < place);
        let found = |direction| match all.nearest(place, direction) {
            Nearest::At(found) => (Some(found.order()), None),
            Nearest::Wrapped(found) => (None, Some(found.order())),
            other => panic!("{other:?}"),
        };
        let wrapped = |at: usize| (None, Some(places[at]));
        let expected = after.map_or(wrapped(0), |place| (Some(*place), None));
        assert_eq!(found(Direction::Forward), expected, "{place:?}");
        let last = places.len() - 1;
        let expected = before.map_or(wrapped(last), |place| (Some(*place), None));
        assert_eq!(found(Direction::Backward), expected, "{place:?}");
    }
    let none = searched(&timeline, "no such text", Scope::Shown, 0);
    assert_eq!(none.nearest((5, 0), Direction::Forward), Nearest::None);
}

/// In pieces, from their keyframes, or from the start: the same matches, and
/// each lit where it is said to be.
#[test]
fn every_form_gives_the_same_matches() {
    let mut events = long(1000);
    for (n, event) in events.iter_mut().enumerate() {
        match n % 500 {
            100 => event.data = Data::Resize(TermSize::clamped(15 + n as u64 % 20, 6)),
            200 => event.data = Data::Output("界 needle é\r\n".repeat(9).into_bytes()),
            300 => event.data = Data::Output(b"n\xff".to_vec()),
            301 => event.data = Data::Output(b"eedle".to_vec()),
            _ => {}
        }
    }
    let mut all = Vec::new();
    for form in [FINISHED, Form::Finished { keyframes: false }, Form::Gzip, Form::V2] {
        let (mut timeline, _dir) = open_made(&events, form);
        let query = Query::new("needle|full [0-9]+7", Scope::Shown).unwrap();
        let found = search(&timeline, query.pattern(), Scope::Shown);
        assert!(found.len() > 20, "{}", found.len());
        for place in &found {
            let model = timeline.seek_place(place).unwrap();
            assert!(!query.lit(model).is_empty(), "{place:?}");
            assert_eq!((timeline.position().event, timeline.inside()), place.order());
        }
        all.push(found);
    }
    all.iter().for_each(|found| same(found, &all[0]));
}

#[test]
fn what_was_typed_is_found_by_its_line() {
    let typed = |text: &str| Data::Input(text.as_bytes().to_vec());
    let events = at_seconds(vec![
        typed("psql prod"),
        Data::Output(b"psql prod".to_vec()),
        typed("\r"),
        typed("drop tabel\u{7f}\u{7f}le x;\rDROP no"),
        Data::Fact(Fact::new("typed").with("start_us", 1).with("end_us", 2)),
    ]);
    let (timeline, _dir) = open_made(&events, FINISHED);
    let events = |pattern| {
        let found = search(&timeline, pattern, Scope::Typed);
        found.iter().map(|found| found.event).collect::<Vec<_>>()
    };
    assert_eq!(events("psql prod$"), [3]);
    assert_eq!(events("^drop table x;$"), [4]);
    assert_eq!(events("drop"), [4, 4]);
    assert!(events("tabel").is_empty());
}

/// Thousands of them.
fn same(one: &[Match], other: &[Match]) {
    let different = one.iter().zip(other).find(|(one, other)| one != other);
    assert_eq!(different, None, "{} and {}", one.len(), other.len());
    assert_eq!(one.len(), other.len());
}

#[test]
fn a_live_recording_is_searched_as_it_grows() {
    let (dir, keys) = (tempfile::tempdir().unwrap(), keys());
    let paths = Paths::at(&dir.path().join("x.cast.zst.age"));
    let options = Options { sync: false };
    let mut live = Live::create(paths.clone(), &header(), &keys.recipients, options).unwrap();
    live.follow(Box::new(Screen::new(header().size)));
    let events = long(1000);
    let mut timeline = Timeline::open(&paths.finished(), &keys.identities).unwrap();
    let mut grown = searched(&timeline, "line", Scope::Shown, 0);
    let mut scan = scanned(&timeline);
    for piece in events.chunks(250) {
        record(&mut live, piece);
        live.flush(piece.last().unwrap().time).unwrap();
        timeline.refresh().unwrap();
        grown.extend(&timeline).unwrap();
        while !scan.poll().done {
            scan.wait(Duration::from_secs(60));
        }
        scan.extend(&timeline);
        while !grown.poll().done {
            grown.wait(Duration::from_secs(60));
        }
        same(&grown.matches(), &search(&timeline, "line", Scope::Shown));
    }
    while !scan.poll().done {
        scan.wait(Duration::from_secs(60));
    }
    live.finish(5_000_000, Some("0")).unwrap();
    drop(live);
    timeline.refresh().unwrap();
    same(&grown.matches(), &search(&timeline, "line", Scope::Shown));
    assert_eq!(scan.activity(512, 5_000_000), scanned(&timeline).activity(512, 5_000_000));
}

#[test]
fn what_happened_is_listed() {
    let fact = |fact: Fact| Data::Fact(fact);
    let events = at_seconds(vec![
        Data::Output(b"\x1b]133;A\x07$ \x1b]133;B\x07".to_vec()),
        Data::Output(b"ls -l".to_vec()),
        Data::Input(b"ls -l\r".to_vec()),
        Data::Output(b"\r\n\x1b]133;C\x07total 0\r\n\x1b]133;D;0\x07".to_vec()),
        fact(Fact::new("sql").with("text", "SELECT 1").with("sqlstate", "42501")),
        Data::Marker("here".into()),
        fact(Fact::new("alert").with("severity", "high").with("rule", "r").with("text", "t")),
        fact(Fact::new("transfer").with("proto", "scp").with("op", "put").with("path", "/x")),
        Data::Resize(TermSize::clamped(30, 7)),
        fact(Fact::new("clock").with("wall", "now")),
    ]);
    let (timeline, _dir) = open_made(&events, FINISHED);
    let scan = scanned(&timeline);
    let items = scan.items();
    let item = |event: u64, kind, text: &str| Item {
        time: (event - 1) * 1_000_000,
        event,
        kind,
        text: text.to_owned(),
    };
    assert_eq!(
        items,
        [
            item(3, Kind::Typed, "ls -l"),
            item(4, Kind::Command, "ls -l"),
            item(5, Kind::Statement, "SELECT 1 [42501]"),
            item(6, Kind::Marker, "here"),
            item(7, Kind::Alert, "high r t"),
            item(8, Kind::Transfer, "scp put /x"),
            item(9, Kind::Resize, "30x7"),
        ]
    );
    let commands: Vec<_> =
        items.iter().filter(|item| matches!(item.kind, Kind::Command | Kind::Statement)).collect();
    assert_eq!(commands, [&items[1], &items[2]]);
    assert_eq!(scan.idle(999_999).len(), 9);
    assert_eq!(scan.idle(2_000_000), []);
    let activity = scan.activity(9, 9_000_000);
    assert_eq!(activity.len(), 9);
    assert!(activity[0] > 0 && activity[4] == 0);
}

/// A plain shell, recorded by a program that keeps output alone.
#[test]
fn commands_are_found_where_a_shell_is_plain() {
    let mut pieces = vec!["user@host:~$ ".to_owned()];
    for command in ["ls", "cat file | wc -l"] {
        pieces.extend(command.chars().map(String::from));
        pieces.push("\r\n".to_owned());
        pieces.push("some $ output\r\nof it\r\n".to_owned());
        pieces.push("\u{1b}]0;t\u{7}\u{1b}[1muser@host\u{1b}[0m:~$ ".to_owned());
    }
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    for form in [FINISHED, Form::Plain, Form::V1] {
        let (timeline, _dir) = open_made(&outputs(&pieces), form);
        let items = scanned(&timeline).items();
        let texts: Vec<_> = items.iter().map(|item| (item.kind, item.text.as_str())).collect();
        assert_eq!(texts, [(Kind::Command, "ls"), (Kind::Command, "cat file | wc -l")]);
    }
}

#[test]
fn a_line_behind_a_prompt_is_a_command_and_typed() {
    let events = at_seconds(vec![
        Data::Input(b"make".to_vec()),
        Data::Output(b"$ make".to_vec()),
        Data::Input(b"\r".to_vec()),
        Data::Output(b"\r\n".to_vec()),
    ]);
    let (timeline, _dir) = open_made(&events, FINISHED);
    let scan = scanned(&timeline);
    let items = scan.items();
    for kind in [Kind::Typed, Kind::Command] {
        let of_kind: Vec<_> = items.iter().filter(|item| item.kind == kind).collect();
        assert_eq!(of_kind.len(), 1, "{items:?}");
        assert_eq!(of_kind[0].text, "make");
    }
    assert_eq!(items.len(), 2, "{items:?}");
    assert_eq!(
        scan.idle(500_000),
        [0, 1, 2].map(|n| Stretch { from: n * 1_000_000, to: (n + 1) * 1_000_000 })
    );
}

/// The lines of either screen.
fn texts(model: &Model) -> Vec<String> {
    let terminal = model.terminal();
    let (mut texts, mut text) = (Vec::new(), String::new());
    for screen in [terminal.screen(), terminal.primary_screen()] {
        for line in screen.visible_lines() {
            text.extend(line.chars());
            if !line.is_wrapped() {
                texts.push(std::mem::take(&mut text).trim_end_matches(' ').to_owned());
            }
        }
    }
    texts
}

/// All rows that leave the screen.
#[derive(Default)]
struct Left(Vec<Line>);

impl Observer for Left {
    type Output = ();

    fn evicted(&mut self, _: &mut Observation<'_>, line: &Line) {
        self.0.push(line.clone());
    }

    fn end(&mut self, _: &mut Observation<'_>) {}
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Stopping anywhere inside an event is feeding that much of it; stepping
    /// on from there, seeking on and seeking back are what they are elsewhere.
    #[test]
    fn inside_an_event(
        events in events(output()),
        form in forms(),
        picks in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u16>()), 1..6),
    ) {
        let (dir, keys) = (tempfile::tempdir().unwrap(), keys());
        let path = make(dir.path(), &keys, &events, form);
        let played = play(&path, &keys.identities);
        let mut timeline = Timeline::open(&path, &keys.identities).unwrap();
        let count = played.events.len();
        for (event, offset, then) in picks {
            let event = usize::from(event) % (count + 1);
            let bytes = match played.events.get(event).map(|event| &event.data) {
                Some(Data::Output(bytes)) => bytes.clone(),
                _ => Vec::new(),
            };
            let offset = usize::from(offset) % (bytes.len() + 2);
            let place = Match { time: 0, event: event as u64, offset: offset as u64 };
            timeline.seek_place(&place).unwrap();
            if offset == 0 || offset > bytes.len() {
                played.check(&timeline, event, "before");
                continue;
            }
            if offset == bytes.len() {
                played.check(&timeline, event + 1, "behind");
                continue;
            }
            prop_assert_eq!(timeline.inside(), offset as u64);
            prop_assert_eq!(timeline.position().event, event as u64);
            prop_assert_eq!(timeline.position().time, played.events[event].time);
            prop_assert_eq!(timeline.peek().unwrap(), played.events.get(event));
            let mut model = Model::new(played.header.size);
            played.events[..event].iter().for_each(|event| model.event(event));
            model.event(&Event { time: 0, data: Data::Output(bytes[..offset].to_vec()) });
            prop_assert_eq!(state(timeline.model()), state(&model));
            match then % 5 {
                0 => {
                    let stepped = timeline.step().unwrap();
                    prop_assert_eq!(stepped.as_ref(), played.events.get(event));
                    played.check(&timeline, event + 1, "stepped");
                }
                1 => {
                    prop_assert!(timeline.step_back().unwrap());
                    played.check(&timeline, event, "back");
                }
                2 => {
                    timeline.seek_event(event as u64).unwrap();
                    played.check(&timeline, event, "the same event");
                }
                3 => {
                    let to = usize::from(then) % (count + 1);
                    timeline.seek_event(to as u64).unwrap();
                    played.check(&timeline, to, "elsewhere");
                }
                _ => {
                    timeline.seek(u64::MAX).unwrap();
                    played.check(&timeline, count, "the end");
                }
            }
        }
    }

    /// A match is lit where it is said to be, none that comes to be shown is
    /// missed, and it is the same whether the recording is searched in pieces.
    #[test]
    fn what_is_shown_is_found(
        events in events(output()),
        pattern in prop::sample::select(vec!["[a-f]", "[g-z][0-9 ]?", "[a-z]{2}", "界|é", "[0-9]$"]),
    ) {
        let (dir, keys) = (tempfile::tempdir().unwrap(), keys());
        let path = make(dir.path(), &keys, &events, FINISHED);
        let played = play(&path, &keys.identities);
        let mut timeline = Timeline::open(&path, &keys.identities).unwrap();
        let query = Query::new(pattern, Scope::Shown).unwrap();
        let found = search(&timeline, pattern, Scope::Shown);
        for place in &found {
            let model = timeline.seek_place(place).unwrap();
            // Half of it was gone when the other half came.
            let one_row = model.terminal().size().1 == 1;
            prop_assert!(one_row || !query.lit(model).is_empty(), "{:?}", place);
        }
        prop_assert!(found.is_sorted_by_key(Match::order));
        let mut model = Model::new(played.header.size);
        let mut stood = texts(&model);
        for (n, event) in (0..).zip(&played.events) {
            model.event(event);
            let now = texts(&model);
            let pattern = regex::Regex::new(&format!("(?i){pattern}")).unwrap();
            let new = now.iter().filter(|line| pattern.is_match(line)).find(|line| {
                // It stood there, or in a line that has lost its beginning since.
                let known = |before: &String| (0..=before.len()).any(|gone| {
                    let rest = before.get(gone..).unwrap_or_default();
                    pattern.find_iter(line).all(|one| rest.get(one.range()) == Some(one.as_str()))
                });
                !stood.iter().any(known)
            });
            if let (Some(new), Data::Output(_)) = (new, &event.data) {
                let told = found.iter().any(|one| one.order() > (n, 0) && one.order() <= (n + 1, 0));
                prop_assert!(told, "{:?} in event {} was missed: {:?}", new, n, found);
            }
            stood = now;
        }
        for form in [Form::Finished { keyframes: false }, Form::Interrupted { keyframes: true }] {
            let dir = tempfile::tempdir().unwrap();
            let path = make(dir.path(), &keys, &events, form);
            let timeline = Timeline::open(&path, &keys.identities).unwrap();
            prop_assert_eq!(&search(&timeline, pattern, Scope::Shown), &found, "{:?}", form);
        }
    }

    /// Above the screen is what left it, in its order, whatever form it is in.
    #[test]
    fn scrollback_is_what_left_the_screen(
        events in events(output()),
        form in forms(),
        picks in prop::collection::vec((any::<u16>(), any::<u16>()), 1..5),
    ) {
        let (dir, keys) = (tempfile::tempdir().unwrap(), keys());
        let path = make(dir.path(), &keys, &events, form);
        let played = play(&path, &keys.identities);
        let mut timeline = Timeline::open(&path, &keys.identities).unwrap();
        for (event, part) in picks {
            let event = usize::from(event) % (played.events.len() + 1);
            let offset = match played.events.get(event).map(|event| &event.data) {
                Some(Data::Output(bytes)) => usize::from(part) % bytes.len().max(1),
                _ => 0,
            };
            let (mut left, mut model) = (Left::default(), Model::new(played.header.size));
            played.events[..event].iter().for_each(|event| {
                model.event_with(event, &mut left);
            });
            if let Some(Data::Output(bytes)) = played.events.get(event).map(|event| &event.data) {
                let part = Event { time: 0, data: Data::Output(bytes[..offset].to_vec()) };
                model.event_with(&part, &mut left);
            }
            let place = Match { time: 0, event: event as u64, offset: offset as u64 };
            timeline.seek_place(&place).unwrap();
            let mut rows = Vec::new();
            while let Some(row) = timeline.scrolled(rows.len() as u64).unwrap() {
                rows.push(row);
            }
            rows.reverse();
            prop_assert_eq!(&rows, &left.0);
            prop_assert_eq!(state(timeline.model()), state(&model));
        }
    }
}

#[test]
fn scrollback_of_a_long_recording() {
    let mut events = long(3000);
    for (n, event) in events.iter_mut().enumerate() {
        let text = match n % 700 {
            0 => "\u{1b}[?1049l\u{1b}[m\u{1b}[r\u{1b}[9;1H".to_owned(),
            1..600 => format!("{n} \u{1b}[3{}mlines of some length\r\n", n % 8).repeat(20),
            _ => continue,
        };
        event.data = Data::Output(text.into_bytes());
    }
    for form in [FINISHED, Form::Finished { keyframes: false }, Form::Gzip] {
        let (mut timeline, _dir) = open_made(&events, form);
        timeline.seek(u64::MAX).unwrap();
        let (mut left, mut model) = (Left::default(), Model::new(header().size));
        for event in &events {
            model.event_with(event, &mut left);
        }
        let count = left.0.len();
        assert!(count > 40_000, "{count}");
        let backs = [0, 1, 2, 30, 31, 2500, 2499, 5000, 1200, count - 1, count - 2, 0, 7000];
        for back in backs {
            let row = timeline.scrolled(back as u64).unwrap();
            assert_eq!(row.as_ref(), left.0.get(count - 1 - back), "{back} of {count}");
        }
        assert_eq!(timeline.scrolled(count as u64).unwrap(), None);
    }
}
