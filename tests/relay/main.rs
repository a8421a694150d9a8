//! The relay, as the person, the shell and the kernel see it: the real hrec
//! on a real PTY. Each module takes one of the ways in which recorders are
//! known to differ from the bare program, and holds hrec to the bare program.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test says what it expects")]

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod ends;
mod flow;
mod jobs;
mod nested;
mod no_terminal;
mod settings;
mod sizes;

use support::sandbox::HREC;
use support::{Sandbox, Terminal, wait_until};

/// The arguments that record `program`.
fn recording<'a>(program: &[&'a str]) -> Vec<&'a str> {
    [HREC, "rec", "--"].into_iter().chain(program.iter().copied()).collect()
}

/// Waits until hrec has taken over a terminal whose settings were its `own`.
fn wait_until_taken(terminal: &Terminal, own: &str) {
    wait_until("hrec takes the terminal over", || (terminal.settings() != own).then_some(()));
}

/// Holds that the terminal was sent exactly the recorded output, then one
/// status line and nothing else. Gives the status line.
fn assert_shown_as_recorded(sandbox: &Sandbox, terminal: &Terminal) -> String {
    let recorded = sandbox.raw();
    let seen = terminal.seen();
    assert!(
        seen.starts_with(&recorded),
        "the terminal was sent {} bytes, {} were recorded; they part at byte {}",
        seen.len(),
        recorded.len(),
        seen.iter().zip(&recorded).take_while(|(a, b)| a == b).count(),
    );
    let rest =
        String::from_utf8(seen[recorded.len()..].to_vec()).expect("the status line is UTF-8");
    let line = rest.trim();
    assert!(rest.ends_with("\r\n") && !line.contains('\n'), "one status line, not {rest:?}");
    assert!(
        !line.contains('\x1b'),
        "a status line that asks nothing of the terminal, not {rest:?}"
    );
    line.to_owned()
}
