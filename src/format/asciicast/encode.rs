//! Writing asciicast, line by line.
//!
//! Refuses to know where the lines go. The invariant: what is appended is
//! always whole lines, and the intervals written sum to the exact time of
//! each event.

use data_encoding::BASE64;

use super::header::{self, push_fact};
use super::time::{MAX_TIME, push_seconds};
use super::{Version, json};
use crate::event::{Data, Event, Fact, Header, Micros, TermSize};

/// Longer output is written as several events of the same time, so that a line
/// (six times this, when all of it needs `\u`) stays well below what readers
/// accept.
const MAX_EVENT: usize = 4 << 20;

/// How many bytes at the end of `bytes` are the beginning of a UTF-8 character
/// that is not all there yet: 0 to 3.
///
/// A writer holds these back until the next read; written at once they would
/// be no UTF-8 and cost a `b` event.
#[must_use]
pub fn utf8_hold(bytes: &[u8]) -> usize {
    // A broken sequence at the very end has no "how long": it may go on.
    let tail = bytes.get(bytes.len().saturating_sub(3)..).unwrap_or_default();
    for start in 0..tail.len() {
        let candidate = tail.get(start..).unwrap_or_default();
        if candidate.first().is_some_and(|b| *b >= 0xc2)
            && std::str::from_utf8(candidate)
                .is_err_and(|e| e.error_len().is_none() && e.valid_up_to() == 0)
        {
            return candidate.len();
        }
    }
    0
}

/// Writes asciicast v3 or v2 events as lines.
///
/// Each function appends whole lines to `out`. An event's time may not lie
/// before the last one's; if it does, it is taken to be the same. Bytes that
/// are no UTF-8 are U+FFFD in the event's text, and a `b` event with the exact
/// bytes in base64 follows at once.
#[derive(Debug)]
pub struct Encoder {
    version: Version,
    last: Micros,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An asciicast v3 encoder, at time 0.
    #[must_use]
    pub fn new() -> Self {
        Self { version: Version::V3, last: 0 }
    }

    /// The same for asciicast v2, whose times are absolute.
    #[must_use]
    pub fn v2() -> Self {
        Self { version: Version::V2, last: 0 }
    }

    /// A v3 encoder that goes on after an event at `last`.
    #[must_use]
    pub fn resume(last: Micros) -> Self {
        Self { version: Version::V3, last: last.min(MAX_TIME) }
    }

    /// The time of the last event written, in µs.
    #[must_use]
    pub fn last_time(&self) -> Micros {
        self.last
    }

    /// Appends the header line.
    pub fn header(&mut self, header: &Header, out: &mut Vec<u8>) {
        header::push(self.version, header, out);
        out.push(b'\n');
    }

    /// `[TIME, "CODE", ` — and the clock goes on.
    fn open(&mut self, time: Micros, code: &str, out: &mut Vec<u8>) {
        let time = time.clamp(self.last, MAX_TIME.max(self.last));
        out.push(b'[');
        let shown = if self.version == Version::V3 { time - self.last } else { time };
        push_seconds(shown, out);
        self.last = time;
        out.push(b',');
        json::push_string(code, out);
        out.push(b',');
    }

    fn text(&mut self, time: Micros, code: &str, text: &str, out: &mut Vec<u8>) {
        self.open(time, code, out);
        json::push_string(text, out);
        out.extend_from_slice(b"]\n");
    }

    fn bytes(&mut self, time: Micros, code: &str, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        loop {
            let mut len = rest.len().min(MAX_EVENT);
            if len < rest.len() {
                len -= utf8_hold(rest.get(..len).unwrap_or_default());
            }
            let (now, later) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            self.one(time, code, now, out);
            rest = later;
            if rest.is_empty() {
                return;
            }
        }
    }

    fn one(&mut self, time: Micros, code: &str, bytes: &[u8], out: &mut Vec<u8>) {
        self.open(time, code, out);
        let exact = json::push_lossy(bytes, out);
        out.extend_from_slice(b"]\n");
        if !exact {
            self.open(time, "b", out);
            out.push(b'"');
            let start = out.len();
            out.resize(start + BASE64.encode_len(bytes.len()), 0);
            if let Some(space) = out.get_mut(start..) {
                BASE64.encode_mut(bytes, space);
            }
            out.extend_from_slice(b"\"]\n");
        }
    }

    /// Bytes the program wrote.
    pub fn output(&mut self, time: Micros, bytes: &[u8], out: &mut Vec<u8>) {
        self.bytes(time, "o", bytes, out);
    }

    /// Bytes the person typed.
    pub fn input(&mut self, time: Micros, bytes: &[u8], out: &mut Vec<u8>) {
        self.bytes(time, "i", bytes, out);
    }

    /// The terminal's new size.
    pub fn resize(&mut self, time: Micros, size: TermSize, out: &mut Vec<u8>) {
        self.text(time, "r", &size.to_string(), out);
    }

    /// A named point in time.
    pub fn marker(&mut self, time: Micros, label: &str, out: &mut Vec<u8>) {
        self.text(time, "m", label, out);
    }

    /// The program's end; `status` is its exit status in decimal.
    pub fn exit(&mut self, time: Micros, status: &str, out: &mut Vec<u8>) {
        self.text(time, "x", status, out);
    }

    /// Something known about the session: an `h` event.
    pub fn fact(&mut self, time: Micros, fact: &Fact, out: &mut Vec<u8>) {
        let mut object = Vec::new();
        push_fact(fact, &mut object);
        self.text(time, "h", &String::from_utf8_lossy(&object), out);
    }

    /// An event of a kind hrec does not know.
    pub fn other(&mut self, time: Micros, code: &str, data: &str, out: &mut Vec<u8>) {
        self.text(time, code, data, out);
    }

    /// Any event.
    pub fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        let time = event.time;
        match &event.data {
            Data::Output(bytes) => self.output(time, bytes, out),
            Data::Input(bytes) => self.input(time, bytes, out),
            Data::Resize(size) => self.resize(time, *size, out),
            Data::Marker(label) => self.marker(time, label, out),
            Data::Exit(status) => self.exit(time, status, out),
            Data::Fact(fact) => self.fact(time, fact, out),
            Data::Other { code, data } => self.other(time, code, data, out),
        }
    }
}

/// Writes asciicast v1: output only, one JSON object.
///
/// v1 has no place for anything else: input, sizes, markers and the exit status
/// are not in it, and bytes that are no UTF-8 are U+FFFD.
#[derive(Debug, Default)]
pub struct EncoderV1 {
    last: Micros,
    any: bool,
}

impl EncoderV1 {
    /// An encoder at time 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the header's members.
    pub fn header(&mut self, header: &Header, out: &mut Vec<u8>) {
        header::push(Version::V1, header, out);
        out.extend_from_slice(b",\"stdout\":[");
    }

    /// Appends one event, if it is output.
    pub fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        let Data::Output(bytes) = &event.data else { return };
        let time = event.time.clamp(self.last, MAX_TIME.max(self.last));
        out.extend_from_slice(if std::mem::replace(&mut self.any, true) {
            b",\n["
        } else {
            b"\n["
        });
        push_seconds(time - self.last, out);
        out.push(b',');
        json::push_lossy(bytes, out);
        out.push(b']');
        self.last = time;
    }

    /// Appends the end, with the duration (µs): the last event's time, of
    /// whatever kind.
    pub fn finish(self, duration: Micros, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\n],\"duration\":");
        push_seconds(duration.max(self.last), out);
        out.extend_from_slice(b"}\n");
    }
}
