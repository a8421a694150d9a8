//! Requests, and the answers to them.
//!
//! Refuses to know how packets are cut. The invariant: an answer belongs to the
//! oldest request of its number that has none. So a client that gives many
//! requests one number, which OpenSSH's server answers in order, is followed
//! all the same.

use std::collections::{BTreeMap, HashMap};

use super::open::{Closed, Open};
use super::request::{self, Answer, EOF, Wish};
use crate::format::transfer::fact::Transfer;
use crate::format::transfer::{Out, PENDING_MAX, Side};

/// What requests, files and data out of order may take; the rest of
/// [`PENDING_MAX`] is for packets that are not whole.
const USED_MAX: usize = PENDING_MAX - (128 << 10);
/// What a request or a file takes beyond its names, in bytes: itself, and its
/// share of the maps.
const REQUEST: usize = 128;
const FILE: usize = 1024;

/// What the packets so far have come to.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Whether each side has said its version, which comes first.
    client_greeted: bool,
    server_greeted: bool,
    /// By number and age.
    requests: BTreeMap<(u32, u64), Request>,
    age: u64,
    /// By the server's names for them.
    handles: HashMap<Box<[u8]>, u64>,
    files: BTreeMap<u64, Open>,
    /// The file that the data now passing belongs to, up and down.
    put: Option<u64>,
    get: Option<u64>,
    used: usize,
    /// It was said that more came than can be kept.
    full: bool,
}

/// A request that is not answered; the numbers are files'.
#[derive(Debug)]
enum Request {
    Open(Box<Open>),
    Close(u64),
    Read(u64, u64),
    Write(u64),
    Sync(u64),
    Tell(Box<Transfer>),
    Other,
}

impl Request {
    fn cost(&self) -> usize {
        REQUEST
            + match self {
                Self::Open(open) => FILE + open.heap(),
                Self::Tell(transfer) => size_of::<Transfer>() + transfer.heap(),
                _ => 0,
            }
    }
}

impl Session {
    /// What all that is kept takes, in bytes.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// A packet without data.
    pub(super) fn packet(
        &mut self,
        from: Side,
        kind: u8,
        body: &[u8],
        out: &mut Out<'_>,
    ) -> Result<(), String> {
        if self.greeting(from, kind, body)? {
            return Ok(());
        }
        let short = || format!("a packet of {} bytes", body.len() + 1);
        match from {
            Side::Client => {
                let (id, wish) = request::request(kind, body).ok_or_else(short)?;
                let request = self.request(&wish);
                self.keep(id, request, out);
            }
            Side::Server => {
                let (id, answer) = request::answer(kind, body).ok_or_else(short)?;
                if let Some(request) = self.oldest(id) {
                    self.answered(request, &answer, out);
                }
            }
        }
        Ok(())
    }

    /// The head of a packet that carries `length` bytes of data.
    pub(super) fn begin(
        &mut self,
        from: Side,
        kind: u8,
        head: &[u8],
        length: usize,
        out: &mut Out<'_>,
    ) -> Result<(), String> {
        self.greeting(from, kind, head)?;
        let room = USED_MAX.saturating_sub(self.used);
        match from {
            Side::Client => {
                if let Some((id, Wish::Write { handle, offset })) = request::request(kind, head) {
                    let key = self.file(handle);
                    self.put = key;
                    let request = key.map_or(Request::Other, |key| {
                        self.on(key, |file| file.run(from).begin(offset, length, room));
                        Request::Write(key)
                    });
                    self.keep(id, request, out);
                }
            }
            Side::Server => {
                let id = request::answer(kind, head).map(|(id, _)| id);
                self.get = match id.and_then(|id| self.oldest(id)) {
                    Some(Request::Read(key, offset)) => {
                        self.on(key, |file| file.run(from).begin(offset, length, room));
                        Some(key)
                    }
                    Some(other) => {
                        self.answered(other, &Answer::Other, out);
                        None
                    }
                    None => None,
                };
            }
        }
        Ok(())
    }

    /// The next of a packet's data. Whether a file's digest has it.
    pub(super) fn data(&mut self, from: Side, bytes: &[u8], out: &mut Out<'_>) -> bool {
        let passing = if from == Side::Client { self.put } else { self.get };
        match passing.and_then(|key| self.files.get_mut(&key)) {
            Some(file) => file.run(from).data(bytes),
            None => {
                out.unfollowed.add(from, bytes.len());
                false
            }
        }
    }

    /// There is no more of it.
    pub(super) fn end(&mut self, from: Side) {
        let passing = if from == Side::Client { &mut self.put } else { &mut self.get };
        if let Some(key) = passing.take() {
            self.on(key, |file| file.run(from).end());
        }
    }

    /// The stream is at its end.
    pub(super) fn finish(self, out: &mut Out<'_>) {
        for (_, file) in self.files {
            file.close(&Closed::Cut, out);
        }
        let mut requests: Vec<_> =
            self.requests.into_iter().map(|((_, age), request)| (age, request)).collect();
        requests.sort_unstable_by_key(|(age, _)| *age);
        for (_, request) in requests {
            unanswered(request, &Closed::Cut, "cut", out);
        }
    }

    /// Whether this was the version that either side begins with. It must be 3
    /// or lower: the draft's later versions have other fields.
    fn greeting(&mut self, from: Side, kind: u8, body: &[u8]) -> Result<bool, String> {
        let (greeted, first) = match from {
            Side::Client => (&mut self.client_greeted, 1),
            Side::Server => (&mut self.server_greeted, 2),
        };
        if std::mem::replace(greeted, true) {
            return Ok(false);
        }
        match request::version(body).filter(|_| kind == first) {
            None => Err(format!("it begins with a packet of type {kind}")),
            Some(version) if from == Side::Server && version > 3 => {
                Err(format!("version {version}"))
            }
            Some(_) => Ok(true),
        }
    }

    fn file(&self, handle: &[u8]) -> Option<u64> {
        self.handles.get(handle).copied()
    }

    /// Does something to a file, and keeps the account of what it takes.
    fn on(&mut self, key: u64, what: impl FnOnce(&mut Open)) {
        if let Some(file) = self.files.get_mut(&key) {
            let before = file.heap();
            what(file);
            self.used = (self.used + file.heap()).saturating_sub(before);
        }
    }

    /// What is to be kept of a request until it is answered.
    fn request(&mut self, wish: &Wish<'_>) -> Request {
        let told = |transfer| Request::Tell(Box::new(transfer));
        match *wish {
            Wish::Open { path, flags, attributes } => {
                Request::Open(Box::new(Open::file(path, flags, attributes)))
            }
            Wish::OpenDirectory { path } => Request::Open(Box::new(Open::directory(path))),
            Wish::Close { handle } => self.file(handle).map_or(Request::Other, Request::Close),
            Wish::Sync { handle } => self.file(handle).map_or(Request::Other, Request::Sync),
            Wish::Read { handle, offset } => match self.file(handle) {
                Some(key) => {
                    self.on(key, |file| file.run(Side::Server).at(offset));
                    Request::Read(key, offset)
                }
                None => Request::Other,
            },
            Wish::SetByHandle { handle, attributes } => {
                let Some(key) = self.file(handle) else { return Request::Other };
                let mut said = false;
                if let Some(length) = attributes.size {
                    self.on(key, |file| said = file.resized(length));
                }
                if said && attributes.only_size().is_some() {
                    return Request::Sync(key);
                }
                let mut transfer = Transfer::new("sftp", attributes.operation());
                transfer.path = self.path(handle);
                transfer.more = attributes.fields();
                told(transfer)
            }
            Wish::Copy { from, to, length } => {
                let mut transfer = Transfer::new("sftp", "copy");
                transfer.path = self.path(from);
                transfer.to = self.path(to);
                // 0: to the end of the file, openssh-portable, PROTOCOL, 4.10.
                transfer.size = Some(length).filter(|length| *length > 0);
                if let Some(key) = self.file(to) {
                    self.on(key, |file| file.run(Side::Client).disorder());
                }
                told(transfer)
            }
            Wish::Paths { operation, path, to, attributes } => {
                let mut transfer = Transfer::new("sftp", operation);
                transfer.path = Some(path.to_vec());
                transfer.to = to.map(<[u8]>::to_vec);
                transfer.more = attributes.fields();
                told(transfer)
            }
            Wish::Extended { name } => {
                let mut transfer = Transfer::new("sftp", "extended");
                transfer.more.push(("name", String::from_utf8_lossy(name).into()));
                told(transfer)
            }
            Wish::Write { .. } | Wish::Other => Request::Other,
        }
    }

    fn path(&self, handle: &[u8]) -> Option<Vec<u8>> {
        self.files.get(&self.file(handle)?).map(|file| file.path().to_vec())
    }

    fn keep(&mut self, id: u32, request: Request, out: &mut Out<'_>) {
        let cost = request.cost();
        if self.used + cost <= USED_MAX {
            self.used += cost;
            self.age += 1;
            self.requests.insert((id, self.age), request);
            return;
        }
        self.overflow(out);
        match request {
            Request::Close(key) => self.close(key, &Closed::Unfollowed, out),
            Request::Read(key, _) => self.on(key, |file| file.run(Side::Server).disorder()),
            Request::Write(key) => self.on(key, |file| file.run(Side::Client).disorder()),
            request => unanswered(request, &Closed::Unfollowed, "not followed", out),
        }
    }

    fn overflow(&mut self, out: &mut Out<'_>) {
        if !std::mem::replace(&mut self.full, true) {
            let why = "more requests under way and files open than are kept in mind";
            out.tell(Transfer::unfollowed("sftp", why.to_owned()));
        }
    }

    fn oldest(&mut self, id: u32) -> Option<Request> {
        let key = *self.requests.range((id, 0)..=(id, u64::MAX)).next()?.0;
        let request = self.requests.remove(&key)?;
        self.used = self.used.saturating_sub(request.cost());
        Some(request)
    }

    fn answered(&mut self, request: Request, answer: &Answer<'_>, out: &mut Out<'_>) {
        match (request, answer) {
            (Request::Open(file), Answer::Handle(handle)) => self.opened(*file, handle, out),
            (Request::Open(file), Answer::Status(_, status)) => {
                file.close(&Closed::Refused(status.clone()), out);
            }
            (Request::Open(file), Answer::Other) => file.close(&Closed::Unfollowed, out),
            (Request::Close(key), Answer::Status(_, status)) => {
                self.close(key, &Closed::With(status.clone()), out);
            }
            (Request::Close(key), _) => self.close(key, &Closed::Unfollowed, out),
            (Request::Read(key, _), Answer::Status(EOF, _)) => self.on(key, Open::read_out),
            (Request::Write(_) | Request::Sync(_), Answer::Status(0, _)) => {}
            (
                Request::Read(key, _) | Request::Write(key) | Request::Sync(key),
                Answer::Status(_, status),
            ) => self.on(key, |file| file.fail(status)),
            (Request::Read(key, _), _) => self.on(key, |file| file.run(Side::Server).disorder()),
            (Request::Tell(mut transfer), answer) => {
                if let Answer::Status(_, status) = answer {
                    transfer.status.clone_from(status);
                }
                out.tell(*transfer);
            }
            (Request::Write(_) | Request::Sync(_) | Request::Other, _) => {}
        }
    }

    fn opened(&mut self, mut file: Open, handle: &[u8], out: &mut Out<'_>) {
        file.named(handle);
        file.listed(out);
        // A name is given again only after its file was closed.
        if let Some(key) = self.file(handle) {
            self.close(key, &Closed::Unfollowed, out);
        }
        let cost = FILE + file.heap();
        if self.used + cost > USED_MAX {
            self.overflow(out);
            file.close(&Closed::Unfollowed, out);
            return;
        }
        self.used += cost;
        self.age += 1;
        self.handles.insert(handle.into(), self.age);
        self.files.insert(self.age, file);
    }

    fn close(&mut self, key: u64, how: &Closed, out: &mut Out<'_>) {
        let Some(file) = self.files.remove(&key) else { return };
        self.used = self.used.saturating_sub(FILE + file.heap());
        self.handles.remove(&file.handle);
        file.close(how, out);
    }
}

/// Tells what was asked for and is not known to have been done.
fn unanswered(request: Request, how: &Closed, status: &str, out: &mut Out<'_>) {
    match request {
        Request::Open(file) => file.close(how, out),
        Request::Tell(mut transfer) => {
            status.clone_into(&mut transfer.status);
            out.tell(*transfer);
        }
        _ => {}
    }
}
