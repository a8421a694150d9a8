//! A file's bytes from any place in them, in the clear or in age.
//!
//! Knows nothing of what they are. Its invariant: readers of one payload are
//! independent of each other, and none opens the file anew: it may have been
//! renamed since.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;

use super::open::Torn;
use crate::format::cipher::{self, ChunkReader, FileKey, Head, NONCE};

/// What can be read from any place.
pub(super) trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// A file, read with `pread(2)`.
#[derive(Clone)]
struct FileAt {
    file: Arc<File>,
    at: u64,
}

impl Read for FileAt {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(out, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for FileAt {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.at = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// The bytes of a file, or of the age file that it is.
#[derive(Clone)]
pub(super) struct Payload {
    file: FileAt,
    /// The key it is spooled under.
    spool: Option<Arc<(FileKey, [u8; NONCE])>>,
    age: Option<Arc<(Head, FileKey)>>,
}

impl Payload {
    /// The file's own bytes.
    pub(super) fn plain(file: File) -> Self {
        Self { file: FileAt { file: Arc::new(file), at: 0 }, spool: None, age: None }
    }

    /// What `input` gives until its end, kept in a file without a name. What
    /// was decrypted on the way here must not reach a disk in the clear, so
    /// the file is encrypted, under a key that only this value has.
    pub(super) fn spooled(input: &mut impl Read) -> io::Result<Self> {
        let (key, nonce) = (FileKey::random(), cipher::nonce());
        let dir = std::env::temp_dir();
        let name = format!(".hrec-{:016x}", rand::random::<u64>());
        let path = dir.join(name);
        let mut file =
            File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        let mut writer = key.writer(&nonce);
        let (mut bytes, mut sealed) = (vec![0; cipher::CHUNK], Vec::new());
        loop {
            let count = match input.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count?,
            };
            writer.write(bytes.get(..count).unwrap_or_default(), &mut sealed);
            if count == 0 {
                writer.finish(&mut sealed);
            }
            file.write_all(&sealed)?;
            sealed.clear();
            if count == 0 {
                break;
            }
        }
        Ok(Self { spool: Some(Arc::new((key, nonce))), ..Self::plain(file) })
    }

    /// The head of the age file that this is.
    pub(super) fn head(&self) -> Result<Head, cipher::Error> {
        Head::read(&mut BufReader::new(self.open(0)?))
    }

    /// The payload of the age file that has this head and key.
    pub(super) fn under(mut self, age: Arc<(Head, FileKey)>) -> Self {
        self.age = Some(age);
        self
    }

    pub(super) fn file(&self) -> &File {
        &self.file.file
    }

    pub(super) fn key(&self) -> Option<&FileKey> {
        self.age.as_deref().map(|(_, key)| key)
    }

    /// The bytes from `at` on.
    pub(super) fn open(&self, at: u64) -> io::Result<Input> {
        let mut input: Box<dyn ReadSeek> = match self.spool.as_deref() {
            None => Box::new(self.file.clone()),
            Some((key, nonce)) => Box::new(key.reader(nonce, self.file.clone())),
        };
        let Some((head, key)) = self.age.as_deref() else {
            input.seek(SeekFrom::Start(at))?;
            return Ok(Input::Plain(input));
        };
        input.seek(SeekFrom::Start(head.bytes().len() as u64))?;
        let mut reader = head.reader(key, input);
        if at > 0 {
            reader.seek(SeekFrom::Start(at))?;
        }
        Ok(Input::Sealed(reader))
    }
}

/// Reads a [`Payload`].
pub(super) enum Input {
    Plain(Box<dyn ReadSeek>),
    Sealed(ChunkReader<Box<dyn ReadSeek>>),
}

impl Torn for Input {
    fn torn(&self) -> bool {
        matches!(self, Self::Sealed(reader) if reader.torn())
    }
}

impl Read for Input {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(out),
            Self::Sealed(input) => input.read(out),
        }
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Plain(input) => input.seek(to),
            Self::Sealed(input) => input.seek(to),
        }
    }
}
