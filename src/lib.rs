//! hrec: a terminal session recorder and replayer.
//!
//! The modules are layers; imports go down only (`tests/layers.rs` holds
//! them to it). `man/hrec-design.7` is the map and says why each choice was
//! made.
//!
//! | layer | modules |
//! |---|---|
//! | 0 | [`event`] |
//! | 1 | [`sys`], [`format`], [`screen`], [`identity`] |
//! | 2 | [`recording`], [`seal`], [`store`] |
//! | 3 | [`record`], [`timeline`] |
//! | 4 | [`play`], [`collect`] |
//! | 5 | [`cli`], [`config`] |
//! | 6 | [`cmd`] |

pub mod event;

pub mod format;
pub mod identity;
pub mod screen;
pub mod sys;

pub mod recording;
pub mod seal;
pub mod store;

pub mod record;
pub mod timeline;

pub mod collect;
pub mod play;

pub mod cli;
pub mod cmd;
pub mod config;
