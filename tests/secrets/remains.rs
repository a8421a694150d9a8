//! What is left of a session that did not end well, and of one whose typing
//! nobody wanted.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use crate::case::{Case, THOUGHT, in_each_mode, type_keys, type_line};
use crate::support::sandbox::HREC;
use crate::support::sshd::Sshd;
use crate::support::{Terminal, tool, wait_until};

const ASK: &str =
    "exec bash --norc -c 'read -rs -p \"Password: \" got; echo \" thank you\"; read x'";

/// A far program asks, and is answered without an Enter.
fn half_typed(case: &Case, sshd: &Sshd) -> Terminal {
    let password = case.secret();
    let mut terminal = case.record(&["ssh", "-F", &sshd.config, "-tt", "box", ASK]);
    terminal.expect("Password: ");
    case.expect_no_echo(&mut terminal);
    type_keys(&mut terminal, &password);
    terminal
}

fn kill(case: &Case, terminal: &mut Terminal) {
    case.sandbox.hrec_processes().iter().for_each(|hrec| hrec.signal(Signal::KILL));
    terminal.wait();
}

fn assert_interrupted(case: &Case) {
    case.assert_hidden("-1");
    let listed = case.sandbox.hrec(&["ls", "--json"]).text();
    assert!(listed.contains("interrupted"), "{listed}");
    let recovered = case.sandbox.hrec(&["recover", "-1"]);
    assert!(recovered.status.success(), "{recovered:?}");
    case.assert_hidden("-1");
}

#[test]
fn killed_before_enter() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let sshd = Sshd::start(&case.sandbox);
        let mut terminal = half_typed(&case, &sshd);
        // Longer than a judgement and an append to the journal take.
        terminal.watch(Duration::from_millis(1600));
        kill(&case, &mut terminal);
        assert_interrupted(&case);
    });
}

#[test]
fn killed_after_enter() {
    in_each_mode(|mode| {
        for pause in [0, 1600] {
            let case = Case::new(mode);
            let sshd = Sshd::start(&case.sandbox);
            let mut terminal = half_typed(&case, &sshd);
            terminal.send("\r");
            terminal.expect("thank you\r\n");
            terminal.watch(Duration::from_millis(pause));
            kill(&case, &mut terminal);
            assert_interrupted(&case);
        }
    });
}

#[test]
fn hung_up_or_ended_before_enter() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let sshd = Sshd::start(&case.sandbox);
        let mut terminal = half_typed(&case, &sshd);
        terminal.hang_up();
        terminal.wait();
        case.assert_hidden("-1");
        let mut terminal = half_typed(&case, &sshd);
        case.sandbox.hrec_processes()[0].signal(Signal::TERM);
        terminal.wait();
        case.assert_hidden("-1");
        assert!(!case.facts("-1", "masked").is_empty(), "{:#?}", case.told());
    });
}

/// Whatever form it is told in.
#[test]
fn every_format_is_without() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let sshd = Sshd::start(&case.sandbox);
        let mut terminal = half_typed(&case, &sshd);
        terminal.send("\r");
        terminal.expect("thank you\r\n");
        terminal.send("go on\r");
        assert_eq!(case.finish(terminal), 0);
        for format in ["v1", "v2", "v3", "raw", "text", "json"] {
            let path = case.sandbox.work().join(format!("as-{format}"));
            std::fs::write(path, case.sandbox.cat(format, "-1")).expect("a file");
        }
        case.assert_no_file_has_one();
    });
}

/// `record.input = "none"`: not even that something was typed.
#[test]
fn none_holds_no_input() {
    let case = Case::new("none");
    let secret = case.secret();
    let mut terminal = case.record(&["bash", "--norc", "-i"]);
    terminal.send("read -rsp 'Password: ' x; echo; cat\r");
    // Not what stands in the command.
    terminal.expect_match("[\r\n]Password: ");
    case.expect_no_echo(&mut terminal);
    type_line(&mut terminal, &secret);
    terminal.expect("\r\n");
    type_line(&mut terminal, "shown by the terminal, not kept as typed");
    terminal.expect("kept as typed\r\nshown by");
    terminal.watch(Duration::from_millis(1200));
    case.assert_hidden_live();
    terminal.send("\x04");
    terminal.send("exit\r");
    terminal.wait();
    case.assert_hidden("-1");
    let (_, events) = case.sandbox.cast("-1");
    for event in events {
        let is_of_input = event.code == "i"
            || event.code == "h"
                && ["typed", "masked", "reply"].iter().any(|kind| event.data.contains(kind));
        assert!(!is_of_input, "{event:?}");
    }
    assert_eq!(case.sandbox.manifest()["input"], "none");
}

/// No core of hrec's: one would have every key that was typed lately.
#[test]
fn no_core_has_it() {
    let limit = "ulimit -c unlimited && exec \"$@\"";
    let case = Case::new("echoed");
    // That a program here leaves a core at all.
    let mut other = case
        .sandbox
        .command(tool("sh"))
        .args(["-c", limit, "sh", "sleep", "100"])
        .stdin(Stdio::null())
        .spawn()
        .expect("sh starts");
    wait_until("sleep runs", || {
        case.sandbox.processes().into_iter().find(|process| process.name == "sleep")
    })
    .signal(Signal::SEGV);
    let ended = other.wait().expect("it ends");
    assert!(
        ended.core_dumped(),
        "sleep leaves no core here, so that hrec leaves none proves nothing"
    );

    let secret = case.secret();
    let argv =
        ["sh", "-c", limit, "sh", HREC, "rec", "--", "sh", "-c", "stty -echo; echo ready; read x"];
    let mut terminal = Terminal::spawn(&case.sandbox, &argv);
    terminal.expect("ready\r\n");
    terminal.watch(THOUGHT);
    type_keys(&mut terminal, &secret);
    let hrec = case.sandbox.hrec_processes();
    assert!(!hrec.is_empty(), "it runs");
    hrec.iter().for_each(|process| process.signal(Signal::ABORT));
    terminal.wait();
    let ended = terminal.try_wait().expect("it has ended");
    assert_eq!(ended.signal(), Some(Signal::ABORT.as_raw()));
    assert!(!ended.core_dumped(), "hrec left a core: {ended:?}");
    case.assert_hidden("-1");
}
