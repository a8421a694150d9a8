//! The operating system's side of a session: PTY, terminal settings, signals,
//! and the process that watches over the recorded program.
//!
//! The only module with `unsafe`. It knows nothing of recordings and formats.
//! Its invariant: whatever it changes outside the process (terminal settings,
//! signal masks) is a value that undoes itself on drop.

pub mod clock;
pub mod detach;
pub mod inherited;
pub mod kin;
pub mod memory;
pub mod monitor;
pub mod nonblock;
pub mod peer;
pub mod privilege;
pub mod pty;
pub mod sharing;
pub mod signals;
pub mod syslog;
pub mod tty;
pub mod users;
pub mod writeback;
