//! `hrec keygen`: make the person's identity.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::config::{Config, identity};

/// The recipient alone goes to standard output, so that
/// `hrec rec -r "$(hrec keygen)"` works; where the key is goes to standard
/// error.
///
/// # Errors
/// When an identity is there already, or none can be written.
pub fn run(_args: &cli::Keygen, config: &Config) -> Result<ExitCode> {
    let path = identity::path(config.dirs());
    let recipient = identity::create(&path)?;
    writeln!(std::io::stdout().lock(), "{recipient}")?;
    let _ = writeln!(
        std::io::stderr().lock(),
        "hrec: wrote {}; keep a copy of it elsewhere",
        path.display()
    );
    Ok(ExitCode::SUCCESS)
}
