//! The fuzz targets: for each decoder, a function that takes any bytes and
//! panics when something that must hold does not.
//!
//! Two drivers share them: libFuzzer (`tests/fuzz/run`), and, as an ordinary
//! test on stable Rust, `tests/decoders.rs`. A target bounds what it reads, so
//! that one input never takes more than a moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod frames;
mod ledger;
mod sealed;
mod seals;
mod settings;
mod shown;
mod text;
mod transfers;
mod wire;

/// A target's name, which is its corpus's too, and the target.
pub type Target = (&'static str, fn(&[u8]));

/// All of them. `tests/fuzz/run` reads the names from these lines.
pub const ALL: &[Target] = &[
    ("asciicast", text::asciicast),
    ("asciicast_encode", text::encode),
    ("detect", text::detect),
    ("frames", frames::decode),
    ("frames_encode", frames::encode),
    ("seek_table", frames::seek_table),
    ("index", frames::index),
    ("walk", frames::walk),
    ("cipher_head", sealed::head),
    ("cipher_stream", sealed::stream),
    ("journal", sealed::journal),
    ("chain", sealed::chain),
    ("keys", sealed::keys),
    ("signature", seals::signature),
    ("signers", seals::signers),
    ("ledger_note", ledger::note),
    ("ledger_proof", ledger::proof),
    ("ledger_tile", ledger::tile),
    ("ledger_record", ledger::record),
    ("ledger_anchor", ledger::anchor),
    ("manifest", settings::manifest),
    ("config", settings::config),
    ("certificate", settings::certificate),
    ("command_line", settings::command_line),
    ("screen", shown::screen),
    ("keyframe", shown::keyframe),
    ("transfer", transfers::transfer),
    ("wire", wire::wire),
];

/// Takes the front of an input as numbers that decide what is done with the
/// rest.
pub struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn number(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Reads to the end or to `most` bytes, in pieces of a strange size: the
/// result must not depend on it.
pub fn read_bounded(mut input: impl std::io::Read, most: usize) -> (Vec<u8>, std::io::Result<()>) {
    let mut all = Vec::new();
    let mut piece = [0; 4099];
    loop {
        match input.read(&mut piece) {
            Ok(0) => return (all, Ok(())),
            Ok(count) => all.extend_from_slice(&piece[..count]),
            Err(error) => return (all, Err(error)),
        }
        if all.len() >= most {
            return (all, Ok(()));
        }
    }
}
