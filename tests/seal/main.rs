//! Seals: recordings that can be verified, with hrec and with stock tools.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod folder;
mod hardware;
mod keys;
mod ledger;
mod rekeyed;
mod stock;
mod views;

use std::path::{Path, PathBuf};

use support::{Outcome, Sandbox};

/// Makes a recording of a short command, and gives its manifest's path.
pub fn record(sandbox: &Sandbox, text: &str) -> PathBuf {
    let made = sandbox.hrec(&["rec", "--", "echo", text]);
    assert!(made.status.success(), "{made:?}");
    let mut manifests = sandbox.stored(".manifest.json");
    manifests.sort();
    manifests.pop().expect("a manifest")
}

/// What the ledger says, in order: each record's JSON.
pub fn records(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    let reader = hrec::seal::ledger::Reader::open(&sandbox.path("data/hrec/ledger"));
    let reader = reader.unwrap().expect("a ledger");
    let text = |line: hrec::seal::ledger::record::Line| line.content.unwrap().text;
    reader.lines(0).map(|line| serde_json::from_str(&text(line.unwrap())).unwrap()).collect()
}

/// The kinds of what the ledger says.
pub fn kinds(sandbox: &Sandbox) -> Vec<String> {
    records(sandbox).iter().map(|record| record["k"].as_str().unwrap().to_owned()).collect()
}

/// The exit status of a verb.
pub fn status(outcome: &Outcome) -> i32 {
    outcome.status.code().expect("a status")
}

/// Runs a shell command in `dir`, in an environment where there is no hrec.
pub fn shell(sandbox: &Sandbox, dir: &Path, command: &str) -> Outcome {
    let mut bash = sandbox.command("bash");
    bash.args(["-euo", "pipefail", "-c", command])
        .current_dir(dir)
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    sandbox.finish(bash, b"")
}
