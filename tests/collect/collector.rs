//! A collector, and the host that its sessions are on: one sandbox whose
//! configuration names both the socket and the store.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::sandbox::HREC;
use crate::support::{Outcome, Sandbox, wait_until};

pub struct Collector {
    pub sandbox: Sandbox,
    child: Option<Child>,
    /// What it is started by: a shell's words before `exec hrec collect`.
    before: String,
}

impl Collector {
    /// One that is at work, with these settings too.
    pub fn start(settings: &str) -> Self {
        Self::start_after(settings, "")
    }

    /// The same, started by a shell that did this before.
    pub fn start_after(settings: &str, before: &str) -> Self {
        let mut collector = Self::absent(settings);
        collector.before = before.replace("{store}", &collector.store().display().to_string());
        collector.again();
        collector
    }

    /// One that is not there.
    pub fn absent(settings: &str) -> Self {
        let sandbox = Sandbox::new();
        let collector = Self { sandbox, child: None, before: String::new() };
        let socket = collector.socket().display().to_string();
        collector.sandbox.configure(&format!(
            "record.mode = \"strict\"\nstore.collector = \"{socket}\"\nstore.min_free = \"1MiB\"\n{settings}"
        ));
        collector
    }

    /// Starts it by a shell that does this.
    pub fn start_by(&mut self, before: &str) {
        before.clone_into(&mut self.before);
        self.again();
    }

    /// Ends it as a supervisor does.
    pub fn terminate(&mut self) {
        let pid = rustix::process::Pid::from_raw(self.pid()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(self.child.take().unwrap().wait().unwrap().code(), Some(0), "{}", self.log());
    }

    pub fn socket(&self) -> PathBuf {
        self.sandbox.path("runtime/collect")
    }

    pub fn store(&self) -> PathBuf {
        self.sandbox.path("data/hrec")
    }

    /// Starts it, and waits until it takes connections.
    pub fn again(&mut self) {
        let script = format!("{} exec {HREC} collect", self.before);
        let log = fs::OpenOptions::new().append(true).create(true).open(self.log_path()).unwrap();
        let mut command: Command = self.sandbox.command("sh");
        command.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        wait_until("the collector listens", || {
            std::os::unix::net::UnixStream::connect(self.socket()).ok()
        });
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.as_ref().unwrap().id()).unwrap()
    }

    /// Whether it lives.
    pub fn lives(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    fn log_path(&self) -> PathBuf {
        self.sandbox.path("work/collector.log")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// A session without a terminal.
    pub fn rec(&self, script: &str) -> Outcome {
        self.sandbox.hrec(&["rec", "--", "sh", "-c", script])
    }

    /// The same, going on.
    pub fn spawn(&self, script: &str) -> Child {
        let mut command = self.sandbox.command(HREC);
        command.args(["rec", "--", "sh", "-c", script]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// The manifests once none is of a live session, so many at least, and the
    /// ledger has their ends, which come after.
    pub fn settled(&self, count: usize) -> Vec<Value> {
        wait_until("every session is sealed", || {
            let all = self.sandbox.manifests();
            let ended = all.iter().all(|manifest| manifest["state"] != "live");
            (ended && all.len() >= count && self.left().is_empty()).then_some(all)
        })
    }

    /// The sessions that the collector is not done with.
    fn left(&self) -> Vec<std::ffi::OsString> {
        fs::read_dir(self.store().join("collect/live"))
            .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
            .unwrap_or_default()
    }

    /// That all there is proves itself.
    pub fn verify(&self) {
        let verified = self.sandbox.hrec(&["verify", "--all"]);
        assert!(verified.status.success(), "{verified:?}\n{}", self.log());
        let left = self.left();
        assert!(left.is_empty(), "{left:?}");
    }

    /// The ledger's entries of this kind.
    pub fn ledger(&self, kind: &str) -> Vec<Value> {
        let mut found = Vec::new();
        for file in walk(&self.store().join("ledger/records")) {
            for line in fs::read_to_string(file).unwrap().lines() {
                let Some(at) = line.find('{') else { continue };
                let json = serde_json::Deserializer::from_str(&line[at..]);
                let Some(Ok(record)) = json.into_iter::<Value>().next() else { continue };
                if record["k"] == kind {
                    found.push(record);
                }
            }
        }
        found
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn walk(dir: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => found.extend(walk(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}
