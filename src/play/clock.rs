//! Times as a person says and reads them, and how fast time passes.
//!
//! Refuses to know what is played. The invariant: every time it gives is one
//! that the recording could have.

use jiff::civil;

pub use super::wall::Wall;
use crate::event::Micros;

const SECOND: Micros = 1_000_000;

/// How fast a recording is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as it happened.
    Times(f64),
    /// As fast as it can be shown.
    Full,
}

/// The speeds that keys go through. Doubling is the smallest step that a
/// person sees at once; below 1 a half is not slow enough to read a flood by.
const LADDER: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

impl Speed {
    /// As it happened.
    pub const NORMAL: Self = Self::Times(1.0);

    /// The next one up.
    #[must_use]
    pub fn faster(self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::Times(now) => {
                let next = LADDER.into_iter().find(|speed| *speed > now);
                Self::Times(next.unwrap_or(now))
            }
        }
    }

    /// The next one down.
    #[must_use]
    pub fn slower(self) -> Self {
        let now = match self {
            Self::Full => f64::INFINITY,
            Self::Times(now) => now,
        };
        let next = LADDER.into_iter().rev().find(|speed| *speed < now);
        Self::Times(next.unwrap_or(now))
    }

    /// So much of the recording passes in `real` µs; [`Micros::MAX`] at full
    /// speed.
    #[must_use]
    pub fn recorded(self, real: Micros) -> Micros {
        match self {
            Self::Full => Micros::MAX,
            Self::Times(1.0) => real,
            // A cast saturates.
            Self::Times(times) => (real as f64 * times) as Micros,
        }
    }

    /// So many µs it takes to play `recorded`; rounded up, so that whoever
    /// waits so long finds it played.
    #[must_use]
    pub fn real(self, recorded: Micros) -> Micros {
        match self {
            Self::Full => 0,
            Self::Times(1.0) => recorded,
            Self::Times(times) => (recorded as f64 / times).ceil() as Micros + 1,
        }
    }
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full => f.write_str("full speed"),
            Self::Times(times) => write!(f, "{times}×"),
        }
    }
}

/// `1:02:03`
#[must_use]
pub fn hms(time: Micros) -> String {
    let seconds = time / SECOND;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `1:02:03.045`
#[must_use]
pub fn hms_millis(time: Micros) -> String {
    format!("{}.{:03}", hms(time), time % SECOND / 1000)
}

/// A length of time in words: `4.2 s`, `12:03`, `1:02:03`.
#[must_use]
pub fn length(time: Micros) -> String {
    if time < 60 * SECOND {
        return format!("{:.1} s", time as f64 / 1e6);
    }
    let seconds = time / SECOND;
    if seconds < 3600 {
        return format!("{}:{:02}", seconds / 60, seconds % 60);
    }
    hms(time)
}

/// Where a person wants to go, relative to `here` in a recording that ends at
/// `end`: `90` (seconds), `1:23:45`, `12m30s`, `-30`, `+10`, `50%`, and a time
/// of day, `14:03`.
///
/// Hours and minutes are a time of day; if the recording has no such time,
/// they are minutes and seconds. Hours, minutes and seconds are the time
/// elapsed; if the recording is not so long, a time of day.
///
/// # Errors
/// What is not understood, as a sentence.
pub fn go_to(text: &str, here: Micros, end: Micros, wall: &Wall) -> Result<Micros, String> {
    let wrong = || {
        format!(
            "{text:?} is no time; write 90, 1:23:45, 12m30s, -30, +10, 50% or 14:03 (by the clock)"
        )
    };
    let text = text.trim();
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!("{percent}% is not in the recording"));
        }
        return Ok((end as f64 * percent / 100.0) as Micros);
    }
    if let Some(by) = text.strip_prefix('-') {
        return Ok(here.saturating_sub(elapsed(by).ok_or_else(wrong)?));
    }
    if let Some(by) = text.strip_prefix('+') {
        return Ok(here.saturating_add(elapsed(by).ok_or_else(wrong)?).min(end));
    }
    let time = elapsed(text).ok_or_else(wrong)?;
    let parts: Vec<&str> = text.split(':').collect();
    let by_clock = || {
        let part = |n: usize| parts.get(n).map_or(Some(0), |part| part.parse::<i8>().ok());
        let time = civil::Time::new(part(0)?, part(1)?, part(2)?, 0).ok()?;
        wall.when(time).filter(|time| *time <= end)
    };
    match parts.len() {
        2 => {
            by_clock().or((time <= end).then_some(time)).ok_or_else(|| match wall.clock(0, false) {
                Some(start) => format!("{text} is not in the recording, which began at {start}"),
                None => format!("{text} is not in the recording, which is {} long", length(end)),
            })
        }
        3 if time > end => Ok(by_clock().unwrap_or(end)),
        _ => Ok(time.min(end)),
    }
}

/// Whether what this means, in a recording that ends at `end`, depends on what
/// the clock on the wall showed.
#[must_use]
pub fn is_by_clock(text: &str, end: Micros) -> bool {
    match text.split(':').count() {
        _ if text.trim_start().starts_with(['+', '-']) => false,
        2 => true,
        3 => elapsed(text).is_some_and(|time| time > end),
        _ => false,
    }
}

/// `90`, `1.5`, `2:30`, `1:23:45`, `1h2m3s`.
fn elapsed(text: &str) -> Option<Micros> {
    let text = text.trim();
    let seconds = if text.contains(['h', 'm', 's']) {
        let (mut total, mut number) = (0.0, String::new());
        for ch in text.chars() {
            let unit = match ch {
                'h' => 3600.0,
                'm' => 60.0,
                's' => 1.0,
                _ => {
                    number.push(ch);
                    continue;
                }
            };
            total += positive(&number)? * unit;
            number.clear();
        }
        number.is_empty().then_some(total)?
    } else {
        let parts: Vec<&str> = text.split(':').collect();
        if parts.len() > 3 {
            return None;
        }
        let mut total = 0.0;
        for part in parts {
            total = total * 60.0 + positive(part)?;
        }
        total
    };
    Some((seconds * 1e6) as Micros)
}

fn positive(text: &str) -> Option<f64> {
    let plain = text.chars().all(|ch| ch.is_ascii_digit() || ch == '.');
    text.parse().ok().filter(|n: &f64| plain && n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Micros = 3600 * SECOND;

    fn wall() -> Wall {
        Wall::new("2026-11-21T13:55:00.5Z".parse().ok(), jiff::tz::TimeZone::UTC)
    }

    #[test]
    fn places_to_go_to() {
        let go = |text: &str| go_to(text, 100 * SECOND, HOUR, &wall());
        for (text, seconds) in [
            ("90", 90.0),
            ("1.5", 1.5),
            ("0:23:45", 1425.0),
            ("12m30s", 750.0),
            ("-30", 70.0),
            ("-300", 0.0),
            ("+10", 110.0),
            ("+2:00", 220.0),
            ("+9h", 3600.0),
            ("50%", 1800.0),
            // Five minutes to two, and a half second: not yet begun.
            ("13:56", 59.5),
            ("14:03", 479.5),
            // No time of day in the recording.
            ("5:30", 330.0),
            ("14:03:10", 489.5),
            ("9:00:00", 3600.0),
            (" 90 ", 90.0),
        ] {
            assert_eq!(go(text), Ok((seconds * 1e6) as Micros), "{text}");
        }
        for text in ["", "x", "1:2:3:4", "1h2", "--3", "1e9", "NaN", "101%", "75:00", "-", ":"] {
            assert!(go(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_goes_by_the_clock() {
        for (text, by_clock) in [
            ("14:03", true),
            ("0:59:59", false),
            ("14:03:10", true),
            ("-1:30", false),
            ("90", false),
            ("50%", false),
        ] {
            assert_eq!(is_by_clock(text, HOUR), by_clock, "{text}");
        }
    }

    #[test]
    fn speeds() {
        let mut speed = Speed::Times(3.0);
        speed = speed.faster();
        assert_eq!(speed, Speed::Times(4.0));
        for _ in 0..9 {
            speed = speed.faster();
        }
        assert_eq!(speed, Speed::Times(64.0));
        assert_eq!(Speed::Full.slower(), Speed::Times(64.0));
        assert_eq!(Speed::Times(0.1).slower(), Speed::Times(0.1));
        assert_eq!(Speed::Times(0.5).recorded(3), 1);
        for times in [0.1, 0.25, 3.0, 64.0] {
            let speed = Speed::Times(times);
            for recorded in [0, 1, 999, 1_000_001] {
                assert!(speed.recorded(speed.real(recorded)) >= recorded, "{times} {recorded}");
            }
        }
    }

    #[test]
    fn as_read() {
        assert_eq!(hms(3_723_999_999), "1:02:03");
        assert_eq!(hms_millis(1_045_999), "0:00:01.045");
        assert_eq!(length(4_240_000), "4.2 s");
        assert_eq!(length(723 * SECOND), "12:03");
    }
}
