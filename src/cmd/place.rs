//! Where a recording is, and what is known of it without a key.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};

use super::ask;

use crate::cli;
use crate::config::{self, Config};
use crate::format::cipher::{self, Identities, MessageCallback, PassphraseCallback};
use crate::recording::{self, Paths, SUFFIX, is_live, journal_paths};
use crate::screen::safe_text;
use crate::seal::manifest::{Manifest, State, signature};
use crate::store::{Entry, Local, Located};

/// Thousands of keys take less; a device has no end.
const KEYS_MAX: u64 = 4 << 20;

/// Characters of a recipient in a message: an age key whole, an SSH key's type
/// and beginning.
const RECIPIENT: usize = 64;

/// The identities in these files, or the person's own.
pub(crate) fn identities(given: &cli::Identity, config: &Config) -> Result<Identities> {
    // A plugin waits for the person: on standard error even when that is no
    // terminal, since a log that ends in "touch your token" explains itself.
    let tell = |what: &str| drop(writeln!(io::stderr().lock(), "hrec: {}", safe_text(what)));
    let files = config::identity::to_read_with(&given.files, config);
    identities_of(&files, Arc::new(ask::passphrase), Arc::new(tell))
}

/// The identities in these files, with these ways to ask and tell the person.
pub(crate) fn identities_of(
    files: &[PathBuf],
    ask: PassphraseCallback,
    tell: MessageCallback,
) -> Result<Identities> {
    let mut identities = Identities::asking(ask).telling(tell);
    for path in files {
        let name = safe_text(&path.to_string_lossy()).into_owned();
        let contents = read_keys(path)
            .with_context(|| format!("cannot read {name}; name another with -i FILE"))?;
        identities.add_file(&name, &contents)?;
    }
    Ok(identities)
}

/// Reads a file of keys, which may be a pipe.
///
/// # Errors
/// As the system calls'; `FileTooLarge` for what is no file of keys.
pub(crate) fn read_keys(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(KEYS_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > KEYS_MAX {
        let why = format!("it is longer than {} MiB, so no file of keys", KEYS_MAX >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// The same, where it is text.
///
/// # Errors
/// As [`read_keys`]; `InvalidData` for what is no UTF-8.
pub(crate) fn read_key_list(path: &Path) -> io::Result<String> {
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is no text");
    String::from_utf8(read_keys(path)?).map_err(not_text)
}

/// Where a recording is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// What to open.
    pub(crate) path: PathBuf,
    /// All its files.
    pub(crate) paths: Paths,
}

impl Place {
    /// Finds what `rec` names.
    pub(crate) fn find(rec: &OsStr, config: &Config) -> Result<Self> {
        let own = std::env::var(crate::identity::Who::PARENT).ok();
        Ok(match Local::new(config.store()).resolve(rec, own.as_deref())? {
            Located::Stored(entry) => {
                let place = Self::stored(&entry);
                // Nobody has to wait for a FIFO that somebody put into a store.
                if place.path.metadata().is_ok_and(|data| !data.is_file()) {
                    bail!("{} is no regular file, so no recording; remove it", place.name());
                }
                place
            }
            Located::File(path) => Self::file(&path),
        })
    }

    /// The place of a recording in the store.
    pub(crate) fn stored(entry: &Entry) -> Self {
        let path = entry.dir.join(format!("{}{SUFFIX}", entry.id));
        Self { paths: Paths::at(&path), path }
    }

    /// The place of a recording whose files lie beside this one.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), paths: Paths::at(path) }
    }

    /// The place of a file: the recording itself, its part, or its manifest.
    fn file(path: &Path) -> Self {
        let text = path.to_str().unwrap_or_default();
        if let Some(stem) = text.strip_suffix(".manifest.json") {
            let whole = PathBuf::from(format!("{stem}{SUFFIX}"));
            let plain = PathBuf::from(stem);
            let path = if plain.exists() && !whole.exists() { plain } else { whole };
            return Self { paths: Paths::at(&path), path };
        }
        let finished = text.strip_suffix(".part").map_or(path, Path::new);
        Self { path: path.to_owned(), paths: Paths::at(finished) }
    }

    /// Whether it is one of the store's: the ledger accounts for those only.
    pub(crate) fn is_stored(&self, config: &Config) -> bool {
        self.paths.dir().starts_with(config.store().join("recordings"))
    }

    /// Its path; of one of another host's store, where it is there.
    pub(crate) fn shown(&self, origin: Option<&str>) -> String {
        match origin {
            Some(origin) => format!("{origin}/{}", self.id()),
            None => self.path.to_string_lossy().into_owned(),
        }
    }

    /// Its path, for a message.
    pub(crate) fn name(&self) -> String {
        safe_text(&self.path.to_string_lossy()).into_owned()
    }

    /// The recording's id, or for a file of another name that name's stem.
    pub(crate) fn id(&self) -> String {
        self.paths.stem().to_string_lossy().into_owned()
    }

    /// The manifest, when there is one that can be read.
    pub(crate) fn manifest(&self) -> Option<Manifest> {
        Manifest::read(&self.paths.manifest()).ok()
    }

    /// The state that the files are in, whatever the manifest says: its writer
    /// may not have lived to change it.
    pub(crate) fn state(&self, manifest: Option<&Manifest>) -> Option<State> {
        if self.paths.finished().exists() {
            return Some(match manifest.map(|manifest| manifest.state) {
                Some(State::Recovered) => State::Recovered,
                _ => State::Finished,
            });
        }
        let part = self.paths.part();
        part.exists().then(|| if is_live(&part) { State::Live } else { State::Interrupted })
    }

    /// Whether there is a seal; whether it is good, only a check of all the
    /// bytes can say.
    pub(crate) fn has_seal(&self) -> bool {
        signature(&self.paths.manifest()).symlink_metadata().is_ok()
    }

    /// Bytes that the recording's files take.
    pub(crate) fn size(&self) -> u64 {
        let size = |path: &Path| path.metadata().map_or(0, |data| data.len());
        let finished = size(&self.paths.finished());
        if finished > 0 {
            return finished;
        }
        let journals = journal_paths(&self.paths).unwrap_or_default();
        size(&self.paths.part()) + journals.iter().map(|path| size(path)).sum::<u64>()
    }

    /// Says who could open it, where nobody given can: the manifest knows
    /// their keys, the file only their kinds.
    pub(crate) fn explain(&self, error: recording::Error) -> anyhow::Error {
        let recording::Error::Cipher { path, source: cipher::Error::NoMatch { tried, recipients } } =
            error
        else {
            return error.into();
        };
        let named = self.manifest().map(|manifest| manifest.recipients).unwrap_or_default();
        let recipients = if named.is_empty() {
            recipients
        } else {
            named
                .iter()
                .map(|one| safe_text(&one.chars().take(RECIPIENT).collect::<String>()).into_owned())
                .collect()
        };
        anyhow!(recording::Error::Cipher {
            path,
            source: cipher::Error::NoMatch { tried, recipients }
        })
    }
}
