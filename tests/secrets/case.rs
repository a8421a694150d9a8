//! One session in which a secret is typed, and where that secret may not be.
//!
//! Looks from outside: at what `hrec cat` decrypts, while the session runs and
//! after it, and at every file of the sandbox. A piece of a secret counts as
//! the secret.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::Rng;
use serde_json::Value;

use crate::support::sandbox::{CastEvent, HREC};
use crate::support::{PATIENCE, Sandbox, Start, Terminal};

/// How much of a secret is recognised anywhere: so many of its characters in
/// a row. By chance they stand in a megabyte of noise once in a billion times.
const PIECE: usize = 6;

/// Between two keys of somebody who types fast.
pub const KEY: Duration = Duration::from_millis(12);

/// Before a person who has pressed Enter types again. Text that follows an
/// Enter at once is taken for a paste of several lines.
pub const THOUGHT: Duration = Duration::from_millis(80);

/// Runs a scenario with `record.input` as "echoed" and as "full".
pub fn in_each_mode(scenario: impl Fn(&str) + Sync) {
    std::thread::scope(|scope| {
        // Each in a thread of its own: what a session mostly does is wait.
        let modes = ["echoed", "full"].map(|mode| {
            let scenario = &scenario;
            (mode, scope.spawn(move || scenario(mode)))
        });
        for (mode, run) in modes {
            assert!(run.join().is_ok(), "record.input = \"{mode}\"; see above");
        }
    });
}

/// A secret that occurs nowhere else. It begins with a letter and ends in a
/// digit: of one without any digit, programs ask whether it is meant.
pub fn secret() -> String {
    let mut random = rand::thread_rng();
    let (first, last) = (random.gen_range(b'a'..=b'z'), random.gen_range(b'0'..=b'9'));
    let middle: String = std::iter::repeat_with(|| char::from(random.gen_range(b'0'..=b'z')))
        .filter(char::is_ascii_alphanumeric)
        .take(18)
        .collect();
    format!("{}{middle}{}", char::from(first), char::from(last))
}

/// A sandbox and the secrets that were typed in it.
pub struct Case {
    pub sandbox: Sandbox,
    pub mode: String,
    /// Typed and never shown.
    hidden: RefCell<Vec<String>>,
}

impl Case {
    pub fn new(mode: &str) -> Self {
        Self::in_sandbox(mode, Sandbox::new())
    }

    pub fn in_sandbox(mode: &str, sandbox: Sandbox) -> Self {
        sandbox.configure(&format!("[record]\ninput = \"{mode}\"\n"));
        Self { sandbox, mode: mode.to_owned(), hidden: RefCell::default() }
    }

    /// A secret that is to be found nowhere.
    pub fn secret(&self) -> String {
        self.hide(secret())
    }

    /// From now on this is to be found nowhere.
    pub fn hide(&self, text: impl Into<String>) -> String {
        let text = text.into();
        self.hidden.borrow_mut().push(text.clone());
        text
    }

    /// Records a program in a terminal.
    pub fn record(&self, program: &[&str]) -> Terminal {
        self.start(Start::new(&self.sandbox), program)
    }

    pub fn start(&self, start: Start<'_>, program: &[&str]) -> Terminal {
        let argv: Vec<&str> =
            [HREC, "rec", "--"].into_iter().chain(program.iter().copied()).collect();
        start.spawn(&argv)
    }

    /// Waits for a prompt and answers it as a person does.
    pub fn answer(&self, terminal: &mut Terminal, prompt: &str, secret: &str) {
        terminal.expect(prompt);
        self.expect_no_echo(terminal);
        type_keys(terminal, secret);
        terminal.send("\r");
    }

    /// Reads until no terminal of the sandbox echoes, the far end's among
    /// them: many a program asks first, then turns echo off, and throws away
    /// what was typed before. Then for as long as a person takes to begin.
    pub fn expect_no_echo(&self, terminal: &mut Terminal) {
        let start = Instant::now();
        while self.sandbox.some_terminal_echoes() {
            assert!(start.elapsed() < PATIENCE, "the prompt's terminal still echoes");
            terminal.watch(Duration::from_millis(10));
        }
        terminal.watch(THOUGHT);
    }

    /// While the session runs: what is on disk holds no secret.
    pub fn assert_hidden_live(&self) {
        let text = self.sandbox.cat("v3", "-1");
        self.assert_none(&text, "the live recording");
        self.assert_no_file_has_one();
    }

    /// Waits for the session's end, and then for all that may be wrong.
    pub fn finish(&self, mut terminal: Terminal) -> i32 {
        let code = terminal.wait();
        let hidden = self.hidden.borrow().clone();
        for secret in &hidden {
            let seen = String::from_utf8_lossy(terminal.seen());
            assert!(!seen.contains(secret.as_str()), "the terminal showed it: {seen:?}");
        }
        self.assert_hidden("-1");
        assert!(!self.facts("-1", "masked").is_empty(), "nothing was masked: {:#?}", self.told());
        code
    }

    /// A recording holds no secret, however it is read, nor does any file.
    pub fn assert_hidden(&self, recording: &str) {
        let text = self.sandbox.cat("v3", recording);
        self.assert_none(&text, "the recording's text");
        for (what, bytes) in self.joined(recording) {
            self.assert_none(&bytes, &what);
        }
        for fact in self.facts(recording, "masked") {
            let mut names: Vec<_> = fact.as_object().expect("an object").keys().collect();
            names.sort();
            assert_eq!(names, ["end_us", "k", "reason", "start_us"], "and no length: {fact}");
        }
        self.assert_no_file_has_one();
    }

    /// This was typed, and may be on the screen for other reasons: it is in no
    /// event as typing.
    pub fn assert_not_typed(&self, recording: &str, secret: &str) {
        for (what, bytes) in self.joined(recording) {
            if what != "o" {
                let found = memchr::memmem::find(&bytes, secret.as_bytes()).is_some();
                assert!(!found, "{secret} is in {what}: {:#?}", self.told());
            }
        }
    }

    /// Everything that is kept as typed.
    pub fn typed(&self, recording: &str) -> String {
        let mut joined = self.joined(recording);
        let typed = joined.iter_mut().find(|(what, _)| what == "i").map(|(_, bytes)| bytes);
        String::from_utf8_lossy(typed.map_or(&[][..], |bytes| bytes)).into_owned()
    }

    /// The facts of a kind.
    pub fn facts(&self, recording: &str, kind: &str) -> Vec<Value> {
        let (_, events) = self.sandbox.cast(recording);
        let facts = events
            .iter()
            .filter(|event| event.code == "h")
            .map(|event| serde_json::from_str::<Value>(&event.data).expect("a fact is JSON"));
        facts.filter(|fact| fact["k"] == kind).collect()
    }

    /// The exact bytes of each kind of event, joined, and of the facts.
    fn joined(&self, recording: &str) -> Vec<(String, Vec<u8>)> {
        let (_, events) = self.sandbox.cast(recording);
        let mut kinds: Vec<(String, Vec<u8>)> = Vec::new();
        for (n, event) in events.iter().enumerate() {
            let next = events.get(n + 1).filter(|next| next.code == "b");
            let (kind, bytes) = match (event.code.as_str(), next) {
                ("b", _) => continue,
                ("o" | "i", Some(exact)) => (event.code.clone(), decoded(exact)),
                ("h", _) => {
                    let fact: Value = serde_json::from_str(&event.data).expect("a fact is JSON");
                    let kind = format!("h {}", fact["k"]);
                    let b64 = fact["b64"]
                        .as_str()
                        .map(|b64| data_encoding::BASE64.decode(b64.as_bytes()).expect("base64"));
                    (kind, b64.unwrap_or_else(|| event.data.clone().into_bytes()))
                }
                _ => (event.code.clone(), event.data.clone().into_bytes()),
            };
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, joined)) => joined.extend(bytes),
                None => kinds.push((kind, bytes)),
            }
        }
        kinds
    }

    /// No file below HOME and the XDG directories has a piece of a secret.
    pub fn assert_no_file_has_one(&self) {
        let mut todo = vec![self.sandbox.path("")];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let path: PathBuf = entry.path();
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() {
                    todo.push(path);
                } else if kind.is_file() {
                    // It may be gone by now: a journal is retired.
                    let bytes = fs::read(&path).unwrap_or_default();
                    self.assert_none(&bytes, &path.display().to_string());
                    self.assert_none(path.as_os_str().as_encoded_bytes(), "a file's name");
                }
            }
        }
    }

    fn assert_none(&self, bytes: &[u8], what: &str) {
        for secret in self.hidden.borrow().iter() {
            let chars: Vec<char> = secret.chars().collect();
            for piece in chars.windows(PIECE.min(chars.len())) {
                let piece: String = piece.iter().collect();
                let finder = memchr::memmem::Finder::new(piece.as_bytes());
                if let Some(at) = finder.find(bytes) {
                    let around = &bytes[at.saturating_sub(100)..bytes.len().min(at + 100)];
                    panic!(
                        "{piece:?} of {secret:?} is in {what} (input = {}): … {} …\n{}",
                        self.mode,
                        around.escape_ascii(),
                        self.told().join("\n")
                    );
                }
            }
        }
    }

    /// For a failed test: the events.
    pub fn told(&self) -> Vec<String> {
        let (_, events) = self.sandbox.cast("-1");
        let told = events.iter().map(|CastEvent { micros, code, data }| {
            format!("{:>9.3} ms {code} {}", *micros as f64 / 1e3, data.escape_debug())
        });
        told.collect()
    }
}

/// Types a line as a person does.
pub fn type_line(terminal: &mut Terminal, line: &str) {
    terminal.watch(THOUGHT);
    type_keys(terminal, line);
    terminal.send("\r");
}

/// Types a line as a person does who sees what is typed before pressing Enter.
pub fn type_shown(terminal: &mut Terminal, line: &str) {
    terminal.watch(THOUGHT);
    type_keys(terminal, line);
    terminal.expect_typed(line);
    terminal.send("\r");
}

/// Types as a person does, a key at a time.
pub fn type_keys(terminal: &mut Terminal, keys: &str) {
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        let (key, after) = rest.split_at(first.len_utf8());
        terminal.send(key);
        terminal.watch(KEY);
        rest = after;
    }
}

fn decoded(event: &CastEvent) -> Vec<u8> {
    data_encoding::BASE64.decode(event.data.as_bytes()).expect("base64")
}
