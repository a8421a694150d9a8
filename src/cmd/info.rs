//! `hrec info`: what is known of one recording.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::far::Far;
use super::ledger;
use super::ls::{duration, size};
use super::place::{Place, identities};
use super::source::Source;
use crate::cli;
use crate::config::Config;
use crate::event::Header;
use crate::format::asciicast::Version;
use crate::recording;
use crate::screen::safe_text;
use crate::seal::manifest::{Exit, Manifest, State, signature};
use crate::seal::sshsig::SshSig;

/// Runs the verb.
///
/// # Errors
/// When there is no such recording, or nothing at all is known of it.
pub fn run(args: &cli::Info, config: &Config) -> Result<ExitCode> {
    let far = Far::of(&args.rec, config, "info")?;
    let (config, rec) = match &far {
        Some(far) => (far.config(), far.bring(false)?),
        None => (config, args.rec.clone()),
    };
    let place = Place::find(&rec, config)?;
    let manifest = place.manifest();
    // Without a key the manifest still tells; without either there is nothing.
    let opened = identities(&args.identity, config)
        .and_then(|identities| Source::open_place(&place, &identities));
    let opened = match opened {
        Err(error) if manifest.is_none() => return Err(error),
        opened => opened,
    };
    if opened.is_ok() {
        ledger::view(config, "info", &place)?;
    }
    let opened = opened.as_deref().map(|recording| Content {
        header: recording.header(),
        version: recording.version(),
        state: recording.state(),
    });
    let origin = config.origin();
    let facts = Facts { place: &place, origin, manifest: manifest.as_ref(), opened };
    let mut out = super::out::out();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &facts.json())?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let lines = facts.lines();
    let widest = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in &lines {
        writeln!(out, "{name:widest$}  {}", safe_text(value))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of a recording.
pub(super) struct Facts<'a> {
    pub(super) place: &'a Place,
    /// Of whose store it is, where that is another host's.
    pub(super) origin: Option<&'a str>,
    pub(super) manifest: Option<&'a Manifest>,
    pub(super) opened: Result<Content<'a>, &'a anyhow::Error>,
}

/// What an opened recording says of itself.
pub(super) struct Content<'a> {
    pub(super) header: &'a Header,
    pub(super) version: Version,
    pub(super) state: recording::State,
}

impl Facts<'_> {
    fn state(&self) -> &'static str {
        match (self.opened.as_ref(), self.place.state(self.manifest)) {
            (Ok(content), _) if content.state == recording::State::Foreign => {
                content.state.as_str()
            }
            (_, Some(state)) => state.name(),
            (Ok(content), None) => content.state.as_str(),
            (Err(_), None) => "missing",
        }
    }

    /// By which key, as the seal itself says: `hrec verify` checks it.
    fn seal(&self) -> Option<String> {
        self.manifest?;
        let text = std::fs::read_to_string(signature(&self.place.paths.manifest()));
        let Ok(text) = text else { return Some("no".to_owned()) };
        let Some(seal) = SshSig::parse(&text) else {
            return Some("by nothing: no signature".to_owned());
        };
        let by = seal.key.certificate().and_then(|certificate| certificate.principals.first());
        let by = by.map(|by| format!("{by}, ")).unwrap_or_default();
        Some(format!("by {by}{} (not checked here)", seal.key.fingerprint()))
    }

    fn json(&self) -> Value {
        let mut json = Map::new();
        json.insert("path".into(), json!(self.place.shown(self.origin)));
        json.insert("state".into(), json!(self.state()));
        json.insert("sealed".into(), json!(self.place.has_seal()));
        json.insert("size".into(), json!(self.place.size()));
        json.insert("manifest".into(), json!(self.manifest));
        match &self.opened {
            Ok(content) => {
                json.insert("asciicast".into(), json!(content.version.number()));
                json.insert("header".into(), header_json(content.header));
            }
            Err(error) => {
                json.insert("not_opened".into(), json!(crate::cmd::told(error)));
            }
        }
        Value::Object(json)
    }

    /// By name.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("path", self.place.shown(self.origin))];
        let mut add = |name, value: Option<String>| {
            lines.extend(value.filter(|value| !value.is_empty()).map(|value| (name, value)));
        };
        add("state", Some(self.state().to_owned()));
        add("sealed", self.seal());
        add("size", Some(size(self.place.size())));
        if let Some(manifest) = self.manifest {
            add("id", Some(manifest.id.clone()));
            add("parent", manifest.parent.clone());
            add("start", Some(manifest.start.clone()));
            add("end", manifest.end.clone());
            add("length", length(manifest));
            add("program", Some(manifest.program.clone()));
            add("target", Some(pairs(&manifest.target)));
            add("identity", Some(claims(&manifest.identity)));
            add("mode", Some(manifest.mode.clone()));
            add("input", Some(manifest.input.clone()));
            add(
                "exit",
                manifest.exit.map(|exit| match exit {
                    Exit::Code(code) => format!("status {code}"),
                    Exit::Signal(signal) => format!("signal {signal}"),
                }),
            );
            add("ended by", manifest.end_reason.clone());
            if manifest.state != State::Live {
                add("output", Some(size(manifest.bytes_out)));
                add("typed", Some(size(manifest.bytes_in)));
            }
            for recipient in &manifest.recipients {
                add("readable by", Some(recipient.clone()));
            }
        }
        match &self.opened {
            Ok(content) => {
                let header = content.header;
                add("format", Some(content.version.to_string()));
                add("terminal", Some(header.size.to_string()));
                add("term", header.term_type.clone());
                add("title", header.title.clone());
                add("command", header.command.clone());
                if self.manifest.is_none() {
                    let at = header.timestamp.and_then(|at| jiff::Timestamp::from_second(at).ok());
                    add("start", at.map(|at| at.to_string()));
                }
            }
            Err(error) => add("content", Some(format!("not opened: {}", crate::cmd::told(error)))),
        }
        lines
    }
}

fn length(manifest: &Manifest) -> Option<String> {
    let start: jiff::Timestamp = manifest.start.parse().ok()?;
    let end: jiff::Timestamp = manifest.end.as_ref()?.parse().ok()?;
    Some(duration(end.duration_since(start).as_secs()))
}

/// `kind=ssh name=db1`
fn pairs(members: &Map<String, Value>) -> String {
    let texts: Vec<String> =
        members.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    texts.join(" ")
}

/// `user=ann (kernel) host=laptop (claimed)`
fn claims(members: &Map<String, Value>) -> String {
    let texts: Vec<String> = members
        .iter()
        .map(|(name, claim)| match (claim.get("value"), claim.get("trust")) {
            (Some(value), Some(trust)) => format!("{name}={} ({})", plain(value), plain(trust)),
            _ => format!("{name}={}", plain(claim)),
        })
        .collect();
    texts.join(" ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn header_json(header: &Header) -> Value {
    json!({
        "cols": header.size.cols(),
        "rows": header.size.rows(),
        "term": header.term_type,
        "timestamp": header.timestamp,
        "command": header.command,
        "title": header.title,
        "env": header.env.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "tags": header.tags,
        "hrec": header.hrec,
    })
}
