//! `hrec collect` with real sessions, and with peers that are none: each test
//! has a collector of its own, which is killed as often as it takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod collector;
mod deaths;
mod hostile;
mod limits;
mod sessions;
