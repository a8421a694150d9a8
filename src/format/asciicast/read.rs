//! Reading asciicast of any version as it comes.
//!
//! Refuses to know containers. The invariant: times never decrease, and an
//! event that is returned was whole in the file.

use std::io::BufRead;

use data_encoding::BASE64;
use serde_json::{Map, Value};

use super::header::{self, Refusal};
use super::json::Cursor;
use super::lines::{End, Lines, MAX_LINE};
use super::object::ObjectV1;
use super::time::{self, MAX_TIME, PICOS, Picos};
use super::{Error, Version};
use crate::event::{Data, Event, Fact, Header, Micros, TermSize};

/// Facts longer than this are kept as text: JSON values take some thirty times
/// their text in memory, and no fact of hrec's is as long.
const MAX_FACT: usize = 4 << 20;

/// Reads one recording, event by event.
pub struct Reader<R> {
    version: Version,
    header: Header,
    source: Source<R>,
    /// The last event's time, unrounded.
    clock: Picos,
    /// A line that was looked at to see whether it is the `b` of the one
    /// before.
    pending: Option<Result<Option<Raw>, Error>>,
    /// After the last event given, which may be before lines looked at.
    place: Place,
    torn: Option<String>,
    done: bool,
}

/// A place between two events of a v2 or v3 text, from which reading can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Bytes before it.
    text: u64,
    /// Lines before it.
    line: u64,
    clock: Picos,
}

impl Place {
    /// After an event at `time` of a recording of hrec's, with `text` bytes
    /// and some `line` lines before it.
    #[must_use]
    pub fn new(text: u64, line: u64, time: Micros) -> Self {
        Self { text, line, clock: Picos::from(time) * PICOS }
    }

    /// How many bytes of text are before it.
    #[must_use]
    pub fn text(self) -> u64 {
        self.text
    }
}

enum Source<R> {
    Lines(Lines<R>),
    Object(ObjectV1),
}

/// What [`Reader::next_unless`] comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Output at this time, which was taken as it is written.
    Passed(Micros),
    /// An event.
    Event(Event),
}

/// An event as its line has it.
pub(super) struct Raw {
    pub(super) time: Micros,
    pub(super) code: Vec<u8>,
    pub(super) data: Vec<u8>,
    pub(super) is_string: bool,
    pub(super) line: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When this is no asciicast v1, v2 or v3, or cannot be read.
    pub fn new(inner: R) -> Result<Self, Error> {
        let mut lines = Lines::new(inner);
        let mut document = Vec::new();
        let refusal = loop {
            let Some(line) = lines.start()? else {
                let why = lines.cut().unwrap_or("it is empty").to_owned();
                return Err(Error::NotAsciicast(why));
            };
            let text = line.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line.text).trim_ascii();
            if text.is_empty() {
                continue;
            }
            if text.first() != Some(&b'{') {
                return Err(Error::NotAsciicast("it does not begin with a JSON object".to_owned()));
            }
            if line.end == End::TooLong {
                return Err(too_long());
            }
            match header::parse(text) {
                Ok((version @ (Version::V2 | Version::V3), header)) => {
                    return Ok(Self::from_parts(version, header, Source::Lines(lines)));
                }
                Ok((Version::V1, _)) => {
                    document.extend_from_slice(text);
                    break String::new();
                }
                Err(Refusal::Incomplete(why)) => {
                    document.extend_from_slice(text);
                    break why;
                }
                Err(Refusal::Other(why)) => return Err(Error::NotAsciicast(why)),
            }
        };
        while let Some(line) = lines.start()? {
            if document.len() + line.text.len() >= MAX_LINE {
                return Err(too_long());
            }
            document.push(b'\n');
            document.extend_from_slice(line.text);
        }
        let (header, object) =
            ObjectV1::parse(document).map_err(|why| Error::NotAsciicast(why.unwrap_or(refusal)))?;
        Ok(Self::from_parts(Version::V1, header, Source::Object(object)))
    }

    fn from_parts(version: Version, header: Header, source: Source<R>) -> Self {
        let mut reader = Self {
            version,
            header,
            source,
            clock: 0,
            pending: None,
            place: Place::default(),
            torn: None,
            done: false,
        };
        reader.place = reader.reached();
        reader
    }

    /// Goes on in the middle of the text of `version` that has this header:
    /// `inner` stands at `place`. Only lines can be gone on in; an asciicast v1
    /// has none.
    pub fn resume(inner: R, version: Version, header: Header, place: Place) -> Self {
        let lines = Lines::resume(inner, place.text, place.line);
        let mut reader = Self::from_parts(version, header, Source::Lines(lines));
        reader.clock = place.clock;
        reader.place = place;
        reader
    }

    /// After the last event that was given, or the header. At the end of what
    /// there is of a growing recording, this is where to go on.
    pub fn place(&self) -> Place {
        self.place
    }

    fn reached(&self) -> Place {
        match &self.source {
            Source::Lines(lines) => {
                let (text, line) = lines.place();
                Place { text, line, clock: self.clock }
            }
            Source::Object(object) => Place { text: object.at as u64, line: 0, clock: self.clock },
        }
    }

    /// What the recording says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The version of asciicast it is written in.
    pub fn version(&self) -> Version {
        self.version
    }

    /// After the end: what is missing there, when the recording was cut short.
    /// `None` when it is whole as far as one can see.
    pub fn torn(&self) -> Option<&str> {
        self.torn.as_deref()
    }

    /// The next event, or `None` at the end.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a line in the middle that is no event: asked
    /// again, the reader goes on after it. [`Error::Io`] when reading fails.
    pub fn next_event(&mut self) -> Result<Option<Event>, Error> {
        let raw = self.pending.take().unwrap_or_else(|| self.next_raw());
        let mut reached = self.reached();
        if matches!(raw, Ok(Some(_)) | Err(Error::Malformed { .. })) {
            self.place = reached;
        }
        let Some(mut raw) = raw? else { return Ok(None) };
        let lossy = raw.is_string
            && matches!(raw.code.as_slice(), b"o" | b"i")
            && has_replacement(&raw.data);
        if lossy {
            let next = self.next_raw();
            match next.as_ref().ok().and_then(Option::as_ref).and_then(|b| exact_bytes(b, &raw)) {
                Some(exact) => {
                    raw.data = exact;
                    reached = self.reached();
                }
                None => self.pending = Some(next),
            }
            self.place = reached;
        }
        event(raw).map(Some)
    }

    /// Takes all that was read so far out of what is read from, for whoever
    /// counts there: the last line may only have been looked at.
    ///
    /// # Errors
    /// When reading fails.
    pub fn settle(&mut self) -> std::io::Result<()> {
        match &mut self.source {
            Source::Lines(lines) => lines.settle(),
            Source::Object(_) => Ok(()),
        }
    }

    /// As [`Reader::next_event`], but `pass` is offered output first: its time,
    /// and what is between the quotes of its JSON string, as it is written. Where
    /// it says `true`, that is all that is read of the event. It may only where it
    /// has understood the text: no quote, no escape that JSON has not, nothing
    /// beyond ASCII that is no UTF-8, and no U+FFFD, for which more may follow.
    ///
    /// # Errors
    /// As [`Reader::next_event`].
    pub fn next_unless(
        &mut self,
        mut pass: impl FnMut(Micros, &[u8]) -> bool,
    ) -> Result<Option<Next>, Error> {
        if self.pending.is_none()
            && !self.done
            && let Source::Lines(lines) = &mut self.source
        {
            let offered = match lines.next().inspect_err(|_| self.done = true)? {
                Some(line) if line.end == End::Whole => output(line.text, self.version, self.clock)
                    .filter(|(clock, text)| pass(time::to_micros(*clock), text))
                    .map(|(clock, _)| clock),
                Some(_) => None,
                None => return self.next_event().map(|event| event.map(Next::Event)),
            };
            if let Some(clock) = offered {
                self.clock = clock;
                self.place = self.reached();
                return Ok(Some(Next::Passed(time::to_micros(clock))));
            }
            lines.again();
        }
        self.next_event().map(|event| event.map(Next::Event))
    }

    fn next_raw(&mut self) -> Result<Option<Raw>, Error> {
        if self.done {
            return Ok(None);
        }
        match &mut self.source {
            Source::Object(object) => match object.next(&mut self.clock) {
                Ok(Some(raw)) => Ok(Some(raw)),
                Ok(None) => {
                    self.done = true;
                    Ok(None)
                }
                Err(_) if object.cut => {
                    self.done = true;
                    self.torn =
                        Some("the JSON object is cut short; what is whole was read".to_owned());
                    Ok(None)
                }
                Err(e) => {
                    self.done = true;
                    Err(e)
                }
            },
            Source::Lines(lines) => loop {
                // What failed once fails again: whoever asks until the end gets
                // there.
                let Some(line) = lines.next().inspect_err(|_| self.done = true)? else {
                    self.done = true;
                    self.torn = self.torn.take().or_else(|| {
                        lines.cut().map(|why| format!("the recording ends early: {why}"))
                    });
                    return Ok(None);
                };
                let text = line.text.trim_ascii();
                if line.end == End::TooLong {
                    return Err(Error::Malformed { line: line.number, why: "longer than 64 MiB" });
                }
                if text.is_empty() || text.first() == Some(&b'#') {
                    continue;
                }
                match raw_event(text, self.version, self.clock) {
                    Ok((clock, raw)) => {
                        self.clock = clock;
                        return Ok(Some(Raw { line: line.number, ..raw }));
                    }
                    Err(_) if line.end == End::Open => {
                        self.torn = Some(format!(
                            "the last line ({}) is cut short after {} bytes",
                            line.number,
                            line.text.len()
                        ));
                    }
                    Err(why) => return Err(Error::Malformed { line: line.number, why }),
                }
            },
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_event().transpose()
    }
}

/// Whether U+FFFD is in it. Its first byte is rare, and quicker to look for.
fn has_replacement(data: &[u8]) -> bool {
    let mut places = memchr::memchr_iter(0xef, data);
    places.any(|at| data.get(at..).is_some_and(|rest| rest.starts_with("\u{fffd}".as_bytes())))
}

fn too_long() -> Error {
    Error::NotAsciicast(format!("its first object is longer than {} MiB", MAX_LINE >> 20))
}

/// The bytes a `b` event holds, if it is the one that belongs to `of`. One
/// that says something else than the text it follows would make hrec show what
/// other players do not.
fn exact_bytes(b: &Raw, of: &Raw) -> Option<Vec<u8>> {
    if b.code != b"b" || !b.is_string || b.time != of.time {
        return None;
    }
    let exact = BASE64.decode(&b.data).ok()?;
    (String::from_utf8_lossy(&exact).as_bytes() == of.data).then_some(exact)
}

/// Reads `[TIME, "o", "…"]`, with the clock after it and what is between the
/// quotes, of which only that it is between them is certain.
fn output(text: &[u8], version: Version, clock: Picos) -> Option<(Picos, &[u8])> {
    let mut cursor = Cursor::new(text.strip_suffix(b"\"]")?);
    if !cursor.take(b'[') {
        return None;
    }
    let seconds = time::parse_seconds(cursor.number()?)?;
    let code = cursor.take(b',') && cursor.take(b'"') && cursor.rest().starts_with(b"o\"");
    let mut cursor = Cursor::new(cursor.rest().get(2..)?);
    (code && cursor.take(b',') && cursor.take(b'"'))
        .then(|| (after(version, clock, seconds), cursor.rest()))
}

fn after(version: Version, clock: Picos, seconds: Picos) -> Picos {
    match version {
        Version::V2 => clock.max(seconds),
        Version::V1 | Version::V3 => (clock + seconds).min(Picos::from(MAX_TIME) * PICOS),
    }
}

/// Reads `[TIME, "CODE", DATA]`, with the clock after it.
fn raw_event(text: &[u8], version: Version, clock: Picos) -> Result<(Picos, Raw), &'static str> {
    let mut cursor = Cursor::new(text);
    if !cursor.take(b'[') {
        return Err("not a JSON array");
    }
    let number = cursor.number().ok_or("its time is no number")?;
    let seconds = time::parse_seconds(number).ok_or("its time is no number")?;
    if !cursor.take(b',') {
        return Err("it has no code");
    }
    let code = cursor.string().ok_or("its code is no string")?;
    if !cursor.take(b',') {
        return Err("it has no data");
    }
    let is_string = cursor.peek() == Some(b'"');
    let data = if is_string {
        cursor.string().ok_or("its data is no whole string")?
    } else {
        cursor.skip_value().ok_or("its data is no JSON")?.to_vec()
    };
    if !cursor.take(b']') || cursor.peek().is_some() {
        return Err("it does not end after its data");
    }
    let clock = after(version, clock, seconds);
    Ok((clock, Raw { time: time::to_micros(clock), code, data, is_string, line: 0 }))
}

fn event(raw: Raw) -> Result<Event, Error> {
    let Raw { time, code, data, is_string, line } = raw;
    let malformed = |why| Err(Error::Malformed { line, why });
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes)
            .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
    };
    let data = match code.as_slice() {
        b"o" | b"i" | b"r" if !is_string => return malformed("its data is no string"),
        b"o" => Data::Output(data),
        b"i" => Data::Input(data),
        b"r" => match size(&data) {
            Some(size) => Data::Resize(size),
            None => return malformed("its size is not COLSxROWS"),
        },
        b"m" => Data::Marker(text(data)),
        b"x" => Data::Exit(text(data)),
        _ => {
            // As text first: bytes that are none become U+FFFD in either kind,
            // and what is written of it is read as the same kind.
            let data = text(data);
            match fact(&code, &data) {
                Some(fact) => Data::Fact(fact),
                None => Data::Other { code: text(code), data },
            }
        }
    };
    Ok(Event { time, data })
}

/// `80x24`. Numbers that are too large clamp; a sign is no digit.
fn size(data: &[u8]) -> Option<TermSize> {
    let at = memchr::memchr(b'x', data)?;
    let (cols, rows) = data.split_at_checked(at)?;
    let number = |digits: &[u8]| {
        (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then(|| {
            digits
                .iter()
                .fold(0u64, |n, d| n.saturating_mul(10).saturating_add(u64::from(d - b'0')))
        })
    };
    Some(TermSize::clamped(number(cols)?, number(rows.strip_prefix(b"x")?)?))
}

fn fact(code: &[u8], data: &str) -> Option<Fact> {
    if code != b"h" || data.len() > MAX_FACT {
        return None;
    }
    let mut fields: Map<String, Value> = serde_json::from_str(data).ok()?;
    match fields.shift_remove("k")? {
        Value::String(kind) => Some(Fact { kind, fields }),
        _ => None,
    }
}
