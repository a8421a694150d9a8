//! The state after a seek is the state after playing up to there: whatever was
//! recorded, whatever form it is in, wherever one comes from.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod find;

use std::io::Write;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use hrec::event::{Data, Event, Fact, Header, TermSize};
use hrec::format::asciicast::{Encoder, EncoderV1};
use hrec::format::cipher::{Identities, Recipients};
use hrec::recording::live::{Live, Options, Screen};
use hrec::recording::{Paths, State, open, recover};
use hrec::screen::Model;
use hrec::timeline::{LineEnds, Timeline, with_streams};
use proptest::prelude::*;

struct Keys {
    identity: age::x25519::Identity,
    recipients: Recipients,
    identities: Identities,
}

fn keys() -> Keys {
    let identity = age::x25519::Identity::generate();
    let mut recipients = Recipients::new();
    recipients.add(&identity.to_public().to_string()).unwrap();
    let mut identities = Identities::new();
    identities.add_file("key", identity.to_string().expose_secret().as_bytes()).unwrap();
    Keys { identity, recipients, identities }
}

fn header() -> Header {
    let hrec = Some(serde_json::Map::new());
    Header { size: TermSize::clamped(20, 6), hrec, ..Header::default() }
}

/// All that there is of a terminal.
fn state(model: &Model) -> String {
    let terminal = model.terminal();
    let lines =
        |screen: avt::Screen<'_>| format!("{:?}", screen.visible_lines().collect::<Vec<_>>());
    format!(
        "{:?} {:?} {:?} {} {} {}",
        model.outside(),
        terminal.size(),
        terminal.cursor(),
        terminal.dump(),
        lines(terminal.screen()),
        lines(terminal.primary_screen()),
    )
}

/// What every event leaves, and when; the state before the first at its start.
struct Played {
    header: Header,
    events: Vec<Event>,
    states: Vec<String>,
}

fn play(path: &Path, identities: &Identities) -> Played {
    let mut recording = open(path, identities).unwrap();
    let header = recording.header().clone();
    let events = std::iter::from_fn(|| recording.next_event().transpose());
    let events: Result<Vec<_>, _> = with_streams(events, LineEnds::Terminal).collect();
    let events = events.unwrap();
    let mut model = Model::new(header.size);
    let mut states = vec![state(&model)];
    states.extend(events.iter().map(|event| {
        model.event(event);
        state(&model)
    }));
    Played { header, events, states }
}

impl Played {
    fn check(&self, timeline: &Timeline, count: usize, context: &str) {
        let position = timeline.position();
        assert_eq!(position.event, count as u64, "{context}");
        let time = count.checked_sub(1).map_or(0, |last| self.events[last].time);
        assert_eq!(position.time, time, "{context}");
        assert_eq!(state(timeline.model()), self.states[count], "{context}");
    }

    /// Goes here and there; `picks` are parts of the whole in 65,536ths.
    fn compare(&self, timeline: &mut Timeline, picks: &[u16]) {
        assert_eq!(timeline.header(), &self.header);
        let last = self.events.last().map_or(0, |event| event.time);
        self.check(timeline, 0, "at the start");
        for (n, pick) in picks.iter().enumerate() {
            let part = |whole: u64| ((u128::from(whole) * u128::from(*pick)) >> 16) as u64;
            let time = part(last + 2);
            let context = format!("time {time} of {last}, seek {n}");
            timeline.seek(time).unwrap();
            let count = self.events.partition_point(|event| event.time <= time);
            self.check(timeline, count, &context);
            assert_eq!(timeline.peek().unwrap(), self.events.get(count), "{context}");
            if n % 2 == 0 {
                assert_eq!(timeline.step().unwrap().as_ref(), self.events.get(count), "{context}");
                self.check(timeline, self.events.len().min(count + 1), &context);
            }
            let before = timeline.position().event as usize;
            assert_eq!(timeline.step_back().unwrap(), before > 0, "{context}");
            self.check(timeline, before.saturating_sub(1), &context);
            let event = part(self.events.len() as u64 + 1);
            timeline.seek_event(event).unwrap();
            self.check(timeline, event as usize, &format!("event {event}"));
            let events: Vec<_> = timeline.events(time).unwrap().map(|one| one.unwrap()).collect();
            let first = self.events.partition_point(|event| event.time < time);
            let expected = self.events.iter().enumerate().skip(first);
            assert!(events.iter().map(|(n, e)| (*n as usize, e)).eq(expected), "{context}");
        }
        assert_eq!(timeline.duration().unwrap(), last);
    }
}

fn record(live: &mut Live, events: &[Event]) {
    let mut last = 0;
    for event in events {
        while let Some(due) = live.due().filter(|due| *due <= event.time) {
            live.flush(due).unwrap();
        }
        if event.time >= last + PAUSE {
            live.flush_frame(event.time).unwrap();
        }
        last = event.time;
        live.event(event).unwrap();
    }
}

fn output() -> impl Strategy<Value = Data> {
    prop_oneof![
        4 => "(\u{1b}\\[[0-9;?]{0,6}[A-HJ-MPXdfhlmr]|\u{1b}\\[[0-7]? q|\u{1b}\\]0;[a-z]{1,3}(\u{7}|\u{1b}\\\\)|\u{1b}\\]|\u{1b}[78DEMc=>]|\u{1b}\\[\\?(1049|47|25|6|7)[hl]|[ -~é界\r\n]{1,9}){1,12}"
            .prop_map(|text| Data::Output(text.into_bytes())),
        2 => "([a-z0-9 ]{0,25}\r\n){1,30}".prop_map(|text| Data::Output(text.into_bytes())),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(Data::Output),
        1 => any::<(u8, u8)>().prop_map(|(cols, rows)| {
            Data::Resize(TermSize::clamped(u64::from(cols % 40) + 1, u64::from(rows % 12) + 1))
        }),
        1 => prop_oneof![
            Just(Data::Marker("m".into())),
            Just(Data::Input(b"typed\xff".to_vec())),
            Just(Data::Fact(Fact::new("clock").with("wall", "now"))),
        ],
    ]
}

fn stream() -> impl Strategy<Value = Data> {
    ("[a\r\n]{0,6}", 1..3_u64).prop_map(|(text, fd)| {
        let b64 = data_encoding::BASE64.encode(text.as_bytes());
        Data::Fact(Fact::new("stream").with("fd", fd).with("b64", b64))
    })
}

/// A frame is closed in a pause of this length.
const PAUSE: u64 = 400_000_000;

/// With pauses in which frames close.
fn events(data: impl Strategy<Value = Data>) -> impl Strategy<Value = Vec<Event>> {
    let wait = prop_oneof![Just(0), 0..1000_u64, Just(PAUSE - 1), Just(PAUSE)];
    prop::collection::vec((wait, data), 0..40).prop_map(|steps| {
        let mut time = 0;
        let at = |(wait, data)| {
            time += wait;
            Event { time, data }
        };
        steps.into_iter().map(at).collect()
    })
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Finished { keyframes: bool },
    Interrupted { keyframes: bool },
    Recovered,
    V1,
    V2,
    Plain,
    Gzip,
    Zstd,
    Age,
    Nested,
    Unwrapped,
}

fn forms() -> impl Strategy<Value = Form> {
    use Form::*;
    prop_oneof![
        8 => any::<bool>().prop_map(|keyframes| Finished { keyframes }),
        4 => any::<bool>().prop_map(|keyframes| Interrupted { keyframes }),
        8 => prop::sample::select(vec![
            V1, V2, Plain, Gzip, Zstd, Age, Nested, Unwrapped, Recovered,
        ]),
    ]
}

/// Makes a file of this form.
fn make(dir: &Path, keys: &Keys, events: &[Event], form: Form) -> PathBuf {
    let paths = Paths::at(&dir.join("x.cast.zst.age"));
    if let Form::Finished { keyframes } | Form::Interrupted { keyframes } = form {
        let options = Options { sync: false };
        let mut live = Live::create(paths.clone(), &header(), &keys.recipients, options).unwrap();
        if keyframes {
            live.follow(Box::new(Screen::new(header().size)));
        }
        record(&mut live, events);
        let last = events.last().map_or(0, |event| event.time);
        if matches!(form, Form::Finished { .. }) {
            live.finish(last, Some("0")).unwrap();
        } else {
            live.flush(last).unwrap();
        }
        return paths.finished();
    }
    if let Form::Recovered = form {
        make(dir, keys, events, Form::Interrupted { keyframes: false });
        recover(&paths, &keys.identities, &keys.recipients).unwrap();
        return paths.finished();
    }
    if let Form::Unwrapped = form {
        let path = make(dir, keys, events, Form::Finished { keyframes: true });
        let zstd = age::decrypt(&keys.identity, &std::fs::read(path).unwrap()).unwrap();
        let path = dir.join("x.zst");
        std::fs::write(&path, zstd).unwrap();
        return path;
    }
    let mut text = Vec::new();
    if let Form::V1 = form {
        let mut encoder = EncoderV1::new();
        encoder.header(&header(), &mut text);
        for event in events {
            encoder.event(event, &mut text);
        }
        encoder.finish(0, &mut text);
    } else {
        let mut encoder = if let Form::V2 = form { Encoder::v2() } else { Encoder::new() };
        encoder.header(&header(), &mut text);
        for event in events {
            encoder.event(event, &mut text);
        }
    }
    let gzip = |text: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    };
    let key = keys.identity.to_public();
    let bytes = match form {
        Form::Gzip => gzip(&text),
        Form::Zstd => zstd::encode_all(text.as_slice(), 1).unwrap(),
        Form::Age => age::encrypt(&key, &text).unwrap(),
        Form::Nested => {
            age::encrypt_and_armor(&key, &gzip(&age::encrypt(&key, &text).unwrap())).unwrap().into()
        }
        _ => text,
    };
    let path = dir.join("x.cast");
    std::fs::write(&path, bytes).unwrap();
    path
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_seek_is_as_playing_up_to_there(
        events in events(output()),
        form in forms(),
        picks in prop::collection::vec(any::<u16>(), 1..8),
    ) {
        let (dir, keys) = (tempfile::tempdir().unwrap(), keys());
        let path = make(dir.path(), &keys, &events, form);
        let played = play(&path, &keys.identities);
        let mut timeline = Timeline::open(&path, &keys.identities).unwrap();
        played.compare(&mut timeline, &picks);
        prop_assert_eq!(timeline.remarks().len(), usize::from(matches!(form, Form::Interrupted { .. })));
        // From the end, so that nothing is on the way.
        for pick in picks {
            let mut timeline = Timeline::open(&path, &keys.identities).unwrap();
            timeline.seek(u64::MAX).unwrap();
            played.check(&timeline, played.events.len(), "at the end");
            timeline.seek_event(u64::from(pick) % (played.events.len() as u64 + 1)).unwrap();
            played.check(&timeline, usize::from(pick) % (played.events.len() + 1), "from the end");
        }
    }

    #[test]
    fn a_session_without_a_terminal_too(
        events in events(prop_oneof![stream(), stream(), output()]),
        picks in prop::collection::vec(any::<u16>(), 1..8),
    ) {
        let (dir, keys) = (tempfile::tempdir().unwrap(), keys());
        let path = make(dir.path(), &keys, &events, Form::Finished { keyframes: true });
        let played = play(&path, &keys.identities);
        let mut timeline = Timeline::open(&path, &keys.identities).unwrap();
        timeline.seek(u64::MAX).unwrap();
        for pick in picks {
            let event = u64::from(pick) % (played.events.len() as u64 + 1);
            timeline.seek_event(event).unwrap();
            played.check(&timeline, event as usize, "a stream");
            timeline.step_back().unwrap();
            played.check(&timeline, (event as usize).saturating_sub(1), "a stream");
        }
    }
}

/// Of several megabytes: lines that scroll, with a full-screen program between.
fn long(count: u64) -> Vec<Event> {
    let mut x = 1_u64;
    let at = |n: u64| {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n);
        let text = match x >> 60 {
            0 => format!("\x1b[?1049h\x1b[{};{}Hfull {x}", x >> 20 & 7, x >> 30 & 15),
            1 => "\x1b[?1049l\x1b7".to_owned(),
            2 => format!("\x1b[3{}m", x >> 20 & 7),
            3 => format!("\x1b8\x1b[2;{}r", 3 + (x >> 20 & 3)),
            _ => format!("{x:x} {}\r\n", "line ".repeat(x as usize >> 8 & 31)).repeat(12),
        };
        Event { time: n * 1000, data: Data::Output(text.into_bytes()) }
    };
    (0..count).map(at).collect()
}

#[test]
fn long_recordings_of_every_form() {
    use Form::*;
    let keys = keys();
    let events = long(6000);
    for form in [
        Finished { keyframes: true },
        Finished { keyframes: false },
        Interrupted { keyframes: true },
        Interrupted { keyframes: false },
        Recovered,
        V2,
        Gzip,
        Zstd,
        Unwrapped,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = make(dir.path(), &keys, &events, form);
        let played = play(&path, &keys.identities);
        let picks = [60_000, 1000, 65_535, 30_000, 30_100, 29_000, 64_000, 0, 45_000];
        played.compare(&mut Timeline::open(&path, &keys.identities).unwrap(), &picks);
    }
}

#[test]
fn a_live_recording_is_followed_to_its_end() {
    let (dir, keys) = (tempfile::tempdir().unwrap(), keys());
    let paths = Paths::at(&dir.path().join("x.cast.zst.age"));
    let options = Options { sync: false };
    let mut live = Live::create(paths.clone(), &header(), &keys.recipients, options).unwrap();
    live.follow(Box::new(Screen::new(header().size)));
    let events = long(3000);
    let mut timeline = Timeline::open(&paths.finished(), &keys.identities).unwrap();
    assert_eq!(timeline.peek().unwrap(), None);
    let mut followed = Vec::new();
    for piece in events.chunks(100) {
        record(&mut live, piece);
        let last = piece.last().unwrap();
        live.flush(last.time).unwrap();
        assert_eq!(timeline.refresh().unwrap(), State::Live);
        assert_eq!(timeline.duration().unwrap(), last.time);
        followed.extend(std::iter::from_fn(|| timeline.step().unwrap()));
        assert_eq!(followed.last(), Some(last));
    }
    assert!(followed == events);
    timeline.seek(1_000_000).unwrap();
    live.finish(5_000_000, Some("0")).unwrap();
    drop(live);
    assert_eq!(timeline.refresh().unwrap(), State::Finished);
    let played = play(&paths.finished(), &keys.identities);
    assert_eq!(played.events.len(), events.len() + 1);
    assert_eq!(timeline.duration().unwrap(), 5_000_000);
    timeline.seek_event(10).unwrap();
    played.check(&timeline, 10, "after the end");
    timeline.seek(u64::MAX).unwrap();
    played.check(&timeline, 3001, "at the end");
}
