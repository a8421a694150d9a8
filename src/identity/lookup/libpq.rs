//! Where libpq goes: what is typed, then the service file, then the `PG*`
//! variables, then its defaults (PostgreSQL 17, sections 32.1, 32.15, 32.17).

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::target::{Conninfo, Target, typed_conninfo};
use super::Surroundings;

/// Most that is read of a service file: it has a few lines a service.
const FILE_MAX: u64 = 256 * 1024;

/// Where the packages put the system's service file, if `PGSYSCONFDIR` does
/// not say it: Debian, PGDG's packages, and a build from source.
const SYSTEM: &[&str] =
    &["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc", "/usr/local/pgsql/etc"];

pub(super) fn look(
    program: &str,
    words: &[String],
    typed: &Target,
    around: &Surroundings<'_>,
) -> Target {
    let variable = |name: &str| {
        (around.environment)(name)
            .filter(|v| !v.is_empty())
            .map(|v| v.to_string_lossy().into_owned())
    };
    let mut out = typed.clone();
    let mut fill = |found: Conninfo| {
        out.user = out.user.take().or(found.user);
        out.host = out.host.take().or(found.host);
        out.port = out.port.or(found.port);
        out.database = out.database.take().or(found.database);
    };
    let service =
        typed_conninfo(program, words).and_then(|c| c.service).or_else(|| variable("PGSERVICE"));
    if let Some(service) = service {
        let found = files(around).iter().find_map(|path| section(path, &service));
        fill(found.unwrap_or_default());
    }
    let mut environment = Conninfo::default();
    for (name, keyword) in [
        ("PGUSER", "user"),
        ("PGHOST", "host"),
        ("PGHOSTADDR", "hostaddr"),
        ("PGPORT", "port"),
        ("PGDATABASE", "dbname"),
    ] {
        if let Some(value) = variable(name) {
            environment.set(keyword, &value);
        }
    }
    fill(environment);
    // As the person, to the database of that name.
    fill(Conninfo { user: around.user.clone(), port: Some(5432), ..Conninfo::default() });
    let user = out.user.clone();
    // Of the tools, these go to no one database.
    if !matches!(program, "pg_dumpall" | "pg_basebackup" | "pg_receivewal" | "pg_isready") {
        out.database = out.database.take().or(user);
    }
    out
}

/// The service files in libpq's order: the person's, then the system's.
fn files(around: &Surroundings<'_>) -> Vec<PathBuf> {
    let variable = |name: &str| (around.environment)(name).filter(|v: &OsString| !v.is_empty());
    let own = match variable("PGSERVICEFILE") {
        Some(path) => Some(PathBuf::from(path)),
        None => around.home.as_ref().map(|home| home.join(".pg_service.conf")),
    };
    let system = match variable("PGSYSCONFDIR") {
        Some(dir) => vec![PathBuf::from(dir)],
        None => SYSTEM.iter().map(PathBuf::from).collect(),
    };
    own.into_iter().chain(system.into_iter().map(|dir| dir.join("pg_service.conf"))).collect()
}

/// One service of a service file; an `ldap://` line, which libpq would ask a
/// server for, is passed over.
fn section(path: &Path, service: &str) -> Option<Conninfo> {
    // A FIFO would block, and a lookup must end.
    if !std::fs::metadata(path).is_ok_and(|m| m.is_file()) {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut found: Option<Conninfo> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if name.strip_suffix(']') == Some(service) {
                found = Some(Conninfo::default());
            }
        } else if let (Some(found), Some((name, value))) = (&mut found, line.split_once('=')) {
            // A service inside of a service is an error in libpq.
            if name.trim() != "service" {
                found.set(name.trim(), value);
            }
        }
    }
    found
}
