//! asciicast round trips, and what hostile and broken recordings come to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::BufReader;

use hrec::event::{Data, Event, Fact, Header, Micros, TermSize};
use hrec::format::asciicast::{Encoder, EncoderV1, Error, MAX_TIME, Reader, Version, utf8_hold};
use proptest::prelude::*;

fn read(text: &[u8]) -> (Header, Vec<Event>) {
    let mut reader = Reader::new(text).unwrap();
    let events = std::iter::from_fn(|| reader.next_event().unwrap()).collect();
    assert_eq!(reader.torn(), None);
    (reader.header().clone(), events)
}

/// Everything there is to read, errors included, without ever panicking.
fn drain(text: &[u8]) -> (Vec<Event>, usize, Option<String>) {
    let Ok(mut reader) = Reader::new(BufReader::with_capacity(7, text)) else {
        return (Vec::new(), 1, None);
    };
    let (mut events, mut errors, mut last) = (Vec::new(), 0, 0);
    loop {
        match reader.next_event() {
            Ok(Some(event)) => {
                assert!(event.time >= last && event.time <= MAX_TIME);
                last = event.time;
                events.push(event);
            }
            Ok(None) => return (events, errors, reader.torn().map(str::to_owned)),
            Err(_) => errors += 1,
        }
    }
}

fn write(mut encoder: Encoder, header: &Header, events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.header(header, &mut out);
    for event in events {
        encoder.event(event, &mut out);
    }
    out
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        any::<String>().prop_map(String::into_bytes),
        // Text cut anywhere: the beginning or the end may be half a character.
        ("[a-z€Ж💩\u{fffd}\u{9b}\u{1b}\"\\\\]{1,20}", 0..9usize, 0..9usize).prop_map(
            |(text, a, b)| {
                let bytes = text.into_bytes();
                let start = a.min(bytes.len());
                let end = bytes.len().saturating_sub(b).max(start);
                bytes[start..end].to_vec()
            }
        ),
    ]
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        prop::collection::vec(any::<String>(), 0..3).prop_map(Into::into),
    ]
}

fn any_data() -> impl Strategy<Value = Data> {
    prop_oneof![
        4 => any_bytes().prop_map(Data::Output),
        2 => any_bytes().prop_map(Data::Input),
        1 => any::<(u64, u64)>().prop_map(|(c, r)| Data::Resize(TermSize::clamped(c % 3000, r % 2000))),
        1 => any::<String>().prop_map(Data::Marker),
        1 => any::<String>().prop_map(Data::Exit),
        1 => ("[a-z]{1,8}", prop::collection::vec(("[a-jl-z_]{1,8}", any_json()), 0..4)).prop_map(|(kind, fields)| {
            Data::Fact(Fact { kind, fields: fields.into_iter().collect() })
        }),
        1 => ("[a-z]{2,6}|[ac-gj-lnp-qs-wy-z]", any::<String>())
            .prop_map(|(code, data)| Data::Other { code, data }),
    ]
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let step = prop_oneof![Just(0u64), 0..2_000_000u64, 0..(MAX_TIME / 50)];
    prop::collection::vec((step, any_data()), 0..40).prop_map(|steps| {
        let mut time: Micros = 0;
        steps
            .into_iter()
            .map(|(step, data)| {
                time += step;
                Event { time, data }
            })
            .collect()
    })
}

fn any_header() -> impl Strategy<Value = Header> {
    (
        (0..5000u64, 0..5000u64),
        prop::option::of(any::<String>()),
        prop::option::of(any::<i64>()),
        prop::option::of(any::<String>()),
        prop::collection::btree_map("[A-Z_]{1,8}", any::<String>(), 0..4),
        prop::option::of(0..1_000_000u32),
        prop::collection::vec(any::<String>(), 0..3),
        prop::option::of(prop::collection::vec(("[a-z]{1,6}", any_json()), 0..4)),
    )
        .prop_map(|((cols, rows), text, timestamp, title, env, limit, tags, hrec)| Header {
            size: TermSize::clamped(cols, rows),
            term_type: text.clone(),
            term_version: title.clone(),
            theme: None,
            timestamp,
            command: text,
            title,
            env: env.into_iter().collect(),
            idle_time_limit: limit.map(|n| f64::from(n) / 1000.0),
            tags,
            hrec: hrec.map(|fields| fields.into_iter().collect()),
        })
}

proptest! {
    #[test]
    fn v3_comes_back_exactly(header in any_header(), events in any_events()) {
        let text = write(Encoder::new(), &header, &events);
        let (header_read, read) = read(&text);
        prop_assert_eq!(header_read, header);
        prop_assert_eq!(read, events);
        // No line drives a terminal that it is printed on.
        let text = String::from_utf8(text).unwrap();
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn v2_comes_back_exactly(events in any_events()) {
        let header = Header::default();
        let (_, read) = read(&write(Encoder::v2(), &header, &events));
        prop_assert_eq!(read, events);
    }

    #[test]
    fn v1_has_the_output(header in any_header(), events in any_events()) {
        let mut text = Vec::new();
        let mut encoder = EncoderV1::new();
        encoder.header(&header, &mut text);
        for event in &events {
            encoder.event(event, &mut text);
        }
        encoder.finish(events.last().map_or(0, |e| e.time), &mut text);
        let (header_read, read) = read(&text);
        prop_assert_eq!(header_read.size, header.size);
        prop_assert_eq!(header_read.env, header.env);
        let expected: Vec<_> = events
            .into_iter()
            .filter_map(|e| match e.data {
                Data::Output(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned().into_bytes();
                    Some(Event { time: e.time, data: Data::Output(text) })
                }
                _ => None,
            })
            .collect();
        prop_assert_eq!(read, expected);
        // And it is JSON to others.
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        prop_assert_eq!(json["version"].as_u64(), Some(1));
    }

    /// The crate knows `o` and `i` only, and wants a timestamp.
    #[test]
    fn v2_is_read_by_the_asciicast_crate(
        mut header in any_header(),
        timestamp in any::<u32>(),
        events in any_events(),
    ) {
        header.timestamp = Some(timestamp.into());
        let text = String::from_utf8(write(Encoder::v2(), &header, &events)).unwrap();
        let mut lines = text.lines();
        let theirs: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        prop_assert_eq!(theirs["width"].as_u64(), Some(u64::from(header.size.cols())));
        let theirs: asciicast::Header = serde_json::from_value(theirs).unwrap();
        prop_assert_eq!(theirs.title, header.title);
        prop_assert_eq!(theirs.env.unwrap_or_default().len(), header.env.len());
        for line in lines.filter(|l| l.contains(",\"o\",") || l.contains(",\"i\",")) {
            let fields: Vec<serde_json::Value> = serde_json::from_str(line).unwrap();
            if fields[1] == "o" || fields[1] == "i" {
                let entry: asciicast::Entry = serde_json::from_str(line).unwrap();
                prop_assert_eq!(entry.event_data, fields[2].as_str().unwrap());
            }
        }
    }

    /// Wherever a stream is split, holding back keeps characters whole, and
    /// the bytes come back.
    #[test]
    fn split_anywhere(bytes in any_bytes(), cuts in prop::collection::vec(0..64usize, 0..8)) {
        let mut cuts: Vec<_> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let (mut held, mut text, mut encoder) = (Vec::new(), Vec::new(), Encoder::new());
        encoder.header(&Header::default(), &mut text);
        for (n, pair) in cuts.windows(2).enumerate() {
            held.extend_from_slice(&bytes[pair[0]..pair[1]]);
            let hold = utf8_hold(&held);
            prop_assert!(hold <= 3);
            let rest = held.split_off(held.len() - hold);
            encoder.output(n as u64, &held, &mut text);
            held = rest;
        }
        encoder.output(99, &held, &mut text);
        if std::str::from_utf8(&bytes).is_ok() {
            prop_assert!(!String::from_utf8_lossy(&text).contains(",\"b\","));
        }
        let (_, events) = read(&text);
        let all: Vec<u8> = events
            .into_iter()
            .flat_map(|e| match e.data { Data::Output(b) => b, other => panic!("{other:?}") })
            .collect();
        prop_assert_eq!(all, bytes);
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        drain(&bytes);
        drain(&[b"{\"version\":3}\n", bytes.as_slice()].concat());
        drain(&[b"{\"version\":1,\"stdout\":[", bytes.as_slice()].concat());
    }

    #[test]
    fn mutated_recordings_do_no_harm(
        events in any_events(),
        v2 in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let encoder = if v2 { Encoder::v2() } else { Encoder::new() };
        let mut text = write(encoder, &Header::default(), &events);
        for (at, byte) in changes {
            let at = at.index(text.len());
            text[at] = byte;
        }
        drain(&text);
        drain(&text[..cut.index(text.len())]);
    }

    /// Cut anywhere after the header: what is whole comes back, and nothing
    /// else.
    #[test]
    fn reading_goes_on_anywhere(events in any_events(), v2 in any::<bool>()) {
        let encoder = if v2 { Encoder::v2() } else { Encoder::new() };
        let mut text = write(encoder, &Header::default(), &events);
        // Finer than a microsecond, a line that is no event, and a comment.
        text.extend(b"[0.0000004,\"o\",\"\xef\xbf\xbd\"]\n#\n[0.0000004,\"o\",1]\n[0.0000004,\"m\",\"\"]\n");
        let mut reader = Reader::new(text.as_slice()).unwrap();
        let next = |reader: &mut Reader<&[u8]>| loop {
            match reader.next_event() {
                Err(Error::Malformed { line, .. }) => prop_assert_eq!(line as usize, 1 + text.split(|b| *b == b'\n').position(|l| l.ends_with(b"1]")).unwrap()),
                event => return Ok(event.unwrap()),
            }
        };
        loop {
            let place = reader.place();
            let rest = &text[place.text() as usize..];
            let mut again = Reader::resume(rest, reader.version(), Header::default(), place);
            let event = next(&mut reader)?;
            prop_assert_eq!(&next(&mut again)?, &event);
            prop_assert_eq!(reader.place(), again.place());
            if event.is_none() {
                break;
            }
        }
    }

    #[test]
    fn torn_anywhere(events in any_events(), cut in any::<prop::sample::Index>()) {
        let text = write(Encoder::new(), &Header::default(), &events);
        let header = text.iter().position(|b| *b == b'\n').unwrap() + 1;
        let end = header + cut.index(text.len() - header + 1);
        let (read, errors, torn) = drain(&text[..end]);
        prop_assert_eq!(errors, 0);
        let whole_line = text[..end].ends_with(b"\n") || text[..end].ends_with(b"]");
        // (a cut inside a string may leave one that ends in "]" too)
        prop_assert!(whole_line || torn.is_some());
        // The last one may lack its exact bytes.
        let compared = read.len().saturating_sub(1);
        prop_assert_eq!(&read[..compared], &events[..compared]);
    }
}

#[test]
fn hostile_times_and_sizes() {
    let text = br#"{"version":3,"term":{"cols":65535,"rows":0}}
[NaN,"o","a"]
[-5,"o","b"]
[1e300,"r","65535x65535"]
[1e300,"r","99999999999999999999999x0"]
[Infinity,"x","0"]
"#;
    let (header, events) = read(text);
    assert_eq!(header.size, TermSize::clamped(2048, 24));
    let times: Vec<_> = events.iter().map(|e| e.time).collect();
    assert_eq!(times, [0, 0, MAX_TIME, MAX_TIME, MAX_TIME]);
    assert_eq!(events[2].data, Data::Resize(TermSize::MAX));
    assert_eq!(events[3].data, Data::Resize(TermSize::clamped(2048, 24)));

    let (_, events) =
        read(b"{\"version\":2}\n[5.0,\"o\",\"a\"]\n[1.0,\"o\",\"b\"]\n[6,\"o\",\"c\"]\n");
    let times: Vec<_> = events.iter().map(|e| e.time).collect();
    assert_eq!(times, [5_000_000, 5_000_000, 6_000_000]);
}

#[test]
fn intervals_finer_than_a_microsecond_do_not_drift() {
    let mut text = b"{\"version\":3}\n".to_vec();
    for _ in 0..1000 {
        text.extend_from_slice(b"[0.0000004,\"o\",\"\"]\n");
    }
    assert_eq!(read(&text).1.last().unwrap().time, 400);
}

#[test]
fn real_oddities() {
    // A width as a string; an empty theme; null in env; a float timestamp.
    let (header, _) = read(
        br#"{"version":2,"width":"95","height":47,"theme":{},"env":{"TERM":null,"SHELL":"zsh"},"timestamp":1594792376.5}
"#,
    );
    assert_eq!(header.size, TermSize::clamped(95, 47));
    assert_eq!(header.theme, None);
    assert_eq!(header.env, [("SHELL".to_owned(), "zsh".to_owned())]);
    assert_eq!(header.timestamp, Some(1_594_792_376));
    // A code longer than a letter is kept whole.
    let (_, events) = read(b"{\"version\":3}\n[1,\"rlib\",\"80x\"]\n[0,\"z\",{\"a\":[1]}]\n");
    assert_eq!(events[0].data, Data::Other { code: "rlib".into(), data: "80x".into() });
    assert_eq!(events[1].data, Data::Other { code: "z".into(), data: "{\"a\":[1]}".into() });
    // A lone surrogate, a byte order mark, CR LF.
    let (_, events) =
        read(b"\xef\xbb\xbf{\"version\":2,\"title\":\"\\ud800\"}\r\n[1,\"o\",\"\\ud83d\"]\r\n");
    assert_eq!(events[0].data, Data::Output("\u{fffd}".into()));
}

#[test]
fn a_line_in_the_middle_is_named_and_passed() {
    let text = b"{\"version\":3}\n[1,\"o\",\"a\"]\nlol!\n[1,\"o\",\"b\"]\n[1,\"o\"";
    let mut reader = Reader::new(&text[..]).unwrap();
    assert!(reader.next_event().unwrap().is_some());
    let error = reader.next_event().unwrap_err();
    assert!(matches!(error, Error::Malformed { line: 3, .. }));
    assert_eq!(error.to_string(), "line 3 is no asciicast event: not a JSON array");
    assert_eq!(reader.next_event().unwrap().unwrap().time, 2_000_000);
    assert_eq!(reader.next_event().unwrap(), None);
    assert_eq!(reader.torn(), Some("the last line (5) is cut short after 6 bytes"));
}

#[test]
fn malformed_events_are_refused() {
    for line in [
        "[1,5,\"a\"]",
        "[\"2.0\",\"o\",\"a\"]",
        "[1,\"o\",true]",
        "[1,\"o\",\"a\",\"\"]",
        "[1,\"r\",\"-1x0\"]",
        "[1,\"r\",\"80\"]",
        "[1,\"o\",\"\\x41\"]",
        "{}",
    ] {
        let text = format!("{{\"version\":2}}\n{line}\n");
        let (events, errors, torn) = drain(text.as_bytes());
        assert_eq!((events.len(), errors, torn), (0, 1, None), "{line}");
    }
    let deep = format!("{{\"version\":3}}\n[1,\"z\",{}\n", "[".repeat(2_000_000));
    assert_eq!(drain(deep.as_bytes()).1, 1);
    let deep = format!("{{\"version\":3,\"hrec\":{}\n", "{\"a\":".repeat(500_000));
    assert!(Reader::new(deep.as_bytes()).is_err());
}

#[test]
fn a_b_event_may_not_contradict_its_text() {
    // "AAAA" is three NULs: other players would show U+FFFD, hrec nothing.
    let (_, events) =
        read("{\"version\":3}\n[1,\"o\",\"\u{fffd}\"]\n[0,\"b\",\"AAAA\"]\n".as_bytes());
    assert_eq!(events[0].data, Data::Output("\u{fffd}".into()));
    assert_eq!(events[1].data, Data::Other { code: "b".into(), data: "AAAA".into() });
}

#[test]
fn v1_of_every_shape() {
    let pretty = b"{\n \"version\": 1,\n \"width\": 80, \"height\": 24,\n \"stdout\": [\n  [\n 0.5,\n \"a\"\n ],\n [1.25, \"]b\"]\n ],\n \"title\": \"t\"\n}\n";
    let (header, events) = read(pretty);
    assert_eq!(header.title.as_deref(), Some("t"));
    let times: Vec<_> = events.iter().map(|e| e.time).collect();
    assert_eq!(times, [500_000, 1_750_000]);
    assert_eq!(events[1].data, Data::Output(b"]b".to_vec()));
    assert_eq!(Reader::new(&pretty[..]).unwrap().version(), Version::V1);

    let (events, errors, torn) =
        drain(b"{\"version\":1,\"width\":80,\"stdout\":[[0.5,\"a\"],[1.25,\"b");
    assert_eq!((events.len(), errors), (1, 0));
    assert!(torn.is_some());
}

#[test]
fn what_is_no_asciicast_is_said_so() {
    for (text, why) in [
        ("", "not an asciicast recording: it is empty"),
        ("hello\n", "not an asciicast recording: it does not begin with a JSON object"),
        (
            "{\"version\":5}\n",
            "not an asciicast recording: it is asciicast version 5; 1, 2 and 3 are known",
        ),
        ("{}\n", "not an asciicast recording: its first object has no version"),
        (
            "{\n\"version\":2\n}\n",
            "not an asciicast recording: the header of asciicast v2 must be one line",
        ),
    ] {
        let Err(error) = Reader::new(text.as_bytes()) else { panic!("{text}") };
        assert_eq!(error.to_string(), why);
    }
}

/// Counts what it gives out, so that 100 MB need not be there.
struct Flood(usize);

impl std::io::Read for Flood {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let len = buf.len().min(self.0);
        buf[..len].fill(b'a');
        self.0 -= len;
        Ok(len)
    }
}

#[test]
fn a_line_of_100_mb_is_passed_over() {
    use std::io::Read;
    let text = b"{\"version\":3}\n[1,\"o\",\"a\"]\n[1,\"o\",\""
        .chain(Flood(100 << 20))
        .chain(&b"\"]\n[1,\"o\",\"b\"]\n"[..]);
    let mut reader = Reader::new(BufReader::with_capacity(1 << 20, text)).unwrap();
    assert!(reader.next_event().unwrap().is_some());
    assert_eq!(
        reader.next_event().unwrap_err().to_string(),
        "line 3 is no asciicast event: longer than 64 MiB"
    );
    assert_eq!(reader.next_event().unwrap().unwrap().data, Data::Output(b"b".to_vec()));
}

#[test]
fn output_of_many_megabytes_stays_readable() {
    let bytes: Vec<u8> = "\u{1b}€".bytes().cycle().take(13 << 20).collect();
    let mut text = Vec::new();
    let mut encoder = Encoder::new();
    encoder.header(&Header::default(), &mut text);
    encoder.output(7, &bytes, &mut text);
    let (_, events) = read(&text);
    let mut all = Vec::new();
    for event in events {
        assert_eq!(event.time, 7);
        let Data::Output(bytes) = event.data else { panic!() };
        all.extend(bytes);
    }
    assert!(all == bytes);
}

/// Found by fuzzing: such a fact was kept as text, and became a fact when it
/// was written and read again.
#[test]
fn a_fact_that_is_no_utf8_is_one_before_and_after_it_is_written() {
    let mut text = b"{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n".to_vec();
    text.extend(b"[1,\"h\",\"{\\\"k\\\":\\\"masked\\\",\\\"r\xe5\x1f\\\":1}\"]\n");
    let (header, events) = read(&text);
    assert!(matches!(&events[..], [Event { data: Data::Fact(_) | Data::Other { .. }, .. }]));
    let written = write(Encoder::new(), &header, &events);
    assert_eq!(read(&written).1, events);
}
