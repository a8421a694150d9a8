//! `hrec recover`: makes a finished recording of an interrupted one.

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};

use super::ledger;
use super::place::{Place, identities, read_key_list};
use super::rec::sealing::own_signer;
use super::source::Source;
use crate::cli;
use crate::config::{self, Config};
use crate::event::Data;
use crate::format::chain::ChainState;
use crate::format::cipher::Recipients;
use crate::recording::{self, Paths};
use crate::screen::safe_text;
use crate::seal::chain;
use crate::seal::finding::{Class, Finding};
use crate::seal::ledger::Event;
use crate::seal::manifest::{FileDigest, Manifest, State};
use crate::seal::verify::digest;
use crate::timeline::{LineEnds, with_streams};

/// Runs the verb.
///
/// # Errors
/// When the recording is not an interrupted one, no identity opens it, or the
/// disk refuses.
pub fn run(args: &cli::Recover, config: &Config) -> Result<ExitCode> {
    let place = Place::find(&args.rec, config)?;
    let paths = &place.paths;
    if let Some(done) = super::rekey::settle(&place, config)? {
        let name = place.name();
        writeln!(std::io::stderr().lock(), "hrec: {name}: {done}")?;
        return Ok(ExitCode::SUCCESS);
    }
    genuine(&place, config)?;
    let identities = identities(&args.identity, config)?;
    let manifest = place.manifest();
    let recipients = recipients(manifest.as_ref(), config)?;
    let made_from = made_from(paths);
    let recovered = recording::recover(paths, &identities, &recipients)
        .map_err(|error| place.explain(error))?;
    let path = safe_text(&paths.finished().to_string_lossy()).into_owned();

    let whole = Place { path: paths.finished(), paths: paths.clone() };
    if let Some(mut manifest) = manifest {
        manifest.state = State::Recovered;
        manifest.files = vec![FileDigest {
            name: recovered.file.name.clone(),
            size: recovered.file.size,
            sha256: recovered.file.sha256.clone(),
        }];
        // Of what it was made from: heads that were signed while it was live
        // lead there.
        manifest.chain = Some(made_from?);
        manifest.end_reason.get_or_insert_with(|| "interrupted".to_owned());
        count(&mut manifest, Source::open_place(&whole, &identities)?)?;
        let sealed =
            own_signer(config).and_then(|signer| super::seal::write(&manifest, &whole, &signer));
        if let Err(error) = sealed {
            manifest.write(&paths.manifest(), true)?;
            let why = super::told(&error);
            let _ =
                writeln!(std::io::stderr().lock(), "hrec: it is not sealed: {}", safe_text(&why));
        }
    }

    let noted = noted(&place, config);
    let mut err = std::io::stderr().lock();
    if let Err(error) = noted {
        writeln!(err, "hrec: the ledger does not know of it: {}", safe_text(&super::told(&error)))?;
    }
    if recovered.remarks.is_empty() {
        recording::discard(paths)?;
        writeln!(err, "hrec: recovered as {path}")?;
        return Ok(ExitCode::SUCCESS);
    }
    // What could not be read now may be evidence all the same.
    writeln!(
        err,
        "hrec: recovered as {path}, as far as it could be read; the interrupted form stays beside it:"
    )?;
    for remark in &recovered.remarks {
        writeln!(err, "hrec: {}", safe_text(remark))?;
    }
    Ok(ExitCode::from(super::FAILED))
}

/// What was put in the place of a recording does not become one by a new seal.
/// That some of it is missing is no reason: as much as there is is recovered.
fn genuine(place: &Place, config: &Config) -> Result<()> {
    let wrong = |finding: &Finding| matches!(finding.class, Class::Altered | Class::WrongSignature);
    match super::verify::found(place, config)?.into_iter().find(wrong) {
        None => Ok(()),
        Some(Finding { class, what, .. }) => bail!(
            "{}: {}; hrec verify tells more, and hrec play shows what can be read of it",
            class.name(),
            safe_text(&what)
        ),
    }
}

/// Tells the ledger which manifest holds now.
fn noted(place: &Place, config: &Config) -> Result<()> {
    if !place.paths.manifest().exists() {
        return Ok(());
    }
    let manifest_sha256 = digest(&place.paths.manifest())?.1;
    let event = Event::Recover { id: place.id(), by: ledger::by(), manifest_sha256 };
    ledger::note(config, place, event)
}

/// Those who could open it before; without a manifest, those who would now.
fn recipients(manifest: Option<&Manifest>, config: &Config) -> Result<Recipients> {
    let mut recipients = Recipients::new();
    for recipient in manifest.map(|manifest| &manifest.recipients).into_iter().flatten() {
        recipients.add(recipient).context("the manifest names a recipient that cannot be used")?;
    }
    if recipients.is_empty() {
        let to = config::identity::record_to(config)?;
        for recipient in &to.recipients {
            recipients.add(recipient)?;
        }
        for file in &to.files {
            let name = safe_text(&file.to_string_lossy()).into_owned();
            let text = read_key_list(file).with_context(|| format!("cannot read {name}"))?;
            recipients.add_file(&name, &text)?;
        }
    }
    Ok(recipients)
}

pub(super) fn made_from(paths: &Paths) -> Result<ChainState> {
    let part = recording::open_own(&paths.part()).context("cannot open the part")?;
    let written = recording::written(&part).context("cannot read the part")?;
    let part = part.take(written);
    let journals = recording::journal_paths(paths)?;
    let journals = journals.iter().filter_map(|path| {
        let number = paths.journal_number(path.file_name()?)?;
        Some((number, recording::open_own(path).ok()?))
    });
    Ok(chain::compute(part, journals)?)
}

/// What the writer did not live to count.
fn count(manifest: &mut Manifest, mut source: Source) -> Result<()> {
    let (mut bytes_out, mut bytes_in, mut last) = (0, 0, 0);
    // As the writer counts: a pipe's bytes too, kept or not.
    let mut events = with_streams(&mut source, LineEnds::AsTheyWere);
    for event in &mut events {
        let event = event?;
        last = event.time;
        match event.data {
            Data::Output(bytes) => bytes_out += bytes.len() as u64,
            Data::Input(bytes) => bytes_in += bytes.len() as u64,
            _ => {}
        }
    }
    manifest.bytes_out = bytes_out + events.left_out();
    manifest.bytes_in = bytes_in;
    let start: Result<Timestamp, _> = manifest.start.parse();
    let length = SignedDuration::from_micros(i64::try_from(last).unwrap_or(i64::MAX));
    let end = start.ok().and_then(|start| start.checked_add(length).ok());
    if manifest.end.is_none() {
        manifest.end = end.map(|end| format!("{end:.6}"));
    }
    Ok(())
}
