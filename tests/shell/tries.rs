//! More of what people bring along, and what the host's root and the person's
//! own terminal see of it.

use std::fs;

use crate::bastion::{Bastion, facts};
use crate::support::{Start, wait_until};

/// What an editor does first: a long script into a shell's standard input, which
/// prints marks, leaves a server behind, and goes on talking.
#[test]
fn an_editors_bootstrap_runs_and_leaves_its_server() {
    let bastion = Bastion::start();
    let server = r#"import os, socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
open("port", "w").write(str(s.getsockname()[1])); os.rename("port", "port-is")
while True:
    c, _ = s.accept(); c.sendall(b"served\n"); c.close()
"#;
    let filling = format!("# {}\n", "a long script ".repeat(40)).repeat(200);
    let script = format!(
        "{filling}echo 'f00: start'\numask 077\nmkdir -p .server\ncat > .server/run.py <<'END'\n{server}END\n\
         cd .server && rm -f port-is; nohup python3 run.py >log 2>&1 </dev/null & echo $! > pid\n\
         while [ ! -e port-is ]; do sleep 0.05; done\n\
         echo \"listeningOn==$(test -s port-is && echo yes)==\"\necho 'f00: end'\n"
    );
    let mut said = Vec::new();
    for user in ["carol", "alice", "bob"] {
        for shell in ["bash", "sh"] {
            let argv = ["ssh", "-T", "-F", "{config}", "{user}@box", shell];
            let outcome = bastion.client(user, &argv, script.as_bytes());
            assert!(outcome.status.success(), "{user}: {outcome:?}");
            said.push((outcome.text(), outcome.stderr.clone()));
            // It is still there when the session is not.
            let ask = "p=$(cat .server/port-is); exec 3<>/dev/tcp/127.0.0.1/$p; cat <&3; kill $(cat .server/pid)";
            let asked = bastion.ssh(user, ask, b"");
            assert_eq!(asked.text(), "served\n", "{user}: {asked:?}");
        }
    }
    assert!(said.iter().all(|one| *one == said[0]), "{said:#?}");
    assert_eq!(said[0].0, "f00: start\nlisteningOn==yes==\nf00: end\n");
    let manifests = bastion.manifests("alice");
    let (header, events) = bastion.sandbox.cast(manifests[0]["id"].as_str().unwrap());
    assert_eq!(header["hrec"]["argv"][2], "bash");
    assert_eq!(Bastion::stream(&events, 0), (script.into_bytes(), 0));
}

/// Without standard input, and without a terminal where there could be one.
#[test]
fn sessions_without_input_end_as_they_do_alone() {
    let bastion = Bastion::start();
    for argv in [
        &["ssh", "-n", "-F", "{config}", "{user}@box", "cat; echo done"][..],
        &["ssh", "-T", "-F", "{config}", "{user}@box", "cat; tty; echo done"],
        &["ssh", "-T", "-F", "{config}", "{user}@box"],
        &["ssh", "-n", "-T", "-F", "{config}", "{user}@box", "exec sleep 0.2"],
    ] {
        let of = |user| {
            let ran = bastion.client(user, argv, b"echo typed; exit 4\n");
            (ran.status.code(), ran.text(), String::from_utf8_lossy(&ran.stderr).into_owned())
        };
        let alone = of("carol");
        assert_eq!((of("alice"), of("bob")), (alone.clone(), alone), "{argv:?}");
    }
}

/// git and rsync in both directions, again and again over the same.
#[test]
fn git_fetches_and_rsync_goes_both_ways() {
    let bastion = Bastion::start();
    let script = r#"
        set -e
        export GIT_SSH_COMMAND="ssh -F $1" HOME=$PWD/home-$2 GIT_CONFIG_NOSYSTEM=1
        mkdir -p $HOME $2-here
        git config --global user.name t; git config --global user.email t@example.org
        git config --global init.defaultBranch main
        ssh -F $1 $2@box 'git init -q --bare project.git'
        git init -q $2 && cd $2
        echo 1 > a && git add a && git commit -qm one && git push -q $2@box:project.git main
        cd .. && git clone -q $2@box:project.git $2-again
        cd $2 && echo 2 > a && git commit -qam two && git push -q $2@box:project.git main
        cd ../$2-again && git fetch -q && git merge -q origin/main && [ "$(cat a)" = 2 ]
        cd .. && head -c 700000 /dev/urandom > $2-here/noise && seq 50000 > $2-here/numbers
        rsync -a -e "ssh -F $1" $2-here/ $2@box:there/
        sed -i 's/^7$/seven/' $2-here/numbers
        rsync -a --no-whole-file -e "ssh -F $1" $2-here/ $2@box:there/
        rsync -a -e "ssh -F $1" $2@box:there/ $2-back/
        diff -r $2-here $2-back
    "#;
    for user in ["carol", "alice"] {
        let outcome =
            bastion.client(user, &["bash", "-c", script, "bash", "{config}", "{user}"], b"");
        assert!(outcome.status.success() && outcome.stderr.is_empty(), "{user}: {outcome:?}");
    }
    let ran = bastion.commands("alice");
    assert_eq!(ran.iter().filter(|command| command.starts_with("rsync --server")).count(), 3);
    assert_eq!(ran.iter().filter(|command| command.starts_with("git-upload-pack")).count(), 2);
}

/// Tried: to stop the recorder alone, and to go on over the terminal that sshd
/// gave. Happened: that cannot be opened, and nothing that the program writes
/// meanwhile is shown before it is in the record.
#[test]
fn a_recorder_that_is_stopped_shows_nothing_and_leaves_no_way_around() {
    let bastion = Bastion::start();
    let script = r#"
outer=$(ls -l /proc/*/fd 2>/dev/null; tty)
recorder=$(pgrep -u alice -o hrec)
(sleep 3; kill -CONT $recorder) &
kill -STOP $recorder
until grep -q '^State:.T' /proc/$recorder/status; do sleep 0.05; done
for t in /dev/pts/[0-9]*; do
  [ $t = $(tty) ] || [ ! -O $t ] || { echo past > $t && echo "opened $t" >> opened || echo refused >> refused; } 2>/dev/null
done
echo while-stopped
touch stopped-over
wait
echo it-is-over
"#;
    bastion.write("alice", "attack.sh", script);
    let argv = ["ssh", "-tt", "-F", bastion.config(), "alice@box", "bash attack.sh"];
    let mut terminal = Start::new(&bastion.sandbox).spawn(&argv);
    let home = bastion.home("alice");
    wait_until("it was tried", || home.join("stopped-over").exists().then_some(()));
    terminal.expect("it-is-over");
    assert_eq!(terminal.wait(), 0);
    let seen = String::from_utf8_lossy(terminal.seen()).into_owned();
    assert!(!home.join("opened").exists(), "{:?}", fs::read_to_string(home.join("opened")));
    assert!(home.join("refused").exists());
    assert!(!seen.contains("past"), "{seen}");
    let (_, events) = bastion.recording("alice");
    let shown: String = events.iter().filter(|e| e.code == "o").map(|e| e.data.as_str()).collect();
    assert!(shown.contains("while-stopped") && shown.contains("it-is-over"), "{shown}");
    assert_eq!(facts(&events, "gap").count(), 0);
}

/// What PAM has set for a login is there, and shown, as it is without hrec.
#[test]
fn a_login_by_pam_has_its_motd_environment_and_limits() {
    let bastion = Bastion::with_pam();
    for user in ["carol", "alice"] {
        bastion.write(user, ".bash_profile", "PS1='ready> '\n");
        let target = format!("{user}@box");
        let argv = ["ssh", "-tt", "-F", bastion.config(), &target];
        let mut terminal = Start::new(&bastion.sandbox).spawn(&argv);
        terminal.expect("ready> ");
        terminal.send("echo \"<$FROM_PAM>\"; ulimit -S -n; exit 3\r");
        let status = terminal.wait();
        let seen = String::from_utf8_lossy(terminal.seen()).into_owned();
        assert_eq!(status, 3, "{user}: {seen}");
        for wanted in ["a message of the day\r\n", "<two words>\r\n", "\n321\r\n"] {
            assert!(seen.contains(wanted), "{user}: {wanted}: {seen}");
        }
        let ran = bastion.ssh(user, "echo \"<$FROM_PAM>\"; ulimit -S -n", b"");
        assert_eq!(ran.text(), "<two words>\n321\n", "{user}: {ran:?}");
    }
    assert_eq!(bastion.manifests("alice").len(), 2);
}

/// What the host's log has of sessions that were refused, let by, or not sealed.
#[test]
fn syslog_is_told_of_refusals_rescues_and_missing_seals() {
    let bastion = Bastion::start();
    let told = |words: &[&str]| {
        let found = |line: &&str| words.iter().all(|word| line.contains(word));
        wait_until("syslog has been told", || {
            bastion.syslog().lines().find(found).map(str::to_owned)
        })
    };
    assert!(bastion.root("chmod 600 /etc/hrec/signing_key").status.success());
    assert!(bastion.ssh("alice", "true", b"").status.success());
    let line = told(&["hrec[", "is not sealed"]);
    // authpriv, 10, and warning, 4: syslog.h.
    assert!(line.starts_with("<84>"), "{line}");
    let store = bastion.sandbox.path("store");
    fs::rename(&store, bastion.sandbox.path("store-away")).unwrap();
    fs::write(&store, "in the way").unwrap();
    assert_eq!(bastion.ssh("alice", "echo it-ran", b"").status.code(), Some(125));
    told(&["<84>", "refused a session of alice"]);
    assert!(bastion.ssh("rescue", "true", b"").status.success());
    told(&["<84>", "UNRECORDED session of rescue (rescue)"]);
}
