//! Seals: recordings that can be verified, with hrec and with stock tools.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod folder;
mod keys;
mod stock;

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
