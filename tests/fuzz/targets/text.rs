//! asciicast in every version, and the containers around it.

use std::io::{BufRead, BufReader, Read};

use hrec::event::{Data, Event, Fact, Header, TermSize};
use hrec::format::asciicast::{Encoder, EncoderV1, Error, MAX_TIME, Reader, Version, utf8_hold};
use hrec::format::convert::{Converter, Format};
use hrec::format::detect::{MAX_LAYERS, open_stream};
use hrec::format::{Error as OpenError, cipher};

use super::Choices;

/// What a reader gives until its end; at most so many events, since a
/// container of a few bytes may hold gigabytes.
const EVENTS_MAX: usize = 20_000;

fn drain(reader: &mut Reader<impl BufRead>) -> Vec<Event> {
    let (mut events, mut last) = (Vec::new(), 0);
    while events.len() < EVENTS_MAX {
        match reader.next_event() {
            Ok(Some(event)) => {
                assert!(event.time >= last && event.time <= MAX_TIME, "time went back");
                last = event.time;
                events.push(event);
            }
            Ok(None) => break,
            Err(Error::Malformed { .. } | Error::Io(_)) => {}
            Err(Error::NotAsciicast(why)) => panic!("no asciicast any more: {why}"),
        }
    }
    events
}

fn written(mut encoder: Encoder, header: &Header, events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.header(header, &mut out);
    for event in events {
        encoder.event(event, &mut out);
    }
    out
}

fn read(text: &[u8], version: Version) -> (Header, Vec<Event>) {
    let mut reader = Reader::new(text).expect("what was written is refused");
    assert_eq!(reader.version(), version);
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().expect("an event that was written is refused") {
        events.push(event);
    }
    assert_eq!(reader.torn(), None);
    (reader.header().clone(), events)
}

/// Whatever could be read can be written and read again, in each version.
fn again(header: &Header, events: &[Event]) {
    for (encoder, version) in [(Encoder::new(), Version::V3), (Encoder::v2(), Version::V2)] {
        let (other_header, other) = read(&written(encoder, header, events), version);
        assert_eq!(other, events, "the events through {version}");
        assert_eq!(other_header.size, header.size);
        assert_eq!(other_header.command, header.command);
        assert_eq!(other_header.title, header.title);
        assert_eq!(other_header.env, header.env);
        assert_eq!(other_header.tags, header.tags);
        assert_eq!(other_header.hrec, header.hrec);
    }
    let mut v1 = Vec::new();
    let mut encoder = EncoderV1::new();
    encoder.header(header, &mut v1);
    for event in events {
        encoder.event(event, &mut v1);
    }
    encoder.finish(events.last().map_or(0, |event| event.time), &mut v1);
    let output = |events: &[Event]| {
        let mut bytes = Vec::new();
        for event in events {
            if let Data::Output(output) = &event.data {
                // v1 has no place for bytes that are no text.
                bytes.extend_from_slice(String::from_utf8_lossy(output).as_bytes());
            }
        }
        bytes
    };
    assert_eq!(output(&read(&v1, Version::V1).1), output(events));
    let mut json = Vec::new();
    let mut converter = Converter::new(Format::Json);
    converter.header(header, &mut json);
    for event in events {
        converter.event(event, &mut json);
    }
    converter.finish(&mut json);
    for line in json.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        serde_json::from_slice::<serde_json::Value>(line).expect("a line that is no JSON");
    }
}

pub fn asciicast(input: &[u8]) {
    let Ok(mut reader) = Reader::new(BufReader::with_capacity(7, input)) else { return };
    let events = drain(&mut reader);
    let header = reader.header().clone();
    // How the bytes arrive makes no difference.
    let mut whole = Reader::new(input).expect("refused when it comes in one piece");
    assert_eq!(drain(&mut whole), events);
    assert_eq!(whole.torn(), reader.torn());
    again(&header, &events);
}

/// Events made of the input, rather than read from it.
pub fn encode(input: &[u8]) {
    let mut choices = Choices(input);
    let size = TermSize::clamped(choices.byte().into(), choices.byte().into());
    let header = Header { size, ..Header::default() };
    let (mut events, mut time) = (Vec::new(), 0_u64);
    while !choices.0.is_empty() {
        let kind = choices.byte();
        time = (time + u64::from(choices.number() >> (kind >> 3))).min(MAX_TIME);
        let length = usize::from(choices.byte());
        let bytes = choices.bytes(length);
        let held = utf8_hold(bytes);
        assert!(held <= 3 && held <= bytes.len());
        let text = || String::from_utf8_lossy(bytes).into_owned();
        let data = match kind & 7 {
            0 | 1 => Data::Output(bytes.to_vec()),
            2 => Data::Input(bytes.to_vec()),
            3 => Data::Resize(TermSize::clamped(length as u64, u64::from(kind))),
            4 => Data::Marker(text()),
            5 => Data::Fact(Fact::new(&text()).with("text", text()).with("n", time)),
            6 => Data::Exit(text()),
            // One letter is one that is not taken.
            _ => Data::Other { code: format!("~{}", text()), data: text() },
        };
        events.push(Event { time, data });
    }
    again(&header, &events);
}

/// The containers, with a key at hand.
pub fn detect(input: &[u8]) {
    let identities = super::sealed::identities();
    let input: Box<dyn BufRead> = Box::new(std::io::Cursor::new(input.to_vec()));
    let opened = open_stream(input, |stream| {
        let payload = cipher::decrypt(stream, &identities)
            .map_err(|_| OpenError::Io(std::io::ErrorKind::PermissionDenied.into()))?;
        Ok::<Box<dyn Read>, OpenError>(Box::new(payload.take(1 << 22)))
    });
    let Ok(mut opened) = opened else { return };
    assert!(opened.layers.len() <= MAX_LAYERS);
    drain(&mut opened.reader);
}
