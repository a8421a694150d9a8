//! The collector: takes recordings from sessions it does not trust.
//!
//! A daemon under a uid of its own. It appends what comes, makes that durable,
//! and says so; it never sees plaintext and has no key to look inside. It knows
//! nothing of configuration files and arguments. Its invariants: what was
//! acknowledged is on the disk; nothing that came is changed or removed on a
//! peer's word while its session lives; a peer that does not keep to the
//! protocol loses its own connection and nothing else.

mod after_seal;
mod away;
mod claim;
mod door;
mod ender;
mod ending;
mod held;
mod ledger;
mod listen;
mod live;
mod log;
mod login;
mod reader;
mod record;
mod restart;
mod session;
mod usage;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::ledger::Clerk;
pub use self::live::{Live, Seen, Sessions};
pub use self::log::{Log, Refusal};
pub use self::login::Told;
use crate::seal::ledger::Ledger;
use crate::sys::peer;

/// What a collector is to do.
pub struct Options {
    /// The store's directory.
    pub store: PathBuf,
    /// The socket, where no other program hands one over.
    pub socket: Option<PathBuf>,
    /// Bytes that must stay free on the store's file system.
    pub min_free: u64,
    /// What one user's recordings may take; 0 for any number of bytes.
    pub quota_user: u64,
    /// What all may take; likewise.
    pub quota: u64,
    /// How long sessions wait for a collector that is away.
    pub wait: Duration,
    /// Who may read: users, and groups with `@` before their names.
    pub readers: Vec<String>,
    /// Who may end sessions.
    pub enders: Vec<String>,
    /// What is run for a recording that is sealed; empty for nothing.
    pub after_seal: String,
    /// What it needs of the host's keys.
    pub keys: Box<dyn Keys>,
}

/// The host's keys, which somebody else knows where to find. Each error is a
/// sentence.
pub trait Keys: Send + Sync {
    /// The ledger, opened.
    ///
    /// # Errors
    /// When it, or its key, cannot be used.
    fn ledger(&self) -> Result<Ledger, String>;

    /// The seal over a manifest.
    ///
    /// # Errors
    /// When the key cannot be used.
    fn seal(&self, manifest: &[u8]) -> Result<String, String>;

    /// Hands the ledger's head to the anchors. May take its time.
    fn hand_on(&self);
}

/// Why a collector cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// A verb.
        what: &'static str,
        /// Of what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// There is no socket.
    #[error("there is no socket to listen on; set store.collector to its path")]
    NoSocket,
    /// Another one is at work.
    #[error("another collector holds {}; end that first", .0.display())]
    Held(PathBuf),
    /// The ledger cannot be used.
    #[error("{0}")]
    Ledger(String),
}

impl Error {
    fn io(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

/// A collector at work, as its connections share it.
pub struct Daemon {
    /// What it is to do.
    pub options: Arc<Options>,
    /// The sessions that are being recorded.
    pub sessions: Sessions,
    /// Who writes the ledger.
    pub clerk: Clerk,
    /// Its log.
    pub log: Log,
    /// This run of the host.
    pub boot: String,
    /// Recordings whose sessions have lost their connection.
    away: away::Away,
    /// How much room recordings take.
    usage: usage::Usage,
    /// Logins that nothing has accounted for yet.
    logins: login::Logins,
    /// Recordings for which something is still to be run.
    after_seal: after_seal::Backlog,
}

/// Collects until the process is ended.
///
/// # Errors
/// When it cannot start.
pub fn run(options: Options) -> Result<Infallible, Error> {
    let supervisor = listen::Supervisor::from_env();
    let listener = listen::listener_handed_over();
    let _held = listen::hold(&options.store)?;
    let listener = match listener {
        Some(listener) => listener,
        None => listen::listener(options.socket.as_deref())?,
    };
    let options = Arc::new(options);
    let clerk = Clerk::start(&options)?;
    let after_seal = after_seal::Backlog::new(&options.store, &options.after_seal);
    let daemon = Arc::new(Daemon {
        options,
        sessions: Sessions::default(),
        clerk,
        log: Log::default(),
        boot: peer::boot(),
        away: away::Away::default(),
        usage: usage::Usage::default(),
        logins: login::Logins::default(),
        after_seal,
    });
    restart::take_over(&daemon);
    daemon.usage.refresh(&daemon);
    let threads = login::watch(&daemon).and_then(|()| after_seal::start(&daemon));
    threads.map_err(Error::io("start a thread for", &daemon.options.store))?;
    supervisor.tell("READY=1");
    door::open(&daemon, &listener, &supervisor)
}
