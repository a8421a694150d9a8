//! A standard stream of the program that is no terminal: a pipe that hrec
//! stands in, so that what passes is on the record too.

use std::collections::VecDeque;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::queue::{Block, CAPACITY, Kind, Queue};
use crate::event::Micros;
use crate::sys::nonblock::Nonblocking;

/// What is moved at once, and what the program's pipes hold: twice what they
/// hold by themselves, pipe(7). More costs memory, and of what all of a user's
/// pipes may have, and moves a gigabyte no faster.
pub const BUFFER: usize = 1 << 17;

/// What is read at once and is as much as this is handed over without a copy.
/// Less is not worth a whole block's memory while it waits.
const WHOLE: usize = BUFFER / 4;

/// So many blocks may wait for the writer: as much as the queue takes.
const BLOCKS: usize = CAPACITY / WHOLE;

/// One stream: from the program outwards, or the program's standard input.
#[derive(Debug)]
pub struct Tap {
    number: u8,
    /// Where it comes from; `None` once that is at its end or nobody wants
    /// more.
    from: Option<Nonblocking>,
    /// Where it goes; `None` once all has gone there that will.
    to: Option<Nonblocking>,
    /// None until something comes. What was read last is in the first; the
    /// writer may have others, and it.
    blocks: VecDeque<Block>,
    start: usize,
    end: usize,
    refused: Option<Errno>,
}

impl Tap {
    /// Stream `number`: 1 or 2, from the program's pipe to hrec's own stream; 0,
    /// from hrec's own to the program's pipe.
    #[must_use]
    pub fn new(number: u8, from: Nonblocking, to: Nonblocking) -> Self {
        let (from, to) = (Some(from), Some(to));
        Self { number, from, to, blocks: VecDeque::new(), start: 0, end: 0, refused: None }
    }

    /// Whether it is one that the program writes: the session lasts until all
    /// of those is passed on, and for no input.
    #[must_use]
    pub fn is_output(&self) -> bool {
        self.number != 0
    }

    /// Whether all that will come has been passed on.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.from.is_none() && self.is_empty()
    }

    /// Whether all that was read has been passed on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether [`Tap::poll`] waits for more from the program.
    #[must_use]
    pub fn listens(&self, room: bool) -> bool {
        self.is_empty() && self.from.is_some() && room
    }

    /// Why what the program wrote to its standard output could not be passed
    /// on, write(2), where that is not that its reader has gone away.
    #[must_use]
    pub fn refused(&self) -> Option<Errno> {
        self.refused.filter(|_| self.number == 1)
    }

    /// Adds what to wait for.
    pub fn poll<'a>(&'a self, room: bool, fds: &mut Vec<PollFd<'a>>) {
        if let (Some(to), false) = (&self.to, self.is_empty()) {
            fds.push(PollFd::new(to, PollFlags::OUT));
        } else if let (Some(from), true) = (&self.from, room) {
            fds.push(PollFd::new(from, PollFlags::IN));
        }
    }

    /// Moves what can be moved. What is read goes to `queue`, or, where that
    /// takes nothing, is counted in `lost`. Gives how many bytes were read.
    pub fn pass(
        &mut self,
        room: bool,
        now: Micros,
        queue: &Queue,
        lost: Option<&mut u64>,
    ) -> usize {
        let mut read = 0;
        if self.is_empty() && room {
            self.read(now, queue, lost);
            read = self.end;
        }
        if let (Some(to), false) = (&self.to, self.is_empty()) {
            let block = self.blocks.front().map_or(&[][..], |block| block);
            let pending = block.get(self.start..self.end).unwrap_or_default();
            match to.write(pending) {
                Ok(n) => self.start += n,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => {
                    // Whoever read it is gone. Closing our end gives the program
                    // the SIGPIPE that it would have had without hrec.
                    if !matches!(error, Errno::PIPE | Errno::CONNRESET) {
                        self.refused = Some(error);
                    }
                    self.from = None;
                    self.start = self.end;
                }
            }
        }
        if self.is_done() {
            // Whoever reads there is to see the end.
            self.to = None;
        }
        read
    }

    fn read(&mut self, now: Micros, queue: &Queue, lost: Option<&mut u64>) {
        let Some(from) = &self.from else { return };
        (self.start, self.end) = (0, 0);
        let Some(block) = free(&mut self.blocks) else { return };
        match from.read(block) {
            Ok(0) => self.from = None,
            Ok(n) => {
                self.end = n;
                match lost {
                    Some(lost) => *lost += n as u64,
                    None => self.hand_over(now, queue),
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.from = None,
        }
    }

    fn hand_over(&self, now: Micros, queue: &Queue) {
        let Some(block) = self.blocks.front() else { return };
        let kind = Kind::Stream(self.number);
        let another = || self.blocks.iter().skip(1).any(|other| Arc::strong_count(other) == 1);
        if self.end >= WHOLE && (self.blocks.len() < BLOCKS || another()) {
            queue.push_block(now, kind, Arc::clone(block), self.end);
        } else {
            queue.push(now, kind, block.get(..self.end).unwrap_or_default());
        }
    }
}

/// A block that nobody else has, put first.
fn free(blocks: &mut VecDeque<Block>) -> Option<&mut [u8]> {
    match blocks.iter_mut().position(|block| Arc::get_mut(block).is_some()) {
        Some(n) => blocks.swap(0, n),
        None => blocks.push_front(Arc::from(vec![0; BUFFER])),
    }
    Arc::get_mut(blocks.front_mut()?)
}
