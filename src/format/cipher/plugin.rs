//! Plugins: the programs `age-plugin-NAME` that wrap and unwrap file keys with
//! whatever they know: a token, a key service, a post-quantum key.
//!
//! Refuses to know what a plugin does; speaks the client's side of
//! <https://c2sp.org/age-plugin>, `recipient-v1` and `identity-v1`. The age
//! crate has that too, but waits for ever for a plugin that hangs, and takes
//! whatever one sends: a recording must begin, or fail, in bounded time. The
//! invariant: each call ends in bounded time and memory, its plugin is dead
//! and reaped by then, and an error names the plugin.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use age_core::format::{FileKey as AgeFileKey, Stanza};
use age_core::secrecy::ExposeSecret;

use super::talk::{Message, Talk};
use super::{Prompt, one_line};

/// How long a recording's start may wait for its plugins, all in all: less
/// than it waits for its store (10 s), so that the plugin is what gets the
/// blame. None needs a person to encrypt; one that asks a service over the
/// network has time for two tries.
pub(super) const WRAP_WITHIN: Duration = Duration::from_secs(8);
/// How long a plugin may be silent when it decrypts: people must find their
/// token and touch it. What they take to answer a question is not counted.
const UNWRAP_SILENCE: Duration = Duration::from_secs(60);
/// Messages of one call. A stanza for each recipient is one; nobody has more.
const MESSAGES_MAX: usize = 4096;

/// The program of a plugin, as messages name it.
pub(super) fn program(name: &str) -> String {
    format!("age-plugin-{name}")
}

/// Where the program is. A relative entry of PATH would let whoever owns the
/// current directory choose the program.
pub(super) fn find(name: &str) -> Result<PathBuf, String> {
    let program = program(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let runs = |path: &PathBuf| {
        path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(&program))
        .find(runs)
        .ok_or_else(|| format!("{program} is not in PATH; install it, or use another key"))
}

/// Wraps a file key for all recipients of one plugin: the stanzas, and the
/// labels under which they may be mixed with others.
pub(super) fn wrap(
    name: &str,
    recipients: &[String],
    key: &AgeFileKey,
    until: Instant,
) -> Result<(Vec<Stanza>, HashSet<String>), String> {
    let left = until.saturating_duration_since(Instant::now());
    let mut talk = Talk::start(&find(name)?, program(name), "recipient-v1", left)?;
    for recipient in recipients {
        talk.send("add-recipient", &[recipient], &[])?;
    }
    talk.send("extension-labels", &[], &[])?;
    talk.send("wrap-file-key", &[], key.expose_secret())?;
    talk.send("done", &[], &[])?;
    let (mut stanzas, mut labels, mut complaints) = (Vec::new(), None, Vec::new());
    for _ in 0..MESSAGES_MAX {
        let message = talk.receive()?;
        match message.tag.as_str() {
            "recipient-stanza" => {
                stanzas
                    .push(stanza(&message).ok_or_else(|| talk.nonsense("a stanza for no file"))?);
                talk.send("ok", &[], &[])?;
            }
            "labels" => {
                let count = message.args.len();
                let set: HashSet<String> = message.args.into_iter().collect();
                if set.len() != count || labels.replace(set).is_some() {
                    return Err(talk.nonsense("labels twice"));
                }
                talk.send("ok", &[], &[])?;
            }
            "error" => {
                complaints.push(complaint(&message));
                talk.send("ok", &[], &[])?;
            }
            // Nobody is asked while a recording begins; a plugin that only
            // informs is heard.
            "msg" => talk.send("ok", &[], &[])?,
            "confirm" | "request-public" | "request-secret" => talk.send("fail", &[], &[])?,
            "done" => {
                talk.end();
                return match complaints.is_empty() {
                    false => Err(format!("{}: {}", program(name), complaints.join("; "))),
                    true if stanzas.is_empty() => Err(talk.nonsense("neither stanza nor error")),
                    true => Ok((stanzas, labels.unwrap_or_default())),
                };
            }
            _ => talk.send("unsupported", &[], &[])?,
        }
    }
    Err(talk.nonsense("messages without end"))
}

/// Unwraps a file key with the identities of one plugin; `None` when none of
/// the stanzas is for them.
pub(super) fn unwrap(
    name: &str,
    identities: &[String],
    stanzas: &[Stanza],
    prompt: &Prompt,
) -> Result<Option<AgeFileKey>, String> {
    let mut talk = Talk::start(&find(name)?, program(name), "identity-v1", UNWRAP_SILENCE)?;
    for identity in identities {
        talk.send("add-identity", &[identity], &[])?;
    }
    for stanza in stanzas {
        let mut args = vec!["0", stanza.tag.as_str()];
        args.extend(stanza.args.iter().map(String::as_str));
        talk.send("recipient-stanza", &args, &stanza.body)?;
    }
    talk.send("done", &[], &[])?;
    let (mut key, mut complaints) = (None, Vec::new());
    for _ in 0..MESSAGES_MAX {
        let message = talk.receive()?;
        let text = || String::from_utf8_lossy(&message.body).into_owned();
        match message.tag.as_str() {
            "file-key" => {
                let body = <[u8; 16]>::try_from(message.body.as_slice());
                let (Ok(body), ["0"], None) = (body, words(&message).as_slice(), &key) else {
                    return Err(talk.nonsense("a file key that is none"));
                };
                key = Some(AgeFileKey::new(Box::new(body)));
                talk.send("ok", &[], &[])?;
            }
            "error" => {
                complaints.push(complaint(&message));
                talk.send("ok", &[], &[])?;
            }
            "msg" => {
                prompt.tell(&format!("{}: {}", program(name), text()));
                talk.send("ok", &[], &[])?;
            }
            "confirm" => {
                let [yes, no] = [0, 1].map(|at| {
                    let word = message.args.get(at)?;
                    let word = super::talk::BASE64.decode(word.as_bytes()).ok()?;
                    Some(String::from_utf8_lossy(&word).into_owned())
                });
                let Some(yes) = yes else {
                    return Err(talk.nonsense("a question without answers"));
                };
                let answers = match &no {
                    Some(no) => format!("{} [y: {yes}, n: {no}]", text()),
                    None => format!("{} [y: {yes}]", text()),
                };
                match prompt.ask(&format!("{}: {answers}", program(name))) {
                    Some(answer) if answer.trim().eq_ignore_ascii_case("y") => {
                        talk.send("ok", &["yes"], &[])?;
                    }
                    Some(_) if no.is_some() => talk.send("ok", &["no"], &[])?,
                    _ => talk.send("fail", &[], &[])?,
                }
            }
            "request-public" | "request-secret" => {
                match prompt.ask(&format!("{}: {}", program(name), text())) {
                    Some(answer) => talk.send("ok", &[], answer.as_bytes())?,
                    None => talk.send("fail", &[], &[])?,
                }
            }
            "done" => {
                talk.end();
                return match (key, complaints.is_empty()) {
                    (Some(key), _) => Ok(Some(key)),
                    (None, true) => Ok(None),
                    (None, false) => Err(format!("{}: {}", program(name), complaints.join("; "))),
                };
            }
            _ => talk.send("unsupported", &[], &[])?,
        }
    }
    Err(talk.nonsense("messages without end"))
}

fn words(message: &Message) -> Vec<&str> {
    message.args.iter().map(String::as_str).collect()
}

/// The stanza of a `recipient-stanza 0 TYPE ARGS…`: one file key was given, so
/// its index is 0.
fn stanza(message: &Message) -> Option<Stanza> {
    let [file, tag, args @ ..] = message.args.as_slice() else { return None };
    (file == "0").then(|| Stanza {
        tag: tag.clone(),
        args: args.to_vec(),
        body: message.body.clone(),
    })
}

/// What an `error` says, in one line of bounded length. Its arguments are
/// indices into what the plugin was given, which say nothing to a person.
fn complaint(message: &Message) -> String {
    let text: String =
        one_line(&String::from_utf8_lossy(&message.body)).chars().take(400).collect();
    if text.is_empty() { "an error without a message".to_owned() } else { text }
}
