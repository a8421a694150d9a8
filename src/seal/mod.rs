//! What proves a recording: the manifest, and later its signature and the
//! ledger.
//!
//! Knows nothing of players and needs no key to a recording's content. Its
//! invariant: what is written here is in the clear, so it never holds session
//! content and never a secret of a command line.

pub mod chain;
pub mod finding;
pub mod manifest;

pub use manifest::Manifest;
