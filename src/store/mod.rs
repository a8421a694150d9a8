//! Where recordings are.
//!
//! Knows names and directories, and nothing of what is in a recording. Its
//! invariant: it never trusts a name that it finds, and removes nothing that
//! is not its own copy.

pub mod collector;
pub mod local;
pub mod remote;

pub use local::{Entry, Error, Local, Located, choose};
