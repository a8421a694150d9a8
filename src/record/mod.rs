//! Making a recording: the relay between person and program, the writer
//! behind it, and what happens when the record cannot be kept.
//!
//! Knows nothing of players. Its invariant: the thread that moves bytes never
//! waits for the disk except through a full queue, never grows without bound,
//! and never drops a byte that the person or the program was promised.

pub mod bucket;
pub mod input;
pub mod outage;
pub mod policy;
pub mod queue;
pub mod relay;
pub mod remote;
pub mod session;
pub mod sink;
pub mod streams;
pub mod writer;
