//! A conversation with a plugin: messages in the form of an age header's
//! stanzas, over the program's standard input and output.
//!
//! Knows what a message is, not what it means. Its invariant: nothing waits
//! beyond the deadline or holds more than [`MESSAGE_MAX`] of what the program
//! sends, and dropping it leaves no process behind.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use data_encoding::BASE64_NOPAD;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// age's base64: no padding, and canonical.
pub(super) const BASE64: data_encoding::Encoding = BASE64_NOPAD;

/// The longest message: post-quantum stanzas have some 1,700 bytes.
const MESSAGE_MAX: usize = 64 * 1024;
/// Characters of base64 in a line; a shorter one is a body's last.
const COLUMNS: usize = 64;
/// What a program has for ending by itself.
const GOODBYE: Duration = Duration::from_secs(1);

/// A message: `-> TAG ARGS…`, and a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) tag: String,
    pub(super) args: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// A running plugin.
pub(super) struct Talk {
    name: String,
    machine: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// What has come and is not taken yet.
    buffer: Vec<u8>,
    patience: Duration,
    deadline: Instant,
}

impl Talk {
    /// Starts `program`; `name` is for messages. With `recipient-v1` the
    /// patience is for all of the conversation; with `identity-v1`, for each
    /// silence.
    pub(super) fn start(
        program: &Path,
        name: String,
        machine: &'static str,
        patience: Duration,
    ) -> Result<Self, String> {
        let failed = |error: io::Error| format!("cannot run {}: {error}", program.display());
        // Its own errors would land in the person's screen; what it has to
        // say comes as messages.
        let mut child = Command::new(program)
            .arg(format!("--age-plugin={machine}"))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        let talk = Self {
            name,
            machine,
            child,
            input: Some(input),
            output,
            buffer: Vec::new(),
            patience,
            deadline: Instant::now() + patience,
        };
        let pipes = [talk.input.as_ref().map(AsFd::as_fd), Some(talk.output.as_fd())];
        for pipe in pipes.into_iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true).map_err(|error| failed(error.into()))?;
        }
        Ok(talk)
    }

    /// What is said of a plugin that does not keep to the protocol.
    pub(super) fn nonsense(&self, what: &str) -> String {
        format!(
            "{} does not speak the age plugin protocol ({what}); install a version of it that does",
            self.name
        )
    }

    /// Sends a message.
    pub(super) fn send(&mut self, tag: &str, args: &[&str], body: &[u8]) -> Result<(), String> {
        if self.machine == "identity-v1" {
            self.deadline = Instant::now() + self.patience;
        }
        let bytes = zeroize::Zeroizing::new(encode(tag, args, body));
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let Some(input) = &mut self.input else { return Err(self.ended()) };
            match input.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !ready(input, PollFlags::OUT, self.deadline) {
                        return Err(self.silent());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(self.ended()),
            }
        }
        Ok(())
    }

    /// Waits for a message.
    pub(super) fn receive(&mut self) -> Result<Message, String> {
        loop {
            match decode(&self.buffer) {
                Ok(Some((message, length))) => {
                    self.buffer.drain(..length);
                    return Ok(message);
                }
                Ok(None) if self.buffer.len() > MESSAGE_MAX => {
                    return Err(self.nonsense("a message of more than 64 KiB"));
                }
                Ok(None) => {}
                Err(what) => return Err(self.nonsense(what)),
            }
            let mut piece = zeroize::Zeroizing::new([0; 4096]);
            match self.output.read(&mut *piece) {
                Ok(0) => return Err(self.ended()),
                Ok(count) => self.buffer.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !ready(&self.output, PollFlags::IN, self.deadline) {
                        return Err(self.silent());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("cannot read from {}: {error}", self.name)),
            }
        }
    }

    /// Lets the program end by itself: it may have a token to give back.
    pub(super) fn end(&mut self) {
        self.input = None;
        let deadline = Instant::now() + GOODBYE;
        let mut piece = [0; 4096];
        loop {
            match self.output.read(&mut piece) {
                Ok(0) => break,
                Ok(_) if Instant::now() < deadline => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !ready(&self.output, PollFlags::IN, deadline) {
                        return;
                    }
                }
                _ => return,
            }
        }
        // Its output is closed, which is the last thing that happens before a
        // program is gone.
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn silent(&self) -> String {
        let seconds = self.patience.as_secs_f32().round();
        let last = match self.machine {
            "recipient-v1" => format!("has not done its work within {seconds} s"),
            _ => format!("has said nothing for {seconds} s"),
        };
        format!("{} {last}; see whether its device or service works, or use another key", self.name)
    }

    fn ended(&mut self) -> String {
        self.end();
        let status = match self.child.try_wait() {
            Ok(Some(status)) => format!(" ({status})"),
            _ => String::new(),
        };
        format!(
            "{name} ended before it had answered{status}; to see why, run: {name} \
             --age-plugin={machine}",
            name = self.name,
            machine = self.machine
        )
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            // A killed child is gone at once, but for one in the kernel's
            // hands (NFS, a driver), which nobody can wait for.
            let deadline = Instant::now() + GOODBYE;
            while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        zeroize::Zeroize::zeroize(&mut self.buffer);
    }
}

/// Waits until there is something to do or the deadline is past.
fn ready(pipe: &impl AsFd, what: PollFlags, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(timeout) = Timespec::try_from(left) else { return false };
        match poll(&mut [PollFd::new(pipe, what)], Some(&timeout)) {
            Ok(0) => return false,
            Ok(_) => return Instant::now() < deadline,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

fn encode(tag: &str, args: &[&str], body: &[u8]) -> Vec<u8> {
    let mut out = format!("-> {tag}").into_bytes();
    for arg in args {
        out.push(b' ');
        out.extend_from_slice(arg.as_bytes());
    }
    out.push(b'\n');
    let text = zeroize::Zeroizing::new(BASE64.encode(body));
    for line in text.as_bytes().chunks(COLUMNS) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    if text.len().is_multiple_of(COLUMNS) {
        out.push(b'\n');
    }
    out
}

/// The first message of `buffer` and its length; `None` when there is not all
/// of it yet.
fn decode(buffer: &[u8]) -> Result<Option<(Message, usize)>, &'static str> {
    const START: &[u8] = b"-> ";
    let seen = buffer.len().min(START.len());
    if buffer.get(..seen) != START.get(..seen) {
        return Err("what it says is no message");
    }
    let Some(end) = memchr::memchr(b'\n', buffer) else { return Ok(None) };
    let line = buffer.get(START.len()..end).unwrap_or_default();
    let mut words = Vec::new();
    for word in line.split(|b| *b == b' ') {
        if word.is_empty() || !word.iter().all(u8::is_ascii_graphic) {
            return Err("a message's first line is none");
        }
        words.push(String::from_utf8_lossy(word).into_owned());
    }
    let tag = words.remove(0);
    let (mut text, mut at) = (zeroize::Zeroizing::new(Vec::new()), end + 1);
    loop {
        let rest = buffer.get(at..).unwrap_or_default();
        let Some(length) = memchr::memchr(b'\n', rest) else {
            return if rest.len() > COLUMNS { Err("a line that is too long") } else { Ok(None) };
        };
        if length > COLUMNS {
            return Err("a line that is too long");
        }
        text.extend_from_slice(rest.get(..length).unwrap_or_default());
        at += length + 1;
        if length < COLUMNS {
            break;
        }
    }
    let body = BASE64.decode(&text).map_err(|_| "a body that is no base64")?;
    Ok(Some((Message { tag, args: words, body }, at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_message_comes_back_however_it_arrives(
            words in prop::collection::vec("[!-~]{1,20}", 1..5),
            body in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            let bytes = encode(&words[0], &args, &body);
            for cut in 0..bytes.len() {
                prop_assert_eq!(decode(&bytes[..cut]), Ok(None));
            }
            let more = [bytes.as_slice(), b"-> next\n"].concat();
            let (message, length) = decode(&more).unwrap().unwrap();
            prop_assert_eq!(length, bytes.len());
            prop_assert_eq!((&message.tag, &message.args[..], message.body), (&words[0], &words[1..], body));
        }

        #[test]
        fn anything_else_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Some((message, length))) = decode(&bytes) {
                let args: Vec<&str> = message.args.iter().map(String::as_str).collect();
                prop_assert_eq!(encode(&message.tag, &args, &message.body), &bytes[..length]);
            }
        }
    }
}
