//! The headers of asciicast v1, v2 and v3, to and from [`Header`].
//!
//! Refuses to know events. The invariant: a header that is read has a usable
//! size, and a header that is written is one every reader of that version
//! takes (so a theme without colours, which some recorders write, is left
//! out).

use serde_json::{Map, Value};

use super::Version;
use super::json;
use crate::event::{Header, TermSize};

/// The longest header that is looked at. A command line may be 2 MiB
/// (`ARG_MAX`); JSON values take some thirty times their text in memory.
pub(crate) const MAX_HEADER: usize = 4 << 20;

/// Why text is no header.
pub(crate) enum Refusal {
    /// The object may go on: it is longer than a line, or than [`MAX_HEADER`].
    Incomplete(String),
    /// What is wrong, in a few words.
    Other(String),
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}

/// Reads a header from its JSON object.
pub(crate) fn parse(text: &[u8]) -> Result<(Version, Header), Refusal> {
    if text.len() > MAX_HEADER {
        let why = format!("the header is longer than {} MiB", MAX_HEADER >> 20);
        return Err(Refusal::Incomplete(why));
    }
    let value = serde_json::from_str(&json::mended(text)).map_err(|e| match e.is_eof() {
        true => Refusal::Incomplete(format!("its header is cut short ({e})")),
        false => Refusal::Other(format!("its header is no JSON ({e})")),
    })?;
    let Value::Object(mut object) = value else {
        return Err("it does not begin with a JSON object".to_owned().into());
    };
    let version = match number(object.get("version")) {
        Some(1) => Version::V1,
        Some(2) => Version::V2,
        Some(3) => Version::V3,
        Some(n) => return Err(format!("it is asciicast version {n}; 1, 2 and 3 are known").into()),
        None => return Err("its first object has no version".to_owned().into()),
    };
    let mut term = match object.remove("term") {
        Some(Value::Object(term)) if version == Version::V3 => term,
        _ => Map::new(),
    };
    let (size, theme) = match version {
        Version::V3 => (size(&term, "cols", "rows"), term.remove("theme")),
        _ => (size(&object, "width", "height"), object.remove("theme")),
    };
    let mut take = |name: &str| text_of(object.remove(name));
    let header = Header {
        size,
        command: take("command"),
        title: take("title"),
        term_type: text_of(term.remove("type")),
        term_version: text_of(term.remove("version")),
        theme: theme.filter(has_colours),
        timestamp: object.get("timestamp").and_then(timestamp),
        env: environment(object.remove("env")),
        idle_time_limit: object.get("idle_time_limit").and_then(float).filter(|s| *s >= 0.0),
        tags: match object.remove("tags") {
            Some(Value::Array(tags)) => tags.into_iter().filter_map(|t| text_of(Some(t))).collect(),
            _ => Vec::new(),
        },
        hrec: match object.remove("hrec") {
            Some(Value::Object(extension)) => Some(extension),
            _ => None,
        },
    };
    Ok((version, header))
}

fn has_colours(theme: &Value) -> bool {
    ["fg", "bg", "palette"].iter().all(|name| theme.get(name).is_some_and(Value::is_string))
}

/// A number, or a string with one in it (r-lib's `rsciinema` writes its width
/// so).
fn number(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::String(text) => text.trim().parse().ok(),
        // A cast from float to integer saturates.
        other => other.as_u64().or_else(|| other.as_f64().map(|n| n as u64)),
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        other => other.as_f64(),
    }
}

fn timestamp(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| float(value).map(|n| n as i64))
}

fn size(object: &Map<String, Value>, cols: &str, rows: &str) -> TermSize {
    let get = |name| number(object.get(name)).unwrap_or(0);
    TermSize::clamped(get(cols), get(rows))
}

/// A string as it is; anything else but null as its JSON.
fn text_of(value: Option<Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn environment(value: Option<Value>) -> Vec<(String, String)> {
    let Some(Value::Object(env)) = value else { return Vec::new() };
    env.into_iter().filter_map(|(name, value)| Some((name, text_of(Some(value))?))).collect()
}

/// Builds one JSON object, member by member.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        json::push_string(name, self.out);
        self.out.push(b':');
        self.out
    }

    fn raw(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name).extend_from_slice(value.to_string().as_bytes());
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            json::push_string(value, self.name(name));
        }
    }

    fn value(&mut self, name: &str, value: &Value) {
        push_value(value, self.name(name));
    }

    fn close(self) {
        self.out.push(b'}');
    }
}

/// Appends any JSON value, its strings as [`json::push_string`] writes them.
pub(crate) fn push_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => json::push_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                push_value(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => push_members(members, Object::open(out)),
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

fn push_members(members: &Map<String, Value>, mut object: Object<'_>) {
    for (name, value) in members {
        object.value(name, value);
    }
    object.close();
}

/// Appends the JSON object of a fact: `k` first, then its other members.
pub(crate) fn push_fact(fact: &crate::event::Fact, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.text("k", Some(&fact.kind));
    for (name, value) in fact.fields.iter().filter(|(name, _)| *name != "k") {
        object.value(name, value);
    }
    object.close();
}

/// Appends the header as `version` has it, as one JSON object without a line
/// feed. For v1 the object is left open, to be followed by its events.
pub(crate) fn push(version: Version, header: &Header, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.raw("version", version.number());
    match version {
        Version::V3 => {
            let mut term = Object::open(object.name("term"));
            term.raw("cols", header.size.cols());
            term.raw("rows", header.size.rows());
            term.text("type", header.term_type.as_deref());
            term.text("version", header.term_version.as_deref());
            if let Some(theme) = &header.theme {
                term.value("theme", theme);
            }
            term.close();
        }
        Version::V1 | Version::V2 => {
            object.raw("width", header.size.cols());
            object.raw("height", header.size.rows());
        }
    }
    if let Some(timestamp) = header.timestamp {
        object.raw("timestamp", timestamp);
    }
    object.text("command", header.command.as_deref());
    object.text("title", header.title.as_deref());
    if !header.env.is_empty() {
        let mut env = Object::open(object.name("env"));
        for (name, value) in &header.env {
            env.text(name, Some(value));
        }
        env.close();
    }
    if let Some(limit) = header.idle_time_limit.filter(|s| s.is_finite()) {
        object.raw("idle_time_limit", limit);
    }
    if let (Version::V2, Some(theme)) = (version, &header.theme) {
        object.value("theme", theme);
    }
    if !header.tags.is_empty() {
        let out = object.name("tags");
        push_value(&Value::from(header.tags.clone()), out);
    }
    if let Some(extension) = &header.hrec {
        push_members(extension, Object::open(object.name("hrec")));
    }
    if version != Version::V1 {
        object.close();
    }
}
