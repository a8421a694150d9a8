//! Who is at the other end of a Unix socket, as the kernel has it.
//!
//! Asks the peer nothing. Its invariant: what is read of `/proc` is of the
//! process that connected: the descriptor that tells of its death is had first,
//! and it was alive when the reading was over.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::kin;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What `loginuid` and `sessionid` hold when PAM set neither, see
/// pam_loginuid(8).
const UNSET: u32 = u32::MAX;

/// Most that is read of one of `/proc`'s files.
const LARGEST: u64 = 4096;

/// How often a control group is gone through whose processes are to end …
const PASSES: usize = 64;

/// … and how long those that were told to may take before it is again.
const PAUSE: Duration = Duration::from_millis(5);

/// A process, for as long as this host runs: a number may be given again, with
/// a later start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the host did: field 22 of
    /// `/proc/PID/stat`.
    pub start: u64,
}

/// The process that connected.
#[derive(Debug)]
pub struct Peer {
    /// Which it is.
    pub process: Process,
    /// Its effective uid when it connected.
    pub uid: u32,
    /// Its real gid; its effective one is that of the binary.
    pub gid: u32,
    /// Who logged in, where PAM said so.
    pub login_uid: Option<u32>,
    /// The audit session, likewise.
    pub audit_session: Option<u32>,
    /// Its control group, as cgroups(7) version 2 has it.
    pub cgroup: Option<String>,
    /// Whether its binary gave it a group that its user has not by himself.
    pub set_group: bool,
    alive: OwnedFd,
}

impl Peer {
    /// The process at the other end.
    ///
    /// # Errors
    /// When it is no process of this host, or has gone already.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = credentials(stream)?;
        let gone = || io::Error::new(io::ErrorKind::NotFound, "the peer has gone already");
        let pid = Pid::from_raw(credentials.pid).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "the peer is in another PID namespace")
        })?;
        let alive = match peer_pidfd(stream) {
            Ok(fd) => fd,
            // A kernel before 6.5. Of a peer that has gone the number may be
            // another's by now.
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
                pidfd_open(pid, PidfdFlags::empty())?
            }
            Err(_) => return Err(gone()),
        };
        let number = u32::try_from(credentials.pid).map_err(|_| gone())?;
        let start = started(number).ok_or_else(gone)?;
        let own = |name: &str| number_in(&format!("/proc/{number}/{name}"));
        let gid = real_gid(number).unwrap_or(credentials.gid);
        let peer = Self {
            process: Process { pid: number, start },
            uid: credentials.uid,
            gid,
            login_uid: own("loginuid").filter(|uid| *uid != UNSET),
            audit_session: own("sessionid").filter(|session| *session != UNSET),
            cgroup: cgroup(number),
            set_group: gid != credentials.gid,
            alive,
        };
        if peer.is_alive() { Ok(peer) } else { Err(gone()) }
    }

    /// The login that the process is all of: its control group, where systemd(1)
    /// made that for a login, and the process is what the login itself started,
    /// by a binary that has a group of its own; not what was begun within it.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        let last = |group: &&str| group.rsplit('/').next().is_some_and(is_login);
        let scope = self.cgroup.as_deref().filter(last).filter(|_| self.set_group)?;
        (leads(self.process.pid, scope) && self.is_alive()).then_some(scope)
    }

    /// Becomes readable when the process has ended.
    #[must_use]
    pub fn ended(&self) -> BorrowedFd<'_> {
        self.alive.as_fd()
    }

    /// That descriptor.
    #[must_use]
    pub fn into_ended(self) -> OwnedFd {
        self.alive
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let mut fds = [PollFd::new(&self.alive, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        !matches!(poll(&mut fds, Some(&now)), Ok(ready) if ready > 0)
    }
}

/// `session-12.scope`, pam_systemd(8).
fn is_login(unit: &str) -> bool {
    let number = unit.strip_prefix("session-").and_then(|rest| rest.strip_suffix(".scope"));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Whether a process leads a session, setsid(2), as what a login starts does, and
/// nothing is above it in the login but what logs people in.
fn leads(pid: u32, scope: &str) -> bool {
    let session = session(pid);
    let above = kin::ancestors(pid);
    let within = above.iter().filter(|it| cgroup(it.pid).as_deref() == Some(scope));
    let mut names = within.map(|it| read(&format!("/proc/{}/comm", it.pid)).unwrap_or_default());
    session == Some(pid) && !above.is_empty() && names.all(|name| is_opener(name.trim_end()))
}

/// sshd(8), under each of its names, and login(1). Who gives a process such a
/// name has only his own login ended.
fn is_opener(name: &str) -> bool {
    matches!(name, "sshd" | "sshd-session" | "sshd-auth" | "login")
}

/// Ends every process of a login's control group, where this process may.
pub fn end_scope(scope: &str) {
    if !scope.rsplit('/').next().is_some_and(is_login) || scope.contains("..") {
        return;
    }
    let dir = format!("/sys/fs/cgroup{scope}");
    // All at once, where the kernel can (5.14) and lets us.
    if std::fs::write(format!("{dir}/cgroup.kill"), "1").is_ok() {
        return;
    }
    // One by one, which somebody who forks meanwhile survives: until none is left.
    for _ in 0..PASSES {
        // All of it: the start of a number is somebody else's.
        let members = std::fs::read_to_string(format!("{dir}/cgroup.procs")).unwrap_or_default();
        let killed = members.lines().filter(|pid| kill_member(pid, scope)).count();
        if killed == 0 {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Kills a process, if it is in this control group still.
fn kill_member(pid: &str, scope: &str) -> bool {
    let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) else { return false };
    let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    let is_member = cgroup(pid.as_raw_nonzero().get().unsigned_abs()).as_deref() == Some(scope);
    is_member && pidfd_send_signal(&fd, Signal::KILL).is_ok()
}

/// Whether this very process runs.
#[must_use]
pub fn runs(process: Process) -> bool {
    started(process.pid) == Some(process.start)
}

/// A descriptor that becomes readable when this very process has ended.
#[must_use]
pub fn watch(process: Process) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
    let fd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    runs(process).then_some(fd)
}

/// This run of the host: another after each start.
#[must_use]
pub fn boot() -> String {
    read("/proc/sys/kernel/random/boot_id").map_or_else(String::new, |id| id.trim().to_owned())
}

/// A process's control group.
#[must_use]
pub fn cgroup(pid: u32) -> Option<String> {
    let text = read(&format!("/proc/{pid}/cgroup"))?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

fn started(pid: u32) -> Option<u64> {
    // The name, field 2, may have anything in it but ends with the last
    // parenthesis; the state of a process that has ended is Z, or X.
    let stat = read(&format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Field 6 of `/proc/PID/stat`.
fn session(pid: u32) -> Option<u32> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(3)?.parse().ok()
}

fn real_gid(pid: u32) -> Option<u32> {
    let status = read(&format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("Gid:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn number_in(path: &str) -> Option<u32> {
    read(path)?.trim().parse().ok()
}

fn read(path: &str) -> Option<String> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(LARGEST).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn credentials(stream: &UnixStream) -> io::Result<libc::ucred> {
    let mut found = MaybeUninit::<libc::ucred>::zeroed();
    option(stream, libc::SO_PEERCRED, &mut found)?;
    // SAFETY: a ucred is three integers, for which every bit pattern is one,
    // zeros included.
    Ok(unsafe { found.assume_init() })
}

fn peer_pidfd(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut found = MaybeUninit::<libc::c_int>::new(-1);
    option(stream, libc::SO_PEERPIDFD, &mut found)?;
    // SAFETY: it was initialised above, and any integer is one.
    let fd = unsafe { found.assume_init() };
    if fd < 0 {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    // SAFETY: the kernel has just made this descriptor for this call (unix(7)),
    // close-on-exec, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn option<T>(stream: &UnixStream, name: libc::c_int, found: &mut MaybeUninit<T>) -> io::Result<()> {
    let mut length = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` bytes, the size of `found`, to
    // it; both are alive for this call.
    let done = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            found.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::process::{Command, Stdio};

    #[test]
    fn a_peer_is_known_by_number_and_start_and_its_end_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut child = Command::new("python3")
            .args(["-c", "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); sys.stdin.read()"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let (stream, _) = listener.accept().unwrap();
        let peer = Peer::of(&stream).unwrap();
        assert_eq!(peer.process.pid, child.id());
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        assert_eq!(peer.gid, rustix::process::getgid().as_raw());
        assert!(peer.is_alive() && runs(peer.process));
        let other = Process { start: peer.process.start + 1, ..peer.process };
        assert!(!runs(other) && watch(other).is_none());
        let watched = watch(peer.process).unwrap();
        drop(child.stdin.take());
        let mut fds = [PollFd::new(&watched, PollFlags::IN)];
        let limit = Timespec { tv_sec: 40, tv_nsec: 0 };
        assert_eq!(poll(&mut fds, Some(&limit)).unwrap(), 1);
        // Not waited for yet: its number is taken still.
        assert!(!peer.is_alive() && !runs(peer.process));
        child.wait().unwrap();
        assert!(Peer::of(&stream).is_err());
        assert!(!boot().is_empty());
        assert!(peer.scope().is_none() && is_login("session-c3.scope"));
        for other in ["session-.scope", "session-1.service", "ssh.service", "session-a/b.scope"] {
            assert!(!is_login(other), "{other}");
        }
    }
}
