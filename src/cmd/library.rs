//! The store, as the browser of `hrec play` sees it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::place::{Place, read_keys};
use super::told;
use crate::config::Config;
use crate::event::{Data, Micros};
use crate::format::cipher::{self, Identities};
use crate::play::browser::filter::Fields;
use crate::play::browser::{Details, Entry, Library, Screen, State, Wanted};
use crate::play::prompt::Answers;
use crate::recording;
use crate::screen::safe_text;
use crate::seal::manifest::{self, Exit, Manifest};
use crate::store::Local;
use crate::timeline::Timeline;

/// Why there is no preview where looks are noted: one that is not would be a
/// way around `seal.log_views`, and one that is would fill the ledger with what
/// the cursor passed over.
const UNLOGGED: &str = "Not shown: seal.log_views is on, so that every look into a recording is \
                        noted in the ledger. Enter plays it, and notes that.";
/// Why there is none of what is elsewhere.
const FAR: &str = "Not shown: it is in a collector's store, whose ledger notes who takes what. Enter \
                   plays it, and notes that.";
/// Alerts of which the text is told; of the others their number is.
const ALERTS: usize = 3;
/// Events between two looks whether anybody still wants them counted.
const LOOK: usize = 256;
/// So many events before the end a screen is looked for that is not blank: what
/// an editor writes when it leaves comes in a few pieces.
const BACK: usize = 24;
/// A recipient in a line: an age key's beginning tells it from others.
const RECIPIENT: usize = 20;

/// The recordings of a store.
pub(crate) struct Shelf {
    store: Local,
    /// The session that hrec runs in, which is not in its own list.
    own: Option<String>,
    identity_files: Vec<PathBuf>,
    answers: Arc<Answers>,
    /// Why there are no previews: every look into a recording is noted in the
    /// ledger, and nobody gets one by going through a list.
    unseen: Option<&'static str>,
    /// Once all of them could be opened.
    identities: Mutex<Option<Arc<Identities>>>,
}

impl Shelf {
    /// The recordings in the store, looked into with the identities in these
    /// files.
    pub(crate) fn new(
        config: &Config,
        identity_files: Vec<PathBuf>,
        answers: Arc<Answers>,
    ) -> Self {
        let own = std::env::var(crate::identity::Who::PARENT).ok();
        let unseen = match config.origin() {
            Some(_) => Some(FAR),
            None => config.seal_log_views.value.then_some(UNLOGGED),
        };
        let store = Local::new(config.store());
        Self { store, own, identity_files, answers, unseen, identities: Mutex::default() }
    }

    /// What opens recordings without asking anybody: no passphrase but those
    /// that were given before, and no plugin, which may want a token touched.
    /// With it, what was left out.
    fn identities(&self) -> (Arc<Identities>, Option<String>) {
        let mut known = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return (Arc::clone(known), None);
        }
        let mut identities = Identities::asking(self.answers.quiet());
        let mut left_out = None;
        for path in &self.identity_files {
            let name = safe_text(&path.to_string_lossy()).into_owned();
            let added = read_keys(path)
                .map_err(|error| format!("cannot read {name}: {error}"))
                .and_then(|contents| {
                    let plugins = has_plugins(&contents);
                    let contents = if plugins { without_plugins(&contents) } else { contents };
                    // A file of nothing but plugins is none then.
                    let added = identities.add_file(&name, &contents);
                    match added {
                        _ if plugins => Err(format!("{name} has a plugin's key")),
                        Ok(()) => Ok(()),
                        Err(error) => Err(error.to_string()),
                    }
                });
            if let Err(why) = added {
                left_out = Some(why);
            }
        }
        let identities = Arc::new(identities);
        if left_out.is_none() {
            *known = Some(Arc::clone(&identities));
        }
        (identities, left_out)
    }

    fn open(&self, entry: &Entry) -> Result<Timeline, String> {
        if let Some(why) = self.unseen {
            return Err(why.to_owned());
        }
        let (identities, left_out) = self.identities();
        Timeline::open(&entry.path, &identities).map_err(|error| {
            let locked = match &error {
                recording::Error::Cipher { source: cipher::Error::NoMatch { .. }, .. } => left_out,
                recording::Error::Cipher { source: cipher::Error::Decrypt(_), .. } => {
                    Some("its key is under a passphrase".to_owned())
                }
                _ => None,
            };
            if let Some(why) = locked {
                return format!("Not shown unasked: {why}. Enter opens it, and asks.");
            }
            why(&Place::at(&entry.path).explain(error))
        })
    }
}

/// An error without the path that everybody can see.
fn why(error: &anyhow::Error) -> String {
    match error.downcast_ref() {
        Some(recording::Error::Cipher { source, .. }) => source.to_string(),
        _ => told(error),
    }
}

fn has_plugins(contents: &[u8]) -> bool {
    contents.split(|byte| *byte == b'\n').any(is_plugin)
}

fn is_plugin(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"AGE-PLUGIN-")
}

fn without_plugins(contents: &[u8]) -> Vec<u8> {
    let lines = contents.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !is_plugin(line)).flatten().copied().collect()
}

impl Library for Shelf {
    fn list(&self) -> Result<Vec<Entry>, String> {
        let all = self.store.list().map_err(|error| error.to_string())?;
        let others = all.into_iter().filter(|entry| Some(&entry.id) != self.own.as_ref());
        Ok(others.map(|entry| Entry { path: Place::stored(&entry).path, id: entry.id }).collect())
    }

    fn details(&self, entry: &Entry) -> Details {
        let place = Place::at(&entry.path);
        let manifest = Manifest::read(&place.paths.manifest());
        let state = match place.state(manifest.as_ref().ok()) {
            None => State::Missing,
            Some(manifest::State::Live) => State::Live,
            Some(manifest::State::Finished) => State::Finished,
            Some(manifest::State::Interrupted) => State::Interrupted,
            Some(manifest::State::Recovered) => State::Recovered,
        };
        // Without a file it would look for journals among all of the day's.
        let size = if state == State::Missing { 0 } else { place.size() };
        match manifest {
            Ok(manifest) => of_manifest(&manifest, state, size),
            Err(error) => {
                let what = match error {
                    manifest::Error::Io { .. } => "no manifest",
                    manifest::Error::Form { .. } => "damaged manifest",
                };
                Details {
                    start: None,
                    seconds: None,
                    size,
                    state,
                    fields: Fields::default(),
                    summary: entry.id.clone(),
                    more: Vec::new(),
                    warnings: vec![what.to_owned()],
                }
            }
        }
    }

    fn preview(&self, entry: &Entry, wanted: &Wanted<'_>) -> Result<Screen, String> {
        let mut timeline = self.open(entry)?;
        let failed = |error: recording::Error| why(&anyhow::Error::new(error));
        // A piece at a time: a recording without keyframes is read from its
        // start, and may be long.
        while wanted.still() && !timeline.approach(Micros::MAX, 4 << 20).map_err(failed)? {}
        let last = Screen::of(timeline.model());
        let mut screen = last.clone();
        for _ in 0..BACK {
            if !screen.is_blank() || !wanted.still() || !timeline.step_back().map_err(failed)? {
                break;
            }
            screen = Screen { before: true, ..Screen::of(timeline.model()) };
        }
        Ok(if screen.is_blank() { last } else { screen })
    }

    fn alerts(&self, entry: &Entry, wanted: &Wanted<'_>) -> Option<(usize, Vec<String>)> {
        let mut timeline = self.open(entry).ok()?;
        let (mut count, mut last) = (0, Vec::new());
        for (n, event) in timeline.events(0).ok()?.enumerate() {
            if n.is_multiple_of(LOOK) && !wanted.still() {
                return None;
            }
            let Ok((_, event)) = event else { break };
            let Data::Fact(fact) = &event.data else { continue };
            if fact.kind == "alert" {
                count += 1;
                let text = |name: &str| fact.fields.get(name).and_then(Value::as_str);
                let text = text("text").or_else(|| text("rule")).unwrap_or("?");
                last.push(text.chars().take(200).collect());
                if last.len() > ALERTS {
                    last.remove(0);
                }
            }
        }
        Some((count, last))
    }
}

fn of_manifest(manifest: &Manifest, state: State, size: u64) -> Details {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let start = time(&manifest.start);
    let end = manifest.end.as_deref().and_then(time);
    let seconds = start.zip(end).map(|(start, end)| end.duration_since(start).as_secs());
    let who = |field: &str| match manifest.who(field) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let user = who("user").or_else(|| who("uid"));
    let words = |texts: &[Option<String>]| {
        texts.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    let target: Vec<&str> = manifest.target.values().filter_map(Value::as_str).collect();
    let of_target = |name: &str| manifest.target.get(name).and_then(Value::as_str);
    let what = match manifest.target_name() {
        name if name == manifest.program => name.to_owned(),
        name => format!("{} {name}", manifest.program),
    };
    let others = [who("login_user"), who("sudo_user")];
    let mut more = Vec::new();
    let mut say = |name: &str, value: Option<String>| {
        more.extend(value.map(|value| (name.to_owned(), value)));
    };
    match manifest.exit {
        Some(Exit::Code(code)) => say("exit", Some(code.to_string())),
        Some(Exit::Signal(signal)) => say("signal", Some(signal.to_string())),
        None => {}
    }
    say("on", who("host"));
    say("from", who("ssh_client"));
    say("login", others[0].clone().filter(|login| Some(login) != user.as_ref()));
    say("sudo by", others[1].clone());
    say("to host", of_target("host").map(str::to_owned));
    say("database", of_target("database").map(str::to_owned));
    say("context", of_target("context").map(str::to_owned));
    say("pod", of_target("pod").map(str::to_owned));
    say("command", manifest.command.clone());
    let recipients = manifest.recipients.first().map(|first| {
        let short: String = first.chars().take(RECIPIENT).collect();
        let rest = manifest.recipients.len() - 1;
        if rest > 0 { format!("{short}… and {rest} more") } else { format!("{short}…") }
    });
    say("for", recipients);
    let warnings = match manifest.end_reason.as_deref() {
        Some("store-failed") => vec!["the store failed".to_owned()],
        Some("collector-lost") => vec!["the collector was lost".to_owned()],
        _ => Vec::new(),
    };
    Details {
        start,
        seconds: seconds.and_then(|seconds| u64::try_from(seconds).ok()),
        size,
        state,
        fields: Fields {
            user: words(&[user.clone(), others[0].clone(), others[1].clone()]),
            host: words(&[who("host"), of_target("host").map(str::to_owned), who("ssh_client")]),
            target: target.join(" "),
            program: manifest.program.clone(),
            ..Fields::default()
        },
        summary: user.map_or_else(|| what.clone(), |user| format!("{user}: {what}")),
        more,
        warnings,
    }
}
