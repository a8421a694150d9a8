//! age's STREAM: ChaCha20-Poly1305 over chunks of 64 KiB, the nonce an
//! 11-byte big-endian counter and a byte that is 1 for the last chunk.
//!
//! Knows nothing of headers. Its invariant: a chunk is sealed once, when it
//! is full *and* more follows, or when it is the last; so a payload's last
//! chunk is never empty unless the payload is.

use std::io::{self, Read, Seek, SeekFrom};

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, Tag};

/// Bytes of text in a chunk.
pub const CHUNK: usize = 64 * 1024;
/// Bytes that authenticate a chunk.
pub const TAG: usize = 16;
/// Bytes of a whole chunk in the file.
pub const SEALED_CHUNK: usize = CHUNK + TAG;

fn nonce(counter: u64, last: bool) -> Nonce {
    let mut nonce = Nonce::default();
    // 64 of the 88 bits are enough for 2^80 bytes.
    if let Some(low) = nonce.get_mut(3..11) {
        low.copy_from_slice(&counter.to_be_bytes());
    }
    if let Some(flag) = nonce.last_mut() {
        *flag = u8::from(last);
    }
    nonce
}

/// Seals a payload into a `Vec`.
pub struct ChunkWriter {
    aead: ChaCha20Poly1305,
    counter: u64,
    chunk: Vec<u8>,
    finished: bool,
}

impl std::fmt::Debug for ChunkWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkWriter").field("counter", &self.counter).finish_non_exhaustive()
    }
}

impl ChunkWriter {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self {
            aead: ChaCha20Poly1305::new(key.into()),
            counter: 0,
            chunk: Vec::new(),
            finished: false,
        }
    }

    /// Takes plain bytes; appends to `out` the chunks that are whole and not
    /// the last.
    pub fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.chunk.len() == CHUNK {
                self.seal(false, out);
            }
            let (now, rest) = bytes.split_at(bytes.len().min(CHUNK - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = rest;
        }
    }

    /// Seals the last chunk. Nothing may be written afterwards.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.finished {
            self.seal(true, out);
            self.finished = true;
        }
    }

    /// Plain bytes that lie in sealed chunks.
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.counter * CHUNK as u64
    }

    fn seal(&mut self, last: bool, out: &mut Vec<u8>) {
        let start = out.len();
        out.reserve(self.chunk.len() + TAG);
        out.extend_from_slice(&self.chunk);
        let Some(text) = out.get_mut(start..) else { return };
        // The only error is a buffer beyond 256 GiB.
        if let Ok(tag) = self.aead.encrypt_in_place_detached(&nonce(self.counter, last), b"", text)
        {
            out.extend_from_slice(&tag);
        }
        self.counter += 1;
        self.chunk.clear();
    }
}

/// Opens a payload. A torn one gives all whole chunks, then the end, and
/// [`ChunkReader::torn`]; a changed one is an error of kind `InvalidData`.
pub struct ChunkReader<R> {
    input: R,
    aead: ChaCha20Poly1305,
    counter: u64,
    /// The chunk now being given, where in the payload it begins, and how much
    /// of it has been given: more than all, after a seek beyond the end.
    chunk: Vec<u8>,
    base: u64,
    given: usize,
    /// Sealed bytes of the following chunk that are read already.
    ahead: Vec<u8>,
    /// Sealed bytes taken from the input.
    consumed: u64,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Whole,
    Torn,
    /// The last chunk was given, and bytes follow it that are none of the
    /// payload's.
    Overfull,
}

impl<R> std::fmt::Debug for ChunkReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkReader").field("counter", &self.counter).finish_non_exhaustive()
    }
}

impl<R: Read> ChunkReader<R> {
    pub(super) fn new(key: &[u8; 32], input: R) -> Self {
        Self {
            input,
            aead: ChaCha20Poly1305::new(key.into()),
            counter: 0,
            chunk: Vec::new(),
            base: 0,
            given: 0,
            ahead: Vec::new(),
            consumed: 0,
            end: End::NotYet,
        }
    }

    /// Whether the payload ended without its last chunk; known once reading
    /// has given the end.
    #[must_use]
    pub fn torn(&self) -> bool {
        self.end == End::Torn
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        self.base += self.chunk.len() as u64;
        self.given = 0;
        self.chunk.clear();
        match self.end {
            End::NotYet => {}
            End::Whole | End::Torn => return Ok(()),
            End::Overfull => {
                self.end = End::Torn;
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "bytes follow the payload's end: they were added",
                ));
            }
        }
        // One byte more than a chunk tells whether this is the last.
        let want = SEALED_CHUNK + 1 - self.ahead.len();
        let held = self.ahead.len();
        let result = (&mut self.input).take(want as u64).read_to_end(&mut self.ahead);
        self.consumed += (self.ahead.len() - held) as u64;
        result?;
        std::mem::swap(&mut self.chunk, &mut self.ahead);
        self.ahead.clear();
        if self.chunk.len() > SEALED_CHUNK {
            self.ahead.extend(self.chunk.pop());
            if self.open(false) {
                return Ok(());
            }
            if self.open(true) {
                self.end = End::Overfull;
                return Ok(());
            }
            self.chunk.clear();
            self.ahead.clear();
            // All that follows is refused too.
            self.end = End::Torn;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("chunk {} does not authenticate: it was changed", self.counter),
            ));
        }
        if self.chunk.len() >= TAG && self.open(true) {
            self.end = End::Whole;
            // STREAM's rule: only an empty payload has an empty last chunk.
            if self.chunk.is_empty() && self.counter > 1 {
                self.end = End::Torn;
            }
            return Ok(());
        }
        self.end = End::Torn;
        if !(self.chunk.len() == SEALED_CHUNK && self.open(false)) {
            self.chunk.clear();
        }
        Ok(())
    }

    /// Opens `self.chunk` in place; leaves it as it was when it does not
    /// authenticate (the tag is checked before anything is decrypted).
    fn open(&mut self, last: bool) -> bool {
        let Some(length) = self.chunk.len().checked_sub(TAG) else { return false };
        let Some((text, tag)) = self.chunk.split_at_mut_checked(length) else { return false };
        let tag = Tag::clone_from_slice(tag);
        let nonce = nonce(self.counter, last);
        if self.aead.decrypt_in_place_detached(&nonce, b"", text, &tag).is_err() {
            return false;
        }
        self.chunk.truncate(length);
        self.counter += 1;
        true
    }
}

impl<R: Read> Read for ChunkReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.chunk.len() && !out.is_empty() {
            self.next_chunk()?;
        }
        let rest = self.chunk.get(self.given..).unwrap_or_default();
        let count = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given += count;
        Ok(count)
    }
}

/// Offsets are those of the plain payload; `SeekFrom::End` believes the
/// file's length, which only reading the last chunk proves.
impl<R: Read + Seek> Seek for ChunkReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (chunk, sealed) = (CHUNK as u64, SEALED_CHUNK as u64);
        let start = self.input.stream_position()?.saturating_sub(self.consumed);
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => (self.base + self.given as u64).checked_add_signed(by),
            SeekFrom::End(by) => {
                let end = self.input.seek(SeekFrom::End(0))?;
                let length = end.saturating_sub(start);
                self.consumed = length;
                let tags = length.div_ceil(sealed) * TAG as u64;
                length.saturating_sub(tags).checked_add_signed(by)
            }
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        let skipped = target / chunk * sealed;
        self.input.seek(SeekFrom::Start(start.saturating_add(skipped)))?;
        self.consumed = skipped;
        self.counter = target / chunk;
        self.chunk.clear();
        self.ahead.clear();
        self.end = End::NotYet;
        self.base = target - target % chunk;
        self.next_chunk()?;
        self.given = usize::try_from(target % chunk).unwrap_or(usize::MAX);
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(text: &[u8]) -> Vec<u8> {
        let mut writer = ChunkWriter::new(&[7; 32]);
        let mut out = Vec::new();
        for piece in text.chunks(10_007) {
            writer.write(piece, &mut out);
        }
        writer.finish(&mut out);
        out
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i / 251 + i) as u8).collect()
    }

    fn read(bytes: &[u8]) -> (io::Result<Vec<u8>>, bool) {
        let mut reader = ChunkReader::new(&[7; 32], bytes);
        let mut out = Vec::new();
        let result = reader.read_to_end(&mut out).map(|_| out);
        (result, reader.torn())
    }

    #[test]
    fn round_trips_at_every_boundary() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK - 1, 3 * CHUNK + 5] {
            let (result, torn) = read(&sealed(&text(length)));
            assert_eq!(result.unwrap(), text(length));
            assert!(!torn);
        }
    }

    #[test]
    fn torn_gives_the_whole_chunks() {
        let bytes = sealed(&text(3 * CHUNK + 5));
        for (cut, whole) in [
            (0, 0),
            (1, 0),
            (SEALED_CHUNK - 1, 0),
            (SEALED_CHUNK, 1),
            (SEALED_CHUNK + 1, 1),
            (2 * SEALED_CHUNK + 77, 2),
            (3 * SEALED_CHUNK, 3),
            (bytes.len() - 1, 3),
        ] {
            let (result, torn) = read(&bytes[..cut]);
            assert_eq!(result.unwrap(), text(whole * CHUNK), "cut at {cut}");
            assert!(torn, "cut at {cut}");
        }
    }

    #[test]
    fn changed_is_refused() {
        let good = sealed(&text(2 * CHUNK + 5));
        for at in [0, CHUNK, CHUNK + 1, SEALED_CHUNK, 2 * SEALED_CHUNK - 1] {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert_eq!(read(&bytes).0.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn bytes_after_the_last_chunk_are_an_error_after_it() {
        let mut bytes = sealed(&text(2 * CHUNK));
        bytes.push(0);
        let mut reader = ChunkReader::new(&[7; 32], bytes.as_slice());
        let mut out = Vec::new();
        let error = reader.read_to_end(&mut out).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(out, text(2 * CHUNK));
        assert!(reader.torn());
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn seeks_anywhere() {
        let plain = text(3 * CHUNK + 5);
        let mut file = b"head".to_vec();
        file.extend(sealed(&plain));
        let mut input = io::Cursor::new(file);
        input.set_position(4);
        let mut reader = ChunkReader::new(&[7; 32], input);
        let mut byte = [0];
        for at in [0, 1, CHUNK, CHUNK - 1, 3 * CHUNK + 4, 5] {
            assert_eq!(reader.seek(SeekFrom::Start(at as u64)).unwrap(), at as u64);
            reader.read_exact(&mut byte).unwrap();
            assert_eq!(byte[0], plain[at]);
            assert_eq!(reader.stream_position().unwrap(), at as u64 + 1);
        }
        assert_eq!(reader.seek(SeekFrom::End(-1)).unwrap(), plain.len() as u64 - 1);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, plain[plain.len() - 1..]);
        assert_eq!(reader.stream_position().unwrap(), plain.len() as u64);
        reader.seek(SeekFrom::Start(u64::MAX / 2)).unwrap();
        assert_eq!(reader.read(&mut byte).unwrap(), 0);
    }

    #[test]
    fn the_position_at_the_end_is_the_length_however_short_the_last_chunk() {
        for length in [0, 1, CHUNK, CHUNK + 1] {
            let mut reader = ChunkReader::new(&[7; 32], io::Cursor::new(sealed(&text(length))));
            io::copy(&mut reader, &mut io::sink()).unwrap();
            assert_eq!(reader.stream_position().unwrap(), length as u64);
            assert_eq!(reader.seek(SeekFrom::Current(-1)).is_ok(), length > 0);
        }
    }
}
