//! What is done to recordings, their manifests and their seals.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use hrec::seal::finding::{Class, Weight};
use hrec::seal::ledger::{Event, Ledger, Options, Reader};
use hrec::seal::signers::Signers;
use hrec::seal::verify::{self, Report};

use crate::support::{Sandbox, tool, wait_until};
use crate::{Files, Store, swap};

/// The same check as the verb's, for what is tried thousands of times.
fn check(files: &Files, signers: &Signers) -> Report {
    verify::check(
        &verify::Files {
            id: files.id(),
            stored: true,
            manifest: files.manifest.clone(),
            finished: files.cast.clone(),
            part: PathBuf::from("/nonexistent"),
            journals: Vec::new(),
            live: false,
        },
        signers,
    )
}

fn signers(store: &Store) -> Signers {
    let mut signers = Signers::default();
    let list = fs::read_to_string(store.sandbox.path("config/hrec/allowed_signers")).unwrap();
    signers.add("list", &list);
    signers
}

fn is_bad(report: &Report) -> bool {
    report.findings.iter().any(|finding| finding.class.weight() == Weight::Bad)
}

fn run(command: &mut Command) {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{command:?}: {out:?}");
}

/// The manifest with something else in it.
fn rewrite(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, serde_json::to_vec_pretty(&json).unwrap()).unwrap();
}

/// Signs with the key at `key`, as anybody can who has it.
fn sign(sandbox: &Sandbox, key: &Path, files: &Files) {
    fs::remove_file(&files.seal).unwrap();
    run(sandbox
        .command(tool("ssh-keygen"))
        .args(["-q", "-Y", "sign", "-n", "hrec-recording", "-f"])
        .arg(key)
        .arg(&files.manifest));
}

#[test]
fn a_flipped_byte_anywhere() {
    let store = Store::with(1);
    let (files, signers) = (store.recordings().remove(0), signers(&store));
    assert!(check(&files, &signers).findings.is_empty());
    for path in files.all() {
        let good = fs::read(path).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            fs::write(path, &bytes).unwrap();
            let report = check(&files, &signers);
            assert!(is_bad(&report), "byte {at} of {}: {report:?}", path.display());
        }
        fs::write(path, &good).unwrap();
    }
    let mut bytes = fs::read(&files.cast).unwrap();
    bytes[300] ^= 0x80;
    fs::write(&files.cast, bytes).unwrap();
    store.says(2, &["altered"]);
}

#[test]
fn cut_short_anywhere() {
    let store = Store::with(1);
    let (files, signers) = (store.recordings().remove(0), signers(&store));
    for path in files.all() {
        let good = fs::read(path).unwrap();
        for length in 0..good.len() {
            fs::write(path, &good[..length]).unwrap();
            let report = check(&files, &signers);
            // The last line feed of an armour is no part of it.
            let armour = path == &files.seal && length + 1 == good.len();
            assert_eq!(is_bad(&report), !armour, "{length} of {}: {report:?}", path.display());
            if path == &files.cast {
                assert_eq!(report.findings[0].class, Class::Truncated);
            }
        }
        fs::write(path, &good).unwrap();
    }
    fs::write(&files.cast, "").unwrap();
    store.says(2, &["truncated"]);
}

#[test]
fn two_are_swapped() {
    let store = Store::with(2);
    let [a, b] = [0, 1].map(|n| store.recordings().remove(n));
    // The content alone; with its manifest; with its seal too.
    swap(&a.cast, &b.cast);
    store.says(2, &["altered"]);
    let rename = |files: &Files| rewrite(&files.manifest, |json| json["id"] = files.id().into());
    swap(&a.manifest, &b.manifest);
    store.says(2, &["altered", "wrong-signature"]);
    swap(&a.seal, &b.seal);
    store.says(2, &["altered"]);
    // Renamed inside as well, which no seal is for.
    rename(&a);
    rename(&b);
    store.says(2, &["wrong-signature"]);
}

#[test]
fn a_file_is_deleted() {
    for which in 0..2 {
        let store = Store::with(2);
        fs::remove_file(store.recordings()[0].all()[which]).unwrap();
        store.says(2, &["missing"]);
    }
}

#[test]
fn replaced_by_a_fresh_encryption_to_the_same_recipients() {
    let store = Store::with(1);
    let files = store.recordings().remove(0);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(&files.manifest).unwrap()).unwrap();
    let recipient = manifest["recipients"][0].as_str().unwrap();
    let fake = "printf '{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\\n[0.1,\"o\",\"innocent\"]\\n' | \
                zstd -q | age -r \"$0\" -o \"$1\"";
    fs::remove_file(&files.cast).unwrap();
    run(store.sandbox.command(tool("sh")).args(["-c", fake, recipient]).arg(&files.cast));
    store.says(2, &[]);
    let verdict = store.verify();
    assert!(
        verdict.classes.contains("altered") || verdict.classes.contains("truncated"),
        "{verdict:?}"
    );
    // With the digest put right, the seal tells.
    let (size, sha256) = verify::digest(&files.cast).unwrap();
    rewrite(&files.manifest, |json| {
        json["files"][0]["size"] = size.into();
        json["files"][0]["sha256"] = sha256.into();
    });
    store.says(2, &["wrong-signature"]);
}

#[test]
fn signed_again_with_another_key_and_backdated() {
    let store = Store::with(1);
    let files = store.recordings().remove(0);
    let key = store.sandbox.work().join("mallory");
    let mut keygen = store.sandbox.command(tool("ssh-keygen"));
    run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "ann@host", "-f"]).arg(&key));
    rewrite(&files.manifest, |json| {
        json["start"] = "2020-01-01T00:00:00.000000Z".into();
        json["end"] = "2020-01-01T00:10:00.000000Z".into();
    });
    store.says(2, &["wrong-signature"]);
    sign(&store.sandbox, &key, &files);
    store.says(2, &["unknown-signer"]);
    // By the one who has the long-lived key the seal is good: the ledger tells.
    let own = store.sandbox.path("config/hrec/signing_key");
    sign(&store.sandbox, &own, &files);
    assert!(check(&files, &signers(&store)).findings.is_empty());
    let verdict = store.verify();
    assert_eq!((verdict.status, verdict.classes.len()), (2, 1), "{verdict:?}");
    store.says(2, &["altered"]);
}

#[test]
fn sealed_by_a_session_key_that_was_certified_for_another_session() {
    let store = Store::with(1);
    let files = store.recordings().remove(0);
    let sandbox = &store.sandbox;
    let key = sandbox.work().join("session");
    run(sandbox
        .command(tool("ssh-keygen"))
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key));
    // What a certificate is for is its key id, and the long-lived key has
    // signed this one: somebody kept the key of another session.
    let list = fs::read_to_string(sandbox.path("config/hrec/allowed_signers")).unwrap();
    let principal = list.lines().find(|line| !line.starts_with('#')).unwrap();
    let principal = principal.split(' ').next().unwrap();
    let certify = |id: &str| {
        run(sandbox
            .command(tool("ssh-keygen"))
            .args(["-q", "-s"])
            .arg(sandbox.path("config/hrec/signing_key"))
            .args(["-I", id, "-n", principal])
            .arg(key.with_extension("pub")));
    };
    certify("20200101T000000.000Z-ann-db-AAAAAAAA");
    sign(sandbox, &sandbox.work().join("session-cert.pub"), &files);
    store.says(2, &["wrong-signature"]);
}

#[test]
fn two_sessions_are_spliced() {
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        let made = sandbox.hrec(&["rec", "--", "head", "-c", "300000", "/dev/urandom"]);
        assert!(made.status.success(), "{made:?}");
    }
    let store = Store { sandbox };
    let [a, b] = [0, 1].map(|n| store.recordings().remove(n));
    let (mut first, second) = (fs::read(&a.cast).unwrap(), fs::read(&b.cast).unwrap());
    let half = first.len().min(second.len()) / 2;
    first.truncate(half);
    first.extend_from_slice(&second[half..]);
    fs::write(&a.cast, first).unwrap();
    assert_eq!(store.verify().status, 2);
    // And with a key: age does not open what was joined.
    let identity = store.sandbox.path("config/hrec/identity.txt").display().to_string();
    let out = store.sandbox.hrec(&["verify", &a.id(), "-i", &identity]);
    assert!(out.text().contains("the content"), "{out:?}");
}

#[test]
fn a_manifest_says_what_the_recording_does_not() {
    let store = Store::with(1);
    let files = store.recordings().remove(0);
    let sandbox = &store.sandbox;
    rewrite(&files.manifest, |json| json["identity"]["user"]["value"] = "somebody".into());
    // Even by the one who has the long-lived key: the ledger has another
    // manifest, and who has a key to the content sees it.
    sign(sandbox, &sandbox.path("config/hrec/signing_key"), &files);
    assert!(check(&files, &signers(&store)).findings.is_empty());
    store.says(2, &["altered"]);
    let identity = sandbox.path("config/hrec/identity.txt").display().to_string();
    let out = sandbox.hrec(&["verify", "-1", "-i", &identity]);
    assert_eq!(out.status.code(), Some(2), "{out:?}");
    assert!(out.text().contains("the identity in the manifest is not the recording's"), "{out:?}");
}

#[test]
fn a_seal_is_stripped() {
    let store = Store::with(2);
    fs::remove_file(&store.recordings()[0].seal).unwrap();
    // By itself it is one that nobody has sealed yet; the ledger knows better.
    let report = check(&store.recordings()[0], &signers(&store));
    assert_eq!(report.findings[0].class, Class::NotYetSealed);
    assert_eq!(report.findings.len(), 1);
    store.says(2, &["missing", "not-yet-sealed"]);
}

#[test]
fn a_start_is_forged() {
    let store = Store::with(1);
    let files = store.recordings().remove(0);
    let forged = "20260101T000000.000Z-ann-db-AAAAAAAA";
    let mut json: serde_json::Value =
        serde_json::from_slice(&fs::read(&files.manifest).unwrap()).unwrap();
    json["id"] = forged.into();
    json["state"] = "live".into();
    let path = files.manifest.with_file_name(format!("{forged}.manifest.json"));
    fs::write(path, json.to_string()).unwrap();
    store.says(2, &["missing"]);
}

#[test]
fn the_names_in_a_manifest_lead_nowhere_else() {
    let store = Store::with(1);
    let files = store.recordings().remove(0);
    for name in ["../../../../../../config/hrec/identity.txt", "/etc/passwd", "", ".hidden"] {
        rewrite(&files.manifest, |json| json["files"][0]["name"] = name.into());
        store.says(2, &["altered"]);
    }
    // A link is not followed, and a FIFO not waited for.
    let store = Store::with(1);
    let files = store.recordings().remove(0);
    let aside = files.cast.with_extension("aside");
    fs::rename(&files.cast, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &files.cast).unwrap();
    assert_eq!(store.verify().status, 125);
    fs::remove_file(&files.cast).unwrap();
    run(store.sandbox.command(tool("mkfifo")).arg(&files.cast));
    assert_eq!(store.verify().status, 125);
}

/// An interrupted recording, with a part and a journal.
fn interrupted() -> Store {
    interrupted_after(400_000)
}

/// One whose program wrote so many bytes that nothing makes smaller.
fn interrupted_after(bytes: u32) -> Store {
    let sandbox = Sandbox::new();
    let script = format!("head -c {bytes} /dev/urandom | base64; echo ready; exec sleep 600");
    let mut hrec = sandbox.command(crate::support::sandbox::HREC);
    let mut hrec = hrec
        .args(["rec", "--", "sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("a journal with records behind a part with chunks", || {
        let part = sandbox.stored(".part").pop()?;
        let journals = sandbox
            .stored("")
            .into_iter()
            .filter(|p| p.display().to_string().contains(".journal."));
        let recorded = sandbox.hrec(&["cat", "--format", "raw", "-1"]).stdout;
        let all = recorded.windows(6).any(|w| w == b"ready\n");
        let size = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
        (all && size(&part) > 0 && journals.map(|j| size(&j)).sum::<u64>() > 0).then_some(())
    });
    hrec.kill().unwrap();
    hrec.wait().unwrap();
    Store { sandbox }
}

fn longest_journal(store: &Store) -> PathBuf {
    let journals = store.sandbox.stored("").into_iter();
    let journals = journals.filter(|path| path.display().to_string().contains(".journal."));
    journals.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

#[test]
fn an_interrupted_ones_journal_is_cut() {
    let store = interrupted();
    store.says(1, &["orphan-start"]);
    // Of how far it went nothing is signed yet but the last head of the part
    // that the ledger has.
    let (part, journal) = (store.sandbox.stored(".part").pop().unwrap(), longest_journal(&store));
    let (whole, good) = (fs::read(&part).unwrap(), fs::read(&journal).unwrap());
    fs::write(&journal, &good[..good.len() / 2]).unwrap();
    store.says(1, &["orphan-start"]);
    fs::write(&journal, good).unwrap();
    let mut other = whole.clone();
    other[60] ^= 1;
    for bytes in [&whole[..100], &other] {
        fs::write(&part, bytes).unwrap();
        store.says(2, &["orphan-start", "altered"]);
    }
    fs::write(&part, whole).unwrap();
    // Sealed as it is, it is as provable as a finished one.
    let sealed = store.sandbox.hrec(&["seal", "-1"]);
    assert!(sealed.status.success(), "{sealed:?}");
    store.says(0, &[]);
    let good = fs::read(&journal).unwrap();
    fs::write(&journal, &good[..good.len() / 2]).unwrap();
    store.says(2, &["truncated"]);
    let mut bytes = good.clone();
    bytes[good.len() / 2] ^= 1;
    fs::write(&journal, bytes).unwrap();
    store.says(2, &["altered"]);
    fs::remove_file(&journal).unwrap();
    store.says(2, &["missing"]);
    fs::write(&journal, &good).unwrap();
    let part = store.sandbox.stored(".part").pop().unwrap();
    let good = fs::read(&part).unwrap();
    fs::write(&part, &good[..good.len() - 1]).unwrap();
    store.says(2, &["truncated"]);
}

#[test]
fn an_interrupted_one_is_replaced_and_recovered_by_its_owner() {
    let store = interrupted();
    let part = store.sandbox.stored(".part").pop().unwrap();
    let recipient = store.sandbox.manifest()["recipients"][0].as_str().unwrap().to_owned();
    let fake = "printf '{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\\n' | zstd -q | age -r \"$0\" -o \"$1\"";
    let good = fs::read(&part).unwrap();
    fs::remove_file(&part).unwrap();
    run(store.sandbox.command(tool("sh")).args(["-c", fake, &recipient]).arg(&part));
    store.says(2, &["altered", "orphan-start"]);
    for verb in ["recover", "seal"] {
        let refused = store.sandbox.hrec(&[verb, "-1"]);
        assert_eq!(refused.status.code(), Some(125), "{refused:?}");
        store.says(2, &["altered", "orphan-start"]);
    }
    fs::write(&part, good).unwrap();
    let recovered = store.sandbox.hrec(&["recover", "-1"]);
    assert!(recovered.status.success(), "{recovered:?}");
    store.says(0, &[]);
}

/// The ledger has a head of what was recorded, as it has every minute.
fn heads(store: &Store) {
    let open = |path: &PathBuf| fs::File::open(path).unwrap();
    let part = store.sandbox.stored(".part").pop().unwrap();
    let chain = hrec::seal::chain::compute(open(&part), Vec::<(u64, fs::File)>::new()).unwrap();
    assert!(chain.part.chunks > 1, "{chain:?}");
    let id = store.sandbox.manifest()["id"].as_str().unwrap().to_owned();
    let key = fs::read(store.sandbox.path("config/hrec/ledger_key")).unwrap();
    let key = ssh_key::PrivateKey::from_openssh(key.trim_ascii()).unwrap();
    let key = key.key_data().ed25519().unwrap().private.to_bytes();
    let dir = store.sandbox.path("data/hrec/ledger");
    let origin = Reader::open(&dir).unwrap().unwrap().checkpoint().origin.clone();
    let signer = Arc::new(SigningKey::from_bytes(&key));
    let options = Options { sync: false, origin, signer, earlier: Vec::new() };
    Ledger::open(&dir, options).unwrap().append(&[Event::Head { id, chain }]).unwrap();
}

#[test]
fn what_was_cut_off_before_it_was_recovered_is_missed_afterwards() {
    let store = interrupted_after(750_000);
    heads(&store);
    store.says(1, &["orphan-start"]);
    let part = store.sandbox.stored(".part").pop().unwrap();
    let good = fs::read(&part).unwrap();
    fs::write(&part, &good[..good.len() - 2 * 65_552]).unwrap();
    store.says(2, &["orphan-start", "truncated"]);
    // As much as there is is recovered, and is not taken for the whole.
    let _ = store.sandbox.hrec(&["recover", "-1"]);
    assert_eq!(store.sandbox.manifest()["state"], "recovered");
    store.says(2, &["truncated"]);
}

#[test]
fn what_was_recovered_whole_is_sound_and_stays_so_when_it_is_encrypted_to_others() {
    let store = interrupted_after(750_000);
    heads(&store);
    let recovered = store.sandbox.hrec(&["recover", "-1"]);
    assert!(recovered.status.success(), "{recovered:?}");
    store.says(0, &[]);
    let recipient = store.sandbox.manifest()["recipients"][0].as_str().unwrap().to_owned();
    let rekeyed = store.sandbox.hrec(&["rekey", "-r", &recipient, "-1"]);
    assert!(rekeyed.status.success(), "{rekeyed:?}");
    store.says(0, &[]);
}
