//! An ssh destination as ssh's configuration has it: `ssh -G`.

use std::process::Command;

use super::super::target::{Family, SshOption, Target, handed_on, setting_of, ssh_parts};
use super::{Surroundings, helper};

/// Settings of `-o` that decide where ssh goes and as whom, and run nothing.
/// `Match` and `Include` are no settings on a command line (ssh refuses them).
const SETTINGS: &[&str] = &[
    "addressfamily",
    "canonicaldomains",
    "canonicalizefallbacklocal",
    "canonicalizehostname",
    "canonicalizemaxdots",
    "canonicalizepermittedcnames",
    "hostname",
    "port",
    "proxyjump",
    "tag",
    "user",
];

/// Those of ssh's options that may be asked with.
fn kept(options: &[SshOption<'_>]) -> Vec<String> {
    let mut out = Vec::new();
    for (name, value) in options {
        match (*name, *value) {
            ("F" | "J" | "l" | "p" | "P", Some(value)) => {
                out.extend([format!("-{name}"), value.to_owned()]);
            }
            ("o", Some(setting)) => {
                if let Some((key, value)) = setting_of(setting)
                    && SETTINGS.contains(&key.to_ascii_lowercase().as_str())
                {
                    out.extend(["-o".to_owned(), format!("{key}={value}")]);
                }
            }
            ("4" | "6", None) => out.push(format!("-{name}")),
            _ => {}
        }
    }
    out
}

/// Arguments for `ssh -G`, out of ssh's own; `None` without a destination.
pub(super) fn arguments(words: &[String]) -> Option<Vec<String>> {
    let parts = ssh_parts(words);
    let destination = parts.destination.filter(|d| !d.is_empty())?;
    // What stood behind the destination stays behind it: the first of several
    // values holds, the destination's own among them.
    let mut out = kept(&parts.before);
    let after = kept(&parts.after);
    if after.is_empty() {
        out.push("--".to_owned());
    } else if destination.starts_with('-') {
        return None;
    }
    out.push(destination.to_owned());
    out.extend(after);
    Some(out)
}

/// Arguments for `ssh -G` out of a target, for programs that call ssh: with
/// the options that they hand on to it.
pub(super) fn destination(family: Family, words: &[String], typed: &Target) -> Option<Vec<String>> {
    let host = typed.host.as_ref()?;
    let mut out = kept(&handed_on(family, words));
    if let Some(user) = &typed.user {
        out.extend(["-l".to_owned(), user.clone()]);
    }
    if let Some(port) = typed.port {
        out.extend(["-p".to_owned(), port.to_string()]);
    }
    out.extend(["--".to_owned(), host.clone()]);
    Some(out)
}

pub(super) fn look(arguments: &[String], around: &Surroundings<'_>) -> Option<Target> {
    // The ssh of PATH, also where another was typed: a file named "ssh" that
    // is something else would be run a second time, with -G.
    let output = helper::ask(Command::new("ssh").arg("-G").args(arguments), around)?;
    let mut target = Target::default();
    for line in output.lines() {
        match line.split_once(' ') {
            Some(("hostname", host)) => target.host = Some(host.to_owned()),
            // As in a target as typed: what is behind a colon may be a password.
            Some(("user", user)) => target.user = user.split(':').next().map(str::to_owned),
            Some(("port", port)) => target.port = port.parse().ok(),
            _ => {}
        }
    }
    Some(target)
}
