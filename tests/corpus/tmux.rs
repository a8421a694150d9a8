//! Screens, beside those of tmux for the same bytes: 20 points in each
//! recording. tmux is a terminal that shares no line with ours.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use avt::Parser;
use avt::parser::State;
use hrec::event::{Data, Event, TermSize};
use hrec::format::cipher::Identities;
use hrec::timeline::Timeline;

use super::tool::tool;

const POINTS: usize = 20;

/// A pane that shows what is written to it.
struct Pane {
    dir: tempfile::TempDir,
    input: std::fs::File,
    marks: usize,
}

impl Pane {
    fn new(size: TermSize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("conf");
        let settings = "set -g status off\nset -g history-limit 0\nset -g allow-rename on\n\
                        set -g default-terminal tmux-256color\n";
        std::fs::write(&conf, settings).unwrap();
        let fifo = dir.path().join("in");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let (cols, rows) = (size.cols().to_string(), size.rows().to_string());
        let program = format!("stty raw -echo; exec cat '{}'", fifo.display());
        let started = tmux(&dir)
            .arg("-f")
            .arg(&conf)
            .args(["new-session", "-d", "-x", &cols, "-y", &rows, &program])
            .status();
        assert!(started.unwrap().success());
        // Waits until the pane reads.
        let input = std::fs::File::options().write(true).open(&fifo).unwrap();
        Self { dir, input, marks: 0 }
    }

    /// Writes, and waits until all of it was read: a title that is set after it
    /// is there.
    fn write(&mut self, bytes: &[u8]) {
        self.input.write_all(bytes).unwrap();
        self.marks += 1;
        let mark = format!("point-{}", self.marks);
        write!(self.input, "\u{1b}]2;{mark}\u{1b}\\").unwrap();
        let started = Instant::now();
        while self.ask(&["display-message", "-p", "#{pane_title}"]).trim_end() != mark {
            assert!(started.elapsed() < Duration::from_secs(60), "tmux does not come to {mark}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn screen(&self) -> Vec<String> {
        let text = self.ask(&["capture-pane", "-p"]);
        text.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    fn ask(&self, args: &[&str]) -> String {
        let output = tmux(&self.dir).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        let _ = tmux(&self.dir).arg("kill-server").output();
    }
}

fn tmux(dir: &tempfile::TempDir) -> Command {
    let mut tmux = Command::new(tool("tmux"));
    tmux.env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir.path())
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "xterm-256color")
        .arg("-S")
        .arg(dir.path().join("socket"));
    tmux
}

/// Where a title may be set without harm: between sequences and characters.
fn quiet(parser: &mut Parser, held: &mut Vec<u8>, bytes: &[u8]) -> bool {
    held.extend_from_slice(bytes);
    let whole = match std::str::from_utf8(held) {
        Ok(_) => held.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => held.len(),
    };
    let rest = held.split_off(whole);
    for ch in String::from_utf8_lossy(held).chars() {
        parser.feed(ch);
    }
    *held = rest;
    held.is_empty() && parser.state == State::Ground
}

/// Rows that differ, of how many points; `None` where there is nothing to
/// compare.
pub(super) fn compare(path: &Path) -> Option<(usize, Vec<String>)> {
    let mut timeline = Timeline::open(path, &Identities::new()).ok()?;
    let size = timeline.header().size;
    let events: Vec<Event> = timeline.events(0).unwrap().map(|event| event.unwrap().1).collect();
    // tmux wraps anew otherwise than avt when its size changes.
    let events: Vec<&Event> =
        events.iter().take_while(|event| !matches!(event.data, Data::Resize(_))).collect();
    if events.is_empty() {
        return None;
    }
    let mut pane = Pane::new(size);
    let (mut parser, mut held) = (Parser::new(), Vec::new());
    let (mut pending, mut points, mut different) = (Vec::new(), 0, Vec::new());
    for (n, event) in events.iter().enumerate() {
        let Data::Output(bytes) = &event.data else { continue };
        let quiet = quiet(&mut parser, &mut held, bytes);
        pending.extend_from_slice(bytes);
        let due = (n + 1) * POINTS / events.len() > points || n + 1 == events.len();
        if !(due && quiet) {
            continue;
        }
        points += 1;
        pane.write(&std::mem::take(&mut pending));
        let theirs = pane.screen();
        timeline.seek_event(n as u64 + 1).unwrap();
        let ours = timeline.model().terminal().screen().visible_lines();
        for (row, line) in ours.enumerate() {
            let ours = line.text().trim_end().to_owned();
            let theirs = theirs.get(row).map_or("", String::as_str);
            if ours != theirs {
                different.push(format!("event {}, row {row}:\n  {ours:?}\n  {theirs:?}", n + 1));
            }
        }
    }
    Some((points, different))
}

/// All recordings below a directory.
pub(super) fn recordings(dir: &Path) -> Vec<PathBuf> {
    let (mut pending, mut found) = (vec![dir.to_owned()], Vec::new());
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
