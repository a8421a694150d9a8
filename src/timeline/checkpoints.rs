//! States that were come by on the way, to come back to.
//!
//! Refuses to know how they were come by. The invariant: bounded memory; where
//! there are too many, every second one goes, and the next are farther apart.

use super::spot::Spot;
use crate::screen::Keyframe;

/// Text between two of them. That much plays in some tenths of a second where
/// all of it has to go through the terminal model.
const APART: u64 = 4 << 20;
/// Bytes of all of them: some hundred screens, for which a player has room.
const MOST: usize = 4 << 20;

struct Checkpoint {
    spot: Spot,
    state: Vec<u8>,
}

pub(super) struct Checkpoints {
    /// By their events.
    kept: Vec<Checkpoint>,
    bytes: usize,
    apart: u64,
    /// One more: for the events just before the position, which a person who
    /// steps back will ask for next.
    near: Option<Checkpoint>,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self { kept: Vec::new(), bytes: 0, apart: APART, near: None }
    }
}

impl Checkpoints {
    /// Whether one is worth keeping here, when the last known state before is
    /// at byte `known` of the text.
    pub(super) fn wants(&self, spot: &Spot, known: u64) -> bool {
        let last = self.before(spot.event).map_or(0, |last| last.spot.place.text());
        spot.place.text() >= last.max(known).saturating_add(self.apart)
    }

    pub(super) fn keep(&mut self, spot: Spot, keyframe: &Keyframe) {
        let Some(checkpoint) = Checkpoint::new(spot, keyframe) else { return };
        let at = self.kept.partition_point(|one| one.spot.event < spot.event);
        self.bytes += checkpoint.state.len();
        self.kept.insert(at, checkpoint);
        while self.bytes > MOST && !self.kept.is_empty() {
            let mut odd = false;
            self.kept.retain(|_| {
                odd = !odd;
                !odd
            });
            self.bytes = self.kept.iter().map(|one| one.state.len()).sum();
            self.apart = self.apart.saturating_mul(2);
        }
    }

    pub(super) fn keep_near(&mut self, spot: Spot, keyframe: &Keyframe) {
        self.near = Checkpoint::new(spot, keyframe);
    }

    /// The last one that `until` is true of; it is of all before it too.
    pub(super) fn last(&self, until: impl Fn(&Spot) -> bool) -> Option<(Spot, Keyframe)> {
        let count = self.kept.partition_point(|one| until(&one.spot));
        let kept = self.kept.get(..count).and_then(<[_]>::last);
        let near = self.near.as_ref().filter(|near| until(&near.spot));
        let last = kept.into_iter().chain(near).max_by_key(|one| one.spot.event)?;
        Some((last.spot, last.keyframe()?))
    }

    fn before(&self, event: u64) -> Option<&Checkpoint> {
        let count = self.kept.partition_point(|one| one.spot.event <= event);
        self.kept.get(..count)?.last()
    }
}

impl Checkpoint {
    /// Without memory there is none.
    fn new(spot: Spot, keyframe: &Keyframe) -> Option<Self> {
        let state = zstd::bulk::compress(&keyframe.encode(), 1).ok()?;
        Some(Self { spot, state })
    }

    fn keyframe(&self) -> Option<Keyframe> {
        Keyframe::decode(&zstd::decode_all(self.state.as_slice()).ok()?).ok()
    }
}
