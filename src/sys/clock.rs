//! The session's clock.

#![allow(unsafe_code)]

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use jiff::tz::TimeZone;
use rustix::time::{ClockId, clock_gettime};

use crate::event::Micros;

/// Measures the time since a session began.
///
/// `CLOCK_BOOTTIME`, not `CLOCK_MONOTONIC`: a laptop that slept for a night
/// in mid-session was away for a night, and the recording says so. Neither
/// clock is moved by somebody who sets the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: u64,
}

impl Clock {
    /// A clock that shows 0 now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: now(ClockId::Boottime) }
    }

    /// Microseconds since the start.
    #[must_use]
    pub fn micros(&self) -> Micros {
        now(ClockId::Boottime).saturating_sub(self.start)
    }

    /// What the wall clock would have shown at this clock's zero, judged from
    /// what it shows now, in microseconds since 1970-01-01T00:00:00Z. It
    /// changes only when somebody sets the wall clock.
    #[must_use]
    pub fn wall_at_zero(&self) -> i128 {
        i128::from(wall()) - i128::from(self.micros())
    }
}

/// The wall clock, in microseconds since 1970-01-01T00:00:00Z; 0 before that.
#[must_use]
pub fn wall() -> u64 {
    now(ClockId::Realtime)
}

/// Whether something keeps the wall clock in step with others, by what the
/// kernel was told (adjtimex(2)); `None` where it does not say.
#[must_use]
pub fn synchronised() -> Option<bool> {
    // SAFETY: all of timex is numbers, for which zero is a value; with no
    // modes the call changes nothing.
    let mut told: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `told` is a timex of this process's, alive for the call.
    let state = unsafe { libc::adjtimex(&raw mut told) };
    (state >= 0).then_some(state != libc::TIME_ERROR && told.status & libc::STA_UNSYNC == 0)
}

fn now(clock: ClockId) -> u64 {
    let t = clock_gettime(clock);
    u64::try_from(t.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(t.tv_nsec).unwrap_or(0) / 1000
}

/// No file of a time zone is larger, in bytes: those of the tz database have
/// 4 KiB at most.
const ZONE_MAX: u64 = 1 << 20;

/// The zone that times are shown in: `TZ`, or the system's. UTC where `TZ`
/// names what reading would never come to an end of, `/dev/zero` or a FIFO.
#[must_use]
pub fn zone() -> TimeZone {
    let endless = std::env::var_os("TZ").is_some_and(|named| {
        let named = named.as_bytes();
        let path = std::ffi::OsStr::from_bytes(named.strip_prefix(b":").unwrap_or(named));
        let found = Path::new(path).metadata();
        found.is_ok_and(|found| !(found.is_dir() || found.is_file() && found.len() <= ZONE_MAX))
    });
    if endless { TimeZone::UTC } else { TimeZone::system() }
}

/// The wall clock as RFC 3339 text in UTC, with microseconds.
#[must_use]
pub fn wall_rfc3339() -> String {
    rfc3339(wall())
}

/// Microseconds since 1970 as RFC 3339 text in UTC, with microseconds.
#[must_use]
pub fn rfc3339(micros: u64) -> String {
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros)
        .map_or_else(|_| "9999-12-31T23:59:59Z".to_owned(), |t| format!("{t:.6}"))
}
