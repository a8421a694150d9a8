//! A real PostgreSQL with a cluster of its own, on a Unix socket only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Sandbox, tool, wait_until};

/// The server, ended on drop.
pub struct Postgres {
    server: Child,
    dir: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts the server on it.
    pub fn start(sandbox: &Sandbox) -> Self {
        // Not in the sandbox: the server may have to be another user, who may
        // not look in there.
        let dir =
            tempfile::Builder::new().prefix("hrec-pg-").tempdir().expect("a temporary directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        let data = dir.path().join("data");
        fs::create_dir(&data).expect("a directory");
        if rustix::process::getuid().is_root() {
            let owned =
                Command::new(tool("chown")).arg("postgres:").arg(&data).status().expect("chown");
            assert!(owned.success(), "the user postgres is there");
        }
        let mut initdb = unprivileged(sandbox, "initdb");
        initdb.args([
            "--no-sync",
            "--auth=trust",
            "--username=tester",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        let made = sandbox.finish(
            {
                initdb.arg("--pgdata").arg(&data);
                initdb
            },
            b"",
        );
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

        let mut command = unprivileged(sandbox, "postgres");
        command.arg("-D").arg(&data).arg("-k").arg(&data).args([
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ]);
        let log = fs::File::create(dir.path().join("log")).expect("a log");
        let server = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres starts");
        let started = Self { server, dir };
        wait_until("PostgreSQL takes connections", || {
            let asked = sandbox.run(&["psql", &started.url(), "-qAtc", "select 1"], b"");
            (asked.stdout == b"1\n").then_some(())
        });
        started
    }

    /// What to tell psql.
    pub fn url(&self) -> String {
        format!("host={} user=tester dbname=postgres", self.dir.path().join("data").display())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT is the server's own word for "at once, but cleanly": it takes
        // its children and its shared memory with it.
        if let Some(pid) = i32::try_from(self.server.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::INT);
        }
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end && matches!(self.server.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// One of the server's own programs, as a user it agrees to run as: it refuses
/// root.
fn unprivileged(sandbox: &Sandbox, name: &str) -> Command {
    let program = server_program(name);
    if !rustix::process::getuid().is_root() {
        return sandbox.command(program);
    }
    let mut command = sandbox.command(tool("setpriv"));
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program)
        .current_dir("/");
    command
}

/// Distributions keep the server's programs out of PATH, by version.
fn server_program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> =
        versions.map(|v| v.path().join("bin").join(name)).filter(|path| path.is_file()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| tool(name))
}
