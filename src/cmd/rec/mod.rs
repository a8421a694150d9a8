//! `hrec rec`, and `hrec ssh` and its like: records a program.

mod begin;
mod clerk;
mod collected;
pub(super) mod keep;
mod lookup;
pub(super) mod sealing;
mod start;
pub(super) mod tell;

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use self::keep::Keep;
use self::sealing::Certify;
use super::{FAILED, told};
use crate::cli;
use crate::config::{Config, Input, Mode as Policy};
use crate::identity::target::Target;
use crate::identity::{Facts, Who};
use crate::record::input::Mode;
use crate::record::policy::{Rescue, WithoutStore, without_store};
use crate::record::relay::{Exit, Reason};
use crate::record::session::{Plan, Prepared};
use crate::record::writer::StreamLimits;
use crate::recording::Id;
use crate::screen::safe_text;
use crate::sys::clock::Clock;
use crate::sys::{inherited, memory, syslog, users};

/// Records `args.command`, or the person's shell.
///
/// # Errors
/// When nothing was run: the status is [`FAILED`] then.
pub fn run(args: &cli::Rec, config: &Config) -> Result<ExitCode> {
    memory::one_heap();
    tell::overruled(config);
    if let Some(key) = &args.seal_key {
        key.metadata().with_context(|| {
            let key = key.to_string_lossy();
            format!("nothing was run, since --seal-key {} cannot be used", safe_text(&key))
        })?;
    }
    let (program, arguments) = command(args);
    let target = Target::of(&program, &arguments);
    let strict = config.record_mode.value == Policy::Strict;
    let clock = Clock::start();
    let start = jiff::Timestamp::now();
    let user = users::by_uid(rustix::process::getuid().as_raw());
    let name = user.as_ref().map_or_else(|| "unknown".to_owned(), |user| user.name.clone());
    let id = Id::new(start, &name, &target.name);

    let plan = Plan {
        program: program.clone(),
        args: arguments.clone(),
        arg0: None,
        env: vec![
            (Who::PARENT.into(), id.as_str().into()),
            (Who::CAME_FROM.into(), id.as_str().into()),
        ],
        input: judged(config.record_input.value),
        strict,
        streams: StreamLimits {
            burst: config.shell_stream_burst.value.0,
            rate: config.shell_stream_rate.value.0,
        },
        transfers: None,
        guarded: None,
    };
    let prepared = Prepared::new(plan).context("cannot prepare a session")?;
    let who = Who::gather(&Facts {
        tty: prepared.tty_name(),
        name_of: &|uid| match &user {
            Some(user) if user.uid == uid => Some(user.name.clone()),
            _ => users::name(uid),
        },
        environment: &|name| std::env::var_os(name),
    });
    let session = keep::Session {
        id,
        start,
        program: &program,
        args: &arguments,
        who: &who,
        target: &target,
        output: args.output.as_deref(),
        title: args.title.as_deref(),
        environment: &|name| std::env::var_os(name),
        makes_keys: true,
    };
    let keep = match Keep::open(config, &session, &prepared) {
        Ok(keep) => keep,
        Err(error) => {
            prepared.abandon();
            return without_record(&error, config, strict, &who, &program, &arguments);
        }
    };
    let Keep { live, keeper, certify, notice } = keep;
    inherited::close_descriptors();
    // No secret of a session may reach a core file, nor another process of
    // the same user through ptrace(2).
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let lookup = lookup::Lookup::new(&program, &arguments, &target, user);
    let keeper = keeper.with_target(lookup.found());
    let link = keeper.link();
    let outcome = prepared
        .run(
            live,
            clock,
            move |queue| {
                link.inspect(|link| link.to(queue));
                lookup.start(queue, clock);
                certify.into_iter().for_each(Certify::start);
            },
            move |live, tally, exit, reason, time| keeper.finish(live, tally, exit, reason, time),
        )
        .context("cannot start a session")?;
    tell::end(&program, &outcome, notice.as_deref(), args.output.as_deref());
    let kept = outcome.finished.as_ref().is_some_and(|(made, _)| made.is_ok());
    let failed = outcome.reason == Reason::Interrupted;
    if failed || (strict && (!kept || outcome.reason == Reason::StoreFailed)) {
        return Ok(ExitCode::from(FAILED));
    }
    // Alone, the program would have failed to write, and have said so.
    if outcome.refused.is_some() && outcome.exit == Exit::Code(0) {
        return Ok(ExitCode::from(FAILED));
    }
    Ok(ExitCode::from(status(outcome.exit)))
}

/// What the person wants recorded: the command as typed, or their shell.
fn command(args: &cli::Rec) -> (OsString, Vec<OsString>) {
    match args.command.split_first() {
        Some((program, rest)) => (program.clone(), rest.to_vec()),
        None => (shell(), Vec::new()),
    }
}

fn shell() -> OsString {
    std::env::var_os("SHELL")
        .filter(|shell| Path::new(shell).is_absolute())
        .unwrap_or_else(|| OsString::from("/bin/sh"))
}

/// The program's own status, or what a shell would make of its end.
pub(super) fn status(exit: Exit) -> u8 {
    match exit {
        Exit::Code(code) => u8::try_from(code & 0xff).unwrap_or(FAILED),
        Exit::Signal(signal) => u8::try_from(128 + signal).unwrap_or(FAILED),
        Exit::NotExecuted(errno) => not_executed(errno),
    }
}

/// 127 where there is no such program, 126 where it cannot be executed, as
/// shells have it (POSIX.1-2017, 2.8.2).
pub(super) fn not_executed(errno: i32) -> u8 {
    if errno == libc::ENOENT { 127 } else { 126 }
}

/// The judge's rule for a setting.
pub(super) fn judged(input: Input) -> Mode {
    match input {
        Input::Echoed => Mode::Echoed,
        Input::Full => Mode::Full,
        Input::None => Mode::None,
    }
}

pub(super) fn own_groups(who: &Who) -> Vec<String> {
    users::by_uid(who.uid()).map(|user| users::groups(&user)).unwrap_or_default()
}

/// There can be no record: what policy says.
fn without_record(
    error: &anyhow::Error,
    config: &Config,
    strict: bool,
    who: &Who,
    program: &OsStr,
    args: &[OsString],
) -> Result<ExitCode> {
    let rescue = Rescue {
        users: config.record_rescue_users.value.clone(),
        groups: config.record_rescue_groups.value.clone(),
    };
    let rescued = strict && rescue.names(&who.user(), &own_groups(who));
    match without_store(strict, rescued) {
        WithoutStore::Refuse => {
            anyhow::bail!("{}; nothing was run, since record.mode is strict", told(error))
        }
        WithoutStore::Rescue => {
            let line = format!("UNRECORDED session of {} (rescue): {}", who.user(), told(error));
            syslog::warning(&line);
            tell::line(&line);
        }
        WithoutStore::Unrecorded => {
            tell::line(&format!("this session is NOT recorded: {}", told(error)));
        }
    }
    let mut command = Command::new(program);
    inherited::hand_on(command.args(args));
    let failed = command.exec();
    tell::cannot_execute(program, &failed);
    Ok(ExitCode::from(not_executed(failed.raw_os_error().unwrap_or(0))))
}
