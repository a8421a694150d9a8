//! What can be checked only with a key: that the content opens, is a
//! recording, and carries what the manifest says of it.

use serde_json::Value;

use crate::cmd::place::Place;
use crate::cmd::source::Source;
use crate::event::Data;
use crate::format::cipher::Identities;
use crate::seal::finding::{Class, Finding};
use crate::seal::manifest::{Manifest, State};
use crate::seal::verify::Report;
use crate::timeline::{LineEnds, with_streams};

/// Opens the recording at `place`, and adds what is wrong with it; whether it
/// could be opened.
pub(super) fn check(place: &Place, identities: &Identities, report: &mut Report) -> bool {
    let Some(manifest) = report.manifest.take() else { return false };
    let (opened, found) = match Source::open_place(place, identities) {
        Ok(source) => (true, compare(source, &manifest)),
        Err(error) => (false, vec![unopened(&error)]),
    };
    let id = report.id.clone();
    report.findings.extend(found.into_iter().map(|(class, what)| Finding::of(&id, class, what)));
    report.manifest = Some(manifest);
    opened
}

fn unopened(error: &anyhow::Error) -> (Class, String) {
    let no_key = error
        .downcast_ref::<crate::recording::Error>()
        .is_none_or(crate::recording::Error::no_match);
    let class = if no_key { Class::NotChecked } else { Class::Altered };
    (class, format!("the content does not open: {}", crate::cmd::told(error)))
}

fn compare(mut source: Source, manifest: &Manifest) -> Vec<(Class, String)> {
    let mut found = Vec::new();
    let inside = source.header().hrec.clone().unwrap_or_default();
    let text = |name: &str| inside.get(name).and_then(Value::as_str).unwrap_or_default();
    for (name, outside) in [
        ("id", manifest.id.as_str()),
        ("start", &manifest.start),
        ("mode", &manifest.mode),
        ("input", &manifest.input),
        ("parent", manifest.parent.as_deref().unwrap_or_default()),
    ] {
        if text(name) != outside {
            let what = format!(
                "its {name} is {outside} in the manifest, and {} in the recording",
                text(name)
            );
            found.push((Class::Altered, what));
        }
    }
    let empty = Value::Object(serde_json::Map::new());
    if inside.get("identity").unwrap_or(&empty) != &Value::Object(manifest.identity.clone()) {
        found.push((
            Class::Altered,
            "the identity in the manifest is not the recording's".to_owned(),
        ));
    }
    if let Some(what) = count(&mut source, manifest) {
        found.push((Class::Altered, what));
    }
    found
}

/// What is wrong with the events, if anything is.
fn count(source: &mut Source, manifest: &Manifest) -> Option<String> {
    let (mut bytes_out, mut bytes_in) = (0, 0);
    let mut events = with_streams(&mut *source, LineEnds::AsTheyWere);
    for event in &mut events {
        match event {
            Ok(event) => match event.data {
                Data::Output(bytes) => bytes_out += bytes.len() as u64,
                Data::Input(bytes) => bytes_in += bytes.len() as u64,
                _ => {}
            },
            Err(error) => {
                return Some(format!("the content breaks off: {}", crate::cmd::told(&error)));
            }
        }
    }
    bytes_out += events.left_out();
    let remarks = source.remarks();
    let whole = matches!(manifest.state, State::Finished | State::Recovered);
    if whole && let Some(remark) = remarks.first() {
        return Some(format!("the content is not whole: {remark}"));
    }
    // What was typed is counted whether it was kept or not, and so is what was
    // lost in a gap: so the content may have less, and never more.
    let more = bytes_out > manifest.bytes_out || bytes_in > manifest.bytes_in;
    (whole && more).then(|| {
        format!(
            "the content has {bytes_out} bytes of output and {bytes_in} typed, the manifest {} and {}",
            manifest.bytes_out, manifest.bytes_in
        )
    })
}
