//! `hrec play`: a recording, shown as it happened.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use super::source::Source;
use crate::cli;
use crate::config::Config;
use crate::play::{Ended, Terminal, plain};
use crate::sys::signals::die_of;
use crate::timeline::{LineEnds, idle_limit, speed, with_streams};

/// Runs the verb.
///
/// # Errors
/// When the recording cannot be opened or read, or the terminal is gone.
pub fn run(args: &cli::Play, config: &Config) -> Result<ExitCode> {
    let mut source = Source::open(&args.rec, &args.identity, config)?;
    let header = source.header().clone();
    let wished = header.idle_time_limit.and_then(|s| Duration::try_from_secs_f64(s).ok());
    let limit = match (&args.idle_limit, wished) {
        // What was typed is in the configuration already.
        (None, Some(wished)) => wished,
        _ => config.play_idle.value,
    };
    let events = with_streams(&mut source, LineEnds::Terminal);
    let events = idle_limit(events, (!limit.is_zero()).then_some(limit));
    let events = speed(events, args.speed);

    let terminal = match std::io::stdout().is_terminal() {
        true => Terminal::take()?,
        false => None,
    };
    let ended = match terminal {
        Some(mut terminal) => plain::on_terminal(&header, events, &mut terminal)?,
        None => {
            plain::as_lines(&header, events, &mut std::io::stdout().lock(), plain::sleeper())?;
            Ended::Whole
        }
    };
    let mut err = std::io::stderr().lock();
    for remark in source.remarks() {
        let _ = writeln!(err, "hrec: {remark}");
    }
    if let Ended::Signal(signal) = ended {
        die_of(signal);
    }
    Ok(if source.is_damaged() { ExitCode::from(super::FAILED) } else { ExitCode::SUCCESS })
}
