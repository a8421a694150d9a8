//! What is said over a collector's socket: frames, and the words in them.
//!
//! A frame is `length (4 bytes, little-endian) ‖ kind (1) ‖ body`; the length
//! counts kind and body. Bodies are JSON, but for those of [`kind::APPEND`] and
//! [`kind::DATA`], which are bytes. The first frame of a connection is
//! [`kind::HELLO`], which says as what the peer comes.
//!
//! Knows nothing of sockets and files. Its invariant: a frame is bounded by
//! [`LONGEST`], and no byte is stored that was only announced.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The protocol's version. A collector speaks with clients of its own version
/// and of those before.
pub const VERSION: u32 = 1;

/// Bytes that one frame carries at most: as many as a pipe or a PTY moves at
/// once, and few enough that thousands of peers who never end theirs are no
/// burden.
pub const PAYLOAD: usize = 64 << 10;

/// The most that a frame's length may say.
pub const LONGEST: usize = 1 + APPEND_HEAD + PAYLOAD;

/// Objects and arrays within each other in one body: several times what any has,
/// and few enough for a small stack.
const DEEPEST: usize = 32;

/// What comes before the bytes in [`kind::APPEND`]: file and offset.
const APPEND_HEAD: usize = 4 + 8;

/// What kinds of frames there are.
pub mod kind {
    /// Peer: who comes, and what for ([`super::Hello`]).
    pub const HELLO: u8 = 1;
    /// Session: bytes for a file of its recording ([`super::Append`]).
    pub const APPEND: u8 = 2;
    /// Session: what was sent is a beginning; the program starts when this is
    /// answered.
    pub const BEGIN: u8 = 3;
    /// Session: how it ended ([`super::End`]).
    pub const END: u8 = 4;
    /// Whoever reads, ends or tells: what is wanted, in that role's own words.
    pub const REQUEST: u8 = 5;
    /// Collector: done ([`super::Done`] for a session).
    pub const OK: u8 = 16;
    /// Collector: not done, and why ([`super::Refused`]). Nothing follows.
    pub const REFUSED: u8 = 17;
    /// Collector: so much of a file is durable ([`super::Ack`]).
    pub const ACK: u8 = 18;
    /// Collector: the session is to end ([`super::Stop`]).
    pub const STOP: u8 = 19;
    /// Collector: an item of an answer, JSON.
    pub const ITEM: u8 = 20;
    /// Collector: bytes of an answer.
    pub const DATA: u8 = 21;
}

/// Why bytes are no frames.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A frame is longer than any can be, or has no kind.
    #[error("a frame of {0} bytes is none of this protocol")]
    Length(u32),
    /// A body is not what its kind says.
    #[error("frame of kind {kind}: {what}")]
    Body {
        /// The frame's kind.
        kind: u8,
        /// What is wrong.
        what: String,
    },
    /// A frame of another kind was due.
    #[error("a frame of kind {0} came out of turn")]
    Unexpected(u8),
    /// The peer has left in the middle of a frame.
    #[error("the connection ended within a frame")]
    Torn,
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Of [`kind`].
    pub kind: u8,
    /// What its kind says.
    pub body: Vec<u8>,
}

impl Frame {
    /// The body's JSON.
    ///
    /// # Errors
    /// [`Error::Body`] where it is none, or of another form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        parse(self.kind, &self.body)
    }

    /// The same of a frame that must be of this kind.
    ///
    /// # Errors
    /// As [`Frame::json`], and [`Error::Unexpected`].
    pub fn json_of<T: DeserializeOwned>(&self, kind: u8) -> Result<T, Error> {
        if self.kind != kind {
            return Err(Error::Unexpected(self.kind));
        }
        self.json()
    }
}

/// The JSON of a frame's body.
///
/// # Errors
/// [`Error::Body`] where it is none, is nested deeper than anything here is, or
/// is of another form.
pub fn parse<T: DeserializeOwned>(kind: u8, body: &[u8]) -> Result<T, Error> {
    let wrong = |what: String| Error::Body { kind, what };
    if is_deep(body) {
        return Err(wrong("it is nested too deep".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))
}

/// Whether JSON is nested deeper than [`DEEPEST`].
fn is_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

/// As what a peer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A session, to be recorded.
    Session,
    /// Somebody who reads recordings.
    Reader,
    /// Somebody who ends sessions.
    Ender,
    /// The host's PAM stack, which tells of logins.
    Login,
}

/// The first frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub v: u32,
    /// As what.
    #[serde(rename = "as")]
    pub role: Role,
    /// What else this role says.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Hello {
    /// A greeting of this version.
    #[must_use]
    pub fn new(role: Role, rest: Map<String, Value>) -> Self {
        Self { v: VERSION, role, rest }
    }

    /// What the role says of itself.
    ///
    /// # Errors
    /// [`Error::Body`] where that is not it.
    pub fn words<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_value(Value::Object(self.rest.clone()))
            .map_err(|error| Error::Body { kind: kind::HELLO, what: error.to_string() })
    }
}

/// What a session says in its [`Hello`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begins {
    /// The recording's id.
    pub id: String,
    /// Its manifest, as the session would write it; of one that goes on after
    /// the connection was lost there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub manifest: Option<Map<String, Value>>,
}

/// Bytes of one of a recording's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Append<'a> {
    /// 0 for the part, `n + 1` for journal `n`.
    pub file: u32,
    /// Where they begin.
    pub offset: u64,
    /// They.
    pub bytes: &'a [u8],
}

impl<'a> Append<'a> {
    /// The body of a frame of [`kind::APPEND`].
    ///
    /// # Errors
    /// [`Error::Body`] where it is too short to be one.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let parsed = body.split_first_chunk::<4>().and_then(|(file, rest)| {
            let (offset, bytes) = rest.split_first_chunk::<8>()?;
            let (file, offset) = (u32::from_le_bytes(*file), u64::from_le_bytes(*offset));
            Some(Self { file, offset, bytes })
        });
        parsed.ok_or_else(|| Error::Body { kind: kind::APPEND, what: "it is too short".to_owned() })
    }

    /// Adds frames that carry these bytes to `out`.
    pub fn put(self, out: &mut Vec<u8>) {
        let mut offset = self.offset;
        for piece in self.bytes.chunks(PAYLOAD) {
            out.extend_from_slice(&length(APPEND_HEAD + piece.len()));
            out.push(kind::APPEND);
            out.extend_from_slice(&self.file.to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(piece);
            offset += piece.len() as u64;
        }
    }
}

/// How far a file of a recording is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// As in [`Append`].
    pub file: u32,
    /// Its bytes before here are.
    pub durable: u64,
}

/// The answer to the [`Hello`] of a session: what the collector has of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Has {
    /// Each file's length, where it is not 0. The session sends from there on.
    pub files: Vec<Ack>,
    /// Whether its program may have started.
    #[serde(default)]
    pub begun: bool,
    /// What came of it, where it has ended already.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub done: Option<Done>,
}

/// How a session ended, as it says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Whether the part is a whole finished recording.
    pub finished: bool,
    /// The manifest's fields that are known only now: `end`, `exit`,
    /// `end_reason`, `bytes_out`, `bytes_in`, `target`.
    #[serde(default)]
    pub manifest: Map<String, Value>,
}

/// What came of it: the answer to [`End`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The finished file's bytes.
    pub bytes: u64,
    /// Why it is not sealed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unsealed: Option<String>,
    /// Why the ledger does not have its end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub untold: Option<String>,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// In a sentence, without its full stop.
    pub sentence: String,
    /// What stands beside it in the collector's log.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Whether the person's own use of the store is the reason.
    #[serde(default)]
    pub own_doing: bool,
}

/// That a session is to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Why, as a sentence for the person.
    pub sentence: String,
}

/// The length field of a frame with this body.
fn length(body: usize) -> [u8; 4] {
    u32::try_from(1 + body).unwrap_or(u32::MAX).to_le_bytes()
}

/// Adds a frame to `out`; a body of more than [`PAYLOAD`] bytes is cut, and is
/// no JSON any more.
pub fn put(kind: u8, body: &[u8], out: &mut Vec<u8>) {
    let body = body.get(..PAYLOAD).unwrap_or(body);
    out.extend_from_slice(&length(body.len()));
    out.push(kind);
    out.extend_from_slice(body);
}

/// A frame of JSON.
///
/// # Errors
/// [`Error::Body`] where it does not fit into one.
pub fn json<T: Serialize>(kind: u8, body: &T) -> Result<Vec<u8>, Error> {
    let wrong = |what: String| Error::Body { kind, what };
    let body = serde_json::to_vec(body).map_err(|error| wrong(error.to_string()))?;
    if body.len() > PAYLOAD {
        return Err(wrong(format!("its {} bytes are too many", body.len())));
    }
    let mut frame = Vec::with_capacity(5 + body.len());
    put(kind, &body, &mut frame);
    Ok(frame)
}

/// Writes a frame of JSON, in one write where the other side takes it.
///
/// # Errors
/// As [`json`], and `out`'s.
pub fn write<T: Serialize>(out: &mut impl Write, kind: u8, body: &T) -> Result<(), Error> {
    Ok(out.write_all(&json(kind, body)?)?)
}

/// Reads one frame; `None` where the other side has ended before it.
///
/// # Errors
/// [`Error::Length`], [`Error::Torn`], [`Error::Io`].
pub fn read(input: &mut impl Read) -> Result<Option<Frame>, Error> {
    let mut head = [0; 4];
    let mut got = 0;
    while let Some(rest) = head.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(Error::Torn),
            Ok(count) => got += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let size = checked(head)?;
    let mut rest = Vec::new();
    input.take(size as u64).read_to_end(&mut rest)?;
    if rest.len() < size {
        return Err(Error::Torn);
    }
    let kind = rest.remove(0);
    Ok(Some(Frame { kind, body: rest }))
}

fn checked(head: [u8; 4]) -> Result<usize, Error> {
    let claimed = u32::from_le_bytes(head);
    let size = usize::try_from(claimed).unwrap_or(usize::MAX);
    if (1..=LONGEST).contains(&size) { Ok(size) } else { Err(Error::Length(claimed)) }
}

/// Takes frames out of bytes as they come.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Of these, so many are taken.
    taken: usize,
}

impl Decoder {
    /// Adds what came.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
            // Whoever is silent now holds nothing.
            self.bytes.shrink_to(4096);
        }
        if self.taken > PAYLOAD {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame's kind and body, where it is whole. To be asked until
    /// there is none before more is fed: so no more than a frame waits here.
    ///
    /// # Errors
    /// [`Error::Length`]; nothing more can be read then.
    pub fn next_frame(&mut self) -> Result<Option<(u8, &[u8])>, Error> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((head, _)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let size = checked(*head)?;
        if rest.len() < 4 + size {
            return Ok(None);
        }
        let from = self.taken + 4;
        self.taken = from + size;
        let frame = self.bytes.get(from..from + size).unwrap_or_default();
        Ok(frame.split_first().map(|(kind, body)| (*kind, body)))
    }

    /// Whether the beginning of a frame waits for its rest.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.taken < self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let mut sent = Vec::new();
        put(kind::BEGIN, b"", &mut sent);
        let long = vec![7; PAYLOAD + 9];
        Append { file: 3, offset: 5, bytes: &long }.put(&mut sent);
        sent.extend(json(kind::ACK, &Ack { file: 1, durable: 1 << 40 }).unwrap());
        let want: Vec<u8> = vec![kind::BEGIN, kind::APPEND, kind::APPEND, kind::ACK];
        for most in [1, 3, 4096, sent.len()] {
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            let mut bytes = Vec::new();
            for piece in sent.chunks(most) {
                decoder.feed(piece);
                while let Some((kind, body)) = decoder.next_frame().unwrap() {
                    got.push(kind);
                    if kind == kind::APPEND {
                        let append = Append::parse(body).unwrap();
                        assert_eq!((append.file, append.offset), (3, 5 + bytes.len() as u64));
                        bytes.extend_from_slice(append.bytes);
                    }
                }
            }
            assert!(!decoder.is_within());
            assert_eq!((&got, &bytes), (&want, &long), "in pieces of {most}");
        }
        let mut input = sent.as_slice();
        let mut kinds = Vec::new();
        while let Some(frame) = read(&mut input).unwrap() {
            kinds.push(frame.kind);
        }
        assert_eq!(kinds, want);
    }

    #[test]
    fn a_length_is_believed_only_within_bounds_and_stores_nothing() {
        for claimed in [0_u32, LONGEST as u32 + 1, u32::MAX] {
            let bytes = claimed.to_le_bytes();
            assert!(matches!(read(&mut bytes.as_slice()), Err(Error::Length(_))), "{claimed}");
            let mut decoder = Decoder::default();
            decoder.feed(&bytes);
            assert!(decoder.next_frame().is_err());
        }
        let torn = (LONGEST as u32).to_le_bytes();
        assert!(matches!(read(&mut torn.as_slice()), Err(Error::Torn)));
        assert!(matches!(read(&mut [1_u8].as_slice()), Err(Error::Torn)));
        assert!(Append::parse(&[0; 11]).is_err());
    }

    #[test]
    fn a_greeting_keeps_what_its_role_says() {
        let text = br#"{"v":1,"as":"session","id":"x","later":true}"#;
        let mut frame = Vec::new();
        put(kind::HELLO, text, &mut frame);
        let frame = read(&mut frame.as_slice()).unwrap().unwrap();
        let hello: Hello = frame.json_of(kind::HELLO).unwrap();
        assert_eq!((hello.v, hello.role), (1, Role::Session));
        assert_eq!(hello.words::<Begins>().unwrap().id, "x");
        assert!(frame.json_of::<Hello>(kind::END).is_err());
    }
}
