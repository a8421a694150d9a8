//! The player on a terminal of its own: how long the person waits, and what it
//! costs.
//!
//! `cargo bench --bench player -- --file FILE` prints a table. FILE is what
//! `cargo bench --bench seek -- --keep DIR` leaves in DIR. Options: `--seeks N`,
//! `--manifests N`, `--seconds N` (of playing, for what it costs), `--asciinema
//! PROGRAM`, `--termplay PROGRAM` (the same recording, in the clear, played by
//! them), `--only PART` (file, peers, human, programs or browser).
//!
//! Times are from a key being written to the terminal until the last of what
//! makes the expected picture has been read from it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use hrec::event::{Data, Event, Header, Micros, TermSize};
use hrec::format::cipher::Recipients;
use hrec::recording::Paths;
use hrec::recording::live::{Live, Options, Screen};
use hrec::screen::Model;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const HREC: &str = env!("CARGO_BIN_EXE_hrec");
/// As in seek.rs; of no one.
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
const SIZE: (u16, u16) = (120, 40);
/// Nobody waits this long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        Some(args.get(at + 1).unwrap_or_else(|| panic!("{name} needs a value")).clone())
    };
    let number = |name: &str, default: usize| value(name).map_or(default, |n| n.parse().unwrap());
    let home = tempfile::tempdir().unwrap();
    let identity = home.path().join("config/hrec/identity.txt");
    fs::create_dir_all(identity.parent().unwrap()).unwrap();
    fs::write(&identity, format!("{IDENTITY}\n")).unwrap();

    let only = value("--only");
    let wanted = |part: &str| only.as_ref().is_none_or(|only| only == part);
    if let Some(file) = value("--file") {
        if wanted("file") {
            long(home.path(), &file, number("--seeks", 300));
        }
        for name in ["--asciinema", "--termplay"].iter().filter(|_| wanted("peers")) {
            if let Some(program) = value(name) {
                peer(home.path(), &program, &file);
            }
        }
    }
    if wanted("human") {
        human(home.path(), number("--seconds", 20));
    }
    if wanted("programs") {
        programs(home.path());
    }
    if wanted("browser") {
        browser(home.path(), number("--manifests", 10_000));
    }
}

/// A program in a terminal, and what it shows.
struct Rig {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    read: Receiver<(Instant, Vec<u8>)>,
    model: Model,
    started: Instant,
    _master: Box<dyn MasterPty + Send>,
}

impl Rig {
    fn start(home: &Path, argv: &[&str]) -> Self {
        let (cols, rows) = SIZE;
        let size = PtySize { cols, rows, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(argv[0]);
        command.args(&argv[1..]);
        command.env_clear();
        for (name, dir) in [("HOME", ""), ("XDG_CONFIG_HOME", "config"), ("XDG_DATA_HOME", "data")]
        {
            command.env(name, home.join(dir));
        }
        for (name, text) in
            [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("PATH", "/usr/bin:/bin")]
        {
            command.env(name, text);
        }
        command.cwd(home);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let (sender, read) = channel();
        std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send((Instant::now(), bytes[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        let model = Model::new(TermSize::clamped(cols.into(), rows.into()));
        Self { child, writer, read, model, started, _master: pair.master }
    }

    fn send(&mut self, keys: &str) -> Instant {
        let now = Instant::now();
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
        now
    }

    /// Reads until the screen satisfies `there`; when the last of it came.
    fn until(&mut self, what: &str, there: impl Fn(&[String]) -> bool) -> Instant {
        let came = self.wait(what, there);
        came.unwrap_or_else(|| {
            let lines = self.model.terminal().screen().text();
            panic!("it ended before {what}:\n{}", lines.join("\n"))
        })
    }

    /// The same; `None` when it ended before.
    fn wait(&mut self, what: &str, there: impl Fn(&[String]) -> bool) -> Option<Instant> {
        let start = Instant::now();
        let mut last = start;
        loop {
            let lines = self.model.terminal().screen().text();
            if there(&lines) {
                return Some(last);
            }
            assert!(start.elapsed() < PATIENCE, "never {what}:\n{}", lines.join("\n"));
            match self.read.recv_timeout(Duration::from_millis(100)) {
                Ok((at, bytes)) => {
                    self.model.event(&Event { time: 0, data: Data::Output(bytes) });
                    last = at;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Reads for a while.
    fn watch(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if let Ok((_, bytes)) = self.read.recv_timeout(left) {
                self.model.event(&Event { time: 0, data: Data::Output(bytes) });
            }
        }
    }

    /// Waits until it does nothing; how long after its start that was.
    fn calm(&mut self) -> Duration {
        const LOOK: Duration = Duration::from_millis(250);
        loop {
            let (before, at) = (self.cpu(), self.started.elapsed());
            self.watch(LOOK);
            if self.cpu() == before {
                return at;
            }
            assert!(at < 10 * PATIENCE, "it never rests");
        }
    }

    fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// What all its threads, those that ended too, had of the CPU so far: in
    /// ticks of 10 ms (proc(5), `/proc/pid/stat`).
    fn cpu(&self) -> Duration {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // What is before the bracket may have blanks.
        let (_, rest) = text.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    /// The most memory it had, in kB.
    fn memory(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.trim_start_matches("VmHWM:").trim().to_owned()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn last_row(lines: &[String]) -> &str {
    lines.last().map_or("", String::as_str)
}

fn row(name: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |part: f64| {
        let last = took.len() - 1;
        took[(last as f64 * part).round() as usize].as_secs_f64() * 1000.0
    };
    println!(
        "{name:<34} p50 {:8.3} ms   p99 {:8.3} ms   most {:8.3} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// A session of ten hours and a gigabyte.
fn long(home: &Path, file: &str, seeks: usize) {
    let whole = |lines: &[String]| last_row(lines).contains(" / 10:00:00");
    let opened = (0..20).map(|_| {
        let mut rig = Rig::start(home, &[HREC, "play", file]);
        rig.until("the first picture", whole) - rig.started
    });
    row("open to first full frame", opened.collect());
    let mut rig = Rig::start(home, &[HREC, "play", file]);
    rig.until("the first picture", whole);
    rig.send(" ");
    rig.until("that it pauses", |lines| last_row(lines).contains('‖'));
    let mut random = StdRng::seed_from_u64(1);
    let took = (0..seeks).map(|_| {
        let time = random.gen_range(1..36_000);
        let time = format!("{}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60);
        rig.send(&format!("g{time}"));
        let typed = format!("Go to: {time} ");
        rig.until("the time as it is typed", |lines| last_row(lines).contains(&typed));
        let pressed = rig.send("\r");
        let there = format!(" {time} / 10:00:00");
        let drawn = rig.until("that time", |lines| {
            let row = last_row(lines);
            row.contains('‖') && row.contains(&there)
        });
        drawn - pressed
    });
    row("key to drawn, seek to a random time", took.collect());
    println!("{:<34} {}", "peak memory", rig.memory());
    row("all of it was looked through after", vec![rig.calm()]);
    println!("{:<34} {}", "peak memory, after that", rig.memory());
    cost(&mut rig, "paused, ten hours", Duration::from_secs(5));
}

/// The share of a core that it takes.
fn cost(rig: &mut Rig, what: &str, time: Duration) {
    let (before, start) = (rig.cpu(), Instant::now());
    rig.watch(time);
    let share = (rig.cpu() - before).as_secs_f64() / start.elapsed().as_secs_f64();
    println!("{:<34} {:.2} % of a core", format!("CPU, {what}"), share * 100.0);
}

/// Somebody types commands and reads what they say.
fn human(home: &Path, seconds: usize) {
    let path = home.join("human.cast.zst.age");
    let header = Header {
        size: TermSize::clamped(SIZE.0.into(), SIZE.1.into()),
        hrec: Some(serde_json::Map::new()),
        ..Header::default()
    };
    let mut recipients = Recipients::new();
    let key: age::x25519::Identity = IDENTITY.parse().unwrap();
    recipients.add(&key.to_public().to_string()).unwrap();
    let mut live =
        Live::create(Paths::at(&path), &header, &recipients, Options { sync: false }).unwrap();
    live.follow(Box::new(Screen::new(header.size)));
    let mut random = StdRng::seed_from_u64(3);
    let mut time: Micros = 0;
    while time < 600_000_000 {
        let mut put = |time: Micros, text: &str| {
            while let Some(due) = live.due().filter(|due| *due <= time) {
                live.flush(due).unwrap();
            }
            live.output(time, text.as_bytes()).unwrap();
        };
        put(time, "\r\n\x1b[1;32muser@host\x1b[0m:\x1b[1;34m~/src\x1b[0m$ ");
        for _ in 0..random.gen_range(4..30) {
            time += random.gen_range(80_000..300_000);
            put(time, &random.gen_range('a'..='z').to_string());
        }
        time += 300_000;
        for _ in 0..random.gen_range(1..40) {
            time += random.gen_range(500..20_000);
            put(
                time,
                &format!("\r\n\x1b[36m{:08x}\x1b[0m {}", random.r#gen::<u32>(), "words ".repeat(9)),
            );
        }
        time += random.gen_range(500_000..4_000_000);
    }
    live.finish(time, Some("0")).unwrap();
    let file = path.to_str().unwrap();
    let mut rig = Rig::start(home, &[HREC, "play", "--idle-limit", "0", file]);
    rig.until("the first picture", |lines| last_row(lines).contains(" / 0:1"));
    rig.watch(Duration::from_secs(1));
    cost(&mut rig, "a human session at 1×", Duration::from_secs(seconds as u64));
    rig.send(" ");
    rig.until("that it pauses", |lines| last_row(lines).contains('‖'));
    rig.watch(Duration::from_secs(1));
    cost(&mut rig, "paused", Duration::from_secs(5));
}

/// Records vim and htop for half a minute, and plays them 64 times as fast.
fn programs(home: &Path) {
    let text = home.join("text");
    let lines: String = (0..20_000)
        .map(|n| format!("{n}: let x{n} = f({n}); // {}\n", "word ".repeat(n % 12)))
        .collect();
    fs::write(&text, lines).unwrap();
    let text = text.to_str().unwrap();
    let vim: &[&str] = &["vim", "-u", "NONE", "-c", "syntax on", "-c", "set nu ft=rust", text];
    for (name, argv, keys, quit) in
        [("vim", vim, "\x06jjjj\x04kk", ":q!\r"), ("htop", &["htop", "-d", "5"][..], "\x1b[B", "q")]
    {
        if !Path::new("/usr/bin").join(name).exists() {
            println!("{name:<34} is not installed");
            continue;
        }
        let path: PathBuf = home.join(format!("{name}.cast.zst.age"));
        let file = path.to_str().unwrap();
        let mut record = vec![HREC, "rec", "-o", file, "--"];
        record.extend_from_slice(argv);
        let mut rig = Rig::start(home, &record);
        rig.watch(Duration::from_secs(1));
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(32) {
            for key in keys.split_inclusive(|_| true).filter(|key| !key.starts_with('[')) {
                let key = if key == "\x1b" { keys } else { key };
                if name == "vim" || key == keys {
                    rig.send(key);
                    rig.watch(Duration::from_millis(120));
                }
            }
        }
        rig.send(quit);
        let _ = rig.child.wait();
        let length = play_fast(home, name, file);
        let mut rig = Rig::start(home, &[HREC, "play", "--idle-limit", "0", file]);
        rig.until("the first picture", |lines| last_row(lines).contains(" / 0:00:"));
        let pressed = rig.send("*");
        let end = rig.until("the end", ended);
        let took = (end - pressed).as_secs_f64();
        println!(
            "{:<34} {:.0} times as fast",
            format!("{name}, as fast as possible"),
            length / took
        );
    }
}

/// Whether the bar says that the recording is at its end.
fn ended(lines: &[String]) -> bool {
    let row = last_row(lines);
    let mut times = row.split_whitespace().skip_while(|word| !word.contains(':'));
    let at = times.next();
    row.contains('‖') && times.next() == Some("/") && at.is_some() && at == times.next()
}

/// How late the end comes at 64 times the speed, and how long keys take on the
/// way there; gives how long the recording is, in seconds.
fn play_fast(home: &Path, name: &str, file: &str) -> f64 {
    let info = std::process::Command::new(HREC)
        .args(["cat", "--format", "v3", file])
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .output()
        .unwrap();
    let text = String::from_utf8(info.stdout).unwrap();
    let interval =
        |line: &str| line.strip_prefix('[')?.split(',').next()?.trim().parse::<f64>().ok();
    let length: f64 = text.lines().filter_map(interval).sum();
    let mut late = Vec::new();
    let mut keys = Vec::new();
    for _ in 0..5 {
        let mut rig = Rig::start(home, &[HREC, "play", "--idle-limit", "0", "--speed", "64", file]);
        let start = rig.until("the first picture", |lines| last_row(lines).contains(" / 0:00:"));
        for n in 0..4 {
            rig.watch(Duration::from_millis(60));
            let shows = |lines: &[String]| lines.iter().any(|line| line.contains("Keys"));
            if n % 2 == 0 {
                let pressed = rig.send("?");
                keys.push(rig.until("the help", shows) - pressed);
            } else {
                let pressed = rig.send("?");
                keys.push(rig.until("no help", |lines| !shows(lines)) - pressed);
            }
        }
        let end = rig.until("the end", ended);
        late.push((end - start).saturating_sub(Duration::from_secs_f64(length / 64.0)));
    }
    row(&format!("{name} at 64×, the end is late by"), late);
    row(&format!("{name} at 64×, key to drawn"), keys);
    length
}

/// Another player with the same recording, which it gets in the clear.
fn peer(home: &Path, program: &str, file: &str) {
    let plain = home.join("plain.cast");
    if !plain.exists() {
        let out = fs::File::create(&plain).unwrap();
        let made = std::process::Command::new(HREC)
            .args(["cat", "--format", "v2", file])
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .stdout(out)
            .status();
        assert!(made.unwrap().success());
    }
    let name = Path::new(program).file_name().unwrap().to_string_lossy().into_owned();
    let plain = plain.to_str().unwrap();
    let argv = match name.as_str() {
        "asciinema" => vec![program, "play", plain],
        _ => vec![program, plain],
    };
    let mut opened = Vec::new();
    for _ in 0..3 {
        let mut rig = Rig::start(home, &argv);
        let shown = |lines: &[String]| lines.iter().any(|line| line.contains("2026-11-21"));
        let Some(drawn) = rig.wait("some of it", shown) else {
            println!("{name:<34} does not play it");
            return;
        };
        opened.push(drawn - rig.started);
        if opened.len() == 3 {
            println!("{:<34} {}", format!("{name}, peak memory"), rig.memory());
        }
    }
    row(&format!("{name}, open to first output"), opened);
}

/// `hrec play` alone, in a store with so many recordings.
fn browser(home: &Path, count: usize) {
    let day = home.join("data/hrec/recordings/2026/11/21");
    fs::create_dir_all(&day).unwrap();
    for n in 0..count {
        let id = format!(
            "20261121T14{:02}{:02}.{:03}Z-user{}-host{}-AAAAAAAA",
            n / 60_000,
            n / 1000 % 60,
            n % 1000,
            n % 7,
            n % 90
        );
        let manifest = format!(
            r#"{{"v":1,"id":"{id}","state":"finished","writer":"session","mode":"strict","input":"none",
            "start":"2026-11-21T14:15:03Z","end":"2026-11-21T15:15:03Z","program":"ssh",
            "target":{{"name":"host{}"}},"identity":{{"user":{{"value":"user{}","trust":"kernel"}}}}}}"#,
            n % 90,
            n % 7
        );
        fs::write(day.join(format!("{id}.manifest.json")), manifest).unwrap();
        fs::write(day.join(format!("{id}.cast.zst.age")), "x").unwrap();
    }
    let (mut first, mut all, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let mut memory = String::new();
    for _ in 0..5 {
        let mut rig = Rig::start(home, &[HREC, "play"]);
        let drawn = rig.until("the list", |lines| {
            lines[0].contains(" recordings") && lines.iter().any(|line| line.contains("ssh host"))
        });
        first.push(drawn - rig.started);
        // What only the last of them has, and only its manifest tells.
        let oldest = "user0: ssh host0";
        rig.send("\x1b[F");
        let drawn =
            rig.until("the last one", |lines| lines.iter().any(|line| line.contains(oldest)));
        all.push(drawn - rig.started);
        for ch in "host7".chars() {
            let pressed = rig.send(&ch.to_string());
            let typed = lines_with(ch);
            let drawn = rig.until("what is typed", |lines| typed(lines));
            keys.push(drawn - pressed);
        }
        memory = rig.memory();
    }
    let name = |what: &str| format!("browser, {count}: {what}");
    row(&name("first list"), first);
    row(&name("all known"), all);
    row(&name("key to drawn"), keys);
    println!("{:<34} {memory}", name("peak memory"));
}

/// Whether the filter ends in this character.
fn lines_with(ch: char) -> impl Fn(&[String]) -> bool {
    move |lines| {
        let filter = lines[0].trim_start().trim_start_matches("Filter: ");
        filter.split("  ").next().is_some_and(|typed| typed.trim_end().ends_with(ch))
    }
}
