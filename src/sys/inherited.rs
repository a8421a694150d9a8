//! What hrec is started with and the program must find as if hrec were not
//! there: open descriptors (`diff <(a) <(b)`, a lock held by the caller),
//! standard streams that are closed, and signals that are ignored.
//!
//! The Rust runtime changes two of these before `main` (it ignores SIGPIPE and
//! opens /dev/null on closed standard streams), and its `Command` does not undo
//! that but puts SIGPIPE to its default. So they are noted before the runtime
//! starts. The one invariant: what is noted is never changed afterwards.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The signals whose being ignored somebody in this process would undo:
/// SIGPIPE the runtime, SIGCHLD [`hear_children`].
const UNDONE: [i32; 2] = [libc::SIGPIPE, libc::SIGCHLD];

static IGNORED: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];
static DESCRIPTORS: OnceLock<Vec<RawFd>> = OnceLock::new();

/// Run by the loader, before the Rust runtime.
#[used]
// SAFETY: the section holds pointers to functions that are called once, by the
// C library, which is initialised by then; `note` uses nothing of Rust's
// runtime, and an argument that it does not take does it no harm.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = note;

extern "C" fn note() {
    for (signal, noted) in UNDONE.into_iter().zip(&IGNORED) {
        noted.store(super::signals::is_ignored(signal), Ordering::Relaxed);
    }
    for (fd, noted) in (0..).zip(&CLOSED) {
        noted.store(is_closed(fd), Ordering::Relaxed);
    }
}

/// Whether a standard stream was closed. In a set-group-ID program the C library
/// has put something there that gives EBADF for what the stream is for: a
/// /dev/full that is open for writing on standard input, a /dev/null that is
/// open for reading on the others.
fn is_closed(fd: RawFd) -> bool {
    // SAFETY: fcntl and getauxval only look here; fstat fills the structure,
    // which is read only when it did.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        if flags == -1 {
            return true;
        }
        let mut data = MaybeUninit::<libc::stat>::uninit();
        if libc::getauxval(libc::AT_SECURE) == 0 || libc::fstat(fd, data.as_mut_ptr()) != 0 {
            return false;
        }
        let data = data.assume_init();
        let (mode, device) = match fd {
            0 => (libc::O_WRONLY, libc::makedev(1, 7)),
            _ => (libc::O_RDONLY, libc::makedev(1, 3)),
        };
        data.st_mode & libc::S_IFMT == libc::S_IFCHR
            && data.st_rdev == device
            && flags & libc::O_ACCMODE == mode
    }
}

/// Whether this standard stream was closed when the process was started.
#[must_use]
pub fn was_closed(stream: u8) -> bool {
    CLOSED.get(usize::from(stream)).is_some_and(|noted| noted.load(Ordering::Relaxed))
}

/// Notes the descriptors beyond the standard streams that are open: everything
/// that this process opens later is its own. Where /proc is missing there are
/// none, since hrec's own could not be told from them.
pub fn note_descriptors() {
    DESCRIPTORS.get_or_init(|| {
        let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
        let mut fds: Vec<RawFd> = open
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            // SAFETY: F_GETFD only looks. What came through an exec is without
            // the flag; the directory itself is with it.
            .filter(|&fd| fd > 2 && unsafe { libc::fcntl(fd, libc::F_GETFD) } == 0)
            .collect();
        fds.sort_unstable();
        fds
    });
}

/// What [`note_descriptors`] found, in order.
pub(super) fn descriptors() -> &'static [RawFd] {
    DESCRIPTORS.get().map_or(&[], Vec::as_slice)
}

/// The listening socket that systemd(1) handed to this process, sd_listen_fds(3);
/// of several the first. To be asked once, before anything is opened.
#[must_use]
pub fn listening() -> Option<std::os::fd::OwnedFd> {
    use std::os::fd::{FromRawFd, OwnedFd};
    static TAKEN: AtomicBool = AtomicBool::new(false);
    /// `SD_LISTEN_FDS_START`.
    const FIRST: RawFd = 3;
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let ours = number("LISTEN_PID") == Some(std::process::id());
    let some = number("LISTEN_FDS").is_some_and(|count| count > 0);
    if !ours || !some || TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    // SAFETY: fcntl only changes the descriptor's flag, and fails for one that
    // is not open.
    if unsafe { libc::fcntl(FIRST, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return None;
    }
    // SAFETY: it is open, came with the process for this purpose, and `TAKEN`
    // says that nobody owns it yet.
    Some(unsafe { OwnedFd::from_raw_fd(FIRST) })
}

/// Makes SIGPIPE known to this process, unless its caller ignored it.
pub fn hear_broken_pipes() {
    let [ignored, _] = &IGNORED;
    if !ignored.load(Ordering::Relaxed) {
        super::signals::hear_broken_pipes();
    }
}

/// Closes them here: the program has them, and one that it closes must be
/// closed (the other end of a pipe waits for that). Only once.
pub fn close_descriptors() {
    for &fd in descriptors() {
        // SAFETY: the descriptor came with the process, so that nothing in it
        // owns it; and this is called once, so that it is not another's by now.
        unsafe {
            libc::close(fd);
        }
    }
}

/// Closes every descriptor beyond the standard streams, whoever handed it on.
/// To be called before this process has any of its own.
pub fn close_all() {
    close_all_but(&[]);
}

/// Makes ends of children known to this process, also where its parent ignored
/// SIGCHLD: the kernel would reap them unseen.
pub(super) fn hear_children() {
    // SAFETY: SIG_DFL is a valid disposition.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
    }
}

/// Starts `command` with the signals ignored, and the standard streams closed,
/// that were so when this process was started.
pub fn hand_on(command: &mut Command) {
    let ignored = |n: usize| IGNORED.get(n).is_some_and(|noted| noted.load(Ordering::Relaxed));
    let closed = |n: usize| CLOSED.get(n).is_some_and(|noted| noted.load(Ordering::Relaxed));
    let ignored = [ignored(0), ignored(1)];
    let closed = [closed(0), closed(1), closed(2)];
    // SAFETY: signal(2) and close(2) are async-signal-safe; the standard streams
    // are the child's own by then, and nothing is written to them before the exec.
    unsafe {
        command.pre_exec(move || {
            for (signal, ignored) in UNDONE.into_iter().zip(ignored) {
                if ignored {
                    libc::signal(signal, libc::SIG_IGN);
                }
            }
            for (fd, closed) in (0..).zip(closed) {
                if closed {
                    libc::close(fd);
                }
            }
            Ok(())
        });
    }
}

/// Closes every descriptor beyond the standard streams but these: above all
/// the PTY's master, which would otherwise stay open after hrec's death and
/// keep the kernel from hanging the session up.
pub(super) fn close_all_but(keep: &[RawFd]) {
    let mut keep: Vec<u32> = keep.iter().filter_map(|&fd| u32::try_from(fd).ok()).collect();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep.into_iter().filter(|&fd| fd >= 3) {
        close_range(first, fd.saturating_sub(1));
        first = fd + 1;
    }
    close_range(first, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    if first > last {
        return;
    }
    // SAFETY: called in the monitor, a forked process that leaves through _exit
    // and drops none of the descriptors' owners; or before this process has any.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, last, 0) != 0 {
            // Linux before 5.9 has no close_range(2).
            let end = i32::try_from(last).unwrap_or(i32::MAX).min(1 << 16);
            for fd in i32::try_from(first).unwrap_or(i32::MAX)..=end {
                libc::close(fd);
            }
        }
    }
}
