//! The terminal's settings (termios): the program gets the person's, and the
//! person gets them back to the bit, however hrec ends.

use rustix::process::Signal;
use rustix::termios::{InputModes, LocalModes, OutputModes, SpecialCodeIndex, Termios};

use crate::support::processes::Process;
use crate::support::sandbox::HREC;
use crate::support::{Sandbox, Start, Terminal};
use crate::{recording, wait_until_taken};

/// Settings unlike any default: what hrec merely assumes, it gets wrong.
fn unusual(settings: &mut Termios) {
    settings
        .input_modes
        .insert(InputModes::IUTF8 | InputModes::IXANY | InputModes::IMAXBEL | InputModes::ISTRIP);
    settings.input_modes.remove(InputModes::IXON);
    settings.output_modes.insert(OutputModes::OLCUC);
    settings.local_modes.insert(LocalModes::ECHOK | LocalModes::ECHONL | LocalModes::TOSTOP);
    settings.local_modes.remove(LocalModes::ECHOCTL | LocalModes::ECHOKE);
    settings.special_codes[SpecialCodeIndex::VERASE] = 8;
    settings.special_codes[SpecialCodeIndex::VEOL] = b'@';
    settings.special_codes[SpecialCodeIndex::VTIME] = 7;
    settings.set_speed(19200).expect("a speed");
}

fn unusual_terminal(sandbox: &Sandbox, program: &[&str]) -> Terminal {
    Start::new(sandbox).settings(unusual).spawn(program)
}

#[test]
fn the_program_has_the_persons_settings() {
    let sandbox = Sandbox::new();
    let mut bare = unusual_terminal(&sandbox, &["stty", "-g"]);
    assert_eq!(bare.wait(), 0);
    assert!(bare.seen().ends_with(b"\r\n"), "{}", bare.seen().escape_ascii());
    let mut recorded = unusual_terminal(&sandbox, &recording(&["stty", "-g"]));
    assert_eq!(recorded.wait(), 0);
    let seen = String::from_utf8_lossy(recorded.seen()).into_owned();
    assert!(
        recorded.seen().starts_with(bare.seen()),
        "{seen:?}, not {}",
        bare.seen().escape_ascii()
    );
}

/// Runs a program until it says "ready", ends it somehow, and compares.
fn given_back(script: &str, end: impl Fn(&mut Terminal, &Sandbox)) {
    let sandbox = Sandbox::new();
    let mut plain = unusual_terminal(&sandbox, &["true"]);
    let own = plain.settings();
    assert_eq!(plain.wait(), 0);
    assert_eq!(plain.settings(), own, "the bare program leaves them alone");

    let mut terminal = unusual_terminal(&sandbox, &recording(&["sh", "-c", script]));
    terminal.expect("READY");
    wait_until_taken(&terminal, &own);
    end(&mut terminal, &sandbox);
    terminal.wait();
    assert_eq!(terminal.settings(), own);
}

fn signal_hrec(terminal: &Terminal, signal: Signal) {
    Process::read(terminal.pid()).expect("hrec runs").signal(signal);
}

#[test]
fn given_back_after_the_programs_end() {
    given_back("stty raw -echo; echo READY; read x", |terminal, _| terminal.send("\n"));
}

#[test]
fn given_back_after_the_program_is_killed() {
    given_back("stty raw -echo; echo $$ > pid; echo READY; read x", |_, sandbox| {
        let pid = std::fs::read_to_string(sandbox.work().join("pid")).expect("a file");
        Process::read(pid.trim().parse().expect("a pid")).expect("it runs").signal(Signal::KILL);
    });
}

#[test]
fn given_back_after_sigterm() {
    given_back("echo READY; read x", |terminal, _| signal_hrec(terminal, Signal::TERM));
}

#[test]
fn given_back_after_sigint() {
    given_back("echo READY; read x", |terminal, _| {
        signal_hrec(terminal, Signal::INT);
        terminal.watch(std::time::Duration::from_millis(300));
        // SIGINT from outside may end the session or be the program's affair;
        // after an end by either way the terminal must be as it was.
        if terminal.try_wait().is_none() {
            terminal.send("\n");
        }
    });
}

#[test]
fn given_back_after_sigquit() {
    given_back("ulimit -c 0; echo READY; read x", |terminal, _| {
        signal_hrec(terminal, Signal::QUIT);
        terminal.watch(std::time::Duration::from_millis(300));
        if terminal.try_wait().is_none() {
            terminal.send("\n");
        }
    });
}

/// SIGHUP sent by somebody (`kill -HUP`), while the terminal is still there.
#[test]
fn given_back_after_sighup() {
    given_back("echo READY; read x", |terminal, _| signal_hrec(terminal, Signal::HUP));
}

/// Whoever of hrec's own processes beside the first is killed.
#[test]
fn given_back_after_hrecs_helper_is_killed() {
    given_back("echo READY; read x", |terminal, sandbox| {
        let own = terminal.pid();
        let helpers = sandbox.hrec_processes();
        helpers
            .iter()
            .filter(|process| process.pid != own)
            .for_each(|process| process.signal(Signal::KILL));
        if helpers.len() == 1 {
            terminal.send("\n");
        }
    });
}

/// While hrec is stopped the terminal is the shell's, as it was; after `fg` it
/// is hrec's again. dash does not touch the settings itself, so what is seen
/// is what hrec left.
#[test]
fn given_back_while_stopped() {
    let sandbox = Sandbox::new().with_env("PS1", "outer> ").with_env("ENV", "");
    let mut terminal = Terminal::spawn(&sandbox, &["dash", "-i"]);
    terminal.expect("outer> ");
    let own = terminal.settings();
    terminal.send(format!("{HREC} rec cat\n"));
    wait_until_taken(&terminal, &own);
    for round in 0..3 {
        terminal.send(format!("round {round}\n"));
        terminal.expect(format!("round {round}\r\nround {round}\r\n"));
        terminal.send("\x1a");
        terminal.expect("Stopped");
        terminal.expect("outer> ");
        assert_eq!(terminal.settings(), own);
        terminal.send("fg\n");
        wait_until_taken(&terminal, &own);
    }
    terminal.send("\x04");
    terminal.expect("outer> ");
    assert_eq!(terminal.settings(), own);
    terminal.send("exit\n");
    assert_eq!(terminal.wait(), 0);
}

/// What the person changes while hrec is stopped is what is given back, and
/// what the program starts to see again.
#[test]
fn settings_changed_while_stopped_are_kept() {
    let sandbox = Sandbox::new().with_env("PS1", "outer> ").with_env("ENV", "");
    let mut terminal = Terminal::spawn(&sandbox, &["dash", "-i"]);
    terminal.expect("outer> ");
    let first = terminal.settings();
    terminal.send(format!("{HREC} rec cat\n"));
    wait_until_taken(&terminal, &first);
    terminal.send("a\n");
    terminal.expect("a\r\na\r\n");
    terminal.send("\x1a");
    terminal.expect("outer> ");
    terminal.send("stty -echoctl erase ^H\n");
    terminal.expect("outer> ");
    let changed = terminal.settings();
    assert_ne!(changed, first);
    terminal.send("fg\n");
    wait_until_taken(&terminal, &changed);
    terminal.send("b\n");
    terminal.expect("b\r\nb\r\n");
    terminal.send("\x04");
    terminal.expect("outer> ");
    assert_eq!(terminal.settings(), changed);
}
