//! What is really run: which program, under which name, with which variables.
//!
//! Decides nothing about recording. Its invariant: the program finds what
//! sshd(8) would have given it, had the real shell stood in passwd(5).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::call::{What, shell_named};
use crate::config::Config;

/// The variable in which sshd(8) says what the client asked for, where a
/// forced command takes its place.
pub const ORIGINAL: &str = "SSH_ORIGINAL_COMMAND";

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its path.
    pub path: PathBuf,
    /// Its `argv[0]`.
    pub name: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// The command that it is run for, where it is for one.
    pub command: Option<OsString>,
    /// Whether [`ORIGINAL`] has been followed, and is no more the program's.
    pub followed: bool,
}

/// The person's real shell: by the configuration, or by the name of the link
/// that was executed.
///
/// # Errors
/// When that is hrec again.
pub fn shell(
    config: &Config,
    user: &str,
    groups: &[String],
    link: Option<&str>,
) -> Result<PathBuf> {
    let own = config.shell_users.value.0.get(user);
    let group = || {
        let mut shells = config.shell_groups.value.0.iter();
        shells.find(|(name, _)| groups.contains(name)).map(|(_, path)| path)
    };
    let linked = || {
        let shells = std::fs::read_to_string("/etc/shells").unwrap_or_default();
        link.and_then(|name| shell_named(name, &shells))
    };
    let path = own.or_else(group).cloned().or_else(linked);
    let path = path.unwrap_or_else(|| config.shell_default.value.0.clone());
    if path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"hrec")) {
        bail!("the shell of {user} would be {}; name a real one in shell.users", path.display());
    }
    Ok(path)
}

/// What to run for a call: the shell, or a command in it.
pub fn program(
    what: &What,
    dash: bool,
    shell: &Path,
    original: Option<OsString>,
    sftp: &Path,
) -> Program {
    let base = shell.file_name().unwrap_or(shell.as_os_str());
    let mut login = OsString::from("-");
    login.push(base);
    let name = |dash: bool| if dash { login.clone() } else { base.to_owned() };
    let run = |name: OsString, args: &[OsString]| Program {
        path: shell.to_owned(),
        name,
        args: args.to_vec(),
        command: None,
        followed: false,
    };
    let command = |text: &OsStr| {
        if let Some(args) = internal_sftp(text) {
            let name = sftp.file_name().unwrap_or(sftp.as_os_str()).to_owned();
            let command = Some(text.to_owned());
            return Program { path: sftp.to_owned(), name, args, command, followed: false };
        }
        let command = Some(text.to_owned());
        Program { command, ..run(name(dash), &["-c".into(), text.to_owned()]) }
    };
    match what {
        What::Shell => run(name(dash), &[]),
        What::Arguments(args) => run(name(dash), args),
        What::Command(text) => command(text),
        What::Forced => match original.filter(|text| !text.is_empty()) {
            Some(text) => Program { followed: true, ..command(&text) },
            None => run(name(true), &[]),
        },
    }
}

/// The arguments of sshd's own SFTP server, where that is the command: sshd(8)
/// takes it for that by the word alone, and so splits at blanks.
fn internal_sftp(command: &OsStr) -> Option<Vec<OsString>> {
    let rest = command.as_bytes().strip_prefix(b"internal-sftp")?;
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    if !rest.first().is_none_or(blank) {
        return None;
    }
    let words = rest.split(blank).filter(|word| !word.is_empty());
    Some(words.map(|word| OsStr::from_bytes(word).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dirs;

    fn config(text: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let system = dir.path().join("config.toml");
        std::fs::write(&system, text).unwrap();
        let dirs = Dirs { home: None, config: dir.path().into(), data: dir.path().into() };
        Config::load_from(&system, dirs, &[]).unwrap()
    }

    #[test]
    fn a_user_comes_before_a_group_and_both_before_the_default() {
        let config = config(
            "[shell]\ndefault = \"/bin/dash\"\nusers = { alice = \"/bin/zsh\" }\n\
             groups = { b = \"/bin/b\", a = \"/bin/a\" }\n",
        );
        let groups = ["x".to_owned(), "b".to_owned(), "a".to_owned()];
        let of = |user, groups: &[String]| shell(&config, user, groups, None).unwrap();
        assert_eq!(of("alice", &groups), Path::new("/bin/zsh"));
        assert_eq!(of("bob", &groups), Path::new("/bin/a"));
        assert_eq!(of("bob", &[]), Path::new("/bin/dash"));
        assert_eq!(shell(&config, "bob", &[], Some("sh")).unwrap().file_name().unwrap(), "sh");
        assert_eq!(of("bob", &[]), shell(&config, "bob", &[], Some("no-such-shell")).unwrap());
    }

    #[test]
    fn hrec_is_no_real_shell() {
        let config = config("shell.default = \"/usr/bin/hrec-shell\"\n");
        let error = shell(&config, "bob", &[], None).unwrap_err().to_string();
        assert!(error.contains("shell of bob") && error.contains("shell.users"), "{error}");
    }

    fn words(what: &What, dash: bool, original: Option<&str>) -> (String, Vec<String>, bool) {
        let sftp = Path::new("/usr/lib/openssh/sftp-server");
        let found = program(what, dash, Path::new("/bin/bash"), original.map(Into::into), sftp);
        let text = |word: &OsString| word.to_string_lossy().into_owned();
        let shown = format!("{} {}", found.path.display(), text(&found.name));
        (shown, found.args.iter().map(text).collect(), found.followed)
    }

    #[test]
    fn names_and_arguments_are_those_that_sshd_gives() {
        let command = |text: &str| What::Command(text.into());
        let args = |args: &[&str]| args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>();
        for (what, dash, original, want) in [
            (What::Shell, true, None, ("/bin/bash -bash", args(&[]), false)),
            (What::Shell, false, None, ("/bin/bash bash", args(&[]), false)),
            (command("id"), false, Some("x"), ("/bin/bash bash", args(&["-c", "id"]), false)),
            (What::Forced, false, Some("id"), ("/bin/bash bash", args(&["-c", "id"]), true)),
            (What::Forced, false, None, ("/bin/bash -bash", args(&[]), false)),
            (What::Forced, false, Some(""), ("/bin/bash -bash", args(&[]), false)),
            (
                What::Forced,
                false,
                Some("internal-sftp -l  INFO"),
                ("/usr/lib/openssh/sftp-server sftp-server", args(&["-l", "INFO"]), true),
            ),
            (
                command("internal-sftp-x"),
                false,
                None,
                ("/bin/bash bash", args(&["-c", "internal-sftp-x"]), false),
            ),
        ] {
            let (shown, found, followed) = words(&what, dash, original);
            assert_eq!((shown.as_str(), found, followed), want, "{what:?}");
        }
    }
}
