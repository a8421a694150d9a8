//! What the person who waits for a collector elsewhere is told.
//!
//! Its invariant: nothing that another host wrote acts on the terminal.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::screen::safe_text;

/// Lines of ssh's that are shown, and the longest.
const LINES: usize = 40;
const LINE: u64 = 400;

/// Passes on what ssh says: lines, and not too many, until somebody is to be
/// alone with the terminal.
pub(super) fn tell(errors: impl Read, quiet: &AtomicBool) {
    let mut errors = BufReader::new(errors);
    let mut told = 0;
    loop {
        let mut line = Vec::new();
        match errors.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if told < LINES && !line.is_empty() && !quiet.load(Ordering::Relaxed) {
            told += 1;
            let _ = writeln!(io::stderr().lock(), "{}", safe_text(line));
        }
    }
}

/// What is told to a person who waits, where that person looks at a terminal:
/// how much has come, from the second on.
pub fn to_terminal(host: &str) -> impl FnMut(u64, u64) + use<> {
    let (host, started) = (safe_text(host).into_owned(), Instant::now());
    let mut last = started;
    let mut shown = Shown(io::stderr().is_terminal().then_some(false));
    move |come, due| {
        if let Some(drawn) = &mut shown.0
            && started.elapsed() > Duration::from_secs(1)
            && last.elapsed() > Duration::from_millis(200)
        {
            last = Instant::now();
            *drawn = true;
            let mega = |bytes: u64| bytes as f64 / 1e6;
            let line = format!("\r{:.1} of {:.1} MB from {host}\x1b[K", mega(come), mega(due));
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    }
}

/// Takes the line away again.
struct Shown(Option<bool>);

impl Drop for Shown {
    fn drop(&mut self) {
        if self.0 == Some(true) {
            let _ = io::stderr().lock().write_all(b"\r\x1b[K");
        }
    }
}
