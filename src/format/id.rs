//! The name of a recording: `20261121T141503.123Z-USER-TARGET-XXXXXXXX`.
//!
//! Knows nothing of directories. Its invariant: an [`Id`] is safe as a file
//! name and on a terminal, and sorts by start time.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;

/// `20261121T141503.123Z`.
const STAMP_LEN: usize = 20;
/// 40 bits in base32: enough that two sessions of one user, to one target, in
/// one millisecond, on every host of a fleet do not meet.
const RANDOM_LEN: usize = 8;
const USER_MAX: usize = 16;
const TARGET_MAX: usize = 24;

/// A recording's identifier. Ordered by start time (UTC, ms), then by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// A new id for a session that starts at `start`. `user` and `target` are
    /// lower-cased, cut to 16 and 24 characters, and what is not in
    /// `[a-z0-9._-]` becomes `_`.
    #[must_use]
    pub fn new(start: Timestamp, user: &str, target: &str) -> Self {
        let mut random = [0_u8; 5];
        rand::RngCore::fill_bytes(&mut rand::rngs::OsRng, &mut random);
        Self::with_random(start, user, target, random)
    }

    /// As [`Id::new`], with the random part given.
    #[must_use]
    pub fn with_random(start: Timestamp, user: &str, target: &str, random: [u8; 5]) -> Self {
        // 40 bits are exactly 8 characters: no padding, no partial group.
        Self(format!(
            "{}-{}-{}-{}",
            start.strftime("%Y%m%dT%H%M%S.%3fZ"),
            clean(user, USER_MAX),
            clean(target, TARGET_MAX),
            BASE32_NOPAD.encode(&random)
        ))
    }

    /// Parses an id; `None` when `text` has not an id's shape.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (stamp, rest) = text.split_at_checked(STAMP_LEN)?;
        let stamp_fits = stamp.bytes().enumerate().all(|(i, b)| match i {
            8 => b == b'T',
            15 => b == b'.',
            19 => b == b'Z',
            _ => b.is_ascii_digit(),
        });
        let names = rest.strip_prefix('-')?;
        let (names, random) = names.rsplit_once('-')?;
        // A hyphen may be part of user and target; that there is one between
        // them is all that can be asked.
        let names_fit = (3..=USER_MAX + 1 + TARGET_MAX).contains(&names.len())
            && names.bytes().all(is_name_byte)
            && names.get(1..names.len() - 1).is_some_and(|inner| inner.contains('-'));
        let random_fits = random.len() == RANDOM_LEN
            && random.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b));
        (stamp_fits && names_fit && random_fits).then(|| Self(text.to_owned()))
    }

    /// Whether it is of a session of the user of this name.
    #[must_use]
    pub fn is_of(&self, user: &str) -> bool {
        let names = self.0.get(STAMP_LEN + 1..).unwrap_or_default();
        let target = names.strip_prefix(&clean(user, USER_MAX));
        target.is_some_and(|target| target.starts_with('-'))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Year, month and day of the start (UTC), as digits: the directory the
    /// store keeps the recording in.
    #[must_use]
    pub fn date(&self) -> (&str, &str, &str) {
        let part = |range| self.0.get(range).unwrap_or_default();
        (part(0..4), part(4..6), part(6..8))
    }

    /// The start, to the millisecond; `None` when the digits are no date.
    #[must_use]
    pub fn start(&self) -> Option<Timestamp> {
        let part = |range| self.0.get(range).unwrap_or_default();
        format!(
            "{}-{}-{}T{}:{}:{}Z",
            part(0..4),
            part(4..6),
            part(6..8),
            part(9..11),
            part(11..13),
            part(13..19)
        )
        .parse()
        .ok()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
}

fn clean(name: &str, max: usize) -> String {
    let clean: String = name
        .chars()
        .take(max)
        .map(|c| {
            let c = c.to_ascii_lowercase();
            if u8::try_from(c).is_ok_and(is_name_byte) { c } else { '_' }
        })
        .collect();
    if clean.is_empty() { "_".to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn has_the_contracts_shape() {
        let id = Id::with_random(at("2026-11-21T14:15:03.1239Z"), "Ann Ö", "prod-db1;rm", [0; 5]);
        assert_eq!(id.as_str(), "20261121T141503.123Z-ann__-prod-db1_rm-AAAAAAAA");
        assert_eq!(id.date(), ("2026", "11", "21"));
        assert_eq!(id.start(), Some(at("2026-11-21T14:15:03.123Z")));
        assert!(id.is_of("Ann Ö") && id.is_of("ann__") && !id.is_of("ann") && !id.is_of("ann__x"));
        assert_eq!(Id::parse(id.as_str()), Some(id));
    }

    #[test]
    fn long_and_empty_names_fit() {
        let id = Id::new(at("1999-01-02T03:04:05Z"), &"u".repeat(99), &"-".repeat(99));
        assert_eq!(id.as_str().len(), STAMP_LEN + 1 + 16 + 1 + 24 + 1 + 8);
        assert_eq!(Id::parse(id.as_str()).as_ref(), Some(&id));
        let id = Id::new(at("1999-01-02T03:04:05Z"), "", "");
        assert!(Id::parse(id.as_str()).is_some(), "{id}");
    }

    #[test]
    fn refuses_what_is_no_id() {
        for text in [
            "",
            "20261121T141503.123Z",
            "20261121T141503.123Z-a-AAAAAAAA",
            "20261121T141503.123Z-a/b-c-AAAAAAAA",
            "20261121T141503.123Z-a-b-aaaaaaaa",
            "20261121T141503.123Z-a-b-AAAAAAA1",
            "2026112 T141503.123Z-a-b-AAAAAAAA",
            "ä0261121T141503.123Z-a-b-AAAAAAAA",
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }
}
