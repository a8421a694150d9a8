//! The records of a journal: text that is not yet safe in a recording's part.
//!
//! A record is `length (4 bytes, little-endian) ‖ nonce (16) ‖ age payload`;
//! the length counts nonce and payload. The part's header, then a record's
//! nonce and payload, is a valid age file. The payload's text is `offset (8,
//! little-endian) ‖ SHA-256 of the recording's text up to this record's end
//! (32) ‖ flags (1) ‖ text`; flag 1: the text is a zstd frame.
//!
//! Knows nothing of files. Its invariant: each record has a nonce of its own,
//! and a reader never takes anything after a record that is not whole.

use std::io::{self, Read};

use super::cipher::{self, FileKey, NONCE};

/// The longest body a reader takes: eight times what a frame holds.
const BODY_MAX: usize = 16 * 1024 * 1024;
/// The most text that a record gives.
const TEXT_MAX: u64 = 16 * 1024 * 1024;
/// Below this, compression costs more time than it saves bytes.
const COMPRESS_FROM: usize = 512;
const FLAG_ZSTD: u8 = 1;
const FIXED: usize = 8 + 32 + 1;

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where the text begins, in bytes of the recording's whole text.
    pub offset: u64,
    /// SHA-256 of the recording's text from its first byte to the end of this
    /// record's.
    pub digest: [u8; 32],
    /// Whole lines of asciicast.
    pub text: Vec<u8>,
}

/// Makes records.
pub struct RecordWriter {
    compressor: zstd::bulk::Compressor<'static>,
    plain: Vec<u8>,
}

impl std::fmt::Debug for RecordWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordWriter")
    }
}

impl RecordWriter {
    /// A maker of records.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self { compressor: zstd::bulk::Compressor::new(1)?, plain: Vec::new() })
    }

    /// Appends a record to `out`.
    ///
    /// # Errors
    /// When there is no memory; nothing is appended then.
    pub fn write(
        &mut self,
        key: &FileKey,
        offset: u64,
        digest: [u8; 32],
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.plain.clear();
        self.plain.extend_from_slice(&offset.to_le_bytes());
        self.plain.extend_from_slice(&digest);
        if text.len() > COMPRESS_FROM {
            self.plain.push(FLAG_ZSTD);
            let frame = self.compressor.compress(text)?;
            self.plain.extend_from_slice(&frame);
        } else {
            self.plain.push(0);
            self.plain.extend_from_slice(text);
        }
        let start = out.len();
        let nonce = cipher::nonce();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&nonce);
        let mut payload = key.writer(&nonce);
        payload.write(&self.plain, out);
        payload.finish(out);
        let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
        if let Some(field) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            *field = length.to_le_bytes();
        }
        // One large flood must not pin its memory for the session.
        self.plain.shrink_to(1 << 16);
        Ok(())
    }
}

/// Reads one record as it is in the file, length field and all; `None` at the
/// end, and where the rest is no whole record.
///
/// # Errors
/// When `input` cannot be read.
pub fn read_raw(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut record = Vec::new();
    input.take(4).read_to_end(&mut record)?;
    let Ok(field) = <[u8; 4]>::try_from(record.as_slice()) else { return Ok(None) };
    let Some(length) = body_length(field) else { return Ok(None) };
    input.take(length).read_to_end(&mut record)?;
    Ok((record.len() as u64 == 4 + length).then_some(record))
}

/// The bytes of a record after this length field, where it can be one's.
pub(super) fn body_length(field: [u8; 4]) -> Option<u64> {
    let length = u32::from_le_bytes(field);
    let possible = NONCE + cipher::TAG..=BODY_MAX;
    possible.contains(&(length as usize)).then_some(u64::from(length))
}

/// Opens a record as [`read_raw`] gives it; `None` when it was not made under
/// this key, or is damaged.
#[must_use]
pub fn open(key: &FileKey, raw: &[u8]) -> Option<Record> {
    let (nonce, payload) = raw.get(4..)?.split_first_chunk::<NONCE>()?;
    let mut plain = Vec::new();
    let mut reader = key.reader(nonce, payload);
    reader.read_to_end(&mut plain).ok()?;
    if reader.torn() || plain.len() < FIXED {
        return None;
    }
    let (offset, rest) = plain.split_first_chunk::<8>()?;
    let (digest, rest) = rest.split_first_chunk::<32>()?;
    let (flags, body) = rest.split_first()?;
    let text = match *flags {
        0 => body.to_vec(),
        FLAG_ZSTD => {
            let mut text = Vec::new();
            let decoder = zstd::stream::read::Decoder::with_buffer(body).ok()?;
            decoder.take(TEXT_MAX + 1).read_to_end(&mut text).ok()?;
            if text.len() as u64 > TEXT_MAX {
                return None;
            }
            text
        }
        _ => return None,
    };
    Some(Record { offset: u64::from_le_bytes(*offset), digest: *digest, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::cipher::Recipients;

    fn key() -> FileKey {
        let mut recipients = Recipients::new();
        recipients.add("age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa").unwrap();
        cipher::encrypt(&recipients).unwrap().key
    }

    #[test]
    fn round_trips_small_and_large() {
        let (key, mut file) = (key(), Vec::new());
        let mut writer = RecordWriter::new().unwrap();
        let texts: Vec<Vec<u8>> = [0, 1, 512, 513, 200_000, 1_500_000]
            .iter()
            .map(|n| (0..*n).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect())
            .collect();
        for (i, text) in texts.iter().enumerate() {
            let start = file.len();
            writer.write(&key, i as u64 * 7, [i as u8; 32], text, &mut file).unwrap();
            if text.len() == 1 {
                assert_eq!(file.len() - start, 36 + FIXED + 1);
            }
        }
        let mut input = file.as_slice();
        for (i, text) in texts.iter().enumerate() {
            let raw = read_raw(&mut input).unwrap().unwrap();
            let record = open(&key, &raw).unwrap();
            assert_eq!(record.offset, i as u64 * 7);
            assert_eq!(record.digest, [i as u8; 32]);
            assert_eq!(&record.text, text);
        }
        assert_eq!(read_raw(&mut input).unwrap(), None);
    }

    #[test]
    fn damage_is_noticed_at_every_byte() {
        let (key, mut file) = (key(), Vec::new());
        RecordWriter::new()
            .unwrap()
            .write(&key, 5, [1; 32], b"[0,\"o\",\"x\"]\n", &mut file)
            .unwrap();
        for cut in 0..file.len() {
            assert_eq!(read_raw(&mut &file[..cut]).unwrap(), None);
        }
        for at in 0..file.len() {
            let mut bytes = file.clone();
            bytes[at] ^= 0x10;
            let opened = read_raw(&mut bytes.as_slice()).unwrap().and_then(|raw| open(&key, &raw));
            assert_eq!(opened, None, "flipped at {at}");
        }
    }
}
