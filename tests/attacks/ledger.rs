//! What somebody may do to a ledger and to the recordings it accounts for, and
//! what `hrec verify` says: the table in `hrec-seal(7)`, as code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use hrec::seal::ledger::{Event, Ledger, Options, Reader};
use serde_json::Value;
use sha2::Digest;
use support::{Sandbox, tool};

/// A store with three recordings, and what was kept of it elsewhere.
struct Scene {
    sandbox: Sandbox,
    /// The checkpoint after the second recording, outside of the store.
    kept: PathBuf,
    /// The whole store as it was then.
    then: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        for text in ["one", "two"] {
            let made = sandbox.hrec(&["rec", "--", "echo", text]);
            assert!(made.status.success(), "{made:?}");
        }
        let scene = Self { kept: sandbox.path("kept"), then: sandbox.path("then"), sandbox };
        std::fs::copy(scene.ledger().join("checkpoint"), &scene.kept).unwrap();
        copy(scene.ledger().parent().unwrap(), &scene.then);
        let made = scene.sandbox.hrec(&["rec", "--", "echo", "three"]);
        assert!(made.status.success(), "{made:?}");
        assert_eq!(scene.verify(&[]), (0, vec![]), "before anything is done");
        scene
    }

    fn ledger(&self) -> PathBuf {
        self.sandbox.path("data/hrec/ledger")
    }

    fn records(&self) -> PathBuf {
        self.ledger().join("records/000")
    }

    /// The exit status, and the classes of what is found, each once.
    fn verify(&self, more: &[&str]) -> (i32, Vec<String>) {
        let said = self.sandbox.hrec(&[&["verify", "--all", "--json"][..], more].concat());
        let json: Value = serde_json::from_slice(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {said:?}"));
        let counts = json["counts"].as_object().unwrap();
        (said.status.code().unwrap(), counts.keys().cloned().collect())
    }

    fn against(&self) -> (i32, Vec<String>) {
        self.verify(&["--against", self.kept.to_str().unwrap()])
    }

    /// The manifest of the `n`th recording.
    fn manifest(&self, n: usize) -> PathBuf {
        let mut manifests = self.sandbox.stored(".manifest.json");
        manifests.sort();
        manifests.swap_remove(n)
    }

    /// Removes all files of the `n`th recording.
    fn delete(&self, n: usize) -> String {
        let manifest = self.manifest(n);
        let id = manifest.file_name().unwrap().to_str().unwrap();
        let id = id.strip_suffix(".manifest.json").unwrap().to_owned();
        for entry in std::fs::read_dir(manifest.parent().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with(&id) {
                std::fs::remove_file(path).unwrap();
            }
        }
        id
    }

    /// The `n`th recording is another, encrypted to the same, with a manifest
    /// that says so; the seal is the old one's.
    fn forge(&self, n: usize) -> String {
        let manifest = self.manifest(n);
        let path = manifest.display().to_string();
        let stem = path.strip_suffix(".manifest.json").unwrap();
        let cast = format!("{stem}.cast.zst.age");
        let mut json: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
        let forged = format!(
            "printf '%s\\n' '{{\"version\":3,\"term\":{{\"cols\":80,\"rows\":24}}}}' | {zstd} -q | {age} -r {to} >{cast}",
            zstd = tool("zstd").display(),
            age = tool("age").display(),
            to = json["recipients"][0].as_str().unwrap(),
        );
        assert!(Command::new("sh").args(["-c", &forged]).status().unwrap().success());
        let bytes = std::fs::read(&cast).unwrap();
        let sha256 = sha2::Sha256::digest(&bytes);
        json["files"][0]["size"] = bytes.len().into();
        json["files"][0]["sha256"] = data_encoding::HEXLOWER.encode(&sha256).into();
        json.as_object_mut().unwrap().remove("chain");
        std::fs::write(&manifest, serde_json::to_vec_pretty(&json).unwrap()).unwrap();
        json["id"].as_str().unwrap().to_owned()
    }

    /// Replaces what the entries that mention this say by the erased form.
    fn blank(&self, what: &str) {
        edit(&self.records(), |text| {
            let blank = |line: &str| match line.split(' ').collect::<Vec<_>>()[..] {
                [index, entry, ..] if line.contains(what) => format!("{index} {entry} - -\n"),
                _ => format!("{line}\n"),
            };
            text.lines().map(blank).collect()
        });
    }

    /// That the verb refuses, and says where more is told.
    #[track_caller]
    fn refuses(&self, args: &[&str]) {
        let said = self.sandbox.hrec(args);
        assert_eq!(said.status.code(), Some(125), "{said:?}");
        let told = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(told.contains("hrec verify tells more"), "{told}");
    }

    fn own_recipient(&self) -> String {
        let json: Value =
            serde_json::from_slice(&std::fs::read(self.manifest(0)).unwrap()).unwrap();
        json["recipients"][0].as_str().unwrap().to_owned()
    }

    /// The ledger's own key, as a thief has it.
    fn stolen(&self) -> SigningKey {
        let text = std::fs::read(self.sandbox.path("config/hrec/ledger_key")).unwrap();
        let key = ssh_key::PrivateKey::from_openssh(text.trim_ascii()).unwrap();
        SigningKey::from_bytes(&key.key_data().ed25519().unwrap().private.to_bytes())
    }

    /// Writes to a ledger with a key.
    fn write(&self, dir: &Path, key: SigningKey, events: &[Event]) {
        let own = Reader::open(&self.ledger()).unwrap().unwrap();
        let origin = own.checkpoint().origin.clone();
        let options = Options { sync: false, origin, signer: Arc::new(key), earlier: Vec::new() };
        Ledger::open(dir, options).unwrap().append(events).unwrap();
    }

    /// What the ledger says, in order.
    fn events(&self) -> Vec<Event> {
        let reader = Reader::open(&self.ledger()).unwrap().unwrap();
        reader.lines(0).map(|line| line.unwrap().content.unwrap().record().unwrap().event).collect()
    }

    /// A thief's own ledger, of the same name and key, in the place of the
    /// real one.
    fn rewrite(&self, events: &[Event]) {
        let other = self.sandbox.path("rewritten");
        self.write(&other, self.stolen(), events);
        std::fs::remove_dir_all(self.ledger()).unwrap();
        copy(&other, &self.ledger());
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn edit(path: &Path, change: impl FnOnce(String) -> String) {
    let text = std::fs::read_to_string(path).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed, "nothing was done");
    std::fs::write(path, changed).unwrap();
}

fn without_lines(text: &str, part: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.contains(part)).collect()
}

fn found(status: i32, classes: &[&str]) -> (i32, Vec<String>) {
    (status, classes.iter().map(|class| (*class).to_owned()).collect())
}

#[test]
fn a_recording_is_deleted() {
    let scene = Scene::new();
    scene.delete(1);
    assert_eq!(scene.verify(&[]), found(2, &["missing"]));
}

#[test]
fn a_recording_is_deleted_with_its_entries() {
    let scene = Scene::new();
    let id = scene.delete(1);
    edit(&scene.records(), |text| without_lines(&text, &id));
    let (status, classes) = scene.verify(&[]);
    assert_eq!(status, 2);
    assert!(classes.contains(&"altered".to_owned()), "{classes:?}");
    // Nor does the next session sign it.
    let made = scene.sandbox.hrec(&["rec", "--", "true"]);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(said.contains("the ledger does not know of this session yet"), "{said}");
    assert_eq!(scene.verify(&[]).0, 2);
}

#[test]
fn a_start_is_deleted() {
    let scene = Scene::new();
    edit(&scene.records(), |text| {
        let start = text.lines().find(|line| line.starts_with("2 ")).unwrap().to_owned();
        without_lines(&text, &start)
    });
    assert_eq!(scene.verify(&[]).0, 2);
}

#[test]
fn a_record_is_altered() {
    let scene = Scene::new();
    edit(&scene.records(), |text| text.replacen("\"program\":\"echo\"", "\"program\":\"ssh\"", 1));
    let (status, classes) = scene.verify(&[]);
    assert_eq!(status, 2);
    assert!(classes.contains(&"altered".to_owned()), "{classes:?}");
}

#[test]
fn a_tile_is_altered_or_removed() {
    let scene = Scene::new();
    let tile = scene.ledger().join("tile/0/000.p/6");
    let bytes = std::fs::read(&tile).unwrap();
    std::fs::write(&tile, [&[bytes[0] ^ 1][..], &bytes[1..]].concat()).unwrap();
    assert_eq!(scene.verify(&[]), found(2, &["altered"]));
    std::fs::remove_file(&tile).unwrap();
    assert_eq!(scene.verify(&[]), found(2, &["missing"]));
    // The records have what was in it.
    assert!(scene.sandbox.hrec(&["rec", "--", "true"]).status.success());
    assert_eq!(scene.verify(&[]), found(0, &[]));
}

#[test]
fn the_ledger_is_removed() {
    let scene = Scene::new();
    std::fs::remove_dir_all(scene.ledger()).unwrap();
    assert_eq!(scene.verify(&[]), found(2, &["missing"]));
    assert_eq!(scene.against(), found(2, &["ledger-rolled-back"]));
    // A new one knows nothing of what was before.
    assert!(scene.sandbox.hrec(&["rec", "--", "true"]).status.success());
    assert_eq!(scene.verify(&[]), found(2, &["not-in-ledger"]));
    assert_eq!(scene.against(), found(2, &["ledger-forked", "not-in-ledger"]));
}

#[test]
fn the_ledger_is_rolled_back() {
    let scene = Scene::new();
    let newer = std::fs::read(scene.ledger().join("checkpoint")).unwrap();
    let ledger = scene.ledger();
    std::fs::remove_dir_all(&ledger).unwrap();
    copy(&scene.then.join("ledger"), &ledger);
    assert_eq!(scene.verify(&[]), found(2, &["not-in-ledger"]));
    // With the recordings that it knows nothing of gone as well, only what was
    // kept elsewhere shows it.
    scene.delete(2);
    assert_eq!(scene.verify(&[]), found(0, &[]));
    assert_eq!(scene.against(), found(0, &[]), "older than what was done");
    std::fs::write(&scene.kept, newer).unwrap();
    assert_eq!(scene.against(), found(2, &["ledger-rolled-back"]));
}

#[test]
fn an_old_checkpoint_is_replayed() {
    let scene = Scene::new();
    std::fs::copy(&scene.kept, scene.ledger().join("checkpoint")).unwrap();
    assert_eq!(scene.verify(&[]), found(2, &["not-in-ledger"]));
    // The records have the newer one, and the next session puts it back.
    assert!(scene.sandbox.hrec(&["rec", "--", "true"]).status.success());
    assert_eq!(scene.verify(&[]), found(0, &[]));
    assert_eq!(scene.events().len(), 8);
}

#[test]
fn the_ledger_is_signed_with_another_key() {
    let scene = Scene::new();
    let events = scene.events();
    let other = scene.sandbox.path("another");
    scene.write(&other, SigningKey::from_bytes(&[7; 32]), &events);
    std::fs::remove_dir_all(scene.ledger()).unwrap();
    copy(&other, &scene.ledger());
    let (status, classes) = scene.verify(&[]);
    assert_eq!((status, &classes[..]), (2, &["unknown-signer".to_owned()][..]));
}

#[test]
fn a_start_is_forged() {
    let scene = Scene::new();
    let mut events = scene.events();
    let Event::Start { id, .. } = &mut events[0] else { panic!("no start") };
    *id = "20260101T000000.000Z-ann-db1-AAAAAAAA".to_owned();
    // Without the key it is a line that no head is over.
    let aside = scene.sandbox.path("aside");
    scene.write(&aside, scene.stolen(), &[&scene.events()[..], &events[..1]].concat());
    let forged = std::fs::read_to_string(aside.join("records/000")).unwrap();
    let line = forged.lines().find(|line| line.contains("-ann-db1-")).unwrap().to_owned();
    edit(&scene.records(), |text| format!("{text}{line}\n"));
    assert_eq!(scene.verify(&[]), found(0, &[]));
    assert!(scene.sandbox.hrec(&["rec", "--", "true"]).status.success());
    assert!(!std::fs::read_to_string(scene.records()).unwrap().contains("-ann-db1-"));
    // With the key it is one that nothing came of.
    scene.write(&scene.ledger(), scene.stolen(), &events[..1]);
    assert_eq!(scene.verify(&[]), found(1, &["orphan-start"]));
}

/// What only somebody else's memory of the ledger shows: a thief with the key
/// rewrites it.
#[test]
fn a_thief_forks_the_ledger() {
    let scene = Scene::new();
    let id = scene.delete(0);
    let events: Vec<Event> =
        scene.events().into_iter().filter(|event| event.id() != Some(&id)).collect();
    scene.rewrite(&events);
    assert_eq!(scene.verify(&[]), found(0, &[]));
    assert_eq!(scene.against(), found(2, &["ledger-forked"]));
}

/// A thief says that a recording was purged: the entry is there to be asked
/// about, and nothing else tells it from a true one.
#[test]
fn a_thief_forges_a_purge() {
    let scene = Scene::new();
    let id = scene.delete(0);
    let purge = Event::Purge {
        id: id.clone(),
        by: serde_json::Map::new(),
        rule: "age > 1d".to_owned(),
        manifest_sha256: String::new(),
    };
    scene.write(&scene.ledger(), scene.stolen(), &[purge]);
    assert_eq!(scene.verify(&[]), found(0, &[]));
    assert!(scene.events().iter().any(|event| matches!(event, Event::Purge { .. })));
}

#[test]
fn a_recording_is_backdated() {
    let scene = Scene::new();
    // What its seal says to that is the seal's own test; the ledger has
    // another manifest, and another start.
    edit(&scene.manifest(0), |text| text.replacen("\"start\": \"20", "\"start\": \"19", 1));
    let (status, classes) = scene.verify(&[]);
    assert_eq!(status, 2);
    assert!(classes.contains(&"altered".to_owned()), "{classes:?}");
}

#[test]
fn a_recording_is_put_in_that_was_never_started() {
    let scene = Scene::new();
    // Made, and sealed, in a store of its own.
    let store = scene.sandbox.path("elsewhere");
    let config = format!("store.path = \"{}\"\nstore.min_free = \"1B\"\n", store.display());
    let own = scene.sandbox.path("config/hrec/config.toml");
    let before = std::fs::read(&own).ok();
    std::fs::write(&own, config).unwrap();
    assert!(scene.sandbox.hrec(&["rec", "--", "true"]).status.success());
    match before {
        Some(before) => std::fs::write(&own, before).unwrap(),
        None => std::fs::remove_file(&own).unwrap(),
    }
    let recordings = scene.ledger().with_file_name("recordings");
    copy(&store.join("recordings/."), &recordings);
    assert_eq!(scene.verify(&[]), found(2, &["not-in-ledger"]));
}

/// Needs no key, and leaves the tree as it was signed.
#[test]
fn what_entries_say_is_blanked() {
    let scene = Scene::new();
    let id = scene.delete(1);
    scene.blank(&id);
    assert_eq!(scene.verify(&[]), found(2, &["altered"]));
    let said = scene.sandbox.hrec(&["verify", "--all"]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        text.contains("ledger: altered: ") && text.contains("entries 2, 3 are blank"),
        "{text}"
    );
    // An entry that says so would be there: whoever adds it needs the key.
    let erase =
        |index| Event::Erase { index, by: serde_json::Map::new(), reason: "asked".to_owned() };
    scene.write(&scene.ledger(), scene.stolen(), &[erase(2), erase(3)]);
    assert_eq!(scene.verify(&[]), found(0, &[]));
    // And blanking that one shows again.
    scene.blank("\"erase\"");
    assert_eq!(scene.verify(&[]), found(2, &["altered"]));
}

#[test]
fn a_forgery_is_encrypted_to_others_by_its_owner() {
    let scene = Scene::new();
    let id = scene.forge(1);
    assert_eq!(scene.verify(&[]), found(2, &["altered", "wrong-signature"]));
    let to = scene.own_recipient();
    scene.refuses(&["rekey", &id, "-r", &to]);
    assert_eq!(scene.verify(&[]), found(2, &["altered", "wrong-signature"]));
    // Nor without the seal, nor with the ledger's word of its end blanked.
    std::fs::remove_file(scene.manifest(1).with_extension("json.sig")).unwrap();
    scene.refuses(&["rekey", &id, "-r", &to]);
    scene.blank("\"k\":\"end\"");
    scene.refuses(&["rekey", &id, "-r", &to]);
    assert_eq!(scene.verify(&[]).0, 2);
}

/// What an hrec that did not ask has written, or a thief with the keys.
#[test]
fn an_entry_does_not_follow_from_the_one_before() {
    let scene = Scene::new();
    let id = scene.manifest(1).file_name().unwrap().to_str().unwrap().to_owned();
    let id = id.strip_suffix(".manifest.json").unwrap().to_owned();
    let rekeyed = scene.sandbox.hrec(&["rekey", &id, "-r", &scene.own_recipient()]);
    assert!(rekeyed.status.success(), "{rekeyed:?}");
    assert_eq!(scene.verify(&[]), found(0, &[]));
    let ends = |events: &mut [Event], with: &str| {
        for event in events {
            if let Event::End { id: own, manifest_sha256, .. } = event
                && *own == id
            {
                *manifest_sha256 = with.to_owned();
            }
        }
    };
    let mut events = scene.events();
    ends(&mut events, &"0".repeat(64));
    scene.rewrite(&events);
    assert_eq!(scene.verify(&[]), found(2, &["altered"]));
    let none: Vec<Event> = events
        .into_iter()
        .filter(|event| !(matches!(event, Event::End { .. }) && event.id() == Some(&id)))
        .collect();
    std::fs::remove_dir_all(scene.sandbox.path("rewritten")).unwrap();
    scene.rewrite(&none);
    assert_eq!(scene.verify(&[]), found(2, &["altered"]));
}

#[test]
fn a_forgery_is_sealed_by_its_owner() {
    let scene = Scene::new();
    let id = scene.forge(1);
    std::fs::remove_file(scene.manifest(1).with_extension("json.sig")).unwrap();
    let forged = found(2, &["altered", "missing", "not-yet-sealed"]);
    assert_eq!(scene.verify(&[]), forged);
    scene.refuses(&["seal", &id]);
    assert_eq!(scene.verify(&[]), forged);
    // As one that has not ended.
    let ended = std::fs::read(scene.manifest(1)).unwrap();
    edit(&scene.manifest(1), |text| text.replacen("\"finished\"", "\"live\"", 1));
    scene.refuses(&["seal", &id]);
    assert_eq!(scene.verify(&[]).0, 2);
    std::fs::write(scene.manifest(1), ended).unwrap();
    // With the end out of the ledger, as a crash before it leaves it: the start
    // has what the file began with.
    let events = scene.events();
    let without = |event: &Event| !(matches!(event, Event::End { .. }) && event.id() == Some(&id));
    scene.rewrite(&events.into_iter().filter(without).collect::<Vec<_>>());
    let forged = found(2, &["altered", "not-yet-sealed", "orphan-start"]);
    assert_eq!(scene.verify(&[]), forged);
    scene.refuses(&["seal", &id]);
    assert_eq!(scene.verify(&[]), forged);
}

/// Of what cannot be read nothing is said, good or bad.
#[test]
fn records_cannot_be_read() {
    let scene = Scene::new();
    let records = scene.records();
    std::fs::remove_file(&records).unwrap();
    // Root may read everything, but not this.
    std::os::unix::fs::symlink("000", &records).unwrap();
    assert_eq!(scene.verify(&[]), found(125, &["not-checked"]));
    std::fs::remove_file(&records).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &records,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert_eq!(scene.verify(&[]), found(125, &["not-checked"]));
    // Nor the tiles.
    std::fs::remove_dir_all(scene.ledger().join("tile/0")).unwrap();
    std::os::unix::fs::symlink("0", scene.ledger().join("tile/0")).unwrap();
    assert_eq!(scene.verify(&[]), found(125, &["not-checked"]));
}
