//! What can be told by looking: keys, store, disk, versions.
//!
//! Each check only looks; none makes, mends or asks anything.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::Check;
use crate::cmd::place::read_key_list;
use crate::config::{Bytes, Config, identity, value::Value};
use crate::format::cipher::Recipients;
use crate::seal::ledger::anchor;

/// All checks that need a configuration.
pub(super) fn all(config: &Config) -> Vec<Check> {
    let mut checks = settings(config);
    checks.push(key(config));
    checks.extend(recipients(config));
    checks.extend(store(config));
    checks.extend(anchors(config));
    checks
}

/// hrec, the libraries that make the files, and the system. The stock tools
/// are told too: who has them can open recordings without hrec.
pub(super) fn versions() -> Check {
    let system = rustix::system::uname();
    let tools: Vec<&str> =
        ["age", "zstd", "asciinema"].into_iter().filter(|t| super::super::on_path(t)).collect();
    let tools = if tools.is_empty() { "none".to_owned() } else { tools.join(", ") };
    Check::fine(
        "versions",
        format!(
            "hrec {}, libzstd {}, {} {}; stock tools here: {tools}",
            env!("CARGO_PKG_VERSION"),
            zstd::zstd_safe::version_string(),
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy(),
        ),
    )
}

fn settings(config: &Config) -> Vec<Check> {
    let files: Vec<_> = config.files().iter().map(|f| f.display().to_string()).collect();
    let read = if files.is_empty() {
        "no configuration file; defaults".to_owned()
    } else {
        files.join(", ")
    };
    let mut checks = vec![Check::fine("config", read)];
    checks.extend(config.overruled().iter().map(|o| {
        Check::note(
            "config",
            format!("{} is locked by the administrator; {} does not count", o.key, o.by),
        )
    }));
    checks
}

/// The person's identity.
fn key(config: &Config) -> Check {
    let path = identity::path(config.dirs());
    let configured = !config.record_recipients.value.is_empty()
        || !config.record_recipients_files.value.is_empty();
    match identity::recipients(&path) {
        Ok(None) if configured => Check::note(
            "keys",
            format!(
                "recordings are made for the configured recipients; no identity of yours in {}",
                path.display()
            ),
        ),
        Ok(None) => Check::note(
            "keys",
            format!("no identity yet; the first recording makes {}", path.display()),
        ),
        Err(error) if configured => Check::note("keys", error.to_string()),
        Err(error) => Check::finding("keys", error.to_string()),
        Ok(Some(recipients)) => match private(&path, 0o077, "600") {
            Some(problem) => Check::finding("keys", problem),
            None => Check::fine("keys", format!("{}: {}", path.display(), recipients.join(", "))),
        },
    }
}

/// Whom recordings are made for: each must be one that they can be made for.
fn recipients(config: &Config) -> Vec<Check> {
    let mut all = Recipients::new();
    let direct = config.record_recipients.value.iter().filter_map(|recipient| {
        let error = all.add(recipient).err()?;
        Some(format!("{error}; record.recipients has it ({})", config.record_recipients.source))
    });
    let mut wrong: Vec<String> = direct.collect();
    for file in config.recipients_files() {
        let name = file.display().to_string();
        let error = match read_key_list(&file) {
            Ok(text) => all.add_file(&name, &text).err().map(|error| error.to_string()),
            Err(error) => Some(format!("{name}: {error}")),
        };
        wrong.extend(error.map(|error| {
            let source = &config.record_recipients_files.source;
            format!("{error}; record.recipients_files names it ({source})")
        }));
    }
    wrong.into_iter().map(|text| Check::finding("keys", text)).collect()
}

/// What the ledger's head was handed on to.
fn anchors(config: &Config) -> Vec<Check> {
    let dir = crate::cmd::ledger::dir(&config.store());
    let check = |state: anchor::State| match state.failed {
        Some(failed) => Check::finding(
            "anchors",
            format!("{} fails since {}: {}", state.anchor, failed.since, failed.why),
        ),
        None if state.at.is_empty() => {
            Check::note("anchors", format!("{} has nothing yet", state.anchor))
        }
        None => Check::fine(
            "anchors",
            format!("{} has the head over {} entries since {}", state.anchor, state.size, state.at),
        ),
    };
    anchor::states(&dir, &config.seal_anchors.value).into_iter().map(check).collect()
}

/// The store's directory and its file system.
fn store(config: &Config) -> Vec<Check> {
    let path = config.store();
    let mut checks = Vec::new();
    let there = nearest_existing(&path);
    if !there.is_dir() {
        let text =
            format!("{} is no directory; choose another place with store.path", there.display());
        return vec![Check::finding("store", text)];
    }
    if there == path {
        checks.push(match private(&path, 0o022, "700") {
            Some(problem) => Check::finding("store", problem),
            None if !writable(&path) => Check::finding(
                "store",
                format!(
                    "{} cannot be written by you; choose another with store.path",
                    path.display()
                ),
            ),
            None => Check::fine("store", path.display().to_string()),
        });
    } else if writable(there) {
        checks.push(Check::note(
            "store",
            format!("{} is not there yet; the first recording makes it", path.display()),
        ));
    } else {
        checks.push(Check::finding(
            "store",
            format!(
                "{} is not there, and you cannot make it in {}; choose another with store.path",
                path.display(),
                there.display()
            ),
        ));
    }
    checks.push(disk(there, config.store_min_free.value));
    checks
}

pub(super) fn disk(path: &Path, min_free: Bytes) -> Check {
    match rustix::fs::statvfs(path) {
        Err(error) => Check::finding("disk", format!("{}: {error}", path.display())),
        Ok(stat) => {
            // f_bavail: what is free for those who are not root.
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            if stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
                Check::finding(
                    "disk",
                    format!("the file system of {} is read-only", path.display()),
                )
            } else if free < min_free.0 {
                Check::finding(
                    "disk",
                    format!(
                        "{} free, less than store.min_free = {}: no recording is begun; make room or lower it",
                        mib(free),
                        min_free.show()
                    ),
                )
            } else if stat.f_files > 0 && stat.f_favail < 100 {
                Check::finding(
                    "disk",
                    format!("only {} inodes are free; remove files", stat.f_favail),
                )
            } else {
                Check::fine(
                    "disk",
                    format!("{} free, store.min_free = {}", mib(free), min_free.show()),
                )
            }
        }
    }
}

fn mib(bytes: u64) -> String {
    if bytes >= 10 << 30 { format!("{} GiB", bytes >> 30) } else { format!("{} MiB", bytes >> 20) }
}

/// Whether others than its owner may do what `mask` says, or the owner is
/// somebody else: what is wrong, and what to run.
fn private(path: &Path, mask: u32, want: &str) -> Option<String> {
    let meta = match path.metadata() {
        Ok(meta) => meta,
        Err(error) => return Some(format!("{}: {error}", path.display())),
    };
    let mode = meta.permissions().mode() & 0o777;
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me {
        return Some(format!(
            "{} belongs to uid {}, and you are {me}; give it to yourself or choose another",
            path.display(),
            meta.uid()
        ));
    }
    (mode & mask != 0).then(|| {
        format!(
            "{} is open to others (mode {mode:o}); run: chmod {want} {}",
            path.display(),
            path.display()
        )
    })
}

fn writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}

/// The path itself, or the closest one above it that is there, whatever it is.
pub(super) fn nearest_existing(path: &Path) -> &Path {
    path.ancestors().find(|p| p.symlink_metadata().is_ok()).unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::config::Dirs;

    fn config(dir: &Path, text: &str) -> Config {
        let system = dir.join("etc.toml");
        std::fs::write(&system, text).unwrap();
        let dirs =
            Dirs { home: Some(dir.into()), config: dir.join("config"), data: dir.join("data") };
        Config::load_from(&system, dirs, &[]).unwrap()
    }

    fn states(checks: &[Check], what: &str) -> Vec<State> {
        checks.iter().filter(|c| c.what == what).map(|c| c.state).collect()
    }

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn before_the_first_recording_there_is_nothing_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let checks = all(&config(dir.path(), "store.min_free = \"1B\""));
        assert_eq!(states(&checks, "keys"), [State::Note]);
        assert_eq!(states(&checks, "store"), [State::Note]);
        assert_eq!(states(&checks, "disk"), [State::Fine], "{checks:?}");
    }

    #[test]
    fn an_open_key_and_an_open_store_are_findings_with_the_command_to_run() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), "");
        let key = identity::path(config.dirs());
        identity::create(&key).unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        chmod(&dir.path().join("data"), 0o700);
        assert_eq!(
            (states(&all(&config), "keys"), states(&all(&config), "store")),
            (vec![State::Fine], vec![State::Fine])
        );
        chmod(&key, 0o640);
        chmod(&dir.path().join("data"), 0o770);
        let checks = all(&config);
        assert_eq!(
            (states(&checks, "keys"), states(&checks, "store")),
            (vec![State::Finding], vec![State::Finding])
        );
        assert!(
            checks.iter().any(|c| c.text.contains("mode 640") && c.text.contains("chmod 600")),
            "{checks:?}"
        );
    }

    #[test]
    fn too_little_space_is_a_finding() {
        let dir = tempfile::tempdir().unwrap();
        let checks = all(&config(dir.path(), "store.min_free = \"1000000TiB\""));
        assert_eq!(states(&checks, "disk"), [State::Finding]);
    }

    #[test]
    fn a_missing_recipients_file_is_a_finding_that_names_the_setting() {
        let dir = tempfile::tempdir().unwrap();
        let checks = all(&config(dir.path(), "record.recipients_files = [\"/nonexistent/team\"]"));
        assert_eq!(states(&checks, "keys"), [State::Note, State::Finding]);
        assert!(
            checks
                .iter()
                .any(|c| c.text.contains("/nonexistent/team") && c.text.contains("etc.toml:1"))
        );
    }
}
