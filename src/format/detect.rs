//! What a stream is, by its first bytes, and the asciicast inside it.
//!
//! Refuses to know names: `.cast`, `.gz` and `.age` say nothing here. The
//! invariant: however deep a file nests its containers, at most
//! [`MAX_LAYERS`] of them are opened.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::asciicast::Reader;

/// How many containers may be nested. Real files have two (age, zstd); each
/// costs buffers, and a file that nests itself must end somewhere.
pub const MAX_LAYERS: usize = 6;

/// The longest beginning that tells one from another: age's armor.
const LOOK: usize = ARMOR.len();
/// White space that may stand before armor, as other age readers have it.
const BLANK_MAX: usize = 1024;

const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// The three upper bytes of a skippable frame's magic, 0x184D2A50 to 5F.
const ZSTD_SKIPPABLE: &[u8] = b"\x2a\x4d\x18";
const AGE: &[u8] = b"age-encryption.org/";
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// A container around an asciicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// RFC 1952, one or several members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
    /// age v1, binary.
    Age,
    /// age v1 in its PEM-like armor.
    AgeArmor,
}

impl Layer {
    /// What these first bytes begin, if it is a container. Enough of them are
    /// 34, or all there are; more only where armor follows white space.
    #[must_use]
    pub fn of(beginning: &[u8]) -> Option<Self> {
        if beginning.starts_with(GZIP) {
            Some(Self::Gzip)
        } else if beginning.starts_with(ZSTD) || is_skippable(beginning) {
            Some(Self::Zstd)
        } else if beginning.starts_with(AGE) {
            Some(Self::Age)
        } else if beginning.trim_ascii_start().starts_with(ARMOR) {
            Some(Self::AgeArmor)
        } else {
            None
        }
    }
}

fn is_skippable(beginning: &[u8]) -> bool {
    matches!(beginning.split_first(), Some((0x50..=0x5f, rest)) if rest.starts_with(ZSTD_SKIPPABLE))
}

/// A stream of bytes, as the containers pass it on.
pub type Stream = Box<dyn BufRead>;

/// The asciicast in a stream.
pub struct Opened {
    /// Reads it.
    pub reader: Reader<Stream>,
    /// The containers around it, the outermost first.
    pub layers: Vec<Layer>,
}

/// Opens the asciicast in `input`: plain, or in gzip, zstd and age in any
/// nesting.
///
/// `decrypt` gets the stream of each *binary* age file from its first byte
/// (armor is taken off before) and returns the plaintext.
///
/// # Errors
/// What `decrypt` returns; or [`super::Error`] when there are more than
/// [`MAX_LAYERS`] containers, when the innermost is no asciicast, or when
/// reading fails.
pub fn open_stream<E: From<super::Error>>(
    input: Stream,
    decrypt: impl FnMut(Stream) -> Result<Box<dyn Read>, E>,
) -> Result<Opened, E> {
    let (text, layers) = open_text(input, decrypt)?;
    let reader = Reader::new(text).map_err(super::Error::Asciicast)?;
    Ok(Opened { reader, layers })
}

/// As [`open_stream`], but gives the innermost text whatever it is, from its
/// first byte, and the containers around it.
///
/// # Errors
/// As [`open_stream`].
pub fn open_text<E: From<super::Error>>(
    input: Stream,
    mut decrypt: impl FnMut(Stream) -> Result<Box<dyn Read>, E>,
) -> Result<(Stream, Vec<Layer>), E> {
    let mut layers = Vec::new();
    let mut stream = input;
    loop {
        let (layer, whole) = look(stream).map_err(super::Error::Io)?;
        let Some(layer) = layer else { return Ok((whole, layers)) };
        if layers.len() == MAX_LAYERS {
            return Err(super::Error::TooDeep.into());
        }
        layers.push(layer);
        stream = match layer {
            Layer::Gzip => buffered(flate2::bufread::MultiGzDecoder::new(whole)),
            Layer::Zstd => buffered(zstd::Decoder::with_buffer(whole).map_err(super::Error::Io)?),
            // The next turn finds the binary age file in it. That is why armor
            // counts as a layer of its own.
            Layer::AgeArmor => buffered(age::armor::ArmoredReader::new(whole)),
            Layer::Age => buffered(decrypt(whole)?),
        };
    }
}

fn buffered(reader: impl Read + 'static) -> Stream {
    Box::new(BufReader::with_capacity(1 << 16, reader))
}

/// What the stream begins, and the stream from its first byte. A pipe may give
/// those bytes one at a time, so the buffer's content is not enough to tell.
fn look(mut stream: Stream) -> io::Result<(Option<Layer>, Stream)> {
    let mut beginning = Vec::with_capacity(LOOK);
    let mut want = LOOK;
    while want > 0 {
        let had = beginning.len();
        match stream.by_ref().take(want as u64).read_to_end(&mut beginning) {
            // A container that is cut short: the asciicast reader will meet it
            // again, and says so.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof && !beginning.is_empty() => {}
            other => {
                other?;
            }
        }
        // Never more than is needed: a recording that comes through a pipe,
        // as it is made, must not wait for it.
        let text = beginning.trim_ascii_start();
        let maybe_armor = ARMOR.starts_with(text) && beginning.len() < BLANK_MAX + LOOK;
        let more = beginning.len() > had && maybe_armor;
        want = if more { LOOK - text.len() } else { 0 };
    }
    let layer = Layer::of(&beginning);
    if layer == Some(Layer::AgeArmor) {
        // The crate's reader takes armor at the very beginning only.
        let blank = beginning.len() - beginning.trim_ascii_start().len();
        beginning.drain(..blank);
    }
    Ok((layer, Box::new(Cursor::new(beginning).chain(stream))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Data, Event};
    use crate::format::{Error, cipher};
    use std::io::Write;

    const CAST: &[u8] = b"{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n[1,\"o\",\"a\"]\n";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap()
    }

    fn key() -> age::x25519::Identity {
        "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
            .parse()
            .unwrap()
    }

    fn age(bytes: &[u8]) -> Vec<u8> {
        age::encrypt(&key().to_public(), bytes).unwrap()
    }

    fn armor(bytes: &[u8]) -> Vec<u8> {
        age::encrypt_and_armor(&key().to_public(), bytes).unwrap().into_bytes()
    }

    /// One byte at a time, as a slow pipe gives them.
    struct Slow(Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let one = buf.len().min(1);
            self.0.read(&mut buf[..one])
        }
    }

    fn open(bytes: Vec<u8>) -> Result<Opened, Error> {
        use age::secrecy::ExposeSecret;
        let mut identities = cipher::Identities::new();
        identities.add_file("key", key().to_string().expose_secret().as_bytes()).unwrap();
        open_stream(Box::new(BufReader::new(Slow(Cursor::new(bytes)))), |stream| {
            Ok::<Box<dyn Read>, Error>(Box::new(cipher::decrypt(stream, &identities).unwrap()))
        })
    }

    #[test]
    fn any_nesting() {
        use Layer::{Age, AgeArmor, Gzip, Zstd};
        let skippable = [b"\x53\x2a\x4d\x18\x02\x00\x00\x00xx".as_slice(), &zstd(CAST)].concat();
        let two_members = [gzip(&CAST[..20]), gzip(&CAST[20..])].concat();
        for (bytes, layers) in [
            (CAST.to_vec(), vec![]),
            (gzip(CAST), vec![Gzip]),
            (two_members, vec![Gzip]),
            (zstd(CAST), vec![Zstd]),
            (skippable, vec![Zstd]),
            (age(CAST), vec![Age]),
            (age(&zstd(CAST)), vec![Age, Zstd]),
            (armor(&zstd(CAST)), vec![AgeArmor, Age, Zstd]),
            ([b" \r\n\t".repeat(250), armor(CAST)].concat(), vec![AgeArmor, Age]),
            (zstd(&age(&gzip(CAST))), vec![Zstd, Age, Gzip]),
        ] {
            let mut opened = open(bytes).unwrap();
            assert_eq!(opened.layers, layers);
            let event = Event { time: 1_000_000, data: Data::Output(b"a".to_vec()) };
            assert_eq!(opened.reader.next_event().unwrap(), Some(event));
            assert_eq!(opened.reader.next_event().unwrap(), None);
            assert_eq!(opened.reader.torn(), None);
        }
    }

    #[test]
    fn nesting_ends() {
        let mut bytes = CAST.to_vec();
        for _ in 0..MAX_LAYERS {
            bytes = zstd(&bytes);
        }
        assert!(open(bytes.clone()).is_ok());
        assert!(matches!(open(zstd(&bytes)), Err(Error::TooDeep)));
    }

    #[test]
    fn containers_cut_anywhere() {
        let events: String =
            (0..2000).map(|n| format!("[0.001,\"o\",\"line {n}\\r\\n\"]\n")).collect();
        let cast = [CAST, events.as_bytes()].concat();
        for (name, bytes) in [("gzip", gzip(&cast)), ("zstd", zstd(&cast))] {
            for cut in (1..bytes.len()).step_by(bytes.len() / 50) {
                // Too short for a header is an error; never a panic.
                let Ok(mut opened) = open(bytes[..cut].to_vec()) else { continue };
                while let Some(event) = opened.reader.next_event().unwrap() {
                    assert!(matches!(event.data, Data::Output(_)));
                }
                assert!(opened.reader.torn().is_some(), "{name} cut at {cut}");
            }
        }
    }

    #[test]
    fn damage_is_no_end() {
        let mut bytes = age(&CAST.repeat(3000));
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let mut opened = open(bytes).ok().unwrap();
        let mut failed = false;
        loop {
            match opened.reader.next_event() {
                Ok(Some(_)) | Err(crate::format::asciicast::Error::Malformed { .. }) => {}
                Ok(None) => break,
                Err(crate::format::asciicast::Error::Io(_)) => {
                    failed = true;
                    break;
                }
                Err(e) => panic!("{e}"),
            }
        }
        assert!(failed);
    }
}
