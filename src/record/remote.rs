//! A collector as the disk of a recording that is made.
//!
//! Knows nothing of frames and journals beyond their files' names. Its
//! invariant: what is said to be synced, the collector has said is durable;
//! names and removals are its own affair.

use std::io;
use std::path::Path;

use crate::recording::{Disk, DiskFile, Paths};
use crate::store::collector::Client;

/// The collector, for the files of one recording.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    paths: Paths,
}

impl Remote {
    /// The files at these paths, which are names only.
    #[must_use]
    pub fn new(client: Client, paths: Paths) -> Self {
        Self { client, paths }
    }

    /// The file's number in the protocol.
    fn number(&self, path: &Path) -> Option<u32> {
        if path == self.paths.part() {
            return Some(0);
        }
        let journal = self.paths.journal_number(path.file_name()?)?;
        u32::try_from(journal).ok()?.checked_add(1)
    }
}

impl Disk for Remote {
    fn create(&mut self, path: &Path, _lock: bool) -> io::Result<Box<dyn DiskFile>> {
        let number = self.number(path);
        let number = number.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
        Ok(Box::new(RemoteFile { client: self.client.share(), number }))
    }

    /// The collector does that when the session has ended.
    fn rename(&mut self, _from: &Path, _to: &Path) -> io::Result<()> {
        Ok(())
    }

    /// And this: until then it removes nothing on a session's word.
    fn unlink(&mut self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&mut self, _dir: &Path) -> io::Result<()> {
        Ok(self.client.sync()?)
    }
}

struct RemoteFile {
    client: Client,
    number: u32,
}

impl DiskFile for RemoteFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.client.append(self.number, bytes)?;
        Ok(bytes.len())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(self.client.sync()?)
    }

    fn has_name(&self) -> io::Result<()> {
        Ok(())
    }
}
