//! One recording as another kind of text, event by event.
//!
//! Refuses to know where it comes from and goes to; what a terminal would have
//! shown is `screen`'s. The invariant: nothing is kept between events but a
//! clock, so a recording of any length is converted in little memory.

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use super::asciicast::{Encoder, EncoderV1, header::push_value};
use crate::event::{Data, Event, Header, Micros};

/// What to convert to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// asciicast v3: everything.
    V3,
    /// asciicast v2: everything, with absolute times.
    V2,
    /// asciicast v1: output only.
    V1,
    /// The output's exact bytes.
    Raw,
    /// One JSON object for the header and one for each event, a line each.
    Json,
}

/// Converts one recording.
pub struct Converter {
    kind: Kind,
    last: Micros,
}

enum Kind {
    Lines(Encoder),
    Object(EncoderV1),
    Raw,
    Json,
}

impl Converter {
    /// A converter to this format.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let kind = match format {
            Format::V3 => Kind::Lines(Encoder::new()),
            Format::V2 => Kind::Lines(Encoder::v2()),
            Format::V1 => Kind::Object(EncoderV1::new()),
            Format::Raw => Kind::Raw,
            Format::Json => Kind::Json,
        };
        Self { kind, last: 0 }
    }

    /// Appends what comes before the first event.
    pub fn header(&mut self, header: &Header, out: &mut Vec<u8>) {
        match &mut self.kind {
            Kind::Lines(encoder) => encoder.header(header, out),
            Kind::Object(encoder) => encoder.header(header, out),
            Kind::Raw => {}
            Kind::Json => push_line(header_object(header), out),
        }
    }

    /// Appends one event.
    pub fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        self.last = event.time;
        match &mut self.kind {
            Kind::Lines(encoder) => encoder.event(event, out),
            Kind::Object(encoder) => encoder.event(event, out),
            Kind::Raw => {
                if let Data::Output(bytes) = &event.data {
                    out.extend_from_slice(bytes);
                }
            }
            Kind::Json => push_line(event_object(event), out),
        }
    }

    /// Appends what comes after the last event.
    pub fn finish(self, out: &mut Vec<u8>) {
        if let Kind::Object(encoder) = self.kind {
            encoder.finish(self.last, out);
        }
    }
}

fn push_line(object: Map<String, Value>, out: &mut Vec<u8>) {
    push_value(&Value::Object(object), out);
    out.push(b'\n');
}

fn header_object(header: &Header) -> Map<String, Value> {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            object.insert(name.to_owned(), value);
        }
    };
    put("event", "header".into());
    put("cols", header.size.cols().into());
    put("rows", header.size.rows().into());
    put("term", header.term_type.clone().into());
    put("term_version", header.term_version.clone().into());
    put("theme", header.theme.clone().unwrap_or_default());
    put("timestamp", header.timestamp.into());
    put("command", header.command.clone().into());
    put("title", header.title.clone().into());
    if !header.env.is_empty() {
        let env = header.env.iter().map(|(k, v)| (k.clone(), Value::from(v.clone())));
        put("env", Value::Object(env.collect()));
    }
    put("idle_time_limit", header.idle_time_limit.into());
    if !header.tags.is_empty() {
        put("tags", header.tags.clone().into());
    }
    put("hrec", header.hrec.clone().map(Value::Object).unwrap_or_default());
    object
}

/// `time_us` is in microseconds since the start: an integer, since a float of
/// seconds is not the same in every language that reads it.
fn event_object(event: &Event) -> Map<String, Value> {
    let fields = match &event.data {
        Data::Output(bytes) => with_bytes("output", bytes),
        Data::Input(bytes) => with_bytes("input", bytes),
        Data::Resize(size) => json!({"event": "resize", "cols": size.cols(), "rows": size.rows()}),
        Data::Marker(label) => json!({"event": "marker", "label": label}),
        Data::Exit(status) => json!({"event": "exit", "status": status}),
        Data::Fact(fact) => json!({"event": "fact", "kind": fact.kind, "fields": fact.fields}),
        Data::Other { code, data } => json!({"event": "other", "code": code, "data": data}),
    };
    let mut object = Map::new();
    object.insert("time_us".to_owned(), event.time.into());
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    object
}

/// `text`, and `base64` beside it when the text is not exact.
fn with_bytes(event: &str, bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({"event": event, "text": text}),
        Err(_) => json!({
            "event": event,
            "text": String::from_utf8_lossy(bytes),
            "base64": BASE64.encode(bytes),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Fact, TermSize};

    fn convert(format: Format) -> String {
        let header = Header { title: Some("t".into()), ..Header::default() };
        let size = TermSize::clamped(100, 30);
        let datas = [
            Data::Output(b"a\x1b[0m".to_vec()),
            Data::Input(b"\xff".to_vec()),
            Data::Resize(size),
            Data::Marker("here".into()),
            Data::Fact(Fact::new("clock").with("wall", 5)),
            Data::Other { code: "rlib".into(), data: "x".into() },
            Data::Output(b"\xe2\x82".to_vec()),
            Data::Exit("0".into()),
        ];
        let (mut out, mut converter) = (Vec::new(), Converter::new(format));
        converter.header(&header, &mut out);
        for (n, data) in datas.into_iter().enumerate() {
            converter.event(&Event { time: n as u64 * 500_000, data }, &mut out);
        }
        converter.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn json_lines() {
        assert_eq!(
            convert(Format::Json),
            concat!(
                r#"{"event":"header","cols":80,"rows":24,"title":"t"}"#,
                "\n",
                r#"{"time_us":0,"event":"output","text":"a\u001b[0m"}"#,
                "\n",
                "{\"time_us\":500000,\"event\":\"input\",\"text\":\"\u{fffd}\",\"base64\":\"/w==\"}\n",
                r#"{"time_us":1000000,"event":"resize","cols":100,"rows":30}"#,
                "\n",
                r#"{"time_us":1500000,"event":"marker","label":"here"}"#,
                "\n",
                r#"{"time_us":2000000,"event":"fact","kind":"clock","fields":{"wall":5}}"#,
                "\n",
                r#"{"time_us":2500000,"event":"other","code":"rlib","data":"x"}"#,
                "\n",
                "{\"time_us\":3000000,\"event\":\"output\",\"text\":\"\u{fffd}\",\"base64\":\"4oI=\"}\n",
                r#"{"time_us":3500000,"event":"exit","status":"0"}"#,
                "\n",
            )
        );
    }

    #[test]
    fn asciicasts() {
        assert_eq!(
            convert(Format::V3),
            concat!(
                r#"{"version":3,"term":{"cols":80,"rows":24},"title":"t"}"#,
                "\n",
                r#"[0.000000,"o","a\u001b[0m"]"#,
                "\n[0.500000,\"i\",\"\u{fffd}\"]\n",
                r#"[0.000000,"b","/w=="]"#,
                "\n[0.500000,\"r\",\"100x30\"]\n[0.500000,\"m\",\"here\"]\n",
                r#"[0.500000,"h","{\"k\":\"clock\",\"wall\":5}"]"#,
                "\n[0.500000,\"rlib\",\"x\"]\n[0.500000,\"o\",\"\u{fffd}\"]\n",
                "[0.000000,\"b\",\"4oI=\"]\n[0.500000,\"x\",\"0\"]\n",
            )
        );
        assert!(convert(Format::V2).ends_with("[3.500000,\"x\",\"0\"]\n"));
        assert_eq!(
            convert(Format::V1),
            concat!(
                r#"{"version":1,"width":80,"height":24,"title":"t","stdout":["#,
                "\n",
                r#"[0.000000,"a\u001b[0m"],"#,
                "\n[3.000000,\"\u{fffd}\"]\n],\"duration\":3.500000}\n",
            )
        );
        assert_eq!(convert(Format::Raw), "a\u{1b}[0m\u{fffd}");
    }
}
