//! A helper process that cannot reach the person's terminal.
//!
//! Knows nothing of what the helper is for. Its invariant: the helper is in a
//! session of its own, so it has no controlling terminal and its process
//! group's id is its process id.

#![allow(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::Signal;

/// Makes `command` start in a session of its own (setsid(2)), to be killed
/// when the thread that starts it ends.
///
/// A process group of its own is not enough: a process in the background may
/// still open `/dev/tty` and write to the person's screen. And hrec may end
/// while it waits for the helper: nobody else would end that.
pub fn own_session(command: &mut Command) {
    // SAFETY: between fork and exec the closure makes two system calls, which
    // are async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            Ok(())
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

    #[test]
    fn the_helper_ends_with_the_thread_that_started_it() {
        let mut child = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            command.arg("60");
            own_session(&mut command);
            command.spawn().unwrap()
        })
        .join()
        .unwrap();
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    }
}
