//! Which bytes of a stream without a PTY are kept: a token bucket.
//!
//! A session's words are small and its freight is large. A bucket keeps the
//! words of a session that goes on for a year, and the first and steady part
//! of any freight; what it lets pass is counted and hashed, so that a file can
//! still be proven to have gone through. It never switches recording off.
//! Its invariant: each byte is kept, or in the digest of a fact of its own, or in
//! that of a transfer.

use std::ops::Range;

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
    passed: Option<Passed>,
}

/// What was let pass since the last kept byte.
#[derive(Debug, Default)]
struct Passed {
    bytes: u64,
    in_transfers: u64,
    /// Of the others.
    hasher: Sha256,
}

impl Bucket {
    /// A full bucket for stream `number`: `burst` bytes at once, and `rate`
    /// bytes a second.
    #[must_use]
    pub fn new(number: u8, burst: u64, rate: u64) -> Self {
        let tokens = u128::from(burst) * 1_000_000;
        Self { number, burst, rate, tokens, filled: 0, passed: None }
    }

    /// The facts that these bytes make now. Those in the ranges `taken`, which
    /// are in order, are in a transfer's digest, and not hashed again. Bytes that are let pass make one
    /// fact together, once a later byte is kept, or at the end.
    pub fn take(
        &mut self,
        time: Micros,
        bytes: &[u8],
        taken: &[Range<usize>],
        facts: &mut Vec<Fact>,
    ) {
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
            self.passed.get_or_insert_default().add(bytes, keep, taken);
        }
    }

    /// The fact for what was let pass since the last kept byte, if anything was.
    pub fn end(&mut self, facts: &mut Vec<Fact>) {
        let Some(passed) = self.passed.take() else { return };
        let mut fact = Fact::new("stream").with("fd", self.number).with("bytes", passed.bytes);
        if passed.in_transfers > 0 {
            fact = fact.with("in_transfers", passed.in_transfers);
        }
        let digest = data_encoding::HEXLOWER.encode(&passed.hasher.finalize());
        facts.push(fact.with("sha256", digest));
    }
}

impl Passed {
    /// What is behind `start` of these bytes.
    fn add(&mut self, bytes: &[u8], mut start: usize, taken: &[Range<usize>]) {
        self.bytes += bytes.len().saturating_sub(start) as u64;
        for range in taken {
            if range.end <= start {
                continue;
            }
            let begin = range.start.max(start);
            self.hasher.update(bytes.get(start..begin).unwrap_or_default());
            self.in_transfers += (range.end - begin) as u64;
            start = range.end;
        }
        self.hasher.update(bytes.get(start..).unwrap_or_default());
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
            bucket.take(0, &[7; 4000], &[], &mut facts);
        }
        assert_eq!(sizes(&facts), [(true, 4000), (true, 4000), (true, 2000)]);
        bucket.take(10_000_000, b"words", &[], &mut facts);
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
            bucket.take(n as u64 * 1000, &vec![0; n], &[], &mut facts);
            total += n as u64;
        }
        bucket.end(&mut facts);
        assert_eq!(sizes(&facts).iter().map(|s| s.1).sum::<u64>(), total);
    }

    #[test]
    fn what_is_in_a_transfer_is_counted_and_the_rest_is_hashed() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut bucket = Bucket::new(0, 100, 0);
        let mut facts = Vec::new();
        // Kept in part; between others; and up to the end.
        bucket.take(0, &bytes, &[10..20, 90..120, 130..131, 250..256], &mut facts);
        bucket.take(1, &bytes, &[0..200, 200..256], &mut facts);
        bucket.take(2, &bytes, &[], &mut facts);
        bucket.end(&mut facts);
        assert_eq!(sizes(&facts), [(true, 100), (false, 156 + 256 + 256)]);
        assert_eq!(facts[1].fields["in_transfers"], 20 + 1 + 6 + 256);
        let rest = [&bytes[120..130], &bytes[131..250], &bytes].concat();
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(rest));
        assert_eq!(facts[1].fields["sha256"], digest);
    }
}
