//! The player: without a terminal, as a recording, keys and the screen they
//! lead to; and on one, as the person's terminal sees it.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test says what it expects")]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod going;
mod headless;
mod hostile;
mod known;
mod terminal;
mod windows;
