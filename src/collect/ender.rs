//! Ending a session that is being recorded.
//!
//! Its invariant: the ledger knows who ends it before anything is done to it.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};

use super::live::Live;
use super::reader::{self, Reader};
use super::{Daemon, Refusal};
use crate::format::id::Id;
use crate::format::wire::Hello;
use crate::seal::ledger::Event;
use crate::sys::peer::{self, Peer};

/// How long a session may take to end by itself.
const OBEYS: Duration = Duration::from_secs(2);

/// How long the end of one whose recorder was killed may take.
const SEALED: Duration = Duration::from_secs(5);

/// Serves one, until it has what it wants: the same that a reader has, but for
/// what only readers get.
///
/// # Errors
/// With what it is told where it may not have that.
pub(super) fn serve(
    daemon: &Arc<Daemon>,
    stream: UnixStream,
    peer: &Peer,
    hello: &Hello,
) -> Result<(), Refusal> {
    reader::serve(daemon, stream, peer, hello)
}

/// Ends a session: asks its recorder first, and kills that where it does not
/// obey.
///
/// # Errors
/// Why it goes on.
pub(super) fn end(daemon: &Daemon, id: &Id, by: &Reader) -> Result<(), String> {
    let over = || format!("{id} is not being recorded, so there is nothing to end");
    let live = daemon.sessions.get(id.as_str()).ok_or_else(over)?;
    let stop = Event::Stop { id: id.as_str().to_owned(), by: by.by() };
    let noted = daemon.clerk.enter(vec![stop]);
    noted.map_err(|why| format!("that you end it cannot be noted, so it goes on: {why}"))?;
    daemon.log.say_of(by.uid, &format!("{} ends {id}", by.name));
    let asked = live.stop(&format!("{} has ended this session", by.name));
    if asked.is_ok() && has_ended(&live, OBEYS) {
        return Ok(());
    }
    let killed = kill(&live);
    if has_ended(&live, SEALED) {
        return Ok(());
    }
    Err(match killed {
        Ok(()) => format!("its recorder (pid {}) was killed, and it goes on", live.process.pid),
        Err(why) => format!("it does not end by itself, and its recorder cannot be killed: {why}"),
    })
}

fn has_ended(live: &Live, within: Duration) -> bool {
    let started = std::time::Instant::now();
    while !live.seen().ended {
        let Some(left) = within.checked_sub(started.elapsed()) else { return false };
        let _ = live.wait(live.seen(), left);
    }
    true
}

/// Kills the recorder: what is left of the session then is what it is for one
/// whose recorder was killed by anybody else.
fn kill(live: &Live) -> Result<(), String> {
    // By a descriptor, so that it is no other process of that number.
    let Some(process) = peer::watch(live.process) else { return Ok(()) };
    let killed = pidfd_send_signal(process, Signal::KILL);
    killed.map_err(|error| std::io::Error::from(error).to_string())
}
