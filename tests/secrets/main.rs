//! Secrets, typed into the real programs that ask for them, on a real PTY:
//! none is in the recording, nor in any file, unless a screen showed it. And
//! the contrary, without which that would be easy: what people ordinarily
//! type is kept.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test says what it expects")]

#[path = "../support/mod.rs"]
mod support;

mod account;
mod arguments;
mod case;
mod databases;
mod habits;
mod kept;
mod local;
mod prompts;
mod remains;
mod remote;
mod screens;
