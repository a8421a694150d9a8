//! The clock on the wall while something was recorded.
//!
//! Refuses to know what was. The invariant: it goes on from the last time that
//! anybody noted what it showed, so that a clock that was set, and a session
//! that slept, are told as they were.

use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::event::Micros;

/// What the clock on the wall showed, and where the viewer is.
#[derive(Clone, Debug)]
pub struct Wall {
    /// What it showed where somebody looked, in the order of the recording; at
    /// 0 first, if that is known.
    noted: Vec<(Micros, Timestamp)>,
    /// When it began.
    start: Option<Timestamp>,
    /// The viewer's.
    zone: TimeZone,
}

impl Wall {
    /// The clock of a recording that began at `start`, for a viewer in `zone`.
    #[must_use]
    pub fn new(start: Option<Timestamp>, zone: TimeZone) -> Self {
        let mut wall = Self { noted: Vec::new(), start, zone };
        wall.learn(Vec::new());
        wall
    }

    /// What it showed later on, in the order of the recording.
    pub fn learn(&mut self, noted: Vec<(Micros, Timestamp)>) {
        let start = self.start.map(|start| (0, start));
        self.noted = start.into_iter().chain(noted).collect();
    }

    /// Whether anything is known of it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.noted.is_empty()
    }

    /// The time of day at `time`; `None` when nobody knows.
    #[must_use]
    pub fn clock(&self, time: Micros, utc: bool) -> Option<String> {
        let at = self.at(time)?;
        let zone = if utc { TimeZone::UTC } else { self.zone.clone() };
        let at = at.to_zoned(zone);
        let name = if utc { "Z" } else { "" };
        Some(format!("{}{name}", at.strftime("%Y-%m-%d %H:%M:%S")))
    }

    fn at(&self, time: Micros) -> Option<Timestamp> {
        let known = self.noted.partition_point(|(from, _)| *from <= time);
        let (from, wall) = self.noted.get(known.checked_sub(1)?)?;
        let micros = i64::try_from(time - from).ok()?;
        wall.checked_add(micros.microseconds()).ok()
    }

    /// The first time when the viewer's clock would have shown this; where the
    /// session slept, or the clock was set, past it: the time just after.
    pub(super) fn when(&self, time: civil::Time) -> Option<Micros> {
        let ends = self.noted.iter().skip(1).map(Some).chain([None]);
        self.noted.iter().zip(ends).find_map(|((from, wall), next)| {
            let since = self.until(*wall, time)?;
            let at = from.saturating_add(since);
            match next {
                Some((next, later)) if at >= *next => {
                    // Was it passed over?
                    let leap = later.duration_since(*wall).as_micros();
                    (Micros::try_from(leap).ok()? >= since).then_some(*next)
                }
                _ => Some(at),
            }
        })
    }

    /// How long after `wall` the viewer's clock shows this.
    fn until(&self, wall: Timestamp, time: civil::Time) -> Option<Micros> {
        let day = wall.to_zoned(self.zone.clone()).date();
        [Some(day), day.tomorrow().ok()].into_iter().flatten().find_map(|day| {
            let at = day.to_datetime(time).to_zoned(self.zone.clone()).ok()?.timestamp();
            Micros::try_from(at.duration_since(wall).as_micros()).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::go_to;
    use super::*;

    const SECOND: Micros = 1_000_000;
    const MINUTE: Micros = 60 * SECOND;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn wall(start: Option<&str>, noted: &[(Micros, &str)]) -> Wall {
        let mut wall = Wall::new(start.map(at), TimeZone::UTC);
        wall.learn(noted.iter().map(|(time, text)| (*time, at(text))).collect());
        wall
    }

    #[test]
    fn past_midnight_and_without_a_date() {
        let late = wall(Some("2026-11-21T23:50:00Z"), &[]);
        assert_eq!(go_to("0:20", 0, 60 * MINUTE, &late), Ok(30 * MINUTE));
        let unknown = wall(None, &[]);
        assert_eq!(go_to("14:03", 0, 60 * MINUTE, &unknown), Ok((14 * 60 + 3) * SECOND));
        assert_eq!((unknown.clock(0, true), unknown.is_known()), (None, false));
        let half = wall(Some("2026-11-21T13:55:00.5Z"), &[]);
        assert_eq!(half.clock(SECOND / 2, true).as_deref(), Some("2026-11-21 13:55:01Z"));
        assert_eq!(half.clock(Micros::MAX, true), None);
    }

    #[test]
    fn a_session_that_slept() {
        let noted = [(5 * MINUTE, "2026-11-21T14:05:00Z"), (5 * MINUTE, "2026-11-21T16:30:00Z")];
        let slept = wall(Some("2026-11-21T14:00:00Z"), &noted);
        let shows = |minutes: u64| slept.clock(minutes * MINUTE, true).unwrap();
        assert_eq!(shows(4), "2026-11-21 14:04:00Z");
        assert_eq!(shows(5), "2026-11-21 16:30:00Z");
        assert_eq!(shows(8), "2026-11-21 16:33:00Z");
        let go = |text| go_to(text, 0, 60 * MINUTE, &slept);
        assert_eq!(go("14:03"), Ok(3 * MINUTE));
        assert_eq!(go("16:33"), Ok(8 * MINUTE));
        // While it slept.
        assert_eq!(go("15:00"), Ok(5 * MINUTE));
    }

    #[test]
    fn a_clock_that_was_set() {
        let back = wall(Some("2026-11-21T14:00:00Z"), &[(30 * MINUTE, "2026-11-21T13:00:00Z")]);
        assert_eq!(back.clock(40 * MINUTE, true).unwrap(), "2026-11-21 13:10:00Z");
        let go = |text| go_to(text, 0, 90 * MINUTE, &back);
        assert_eq!(go("13:10"), Ok(40 * MINUTE));
        // It showed this twice: the first time.
        assert_eq!(go("14:10"), Ok(10 * MINUTE));
        let on = wall(Some("2026-11-21T14:00:00Z"), &[(30 * MINUTE, "2026-11-21T15:00:00Z")]);
        assert_eq!(go_to("14:45", 0, 90 * MINUTE, &on), Ok(30 * MINUTE));
        assert_eq!(go_to("15:10", 0, 90 * MINUTE, &on), Ok(40 * MINUTE));
    }
}
