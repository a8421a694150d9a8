//! What works without hrec works with it: the same bytes, the same status; and
//! the record shows it.

use std::io::Write;

use crate::bastion::{Bastion, facts};
use crate::support::{Size, Start};

/// By the shell in passwd(5) alone, and by a forced command too.
const RECORDED: [&str; 2] = ["alice", "bob"];

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn commands_end_and_write_as_they_do_alone() {
    let bastion = Bastion::start();
    let noise = noise(300_000);
    for (command, stdin) in [
        ("echo out; echo err >&2; exit 7", &b""[..]),
        ("kill -TERM $$", b""),
        ("kill -KILL $$", b""),
        ("cat", &noise),
        ("cat >&2", &noise),
        ("head -c 5; exec <&-; sleep 0.1; echo rest", &noise),
        ("cat; echo the end of input was seen", b"half-closed"),
        ("(sleep 0.3; echo late) & echo now", b""),
        ("exec >&-; wc -c >&2", b"12345"),
        ("/no/such/program", b""),
        ("printf '%s|' a 'b c' \"$0\"", b""),
        ("sh -c 'kill -PIPE $$'", b""),
        ("yes | head -n 3", b""),
        // As editors and tools bring their own programs over.
        ("bash", b"uname -s; read -r line; echo \"<$line>\"; exit 9\nthe next line\n"),
        ("umask; ulimit -S -a; ulimit -H -a", b""),
        (
            "printf '%s\\n' \"$SHELL\" \"$SSH_ORIGINAL_COMMAND\" \"$LANG\"; pwd | sed s/$USER//; id -G | wc -w",
            b"",
        ),
        ("grep -E '^(Sig|Cap|NoNew|Groups:.*64100)' /proc/self/status", b""),
        ("ls /proc/self/fd | wc -l", b""),
        ("trap '' TERM; trap; echo \"$(: | cat; echo $?)\"", b""),
    ] {
        let alone = bastion.ssh("carol", command, stdin);
        for user in RECORDED {
            let before = bastion.manifests(user).len();
            let with = bastion.ssh(user, command, stdin);
            let (wanted, got) = (format!("{alone:?}"), format!("{with:?}"));
            let got = got.replace(&format!("/home/{user}"), "/home/carol");
            assert_eq!(got, wanted, "{user}: {command}");
            let manifests = bastion.manifests(user);
            assert_eq!(manifests.len(), before + 1, "{command}: recorded once");
            let last = manifests.last().unwrap();
            assert_eq!(last["mode"], "strict");
            let (header, events) = bastion.sandbox.cast(last["id"].as_str().unwrap());
            assert_eq!(header["hrec"]["argv"][2], command, "{user}");
            assert_eq!(header["hrec"]["pty"], false);
            let (kept, counted) = Bastion::stream(&events, 1);
            assert_eq!((kept, counted), (with.stdout, 0), "{user}: {command}");
            let (kept, counted) = Bastion::stream(&events, 2);
            assert_eq!((kept, counted), (with.stderr, 0), "{user}: {command}");
            if command == "cat" {
                assert_eq!(Bastion::stream(&events, 0), (stdin.to_vec(), 0));
            }
        }
    }
}

#[test]
fn a_signal_that_ends_the_program_is_what_sshd_tells() {
    let bastion = Bastion::start();
    // All that end a process; STKFLT has no name in sh(1).
    for signal in [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "XCPU", "XFSZ", "VTALRM", "PROF", "IO", "PWR", "SYS",
    ] {
        let argv = ["ssh", "-v", "-F", "{config}", "-o", "LogLevel=DEBUG1", "{user}@box"];
        let argv: Vec<&str> = argv.into_iter().chain(["kill", "-s", signal, "$$"]).collect();
        let [alone, with] = ["carol", "alice"].map(|user| {
            let ended = bastion.client(user, &argv, b"");
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            (said.contains("rtype exit-signal"), ended.status.code())
        });
        assert_eq!(alone, with, "{signal}");
        // bash -c ignores SIGQUIT, with hrec and without.
        assert_eq!(with.0, signal != "QUIT", "{signal}");
        let last = bastion.manifests("alice").pop().unwrap();
        assert_eq!(last["end_reason"], if with.0 { "signal" } else { "exit" }, "{signal}");
    }
}

/// Streams that are closed, or open for the other direction: with the
/// set-group-ID binary the C library has put something into closed ones.
#[test]
fn streams_that_cannot_be_used_are_so_inside_too() {
    let bastion = Bastion::start();
    bastion.write("alice", "file", "text");
    let shell = bastion.sandbox.path("bin/hrec-shell");
    for (command, redirection) in [
        ("timeout 20 cat; echo $?", "<&-"),
        ("read a; echo $?", "<&-"),
        ("timeout 20 cat; echo $?", "0>file2"),
        ("echo a; echo $? >&2", ">&-"),
        ("echo a; echo $? >&2", "1</dev/null"),
        ("echo a; echo $? >&2", "1<file"),
        ("echo a >&2; echo $?", "2>&-"),
        ("ls -l /proc/self/fd | grep -c '[12] ->' >&2", "<&- >&-"),
    ] {
        let run = |program: &str| {
            let line = format!(
                "'{program}' -c '{}' {redirection}; echo ended $?",
                command.replace('\'', "'\\''")
            );
            let ran = bastion.ssh("alice", &line, b"");
            (ran.text(), String::from_utf8_lossy(&ran.stderr).into_owned(), ran.status)
        };
        let (with, alone) = (run(&shell.display().to_string()), run("/bin/bash"));
        let said = |text: &str| text.replace("/bin/bash: ", "bash: ");
        assert_eq!(with.0, alone.0, "{command} {redirection}: {with:?}");
        assert_eq!(said(&with.1), said(&alone.1), "{command} {redirection}");
        assert_eq!(with.2, alone.2, "{command} {redirection}");
    }
}

#[test]
fn a_stream_beyond_the_bucket_is_counted_hashed_and_passed_on() {
    let bastion = Bastion::with("[shell]\nstream_burst = \"64KiB\"\nstream_rate = \"1KiB\"\n");
    let noise = noise(3_000_000);
    let with = bastion.ssh("alice", "cat; echo and this is said on >&2", &noise);
    assert!(with.status.success() && with.stdout == noise, "{:?}", with.status);
    let (_, events) = bastion.recording("alice");
    for fd in [0, 1] {
        let (kept, counted) = Bastion::stream(&events, fd);
        assert_eq!(kept.len() as u64 + counted, noise.len() as u64, "{fd}");
        assert!(kept.len() >= 65_536 && kept.len() < 400_000, "{fd}: {}", kept.len());
        let hashed: Vec<_> =
            facts(&events, "stream").filter(|f| f["fd"] == fd && f["bytes"].is_u64()).collect();
        assert!(hashed.iter().all(|f| f["sha256"].as_str().unwrap().len() == 64));
        assert!(!hashed.is_empty());
    }
    assert_eq!(Bastion::stream(&events, 2), (b"and this is said on\n".to_vec(), 0));
    assert_eq!(facts(&events, "gap").count(), 0, "the limit is no gap");
}

#[test]
fn an_interactive_login_is_the_real_shells() {
    let bastion = Bastion::start();
    for (user, name, shell) in
        [("alice", "-bash", "/bin/bash"), ("bob", "-bash", "/bin/bash"), ("zoe", "-zsh", "zsh")]
    {
        bastion.write(user, ".bashrc", "PS1='ready> '\n");
        bastion.write(user, ".bash_profile", ". ~/.bashrc\n");
        bastion.write(user, ".zshrc", "PS1='ready> '\n");
        let target = format!("{user}@box");
        let argv = ["ssh", "-tt", "-F", bastion.config(), &target];
        let size = Size::new(91, 33);
        let mut terminal = Start::new(&bastion.sandbox).size(size).spawn(&argv);
        terminal.expect("ready> ");
        terminal.send("echo \"<$0 $SHELL>\"; stty size; id -nG | grep -c hrec; exit 5\r");
        let status = terminal.wait();
        let seen = String::from_utf8_lossy(terminal.seen()).into_owned();
        assert_eq!(status, 5, "{seen}");
        assert!(seen.contains(&format!("<{name} ")), "{seen}");
        assert!(seen.contains(&format!("{shell}>")), "{seen}");
        assert!(seen.contains("33 91\r\n0\r\n"), "{seen}");
        assert!(!seen.contains("hrec:"), "{seen}");
        let (header, events) = bastion.recording(user);
        assert_eq!(header["hrec"]["pty"], true);
        let shown: String =
            events.iter().filter(|e| e.code == "o").map(|e| e.data.as_str()).collect();
        assert!(shown.contains(&format!("<{name} ")), "{shown}");
        let typed: String =
            events.iter().filter(|e| e.code == "i").map(|e| e.data.as_str()).collect();
        assert!(typed.contains("stty size"), "{typed}");
    }
}

#[test]
fn a_second_one_below_records_again_and_names_its_parent() {
    let bastion = Bastion::start();
    let shell = bastion.sandbox.path("bin/hrec-shell").display().to_string();
    let with = bastion.ssh("alice", &format!("{shell} -c 'echo inner $HREC_ID'"), b"");
    assert!(with.status.success(), "{with:?}");
    let manifests = bastion.manifests("alice");
    assert_eq!(manifests.len(), 2);
    let by_parent = |none: bool| manifests.iter().find(|m| m["parent"].is_null() == none).unwrap();
    let (outer, inner) = (by_parent(true), by_parent(false));
    assert_eq!(inner["parent"], outer["id"]);
    assert_eq!(with.text(), format!("inner {}\n", inner["id"].as_str().unwrap()));
}

#[test]
fn the_environment_is_as_sshd_gave_it() {
    let bastion = Bastion::start();
    // What the loader takes from the environment of a set-group-ID program.
    bastion.write("alice", ".ssh/environment", "");
    let mut config = std::fs::OpenOptions::new().append(true).open(bastion.config()).unwrap();
    writeln!(config, "  SetEnv LC_X=1 TRIED_A=\"b c\" LANG=de_DE.UTF-8").unwrap();
    let env = "env -0 | grep -zvE '^(HREC_ID|LC_HREC_ID|SSH_CLIENT|SSH_CONNECTION|SSH_USER_AUTH|_)=' | sort -z | tr '\\0' '\\n'";
    let alone = bastion.ssh("carol", env, b"").text();
    assert!(alone.contains("TRIED_A=b c") && alone.contains("LC_X=1"), "{alone}");
    for user in RECORDED {
        assert_eq!(bastion.ssh(user, env, b"").text().replace(user, "carol"), alone, "{user}");
    }
    // By whatever set it, a variable of the loader's is the program's.
    let shell = bastion.sandbox.path("bin/hrec-shell").display().to_string();
    let nested = format!("TMPDIR=/x LD_LIBRARY_PATH=/y {shell} -c 'echo $TMPDIR $LD_LIBRARY_PATH'");
    assert_eq!(bastion.ssh("alice", &nested, b"").text(), "/x /y\n");
}
