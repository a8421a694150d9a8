//! Recordings in a collector's store: what a verb was given as `ssh://…`, made
//! a recording of a store on this machine.
//!
//! The verbs know nothing of it: they get the configuration of a store that is
//! a copy, and the recording's id there. What is decrypted is decrypted here.

use std::ffi::{OsStr, OsString};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};

use crate::config::Config;
use crate::format::id::Id;
use crate::store::choose;
use crate::store::remote::{Address, Link, Progress, to_terminal};

/// What is left of a finished recording that was looked at, where many are: the
/// ledger has the digest of how it begins.
const KEPT: u64 = 256 << 10;

/// A collector's store, as far as it was asked for.
#[derive(Clone)]
pub(super) struct Far {
    link: Arc<Mutex<Link>>,
    config: Config,
    /// As in the address.
    rec: Option<String>,
    verb: &'static str,
}

impl Far {
    /// The store that this argument of `verb` names; `None` where it names
    /// none elsewhere.
    ///
    /// # Errors
    /// When there is no way there.
    pub(super) fn of(rec: &OsStr, config: &Config, verb: &'static str) -> Result<Option<Self>> {
        let text = rec.to_string_lossy();
        let Some(address) = Address::parse(&text) else { return Ok(None) };
        let address = address?;
        let ssh = super::program_file(OsStr::new("ssh")).context("there is no ssh in PATH")?;
        let link = Link::open(&address, ssh.as_os_str())?;
        let config = config.of_copy(link.root(), link.host());
        Ok(Some(Self { link: Arc::new(Mutex::new(link)), config, rec: address.rec, verb }))
    }

    /// The store of this host's own collector, of which `rec` names a
    /// recording.
    ///
    /// # Errors
    /// When it serves nobody.
    pub(super) fn local(
        stream: UnixStream,
        rec: &OsStr,
        config: &Config,
        verb: &'static str,
    ) -> Result<Self> {
        let link = Link::local(stream)?;
        let config = config.of_copy(link.root(), link.host());
        let rec = Some(rec.to_string_lossy().into_owned());
        Ok(Self { link: Arc::new(Mutex::new(link)), config, rec, verb })
    }

    /// What holds for a verb that works on the copy.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// What the address names in the store; nothing for all of it.
    pub(super) fn rec(&self) -> Option<&str> {
        self.rec.as_deref()
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which recording the address names.
    ///
    /// # Errors
    /// When it names none, or several.
    pub(super) fn id(&self, else_latest: bool) -> Result<Id> {
        let rec = match &self.rec {
            Some(rec) => rec.as_str(),
            None if else_latest => "-1",
            None => bail!("{}/: which recording? name one after the slash", self.link().host()),
        };
        let mut link = self.link();
        let own = std::env::var(crate::identity::Who::PARENT).ok();
        let ids = link.ids()?;
        let id = choose(rec, ids.iter().map(Id::as_str), link.host(), own.as_deref())?;
        Id::parse(id).context("the list has no such id")
    }

    /// Brings the recording that the address names, or the latest where it may
    /// be that; its id, by which it is found in the copy.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) fn bring(&self, else_latest: bool) -> Result<OsString> {
        let id = self.id(else_latest)?;
        self.bring_one(&id, false, &mut self.told())?;
        Ok(id.as_str().into())
    }

    /// Brings a recording, and, with `follow`, what comes of one that is being
    /// made.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) fn bring_one(&self, id: &Id, follow: bool, told: Progress<'_>) -> Result<()> {
        self.link().get(id, self.verb, follow, told)?;
        Ok(())
    }

    /// Brings one that was chosen from the copy's list, while something is on
    /// the terminal.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) fn bring_listed(&self, id: &str) -> Result<()> {
        let id = Id::parse(id).context("the list has no such id")?;
        self.bring_one(&id, true, &mut |_, _| {})
    }

    /// Why no more comes of what is followed, where that is not its end.
    pub(super) fn lost(&self) -> Option<String> {
        self.link().lost()
    }

    /// What tells the person who waits, where nothing else is on the terminal.
    pub(super) fn told(&self) -> impl FnMut(u64, u64) + use<> {
        to_terminal(self.link().host())
    }

    /// Makes the copy look like the store, for what needs no more than
    /// manifests, sizes and states.
    ///
    /// # Errors
    /// When that cannot be had.
    pub(super) fn look(&self) -> Result<()> {
        Ok(self.link().look()?)
    }

    /// Cuts a finished recording that was looked at to what is still needed.
    pub(super) fn cut(&self, id: &str) {
        if let Some(id) = Id::parse(id) {
            self.link().mirror().cut(&id, KEPT);
        }
    }

    /// Brings the ledger, and then what has become of recordings that were
    /// being made; the ids of all that there are by now.
    ///
    /// # Errors
    /// When that cannot be had.
    pub(super) fn ledger(&self, live: &[String]) -> Result<Vec<String>> {
        let mut link = self.link();
        let mut told = to_terminal(link.host());
        link.ledger(&mut told)?;
        Ok(link.look_again(live)?)
    }

    /// Has a session ended.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn end(&self) -> Result<Id> {
        let id = self.id(false)?;
        self.link().end(&id)?;
        Ok(id)
    }
}
