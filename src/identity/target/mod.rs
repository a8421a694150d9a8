//! What a command goes to: the destination as typed, without secrets.
//!
//! Reads nothing but the command's own words: no file, no network, no
//! environment ([`super::lookup`] does, later and off the path). Its
//! invariant: no field ever holds a password, a token, or the text of a
//! command or query; where a word could be either, the field is left out.

mod container;
mod database;
mod kubernetes;
mod options;
mod postgres;
mod shell;
mod uri;

use std::ffi::{OsStr, OsString};

use serde::{Deserialize, Serialize};

use super::scrub;

pub(super) use options::{Grammar, Item, Order};
pub(super) use postgres::{Conninfo, typed_conninfo};
pub(super) use shell::{SshOption, handed_on, setting_of, ssh_parts};
use uri::Uri;

/// Longest field that is kept, in characters: a DNS name has 253 at most.
const LONGEST: usize = 256;

/// Where a session goes: the Contract's `target` object, when serialized.
///
/// Everything is as typed: `host` may be an alias of the person's own
/// configuration, and `user` is left out where none was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// `ssh`, `postgresql`, `mysql`, `redis`, `mongodb`, `sqlite`,
    /// `kubernetes`, `container`, `user`, `telnet`, or `command` for all else.
    pub kind: String,
    /// Short, for people and for the recording's id. Never empty.
    pub name: String,
    /// The user to be there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// The machine, or the directory of a Unix-domain socket.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<String>,
    /// The port, 0 to 65535.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub port: Option<u16>,
    /// The database, or SQLite's file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub database: Option<String>,
    /// The context of a kubeconfig, or of docker.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context: Option<String>,
    /// The Kubernetes namespace.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub namespace: Option<String>,
    /// The pod, or whatever was named in its place (`deploy/api`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pod: Option<String>,
    /// The container.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub container: Option<String>,
    /// The cluster's name in a kubeconfig. Only a lookup gives it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cluster: Option<String>,
    /// The cluster's API server. Only a lookup gives it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server: Option<String>,
}

impl Target {
    /// Reads the target out of a command: `program` as typed (its base name
    /// decides what its arguments mean), `args` without the program.
    #[must_use]
    pub fn of(program: &OsStr, args: &[OsString]) -> Self {
        let program = base_name(program);
        let words: Vec<String> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
        let mut target = Self::read(&program, &words);
        target.seal();
        if target.name.is_empty() {
            target.name = program;
        }
        target
    }

    fn read(program: &str, words: &[String]) -> Self {
        match Family::of(program) {
            Some(Family::Ssh) => shell::ssh(words),
            Some(Family::Mosh) => shell::mosh(words),
            Some(Family::Sftp) => shell::sftp(words),
            Some(Family::Scp) => shell::scp(words),
            Some(Family::Telnet) => shell::telnet(words),
            Some(Family::Sudo) => shell::sudo(words),
            Some(Family::Su) => shell::su(words),
            Some(Family::Postgres) => postgres::read(program, words),
            Some(Family::Mysql) => database::mysql(words),
            Some(Family::Redis) => database::redis(words),
            Some(Family::Mongo) => database::mongo(words),
            Some(Family::Sqlite) => database::sqlite(words),
            Some(Family::Kubernetes) => kubernetes::read(words),
            Some(Family::Docker) => container::read(words),
            None => Self::kind("command"),
        }
    }

    fn kind(kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..Self::default() }
    }

    /// The last word on secrets: whatever the parsers above took for a name
    /// goes through the same table as a whole command line does.
    fn seal(&mut self) {
        let clean = |text: &str| -> String {
            scrub::word(text).chars().take(LONGEST).collect::<String>().trim().to_owned()
        };
        self.name = clean(&self.name);
        for field in [
            &mut self.user,
            &mut self.host,
            &mut self.database,
            &mut self.context,
            &mut self.namespace,
            &mut self.pod,
            &mut self.container,
            &mut self.cluster,
            &mut self.server,
        ] {
            *field = field.take().map(|text| clean(&text)).filter(|text| !text.is_empty());
        }
    }

    /// The host and the port of an API server's URL.
    pub(super) fn address(url: &str) -> Option<(Option<String>, Option<u16>)> {
        Uri::parse(url, &["https", "http"]).map(|uri| (uri.host, uri.port))
    }

    /// What a lookup found, with what was typed where it found nothing.
    pub(super) fn filled_from(mut self, typed: &Self) -> Self {
        self.kind.clone_from(&typed.kind);
        self.name.clone_from(&typed.name);
        self.port = self.port.or(typed.port);
        let or = |found: &mut Option<String>, typed: &Option<String>| {
            if found.is_none() {
                found.clone_from(typed);
            }
        };
        or(&mut self.user, &typed.user);
        or(&mut self.host, &typed.host);
        or(&mut self.database, &typed.database);
        or(&mut self.context, &typed.context);
        or(&mut self.namespace, &typed.namespace);
        or(&mut self.pod, &typed.pod);
        or(&mut self.container, &typed.container);
        or(&mut self.cluster, &typed.cluster);
        or(&mut self.server, &typed.server);
        self.seal();
        self
    }
}

/// Programs that read their arguments alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Ssh,
    Mosh,
    Sftp,
    Scp,
    Telnet,
    Sudo,
    Su,
    Postgres,
    Mysql,
    Redis,
    Mongo,
    Sqlite,
    Kubernetes,
    Docker,
}

impl Family {
    /// By a program's base name.
    pub(super) fn of(program: &str) -> Option<Self> {
        Some(match program {
            "ssh" | "slogin" => Self::Ssh,
            "mosh" => Self::Mosh,
            "sftp" => Self::Sftp,
            "scp" => Self::Scp,
            "telnet" => Self::Telnet,
            "sudo" | "doas" => Self::Sudo,
            "su" | "runuser" => Self::Su,
            "mysql" | "mariadb" | "mysqldump" | "mariadb-dump" | "mysqladmin" | "mariadb-admin"
            | "mysqlimport" | "mysqlcheck" | "mycli" => Self::Mysql,
            "redis-cli" | "valkey-cli" | "keydb-cli" => Self::Redis,
            "mongosh" | "mongo" | "mongodump" | "mongorestore" => Self::Mongo,
            "sqlite3" | "sqlite" | "sqlcipher" | "litecli" => Self::Sqlite,
            "kubectl" | "oc" | "k3s-kubectl" => Self::Kubernetes,
            "docker" | "podman" | "nerdctl" => Self::Docker,
            _ if postgres::is_tool(program) => Self::Postgres,
            _ => return None,
        })
    }
}

/// The last component of a program's path: `ssh` of `/usr/bin/ssh`. A login
/// shell's leading hyphen (`-bash`) is no part of it.
pub(super) fn base_name(program: &OsStr) -> String {
    let text = program.to_string_lossy();
    let base = text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let base = base.strip_prefix('-').filter(|rest| !rest.is_empty()).unwrap_or(base);
    if base.is_empty() { "command".to_owned() } else { base.chars().take(LONGEST).collect() }
}

/// A non-empty field.
fn field(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// `user@host`, or just one of the two.
fn at(user: Option<&str>, host: Option<&str>) -> String {
    match (user, host) {
        (Some(user), Some(host)) => format!("{user}@{host}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests;
