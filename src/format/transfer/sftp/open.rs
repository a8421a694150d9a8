//! A file or directory between its OPEN and the answer to its CLOSE.
//!
//! Refuses to know packets. The invariant: each ends in a fact, whatever became
//! of it; one that was both read and written ends in two.

use super::request::{Attributes, flag};
use crate::format::transfer::fact::Transfer;
use crate::format::transfer::run::Run;
use crate::format::transfer::{Out, Side};

#[derive(Debug)]
pub(super) struct Open {
    path: Vec<u8>,
    /// The name that the server gave it, once it has.
    pub(super) handle: Box<[u8]>,
    opened: bool,
    directory: bool,
    flags: u32,
    attributes: Attributes,
    get: Run,
    put: Run,
    /// The file ends where what was put ends.
    exact: bool,
    /// A read came to the end of the file.
    read_out: bool,
    /// The first thing that went wrong.
    failed: Option<String>,
}

/// How it ended.
#[derive(Clone, Debug)]
pub(super) enum Closed {
    /// The server's answer to OPEN, no handle.
    Refused(String),
    /// The server's answer to CLOSE.
    With(String),
    /// The stream ended before.
    Cut,
    /// Its answers were not waited for.
    Unfollowed,
}

impl Open {
    pub(super) fn file(path: &[u8], flags: u32, attributes: Attributes) -> Self {
        Self {
            path: path.to_vec(),
            handle: Box::default(),
            opened: false,
            directory: false,
            flags,
            attributes,
            get: Run::default(),
            put: Run::default(),
            exact: flags & flag::TRUNCATE != 0,
            read_out: false,
            failed: None,
        }
    }

    pub(super) fn directory(path: &[u8]) -> Self {
        let mut made = Self { directory: true, ..Self::file(path, 0, Attributes::default()) };
        // It has no data; what passes as if it had is in no digest.
        made.get.disorder();
        made.put.disorder();
        made
    }

    /// The server gave it this name.
    pub(super) fn named(&mut self, handle: &[u8]) {
        self.handle = handle.into();
        self.opened = true;
    }

    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// What goes the way that `from` sends.
    pub(super) fn run(&mut self, from: Side) -> &mut Run {
        match from {
            Side::Client => &mut self.put,
            Side::Server => &mut self.get,
        }
    }

    /// What it takes of memory beyond its own size.
    pub(super) fn heap(&self) -> usize {
        // The handle is a key of the session's too.
        self.path.len() + 2 * self.handle.len() + self.get.held() + self.put.held()
    }

    pub(super) fn fail(&mut self, status: &str) {
        self.failed.get_or_insert_with(|| status.to_owned());
    }

    pub(super) fn read_out(&mut self) {
        self.read_out = true;
    }

    /// Its length is set. Whether that says no more than what was put: scp
    /// overwrites a file in place, and cuts off what is behind.
    pub(super) fn resized(&mut self, length: u64) -> bool {
        let end = self.put.next();
        self.exact = length == end;
        if !self.exact {
            self.put.disorder();
        }
        self.exact
    }

    /// A directory's handle was given.
    pub(super) fn listed(&self, out: &mut Out<'_>) {
        if self.directory {
            self.list("ok".to_owned(), out);
        }
    }

    fn list(&self, status: String, out: &mut Out<'_>) {
        let mut transfer = Transfer::new("sftp", "list");
        transfer.path = Some(self.path.clone());
        transfer.status = status;
        out.tell(transfer);
    }

    pub(super) fn close(self, how: &Closed, out: &mut Out<'_>) {
        let status = match how {
            Closed::Refused(status) => status,
            _ if self.failed.is_some() => self.failed.as_deref().unwrap_or_default(),
            Closed::With(status) => status,
            Closed::Cut => "cut",
            Closed::Unfollowed => "not followed",
        };
        if self.directory {
            if !self.opened {
                self.list(status.to_owned(), out);
            }
            return;
        }
        let puts = self.put.touched() || (self.flags & flag::WRITE != 0 && !self.get.touched());
        let gets = self.get.touched() || !puts;
        let status = status.to_owned();
        // An empty file is one only where it is known to end there.
        let closed = matches!(how, Closed::With(_)) && self.failed.is_none();
        let ends = [(gets, self.get, self.read_out), (puts, self.put, self.exact && closed)];
        for ((done, run, ended), from) in ends.into_iter().zip([Side::Server, Side::Client]) {
            if !done {
                continue;
            }
            let operation = if from == Side::Client { "put" } else { "get" };
            let mut transfer = Transfer::new("sftp", operation);
            transfer.path = Some(self.path.clone());
            transfer.direction = Some(from);
            transfer.status.clone_from(&status);
            if self.opened {
                let size = run.size();
                transfer.size = Some(size);
                if from == Side::Client {
                    transfer.more = self.attributes.fields();
                }
                if size > 0 && run.start() > 0 {
                    transfer.more.push(("offset", run.start().into()));
                }
                if from == Side::Client && self.flags & flag::APPEND != 0 {
                    transfer.more.push(("append", true.into()));
                }
                let mut digest = run.digest();
                digest.whole &= self.failed.is_none() && (size > 0 || ended);
                transfer.hashed(&digest);
            }
            out.tell(transfer);
        }
    }
}
