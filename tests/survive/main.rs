//! What happens to the recorder from outside: system calls that fail one by
//! one, stores that are full, slow or gone, processes that are killed. Each
//! time the person has lost no more than policy says, is told once, and what
//! was recorded can be read.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test says what it expects")]
#![allow(clippy::print_stdout, reason = "figures, for whoever asks with --nocapture")]

#[path = "../support/mod.rs"]
mod support;

mod appends;
mod calls;
mod processes;
mod rescue;
mod stores;
mod trace;

use support::sandbox::HREC;
use support::{Sandbox, Terminal};

/// Settings for a store that is not measured by its free space.
fn configure(sandbox: &Sandbox, mode: &str) {
    sandbox.configure(&format!("[record]\nmode = \"{mode}\"\n[store]\nmin_free = \"0\"\n"));
}

/// What hrec itself said on the terminal: its lines.
fn said(terminal: &Terminal) -> Vec<String> {
    let seen = String::from_utf8_lossy(terminal.seen()).into_owned();
    // The program may have been ended in the middle of a line.
    seen.split("hrec: ").skip(1).filter_map(|said| Some(said.lines().next()?.to_owned())).collect()
}

/// What hrec said of a failure: the status line at the end is not one.
fn complaints(terminal: &Terminal) -> Vec<String> {
    said(terminal).into_iter().filter(|line| !line.starts_with("recorded ")).collect()
}

/// Reads until what the terminal was sent is on record, whole. `file` is the
/// recording, which is still being made.
fn wait_until_recorded(sandbox: &Sandbox, terminal: &mut Terminal, file: &str) {
    let start = std::time::Instant::now();
    loop {
        terminal.watch(std::time::Duration::from_millis(20));
        let read = sandbox.hrec(&["cat", "--format", "raw", file]);
        if read.status.success() && read.stdout == terminal.seen() {
            return;
        }
        let said = String::from_utf8_lossy(&read.stderr);
        assert!(
            start.elapsed() < support::PATIENCE,
            "{} bytes were shown, {} are on record; {said}",
            terminal.seen().len(),
            read.stdout.len()
        );
    }
}

/// The arguments that record `program` in the sandbox's store.
fn recording<'a>(program: &[&'a str]) -> Vec<&'a str> {
    [HREC, "rec", "--"].into_iter().chain(program.iter().copied()).collect()
}
