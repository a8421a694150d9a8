//! A full disk must not lock everybody out of the host on which it could be
//! emptied: who gets in unrecorded, and who is told.

use crate::support::{Sandbox, Terminal, tool};
use crate::{complaints, recording};

const RUN: &[&str] = &["sh", "-c", "echo ran; exit 7"];

/// A strict policy over a store that cannot be used.
fn broken(sandbox: &Sandbox, rescue: &str) {
    sandbox.configure(&format!(
        "[record]\nmode = \"strict\"\n{rescue}\n[store]\npath = \"/dev/null/nowhere\"\n"
    ));
}

fn id(what: &str) -> String {
    let said = std::process::Command::new(tool("id")).arg(what).output().expect("id runs");
    String::from_utf8(said.stdout).expect("UTF-8").trim().to_owned()
}

#[test]
fn only_who_is_named_works_unrecorded() {
    let (user, group) = (id("-un"), id("-gn"));
    for (rescue, gets_in) in [
        (String::new(), false),
        ("rescue_users = [\"somebody-else\"]".to_owned(), false),
        ("rescue_groups = [\"no-such-group\"]".to_owned(), false),
        (format!("rescue_users = [\"x\", \"{user}\"]"), true),
        (format!("rescue_groups = [\"{group}\"]"), true),
    ] {
        let sandbox = Sandbox::new();
        broken(&sandbox, &rescue);
        let mut terminal = Terminal::spawn(&sandbox, &recording(RUN));
        let status = terminal.wait();
        let ran = memchr::memmem::find(terminal.seen(), b"ran\r\n").is_some();
        assert_eq!((status, ran), if gets_in { (7, true) } else { (125, false) }, "{rescue}");
        let complaints = complaints(&terminal);
        assert_eq!(complaints.len(), 1, "{rescue}: {complaints:#?}");
        assert!(complaints[0].contains("/dev/null/nowhere"), "{complaints:#?}");
        assert_eq!(complaints[0].contains("UNRECORDED"), gets_in, "{complaints:#?}");
        if gets_in {
            assert!(complaints[0].contains(&user), "{complaints:#?}");
        }
    }
}

/// In a /dev of its own, with somebody who listens at /dev/log.
#[test]
fn the_hosts_log_has_it() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test puts a listener at /dev/log of a mount namespace of its own: run it as root"
    );
    let sandbox = Sandbox::new();
    let user = id("-un");
    broken(&sandbox, &format!("rescue_users = [\"{user}\"]"));
    let script = r#"
        set -e
        mkdir dev && mount -t tmpfs none dev
        for name in null zero random urandom; do touch dev/$name; mount --bind /dev/$name dev/$name; done
        mount --bind dev /dev
        python3 -c '
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/dev/log")
open("listening", "w").close()
s.settimeout(30)
open("log", "wb").write(s.recv(65536))
' &
        while [ ! -e listening ]; do sleep 0.05; done
        status=0; "$@" || status=$?
        wait
        exit $status
    "#;
    let (unshare, bash) = (tool("unshare"), tool("bash"));
    let mut argv = vec![
        unshare.to_str().expect("UTF-8"),
        "--mount",
        bash.to_str().expect("UTF-8"),
        "-c",
        script,
        "bash",
    ];
    argv.extend(recording(RUN));
    // Without a terminal, since that /dev has none.
    let ran = sandbox.run(&argv, b"");
    assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.stdout == b"ran\n" && stderr.contains("UNRECORDED"), "{ran:?}");
    let log = std::fs::read(sandbox.work().join("log")).expect("what the listener heard");
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("hrec[") && log.contains("UNRECORDED") && log.contains(&user), "{log}");
    // Facility authpriv (10), priority warning (4): RFC 5424, 6.2.1.
    assert!(log.starts_with("<84>"), "{log}");
}
