//! `hrec collect`: holds a host's recordings as they are made.

use std::process::ExitCode;

use anyhow::{Context, Result};

use super::ledger::Access;
use super::rec::sealing::own_signer;
use super::told;
use crate::collect::{self, Keys, Options};
use crate::config::Config;
use crate::seal::ledger::Ledger;
use crate::seal::signer::Signer;
use crate::seal::sshsig::NAMESPACE;
use crate::sys::privilege;

/// How long the anchors may take altogether.
const ANCHORS: std::time::Duration = std::time::Duration::from_secs(30);

/// Collects until the process is ended.
///
/// # Errors
/// When it cannot start.
pub fn run(config: &Config) -> Result<ExitCode> {
    // What sessions send is encrypted, the keys that sign are not.
    privilege::close_memory();
    // And nobody else reads what it writes, whoever started it.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    end_when_asked().context("cannot wait for signals")?;
    let keys = Host { ledger: Access::new(config), signer: own_signer(config)? };
    let options = Options {
        store: config.store(),
        socket: config.store_collector.value.0.clone(),
        min_free: config.store_min_free.value.0,
        quota_user: config.store_quota_user.value.0,
        quota: config.collect_quota.value.0,
        wait: config.shell_collector_wait.value,
        readers: config.collect_readers.value.clone(),
        enders: config.collect_enders.value.clone(),
        after_seal: config.collect_after_seal.value.clone(),
        keys: Box::new(keys),
    };
    match collect::run(options)? {}
}

/// Everything that was acknowledged is on the disk: it may go at once.
fn end_when_asked() -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if signals.forever().next().is_some() {
            std::process::exit(0);
        }
    })?;
    Ok(())
}

/// The keys as the configuration names them.
struct Host {
    ledger: Access,
    signer: Signer,
}

impl Keys for Host {
    fn ledger(&self) -> Result<Ledger, String> {
        self.ledger.open().map_err(|error| told(&error))
    }

    fn seal(&self, manifest: &[u8]) -> Result<String, String> {
        self.signer.seal(NAMESPACE, manifest).map_err(|error| error.to_string())
    }

    fn hand_on(&self) {
        self.ledger.hand_on(ANCHORS);
    }
}
