//! What a recording says to the person: as little as possible, at the end,
//! on standard error.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;

use super::keep::Made;
use crate::cmd::told;
use crate::config::Config;
use crate::event::Micros;
use crate::record::relay::{Exit, Reason};
use crate::record::session::Outcome;
use crate::screen::safe_text;

/// One line on standard error. A standard error that is gone is no error.
pub fn line(text: &str) {
    // One write: a line that comes in pieces may be torn by another's.
    let _ = std::io::stderr().lock().write_all(format!("hrec: {text}\n").as_bytes());
}

/// Flags that a locked configuration overrules.
pub fn overruled(config: &Config) {
    for what in config.overruled() {
        line(&format!("{}: {} is locked by the system's configuration", what.by, what.key));
    }
}

/// Why the program was not executed.
pub fn cannot_execute(program: &OsStr, error: &std::io::Error) {
    let name = program.to_string_lossy();
    let name = safe_text(&name);
    match error.kind() {
        std::io::ErrorKind::NotFound => line(&match crate::cmd::program_file(program) {
            // What the system did not find is what the program needs.
            Some(file) => format!("{name}: {}", needs(&file)),
            None => format!("{name}: command not found"),
        }),
        _ => line(&format!("cannot execute {name}: {error}")),
    }
}

/// What a program that is there lacks.
fn needs(file: &Path) -> String {
    let mut first = Vec::new();
    // The kernel looks at so many bytes, execve(2).
    let read = File::open(file).and_then(|file| file.take(256).read_to_end(&mut first));
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let words = line.strip_prefix(b"#!").filter(|_| read.is_ok());
    let interpreter = words.and_then(|words| {
        words.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())
    });
    match interpreter {
        Some(word) => {
            let word = String::from_utf8_lossy(word);
            format!("its interpreter {} is not there", safe_text(&word))
        }
        None => "it is there, but what loads it is not; it may be for another system".to_owned(),
    }
}

/// The end: what must be said always, and on a terminal where the recording is.
pub fn end(
    program: &OsStr,
    outcome: &Outcome<anyhow::Result<Made>>,
    notice: Option<&str>,
    output: Option<&Path>,
) {
    if let Exit::NotExecuted(errno) = outcome.exit {
        cannot_execute(program, &std::io::Error::from_raw_os_error(errno));
    }
    if let Some(why) = &outcome.refused {
        line(&format!("cannot write all of the program's output to standard output: {why}"));
    }
    if let Some(sentence) = failure(outcome) {
        // The program was ended wherever it was.
        if outcome.reason == Reason::StoreFailed && std::io::stderr().is_terminal() {
            let _ = writeln!(std::io::stderr().lock());
        }
        line(&sentence);
    }
    match outcome.finished.as_ref().map(|(made, _)| made) {
        Some(Ok(made)) if std::io::stderr().is_terminal() && outcome.reason != Reason::Hangup => {
            if let Some(notice) = notice {
                let _ = writeln!(std::io::stderr().lock(), "{notice}");
            }
            let play = match output {
                Some(path) => format!("hrec play {}", safe_text(&path.to_string_lossy())),
                None => "hrec play -1".to_owned(),
            };
            let (length, size) = (length(outcome.duration), size(made.bytes));
            let place = at_home(&made.path);
            let place = safe_text(&place);
            line(&match made.collected {
                true => format!("recorded {length}, {size}, for the collector: {place}"),
                false => format!("recorded {length}, {size}: {place} ({play})"),
            });
            if let Some(why) = &made.untold {
                line(&format!("the ledger does not have its end: {}", safe_text(why)));
            }
        }
        Some(_) | None => {}
    }
    // Also where nobody reads the rest: whoever relies on a seal must not learn
    // of its absence from an auditor.
    if let Some((Ok(Made { unsealed: Some(why), .. }), _)) = &outcome.finished
        && outcome.reason != Reason::Hangup
    {
        let rec = output.map_or("-1".into(), Path::to_string_lossy);
        let (why, rec) = (safe_text(why), safe_text(&rec));
        line(&format!("the recording is not sealed: {why}; hrec seal {rec} does it"));
    }
}

/// What went wrong with a recording, where the session has nothing else to
/// say.
pub fn unrecorded<T>(outcome: &Outcome<anyhow::Result<T>>) {
    if let Some(sentence) = failure(outcome) {
        line(&safe_text(&sentence));
    }
}

/// What went wrong with the recording, in one sentence.
fn failure<T>(outcome: &Outcome<anyhow::Result<T>>) -> Option<String> {
    let tally = outcome.finished.as_ref().map(|(_, tally)| tally);
    let why = outcome.failure.as_deref().or_else(|| tally?.failure.as_deref());
    let why = why.unwrap_or("the store does not answer");
    if matches!(outcome.reason, Reason::StoreFailed | Reason::Interrupted) {
        return Some(format!("the session was ended, since it could not be recorded: {why}"));
    }
    Some(match &outcome.finished {
        None => format!("the recording is left interrupted: {why}"),
        Some((Err(error), _)) => told(error),
        Some((Ok(_), tally)) if tally.gap_bytes > 0 => {
            format!("{} bytes of this session were not recorded: {why}", tally.gap_bytes)
        }
        Some((Ok(_), tally)) if tally.gaps > 0 => {
            format!("the store failed for a while, but nothing was lost: {why}")
        }
        Some((Ok(_), _)) => return None,
    })
}

/// A path as a shell would take it, short: `~/…` for one below the home.
fn at_home(path: &Path) -> String {
    let home = std::env::var_os("HOME").filter(|home| home != "/");
    match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(below) => format!("~/{}", below.display()),
        None => path.display().to_string(),
    }
}

/// A session's length as a person says it: `4.2 s`, `3 min 20 s`, `8 h 05 min`.
fn length(micros: Micros) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        0..=59 => format!("{}.{} s", seconds, micros % 1_000_000 / 100_000),
        60..=3599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_as_a_person_says_them() {
        assert_eq!(length(4_250_000), "4.2 s");
        assert_eq!(length(200_000_000), "3 min 20 s");
        assert_eq!(length(29_100_000_000), "8 h 05 min");
        assert_eq!(size(400), "400 bytes");
        assert_eq!(size(1_234_567), "1234 kB");
    }
}
