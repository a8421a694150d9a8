//! One question to another program, with bounded time and output.
//!
//! Knows nothing of what is asked. Its invariant: when [`ask`] returns, no
//! process that it started is left, nor any of theirs that stayed in their
//! process group.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{SIZE_MAX, Surroundings, TIME_MAX};

/// What `command` prints, if it succeeds in time.
pub(super) fn ask(command: &mut Command, around: &Surroundings<'_>) -> Option<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // Messages in one language, and nobody to ask for a password.
    command.env("LC_ALL", "C").env("SSH_ASKPASS_REQUIRE", "never");
    (around.detach)(command);
    let mut child = command.spawn().ok()?;
    let output = read(&mut child);
    // Before the child is reaped, while its number cannot be another's.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        _ = kill_process_group(group, Signal::KILL);
    }
    if output.is_none() {
        _ = child.kill();
    }
    let output = output?;
    let succeeded = child.wait().is_ok_and(|status| status.success());
    succeeded.then(|| String::from_utf8_lossy(&output).into_owned())
}

/// All of the child's output; `None` if there is too much, or no end in time.
fn read(child: &mut Child) -> Option<Vec<u8>> {
    let mut pipe = child.stdout.take()?;
    let deadline = Instant::now() + TIME_MAX;
    let mut output = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.checked_duration_since(Instant::now())?;
        let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec::try_from(left).ok()?)) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return None,
        }
        match pipe.read(&mut buffer) {
            Ok(0) => return Some(output),
            Ok(n) => output.extend_from_slice(buffer.get(..n)?),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
        if output.len() > SIZE_MAX {
            return None;
        }
    }
}
