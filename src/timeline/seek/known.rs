//! Where the state is known without playing up to there.
//!
//! Refuses to know what for. The invariant: a keyframe that does not say of
//! itself what the recording's list says of it counts as not there.

use super::Timeline;
use crate::recording::{Anchor, Result};
use crate::screen::Keyframe;
use crate::timeline::spot::Spot;

/// Keyframes that are tried before the text is played from farther back: one
/// that is damaged is not there, and many are an attack on time.
const TRIES: usize = 8;
impl Timeline {
    /// The last place that `before` is true of and where the state is known
    /// without playing from the start.
    pub(in crate::timeline) fn known(
        &mut self,
        before: impl Fn(&Spot) -> bool,
    ) -> Result<Option<(Spot, Keyframe)>> {
        let checkpoint = self.checkpoints.last(&before);
        let least = checkpoint.as_ref().map(|(spot, _)| spot.event);
        Ok(self.stored(&before, least)?.or(checkpoint))
    }

    /// The last keyframe in the recording before, if it lies after event
    /// `least`.
    pub(super) fn stored(
        &mut self,
        before: impl Fn(&Spot) -> bool,
        least: Option<u64>,
    ) -> Result<Option<(Spot, Keyframe)>> {
        let anchors = self.source.anchors()?;
        let count = anchors.partition_point(|anchor| before(&Spot::at(anchor)));
        let last = anchors.get(..count).unwrap_or_default().iter().rev();
        let candidates: Vec<Anchor> = last
            .take_while(|anchor| least.is_none_or(|least| anchor.mark.event > least))
            .filter(|anchor| anchor.has_keyframe())
            .take(TRIES)
            .copied()
            .collect();
        for anchor in candidates {
            let state = self.source.keyframe(&anchor)?;
            let spot = Spot::at(&anchor);
            let keyframe = state.and_then(|state| Keyframe::decode(&state).ok());
            let keyframe = keyframe.filter(|keyframe| {
                keyframe.position == spot.position() && keyframe.size == anchor.mark.size
            });
            if let Some(keyframe) = keyframe {
                return Ok(Some((spot, keyframe)));
            }
        }
        Ok(None)
    }
}
