//! What sshd(8) would do with somebody's login, by its own word: `sshd -T`.
//!
//! Its invariant: nothing is concluded from a configuration file that sshd
//! itself would read otherwise.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// Settings as `sshd -T` writes them: names in lower case; of those that may
/// be there several times, all.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings(BTreeMap<String, Vec<String>>);

impl Settings {
    /// What holds for this user, from anywhere; `None` where sshd is not there
    /// or refuses its configuration.
    pub(super) fn of(user: &str) -> Option<Self> {
        let sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"];
        let sshd = sshd.into_iter().find(|path| std::path::Path::new(path).is_file())?;
        let criteria = format!("user={user},host=localhost,addr=127.0.0.1");
        let told = Command::new(sshd)
            .args(["-T", "-C", &criteria])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let told = told.ok().filter(|told| told.status.success())?;
        Some(Self::parse(&String::from_utf8_lossy(&told.stdout)))
    }

    pub(super) fn parse(text: &str) -> Self {
        let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            settings.entry(name.to_owned()).or_default().push(value.trim().to_owned());
        }
        Self(settings)
    }

    fn one(&self, name: &str) -> &str {
        self.0.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }

    /// Whether hrec is the forced command.
    pub(super) fn forces_hrec(&self) -> bool {
        let forced = self.one("forcecommand");
        let name = forced.split_ascii_whitespace().next().unwrap_or_default();
        let base = name.rsplit('/').next().unwrap_or_default();
        base == "hrec" && forced.ends_with(" shell") || base == "hrec-shell"
    }

    /// What lets people past the record, or change what is recorded: fact and
    /// remedy.
    pub(super) fn holes(&self) -> Vec<String> {
        let mut holes = Vec::new();
        let mut hole = |text: &str| holes.push(text.to_owned());
        let open = |name: &str| !matches!(self.one(name), "no" | "");
        let ways = ["allowtcpforwarding", "allowstreamlocalforwarding", "permittunnel"];
        if self.one("disableforwarding") != "yes" && ways.into_iter().any(open) {
            hole(
                "sshd forwards connections, which no session shows; set in sshd_config: DisableForwarding yes",
            );
        }
        // Not covered by DisableForwarding before OpenSSH 10.0, CVE-2025-32728.
        if open("x11forwarding") {
            hole(
                "sshd forwards X11, on which a whole session can be held unseen; set in sshd_config: X11Forwarding no",
            );
        }
        if open("allowagentforwarding") {
            hole(
                "sshd forwards agents, a way for bytes that no session shows; set in sshd_config: AllowAgentForwarding no",
            );
        }
        if open("permituserrc") {
            hole(
                "sshd runs a file of the person's before the session (PermitUserRC); set: PermitUserRC no",
            );
        }
        if self.one("forcecommand").starts_with("internal-sftp") {
            hole(
                "sshd serves files itself, past the shell (ForceCommand internal-sftp); take it out: hrec runs an \
                 sftp-server in its place",
            );
        }
        if open("permituserenvironment") {
            hole(
                "sshd takes variables from files of the person's (PermitUserEnvironment); set: PermitUserEnvironment no",
            );
        }
        for pattern in self.0.get("acceptenv").into_iter().flatten() {
            if !pattern.starts_with("LC_") && !pattern.starts_with("LANG") {
                hole(&format!(
                    "sshd takes variables {pattern} from the client (AcceptEnv); they change no recording, but the \
                     programs that are recorded: take it out"
                ));
            }
        }
        let subsystems = self.0.get("subsystem").into_iter().flatten();
        let internal = subsystems.filter(|value| value.contains("internal-sftp")).count();
        if internal > 0 && !self.forces_hrec() {
            hole(
                "sshd runs internal-sftp itself, past the shell; set: Subsystem sftp /usr/lib/openssh/sftp-server",
            );
        }
        holes
    }

    /// Whether sshd goes by pam.d(5).
    pub(super) fn uses_pam(&self) -> bool {
        self.one("usepam") == "yes"
    }

    /// Whether sshd says by which key somebody came.
    pub(super) fn exposes_keys(&self) -> bool {
        self.one("exposeauthinfo") == "yes"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIGHT: &str = "disableforwarding yes\nallowtcpforwarding yes\npermituserenvironment no\n\
                         x11forwarding no\nallowagentforwarding no\npermituserrc no\n\
                         acceptenv LANG\nacceptenv LC_*\nsubsystem sftp /usr/lib/openssh/sftp-server\n\
                         exposeauthinfo yes\nforcecommand none\n";

    fn holes(change: &[(&str, &str)]) -> Vec<String> {
        let text = change.iter().fold(TIGHT.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        Settings::parse(&text).holes()
    }

    #[test]
    fn each_hole_is_told_and_nothing_else() {
        assert_eq!(holes(&[]), Vec::<String>::new());
        for (from, to, word) in [
            ("disableforwarding yes", "disableforwarding no", "DisableForwarding"),
            ("permituserenvironment no", "permituserenvironment yes", "PermitUserEnvironment"),
            ("permituserenvironment no", "permituserenvironment LANG", "PermitUserEnvironment"),
            ("acceptenv LANG", "acceptenv *", "AcceptEnv"),
            ("x11forwarding no", "x11forwarding yes", "X11Forwarding no"),
            ("allowagentforwarding no", "allowagentforwarding yes", "AllowAgentForwarding no"),
            ("permituserrc no", "permituserrc yes", "PermitUserRC no"),
            ("forcecommand none", "forcecommand internal-sftp", "ForceCommand internal-sftp"),
            ("/usr/lib/openssh/sftp-server", "internal-sftp -l INFO", "internal-sftp"),
        ] {
            let found = holes(&[(from, to)]);
            assert!(found.len() == 1 && found[0].contains(word), "{to}: {found:?}");
        }
        let none = ("allowtcpforwarding yes", "allowtcpforwarding no");
        assert!(holes(&[("disableforwarding yes", "disableforwarding no"), none]).is_empty());
        let forced = ("forcecommand none", "forcecommand /usr/bin/hrec shell");
        let internal = ("/usr/lib/openssh/sftp-server", "internal-sftp");
        assert!(holes(&[internal, forced]).is_empty(), "hrec runs its own in its place");
    }

    #[test]
    fn a_forced_command_is_hrecs_only_by_its_name() {
        for (command, want) in [
            ("/usr/bin/hrec shell", true),
            ("hrec shell", true),
            ("/usr/bin/hrec-shell", true),
            ("none", false),
            ("/usr/bin/hrec ls", false),
            ("/usr/bin/nothrec shell", false),
            ("internal-sftp", false),
        ] {
            let settings = Settings::parse(&format!("forcecommand {command}\n"));
            assert_eq!(settings.forces_hrec(), want, "{command}");
        }
    }
}
