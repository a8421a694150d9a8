//! The recording that a verb was asked for, as events, with what there is to
//! say about it at the end.

use std::ffi::OsStr;
use std::fs::File;
use std::io::BufReader;

use anyhow::{Context, Result};

use crate::cli;
use crate::config::{self, Config};
use crate::event::{Event, Header};
use crate::format::asciicast::{self, Reader};
use crate::format::cipher::Identities;
use crate::format::detect::{self, Stream, open_stream};
use crate::screen::safe_text;

/// A recording that is being read.
///
/// A line in its middle that is no event is passed over and counted: what is
/// whole on either side of it is still wanted.
pub(crate) struct Source {
    reader: Reader<Stream>,
    damaged: u64,
    first_damage: Option<String>,
}

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
        let shown = safe_text(&rec.to_string_lossy()).into_owned();
        let stream: Stream = if rec == "-" {
            Box::new(BufReader::with_capacity(1 << 16, std::io::stdin()))
        } else {
            let file = File::open(rec).with_context(|| format!("cannot open {shown}"))?;
            Box::new(BufReader::with_capacity(1 << 16, file))
        };
        let opened = open_stream(stream, |stream| {
            detect::decrypt(stream, &identities).map_err(crate::format::Error::from)
        })
        .with_context(|| format!("cannot open {shown}"))?;
        Ok(Self { reader: opened.reader, damaged: 0, first_damage: None })
    }

    /// What the recording says of itself.
    pub(crate) fn header(&self) -> &Header {
        self.reader.header()
    }

    /// Whether lines were passed over.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged > 0
    }

    /// After the end: what is missing, one sentence each.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(first) = &self.first_damage {
            remarks.push(match self.damaged {
                1 => format!("{first}; it was passed over"),
                n => format!("{first}; it and {} more were passed over", n - 1),
            });
        }
        remarks.extend(self.reader.torn().map(str::to_owned));
        remarks
    }
}

impl Iterator for Source {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        loop {
            return match self.reader.next_event() {
                Ok(event) => event.map(Ok),
                Err(error @ asciicast::Error::Malformed { .. }) => {
                    self.damaged += 1;
                    self.first_damage.get_or_insert_with(|| error.to_string());
                    continue;
                }
                Err(error) => Some(Err(error.into())),
            };
        }
    }
}
