//! `hrec seal`: seals what could not be sealed when it ended.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use super::ledger;
use super::place::Place;
use super::rec::sealing::own_signer;
use super::recover::made_from;
use crate::cli;
use crate::config::Config;
use crate::recording::{is_live, journal_paths};
use crate::screen::safe_text;
use crate::seal::finding::Class;
use crate::seal::ledger::Event;
use crate::seal::manifest::{FileDigest, Manifest, State, signature};
use crate::seal::signer::Signer;
use crate::seal::sshsig::NAMESPACE;
use crate::seal::verify::digest;

/// Runs the verb.
///
/// # Errors
/// When there is no such recording, it is sealed already, or it is not what
/// its manifest says.
pub fn run(args: &cli::Seal, config: &Config) -> Result<ExitCode> {
    let places: Vec<Place> =
        args.recs.iter().map(|rec| Place::find(rec, config)).collect::<Result<_>>()?;
    let signer = own_signer(config)?;
    for place in places {
        seal(&place, &signer, config).with_context(|| format!("cannot seal {}", place.name()))?;
        let id = place.paths.stem().to_string_lossy().into_owned();
        writeln!(std::io::stderr().lock(), "hrec: sealed {}", safe_text(&id))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn seal(place: &Place, signer: &Signer, config: &Config) -> Result<()> {
    let path = place.paths.manifest();
    let mut manifest = Manifest::read(&path)?;
    if signature(&path).symlink_metadata().is_ok() {
        if manifest.state == State::Live || ledger::has(config, place)? != ledger::Has::Start {
            bail!("it is sealed already");
        }
        // The ledger could not be told of its end at the time.
        super::verify::refuse(place, config, &[Class::OrphanStart])?;
        return ledger::note(config, place, super::rec::keep::ended(&manifest, true)?);
    }
    let ended = manifest.state != State::Live;
    // A seal says "this is what was recorded": nothing is sealed that differs
    // from what the recorder wrote down, or the ledger has of it.
    super::verify::refuse(
        place,
        config,
        &[Class::NotYetSealed, Class::OrphanStart, Class::NotInLedger],
    )?;
    match manifest.state {
        State::Live => interrupted(place, &mut manifest)?,
        // What a recovered one was made of is gone, so that its beginning says
        // nothing any more.
        State::Recovered if ledger::has(config, place)? == ledger::Has::Start => {
            bail!("the ledger does not know that it was recovered; hrec verify tells more")
        }
        _ => {}
    }
    write(&manifest, place, signer)?;
    let event = if ended {
        let manifest_sha256 = listed(&path)?.sha256;
        Event::Seal { id: place.id(), by: ledger::by(), manifest_sha256 }
    } else {
        // Its end, which its own session did not live to tell the ledger of.
        super::rec::keep::ended(&manifest, true)?
    };
    ledger::note(config, place, event).context("it is sealed, but the ledger does not know of it")
}

/// Writes the manifest, sealed by the long-lived key itself.
///
/// # Errors
/// When it cannot be signed or written.
pub(super) fn write(manifest: &Manifest, place: &Place, signer: &Signer) -> Result<()> {
    let mut failed = None;
    let path = place.paths.manifest();
    let bytes = manifest.to_bytes()?;
    let sealed = signer.seal(NAMESPACE, &bytes);
    manifest.write_sealed(&path, true, |_| sealed.map_err(|error| failed = Some(error)).ok())?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// What is there of a recording whose writer did not live to say so.
fn interrupted(place: &Place, manifest: &mut Manifest) -> Result<()> {
    let paths = &place.paths;
    let finished = paths.finished();
    if finished.exists() {
        manifest.state = State::Finished;
        manifest.files = vec![listed(&finished)?];
        manifest.end_reason.get_or_insert_with(|| "interrupted".to_owned());
        return Ok(());
    }
    let part = paths.part();
    if is_live(&part) {
        bail!("it is still being made");
    }
    manifest.state = State::Interrupted;
    manifest.chain = Some(made_from(paths)?);
    manifest.files = vec![listed(&part)?];
    for journal in journal_paths(paths)? {
        manifest.files.push(listed(&journal)?);
    }
    manifest.end_reason.get_or_insert_with(|| "interrupted".to_owned());
    Ok(())
}

/// A file as a manifest lists it.
///
/// # Errors
/// When it cannot be read.
pub(super) fn listed(path: &std::path::Path) -> Result<FileDigest> {
    let (size, sha256) = digest(path)
        .with_context(|| format!("cannot read {}", safe_text(&path.to_string_lossy())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(FileDigest { name, size, sha256 })
}
