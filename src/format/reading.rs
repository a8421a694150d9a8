//! What somebody who reads a collector's recordings and the collector say to
//! each other once the collector knows as what they come.
//!
//! Knows nothing of files, sockets and ssh. Each message is one of [`wire`]'s
//! frames: what is asked [`kind::REQUEST`], what is said [`kind::ITEM`] or
//! [`kind::REFUSED`], bytes of a file [`kind::DATA`]. Its invariant: no name
//! that is not one of a recording's or a ledger's files passes for one.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::wire::{self, kind};

/// The version of all this.
pub const VERSION: u32 = 1;

/// The longest manifest that a list has in it: ours have some 2,000 bytes, and
/// 190 more for each journal of one that was interrupted.
pub const MANIFEST: usize = 1 << 20;

/// Files that one [`Say::Item`] names.
const FILES: usize = 128;

/// Bytes of a manifest that one has in it: each may take six of a frame.
const TEXT: usize = 4 << 10;

const _: () = assert!(FILES * (NAME + 32) + TEXT * 6 < wire::PAYLOAD);

/// The most items that a recording takes in a list.
pub const ITEMS: usize = 1 << 10;

/// The longest name of a file of a recording, or path of one of the ledger's.
const NAME: usize = 160;

/// What a reader asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub enum Ask {
    /// Which recordings there are.
    List {
        /// With what is known of each without a key; else ids alone.
        #[serde(default)]
        manifests: bool,
    },
    /// The files of a recording.
    Get {
        /// The recording.
        id: String,
        /// For which verb of hrec's, as the reader says.
        verb: String,
        /// And what comes to them, until [`Ask::Stop`] or the recording's end.
        #[serde(default)]
        follow: bool,
    },
    /// No more of what was followed.
    Stop,
    /// The files of the ledger.
    Ledger,
    /// That a session be ended.
    End {
        /// Its recording.
        id: String,
    },
}

/// What the collector says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "lowercase")]
pub enum Say {
    /// At the beginning.
    Hello {
        /// [`VERSION`].
        v: u32,
    },
    /// A recording of the list; one with many files, or a long manifest, takes
    /// several that follow each other.
    Item {
        /// Its id.
        id: String,
        /// Whether it is being made.
        #[serde(default)]
        live: bool,
        /// Its files, and how long each is.
        #[serde(default)]
        files: Vec<(String, u64)>,
        /// Its manifest, or more of it, where that is one text of bearable
        /// length.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        manifest: Option<String>,
    },
    /// The bytes that follow are this file's.
    File {
        /// A file of the recording's, or of the ledger's: its path there.
        name: String,
        /// Where they begin.
        at: u64,
        /// How long the file is, as far as it was looked at.
        size: u64,
    },
    /// Whether the recording is being made.
    Live {
        /// It is.
        live: bool,
    },
    /// A file has another name from here on.
    Renamed {
        /// Before.
        from: String,
        /// From here on.
        to: String,
    },
    /// A file is no more.
    Gone {
        /// Which.
        name: String,
    },
    /// The files that there are have been sent; what follows came later.
    Sent,
    /// That was the answer.
    Done,
    /// There is no other answer.
    Refused {
        /// Why, and what to do.
        what: String,
        /// What it is called in the collector's log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
}

impl Say {
    /// The items of a recording, in order.
    #[must_use]
    pub fn items(
        id: &str,
        live: bool,
        files: &[(String, u64)],
        manifest: Option<&str>,
    ) -> Vec<Self> {
        let mut texts = manifest.map(pieces).unwrap_or_default().into_iter();
        let mut files = files.chunks(FILES);
        let mut items = Vec::new();
        loop {
            let (files, manifest) = (files.next(), texts.next());
            if files.is_none() && manifest.is_none() && !items.is_empty() {
                return items;
            }
            items.push(Self::Item {
                id: id.to_owned(),
                live,
                files: files.unwrap_or_default().to_vec(),
                manifest,
            });
        }
    }
}

/// A text in pieces of at most [`TEXT`] bytes.
fn pieces(mut text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let mut end = TEXT.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, rest) = text.split_at(end);
        pieces.push(piece.to_owned());
        text = rest;
    }
    pieces
}

/// Something that the collector says, or bytes of the file that it named last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Something said.
    Said(Say),
    /// Bytes.
    Data(Vec<u8>),
}

/// Writes what is asked.
///
/// # Errors
/// As the stream's; when it is longer than a frame may be.
pub fn ask(to: &mut impl Write, ask: &Ask) -> io::Result<()> {
    wire::write(to, kind::REQUEST, ask).map_err(io_error)
}

/// Writes what is said.
///
/// # Errors
/// As [`ask`].
pub fn say(to: &mut impl Write, said: &Say) -> io::Result<()> {
    match said {
        Say::Refused { what, reference } => {
            let refused = wire::Refused {
                sentence: what.clone(),
                reference: reference.clone().unwrap_or_default(),
                own_doing: false,
            };
            wire::write(to, kind::REFUSED, &refused).map_err(io_error)
        }
        said => wire::write(to, kind::ITEM, said).map_err(io_error),
    }
}

/// Writes bytes of a file.
///
/// # Errors
/// As the stream's.
pub fn data(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(wire::PAYLOAD) {
        let mut frame = Vec::with_capacity(piece.len() + 8);
        wire::put(kind::DATA, piece, &mut frame);
        to.write_all(&frame)?;
    }
    Ok(())
}

/// Reads what is asked; `None` where the stream ends before it.
///
/// # Errors
/// As the stream's; `InvalidData` for what is none.
pub fn asked(from: &mut impl Read) -> io::Result<Option<Ask>> {
    let frame = wire::read(from).map_err(io_error)?;
    frame.map(|frame| frame.json_of(kind::REQUEST).map_err(io_error)).transpose()
}

/// Reads what is said; `None` where the stream ends before it.
///
/// # Errors
/// As [`asked`].
pub fn said(from: &mut impl Read) -> io::Result<Option<Message>> {
    let Some(frame) = wire::read(from).map_err(io_error)? else { return Ok(None) };
    let said = match frame.kind {
        kind::DATA => return Ok(Some(Message::Data(frame.body))),
        kind::REFUSED => {
            let wire::Refused { sentence, reference, .. } = frame.json().map_err(io_error)?;
            let reference = Some(reference).filter(|reference| !reference.is_empty());
            Say::Refused { what: sentence, reference }
        }
        _ => frame.json_of(kind::ITEM).map_err(io_error)?,
    };
    Ok(Some(Message::Said(said)))
}

fn io_error(error: wire::Error) -> io::Error {
    match error {
        wire::Error::Io(error) => error,
        wire::Error::Torn => io::ErrorKind::UnexpectedEof.into(),
        error => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
    }
}

/// Whether this is the name of a file of the recording `id`: in one directory,
/// and nothing that a terminal or a shell would take for more.
#[must_use]
pub fn is_file_of(id: &str, name: &str) -> bool {
    let end = name.strip_prefix(id).and_then(|rest| rest.strip_prefix('.'));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.len() <= NAME
        && end.is_some_and(|end| !end.is_empty() && end.bytes().all(plain) && !end.contains(".."))
}

/// Whether this is the path of a file of a ledger's, in the ledger's directory.
#[must_use]
pub fn is_file_of_ledger(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_digit() || byte == b'x' || byte == b'.' || byte == b'p';
    let element = |element: &str| {
        !element.is_empty() && element != "." && element != ".." && element.bytes().all(plain)
    };
    let below = |rest: &str| rest.split('/').count() <= 12 && rest.split('/').all(element);
    path.len() <= NAME
        && (path == "checkpoint"
            || path.strip_prefix("records/").is_some_and(below)
            || path.strip_prefix("tile/entries/").is_some_and(below)
            || path.strip_prefix("tile/").is_some_and(below))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "20261121T141503.123Z-ann-db1-AAAAAAAA";

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let get = Ask::Get { id: ID.into(), verb: "play".into(), follow: true };
        ask(&mut bytes, &get).unwrap();
        assert_eq!(asked(&mut bytes.as_slice()).unwrap(), Some(get));
        let refused = Say::Refused { what: "no".into(), reference: Some("7".into()) };
        let file = Say::File { name: "x".into(), at: 7, size: u64::MAX };
        let mut bytes = Vec::new();
        say(&mut bytes, &file).unwrap();
        data(&mut bytes, &vec![7; wire::PAYLOAD + 1]).unwrap();
        say(&mut bytes, &refused).unwrap();
        let mut from = bytes.as_slice();
        assert_eq!(said(&mut from).unwrap(), Some(Message::Said(file)));
        assert_eq!(said(&mut from).unwrap(), Some(Message::Data(vec![7; wire::PAYLOAD])));
        assert_eq!(said(&mut from).unwrap(), Some(Message::Data(vec![7])));
        assert_eq!(said(&mut from).unwrap(), Some(Message::Said(refused)));
        assert_eq!(said(&mut from).unwrap(), None);
    }

    #[test]
    fn a_recording_of_many_files_fits_its_frames() {
        let files: Vec<(String, u64)> =
            (0..65_600).map(|n| (format!("{ID}.journal.{n}"), u64::MAX)).collect();
        let text = "\u{1}é".repeat(MANIFEST / 3);
        let mut bytes = Vec::new();
        for item in Say::items(ID, true, &files, Some(&text)) {
            say(&mut bytes, &item).unwrap();
        }
        let (mut from, mut names, mut whole, mut count) =
            (bytes.as_slice(), Vec::new(), String::new(), 0);
        while let Some(message) = said(&mut from).unwrap() {
            let Message::Said(Say::Item { live: true, files, manifest, .. }) = message else {
                panic!("{message:?}")
            };
            names.extend(files);
            whole.push_str(&manifest.unwrap_or_default());
            count += 1;
        }
        assert!(names == files && whole == text && count <= ITEMS, "{count}");
        assert_eq!(Say::items(ID, false, &[], None).len(), 1);
        assert_eq!(Say::items(ID, false, &files[..2], Some("{}")).len(), 1);
    }

    #[test]
    fn what_is_no_message_is_said_to_be_none() {
        for (bytes, kind) in [
            (&b"Welcome to box!\n"[..], io::ErrorKind::InvalidData),
            (b"\x03\0\0\0\x14{}", io::ErrorKind::InvalidData),
            (b"\x03\0\0\0\x05{}", io::ErrorKind::InvalidData),
            (b"\xff\0\0\0\x14{}", io::ErrorKind::UnexpectedEof),
            (b"\x03\0", io::ErrorKind::UnexpectedEof),
        ] {
            assert_eq!(said(&mut &*bytes).unwrap_err().kind(), kind, "{bytes:?}");
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        for end in [".cast.zst.age", ".cast.zst.age.part", ".journal.12", ".manifest.json.sig"] {
            assert!(is_file_of(ID, &format!("{ID}{end}")), "{end}");
        }
        for name in ["", ".", "/etc/passwd", "x.cast.zst.age"] {
            assert!(!is_file_of(ID, name), "{name}");
        }
        for end in ["", ".", "x", ".a/b", "./../x", ".a..b", ".\n", ".\u{1b}]0;x", "/x", ".\u{e9}"]
        {
            assert!(!is_file_of(ID, &format!("{ID}{end}")), "{end:?}");
        }
        assert!(!is_file_of(ID, &format!("{ID}.{}", "a".repeat(200))));
        for path in [
            "checkpoint",
            "records/000",
            "records/x001/234",
            "tile/0/x001/234.p/7",
            "tile/entries/000",
        ] {
            assert!(is_file_of_ledger(path), "{path}");
        }
        for path in [
            "",
            "lock",
            "records",
            "records/",
            "records/../x",
            "tile//000",
            "/tile/0/000",
            "tile/./0",
            "tile/a",
        ] {
            assert!(!is_file_of_ledger(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_refused_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut from = bytes.as_slice();
            while let Ok(Some(_)) = said(&mut from) {}
        }
    }
}
