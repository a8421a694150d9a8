//! The outer terminal: a PTY whose user end a program under test has as its
//! terminal, and whose other end the test holds, as a terminal emulator does.
//!
//! It reads only when the test makes it, so a test decides when the person's
//! terminal is stuck. It answers no query of any program.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use super::processes::{Process, descendants, kill_all};
use super::screen::Screen;
use super::{PATIENCE, Sandbox, tool};

/// A terminal's size: cells, and the pixels of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub cols: u16,
    pub rows: u16,
    pub x_pixels: u16,
    pub y_pixels: u16,
}

impl Size {
    /// A size whose cells are 9 by 18 pixels.
    pub const fn new(cols: u16, rows: u16) -> Self {
        Self { cols, rows, x_pixels: cols * 9, y_pixels: rows * 18 }
    }
}

/// How a terminal is to be when its program starts.
pub struct Start<'a> {
    sandbox: &'a Sandbox,
    size: Size,
    settings: Box<dyn Fn(&mut Termios) + 'a>,
    typed_ahead: Vec<u8>,
    dir: PathBuf,
}

impl<'a> Start<'a> {
    /// 80x24, the kernel's own settings, nothing typed.
    pub fn new(sandbox: &'a Sandbox) -> Self {
        let dir = sandbox.work();
        Self {
            sandbox,
            size: Size::new(80, 24),
            settings: Box::new(|_| ()),
            typed_ahead: Vec::new(),
            dir,
        }
    }

    /// With this size.
    #[must_use]
    pub fn size(mut self, size: Size) -> Self {
        self.size = size;
        self
    }

    /// With these terminal settings.
    #[must_use]
    pub fn settings(mut self, change: impl Fn(&mut Termios) + 'a) -> Self {
        self.settings = Box::new(change);
        self
    }

    /// With this typed before the program is there to read it.
    #[must_use]
    pub fn typed_ahead(mut self, keys: impl Into<Vec<u8>>) -> Self {
        self.typed_ahead = keys.into();
        self
    }

    /// Starts the program as leader of a session of its own, with the terminal
    /// as its controlling terminal.
    pub fn spawn(self, argv: &[&str]) -> Terminal {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a PTY");
        grantpt(&master).expect("a PTY");
        unlockpt(&master).expect("a PTY");
        rustix::io::ioctl_fionbio(&master, true).expect("a PTY that does not block");
        let user = ioctl_tiocgptpeer(
            &master,
            OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
        )
        .expect("the PTY's user end");
        let mut settings = tcgetattr(&user).expect("settings");
        (self.settings)(&mut settings);
        tcsetattr(&user, OptionalActions::Now, &settings).expect("settings");
        set_size(&master, self.size);
        if !self.typed_ahead.is_empty() {
            rustix::io::write(&master, &self.typed_ahead).expect("room for what is typed ahead");
        }
        let first = written(&user);
        let end = || Stdio::from(user.try_clone().expect("a file descriptor"));
        let mut command = self.sandbox.command(tool("setsid"));
        command
            .arg("--ctty")
            .args(argv)
            .current_dir(&self.dir)
            .stdin(end())
            .stdout(end())
            .stderr(end());
        let child = command.spawn().unwrap_or_else(|error| panic!("{argv:?}: {error}"));
        Terminal {
            master: Some(master),
            child,
            status: None,
            seen: Vec::new(),
            looked: 0,
            sizes: vec![(0, self.size)],
            first,
        }
    }
}

/// A terminal with a program in it.
pub struct Terminal {
    /// `None` once hung up.
    master: Option<OwnedFd>,
    child: Child,
    status: Option<ExitStatus>,
    seen: Vec<u8>,
    /// How much of `seen` the test has looked at.
    looked: usize,
    /// Each size, and how much had been seen when it was set.
    sizes: Vec<(usize, Size)>,
    /// Its settings before the program was there.
    first: String,
}

/// A terminal's settings, every flag and character of them, as text that two of
/// them can be compared by.
fn written(terminal: &OwnedFd) -> String {
    format!("{:#?}", tcgetattr(terminal).expect("settings"))
}

/// What reading came to.
#[derive(PartialEq)]
enum Read {
    Something,
    NothingYet,
    /// Nobody has the user end open any more.
    End,
}

impl Terminal {
    /// Starts a program in an 80x24 terminal.
    pub fn spawn(sandbox: &Sandbox, argv: &[&str]) -> Self {
        Start::new(sandbox).spawn(argv)
    }

    /// The program's process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    /// Everything the terminal was sent so far.
    pub fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// What the terminal was sent and no `expect` has gone past.
    pub fn unlooked(&self) -> &[u8] {
        &self.seen[self.looked..]
    }

    /// Sends keys, reading meanwhile, as an emulator does.
    ///
    /// # Panics
    /// When they are not taken in [`PATIENCE`].
    pub fn send(&mut self, keys: impl AsRef<[u8]>) {
        let mut keys = keys.as_ref();
        let mut last = Instant::now();
        while !keys.is_empty() {
            let sent = self.offer(keys);
            keys = &keys[sent..];
            if sent > 0 {
                last = Instant::now();
            }
            assert!(
                last.elapsed() < PATIENCE,
                "{} typed bytes are not taken{}",
                keys.len(),
                self.told()
            );
            let flags =
                if keys.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            let wait = if keys.is_empty() { Duration::ZERO } else { Duration::from_millis(50) };
            self.poll(flags, wait);
            while self.read() == Read::Something {}
        }
    }

    /// Sends as much as the terminal takes at once, and reads nothing. Gives
    /// how much that was.
    pub fn offer(&mut self, keys: &[u8]) -> usize {
        match rustix::io::write(self.master(), keys) {
            Ok(sent) => sent,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(error) => panic!("typing: {error}{}", self.told()),
        }
    }

    /// Reads until `text` comes, and looks past it.
    ///
    /// # Panics
    /// When it does not come in [`PATIENCE`] or before the program's end.
    pub fn expect(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let from = self.looked;
        let mut found = None;
        let came = self.read_until(|seen| {
            found = memchr::memmem::find(&seen[from..], text);
            found.is_some()
        });
        assert!(came, "{:?} did not come{}", String::from_utf8_lossy(text), self.told());
        self.looked = from + found.unwrap_or_default() + text.len();
    }

    /// Reads until a regular expression matches, looks past the match, and
    /// gives its first group (or all of it, when it has none).
    ///
    /// # Panics
    /// As [`Terminal::expect`].
    pub fn expect_match(&mut self, pattern: &str) -> String {
        let regex = regex::bytes::Regex::new(pattern).expect("a regular expression");
        let from = self.looked;
        let mut found = None;
        let came = self.read_until(|seen| {
            found = regex.captures(&seen[from..]).map(|groups| {
                let end = groups.get(0).expect("the match").end();
                let text = groups.get(1).unwrap_or(groups.get(0).expect("the match")).as_bytes();
                (end, String::from_utf8_lossy(text).into_owned())
            });
            found.is_some()
        });
        assert!(came, "/{pattern}/ did not come{}", self.told());
        let (end, text) = found.expect("found");
        self.looked = from + end;
        text
    }

    /// Reads until the screen, as a terminal model draws it, satisfies
    /// `condition`, and gives its lines.
    ///
    /// # Panics
    /// As [`Terminal::expect`].
    pub fn expect_screen(
        &mut self,
        what: &str,
        condition: impl Fn(&[String]) -> bool,
    ) -> Vec<String> {
        let lines = self.drawn(what, |screen| condition(&screen.lines()));
        self.looked = self.seen.len();
        lines
    }

    /// Reads until all of `typed`, a line or the end of one, stands before the
    /// cursor: whoever presses Enter before that does not see what is entered.
    /// Looks past nothing.
    ///
    /// # Panics
    /// As [`Terminal::expect`].
    pub fn expect_typed(&mut self, typed: &str) {
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        let what = format!("{typed:?} before the cursor");
        self.drawn(&what, |screen| screen.before_cursor().ends_with(&typed));
    }

    fn drawn(&mut self, what: &str, condition: impl Fn(&Screen) -> bool) -> Vec<String> {
        let mut screen = Screen::new(&self.sizes);
        let start = Instant::now();
        loop {
            screen.feed(&self.seen, &self.sizes);
            if condition(&screen) {
                return screen.lines();
            }
            let over = start.elapsed() > PATIENCE;
            if over || self.read_more(Duration::from_millis(50)) == Read::End {
                panic!("the screen never had {what}; it is\n{}", screen.lines().join("\n"));
            }
        }
    }

    /// The screen, as a terminal model draws what was sent so far.
    pub fn screen(&self) -> Vec<String> {
        let mut screen = Screen::new(&self.sizes);
        screen.feed(&self.seen, &self.sizes);
        screen.lines()
    }

    /// Changes the size; the kernel tells the foreground process group.
    pub fn resize(&mut self, size: Size) {
        set_size(self.master(), size);
        self.sizes.push((self.seen.len(), size));
    }

    /// The settings as they are, to be compared as text.
    pub fn settings(&self) -> String {
        written(self.master())
    }

    /// The settings that the program found.
    pub fn settings_before(&self) -> String {
        self.first.clone()
    }

    /// The process group in the foreground.
    pub fn foreground(&self) -> Option<i32> {
        rustix::termios::tcgetpgrp(self.master()).ok().map(|group| group.as_raw_nonzero().get())
    }

    /// Reads so much at most, as a slow terminal.
    pub fn read_some(&mut self, most: usize) {
        let mut buffer = vec![0; most];
        if let Ok(len) = rustix::io::read(self.master(), &mut buffer) {
            self.seen.extend_from_slice(&buffer[..len]);
        }
    }

    /// Reads nothing for a while.
    pub fn stall(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Reads for a while, whatever comes.
    pub fn watch(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if self.read_more(left) == Read::End {
                return;
            }
        }
    }

    /// Closes the terminal's window: the kernel hangs the session up.
    pub fn hang_up(&mut self) {
        self.master = None;
    }

    /// The processes below the program.
    pub fn descendants(&self) -> Vec<Process> {
        descendants(self.pid())
    }

    /// Reads until nothing has come for so long.
    ///
    /// # Panics
    /// When something comes all the time, for [`PATIENCE`].
    pub fn settle(&mut self, quiet: Duration) {
        let start = Instant::now();
        while self.read_more(quiet) == Read::Something {
            assert!(start.elapsed() < PATIENCE, "it never comes to rest{}", self.told());
        }
    }

    /// Reads on until the program has ended and all that it wrote is here.
    /// Gives its exit status as a shell would: 128 and the signal's number when
    /// a signal ended it.
    ///
    /// # Panics
    /// When it has not ended in [`PATIENCE`].
    pub fn wait(&mut self) -> i32 {
        let start = Instant::now();
        while self.try_wait().is_none() {
            assert!(start.elapsed() < PATIENCE, "the program does not end{}", self.told());
            self.read_more(Duration::from_millis(10));
        }
        // What it wrote last may still be on its way through the kernel; a
        // background child may hold the terminal open for ever.
        while self.read_more(Duration::from_millis(300)) == Read::Something {}
        let status = self.status.expect("it has ended");
        status.code().unwrap_or_else(|| 128 + status.signal().expect("no code, so a signal"))
    }

    /// Whether the program has ended yet.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child can be waited for");
        }
        self.status
    }

    /// Reads until `condition` holds of all that was seen; false when it does
    /// not in [`PATIENCE`] or before the end.
    fn read_until(&mut self, mut condition: impl FnMut(&[u8]) -> bool) -> bool {
        let start = Instant::now();
        let mut len = usize::MAX;
        loop {
            if len != self.seen.len() {
                if condition(&self.seen) {
                    return true;
                }
                len = self.seen.len();
            }
            if start.elapsed() > PATIENCE || self.read_more(Duration::from_millis(100)) == Read::End
            {
                return false;
            }
        }
    }

    /// Waits for something to read and reads it.
    fn read_more(&mut self, wait: Duration) -> Read {
        if self.master.is_none() {
            std::thread::sleep(wait);
            return Read::NothingYet;
        }
        self.poll(PollFlags::IN, wait);
        let read = self.read();
        if read == Read::End && self.try_wait().is_none() {
            // The end of the terminal comes a moment before that of the
            // program; the caller need not spin.
            std::thread::sleep(Duration::from_millis(2));
        }
        read
    }

    fn read(&mut self) -> Read {
        let mut buffer = [0; 65536];
        match rustix::io::read(self.master(), &mut buffer) {
            Ok(0) | Err(Errno::IO) => Read::End,
            Ok(len) => {
                self.seen.extend_from_slice(&buffer[..len]);
                Read::Something
            }
            Err(Errno::AGAIN | Errno::INTR) => Read::NothingYet,
            Err(error) => panic!("reading the terminal: {error}"),
        }
    }

    fn poll(&self, flags: PollFlags, wait: Duration) {
        let mut fds = [PollFd::new(self.master(), flags)];
        let wait = Timespec::try_from(wait).expect("a short time");
        match poll(&mut fds, Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => (),
            Err(error) => panic!("waiting for the terminal: {error}"),
        }
    }

    fn master(&self) -> &OwnedFd {
        self.master.as_ref().expect("the terminal has not been hung up")
    }

    /// For a failed test: what the terminal was sent, and what runs in it.
    fn told(&self) -> String {
        let tail = &self.seen[self.seen.len().saturating_sub(3000)..];
        let running = self.descendants();
        format!(
            "; the terminal was sent, at the end:\n{}\nrunning: {running:#?}",
            tail.escape_ascii()
        )
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.try_wait().is_none() {
            let pid = self.pid();
            kill_all(|| descendants(pid));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn set_size(master: &OwnedFd, size: Size) {
    let winsize = Winsize {
        ws_row: size.rows,
        ws_col: size.cols,
        ws_xpixel: size.x_pixels,
        ws_ypixel: size.y_pixels,
    };
    tcsetwinsize(master, winsize).expect("a size");
}
