//! What can go wrong with a recording.

use std::io;
use std::path::Path;

use crate::format::cipher;
use crate::screen::safe_text;

/// An error of a recording: fact, then remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed on a file.
    #[error("cannot {what} {path}: {source}{}", remedy(.source))]
    Io {
        /// A verb: "create", "write".
        what: &'static str,
        /// The file, escaped for a terminal.
        path: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Encryption or decryption failed.
    #[error("{path}: {source}")]
    Cipher {
        /// The file, escaped for a terminal.
        path: String,
        /// Why.
        source: cipher::Error,
    },
    /// What is inside is no recording.
    #[error("{path}: {source}")]
    Format {
        /// The file, escaped for a terminal.
        path: String,
        /// Why.
        source: crate::format::Error,
    },
    /// Compression failed: only for want of memory.
    #[error("cannot compress the recording: {0}")]
    Compress(io::Error),
    /// Its writer died between creating the part and writing its header.
    #[error(
        "{path}: hrec was stopped before it started the program; nothing was recorded, and the \
         file can be removed"
    )]
    NotBegun {
        /// The file, escaped for a terminal.
        path: String,
    },
    /// Only an interrupted recording can be recovered.
    #[error("{path}: the recording is {what}; there is nothing to recover")]
    NotInterrupted {
        /// The file, escaped for a terminal.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// A writer was used after its recording had been finished.
    #[error("{path}: the recording is finished already")]
    Finished {
        /// The file, escaped for a terminal.
        path: String,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: shown(path), source }
    }

    /// Whether no identity was the right one; then who could open it, as far as
    /// the file's header says.
    #[must_use]
    pub fn no_match(&self) -> bool {
        matches!(self, Self::Cipher { source: cipher::Error::NoMatch { .. }, .. })
    }

    /// The system's error number, when this came from the system.
    #[must_use]
    pub fn os_error(&self) -> Option<i32> {
        match self {
            Self::Io { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

pub(super) fn shown(path: &Path) -> String {
    safe_text(&path.to_string_lossy()).into_owned()
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "; free space there, or set store.path to another disk",
        io::ErrorKind::QuotaExceeded => "; free some of your quota, or ask for more",
        io::ErrorKind::PermissionDenied => "; check who owns that directory, and its mode",
        io::ErrorKind::ReadOnlyFilesystem => "; set store.path to a place that can be written",
        io::ErrorKind::AlreadyExists => "; remove it, or choose another name",
        _ => "",
    }
}
