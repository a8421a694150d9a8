//! For tests: a disk that fails as it is told to, and recordings on it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use age::secrecy::ExposeSecret;

use super::{Disk, DiskFile, RealDisk, State, open};
use crate::event::{Data, Event, Header, TermSize};
use crate::format::cipher::{Identities, Recipients};

/// A key pair.
pub(crate) fn keys() -> (Recipients, Identities) {
    let identity = age::x25519::Identity::generate();
    let mut recipients = Recipients::new();
    recipients.add(&identity.to_public().to_string()).unwrap();
    let mut identities = Identities::new();
    identities.add_file("key", identity.to_string().expose_secret().as_bytes()).unwrap();
    (recipients, identities)
}

/// The header of a recording of ours.
pub(crate) fn header() -> Header {
    let mut header = Header { size: TermSize::clamped(80, 24), ..Header::default() };
    header.hrec = Some(serde_json::Map::new());
    header
}

/// What a recording holds.
pub(crate) struct Read {
    pub(crate) output: Vec<u8>,
    pub(crate) events: Vec<Event>,
    pub(crate) state: State,
    pub(crate) remarks: Vec<String>,
}

/// Reads all of a recording.
pub(crate) fn read(path: &Path, identities: &Identities) -> Read {
    let mut recording = open(path, identities).unwrap();
    let (mut output, mut events) = (Vec::new(), Vec::new());
    while let Some(event) = recording.next_event().unwrap() {
        if let Data::Output(bytes) = &event.data {
            output.extend_from_slice(bytes);
        }
        events.push(event);
    }
    Read { output, events, state: recording.state(), remarks: recording.remarks() }
}

/// Bytes that hardly compress, so that chunks fill.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut x = seed | 1;
    (0..length)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 32) as u8
        })
        .collect()
}

/// A disk that fails at the n-th call, in a given way.
#[derive(Clone)]
pub(crate) struct Faulty(Arc<Mutex<Plan>>);

struct Plan {
    calls: usize,
    fail_at: usize,
    /// How many calls fail in a row.
    fails: usize,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Errno(i32),
    Short,
    /// Half is written, then the error.
    ShortThen(i32),
    /// Nothing is done from here on: the process was killed.
    Kill,
}

impl Faulty {
    /// From call `fail_at` on, `fails` calls in a row meet the fault.
    pub(crate) fn new(fault: Fault, fail_at: usize, fails: usize) -> Self {
        Self(Arc::new(Mutex::new(Plan { calls: 0, fail_at, fails, fault })))
    }

    /// A good disk, which only counts.
    pub(crate) fn never() -> Self {
        Self::new(Fault::Kill, usize::MAX, 0)
    }

    /// From now on every call meets the fault, or none does.
    pub(crate) fn fail_from_now(&self, fault: Fault, on: bool) {
        let mut plan = self.0.lock().unwrap();
        plan.fault = fault;
        plan.fail_at = if on { plan.calls } else { usize::MAX };
        plan.fails = usize::MAX;
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// The fault that this call meets, and whether it is the first to.
    fn fault(&self) -> Option<(Fault, bool)> {
        let mut plan = self.0.lock().unwrap();
        plan.calls += 1;
        let from = plan.fail_at;
        let hit = match plan.fault {
            Fault::Kill => plan.calls > from,
            _ => plan.calls > from && plan.calls - from <= plan.fails,
        };
        hit.then_some((plan.fault, plan.calls - 1 == from))
    }

    fn whole(&self) -> io::Result<()> {
        match self.fault() {
            Some((Fault::Errno(errno) | Fault::ShortThen(errno), _)) => {
                Err(io::Error::from_raw_os_error(errno))
            }
            Some((Fault::Kill, _)) => Err(io::Error::other("killed")),
            Some((Fault::Short, _)) | None => Ok(()),
        }
    }
}

struct FaultyFile(Faulty, Box<dyn DiskFile>);

impl DiskFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let half = bytes.len().div_ceil(2);
        match self.0.fault() {
            None => self.1.write(bytes),
            Some((Fault::Short, _) | (Fault::ShortThen(_), true)) => self.1.write(&bytes[..half]),
            Some((Fault::Kill, true)) => {
                // The write that was under way got half to the disk.
                self.1.write(&bytes[..half])?;
                Err(io::Error::other("killed"))
            }
            Some((Fault::Kill, false)) => Err(io::Error::other("killed")),
            Some((Fault::Errno(errno) | Fault::ShortThen(errno), _)) => {
                Err(io::Error::from_raw_os_error(errno))
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.whole()
    }

    fn has_name(&self) -> io::Result<()> {
        self.1.has_name()
    }
}

impl Disk for Faulty {
    fn create(&mut self, path: &Path, lock: bool) -> io::Result<Box<dyn DiskFile>> {
        self.whole()?;
        Ok(Box::new(FaultyFile(self.clone(), RealDisk.create(path, lock)?)))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole()?;
        RealDisk.rename(from, to)
    }

    fn unlink(&mut self, path: &Path) -> io::Result<()> {
        self.whole()?;
        RealDisk.unlink(path)
    }

    fn sync_dir(&mut self, _: &Path) -> io::Result<()> {
        self.whole()
    }
}
