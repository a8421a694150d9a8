//! How a recorded program ends, and who is left.

use rustix::process::Signal;

use crate::support::processes::Process;
use crate::support::sandbox::HREC;
use crate::support::{Sandbox, Terminal, wait_until};
use crate::{assert_shown_as_recorded, recording};

#[test]
fn a_background_child_that_holds_the_pty_is_not_waited_for() {
    let sandbox = Sandbox::new();
    let script = "sleep 1000 & echo started; exit 3";
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["sh", "-c", script]));
    assert_eq!(terminal.wait(), 3);
    let child = sandbox.processes().into_iter().find(|process| process.command == "sleep 1000");
    assert!(child.is_some(), "hrec left when it had ended");
    assert_eq!(sandbox.raw(), b"started\r\n");
    assert_shown_as_recorded(&sandbox, &terminal);
    assert_eq!(sandbox.manifest()["end_reason"], "exit");
}

/// As after the bare program: the kernel hangs a session up when its leader
/// goes, but the program was never that leader for its children.
#[test]
fn a_background_child_lives_on_after_the_recording() {
    let sandbox = Sandbox::new();
    let proof = sandbox.work().join("alive");
    let script = "(while [ ! -e go ]; do sleep 0.1; done; echo alive > alive) & exit 0";
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["sh", "-c", script]));
    assert_eq!(terminal.wait(), 0);
    sandbox.file("go", "");
    wait_until("the background child's word", || proof.exists().then_some(()));
}

/// What a background child wrote just before the program ended belongs to it.
#[test]
fn output_at_the_very_end_is_not_lost() {
    let sandbox = Sandbox::new();
    let script = "head -c 300000 /dev/zero | tr '\\0' x; echo END; sleep 20 &";
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["sh", "-c", script]));
    assert_eq!(terminal.wait(), 0);
    assert!(sandbox.raw().ends_with(b"xxxEND\r\n"));
    assert_eq!(sandbox.raw().len(), 300_005);
    assert_shown_as_recorded(&sandbox, &terminal);
}

#[test]
fn the_status_is_the_programs_own() {
    let sandbox = Sandbox::new();
    let plain_file = sandbox.file("plain", "no program");
    let cases: &[(&[&str], i32)] = &[
        (&["true"], 0),
        (&["sh", "-c", "exit 3"], 3),
        (&["sh", "-c", "exit 255"], 255),
        (&["no-such-program-anywhere"], 127),
        (&[&plain_file], 126),
        (&["/"], 126),
        (&["sh", "-c", "kill -TERM $$"], 128 + 15),
        (&["sh", "-c", "kill -KILL $$"], 128 + 9),
        (&["sh", "-c", "ulimit -c 0; kill -QUIT $$"], 128 + 3),
        (&["sh", "-c", "kill -HUP $$"], 128 + 1),
        (&["sh", "-c", "kill -PIPE $$"], 128 + 13),
    ];
    for (program, status) in cases {
        let mut terminal = Terminal::spawn(&sandbox, &recording(program));
        assert_eq!(
            terminal.wait(),
            *status,
            "{program:?}: {}",
            String::from_utf8_lossy(terminal.seen())
        );
        let exit = &sandbox.manifest()["exit"];
        // What could not be run has no exit of its own to tell of.
        if *status > 128 && *status < 255 {
            assert_eq!(exit["signal"], status - 128, "{program:?}");
        } else if *status < 126 {
            assert_eq!(exit["code"], *status, "{program:?}");
        }
        let (_, events) = sandbox.cast("-1");
        let last = events.last().expect("an event");
        assert_eq!(
            (last.code.as_str(), last.data.as_str()),
            ("x", status.to_string().as_str()),
            "{program:?}"
        );
    }
}

#[test]
fn what_hrec_itself_cannot_do_is_125() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "rec", "--no-such-flag", "--", "true"]);
    assert_eq!(terminal.wait(), 125);

    sandbox.configure("[record]\nmode = \"strict\"\n[store]\npath = \"/dev/null/nowhere\"\n");
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["echo", "must not run"]));
    assert_eq!(terminal.wait(), 125);
    let said = String::from_utf8_lossy(terminal.seen()).into_owned();
    assert!(said.contains("/dev/null/nowhere"), "it names the store: {said}");
    assert!(
        !said.contains("must not run\r\n"),
        "a strict session without a store runs nothing: {said}"
    );
}

/// Hangs the outer terminal up once the program has said "ready"; then
/// nothing may be left, and the recording must be whole.
fn hung_up(program: &[&str], keys: &str) {
    let sandbox = Sandbox::new().with_env("PS1", "> ");
    let mut terminal = Terminal::spawn(&sandbox, &recording(program));
    terminal.send(keys);
    terminal.expect("ready\r\n");
    if keys.contains("sleep 1000") {
        // A job that is just being started may miss its shell's SIGHUP.
        wait_until("the job runs", || {
            sandbox.processes().into_iter().find(|p| p.command == "sleep 1000")
        });
    }
    terminal.hang_up();
    terminal.wait();
    sandbox.wait_until_nothing_runs();
    let manifest = sandbox.manifest();
    assert_eq!(manifest["state"], "finished", "{manifest:#}");
    assert_eq!(manifest["end_reason"], "hangup", "{manifest:#}");
    assert!(
        sandbox.stored(".part").is_empty() && sandbox.stored("journal.0").is_empty(),
        "nothing unfinished is left"
    );
    let text = String::from_utf8_lossy(&sandbox.raw()).into_owned();
    assert!(text.contains("ready\r\n"), "{text:?}");
}

#[test]
fn hangup_ends_a_program() {
    hung_up(&["sh", "-c", "echo ready; exec sleep 1000"], "");
}

#[test]
fn hangup_ends_an_interactive_shell_and_its_jobs() {
    hung_up(&["bash", "--norc", "--noprofile", "-i"], "sleep 1000 & echo re''ady\n");
}

/// An interactive bash ignores SIGTERM, and so may anything.
#[test]
fn hangup_ends_a_program_that_ignores_every_signal_it_can() {
    hung_up(&["sh", "-c", "trap '' HUP TERM INT QUIT; echo ready; while :; do sleep 1; done"], "");
}

#[test]
fn hangup_ends_a_program_that_writes_without_end() {
    hung_up(&["sh", "-c", "echo ready; exec yes"], "");
}

/// SIGTERM, as at a system's shutdown: the program is ended and the recording
/// finished, whatever the program thinks of it.
#[test]
fn sigterm_ends_the_session_and_finishes_the_recording() {
    for script in [
        "echo ready; exec sleep 1000",
        "trap '' TERM HUP INT; echo ready; while :; do sleep 1; done",
    ] {
        let sandbox = Sandbox::new();
        let mut terminal = Terminal::spawn(&sandbox, &recording(&["sh", "-c", script]));
        terminal.expect("ready");
        let hrec = Process::read(terminal.pid()).expect("hrec runs");
        hrec.signal(Signal::TERM);
        terminal.wait();
        sandbox.wait_until_nothing_runs();
        assert_eq!(sandbox.manifest()["state"], "finished");
        assert_eq!(sandbox.raw(), b"ready\r\n");
    }
}
