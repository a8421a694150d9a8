//! Users and groups as the system's name service has them.
//!
//! Through the C library and not by reading `/etc/passwd`: a fleet's people
//! are in LDAP or behind `systemd-userdb`. Knows nothing of what they may do.
//! Its invariant: a lookup that fails is "not known", and nothing here keeps
//! a pointer into the C library's memory.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsString};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr;

/// Where the buffer for an entry stops growing. glibc's own limit for a line
/// of a group is in the same order; a group of 10,000 members takes 128 KiB.
const BUFFER_MAX: usize = 1 << 20;

/// Where the list of a user's groups stops growing (Linux: `NGROUPS_MAX`).
const GROUPS_MAX: usize = 65_536;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The user's primary group.
    pub gid: u32,
    /// The name.
    pub name: String,
    /// The home directory; may be empty.
    pub home: PathBuf,
    /// The login shell; empty means `/bin/sh` (passwd(5)).
    pub shell: PathBuf,
}

/// The name of `uid`, or `None` where the name service knows none.
#[must_use]
pub fn name(uid: u32) -> Option<String> {
    by_uid(uid).map(|user| user.name)
}

/// The user whose number is `uid` (getpwuid_r(3)).
#[must_use]
pub fn by_uid(uid: u32) -> Option<User> {
    user(|entry, buffer, length, result| {
        // SAFETY: `user` passes a passwd to be written, a buffer of `length`
        // bytes, and a place for the result, all alive for this call.
        unsafe { libc::getpwuid_r(uid, entry, buffer, length, result) }
    })
}

/// The user of that name (getpwnam_r(3)).
#[must_use]
pub fn by_name(name: &str) -> Option<User> {
    let name = CString::new(name).ok()?;
    user(|entry, buffer, length, result| {
        // SAFETY: as in `by_uid`; `name` is NUL-terminated and outlives the call.
        unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer, length, result) }
    })
}

/// The names of all groups that `user` is in, primary one first
/// (getgrouplist(3)). A group without a name is given by its number. This is
/// what the name service says, not what this process was started with.
#[must_use]
pub fn groups(user: &User) -> Vec<String> {
    let Ok(name) = CString::new(user.name.as_str()) else { return Vec::new() };
    let mut ids: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut count = libc::c_int::try_from(ids.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: `name` is NUL-terminated, `ids` has room for `count` ids,
        // and the call writes at most that many and their number to `count`.
        let rc = unsafe {
            libc::getgrouplist(name.as_ptr(), user.gid, ids.as_mut_ptr(), &raw mut count)
        };
        let count = usize::try_from(count).unwrap_or(0);
        if rc >= 0 {
            ids.truncate(count);
            return ids.into_iter().map(|id| group(id).unwrap_or_else(|| id.to_string())).collect();
        }
        // Too small: `count` says what is needed. If it does not, or asks for
        // more than the kernel allows a process, the answer is none.
        if count <= ids.len() || count > GROUPS_MAX {
            return Vec::new();
        }
        ids.resize(count, 0);
    }
}

/// The name of the group whose number is `gid` (getgrgid_r(3)).
#[must_use]
pub fn group(gid: u32) -> Option<String> {
    grown(|buffer| {
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut result: *mut libc::group = ptr::null_mut();
        // SAFETY: `entry` and `result` are places to be written, `buffer` is
        // `buffer.len()` bytes of memory, all alive for this call.
        let rc = unsafe {
            libc::getgrgid_r(
                gid,
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut result,
            )
        };
        let found = (rc == 0 && !result.is_null()).then(|| {
            // SAFETY: with 0 and a result the entry is filled, and its name is
            // a NUL-terminated string in `buffer`, which is still alive.
            unsafe { bytes(entry.assume_init_ref().gr_name) }
        });
        (rc, found)
    })
    .map(|name| String::from_utf8_lossy(&name).into_owned())
}

/// The number of the group of that name (getgrnam_r(3)).
#[must_use]
pub fn group_by_name(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    grown(|buffer| {
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut result: *mut libc::group = ptr::null_mut();
        // SAFETY: `name` is NUL-terminated, `entry` and `result` are places to
        // be written, `buffer` is `buffer.len()` bytes, all alive for this call.
        let rc = unsafe {
            libc::getgrnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut result,
            )
        };
        let found = (rc == 0 && !result.is_null()).then(|| {
            // SAFETY: with 0 and a result the entry is filled.
            unsafe { entry.assume_init_ref().gr_gid }
        });
        (rc, found)
    })
}

/// One of the getpw*_r calls.
fn user(
    call: impl Fn(
        *mut libc::passwd,
        *mut libc::c_char,
        libc::size_t,
        *mut *mut libc::passwd,
    ) -> libc::c_int,
) -> Option<User> {
    grown(|buffer| {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut result: *mut libc::passwd = ptr::null_mut();
        let rc = call(entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut result);
        let found = (rc == 0 && !result.is_null()).then(|| {
            // SAFETY: with 0 and a result the entry is filled, and each of its
            // strings is NUL-terminated, in `buffer`, which is still alive.
            unsafe {
                let entry = entry.assume_init_ref();
                User {
                    uid: entry.pw_uid,
                    gid: entry.pw_gid,
                    name: String::from_utf8_lossy(&bytes(entry.pw_name)).into_owned(),
                    home: PathBuf::from(OsString::from_vec(bytes(entry.pw_dir))),
                    shell: PathBuf::from(OsString::from_vec(bytes(entry.pw_shell))),
                }
            }
        });
        (rc, found)
    })
}

/// Repeats a lookup with a larger buffer for as long as it says ERANGE.
fn grown<T>(mut lookup: impl FnMut(&mut [libc::c_char]) -> (libc::c_int, Option<T>)) -> Option<T> {
    let mut buffer: Vec<libc::c_char> = vec![0; 1024];
    loop {
        match lookup(&mut buffer) {
            (libc::ERANGE, _) if buffer.len() < BUFFER_MAX => buffer.resize(buffer.len() * 2, 0),
            (libc::EINTR, _) => {}
            (_, found) => return found,
        }
    }
}

/// A copy of a C string's bytes; none for a null pointer.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string.
unsafe fn bytes(text: *const libc::c_char) -> Vec<u8> {
    if text.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn said(program: &str, args: &[&str]) -> String {
        let output = Command::new(program).args(args).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn agrees_with_id_and_getent() {
        let uid = rustix::process::getuid().as_raw();
        let user = by_uid(uid).unwrap();
        assert_eq!(user.name, said("id", &["-un"]));
        assert_eq!(name(uid).as_deref(), Some(user.name.as_str()));
        assert_eq!(by_name(&user.name).as_ref(), Some(&user));
        let line = said("getent", &["passwd", &user.name]);
        let tail = format!(":{}:{}", user.home.display(), user.shell.display());
        assert!(line.ends_with(&tail), "{line} {tail}");

        let mut ours = groups(&user);
        let mut theirs: Vec<String> =
            said("id", &["-Gn", &user.name]).split(' ').map(str::to_owned).collect();
        assert_eq!(ours.first(), Some(&said("id", &["-gn", &user.name])));
        assert_eq!(ours.first().and_then(|name| group_by_name(name)), Some(user.gid));
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn nobody_is_nobody() {
        assert_eq!(by_uid(4_000_000_000), None);
        assert_eq!(name(4_000_000_000), None);
        assert_eq!(group(4_000_000_000), None);
        assert_eq!(group_by_name("no-such-group-here"), None);
        assert_eq!(by_name("no-such-user-here"), None);
        assert_eq!(by_name("nul\0inside"), None);
    }
}
