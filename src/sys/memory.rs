//! How much memory the process keeps: the C library's heap, and its own code.
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

/// Lets go of the pages of hrec's own code and constants, madvise(2).
///
/// The kernel maps many pages where one is needed, so most of the program counts
/// as resident once it has parsed a command line and a configuration, which it
/// never does again. What is needed again comes back from the page cache.
pub fn let_go_of_code() {
    // SAFETY: the callback has the type that dl_iterate_phdr(3) calls, and
    // keeps nothing of what it is given.
    unsafe {
        libc::dl_iterate_phdr(Some(first_object), std::ptr::null_mut());
    }
}

/// The first object is the program itself; what was loaded with it may have
/// been changed by an instrument since.
unsafe extern "C" fn first_object(
    info: *mut libc::dl_phdr_info,
    _: libc::size_t,
    _: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: dl_iterate_phdr gives a valid object, whose program headers are
    // `dlpi_phnum` in a row.
    let (base, headers) = unsafe {
        let info = &*info;
        let count = usize::from(info.dlpi_phnum);
        (info.dlpi_addr, std::slice::from_raw_parts(info.dlpi_phdr, count))
    };
    let page = rustix::param::page_size();
    let kept = headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0);
    for header in kept {
        let start = (base + header.p_vaddr) as usize;
        let end = (start + header.p_memsz as usize) / page * page;
        let start = start.next_multiple_of(page);
        if let Some(len) = end.checked_sub(start).filter(|len| *len > 0) {
            // SAFETY: whole pages of a segment that nothing can have written
            // to: what is read there next is what the file has, as before.
            unsafe {
                libc::madvise(start as *mut libc::c_void, len, libc::MADV_DONTNEED);
            }
        }
    }
    1
}
