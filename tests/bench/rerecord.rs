//! Records recordings again, as `hrec rec` would have written them: each event
//! goes through the writer at its own time, by a clock that does not wait.
//!
//! `cargo run --release --example rerecord DIRECTORY FILE…` leaves
//! `DIRECTORY/N.cast.zst.age` for each file, and the key to all of them in
//! `DIRECTORY/identity.txt`; prints a line for each: N, and the seconds it
//! lasted. What cannot be read is told, and has no line. `tests/bench/run`
//! compares their sizes with what stock tools make of the same text.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use hrec::event::{Data, Header, Micros};
use hrec::format::cipher::{Identities, Recipients};
use hrec::recording::live::{Live, Options, Screen};
use hrec::recording::{Paths, open};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let directory = arguments.next().expect("a directory, then recordings");
    let identity = age::x25519::Identity::generate();
    let secret = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    std::fs::write(directory.join("identity.txt"), format!("{secret}\n")).unwrap();
    let mut recipients = Recipients::new();
    recipients.add(&identity.to_public().to_string()).unwrap();
    for (number, file) in arguments.enumerate() {
        let to = directory.join(format!("{number}.cast.zst.age"));
        match again(&file, &to, &recipients) {
            Ok(end) => println!("{number}\t{}", end as f64 / 1e6),
            Err(error) => eprintln!("{}: {error}", file.display()),
        }
    }
}

/// Returns how long the recording lasts.
fn again(from: &Path, to: &Path, recipients: &Recipients) -> Outcome<Micros> {
    let mut recording = open(from, &Identities::new())?;
    let old = recording.header().clone();
    let header = Header { hrec: Some(serde_json::Map::new()), ..old };
    let options = Options { sync: false };
    let mut live = Live::create(Paths::at(to), &header, recipients, options)?;
    live.follow(Box::new(Screen::new(header.size)));
    let (mut end, mut exit) = (0, None);
    while let Some(event) = recording.next_event()? {
        end = event.time;
        // As the writer's thread does when nothing comes.
        while let Some(due) = live.due().filter(|due| *due <= event.time) {
            live.flush(due)?;
        }
        match event.data {
            Data::Exit(status) => exit = Some(status),
            _ => live.event(&event)?,
        }
    }
    live.finish(end, exit.as_deref())?;
    Ok(end)
}
