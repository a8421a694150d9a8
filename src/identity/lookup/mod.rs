//! What a target as typed really is: an ssh alias's host, a kubeconfig's
//! current context, a PostgreSQL service's database.
//!
//! Runs after the program has started and off its path, since it may read
//! files on slow disks and start helpers. Knows nothing of sessions. Its
//! invariant: **no word that the person typed is executed, and none is passed
//! to a helper but options from a short list**; helpers run without input,
//! without terminal, for at most [`TIME_MAX`] and [`SIZE_MAX`].
//!
//! What is asked, and what that may run:
//!
//! - `ssh -G`, with the destination and only `-F`, `-J`, `-l`, `-p` and a few
//!   settings of `-o` as typed. It never connects, so no `ProxyCommand`,
//!   `LocalCommand` or `KnownHostsCommand` runs. It does evaluate `Match exec`
//!   of the configuration that `-F` or `~/.ssh` gives. That is accepted: the
//!   person's own ssh evaluates the very same lines, as the same user, a
//!   moment before; leaving it out would name the wrong host for just those
//!   who use it. The command is without a terminal and is killed in time.
//! - `kubectl config view --minify` with the context, cluster, user,
//!   namespace, server and kubeconfig as typed, through a JSONPath of five
//!   fields: exec credential plugins do not run, and neither their
//!   environment nor any token leaves kubectl.
//! - libpq's rules are followed here, without a helper: connection string,
//!   service file, `PG*` variables. A password is never read out.

mod helper;
mod kubeconfig;
mod libpq;
mod ssh;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::target::{Family, Target, base_name};

/// How long a helper may take. `ssh -G` takes 5 ms, `kubectl config view` 50 to
/// 150; more means a hung file system or name service.
pub const TIME_MAX: Duration = Duration::from_secs(3);

/// Most that is read of a helper's output: `ssh -G` prints 4 KiB, of which
/// certificate and host key lists are the largest part.
const SIZE_MAX: usize = 64 * 1024;

/// What a lookup needs of the world.
pub struct Surroundings<'a> {
    /// The person's environment.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// The person's home directory.
    pub home: Option<PathBuf>,
    /// The person's user name: what libpq connects as where nothing is said.
    pub user: Option<String>,
    /// Must put the command into a session of its own, so that it is without
    /// a terminal and leads a process group (`sys::detach::own_session`).
    pub detach: &'a dyn Fn(&mut Command),
}

/// Whether a lookup could add anything for this program: whether it is worth
/// a thread.
#[must_use]
pub fn applies(program: &OsStr) -> bool {
    matches!(
        Family::of(&base_name(program)),
        Some(
            Family::Ssh
                | Family::Mosh
                | Family::Sftp
                | Family::Scp
                | Family::Kubernetes
                | Family::Postgres
        )
    )
}

/// A fuller target for the `target` fact, or `None` where there is nothing to
/// add to `typed`. Blocks for at most [`TIME_MAX`], and a little. Never an
/// error: what cannot be found out is as typed.
#[must_use]
pub fn run(
    program: &OsStr,
    args: &[OsString],
    typed: &Target,
    around: &Surroundings<'_>,
) -> Option<Target> {
    let words: Vec<String> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let found = match Family::of(&base_name(program))? {
        Family::Ssh => ssh::look(&ssh::arguments(&words)?, around),
        family @ (Family::Mosh | Family::Sftp | Family::Scp) => {
            ssh::look(&ssh::destination(family, &words, typed)?, around)
        }
        Family::Kubernetes => kubeconfig::look(program, &words, around),
        Family::Postgres => Some(libpq::look(&base_name(program), &words, typed, around)),
        _ => None,
    }?;
    let full = found.filled_from(typed);
    (full != *typed).then_some(full)
}

#[cfg(test)]
mod tests;
