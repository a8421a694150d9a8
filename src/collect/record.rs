//! What a collector leaves its successor of each session that it holds:
//! `collect/live/ID` in the store.
//!
//! Not synced: it is for a collector that dies, and of a host that does every
//! session is over. Its invariant: it is there from before the recording's
//! first file until after its seal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::format::wire::End;
use crate::seal::manifest::Manifest;
use crate::sys::peer::{Peer, Process};
use crate::sys::sharing;

/// A session, as it is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pid: u32,
    start: u64,
    /// The run of the host in which that is so.
    pub(super) boot: String,
    /// Whose it is.
    pub(super) uid: u32,
    /// Its control group, where it is to be ended with the session.
    #[serde(default)]
    pub(super) scope: Option<String>,
    /// As it was begun.
    pub(super) manifest: Manifest,
    /// How it ended, once that is known and until it is sealed.
    #[serde(default)]
    pub(super) end: Option<End>,
}

impl Record {
    /// Of a session that begins.
    pub(super) fn new(peer: &Peer, boot: &str, manifest: Manifest) -> Self {
        Self {
            pid: peer.process.pid,
            start: peer.process.start,
            boot: boot.to_owned(),
            uid: peer.uid,
            scope: peer.scope().map(str::to_owned),
            manifest,
            end: None,
        }
    }

    /// Of one of which only the manifest is left.
    pub(super) fn of_manifest(manifest: Manifest) -> Option<Self> {
        let number = |field| manifest.who(field).and_then(serde_json::Value::as_u64);
        Some(Self {
            pid: u32::try_from(number("pid")?).ok()?,
            start: number("pid_start")?,
            boot: manifest.who("boot")?.as_str()?.to_owned(),
            uid: u32::try_from(number("uid")?).ok()?,
            scope: None,
            end: None,
            manifest,
        })
    }

    /// The process that records it.
    pub(super) fn process(&self) -> Process {
        Process { pid: self.pid, start: self.start }
    }

    /// Writes it, or replaces it.
    pub(super) fn write(&self, store: &Path) -> io::Result<()> {
        let dir = dir(store);
        let path = dir.join(&self.manifest.id);
        let draft = dir.join(format!(".{}", self.manifest.id));
        let text = serde_json::to_vec(self)?;
        match fs::write(&draft, &text) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                sharing::create_dir_all(&dir)?;
                fs::write(&draft, &text)?;
            }
            result => result?,
        }
        fs::rename(&draft, &path)
    }

    /// Removes it.
    pub(super) fn remove(&self, store: &Path) {
        let _ = fs::remove_file(dir(store).join(&self.manifest.id));
    }
}

/// All that a collector before has left, and what of it cannot be read.
pub(super) fn left(store: &Path) -> (Vec<Record>, Vec<PathBuf>) {
    let (mut records, mut bad) = (Vec::new(), Vec::new());
    let Ok(entries) = fs::read_dir(dir(store)) else { return (records, bad) };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            // It died before it could give it its name.
            let _ = fs::remove_file(&path);
            continue;
        }
        let record = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        match record {
            Some(record) => records.push(record),
            None => bad.push(path),
        }
    }
    (records, bad)
}

fn dir(store: &Path) -> PathBuf {
    store.join("collect/live")
}
