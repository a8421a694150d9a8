//! Logins, as the host's PAM stack tells of them, and whether each is recorded.
//!
//! "None is missing" is to cover who logged in, and not only what hrec saw
//! start. Its invariant: a login is accounted for by what sshd(8) itself
//! started for it, never by something that a program below that begins, so
//! that nobody hides behind a recording of something else.

use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Daemon, Refusal};
use crate::format::wire::{self, Hello, kind};
use crate::seal::ledger::Event;
use crate::sys::clock;
use crate::sys::kin::{self, Children};
use crate::sys::peer::{self, Peer, Process};

/// A recording begins within this.
const WITHIN: Duration = Duration::from_secs(10);

/// How often those that wait are looked at …
const LOOK: Duration = Duration::from_secs(1);

/// … and those that have been open for long without a program.
const SELDOM: Duration = Duration::from_secs(5);

/// How many may wait: sshd(8) lets fewer in at once.
const MOST: usize = 4096;

/// What is kept of a name that PAM has.
const NAME: usize = 256;

/// What root's PAM stack tells of a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Who logged in.
    pub user: String,
    /// What let them in.
    pub service: String,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rhost: Option<String>,
    /// On which terminal, where that is known yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tty: Option<String>,
    /// The process that opened the PAM session: its number, and its start.
    pub opener: (u32, u64),
    /// The audit session.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub audit_session: Option<u32>,
}

/// Those that nothing has accounted for yet.
#[derive(Debug, Default)]
pub(super) struct Logins {
    waiting: Mutex<Vec<Login>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Login {
    told: Told,
    at: String,
    since: Instant,
    opener: Process,
    looked: Instant,
    /// When a program was first seen that nothing accounts for.
    program: Option<Instant>,
    /// Whether a session of it was refused.
    refused: bool,
    /// Connections of readers, which run nothing.
    readers: Vec<Process>,
}

/// How a peer accounts for the login that it came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum As {
    /// It is recorded.
    Session,
    /// It was not let be recorded, and runs nothing.
    Refused,
    /// It reads, and runs nothing.
    Reader,
}

/// What is to be said of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Programs run that nothing accounts for.
    Program,
    /// It is over, and nothing was seen of it.
    Ended,
    /// It is over, and its session was refused.
    Refused,
    /// It was open for long, and ran nothing.
    Nothing,
}

impl Seen {
    fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Ended => "ended",
            Self::Refused => "refused",
            Self::Nothing => "nothing",
        }
    }
}

/// Takes what root's PAM stack tells.
///
/// # Errors
/// With what whoever is not root is told.
pub(super) fn serve(
    daemon: &Arc<Daemon>,
    stream: UnixStream,
    peer: &Peer,
    hello: &Hello,
) -> Result<(), Refusal> {
    if peer.uid != 0 {
        return Err("only root tells of logins".into());
    }
    let mut told: Told = hello.words().map_err(|error| Refusal::from(error.to_string()))?;
    let texts =
        [Some(&mut told.user), Some(&mut told.service), told.rhost.as_mut(), told.tty.as_mut()];
    for text in texts.into_iter().flatten() {
        *text = text.chars().take(NAME).collect();
    }
    let (pid, start) = told.opener;
    daemon.logins.add(told, Process { pid, start })?;
    let _ = wire::write(&mut &stream, kind::OK, &serde_json::Map::new());
    Ok(())
}

impl Logins {
    fn add(&self, told: Told, opener: Process) -> Result<(), Refusal> {
        let mut waiting = self.lock();
        if waiting.len() >= MOST {
            return Err("too many logins wait for their recordings".into());
        }
        let now = Instant::now();
        waiting.push(Login {
            told,
            at: clock::wall_rfc3339(),
            since: now,
            looked: now,
            opener,
            program: None,
            refused: false,
            readers: Vec::new(),
        });
        self.changed.notify_all();
        Ok(())
    }

    /// A peer has come, as this.
    pub(super) fn account(&self, process: Process, how: As) {
        let mut waiting = self.lock();
        if waiting.is_empty() {
            return;
        }
        let up = kin::ancestors(process.pid);
        waiting.retain_mut(|login| {
            let own = up.iter().position(|process| *process == login.opener);
            if own != Some(login.between()) {
                return true;
            }
            match how {
                As::Session => return false,
                As::Refused => login.refused = true,
                As::Reader => login.readers.push(process),
            }
            true
        });
    }

    /// What is to be said by now, and of whom.
    fn due(&self) -> Vec<(Login, Seen)> {
        // Each session that starts needs the lock, and /proc may be long.
        let children = match self.lock().iter().any(Login::is_looked_at) {
            true => Some(Children::now()),
            false => None,
        };
        let mut due = Vec::new();
        let mut waiting = self.lock();
        let mut left = Vec::with_capacity(waiting.len());
        for mut login in waiting.drain(..) {
            match login.look(children.as_ref()) {
                Look::Later => left.push(login),
                Look::Fine => {}
                Look::Say(seen) => due.push((login, seen)),
            }
        }
        *waiting = left;
        due
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Login>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Look {
    Later,
    Fine,
    Say(Seen),
}

impl Login {
    /// How many processes are between the opener and the login shell: sshd(8)
    /// has one without privileges for everybody but root.
    fn between(&self) -> usize {
        usize::from(self.told.service == "sshd" && self.told.user != "root")
    }

    /// Whether its programs are looked for this time.
    fn is_looked_at(&self) -> bool {
        self.since.elapsed() <= WITHIN || self.looked.elapsed() >= SELDOM || self.program.is_some()
    }

    /// With the processes as they are, where it is looked for any.
    fn look(&mut self, children: Option<&Children>) -> Look {
        if !peer::runs(self.opener) {
            return match (self.refused, self.program.is_some(), self.readers.is_empty()) {
                (_, true, _) => Look::Say(Seen::Program),
                (true, ..) => Look::Say(Seen::Refused),
                (_, _, false) => Look::Fine,
                _ if self.since.elapsed() < WITHIN => Look::Say(Seen::Ended),
                _ => Look::Say(Seen::Nothing),
            };
        }
        let Some(children) = children.filter(|_| self.is_looked_at()) else {
            return Look::Later;
        };
        self.looked = Instant::now();
        let programs = children.below(self.opener);
        let unaccounted = programs
            .iter()
            .any(|(process, depth)| *depth > self.between() && !self.readers.contains(process));
        if !unaccounted {
            self.program = None;
            return Look::Later;
        }
        match self.program {
            None => self.program = Some(Instant::now()),
            Some(since) if since.elapsed() >= WITHIN - LOOK => return Look::Say(Seen::Program),
            Some(_) => {}
        }
        Look::Later
    }
}

/// Looks, and tells of what it finds, for as long as the process lives.
pub(super) fn watch(daemon: &Arc<Daemon>) -> std::io::Result<()> {
    let daemon = Arc::clone(daemon);
    let thread = std::thread::Builder::new().name("logins".to_owned());
    thread.spawn(move || {
        loop {
            let waiting = daemon.logins.lock();
            let some = daemon.logins.changed.wait_while(waiting, |waiting| waiting.is_empty());
            drop(some.unwrap_or_else(PoisonError::into_inner));
            std::thread::sleep(LOOK);
            for (login, seen) in daemon.logins.due() {
                tell(&daemon, &login, seen);
            }
        }
    })?;
    Ok(())
}

fn tell(daemon: &Daemon, login: &Login, seen: Seen) {
    let Told { user, service, rhost, tty, .. } = &login.told;
    let from = rhost.as_ref().map(|rhost| format!(" from {rhost}")).unwrap_or_default();
    let what = match seen {
        Seen::Program => "it runs programs that are not recorded",
        Seen::Ended => "it ended before anything was recorded",
        Seen::Refused => "its session was refused",
        Seen::Nothing => "it ran nothing",
    };
    let line = format!("login without a recording: {user}{from} ({service}), {}: {what}", login.at);
    daemon.log.say(&line);
    let event = Event::Login {
        user: user.clone(),
        at: login.at.clone(),
        service: service.clone(),
        rhost: rhost.clone(),
        tty: tty.clone(),
        seen: seen.name().to_owned(),
    };
    if let Err(why) = daemon.clerk.enter(vec![event]) {
        daemon.log.say(&format!("the ledger does not have that login: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::{Command, Stdio};

    fn told(user: &str, opener: Process) -> Told {
        Told {
            user: user.to_owned(),
            service: "sshd".to_owned(),
            rhost: None,
            tty: None,
            opener: (opener.pid, opener.start),
            audit_session: None,
        }
    }

    /// A stand-in for sshd(8) with its process without privileges, which runs a
    /// shell: opener, that one, the shell, and `cat` below it.
    #[allow(clippy::zombie_processes, reason = "whoever has it waits for it")]
    fn tree() -> (std::process::Child, Vec<Process>) {
        let mut child = Command::new("sh")
            .args(["-c", "echo; sh -c \"echo; sh -c 'echo; cat; :'; :\"; :"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // All are there when all have said so, but for the last.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap();
        let opener = kin::process(child.id()).unwrap();
        let started = Instant::now();
        loop {
            let mut below = Children::now().below(opener);
            below.sort_by_key(|(_, depth)| *depth);
            if below.len() >= 3 {
                let all = std::iter::once(opener).chain(below.into_iter().map(|(it, _)| it));
                return (child, all.collect());
            }
            assert!(started.elapsed() < Duration::from_secs(40), "{below:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn only_what_the_login_itself_started_accounts_for_it() {
        let (mut child, tree) = tree();
        let logins = Logins::default();
        for (user, process, how, left) in [
            ("ann", tree[3], As::Session, 1),
            ("ann", tree[2], As::Session, 0),
            ("root", tree[2], As::Session, 1),
            ("root", tree[1], As::Session, 0),
            ("ann", tree[2], As::Refused, 1),
            ("ann", tree[2], As::Reader, 1),
        ] {
            logins.lock().clear();
            logins.add(told(user, tree[0]), tree[0]).unwrap();
            logins.account(process, how);
            assert_eq!(logins.lock().len(), left, "{user} {how:?}");
        }
        // A number that has another start is another process.
        let other = Process { start: tree[0].start + 1, ..tree[0] };
        logins.lock().clear();
        logins.add(told("ann", other), other).unwrap();
        logins.account(tree[2], As::Session);
        assert_eq!(logins.lock().len(), 1);
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn each_end_has_its_word() {
        let (mut child, tree) = tree();
        let login = |refused, readers: &[Process]| {
            let logins = Logins::default();
            logins.add(told("ann", tree[0]), tree[0]).unwrap();
            let mut login = logins.lock().pop().unwrap();
            (login.refused, login.readers) = (refused, readers.to_vec());
            login
        };
        let mut open = login(false, &[]);
        assert!(matches!(open.look(Some(&Children::now())), Look::Later) && open.program.is_some());
        open.program = Instant::now().checked_sub(WITHIN);
        assert!(matches!(open.look(Some(&Children::now())), Look::Say(Seen::Program)));
        let mut reading = login(false, &tree[2..]);
        assert!(
            matches!(reading.look(Some(&Children::now())), Look::Later)
                && reading.program.is_none()
        );
        drop(child.stdin.take());
        child.wait().unwrap();
        let end =
            |refused, readers: &[Process]| login(refused, readers).look(Some(&Children::now()));
        assert!(matches!(end(false, &[]), Look::Say(Seen::Ended)));
        assert!(matches!(end(true, &[]), Look::Say(Seen::Refused)));
        assert!(matches!(end(false, &tree[2..3]), Look::Fine));
        let mut long = login(false, &[]);
        long.since = Instant::now().checked_sub(WITHIN).unwrap();
        assert!(matches!(long.look(None), Look::Say(Seen::Nothing)));
    }
}
