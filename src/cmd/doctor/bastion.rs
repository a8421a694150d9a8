//! `hrec doctor --bastion`: whether a host's people can work unrecorded.
//!
//! Looks as root does, and changes nothing. What is enforced where is said in
//! hrec-bastion(7); each finding here is one sentence of it that does not hold.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Check;
use super::sshd::Settings;
use crate::config::{self, Config, identity, signing};
use crate::seal::key::PublicKey;
use crate::seal::signers::Signers;
use crate::seal::{ledger, sshsig};
use crate::sys::users;

/// How many people are told of one by one.
const LISTED: usize = 20;

/// Accounts below this are the system's, login.defs(5).
const FIRST_UID: u32 = 1000;

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
    checks.extend(everybody(&people, &program));
    checks.extend(sshd());
    checks.push(store(config, &program));
    checks.extend(keys(config, &program));
    checks.extend(configuration());
    checks
}

/// Somebody who can log in.
#[derive(Debug, PartialEq, Eq)]
struct Person {
    name: String,
    uid: u32,
    shell: PathBuf,
}

impl Person {
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, _, _, _, shell] = fields[..] else { return None };
        let shell = if shell.is_empty() { "/bin/sh" } else { shell };
        let base = shell.rsplit('/').next().unwrap_or_default();
        let person = Self { name: name.to_owned(), uid: uid.parse().ok()?, shell: shell.into() };
        let nobody = matches!(base, "nologin" | "false" | "sync" | "git-shell");
        (!nobody && (person.uid >= FIRST_UID || person.uid == 0)).then_some(person)
    }
}

/// A shell that reads no file of the person's before it runs `-c COMMAND`.
fn reads_nothing(shell: &Path) -> bool {
    let real = shell.canonicalize().unwrap_or_else(|_| shell.to_owned());
    real.file_name().is_some_and(|name| name == "dash")
}

fn everybody(people: &[Person], program: &Path) -> Vec<Check> {
    let mut open = Vec::new();
    let mut enforced = 0;
    for person in people {
        let Person { name, uid, shell } = person;
        if shell.canonicalize().is_ok_and(|real| real == program) {
            enforced += 1;
            continue;
        }
        let forced = Settings::of(name).is_some_and(|settings| settings.forces_hrec());
        if forced && reads_nothing(shell) {
            enforced += 1;
            continue;
        }
        let shown = shell.display();
        let remedy = format!("run: usermod --shell /usr/bin/hrec-shell {name}");
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
    open
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

fn sshd() -> Vec<Check> {
    // One of no special name: what holds for everybody.
    let Some(settings) = Settings::of("nobody") else {
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

fn store(config: &Config, program: &Path) -> Check {
    let path = config.store();
    let shown = path.display();
    let group = program.metadata().map_or(0, |data| data.gid());
    let mend = format!("run: install -d -o root -g hrec -m 2770 {shown}");
    match path.metadata() {
        Err(error) => Check::finding("store", format!("{shown}: {error}; {mend}")),
        Ok(data) if data.mode() & 0o007 != 0 || data.uid() != 0 => {
            Check::finding("store", format!("{shown} is open to people themselves; {mend}"))
        }
        Ok(data) if data.gid() != group || data.mode() & 0o7777 != 0o2770 => Check::finding(
            "store",
            format!("sessions of several people cannot share {shown}; {mend}"),
        ),
        Ok(_) => Check::fine("store", format!("{shown}, for hrec's group alone")),
    }
}

/// Whom recordings are for, and that nobody here can open them.
fn keys(config: &Config, program: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    let named = &config.record_recipients.value;
    if named.is_empty() && config.record_recipients_files.value.is_empty() {
        let text = format!("nobody gets a session without record.recipients in {}", config::SYSTEM);
        checks.push(Check::finding("keys", text));
    }
    let home = users::by_uid(0).map(|root| root.home.join(".config/hrec/identity.txt"));
    let places = [Some(PathBuf::from("/etc/hrec/identity.txt")), home];
    for path in places.into_iter().flatten() {
        let Ok(Some(own)) = identity::recipients(&path) else { continue };
        let shown = path.display();
        if own.iter().any(|recipient| named.contains(recipient)) {
            let text = format!(
                "{shown} opens this host's recordings; keep it elsewhere, and remove it here"
            );
            checks.push(Check::finding("keys", text));
        } else {
            checks.push(Check::note(
                "keys",
                format!("{shown} is a private key; no session needs it"),
            ));
        }
    }
    let group = program.metadata().map_or(0, |data| data.gid());
    for (path, what, namespace) in [
        (config.seal_key(), "sealed", sshsig::NAMESPACE),
        (PathBuf::from(signing::SYSTEM_LEDGER_KEY), "in a ledger", ledger::NAMESPACE),
    ] {
        if let Some(text) = unusable(&path, what, group) {
            checks.push(Check::finding("keys", text));
        }
        if let Some(text) = distrusted(&path, namespace, Path::new(signing::SYSTEM_SIGNERS)) {
            checks.push(Check::finding("keys", text));
        }
    }
    if checks.is_empty() {
        checks.push(Check::fine("keys", "recordings are for others, sealed and in a ledger"));
    }
    checks
}

/// Why sessions cannot use this private key, or others than they can.
fn unusable(path: &Path, what: &str, group: u32) -> Option<String> {
    let shown = path.display();
    let Ok(data) = path.metadata() else {
        return Some(format!(
            "{shown} is not there, so recordings are not {what}; hrec-bastion(7) has how to make it"
        ));
    };
    let mend = format!("run: chown root:hrec {shown} && chmod 640 {shown}");
    if data.mode() & 0o007 != 0 {
        return Some(format!("{shown} is open to people themselves; {mend}"));
    }
    let readable = data.gid() == group && data.mode() & 0o040 != 0;
    (!readable)
        .then(|| format!("sessions cannot read {shown}, so recordings are not {what}; {mend}"))
}

/// Why `hrec verify` would not know what this key has signed.
fn distrusted(path: &Path, namespace: &str, list: &Path) -> Option<String> {
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    // A key that is not there is told of already.
    let public = std::fs::read_to_string(PathBuf::from(public)).ok()?;
    let (key, _) = PublicKey::from_line(public.trim())?;
    let shown = list.display();
    let mend = "hrec-bastion(7) has how to make the list";
    let mut signers = Signers::default();
    match std::fs::read_to_string(list) {
        Ok(text) => signers.add("", &text),
        Err(error) => {
            return Some(format!(
                "{shown}: {error}, so hrec verify trusts nothing that {} signs; {mend}",
                path.display()
            ));
        }
    }
    // A session is sealed by a key of its own, which the signing key certifies.
    let certifies = namespace == sshsig::NAMESPACE;
    (!signers.trust(&key, namespace, certifies)).then(|| {
        format!(
            "{shown} does not have {}, so hrec verify trusts nothing that it signs; {mend}",
            path.display()
        )
    })
}

/// The system's configuration: root's, all the way up.
fn configuration() -> Vec<Check> {
    let path = Path::new(config::SYSTEM);
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
}
