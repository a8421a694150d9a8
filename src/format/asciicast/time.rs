//! Seconds as text, to and from integer microseconds.
//!
//! Refuses to know which version it is for. The invariant: what comes out is
//! at most [`MAX_TIME`], whatever text goes in.

use crate::event::Micros;

/// The latest time there is: 100 years. Later ones (`1e300` in hostile files)
/// become this. It is below 2^53, so every time is exact as a JSON number and
/// sums of two never overflow.
pub const MAX_TIME: Micros = 100 * 31_557_600 * 1_000_000;

/// Picoseconds: v3 intervals are summed this fine, so that a foreign file with
/// nanoseconds does not drift by rounding each of a million intervals.
pub(crate) type Picos = u128;

/// Picoseconds in a microsecond.
pub(crate) const PICOS: Picos = 1_000_000;

const MAX_PICOS: Picos = MAX_TIME as Picos * PICOS;

/// Reads a JSON number of seconds, at most [`MAX_TIME`]. Negative numbers and
/// `NaN` are 0. `None` when it is no number.
pub(crate) fn parse_seconds(text: &[u8]) -> Option<Picos> {
    if let Some(exact) = parse_decimal(text) {
        return Some(exact);
    }
    let value = match text {
        b"NaN" => f64::NAN,
        b"Infinity" => f64::INFINITY,
        b"-Infinity" => f64::NEG_INFINITY,
        _ if text.iter().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            std::str::from_utf8(text).ok()?.parse().ok()?
        }
        _ => return None,
    };
    Some(from_f64(value))
}

/// Seconds as a float to picoseconds, clamped.
pub(crate) fn from_f64(seconds: f64) -> Picos {
    // A cast from float to integer saturates, and makes NaN 0.
    ((seconds * 1e12) as Picos).min(MAX_PICOS)
}

/// Plain decimals, exactly: `12.345678`.
fn parse_decimal(text: &[u8]) -> Option<Picos> {
    let point = memchr::memchr(b'.', text).unwrap_or(text.len());
    let (whole, fraction) = text.split_at_checked(point)?;
    let fraction = fraction.strip_prefix(b".").unwrap_or(fraction);
    let all_digits = |t: &[u8]| t.iter().all(u8::is_ascii_digit);
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let digits = |t: &[u8]| {
        t.iter().fold(0u128, |n, b| n.saturating_mul(10).saturating_add(u128::from(b - b'0')))
    };
    let fine = fraction.get(..fraction.len().min(12))?;
    let scale = 10u128.pow(12 - u32::try_from(fine.len()).ok()?);
    let total =
        digits(whole).saturating_mul(1_000_000_000_000).saturating_add(digits(fine) * scale);
    Some(total.min(MAX_PICOS))
}

/// Rounds half up to microseconds.
pub(crate) fn to_micros(time: Picos) -> Micros {
    // Of less than 213 days, in a tenth of the time.
    if let Ok(time) = u64::try_from(time + PICOS / 2) {
        return time / PICOS as u64;
    }
    Micros::try_from((time + PICOS / 2) / PICOS).unwrap_or(MAX_TIME).min(MAX_TIME)
}

/// Appends seconds with six decimals.
pub(crate) fn push_seconds(time: Micros, out: &mut Vec<u8>) {
    use std::io::Write;
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{}.{:06}", time / 1_000_000, time % 1_000_000);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn micros(text: &str) -> Option<Micros> {
        parse_seconds(text.as_bytes()).map(to_micros)
    }

    #[test]
    fn real_and_hostile_numbers() {
        for (text, expected) in [
            ("0", 0),
            ("1", 1_000_000),
            ("1.5", 1_500_000),
            ("0.0000015", 2),
            ("1.0000004", 1_000_000),
            ("1e-3", 1_000),
            ("1.5E2", 150_000_000),
            ("-1", 0),
            ("-0.0", 0),
            ("NaN", 0),
            ("Infinity", MAX_TIME),
            ("-Infinity", 0),
            ("1e300", MAX_TIME),
            ("1e999", MAX_TIME),
            ("99999999999999999999999999999999999999999999.9", MAX_TIME),
        ] {
            assert_eq!(micros(text), Some(expected), "{text}");
        }
        for text in ["", ".", "x", "1.2.3", "inf", "nan", "0x10", "true", "1_0", "--1"] {
            assert_eq!(micros(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn exact_round_trip(time in 0..=MAX_TIME) {
            let mut out = Vec::new();
            push_seconds(time, &mut out);
            prop_assert_eq!(parse_seconds(&out).map(to_micros), Some(time));
        }

        #[test]
        fn never_beyond(text in "[-+.0-9eE]{0,40}") {
            if let Some(time) = micros(&text) {
                prop_assert!(time <= MAX_TIME);
            }
        }
    }
}
