//! The files of one recording, as the collector holds them.
//!
//! Knows nothing of connections. Its invariants: a file only grows, at its end,
//! and by bytes that were not there; what is said to be durable is; the digests
//! are of the bytes that came, in the order in which they did.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use data_encoding::HEXLOWER;
use rustix::fs::FlockOperation;
use sha2::{Digest, Sha256};

use crate::format::chain::{CHUNK, ChainState, JournalStream, PartState};
use crate::format::cipher::{self, Head};
use crate::format::wire::Ack;
use crate::recording::{Disk, Paths, RealDisk};
use crate::seal::manifest::FileDigest;

/// The part's number among a recording's files; journal `n` is `n + 1`.
const PART: u32 = 0;

/// Bytes of a part in which its header must have ended, which has 64 KiB at most,
/// and a nonce: more than that is kept of none.
const HEADER: usize = (64 << 10) + 16;

/// Journals that are kept open: the writer ends one before it begins another.
const OPEN: usize = 2;

/// Journals of one recording. One is begun for each MiB of text that is not
/// safe at once, which makes this more than a disk.
const JOURNALS: usize = 1 << 16;

/// Journals whose lengths a session is told: each takes less than 48 bytes of a
/// frame.
const NEWEST: usize = 1024;
const _: () = assert!(NEWEST * 48 < crate::format::wire::PAYLOAD);

/// Why something is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The peer does not keep to the protocol.
    #[error("{0}")]
    Peer(String),
    /// The disk refuses.
    #[error("cannot {what} the recording: {source}")]
    Disk {
        /// A verb.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl Error {
    fn disk(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { what, source }
    }
}

/// The files.
#[derive(Debug)]
pub(super) struct Held {
    paths: Paths,
    files: BTreeMap<u32, Grown>,
    part: PartChain,
    /// Files were made since the directory was synced.
    made: bool,
    /// Bytes of all, as they count for a quota.
    bytes: u64,
    finished: bool,
}

/// One of the files.
#[derive(Debug)]
struct Grown {
    file: Option<File>,
    length: u64,
    digest: Sha256,
    /// Its bytes before here are on the disk.
    durable: u64,
    journal: Option<JournalStream>,
}

/// The part's chain.
#[derive(Debug, Default)]
struct PartChain {
    /// The header, while it is not whole; afterwards it is in `head`.
    begun: Vec<u8>,
    head: Option<Vec<u8>>,
    chunks: u64,
    /// Over header and whole chunks, and over what came since.
    link: Sha256,
    running: Sha256,
    /// Bytes since the last whole chunk.
    after: u64,
}

impl Held {
    /// A recording of which nothing is there yet.
    ///
    /// # Errors
    /// When there is.
    pub(super) fn new(paths: Paths) -> Result<Self, Error> {
        for path in [paths.part(), paths.finished(), paths.manifest()] {
            if path.symlink_metadata().is_ok() {
                return Err(Error::Peer("there is a recording of this id already".to_owned()));
            }
        }
        Ok(Self::empty(paths))
    }

    fn empty(paths: Paths) -> Self {
        Self {
            paths,
            files: BTreeMap::new(),
            part: PartChain::default(),
            made: false,
            bytes: 0,
            finished: false,
        }
    }

    /// What a collector that is no more has left, all of it synced.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn found(paths: Paths) -> Result<Self, Error> {
        let mut held = Self::empty(paths);
        held.finished = held.paths.finished().symlink_metadata().is_ok();
        let part = if held.finished { held.paths.finished() } else { held.paths.part() };
        if part.symlink_metadata().is_ok() {
            held.read(PART, &part)?;
        }
        let journals = crate::recording::journal_paths(&held.paths).map_err(|error| {
            Error::Disk { what: "find", source: io::Error::other(error.to_string()) }
        })?;
        for path in journals {
            let number = path.file_name().and_then(|name| held.paths.journal_number(name));
            if let Some(number) = number.and_then(|n| u32::try_from(n).ok()?.checked_add(1)) {
                held.read(number, &path)?;
            }
        }
        held.made = true;
        held.sync()?;
        Ok(held)
    }

    fn read(&mut self, number: u32, path: &Path) -> Result<(), Error> {
        let mut file = File::open(path).map_err(Error::disk("read"))?;
        let mut grown = self.grown(number)?;
        let mut piece = vec![0; 1 << 16];
        loop {
            match file.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => self.note(&mut grown, number, piece.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::disk("read")(error)),
            }
        }
        grown.file = Some(open(path, number == PART, false).map_err(Error::disk("open"))?);
        self.files.insert(number, grown);
        self.close_others(number)
    }

    /// The state of a file that has nothing yet.
    fn grown(&mut self, number: u32) -> Result<Grown, Error> {
        let journal = match number.checked_sub(1) {
            None => None,
            Some(number) => {
                let head = self.part.head.as_deref().ok_or_else(|| {
                    Error::Peer("a journal came before the part's header".to_owned())
                })?;
                Some(JournalStream::seed(head, number.into()))
            }
        };
        Ok(Grown { file: None, length: 0, digest: Sha256::new(), durable: 0, journal })
    }

    fn note(&mut self, grown: &mut Grown, number: u32, bytes: &[u8]) {
        grown.length += bytes.len() as u64;
        grown.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        match &mut grown.journal {
            Some(journal) => journal.feed(bytes),
            None if number == PART => self.part.feed(bytes),
            None => {}
        }
    }

    /// Adds bytes to a file; what is there already is not looked at again.
    ///
    /// # Errors
    /// When they do not belong at its end, or the disk refuses.
    pub(super) fn append(&mut self, number: u32, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        if self.finished {
            return Err(Error::Peer("the recording is finished".to_owned()));
        }
        let length = self.files.get(&number).map_or(0, |grown| grown.length);
        let Some(known) = length.checked_sub(offset) else {
            let wrong = format!("bytes came for offset {offset} of a file of {length}");
            return Err(Error::Peer(wrong));
        };
        let bytes = bytes.get(usize::try_from(known).unwrap_or(usize::MAX)..).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        let mut grown = match self.files.remove(&number) {
            Some(grown) => grown,
            None if self.files.len() > JOURNALS => {
                return Err(Error::Peer("there are too many journals".to_owned()));
            }
            None => self.grown(number)?,
        };
        let done = self.write(&mut grown, number, bytes);
        self.files.insert(number, grown);
        done?;
        if self.part.begun.len() > HEADER {
            return Err(Error::Peer("the part has no header at its beginning".to_owned()));
        }
        self.close_others(number)
    }

    fn write(&mut self, grown: &mut Grown, number: u32, mut bytes: &[u8]) -> Result<(), Error> {
        if grown.file.is_none() {
            let path = self.path(number);
            let new = grown.length == 0;
            grown.file = Some(open(&path, number == PART, new).map_err(Error::disk("create"))?);
            if new {
                self.made = true;
                // What a file takes that has next to nothing in it.
                self.bytes += 4096;
            }
        }
        let Some(mut file) = grown.file.as_ref() else { return Ok(()) };
        while !bytes.is_empty() {
            match file.write(bytes) {
                Ok(0) => return Err(Error::disk("write")(io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    let (written, rest) = bytes.split_at(count.min(bytes.len()));
                    self.note(grown, number, written);
                    bytes = rest;
                    file = match grown.file.as_ref() {
                        Some(file) => file,
                        None => return Ok(()),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::disk("write")(error)),
            }
        }
        Ok(())
    }

    /// Lets go of journals that are hardly written to any more.
    fn close_others(&mut self, number: u32) -> Result<(), Error> {
        let open = |grown: &Grown| grown.file.is_some();
        let journals = self.files.iter().filter(|(n, grown)| **n != PART && open(grown));
        if journals.count() <= OPEN {
            return Ok(());
        }
        let oldest =
            self.files.iter_mut().find(|(n, grown)| **n != PART && **n != number && open(grown));
        if let Some((_, grown)) = oldest {
            grown.sync()?;
            grown.file = None;
        }
        Ok(())
    }

    fn path(&self, number: u32) -> std::path::PathBuf {
        match number.checked_sub(1) {
            None => self.paths.part(),
            Some(number) => self.paths.journal(number.into()),
        }
    }

    /// Makes all that came durable. What is so since the last time, by file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn sync(&mut self) -> Result<Vec<Ack>, Error> {
        let acks = self.sync_contents()?;
        if std::mem::take(&mut self.made) {
            self.sync_dir()?;
        }
        Ok(acks)
    }

    /// The same, but for the files' names, which somebody makes durable who has
    /// more to do in their directory: [`Held::names_are_durable`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn sync_contents(&mut self) -> Result<Vec<Ack>, Error> {
        let mut acks = Vec::new();
        for (file, grown) in &mut self.files {
            if grown.durable < grown.length {
                grown.sync()?;
                acks.push(Ack { file: *file, durable: grown.durable });
            }
        }
        Ok(acks)
    }

    /// The directory was synced by somebody else.
    pub(super) fn names_are_durable(&mut self) {
        self.made = false;
    }

    fn sync_dir(&mut self) -> Result<(), Error> {
        RealDisk.sync_dir(self.paths.dir()).map_err(|source| {
            self.made = true;
            Error::Disk { what: "sync", source }
        })
    }

    /// Whether there is something that is not durable.
    pub(super) fn is_behind(&self) -> bool {
        self.made || self.files.values().any(|grown| grown.durable < grown.length)
    }

    /// How much there is of the part and of the newest journals: as many as a
    /// frame has room for. Older ones are not added to any more.
    pub(super) fn newest(&self) -> Vec<Ack> {
        let mut files = self.lengths();
        let journals = usize::from(files.first().is_some_and(|ack| ack.file == PART));
        let older = files.len().saturating_sub(journals + NEWEST);
        files.drain(journals..journals + older);
        files
    }

    /// How much there is of each file.
    fn lengths(&self) -> Vec<Ack> {
        self.files.iter().map(|(file, grown)| Ack { file: *file, durable: grown.length }).collect()
    }

    /// Whether the part has a finished recording's name.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    /// What all files take together.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The recording's paths.
    pub(super) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Whether there is the beginning of a recording that can be opened: the
    /// part's header, and a record of the first journal.
    pub(super) fn is_begun(&self) -> bool {
        let record = |grown: &Grown| {
            grown.journal.as_ref().is_some_and(|journal| journal.state().records > 0)
        };
        self.part.head.is_some() && self.files.values().any(record)
    }

    /// Gives the part its name as a finished recording; whoever writes the
    /// manifest makes that durable with it. May be called again. Its bytes.
    ///
    /// # Errors
    /// When the disk refuses; or there is no part.
    pub(super) fn finish(&mut self) -> Result<u64, Error> {
        let Some(part) = self.files.get_mut(&PART) else {
            return Err(Error::Peer("there is nothing to be finished".to_owned()));
        };
        let bytes = part.length;
        part.sync()?;
        if !self.finished {
            let (from, to) = (self.paths.part(), self.paths.finished());
            RealDisk.rename(&from, &to).map_err(Error::disk("rename"))?;
            self.finished = true;
        }
        Ok(bytes)
    }

    /// Removes the journals of a finished recording, whose name and manifest are
    /// durable: all that is in them is in it. One that stays is ignored beside
    /// it.
    pub(super) fn remove_journals(&mut self) {
        let numbers: Vec<u32> = self.files.keys().copied().filter(|n| *n != PART).collect();
        for number in numbers {
            let _ = RealDisk.unlink(&self.path(number));
            self.files.remove(&number);
        }
    }

    /// Removes all there is of a recording that has not begun.
    pub(super) fn discard(self) {
        for number in self.files.keys() {
            let _ = RealDisk.unlink(&self.path(*number));
        }
    }

    /// For the manifest.
    pub(super) fn digests(&self) -> Vec<FileDigest> {
        let name = |number| match number {
            PART if self.finished => self.paths.finished(),
            number => self.path(number),
        };
        let digest = |(number, grown): (&u32, &Grown)| FileDigest {
            name: name(*number).file_name().unwrap_or_default().to_string_lossy().into_owned(),
            size: grown.length,
            sha256: HEXLOWER.encode(&grown.digest.clone().finalize()),
        };
        let part_only = |number: &u32| !self.finished || *number == PART;
        self.files.iter().filter(|(number, _)| part_only(number)).map(digest).collect()
    }

    /// For the manifest and the ledger.
    pub(super) fn chain(&self) -> Option<ChainState> {
        let part = self.part.state()?;
        let states = self.files.values().filter_map(|grown| Some(grown.journal.as_ref()?.state()));
        let newest = states.filter(|state| state.records > 0).max_by_key(|state| state.number);
        Some(ChainState { part, journal: newest })
    }
}

impl Grown {
    fn sync(&mut self) -> Result<(), Error> {
        if let Some(file) = self.file.as_ref().filter(|_| self.durable < self.length) {
            file.sync_data().map_err(Error::disk("sync"))?;
            self.durable = self.length;
        }
        Ok(())
    }
}

impl PartChain {
    fn feed(&mut self, mut bytes: &[u8]) {
        if self.head.is_none() {
            self.begun.extend_from_slice(bytes);
            let Ok(head) = Head::read(&mut self.begun.as_slice()) else { return };
            let begun = std::mem::take(&mut self.begun);
            let head = head.bytes().to_vec();
            self.running = Sha256::new_with_prefix(&head);
            self.link = self.running.clone();
            let after = begun.get(head.len()..).unwrap_or_default();
            self.head = Some(head);
            return self.feed(after);
        }
        while !bytes.is_empty() {
            let room = usize::try_from(CHUNK - self.after).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.running.update(now);
            self.after += now.len() as u64;
            bytes = rest;
            if self.after == CHUNK {
                self.link = self.running.clone();
                self.chunks += 1;
                self.after = 0;
            }
        }
    }

    fn state(&self) -> Option<PartState> {
        self.head.as_ref()?;
        let sha256 = HEXLOWER.encode(&self.link.clone().finalize());
        Some(PartState { chunks: self.chunks, sha256 })
    }
}

/// Opens a file for appending; a part is locked, as a sign that it is live.
fn open(path: &Path, lock: bool, new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.append(true).read(true).create_new(new).mode(0o600).open(path)?;
    if lock {
        // A reader that just looks has it for a moment, with the shared lock.
        for _ in 0..100 {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                _ => break,
            }
        }
    }
    Ok(file)
}

/// The longest header that is waited for.
const _: () = assert!(cipher::SEALED_CHUNK as u64 == CHUNK);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Header;
    use crate::recording::Id;
    use crate::recording::live::{Live, Options};
    use crate::seal::chain;

    const ID: &str = "20261121T141503.123Z-ann-db1-AAAAAAAA";

    /// A recording's files as a session writes them.
    fn session(dir: &Path) -> (Vec<u8>, Vec<u8>) {
        let mut recipients = crate::format::cipher::Recipients::new();
        recipients.add("age1xpzpz2rf9wygmdkcqj7kgc9rdnd3znjchdzj6g3cgyr9jkxy2d8qfcn4ll").ok();
        let key = age::x25519::Identity::generate().to_public().to_string();
        recipients.add(&key).unwrap();
        let paths = Paths::at(&dir.join("x"));
        let header = Header { size: crate::event::TermSize::DEFAULT, ..Header::default() };
        let options = Options { sync: false };
        let mut live = Live::create(paths.clone(), &header, &recipients, options).unwrap();
        let mut bytes = vec![0; 1 << 19];
        rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut bytes);
        live.output(1, &bytes).unwrap();
        live.flush(1).unwrap();
        live.output(2, b"more").unwrap();
        live.flush(2).unwrap();
        (std::fs::read(paths.part()).unwrap(), std::fs::read(paths.journal(0)).unwrap())
    }

    #[test]
    fn the_chain_is_that_of_the_files_however_they_come() {
        let dir = tempfile::tempdir().unwrap();
        let (part, journal) = session(dir.path());
        let want = chain::compute(part.as_slice(), [(0, journal.as_slice())]).unwrap();
        assert!(want.part.chunks > 2 && want.journal.as_ref().unwrap().records > 1);
        for (name, most) in [("B", 7), ("C", 65_536), ("D", usize::MAX)] {
            let id = Id::parse(&ID.replace("AAAAAAAA", &name.repeat(8))).unwrap();
            let paths = Paths::in_dir(dir.path(), &id);
            let mut held = Held::new(paths.clone()).unwrap();
            for (number, bytes) in [(0, &part), (1, &journal)] {
                let mut offset = 0;
                for piece in bytes.chunks(most.min(bytes.len())) {
                    held.append(number, offset, piece).unwrap();
                    offset += piece.len() as u64;
                }
            }
            assert!(held.is_begun() && held.is_behind());
            let acks = held.sync().unwrap();
            assert_eq!(acks, held.lengths());
            assert!(!held.is_behind() && held.sync().unwrap().is_empty());
            assert_eq!(held.chain().as_ref(), Some(&want), "in pieces of {most}");
            let digests = held.digests();
            drop(held);
            let found = Held::found(paths.clone()).unwrap();
            assert_eq!(
                (found.chain(), found.digests(), found.lengths()),
                (Some(want.clone()), digests, acks)
            );
            assert!(Held::new(paths).is_err());
        }
    }

    #[test]
    fn only_the_end_of_a_file_takes_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (part, journal) = session(dir.path());
        let paths = Paths::in_dir(dir.path(), &Id::parse(ID).unwrap());
        let mut held = Held::new(paths.clone()).unwrap();
        assert!(matches!(held.append(1, 0, &journal), Err(Error::Peer(_))), "before the header");
        held.append(0, 0, &part[..1000]).unwrap();
        assert!(matches!(held.append(0, 1001, b"x"), Err(Error::Peer(_))), "a gap");
        // Sent again, and other than it was: what is there stays.
        held.append(0, 500, &[0; 400]).unwrap();
        held.append(0, 900, &part[900..2000]).unwrap();
        assert_eq!(std::fs::read(paths.part()).unwrap(), part[..2000]);
        assert!(matches!(held.append(0, u64::MAX, b"x"), Err(Error::Peer(_))));
        assert!(!held.is_begun());
        held.append(1, 0, &journal[..30]).unwrap();
        assert!(!held.is_begun());
        held.append(1, 30, &journal[30..]).unwrap();
        assert!(held.is_begun());
        held.append(0, 2000, &part[2000..]).unwrap();
        assert_eq!(held.finish().unwrap(), part.len() as u64);
        assert_eq!(held.finish().unwrap(), part.len() as u64);
        assert!(matches!(held.append(0, part.len() as u64, b"x"), Err(Error::Peer(_))));
        assert_eq!(held.digests().len(), 1);
        assert!(held.chain().unwrap().journal.is_some());
        held.remove_journals();
        assert!(!paths.part().exists() && !paths.journal(0).exists());
        assert_eq!(std::fs::read(paths.finished()).unwrap(), part);
    }

    #[test]
    fn what_has_not_begun_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (part, journal) = session(dir.path());
        let before = std::fs::read_dir(dir.path()).unwrap().count();
        let mut held = Held::new(Paths::in_dir(dir.path(), &Id::parse(ID).unwrap())).unwrap();
        held.append(0, 0, &part).unwrap();
        for number in 1..9 {
            held.append(number, 0, &journal).unwrap();
        }
        assert!(held.files.values().filter(|grown| grown.file.is_some()).count() <= OPEN + 1);
        held.append(1, journal.len() as u64, b"more").unwrap();
        assert_eq!(held.newest(), held.lengths());
        held.discard();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), before);
    }
}
