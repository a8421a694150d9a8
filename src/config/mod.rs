//! The configuration: which setting has which value, and why.
//!
//! Reads `/etc/hrec/config.toml`, then the person's own, then what flags say,
//! and refuses whatever it does not understand. It knows nothing of what the
//! settings do. Its invariant: a key that the system file locks has the
//! system's value, whatever a user's file, the environment or a flag says.

mod file;
pub mod identity;
mod keys;
mod nearest;
pub mod signing;
pub mod value;

use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

pub use keys::{KEYS, Key, Settings};
pub use nearest::nearest;
pub use value::{Bytes, FilePath, Input, ManifestCommand, Mode, OwnPath, PlayKeys, Programs};

/// Where the administrator's configuration is. Never taken from the
/// environment: whoever can set a variable could then unlock what is locked.
pub const SYSTEM: &str = "/etc/hrec/config.toml";

/// Where a host keeps what is nobody's own: keys and list of signers beside
/// [`SYSTEM`], and recordings where that names no other place.
const HOST: (&str, &str) = ("/etc/hrec", "/var/lib/hrec");

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is there but cannot be read.
    #[error("cannot read {}: {source}; make it readable or remove it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others than its owner could have written the file.
    #[error("{} can be written by anybody (mode {mode:o}); run: chmod go-w {}", path.display(), path.display())]
    Writable {
        /// The file, or the directory that it is in.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something in a file is wrong.
    #[error("{}:{line}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// A flag's value is wrong.
    #[error("{flag}: {message}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// There is no home directory to put anything in.
    #[error(
        "HOME is not set to an absolute path; set it, or set XDG_CONFIG_HOME and XDG_DATA_HOME"
    )]
    NoHome,
    /// The table of keys contradicts itself.
    #[error("mistake in hrec's own table of settings: {0}; please report it")]
    Table(String),
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nothing says anything.
    Default,
    /// The administrator's file, and the line.
    System(PathBuf, usize),
    /// The person's own file, and the line.
    User(PathBuf, usize),
    /// This flag.
    Flag(&'static str),
}

impl Source {
    /// `default`, `system`, `user` or `flag`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::System(..) => "system",
            Self::User(..) => "user",
            Self::Flag(_) => "flag",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::System(path, line) | Self::User(path, line) => {
                write!(f, "{}:{line}", path.display())
            }
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A setting's value, and why it is that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
    /// Whether only the system file may set it.
    pub locked: bool,
}

/// A setting as a flag gives it.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag as typed, for messages: `--mode`.
    pub name: &'static str,
    /// The key it sets.
    pub key: &'static str,
    /// What it sets it to.
    pub value: FlagValue,
}

/// What a flag gives: one string, or, for a flag that may be repeated, a list.
#[derive(Clone, Debug)]
pub enum FlagValue {
    /// As `"text"` in a file.
    One(String),
    /// As `["text", ...]` in a file.
    Many(Vec<String>),
}

/// Somebody asked for a value of a locked key, and did not get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overruled {
    /// The key.
    pub key: &'static str,
    /// What asked for it.
    pub by: Source,
}

/// The person's own directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// `$HOME`, for paths that begin with `~/`.
    pub home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME/hrec`: configuration and keys.
    pub config: PathBuf,
    /// `$XDG_DATA_HOME/hrec`: recordings.
    pub data: PathBuf,
}

impl Dirs {
    /// From the environment, as the XDG Base Directory Specification says: a
    /// variable that is unset, empty or relative counts as not there. Without
    /// HOME (a service, a cleared environment) the account's home is used.
    ///
    /// # Errors
    /// [`Error::NoHome`] when that leaves no place.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_vars(|name| match std::env::var_os(name) {
            // Where HOME is not set this asks the user database.
            None if name == "HOME" => std::env::home_dir(),
            value => value.map(PathBuf::from),
        })
    }

    /// The same, with the environment as a function.
    ///
    /// # Errors
    /// [`Error::NoHome`] when that leaves no place.
    pub fn from_vars(var: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, Error> {
        let absolute = |name| var(name).filter(|p| p.is_absolute());
        let home = absolute("HOME");
        let dir = |name, below: &str| {
            absolute(name)
                .or_else(|| home.as_ref().map(|h| h.join(below)))
                .map(|d| d.join("hrec"))
                .ok_or(Error::NoHome)
        };
        Ok(Self {
            config: dir("XDG_CONFIG_HOME", ".config")?,
            data: dir("XDG_DATA_HOME", ".local/share")?,
            home,
        })
    }
}

/// The configuration as it holds for this run.
#[derive(Clone, Debug)]
pub struct Config {
    settings: Settings,
    dirs: Dirs,
    overruled: Vec<Overruled>,
    files: Vec<PathBuf>,
    /// Where the recordings came from, when the store is a copy.
    origin: Option<String>,
}

impl std::ops::Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Config {
    /// What holds for this process: the system's file, the person's, `flags`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(flags: &[Flag]) -> Result<Self, Error> {
        Self::load_from(Path::new(SYSTEM), Dirs::from_env()?, flags)
    }

    /// What holds where nobody may work around the record: the system's file
    /// alone, and the mode is strict whatever that says. Nothing is read that
    /// the person could have written.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn of_host() -> Result<Self, Error> {
        let (config, data) = HOST;
        let dirs = Dirs { home: None, config: config.into(), data: data.into() };
        let mut config = Self::load_from(Path::new(SYSTEM), dirs, &[])?;
        config.settings.record_mode.value = Mode::Strict;
        Ok(config)
    }

    /// The same with another system file and other directories, for tests.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load_from(system: &Path, dirs: Dirs, flags: &[Flag]) -> Result<Self, Error> {
        let mut config = Self {
            settings: Settings::defaults().map_err(Error::Table)?,
            dirs,
            overruled: Vec::new(),
            files: Vec::new(),
            origin: None,
        };
        config.read_system(system)?;
        let user = config.dirs.config.join("config.toml");
        // HOME=/ or a careless link must not make the system's file the
        // user's as well, where `locked` is an error.
        if user != system {
            config.read_user(&user)?;
        }
        for flag in flags {
            config.apply_flag(flag)?;
        }
        Ok(config)
    }

    /// The store's directory.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        match &self.store_path.value.0 {
            Some(path) => self.expand(path),
            None => self.dirs.data.clone(),
        }
    }

    /// The same for a copy, in this directory, of what is in the store of
    /// another host: looks are noted there, and not once more here.
    #[must_use]
    pub fn of_copy(&self, dir: &Path, origin: &str) -> Self {
        let mut config = self.clone();
        config.settings.store_path.value = OwnPath(Some(dir.to_owned()));
        config.settings.store_path.source = Source::Flag("ssh://");
        config.settings.seal_log_views.value = false;
        config.settings.seal_anchors.value.clear();
        config.origin = Some(origin.to_owned());
        config
    }

    /// Whose store it is a copy of.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The key that seals recordings.
    #[must_use]
    pub fn seal_key(&self) -> PathBuf {
        match &self.seal_key.value.0 {
            Some(path) => self.expand(path),
            None => signing::path(&self.dirs),
        }
    }

    /// The files named by `record.recipients_files`.
    #[must_use]
    pub fn recipients_files(&self) -> Vec<PathBuf> {
        self.record_recipients_files.value.iter().map(|p| self.expand(&p.0)).collect()
    }

    /// The person's own directories.
    #[must_use]
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// Which requests for a locked key were not followed.
    #[must_use]
    pub fn overruled(&self) -> &[Overruled] {
        &self.overruled
    }

    /// The configuration files that exist, in the order they were read.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// `~/x` as a path; without a home, the path as written, which then fails
    /// where it is opened, by its name.
    fn expand(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.dirs.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }

    fn read_system(&mut self, path: &Path) -> Result<(), Error> {
        let Some(file) = file::read(path, true)? else { return Ok(()) };
        let table = file::parse(path, &file)?;
        for entry in table.entries()? {
            self.settings
                .set(entry.key.name, entry.value, Source::System(path.to_owned(), entry.line))
                .map_err(|m| entry.error(m))?;
        }
        for (key, line) in table.locked()? {
            self.settings.lock(key.name);
            self.refuse_environment(key, path, line)?;
        }
        self.files.push(path.to_owned());
        Ok(())
    }

    /// A locked path must not lead where a variable of the person's says.
    fn refuse_environment(&self, key: &Key, path: &Path, line: usize) -> Result<(), Error> {
        let by_home = |p: &Path| p.starts_with("~");
        let moved = match key.name {
            "store.path" => self.store_path.value.0.as_deref().is_none_or(by_home),
            // The person's own, where the system names none.
            "seal.key" => self.seal_key.value.0.as_deref().is_some_and(by_home),
            "record.recipients_files" => {
                self.record_recipients_files.value.iter().any(|p| by_home(&p.0))
            }
            _ => false,
        };
        if moved {
            let message = format!(
                "{} is locked, but where it leads depends on the environment; give it an absolute path in this file",
                key.name
            );
            return Err(Error::Content { path: path.to_owned(), line, message });
        }
        Ok(())
    }

    fn read_user(&mut self, path: &Path) -> Result<(), Error> {
        let Some(file) = file::read(path, false)? else { return Ok(()) };
        let table = file::parse(path, &file)?;
        table.refuse_locked()?;
        for entry in table.entries()? {
            let source = Source::User(path.to_owned(), entry.line);
            self.apply(entry.key, entry.value, source).map_err(|m| entry.error(m))?;
        }
        self.files.push(path.to_owned());
        Ok(())
    }

    fn apply_flag(&mut self, flag: &Flag) -> Result<(), Error> {
        let wrong = |message| Error::Flag { flag: flag.name, message };
        let key = KEYS
            .iter()
            .find(|k| k.name == flag.key)
            .ok_or_else(|| Error::Table(flag.key.to_owned()))?;
        let text = match &flag.value {
            FlagValue::One(text) => value::quoted(text),
            FlagValue::Many(texts) => {
                format!(
                    "[{}]",
                    texts.iter().map(|t| value::quoted(t)).collect::<Vec<_>>().join(",")
                )
            }
        };
        let toml = DeValue::parse(&text).map_err(|e| wrong(e.message().to_owned()))?;
        self.apply(key, toml.get_ref(), Source::Flag(flag.name)).map_err(wrong)
    }

    /// Sets a key, unless it is locked. A bad value is an error even then:
    /// who wrote it should hear of it where it was written.
    fn apply(
        &mut self,
        key: &'static Key,
        toml: &DeValue<'_>,
        source: Source,
    ) -> Result<(), String> {
        let locked =
            self.settings.list().iter().any(|(name, _, _, locked)| *name == key.name && *locked);
        if locked {
            self.settings.clone().set(key.name, toml, source.clone())?;
            self.overruled.push(Overruled { key: key.name, by: source });
            return Ok(());
        }
        self.settings.set(key.name, toml, source)
    }
}

#[cfg(test)]
mod tests;
