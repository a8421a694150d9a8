//! How hrec was called as a shell: the name, and what it is to run.
//!
//! Knows nothing of configuration or sessions. Its invariant: whatever the
//! name and the arguments are, a call that is taken for a shell's is recorded;
//! they decide what is run, never whether it is kept.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cmd::carry;

/// The name of the link that stands in passwd(5).
const NAME: &str = "hrec-shell";

/// A call as a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What to run.
    pub what: What,
    /// Whether the name began with a dash, as a login shell's does.
    pub dash: bool,
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The real shell.
    Shell,
    /// What sshd(8) was asked to run, or else the real shell.
    Forced,
    /// A command, by the real shell.
    Command(OsString),
    /// The real shell with these arguments.
    Arguments(Vec<OsString>),
}

impl Call {
    /// The call that these words are, the name first; `None` where they are
    /// one of hrec's other verbs.
    pub fn of(words: &[OsString]) -> Option<Self> {
        let (name, args) = words.split_first()?;
        let (name, dash) = match name.as_bytes().split_first() {
            Some((b'-', rest)) => (OsStr::from_bytes(rest), true),
            _ => (name.as_os_str(), false),
        };
        let name = Path::new(name).file_name().unwrap_or_default().as_bytes();
        let named = name == NAME.as_bytes() || name.starts_with(b"hrec-shell-");
        let what = match args {
            [flag, command] if flag == "-c" && is_own(command) => What::Forced,
            [flag, command] if flag == "-c" => What::Command(command.clone()),
            _ if named || dash => match args {
                [] => What::Shell,
                _ => What::Arguments(args.to_vec()),
            },
            [verb] if verb == "shell" => What::Forced,
            [flag, ..] if flag == "-c" => What::Arguments(args.to_vec()),
            _ => return None,
        };
        Some(Self { what, dash })
    }

    /// Whether it is to read recordings from another machine.
    pub fn reads(&self) -> bool {
        match &self.what {
            What::Command(command) => carry::is_command(command),
            What::Forced => {
                std::env::var_os(super::real::ORIGINAL).is_some_and(|it| carry::is_command(&it))
            }
            What::Shell | What::Arguments(_) => false,
        }
    }
}

/// Whether a command is hrec's own name as a forced command: the shell that is
/// to run it is hrec already, and records once.
fn is_own(command: &OsStr) -> bool {
    let words: Vec<&[u8]> =
        command.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let base = |word: &[u8]| word.rsplit(|&byte| byte == b'/').next().map(<[u8]>::to_vec);
    match words[..] {
        [name, verb] => base(name).as_deref() == Some(b"hrec") && verb == b"shell",
        [name] => base(name).as_deref() == Some(NAME.as_bytes()),
        _ => false,
    }
}

/// The `NAME` of the link `hrec-shell-NAME` that was executed, where only root
/// could have made it. The name in `argv[0]` is whatever the caller likes.
pub fn linked_name() -> Option<String> {
    let executed = rustix::param::linux_execfn();
    name_of(Path::new(OsStr::from_bytes(executed.to_bytes())), 0)
}

fn name_of(path: &Path, root: u32) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_prefix("hrec-shell-")?;
    let link = path.symlink_metadata().ok()?;
    let dir = path.parent().filter(|dir| dir.is_absolute())?.metadata().ok()?;
    let roots = link.uid() == root && dir.uid() == root && dir.mode() & 0o022 == 0;
    (roots && link.is_symlink() && !name.is_empty()).then(|| name.to_owned())
}

/// The shell of that name in the text of shells(5).
pub fn shell_named(name: &str, shells: &str) -> Option<PathBuf> {
    let shells = shells.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut paths = shells.filter(|line| line.starts_with('/')).map(Path::new);
    paths.find(|path| path.file_name() == Some(OsStr::new(name))).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(words: &[&str]) -> Option<(What, bool)> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Call::of(&words).map(|call| (call.what, call.dash))
    }

    fn command(text: &str) -> What {
        What::Command(text.into())
    }

    #[test]
    fn every_form_that_a_login_has() {
        for (words, want) in [
            (&["-hrec"][..], Some((What::Shell, true))),
            (&["-hrec-shell"], Some((What::Shell, true))),
            (&["-hrec-shell-zsh"], Some((What::Shell, true))),
            (&["hrec-shell"], Some((What::Shell, false))),
            (&["/usr/bin/hrec-shell-zsh"], Some((What::Shell, false))),
            (&["hrec-shell", "-c", "scp -t x"], Some((command("scp -t x"), false))),
            (&["hrec", "-c", "scp -t x; bash"], Some((command("scp -t x; bash"), false))),
            (&["-hrec", "-c", ""], Some((command(""), true))),
            (&["hrec", "-c", "hrec shell"], Some((What::Forced, false))),
            (&["hrec-shell", "-c", " /usr/bin/hrec  shell "], Some((What::Forced, false))),
            (&["hrec-shell", "-c", "/usr/bin/hrec-shell"], Some((What::Forced, false))),
            (&["hrec", "shell"], Some((What::Forced, false))),
            // Whatever else is asked of a shell is the real one's to judge.
            (&["-hrec", "-l"], Some((What::Arguments(vec!["-l".into()]), true))),
            (
                &["hrec-shell", "-lc", "x"],
                Some((What::Arguments(vec!["-lc".into(), "x".into()]), false)),
            ),
            (&["hrec", "-c"], Some((What::Arguments(vec!["-c".into()]), false))),
            (&["hrec", "-c", "hrec shell x"], Some((command("hrec shell x"), false))),
            (&["hrec", "-c", "hrec shell; id"], Some((command("hrec shell; id"), false))),
            (&["-anything"], Some((What::Shell, true))),
            (&["hrec"], None),
            (&["hrec", "ls"], None),
            (&["hrec", "rec", "-c"], None),
            (&["hrec", "shell", "--help"], None),
            (&[], None),
        ] {
            assert_eq!(call(words), want, "{words:?}");
        }
    }

    #[test]
    fn a_name_counts_only_where_root_gave_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let me = rustix::process::getuid().as_raw();
        let link = dir.join("hrec-shell-zsh");
        std::os::unix::fs::symlink("/bin/true", &link).unwrap();
        assert_eq!(name_of(&link, me).as_deref(), Some("zsh"));
        assert_eq!(name_of(&link, me + 1), None);
        let file = dir.join("hrec-shell-bash");
        std::fs::write(&file, "").unwrap();
        assert_eq!(name_of(&file, me), None);
        assert_eq!(name_of(Path::new("hrec-shell-zsh"), me), None);
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&dir, open).unwrap();
        assert_eq!(name_of(&link, me), None);
    }

    #[test]
    fn shells_are_found_by_their_names() {
        let shells = "# /bin/no\n/bin/sh\n /usr/bin/zsh # z\n/bin/zsh\n";
        assert_eq!(shell_named("zsh", shells), Some("/usr/bin/zsh".into()));
        assert_eq!(shell_named("no", shells), None);
        assert_eq!(shell_named("../sh", shells), None);
    }
}
