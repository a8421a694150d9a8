//! Ways past the shell: what sshd offers beside it, and what goes on after it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use super::everything;
use crate::bastion::Bastion;
use crate::support::{tool, wait_until};
use crate::table::row;

/// A client that stays, ended with the test.
struct Client(std::process::Child);

impl Client {
    fn start(bastion: &Bastion, args: &[&str]) -> Self {
        let mut command: Command = bastion.sandbox.command(tool("ssh"));
        command.args(["-F", bastion.config()]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("ssh starts"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// What comes back for these bytes from a forwarded port, once the client
/// listens there.
fn through(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream =
        wait_until("the client listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
    stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let _ = stream.write_all(bytes);
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came);
    came
}

#[test]
fn attack_forwarded_ports() {
    let bastion = Bastion::installed();
    // What they would reach: it says who it is to whoever comes.
    let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = target.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in target.incoming() {
            let _ = stream.unwrap().write_all(b"inner-host");
        }
    });
    let direct = bastion.client(
        "alice",
        &["ssh", "-F", "{config}", "-W", &format!("127.0.0.1:{to}"), "{user}@box"],
        b"",
    );
    assert!(!direct.status.success() && direct.stdout.is_empty(), "{direct:?}");
    assert!(String::from_utf8_lossy(&direct.stderr).contains("forwarding failed"), "{direct:?}");

    let (local, socks) = (free_port(), free_port());
    let forward = format!("{local}:127.0.0.1:{to}");
    let dynamic = socks.to_string();
    let client = Client::start(&bastion, &["-N", "-L", &forward, "-D", &dynamic, "alice@box"]);
    assert_eq!(through(local, b""), b"", "-L");
    // SOCKS 5, no authentication; connect to an IPv4 address.
    let [high, low] = to.to_be_bytes();
    let answer = through(socks, &[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, high, low]);
    assert!(!answer.windows(10).any(|part| part == b"inner-host"), "-D: {answer:?}");
    drop(client);

    let back = free_port();
    let remote = format!("{back}:127.0.0.1:{to}");
    let refused = bastion.client(
        "alice",
        &[
            "ssh",
            "-F",
            "{config}",
            "-o",
            "ExitOnForwardFailure=yes",
            "-N",
            "-R",
            &remote,
            "{user}@box",
        ],
        b"",
    );
    assert!(String::from_utf8_lossy(&refused.stderr).contains("forwarding failed"), "{refused:?}");
    assert_eq!(bastion.manifests("alice").len(), 0);
    row(
        "forwarding",
        "ssh -W, -L, -R and -D, to reach other hosts without a session",
        "sshd refuses each: nothing comes through",
        "none is made: there is no session",
    );
}

#[test]
fn attack_forwarded_agent() {
    let bastion = Bastion::installed();
    let socket = bastion.sandbox.work().join("agent").display().to_string();
    let script = "ssh-agent -a \"$0\" sh -c 'ssh -A -F \"$0\" alice@box \"echo agent=\\$SSH_AUTH_SOCK\"' \"$1\"";
    let with = bastion.client("alice", &["sh", "-c", script, &socket, "{config}"], b"");
    assert!(with.text().contains("agent=\n"), "{with:?}");
    assert!(everything(&bastion, "alice").contains("agent="));
    row(
        "agent",
        "ssh -A: a forwarded agent, as a way for bytes to and from the client",
        "there is no SSH_AUTH_SOCK (AllowAgentForwarding no; DisableForwarding leaves it open before OpenSSH 10.0)",
        "the session, in which no agent is found",
    );
}

#[test]
fn attack_forwarded_display() {
    let bastion = Bastion::installed();
    let argv = [
        "env",
        "DISPLAY=127.0.0.1:77",
        "ssh",
        "-Y",
        "-F",
        "{config}",
        "{user}@box",
        "echo display=$DISPLAY",
    ];
    let with = bastion.client("alice", &argv, b"");
    assert!(with.text().contains("display=\n"), "{with:?}");
    assert!(everything(&bastion, "alice").contains("display="));
    row(
        "x11",
        "ssh -Y: a terminal window on the client's display",
        "there is no DISPLAY (X11Forwarding no, likewise)",
        "the session, in which no display is found",
    );
}

#[test]
fn attack_tunnel_and_forwarded_sockets() {
    let bastion = Bastion::installed();
    let socket = bastion.home("alice").join("open.sock").display().to_string();
    let remote = format!("{socket}:127.0.0.1:22");
    for args in [&["-o", "Tunnel=ethernet", "-w", "0:0"][..], &["-R", &remote]] {
        let mut argv = vec!["ssh", "-F", "{config}", "-o", "ExitOnForwardFailure=yes", "-N"];
        argv.extend(args);
        argv.push("{user}@box");
        let refused = bastion.client("alice", &argv, b"");
        assert!(!refused.status.success(), "{args:?}: {refused:?}");
    }
    assert!(!bastion.home("alice").join("open.sock").exists());
    assert_eq!(bastion.manifests("alice").len(), 0);
    row(
        "tunnel",
        "ssh -w, and -R with a socket's path: a network device, a way in from outside",
        "sshd refuses both",
        "none is made: there is no session",
    );
}

#[test]
fn attack_internal_sftp() {
    // The distribution's line was "Subsystem sftp internal-sftp".
    let bastion = Bastion::installed();
    bastion.write("alice", "kept", "kept-content\n");
    let got = bastion.sandbox.work().join("got").display().to_string();
    let with = bastion.client("alice", &["sftp", "-F", "{config}", "{user}@box:kept", &got], b"");
    assert!(with.status.success(), "{with:?}");
    let told = everything(&bastion, "alice");
    assert!(told.contains("\"k\":\"transfer\"") && told.contains("kept"), "{told}");
    row(
        "internal-sftp",
        "sftp, where sshd served it itself, past every shell",
        "the installer has sshd run sftp-server by the shell; the file comes",
        "a transfer with the file's name, size and SHA-256",
    );
}

#[test]
fn attack_rc_file() {
    let bastion = Bastion::installed();
    bastion.write("alice", ".ssh/rc", "echo rc-ran > ~/rc-ran; echo rc-said\n");
    let with = bastion.ssh("alice", "echo command-ran", b"");
    assert_eq!(with.text(), "command-ran\n");
    assert!(!bastion.home("alice").join("rc-ran").exists());
    assert_eq!(bastion.manifests("alice").len(), 1);
    row(
        "rc",
        "commands in .ssh/rc, which sshd runs before the session",
        "they are not run (PermitUserRC no)",
        "the session alone",
    );
}

#[test]
fn attack_environment_file() {
    let bastion = Bastion::installed();
    bastion.write("alice", ".ssh/environment", "BASH_ENV=/tmp/none\nTRIED=by-file\n");
    let key = std::fs::read_to_string(bastion.home("alice").join(".ssh/authorized_keys")).unwrap();
    bastion.write("alice", ".ssh/authorized_keys", key.clone());
    let with = bastion.ssh("alice", "echo tried=$TRIED", b"");
    assert_eq!(with.text(), "tried=\n", "{with:?}");
    bastion.write("alice", ".ssh/authorized_keys", format!("environment=\"TRIED=by-key\" {key}"));
    let with = bastion.ssh("alice", "echo tried=$TRIED", b"");
    assert_eq!(with.text(), "tried=\n", "{with:?}");
    assert_eq!(bastion.manifests("alice").len(), 2);
    row(
        "environment-file",
        "variables in .ssh/environment and in authorized_keys",
        "sshd does not set them (PermitUserEnvironment no)",
        "the session, without them",
    );
}

/// What goes on after the session is not recorded any more: named in the page
/// as what no recorder on the host can stop.
#[test]
fn attack_left_running() {
    let bastion = Bastion::installed();
    let command = "setsid nohup sh -c 'until [ -e go ]; do sleep 0.05; done; echo later-work | tee done' \
                   </dev/null >/dev/null 2>&1 & echo left-it";
    let with = bastion.ssh("alice", command, b"");
    assert_eq!(with.text(), "left-it\n", "{with:?}");
    let (header, _) = bastion.recording("alice");
    assert!(header["hrec"]["argv"][2].as_str().unwrap().contains("setsid nohup"));
    bastion.write("alice", "go", "");
    wait_until("what was left behind has worked", || {
        bastion.home("alice").join("done").exists().then_some(())
    });
    let told = everything(&bastion, "alice");
    assert!(!told.lines().any(|line| line == "later-work"), "{told}");
    assert_eq!(bastion.manifests("alice").len(), 1);
    row(
        "nohup",
        "setsid nohup: a program that goes on after the session",
        "it goes on, unrecorded: see WHAT NO RECORDER ON THIS HOST CAN STOP",
        "the command that started it, and the session up to its end",
    );
}

#[test]
fn attack_cron() {
    let bastion = Bastion::installed();
    let table = "printf '@reboot echo cron-ran > %s/cron-ran\\n' ~ | crontab - && echo planned";
    let with = bastion.ssh("alice", table, b"");
    assert!(with.text().contains("planned"), "{with:?}");
    let started = bastion.root("cron");
    assert!(started.status.success(), "{started:?}");
    wait_until("cron has run it", || bastion.home("alice").join("cron-ran").exists().then_some(()));
    let (header, _) = bastion.recording("alice");
    assert!(header["hrec"]["argv"][2].as_str().unwrap().contains("@reboot echo cron-ran"));
    // Root closes it.
    assert!(bastion.root("echo root > /etc/cron.allow").status.success());
    let refused = bastion.ssh("alice", table, b"");
    assert!(!refused.text().contains("planned"), "{refused:?}");
    row(
        "cron",
        "a line in crontab(1)",
        "cron runs it, unrecorded, until /etc/cron.allow names others only",
        "the session that wrote the line, with the line",
    );
}

#[test]
fn attack_at() {
    let bastion = Bastion::installed();
    let started = bastion.root("atd");
    assert!(started.status.success(), "{started:?}");
    let with = bastion.ssh("alice", "echo 'echo at-ran > ~/at-ran' | at now && echo planned", b"");
    assert!(with.text().contains("planned"), "{with:?}");
    wait_until("atd has run it", || bastion.home("alice").join("at-ran").exists().then_some(()));
    let (header, _) = bastion.recording("alice");
    assert!(header["hrec"]["argv"][2].as_str().unwrap().contains("at now"));
    assert!(bastion.root("echo root > /etc/at.allow").status.success());
    let refused = bastion.ssh("alice", "echo true | at now && echo planned", b"");
    assert!(!refused.text().contains("planned"), "{refused:?}");
    row(
        "at",
        "a job for at(1)",
        "atd runs it, unrecorded, until /etc/at.allow names others only",
        "the session that gave the job, and what it was told",
    );
}

/// Two sessions of the same person's at once, from the same moment on.
#[test]
fn attack_second_session_at_once() {
    let bastion = Bastion::installed();
    let commands: Vec<String> =
        (0..8).map(|n| format!("echo here-{n}; sleep 0.2; echo there-{n}")).collect();
    std::thread::scope(|scope| {
        for command in &commands {
            let bastion = &bastion;
            scope.spawn(move || {
                let with = bastion.ssh("alice", command, b"");
                assert!(with.status.success(), "{with:?}");
            });
        }
    });
    assert_eq!(bastion.manifests("alice").len(), commands.len());
    let mut found = bastion.commands("alice");
    found.sort();
    assert_eq!(found, commands);
    for n in 0..commands.len() {
        assert_eq!(
            everything(&bastion, "alice").matches(&format!("there-{n}\n")).count(),
            1,
            "{n}"
        );
    }
    row(
        "race",
        "eight sessions begun at once, so that one is missed or gets into another's record",
        "all eight run",
        "eight recordings, each with its own command and output",
    );
}
