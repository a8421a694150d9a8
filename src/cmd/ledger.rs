//! The store's ledger: where it is, who signs it, and what verbs add to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use ed25519_dalek::SigningKey;

use super::place::Place;
use super::rec::sealing::own_name;
use crate::config::{Config, signing};
use crate::identity::{Facts, Who};
use crate::seal::ledger::{Anchor, By, Event, Ledger, NAMESPACE, Options, anchor};
use crate::seal::signers::Signers;
use crate::sys::users;

/// The ledger's directory in a store.
pub(super) fn dir(store: &Path) -> PathBuf {
    store.join("ledger")
}

/// What it takes to open the ledger, with nothing of the configuration: the
/// thread that begins a recording opens it too.
#[derive(Clone)]
pub(super) struct Access {
    dir: PathBuf,
    key: PathBuf,
    signers: PathBuf,
    sync: bool,
    anchors: Vec<Anchor>,
}

impl Access {
    /// To the store's ledger.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            dir: dir(&config.store()),
            key: signing::ledger_path(config.dirs()),
            signers: signing::signers(config.dirs()),
            sync: config.record_sync.value,
            anchors: config.seal_anchors.value.clone(),
        }
    }

    /// Hands the ledger's head to the anchors.
    pub(super) fn hand_on(&self, limit: Duration) {
        anchor::hand_on(&self.dir, &self.anchors, limit);
    }

    /// The ledger's directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens it; the first time makes it, and its key.
    ///
    /// # Errors
    /// When the key or the ledger cannot be used.
    pub(super) fn open(&self) -> Result<Ledger> {
        let signer = self.signer()?;
        let mut known = Signers::default();
        if let Ok(text) = std::fs::read_to_string(&self.signers) {
            known.add("", &text);
        }
        let options = Options {
            sync: self.sync,
            origin: origin(),
            signer: Arc::new(signer),
            earlier: known.ed25519(NAMESPACE),
        };
        Ledger::open(&self.dir, options).context("the ledger cannot be used")
    }

    fn signer(&self) -> Result<SigningKey> {
        if self.key.symlink_metadata().is_err() {
            match signing::create_ledger(&self.key, &self.signers, &own_name()) {
                // Another session was first.
                Ok(()) | Err(signing::Error::Exists(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let shown = self.key.display();
        let text = zeroize::Zeroizing::new(
            std::fs::read(&self.key).with_context(|| format!("cannot read {shown}"))?,
        );
        let key = ssh_key::PrivateKey::from_openssh(text.trim_ascii())
            .with_context(|| format!("{shown} is no SSH key"))?;
        let pair = key.key_data().ed25519();
        let pair = pair.ok_or_else(|| {
            anyhow!(
                "{shown} is no plain ed25519 key; move it away, and the next recording makes one"
            )
        })?;
        Ok(SigningKey::from_bytes(&pair.private.to_bytes()))
    }
}

/// A name for a new ledger, as c2sp.org/tlog-checkpoint wants it: without a
/// scheme, and nobody else's.
fn origin() -> String {
    let system = rustix::system::uname();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '-' };
    let host: String = system.nodename().to_string_lossy().chars().map(plain).take(64).collect();
    format!("{host}/hrec/{:016x}", rand::random::<u64>())
}

/// Who runs this, as a recording would have it.
pub(super) fn by() -> By {
    let who = Who::gather(&Facts {
        tty: None,
        name_of: &users::name,
        environment: &|name| std::env::var_os(name),
    });
    match serde_json::to_value(who) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => By::new(),
    }
}

/// Notes that somebody looks into a recording, where `seal.log_views` says so.
///
/// # Errors
/// When it cannot be noted: then nothing is to be shown.
pub(super) fn view(config: &Config, verb: &str, place: &Place) -> Result<()> {
    if !config.seal_log_views.value {
        return Ok(());
    }
    let event = Event::View { id: place.id(), verb: verb.to_owned(), by: by() };
    let noted = Access::new(config).open().and_then(|mut ledger| Ok(ledger.append(&[event])?));
    noted.context("seal.log_views wants every look noted, and this one cannot be").map(drop)
}

/// Notes what became of a recording, where it is one of the store.
///
/// # Errors
/// When it cannot be noted.
pub(super) fn note(config: &Config, place: &Place, event: Event) -> Result<()> {
    if place.paths.dir().starts_with(config.store().join("recordings")) {
        Access::new(config).open()?.append(&[event])?;
    }
    Ok(())
}
