//! Recordings of another host's store, checked here: brought one after the
//! other, so that there is room for any store, and with its ledger at the end.
//!
//! Its invariant: what could not be brought is not said to be wrong, but not to
//! have been checked.

use anyhow::{Result, bail};

use super::{Report, told};
use crate::cli;
use crate::cmd::far::Far;
use crate::cmd::place::Place;
use crate::config::Config;
use crate::format::id::Id;
use crate::seal::finding::{Class, Finding};
use crate::seal::manifest::State;
use crate::store::Local;
use crate::store::remote::SCHEME;

/// What is to be checked there.
pub(super) struct Distant {
    far: Far,
    /// All of it, or these.
    ids: Option<Vec<Id>>,
    /// Whether each is kept until the end: their content is looked at too.
    keeps: bool,
}

impl Distant {
    /// What the arguments name; `None` where that is nothing elsewhere.
    ///
    /// # Errors
    /// When there is no way there, or something else is named beside it.
    pub(super) fn of(args: &cli::Verify, config: &Config) -> Result<Option<Self>> {
        let is_far = |rec: &std::ffi::OsString| rec.to_string_lossy().starts_with(SCHEME);
        if !args.recs.iter().any(is_far) {
            if args.all && !args.recs.is_empty() {
                bail!("--all is every recording; beside it only ssh://BASTION/ can be named");
            }
            return Ok(None);
        }
        let [rec] = args.recs.as_slice() else {
            bail!("one recording of a bastion at a time, or all of it with ssh://BASTION/");
        };
        let Some(far) = Far::of(rec, config, "verify")? else { return Ok(None) };
        if args.all && far.rec().is_some() {
            bail!("--all is every recording: name the bastion alone, ssh://BASTION/");
        }
        let ids = far.rec().map(|_| far.id(false)).transpose()?.map(|id| vec![id]);
        Ok(Some(Self { far, ids, keeps: !args.identity.is_empty() }))
    }

    /// Looks at them.
    ///
    /// # Errors
    /// When the list of them, or the ledger, cannot be had.
    pub(super) fn look(&self, args: &cli::Verify) -> Result<told::Summary> {
        let config = self.far.config();
        let places = match &self.ids {
            Some(ids) => {
                let dir = |id: &Id| {
                    let (year, month, day) = id.date();
                    config.store().join("recordings").join(year).join(month).join(day)
                };
                let place = |id: &Id| Place::at(&dir(id).join(format!("{id}.cast.zst.age")));
                ids.iter().map(|id| (place(id), true)).collect()
            }
            None => {
                self.far.look()?;
                let entries = Local::new(config.store()).list()?;
                entries.iter().map(|entry| (Place::stored(entry), true)).collect::<Vec<_>>()
            }
        };
        let args = cli::Verify { all: self.ids.is_none(), ..args.clone() };
        super::look(&args, config, &places, Some(self))
    }

    /// Brings a recording, checks it, and lets go of what is not needed any
    /// more.
    pub(super) fn around(&self, place: &Place, check: impl Fn() -> Report) -> Report {
        let id = place.id();
        let brought = Id::parse(&id).ok_or_else(|| anyhow::anyhow!("it has no id"));
        let brought = brought.and_then(|id| self.far.bring_one(&id, false, &mut self.far.told()));
        let mut report = check();
        if let Err(error) = brought {
            let what = crate::cmd::told(&error);
            report.findings = vec![Finding::of(&id, Class::NotChecked, what)];
        } else if !self.keeps && self.ids.is_none() {
            self.far.cut(&id);
        }
        report
    }

    /// Brings the ledger, and what has become of those that were being made;
    /// the ids of all that there are by now.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) fn ledger(&self, reports: &[Report]) -> Result<Vec<String>> {
        let live = reports.iter().filter(|report| {
            report.manifest.as_ref().is_some_and(|manifest| manifest.state == State::Live)
        });
        let live: Vec<String> = live.map(|report| report.id.clone()).collect();
        self.far.ledger(&live)
    }
}
