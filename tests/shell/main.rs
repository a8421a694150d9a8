//! `hrec shell` as its people meet it: behind the real sshd(8), as ordinary
//! users, each test on a host of its own ([`bastion::Bastion`]).
//!
//! The measure is the same host without hrec: one of its users, carol, has
//! bash in passwd(5), and whatever is done as the others must come out the
//! same as done by her.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod bastion;
mod doctor;
mod programs;
mod same;
mod sealed;
mod signals;
mod table;
mod tries;
