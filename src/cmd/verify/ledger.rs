//! What the ledger says of the recordings that are checked.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cli;
use crate::cmd::ledger;
use crate::cmd::place::Place;
use crate::config::Config;
use crate::format::chain::{ChainState, PartState};
use crate::seal::finding::{Class, Finding};
use crate::seal::ledger::anchor::{self, Failed};
use crate::seal::ledger::{Against, Checked, NAMESPACE, Seen, check as check_ledger, note};
use crate::seal::manifest::{Manifest, State};
use crate::seal::signers::Signers;
use crate::seal::verify::Report;

/// The recordings that there are.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    /// Those that are checked, and whether each is the store's.
    pub(super) places: &'a [(Place, bool)],
    /// Ids of others, which began after that.
    pub(super) later: &'a [String],
}

/// Checks the store's ledger, adds to each report what the ledger has against
/// it, and gives what is wrong with the ledger itself. Recordings that are
/// elsewhere are not the ledger's.
///
/// # Errors
/// When a checkpoint to hold it against cannot be read.
pub(super) fn check(
    args: &cli::Verify,
    config: &Config,
    signers: &Signers,
    Stored { places, later }: Stored<'_>,
    reports: &mut [Report],
    remarks: &mut Vec<String>,
) -> Result<Vec<Finding>> {
    if !args.all && args.against.is_empty() && !places.iter().any(|(_, stored)| *stored) {
        return Ok(Vec::new());
    }
    let dir = ledger::dir(&config.store());
    let mut against = Vec::new();
    for path in &args.against {
        against.extend(checkpoints(path)?);
    }
    let Checked { checkpoint, mut findings, remarks: more, book } =
        check_ledger(&dir, &signers.ed25519(NAMESPACE), &against);
    remarks.extend(more);
    for state in anchor::states(&dir, &config.seal_anchors.value) {
        if let Some(failed) = &state.failed {
            let Failed { since, why } = failed;
            remarks.push(format!(
                "the anchor {} has not had the ledger's head since {since}: {why}",
                state.anchor
            ));
        }
    }
    let stored = || places.iter().zip(&*reports).filter(|((_, stored), _)| *stored);
    if checkpoint.is_none() {
        if findings.is_empty() && stored().next().is_some() {
            let what = format!("{} is not there, and there are recordings", dir.display());
            findings.push(Finding::of_ledger(Class::Missing, what));
        }
        return Ok(findings);
    }
    if book.partial {
        // What could not be read may say anything of any recording; that is a
        // finding of the ledger's.
        return Ok(findings);
    }
    if args.all {
        let there = stored().map(|(_, report)| report.id.as_str());
        let there: HashSet<&str> = there.chain(later.iter().map(String::as_str)).collect();
        let own = std::env::var(crate::identity::Who::PARENT).ok();
        let absent = book.absent(&there);
        findings.extend(absent.into_iter().filter(|finding| finding.id != own));
        findings.extend(book.unrecorded());
        remarks.extend(book.idle_logins().iter().cloned());
    }
    for ((place, stored), report) in places.iter().zip(reports) {
        if !*stored {
            continue;
        }
        let manifest = report.manifest.as_ref();
        let ended = manifest.is_some_and(|manifest| manifest.state != State::Live);
        // One that ended between the look at it and that into the ledger.
        if manifest.is_some()
            && !ended
            && Manifest::read(&place.paths.manifest()).is_ok_and(|now| now.state != State::Live)
        {
            continue;
        }
        let trail = manifest.map(trail).unwrap_or_default();
        let begun = begun(place, manifest);
        let judged = book.judge(&Seen {
            id: &report.id,
            manifest_sha256: report.manifest_sha256.as_deref().filter(|_| ended),
            start: manifest.map(|manifest| manifest.start.as_str()),
            ended,
            sealed: place.has_seal(),
            session_key: manifest.and_then(|manifest| manifest.session_key.as_deref()),
            begun: begun.as_deref(),
            recovered: manifest.is_some_and(|manifest| manifest.state == State::Recovered),
            made_from: made_from(place, manifest).as_ref(),
            trail: &trail,
        });
        report.findings.extend(judged);
    }
    Ok(findings)
}

/// How far the interrupted recording went that this one was made of: the
/// manifest says it, or the first that was kept, of one that is encrypted to
/// others since.
fn made_from(place: &Place, manifest: Option<&Manifest>) -> Option<ChainState> {
    let manifest = manifest.filter(|manifest| manifest.state == State::Recovered)?;
    let kept = match manifest.rekeyed.first() {
        None => manifest.clone(),
        Some(first) => {
            let name = Path::new(&first.manifest).file_name()?;
            Manifest::read(&place.paths.dir().join(name)).ok()?
        }
    };
    Some(kept.chain.unwrap_or_else(|| ChainState {
        part: PartState { chunks: 0, sha256: String::new() },
        journal: None,
    }))
}

/// The file that was begun at the recording's start, as far as it is the one
/// that is there: what was recovered, or encrypted to others, is another.
fn begun(place: &Place, manifest: Option<&Manifest>) -> Option<PathBuf> {
    let (part, finished) = (place.paths.part(), place.paths.finished());
    let of_live = || if part.symlink_metadata().is_ok() { &part } else { &finished }.clone();
    match manifest.map(|manifest| (manifest.state, manifest.rekeyed.is_empty())) {
        None | Some((State::Live, _)) => Some(of_live()),
        Some((State::Interrupted, _)) => Some(part),
        Some((State::Finished, true)) => Some(finished),
        Some((State::Finished | State::Recovered, _)) => None,
    }
}

/// The digests of the manifests from before each encryption to others.
fn trail(manifest: &Manifest) -> Vec<String> {
    let digest = |name: &str| manifest.files.iter().find(|file| file.name == name);
    let kept = manifest.rekeyed.iter().map(|rekey| digest(&rekey.manifest));
    kept.map(|file| file.map(|file| file.sha256.clone()).unwrap_or_default()).collect()
}

/// The signed checkpoints in a file, one after the other.
fn checkpoints(path: &Path) -> Result<Vec<Against>> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let notes = note::split(&text);
    anyhow::ensure!(!notes.is_empty(), "{shown} holds no checkpoint (c2sp.org/tlog-checkpoint)");
    let several = notes.len() > 1;
    let name = |n: usize| if several { format!("{shown} ({n})") } else { shown.clone() };
    let against = (1..).zip(notes);
    Ok(against.map(|(n, note)| Against { name: name(n), bytes: note.into_bytes() }).collect())
}
