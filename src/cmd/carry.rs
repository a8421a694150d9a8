//! The way from a login to this host's collector: for somebody who reads
//! recordings from another machine, and for `hrec end`.
//!
//! What passes is not looked at: the collector asks the kernel who this is.
//! The invariant: nothing that the person says comes to the collector before it
//! was told as what they come, and nothing that this runs is a program.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use serde_json::{Map, Value};

use super::{FAILED, fail, told};
use crate::config::Config;
use crate::format::wire::{self, Hello, Refused, Role, kind};
use crate::store::remote::COMMAND;
use crate::sys::{inherited, privilege};

/// Whether these words, the program's name first, are [`COMMAND`].
pub(super) fn is_call(words: &[OsString]) -> bool {
    let words: Vec<&OsStr> = words.iter().skip(1).map(OsString::as_os_str).collect();
    let wanted: Vec<&OsStr> = COMMAND.split(' ').skip(1).map(OsStr::new).collect();
    words == wanted
}

/// Whether a command that a login shell was given is [`COMMAND`]: to the
/// letter, so that nothing else is taken for it.
pub(super) fn is_command(command: &OsStr) -> bool {
    command == COMMAND
}

/// Carries between the standard streams and the collector.
pub(super) fn run() -> ExitCode {
    inherited::close_all();
    if io::stdin().is_terminal() || io::stdout().is_terminal() {
        let what = "this is how hrec on another machine reads recordings of this one: hrec ls ssh://BASTION/ does it";
        return fail(what, FAILED);
    }
    match connect(Role::Reader) {
        Ok(stream) => carry(stream),
        Err(why) => {
            // In the other side's own words.
            let refused = Refused { sentence: why, reference: String::new(), own_doing: false };
            let _ = wire::write(&mut io::stdout().lock(), kind::REFUSED, &refused);
            ExitCode::from(FAILED)
        }
    }
}

/// The collector's socket, which knows by now as what somebody comes. Where the
/// binary has a group, nothing of the person's says which it is.
///
/// # Errors
/// Why there is none, as a sentence.
pub(super) fn connect(role: Role) -> Result<UnixStream, String> {
    connect_saying(role, Map::new())
}

/// The same, with what this role says of itself.
///
/// # Errors
/// Why there is none, as a sentence.
pub(super) fn connect_saying(role: Role, words: Map<String, Value>) -> Result<UnixStream, String> {
    let config = if privilege::has_group() { Config::of_host() } else { Config::load(&[]) };
    let config = config.map_err(|error| told(&error.into()))?;
    let Some(path) = &config.store_collector.value.0 else {
        return Err("this host has no collector: store.collector is not set".to_owned());
    };
    let greet = || -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(path)?;
        let hello = Hello::new(role, words.clone());
        wire::write(&mut stream, kind::HELLO, &hello).map_err(io::Error::other)?;
        Ok(stream)
    };
    greet()
        .map_err(|error| format!("the collector cannot be reached at {}: {error}", path.display()))
}

fn carry(stream: UnixStream) -> ExitCode {
    let Ok(mut to) = stream.try_clone() else { return ExitCode::from(FAILED) };
    // It ends with the process: whoever is at the other end of standard input
    // may never close it.
    let started = std::thread::Builder::new().spawn(move || {
        let _ = pass(&mut io::stdin().lock(), &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let passed = pass(&mut &stream, &mut io::stdout().lock());
    match (started, passed) {
        (Ok(_), Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    }
}

/// Passes on what comes, as it comes.
fn pass(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                to.write_all(piece.get(..count).unwrap_or_default())?;
                to.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
