//! The one buffer of each direction.

/// A read takes what the PTY has: 4 KiB at most on Linux, whatever the buffer;
/// a pipe gives up to 64 KiB.
pub(super) const BUFFER: usize = 1 << 16;

/// Bytes on their way.
pub(super) struct Passage {
    pub(super) buffer: Box<[u8]>,
    start: usize,
    pub(super) end: usize,
}

impl Passage {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; BUFFER].into_boxed_slice(), start: 0, end: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Only for an empty passage: where to read to.
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.start = 0;
        self.end = 0;
        &mut self.buffer
    }

    pub(super) fn fill(&mut self, n: usize) {
        self.end = n;
    }

    /// Nobody is there to take it.
    pub(super) fn clear(&mut self) {
        self.start = self.end;
    }

    pub(super) fn take(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }
}
