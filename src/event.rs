//! The domain of a recording: what happened on a terminal, and when.
//!
//! This module knows nothing of files, formats or terminals. Its one
//! invariant: an [`Event`] holds the *exact bytes* that passed; how a format
//! writes bytes that are no UTF-8 is that format's affair.

use serde_json::{Map, Value};

/// Microseconds since the start of the recording.
pub type Micros = u64;

/// A terminal's size in character cells, always within
/// [`TermSize::MIN`] and [`TermSize::MAX`].
///
/// Foreign and hostile files carry 0x0 and 65535x65535; a terminal model given
/// the first panics and given the second takes gigabytes, so neither can be
/// expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TermSize {
    cols: u16,
    rows: u16,
}

impl TermSize {
    /// The smallest size that can be expressed.
    pub const MIN: Self = Self { cols: 1, rows: 1 };
    /// The largest: four times what an 8K screen shows in its smallest
    /// legible font, and 40 MB of cells at most.
    pub const MAX: Self = Self { cols: 2048, rows: 1024 };
    /// What a terminal that states no size is taken for (a VT100's).
    pub const DEFAULT: Self = Self { cols: 80, rows: 24 };

    /// Clamps each dimension into the range; a zero (a terminal that does not
    /// know its size) becomes that dimension of [`TermSize::DEFAULT`].
    #[must_use]
    pub fn clamped(cols: u64, rows: u64) -> Self {
        let clamp = |value: u64, default: u16, max: u16| match u16::try_from(value) {
            Ok(0) => default,
            Ok(n) => n.min(max),
            Err(_) => max,
        };
        Self {
            cols: clamp(cols, Self::DEFAULT.cols, Self::MAX.cols),
            rows: clamp(rows, Self::DEFAULT.rows, Self::MAX.rows),
        }
    }

    /// Columns, 1 to 2048.
    #[must_use]
    pub fn cols(self) -> u16 {
        self.cols
    }

    /// Rows, 1 to 1024.
    #[must_use]
    pub fn rows(self) -> u16 {
        self.rows
    }
}

impl Default for TermSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl std::fmt::Display for TermSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.cols, self.rows)
    }
}

/// One thing that happened, at a time since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Microseconds since the start of the recording; never decreases from one
    /// event to the next.
    pub time: Micros,
    /// What happened.
    pub data: Data,
}

/// What an [`Event`] says happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Bytes the program wrote to the terminal (asciicast `o`).
    Output(Vec<u8>),
    /// Bytes the person typed (asciicast `i`).
    Input(Vec<u8>),
    /// The terminal's new size (asciicast `r`).
    Resize(TermSize),
    /// A named point in time (asciicast `m`).
    Marker(String),
    /// The program ended; its exit status in decimal (asciicast v3 `x`).
    Exit(String),
    /// Something hrec knows about the session (code `h`).
    Fact(Fact),
    /// An event of a kind hrec does not know, kept whole.
    Other {
        /// The event's code, as the file has it: one letter or more.
        code: String,
        /// The event's data. Where the file's was no string, its JSON text.
        data: String,
    },
}

/// A structured statement about the session: the JSON object of an `h` event.
///
/// `kind` is its `k` member; readers ignore kinds they do not know. The kinds
/// and their fields are in `hrec-recording(5)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The value of the member `k`.
    pub kind: String,
    /// All other members, in order.
    pub fields: Map<String, Value>,
}

impl Fact {
    /// A fact of this kind, with no fields yet.
    #[must_use]
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), fields: Map::new() }
    }

    /// The same fact with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

/// What a recording says of itself before its first event: the union of
/// asciicast v1, v2 and v3 headers, and hrec's own extension.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// The terminal's size at the start.
    pub size: TermSize,
    /// `TERM`.
    pub term_type: Option<String>,
    /// The terminal's answer to XTVERSION (foreign recordings only).
    pub term_version: Option<String>,
    /// The terminal's colours, as the file has them.
    pub theme: Option<Value>,
    /// Start, in whole seconds since 1970-01-01T00:00:00Z.
    pub timestamp: Option<i64>,
    /// The command that was recorded, as one line.
    pub command: Option<String>,
    /// A title.
    pub title: Option<String>,
    /// Recorded environment variables.
    pub env: Vec<(String, String)>,
    /// Seconds that a player is asked to shorten longer pauses to.
    pub idle_time_limit: Option<f64>,
    /// Tags.
    pub tags: Vec<String>,
    /// The extension object `hrec` (version, id, parent, mode, start, argv,
    /// identity), as JSON; `None` in a foreign recording.
    pub hrec: Option<Map<String, Value>>,
}
