//! What the arguments mean: one file per verb, wiring only.
//!
//! A verb's `run` gets its arguments as typed and the configuration as it
//! holds, and returns the exit status. The one invariant kept here: whatever
//! goes wrong becomes one line on standard error and the status that
//! `hrec(1)` states for it.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;

use crate::cli::{self, Args, Verb, programs};
use crate::config::{Config, Flag, FlagValue, nearest};
use crate::format::wire::Role;
use crate::screen::safe_text;
use crate::store::{self, remote::SCHEME};
use crate::sys::{inherited, privilege};

mod ask;
mod carry;
mod cat;
mod collect;
mod completions;
mod doctor;
mod end;
mod far;
mod info;
mod keygen;
mod ledger;
mod library;
mod login;
mod ls;
mod out;
mod place;
mod play;
mod prove;
mod rec;
mod recover;
mod rekey;
mod seal;
mod shell;
mod source;
mod stage;
mod verify;

/// hrec itself failed, was called wrongly for a recording, or ended a strict
/// session. The number is the one that `timeout`, `env` and `docker run` use:
/// a program's own status can hardly be mistaken for it.
pub const FAILED: u8 = 125;

/// A verb that is not a recording was called wrongly. Recording verbs use
/// [`FAILED`], since their caller takes any other status for the program's.
pub const USAGE: u8 = 2;

/// Runs hrec with the process's own arguments.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(call) = shell::Call::of(&words) {
        return shell::run(call);
    }
    if carry::is_call(&words) {
        return carry::run();
    }
    // The group that the binary may have is for those above, and to knock at
    // the collector's door.
    let far = words.iter().any(|word| word.to_string_lossy().starts_with(SCHEME));
    let door = (words.get(1).is_some_and(|verb| verb == "end") && !far)
        .then(|| carry::connect(Role::Ender));
    if let Err(error) = privilege::drop_group() {
        return fail(&format!("cannot give up the binary's group: {error}"), FAILED);
    }
    let args = match Args::from_process() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let done = match &args.verb {
        Verb::End(args) => with(&[], |config| end::run(args, door, config)),
        verb => dispatch(verb),
    };
    match done {
        Ok(code) => code,
        Err(error) if broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let status = fail(&told(&error), FAILED);
            candidates(&error);
            status
        }
    }
}

fn dispatch(verb: &Verb) -> Result<ExitCode> {
    match verb {
        Verb::Rec(args) => {
            inherited::note_descriptors();
            with(&rec_flags(args), |config| rec::run(args, config))
        }
        Verb::Program(words) => short_form(words),
        Verb::Play(args) => with(&play_flags(args), |config| play::run(args, config)),
        Verb::Ls(args) => with(&[], |config| ls::run(args, config)),
        Verb::Info(args) => with(&[], |config| info::run(args, config)),
        Verb::Cat(args) => with(&[], |config| cat::run(args, config)),
        Verb::Recover(args) => with(&[], |config| recover::run(args, config)),
        Verb::Verify(args) => with(&[], |config| verify::run(args, config)),
        Verb::Prove(args) => with(&[], |config| prove::run(args, config)),
        Verb::Rekey(args) => with(&[], |config| rekey::run(args, config)),
        Verb::Seal(args) => with(&[], |config| seal::run(args, config)),
        Verb::Keygen(args) => with(&[], |config| keygen::run(args, config)),
        // With an argument, which it does not take, clap has said so.
        Verb::Shell(_) => Ok(fail("hrec shell takes no arguments", USAGE)),
        Verb::Collect(args) if args.login => login::run(),
        Verb::Collect(_) => with(&[], collect::run),
        Verb::End(args) => with(&[], |config| end::run(args, None, config)),
        // The one verb that must work with a broken configuration.
        Verb::Doctor(args) if args.bastion => doctor::run(args, Config::of_host()),
        Verb::Doctor(args) => doctor::run(args, Config::load(&[])),
        // And one that needs none.
        Verb::Completions(args) => completions::run(args),
    }
}

fn with(flags: &[Flag], run: impl FnOnce(&Config) -> Result<ExitCode>) -> Result<ExitCode> {
    run(&Config::load(flags)?)
}

/// `hrec ssh HOST`: what `hrec rec -- ssh HOST` does; a name that is neither a
/// verb nor in the table is an error that says what was probably meant.
fn short_form(words: &[OsString]) -> Result<ExitCode> {
    let name = words.first().map(|n| n.to_string_lossy()).unwrap_or_default();
    if programs::find(&name).is_none() {
        return Ok(fail(&unknown(&name), USAGE));
    }
    let args = cli::Rec { command: words.to_vec(), ..cli::Rec::default() };
    dispatch(&Verb::Rec(args))
}

fn unknown(name: &str) -> String {
    let shown: String =
        name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(40).collect();
    if on_path(name) {
        return format!(
            "{shown} is no command of hrec's; to record the program: hrec rec -- {shown} ..."
        );
    }
    let command = cli::command();
    let names = command.get_subcommands().map(clap::Command::get_name);
    let names = names.chain(programs::PROGRAMS.iter().map(|p| p.name));
    match nearest(name, names) {
        Some(near) => format!("there is no command {shown}; did you mean: hrec {near}?"),
        None => format!("there is no command {shown}; `hrec --help` lists them"),
    }
}

/// Whether the shell would find a program of this name.
pub(super) fn on_path(name: &str) -> bool {
    program_file(OsStr::new(name)).is_some()
}

/// The file that the shell would execute for this name.
fn program_file(name: &OsStr) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let executable = |path: &PathBuf| {
        path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if name.as_encoded_bytes().contains(&b'/') {
        return Some(PathBuf::from(name)).filter(executable);
    }
    let path = std::env::var_os("PATH").filter(|_| !name.is_empty())?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(executable)
}

/// The settings that `hrec rec`'s flags give.
fn rec_flags(args: &cli::Rec) -> Vec<Flag> {
    let mut flags = Vec::new();
    let one = |name, key, value: &Option<String>| {
        value.clone().map(|v| Flag { name, key, value: FlagValue::One(v) })
    };
    flags.extend(one("--mode", "record.mode", &args.mode));
    flags.extend(one("--input", "record.input", &args.input));
    let seal_key = args.seal_key.as_ref().map(|path| {
        std::path::absolute(path).unwrap_or_else(|_| path.clone()).to_string_lossy().into_owned()
    });
    flags.extend(one("--seal-key", "seal.key", &seal_key));
    // Either flag replaces both lists: `-r alice` means Alice, and not also
    // whoever is in a file that the configuration names.
    if !args.recipient.is_empty() || !args.recipients_file.is_empty() {
        let files = args.recipients_file.iter();
        let files = files.map(|f| {
            std::path::absolute(f).unwrap_or_else(|_| f.clone()).to_string_lossy().into_owned()
        });
        flags.push(Flag {
            name: "--recipient",
            key: "record.recipients",
            value: FlagValue::Many(args.recipient.clone()),
        });
        flags.push(Flag {
            name: "--recipients-file",
            key: "record.recipients_files",
            value: FlagValue::Many(files.collect()),
        });
    }
    flags
}

fn play_flags(args: &cli::Play) -> Vec<Flag> {
    let idle = args.idle_limit.clone();
    idle.map(|v| Flag { name: "--idle-limit", key: "play.idle", value: FlagValue::One(v) })
        .into_iter()
        .collect()
}

/// Help and version go to standard output and are success. The rest is a
/// mistake in the call: one that `hrec rec` got has the status that its caller
/// knows from hrec itself, not one that the program could have had.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render();
    let colours = |tty: bool| tty && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let mut out = std::io::stdout().lock();
        let written = if colours(std::io::IsTerminal::is_terminal(&out)) {
            write!(out, "{}", text.ansi())
        } else {
            write!(out, "{text}")
        };
        return match written.and_then(|()| out.flush()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::from(FAILED),
            _ => ExitCode::SUCCESS,
        };
    }
    let mut err = std::io::stderr().lock();
    let _ = if colours(std::io::IsTerminal::is_terminal(&err)) {
        write!(err, "{}", text.ansi())
    } else {
        write!(err, "{text}")
    };
    let recording = std::env::args_os().nth(1).is_some_and(|verb| verb == "rec");
    ExitCode::from(if recording { FAILED } else { USAGE })
}

/// One line on standard error, and the status.
fn fail(message: &str, code: u8) -> ExitCode {
    // Names of files and words of the command line are anybody's text.
    let _ = writeln!(std::io::stderr().lock(), "hrec: {}", safe_text(message));
    ExitCode::from(code)
}

/// What an ambiguous name could have meant, a line each.
fn candidates(error: &anyhow::Error) {
    let Some(store::Error::Ambiguous { candidates, .. }) = error.downcast_ref() else { return };
    for id in candidates {
        let _ = writeln!(std::io::stderr().lock(), "  {}", safe_text(id));
    }
}

/// Whoever read our output has seen enough: `hrec ls | head`.
fn broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|e| {
        e.downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
/// An error and its causes in one line. A cause that the message before it
/// quotes already is not said twice.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
