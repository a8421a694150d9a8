//! From frame to frame without decompressing: where the frames and keyframes of
//! a stream without index are.
//!
//! Knows nothing of files. Its invariant: an item that is given is whole in the
//! stream; what is not stays to be walked when more has come.
//!
//! Source: RFC 8878, 3.1.

use std::io::{self, Read};

use super::index::{KEYFRAME_PLACE, MAGIC_KEYFRAME, Mark, decode_keyframe};

const MAGIC: u32 = 0xFD2F_B528;

/// Something in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its first byte.
    pub at: u64,
    /// Its bytes.
    pub size: u64,
    /// What it is.
    pub kind: Kind,
}

/// What an [`Item`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A frame with text.
    Frame,
    /// A keyframe, and where it holds.
    Keyframe(Mark),
    /// Another skippable frame.
    Other,
}

/// Reads the item that begins here, at `at` in the stream; `None` when it is
/// not whole, or nothing that a zstd stream has.
///
/// # Errors
/// When `input` cannot be read.
pub fn next(input: &mut impl Read, at: u64) -> io::Result<Option<Item>> {
    let mut walk = Walk { input, taken: 0 };
    let kind = walk.item()?;
    let size = walk.taken;
    Ok(kind.map(|kind| Item { at, size, kind }))
}

struct Walk<'a, R> {
    input: &'a mut R,
    taken: u64,
}

impl<R: Read> Walk<'_, R> {
    fn item(&mut self) -> io::Result<Option<Kind>> {
        match self.take::<4>()?.map(u32::from_le_bytes) {
            Some(MAGIC) => Ok(self.frame()?.map(|()| Kind::Frame)),
            Some(magic) if magic & !0xf == 0x184D_2A50 => self.skippable(magic),
            _ => Ok(None),
        }
    }

    fn skippable(&mut self, magic: u32) -> io::Result<Option<Kind>> {
        let Some(size) = self.take()?.map(u32::from_le_bytes) else { return Ok(None) };
        let mut kind = Kind::Other;
        let mut rest = u64::from(size);
        if magic == MAGIC_KEYFRAME {
            let mut place = Vec::with_capacity(KEYFRAME_PLACE);
            let most = rest.min(KEYFRAME_PLACE as u64);
            let got = self.input.take(most).read_to_end(&mut place)? as u64;
            self.taken += got;
            if got < most {
                return Ok(None);
            }
            rest -= got;
            if let Some((mark, _)) = decode_keyframe(&place) {
                kind = Kind::Keyframe(mark);
            }
        }
        Ok(self.skip(rest)?.then_some(kind))
    }

    fn frame(&mut self) -> io::Result<Option<()>> {
        let Some([descriptor]) = self.take()? else { return Ok(None) };
        let single = descriptor & 0x20 != 0;
        let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied().unwrap_or(0);
        let content = match descriptor >> 6 {
            0 => u64::from(single),
            flag => 1 << flag,
        };
        if !self.skip(u64::from(!single) + dictionary + content)? {
            return Ok(None);
        }
        loop {
            let Some([b0, b1, b2]) = self.take()? else { return Ok(None) };
            let head = u32::from_le_bytes([b0, b1, b2, 0]);
            let size = match head >> 1 & 3 {
                0 | 2 => head >> 3,
                // One byte, repeated.
                1 => 1,
                _ => return Ok(None),
            };
            if !self.skip(size.into())? {
                return Ok(None);
            }
            if head & 1 == 1 {
                break;
            }
        }
        let checksum = if descriptor & 4 == 0 { 0 } else { 4 };
        Ok(self.skip(checksum)?.then_some(()))
    }

    fn take<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => {
                self.taken += N as u64;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there were so many.
    fn skip(&mut self, count: u64) -> io::Result<bool> {
        let skipped = io::copy(&mut self.input.take(count), &mut io::sink())?;
        self.taken += skipped;
        Ok(skipped == count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::frames::{FrameReader, Frames, LEVEL, SeekTable};
    use crate::format::index::encode_keyframe;
    use std::io::Cursor;
    use zstd::stream::raw::CParameter;

    fn walk(bytes: &[u8]) -> Vec<Item> {
        let (mut items, mut at) = (Vec::new(), 0);
        while let Some(item) = next(&mut &bytes[at as usize..], at).unwrap() {
            items.push(item);
            at += item.size;
        }
        items
    }

    /// Text that compresses, text that does not, and much of one byte.
    fn texts() -> [Vec<u8>; 3] {
        let mut x = 7_u64;
        let noise = (0..300_000).map(|_| {
            x = x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (x >> 40) as u8
        });
        [b"some text ".repeat(20_000), noise.collect(), vec![b'x'; 500_000]]
    }

    #[test]
    fn finds_what_the_seek_table_says() {
        let mut out = Vec::new();
        let mut frames = Frames::new().unwrap();
        let mark = Mark { time: 5, event: 6, text: 7, ..Mark::default() };
        for (n, text) in texts().iter().enumerate() {
            frames.frame(LEVEL, text, &mut out).unwrap();
            frames.pad(8 + n * 1000, &mut out);
            let mut payload = Vec::new();
            encode_keyframe(&mark, &vec![0; n * 40], &mut payload);
            frames.skippable(MAGIC_KEYFRAME, &payload, &mut out);
        }
        frames.skippable(MAGIC_KEYFRAME, b"somebody else's", &mut out);
        frames.finish(&mut out);
        let table = SeekTable::read(&mut Cursor::new(&out)).unwrap().unwrap();
        let items = walk(&out);
        // And the table itself.
        assert_eq!(items.len(), table.entries.len() + 1);
        for (item, entry) in items.iter().zip(&table.entries) {
            assert_eq!(item.size, u64::from(entry.size));
            assert_eq!(item.kind == Kind::Frame, entry.text > 0);
        }
        let keyframes = items.iter().filter(|item| item.kind == Kind::Keyframe(mark));
        assert_eq!(keyframes.count(), 3);
        for cut in (0..out.len()).step_by(101) {
            let whole = walk(&out[..cut]);
            assert_eq!(whole, items[..whole.len()], "cut at {cut}");
            assert!(items.get(whole.len()).is_none_or(|next| next.at + next.size > cut as u64));
        }
    }

    #[test]
    fn frames_of_every_form() {
        for (checksum, content, single) in
            [(true, true, false), (false, false, false), (true, true, true), (false, true, true)]
        {
            for text in texts() {
                let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
                encoder.set_parameter(CParameter::ChecksumFlag(checksum)).unwrap();
                encoder.set_parameter(CParameter::ContentSizeFlag(content)).unwrap();
                let length = if single { 900 } else { text.len() };
                if content {
                    encoder.set_pledged_src_size(Some(length as u64)).unwrap();
                }
                io::Write::write_all(&mut encoder, &text[..length]).unwrap();
                let frame = encoder.finish().unwrap();
                let bytes = [&frame[..], b"(\xb5/\xfd"].concat();
                let items = walk(&bytes);
                let item = Item { at: 0, size: frame.len() as u64, kind: Kind::Frame };
                assert_eq!(items, [item]);
            }
        }
    }

    #[test]
    fn hostile_bytes_end() {
        let mut bytes = zstd::bulk::compress(&texts()[0], 3).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 0xff;
            let items = walk(&bytes);
            assert!(items.iter().map(|item| item.size).sum::<u64>() <= bytes.len() as u64);
            let _ = FrameReader::new(bytes.as_slice()).unwrap().read_to_end(&mut Vec::new());
            bytes[at] ^= 0xff;
        }
    }
}
