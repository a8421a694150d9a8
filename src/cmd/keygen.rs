//! `hrec keygen`: make the person's keys.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

use super::ledger::Access;
use super::rec::sealing::own_name;
use crate::cli;
use crate::config::{Config, identity, signing};
use crate::screen::safe_text;

/// What others need goes alone to standard output, so that
/// `hrec rec -r "$(hrec keygen)"` works; where the key is goes to standard
/// error.
///
/// # Errors
/// When a key is there already, or none can be written.
pub fn run(args: &cli::Keygen, config: &Config) -> Result<ExitCode> {
    if args.signing {
        return signing_key(args.rotate, config);
    }
    let path = identity::path(config.dirs());
    let recipient = identity::create(&path)?;
    writeln!(super::out::out(), "{recipient}")?;
    let _ = writeln!(
        std::io::stderr().lock(),
        "hrec: wrote {}; keep a copy of it elsewhere",
        path.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn signing_key(rotate: bool, config: &Config) -> Result<ExitCode> {
    let path = signing::path(config.dirs());
    let signers = signing::signers(config.dirs());
    let mut err = std::io::stderr().lock();
    let mut failed = false;
    let public = if rotate {
        let (public, old) = signing::rotate(&path, &signers, &own_name())?;
        let _ = writeln!(
            err,
            "hrec: the old key is {} now; nothing needs it any more, and it can be removed",
            old.display()
        );
        match Access::new(config).rotate() {
            Ok(None) => {}
            Ok(Some(old)) => {
                let _ = writeln!(err, "hrec: so is the ledger's: {}", old.display());
            }
            Err(error) => {
                let why = super::told(&error);
                let _ = writeln!(err, "hrec: the ledger's key: {}", safe_text(&why));
                failed = true;
            }
        }
        public
    } else {
        signing::create(&path, &signers, &own_name())?
    };
    writeln!(super::out::out(), "{public}")?;
    let _ = writeln!(err, "hrec: wrote {}; {} trusts it", path.display(), signers.display());
    if config.seal_key() != path {
        let _ = writeln!(err, "hrec: seal.key names another key, which seals, and not this one");
    }
    Ok(if failed { ExitCode::from(super::FAILED) } else { ExitCode::SUCCESS })
}
