//! hrec under strace(1), which makes a system call fail, wait or kill, and
//! which says what was called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::{Sandbox, Terminal, tool};

/// One run to be traced.
pub struct Trace {
    log: PathBuf,
    args: Vec<String>,
}

impl Trace {
    /// Traces these system calls, in every thread, from the start.
    ///
    /// # Panics
    /// Without strace, and for anybody but root: hrec makes itself
    /// undumpable, and what such a process calls with only root may see.
    pub fn new(sandbox: &Sandbox, calls: &str) -> Self {
        let strace = tool("strace").display().to_string();
        assert!(
            rustix::process::geteuid().is_root(),
            "this test traces a process that does not let others look into it: run it as root"
        );
        let log = sandbox.work().join(format!("strace.{}", rand::random::<u32>()));
        let args = [&strace, "-f", "-y", "-qq", "-o", &log.display().to_string(), "-e"]
            .map(|arg| arg.to_owned())
            .into_iter()
            .chain([format!("trace={calls}")])
            .collect();
        Self { log, args }
    }

    /// Only calls that have to do with these paths.
    #[must_use]
    pub fn on(mut self, paths: &[PathBuf]) -> Self {
        for path in paths {
            self.args.extend(["-P".to_owned(), path.display().to_string()]);
        }
        self
    }

    /// Injects: strace(1), `-e inject`.
    #[must_use]
    pub fn inject(mut self, what: &str) -> Self {
        self.args.extend(["-e".to_owned(), format!("inject={what}")]);
        self
    }

    /// Starts `argv` under the trace, on a terminal.
    pub fn spawn(&self, sandbox: &Sandbox, argv: &[&str]) -> Terminal {
        let all: Vec<&str> =
            self.args.iter().map(String::as_str).chain(argv.iter().copied()).collect();
        Terminal::spawn(sandbox, &all)
    }

    /// The calls that were made: thread, and the rest of the line.
    pub fn calls(&self) -> Vec<(u32, String)> {
        let log = std::fs::read_to_string(&self.log).expect("strace's log");
        let mut begun: BTreeMap<u32, String> = BTreeMap::new();
        let mut calls = Vec::new();
        for line in log.lines() {
            let Some((thread, call)) = line.split_once(' ') else { continue };
            let thread = thread.parse().expect("a thread");
            let call = call.trim();
            // Another thread's call came in between.
            if let Some((head, _)) = call.split_once(" <unfinished ...>") {
                begun.insert(thread, head.to_owned());
            } else if let Some((_, tail)) = call.split_once(" resumed>") {
                let head = begun.remove(&thread).unwrap_or_default();
                calls.push((thread, head + tail));
            } else {
                calls.push((thread, call.to_owned()));
            }
        }
        calls
    }

    /// Whether something was injected.
    pub fn injected(&self) -> bool {
        let log = std::fs::read_to_string(&self.log).expect("strace's log");
        log.contains("(INJECTED)") || log.contains("killed by SIGKILL") || log.contains("(DELAYED)")
    }
}

/// The files of the recording that `rec -o FILE` makes, and their directory.
pub fn files(file: &Path) -> Vec<PathBuf> {
    let name = |end: &str| PathBuf::from(format!("{}{end}", file.display()));
    let dir = file.parent().expect("a directory").to_owned();
    let stem = file.display().to_string().replace(".cast.zst.age", "");
    let beside = |end: &str| PathBuf::from(format!("{stem}{end}"));
    vec![
        dir,
        file.to_owned(),
        name(".part"),
        beside(".journal.0"),
        beside(".journal.1"),
        beside(".manifest.json"),
        beside(".manifest.json.sig"),
    ]
}
