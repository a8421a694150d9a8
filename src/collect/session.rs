//! A session's connection: takes what it sends, and says what is durable.
//!
//! Its invariant: a recording is held by one thread at a time; whoever loses
//! the connection leaves it for the same process to come back to, and no other.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::RecvFlags;
use sha2::{Digest, Sha256};

use super::ending::{self, How};
use super::held::{self, Held};
use super::login::As;
use super::record::Record;
use super::usage::Usage;
use super::{Daemon, Live, Refusal, claim};
use crate::format::chain::ChainState;
use crate::format::wire::{self, Append, Begins, Decoder, Done, End, Has, Hello, kind};
use crate::recording::{Id, Paths};
use crate::seal::ledger::Event;
use crate::store::Local;
use crate::sys::peer::{self, Peer};

/// How often the ledger is told how far a session is, while it goes on.
const HEADS: Duration = Duration::from_secs(60);

/// How long the rest of a frame may take.
const STALL: Duration = Duration::from_secs(30);

/// Bytes that are taken before what came is made durable: a flood has its
/// acknowledgements too.
const BEHIND: usize = 1 << 20;

/// Bytes that are taken of a recording that has not begun: its header, and the
/// first record of a journal, are far less.
const BEGINNING: u64 = 1 << 20;

/// Bytes of one read.
const PIECE: usize = 16 << 10;

/// Beyond what sessions wait, before they are given up.
const MARGIN: Duration = Duration::from_secs(5);

/// A recording that is made.
pub(super) struct Recording {
    pub(super) live: Arc<Live>,
    pub(super) held: Held,
    pub(super) record: Record,
    /// Whether its program may have started.
    pub(super) begun: bool,
    /// Counts the connections that were lost.
    pub(super) losses: u64,
}

/// How a connection came to its end.
enum Left {
    /// The peer is gone, or its connection is.
    Gone,
    /// The session has ended, and said how.
    Ended,
    /// The peer does not keep to the protocol, or has used up what it may.
    Refused(Refusal, How),
}

/// Takes what a session sends, until it has ended.
pub(super) fn serve(daemon: &Arc<Daemon>, stream: UnixStream, peer: Peer, hello: &Hello) {
    let mut recording = match admit(daemon, &stream, &peer, hello) {
        Ok(Some(recording)) => recording,
        Ok(None) => return,
        Err(refusal) => {
            daemon.logins.account(peer.process, As::Refused);
            return daemon.log.refuse(&stream, &peer, "a session", &refusal);
        }
    };
    daemon.logins.account(peer.process, As::Session);
    let left = match greet(&mut recording, &stream) {
        None => Connection::new(daemon, &stream, &peer).run(&mut recording),
        Some(left) => left,
    };
    recording.live.connect(None);
    match left {
        Left::Ended => {}
        Left::Gone => {
            drop(stream);
            let ended = peer.into_ended();
            leave(daemon, recording, &ended);
        }
        Left::Refused(refusal, how) => {
            let what = format!("more of {}", recording.live.id);
            daemon.log.refuse(&stream, &peer, &what, &refusal);
            let _ = stream.shutdown(std::net::Shutdown::Both);
            end(daemon, recording, how);
        }
    }
}

/// The recording that this peer begins, or goes on with; `None` where it is
/// sealed already, which the peer has been told.
fn admit(
    daemon: &Arc<Daemon>,
    stream: &UnixStream,
    peer: &Peer,
    hello: &Hello,
) -> Result<Option<Box<Recording>>, Refusal> {
    let begins: Begins = hello.words().map_err(|error| Refusal::from(error.to_string()))?;
    let id = Id::parse(&begins.id).ok_or("what it begins has no recording's id")?;
    if let Some(live) = daemon.sessions.get(id.as_str()) {
        if live.process != peer.process || live.uid != peer.uid {
            return Err(format!("{id} is recorded by another process").into());
        }
        live.hang_up();
        let limit = daemon.options.wait + MARGIN;
        if let Some(recording) = daemon.away.take(&live, limit) {
            return Ok(Some(recording));
        }
        // It has ended just now, and its answer may be lost; or what there was
        // of it before it began is no more, and it begins anew.
        match tell_done(daemon, stream, peer, &id) {
            Err(_) if begins.manifest.is_some() && live.seen().ended => {}
            told => return told,
        }
    }
    let Some(manifest) = begins.manifest else {
        return tell_done(daemon, stream, peer, &id);
    };
    let user = claim::user(peer.uid);
    claim::check(&id, &user)?;
    daemon.usage.admit(daemon, peer.uid)?;
    let manifest = claim::begun(manifest, &id, &user, peer, &daemon.boot)?;
    let store = Local::new(daemon.options.store.clone());
    let refused = |what: String| Refusal::from(what);
    let dir = store.day(id.date()).map_err(|error| refused(error.to_string()))?;
    let held = Held::new(Paths::in_dir(&dir, &id)).map_err(|error| refused(error.to_string()))?;
    let record = Record::new(peer, &daemon.boot, manifest);
    let live = Arc::new(Live::new(id.to_string(), dir, peer.uid, peer.process));
    if !daemon.sessions.add(&live) {
        return Err(format!("{id} is recorded already").into());
    }
    if let Err(error) = record.write(&daemon.options.store) {
        daemon.sessions.remove(id.as_str());
        return Err(format!("the collector's store refuses: {error}").into());
    }
    Ok(Some(Box::new(Recording { live, held, record, begun: false, losses: 0 })))
}

/// Tells a peer again what came of its recording.
fn tell_done(
    daemon: &Daemon,
    mut stream: &UnixStream,
    peer: &Peer,
    id: &Id,
) -> Result<Option<Box<Recording>>, Refusal> {
    let done = ending::done(daemon, id, peer)
        .ok_or_else(|| Refusal::from(format!("no recording {id} is being made")))?;
    let has = Has { begun: true, done: Some(done), ..Has::default() };
    let _ = wire::write(&mut stream, kind::OK, &has);
    Ok(None)
}

/// Says where the recording stands. Of one that has begun that is durable: of
/// what the connection before could not be told, nobody is told again.
fn greet(recording: &mut Recording, stream: &UnixStream) -> Option<Left> {
    if recording.begun
        && let Err(error) = recording.held.sync()
    {
        return Some(not_taken(error));
    }
    let files = recording.held.newest();
    let has = Has { files, begun: recording.begun, ..Has::default() };
    recording.live.connect(stream.try_clone().ok());
    let answered = recording.live.answer(|stream| answer(stream, kind::OK, &has));
    answered.err().map(|_| Left::Gone)
}

fn answer<T: serde::Serialize>(mut stream: &UnixStream, kind: u8, body: &T) -> io::Result<()> {
    wire::write(&mut stream, kind, body).map_err(io::Error::other)
}

/// One connection.
struct Connection<'a> {
    daemon: &'a Arc<Daemon>,
    stream: &'a UnixStream,
    peer: &'a Peer,
    decoder: Decoder,
    /// When the ledger was told last, and what.
    told: Instant,
    head: Option<ChainState>,
}

impl<'a> Connection<'a> {
    fn new(daemon: &'a Arc<Daemon>, stream: &'a UnixStream, peer: &'a Peer) -> Self {
        let decoder = Decoder::default();
        Self { daemon, stream, peer, decoder, told: Instant::now(), head: None }
    }

    fn run(mut self, recording: &mut Recording) -> Left {
        let mut piece = vec![0; PIECE];
        let mut taken = 0;
        loop {
            let flags = RecvFlags::DONTWAIT;
            let count = match rustix::net::recv(self.stream, piece.as_mut_slice(), flags) {
                Ok((_, 0)) => return self.last(recording),
                Ok((_, count)) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    taken = 0;
                    if let Some(left) = self.settle(recording) {
                        return left;
                    }
                    match self.wait() {
                        Some(true) => continue,
                        Some(false) => return self.last(recording),
                        None => {
                            let refusal = Refusal::from("a frame was not ended in time");
                            return Left::Refused(refusal, How::Interrupted);
                        }
                    }
                }
                Err(_) => return self.last(recording),
            };
            self.decoder.feed(piece.get(..count).unwrap_or_default());
            if let Some(left) = self.frames(recording) {
                return left;
            }
            taken += count;
            if taken >= BEHIND {
                taken = 0;
                if let Some(left) = self.settle(recording) {
                    return left;
                }
            }
        }
    }

    /// What came before the end is kept, whoever is there to be told.
    fn last(mut self, recording: &mut Recording) -> Left {
        match self.settle(recording) {
            Some(Left::Refused(refusal, how)) => Left::Refused(refusal, how),
            _ => Left::Gone,
        }
    }

    /// Waits for more: `false` when the process has ended, and `None` when the
    /// rest of a frame has not come.
    fn wait(&self) -> Option<bool> {
        let limit = self.decoder.is_within().then_some(STALL).map(timespec);
        loop {
            let mut fds = [
                PollFd::new(self.stream, PollFlags::IN),
                PollFd::from_borrowed_fd(self.peer.ended(), PollFlags::IN),
            ];
            match poll(&mut fds, limit.as_ref()) {
                Ok(0) => return None,
                Ok(_) => {
                    let [stream, _] = &fds;
                    return Some(!stream.revents().is_empty());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Some(false),
            }
        }
    }

    fn frames(&mut self, recording: &mut Recording) -> Option<Left> {
        loop {
            let (kind, body) = match self.decoder.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return None,
                Err(error) => return Some(peers(error.to_string())),
            };
            let left = match kind {
                kind::APPEND => match Append::parse(body) {
                    Ok(Append { file, offset, bytes }) => {
                        if let Err(refusal) = Usage::room(self.daemon, bytes.len()) {
                            return Some(Left::Refused(refusal, How::StoreFailed));
                        }
                        let failed = recording.held.append(file, offset, bytes).err();
                        let much = !recording.begun && recording.held.bytes() > BEGINNING;
                        let much = much.then(|| peers("too much came before BEGIN".to_owned()));
                        failed.map(not_taken).or(much)
                    }
                    Err(error) => Some(peers(error.to_string())),
                },
                kind::BEGIN => begin(self.daemon, recording),
                kind::END => match wire::parse(kind, body) {
                    Ok(end) => return Some(self.end(recording, end)),
                    Err(error) => Some(peers(error.to_string())),
                },
                other => Some(peers(wire::Error::Unexpected(other).to_string())),
            };
            if left.is_some() {
                return left;
            }
        }
    }

    /// Makes what came durable, and says so.
    fn settle(&mut self, recording: &mut Recording) -> Option<Left> {
        if !recording.begun || !recording.held.is_behind() {
            return None;
        }
        let acks = match recording.held.sync() {
            Ok(acks) => acks,
            Err(error) => return Some(not_taken(error)),
        };
        let answered = recording.live.answer(|mut stream| {
            let mut frames = Vec::new();
            for ack in &acks {
                frames.extend(wire::json(kind::ACK, ack).map_err(io::Error::other)?);
            }
            io::Write::write_all(&mut stream, &frames)
        });
        recording.live.grew();
        self.tell(recording);
        let bytes = recording.held.bytes();
        if let Err(refusal) = self.daemon.usage.grew(self.daemon, &recording.live, bytes) {
            return Some(Left::Refused(refusal, How::StoreFailed));
        }
        answered.err().map(|_| Left::Gone)
    }

    /// Tells the ledger how far it is, once a minute.
    fn tell(&mut self, recording: &Recording) {
        if self.told.elapsed() < HEADS {
            return;
        }
        let chain = recording.held.chain();
        if let Some(chain) = chain.filter(|chain| self.head.as_ref() != Some(chain)) {
            self.head = Some(chain.clone());
            self.daemon.clerk.post(vec![Event::Head { id: recording.live.id.clone(), chain }]);
        }
        self.told = Instant::now();
    }

    fn end(&self, recording: &mut Recording, end: End) -> Left {
        if !recording.begun {
            return peers("it ended before it began".to_owned());
        }
        // Of a session that claims nonsense nothing is lost but that.
        if let Err(refusal) = claim::ended(&recording.record.manifest, &end) {
            return Left::Refused(refusal, How::Interrupted);
        }
        recording.record.end = Some(end);
        match ending::seal(self.daemon, recording, How::Said) {
            Ok(done) => {
                // First, so that whoever loses the answer finds it over.
                ending::over(self.daemon, recording);
                let _ = recording.live.answer(|stream| answer(stream, kind::OK, &done));
                Left::Ended
            }
            Err(error) => not_taken(error),
        }
    }
}

fn peers(what: String) -> Left {
    Left::Refused(what.into(), How::Interrupted)
}

fn not_taken(error: held::Error) -> Left {
    let how = match &error {
        held::Error::Peer(_) => How::Interrupted,
        held::Error::Disk { .. } => How::StoreFailed,
    };
    Left::Refused(format!("the collector: {error}").into(), how)
}

/// What was sent is there, the manifest is, and the ledger knows: the program
/// may start.
fn begin(daemon: &Daemon, recording: &mut Recording) -> Option<Left> {
    if !recording.begun {
        if !recording.held.is_begun() {
            return Some(peers("there is no beginning of a recording yet".to_owned()));
        }
        if let Err(error) = recording.held.sync_contents() {
            return Some(not_taken(error));
        }
        let path = recording.held.paths().manifest();
        let manifest = &recording.record.manifest;
        if let Err(error) = manifest.write(&path, true) {
            let refusal = Refusal::from(error.to_string());
            return Some(Left::Refused(refusal, How::StoreFailed));
        }
        recording.held.names_are_durable();
        if let Err(why) = start(recording).and_then(|events| daemon.clerk.enter(events)) {
            let _ = std::fs::remove_file(&path);
            // It may be in it all the same.
            let (id, reason) = (recording.live.id.clone(), why.clone());
            daemon.clerk.post(vec![Event::Void { id, reason }]);
            let refusal = Refusal::from(format!("the ledger cannot be written: {why}"));
            return Some(Left::Refused(refusal, How::StoreFailed));
        }
        recording.begun = true;
        recording.live.grew();
    }
    let has = Has { files: recording.held.newest(), begun: true, ..Has::default() };
    let answered = recording.live.answer(|stream| answer(stream, kind::OK, &has));
    answered.err().map(|_| Left::Gone)
}

/// What the ledger is told of a start.
pub(super) fn start(recording: &Recording) -> Result<Vec<Event>, String> {
    let manifest = &recording.record.manifest;
    let bytes = manifest.to_bytes().map_err(|error| error.to_string())?;
    let user = manifest.who("user").and_then(serde_json::Value::as_str);
    Ok(vec![Event::Start {
        id: manifest.id.clone(),
        user: user.unwrap_or("unknown").to_owned(),
        program: manifest.program.clone(),
        target: manifest.target_name().to_owned(),
        manifest_sha256: data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)),
        chain: recording.held.chain(),
        policy_sha256: manifest.policy_sha256.clone(),
        session_key: None,
        started: None,
    }])
}

/// Leaves a recording for its process to come back to, and ends it where that
/// does not: at once when it has ended itself.
pub(super) fn leave(daemon: &Arc<Daemon>, mut recording: Box<Recording>, ended: &OwnedFd) {
    recording.losses += 1;
    let (id, losses) = (recording.live.id.clone(), recording.losses);
    daemon.away.put(recording);
    let limit = timespec(daemon.options.wait + MARGIN);
    let mut fds = [PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)];
    while matches!(poll(&mut fds, Some(&limit)), Err(rustix::io::Errno::INTR)) {}
    // It may have come back, and been lost again since.
    if let Some(recording) = daemon.away.take_lost(&id, losses) {
        lost(daemon, recording, How::Interrupted);
    }
}

/// Ends a recording whose process is gone, or keeps away; and first the login
/// that it was all of, so that nothing of that goes on unrecorded.
pub(super) fn lost(daemon: &Arc<Daemon>, recording: Box<Recording>, how: How) {
    // After a start of the host the name is another login's.
    let same = recording.record.boot == daemon.boot;
    if let Some(scope) = recording.record.scope.as_ref().filter(|_| recording.begun && same) {
        peer::end_scope(scope);
    }
    end(daemon, recording, how);
}

/// Ends a recording whose session says no more.
pub(super) fn end(daemon: &Arc<Daemon>, mut recording: Box<Recording>, how: How) {
    if !recording.begun {
        let Recording { live, held, record, .. } = *recording;
        held.discard();
        record.remove(&daemon.options.store);
        daemon.usage.forget(&live.id);
        daemon.sessions.remove(&live.id);
        live.ended();
        daemon.away.wake();
        return;
    }
    ending::seal_at_last(daemon, &mut recording, how);
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

/// What is done of a session's end, for the one who asks again.
pub(super) fn done_of(bytes: u64, sealed: bool) -> Done {
    let unsealed = (!sealed).then(|| "the signing key could not be used".to_owned());
    Done { bytes, unsealed, untold: None }
}
