//! The store's ledger: where it is, who signs it, and what verbs add to it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use ed25519_dalek::SigningKey;
use rustix::fs::FlockOperation;

use super::place::Place;
use super::rec::sealing::own_name;
use crate::config::{Config, Source, signing};
use crate::event::Header;
use crate::identity::{Facts, Who};
use crate::seal::ledger::{Anchor, By, Event, Ledger, NAMESPACE, Options, Reader, anchor};
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
        // The host's store has the host's ledger, whoever adds to it.
        let host = Path::new(signing::SYSTEM_LEDGER_KEY);
        let of_host = matches!(config.store_path.source, Source::System(..))
            && host.symlink_metadata().is_ok();
        let (key, signers) = if of_host {
            (host.to_owned(), PathBuf::from(signing::SYSTEM_SIGNERS))
        } else {
            (signing::ledger_path(config.dirs()), signing::signers(config.dirs()))
        };
        Self {
            dir: dir(&config.store()),
            key,
            signers,
            sync: config.record_sync.value,
            anchors: config.seal_anchors.value.clone(),
        }
    }

    /// Whether there is a key that signs its heads.
    pub(super) fn has_key(&self) -> bool {
        self.key.symlink_metadata().is_ok()
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
        // The key that is read is the one that signs: nobody replaces it
        // meanwhile.
        let _lock = self.lock(FlockOperation::LockShared);
        self.open_with(read_key(&self.key_at_place()?)?)
    }

    /// Has another key sign from here on, where there is a ledger; where the old
    /// one is.
    ///
    /// # Errors
    /// When the new key cannot be made, or the old one not used.
    pub(super) fn rotate(&self) -> Result<Option<PathBuf>> {
        if self.key.symlink_metadata().is_err() {
            return Ok(None);
        }
        let _lock = self.lock(FlockOperation::LockExclusive);
        let mut ledger = self.open_with(read_key(&self.key)?)?;
        let next = signing::next_ledger(&self.key, &self.signers, &own_name())?;
        let next = read_key(&next)?;
        // First: a crash after this leaves a ledger that the new key takes
        // over, and one before it a key that nobody has used.
        let old = signing::replace_ledger(&self.key, &self.signers)?;
        ledger.rotate(Arc::new(next)).context("the ledger does not know of its new key yet")?;
        Ok(Some(old))
    }

    /// Where it cannot be had, a key in a directory that only root can write,
    /// nobody replaces it.
    fn lock(&self, how: FlockOperation) -> Option<File> {
        let mut path = self.key.as_os_str().to_owned();
        path.push(".lock");
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path).ok()?;
        rustix::fs::flock(&file, how).ok()?;
        Some(file)
    }

    fn open_with(&self, signer: SigningKey) -> Result<Ledger> {
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

    /// The key's file, which is made where it is not there.
    fn key_at_place(&self) -> Result<PathBuf> {
        if self.key.symlink_metadata().is_err() {
            match signing::create_ledger(&self.key, &self.signers, &own_name()) {
                // Another session was first.
                Ok(()) | Err(signing::Error::Exists(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.key.clone())
    }
}

fn read_key(path: &Path) -> Result<SigningKey> {
    let shown = path.display();
    let text = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let text = zeroize::Zeroizing::new(text);
    let key = ssh_key::PrivateKey::from_openssh(text.trim_ascii())
        .with_context(|| format!("{shown} is no SSH key"))?;
    let pair = key.key_data().ed25519();
    let pair = pair.ok_or_else(|| {
        anyhow!("{shown} is no plain ed25519 key; move it away, and the next recording makes one")
    })?;
    Ok(SigningKey::from_bytes(&pair.private.to_bytes()))
}

/// A name for a new ledger, as c2sp.org/tlog-checkpoint wants it: without a
/// scheme, and nobody else's.
fn origin() -> String {
    let system = rustix::system::uname();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '-' };
    let host: String = system.nodename().to_string_lossy().chars().map(plain).take(64).collect();
    format!("{host}/hrec/{:016x}", rand::random::<u64>())
}

/// The name of the person's terminal.
fn tty() -> Option<String> {
    let fds = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let name = fds.into_iter().find_map(|fd| rustix::termios::ttyname(fd, Vec::new()).ok())?;
    Some(name.to_string_lossy().into_owned())
}

/// Who runs this, as a recording would have it.
pub(super) fn by() -> By {
    let who = Who::gather(&Facts {
        tty: tty(),
        name_of: &users::name,
        environment: &|name| std::env::var_os(name),
    });
    match serde_json::to_value(who) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => By::new(),
    }
}

/// Notes that somebody looks into these, where `seal.log_views` says so. To be
/// asked after they were opened, which may fail, and before anything of them is
/// shown.
///
/// # Errors
/// When it cannot be noted: then nothing is to be shown.
pub(super) fn views(config: &Config, verb: &str, ids: &[String]) -> Result<()> {
    if !config.seal_log_views.value || ids.is_empty() {
        return Ok(());
    }
    let by = by();
    let view = |id: &String| Event::View { id: id.clone(), verb: verb.to_owned(), by: by.clone() };
    let events: Vec<Event> = ids.iter().map(view).collect();
    let noted = Access::new(config).open().and_then(|mut ledger| Ok(ledger.append(&events)?));
    noted.context("seal.log_views wants every look noted, and this one cannot be").map(drop)
}

/// The same of the recording at `place`.
///
/// # Errors
/// As [`views`].
pub(super) fn view(config: &Config, verb: &str, place: &Place) -> Result<()> {
    views(config, verb, &[place.id()])
}

/// The same of one that came through a pipe: it is what it says it is.
///
/// # Errors
/// As [`views`].
pub(super) fn view_of(config: &Config, verb: &str, header: &Header) -> Result<()> {
    let id = header.hrec.as_ref().and_then(|hrec| hrec.get("id")?.as_str());
    views(config, verb, &[id.unwrap_or("-").to_owned()])
}

/// What the ledger has of a recording.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Has {
    /// Nothing: it is not the store's, or was never told of.
    Nothing,
    /// Its start, and no end.
    Start,
    /// The manifest with this SHA-256.
    Manifest(String),
}

/// What the ledger has of the recording at `place`.
///
/// # Errors
/// When it cannot be read.
pub(super) fn has(config: &Config, place: &Place) -> Result<Has> {
    if !place.is_stored(config) {
        return Ok(Has::Nothing);
    }
    let Some(reader) = Reader::open(&dir(&config.store()))? else { return Ok(Has::Nothing) };
    let about = reader.about(&place.id())?;
    let mut has = Has::Nothing;
    for (_, record) in about {
        match record.event {
            Event::Start { .. } => has = Has::Start,
            Event::End { manifest_sha256, .. }
            | Event::Recover { manifest_sha256, .. }
            | Event::Seal { manifest_sha256, .. }
            | Event::Rekey { manifest_sha256, .. } => has = Has::Manifest(manifest_sha256),
            _ => {}
        }
    }
    Ok(has)
}

/// Notes what became of a recording, where it is one of the store.
///
/// # Errors
/// When it cannot be noted.
pub(super) fn note(config: &Config, place: &Place, event: Event) -> Result<()> {
    if place.is_stored(config) {
        Access::new(config).open()?.append(&[event])?;
    }
    Ok(())
}
