//! The first steps of a recording on the store, within a time limit.
//!
//! Its invariant: where the recording cannot be begun, nothing of it is left,
//! and a store that does not answer keeps nobody waiting for ever.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::clerk::Told;
use super::start;
use crate::cmd::ledger::Access;
use crate::event::Header;
use crate::format::cipher::Recipients;
use crate::recording::live::{Live, Options, Screen};
use crate::recording::{Id, Paths};
use crate::screen::safe_text;
use crate::seal::manifest::Manifest;
use crate::store::Local;
use crate::sys::memory;

/// How long the store may take to take a new recording: longer than a disk
/// takes to wake from sleep.
const LIMIT: Duration = Duration::from_secs(10);

/// A recording that is to be begun.
pub struct Begin {
    /// The finished recording, where it is not the store's to say.
    pub output: Option<PathBuf>,
    /// The store's directory.
    pub store: PathBuf,
    /// `store.min_free`, in bytes.
    pub min_free: u64,
    /// `store.quota_user`, in bytes; 0 for none.
    pub quota: u64,
    /// Whose quota.
    pub uid: u32,
    /// The recording's id.
    pub id: Id,
    /// Its header.
    pub header: Header,
    /// Whom it is for.
    pub recipients: Recipients,
    /// `record.sync`.
    pub sync: bool,
    /// Its manifest.
    pub manifest: Manifest,
    /// The store's ledger, where the recording is the store's.
    pub ledger: Option<Access>,
    /// Whether a ledger that cannot be written is a store that cannot.
    pub strict: bool,
}

/// One that has been.
pub struct Begun {
    /// Where the events go.
    pub live: Live,
    /// As it was written.
    pub manifest: Manifest,
    /// Where.
    pub path: PathBuf,
    /// What the ledger was told of it.
    pub told: Option<(Access, Told)>,
}

impl Begin {
    /// Creates the recording's files.
    ///
    /// # Errors
    /// When the store refuses, or does not answer.
    pub fn within_limit(self) -> Result<Begun> {
        let (ledger, strict) = (self.ledger.clone(), self.strict);
        let place = self.output.clone().unwrap_or_else(|| self.store.clone());
        let (result, begun) = mpsc::channel();
        std::thread::Builder::new()
            .name("begin".to_owned())
            .spawn(move || {
                // What read arguments, settings and keys is most of what is
                // mapped by now, and little of it is needed again.
                memory::let_go_of_code();
                if let Err(mpsc::SendError(Ok(late))) = result.send(self.create()) {
                    let late: Files = late;
                    late.abandon();
                }
            })
            .context("cannot start a thread")?;
        let files = begun.recv_timeout(LIMIT).unwrap_or_else(|_| {
            let seconds = LIMIT.as_secs();
            Err(anyhow!("{} has not answered for {seconds} seconds", place.display()))
        })?;
        // Last of all: what the ledger says has started is there.
        let Some(access) = ledger else { return Ok(files.begun(None)) };
        match start::tell(&access, &files.manifest, Some(files.live.chain()), strict) {
            Ok(told) => Ok(files.begun(Some((access, told)))),
            Err(error) => {
                files.abandon();
                Err(error)
            }
        }
    }

    fn create(self) -> Result<Files> {
        let paths = match &self.output {
            Some(file) if file.is_dir() => {
                anyhow::bail!("{} is a directory; name a file in it", file.display())
            }
            Some(file) => {
                named(file)?;
                Paths::at(file)
            }
            None => {
                let store = Local::new(self.store.clone());
                let dir = store.day(self.id.date())?;
                store.admit(self.min_free, self.quota, self.uid)?;
                Paths::in_dir(&dir, &self.id)
            }
        };
        let path = paths.manifest();
        anyhow::ensure!(
            path.symlink_metadata().is_err(),
            "{} is there already; choose another name for the recording",
            safe_text(&path.to_string_lossy())
        );
        let options = Options { sync: self.sync };
        let mut live = Live::create(paths, &self.header, &self.recipients, options)?;
        live.follow(Box::new(Screen::new(self.header.size)));
        // Its files grow from here on: a digest in the manifest would be wrong
        // at once.
        let written = self.manifest.write(&path, self.sync);
        let files = Files { live, manifest: self.manifest, path };
        match written {
            Ok(()) => Ok(files),
            Err(error) => {
                files.abandon();
                Err(error.into())
            }
        }
    }
}

/// The files of a recording that is begun.
struct Files {
    live: Live,
    manifest: Manifest,
    path: PathBuf,
}

impl Files {
    fn abandon(self) {
        self.live.abandon();
        let _ = std::fs::remove_file(&self.path);
    }

    fn begun(self, told: Option<(Access, Told)>) -> Begun {
        Begun { live: self.live, manifest: self.manifest, path: self.path, told }
    }
}

/// Whether a recording can have this name.
fn named(file: &Path) -> Result<()> {
    let bytes = file.as_os_str().as_bytes();
    let shown = file.to_string_lossy();
    let shown = safe_text(&shown);
    anyhow::ensure!(
        !bytes.ends_with(b"/") && !bytes.ends_with(b"/."),
        "{shown} names a directory; name a file in it"
    );
    // Its manifest names it, in JSON, and would name another file.
    anyhow::ensure!(
        file.file_name().is_some_and(|name| name.to_str().is_some()),
        "{shown} is no UTF-8, and the recording's manifest must have its name; choose another"
    );
    Ok(())
}
