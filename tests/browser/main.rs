//! The browser of `hrec play`: keys in, screens out; and as a person runs it,
//! on a real terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod headless;
mod terminal;
