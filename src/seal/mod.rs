//! What proves a recording: the manifest, its signature, and the check of
//! both.
//!
//! Knows nothing of players and needs no key to a recording's content. Its
//! invariant: what is written here is in the clear, so it never holds session
//! content and never a secret of a command line.

pub mod chain;
pub mod finding;
pub mod key;
pub mod ledger;
pub mod manifest;
pub mod session_key;
pub mod signer;
pub mod signers;
pub mod sshsig;
pub mod verify;

pub use manifest::Manifest;
