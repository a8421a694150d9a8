//! The door: who comes, and as what.
//!
//! Each connection has a thread of its own, with blocking calls that have
//! limits: a peer that stalls, floods or lies holds up that thread and nobody
//! else. Its invariant: no user's connections can take the last place: of the
//! places that others have left, one user has at most half.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::listen::Supervisor;
use super::{Daemon, ender, login, reader, session};
use crate::format::wire::{self, Hello, Role, kind};
use crate::sys::peer::Peer;

/// Connections at once, where the descriptors suffice: some sixteen times what
/// a busy bastion has.
const MOST: usize = 8192;
/// Descriptors of a session: the socket twice, the process, the part, and the
/// journals, of which there are three for a moment; and one to look with.
const EACH: u64 = 8;
/// Descriptors of the collector's own.
const OWN: u64 = 128;
/// Address space, of which a thread uses little; thousands may be there.
const STACK: usize = 1 << 20;
/// How long a peer may take to say who it is.
const GREETING: Duration = Duration::from_secs(10);
/// How long a peer may take to take what it is told.
const TAKING: Duration = Duration::from_secs(30);

/// Takes connections for as long as the process lives.
pub(super) fn open(daemon: &Arc<Daemon>, listener: &UnixListener, supervisor: &Supervisor) -> ! {
    let places = Arc::new(Places { most: most(), taken: Mutex::default() });
    let _ = listener.set_nonblocking(true);
    let every = supervisor.every.map(|every| Timespec {
        tv_sec: i64::try_from(every.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(every.subsec_nanos()),
    });
    loop {
        let mut fds = [PollFd::new(listener, PollFlags::IN)];
        let _ = poll(&mut fds, every.as_ref());
        if every.is_some() {
            supervisor.tell("WATCHDOG=1");
        }
        loop {
            match listener.accept() {
                Ok((stream, _)) => enter(daemon, &places, stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A connection that was given up meanwhile, or no descriptor is
                // left: then somebody must go first.
                Err(error) => {
                    if error.kind() != io::ErrorKind::ConnectionAborted {
                        daemon.log.say(&format!("cannot take a connection: {error}"));
                        std::thread::sleep(Duration::from_millis(200));
                    }
                    break;
                }
            }
        }
    }
}

/// As many connections as there are descriptors for.
fn most() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(OWN) / EACH).unwrap_or(MOST).clamp(1, MOST)
}

fn enter(daemon: &Arc<Daemon>, places: &Arc<Places>, stream: UnixStream) {
    let _ = stream.set_nonblocking(false);
    let _ = stream.set_read_timeout(Some(GREETING));
    let _ = stream.set_write_timeout(Some(TAKING));
    let Ok(peer) = Peer::of(&stream) else { return };
    let uid = peer.uid;
    let Some(place) = Places::take(places, uid) else {
        // Its queue is empty: this waits for nobody.
        daemon.log.refuse(&stream, &peer, "a connection", &"there are too many".into());
        return;
    };
    let theirs = Arc::clone(daemon);
    let started = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        let _place = place;
        serve(&theirs, stream, peer);
    });
    if let Err(error) = started {
        daemon.log.say_of(uid, &format!("no thread for a connection of uid {uid}: {error}"));
    }
}

fn serve(daemon: &Arc<Daemon>, stream: UnixStream, peer: Peer) {
    let hello = match greeting(&stream) {
        Ok(Some(hello)) => hello,
        // Somebody who looks whether there is anybody.
        Ok(None) => return,
        Err(error) => {
            let sentence = format!("this is no greeting: {error}");
            return daemon.log.refuse(&stream, &peer, "a connection", &sentence.into());
        }
    };
    if hello.v > wire::VERSION {
        let sentence = format!("version {} of the protocol is not known here", hello.v);
        return daemon.log.refuse(&stream, &peer, "a connection", &sentence.into());
    }
    // It outlives its connection, which nothing may keep open, and answers for
    // itself.
    if hello.role == Role::Session {
        return session::serve(daemon, stream, peer, &hello);
    }
    let Ok(copy) = stream.try_clone() else { return };
    let (what, done) = match hello.role {
        Role::Session => return,
        Role::Reader => ("a reading", reader::serve(daemon, copy, &peer, &hello)),
        Role::Ender => ("an ending", ender::serve(daemon, copy, &peer, &hello)),
        Role::Login => ("a login", login::serve(daemon, copy, &peer, &hello)),
    };
    if let Err(refusal) = done {
        daemon.log.refuse(&stream, &peer, what, &refusal);
    }
}

fn greeting(stream: &UnixStream) -> Result<Option<Hello>, wire::Error> {
    wire::read(&mut &*stream)?.map(|frame| frame.json_of(kind::HELLO)).transpose()
}

/// The connections that there are, by whose they are.
#[derive(Debug)]
struct Places {
    most: usize,
    taken: Mutex<HashMap<u32, usize>>,
}

impl Places {
    fn take(places: &Arc<Self>, uid: u32) -> Option<Place> {
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.entry(uid).or_default();
        let left = places.most.saturating_sub(all - *own);
        if *own >= left.div_ceil(2) {
            if *own == 0 {
                taken.remove(&uid);
            }
            return None;
        }
        *own += 1;
        drop(taken);
        Some(Place { places: Arc::clone(places), uid })
    }
}

/// One of them, for as long as it is kept.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    uid: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_leaves_half_of_what_is_left_to_others() {
        let places = Arc::new(Places { most: 16, taken: Mutex::default() });
        let take = |uid, times: usize| -> Vec<Place> {
            (0..times).filter_map(|_| Places::take(&places, uid)).collect()
        };
        let first = take(1, 100);
        assert_eq!(first.len(), 8);
        let second = take(2, 100);
        assert_eq!(second.len(), 4);
        let third = take(3, 1);
        assert_eq!(third.len(), 1);
        drop(first);
        assert_eq!(take(1, 100).len(), 6);
        drop((second, third));
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
