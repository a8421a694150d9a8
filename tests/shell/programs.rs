//! The programs that people use over ssh(1): each does what it does without
//! hrec, and the record shows it.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::bastion::{Bastion, facts};
use crate::support::{Outcome, Size, Start, tool};

fn done(what: &str, outcome: &Outcome) {
    assert!(outcome.status.success(), "{what}: {outcome:?}");
    assert_eq!(String::from_utf8_lossy(&outcome.stderr), "", "{what}");
}

#[test]
fn files_are_copied_by_every_program() {
    let bastion = Bastion::start();
    let data: Vec<u8> =
        (0..1_500_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let file = bastion.sandbox.file("data", &data);
    let ssh = format!("ssh -F {}", bastion.config());
    for user in ["carol", "alice", "bob"] {
        for (what, argv) in [
            ("scp", &["scp", "-q", "-F", "{config}", &file, "{user}@box:by-scp"][..]),
            ("scp -O", &["scp", "-q", "-O", "-F", "{config}", &file, "{user}@box:by-scp-O"]),
            ("rsync", &["rsync", "-e", &ssh, &file, "{user}@box:by-rsync"]),
        ] {
            done(what, &bastion.client(user, argv, b""));
        }
        let batch = format!("put {file} by-sftp\nrename by-sftp by-sftp-2\nls -l by-sftp-2\n");
        done(
            "sftp",
            &bastion.client(
                user,
                &["sftp", "-q", "-F", "{config}", "-b", "-", "{user}@box"],
                batch.as_bytes(),
            ),
        );
        for name in ["by-scp", "by-scp-O", "by-rsync", "by-sftp-2"] {
            assert_eq!(
                std::fs::read(bastion.home(user).join(name)).unwrap(),
                data,
                "{user}: {name}"
            );
            let back = bastion.sandbox.work().join(format!("{user}-{name}"));
            let from = format!("{{user}}@box:{name}");
            let to = back.display().to_string();
            let old = if name == "by-scp-O" { "-O" } else { "-p" };
            done(
                "scp back",
                &bastion.client(user, &["scp", "-q", old, "-F", "{config}", &from, &to], b""),
            );
            assert_eq!(std::fs::read(&back).unwrap(), data, "{user}: {name}");
        }
        let tar = format!("tar c data | {ssh} {user}@box 'mkdir t && tar x -C t'");
        done("tar", &bastion.client(user, &["bash", "-c", &tar], b""));
        assert_eq!(std::fs::read(bastion.home(user).join("t/data")).unwrap(), data);
    }
    for user in ["alice", "bob"] {
        let manifests = bastion.manifests(user);
        assert_eq!(manifests.len(), 9, "{user}");
        let digest = hex(&Sha256::digest(&data));
        let mut seen = BTreeSet::new();
        for manifest in &manifests {
            let (_, events) = bastion.sandbox.cast(manifest["id"].as_str().unwrap());
            let whole =
                facts(&events, "transfer").filter(|fact| fact["sha256"].is_string()).count();
            let passed: u64 = facts(&events, "stream").filter_map(|f| f["bytes"].as_u64()).sum();
            let hashed: u64 =
                facts(&events, "stream").filter_map(|f| f["in_transfers"].as_u64()).sum();
            // What is not the file's own is little, and not nothing.
            let others = if whole > 0 { 1..40_000 } else { 0..u64::MAX };
            assert!(others.contains(&(passed - hashed)), "{passed} bytes, {hashed} in transfers");
            for fact in facts(&events, "transfer") {
                let text = |field: &str| fact[field].as_str().unwrap_or_default().to_owned();
                let name = text("path").rsplit('/').next().unwrap_or_default().to_owned();
                if matches!(text("op").as_str(), "put" | "get") {
                    assert_eq!(fact["sha256"], digest, "{fact}");
                    assert_eq!(fact["size"], data.len() as u64, "{fact}");
                }
                seen.insert(format!("{} {} {name} {}", text("proto"), text("op"), text("dir")));
            }
        }
        for wanted in [
            "sftp put by-scp in",
            "sftp get by-scp out",
            "scp put data in",
            "scp get by-scp-O out",
            "sftp put by-sftp in",
            "sftp rename by-sftp ",
            "sftp get by-rsync out",
        ] {
            assert!(seen.contains(wanted), "{user}: {wanted}: {seen:#?}");
        }
    }
}

#[test]
fn git_pushes_and_clones() {
    let bastion = Bastion::start();
    let script = r#"
        set -e
        export GIT_SSH_COMMAND="ssh -F $1" HOME=$PWD GIT_CONFIG_NOSYSTEM=1
        git config --global user.name t; git config --global user.email t@example.org
        git config --global init.defaultBranch main
        ssh -F $1 $2@box 'git init -q --bare project.git'
        git init -q $2 && cd $2
        seq 1 20000 > numbers && git add numbers && git commit -qm 'a commit'
        git push -q $2@box:project.git main
        cd .. && git clone -q $2@box:project.git $2-again
        cmp $2/numbers $2-again/numbers
    "#;
    for user in ["carol", "alice", "bob"] {
        let argv = ["bash", "-c", script, "bash", "{config}", "{user}"];
        let outcome = bastion.client(user, &argv, b"");
        assert!(outcome.status.success(), "{user}: {outcome:?}");
    }
    let ran: Vec<String> = bastion.commands("alice");
    assert_eq!(ran.len(), 3, "{ran:?}");
    assert!(ran[1].starts_with("git-receive-pack "), "{ran:?}");
    assert!(ran[2].starts_with("git-upload-pack "), "{ran:?}");
}

#[test]
fn tmux_shows_and_takes_what_it_does_alone() {
    let bastion = Bastion::start();
    let ends = ["carol", "alice"].map(|user| {
        bastion.write(user, ".bash_profile", "PS1='ready> '\n");
        let target = format!("{user}@box");
        let argv = ["ssh", "-tt", "-F", bastion.config(), &target, "tmux -f /dev/null new-session"];
        let mut terminal = Start::new(&bastion.sandbox).size(Size::new(80, 24)).spawn(&argv);
        terminal.expect("ready> ");
        terminal.send("echo in-$((20+22))\r");
        terminal.expect("in-42");
        terminal.send("tmux split-window -d 'echo se''cond; sleep 60'\r");
        terminal.expect("second");
        terminal.send("tmux kill-server\r");
        terminal.expect("[server exited]");
        terminal.wait()
    });
    assert_eq!(ends[0], ends[1]);
    let (header, events) = bastion.recording("alice");
    assert_eq!(header["hrec"]["argv"][2], "tmux -f /dev/null new-session");
    let shown: String = events.iter().filter(|e| e.code == "o").map(|e| e.data.as_str()).collect();
    assert!(shown.contains("in-42") && shown.contains("second"), "{shown}");
}

#[test]
fn ansible_works_with_pipelining_and_without() {
    let bastion = Bastion::start();
    tool("ansible");
    for user in ["carol", "alice"] {
        for pipelining in ["True", "False"] {
            let run = |module: &[&str]| {
                let script = r#"
                    export HOME=$PWD ANSIBLE_PIPELINING=$3 ANSIBLE_HOST_KEY_CHECKING=False ANSIBLE_NOCOLOR=1
                    export ANSIBLE_SSH_ARGS="-F $1 -o ControlMaster=no" ANSIBLE_LOCAL_TEMP=$PWD/ansible
                    export ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3
                    exec ansible -i "$2@box," all "${@:4}"
                "#;
                let argv = ["bash", "-c", script, "bash", "{config}", "{user}", pipelining];
                let argv: Vec<&str> = argv.into_iter().chain(module.iter().copied()).collect();
                let outcome = bastion.client(user, &argv, b"");
                assert!(outcome.status.success(), "{user}: {outcome:?}");
                outcome.text()
            };
            let content = format!("content=by-{pipelining} dest=copied-{pipelining}");
            run(&["-m", "copy", "-a", &content]);
            let said = run(&["-m", "shell", "-a", "echo ran-as-$(id -un)"]);
            assert!(said.contains(&format!("ran-as-{user}")), "{said}");
            let copied = std::fs::read(bastion.home(user).join(format!("copied-{pipelining}")));
            assert_eq!(copied.unwrap(), format!("by-{pipelining}").as_bytes());
        }
    }
    assert!(bastion.commands("alice").iter().any(|command| command.contains("python3")));
}

#[test]
fn mosh_starts_and_the_record_says_that_it_goes_on_elsewhere() {
    let bastion = Bastion::start();
    tool("mosh-server");
    let command = "mosh-server new -s -c 256 -l LANG=C.UTF-8 -p 60900:60999 -- /bin/true";
    let mut started = Vec::new();
    for user in ["carol", "alice"] {
        let argv = ["ssh", "-tt", "-F", "{config}", "{user}@box", command];
        let outcome = bastion.client(user, &argv, b"");
        let text = outcome.text();
        assert!(text.contains("MOSH CONNECT 609"), "{user}: {outcome:?}");
        started.push(outcome.status.code());
    }
    assert_eq!(started[0], started[1]);
    let (_, events) = bastion.recording("alice");
    let alert = facts(&events, "alert").next().expect("an alert");
    assert_eq!(alert["rule"], "session-elsewhere");
}

/// Many at once, as a fleet's cron jobs do it.
#[test]
fn logins_at_once_are_all_recorded() {
    let bastion = Bastion::start();
    let ssh = format!("ssh -F {}", bastion.config());
    let script = format!(
        "for n in $(seq 40); do {ssh} alice@box \"echo number-$n\" & done >said 2>&1; wait; sort said | uniq | wc -l; cat said"
    );
    let outcome = bastion.client("alice", &["bash", "-c", &script], b"");
    assert!(outcome.text().starts_with("40\n"), "{outcome:?}");
    assert_eq!(bastion.manifests("alice").len(), 40);
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
