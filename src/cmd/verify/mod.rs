//! `hrec verify`: whether recordings are what was recorded, whole, and sealed
//! by whom.

mod content;
mod distant;
mod ledger;
mod told;

use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

use self::distant::Distant;
use super::place::{Place, identities, read_key_list};
use crate::cli;
use crate::config::{Config, signing};
use crate::recording::{self, is_live, journal_paths};
use crate::seal::finding::{Class, Finding, Weight};
use crate::seal::signers::Signers;
use crate::seal::verify::{Files, Report, check};
use crate::store::Local;

/// Something is incomplete.
const INCOMPLETE: u8 = 1;

/// Something is wrong.
const BAD: u8 = 2;

/// Runs the verb.
///
/// # Errors
/// When there is no such recording, or nothing to check against can be read.
pub fn run(args: &cli::Verify, config: &Config) -> Result<ExitCode> {
    let summary = match Distant::of(args, config)? {
        Some(distant) => distant.look(args)?,
        None => look(args, config, &places(args, config)?, None)?,
    };
    let status = summary.weight().map_or(0, status);
    summary.show(args.json, args.all)?;
    Ok(ExitCode::from(status))
}

/// What the verb says of one recording when it is given nothing else: a line
/// for each thing that is wrong, or one that all is well. Reads all of it.
pub(super) fn verdict(place: &Place, config: &Config) -> Vec<String> {
    match look_at(place, config) {
        Ok(summary) => summary.of_one(),
        Err(error) => vec![format!("not checked: {}", super::told(&error))],
    }
}

/// What is to be sealed must be what was recorded: refuses one that the verb
/// finds anything against, by seal or ledger, but for these classes.
///
/// # Errors
/// What was found, or that it could not be checked.
pub(super) fn refuse(place: &Place, config: &Config, but: &[Class]) -> Result<()> {
    let store = config.store();
    // A store without a ledger: it has nothing to say, and verify says that
    // afterwards too.
    let no_ledger = super::ledger::dir(&store).symlink_metadata().is_err();
    let passes = |finding: &Finding| match finding.id {
        Some(_) => but.contains(&finding.class),
        None => no_ledger && finding.class == Class::Missing,
    };
    let wrong = found(place, config)?.into_iter().find(|finding| !passes(finding));
    wrong.map_or(Ok(()), |Finding { class, what, .. }| {
        bail!("{}: {}; hrec verify tells more", class.name(), crate::screen::safe_text(&what))
    })
}

/// What the verb finds against one recording, and against the ledger.
///
/// # Errors
/// When that cannot be checked.
pub(super) fn found(place: &Place, config: &Config) -> Result<Vec<Finding>> {
    Ok(look_at(place, config)?.into_findings())
}

/// As the verb looks at one recording when it is given nothing else.
fn look_at(place: &Place, config: &Config) -> Result<told::Summary> {
    look(&cli::Verify::default(), config, &[(place.clone(), place.is_stored(config))], None)
}

fn look(
    args: &cli::Verify,
    config: &Config,
    places: &[(Place, bool)],
    distant: Option<&Distant>,
) -> Result<told::Summary> {
    let mut signers = signers(args, config)?;
    let mut reports = all(places, &signers, distant);
    if !args.identity.is_empty() {
        let given = cli::Identity { files: args.identity.clone() };
        let identities = identities(&given, config)?;
        let mut opened = Vec::new();
        for (report, (place, _)) in reports.iter_mut().zip(places) {
            if content::check(place, &identities, report) {
                opened.push(report.id.clone());
            }
        }
        // What it says of a recording's content is a look at it.
        super::ledger::views(config, "verify", &opened)?;
    }
    let mut remarks = std::mem::take(&mut signers.remarks);
    for (report, (place, stored)) in reports.iter().zip(places) {
        if recording::is_unfinished(&place.paths) {
            remarks.push(format!(
                "{}: hrec rekey did not come to its end; hrec recover does that",
                report.id
            ));
        }
        if !*stored {
            remarks.push(format!(
                "{}: it is not in the store, and so in no ledger: that it is there says nothing of others",
                report.id
            ));
        }
    }
    let later = distant.map_or_else(|| Ok(Vec::new()), |distant| distant.ledger(&reports));
    let ledger = match later {
        Ok(later) => {
            let stored = ledger::Stored { places, later: &later };
            ledger::check(args, config, &signers, stored, &mut reports, &mut remarks)?
        }
        // What was checked until then is worth telling.
        Err(error) => vec![Finding::of_ledger(Class::NotChecked, super::told(&error))],
    };
    Ok(told::Summary::of(reports, ledger, remarks))
}

/// What a weight is as an exit status: `hrec(1)` states these.
fn status(weight: Weight) -> u8 {
    match weight {
        Weight::Incomplete => INCOMPLETE,
        Weight::Bad => BAD,
        Weight::Unknown => super::FAILED,
    }
}

/// The recordings asked for, and whether each is one of the store's.
fn places(args: &cli::Verify, config: &Config) -> Result<Vec<(Place, bool)>> {
    if args.all {
        let own = std::env::var(crate::identity::Who::PARENT).ok();
        let entries = Local::new(config.store()).list()?;
        let others = entries.iter().filter(|entry| own.as_ref() != Some(&entry.id));
        return Ok(others.map(|entry| (Place::stored(entry), true)).collect());
    }
    if args.recs.is_empty() {
        bail!("which recordings? name some, or give --all");
    }
    let find = |rec: &std::ffi::OsString| -> Result<(Place, bool)> {
        let place = Place::find(rec, config)?;
        let stored = place.is_stored(config);
        if !place.paths.manifest().exists() && !place.path.exists() && !place.paths.part().exists()
        {
            bail!("{} is not there", place.path.display());
        }
        Ok((place, stored))
    };
    args.recs.iter().map(find).collect()
}

/// Whose signatures are trusted: as asked for, or the administrator's list and
/// the person's own.
fn signers(args: &cli::Verify, config: &Config) -> Result<Signers> {
    let mut signers = Signers::default();
    let read = |path: &Path| {
        read_key_list(path).with_context(|| format!("cannot read {}", path.display()))
    };
    for path in &args.signers {
        signers.add(&path.to_string_lossy(), &read(path)?);
    }
    let lists = [signing::SYSTEM_SIGNERS.into(), signing::signers(config.dirs())];
    for path in lists.iter().filter(|path| args.signers.is_empty() && path.exists()) {
        signers.add(&path.to_string_lossy(), &read(path)?);
    }
    revoke(&mut signers, config)?;
    Ok(signers)
}

/// Takes in the keys that the administrator or the person has revoked.
///
/// # Errors
/// When a list is there and cannot be read.
pub(super) fn revoke(signers: &mut Signers, config: &Config) -> Result<()> {
    let revoked = [signing::SYSTEM_REVOKED.into(), signing::revoked(config.dirs())];
    for path in revoked.iter().filter(|path| path.exists()) {
        let text =
            read_key_list(path).with_context(|| format!("cannot read {}", path.display()))?;
        signers.revoke(&path.to_string_lossy(), &text);
    }
    Ok(())
}

/// Checks them all, on every core there is.
fn all(places: &[(Place, bool)], signers: &Signers, distant: Option<&Distant>) -> Vec<Report> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((place, stored)) = places.get(at) else { return done };
            let check = || one(place, *stored, signers);
            done.push((at, distant.map_or_else(check, |distant| distant.around(place, check))));
        }
    };
    let mut done: Vec<(usize, Report)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores.min(places.len())).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            // A thread that panicked has lost its reports, which `zip` would
            // show as another recording's: so the panic goes on.
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, report)| report).collect()
}

fn one(place: &Place, stored: bool, signers: &Signers) -> Report {
    let paths = &place.paths;
    let part = paths.part();
    let there = part.symlink_metadata().is_ok();
    // Looked at only where there is a part: of ten thousand recordings each
    // look would read a directory.
    let journals = if there { journal_paths(paths).unwrap_or_default() } else { Vec::new() };
    let journals = journals
        .into_iter()
        .filter_map(|path| Some((paths.journal_number(path.file_name()?)?, path)))
        .collect();
    let files = Files {
        id: paths.stem().to_string_lossy().into_owned(),
        stored,
        manifest: paths.manifest(),
        finished: paths.finished(),
        live: there && is_live(&part),
        part,
        journals,
    };
    let mut report = check(&files, signers);
    if report.manifest_sha256.is_none()
        && place.path.extension().is_some_and(|e| e != "age" && e != "part")
    {
        let what = "it is a recording that has no manifest: another program's, perhaps";
        report.findings = vec![Finding::of(&files.id, Class::NotYetSealed, what)];
    }
    report
}
