//! What a session has sent to its collector, and what of it is answered.
//!
//! Its invariant: each byte that the collector has not said is durable is here.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use serde_json::{Map, Value};

use super::Error;
use crate::format::wire::{self, Append, Done, End, Has, kind};

#[derive(Default)]
pub(super) struct State {
    pub(super) stream: Option<UnixStream>,
    pub(super) files: BTreeMap<u32, Sent>,
    /// The manifest, until the recording has begun.
    pub(super) manifest: Option<Map<String, Value>>,
    /// What is to be answered, in order.
    pub(super) asked: VecDeque<u8>,
    pub(super) wants_begin: bool,
    pub(super) begun: bool,
    pub(super) end: Option<End>,
    pub(super) done: Option<Done>,
    pub(super) failed: Option<Error>,
    /// When an answer came last, or something was sent that waits for one.
    pub(super) heard: Option<Instant>,
    pub(super) closed: bool,
}

/// One of the recording's files.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// What the collector has; `kept` is what follows.
    pub(super) durable: u64,
    pub(super) kept: Vec<u8>,
}

impl State {
    pub(super) fn kept(&self) -> usize {
        self.files.values().map(|sent| sent.kept.len()).sum()
    }

    /// Whether something waits for an answer.
    pub(super) fn waits(&self) -> bool {
        !self.asked.is_empty() || self.begun && self.kept() > 0
    }

    /// Sends; where that fails the reader of the answers finds out.
    pub(super) fn send(&mut self, frames: &[u8]) {
        if let Some(mut stream) = self.stream.as_ref()
            && stream.write_all(frames).is_err()
        {
            self.hang_up();
        }
    }

    pub(super) fn ask(&mut self, mut stream: &UnixStream, kind: u8, frame: &[u8]) {
        self.asked.push_back(kind);
        self.heard.get_or_insert_with(Instant::now);
        if stream.write_all(frame).is_err() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    pub(super) fn send_begin(&mut self) {
        let mut frame = Vec::new();
        wire::put(kind::BEGIN, b"", &mut frame);
        if let Some(stream) = self.stream.take() {
            self.ask(&stream, kind::BEGIN, &frame);
            self.stream = Some(stream);
        }
    }

    pub(super) fn send_end(&mut self) {
        let frame = self.end.as_ref().and_then(|end| wire::json(kind::END, end).ok());
        if let (Some(frame), Some(stream)) = (frame, self.stream.take()) {
            self.ask(&stream, kind::END, &frame);
            self.stream = Some(stream);
        }
    }

    pub(super) fn hang_up(&mut self) {
        if let Some(stream) = self.stream.take() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Sent {
    pub(super) fn end(&self) -> u64 {
        self.durable + self.kept.len() as u64
    }

    /// The collector has all before `durable`.
    pub(super) fn settle(&mut self, durable: u64) {
        let count = durable.saturating_sub(self.durable).min(self.kept.len() as u64);
        self.kept.drain(..usize::try_from(count).unwrap_or(0));
        self.kept.shrink_to(1 << 16);
        self.durable += count;
    }
}

impl State {
    /// The recording has begun: so much is durable.
    pub(super) fn begin(&mut self, has: &Has) {
        for ack in &has.files {
            if let Some(sent) = self.files.get_mut(&ack.file) {
                sent.settle(ack.durable);
            }
        }
        self.begun = true;
        self.manifest = None;
    }

    /// What the collector has not got; `None` where it has less than it said.
    /// Of a recording that has begun, what it has is durable.
    pub(super) fn rest(&mut self, has: &Has) -> Option<Vec<u8>> {
        let mut frames = Vec::new();
        // Of many journals it names the newest; those before are settled.
        let journals = has.files.iter().map(|ack| ack.file).filter(|file| *file > 0);
        let oldest = journals.min().unwrap_or(0);
        // The part first: the journals' chains begin with its header.
        for (file, sent) in self.files.iter_mut().filter(|_| has.done.is_none()) {
            let there = has.files.iter().find(|ack| ack.file == *file);
            let is_older = there.is_none() && *file > 0 && *file < oldest;
            if is_older && sent.kept.is_empty() {
                continue;
            }
            let offset = there.map_or(0, |ack| ack.durable);
            let from = usize::try_from(offset.checked_sub(sent.durable)?).ok()?;
            let bytes = sent.kept.get(from..)?;
            Append { file: *file, offset, bytes }.put(&mut frames);
            if has.begun {
                sent.settle(offset);
            }
        }
        Some(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_journals_before_the_newest_may_go_unnamed() {
        let has = |files: &[(u32, u64)]| {
            let ack = |&(file, durable): &(u32, u64)| wire::Ack { file, durable };
            Has { files: files.iter().map(ack).collect(), begun: true, ..Has::default() }
        };
        let sent = |kept: &[u8]| Sent { durable: 9, kept: kept.to_vec() };
        let mut state = State::default();
        for file in 0..4 {
            state.files.insert(file, sent(b""));
        }
        assert_eq!(state.rest(&has(&[(0, 9), (2, 9), (3, 9)])), Some(Vec::new()));
        for wrong in [&[(2, 9), (3, 9)][..], &[(0, 9), (2, 9)], &[(0, 9)], &[]] {
            assert_eq!(state.rest(&has(wrong)), None, "{wrong:?}");
        }
        state.files.insert(1, sent(b"x"));
        assert_eq!(state.rest(&has(&[(0, 9), (2, 9), (3, 9)])), None);
    }
}
