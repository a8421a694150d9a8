//! asciicast v1, v2 and v3, to and from [`Event`](crate::event::Event)s.
//!
//! Refuses to know files and containers: it works on `BufRead` and `Vec<u8>`.
//! The invariant: what [`Encoder`] writes, [`Reader`] gives back byte for
//! byte and microsecond for microsecond; and whatever [`Reader`] is given, it
//! neither panics nor takes more memory than a few lines of
//! [`MAX_LINE`] bytes.
//!
//! Source: <https://docs.asciinema.org/manual/asciicast/v3/> and its
//! neighbours `v2` and `v1`; the codes `b` and `h` are in `hrec-recording(5)`.

mod encode;
pub(crate) mod header;
pub(crate) mod json;
mod lines;
mod object;
mod read;
mod time;

pub use encode::{Encoder, EncoderV1, utf8_hold};
pub use lines::MAX_LINE;
pub use read::{Next, Place, Reader};
pub use time::MAX_TIME;

/// A version of asciicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One JSON object; output only.
    V1,
    /// Lines; absolute times.
    V2,
    /// Lines; intervals.
    V3,
}

impl Version {
    /// 1, 2 or 3.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "asciicast v{}", self.number())
    }
}

/// Why something is no asciicast, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The beginning is not that of an asciicast.
    #[error("not an asciicast recording: {0}")]
    NotAsciicast(String),
    /// A line in the middle is no event. The reader goes on with the next line
    /// when asked again.
    #[error("line {line} is no asciicast event: {why}")]
    Malformed {
        /// The line's number, from 1.
        line: u64,
        /// What is wrong, in a few words.
        why: &'static str,
    },
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
