//! An asciicast v1: one JSON object, with the events in it.
//!
//! Refuses to know what an event's data means. The invariant: an event that is
//! given was whole in the text.

use super::header::{self, Refusal};
use super::json::Cursor;
use super::read::Raw;
use super::time::{self, MAX_TIME, PICOS, Picos};
use super::{Error, Version};
use crate::event::Header;

/// An asciicast v1: its text, and where in it the next event is.
pub(super) struct ObjectV1 {
    text: Vec<u8>,
    pub(super) at: usize,
    /// The object does not end.
    pub(super) cut: bool,
}

impl ObjectV1 {
    /// Finds the events. `Err(None)` when the object is no asciicast v1 at all.
    pub(super) fn parse(text: Vec<u8>) -> Result<(Header, Self), Option<String>> {
        let mut cursor = Cursor::new(&text);
        cursor.take(b'{');
        let offset = |cursor: &Cursor<'_>| text.len() - cursor.rest().len();
        let mut rest_of_header = Vec::new();
        let mut at = text.len();
        let cut = loop {
            let start = offset(&cursor);
            let Some(name) = cursor.string() else {
                break !cursor.take(b'}');
            };
            if !cursor.take(b':') {
                return Err(None);
            }
            let is_events = name == b"stdout" && cursor.peek() == Some(b'[');
            if is_events {
                at = offset(&cursor) + 1;
            }
            let value = cursor.skip_value();
            if !is_events && value.is_some() {
                if !rest_of_header.is_empty() {
                    rest_of_header.push(b',');
                }
                rest_of_header.extend(text.get(start..offset(&cursor)).unwrap_or_default());
            }
            if value.is_none() {
                break true;
            }
            cursor.take(b',');
        };
        rest_of_header.insert(0, b'{');
        rest_of_header.push(b'}');
        match header::parse(&rest_of_header) {
            Ok((Version::V1, header)) => Ok((header, Self { text, at, cut })),
            Ok((version, _)) => Err(Some(format!("the header of {version} must be one line"))),
            Err(Refusal::Other(why)) if !cut => Err(Some(why)),
            Err(_) => Err(None),
        }
    }

    pub(super) fn next(&mut self, clock: &mut Picos) -> Result<Option<Raw>, Error> {
        let text = self.text.get(self.at..).unwrap_or_default();
        let mut cursor = Cursor::new(text);
        cursor.take(b',');
        if matches!(cursor.peek(), None | Some(b']')) && !(self.cut && cursor.peek().is_none()) {
            return Ok(None);
        }
        let event = (|| {
            if !cursor.take(b'[') {
                return Err("not a JSON array");
            }
            let number = cursor.number().ok_or("its delay is no number")?;
            let delay = time::parse_seconds(number).ok_or("its delay is no number")?;
            if !cursor.take(b',') {
                return Err("it has no text");
            }
            let data = cursor.string().ok_or("its text is no string")?;
            if !cursor.take(b']') {
                return Err("it does not end after its text");
            }
            Ok((delay, data))
        })();
        let line = || {
            let before = self.text.get(..self.at).unwrap_or_default();
            1 + memchr::memchr_iter(b'\n', before).count() as u64
        };
        let (delay, data) = event.map_err(|why| Error::Malformed { line: line(), why })?;
        self.at += text.len() - cursor.rest().len();
        *clock = (*clock + delay).min(Picos::from(MAX_TIME) * PICOS);
        let time = time::to_micros(*clock);
        Ok(Some(Raw { time, code: b"o".to_vec(), data, is_string: true, line: 0 }))
    }
}
