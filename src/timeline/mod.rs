//! A recording's events on a clock: adapters from iterator to iterator.
//!
//! Refuses to know where events come from and who watches them. The invariant:
//! adapters keep the order of events, and times never decrease.

mod pace;
mod streams;

pub use pace::{IdleLimit, Speed, idle_limit, speed};
pub use streams::{LineEnds, Streams, with_streams};
