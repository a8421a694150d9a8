//! Who holds the recordings: the collector, its socket, its store.
//!
//! Asks the collector nothing but whether it is there. Its invariant: a store
//! that is told to be well cannot be read or changed by those whom it has.

use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::Check;
use super::super::sshd::Settings;
use crate::config::Config;

/// How long a collector may take to answer, at any load.
const PATIENCE: Duration = Duration::from_secs(5);

/// The collector's socket, where there is to be one.
pub(super) fn socket(config: &Config) -> Option<PathBuf> {
    config.store_collector.value.0.clone()
}

/// Sessions hold their own recordings.
pub(super) fn none() -> Check {
    Check::finding(
        "collector",
        "there is none, so whoever is recorded holds the record while it is made: they can end it, and whoever breaks \
         the set-group-ID program has the store; set store.collector, hrec-bastion(7)",
    )
}

/// Whether a collector takes what is recorded, and from hrec alone.
pub(super) fn collector(socket: &Path, program: &Path) -> Check {
    let group = program.metadata().map_or(0, |data| data.gid());
    match wrong(socket, group) {
        Some(text) => Check::finding("collector", text),
        None => Check::fine("collector", format!("answers on {}", socket.display())),
    }
}

fn wrong(socket: &Path, group: u32) -> Option<String> {
    const START: &str = "run: systemctl enable --now hrec-collect.socket";
    let shown = socket.display();
    let data = match socket.symlink_metadata() {
        Ok(data) if data.file_type().is_socket() => data,
        Ok(_) => {
            return Some(format!("{shown} is no socket; nobody gets in; remove it, and {START}"));
        }
        Err(error) => return Some(format!("{shown}: {error}; nobody gets in; {START}")),
    };
    let dir = socket.parent().and_then(|dir| dir.metadata().ok());
    if data.mode() & 0o007 != 0 || dir.is_some_and(|dir| dir.mode() & 0o022 != 0) {
        return Some(format!(
            "people can reach {shown} without hrec, or put another in its place; run: chmod 660 {shown}; chmod 755 {}",
            socket.parent().unwrap_or(socket).display()
        ));
    }
    if data.gid() != group || data.mode() & 0o060 != 0o060 {
        let mend = format!("run: chgrp hrec {shown}; chmod 660 {shown}");
        return Some(format!("sessions cannot reach {shown}, so nobody gets in; {mend}"));
    }
    let error = answer(socket).err()?;
    Some(format!("{shown}: {error}; nobody gets in; look at: journalctl -u hrec-collect"))
}

/// Connects, says nothing, and waits to be let go: a collector that hangs does
/// not, though its queue takes connections.
fn answer(socket: &Path) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.shutdown(Shutdown::Write)?;
    match stream.read(&mut [0; 256]) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            let text = "a program is there, and does not answer";
            Err(std::io::Error::new(ErrorKind::TimedOut, text))
        }
        // Gone, or gone with something left to say: either way it lives.
        _ => Ok(()),
    }
}

/// Whether the collector hears of logins: by this file of pam.d(5), where sshd
/// goes by it.
pub(super) fn logins(pam: &Path, sshd: Option<&Settings>, program: &Path) -> Check {
    let (shown, hrec) = (pam.display(), program.display());
    let why = "so a login without a recording would go unnoticed";
    let text = match std::fs::read_to_string(pam) {
        Err(error) => format!("{shown}: {error}, {why}"),
        Ok(text) if !text.lines().any(is_hook) => format!(
            "{shown} has no line that tells the collector of logins, {why}; add: session optional pam_exec.so quiet \
             {hrec} collect --login"
        ),
        Ok(_) if sshd.is_some_and(|sshd| !sshd.uses_pam()) => {
            format!("sshd does not go by {shown}, {why}; set in sshd_config: UsePAM yes")
        }
        Ok(_) => return Check::fine("logins", "the collector is told of each"),
    };
    Check::finding("logins", text)
}

fn is_hook(line: &str) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let session = words.first().is_some_and(|first| first.trim_start_matches('-') == "session");
    session && words.contains(&"pam_exec.so") && words.ends_with(&["collect", "--login"])
}

/// Whose the store is.
pub(super) fn store(path: &Path, collector: bool, program: &Path) -> Check {
    if collector { held(path) } else { shared(path, program) }
}

/// One that a collector keeps.
fn held(path: &Path) -> Check {
    let shown = path.display();
    let mend = format!("run: chown hrec:hrec {shown} && chmod 700 {shown}");
    match path.metadata() {
        Err(error) => Check::finding("store", format!("{shown}: {error}; {mend}")),
        Ok(data) if data.mode() & 0o077 != 0 => {
            let text = format!("sessions, or people themselves, can get into {shown}; {mend}");
            Check::finding("store", text)
        }
        Ok(data) if data.uid() == 0 => {
            let text = format!("{shown} is root's, and no collector should be; {mend}");
            Check::finding("store", text)
        }
        Ok(_) => Check::fine("store", format!("{shown}, the collector's alone")),
    }
}

/// One that sessions write themselves.
fn shared(path: &Path, program: &Path) -> Check {
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_collector_must_be_there_reachable_and_awake() {
        let dir = tempfile::tempdir().unwrap();
        chmod(dir.path(), 0o755);
        let path = dir.path().join("collect.sock");
        let group = dir.path().metadata().unwrap().gid();
        let found = |group| wrong(&path, group).unwrap_or_default();
        assert!(found(group).contains("No such file"), "{}", found(group));
        std::fs::write(&path, "").unwrap();
        assert!(found(group).contains("is no socket"));
        std::fs::remove_file(&path).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        chmod(&path, 0o666);
        assert!(found(group).contains("without hrec"));
        chmod(&path, 0o600);
        assert!(found(group).contains("cannot reach"));
        chmod(&path, 0o660);
        assert!(found(group + 1).contains("cannot reach"));
        chmod(dir.path(), 0o777);
        assert!(found(group).contains("another in its place"));
        chmod(dir.path(), 0o755);
        // Nobody takes the connection, though the kernel does.
        assert!(found(group).contains("does not answer"), "{}", found(group));
        // Its queue is still there: the first is the one that gave up.
        let served = std::thread::spawn(move || {
            let first = listener.accept().unwrap();
            let second = listener.accept().unwrap();
            drop((first, second));
            listener
        });
        assert_eq!(found(group), "");
        drop(served.join().unwrap());
        assert!(found(group).contains("refused"), "{}", found(group));
    }

    #[test]
    fn logins_are_told_where_pam_has_the_line_and_sshd_goes_by_it() {
        let dir = tempfile::tempdir().unwrap();
        let pam = dir.path().join("sshd");
        let told = |usepam: &str| {
            let sshd = Settings::parse(&format!("usepam {usepam}\n"));
            logins(&pam, Some(&sshd), Path::new("/usr/bin/hrec")).text
        };
        assert!(told("yes").contains("No such file"));
        for text in [
            "session required pam_unix.so\n",
            "# session optional pam_exec.so quiet /usr/bin/hrec collect --login\n",
            "auth optional pam_exec.so quiet /usr/bin/hrec collect --login\n",
            "session optional pam_exec.so quiet /usr/bin/other\n",
        ] {
            std::fs::write(&pam, text).unwrap();
            assert!(told("yes").contains("add: session optional pam_exec.so"), "{text}");
        }
        std::fs::write(&pam, "session optional pam_exec.so quiet /usr/bin/hrec collect --login\n")
            .unwrap();
        assert!(told("no").contains("UsePAM yes"));
        assert_eq!(told("yes"), "the collector is told of each");
    }

    #[test]
    fn a_collectors_store_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        let told = || held(&store).text;
        assert!(told().contains("No such file"));
        std::fs::create_dir(&store).unwrap();
        for mode in [0o770, 0o701, 0o750] {
            chmod(&store, mode);
            assert!(told().contains("can get into"), "{mode:o}: {}", told());
        }
        chmod(&store, 0o700);
        let mine = rustix::process::getuid().is_root();
        assert_eq!(told().contains("is root's"), mine, "{}", told());
    }
}
