//! Reading and writing somebody else's descriptors without ever blocking.
//!
//! `O_NONBLOCK` belongs to the open file description, which hrec shares with
//! the shell that started it: setting it there would make that shell's next
//! `read` fail, for good if hrec is killed. So a description of our own is
//! opened where that is possible, and elsewhere the descriptor is only touched
//! after poll(2) says that it is ready.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

/// How much one write may hold where the descriptor itself could block: poll
/// promises room for `PIPE_BUF` bytes on a pipe, pipe(7).
const SAFE_WRITE: usize = 4096;

/// Whether a descriptor is open for reading, or for writing. Opened anew it could
/// do what whoever handed it on has not let it.
#[must_use]
pub fn is_for(fd: BorrowedFd<'_>, write: bool) -> bool {
    let other = if write { OFlags::RDONLY } else { OFlags::WRONLY };
    rustix::fs::fcntl_getfl(fd)
        .is_ok_and(|flags| !flags.contains(OFlags::PATH) && flags & OFlags::RWMODE != other)
}

/// One of the person's descriptors, as hrec uses it.
#[derive(Debug)]
pub struct Nonblocking {
    fd: OwnedFd,
    own: bool,
    socket: bool,
}

impl Nonblocking {
    /// Opens the same file, pipe or terminal anew, for reading or for writing.
    ///
    /// # Errors
    /// When not even a duplicate of the descriptor can be had.
    pub fn of(fd: BorrowedFd<'_>, write: bool) -> io::Result<Self> {
        use std::os::fd::AsRawFd;
        let kind = FileType::from_raw_mode(fstat(fd)?.st_mode);
        let direction = if write { OFlags::WRONLY } else { OFlags::RDONLY };
        // A regular file never blocks, and a second description of it would
        // have an offset of its own.
        if matches!(kind, FileType::Fifo | FileType::CharacterDevice) && is_for(fd, write) {
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            let flags = direction | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            if let Ok(fd) = open(path, flags, Mode::empty()) {
                return Ok(Self { fd, own: true, socket: false });
            }
        }
        Ok(Self {
            fd: fd.try_clone_to_owned()?,
            own: kind == FileType::RegularFile,
            socket: kind == FileType::Socket,
        })
    }

    /// One that is hrec's alone, an end of a pipe: its own description is made
    /// not to block.
    ///
    /// # Errors
    /// fcntl(2)'s.
    pub fn ours(fd: OwnedFd) -> io::Result<Self> {
        rustix::fs::fcntl_setfl(&fd, rustix::fs::fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        Ok(Self { fd, own: true, socket: false })
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// `EAGAIN` when nothing is; else read(2)'s.
    pub fn read(&self, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        if !self.own && !self.ready(rustix::event::PollFlags::IN)? {
            return Err(rustix::io::Errno::AGAIN);
        }
        rustix::io::read(&self.fd, buffer)
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// `EAGAIN` when there is none; else write(2)'s.
    pub fn write(&self, bytes: &[u8]) -> rustix::io::Result<usize> {
        if self.own {
            return rustix::io::write(&self.fd, bytes);
        }
        if self.socket {
            let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
            return rustix::net::send(&self.fd, bytes, flags);
        }
        if !self.ready(rustix::event::PollFlags::OUT)? {
            return Err(rustix::io::Errno::AGAIN);
        }
        rustix::io::write(&self.fd, bytes.get(..SAFE_WRITE).unwrap_or(bytes))
    }

    fn ready(&self, flags: rustix::event::PollFlags) -> rustix::io::Result<bool> {
        let mut fds = [rustix::event::PollFd::new(&self.fd, flags)];
        Ok(rustix::event::poll(&mut fds, Some(&rustix::event::Timespec::default()))? > 0)
    }
}

impl AsFd for Nonblocking {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
