//! Text as a sequence of independent zstd frames, with the standard seek
//! table at the end (facebook/zstd, contrib/seekable_format).
//!
//! Knows nothing of what the text is. Its invariant: a frame is compressed as
//! a whole, so that being read while it grows costs a recording nothing in
//! size.

use std::io::{self, Read, Seek, SeekFrom};

use zstd::bulk::Compressor;
use zstd::stream::raw::{CParameter, Decoder, InBuffer, Operation, OutBuffer};

/// The level for what people do: with the logs below, 75 MB/s and 1.2 MiB of
/// memory, and 2 % (a working day's output) to 6 % over whole-file `zstd -9`.
pub const LEVEL: i32 = 9;
/// The level for floods, six times as fast.
pub const LEVEL_FLOOD: i32 = 1;
const WINDOW_LOG: u32 = 19;
const TABLE_LOG: u32 = 17;
/// For [`LEVEL_FLOOD`]: 32 KiB, which stay in the processor's first cache.
/// zstd's own 14 takes 18 % more time for 4 % less (477 and 405 MB/s, 3.95 and
/// 4.10 to one, of a working day's output as asciicast); negative levels are no
/// faster before they are half as large again.
const TABLE_LOG_FLOOD: u32 = 13;

/// Skippable frames have the magics `0x184D2A50` to `0x184D2A5F`; this one is
/// the padding's, `…5E` is the seek table's by its specification, `…51` and
/// `…52` are the keyframes' and the index's (`index`).
const MAGIC_PAD: u32 = 0x184D_2A50;
const MAGIC_TABLE: u32 = 0x184D_2A5E;
const MAGIC_SEEKABLE: u32 = 0x8F92_EAB1;
/// The specification's limit on the number of frames.
const FRAMES_MAX: u64 = 0x800_0000;
/// A skippable frame's magic and size.
const SKIPPABLE_HEAD: usize = 8;
const FOOTER: usize = 9;
/// The most text that is in a frame of hrec's, and a line more.
pub const WHOLE: usize = (1 << 20) + (1 << 17);
const FILL: usize = 64 * 1024;

/// A frame, as the seek table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Bytes in the stream.
    pub size: u32,
    /// Bytes of text; 0 for a skippable frame.
    pub text: u32,
}

/// Writes frames into a `Vec`.
pub struct Frames {
    compressor: Compressor<'static>,
    /// A frame that has just been compressed.
    frame: Vec<u8>,
    entries: Vec<Entry>,
    written: u64,
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").field("written", &self.written).finish_non_exhaustive()
    }
}

impl Frames {
    /// No frame yet.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new() -> io::Result<Self> {
        let mut compressor = Compressor::default();
        compressor.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
        Ok(Self { compressor, frame: Vec::new(), entries: Vec::new(), written: 0 })
    }

    /// Appends a frame of this text, unless there is none. As one call, and
    /// not as the text comes: zstd need not copy the text, and knows how little
    /// there is of a short one.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn frame(&mut self, level: i32, text: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let table = if level == LEVEL_FLOOD { TABLE_LOG_FLOOD } else { TABLE_LOG };
        self.compressor.set_parameter(CParameter::CompressionLevel(level))?;
        self.compressor.set_parameter(CParameter::HashLog(table))?;
        self.compressor.set_parameter(CParameter::ChainLog(table))?;
        self.frame.clear();
        self.frame.reserve(zstd::zstd_safe::compress_bound(text.len()));
        let size = self.compressor.compress_to_buffer(text, &mut self.frame)?;
        out.extend_from_slice(&self.frame);
        self.written += size as u64;
        let entry = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        self.entries.push(Entry { size: entry(size), text: entry(text.len()) });
        Ok(())
    }

    /// Appends a skippable frame of zeros, `size` bytes with its head (at
    /// least 8).
    pub fn pad(&mut self, size: usize, out: &mut Vec<u8>) {
        self.skippable(MAGIC_PAD, &vec![0; size.saturating_sub(SKIPPABLE_HEAD)], out);
    }

    /// Appends a skippable frame; returns its size, with its head.
    pub fn skippable(&mut self, magic: u32, payload: &[u8], out: &mut Vec<u8>) -> u32 {
        skippable(magic, payload, out);
        let size = SKIPPABLE_HEAD + payload.len();
        self.written += size as u64;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.entries.push(Entry { size, text: 0 });
        size
    }

    /// Appends the seek table.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let mut table = Vec::with_capacity(self.entries.len() * 8 + FOOTER);
        for entry in &self.entries {
            table.extend_from_slice(&entry.size.to_le_bytes());
            table.extend_from_slice(&entry.text.to_le_bytes());
        }
        let frames = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        table.extend_from_slice(&frames.to_le_bytes());
        table.push(0);
        table.extend_from_slice(&MAGIC_SEEKABLE.to_le_bytes());
        skippable(MAGIC_TABLE, &table, out);
        self.written += (table.len() + SKIPPABLE_HEAD) as u64;
    }

    /// Bytes that have come out so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }
}

fn skippable(magic: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&magic.to_le_bytes());
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(payload);
}

/// The index at the end of a finished recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeekTable {
    /// The frames in order, from the stream's first byte.
    pub entries: Vec<Entry>,
}

impl SeekTable {
    /// Reads the table from the end of `input`; `None` when there is none, or
    /// one that does not describe this stream.
    ///
    /// # Errors
    /// When `input` cannot be read.
    pub fn read(input: &mut (impl Read + Seek)) -> io::Result<Option<Self>> {
        let length = input.seek(SeekFrom::End(0))?;
        let Some(footer_at) = length.checked_sub(FOOTER as u64) else { return Ok(None) };
        input.seek(SeekFrom::Start(footer_at))?;
        let mut footer = [0_u8; FOOTER];
        input.read_exact(&mut footer)?;
        let [f0, f1, f2, f3, descriptor, magic @ ..] = footer;
        let frames = u64::from(u32::from_le_bytes([f0, f1, f2, f3]));
        // Bit 7: a checksum in each entry. Bits 2 to 6 are reserved.
        if u32::from_le_bytes(magic) != MAGIC_SEEKABLE
            || descriptor & 0b0111_1100 != 0
            || frames > FRAMES_MAX
        {
            return Ok(None);
        }
        let entry = if descriptor & 0x80 == 0 { 8 } else { 12 };
        let table = frames * entry;
        // The size of the table is bounded by that of the file.
        let head = (SKIPPABLE_HEAD as u64).saturating_add(table);
        let Some(start) = footer_at.checked_sub(head) else { return Ok(None) };
        input.seek(SeekFrom::Start(start))?;
        let mut head = [0_u8; SKIPPABLE_HEAD];
        input.read_exact(&mut head)?;
        let [m0, m1, m2, m3, size @ ..] = head;
        if u32::from_le_bytes([m0, m1, m2, m3]) != MAGIC_TABLE
            || u64::from(u32::from_le_bytes(size)) != table + FOOTER as u64
        {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        input.take(table).read_to_end(&mut bytes)?;
        let entries: Vec<Entry> = bytes
            .chunks_exact(usize::try_from(entry).unwrap_or(8))
            .filter_map(|entry| {
                let (size, rest) = entry.split_first_chunk::<4>()?;
                let text = rest.first_chunk::<4>()?;
                Some(Entry { size: u32::from_le_bytes(*size), text: u32::from_le_bytes(*text) })
            })
            .collect();
        let covered: u64 = entries.iter().map(|entry| u64::from(entry.size)).sum();
        Ok((covered == start).then_some(Self { entries }))
    }
}

/// Reads the text of a sequence of frames. A torn end gives everything that
/// can be decoded, then the end and [`FrameReader::torn`]; damage is an error.
pub struct FrameReader<R> {
    input: R,
    /// A frame is waited for until all of it is there.
    whole: bool,
    decoder: Decoder<'static>,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
    in_frame: bool,
}

impl<R> std::fmt::Debug for FrameReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameReader").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl<R: Read> FrameReader<R> {
    /// Reads from `input`, which stands at a frame's start.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(input: R) -> io::Result<Self> {
        Ok(Self {
            input,
            whole: false,
            decoder: Decoder::new()?,
            buffer: Vec::new(),
            at: 0,
            ended: false,
            in_frame: false,
        })
    }

    /// The same, for who reads [`WHOLE`] bytes at once: zstd writes a frame into
    /// a buffer that has room for all of it without a copy of its own, if it
    /// has all of the frame.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn whole(input: R) -> io::Result<Self> {
        Ok(Self { whole: true, ..Self::new(input)? })
    }

    /// Whether the stream ended inside a frame; known once the end was given.
    #[must_use]
    pub fn torn(&self) -> bool {
        self.ended && self.in_frame
    }

    /// What the frames are read from.
    pub fn get_ref(&self) -> &R {
        &self.input
    }

    /// Reads more input behind what is not used yet.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + FILL, 0);
        let result = loop {
            let free = self.buffer.get_mut(held..).unwrap_or_default();
            match self.input.read(free) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.buffer.truncate(held + *result.as_ref().unwrap_or(&0));
        self.ended = result? == 0;
        Ok(())
    }

    /// Reads until the frame that begins here is whole, unless it is larger
    /// than hrec's, or torn.
    fn gather(&mut self) -> io::Result<()> {
        loop {
            let here = self.buffer.get(self.at..).unwrap_or_default();
            let whole = zstd::zstd_safe::find_frame_compressed_size(here).is_ok();
            if self.ended || whole || here.len() >= WHOLE {
                return Ok(());
            }
            self.fill()?;
        }
    }
}

impl<R: Read> Read for FrameReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if self.at == self.buffer.len() && !self.ended {
                self.fill()?;
            }
            if self.whole && !self.in_frame {
                self.gather()?;
            }
            let mut input = InBuffer::around(self.buffer.get(self.at..).unwrap_or_default());
            let mut output = OutBuffer::around(&mut *out);
            let left = self
                .decoder
                .run(&mut input, &mut output)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let (taken, given) = (input.pos(), output.pos());
            self.at += taken;
            if taken + given > 0 {
                self.in_frame = left > 0;
            }
            if given > 0 || (self.ended && taken == 0) {
                return Ok(given);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn lines(count: usize) -> Vec<u8> {
        (0..count)
            .flat_map(|i| format!("[0.1,\"o\",\"line {}\"]\n", i * i % 977).into_bytes())
            .collect()
    }

    fn made() -> (Vec<u8>, Vec<u8>) {
        let (text, mut out) = (lines(9000), Vec::new());
        let mut frames = Frames::new().unwrap();
        for (i, piece) in text.chunks(text.len() / 3).enumerate() {
            let level = if i == 0 { LEVEL_FLOOD } else { LEVEL };
            frames.frame(level, piece, &mut out).unwrap();
            frames.pad(8 + i * 100, &mut out);
        }
        frames.frame(LEVEL, b"", &mut out).unwrap();
        frames.finish(&mut out);
        assert_eq!(frames.written(), out.len() as u64);
        (text, out)
    }

    fn read(bytes: &[u8]) -> (io::Result<Vec<u8>>, bool) {
        let mut reader = FrameReader::new(bytes).unwrap();
        let mut out = Vec::new();
        let result = reader.read_to_end(&mut out).map(|_| out);
        (result, reader.torn())
    }

    #[test]
    fn round_trips_and_has_its_table() {
        let (text, bytes) = made();
        let (result, torn) = read(&bytes);
        assert_eq!(result.unwrap(), text);
        assert!(!torn);
        let table = SeekTable::read(&mut Cursor::new(&bytes)).unwrap().unwrap();
        assert!(table.entries.len() >= 6);
        let mut at = 0;
        let mut rebuilt = Vec::new();
        for entry in &table.entries {
            let frame = &bytes[at..at + entry.size as usize];
            let part = read(frame).0.unwrap();
            assert_eq!(part.len(), entry.text as usize);
            rebuilt.extend(part);
            at += entry.size as usize;
        }
        assert_eq!(rebuilt, text);
    }

    #[test]
    fn torn_anywhere_gives_a_prefix() {
        let (text, bytes) = made();
        let mut longest = 0;
        for cut in (0..bytes.len()).step_by(97) {
            let (result, _) = read(&bytes[..cut]);
            let got = result.unwrap();
            assert!(text.starts_with(&got), "cut at {cut}");
            assert!(got.len() >= longest, "cut at {cut}");
            longest = got.len();
        }
        assert!(longest > text.len() / 2);
        assert!(read(&bytes[..bytes.len() / 2]).1);
        assert_eq!(SeekTable::read(&mut Cursor::new(&bytes[..bytes.len() - 1])).unwrap(), None);
    }

    /// Found by fuzzing: the library still had the decoders of zstd before 0.8,
    /// for whose magics a torn frame was none.
    #[test]
    fn frames_of_the_formats_before_zstd_1_are_refused() {
        for version in 0x1e..=0x27 {
            let bytes = [version, 0xb5, 0x2f, 0xfd, 4, 0x78, 0xff];
            assert!(read(&bytes).0.is_err(), "{version:x}");
        }
    }

    #[test]
    fn hostile_tables_and_frames_are_refused() {
        let (_, good) = made();
        for at in 0..good.len() {
            if at > 200 && at + 200 < good.len() && at % 31 != 0 {
                continue;
            }
            let mut bytes = good.clone();
            bytes[at] ^= 0xff;
            let _ = read(&bytes);
            let _ = SeekTable::read(&mut Cursor::new(&bytes)).unwrap();
        }
        // Claims 2^27 frames in a file of a few bytes.
        let mut bytes = vec![0; 8];
        bytes.extend(0x7ff_ffff_u32.to_le_bytes());
        bytes.push(0);
        bytes.extend(MAGIC_SEEKABLE.to_le_bytes());
        assert_eq!(SeekTable::read(&mut Cursor::new(&bytes)).unwrap(), None);
    }
}
