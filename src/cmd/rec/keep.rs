//! Where a session is kept: the store, the keys, the header, the manifest.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::begin::Begin;
use super::clerk::{Clerk, Watched};
use super::collected::{Collected, Link};
use super::lookup::Found;
use super::sealing::{Certify, Sealing};
use super::tell;
use crate::cmd::ledger::Access;
use crate::cmd::place::read_key_list;
use crate::config::{Config, ManifestCommand, Mode, identity as keys};
use crate::event::{Header, Micros};
use crate::format::cipher::Recipients;
use crate::identity::target::Target;
use crate::identity::{Who, scrub};
use crate::record::relay::{Exit, Reason};
use crate::record::session::Prepared;
use crate::record::writer::Tally;
use crate::recording::live::{FileState, Finished, Live};
use crate::recording::{self, Id};
use crate::screen::safe_text;
use crate::seal::ledger::Event;
use crate::seal::manifest::{self, FileDigest, Manifest, State};

/// How often a recording that cannot be finished is tried again, and after
/// what pause: an error that passes should not leave a recording interrupted.
const AGAIN: u32 = 3;
const PAUSE: Duration = Duration::from_millis(250);

/// What is known of the session before it starts.
pub struct Session<'a> {
    /// Its id.
    pub id: Id,
    /// Its start.
    pub start: jiff::Timestamp,
    /// The program as typed.
    pub program: &'a OsStr,
    /// Its arguments.
    pub args: &'a [OsString],
    /// Whose it is.
    pub who: &'a Who,
    /// What the program is pointed at.
    pub target: &'a Target,
    /// The finished recording, where it is not the store's to say.
    pub output: Option<&'a Path>,
    /// Its title.
    pub title: Option<&'a str>,
    /// The program's environment.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether keys that are missing are made, as the person's own.
    pub makes_keys: bool,
}

/// An open recording.
pub struct Keep {
    /// Where the events go.
    pub live: Watched,
    /// What is written at the end.
    pub keeper: Keeper,
    /// What is to be begun with the program.
    pub certify: Option<Certify>,
    /// To be told the person once.
    pub notice: Option<String>,
}

/// What came of it.
#[derive(Debug)]
pub struct Made {
    /// The finished recording.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Why it is not sealed.
    pub unsealed: Option<String>,
    /// Why the ledger does not have its end.
    pub untold: Option<String>,
    /// Whether a collector has it; the path is its id then.
    pub collected: bool,
}

/// The manifest, and how it is replaced at the end.
pub struct Keeper {
    manifest: Manifest,
    path: PathBuf,
    start: jiff::Timestamp,
    sync: bool,
    target: Found,
    by: By,
}

/// Who writes the end of it.
enum By {
    /// This process, with its key.
    Session(Box<Sealing>),
    /// The collector.
    Collector(Collected),
}

impl Keep {
    /// Opens the recording: afterwards it is on the disk, with its header and
    /// its manifest.
    ///
    /// # Errors
    /// When the keys or the store cannot be used.
    pub fn open(config: &Config, session: &Session<'_>, prepared: &Prepared) -> Result<Self> {
        let to = keys::record_to(config)?;
        let mut recipients = Recipients::new();
        for recipient in &to.recipients {
            recipients.add(recipient)?;
        }
        for file in &to.files {
            let name = file.display().to_string();
            let text = read_key_list(file)
                .with_context(|| format!("cannot read the recipients in {name}"))?;
            recipients.add_file(&name, &text)?;
        }
        if let Some(socket) = Collected::holds(config, session) {
            return Self::by_collector(config, session, prepared, &recipients, socket);
        }
        let makes = session.makes_keys;
        let (sealing, certify) = Sealing::begin(config, session.id.as_str(), session.start, makes);
        let ledger = session.output.is_none().then(|| Access::new(config));
        let ledger = ledger.filter(|access| makes || access.has_key());
        let begun = Begin {
            output: session.output.map(Path::to_owned),
            store: config.store(),
            min_free: config.store_min_free.value.0,
            quota: config.store_quota_user.value.0,
            uid: session.who.uid(),
            id: session.id.clone(),
            header: header(config, session, prepared),
            manifest: begun(config, session, &recipients, Some(sealing.fingerprint())),
            recipients,
            sync: config.record_sync.value,
            ledger,
            strict: config.record_mode.value == Mode::Strict,
        }
        .within_limit()?;
        let clerk = begun.told.map(|(access, told)| {
            if let Some(why) = told.why_not() {
                tell::line(&format!(
                    "the ledger does not know of this session yet: {}",
                    safe_text(&why)
                ));
            }
            Clerk::start(session.id.as_str(), access, told)
        });
        let clerk = clerk.transpose().context("cannot start a thread")?;
        let keeper = Keeper {
            manifest: begun.manifest,
            path: begun.path,
            start: session.start,
            sync: config.record_sync.value,
            target: Found::default(),
            by: By::Session(Box::new(sealing)),
        };
        let notice = match &keeper.by {
            By::Session(sealing) => to.notice(sealing.made.as_deref()),
            By::Collector(_) => None,
        };
        let certify = Some(certify);
        Ok(Self { live: Watched::new(begun.live, clerk), keeper, certify, notice })
    }

    /// The same, held by a collector.
    fn by_collector(
        config: &Config,
        session: &Session<'_>,
        prepared: &Prepared,
        recipients: &Recipients,
        socket: &Path,
    ) -> Result<Self> {
        let manifest = begun(config, session, recipients, None);
        let header = header(config, session, prepared);
        let (live, collected) =
            Collected::begin(config, socket, &manifest, &header, recipients, &session.id)?;
        let keeper = Keeper {
            manifest,
            path: PathBuf::from(session.id.as_str()),
            start: session.start,
            sync: config.record_sync.value,
            target: Found::default(),
            by: By::Collector(collected),
        };
        Ok(Self { live: Watched::new(live, None), keeper, certify: None, notice: None })
    }
}

impl Keeper {
    /// Takes the target from here at the end, should it be known better then.
    pub fn with_target(self, target: Found) -> Self {
        Self { target, ..self }
    }

    /// Who tells the session of its collector, where it has one.
    pub fn link(&self) -> Option<Link> {
        match &self.by {
            By::Session(_) => None,
            By::Collector(collected) => Some(collected.link()),
        }
    }

    /// Finishes the recording and replaces the manifest.
    ///
    /// # Errors
    /// When the store fails; the recording is left interrupted then, and
    /// readable.
    pub fn finish(
        mut self,
        live: Watched,
        tally: &Tally,
        exit: Exit,
        reason: Reason,
        time: Micros,
    ) -> Result<Made> {
        let end =
            self.start + jiff::SignedDuration::from_micros(i64::try_from(time).unwrap_or(i64::MAX));
        self.manifest.end = Some(format!("{end:.6}"));
        self.manifest.exit = Some(match exit {
            Exit::Signal(signal) => manifest::Exit::Signal(signal),
            other => manifest::Exit::Code(super::status(other).into()),
        });
        self.manifest.end_reason = Some(reason.name().to_owned());
        if let Some(target) = self.target.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.manifest.target = in_the_clear(object(serde_json::to_value(target)));
        }
        self.manifest.bytes_out = tally.bytes_out;
        self.manifest.bytes_in = tally.bytes_in;
        let (mut live, clerk) = live.into_parts();
        let finished = finish(&mut live, time, exit, reason);
        let sealing = match self.by {
            By::Session(sealing) => sealing,
            By::Collector(collected) => return collected.end(&self.manifest, finished),
        };
        match &finished {
            Ok(finished) => {
                self.manifest.state = State::Finished;
                self.manifest.files = digests(finished.files.clone());
                self.manifest.chain = Some(finished.chain.clone());
            }
            Err(_) => {
                self.manifest.state = State::Interrupted;
                self.manifest.files = digests(live.files());
                self.manifest.chain = Some(live.chain());
            }
        }
        let mut unsealed = None;
        let written = self.manifest.write_sealed(&self.path, self.sync, |manifest| {
            sealing.seal(manifest).map_err(|error| unsealed = Some(crate::cmd::told(&error))).ok()
        });
        // An interrupted recording has an end too, when its writer lives to
        // tell of it.
        let told = match (&written, clerk) {
            (Ok(()), Some(clerk)) => {
                ended(&self.manifest, unsealed.is_none()).and_then(|end| clerk.end(end))
            }
            _ => Ok(()),
        };
        let finished = finished.context("the recording is left interrupted")?;
        written.context("the recording is finished, but its manifest is not")?;
        let untold = told.err().map(|error| crate::cmd::told(&error));
        let (path, bytes) = (finished.path, finished.bytes_file);
        Ok(Made { path, bytes, unsealed, untold, collected: false })
    }
}

/// What the ledger is told of a recording's end.
pub fn ended(manifest: &Manifest, sealed: bool) -> Result<Event> {
    Ok(Event::End {
        id: manifest.id.clone(),
        state: manifest.state.name().to_owned(),
        manifest_sha256: HEXLOWER.encode(&Sha256::digest(manifest.to_bytes()?)),
        chain: manifest.chain.clone(),
        sealed,
    })
}

/// Finishes the recording, trying again for a moment where the store refuses,
/// unless it has had its chance already.
fn finish(
    live: &mut Live,
    time: Micros,
    exit: Exit,
    reason: Reason,
) -> Result<Finished, recording::Error> {
    let status = super::status(exit).to_string();
    let again = if reason == Reason::StoreFailed { 0 } else { AGAIN };
    for _ in 0..again {
        if let Ok(finished) = live.finish(time, Some(&status)) {
            return Ok(finished);
        }
        std::thread::sleep(PAUSE);
    }
    live.finish(time, Some(&status))
}

fn digests(files: Vec<FileState>) -> Vec<FileDigest> {
    let digest = |f: FileState| FileDigest { name: f.name, size: f.size, sha256: f.sha256 };
    files.into_iter().map(digest).collect()
}

/// The manifest of a session that has not started.
fn begun(
    config: &Config,
    session: &Session<'_>,
    recipients: &Recipients,
    session_key: Option<String>,
) -> Manifest {
    let program = Path::new(session.program).file_name().unwrap_or(session.program);
    let scrubbed = config.manifest_command.value == ManifestCommand::Scrubbed;
    Manifest {
        v: manifest::VERSION,
        id: session.id.to_string(),
        parent: session.who.parent().map(str::to_owned),
        state: State::Live,
        writer: "session".to_owned(),
        mode: config.record_mode.value.as_str().to_owned(),
        input: config.record_input.value.as_str().to_owned(),
        start: format!("{:.6}", session.start),
        end: None,
        program: program.to_string_lossy().into_owned(),
        command: scrubbed.then(|| scrub::command_line(session.program, session.args)),
        target: in_the_clear(object(serde_json::to_value(session.target))),
        identity: object(serde_json::to_value(session.who)),
        exit: None,
        end_reason: None,
        bytes_out: 0,
        bytes_in: 0,
        recipients: recipients.names().map(str::to_owned).collect(),
        files: Vec::new(),
        chain: None,
        policy_sha256: policy_digest(config),
        rekeyed: Vec::new(),
        session_key,
    }
}

/// What the recording says of itself, inside the encryption.
fn header(config: &Config, session: &Session<'_>, prepared: &Prepared) -> Header {
    let words: Vec<String> =
        words(session).iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut hrec = object(Ok(json!({
        "version": 1,
        "id": session.id.as_str(),
        "mode": config.record_mode.value.as_str(),
        "input": config.record_input.value.as_str(),
        "start": format!("{:.6}", session.start),
        "pty": prepared.has_pty(),
        "argv": words,
        "identity": serde_json::to_value(session.who).unwrap_or_default(),
    })));
    if let Some(parent) = session.who.parent() {
        hrec.insert("parent".to_owned(), parent.into());
    }
    let variable = |name: &str| (session.environment)(name)?.into_string().ok();
    let env = ["SHELL", "TERM", "LANG"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), variable(name)?)))
        .collect();
    Header {
        size: prepared.size(),
        term_type: variable("TERM"),
        timestamp: Some(session.start.as_second()),
        command: Some(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")),
        title: session.title.map(str::to_owned),
        env,
        hrec: Some(hrec),
        ..Header::default()
    }
}

fn words(session: &Session<'_>) -> Vec<OsString> {
    let program = std::iter::once(session.program.to_owned());
    program.chain(session.args.iter().cloned()).collect()
}

/// A word as a shell would need it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn object(value: serde_json::Result<Value>) -> Map<String, Value> {
    match value {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// What of a target the manifest may show: what a person could have typed, and
/// no address of a cluster that only the lookup knows. The `target` fact,
/// inside the encryption, has it all.
fn in_the_clear(mut target: Map<String, Value>) -> Map<String, Value> {
    const SHOWN: [&str; 10] = [
        "kind",
        "name",
        "user",
        "host",
        "port",
        "database",
        "context",
        "namespace",
        "pod",
        "container",
    ];
    target.retain(|field, _| SHOWN.contains(&field.as_str()));
    target
}

/// The digest of every setting that held: one line each, `key = value`.
fn policy_digest(config: &Config) -> String {
    let mut digest = Sha256::new();
    for (key, value, _, locked) in config.list() {
        digest.update(format!("{key} = {value}{}\n", if locked { " (locked)" } else { "" }));
    }
    data_encoding::HEXLOWER.encode(&digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted_back() {
        assert_eq!(quoted("user@host:/x-1"), "user@host:/x-1");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
