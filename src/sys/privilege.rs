//! What a session that nobody may work around needs of the process: the group
//! that the binary is installed with, limits, umask and environment that are
//! not the person's to choose, and memory that nobody else may look into.
//!
//! Knows nothing of sessions. Its invariant: what is taken from the person for
//! hrec's own sake is kept in [`Own`], and the program gets it back; the group
//! it never gets.

#![allow(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, setrlimit};

/// What could end hrec, or its record, before the program: raised as far as
/// the hard limit lets it.
const RAISED: [Resource; 6] = [
    Resource::Nofile,
    Resource::Fsize,
    Resource::Data,
    Resource::As,
    Resource::Cpu,
    Resource::Memlock,
];

/// What was the person's.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The environment that the process was started with, in its order.
    pub environment: Vec<(OsString, OsString)>,
    limits: Vec<(Resource, Rlimit)>,
    umask: u32,
}

impl Own {
    /// Takes it. To be called while the process has one thread, before it
    /// opens anything: afterwards the environment is empty, so that nothing
    /// that is read of it later can be the person's.
    #[must_use]
    pub fn take() -> Self {
        let environment = initial_environment().unwrap_or_else(|| std::env::vars_os().collect());
        // SAFETY: the process has one thread, and no reference into the
        // environment is kept: std copies what it reads.
        unsafe {
            libc::clearenv();
        }
        // SAFETY: umask only exchanges a number.
        let umask = unsafe { libc::umask(0o007) };
        let raised = RAISED.into_iter().map(|what| (what, getrlimit(what)));
        let core = (Resource::Core, getrlimit(Resource::Core));
        let limits: Vec<_> = raised.chain([core]).collect();
        for (what, limit) in &limits {
            let current = if *what == Resource::Core { Some(0) } else { limit.maximum };
            let _ = setrlimit(*what, Rlimit { current, maximum: limit.maximum });
        }
        Self { environment, limits, umask }
    }

    /// Becomes this program, with what is the person's and without the group:
    /// its path, its `argv[0]`, its arguments. Returns only where that fails.
    #[must_use]
    pub fn execute(&self, path: &OsStr, name: &OsStr, args: &[OsString]) -> io::Error {
        if let Err(error) = drop_group() {
            return error;
        }
        let mut command = Command::new(path);
        command.arg0(name).args(args).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        super::inherited::hand_on(&mut command);
        self.give_back();
        command.exec()
    }

    /// Gives limits and umask to the calling process. Async-signal-safe.
    pub(super) fn give_back(&self) {
        for (what, limit) in &self.limits {
            let limit = Rlimit { current: limit.current, maximum: limit.maximum };
            let _ = setrlimit(*what, limit);
        }
        // SAFETY: umask only exchanges a number.
        unsafe {
            libc::umask(self.umask);
        }
    }
}

/// Whether the binary gave this process a group that the person is not in by
/// himself.
#[must_use]
pub fn has_group() -> bool {
    rustix::process::getegid() != rustix::process::getgid()
}

/// Gives that group up, for good: the saved one too, so that nothing that is
/// executed from here on can take it back.
///
/// # Errors
/// setresgid(2)'s; the group is still there then, and nothing of the person's
/// may be executed.
pub fn drop_group() -> io::Result<()> {
    if !has_group() {
        return Ok(());
    }
    let own = rustix::process::getgid().as_raw();
    // SAFETY: setresgid only takes numbers.
    if unsafe { libc::setresgid(own, own, own) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // A change of groups sets this to what fs.suid_dumpable says.
    close_memory();
    Ok(())
}

/// Keeps this process's memory and descriptors from other processes of the
/// same user (ptrace(2), `/proc/PID/mem`, `/proc/PID/fd`), and from core files.
pub fn close_memory() {
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// The environment as the kernel laid it out. Where the binary has a group of
/// its own, the loader has taken variables away by now (`LD_*`, `TMPDIR`, see
/// ld.so(8)), which are the program's all the same.
fn initial_environment() -> Option<Vec<(OsString, OsString)>> {
    // proc_pid_stat(5): env_start and env_end are fields 50 and 51; the name,
    // field 2, may have anything in it but ends with the last parenthesis.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(47);
    let mut address = || fields.next()?.parse::<usize>().ok();
    let (start, end) = (address()?, address()?);
    if start == 0 || end < start {
        return None;
    }
    // SAFETY: the kernel laid the strings out here, on the first thread's
    // stack, where they stay mapped while the process lives; nothing in it
    // writes there, since the C library only moves its pointers to them.
    let text = unsafe { std::slice::from_raw_parts(start as *const u8, end - start) };
    let variables = text.split(|&byte| byte == 0).filter_map(|variable| {
        // A name may not be empty; one may begin with "=" all the same.
        let at = variable.iter().skip(1).position(|&byte| byte == b'=')? + 1;
        let (name, value) = variable.split_at_checked(at)?;
        let value = value.get(1..)?;
        Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
    });
    Some(variables.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initial_environment_is_what_the_kernel_has() {
        let found = initial_environment().unwrap();
        let kernel = std::fs::read("/proc/self/environ").unwrap();
        let again: Vec<u8> = found
            .iter()
            .flat_map(|(name, value)| {
                let name = name.clone().into_vec();
                let value = value.clone().into_vec();
                [name, b"=".to_vec(), value, vec![0]].concat()
            })
            .collect();
        assert!(!found.is_empty());
        assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&kernel));
    }

    #[test]
    fn without_a_group_of_its_own_there_is_nothing_to_give_up() {
        assert!(!has_group());
        assert!(drop_group().is_ok());
    }
}
