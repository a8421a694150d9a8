//! How the C library's allocator keeps memory.
//!
//! Knows nothing of who allocates. Its invariant: only sizes and times depend
//! on it, never what is allocated.

#![allow(unsafe_code)]

/// As much more than it needs does the heap grow at once: a session's start
/// needs some 200 KiB, in small pieces.
#[cfg(target_env = "gnu")]
const STEP: i32 = 256 << 10;

/// One heap for all threads, mallopt(3). To be called before the first thread.
///
/// glibc gives each thread a heap of its own, which grows page by page with a
/// system call for each and keeps what it has had. hrec's threads seldom
/// allocate, and not at the same time. A C library without mallopt(3) has
/// nothing to be told.
pub fn one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt has no memory preconditions; it takes the heap's lock.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, STEP);
    }
}
