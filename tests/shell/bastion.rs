//! A host whose people have hrec as their login shell, with its own sshd(8),
//! /etc, processes and users, made by `bastion.sh` in namespaces of its own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::sandbox::{CastEvent, HREC};
use crate::support::{Outcome, Sandbox, tool, wait_until};

/// The host, which ends with all its processes on drop.
pub struct Bastion {
    /// Whoever reads the recordings: outside, as root, with the identity.
    pub sandbox: Sandbox,
    host: Child,
    config: String,
}

impl Bastion {
    /// Starts it.
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts it with this in its config.toml, too.
    pub fn with(settings: &str) -> Self {
        Self::made(settings, "page")
    }

    /// Starts one that was set up by `install.sh --bastion`.
    pub fn installed() -> Self {
        Self::made("", "installer")
    }

    /// Starts one that was set up by hand, and has a collector.
    pub fn by_hand() -> Self {
        Self::made("", "hand")
    }

    /// As [`Bastion::installed`] with a store of 24 MiB, which only the host sees.
    pub fn small() -> Self {
        Self::made("", "small")
    }

    /// The same without a collector.
    pub fn alone() -> Self {
        Self::made("", "alone")
    }

    /// Ends the collector by this signal; it is started again, unless
    /// [`Bastion::keep_down`] says otherwise.
    pub fn end_collector(&self, signal: &str) {
        self.root(&format!("pkill -{signal} -x -u hrec hrec; :"));
    }

    /// Whether the collector is left ended.
    pub fn keep_down(&self, down: bool) {
        let mark = self.sandbox.path("no-collector");
        if down {
            fs::write(mark, "").expect("a file");
        } else {
            let _ = fs::remove_file(mark);
        }
    }

    /// Ends the collector, and waits for the next, which has read the
    /// configuration anew.
    pub fn restart_collector(&self) {
        self.end_collector("TERM");
        wait_until("the collector answers", || {
            self.root("hrec doctor --bastion | grep '^ok  collector'")
                .status
                .success()
                .then_some(())
        });
    }

    /// Runs a program of Python's as somebody with this user's number and the
    /// group of hrec: as who has broken the set-group-ID program.
    pub fn broken_in(&self, user: &str, program: &str) -> Outcome {
        let path = self.sandbox.file("broken_in.py", program);
        self.root(&format!("setpriv --reuid {user} --regid hrec --clear-groups python3 {path}"))
    }

    /// Starts one that was set up wrongly in every way that doctor looks at.
    pub fn broken() -> Self {
        Self::made("", "broken")
    }

    /// Starts one whose sshd asks PAM: a message of the day, a variable, a limit.
    pub fn with_pam() -> Self {
        Self::made("", "pam")
    }

    /// What syslog(3) has been told.
    pub fn syslog(&self) -> String {
        fs::read(self.sandbox.path("syslog"))
            .map(|told| String::from_utf8_lossy(&told).into_owned())
            .unwrap_or_default()
    }

    fn made(settings: &str, how: &str) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests make users in namespaces of their own: run them as root"
        );
        for needed in ["sshd", "unshare", "rsync", "git", "tar"] {
            tool(needed);
        }
        let sandbox = Sandbox::new();
        let base = sandbox.path("");
        fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).expect("a mode");
        for key in ["host_key", "user_key"] {
            let path = sandbox.work().join(key).display().to_string();
            let made =
                sandbox.run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", &path], b"");
            assert!(made.status.success(), "ssh-keygen: {made:?}");
        }
        let store = sandbox.path("store").display().to_string();
        sandbox.configure(&format!("[store]\npath = \"{store}\"\n"));
        let identity = fs::read_to_string(sandbox.path("config/hrec/identity.txt")).expect("a key");
        let recipient = identity.lines().find_map(|line| line.strip_prefix("# public key: "));
        let recipient = recipient.expect("a recipient").to_owned();
        // Somebody may take the port between the asking and the using.
        let (host, port) = (0..10)
            .find_map(|_| start_on_free_port(&sandbox, &[&recipient, settings, how]))
            .expect("sshd starts");
        let config = sandbox.file(
            "ssh_config",
            format!(
                "Host box\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {}\n  IdentitiesOnly yes\n\
                 \x20 StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  BatchMode yes\n",
                sandbox.work().join("user_key").display(),
            ),
        );
        Self { sandbox, host, config }
    }

    /// The client's configuration file, which has the host as `box`.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// Runs a client with these arguments, `{config}` and `{user}` in them
    /// replaced.
    pub fn client(&self, user: &str, argv: &[&str], stdin: &[u8]) -> Outcome {
        let argv: Vec<String> = argv
            .iter()
            .map(|word| word.replace("{config}", &self.config).replace("{user}", user))
            .collect();
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        self.sandbox.run(&argv, stdin)
    }

    /// `ssh USER@box COMMAND`.
    pub fn ssh(&self, user: &str, command: &str, stdin: &[u8]) -> Outcome {
        self.client(user, &["ssh", "-F", "{config}", "{user}@box", command], stdin)
    }

    /// A command of root's on the host, whose hrec is the first on the PATH,
    /// with nothing of hrec's in root's home.
    pub fn root(&self, command: &str) -> Outcome {
        let mut inside = Command::new(tool("nsenter"));
        let host = self.host.id();
        inside.args(["--mount", "--target", &host.to_string()]);
        inside.args([&format!("--pid=/proc/{host}/ns/pid_for_children"), "env", "-i"]);
        let (bin, home) = (self.sandbox.path("bin"), self.sandbox.path("home/root"));
        inside.arg(format!("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()));
        inside.arg(format!("HOME={}", home.display()));
        inside.args(["sh", "-c", command]);
        self.sandbox.finish(inside, b"")
    }

    /// A user's home.
    pub fn home(&self, user: &str) -> PathBuf {
        self.sandbox.path("home").join(user)
    }

    /// Writes a file of a user's own.
    pub fn write(&self, user: &str, name: &str, content: impl AsRef<[u8]>) {
        let path = self.home(user).join(name);
        fs::write(&path, content).expect("a file");
        let id = fs::metadata(self.home(user)).expect("a home");
        let (uid, gid) =
            (std::os::unix::fs::MetadataExt::uid(&id), std::os::unix::fs::MetadataExt::gid(&id));
        std::os::unix::fs::chown(&path, Some(uid), Some(gid)).expect("root gives files away");
    }

    /// The manifests of a user's recordings, the oldest first, all ended.
    pub fn manifests(&self, user: &str) -> Vec<Value> {
        wait_until("every session has ended", || {
            let all = self.manifests_now(user);
            all.iter().all(|manifest| manifest["state"] != "live").then_some(all)
        })
    }

    /// The same as they are now.
    pub fn manifests_now(&self, user: &str) -> Vec<Value> {
        let listed = self.sandbox.hrec(&["ls", "--json"]);
        assert!(listed.status.success(), "hrec ls: {listed:?}");
        let all: Vec<Value> = serde_json::from_slice(&listed.stdout).expect("JSON");
        let mut own: Vec<Value> = all
            .into_iter()
            .filter(|manifest| manifest["identity"]["user"]["value"] == user)
            .collect();
        own.sort_by_key(|manifest| manifest["start"].as_str().expect("a start").to_owned());
        own
    }

    /// The header and the events of a user's one recording.
    pub fn recording(&self, user: &str) -> (Value, Vec<CastEvent>) {
        let manifests = self.manifests(user);
        assert_eq!(manifests.len(), 1, "{user}: {manifests:#?}");
        self.sandbox.cast(manifests[0]["id"].as_str().expect("an id"))
    }

    /// What `hrec doctor --bastion` found before anybody logged in.
    pub fn doctor(&self) -> Vec<Value> {
        let told = fs::read(self.sandbox.path("doctor.json")).expect("what doctor said");
        let told: Value = serde_json::from_slice(&told).expect("JSON");
        told["checks"].as_array().cloned().expect("a list of checks")
    }

    /// What a user's sessions ran, the oldest first.
    pub fn commands(&self, user: &str) -> Vec<String> {
        let manifests = self.manifests(user);
        let of = |manifest: &Value| {
            let (header, _) = self.sandbox.cast(manifest["id"].as_str().expect("an id"));
            header["hrec"]["argv"][2].as_str().unwrap_or_default().to_owned()
        };
        manifests.iter().map(of).collect()
    }

    /// What a recording kept of a stream, and how much it counted beyond that.
    pub fn stream(events: &[CastEvent], fd: u64) -> (Vec<u8>, u64) {
        let (mut kept, mut counted) = (Vec::new(), 0);
        for fact in facts(events, "stream").filter(|fact| fact["fd"] == fd) {
            match fact["b64"].as_str() {
                Some(text) => {
                    kept.extend(data_encoding::BASE64.decode(text.as_bytes()).expect("base64"))
                }
                None => counted += fact["bytes"].as_u64().expect("a count"),
            }
        }
        (kept, counted)
    }
}

/// The facts of a kind.
pub fn facts<'a>(events: &'a [CastEvent], kind: &str) -> impl Iterator<Item = Value> + 'a {
    let kind = kind.to_owned();
    events.iter().filter(|event| event.code == "h").filter_map(move |event| {
        let fact: Value = serde_json::from_str(&event.data).expect("JSON");
        (fact["k"] == kind).then_some(fact)
    })
}

fn start_on_free_port(sandbox: &Sandbox, settings: &[&str]) -> Option<(Child, u16)> {
    let port =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port").port();
    let base = sandbox.path("");
    let base = base.display().to_string();
    let base = base.trim_end_matches('/');
    // What an earlier try has left.
    for name in ["etc", "bin", "store", "var", "home", "unpacked", "dev"] {
        let _ = fs::remove_dir_all(Path::new(base).join(name));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shell/bastion.sh");
    let mut command: Command = sandbox.command(tool("unshare"));
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(script).args([base, HREC, &port.to_string()]).args(settings);
    let log = fs::File::create(sandbox.path("sshd.log")).expect("a log");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
    let mut host = command.spawn().expect("unshare starts");
    let log = || fs::read_to_string(sandbox.path("sshd.log")).unwrap_or_default();
    let up = wait_until("sshd answers or gives up", || match host.try_wait() {
        Ok(Some(status)) => {
            assert!(log().contains("Address already in use"), "{status}: {}", log());
            Some(false)
        }
        _ => log().contains("Server listening").then_some(true),
    });
    up.then_some((host, port))
}

impl Drop for Bastion {
    fn drop(&mut self) {
        // Of the process namespace, whose first process dies with unshare.
        let _ = self.host.kill();
        let _ = self.host.wait();
    }
}
