//! Processes that are killed: the monitor, the program, hrec itself.

use rustix::process::Signal;

use crate::support::processes::Process;
use crate::support::{Sandbox, Terminal, wait_until};
use crate::{complaints, configure, recording};

const READY: &str = "echo ready; exec sleep 600";

/// Starts a session and waits until it runs.
fn running(sandbox: &Sandbox, script: &str) -> Terminal {
    configure(sandbox, "strict");
    let mut terminal = Terminal::spawn(sandbox, &recording(&["sh", "-c", script]));
    terminal.expect("ready\r\n");
    terminal
}

fn find(sandbox: &Sandbox, command: &str) -> Process {
    wait_until(command, || sandbox.processes().into_iter().find(|p| p.command == command))
}

fn finished(sandbox: &Sandbox) {
    let manifest = sandbox.manifest();
    assert_eq!(manifest["state"], "finished", "{manifest:#}");
    assert!(sandbox.raw().starts_with(b"ready\r\n"));
    for left in [".part", ".journal.0"] {
        assert!(sandbox.stored(left).is_empty(), "{:?}", sandbox.stored(left));
    }
}

/// As the kernel does when memory runs out.
#[test]
fn the_program_is_killed() {
    let sandbox = Sandbox::new();
    let mut terminal = running(&sandbox, READY);
    let before = terminal.settings();
    find(&sandbox, "sleep 600").signal(Signal::KILL);
    assert_eq!(terminal.wait(), 128 + 9);
    finished(&sandbox);
    assert_eq!(sandbox.manifest()["exit"]["signal"], 9);
    assert_ne!(terminal.settings(), before, "the session had the terminal raw");
    assert_eq!(complaints(&terminal), Vec::<String>::new());
}

#[test]
fn the_monitor_is_killed() {
    let sandbox = Sandbox::new();
    let mut terminal = running(&sandbox, READY);
    let hrec = terminal.pid();
    let monitor = wait_until("the monitor", || {
        sandbox.hrec_processes().into_iter().find(|p| p.parent == hrec && p.pid != hrec)
    });
    monitor.signal(Signal::KILL);
    assert_eq!(terminal.wait(), 128 + 9);
    sandbox.wait_until_nothing_runs();
    finished(&sandbox);
}

/// SIGINT and SIGQUIT sent to hrec are the program's; SIGHUP and SIGTERM end
/// the session. The terminal is as it was, whatever comes.
#[test]
fn hrec_is_sent_a_signal() {
    let asks = "trap 'echo interrupted; exit 3' INT QUIT; echo ready; while :; do sleep 0.05; done";
    for (signal, script, status, reason) in [
        (Signal::INT, asks, Some(3), "exit"),
        (Signal::QUIT, asks, Some(3), "exit"),
        (Signal::HUP, READY, None, "hangup"),
        (Signal::TERM, READY, None, "ended"),
    ] {
        let sandbox = Sandbox::new();
        configure(&sandbox, "strict");
        let before = Terminal::spawn(&sandbox, &["sleep", "1"]).settings();
        let mut terminal = running(&sandbox, script);
        Process::read(terminal.pid()).expect("hrec runs").signal(signal);
        let ended = terminal.wait();
        assert!(status.is_none_or(|status| status == ended), "{signal:?}: {ended}");
        sandbox.wait_until_nothing_runs();
        assert_eq!(terminal.settings(), before, "{signal:?}");
        finished(&sandbox);
        assert_eq!(sandbox.manifest()["end_reason"], reason, "{signal:?}");
    }
}

/// Killed itself, hrec leaves nobody running unrecorded.
#[test]
fn the_program_does_not_outlive_a_killed_hrec() {
    let stubborn = "trap '' HUP TERM; echo ready; while :; do sleep 0.1; done";
    for script in [READY, stubborn] {
        let sandbox = Sandbox::new();
        let mut terminal = running(&sandbox, script);
        wait_until("it is on record", || (sandbox.raw() == b"ready\r\n").then_some(()));
        Process::read(terminal.pid()).expect("hrec runs").signal(Signal::KILL);
        terminal.wait();
        sandbox.wait_until_nothing_runs();
        assert_eq!(sandbox.raw(), b"ready\r\n");
        let info = sandbox.hrec(&["info", "-1"]).text();
        assert!(info.contains("interrupted"), "{info}");
    }
}

#[test]
fn while_it_is_made_it_is_read() {
    let sandbox = Sandbox::new();
    let mut terminal = running(&sandbox, "echo ready; read line; echo \"$line\"");
    wait_until("it is on record", || (sandbox.raw() == b"ready\r\n").then_some(()));
    for verb in [&["ls"][..], &["info", "-1"]] {
        let said = sandbox.hrec(verb).text();
        assert!(said.contains("live"), "{verb:?}: {said}");
    }
    let played = sandbox.hrec(&["play", "--plain", "--speed", "50", "-1"]);
    assert!(played.text().contains("ready"), "{played:?}");
    terminal.send("and on\n");
    assert_eq!(terminal.wait(), 0);
    assert!(sandbox.raw().ends_with(b"and on\r\n"));
}
