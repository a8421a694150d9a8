//! What somebody could do to a store, and what `hrec verify` says of it: the
//! table in `hrec-seal(7)`, as code.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod recordings;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use support::Sandbox;

/// A store with recordings in it.
pub struct Store {
    pub sandbox: Sandbox,
}

/// What verify said: its exit status and the classes that it found.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    pub status: i32,
    pub classes: BTreeSet<String>,
}

/// The files of a finished recording.
#[derive(Clone, Debug)]
pub struct Files {
    pub cast: PathBuf,
    pub manifest: PathBuf,
    pub seal: PathBuf,
}

impl Files {
    fn of(manifest: &Path) -> Self {
        let stem = manifest.to_str().unwrap().strip_suffix(".manifest.json").unwrap().to_owned();
        Self {
            cast: format!("{stem}.cast.zst.age").into(),
            manifest: manifest.to_owned(),
            seal: format!("{stem}.manifest.json.sig").into(),
        }
    }

    pub fn all(&self) -> [&PathBuf; 3] {
        [&self.cast, &self.manifest, &self.seal]
    }

    pub fn id(&self) -> String {
        let name = self.manifest.file_name().unwrap().to_str().unwrap();
        name.strip_suffix(".manifest.json").unwrap().to_owned()
    }
}

impl Store {
    /// One with so many finished recordings.
    pub fn with(count: usize) -> Self {
        let sandbox = Sandbox::new();
        for n in 0..count {
            let made = sandbox.hrec(&["rec", "--", "echo", &format!("recording {n}")]);
            assert!(made.status.success(), "{made:?}");
        }
        Self { sandbox }
    }

    /// Its recordings, the oldest first.
    pub fn recordings(&self) -> Vec<Files> {
        let mut manifests = self.sandbox.stored(".manifest.json");
        manifests.sort();
        manifests.iter().map(|manifest| Files::of(manifest)).collect()
    }

    /// What verify says of the whole store.
    pub fn verify(&self) -> Verdict {
        let out = self.sandbox.hrec(&["verify", "--all", "--json"]);
        let json: serde_json::Value =
            serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {out:?}"));
        let counts = json["counts"].as_object().unwrap();
        let classes = counts.keys().cloned().collect();
        Verdict { status: out.status.code().unwrap(), classes }
    }

    /// That verify says this, and these classes are among what it finds.
    #[track_caller]
    pub fn says(&self, status: i32, classes: &[&str]) {
        let verdict = self.verify();
        assert_eq!(verdict.status, status, "{verdict:?}");
        for class in classes {
            assert!(verdict.classes.contains(*class), "{class}: {verdict:?}");
        }
    }
}

pub fn swap(a: &Path, b: &Path) {
    let aside = a.with_extension("aside");
    fs::rename(a, &aside).unwrap();
    fs::rename(b, a).unwrap();
    fs::rename(&aside, b).unwrap();
}
