//! How much was put out when, and where nothing happened.
//!
//! Refuses to know what. The invariant: memory is bounded, whatever the
//! recording's length.

use crate::event::Micros;

/// Buckets that are held: the finest picture is half of them.
const BUCKETS: usize = 4096;
/// Pauses shorter than this are none.
const LEAST: Micros = 1_000_000;
/// Pauses that are held: 1 MB of them. With more, the shorter ones go.
const PAUSES: usize = 1 << 16;

/// Bytes of output by time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Activity {
    /// Microseconds of each bucket.
    width: Micros,
    buckets: Vec<u64>,
}

impl Default for Activity {
    fn default() -> Self {
        Self { width: 1000, buckets: Vec::new() }
    }
}

impl Activity {
    pub(super) fn output(&mut self, time: Micros, bytes: usize) {
        while time / self.width >= BUCKETS as u64 {
            let halved = self.buckets.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.buckets = halved;
            self.width = self.width.saturating_mul(2);
        }
        let at = usize::try_from(time / self.width).unwrap_or(usize::MAX);
        if self.buckets.len() <= at {
            self.buckets.resize(at + 1, 0);
        }
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket += bytes as u64;
        }
    }

    pub(super) fn add(&mut self, later: &Self) {
        for (at, bytes) in later.buckets.iter().enumerate().filter(|(_, bytes)| **bytes > 0) {
            self.output(at as u64 * later.width, usize::try_from(*bytes).unwrap_or(usize::MAX));
        }
    }

    /// The whole of `duration` in `count` equal parts.
    pub(super) fn parts(&self, count: usize, duration: Micros) -> Vec<u64> {
        let mut parts = vec![0; count];
        let whole = u128::from(duration.max(1));
        for (at, bytes) in self.buckets.iter().enumerate() {
            let time = u128::from(at as u64 * self.width);
            let part = usize::try_from(time * count as u128 / whole).unwrap_or(usize::MAX);
            if let Some(part) = parts.get_mut(part.min(count.saturating_sub(1))) {
                *part += bytes;
            }
        }
        parts
    }
}

/// A stretch of time, in µs since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its start.
    pub from: Micros,
    /// Its end.
    pub to: Micros,
}

impl Stretch {
    /// How long it is.
    #[must_use]
    pub fn length(self) -> Micros {
        self.to.saturating_sub(self.from)
    }
}

/// Pauses between events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pauses {
    least: Micros,
    held: Vec<Stretch>,
}

impl Pauses {
    pub(super) fn pause(&mut self, pause: Stretch) {
        if pause.length() < self.least.max(LEAST) {
            return;
        }
        self.held.push(pause);
        while self.held.len() > PAUSES {
            let least = self.least.max(LEAST);
            self.least = least.saturating_add(least / 4);
            self.held.retain(|pause| pause.length() >= self.least);
        }
    }

    pub(super) fn add(&mut self, later: &Self) {
        self.least = self.least.max(later.least);
        later.held.iter().for_each(|pause| self.pause(*pause));
    }

    pub(super) fn longer(&self, limit: Micros) -> Vec<Stretch> {
        self.held.iter().filter(|pause| pause.length() > limit).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_however_long_it_gets() {
        let mut activity = Activity::default();
        let times = [0, 999, 1000, 4_095_999, 4_096_000, 3_600_000_000, u64::MAX / 2];
        times.iter().for_each(|time| activity.output(*time, 10));
        assert!(activity.buckets.len() <= BUCKETS);
        assert_eq!(activity.parts(512, u64::MAX / 2).iter().sum::<u64>(), 70);
        let mut even = Activity::default();
        (0..1000).for_each(|n| even.output(n * 36_000_000, 5));
        let parts = even.parts(100, 36_000_000_000);
        assert_eq!(parts.iter().sum::<u64>(), 5000);
        assert!(parts.iter().all(|bytes| (45..=55).contains(bytes)), "{parts:?}");
        assert!(even.parts(0, 5).is_empty());
    }

    #[test]
    fn pauses_are_bounded_and_the_longest_stay() {
        let mut pauses = Pauses::default();
        let mut from = 0;
        for n in 0..200_000_u64 {
            let to = from + 1_000_000 + n % 7 * 1_000_000;
            pauses.pause(Stretch { from, to });
            from = to;
        }
        assert!(pauses.held.len() <= PAUSES);
        assert!(pauses.longer(6_000_000).len() > 20_000);
        assert!(pauses.longer(7_000_000).is_empty());
    }
}
