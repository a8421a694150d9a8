//! `hrec end`: ends a session that a collector has.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use anyhow::{Result, anyhow};

use super::far::Far;
use crate::cli;
use crate::config::Config;

/// What came of asking for this host's own collector, while the binary's group
/// was there to do it with.
pub(super) type Door = Option<Result<UnixStream, String>>;

/// Runs the verb.
///
/// # Errors
/// When there is no such session, or it is not for this person to end it.
pub(super) fn run(args: &cli::End, door: Door, config: &Config) -> Result<ExitCode> {
    let far = match Far::of(&args.rec, config, "end")? {
        Some(far) => far,
        None => {
            let stream = door.unwrap_or_else(|| Err("there is no way to it".to_owned()));
            let stream = stream.map_err(|why| anyhow!(why))?;
            Far::local(stream, &args.rec, config, "end")?
        }
    };
    let id = far.end()?;
    writeln!(super::out::out(), "{id} has ended")?;
    Ok(ExitCode::SUCCESS)
}
