//! What the host gives a daemon: its socket, its place, and a supervisor.
//!
//! systemd(1)'s side is its documented protocol and no more: sd_listen_fds(3),
//! sd_notify(3), sd_watchdog_enabled(3). Its invariant: one collector for a
//! store, and a socket that is listened on belongs to a live one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::time::Duration;

use rustix::fs::FlockOperation;

use super::Error;
use crate::sys::{inherited, sharing, users};

/// The group whose members, and set-group-ID binary, may connect.
const GROUP: &str = "hrec";

/// The store, for as long as this is kept.
///
/// # Errors
/// [`Error::Held`], and when the directory cannot be made.
pub(super) fn hold(store: &Path) -> Result<File, Error> {
    let dir = store.join("collect");
    sharing::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(Error::io("open", &path))?;
    sharing::share(&file, &path).map_err(Error::io("open", &path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Held(store.to_owned())),
        Err(error) => Err(Error::io("lock", &path)(error.into())),
    }
}

/// The socket that was handed over.
pub(super) fn listener_handed_over() -> Option<UnixListener> {
    inherited::listening().map(UnixListener::from)
}

/// A socket that is made at `path`.
///
/// # Errors
/// When it cannot be made.
pub(super) fn listener(path: Option<&Path>) -> Result<UnixListener, Error> {
    let path = path.ok_or(Error::NoSocket)?;
    // Whoever holds the store is alone: what is left here is a dead one's.
    if path.symlink_metadata().is_ok_and(|data| data.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(Error::io("remove", path))?;
    }
    let listener = bind(path).map_err(Error::io("make", path))?;
    Ok(listener)
}

/// Nobody can connect before the socket is whose it should be.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let listener = unconnectable(path)?;
    // Only root may give it away; without root it is this user's own group's.
    if let Some(gid) = users::group_by_name(GROUP) {
        let _ = std::os::unix::fs::chown(path, None, Some(gid));
    }
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o660))?;
    Ok(listener)
}

fn unconnectable(path: &Path) -> io::Result<UnixListener> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let fd: OwnedFd = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // Before bind(2): the file has this mode, less the umask.
    rustix::fs::fchmod(&fd, 0o600.into())?;
    rustix::net::bind(&fd, &SocketAddrUnix::new(path)?)?;
    // As long a queue as the system lets it be (net.core.somaxconn).
    rustix::net::listen(&fd, 65_535)?;
    Ok(UnixListener::from(fd))
}

/// The supervisor, where there is one.
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear of us.
    pub(super) every: Option<Duration>,
}

impl Supervisor {
    /// As the environment has it.
    pub(super) fn from_env() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| connected(&name).ok());
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        // Twice as often as it must be, sd_watchdog_enabled(3).
        let every = number("WATCHDOG_USEC").filter(|_| ours && socket.is_some());
        Self { socket, every: every.map(|micros| Duration::from_micros(micros / 2)) }
    }

    /// Tells it something.
    pub(super) fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(state.as_bytes());
        }
    }
}

fn connected(name: &std::ffi::OsStr) -> io::Result<UnixDatagram> {
    use std::os::linux::net::SocketAddrExt;
    let socket = UnixDatagram::unbound()?;
    match name.as_encoded_bytes().strip_prefix(b"@") {
        Some(name) => {
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.connect_addr(&address)?;
        }
        None => socket.connect(name)?,
    }
    Ok(socket)
}
