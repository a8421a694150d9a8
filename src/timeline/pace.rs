//! When events are shown: pauses shortened, and all of it faster or slower.

use std::time::Duration;

use crate::event::{Event, Micros};

/// Shortens every pause longer than `limit` to it; `None` keeps them all.
pub fn idle_limit<I>(events: I, limit: Option<Duration>) -> IdleLimit<I> {
    let limit =
        limit.map_or(Micros::MAX, |l| Micros::try_from(l.as_micros()).unwrap_or(Micros::MAX));
    IdleLimit { events, limit, last: 0, cut: 0 }
}

/// See [`idle_limit`].
#[derive(Debug)]
pub struct IdleLimit<I> {
    events: I,
    limit: Micros,
    /// The last event's own time.
    last: Micros,
    /// What was cut off so far.
    cut: Micros,
}

impl<I: Iterator<Item = Result<Event, E>>, E> Iterator for IdleLimit<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let event = self.events.next()?;
        Some(event.map(|event| {
            let pause = event.time.saturating_sub(self.last);
            self.cut += pause.saturating_sub(self.limit);
            self.last = self.last.max(event.time);
            Event { time: self.last - self.cut, ..event }
        }))
    }
}

/// Plays `factor` times as fast. A factor that is no positive number is 1.
pub fn speed<I>(events: I, factor: f64) -> Speed<I> {
    let factor = if factor.is_finite() && factor > 0.0 { factor } else { 1.0 };
    Speed { events, factor }
}

/// See [`speed`].
#[derive(Debug)]
pub struct Speed<I> {
    events: I,
    factor: f64,
}

impl<I: Iterator<Item = Result<Event, E>>, E> Iterator for Speed<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let event = self.events.next()?;
        Some(event.map(|event| {
            // Division keeps the order, and a cast saturates.
            let time = if self.factor == 1.0 {
                event.time
            } else {
                (event.time as f64 / self.factor).round() as Micros
            };
            Event { time, ..event }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Data;
    use proptest::prelude::*;

    fn at(times: &[Micros]) -> impl Iterator<Item = Result<Event, ()>> {
        times.iter().map(|time| Ok(Event { time: *time, data: Data::Marker(String::new()) }))
    }

    fn times(events: impl Iterator<Item = Result<Event, ()>>) -> Vec<Micros> {
        events.map(|e| e.unwrap().time).collect()
    }

    #[test]
    fn pauses_are_shortened_to_the_limit() {
        let limit = Some(Duration::from_secs(2));
        let own = [5_000_000, 5_500_000, 7_500_000, 3_600_000_000, 3_600_000_001];
        assert_eq!(
            times(idle_limit(at(&own), limit)),
            [2_000_000, 2_500_000, 4_500_000, 6_500_000, 6_500_001]
        );
        assert_eq!(times(idle_limit(at(&own), None)), own);
    }

    #[test]
    fn faster_and_slower() {
        assert_eq!(times(speed(at(&[1, 1_000_000]), 4.0)), [0, 250_000]);
        assert_eq!(times(speed(at(&[1_000_000]), 0.01)), [100_000_000]);
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(times(speed(at(&[7]), odd)), [7]);
        }
    }

    proptest! {
        #[test]
        fn order_is_kept(
            mut own in prop::collection::vec(any::<u64>(), 0..20),
            limit in prop::option::of(any::<u32>()),
            factor in any::<f64>(),
        ) {
            own.sort_unstable();
            let limit = limit.map(|us| Duration::from_micros(us.into()));
            let played = times(speed(idle_limit(at(&own), limit), factor));
            prop_assert!(played.is_sorted());
            if let Some(limit) = limit {
                let limited = times(idle_limit(at(&own), Some(limit)));
                prop_assert!(limited.windows(2).all(|w| u128::from(w[1] - w[0]) <= limit.as_micros()));
            }
        }
    }
}
