//! A HOME for one test, with nothing of the person's own in it, and hrec's
//! verbs run in it.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::Value;
use tempfile::TempDir;

use super::processes::{self, Process};
use super::{PATIENCE, tool};

/// The hrec under test.
pub const HREC: &str = env!("CARGO_BIN_EXE_hrec");

/// The environment variable by which a test finds again what it started.
const MARKER: &str = "TEST_SANDBOX";

/// A directory with a HOME, hrec's keys in it, and an environment.
pub struct Sandbox {
    dir: TempDir,
    env: Vec<(String, String)>,
}

/// How a program without a terminal ended, and what it said.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("standard output is UTF-8")
    }
}

/// One line of asciicast v3, with its time since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct CastEvent {
    pub micros: u64,
    pub code: String,
    pub data: String,
}

impl Sandbox {
    /// A HOME in which hrec has its keys already, so that a recording has
    /// nothing to say of them.
    pub fn new() -> Self {
        let sandbox = Self::without_keys();
        for keygen in [&["keygen"][..], &["keygen", "--signing"]] {
            let made = sandbox.hrec(keygen);
            assert!(made.status.success(), "hrec keygen: {made:?}");
        }
        sandbox
    }

    /// A HOME in which hrec never ran.
    pub fn without_keys() -> Self {
        let dir =
            tempfile::Builder::new().prefix("hrec-test-").tempdir().expect("a temporary directory");
        let base = dir.path().canonicalize().expect("its own name");
        for name in ["home", "config", "data", "state", "cache", "runtime", "work"] {
            fs::create_dir(base.join(name)).expect("a directory in the sandbox");
        }
        let inside = |name: &str| base.join(name).display().to_string();
        let env = [
            ("HOME", inside("home")),
            ("XDG_CONFIG_HOME", inside("config")),
            ("XDG_DATA_HOME", inside("data")),
            ("XDG_STATE_HOME", inside("state")),
            ("XDG_CACHE_HOME", inside("cache")),
            ("XDG_RUNTIME_DIR", inside("runtime")),
            (MARKER, base.display().to_string()),
            (
                "PATH",
                format!(
                    "{}:{}",
                    Path::new(HREC).parent().expect("a directory").display(),
                    tool::PATH
                ),
            ),
            ("TERM", "xterm-256color".into()),
            ("LANG", "C.UTF-8".into()),
            ("SHELL", "/bin/bash".into()),
            ("TZ", "UTC".into()),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { dir, env }
    }

    /// The same sandbox with one more environment variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Where programs run that are given no other place.
    pub fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// A path in the sandbox.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().canonicalize().expect("the sandbox is there").join(name)
    }

    /// Writes a file into [`Sandbox::work`] and gives its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.work().join(name);
        fs::write(&path, content).expect("a file in the sandbox");
        path.display().to_string()
    }

    /// Writes hrec's user configuration.
    pub fn configure(&self, toml: &str) {
        fs::create_dir_all(self.path("config/hrec")).expect("a directory in the sandbox");
        fs::write(self.path("config/hrec/config.toml"), toml).expect("a file in the sandbox");
    }

    /// A command with the sandbox's environment and nothing else.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.env.iter().cloned()).current_dir(self.work());
        command
    }

    /// Runs a program that has no terminal: not as standard input, output or
    /// error, and no controlling one either.
    pub fn run(&self, argv: &[&str], stdin: &[u8]) -> Outcome {
        let mut command = self.command(tool("setsid"));
        command.arg("--wait").args(argv);
        self.finish(command, stdin)
    }

    /// Runs an hrec verb without a terminal and with nothing on standard input.
    pub fn hrec(&self, args: &[&str]) -> Outcome {
        let mut command = self.command(HREC);
        command.args(args);
        self.finish(command, b"")
    }

    /// Runs a command to its end, feeding it `stdin`.
    ///
    /// # Panics
    /// When it has not ended in [`PATIENCE`].
    pub fn finish(&self, mut command: Command, stdin: &[u8]) -> Outcome {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut input = child.stdin.take().expect("a pipe");
        let stdin = stdin.to_vec();
        // Who leaves without reading everything is within his rights: no error.
        std::thread::spawn(move || input.write_all(&stdin));
        let stdout = read_in_background(child.stdout.take().expect("a pipe"));
        let stderr = read_in_background(child.stderr.take().expect("a pipe"));
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if start.elapsed() > PATIENCE {
                self.kill_everything();
                panic!("{command:?} was still running after {:?}", start.elapsed());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Outcome {
            status,
            stdout: stdout.join().expect("a reader"),
            stderr: stderr.join().expect("a reader"),
        }
    }

    /// What runs in this sandbox at the moment.
    pub fn processes(&self) -> Vec<Process> {
        processes::marked(&format!(
            "{MARKER}={}",
            self.path("").display().to_string().trim_end_matches('/')
        ))
    }

    /// Whether echo is on in a terminal that one of this sandbox's processes
    /// has as a standard stream.
    pub fn some_terminal_echoes(&self) -> bool {
        self.processes().iter().flat_map(Process::terminals).any(|terminal| {
            let opened = open(terminal, OFlags::RDONLY | OFlags::NOCTTY, Mode::empty());
            let settings = opened.and_then(tcgetattr);
            settings.is_ok_and(|settings| settings.local_modes.contains(LocalModes::ECHO))
        })
    }

    /// The hrec processes of this sandbox, the oldest first.
    pub fn hrec_processes(&self) -> Vec<Process> {
        let mut found = self.processes();
        found.retain(|process| process.exe().is_some_and(|exe| exe == Path::new(HREC)));
        found.sort_by_key(|process| process.pid);
        found
    }

    /// Waits until nothing of this sandbox runs any more.
    pub fn wait_until_nothing_runs(&self) {
        let start = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "left alive after {PATIENCE:?}: {left:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn kill_everything(&self) {
        processes::kill_all(|| self.processes());
    }

    /// The manifests in the store, the oldest first.
    pub fn manifests(&self) -> Vec<Value> {
        let mut found = self.stored(".manifest.json");
        found.sort();
        found
            .iter()
            .map(|path| serde_json::from_slice(&fs::read(path).expect("a manifest")).expect("JSON"))
            .collect()
    }

    /// The manifest of the latest recording.
    pub fn manifest(&self) -> Value {
        self.manifests().pop().expect("the store has a recording")
    }

    /// The files in the store whose names end so.
    pub fn stored(&self, ending: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut todo = vec![self.path("data/hrec/recordings")];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    todo.push(path);
                } else if path.display().to_string().ends_with(ending) {
                    found.push(path);
                }
            }
        }
        found
    }

    /// What `hrec cat` says of a recording.
    pub fn cat(&self, format: &str, recording: &str) -> Vec<u8> {
        let outcome = self.hrec(&["cat", "--format", format, recording]);
        assert!(
            outcome.status.success(),
            "hrec cat {recording}: {}",
            String::from_utf8_lossy(&outcome.stderr)
        );
        outcome.stdout
    }

    /// The exact bytes of output of the latest recording.
    pub fn raw(&self) -> Vec<u8> {
        self.cat("raw", "-1")
    }

    /// The header and the events of a recording.
    pub fn cast(&self, recording: &str) -> (Value, Vec<CastEvent>) {
        let text = String::from_utf8(self.cat("v3", recording)).expect("asciicast is UTF-8");
        let mut lines = text.lines();
        let header: Value = serde_json::from_str(lines.next().expect("a header")).expect("JSON");
        assert_eq!(header["version"], 3);
        let mut micros = 0;
        let events = lines.filter(|line| !line.starts_with('#')).map(|line| {
            let (interval, code, data): (f64, String, String) =
                serde_json::from_str(line).expect("an event");
            micros += (interval * 1e6).round() as u64;
            CastEvent { micros, code, data }
        });
        let events = events.collect();
        (header, events)
    }

    /// The terminal sizes (columns, rows) in a recording: the first, then
    /// every change.
    pub fn sizes(&self, recording: &str) -> Vec<(u16, u16)> {
        let (header, events) = self.cast(recording);
        let number =
            |value: &Value| u16::try_from(value.as_u64().expect("a number")).expect("a size");
        let first = (number(&header["term"]["cols"]), number(&header["term"]["rows"]));
        let changes = events.iter().filter(|event| event.code == "r").map(|event| {
            let (cols, rows) = event.data.split_once('x').expect("COLSxROWS");
            (cols.parse().expect("columns"), rows.parse().expect("rows"))
        });
        std::iter::once(first).chain(changes).collect()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill_everything();
    }
}

fn read_in_background(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).expect("a pipe can be read");
        all
    })
}
