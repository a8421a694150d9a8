//! A helper process that cannot reach the person's terminal.
//!
//! Knows nothing of what the helper is for. Its invariant: the helper is in a
//! session of its own, so it has no controlling terminal and its process
//! group's id is its process id.

#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Makes `command` start in a session of its own (setsid(2)).
///
/// A process group of its own is not enough: a process in the background may
/// still open `/dev/tty` and write to the person's screen.
pub fn own_session(command: &mut Command) {
    // SAFETY: between fork and exec the closure makes one system call, which
    // is async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()
                .map(drop)
                .map_err(|e| io::Error::from_raw_os_error(e.raw_os_error()))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_helper_leads_a_session_without_a_terminal() {
        let mut command = Command::new("sh");
        // Fields 5 to 7 of /proc/PID/stat: process group, session, terminal.
        command.args(["-c", "cut -d' ' -f5-7 /proc/$$/stat; echo $$"]);
        own_session(&mut command);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (stat, pid) = text.trim().split_once('\n').unwrap();
        assert_eq!(stat, format!("{pid} {pid} 0"));
    }
}
