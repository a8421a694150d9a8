//! Sending a file's pages on their way to the disk before anybody waits for
//! them.
//!
//! Knows nothing of what is in them. Its invariant: nothing depends on it but
//! how long a later sync takes; what must be durable is synced all the same.

#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd};

/// Asks the kernel to begin writing `len` bytes from `from` on,
/// sync_file_range(2). File systems that cannot do it do nothing.
pub fn begin(file: impl AsFd, from: u64, len: u64) {
    #[cfg(target_os = "linux")]
    if let (Ok(from), Ok(len)) = (from.try_into(), len.try_into()) {
        // SAFETY: the descriptor is open for the call, which takes no memory.
        unsafe {
            libc::sync_file_range(file.as_fd().as_raw_fd(), from, len, libc::SYNC_FILE_RANGE_WRITE);
        }
    }
}
