//! Where a session is kept: the store, the keys, the header, the manifest.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cli;
use crate::config::{Config, identity};
use crate::event::{Header, Micros};
use crate::format::cipher::Recipients;
use crate::record::relay::{Exit, Reason};
use crate::record::session::Prepared;
use crate::record::writer::Tally;
use crate::recording::live::{Live, Options};
use crate::recording::{Id, Paths};

/// Names the recording to the programs that run inside it.
pub const ID_VARIABLE: &str = "HREC_ID";

pub struct Who {
    pub user: String,
}
impl Who {
    pub fn groups(&self) -> Vec<String> {
        Vec::new()
    }
}
pub fn who() -> Who {
    Who { user: std::env::var("USER").unwrap_or_else(|_| "user".into()) }
}
pub fn target_name(program: &OsStr) -> String {
    Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned()
}

/// What is known of the session before it starts.
pub struct Session<'a> {
    pub id: Id,
    pub start: jiff::Timestamp,
    pub program: &'a OsStr,
    pub args: &'a [OsString],
    pub who: &'a Who,
}

/// An open recording.
pub struct Keep {
    pub live: Live,
    pub manifest: Keeper,
    /// To be told the person once.
    pub notice: Option<String>,
}

/// What came of it.
#[derive(Debug)]
pub struct Made {
    pub path: PathBuf,
    pub bytes: u64,
}

pub struct Keeper {}

impl Keep {
    /// Opens the recording: afterwards it is on the disk, with its header.
    pub fn open(
        args: &cli::Rec,
        config: &Config,
        session: &Session<'_>,
        prepared: &Prepared,
    ) -> Result<Self> {
        let to = identity::record_to(config)?;
        let notice = to.notice();
        let mut recipients = Recipients::new();
        for recipient in &to.recipients {
            recipients.add(recipient)?;
        }
        for file in &to.files {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            recipients.add_file(&file.display().to_string(), &text)?;
        }
        let paths = match &args.output {
            Some(file) => Paths::at(file),
            None => {
                let (y, m, d) = session.id.date();
                let dir = config.store().join("recordings").join(y).join(m).join(d);
                std::fs::create_dir_all(&dir)?;
                Paths::in_dir(&dir, &session.id)
            }
        };
        let header = header(args, session, prepared);
        let live =
            Live::create(paths, &header, &recipients, Options { sync: config.record_sync.value })?;
        Ok(Self { live, manifest: Keeper {}, notice })
    }
}

impl Keeper {
    pub fn finish(
        self,
        mut live: Live,
        _tally: &Tally,
        exit: Exit,
        _reason: Reason,
        time: Micros,
    ) -> Result<Made> {
        let status = match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
            Exit::NotExecuted(e) => {
                if e == libc::ENOENT {
                    127
                } else {
                    126
                }
            }
        };
        let finished = live.finish(time, Some(&status.to_string()))?;
        Ok(Made { path: finished.path, bytes: finished.bytes_file })
    }
}

fn header(args: &cli::Rec, session: &Session<'_>, prepared: &Prepared) -> Header {
    let mut words = vec![session.program.to_string_lossy().into_owned()];
    words.extend(session.args.iter().map(|a| a.to_string_lossy().into_owned()));
    let mut hrec = serde_json::Map::new();
    hrec.insert("version".into(), 1.into());
    hrec.insert("id".into(), session.id.as_str().into());
    hrec.insert("start".into(), format!("{:.6}", session.start).into());
    hrec.insert("argv".into(), words.clone().into());
    Header {
        size: prepared.size(),
        term_type: std::env::var("TERM").ok(),
        timestamp: Some(session.start.as_second()),
        command: Some(words.join(" ")),
        title: args.title.clone(),
        hrec: Some(hrec),
        ..Header::default()
    }
}
