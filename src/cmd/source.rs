//! The recording that a verb was asked for, as an iterator of events.

use std::ffi::OsStr;
use std::io::BufReader;
use std::ops::Deref;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cli;
use crate::config::{self, Config};
use crate::event::Event;
use crate::format::cipher::Identities;
use crate::recording::{self, Recording};
use crate::screen::safe_text;

/// A recording that is being read.
pub(crate) struct Source(Recording);

impl Source {
    /// Opens the recording that `rec` names, with the identities in these
    /// files or the person's own.
    pub(crate) fn open(rec: &OsStr, identity: &cli::Identity, config: &Config) -> Result<Self> {
        let mut identities = Identities::new();
        for path in config::identity::to_read_with(&identity.files, config) {
            let name = safe_text(&path.to_string_lossy()).into_owned();
            let contents = std::fs::read(&path).with_context(|| format!("cannot read {name}"))?;
            identities.add_file(&name, &contents)?;
        }
        if rec == "-" {
            let input = Box::new(BufReader::with_capacity(1 << 16, std::io::stdin()));
            return Ok(Self(recording::open_input("standard input", input, &identities)?));
        }
        Ok(Self(recording::open(Path::new(rec), &identities)?))
    }
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
