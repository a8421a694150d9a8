//! Job control under a real interactive shell: a recorded program stops and
//! goes on as the bare one does.

use crate::support::sandbox::HREC;
use crate::support::{Sandbox, Terminal, wait_until};
use crate::wait_until_taken;

/// A sandbox whose shell says `outer> ` when it is ready.
fn sandbox() -> Sandbox {
    Sandbox::new().with_env("PS1", "outer> ")
}

/// An interactive bash at its prompt.
fn shell(sandbox: &Sandbox) -> Terminal {
    let mut terminal = Terminal::spawn(sandbox, &["bash", "--norc", "--noprofile", "-i"]);
    terminal.expect("outer> ");
    // Without line editing, what is sent is what was said; with it, bash asks
    // the terminal for bracketed paste around every prompt.
    terminal.send("set +o emacs\n");
    terminal.expect("outer> ");
    terminal
}

/// The status of the last command, at the shell's prompt.
fn last_status(terminal: &mut Terminal) -> String {
    terminal.send("echo status=$?\n");
    terminal.expect_match(r"status=(\d+)")
}

/// Ends the shell, which must have nothing left to warn of.
fn leave(mut terminal: Terminal) {
    terminal.send("exit 0\n");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn cat_stops_and_goes_on() {
    let sandbox = sandbox();
    let mut terminal = shell(&sandbox);
    let own = terminal.settings();
    terminal.send(format!("{HREC} rec cat\n"));
    for line in ["one", "two", "three"] {
        // Typed before, it would be echoed by the outer terminal, and a ^Z
        // that comes before the program goes on is undone by its going on.
        wait_until_taken(&terminal, &own);
        terminal.send(format!("{line}\n"));
        terminal.expect(format!("{line}\r\n{line}\r\n"));
        terminal.send("\x1a");
        terminal.expect("Stopped");
        terminal.expect("outer> ");
        let cat = sandbox.processes().into_iter().find(|process| process.command == "cat");
        assert_eq!(cat.map(|process| process.state), Some('T'));
        assert_eq!(last_status(&mut terminal), "148", "as the shell says of a stopped job");
        terminal.expect("outer> ");
        terminal.send("fg\n");
        terminal.expect("rec cat\r\n");
    }
    wait_until_taken(&terminal, &own);
    terminal.send("four\n");
    terminal.expect("four\r\nfour\r\n");
    terminal.send("\x04");
    terminal.expect("outer> ");
    assert_eq!(last_status(&mut terminal), "0");
    let text = String::from_utf8(sandbox.raw()).expect("UTF-8");
    for line in ["one", "two", "three", "four"] {
        assert_eq!(text.matches(&format!("{line}\r\n")).count(), 2, "{text:?}");
    }
    leave(terminal);
}

/// The shell's own `kill`, from another terminal or from a script.
#[test]
fn a_stopped_recording_can_be_continued_in_the_background() {
    let sandbox = sandbox();
    let mut terminal = shell(&sandbox);
    terminal.send(format!(
        "{HREC} rec -- sh -c 'echo READY; sleep 1; sleep 1.1; echo on-and-on; exit 6'\n"
    ));
    terminal.expect("READY\r\n");
    // Not before: a shell that is just starting a program cannot be stopped
    // (vfork), recorded or not.
    wait_until("sleep runs", || sandbox.processes().into_iter().find(|p| p.command == "sleep 1"));
    terminal.send("\x1a");
    terminal.expect("Stopped");
    terminal.expect("outer> ");
    terminal.send("bg\n");
    terminal.expect("outer> ");
    terminal.send("wait %1; echo status=$?\n");
    assert_eq!(terminal.expect_match(r"status=(\d+)"), "6");
    terminal.expect("outer> ");
    leave(terminal);
}

#[test]
fn vim_stops_and_goes_on() {
    let sandbox = sandbox();
    let mut terminal = shell(&sandbox);
    terminal.send(format!("{HREC} rec vim -u NONE -N -i NONE -n notes.txt\n"));
    terminal.expect_screen("vim's empty lines", |screen| {
        screen.iter().filter(|line| *line == "~").count() > 15
    });
    terminal.send("ihello from vim\x1b");
    terminal.expect_screen("the typed text", |screen| screen[0] == "hello from vim");
    terminal.send("\x1a");
    terminal.expect("Stopped");
    terminal.expect("outer> ");
    assert_eq!(last_status(&mut terminal), "148");
    terminal.expect("outer> ");
    terminal.send("fg\n");
    terminal.expect_screen("vim again", |screen| {
        screen[0] == "hello from vim" && screen.iter().filter(|line| *line == "~").count() > 15
    });
    terminal.send(":wq\r");
    terminal.expect("outer> ");
    assert_eq!(last_status(&mut terminal), "0");
    let notes = std::fs::read_to_string(sandbox.work().join("notes.txt")).expect("vim wrote it");
    assert_eq!(notes, "hello from vim\n");
    leave(terminal);
}

/// A shell that is recorded has jobs of its own; their ^Z is no affair of the
/// outer shell's.
#[test]
fn an_inner_shell_has_job_control() {
    let sandbox = sandbox();
    let mut terminal = shell(&sandbox);
    terminal.send(format!("PS1='inner> ' {HREC} rec -- bash --norc --noprofile -i\n"));
    terminal.expect("inner> ");
    assert!(!String::from_utf8_lossy(terminal.seen()).contains("no job control"));
    terminal.send("sleep 100\n");
    terminal.expect("sleep 100");
    wait_until("sleep runs", || sandbox.processes().into_iter().find(|p| p.command == "sleep 100"));
    terminal.send("\x1a");
    terminal.expect("Stopped");
    terminal.expect("inner> ");
    terminal.send("kill -9 %1; fg; echo inner=$((40+2))\n");
    terminal.expect("inner=42");
    terminal.send("exit 5\n");
    terminal.expect("outer> ");
    assert_eq!(last_status(&mut terminal), "5");
    leave(terminal);
}

/// `suspend` of the recorded shell stops the whole recording, as it would
/// stop the bare shell.
#[test]
fn suspending_an_inner_shell_stops_the_recording() {
    let sandbox = sandbox();
    let mut terminal = shell(&sandbox);
    terminal.send(format!("PS1='inner> ' {HREC} rec -- bash --norc --noprofile -i\n"));
    terminal.expect("inner> ");
    terminal.send("suspend\n");
    terminal.expect("Stopped");
    terminal.expect("outer> ");
    terminal.send("fg\n");
    terminal.expect("--norc --noprofile -i");
    terminal.send("echo back=$((50+5))\n");
    terminal.expect("back=55");
    terminal.send("exit 5\n");
    terminal.expect("outer> ");
    assert_eq!(last_status(&mut terminal), "5");
    leave(terminal);
}

#[test]
fn started_in_the_background_it_runs_as_the_bare_program() {
    let sandbox = sandbox();
    let mut terminal = shell(&sandbox);
    terminal.send(format!("{HREC} rec -- sh -c 'sleep 1; echo from-behind; exit 4' &\n"));
    terminal.expect("outer> ");
    terminal.send("echo mine=$((20+1))\n");
    terminal.expect("mine=21");
    terminal.send("wait %1; echo status=$?\n");
    assert_eq!(terminal.expect_match(r"status=(\d+)"), "4");
    assert!(String::from_utf8_lossy(terminal.seen()).contains("from-behind"));
    terminal.expect("outer> ");
    assert_eq!(sandbox.raw(), b"from-behind\r\n");
    leave(terminal);
}

/// The bare `cat &` never takes what is typed to the shell; in the foreground
/// it does.
#[test]
fn in_the_background_it_takes_no_keys() {
    let sandbox = sandbox();
    let mut terminal = shell(&sandbox);
    let own = terminal.settings();
    terminal.send(format!("{HREC} rec cat &\n"));
    terminal.expect("outer> ");
    for n in 0..5 {
        terminal.send(format!("echo mine=$((30+{n}))\n"));
        terminal.expect(format!("mine={}\r\n", 30 + n));
    }
    terminal.send("fg\n");
    wait_until_taken(&terminal, &own);
    terminal.send("now for cat\n");
    terminal.expect("now for cat\r\nnow for cat\r\n");
    terminal.send("\x04");
    terminal.expect("outer> ");
    assert_eq!(last_status(&mut terminal), "0");
    leave(terminal);
}

/// ^Z while the program is only being found and loaded: it stops there, and
/// goes on from there.
#[test]
fn stopped_before_the_program_is_there() {
    // A search through so many directories takes long enough to hit.
    let many = "/no/such/directory/anywhere/in/the/whole/world:".repeat(2500);
    let sandbox = sandbox().with_env("MANY", many);
    let mut terminal = shell(&sandbox);
    let own = terminal.settings();
    for _ in 0..5 {
        terminal.send(format!("PATH=$MANY$PATH {HREC} rec cat\n"));
        wait_until_taken(&terminal, &own);
        terminal.send("\x1a");
        terminal.expect("Stopped");
        terminal.expect("outer> ");
        terminal.send("fg\n");
        wait_until_taken(&terminal, &own);
        terminal.send("here\n");
        terminal.expect("here\r\nhere\r\n");
        terminal.send("\x04");
        terminal.expect("outer> ");
        assert_eq!(last_status(&mut terminal), "0");
        terminal.expect("outer> ");
    }
    leave(terminal);
}

/// A shell's line editor has the terminal to itself while a job begins in the
/// background; the job has the person's settings once it is brought forward.
#[test]
fn begun_behind_a_line_editor_it_has_the_persons_settings_in_the_foreground() {
    let sandbox = sandbox();
    let mut terminal = shell(&sandbox);
    terminal.send("stty -icanon -icrnl -echo\n");
    terminal.expect("outer> ");
    terminal.send(format!("{HREC} rec -- sh -c 'read line; echo got $line' &\n"));
    wait_until("the program waits for the terminal", || {
        let processes = sandbox.processes();
        let program = processes.iter().find(|process| process.command.starts_with("sh -c read"));
        program.is_some_and(|process| process.state == 'T').then_some(())
    });
    terminal.send("stty icanon icrnl echo\n");
    wait_until("the terminal is the person's again", || {
        terminal.settings().contains("ICANON").then_some(())
    });
    terminal.send("echo re''ady\n");
    terminal.expect("ready\r\n");
    terminal.expect("outer> ");
    let own = terminal.settings();
    terminal.send("fg\n");
    wait_until_taken(&terminal, &own);
    terminal.send("typed\r");
    terminal.expect("typed\r\ngot typed\r\n");
    terminal.expect("outer> ");
    leave(terminal);
}
