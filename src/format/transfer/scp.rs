//! scp's own protocol, as `scp -O` and rcp before it speak it.
//!
//! One side, the source, sends lines that announce a file (`C0644 3 name`), a
//! directory (`D`), its end (`E`) or times (`T`), and waits for an answer to
//! each; a file's data follows its line, with a zero byte behind. The other,
//! the sink, answers a zero byte, or 1 or 2 and a line that says what is wrong.
//! (openssh-portable, scp.c: `source`, `sink`, `response`.)
//!
//! The invariant: what the source sends is looked at only once what it must
//! wait for has been answered. So whoever sends ahead gains nothing: a line
//! behind a refused one is read as the sink will read it.

use std::collections::VecDeque;

use memchr::memchr;
use sha2::{Digest, Sha256};

use super::command::{Call, base};
use super::fact::{PATH_MAX, TEXT_MAX, Transfer, clipped, mode};
use super::run::Hashed;
use super::{Out, Side, Stop};

/// So many bytes may have been sent ahead: several pipes full, pipe(7).
const AHEAD_MAX: usize = 256 << 10;
/// So many answers may have come before what they answer.
const ANSWERS_MAX: usize = 256;
/// No line is longer: scp's own buffer has 2 KiB.
const LINE_MAX: usize = 2 * PATH_MAX;
/// No tree is deeper: each level takes two bytes of a path at least.
const DEPTH_MAX: usize = PATH_MAX / 2;

/// What an answer says: nothing, or what is wrong.
type Answer = Result<(), String>;

#[derive(Debug)]
pub(super) struct Scp {
    call: Call,
    state: State,
    /// A line of the source that has not ended.
    line: Vec<u8>,
    /// What the source must have answered before it goes on.
    asked: Option<Asked>,
    answers: VecDeque<Answer>,
    /// An answer of the sink that has not ended.
    complaint: Option<Vec<u8>>,
    /// What the source sent ahead; what is before `looked` has been read.
    ahead: Vec<u8>,
    looked: usize,
    /// The directories that the source is in, and where each one's name begins.
    place: Vec<u8>,
    levels: Vec<usize>,
}

#[derive(Debug)]
enum State {
    Line,
    Data {
        file: File,
        left: u64,
        hasher: Sha256,
    },
    /// Behind the data: a zero byte, or why it is not the file's.
    Tail {
        file: File,
        hasher: Sha256,
    },
}

#[derive(Debug)]
enum Asked {
    /// Whether to begin.
    Start,
    Times,
    File(File),
    Directory(File),
    Up,
    /// Whether the file, of this digest, has been taken.
    Taken(File, Sha256),
}

#[derive(Debug)]
struct File {
    path: Vec<u8>,
    mode: u32,
    size: u64,
    failed: Option<String>,
}

impl Scp {
    pub(super) fn new(call: Call) -> Self {
        Self {
            call,
            state: State::Line,
            line: Vec::new(),
            asked: Some(Asked::Start),
            answers: VecDeque::new(),
            complaint: None,
            ahead: Vec::new(),
            looked: 0,
            place: Vec::new(),
            levels: Vec::new(),
        }
    }

    fn source(&self) -> Side {
        if self.call.gives { Side::Server } else { Side::Client }
    }

    pub(super) fn pending(&self) -> usize {
        let answers: usize = self.answers.iter().map(answer_size).sum();
        self.ahead.capacity()
            + answers
            + self.line.capacity()
            + self.place.capacity()
            + self.levels.capacity() * size_of::<usize>()
    }

    pub(super) fn feed(&mut self, from: Side, bytes: &[u8], out: &mut Out<'_>) -> Result<(), Stop> {
        if from != self.source() {
            out.fed = None;
            return self.answered(from, bytes, out);
        }
        let unseen = if self.ahead.is_empty() { self.run(bytes, out)? } else { bytes };
        if self.ahead.len() - self.looked + unseen.len() > AHEAD_MAX {
            return Err(stop("more was sent ahead than scp sends", from, unseen.len()));
        }
        self.ahead.extend_from_slice(unseen);
        Ok(())
    }

    /// Looks at what was sent ahead, now that there are answers.
    fn catch_up(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        let mut ahead = std::mem::take(&mut self.ahead);
        let looked = std::mem::take(&mut self.looked);
        let left = self.run(ahead.get(looked..).unwrap_or_default(), out)?.len();
        self.looked = ahead.len() - left;
        if self.looked > ahead.len() / 2 {
            drop(ahead.drain(..self.looked));
            self.looked = 0;
        }
        if !ahead.is_empty() {
            self.ahead = ahead;
        }
        Ok(())
    }

    /// Reads on until an answer is missing; gives what is behind that.
    fn run<'a>(&mut self, mut bytes: &'a [u8], out: &mut Out<'_>) -> Result<&'a [u8], Stop> {
        loop {
            if self.asked.is_some() {
                let Some(answer) = self.answers.pop_front() else { return Ok(bytes) };
                if let Some(asked) = self.asked.take() {
                    self.settle(asked, answer, out);
                }
            } else if bytes.is_empty() {
                return Ok(bytes);
            } else {
                let before = bytes.len();
                if let Err(why) = self.step(&mut bytes, out) {
                    return Err(stop(&why, self.source(), before));
                }
            }
        }
    }

    /// The next thing that the source sent. `bytes` is not empty.
    fn step(&mut self, bytes: &mut &[u8], out: &mut Out<'_>) -> Result<(), String> {
        match std::mem::replace(&mut self.state, State::Line) {
            State::Line => {
                let carried = self.line.len();
                if let Some(mut line) = self.line(bytes, b"CDET\x01\x02")? {
                    self.announced(&line, out).inspect_err(|_| {
                        // What came before these bytes is not followed either.
                        line.truncate(carried);
                        self.line = line;
                    })?;
                }
            }
            State::Data { file, left, mut hasher } => {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let (data, rest) = bytes.split_at_checked(length).unwrap_or((bytes, b""));
                hasher.update(data);
                *bytes = rest;
                out.take(data.len(), rest.len());
                let left = left - data.len() as u64;
                self.state = if left > 0 {
                    State::Data { file, left, hasher }
                } else {
                    State::Tail { file, hasher }
                };
            }
            State::Tail { mut file, hasher } => {
                if self.line.is_empty()
                    && let Some((0, rest)) = bytes.split_first()
                {
                    *bytes = rest;
                } else {
                    match self.line(bytes, b"\x01\x02") {
                        Ok(Some(line)) => file.failed = Some(complaint(&line)),
                        other => {
                            self.state = State::Tail { file, hasher };
                            return other.map(|_| ());
                        }
                    }
                }
                self.asked = Some(Asked::Taken(file, hasher));
            }
        }
        Ok(())
    }

    /// A line without its end, once it is whole. The first byte must be one of
    /// `first`.
    fn line(&mut self, bytes: &mut &[u8], first: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let initial = self.line.first().or(bytes.first()).copied();
        if !initial.is_some_and(|byte| first.contains(&byte)) {
            return Err("a line that begins like none of its".to_owned());
        }
        let end = memchr(b'\n', bytes);
        let (line, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or_default();
        if self.line.len() + line.len() > LINE_MAX {
            return Err(format!("a line of more than {LINE_MAX} bytes"));
        }
        self.line.extend_from_slice(line);
        *bytes = rest.get(1..).unwrap_or_default();
        Ok(end.map(|_| std::mem::take(&mut self.line)))
    }

    /// Understands a line.
    fn announced(&mut self, line: &[u8], out: &mut Out<'_>) -> Result<(), String> {
        self.asked = Some(match line.split_first() {
            Some((b'T', _)) => Asked::Times,
            Some((b'E', _)) => Asked::Up,
            Some((kind @ (b'C' | b'D'), rest)) => {
                let file = self.file(rest).ok_or("a line without mode, size and name")?;
                if self.levels.len() >= DEPTH_MAX {
                    return Err(format!("a tree of more than {DEPTH_MAX} levels"));
                }
                if *kind == b'C' { Asked::File(file) } else { Asked::Directory(file) }
            }
            _ => {
                // No answer is waited for: it is the source's own trouble.
                let mut transfer = self.transfer(&File::nameless());
                transfer.path = self.only_path();
                transfer.status = complaint(line);
                out.tell(transfer);
                return Ok(());
            }
        });
        Ok(())
    }

    fn file(&self, line: &[u8]) -> Option<File> {
        let (octal, rest) = line.split_at_checked(4)?;
        let (size, name) =
            rest.strip_prefix(b" ")?.split_at_checked(memchr(b' ', rest.get(1..)?)?)?;
        let name = name.strip_prefix(b" ").filter(|name| !name.is_empty())?;
        let number = |digits: &[u8], radix| {
            let plain = digits.iter().all(u8::is_ascii_digit);
            plain.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok())?
        };
        let mode = u32::try_from(number(octal, 8)?).ok()?;
        let mut path = self.place.clone();
        if path.is_empty() {
            // At the top the source says a path's last part only. What was
            // asked for is known in full where it was a plain word.
            let asked = self.call.paths.iter().find(|path| self.call.gives && base(path) == name);
            path.extend_from_slice(asked.map_or(name, Vec::as_slice));
        } else {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        path.truncate(PATH_MAX);
        let size = number(size, 10).filter(|size| i64::try_from(*size).is_ok())?;
        Some(File { path, mode, size, failed: None })
    }

    fn settle(&mut self, asked: Asked, answer: Answer, out: &mut Out<'_>) {
        match asked {
            Asked::Start => {
                if let Err(why) = answer {
                    let mut transfer = self.transfer(&File::nameless());
                    transfer.path = self.only_path().filter(|_| self.call.gives);
                    transfer.status = why;
                    out.tell(transfer);
                }
            }
            Asked::Times => {}
            Asked::File(file) => match answer {
                Ok(()) if file.size > 0 => {
                    let left = file.size;
                    self.state = State::Data { file, left, hasher: Sha256::new() };
                }
                Ok(()) => self.state = State::Tail { file, hasher: Sha256::new() },
                Err(why) => {
                    let mut transfer = self.transfer(&file);
                    transfer.status = why;
                    out.tell(transfer);
                }
            },
            Asked::Directory(file) => self.directory(file, answer, out),
            Asked::Up => {
                if let Some(length) = self.levels.pop() {
                    self.place.truncate(length);
                }
            }
            Asked::Taken(file, hasher) => {
                let mut transfer = self.transfer(&file);
                transfer.size = Some(file.size);
                let failed = file.failed.or(answer.err());
                let sha256 = hasher.finalize().into();
                transfer.hashed(&Hashed { sha256, bytes: file.size, whole: failed.is_none() });
                transfer.status = failed.unwrap_or(transfer.status);
                out.tell(transfer);
            }
        }
    }

    fn directory(&mut self, file: File, answer: Answer, out: &mut Out<'_>) {
        // Only one that is taken is made; what is given is told file by file.
        if !self.call.gives || answer.is_err() {
            let mut transfer = self.transfer(&file);
            transfer.operation = if self.call.gives { "list" } else { "mkdir" };
            transfer.direction = None;
            transfer.status = answer.clone().err().unwrap_or(transfer.status);
            out.tell(transfer);
        }
        if answer.is_ok() {
            self.levels.push(self.place.len());
            self.place = file.path;
        }
    }

    fn transfer(&self, file: &File) -> Transfer {
        let operation = if self.call.gives { "get" } else { "put" };
        let mut transfer = Transfer::new("scp", operation);
        if !file.path.is_empty() {
            transfer.path = Some(file.path.clone());
            transfer.more.push(("mode", mode(file.mode)));
        }
        // scp takes the last one for the destination.
        transfer.to = self.call.paths.last().filter(|_| !self.call.gives).cloned();
        transfer.direction = Some(self.source());
        transfer
    }

    fn only_path(&self) -> Option<Vec<u8>> {
        match self.call.paths.as_slice() {
            [path] if self.call.gives => Some(path.clone()),
            _ => None,
        }
    }

    /// Reads answers, and after each what waited for it.
    fn answered(&mut self, sink: Side, mut bytes: &[u8], out: &mut Out<'_>) -> Result<(), Stop> {
        while !bytes.is_empty() {
            self.answer(&mut bytes);
            self.catch_up(out).inspect_err(|_| out.unfollowed.add(sink, bytes.len()))?;
            if self.answers.len() > ANSWERS_MAX {
                return Err(stop("more answers than questions", sink, bytes.len()));
            }
        }
        Ok(())
    }

    /// Takes one answer, or the part of it that is there.
    fn answer(&mut self, bytes: &mut &[u8]) {
        if self.complaint.is_none()
            && let Some((0, rest)) = bytes.split_first()
        {
            *bytes = rest;
            self.answers.push_back(Ok(()));
            return;
        }
        let text = self.complaint.get_or_insert_default();
        let end = memchr(b'\n', bytes);
        let (line, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or_default();
        text.extend_from_slice(clipped(line, (1 + TEXT_MAX).saturating_sub(text.len())));
        *bytes = rest.get(1..).unwrap_or_default();
        if end.is_some() {
            let text = self.complaint.take().unwrap_or_default();
            self.answers.push_back(Err(complaint(&text)));
        }
    }

    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        out.unfollowed.add(self.source(), self.ahead.len() - self.looked + self.line.len());
        let asked = self.asked.take();
        let (file, seen) = match std::mem::replace(&mut self.state, State::Line) {
            State::Data { mut file, left, hasher } => {
                file.size -= left;
                (file, Some(hasher))
            }
            State::Tail { file, hasher } => (file, Some(hasher)),
            State::Line => match asked {
                Some(Asked::Taken(file, hasher)) => (file, Some(hasher)),
                Some(Asked::File(file)) => (file, None),
                _ => return,
            },
        };
        let mut transfer = self.transfer(&file);
        transfer.size = seen.is_some().then_some(file.size);
        transfer.sha256 = seen.map(|hasher| hasher.finalize().into());
        transfer.status = file.failed.unwrap_or_else(|| "cut".to_owned());
        out.tell(transfer);
    }
}

fn stop(why: &str, from: Side, left: usize) -> Stop {
    Stop { why: format!("not scp's protocol: {why}"), from, left }
}

impl File {
    fn nameless() -> Self {
        Self { path: Vec::new(), mode: 0, size: 0, failed: None }
    }
}

fn answer_size(answer: &Answer) -> usize {
    size_of::<Answer>() + answer.as_ref().err().map_or(0, String::capacity)
}

/// A line that begins with 1 or 2, as text.
fn complaint(line: &[u8]) -> String {
    let text = line.strip_prefix(b"\x01").or(line.strip_prefix(b"\x02")).unwrap_or(line);
    let text = String::from_utf8_lossy(clipped(text, TEXT_MAX)).trim().to_owned();
    if text.is_empty() { "refused".to_owned() } else { text }
}
