//! What people have tried, or would, to work unrecorded: each test tells what
//! was tried, what happened, and what the record shows. Those that nothing on
//! the same host can stop are named in hrec-bastion(7).

mod collector;
mod ways;

use std::fs;
use std::io::Write as _;

use crate::bastion::{Bastion, facts};
use crate::support::{Start, wait_until};
use crate::table::row;

/// All that a user's recordings hold, header and events, as one text.
fn everything(bastion: &Bastion, user: &str) -> String {
    let manifests = bastion.manifests(user);
    let of = |manifest: &serde_json::Value| {
        let (header, events) = bastion.sandbox.cast(manifest["id"].as_str().unwrap());
        let mut text = format!("{header}\n");
        for event in &events {
            text += &format!("{} {}\n", event.code, event.data);
        }
        for fd in 0..3 {
            text += &String::from_utf8_lossy(&Bastion::stream(&events, fd).0);
        }
        text
    };
    manifests.iter().map(of).collect()
}

/// Tried: files that shells read at their start, to leave before the record,
/// or to stay outside of it. Happened: they are read, by the real shell, inside
/// the record.
#[test]
fn start_files_are_read_inside_the_record() {
    let bastion = Bastion::installed();
    for (user, files) in [
        ("alice", &[".bashrc", ".bash_profile", ".profile", ".bash_login", ".ssh/rc"][..]),
        ("zoe", &[".zshenv", ".zshrc", ".zprofile", ".zlogin"]),
    ] {
        for file in files {
            bastion.write(user, file, format!("echo read-{} >&2\n", file.trim_start_matches('.')));
        }
        let with = bastion.ssh(user, "echo command-ran", b"");
        assert!(with.status.success(), "{with:?}");
        let told = everything(&bastion, user);
        let said = String::from_utf8_lossy(&with.stderr).into_owned();
        for line in said.lines().filter(|line| line.starts_with("read-")) {
            assert!(told.contains(line), "{user}: {line} is not in the record: {told}");
        }
        assert!(told.contains("command-ran"), "{user}");
        assert!(user != "zoe" || said.contains("read-zshenv"), "{said}");
    }
    row(
        "start-files",
        ".bashrc, .bash_profile, .zshenv and their like, to run something before the record begins",
        "the real shell reads them as ever, within the session",
        "all that they print",
    );
}

/// The case that the manual warns of: eve has bash in passwd(5) and hrec as
/// forced command. Tried: a line in her .bashrc. Happened: it runs, before
/// hrec and unrecorded. `hrec doctor --bastion` tells of her.
#[test]
fn a_forced_command_behind_bash_is_no_enforcement_and_doctor_says_so() {
    let bastion = Bastion::start();
    bastion.write("eve", ".bashrc", "echo ran-before; exit 0\n");
    let with = bastion.ssh("eve", "echo command", b"");
    assert_eq!(with.text(), "ran-before\n", "{with:?}");
    assert_eq!(bastion.manifests("eve").len(), 0);
    let told = bastion.doctor();
    let of = |name: &str| {
        let found = told.iter().find(|check| {
            check["check"] == "people" && check["text"].as_str().unwrap().starts_with(name)
        });
        found.unwrap_or_else(|| panic!("nothing of {name}: {told:#?}")).clone()
    };
    assert_eq!(of("eve:")["state"], "finding");
    assert!(of("eve:")["text"].as_str().unwrap().contains("the forced command does not hold"));
    assert_eq!(of("carol works unrecorded")["state"], "finding");
    assert!(!told.iter().any(|check| check["text"].as_str().unwrap().starts_with("alice")));
    let state = |what: &str| {
        let found = told.iter().filter(|check| check["check"] == what);
        found.map(|check| check["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for what in ["binary", "shells", "store", "config"] {
        assert_eq!(state(what), ["ok"], "{what}: {told:#?}");
    }
    row(
        "forced-command",
        "a .bashrc before a forced command, where bash stands in passwd(5): no host that the installer has set up",
        "it runs, unrecorded; hrec doctor --bastion tells of the account",
        "none is made",
    );
}

/// A host that was set up wrongly: doctor tells of each thing by itself.
#[test]
fn doctor_tells_of_everything_that_is_wrong_with_a_host() {
    let told = Bastion::broken().doctor();
    let found: Vec<String> = told
        .iter()
        .filter(|check| check["state"] == "finding")
        .map(|check| format!("{}: {}", check["check"], check["text"]).replace('"', ""))
        .collect();
    for (what, word) in [
        ("binary", "is not set-group-ID"),
        ("shells", "not in /etc/shells"),
        ("store", "is open to people"),
        ("config", "/etc/hrec can be written by others"),
        ("keys", "nobody gets a session without record.recipients"),
        ("keys", "/etc/hrec/ledger_key is not there"),
        ("keys", "sessions cannot read /etc/hrec/signing_key"),
        ("keys", "allowed_signers does not have /etc/hrec/signing_key"),
        ("sshd", "DisableForwarding"),
        ("sshd", "PermitUserEnvironment"),
        ("sshd", "X11Forwarding"),
        ("sshd", "AllowAgentForwarding"),
        ("sshd", "PermitUserRC"),
        ("sshd", "for bob: sshd serves files itself"),
        ("collector", "there is none"),
        ("sshd", "AcceptEnv"),
        ("sshd", "sshd runs internal-sftp itself"),
    ] {
        let of = |line: &&String| line.starts_with(what) && line.contains(word);
        assert_eq!(found.iter().filter(of).count(), 1, "{what}: {word}: {found:#?}");
    }
    let note = told
        .iter()
        .any(|check| check["text"].as_str().unwrap().contains("identity.txt is a private key"));
    assert!(note, "{told:#?}");
}

/// Tried: variables that change what a loader, a shell or hrec itself does,
/// by SendEnv and from inside. Happened: nothing of hrec's changes.
#[test]
fn variables_change_nothing_of_the_record() {
    let bastion = Bastion::installed();
    let mut config = fs::OpenOptions::new().append(true).open(bastion.config()).unwrap();
    let home = bastion.home("alice").display().to_string();
    writeln!(config, "  SetEnv LC_ALL=/etc/passwd LC_HREC_ID=nonsense LANG=../../x TERM=../x")
        .unwrap();
    bastion.write("alice", "evil.sh", "echo bash-env-ran\n");
    let shell = bastion.sandbox.path("bin/hrec-shell").display().to_string();
    let mine = format!("{home}/mine");
    let command = format!(
        "mkdir -p {mine}/hrec; echo '[record]' > {mine}/hrec/config.toml; echo 'recipients=[]' >> {mine}/hrec/config.toml; \
         HOME={home} XDG_CONFIG_HOME={mine} XDG_DATA_HOME={mine} HREC_ID= HREC_OFF=1 HREC_CONFIG={mine} \
         LD_PRELOAD={home}/no.so LD_AUDIT={home}/no.so LD_LIBRARY_PATH={home} LOCPATH={home} GCONV_PATH={home} \
         TZ=:{home}/evil.sh MALLOC_TRACE={home}/t BASH_ENV={home}/evil.sh ENV={home}/evil.sh PATH={home} \
         SSH_ORIGINAL_COMMAND='true' {shell} -c 'echo still-recorded'; :"
    );
    let with = bastion.ssh("alice", &command, b"");
    assert!(with.text().contains("still-recorded"), "{with:?}");
    let manifests = bastion.manifests("alice");
    assert_eq!(manifests.len(), 2, "{manifests:#?}");
    assert_eq!(manifests[0]["recipients"], manifests[1]["recipients"]);
    assert_eq!(bastion.commands("alice")[1], "echo still-recorded");
    assert!(everything(&bastion, "alice").contains("bash-env-ran"), "it ran, inside the record");
    assert!(!bastion.home("alice").join("mine/hrec/recordings").exists());
    assert!(!bastion.home("alice").join("t").exists(), "MALLOC_TRACE");
    row(
        "variables",
        "SendEnv, LD_PRELOAD, LD_AUDIT, BASH_ENV, TZ, LOCPATH, MALLOC_TRACE, XDG_CONFIG_HOME, HREC_ID and more",
        "recorder and recipients stay as they are; BASH_ENV is followed by the shell",
        "all of it, within the session",
    );
}

/// Tried: names and arguments that hrec could take for another verb's, or for
/// an exemption. Happened: each is recorded as what it is.
#[test]
fn names_and_arguments_exempt_nothing() {
    let bastion = Bastion::installed();
    let bin = bastion.sandbox.path("bin").display().to_string();
    let attempts = [
        "scp -t x; echo after-scp".to_owned(),
        "internal-sftp-not; echo after-sftp".to_owned(),
        "hrec shell; echo after-shell".to_owned(),
        "git-upload-pack x; echo after-git".to_owned(),
        format!("ln -s {bin}/hrec hrec-shell-evil; ./hrec-shell-evil -c 'echo by-own-link $0'"),
        format!("exec -a -hrec-shell-sh {bin}/hrec -c 'echo by-other-name $0'"),
        format!("exec -a hrec {bin}/hrec-shell -c 'echo by-hrec'"),
    ];
    let words = [
        "after-scp",
        "after-sftp",
        "after-shell",
        "after-git",
        "by-own-link bash",
        "by-other-name -bash",
        "by-hrec",
    ];
    for (attempt, word) in attempts.iter().zip(words) {
        let argv = ["ssh", "-tt", "-F", bastion.config(), "alice@box", attempt];
        let mut terminal = Start::new(&bastion.sandbox).spawn(&argv);
        if attempt.starts_with("scp") {
            // It is ready, and is told that nothing comes.
            terminal.expect(b"\0");
            terminal.send("\x04");
        }
        terminal.expect(word);
        terminal.wait();
        let told = everything(&bastion, "alice");
        assert!(told.contains(word), "{attempt} is not in the record");
    }
    assert!(bastion.manifests("alice").len() >= attempts.len());
    row(
        "names",
        "ssh -tt 'scp -t x; bash' and six like it; links and argv[0] with others' names",
        "each is run as what it is",
        "all that was run and shown",
    );
}

/// Tried: a megabyte of freight first, so that the bucket is empty, then work.
/// Happened: what is said at a person's pace is kept all the same, and the
/// freight is counted and hashed.
#[test]
fn freight_before_work_does_not_hide_it() {
    let bastion = Bastion::installed();
    let command = "head -c 3000000 /dev/zero; for i in 1 2 3 4 5 6; do sleep 0.5; echo work-$i; done; sleep 0.2";
    let with = bastion.ssh("alice", command, b"");
    assert_eq!(with.stdout.len(), 3_000_000 + 6 * 7);
    let (header, events) = bastion.recording("alice");
    assert_eq!(header["hrec"]["argv"][2], command);
    let (kept, counted) = Bastion::stream(&events, 1);
    assert_eq!(kept.len() as u64 + counted, with.stdout.len() as u64);
    assert!(String::from_utf8_lossy(&kept).contains("work-6"), "{}", kept.len());
    assert_eq!(facts(&events, "gap").count(), 0);
    row(
        "freight",
        "3 MB of zeros first, so that the bucket is empty, then work",
        "both run",
        "the freight is counted and hashed; the work is there in full",
    );
}

/// Tried, from inside and as the same user: to trace hrec, to read its memory
/// and descriptors, to write to it through /proc, to use its group, to remove
/// the recording, and to open the outer terminal. Happened: all are refused.
#[test]
fn the_recorder_cannot_be_reached_from_inside() {
    let bastion = Bastion::installed();
    let store = bastion.sandbox.path("store").display().to_string();
    bastion.write(
        "alice",
        "attack.py",
        format!(
            r#"
import ctypes, grp, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
me = os.getpid()
hrec = [int(p) for p in os.listdir("/proc") if p.isdigit() and open("/proc/%s/comm" % p).read().strip().startswith("hrec")
        and os.stat("/proc/%s/task" % p) is not None and "Uid:\t%d" % os.getuid() in open("/proc/%s/status" % p).read()]
print("recorders:", len(hrec) > 0)
def attempt(what, do):
    try:
        do()
        print(what, "POSSIBLE")
    except OSError as error:
        print(what, "refused")
def ptrace(pid):
    if libc.ptrace(16, pid, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
outer = None
for pid in hrec:
    attempt("ptrace", lambda: ptrace(pid))
    for name, mode in (("mem", "rb"), ("environ", "rb"), ("maps", "rb"), ("auxv", "rb")):
        attempt(name, lambda: open("/proc/%d/%s" % (pid, name), mode).read(1))
    attempt("fd", lambda: os.listdir("/proc/%d/fd" % pid))
    attempt("cwd", lambda: os.listdir("/proc/%d/cwd" % pid))
    attempt("oom", lambda: open("/proc/%d/oom_score_adj" % pid, "w").write("1000"))
attempt("store", lambda: os.listdir("{store}"))
attempt("remove", lambda: os.rename("{store}/recordings", "{store}/gone"))
group = grp.getgrnam("hrec").gr_gid
attempt("group", lambda: os.setresgid(group, group, group))
inner = os.path.realpath("/proc/self/fd/0")
for number in range(64):
    path = "/dev/pts/%d" % number
    if path != inner and os.path.exists(path) and os.stat(path).st_uid == os.getuid():
        attempt("outer terminal", lambda: os.open(path, os.O_RDWR | os.O_NOCTTY))
print("attack-is-over")
"#
        ),
    );
    let target = "alice@box";
    let argv = ["ssh", "-tt", "-F", bastion.config(), target, "python3 attack.py"];
    let mut terminal = Start::new(&bastion.sandbox).spawn(&argv);
    terminal.expect("attack-is-over");
    assert_eq!(terminal.wait(), 0);
    let seen = String::from_utf8_lossy(terminal.seen()).into_owned();
    assert!(seen.contains("recorders: True"), "{seen}");
    assert!(!seen.contains("POSSIBLE"), "{seen}");
    for what in
        ["ptrace refused", "mem refused", "fd refused", "store refused", "outer terminal refused"]
    {
        assert!(seen.contains(what), "{what}: {seen}");
    }
    assert!(everything(&bastion, "alice").contains("outer terminal refused"));
    row(
        "reach",
        "ptrace, /proc/PID/mem, fd and environ of hrec; its group; the store; rm of the recording; the session's outer terminal",
        "all are refused",
        "the attempts, and the refusals",
    );
}

/// Tried: to stop the recorder (SIGSTOP) or to kill it and to go on. Happened:
/// nothing reaches the person while it is stopped; killed, the session ends
/// with it, and the record has everything up to then.
#[test]
fn a_recorder_that_is_stopped_or_killed_takes_the_session_with_it() {
    let bastion = Bastion::installed();
    bastion.write("alice", ".bashrc", "PS1='ready> '\n");
    bastion.write("alice", ".bash_profile", ". ~/.bashrc\n");
    let argv = ["ssh", "-tt", "-F", bastion.config(), "alice@box"];
    let mut terminal = Start::new(&bastion.sandbox).spawn(&argv);
    terminal.expect("ready> ");
    terminal.send("echo before-$((1+1)); sleep 1; kill -9 $(pgrep -u alice -o hrec); while :; do echo after-$((1+1)) >> after; sleep 0.1; done\r");
    terminal.expect("before-2");
    terminal.wait();
    let seen = String::from_utf8_lossy(terminal.seen()).into_owned();
    assert!(!seen.contains("after-2"), "{seen}");
    // The loop is hung up too.
    let length = || fs::metadata(bastion.home("alice").join("after")).map_or(0, |data| data.len());
    let mut last = length();
    wait_until("the program has ended", || {
        std::thread::sleep(std::time::Duration::from_millis(500));
        let now = length();
        let still = now == last;
        last = now;
        still.then_some(())
    });
    let manifests = bastion.manifests_now("alice");
    assert_eq!(manifests.len(), 1);
    let (_, events) = bastion.sandbox.cast(manifests[0]["id"].as_str().unwrap());
    let shown: String = events.iter().filter(|e| e.code == "o").map(|e| e.data.as_str()).collect();
    assert!(shown.contains("before-2"), "{shown}");
    row(
        "stopped",
        "kill -9 of the recorder, and to go on",
        "the session ends with it, and what runs in it is hung up",
        "everything up to then; interrupted",
    );
}

/// Tried: newlines, escapes and bytes that are no UTF-8 in the command, to
/// forge lines of the record or of the log. Happened: they are data.
#[test]
fn odd_bytes_in_a_command_are_data() {
    let bastion = Bastion::installed();
    let command =
        "echo one\necho '[0.0, \"x\", \"0\"]'\n\u{1b}]0;title\u{7} 2>/dev/null; echo \u{202e}two";
    let with = bastion.ssh("alice", command, b"");
    assert!(with.text().starts_with("one\n[0.0, \"x\", \"0\"]\n"), "{with:?}");
    let (header, events) = bastion.recording("alice");
    assert_eq!(header["hrec"]["argv"][2], command);
    assert_eq!(events.iter().filter(|event| event.code == "x").count(), 1);
    let listed = bastion.sandbox.hrec(&["ls"]);
    assert!(!listed.stdout.contains(&0x1b) && !listed.text().contains('\u{202e}'), "{listed:?}");
    row(
        "odd-bytes",
        "newlines, escapes, lines of asciicast in the command",
        "they are the command",
        "the command, byte for byte; hrec ls shows them escaped",
    );
}

/// Tried: limits and a quota of one's own, so that the record cannot be made,
/// by a person who is named for rescue too. Happened: no session, no rescue.
#[test]
fn limits_of_ones_own_end_the_session_and_rescue_nobody() {
    let bastion = Bastion::installed();
    let config = bastion.sandbox.path("etc/hrec/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("min_free", "quota_user = \"1B\"\nmin_free")).unwrap();
    bastion.restart_collector();
    for user in ["alice", "rescue"] {
        let first = bastion.ssh(user, "echo first", b"");
        assert_eq!(first.text(), "first\n", "{user}: {first:?}");
        let second = bastion.ssh(user, "echo second", b"");
        assert_eq!(
            (second.status.code(), second.stdout.as_slice()),
            (Some(125), &b""[..]),
            "{second:?}"
        );
        assert!(String::from_utf8_lossy(&second.stderr).contains("store.quota_user"), "{second:?}");
    }
    row(
        "quota",
        "to use up store.quota_user, also by somebody named for rescue",
        "no session for them any more (125), and no rescue",
        "what was recorded before",
    );
}

/// Tried: descriptors and file sizes. Happened: hrec has its own limits, as
/// far as the hard ones go; below those, nothing is run. A limit for files is
/// the collector's, who has none.
#[test]
fn small_limits_refuse_rather_than_let_by() {
    let bastion = Bastion::installed();
    let shell = bastion.sandbox.path("bin/hrec-shell").display().to_string();
    for (limit, works) in [("-S -n 4", true), ("-S -f 0", true), ("-f 0", true), ("-n 4", false)] {
        let command = format!("ulimit {limit} 2>/dev/null; {shell} -c 'echo it-ran; ulimit -S -n'");
        let before = bastion.manifests("alice").len();
        let with = bastion.ssh("alice", &command, b"");
        let ran = with.text().contains("it-ran");
        assert!(!ran || works, "{limit}: {with:?}");
        if works {
            assert!(ran, "{limit}: {with:?}");
            assert_eq!(bastion.manifests("alice").len(), before + 2, "{limit}");
        }
    }
    row(
        "limits",
        "ulimit -n 4 and -f 0 before hrec",
        "soft limits are raised again, and no file of the person's own is written; with the hard limit of 4 \
         descriptors nothing is run",
        "the sessions that ran",
    );
}

/// Tried: a store that cannot be written. Happened: nobody gets in but whom
/// the configuration names, and that is said.
#[test]
fn a_broken_store_lets_in_whom_the_host_names_and_nobody_else() {
    let bastion = Bastion::alone();
    let store = bastion.sandbox.path("store");
    fs::rename(&store, bastion.sandbox.path("store-away")).unwrap();
    fs::write(&store, "in the way").unwrap();
    let refused = bastion.ssh("alice", "echo it-ran", b"");
    assert_eq!(refused.status.code(), Some(125));
    assert_eq!(refused.text(), "");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nothing was run"), "{refused:?}");
    let rescued = bastion.ssh("rescue", "cat; id -nG; echo $SHELL", b"in\n");
    assert_eq!(rescued.text(), "in\nrescue people\n/bin/bash\n", "{rescued:?}");
    assert!(String::from_utf8_lossy(&rescued.stderr).contains("UNRECORDED session of rescue"));
    row(
        "broken-store",
        "a file in the place of the store, on a host without a collector",
        "nobody gets in (125) but record.rescue_users, unrecorded, which they and syslog are told",
        "none is made",
    );
}

/// Tried: to use the set-group-ID binary's other verbs in the store. Happened:
/// they run without the group.
#[test]
fn other_verbs_have_no_group() {
    let bastion = Bastion::installed();
    let bin = bastion.sandbox.path("bin").display().to_string();
    let store = bastion.sandbox.path("store").display().to_string();
    let command = format!(
        "{bin}/hrec rec -o {store}/mine -- true; {bin}/hrec cat {store}/ledger/checkpoint; \
         {bin}/hrec rec -- id -nG; exit 0"
    );
    let with = bastion.ssh("alice", &command, b"");
    assert!(!bastion.sandbox.path("store/mine").exists());
    assert!(!with.text().contains("hrec"), "{with:?}");
    row(
        "other-verbs",
        "hrec rec -o, hrec cat and others in the store, by the set-group-ID program",
        "they run without the group, and get nowhere",
        "the session that tried",
    );
}
