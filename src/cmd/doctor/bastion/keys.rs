//! Whom recordings are for, who signs them, and whose signatures count.
//!
//! Reads no private key. Its invariant: a host that is told to be well seals
//! what it records, and keeps a ledger of it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::Check;
use crate::config::{self, Config, signing};
use crate::seal::key::PublicKey;
use crate::seal::signers::Signers;
use crate::seal::{ledger, sshsig};

/// Whom recordings are for, and that nobody here can open them.
pub(super) fn all(config: &Config, program: &Path, collector: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    let named = &config.record_recipients.value;
    if named.is_empty() && config.record_recipients_files.value.is_empty() {
        let text = format!("nobody gets a session without record.recipients in {}", config::SYSTEM);
        checks.push(Check::finding("keys", text));
    }
    // Whoever holds the recordings signs for them, and nobody else.
    let owner = collector.then(|| config.store().metadata().map_or(0, |data| data.uid()));
    let group = program.metadata().map_or(0, |data| data.gid());
    for (path, what, namespace) in [
        (config.seal_key(), "sealed", sshsig::NAMESPACE),
        (PathBuf::from(signing::SYSTEM_LEDGER_KEY), "in a ledger", ledger::NAMESPACE),
    ] {
        let wrong = match owner {
            Some(uid) => exposed(&path, what, uid),
            None => unusable(&path, what, group),
        };
        if let Some(text) = wrong {
            checks.push(Check::finding("keys", text));
        }
        if let Some(text) = distrusted(&path, namespace, Path::new(signing::SYSTEM_SIGNERS)) {
            checks.push(Check::finding("keys", text));
        }
    }
    if checks.is_empty() {
        checks.push(Check::fine("keys", "recordings are for others, sealed and in a ledger"));
    }
    checks
}

/// Why sessions cannot use this private key, or others than they can.
fn unusable(path: &Path, what: &str, group: u32) -> Option<String> {
    let shown = path.display();
    let Ok(data) = path.metadata() else {
        return Some(format!(
            "{shown} is not there, so recordings are not {what}; hrec-bastion(7) has how to make it"
        ));
    };
    let mend = format!("run: chown root:hrec {shown} && chmod 640 {shown}");
    if data.mode() & 0o007 != 0 {
        return Some(format!("{shown} is open to people themselves; {mend}"));
    }
    let readable = data.gid() == group && data.mode() & 0o040 != 0;
    (!readable)
        .then(|| format!("sessions cannot read {shown}, so recordings are not {what}; {mend}"))
}

/// Why the collector cannot use this private key, or others than it can.
fn exposed(path: &Path, what: &str, uid: u32) -> Option<String> {
    let shown = path.display();
    let Ok(data) = path.metadata() else { return unusable(path, what, 0) };
    let mend = format!("run: chown hrec:hrec {shown} && chmod 600 {shown}");
    if data.uid() != uid {
        let text = format!("{shown} is not the collector's, so recordings are not {what}; {mend}");
        return Some(text);
    }
    (data.mode() & 0o077 != 0).then(|| {
        format!(
            "{shown} is open to sessions, which could sign what the collector never had; {mend}"
        )
    })
}

/// Why `hrec verify` would not know what this key has signed.
fn distrusted(path: &Path, namespace: &str, list: &Path) -> Option<String> {
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    // A key that is not there is told of already.
    let public = std::fs::read_to_string(PathBuf::from(public)).ok()?;
    let (key, _) = PublicKey::from_line(public.trim())?;
    let shown = list.display();
    let mend = "hrec-bastion(7) has how to make the list";
    let mut signers = Signers::default();
    match std::fs::read_to_string(list) {
        Ok(text) => signers.add("", &text),
        Err(error) => {
            return Some(format!(
                "{shown}: {error}, so hrec verify trusts nothing that {} signs; {mend}",
                path.display()
            ));
        }
    }
    // A session is sealed by a key of its own, which the signing key certifies.
    let certifies = namespace == sshsig::NAMESPACE;
    (!signers.trust(&key, namespace, certifies)).then(|| {
        format!(
            "{shown} does not have {}, so hrec verify trusts nothing that it signs; {mend}",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_collectors_key_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("signing_key");
        let me = rustix::process::getuid().as_raw();
        let wrong = |uid| exposed(&key, "sealed", uid);
        assert!(wrong(me).unwrap().contains("is not there"));
        std::fs::write(&key, "").unwrap();
        for (mode, uid, word) in [
            (0o600, me, None),
            (0o640, me, Some("open to sessions")),
            (0o604, me, Some("open to sessions")),
            (0o600, me + 1, Some("not the collector's")),
        ] {
            std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
            let found = wrong(uid);
            assert_eq!(found.is_some(), word.is_some(), "{mode:o} {uid}: {found:?}");
            assert!(found.is_none_or(|text| text.contains(word.unwrap())), "{mode:o} {uid}");
        }
    }
}
