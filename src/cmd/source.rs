//! The recording that a verb was asked for, as an iterator of events.

use std::ffi::OsStr;
use std::io::BufReader;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::ask;
use super::rec::ID_VARIABLE;
use crate::cli;
use crate::config::{self, Config};
use crate::event::Event;
use crate::format::cipher::Identities;
use crate::recording::{self, Recording};
use crate::screen::safe_text;
use crate::store::{Local, Located};

/// A recording that is being read.
pub(crate) struct Source(Recording);

impl Source {
    /// Opens the recording that `rec` names, with the identities in these
    /// files or the person's own.
    pub(crate) fn open(rec: &OsStr, identity: &cli::Identity, config: &Config) -> Result<Self> {
        let identities = identities(identity, config)?;
        if rec == "-" {
            let input = Box::new(BufReader::with_capacity(1 << 16, std::io::stdin()));
            return Ok(Self(recording::open_input("standard input", input, &identities)?));
        }
        Ok(Self(recording::open(&locate(rec, config)?, &identities)?))
    }
}

/// The file that `rec` names: a path, or a recording in the store; never the
/// session that this runs in.
pub(crate) fn locate(rec: &OsStr, config: &Config) -> Result<PathBuf> {
    let own = std::env::var(ID_VARIABLE).ok();
    Ok(match Local::new(config.store()).resolve(rec, own.as_deref())? {
        Located::File(path) => path,
        // Also for an unfinished one: opening looks for its parts by this name.
        Located::Stored(entry) => entry.dir.join(entry.id + recording::SUFFIX),
    })
}

/// The identities in these files, or the person's own.
pub(crate) fn identities(identity: &cli::Identity, config: &Config) -> Result<Identities> {
    let mut identities = Identities::asking(Arc::new(ask::passphrase));
    for path in config::identity::to_read_with(&identity.files, config) {
        let name = safe_text(&path.to_string_lossy()).into_owned();
        let contents = std::fs::read(&path).with_context(|| format!("cannot read {name}"))?;
        identities.add_file(&name, &contents)?;
    }
    Ok(identities)
}

impl Deref for Source {
    type Target = Recording;

    fn deref(&self) -> &Recording {
        &self.0
    }
}

impl Iterator for Source {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        self.0.next_event().map_err(anyhow::Error::from).transpose()
    }
}
