//! The seal of a session: who certifies its key at the start, and what signs
//! at the end.
//!
//! Its invariant: nothing here keeps the session waiting. What must be asked
//! of an agent, or of a person with a token, is asked while the program runs.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::config::{Config, Source, signing};
use crate::seal::session_key::{Certified, SessionKey, certify};
use crate::seal::signer::{self, Signer};
use crate::seal::sshsig::NAMESPACE;
use crate::sys::users;

/// How long the end of a session waits for its key's certificate: a token that
/// nobody has touched by then is not touched any more.
const LATE: Duration = Duration::from_secs(2);

/// A seal to come.
pub struct Sealing {
    key: SessionKey,
    certified: Receiver<Result<Way>>,
    /// The key that was made just now because there was none.
    pub made: Option<PathBuf>,
}

/// Has a session's key certified, off the path.
pub struct Certify(Box<dyn FnOnce() + Send>);

impl Certify {
    /// Begins, in a thread of its own. Without one [`Sealing::seal`] says so.
    pub fn start(self) {
        let _ = std::thread::Builder::new().name("certify".to_owned()).spawn(self.0);
    }
}

/// What signs at the end.
enum Way {
    /// The session's own key.
    Session(Box<Certified>),
    /// The long-lived key itself: it is certified, and can certify no other.
    Direct(Box<Signer>),
}

impl Sealing {
    /// Makes the session's key, to be certified once the program runs; by a key
    /// that is made now, where `make` says so and there is none.
    pub fn begin(config: &Config, id: &str, start: jiff::Timestamp, make: bool) -> (Self, Certify) {
        let key = SessionKey::new();
        let (sender, certified) = mpsc::channel();
        let made = if make { make_own(config) } else { Ok(None) };
        let (path, agent) = (config.seal_key(), agent());
        // On a host whose sessions are its own affair so is the list: nobody's
        // session writes there, and none goes without a seal for it.
        let list = if make { trusting(config) } else { None };
        let (public, id) = (key.public(), id.to_owned());
        let after = u64::try_from(start.as_second()).unwrap_or(0);
        let certify = move || {
            // A session that is over waits for nothing.
            let _ = sender.send(way(&path, agent.as_deref(), list.as_deref(), &public, &id, after));
        };
        (Self { key, certified, made: made.ok().flatten() }, Certify(Box::new(certify)))
    }

    /// The session key's fingerprint, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint()
    }

    /// The signature over the manifest's bytes; the session's key is no more.
    pub fn seal(self, manifest: &[u8]) -> Result<String> {
        let way = self.certified.recv_timeout(LATE);
        let way = way.map_err(|_| anyhow!("the signing key has not answered"))??;
        Ok(match way {
            Way::Session(certified) => self.key.seal(&certified, NAMESPACE, manifest)?,
            Way::Direct(signer) => signer.seal(NAMESPACE, manifest)?,
        })
    }
}

fn way(
    path: &Path,
    agent: Option<&Path>,
    list: Option<&Path>,
    public: &[u8; 32],
    id: &str,
    after: u64,
) -> Result<Way> {
    let signer = load(path, agent, list)?;
    if !signer.can_certify() {
        return Ok(Way::Direct(Box::new(signer)));
    }
    let principal = signer.principal(&own_name());
    Ok(Way::Session(Box::new(certify(&signer, public, id, &principal, after)?)))
}

/// Where the configured key is to be trusted, since it is the person's own. A
/// key for one recording only is trusted by whoever says so.
fn trusting(config: &Config) -> Option<PathBuf> {
    let once = matches!(config.seal_key.source, Source::Flag(_));
    (!once).then(|| signing::signers(config.dirs()))
}

/// The key at `path`, which `list` has from now on, if it did not already.
fn load(path: &Path, agent: Option<&Path>, list: Option<&Path>) -> Result<Signer> {
    let signer = Signer::load(path, agent)?;
    let Some(list) = list else { return Ok(signer) };
    let line = signer.public().line();
    let known = |list: &Path| std::fs::read_to_string(list).is_ok_and(|text| text.contains(&line));
    // Where the administrator has said it, nobody need say it again.
    if signer.can_certify() && !known(list) && !known(Path::new(signing::SYSTEM_SIGNERS)) {
        signing::trust(list, &signer.principal(&own_name()), &line)?;
    }
    Ok(signer)
}

/// The long-lived key, to sign with itself: what is sealed after its session.
pub fn own_signer(config: &Config) -> Result<Signer> {
    make_own(config)?;
    load(&config.seal_key(), agent().as_deref(), trusting(config).as_deref())
        .context("nothing can be sealed")
}

/// Makes the person's own key, where none is named and none is there.
fn make_own(config: &Config) -> Result<Option<PathBuf>> {
    let path = signing::path(config.dirs());
    if config.seal_key() != path || path.symlink_metadata().is_ok() {
        return Ok(None);
    }
    match signing::create(&path, &signing::signers(config.dirs()), &own_name()) {
        Ok(_) => Ok(Some(path)),
        // Another session was first.
        Err(signing::Error::Exists(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn agent() -> Option<PathBuf> {
    std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// `USER@HOST`, as a principal.
pub fn own_name() -> String {
    let user = users::by_uid(rustix::process::getuid().as_raw());
    let user = user.map_or_else(|| "unknown".to_owned(), |user| user.name);
    let system = rustix::system::uname();
    signer::principal(&format!("{user}@{}", system.nodename().to_string_lossy()))
}
