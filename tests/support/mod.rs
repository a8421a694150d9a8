//! What the tests of the program as a person runs it stand on: a terminal
//! made of a real PTY ([`Terminal`]), a HOME of its own for each test
//! ([`Sandbox`]), and the real servers that ssh, psql and kubectl talk to.
//!
//! Nothing here knows how hrec works inside; all is seen from outside, as by
//! the person, by the shell and by the kernel. The invariant: whatever a test
//! started is dead when the test ends, however it ends.

#![allow(dead_code, unused_imports, reason = "each test binary takes in what it needs of this")]

pub mod kubernetes;
pub mod postgres;
pub mod processes;
pub mod sandbox;
pub mod screen;
pub mod sshd;
pub mod terminal;
pub mod tool;

pub use processes::wait_until;
pub use sandbox::{Outcome, Sandbox};
pub use terminal::{Size, Start, Terminal};
pub use tool::tool;

use std::time::Duration;

/// How long a test waits for something that must happen. Generous, because
/// nobody waits this long unless the test fails, and a loaded machine is slow.
pub const PATIENCE: Duration = Duration::from_secs(40);
