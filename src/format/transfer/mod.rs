//! Which files a session without a PTY moved: what SFTP and scp say of
//! themselves, read off the bytes that pass.
//!
//! Knows nothing of files, clocks, or who carries the bytes; it changes and
//! withholds none of them. Its invariant: nothing is left out of a recording
//! because a follower understood it, or was told by a command's name that it
//! would. Whoever feeds it keeps and counts the bytes as if it were not there,
//! and hashes all but those that it has [taken](Follower::taken): each of these
//! is under a digest in one of its facts, whatever becomes of the transfer.
//!
//! ```
//! use hrec::format::transfer::{Follower, Side};
//!
//! let mut facts = Vec::new();
//! if let Some(mut follower) = Follower::of("scp -t notes".as_ref()) {
//!     follower.feed(Side::Server, b"\0", &mut facts);
//!     follower.feed(Side::Client, b"C0644 3 a\n", &mut facts);
//!     follower.feed(Side::Server, b"\0", &mut facts);
//!     follower.feed(Side::Client, b"hi\n\0", &mut facts);
//!     follower.feed(Side::Server, b"\0", &mut facts);
//!     follower.finish(&mut facts);
//! }
//! assert_eq!(facts[0].fields["path"], "a");
//! ```
//!
//! - [`Follower::of`] takes the command as the shell would have it. `None`:
//!   there is nothing to follow.
//! - [`Follower::feed`] takes what was read from either side, in pieces of any
//!   size, in order. An answer must not be fed before what it answers: true
//!   for a relay that feeds what it read before it passes it on.
//! - [`Follower::taken`] says which of these bytes it has hashed.
//! - [`Follower::finish`] when the session is over, however it ended.
//!
//! The facts (`transfer`) come in the order in which things were done. Their
//! fields are in `hrec-recording(5)`. One with the `op` *unfollowed* says why
//! the rest is not understood; from then on bytes are counted only.
//!
//! Memory is bounded by [`PENDING_MAX`] whatever comes. rsync's and git's
//! protocols are not followed.

mod command;
mod fact;
mod run;
mod scp;
mod sftp;

use std::ffi::OsStr;
use std::ops::Range;

use command::Talk;
use fact::Transfer;
use scp::Scp;
use sftp::Sftp;

use crate::event::Fact;

/// Who wrote bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Whoever came in: the program's standard input.
    Client,
    /// The program: its standard output.
    Server,
}

impl Side {
    /// The field `dir` for data that this side wrote: into the program's
    /// machine, or out of it.
    fn direction(self) -> &'static str {
        match self {
            Self::Client => "in",
            Self::Server => "out",
        }
    }
}

/// What a follower holds of requests not yet answered, files not yet closed
/// and data out of its order, in bytes, by a cautious estimate. `sftp` keeps
/// 64 requests under way, which take some 8 KiB.
pub const PENDING_MAX: usize = 1 << 20;

/// Reads transfers off the two streams of one session.
#[derive(Debug)]
pub struct Follower {
    protocol: Protocol,
    /// Bytes of each side that were not understood.
    unfollowed: Unfollowed,
    /// What was hashed of the bytes that were fed last.
    taken: Vec<Range<usize>>,
}

#[derive(Debug)]
enum Protocol {
    Sftp(Box<Sftp>),
    Scp(Box<Scp>),
    /// What came was not what the command's name had promised.
    Ended(&'static str),
}

/// Bytes that were not understood, by who wrote them.
#[derive(Clone, Copy, Debug, Default)]
struct Unfollowed {
    client: u64,
    server: u64,
}

impl Unfollowed {
    fn add(&mut self, from: Side, bytes: usize) {
        let count = match from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        *count = count.saturating_add(bytes as u64);
    }
}

/// Where what was understood goes.
struct Out<'a> {
    facts: &'a mut Vec<Fact>,
    unfollowed: &'a mut Unfollowed,
    taken: &'a mut Vec<Range<usize>>,
    /// How many bytes are being looked at, where these were not put aside
    /// before, and given up to their feeder to be hashed.
    fed: Option<usize>,
}

impl Out<'_> {
    /// So many bytes, with so many of the fed ones behind them, are hashed.
    fn take(&mut self, bytes: usize, left: usize) {
        if let Some(end) = self.fed.and_then(|fed| fed.checked_sub(left)) {
            self.taken.push(end.saturating_sub(bytes)..end);
        }
    }

    fn tell(&mut self, transfer: Transfer) {
        self.facts.push(transfer.fact());
    }
}

/// Why a stream cannot be followed any further, and how many bytes of one side
/// are on the far side of that.
#[derive(Debug)]
struct Stop {
    why: String,
    from: Side,
    left: usize,
}

impl Follower {
    /// A follower for what `command`, as a shell is given it, will speak:
    /// `internal-sftp` and `…/sftp-server` SFTP, `scp -t …` and `scp -f …`
    /// scp's protocol. What stands behind them (`scp -t x; bash`) makes no
    /// difference: it is followed until it says something else.
    #[must_use]
    pub fn of(command: &OsStr) -> Option<Self> {
        let protocol = match command::talk(command)? {
            Talk::Sftp => Protocol::Sftp(Box::default()),
            Talk::Scp(call) => Protocol::Scp(Box::new(Scp::new(call))),
        };
        Some(Self { protocol, unfollowed: Unfollowed::default(), taken: Vec::new() })
    }

    /// Takes the next bytes that `from` wrote, and adds what they complete to
    /// `facts`.
    pub fn feed(&mut self, from: Side, bytes: &[u8], facts: &mut Vec<Fact>) {
        self.taken.clear();
        let (unfollowed, taken) = (&mut self.unfollowed, &mut self.taken);
        let mut out = Out { facts, unfollowed, taken, fed: Some(bytes.len()) };
        let stop = match &mut self.protocol {
            Protocol::Sftp(sftp) => sftp.feed(from, bytes, &mut out),
            Protocol::Scp(scp) => scp.feed(from, bytes, &mut out),
            Protocol::Ended(_) => {
                out.unfollowed.add(from, bytes.len());
                return;
            }
        };
        if let Err(Stop { why, from, left }) = stop {
            self.end(facts);
            self.unfollowed.add(from, left);
            facts.push(Transfer::unfollowed(self.name(), why).fact());
            self.protocol = Protocol::Ended(self.name());
        }
    }

    /// Which of the bytes that were fed last are in a digest of its own, in
    /// order: a file's data that passed in the file's order, and is in the
    /// `sha256` or `passed_sha256` of the file's fact, to come.
    #[must_use]
    pub fn taken(&self) -> &[Range<usize>] {
        &self.taken
    }

    /// The session is over: tells what was under way, as *cut*, and how many
    /// bytes were not understood.
    pub fn finish(mut self, facts: &mut Vec<Fact>) {
        self.end(facts);
        for (from, bytes) in
            [(Side::Client, self.unfollowed.client), (Side::Server, self.unfollowed.server)]
        {
            if bytes > 0 {
                let mut rest = Transfer::unfollowed(self.name(), "not followed".to_owned());
                rest.direction = Some(from);
                rest.size = Some(bytes);
                facts.push(rest.fact());
            }
        }
    }

    /// How many bytes of memory it holds beyond a constant, by the estimate
    /// that [`PENDING_MAX`] bounds.
    #[must_use]
    pub fn pending(&self) -> usize {
        match &self.protocol {
            Protocol::Sftp(sftp) => sftp.pending(),
            Protocol::Scp(scp) => scp.pending(),
            Protocol::Ended(_) => 0,
        }
    }

    fn name(&self) -> &'static str {
        match &self.protocol {
            Protocol::Sftp(_) => "sftp",
            Protocol::Scp(_) => "scp",
            Protocol::Ended(name) => name,
        }
    }

    fn end(&mut self, facts: &mut Vec<Fact>) {
        let (unfollowed, taken) = (&mut self.unfollowed, &mut self.taken);
        let mut out = Out { facts, unfollowed, taken, fed: None };
        match &mut self.protocol {
            Protocol::Sftp(sftp) => sftp.finish(&mut out),
            Protocol::Scp(scp) => scp.finish(&mut out),
            Protocol::Ended(_) => {}
        }
    }
}
