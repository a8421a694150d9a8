//! Recordings that were encrypted to others: what proves them, and what becomes
//! of those whose rekeying was stopped midway.

use std::fs;
use std::path::{Path, PathBuf};

use crate::folder::commands;
use crate::support::{Sandbox, tool};
use crate::{kinds, record, shell, status};

#[test]
fn a_recording_is_encrypted_to_others_and_the_trail_is_provable() {
    let sandbox = Sandbox::new();
    let manifest = record(&sandbox, "kept");
    let before: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let raw = sandbox.raw();
    let mut others = Vec::new();
    for n in 0..2 {
        let key = sandbox.work().join(format!("key{n}")).display().to_string();
        let made = sandbox.run(&[tool("age-keygen").to_str().unwrap(), "-o", &key], b"");
        assert!(made.status.success());
        let public = sandbox.run(&[tool("age-keygen").to_str().unwrap(), "-y", &key], b"").text();
        others.push((key, public.trim().to_owned()));
    }
    let rekeyed = sandbox.hrec(&["rekey", "-1", "-r", &others[0].1]);
    assert_eq!(status(&rekeyed), 0, "{rekeyed:?}");
    // The old key opens nothing any more, the new one the same content.
    assert_ne!(status(&sandbox.hrec(&["cat", "-1"])), 0);
    let opened = sandbox.hrec(&["cat", "--format", "raw", "-i", &others[0].0, "-1"]);
    assert_eq!(opened.stdout, raw);
    let again = sandbox.hrec(&["rekey", "-1", "-i", &others[0].0, "-r", &others[1].1]);
    assert_eq!(status(&again), 0, "{again:?}");
    let checked = sandbox.hrec(&["verify", "-1", "-i", &others[1].0]);
    assert_eq!(status(&checked), 0, "{checked:?}");

    let after: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    assert_eq!(after["rekeyed"][0]["from"], before["files"][0]["sha256"]);
    assert_eq!(after["rekeyed"][1]["to"], after["files"][0]["sha256"]);
    assert_eq!(after["recipients"], serde_json::json!([others[1].1]));
    let made = sandbox.hrec(&["prove", "-1", "-o", "case"]);
    assert_eq!(status(&made), 0, "{made:?}");
    let case = sandbox.work().join("case");
    let page = fs::read_to_string(case.join("README.txt")).unwrap();
    for command in commands(&page) {
        let out = shell(&sandbox, &case, &command);
        assert!(out.status.success(), "{command}\n{out:?}");
    }
    assert!(page.contains("encrypted to others"));

    // The first form's seal is there, and good.
    let name = manifest.file_name().unwrap().to_str().unwrap().replace(".json", ".1.json");
    let verify = format!(
        "ssh-keygen -Y verify -f allowed_signers -I \"$(ssh-keygen -Y find-principals -f allowed_signers -s {name}.sig)\" \
         -n hrec-recording -s {name}.sig <{name}"
    );
    let out = shell(&sandbox, &case, &verify);
    assert!(out.status.success(), "{out:?}");
    // A trail with another beginning is none.
    fs::write(manifest.with_extension("1.json"), "{}").unwrap();
    let checked = sandbox.hrec(&["verify", "-1"]);
    assert_eq!(status(&checked), 2, "{checked:?}");
}

#[test]
fn a_recording_that_cannot_be_encrypted_anew_is_as_it_was() {
    let sandbox = Sandbox::new();
    let manifest = record(&sandbox, "kept");
    let cast = manifest.display().to_string().replace(".manifest.json", ".cast.zst.age");
    let before = (fs::read(&cast).unwrap(), fs::read(&manifest).unwrap());
    let recipient = sandbox.manifest()["recipients"][0].as_str().unwrap().to_owned();
    let stranger = Sandbox::new();
    let key = stranger.path("config/hrec/identity.txt").display().to_string();
    for args in [
        &["rekey", "-1"][..],
        &["rekey", "-1", "-r", "age1nobody"],
        &["rekey", "-1", "-i", &key, "-r", &recipient],
    ] {
        assert_ne!(status(&sandbox.hrec(args)), 0);
        assert_eq!((fs::read(&cast).unwrap(), fs::read(&manifest).unwrap()), before);
    }
}

/// A store with a recording, and the same store after it was encrypted anew.
struct Two {
    sandbox: Sandbox,
    key: String,
}

impl Two {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        record(&sandbox, "kept");
        let key = sandbox.work().join("key").display().to_string();
        let keygen = tool("age-keygen").display().to_string();
        assert!(sandbox.run(&[&keygen, "-o", &key], b"").status.success());
        let public = sandbox.run(&[&keygen, "-y", &key], b"").text();
        copy(&sandbox.path("data/hrec"), &sandbox.path("before"));
        let rekeyed = sandbox.hrec(&["rekey", "-1", "-r", public.trim()]);
        assert_eq!(status(&rekeyed), 0, "{rekeyed:?}");
        copy(&sandbox.path("data/hrec"), &sandbox.path("after"));
        Self { sandbox, key }
    }

    /// The store is as it was then.
    fn put(&self, then: &str) {
        fs::remove_dir_all(self.sandbox.path("data/hrec")).unwrap();
        copy(&self.sandbox.path(then), &self.sandbox.path("data/hrec"));
    }

    fn cast(&self) -> PathBuf {
        self.sandbox.stored(".cast.zst.age").pop().unwrap()
    }

    /// The recording's file as it was then.
    fn cast_of(&self, then: &str) -> Vec<u8> {
        let store = self.sandbox.path("data/hrec");
        let cast = self.cast();
        fs::read(self.sandbox.path(then).join(cast.strip_prefix(store).unwrap())).unwrap()
    }

    fn old_form(&self) -> PathBuf {
        PathBuf::from(format!("{}.before", self.cast().display()))
    }

    fn verify(&self) -> (i32, String) {
        let said = self.sandbox.hrec(&["verify", "--all"]);
        (status(&said), said.text() + &String::from_utf8_lossy(&said.stderr))
    }

    fn recover(&self) {
        let done = self.sandbox.hrec(&["recover", "-1"]);
        assert_eq!(status(&done), 0, "{done:?}");
        assert!(!self.old_form().exists());
        assert_eq!(self.verify().0, 0, "{:?}", self.verify());
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

#[test]
fn what_was_stopped_midway_is_told_and_brought_to_its_end() {
    let two = Two::new();
    // The new file is there, and nothing says so.
    two.put("before");
    let (old, new) = (two.cast_of("before"), two.cast_of("after"));
    fs::write(two.old_form(), &old).unwrap();
    fs::write(two.cast(), &new).unwrap();
    let (code, said) = two.verify();
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("hrec rekey did not come to its end; hrec recover does that"), "{said}");
    two.recover();
    assert_eq!(fs::read(two.cast()).unwrap(), old);
    // The manifest says so, and the ledger does not.
    two.put("after");
    fs::remove_dir_all(two.sandbox.path("data/hrec/ledger")).unwrap();
    copy(&two.sandbox.path("before/ledger"), &two.sandbox.path("data/hrec/ledger"));
    fs::write(two.old_form(), &old).unwrap();
    let (code, said) = two.verify();
    assert_eq!(code, 2, "{said}");
    two.recover();
    assert_eq!(kinds(&two.sandbox), ["start", "end", "rekey"]);
    // Only the old form is there still.
    two.put("after");
    fs::write(two.old_form(), &old).unwrap();
    let (code, said) = two.verify();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("hrec rekey did not come to its end"), "{said}");
    two.recover();
    assert_eq!(kinds(&two.sandbox), ["start", "end", "rekey"]);
    let opened = two.sandbox.hrec(&["cat", "--format", "raw", "-i", &two.key, "-1"]);
    assert_eq!(opened.text(), "kept\n");
}

#[test]
fn neither_form_is_removed_where_the_manifest_has_neither() {
    let two = Two::new();
    two.put("before");
    fs::write(two.old_form(), "altered").unwrap();
    fs::write(two.cast(), two.cast_of("after")).unwrap();
    let done = two.sandbox.hrec(&["recover", "-1"]);
    assert_eq!(status(&done), 125, "{done:?}");
    assert!(two.old_form().exists());
}
