//! A recording on a clock: its events and its screen at any time.
//!
//! Refuses to know where recordings come from and who watches them. The
//! invariant: adapters keep the order of events, and times never decrease; and
//! the state after a seek is the state after playing up to there.

mod checkpoints;
mod pace;
pub mod scan;
mod scrollback;
pub mod search;
mod seek;
mod spot;
mod streams;
mod sweep;
mod typed;

pub use pace::{IdleLimit, Speed, idle_limit, speed};
pub use seek::Timeline;
pub use spot::Events;
pub use streams::{LineEnds, Streams, with_streams};
pub use sweep::Wake;
