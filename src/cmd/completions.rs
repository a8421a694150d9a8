//! `hrec completions SHELL`: completion scripts, made from the command
//! definitions.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap_complete::Shell;

use crate::cli;

/// Writes the script to standard output.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &cli::Completions) -> Result<ExitCode> {
    let shell = match args.shell.as_str() {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        other => bail!("there are no completions for {other}; choose bash, zsh or fish"),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "hrec", &mut script);
    let mut out = std::io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
