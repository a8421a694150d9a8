//! Standard input, output or error that is no terminal: hrec is to be as the
//! bare program there, byte for byte and status for status.

use crate::recording;
use crate::support::sandbox::HREC;
use crate::support::sshd::Sshd;
use crate::support::{Sandbox, Terminal};

/// Runs a shell script without any terminal twice: with `@` standing for
/// nothing, and for hrec. Both must say the same and end the same.
fn same_without_terminal(sandbox: &Sandbox, script: &str, stdin: &[u8]) {
    let bare = sandbox.run(&["bash", "-c", &script.replace('@', "")], stdin);
    let recorded =
        sandbox.run(&["bash", "-c", &script.replace('@', &format!("{HREC} rec --"))], stdin);
    assert_eq!(
        recorded.stdout.escape_ascii().to_string(),
        bare.stdout.escape_ascii().to_string(),
        "{script}"
    );
    assert_eq!(
        recorded.stderr.escape_ascii().to_string(),
        bare.stderr.escape_ascii().to_string(),
        "{script}"
    );
    assert_eq!(recorded.status, bare.status, "{script}");
}

#[test]
fn without_any_terminal() {
    let sandbox = Sandbox::new();
    for script in [
        "@ sh -c 'cat; echo to-stderr >&2; exit 5'",
        // As the shell says it, 128 and the signal's number; without the word
        // that it has for a child of its own that a signal ended.
        "{ @ sh -c 'kill -TERM $$'; } 2> /dev/null; exit $?",
        "@ cat < /dev/null",
        "@ cat | wc -c",
        "@ sh -c 'echo out; echo err >&2' 2>&1 | sort",
        "@ sh -c 'printf \"\\351\\200\\377 no utf-8, no line end\"'",
        "@ sh -c 'exec <&-; exec >&-; exit 9'",
        "@ sh -c 'echo a; exit 3' | cat; exit ${PIPESTATUS[0]}",
        "@ tty",
        "@ head -c 3",
        "(@ head -n 0; cat)",
        "@ no-such-program-anywhere 2>/dev/null",
    ] {
        same_without_terminal(
            &sandbox,
            script,
            b"what comes on standard input\nand a second line\n",
        );
    }
}

/// Whatever else a program inherits: descriptors (none of hrec's among them),
/// streams that are closed, ignored signals.
#[test]
fn what_is_inherited_is_as_without_hrec() {
    let sandbox = Sandbox::new();
    for script in [
        "@ diff <(echo a) <(echo b)",
        "@ bash -c 'cat <&7; ls /proc/self/fd' 7<<< here 9>&1",
        "@ bash -c 'ls /proc/self/fd >&2' <&-",
        "@ bash -c 'ls /proc/self/fd >&2; echo' >&-",
        "@ bash -c 'ls /proc/self/fd; echo >&2' 2>&-",
        "@ bash -c 'ls /proc/$$/fd > list; exit 5' <&- >&- 2>&-; echo $?; cat list",
        "@ grep Sig[BI] /proc/self/status",
        "trap '' PIPE CHLD XFSZ; @ grep Sig[BI] /proc/self/status",
        "trap '' INT QUIT HUP TERM USR1 TSTP TTIN TTOU CONT; @ grep Sig[BI] /proc/self/status",
        // Nobody but the program holds what it inherited: `cat` sees the end.
        "rm -f a b; mkfifo a b; (cat a; echo shut > b) & \
         @ bash -c 'exec 7>&-; timeout 30 cat b' 7> a",
    ] {
        same_without_terminal(&sandbox, script, b"");
    }
}

/// Nothing of hrec's own is on either stream, on its first day either: a byte
/// of it breaks scp, rsync and git.
#[test]
fn silent_without_a_terminal_even_at_the_first_recording() {
    let sandbox = Sandbox::without_keys();
    same_without_terminal(&sandbox, "@ true", b"");
}

#[test]
fn a_megabyte_through_a_pipe() {
    let sandbox = Sandbox::new();
    let data: Vec<u8> =
        (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    same_without_terminal(&sandbox, "@ cat | sha256sum", &data);
}

/// A reader that is late has it all: what the program left behind is in two
/// pipes, and in hrec, when it has ended.
#[test]
fn a_slow_reader_of_a_pipe() {
    let sandbox = Sandbox::new();
    let script = "@ sh -c 'echo $$ > pid; exec head -c 110000 /dev/zero' | \
                  (while [ ! -s pid ] || [ -e /proc/$(cat pid)/exe ]; do sleep 0.1; done; sleep 0.5; wc -c)";
    for _ in 0..3 {
        let _ = std::fs::remove_file(sandbox.work().join("pid"));
        let script = script.replace('@', &format!("{HREC} rec --"));
        let outcome = sandbox.run(&["bash", "-c", &script], b"");
        assert_eq!(outcome.text().trim(), "110000", "{outcome:?}");
    }
}

/// `yes | head`: who reads no more is noticed.
#[test]
fn a_reader_that_leaves_ends_the_program() {
    let sandbox = Sandbox::new();
    same_without_terminal(&sandbox, "@ yes | head -n 3; exit ${PIPESTATUS[0]}", b"");
}

/// Each of the three streams is, for the program, a terminal or not as it
/// would be for the bare one: all eight ways, on a terminal.
#[test]
fn each_stream_is_what_it_was() {
    let sandbox = Sandbox::new();
    for ways in 0..8 {
        let redirect = |bit: usize, text: &str| {
            if ways >> bit & 1 == 1 { text.to_owned() } else { String::new() }
        };
        let redirects =
            [redirect(0, "< /dev/null"), redirect(1, "> out"), redirect(2, "2> err")].join(" ");
        let script = |prefix: &str| {
            format!(
                "{prefix} sh -c 's=; for fd in 0 1 2; do if test -t $fd; then s=${{s}}t; else s=$s-; fi; done; echo $s > said' {redirects}"
            )
        };
        let mut words = Vec::new();
        for prefix in [String::new(), format!("{HREC} rec --")] {
            let mut terminal = Terminal::spawn(&sandbox, &["sh", "-c", &script(&prefix)]);
            assert_eq!(terminal.wait(), 0, "{}", terminal.seen().escape_ascii());
            words.push(std::fs::read_to_string(sandbox.work().join("said")).expect("a file"));
        }
        assert_eq!(words[1], words[0], "with {redirects:?}");
    }
}

/// The data comes by a pipe, the password by /dev/tty: `echo data | ssh host`
/// asks there.
#[test]
fn a_program_with_piped_input_still_reads_the_terminal() {
    let sandbox = Sandbox::new();
    let script = format!(
        "printf 'piped\\n' | {HREC} rec -- sh -c 'printf \"ask: \" > /dev/tty; read a < /dev/tty; read b; echo \"got $a and $b\"'"
    );
    let mut terminal = Terminal::spawn(&sandbox, &["sh", "-c", &script]);
    terminal.expect("ask: ");
    terminal.send("typed\n");
    terminal.expect("got typed and piped\r\n");
    assert_eq!(terminal.wait(), 0);
}

/// A terminal for input and error, a pipe for output: the pipe gets the
/// program's bytes and nothing of hrec's.
#[test]
fn a_pipe_gets_the_programs_output_alone() {
    let sandbox = Sandbox::new();
    let script =
        format!("{HREC} rec -- sh -c 'printf \"a\\nb\\n\"; echo seen >&2' | od -An -c > dump");
    let mut terminal = Terminal::spawn(&sandbox, &["sh", "-c", &script]);
    assert_eq!(terminal.wait(), 0);
    let dump = std::fs::read_to_string(sandbox.work().join("dump")).expect("a file");
    assert_eq!(dump.split_whitespace().collect::<Vec<_>>(), ["a", "\\n", "b", "\\n"]);
    assert!(terminal.seen().starts_with(b"seen\r\n"), "{}", terminal.seen().escape_ascii());
}

#[test]
fn ssh_with_piped_input() {
    let sandbox = Sandbox::new();
    let sshd = Sshd::start(&sandbox);
    let script = |hrec: &str| {
        format!(
            "echo 'echo from there; echo and an error >&2; exit 6' | {hrec} ssh -F {} box sh",
            sshd.config
        )
    };
    let bare = sandbox.run(&["bash", "-c", &script("")], b"");
    assert_eq!(bare.stdout, b"from there\n", "{bare:?}");
    assert_eq!(bare.status.code(), Some(6));
    let recorded = sandbox.run(&["bash", "-c", &script(HREC)], b"");
    assert_eq!(recorded, bare);

    // On a terminal, with only the input piped.
    let mut terminal = Terminal::spawn(&sandbox, &["bash", "-c", &script(HREC)]);
    assert_eq!(terminal.wait(), 6);
    let seen = String::from_utf8_lossy(terminal.seen()).into_owned();
    assert!(seen.contains("from there\r\n") && seen.contains("and an error\r\n"), "{seen:?}");
    let manifests = sandbox.manifests();
    assert_eq!(manifests.len(), 2);
    assert!(
        manifests
            .iter()
            .all(|manifest| manifest["program"] == "ssh" && manifest["exit"]["code"] == 6)
    );
}

/// The loop that everybody writes once without `-n`; with it, it must work.
#[test]
fn ssh_n_in_a_loop_leaves_the_loops_input_alone() {
    let sandbox = Sandbox::new();
    let sshd = Sshd::start(&sandbox);
    let script = format!(
        "while read h; do echo \"turn $h\"; {HREC} ssh -n -F {} box true; done",
        sshd.config
    );
    let outcome = sandbox.run(&["bash", "-c", &script], b"one\ntwo\nthree\n");
    assert_eq!(outcome.text(), "turn one\nturn two\nturn three\n");
    assert!(outcome.stderr.is_empty(), "{outcome:?}");
    assert_eq!(sandbox.manifests().len(), 3);

    // The same where the rest is a terminal.
    sandbox.file("hosts", "one\ntwo\nthree\n");
    let mut terminal =
        Terminal::spawn(&sandbox, &["bash", "-c", &format!("{{ {script}; }} < hosts")]);
    assert_eq!(terminal.wait(), 0);
    let seen = String::from_utf8_lossy(terminal.seen()).into_owned();
    for turn in ["turn one\r\n", "turn two\r\n", "turn three\r\n"] {
        assert!(seen.contains(turn), "{seen:?}");
    }
}

/// A background child that has the output pipe open is what the bare program
/// would leave behind; the program's own end is hrec's.
#[test]
fn a_background_child_without_a_terminal() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(HREC);
    command.args(
        &recording(&["sh", "-c", "sleep 600 > /dev/null 2>&1 < /dev/null & echo done; exit 4"])
            [1..],
    );
    let outcome = sandbox.finish(command, b"");
    assert_eq!((outcome.status.code(), outcome.stdout.as_slice()), (Some(4), b"done\n".as_slice()));
    let child = sandbox.processes().into_iter().find(|process| process.command == "sleep 600");
    assert!(child.is_some(), "it lives on");
}
