//! The writer of one recording.
use super::{Disk, Paths, Result};
use crate::event::{Fact, Header, Micros, TermSize};
use crate::format::chain::ChainState;
use crate::format::cipher::Recipients;
use std::path::PathBuf;

/// How a recording is written.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether each append is made durable (`fdatasync`) before it counts.
    pub sync: bool,
}

/// A file of a recording, as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// Without its directory.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// What came of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The finished file.
    pub path: PathBuf,
    /// For the manifest.
    pub files: Vec<FileState>,
    /// For the manifest.
    pub chain: ChainState,
    /// Bytes of asciicast text.
    pub bytes_text: u64,
    /// Bytes of the finished file.
    pub bytes_file: u64,
}

/// The writer.
pub struct Live {}

impl Live {
    /// Creates part and first journal, and appends the header.
    pub fn create(
        paths: Paths,
        header: &Header,
        recipients: &Recipients,
        options: Options,
    ) -> Result<Self> {
        Self::create_on(Box::new(super::RealDisk), paths, header, recipients, options)
    }
    /// As [`Live::create`], on a disk of the caller's.
    pub fn create_on(
        _disk: Box<dyn Disk>,
        _paths: Paths,
        _header: &Header,
        _recipients: &Recipients,
        _options: Options,
    ) -> Result<Self> {
        unimplemented!()
    }
    /// Output.
    pub fn output(&mut self, _time: Micros, _bytes: &[u8]) -> Result<()> {
        unimplemented!()
    }
    /// Input.
    pub fn input(&mut self, _time: Micros, _bytes: &[u8]) -> Result<()> {
        unimplemented!()
    }
    /// A new size.
    pub fn resize(&mut self, _time: Micros, _size: TermSize) -> Result<()> {
        unimplemented!()
    }
    /// A marker.
    pub fn marker(&mut self, _time: Micros, _label: &str) -> Result<()> {
        unimplemented!()
    }
    /// A fact. To keep a fact with the event after it in one append, use [`Live::batch`].
    pub fn fact(&mut self, _time: Micros, _fact: &Fact) -> Result<()> {
        unimplemented!()
    }
    /// By when (session clock) [`Live::flush`] must be called; `None`: nothing is unsaved.
    pub fn due(&self) -> Option<Micros> {
        unimplemented!()
    }
    /// Appends what is unsaved; closes a frame that is due. After an error: may be called again.
    pub fn flush(&mut self, _now: Micros) -> Result<()> {
        unimplemented!()
    }
    /// Bytes held in memory because the disk has not taken them.
    pub fn backlog(&self) -> usize {
        unimplemented!()
    }
    /// The chain as of the last successful append.
    pub fn chain(&self) -> ChainState {
        unimplemented!()
    }
    /// The files as they are on the disk now.
    pub fn files(&self) -> Vec<FileState> {
        unimplemented!()
    }
    /// The paths.
    pub fn paths(&self) -> &Paths {
        unimplemented!()
    }
    /// Finishes. After an error: may be called again (with the same arguments; the exit event is written once).
    pub fn finish(&mut self, _time: Micros, _exit: Option<&str>) -> Result<Finished> {
        unimplemented!()
    }
}
