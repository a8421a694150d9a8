//! The whole recording in a row of columns: how much happened in each, and what
//! of note.
//!
//! Refuses to know colours. The invariant: it is made only when something has
//! changed, since a search may have found half a million places.

use super::landmarks::Landmarks;
use super::notes::Notes;
use crate::event::Micros;
use crate::timeline::scan::Kind;

/// Heights of a bar in a column; 0 is nothing at all.
pub const HEIGHTS: u8 = 8;

/// Something of note in a column: the most important one there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tick {
    /// The terminal had another size.
    Resize,
    /// A recorded marker.
    Marker,
    /// The person's own.
    Note,
    /// What was searched for.
    Match,
    /// An alert.
    Alert,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    length: Micros,
    heights: Vec<u8>,
    ticks: Vec<Option<Tick>>,
}

impl Track {
    /// A track of so many columns for a recording of this length.
    #[must_use]
    pub fn new(
        width: u16,
        length: Micros,
        landmarks: &Landmarks,
        notes: &Notes,
        matches: impl Iterator<Item = Micros>,
    ) -> Self {
        let columns = usize::from(width);
        let activity = landmarks.activity(columns, length);
        let most = activity.iter().copied().max().unwrap_or(0);
        let heights = activity.iter().map(|bytes| height(*bytes, most)).collect();
        let mut track = Self { length, heights, ticks: vec![None; columns] };
        let mut put = |time: Micros, tick: Tick| {
            let at = usize::from(column(time, length, width));
            if let Some(known) = track.ticks.get_mut(at) {
                *known = (*known).max(Some(tick));
            }
        };
        for item in landmarks.items() {
            match item.kind {
                Kind::Marker => put(item.time, Tick::Marker),
                Kind::Alert => put(item.time, Tick::Alert),
                Kind::Resize => put(item.time, Tick::Resize),
                _ => {}
            }
        }
        for note in notes.markers() {
            put(note.at_us, Tick::Note);
        }
        for time in matches {
            put(time, Tick::Match);
        }
        track
    }

    /// The length of the recording that it is of.
    #[must_use]
    pub fn length(&self) -> Micros {
        self.length
    }

    /// How much happened in a column, 0 to [`HEIGHTS`]; `None` where nobody
    /// has looked.
    #[must_use]
    pub fn height(&self, column: u16) -> Option<u8> {
        self.heights.get(usize::from(column)).copied()
    }

    /// What is of note in a column.
    #[must_use]
    pub fn tick(&self, column: u16) -> Option<Tick> {
        self.ticks.get(usize::from(column)).copied().flatten()
    }
}

/// By the logarithm: a build's megabytes would leave a person's keys at nothing.
fn height(bytes: u64, most: u64) -> u8 {
    if bytes == 0 {
        return 0;
    }
    let part = logarithm(bytes) / logarithm(most.max(1));
    1 + (part * f64::from(HEIGHTS - 1)).round() as u8
}

/// That of `bytes` + 1, to six digits: twice the artanh of what is above its
/// power of two, as a series. ln_1p(3) would have every session map the C
/// library's mathematics.
fn logarithm(bytes: u64) -> f64 {
    let more = bytes.saturating_add(1);
    let whole = more.ilog2();
    let rest = more as f64 / (1_u64 << whole) as f64;
    let t = (rest - 1.0) / (rest + 1.0);
    let s = t * t;
    let series = 1.0 + s * (1.0 / 3.0 + s * (1.0 / 5.0 + s * (1.0 / 7.0 + s / 9.0)));
    f64::from(whole) * std::f64::consts::LN_2 + 2.0 * t * series
}

/// In which of `width` columns `time` is.
#[must_use]
pub fn column(time: Micros, length: Micros, width: u16) -> u16 {
    let last = width.saturating_sub(1);
    let at = u128::from(time) * u128::from(width) / u128::from(length.max(1));
    u16::try_from(at).unwrap_or(last).min(last)
}

/// The time that a column begins at; the last one is the recording's end.
#[must_use]
pub fn time_at(column: u16, length: Micros, width: u16) -> Micros {
    if column + 1 >= width {
        return length;
    }
    let time = u128::from(length) * u128::from(column) / u128::from(width.max(1));
    Micros::try_from(time).unwrap_or(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithm_is_that_of_the_library() {
        for bytes in (0..2000).chain([1 << 20, (1 << 30) - 7, u64::MAX - 1, u64::MAX]) {
            let exact = (bytes as f64).ln_1p();
            assert!((logarithm(bytes) - exact).abs() <= 1e-5, "{bytes}");
        }
    }

    #[test]
    fn columns_and_times() {
        for (time, at) in [(0, 0), (9, 0), (10, 1), (99, 9), (100, 9), (500, 9)] {
            assert_eq!(column(time, 100, 10), at, "{time}");
        }
        assert_eq!(column(5, 0, 10), 9);
        assert_eq!(column(Micros::MAX, Micros::MAX, 80), 79);
        for column_at in 0..9 {
            assert_eq!(column(time_at(column_at, 100, 10), 100, 10), column_at);
        }
        assert_eq!(time_at(9, 100, 10), 100);
        assert_eq!(time_at(0, 100, 0), 100);
    }

    #[test]
    fn heights() {
        assert_eq!((height(0, 100), height(1, 1), height(100, 100)), (0, 8, 8));
        assert!((2..8).contains(&height(1000, 1_000_000)));
        assert_eq!(height(u64::MAX, u64::MAX), 8);
    }

    #[test]
    fn the_most_important_is_seen() {
        let mut notes = Notes::none();
        notes.set(50, "x").unwrap();
        let track = Track::new(10, 100, &Landmarks::default(), &notes, [50, 70].into_iter());
        assert_eq!((track.tick(5), track.tick(7)), (Some(Tick::Match), Some(Tick::Match)));
        assert_eq!((track.tick(0), track.height(0)), (None, None));
    }
}
