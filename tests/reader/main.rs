//! Reading recordings of a collector's store from another machine, as the
//! person who reads and as the bastion see it: a collector, a laptop with
//! nothing but keys on it, and what carries between the two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod far;
mod following;
mod hostile;
mod reading;
