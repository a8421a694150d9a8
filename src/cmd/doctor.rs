//! `hrec doctor`: what is well, what is not, and what to do about it.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::config::{self, Config};

/// Prints what was found.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(_args: &cli::Doctor, config: Result<Config, config::Error>) -> Result<ExitCode> {
    let config = config?;
    let mut out = std::io::stdout().lock();
    for (name, value, source, locked) in config.list() {
        writeln!(out, "{name} = {value}  # {source}{}", if locked { ", locked" } else { "" })?;
    }
    Ok(ExitCode::SUCCESS)
}
