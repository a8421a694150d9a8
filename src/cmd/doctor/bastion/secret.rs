//! Private keys that lie on a host that needs none.
//!
//! Looks where people keep such things, as far as the caller may, and never
//! further than a bound. Its invariant: a person's file that is no regular one
//! is not opened, and no key is printed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::super::Check;
use super::people::Person;
use crate::config::Config;

/// Files at once below one place: a home can be anything.
const FILES: usize = 5_000;

/// How deep below a home a key is kept: `.config/sops/age/keys.txt`.
const DEPTH: usize = 4;

/// No key file is larger: an RSA key of 16,384 bits has 12 KiB.
const LONGEST: u64 = 64 << 10;

/// How many files are told of one by one.
const LISTED: usize = 20;

/// What is found in the places of the host and of its people.
pub(super) fn all(config: &Config, people: &[Person]) -> Vec<Check> {
    let mut places = vec![PathBuf::from("/etc/hrec"), PathBuf::from("/root")];
    places.extend(
        people.iter().map(|person| person.home.clone()).filter(|home| home != Path::new("/")),
    );
    let mut seen = BTreeSet::new();
    places.retain(|place| seen.insert(place.clone()));
    let mut checks = Vec::new();
    for place in places {
        let mut left = FILES;
        below(&place, DEPTH, &mut left, &mut |path| {
            checks.extend(judge(path, &config.record_recipients.value));
        });
        if left == 0 {
            let text = format!("{}: only its first {FILES} files were looked at", place.display());
            checks.push(Check::note("secrets", text));
        }
    }
    let more = checks.len().saturating_sub(LISTED);
    checks.truncate(LISTED);
    if more > 0 {
        checks.push(Check::finding("secrets", format!("and {more} more")));
    }
    if checks.is_empty() {
        checks.push(Check::fine("secrets", "no private key for recordings was found here"));
    }
    checks
}

/// Every small regular file below a directory, nearest first.
fn below(dir: &Path, depth: usize, left: &mut usize, found: &mut impl FnMut(&Path)) {
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let path = entry.path();
        match entry.metadata() {
            Ok(data) if data.is_dir() => inside.push(path),
            Ok(data) if data.is_file() && data.size() <= LONGEST => found(&path),
            _ => {}
        }
    }
    if depth > 1 {
        inside.sort();
        inside.iter().for_each(|dir| below(dir, depth - 1, left, found));
    }
}

/// What is wrong with this file being here.
fn judge(path: &Path, named: &[String]) -> Option<Check> {
    let text = read(path)?;
    let shown = path.display();
    let ages: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim().parse::<age::x25519::Identity>().ok())
        .map(|identity| identity.to_public().to_string())
        .collect();
    let plugin = text.lines().any(|line| line.starts_with("AGE-PLUGIN-"));
    let opens = ages.iter().any(|recipient| named.contains(recipient)) || is_ssh(&text, named);
    if opens {
        let text = format!(
            "{shown} opens this host's recordings; keep it elsewhere, and remove it here: shred -u {shown}"
        );
        return Some(Check::finding("secrets", text));
    }
    (!ages.is_empty() || plugin)
        .then(|| Check::note("secrets", format!("{shown} is a private key; no session needs it")))
}

/// Whether this is the SSH key of one of the recipients.
fn is_ssh(text: &str, named: &[String]) -> bool {
    if !text.contains("PRIVATE KEY-----") || !named.iter().any(|one| one.starts_with("ssh-")) {
        return false;
    }
    // Of a key under a passphrase the public half is legible all the same.
    let Ok(key) = ssh_key::PrivateKey::from_openssh(text) else { return false };
    let Ok(own) = key.public_key().to_openssh() else { return false };
    let words =
        |line: &str| line.split_ascii_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    named.iter().any(|recipient| words(recipient) == words(&own))
}

/// What is in it, without waiting for whatever a person has put there.
fn read(path: &Path) -> Option<String> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let mut bytes = Vec::new();
    file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::super::super::State;
    use super::*;

    #[test]
    fn keys_are_found_where_they_lie_and_named() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join(".config/sops/age");
        std::fs::create_dir_all(&deep).unwrap();
        let (ours, other) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
        let named = vec![ours.to_public().to_string()];
        let write = |name: &str, identity: &age::x25519::Identity| {
            let text = format!("# created\n{}\n", identity.to_string().expose_secret());
            std::fs::write(home.path().join(name), text).unwrap();
        };
        write(".config/sops/age/keys.txt", &ours);
        write("other", &other);
        std::fs::write(home.path().join("public"), ours.to_public().to_string()).unwrap();
        std::os::unix::fs::symlink(deep.join("keys.txt"), home.path().join("link")).unwrap();
        let fifo = home.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let mut found = Vec::new();
        below(home.path(), DEPTH, &mut FILES.clone(), &mut |path| {
            found.extend(judge(path, &named))
        });
        found.sort_by(|a, b| a.text.cmp(&b.text));
        let states: Vec<_> = found.iter().map(|check| check.state).collect();
        assert_eq!(states, [State::Finding, State::Note], "{found:?}");
        assert!(
            found[0].text.contains("/.config/sops/age/keys.txt opens this host's"),
            "{found:?}"
        );
        assert!(found[1].text.contains("/other is a private key"), "{found:?}");
        assert!(found.iter().all(|check| !check.text.contains("AGE-SECRET")), "{found:?}");
    }

    #[test]
    fn an_ssh_key_counts_where_it_is_a_recipient() {
        let pair = ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]);
        let key =
            ssh_key::PrivateKey::new(ssh_key::private::KeypairData::Ed25519(pair), "ann").unwrap();
        let text = key.to_openssh(ssh_key::LineEnding::LF).unwrap();
        let public = key.public_key().to_openssh().unwrap();
        let line = public.trim_end_matches(" ann").to_owned() + " somebody@else";
        assert!(is_ssh(&text, &[line]));
        assert!(!is_ssh(&text, &["ssh-ed25519 AAAA other".to_owned()]));
        assert!(!is_ssh(&text, &[]));
        assert!(!is_ssh(&public, std::slice::from_ref(&public)));
    }

    #[test]
    fn a_home_is_looked_at_no_further_than_a_bound() {
        let home = tempfile::tempdir().unwrap();
        for number in 0..20 {
            std::fs::write(home.path().join(number.to_string()), "").unwrap();
        }
        let (mut left, mut seen) = (8, 0);
        below(home.path(), DEPTH, &mut left, &mut |_| seen += 1);
        assert_eq!((left, seen), (0, 8));
    }
}
