//! Which bytes of a stream without a PTY are kept: a token bucket.
//!
//! A session's words are small and its freight is large. A bucket keeps the
//! words of a session that goes on for a year, and the first and steady part
//! of any freight; what it lets pass is counted and hashed, so that a file can
//! still be proven to have gone through. It never switches recording off.

use sha2::{Digest, Sha256};

use crate::event::{Fact, Micros};

/// The bucket of one stream.
#[derive(Debug)]
pub struct Bucket {
    number: u8,
    burst: u64,
    rate: u64,
    /// Millionths of a byte.
    tokens: u128,
    filled: Micros,
    passed: Option<(u64, Sha256)>,
}

impl Bucket {
    /// A full bucket for stream `number`: `burst` bytes at once, and `rate`
    /// bytes a second.
    #[must_use]
    pub fn new(number: u8, burst: u64, rate: u64) -> Self {
        let tokens = u128::from(burst) * 1_000_000;
        Self { number, burst, rate, tokens, filled: 0, passed: None }
    }

    /// The facts that these bytes make now. Bytes that are let pass make one
    /// fact together, once a later byte is kept, or at the end.
    pub fn take(&mut self, time: Micros, bytes: &[u8], facts: &mut Vec<Fact>) {
        let elapsed = u128::from(time.saturating_sub(self.filled));
        self.filled = self.filled.max(time);
        self.tokens =
            (self.tokens + elapsed * u128::from(self.rate)).min(u128::from(self.burst) * 1_000_000);
        let there = usize::try_from(self.tokens / 1_000_000).unwrap_or(usize::MAX);
        // While bytes pass, go back to keeping them only for a stretch worth
        // reading: not for a byte here and there.
        let worthwhile = self.passed.is_none() || there >= bytes.len().max(4096);
        let keep = if worthwhile { there.min(bytes.len()) } else { 0 };
        let (kept, rest) = bytes.split_at(keep);
        if !kept.is_empty() {
            self.tokens -= keep as u128 * 1_000_000;
            self.end(facts);
            let text = data_encoding::BASE64.encode(kept);
            facts.push(Fact::new("stream").with("fd", self.number).with("b64", text));
        }
        if !rest.is_empty() {
            let (count, hash) = self.passed.get_or_insert_with(|| (0, Sha256::new()));
            *count += rest.len() as u64;
            hash.update(rest);
        }
    }

    /// The fact for what was let pass since the last kept byte, if anything was.
    pub fn end(&mut self, facts: &mut Vec<Fact>) {
        if let Some((bytes, hash)) = self.passed.take() {
            let digest = data_encoding::HEXLOWER.encode(&hash.finalize());
            facts.push(
                Fact::new("stream")
                    .with("fd", self.number)
                    .with("bytes", bytes)
                    .with("sha256", digest),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(facts: &[Fact]) -> Vec<(bool, u64)> {
        let size = |f: &Fact| match f.fields.get("b64") {
            Some(text) => {
                let text = text.as_str().unwrap().as_bytes();
                (true, data_encoding::BASE64.decode(text).unwrap().len() as u64)
            }
            None => (false, f.fields["bytes"].as_u64().unwrap()),
        };
        facts.iter().map(size).collect()
    }

    #[test]
    fn a_flood_is_counted_and_words_after_it_are_kept() {
        let mut bucket = Bucket::new(1, 10_000, 1000);
        let mut facts = Vec::new();
        for _ in 0..5 {
            bucket.take(0, &[7; 4000], &mut facts);
        }
        assert_eq!(sizes(&facts), [(true, 4000), (true, 4000), (true, 2000)]);
        bucket.take(10_000_000, b"words", &mut facts);
        bucket.end(&mut facts);
        assert_eq!(sizes(&facts)[3..], [(false, 10_000), (true, 5)]);
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest([7; 10_000]));
        assert_eq!(facts[3].fields["sha256"], digest);
    }

    #[test]
    fn every_byte_is_kept_or_counted() {
        let mut bucket = Bucket::new(2, 5000, 16_384);
        let mut facts = Vec::new();
        let mut total = 0;
        for n in 0..500usize {
            bucket.take(n as u64 * 1000, &vec![0; n], &mut facts);
            total += n as u64;
        }
        bucket.end(&mut facts);
        assert_eq!(sizes(&facts).iter().map(|s| s.1).sum::<u64>(), total);
    }
}
