//! `hrec rekey`: encrypts recordings to others.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use super::ledger;
use super::place::{Place, identities};
use super::rec::sealing::own_signer;
use super::seal::{listed, write};
use crate::cli;
use crate::config::Config;
use crate::format::cipher::{Identities, Recipients};
use crate::recording::{self, Rekeyed};
use crate::screen::safe_text;
use crate::seal::finding::Class;
use crate::seal::ledger::Event;
use crate::seal::manifest::{FileDigest, Manifest, Rekey, signature};
use crate::seal::signer::Signer;

/// Runs the verb.
///
/// # Errors
/// When a recording is not a finished one, no identity opens it, it cannot be
/// sealed, or the disk refuses.
pub fn run(args: &cli::Rekey, config: &Config) -> Result<ExitCode> {
    let mut recipients = Recipients::new();
    for recipient in &args.recipient {
        recipients.add(recipient)?;
    }
    for file in &args.recipients_file {
        let name = safe_text(&file.to_string_lossy()).into_owned();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        recipients.add_file(&name, &text)?;
    }
    if recipients.is_empty() {
        bail!("to whom? name recipients with -r or -R");
    }
    let places: Vec<Place> =
        args.recs.iter().map(|rec| Place::find(rec, config)).collect::<Result<_>>()?;
    let given = cli::Identity { files: args.identity.clone() };
    let identities = identities(&given, config)?;
    let signer = own_signer(config)?;
    for place in &places {
        let name = place.name();
        settle(place, config).with_context(|| name.clone())?;
        let rekeyed = rekey(place, &identities, &recipients, &signer, config)
            .with_context(|| format!("{name} is as it was"))?;
        // Before the old form goes: where it is left, this is made up for.
        noted(place, config).with_context(|| {
            format!("{name} is encrypted anew, but the ledger does not know of it; hrec recover tells it")
        })?;
        recording::forget(&rekeyed)?;
        let manifest = Manifest::read(&place.paths.manifest())?;
        if let Some(Rekey { from, to, .. }) = manifest.rekeyed.last() {
            let line = format!("hrec: {name}: {} is now {}", safe_text(from), safe_text(to));
            writeln!(std::io::stderr().lock(), "{line}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn rekey(
    place: &Place,
    identities: &Identities,
    recipients: &Recipients,
    signer: &Signer,
    config: &Config,
) -> Result<Rekeyed> {
    let paths = &place.paths;
    let path = paths.manifest();
    let mut manifest = Manifest::read(&path)?;
    let own = paths.finished().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let before = manifest.files.iter().find(|file| file.name == own).cloned();
    let Some(before) = before else {
        bail!(
            "it is {}, and only a finished recording can be encrypted anew; hrec recover makes it one",
            manifest.state.name()
        );
    };
    // A trail that begins with a lie leads nowhere, and ends with a good seal.
    // What the ledger knows nothing of, it will know nothing of afterwards.
    super::verify::refuse(place, config, &[Class::NotYetSealed, Class::NotInLedger])?;
    let rekeyed =
        recording::rekey(paths, identities, recipients).map_err(|error| place.explain(error))?;
    let sealed = trail(&path, manifest.rekeyed.len() + 1).and_then(|kept| {
        manifest.files.retain(|file| file.name != own);
        let new = &rekeyed.file;
        let file = FileDigest { name: own.clone(), size: new.size, sha256: new.sha256.clone() };
        manifest.files.insert(0, file);
        manifest.rekeyed.push(Rekey {
            at: format!("{:.6}", Timestamp::now()),
            from: before.sha256.clone(),
            to: new.sha256.clone(),
            manifest: kept.first().map(|file| file.name.clone()).unwrap_or_default(),
        });
        manifest.files.extend(kept);
        manifest.recipients = recipients.names().map(str::to_owned).collect();
        // Of the file that is gone: the manifest that is kept has it.
        manifest.chain = None;
        write(&manifest, place, signer)
    });
    if let Err(error) = sealed {
        recording::undo(paths, &rekeyed)?;
        return Err(error);
    }
    Ok(rekeyed)
}

/// Brings to its end, one way or the other, what was stopped in the midst of
/// this: whichever form the sealed manifest has is the recording. What was done,
/// where anything was.
///
/// # Errors
/// When the manifest has neither form, or the disk refuses.
pub(super) fn settle(place: &Place, config: &Config) -> Result<Option<&'static str>> {
    let paths = &place.paths;
    let Some(left) = recording::left_over(paths)? else { return Ok(None) };
    let manifest = Manifest::read(&paths.manifest())?;
    let has = |path: &Path| -> Result<bool> {
        let sha256 = listed(path)?.sha256;
        Ok(manifest.files.iter().any(|file| file.sha256 == sha256))
    };
    if has(&paths.finished())? {
        let manifest_sha256 = listed(&paths.manifest())?.sha256;
        match ledger::has(config, place)? {
            ledger::Has::Manifest(known) if known != manifest_sha256 => noted(place, config)?,
            _ => {}
        }
        recording::forget(&left)?;
        return Ok(Some("its old form, which hrec rekey was to remove, is gone now"));
    }
    if !has(&left.old)? {
        bail!(
            "hrec rekey did not come to its end, and neither {} nor the recording is what the manifest says",
            safe_text(&left.old.to_string_lossy())
        );
    }
    recording::undo(paths, &left)?;
    Ok(Some("hrec rekey had not come to its end, and it is encrypted as before"))
}

/// Tells the ledger which file and which manifest hold now.
fn noted(place: &Place, config: &Config) -> Result<()> {
    let path = place.paths.manifest();
    let (manifest, manifest_sha256) = (Manifest::read(&path)?, listed(&path)?.sha256);
    let Some(last) = manifest.rekeyed.last() else { return Ok(()) };
    let (from_sha256, to_sha256) = (last.from.clone(), last.to.clone());
    let (id, by) = (place.id(), ledger::by());
    ledger::note(config, place, Event::Rekey { id, by, from_sha256, to_sha256, manifest_sha256 })
}

/// Keeps the manifest as it was, and its seal, under names of their own: they
/// prove what the recording was before.
fn trail(path: &Path, number: usize) -> Result<Vec<FileDigest>> {
    let kept = path.with_extension(format!("{number}.json"));
    let mut files = Vec::new();
    for (from, to) in [(path.to_owned(), kept.clone()), (signature(path), signature(&kept))] {
        if from.exists() {
            // A manifest is replaced and never written to: a second name keeps
            // the old one.
            std::fs::hard_link(&from, &to)
                .or_else(|error| match error.kind() {
                    std::io::ErrorKind::AlreadyExists => {
                        std::fs::remove_file(&to).and_then(|()| std::fs::hard_link(&from, &to))
                    }
                    _ => std::fs::copy(&from, &to).map(drop),
                })
                .with_context(|| format!("cannot keep {}", to.display()))?;
            files.push(listed(&to)?);
        }
    }
    Ok(files)
}
