//! Whom hrec as a shell binds, and whom it does not.
//!
//! Knows of accounts that stand in passwd(5) alone. Its invariant: nobody is
//! counted as recorded who could run something before hrec does.

use std::path::{Path, PathBuf};

use super::super::Check;
use super::super::sshd::Settings;

/// How many people are told of one by one.
const LISTED: usize = 20;

/// For how many people sshd is asked, which takes it some 10 ms each.
const ASKED: usize = 200;

/// Accounts below this are the system's, login.defs(5).
const FIRST_UID: u32 = 1000;

/// Somebody who can log in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) home: PathBuf,
    shell: PathBuf,
}

impl Person {
    pub(super) fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, _, _, home, shell] = fields[..] else { return None };
        let shell = if shell.is_empty() { "/bin/sh" } else { shell };
        let base = shell.rsplit('/').next().unwrap_or_default();
        let person = Self {
            name: name.to_owned(),
            uid: uid.parse().ok()?,
            home: home.into(),
            shell: shell.into(),
        };
        let nobody = matches!(base, "nologin" | "false" | "sync" | "git-shell");
        (!nobody && (person.uid >= FIRST_UID || person.uid == 0)).then_some(person)
    }
}

/// A shell that reads no file of the person's before it runs `-c COMMAND`.
fn reads_nothing(shell: &Path) -> bool {
    let real = shell.canonicalize().unwrap_or_else(|_| shell.to_owned());
    real.file_name().is_some_and(|name| name == "dash")
}

/// Whom what is there does not bind, and for whom sshd makes an exception.
/// `sshd` is what holds for everybody else.
pub(super) fn everybody(people: &[Person], program: &Path, sshd: Option<&Settings>) -> Vec<Check> {
    let mut open = Vec::new();
    let mut enforced = 0;
    for person in people {
        let Person { name, uid, shell, .. } = person;
        if shell.canonicalize().is_ok_and(|real| real == program) {
            enforced += 1;
            if enforced <= ASKED
                && let Some(own) = sshd.and_then(|_| Settings::of(name))
            {
                open.extend(exceptions(name, sshd, &own));
            }
            continue;
        }
        let forced = Settings::of(name).is_some_and(|settings| settings.forces_hrec());
        if forced && reads_nothing(shell) {
            enforced += 1;
            continue;
        }
        let shown = shell.display();
        let ours = program.with_file_name("hrec-shell");
        let remedy = format!("run: usermod --shell {} {name}", ours.display());
        let text = if forced {
            format!(
                "{name}: the forced command does not hold, since {shown} reads a file of theirs before it; {remedy}"
            )
        } else {
            format!("{name} works unrecorded, with {shown}; {remedy}")
        };
        // Somebody must be able to mend the host.
        open.push(if *uid == 0 {
            Check::note("people", text)
        } else {
            Check::finding("people", text)
        });
    }
    let more = open.len().saturating_sub(LISTED);
    open.truncate(LISTED);
    if more > 0 {
        open.push(Check::finding("people", format!("and {more} more")));
    }
    open.insert(0, Check::fine("people", format!("{enforced} have hrec as their shell")));
    if enforced > ASKED {
        let text = format!("what sshd does for one alone was looked at for {ASKED} of {enforced}");
        open.push(Check::note("people", text));
    }
    open
}

/// What sshd lets by for this person, and not for everybody.
fn exceptions(name: &str, all: Option<&Settings>, own: &Settings) -> Vec<Check> {
    let known = all.map(Settings::holes).unwrap_or_default();
    let new = own.holes().into_iter().filter(|hole| !known.contains(hole));
    new.map(|hole| Check::finding("sshd", format!("for {name}: {hole}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_those_who_can_log_in() {
        let person = |line| Person::parse(line).map(|person| (person.name, person.uid));
        assert_eq!(person("ann:x:1000:1000::/home/ann:/bin/bash"), Some(("ann".into(), 1000)));
        assert_eq!(person("root:x:0:0:root:/root:/bin/bash"), Some(("root".into(), 0)));
        assert_eq!(person("old:x:1001:1001::/home/old:"), Some(("old".into(), 1001)));
        assert_eq!(person("www:x:33:33::/var/www:/bin/bash"), None);
        assert_eq!(person("bob:x:1000:1000::/home/bob:/usr/sbin/nologin"), None);
        assert_eq!(person("+::::::"), None);
        assert_eq!(person(""), None);
    }

    #[test]
    fn an_exception_is_told_once_and_by_name() {
        let all = Settings::parse("disableforwarding yes\npermituserenvironment yes\n");
        let text = "disableforwarding no\nallowtcpforwarding yes\npermituserenvironment yes\n";
        let found = exceptions("ann", Some(&all), &Settings::parse(text));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].text.starts_with("for ann: sshd forwards"), "{found:?}");
        assert!(exceptions("ann", Some(&all), &all).is_empty());
    }
}
