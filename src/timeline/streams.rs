//! Sessions without a PTY: what passed on descriptors 1 and 2, as output.

use data_encoding::BASE64;

use crate::event::{Data, Event, Fact};

/// How lines end in what comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnds {
    /// As they were.
    AsTheyWere,
    /// LF as CR LF: a terminal does that to a program's output, and a pipe
    /// does not.
    Terminal,
}

/// Passes events on, with each `stream` fact of descriptor 1 or 2 made output
/// of the same time. A fact that names its bytes by number and digest only
/// stays a fact; [`Streams::left_out`] counts those bytes.
pub fn with_streams<I>(events: I, line_ends: LineEnds) -> Streams<I> {
    Streams { events, converter: Converter::new(line_ends) }
}

/// See [`with_streams`].
#[derive(Debug)]
pub struct Streams<I> {
    events: I,
    converter: Converter,
}

impl<I> Streams<I> {
    /// How many bytes of output so far are in the recording by number and
    /// digest only.
    pub fn left_out(&self) -> u64 {
        self.converter.left_out
    }
}

/// What becomes of one event after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Converter {
    line_ends: LineEnds,
    /// Whether that descriptor's last byte was a CR.
    after_cr: [bool; 2],
    left_out: u64,
}

impl Converter {
    pub(super) fn new(line_ends: LineEnds) -> Self {
        Self { line_ends, after_cr: [false; 2], left_out: 0 }
    }

    pub(super) fn convert(&mut self, mut event: Event) -> Event {
        if let Data::Fact(fact) = &event.data
            && let Some(bytes) = self.output(fact)
        {
            event.data = Data::Output(bytes);
        }
        event
    }

    fn output(&mut self, fact: &Fact) -> Option<Vec<u8>> {
        if fact.kind != "stream" {
            return None;
        }
        let after_cr = match fact.fields.get("fd")?.as_u64()? {
            1 => self.after_cr.first_mut()?,
            2 => self.after_cr.last_mut()?,
            _ => return None,
        };
        let Some(text) = fact.fields.get("b64") else {
            let bytes = fact.fields.get("bytes")?.as_u64()?;
            self.left_out = self.left_out.saturating_add(bytes);
            return None;
        };
        let bytes = BASE64.decode(text.as_str()?.as_bytes()).ok()?;
        if self.line_ends == LineEnds::AsTheyWere {
            return Some(bytes);
        }
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 16);
        for byte in bytes {
            if byte == b'\n' && !*after_cr {
                out.push(b'\r');
            }
            *after_cr = byte == b'\r';
            out.push(byte);
        }
        Some(out)
    }
}

impl<I: Iterator<Item = Result<Event, E>>, E> Iterator for Streams<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let event = self.events.next()?;
        Some(event.map(|event| self.converter.convert(event)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(fd: u64, b64: &str) -> Data {
        Data::Fact(Fact::new("stream").with("fd", fd).with("b64", b64))
    }

    fn run(datas: &[Data], line_ends: LineEnds) -> (Vec<Data>, u64) {
        let events = datas.iter().map(|data| Ok::<_, ()>(Event { time: 3, data: data.clone() }));
        let mut streams = with_streams(events, line_ends);
        let datas = streams.by_ref().map(|e| e.unwrap().data).collect();
        (datas, streams.left_out())
    }

    #[test]
    fn one_and_two_are_output() {
        // "a\n", "b\r", "\n", and what was typed.
        let datas = [stream(1, "YQo="), stream(2, "Yg0="), stream(2, "Cg=="), stream(0, "YQo=")];
        let output = |text: &str| Data::Output(text.into());
        let (as_they_were, _) = run(&datas, LineEnds::AsTheyWere);
        assert_eq!(as_they_were, [output("a\n"), output("b\r"), output("\n"), datas[3].clone()]);
        let (terminal, _) = run(&datas, LineEnds::Terminal);
        assert_eq!(terminal, [output("a\r\n"), output("b\r"), output("\n"), datas[3].clone()]);
    }

    #[test]
    fn what_is_no_text_stays_what_it_is() {
        let datas = [
            Data::Fact(Fact::new("stream").with("fd", 1).with("bytes", 70).with("sha256", "x")),
            Data::Fact(Fact::new("stream").with("fd", 2).with("bytes", u64::MAX)),
            stream(1, "not base64"),
            Data::Fact(Fact::new("stream")),
            Data::Fact(Fact::new("clock").with("fd", 1).with("b64", "YQo=")),
            Data::Output(b"\n".to_vec()),
        ];
        let (passed, left_out) = run(&datas, LineEnds::Terminal);
        assert_eq!(passed, datas);
        assert_eq!(left_out, u64::MAX);
    }
}
