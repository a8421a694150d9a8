//! A session whose recording a collector holds.
//!
//! Its invariant: nothing of the recording is on a disk of the session's own
//! doing, and the person hears of the collector only where it keeps them
//! waiting or ends their session.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::keep::{Made, Session};
use crate::config::Config;
use crate::event::Header;
use crate::format::cipher::Recipients;
use crate::format::wire::End;
use crate::record::queue::Queue;
use crate::record::remote::Remote;
use crate::recording::live::{Finished, Live, Options, Screen};
use crate::recording::{self, Id, Paths};
use crate::screen::safe_text;
use crate::seal::manifest::Manifest;
use crate::store::collector::{Client, Error, Listener};

/// Beyond the wait for the collector, before a writer that waits for it is
/// taken for one that hangs.
const MARGIN: Duration = Duration::from_secs(2);

/// The recording, as its session sees it.
pub struct Collected {
    client: Client,
    wait: Duration,
}

/// What a running session hears of its collector.
pub struct Link {
    client: Client,
    wait: Duration,
}

impl Collected {
    /// The collector's socket, where one is to hold this session's recording.
    pub fn holds<'c>(config: &'c Config, session: &Session<'_>) -> Option<&'c Path> {
        let socket = config.store_collector.value.0.as_deref();
        socket.filter(|_| session.output.is_none())
    }

    /// Begins the recording there.
    ///
    /// # Errors
    /// When the collector refuses, or does not answer.
    pub fn begin(
        config: &Config,
        socket: &Path,
        manifest: &Manifest,
        header: &Header,
        recipients: &Recipients,
        id: &Id,
    ) -> Result<(Live, Self)> {
        let wait = config.shell_collector_wait.value;
        let person = Arc::new(Person { queue: None });
        let client = Client::connect(socket, wait, id.as_str(), fields(manifest), person)?;
        let begun = begin(&client, config, socket, header, recipients, id);
        match begun {
            Ok(live) => Ok((live, Self { client, wait })),
            Err(error) => {
                client.close();
                Err(error)
            }
        }
    }

    /// What the running session is to hear.
    pub fn link(&self) -> Link {
        Link { client: self.client.share(), wait: self.wait }
    }

    /// Tells the collector of the end, as this manifest has it.
    ///
    /// # Errors
    /// When the recording could not be finished, or the collector not be told.
    pub fn end(
        self,
        manifest: &Manifest,
        finished: Result<Finished, recording::Error>,
    ) -> Result<Made> {
        let end = End { finished: finished.is_ok(), manifest: fields(manifest) };
        let done = self.client.end(end);
        let finished = finished.context("the recording is left interrupted")?;
        let done = done.context("the recording is complete, but not sealed yet")?;
        let path = PathBuf::from(finished.path.file_name().unwrap_or_default());
        Ok(Made {
            path,
            bytes: done.bytes,
            unsealed: done.unsealed,
            untold: done.untold,
            collected: true,
        })
    }
}

fn begin(
    client: &Client,
    config: &Config,
    socket: &Path,
    header: &Header,
    recipients: &Recipients,
    id: &Id,
) -> Result<Live> {
    // Names only: errors say where it was to be.
    let paths = Paths::in_dir(socket, id);
    let disk = Box::new(Remote::new(client.share(), paths.clone()));
    let options = Options { sync: config.record_sync.value };
    let mut live = Live::create_on(disk, paths, header, recipients, options)?;
    live.follow(Box::new(Screen::new(header.size)));
    client.begin()?;
    Ok(live)
}

fn fields(manifest: &Manifest) -> Map<String, Value> {
    match serde_json::to_value(manifest) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

impl Link {
    /// Has the session with this queue end with its collector, and wait for it.
    pub fn to(&self, queue: &Arc<Queue>) {
        queue.set_patience(self.wait + MARGIN);
        self.client.listen(Arc::new(Person { queue: Some(Arc::clone(queue)) }));
    }
}

/// The person, and the session once it runs.
struct Person {
    queue: Option<Arc<Queue>>,
}

impl Person {
    /// A line between those of the program; without a terminal none.
    fn say(&self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        if stderr.is_terminal() {
            let before = if self.queue.is_some() { "\r\n" } else { "" };
            let line = format!("{before}hrec: {}\r\n", safe_text(text));
            let _ = stderr.write_all(line.as_bytes());
        }
    }
}

impl Listener for Person {
    fn waits(&self, limit: Duration) {
        let seconds = limit.as_secs();
        self.say(&format!(
            "the collector does not answer; this session waits for it for up to {seconds} s"
        ));
    }

    fn back(&self) {
        self.say("the collector is back");
    }

    fn lost(&self, error: &Error) {
        if let Some(queue) = &self.queue {
            queue.fail(&error.to_string());
        }
    }

    fn stop(&self, sentence: &str) {
        self.say(sentence);
        let own = rustix::process::getpid();
        let _ = rustix::process::kill_process(own, rustix::process::Signal::TERM);
    }
}
