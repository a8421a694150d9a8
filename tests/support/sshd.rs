//! A real sshd on a loopback port, that lets the person who runs the tests in
//! with a key made for the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::processes::{descendants, kill_all};
use super::{Sandbox, tool, wait_until};

/// The server, killed on drop with all its sessions.
pub struct Sshd {
    server: Child,
    /// The client's configuration file, which has the server as host `box`.
    pub config: String,
}

impl Sshd {
    /// Starts it.
    pub fn start(sandbox: &Sandbox) -> Self {
        Self::start_in(sandbox, &[], "")
    }

    /// Starts it behind a program that executes its arguments, with settings
    /// that come before the usual ones: sshd takes the first it finds.
    pub fn start_in(sandbox: &Sandbox, before: &[&str], settings: &str) -> Self {
        for key in ["host_key", "user_key"] {
            let path = sandbox.path(key).display().to_string();
            let made =
                sandbox.run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", &path], b"");
            assert!(made.status.success(), "ssh-keygen: {made:?}");
        }
        if rustix::process::getuid().is_root() {
            // Where sshd, as root, wants to shut its unprivileged half in.
            // Distributions make it when the service starts.
            let _ = fs::create_dir_all("/run/sshd");
        }
        // Somebody may take the port between the asking and the using: then
        // sshd ends at once, and the next one is tried.
        let (server, port) = (0..10)
            .find_map(|_| start_on_free_port(sandbox, before, settings))
            .expect("sshd starts");
        let config = sandbox.file(
            "ssh_config",
            format!(
                "Host box\n  HostName 127.0.0.1\n  Port {port}\n  User {}\n  IdentityFile {}\n  IdentitiesOnly yes\n\
                 \x20 StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  BatchMode yes\n",
                user(),
                sandbox.path("user_key").display(),
            ),
        );
        Self { server, config }
    }
}

fn start_on_free_port(sandbox: &Sandbox, before: &[&str], settings: &str) -> Option<(Child, u16)> {
    let port =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port").port();
    let config = sandbox.file(
        "sshd_config",
        format!(
            "{settings}ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPrintMotd no\nPrintLastLog no\n\
             SetEnv TEST_SANDBOX={}\n",
            sandbox.path("host_key").display(),
            sandbox.path("user_key.pub").display(),
            sandbox.work().parent().unwrap_or(Path::new("/")).display(),
        ),
    );
    // sshd starts itself anew for each connection and insists on its full path.
    let sshd = tool("sshd").display().to_string();
    let mut argv = before.iter().copied().chain([sshd.as_str()]);
    let mut command = sandbox.command(argv.next().unwrap_or("sshd"));
    command.args(argv);
    command.args(["-D", "-e", "-f", &config]).stdin(Stdio::null()).stdout(Stdio::null());
    let log = fs::File::create(sandbox.path("sshd.log")).expect("a log");
    let mut server = command.stderr(log).spawn().expect("sshd starts");
    let up = wait_until("sshd answers or gives up", || match server.try_wait() {
        Ok(Some(_)) => Some(false),
        _ => answers(port).then_some(true),
    });
    if up {
        return Some((server, port));
    }
    None
}

fn answers(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut banner = String::new();
    BufReader::new(stream).read_line(&mut banner).is_ok() && banner.starts_with("SSH-2.0")
}

/// The name of the person who runs the tests.
pub fn user() -> String {
    let output = Command::new(tool("id")).arg("-un").output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let pid = i32::try_from(self.server.id()).unwrap_or(i32::MAX);
        kill_all(|| descendants(pid));
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
