//! The recording that a verb was asked for, as an iterator of events.

use std::ffi::OsStr;
use std::io::BufReader;
use std::ops::Deref;

use anyhow::Result;

use super::far::Far;
use super::ledger;
use super::place::{Place, identities};
use crate::cli;
use crate::config::Config;
use crate::event::Event;
use crate::format::cipher::Identities;
use crate::recording::{self, Recording};

/// A recording that is being read.
pub(crate) struct Source {
    recording: Recording,
    /// What it is read from, where that is a copy.
    _far: Option<Far>,
}

impl Source {
    /// Opens the recording that `rec` names, with the identities in these
    /// files or the person's own, for this verb to show: which is noted where
    /// the configuration says so.
    pub(crate) fn open(
        verb: &'static str,
        rec: &OsStr,
        identity: &cli::Identity,
        config: &Config,
    ) -> Result<Self> {
        let identities = identities(identity, config)?;
        if rec == "-" {
            let input = Box::new(BufReader::with_capacity(1 << 16, std::io::stdin()));
            let source = recording::open_input("standard input", input, &identities)?;
            ledger::view_of(config, verb, source.header())?;
            return Ok(Self { recording: source, _far: None });
        }
        let far = Far::of(rec, config, verb)?;
        let (config, rec) = match &far {
            Some(far) => (far.config(), far.bring(verb == "play")?),
            None => (config, rec.to_owned()),
        };
        let place = Place::find(&rec, config)?;
        let source = Self::open_place(&place, &identities)?;
        ledger::view(config, verb, &place)?;
        Ok(Self { _far: far, ..source })
    }

    /// Opens the recording at `place`.
    pub(crate) fn open_place(place: &Place, identities: &Identities) -> Result<Self> {
        let recording = recording::open(&place.path, identities);
        let recording = recording.map_err(|error| place.explain(error))?;
        Ok(Self { recording, _far: None })
    }
}

impl Deref for Source {
    type Target = Recording;

    fn deref(&self) -> &Recording {
        &self.recording
    }
}

impl Iterator for Source {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        self.recording.next_event().map_err(anyhow::Error::from).transpose()
    }
}
