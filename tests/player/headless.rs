//! The player without a terminal and with a clock that goes as fast as it is
//! waited for.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use hrec::event::TermSize;
use hrec::format::cipher::Identities;
use hrec::play::clock::Wall;
use hrec::play::input::Input;
use hrec::play::keymap::{Key, Keymap};
use hrec::play::notes::Notes;
use hrec::play::{Effects, Model, Playhead, Setup, view};
use hrec::timeline::Timeline;
use jiff::tz::TimeZone;
use ratatui::style::{Color, Modifier};

use crate::support::PATIENCE;

/// A player of a recording.
pub struct Player {
    pub model: Model,
    /// By the viewer's clock (µs).
    pub now: u64,
    /// What was to be done outside.
    pub effects: Vec<Effects>,
    woken: Arc<(Mutex<bool>, Condvar)>,
    _dir: tempfile::TempDir,
}

impl Player {
    /// A paused player of this asciicast, in a window of this size, that has
    /// looked at all of it.
    pub fn open(cast: &str, cols: u64, rows: u64) -> Self {
        Self::with(cast, cols, rows, Keymap::default())
    }

    pub fn with(cast: &str, cols: u64, rows: u64, keymap: Keymap) -> Self {
        Self::of(cast, cols, rows, |setup| setup.keymap = keymap)
    }

    /// A player that begins with something else.
    pub fn of(cast: &str, cols: u64, rows: u64, change: impl FnOnce(&mut Setup)) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path: PathBuf = dir.path().join("test.cast");
        std::fs::write(&path, cast).expect("a file");
        let timeline = Timeline::open(&path, &Identities::new()).expect("a recording");
        let woken = Arc::new((Mutex::new(false), Condvar::new()));
        let wake = Arc::clone(&woken);
        let start = timeline.header().timestamp.expect("a start");
        let mut setup = Setup {
            name: "test".to_owned(),
            keymap: Keymap::default(),
            wall: Wall::new(
                jiff::Timestamp::from_second(start).ok(),
                TimeZone::fixed(jiff::tz::offset(1)),
            ),
            details: vec![
                ("user".to_owned(), "ann (kernel)".to_owned()),
                ("target".to_owned(), "kind=ssh name=db1".to_owned()),
                ("readable by".to_owned(), "age1\u{1b}]0;x\u{7}".to_owned()),
            ],
            check: None,
            notes: Notes::none(),
            lost: None,
            remark: None,
            chosen: false,
            wake: Arc::new(move || {
                *wake.0.lock().expect("no panic") = true;
                wake.1.notify_all();
            }),
        };
        change(&mut setup);
        let playhead = Playhead::new(timeline, 2_000_000);
        let model = Model::new(playhead, setup, TermSize::clamped(cols, rows));
        let mut player = Self { model, now: 0, effects: Vec::new(), woken, _dir: dir };
        player.model.look_around().expect("a recording");
        player.settle();
        player
    }

    /// Lets everything happen that does not wait for the clock.
    pub fn settle(&mut self) {
        let start = Instant::now();
        loop {
            let effects = self.model.tick(self.now).expect("a recording");
            self.effects.push(effects);
            let due = self.model.due(self.now).expect("a recording");
            if self.model.is_settled() && due.is_none_or(|due| due > self.now) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "it never settles");
            if due.is_none_or(|due| due > self.now) {
                // A thread has something to do yet.
                let woken = self.woken.0.lock().expect("no panic");
                let wait = Duration::from_millis(20);
                let waited = self.woken.1.wait_timeout(woken, wait).expect("no panic");
                *{ waited.0 } = false;
            }
        }
    }

    /// Presses keys, by their names; `"…` is typed character by character, and
    /// `~1.5` lets so many seconds pass.
    pub fn press(&mut self, steps: &[&str]) -> &mut Self {
        for step in steps {
            if let Some(text) = step.strip_prefix('"') {
                for ch in text.chars() {
                    let name = if ch == ' ' { "space".to_owned() } else { ch.to_string() };
                    self.key(&name);
                }
            } else if let Some(seconds) = step.strip_prefix('~') {
                let seconds: f64 = seconds.parse().expect("seconds");
                self.pass((seconds * 1e6) as u64);
            } else {
                self.key(step);
            }
        }
        self
    }

    fn key(&mut self, name: &str) {
        let key = Key::named(name).unwrap_or_else(|| panic!("no key {name}"));
        self.input(Input::Key(key.event()));
    }

    pub fn input(&mut self, input: Input) {
        let effects = self.model.input(self.now, input).expect("a recording");
        self.effects.push(effects);
        self.settle();
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: u64) {
        let end = self.now + time;
        while self.now < end {
            let due = self.model.due(self.now).expect("a recording");
            self.now = due.unwrap_or(end).clamp(self.now + 1, end);
            self.settle();
        }
    }

    /// The window's text; below it, where the cursor is and what is lit.
    pub fn screen(&self) -> String {
        let (picture, cursor) = view::draw(&self.model);
        let area = picture.area;
        let mut text = String::new();
        let mut lit = String::new();
        for y in 0..area.height {
            let mut row = String::new();
            let mut tail = false;
            for x in 0..area.width {
                let cell = &picture[(x, y)];
                let wide = unicode_width::UnicodeWidthStr::width(cell.symbol()) > 1;
                if !tail {
                    row.push_str(if cell.symbol().is_empty() { " " } else { cell.symbol() });
                }
                tail = wide && !tail;
                if matches!(cell.bg, Color::LightYellow | Color::LightCyan)
                    || cell.modifier.contains(Modifier::REVERSED)
                {
                    let _ = write!(lit, " {x},{y}");
                }
            }
            let _ = writeln!(text, "|{}|", row);
        }
        let cursor = cursor.map_or("none".to_owned(), |at| format!("{},{}", at.x, at.y));
        let _ = writeln!(text, "cursor: {cursor}");
        let _ = writeln!(text, "lit:{}", runs(&lit));
        text
    }

    /// The rows of the window that belong to the recording, without what is
    /// blank at their ends.
    pub fn recorded(&self) -> Vec<String> {
        let rows: Vec<String> = self
            .screen()
            .lines()
            .filter_map(|line| Some(line.strip_prefix('|')?.strip_suffix('|')?.to_owned()))
            .collect();
        let end = rows.len().saturating_sub(2);
        rows[..end].iter().map(|row| row.trim_end().to_owned()).collect()
    }

    /// The last row: the state.
    pub fn status(&self) -> String {
        let screen = self.screen();
        let row = screen.lines().rfind(|line| line.starts_with('|')).expect("rows");
        row.trim_matches('|').trim().to_owned()
    }

    /// The time that is shown (µs).
    pub fn at(&self) -> u64 {
        self.model.playhead().at()
    }

    /// What was done outside by the last key.
    pub fn effect<T>(&self, of: impl Fn(&Effects) -> Option<T>) -> Option<T> {
        self.effects.iter().rev().find_map(of)
    }
}

/// `x,y` by `x,y` as stretches: `3-7,2`.
fn runs(cells: &str) -> String {
    let mut runs: Vec<(u16, u16, u16)> = Vec::new();
    for cell in cells.split_whitespace() {
        let (x, y) = cell.split_once(',').expect("two numbers");
        let (x, y): (u16, u16) = (x.parse().expect("x"), y.parse().expect("y"));
        match runs.last_mut() {
            Some((_, end, row)) if *row == y && *end + 1 == x => *end = x,
            _ => runs.push((x, x, y)),
        }
    }
    runs.iter().map(|(from, to, y)| format!(" {from}-{to},{y}")).collect()
}

/// A recording of some minutes with something of everything, on a terminal of
/// 60 columns and 12 rows.
pub fn session() -> String {
    let mut cast = Cast::new(60, 12);
    cast.prompt();
    cast.typed("ls -l");
    for n in 0..20 {
        cast.event(0.01, "o", &format!("-rw-r--r-- 1 ann ann {n} file{n}\r\n"));
    }
    cast.prompt();
    cast.event(1.0, "m", "half way");
    cast.typed("psql prod");
    cast.event(0.1, "o", "prod=> ");
    cast.fact(0.1, r#"{"k":"masked","reason":"echo"}"#);
    cast.typed("DROP TABLE users;");
    cast.fact(0.01, r#"{"k":"sql","n":1,"text":"DROP TABLE users;","kind":"ddl"}"#);
    cast.fact(0.01, r#"{"k":"alert","rule":"drop","severity":"high","text":"a table is gone"}"#);
    cast.event(0.1, "o", "DROP TABLE\r\nprod=> ");
    cast.event(30.0, "r", "50x10");
    cast.event(0.5, "o", "\\q\r\n");
    cast.prompt();
    cast.typed("echo 日本");
    cast.event(0.1, "o", "\x1b[31m日本\x1b[0m e\u{301} \x1b[7mreverse\x1b[0m\r\n");
    cast.prompt();
    cast.event(60.0, "o", "bye\r\n");
    cast.event(0.1, "x", "0");
    cast.text
}

/// An asciicast v3 in the making.
pub struct Cast {
    pub text: String,
}

impl Cast {
    pub fn new(cols: u16, rows: u16) -> Self {
        // 2026-11-21 13:55:00 UTC.
        let text = format!(
            "{{\"version\":3,\"term\":{{\"cols\":{cols},\"rows\":{rows}}},\"timestamp\":1795269300}}\n"
        );
        Self { text }
    }

    pub fn event(&mut self, after: f64, code: &str, data: &str) {
        let line = serde_json::json!([after, code, data]);
        let _ = writeln!(self.text, "{line}");
    }

    pub fn fact(&mut self, after: f64, json: &str) {
        self.event(after, "h", json);
    }

    fn prompt(&mut self) {
        self.event(0.05, "o", "\x1b]133;A\x07$ \x1b]133;B\x07");
    }

    fn typed(&mut self, line: &str) {
        for ch in line.chars() {
            self.event(0.2, "i", &ch.to_string());
            self.event(0.0, "o", &ch.to_string());
        }
        self.event(0.2, "i", "\r");
        self.event(0.0, "o", "\r\n\x1b]133;C\x07");
    }
}
