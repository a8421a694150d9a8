//! `hrec doctor --bastion`: whether a host's people can work unrecorded.
//!
//! Looks as root does, and changes nothing. What is enforced where is said in
//! hrec-bastion(7); each finding here is one sentence of it that does not hold.

mod holder;
mod keys;
mod people;
mod secret;

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use self::people::Person;
use super::Check;
use super::checks::{disk, nearest_existing};
use super::sshd::Settings;
use crate::config::{self, Config};
use crate::sys::{clock, users};

/// Everything.
pub(super) fn all(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    if !rustix::process::geteuid().is_root() {
        checks.push(Check::note(
            "bastion",
            "only root sees all of this; run: sudo hrec doctor --bastion",
        ));
    }
    let program = std::env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let shells = std::fs::read_to_string("/etc/shells").unwrap_or_default();
    let people: Vec<Person> = passwd.lines().filter_map(Person::parse).collect();
    checks.push(binary(&program));
    checks.push(listed(&program, &shells));
    let sshd = Settings::of("nobody");
    checks.extend(people::everybody(&people, &program, sshd.as_ref()));
    let socket = holder::socket(config);
    if socket.is_some() {
        checks.push(holder::logins(Path::new("/etc/pam.d/sshd"), sshd.as_ref(), &program));
    }
    checks.extend(open_ways(sshd));
    checks.extend(later(Path::new("/etc")));
    checks.push(match &socket {
        Some(socket) => holder::collector(socket, &program),
        None => holder::none(),
    });
    checks.push(holder::store(&config.store(), socket.is_some(), &program));
    checks.push(disk(nearest_existing(&config.store()), config.store_min_free.value));
    checks.extend(keys::all(config, &program, socket.is_some()));
    checks.extend(secret::all(config, &people));
    checks.push(time(clock::synchronised()));
    checks.extend(configuration(Path::new(config::SYSTEM)));
    checks
}

/// What runs for people when they are gone, where anybody may ask for it.
fn later(etc: &Path) -> Vec<Check> {
    let asked = [("crontab", "cron.allow"), ("at", "at.allow")];
    let open = asked
        .into_iter()
        .filter(|(program, list)| crate::cmd::on_path(program) && !etc.join(list).exists());
    let told = |(program, list): (&str, &str)| {
        let text = format!(
            "{program} runs for people what no session shows; name those who may in {}, or nobody: touch it",
            etc.join(list).display()
        );
        Check::note("later", text)
    };
    open.map(told).collect()
}

/// What the system clock is worth. hrec writes what it shows into each
/// recording, and a court asks.
fn time(synchronised: Option<bool>) -> Check {
    match synchronised {
        Some(true) => Check::fine("clock", "kept in step with others"),
        Some(false) => Check::finding(
            "clock",
            "nothing keeps the clock in step, so the times in recordings are worth little; run: apt-get install chrony",
        ),
        None => Check::note("clock", "the kernel does not say whether it is kept in step"),
    }
}

/// The binary itself: whose it is, and its group.
fn binary(program: &Path) -> Check {
    let shown = program.display();
    let data = match program.metadata() {
        Ok(data) => data,
        Err(error) => return Check::finding("binary", format!("{shown}: {error}")),
    };
    let group = users::group(data.gid()).unwrap_or_else(|| data.gid().to_string());
    let mend = format!("run: chown root:hrec {shown} && chmod 2755 {shown}");
    if data.mode() & 0o2000 == 0 || data.gid() == 0 {
        let what =
            "is not set-group-ID with a group of its own: people can trace it and write the store";
        return Check::finding("binary", format!("{shown} {what}; {mend}"));
    }
    if data.uid() != 0 || data.mode() & 0o022 != 0 {
        return Check::finding("binary", format!("{shown} can be written by others; {mend}"));
    }
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let members = groups.lines().find_map(|line| line.strip_prefix(&format!("{group}:")));
    let members = members.and_then(|rest| rest.rsplit(':').next()).unwrap_or_default();
    if !members.is_empty() {
        return Check::finding(
            "binary",
            format!("{members} are in the group {group}, and so in the store; take them out of it"),
        );
    }
    Check::fine("binary", format!("{shown}, set-group-ID {group}"))
}

fn listed(program: &Path, shells: &str) -> Check {
    let ours = shells.lines().map(str::trim).filter(|line| line.starts_with('/'));
    let ours = ours.filter(|line| Path::new(line).canonicalize().is_ok_and(|real| real == program));
    match ours.map(str::to_owned).collect::<Vec<_>>() {
        none if none.is_empty() => Check::finding(
            "shells",
            "hrec is not in /etc/shells, so programs that look there (chsh, ftpd, su) refuse it; run: ln -s hrec \
             /usr/bin/hrec-shell; echo /usr/bin/hrec-shell >> /etc/shells",
        ),
        ours => Check::fine("shells", ours.join(", ")),
    }
}

/// What sshd lets by for everybody: `settings` are those of one of no special
/// name.
fn open_ways(settings: Option<Settings>) -> Vec<Check> {
    let Some(settings) = settings else {
        return vec![Check::note("sshd", "sshd -T says nothing; its settings are not looked at")];
    };
    let mut checks: Vec<Check> =
        settings.holes().into_iter().map(|hole| Check::finding("sshd", hole)).collect();
    if !settings.exposes_keys() {
        let text = "recordings do not say by which key somebody came; set: ExposeAuthInfo yes";
        checks.push(Check::note("sshd", text));
    }
    if checks.is_empty() {
        checks.push(Check::fine("sshd", "nothing passes the shell by"));
    }
    checks
}

/// The system's configuration: root's, all the way up.
fn configuration(path: &Path) -> Vec<Check> {
    if !path.exists() {
        return vec![Check::finding("config", format!("{} is not there", path.display()))];
    }
    let open = path.ancestors().filter_map(|place| {
        let data = place.metadata().ok()?;
        (data.uid() != 0 || data.mode() & 0o022 != 0 && data.mode() & 0o1000 == 0).then(|| {
            let shown = place.display();
            let text = format!("{shown} can be written by others than root; run: chown root {shown} && chmod go-w {shown}");
            Check::finding("config", text)
        })
    });
    let mut open: Vec<Check> = open.collect();
    if open.is_empty() {
        open.push(Check::fine("config", path.display().to_string()));
    }
    open
}
