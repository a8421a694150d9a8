//! `hrec shell`: the login shell and the forced command.
//!
//! Nothing here asks the person's environment, files or arguments whether or
//! how to record. Its invariant: the program starts only when its recording is
//! open, or when the host's configuration names this person for rescue and the
//! host's own log has been told.

mod call;
mod real;

use std::ffi::OsStr;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

pub use self::call::Call;
use self::call::linked_name;
use self::real::{ORIGINAL, Program};
use super::rec::keep::{Keep, Made, Session};
use super::rec::sealing::Certify;
use super::rec::{judged, not_executed, own_groups, status, tell};
use super::{FAILED, carry, told};
use crate::config::Config;
use crate::event::Fact;
use crate::format::transfer::Follower;
use crate::identity::target::Target;
use crate::identity::{Facts, Who};
use crate::record::policy::Rescue;
use crate::record::queue::Kind;
use crate::record::relay::{Exit, Reason};
use crate::record::session::{Outcome, Plan, Prepared};
use crate::record::writer::StreamLimits;
use crate::recording::Id;
use crate::store;
use crate::sys::clock::Clock;
use crate::sys::privilege::{self, Own};
use crate::sys::{inherited, memory, signals, syslog, users};

/// Records what this call is to run.
pub fn run(call: Call) -> ExitCode {
    privilege::close_memory();
    // Nothing is run: the collector asks the kernel who this is, and notes what
    // they get.
    if call.reads() {
        return carry::run();
    }
    inherited::close_all();
    let own = Own::take();
    memory::one_heap();
    match session(&call, own) {
        Ok(code) => code,
        Err(error) => {
            tell::line(&crate::screen::safe_text(&told(&error)));
            ExitCode::from(FAILED)
        }
    }
}

fn session(call: &Call, own: Own) -> Result<ExitCode> {
    let clock = Clock::start();
    let start = jiff::Timestamp::now();
    let environment = own.environment.clone();
    let variable = |name: &str| {
        let found = environment.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.clone())
    };
    let config = Config::of_host().context("nothing was run")?;
    let user = users::by_uid(rustix::process::getuid().as_raw());
    let name = user.as_ref().map_or_else(|| "unknown".to_owned(), |user| user.name.clone());
    let groups = user.as_ref().map(users::groups).unwrap_or_default();
    let shell = real::shell(&config, &name, &groups, linked_name().as_deref())?;
    let sftp = &config.shell_sftp_server.value.0;
    let program = real::program(&call.what, call.dash, &shell, variable(ORIGINAL), sftp);
    let target = Target::of(program.path.as_os_str(), &program.args);
    let id = Id::new(start, &name, &target.name);

    let own = for_program(own, &program, shell.as_os_str());
    let plan = Plan {
        program: program.path.clone().into(),
        args: program.args.clone(),
        arg0: Some(program.name.clone()),
        env: vec![
            (Who::PARENT.into(), id.as_str().into()),
            (Who::CAME_FROM.into(), id.as_str().into()),
        ],
        input: judged(config.record_input.value),
        strict: true,
        streams: StreamLimits {
            burst: config.shell_stream_burst.value.0,
            rate: config.shell_stream_rate.value.0,
        },
        transfers: program.command.as_deref().and_then(Follower::of),
        guarded: Some(own.clone()),
    };
    let prepared = Prepared::new(plan).context("cannot prepare a session")?;
    let who = Who::gather(&Facts {
        tty: prepared.tty_name(),
        name_of: &users::name,
        environment: &variable,
    });
    let session = Session {
        id,
        start,
        program: program.path.as_os_str(),
        args: &program.args,
        who: &who,
        target: &target,
        output: None,
        title: None,
        environment: &variable,
        makes_keys: false,
    };
    let keep = match open(&config, &session, &prepared) {
        Ok(keep) => keep,
        Err(error) => {
            prepared.abandon();
            return without_record(&error, &config, &who, &program, &own);
        }
    };
    let Keep { live, keeper, certify, .. } = keep;
    let elsewhere = program.command.as_deref().and_then(goes_elsewhere);
    let link = keeper.link();
    let outcome = prepared
        .run(
            live,
            clock,
            move |queue| {
                link.inspect(|link| link.to(queue));
                elsewhere
                    .into_iter()
                    .for_each(|fact| queue.push(clock.micros(), Kind::Fact(fact), &[]));
                certify.into_iter().for_each(Certify::start);
            },
            move |live, tally, exit, reason, time| keeper.finish(live, tally, exit, reason, time),
        )
        .context("cannot start a session")?;
    Ok(end(&program, &outcome))
}

/// The environment with what is the real shell's in it.
fn for_program(mut own: Own, program: &Program, shell: &OsStr) -> Own {
    if program.followed {
        own.environment.retain(|(name, _)| name != ORIGINAL);
    }
    for (name, value) in &mut own.environment {
        if name == "SHELL" {
            *value = shell.to_owned();
        }
    }
    own
}

/// What is to be said of a command whose session goes on without this one. The
/// name decides nothing else.
fn goes_elsewhere(command: &OsStr) -> Option<Fact> {
    let command = command.to_string_lossy();
    let mut words = command.split_ascii_whitespace();
    let starts = words.next()?.rsplit('/').next() == Some("mosh-server");
    let text =
        "mosh-server goes on by itself, over UDP: what is done there is not in this recording";
    starts.then(|| {
        Fact::new("alert")
            .with("rule", "session-elsewhere")
            .with("severity", "warning")
            .with("text", text)
    })
}

fn open(config: &Config, session: &Session<'_>, prepared: &Prepared) -> Result<Keep> {
    if config.record_recipients.value.is_empty() && config.record_recipients_files.value.is_empty()
    {
        bail!(
            "{} names nobody who could open a recording; set record.recipients there",
            crate::config::SYSTEM
        );
    }
    Keep::open(config, session, prepared)
}

/// There can be no record: nothing is run, unless the person is named for
/// rescue and has not brought it about.
fn without_record(
    error: &anyhow::Error,
    config: &Config,
    who: &Who,
    program: &Program,
    own: &Own,
) -> Result<ExitCode> {
    let rescue = Rescue {
        users: config.record_rescue_users.value.clone(),
        groups: config.record_rescue_groups.value.clone(),
    };
    let reason = told(error);
    if !rescue.names(&who.user(), &own_groups(who)) || is_own_doing(error) {
        syslog::warning(&format!("refused a session of {}: {reason}", who.user()));
        bail!("{reason}; nothing was run, since this session cannot be recorded");
    }
    let line = format!("UNRECORDED session of {} (rescue): {reason}", who.user());
    syslog::warning(&line);
    tell::line(&crate::screen::safe_text(&line));
    let failed = own.execute(program.path.as_os_str(), &program.name, &program.args);
    tell::cannot_execute(program.path.as_os_str(), &failed);
    Ok(ExitCode::from(not_executed(failed.raw_os_error().unwrap_or(0))))
}

/// Whether the person's own quota or limits refuse the recording: then nobody
/// is rescued from it.
fn is_own_doing(error: &anyhow::Error) -> bool {
    const LIMITS: [i32; 6] =
        [libc::EDQUOT, libc::EFBIG, libc::EMFILE, libc::ENOMEM, libc::EAGAIN, libc::EINTR];
    error.chain().any(|cause| {
        let of_system = cause.downcast_ref::<std::io::Error>();
        // What an error of the system's carries is not in the chain.
        let carried = of_system.and_then(std::io::Error::get_ref);
        let refused = match carried {
            Some(carried) => carried.downcast_ref(),
            None => cause.downcast_ref(),
        };
        matches!(cause.downcast_ref(), Some(store::Error::Quota { .. }))
            || refused.is_some_and(store::collector::Error::is_own_doing)
            || of_system
                .and_then(std::io::Error::raw_os_error)
                .is_some_and(|errno| LIMITS.contains(&errno))
    })
}

/// The status that sshd(8) is to see; says something only where the session
/// was not let go on, or not let begin.
fn end(program: &Program, outcome: &Outcome<Result<Made>>) -> ExitCode {
    if let Exit::NotExecuted(errno) = outcome.exit {
        let error = std::io::Error::from_raw_os_error(errno);
        tell::cannot_execute(program.path.as_os_str(), &error);
    }
    let kept = outcome.finished.as_ref().is_some_and(|(made, _)| made.is_ok());
    if !kept || matches!(outcome.reason, Reason::StoreFailed | Reason::Interrupted) {
        tell::unrecorded(outcome);
        return ExitCode::from(FAILED);
    }
    // The person may not be told what only the host can mend, and whoever reads
    // the output must not find it there.
    if let Some((Ok(made), _)) = &outcome.finished {
        let recording = made.path.display();
        if let Some(why) = &made.unsealed {
            syslog::warning(&format!("{recording} is not sealed: {why}"));
        }
        if let Some(why) = &made.untold {
            syslog::warning(&format!("the ledger does not have the end of {recording}: {why}"));
        }
    }
    if let Exit::Signal(signal) = outcome.exit {
        signals::die_of(signal);
    }
    ExitCode::from(status(outcome.exit))
}
