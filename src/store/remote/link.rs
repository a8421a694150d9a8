//! The connection to a collector, through ssh(1), and what is asked of it.
//!
//! Knows nothing of what recordings are. Its invariant: one question at a time,
//! and nothing that comes is written anywhere but through [`Mirror`].

use std::ffi::OsStr;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::mirror::Of;
use super::taking::{Listed, Taking, unexpected};
use super::telling::tell;
use super::{Address, Error, Mirror};
use crate::format::id::Id;
use crate::format::reading::{self, Ask, Message, Say};
use crate::screen::safe_text;
use crate::sys::signals::Signals;

/// What is run on the bastion. Its login shell is hrec, which runs no program
/// for exactly these words; else it is one.
pub const COMMAND: &str = "hrec collect --reader";

/// How many recordings a store may have.
const MOST: usize = 4_000_000;

/// How long ssh(1) may take to end once there is nothing to carry.
const LEAVING: Duration = Duration::from_secs(1);

/// What the person's keys and the host send to a process, none of which is a
/// carrying thread's.
const NOT_OURS: [i32; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCONT,
    libc::SIGWINCH,
];

/// Told, now and then, how many bytes of how many have come.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

type Input = BufReader<Box<dyn Read + Send>>;

/// A connection.
pub struct Link {
    host: String,
    /// ssh, where it is that which carries.
    child: Option<Child>,
    to: Option<Box<dyn Write + Send>>,
    from: Arc<Mutex<Input>>,
    mirror: Arc<Mutex<Mirror>>,
    root: PathBuf,
    follower: Option<JoinHandle<()>>,
    /// Why nothing is followed any more, though nobody said so.
    lost: Arc<Mutex<Option<String>>>,
}

impl Link {
    /// Runs `ssh`, and waits until a collector answers. What ssh says meanwhile
    /// goes to standard error.
    ///
    /// # Errors
    /// When there is no way there, or no collector, or it serves nobody.
    pub fn open(address: &Address, ssh: &OsStr) -> Result<Self, Error> {
        let mut child = Command::new(ssh)
            .args(address.ssh_args())
            .arg(COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::NoSsh)?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(to), Some(from), Some(errors)) = streams else {
            return Err(Error::NoSsh(io::ErrorKind::BrokenPipe.into()));
        };
        let quiet = Arc::new(AtomicBool::new(false));
        let teller = thread("ssh", {
            let quiet = Arc::clone(&quiet);
            move || tell(errors, &quiet)
        });
        let opened = Self::new(address.bastion(), Box::new(to), Box::new(from), Some(child));
        opened.and_then(|mut link| match link.greeting() {
            Ok(()) => {
                quiet.store(true, Ordering::Relaxed);
                Ok(link)
            }
            Err(Error::Lost { host, .. }) => {
                drop(link.to.take());
                let status = link.child.as_mut().and_then(|child| child.wait().ok()?.code());
                // So that what ssh has to say of it stands before this.
                let _ = teller.map(JoinHandle::join);
                Err(Error::NotThere { host, what: not_there(status) })
            }
            Err(error) => Err(error),
        })
    }

    /// Speaks with this host's own collector.
    ///
    /// # Errors
    /// When it serves nobody.
    pub fn local(stream: UnixStream) -> Result<Self, Error> {
        let host = "this host's collector".to_owned();
        let other = stream.try_clone();
        let other = other.map_err(|source| Error::Lost { host: host.clone(), source })?;
        let mut link = Self::new(host, Box::new(stream), Box::new(other), None)?;
        link.greeting()?;
        Ok(link)
    }

    fn new(
        host: String,
        to: Box<dyn Write + Send>,
        from: Box<dyn Read + Send>,
        child: Option<Child>,
    ) -> Result<Self, Error> {
        let mirror = Mirror::new().map_err(|source| Error::Keep {
            host: host.clone(),
            path: std::env::temp_dir(),
            source,
        })?;
        Ok(Self {
            host,
            child,
            to: Some(to),
            from: Arc::new(Mutex::new(BufReader::with_capacity(1 << 16, from))),
            root: mirror.root().to_owned(),
            mirror: Arc::new(Mutex::new(mirror)),
            follower: None,
            lost: Arc::default(),
        })
    }

    /// The bastion's address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The directory that is a store, and has what came.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What came.
    pub fn mirror(&self) -> MutexGuard<'_, Mirror> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn greeting(&mut self) -> Result<(), Error> {
        let from = Arc::clone(&self.from);
        match said(&self.host, &from)? {
            Message::Said(Say::Hello { v: reading::VERSION }) => Ok(()),
            Message::Said(Say::Hello { v }) => Err(self.strange(format!(
                "the collector speaks version {v}, and this hrec {}",
                reading::VERSION
            ))),
            other => Err(self.unexpected(other)),
        }
    }

    fn ask(&mut self, ask: &Ask) -> Result<(), Error> {
        let host = &self.host;
        // Of a pipe that is broken it is this side that would be thought gone.
        let lost = |source: io::Error| match source.kind() {
            io::ErrorKind::BrokenPipe => lost(host, io::ErrorKind::UnexpectedEof.into()),
            _ => lost(host, source),
        };
        let to = self.to.as_mut().ok_or_else(|| lost(io::ErrorKind::NotConnected.into()))?;
        reading::ask(to, ask).and_then(|()| to.flush()).map_err(lost)
    }

    /// The ids of the recordings there, the newest first.
    ///
    /// # Errors
    /// When they cannot be had.
    pub fn ids(&mut self) -> Result<Vec<Id>, Error> {
        let mut ids = Vec::new();
        self.list(false, |_, id, _, _, _| {
            ids.push(id);
            Ok(())
        })?;
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        Ok(ids)
    }

    /// Makes the mirror look like the store there for what asks no more than
    /// manifests, sizes and states.
    ///
    /// # Errors
    /// When that cannot be had or kept.
    pub fn look(&mut self) -> Result<(), Error> {
        // One descriptor is held for each recording that is being made.
        raise_limit();
        self.list(true, |mirror, id, live, files, manifest| {
            for (name, length) in files {
                let Some(path) = mirror.path(Of::Recording(&id), &name) else { continue };
                match manifest.as_ref().filter(|_| name == format!("{id}.manifest.json")) {
                    Some(text) => {
                        let mut file = mirror.open(&path, 0)?;
                        mirror.append(&mut file, text.as_bytes())?;
                    }
                    None => mirror.stand_in(&path, length)?,
                }
            }
            mirror.set_live(&id, live);
            Ok(())
        })
    }

    /// The manifests as they are now of those recordings that were being made,
    /// and the ids of all.
    ///
    /// # Errors
    /// When they cannot be had or kept.
    pub fn look_again(&mut self, live: &[String]) -> Result<Vec<String>, Error> {
        let mut ids = Vec::new();
        self.list(true, |mirror, id, _, _, manifest| {
            ids.push(id.as_str().to_owned());
            let path = mirror.path(Of::Recording(&id), &format!("{id}.manifest.json"));
            if let (Some(text), Some(path)) = (manifest, path)
                && live.iter().any(|live| live == id.as_str())
            {
                let mut file = mirror.open(&path, 0)?;
                mirror.append(&mut file, text.as_bytes())?;
            }
            Ok(())
        })?;
        Ok(ids)
    }

    fn list(
        &mut self,
        manifests: bool,
        mut item: impl FnMut(
            &mut Mirror,
            Id,
            bool,
            Vec<(String, u64)>,
            Option<String>,
        ) -> io::Result<()>,
    ) -> Result<(), Error> {
        self.stop();
        self.ask(&Ask::List { manifests })?;
        let (from, mirror) = (Arc::clone(&self.from), Arc::clone(&self.mirror));
        let mut mirror = mirror.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        let mut listed: Option<Listed> = None;
        loop {
            let message = said(&self.host, &from)?;
            let strange = || self.strange("it lists what can be no recordings".to_owned());
            let next = match message {
                Message::Said(Say::Item { id, live, files, manifest }) => {
                    count += 1;
                    let id = Id::parse(&id).filter(|_| count <= MOST).ok_or_else(strange)?;
                    match listed.as_mut().filter(|listed| listed.id == id) {
                        Some(listed) => {
                            listed.add(files, manifest).ok_or_else(strange)?;
                            continue;
                        }
                        None => Some(Listed { id, live, files, manifest, items: 1 }),
                    }
                }
                Message::Said(Say::Done) => None,
                other => return Err(self.unexpected(other)),
            };
            let is_last = next.is_none();
            if let Some(Listed { id, live, files, manifest, .. }) =
                std::mem::replace(&mut listed, next)
            {
                item(&mut mirror, id, live, files, manifest).map_err(|error| self.keep(error))?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Brings a recording's files. With `follow`, what comes to them is added
    /// until [`Link::stop`]; whether anything will be.
    ///
    /// # Errors
    /// When they cannot be had or kept.
    pub fn get(
        &mut self,
        id: &Id,
        verb: &str,
        follow: bool,
        progress: Progress<'_>,
    ) -> Result<bool, Error> {
        self.stop();
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.mirror().clear(id);
        self.ask(&Ask::Get { id: id.as_str().to_owned(), verb: verb.to_owned(), follow })?;
        let (from, mirror) = (Arc::clone(&self.from), Arc::clone(&self.mirror));
        let mut mirror = mirror.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taking = Taking::new(Some(id.clone()));
        loop {
            match said(&self.host, &from)? {
                Message::Said(Say::Sent) if follow && taking.live => break,
                Message::Said(Say::Sent) => {}
                Message::Said(Say::Done) => return Ok(false),
                message => {
                    taking.take(&mut mirror, message, &self.host)?;
                    progress(taking.come, taking.due);
                }
            }
        }
        drop(mirror);
        let (host, mirror) = (self.host.clone(), Arc::clone(&self.mirror));
        let lost = Arc::clone(&self.lost);
        self.follower = thread("follow", move || {
            if let Err(error) = follow_on(&host, &from, &mirror, &mut taking) {
                let what = format!("{error}; what came until then is shown");
                *lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
            }
            // Whatever the reason, nobody writes it here any more.
            let mut mirror = mirror.lock().unwrap_or_else(PoisonError::into_inner);
            taking.close();
            if let Some(id) = &taking.id {
                mirror.set_live(id, false);
            }
        })
        .ok();
        Ok(self.follower.is_some())
    }

    /// Brings the ledger.
    ///
    /// # Errors
    /// When it cannot be had or kept.
    pub fn ledger(&mut self, progress: Progress<'_>) -> Result<(), Error> {
        self.stop();
        self.ask(&Ask::Ledger)?;
        let (from, mirror) = (Arc::clone(&self.from), Arc::clone(&self.mirror));
        let mut mirror = mirror.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taking = Taking::new(None);
        loop {
            match said(&self.host, &from)? {
                Message::Said(Say::Done) => return Ok(()),
                message => {
                    taking.take(&mut mirror, message, &self.host)?;
                    progress(taking.come, taking.due);
                }
            }
        }
    }

    /// Has a session ended.
    ///
    /// # Errors
    /// When it is not.
    pub fn end(&mut self, id: &Id) -> Result<(), Error> {
        self.stop();
        self.ask(&Ask::End { id: id.as_str().to_owned() })?;
        match said(&self.host, &Arc::clone(&self.from))? {
            Message::Said(Say::Done) => Ok(()),
            other => Err(self.unexpected(other)),
        }
    }

    /// Why nothing is followed any more, though nobody said so.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Follows nothing any more.
    pub fn stop(&mut self) {
        if let Some(follower) = self.follower.take() {
            if self.ask(&Ask::Stop).is_err()
                && let Some(child) = &mut self.child
            {
                let _ = child.kill();
            }
            let _ = follower.join();
        }
    }

    fn strange(&self, what: String) -> Error {
        Error::Said { host: self.host.clone(), what }
    }

    fn unexpected(&self, message: Message) -> Error {
        unexpected(&self.host, message)
    }

    fn keep(&self, source: io::Error) -> Error {
        Error::Keep { host: self.host.clone(), path: self.root.clone(), source }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop();
        drop(self.to.take());
        let Some(child) = &mut self.child else { return };
        let left = Instant::now();
        while left.elapsed() < LEAVING && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("host", &self.host).field("root", &self.root).finish()
    }
}

/// Why nothing came, by how ssh(1) ended.
fn not_there(status: Option<i32>) -> String {
    match status {
        Some(255) => "ssh did not get there; what it said is above".to_owned(),
        Some(127) => format!("`{COMMAND}` was not found there; is hrec installed?"),
        Some(status) => {
            format!("`{COMMAND}` ended there with status {status}, before it said anything")
        }
        None => "ssh was stopped before anything came".to_owned(),
    }
}

fn follow_on(
    host: &str,
    from: &Arc<Mutex<Input>>,
    mirror: &Arc<Mutex<Mirror>>,
    taking: &mut Taking,
) -> Result<(), Error> {
    loop {
        let message = said(host, from)?;
        if message == Message::Said(Say::Done) {
            return Ok(());
        }
        let mut mirror = mirror.lock().unwrap_or_else(PoisonError::into_inner);
        taking.take(&mut mirror, message, host)?;
    }
}

fn said(host: &str, from: &Arc<Mutex<Input>>) -> Result<Message, Error> {
    let mut from = from.lock().unwrap_or_else(PoisonError::into_inner);
    match reading::said(&mut *from) {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(lost(host, io::ErrorKind::UnexpectedEof.into())),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Error::Said {
            host: host.to_owned(),
            what: format!(
                "what came is nothing that a collector says ({})",
                safe_text(&error.to_string())
            ),
        }),
        Err(source) => Err(lost(host, source)),
    }
}

fn lost(host: &str, source: io::Error) -> Error {
    Error::Lost { host: host.to_owned(), source }
}

/// A thread that no signal is delivered to.
fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let _blocked = Signals::block(&NOT_OURS)?;
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
