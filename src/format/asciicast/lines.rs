//! Lines of a stream, with a limit to how much of one is kept.
//!
//! Refuses to know what is in them. The invariant: never more memory than one
//! line of [`MAX_LINE`] bytes.

use std::io::{self, BufRead};

/// The longest line that is kept: a recorder's single event is at most some
/// MiB, and a line must fit in memory several times over.
pub const MAX_LINE: usize = 64 << 20;

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a line feed.
    Whole,
    /// At the end of the stream, without one.
    Open,
    /// It was longer than the limit; the rest of it was passed over, or is
    /// still to come after [`Lines::start`].
    TooLong,
}

/// One line, without its line feed.
pub(crate) struct Line<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) number: u64,
    pub(crate) end: End,
}

pub(crate) struct Lines<R> {
    inner: R,
    /// The last line, when it did not lie in `inner`'s buffer as a whole.
    buffer: Vec<u8>,
    /// The last line, when it did: so many bytes of that buffer, which are yet
    /// to be taken out of it. A line that is only looked at is not copied.
    lent: Option<usize>,
    /// How the last line ended, and whether it is to be given again.
    end: End,
    again: bool,
    number: u64,
    /// Bytes before the next line.
    at: u64,
    limit: usize,
    /// The stream ended in the middle of a container (gzip, zstd, age).
    cut: Option<String>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self::resume(inner, 0, 0)
    }

    /// Goes on in the middle: `at` bytes and `number` lines are before.
    pub(crate) fn resume(inner: R, at: u64, number: u64) -> Self {
        let (buffer, lent, end, again) = (Vec::new(), None, End::Whole, false);
        Self { inner, buffer, lent, end, again, number, at, limit: MAX_LINE, cut: None }
    }

    /// How many bytes and lines were read.
    pub(crate) fn place(&self) -> (u64, u64) {
        (self.at, self.number)
    }

    #[cfg(test)]
    pub(crate) fn with_limit(inner: R, limit: usize) -> Self {
        Self { limit, ..Self::new(inner) }
    }

    /// What a container said when it ended early.
    pub(crate) fn cut(&self) -> Option<&str> {
        self.cut.as_deref()
    }

    /// The next line, or `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.read(true)
    }

    /// The same, but only as much as is kept of a line that is too long: what
    /// may be no text at all may have no end either.
    pub(crate) fn start(&mut self) -> io::Result<Option<Line<'_>>> {
        self.read(false)
    }

    /// Gives the last line of [`Lines::next`] once more.
    pub(crate) fn again(&mut self) {
        self.again = true;
    }

    /// Takes the last line out of what is read from, for whoever counts what
    /// was.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        if let Some(lent) = self.lent.take() {
            let line = self.inner.fill_buf()?.get(..lent - 1).unwrap_or_default();
            self.buffer.extend_from_slice(line);
            self.inner.consume(lent);
        }
        Ok(())
    }

    fn read(&mut self, to_its_end: bool) -> io::Result<Option<Line<'_>>> {
        if std::mem::take(&mut self.again) {
            return self.line().map(Some);
        }
        if let Some(lent) = self.lent.take() {
            self.inner.consume(lent);
        }
        self.buffer.clear();
        let mut too_long = false;
        loop {
            let room = self.limit.saturating_sub(self.buffer.len());
            let available = fill(&mut self.inner, &mut self.cut)?;
            if available.is_empty() {
                if self.buffer.is_empty() && !too_long {
                    return Ok(None);
                }
                self.end = if too_long { End::TooLong } else { End::Open };
                break;
            }
            let newline = memchr::memchr(b'\n', available);
            let text = available.get(..newline.unwrap_or(available.len())).unwrap_or_default();
            let used = text.len() + usize::from(newline.is_some());
            self.at += used as u64;
            if newline.is_some() && self.buffer.is_empty() && !too_long && text.len() <= room {
                self.lent = Some(used);
                self.end = End::Whole;
                break;
            }
            let kept = text.get(..text.len().min(room)).unwrap_or_default();
            too_long |= kept.len() < text.len();
            self.buffer.extend_from_slice(kept);
            self.inner.consume(used);
            if newline.is_some() || (too_long && !to_its_end) {
                self.end = if too_long { End::TooLong } else { End::Whole };
                break;
            }
        }
        self.number += 1;
        self.line().map(Some)
    }

    /// The last line.
    fn line(&mut self) -> io::Result<Line<'_>> {
        let text = match self.lent {
            // What is in the buffer is given without reading.
            Some(lent) => self.inner.fill_buf()?.get(..lent - 1).unwrap_or_default(),
            None => &self.buffer,
        };
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Ok(Line { text, number: self.number, end: self.end })
    }
}

/// The stream's next bytes. A container that ends early has ended.
fn fill<'a, R: BufRead>(inner: &'a mut R, cut: &mut Option<String>) -> io::Result<&'a [u8]> {
    if cut.is_some() {
        return Ok(&[]);
    }
    loop {
        // Asked twice, since a borrow that is returned from one arm would last
        // over the others.
        match inner.fill_buf() {
            Ok(_) => break,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                *cut = Some(e.to_string());
                return Ok(&[]);
            }
            Err(e) => return Err(e),
        }
    }
    inner.fill_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(text: &[u8], capacity: usize, limit: usize) -> Vec<(Vec<u8>, End)> {
        let reader = io::BufReader::with_capacity(capacity, text);
        let mut lines = Lines::with_limit(reader, limit);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.text.to_vec(), line.end));
        }
        found
    }

    #[test]
    fn whatever_the_buffer() {
        for capacity in 1..9 {
            let found = collect(b"a\n\nbcd\r\ne", capacity, 100);
            let expected: [(&[u8], End); 4] =
                [(b"a", End::Whole), (b"", End::Whole), (b"bcd", End::Whole), (b"e", End::Open)];
            assert_eq!(found, expected.map(|(t, e)| (t.to_vec(), e)));
        }
    }

    #[test]
    fn a_line_is_given_again() {
        for capacity in 1..9 {
            let mut lines = Lines::new(io::BufReader::with_capacity(capacity, &b"a\nbcd\ne"[..]));
            for (expected, at) in [("a", 2), ("bcd", 6), ("e", 7)] {
                for _ in 0..3 {
                    let line = lines.next().unwrap().unwrap();
                    assert_eq!(line.text, expected.as_bytes());
                    assert_eq!(lines.place().0, at);
                    lines.again();
                    if capacity % 2 == 0 {
                        lines.settle().unwrap();
                    }
                }
                lines.next().unwrap();
            }
            assert!(lines.next().unwrap().is_none());
        }
    }

    #[test]
    fn long_lines_are_passed_over() {
        for capacity in 1..9 {
            let found = collect(b"abcd\nabcde\nab\nabcdefgh", capacity, 4);
            let expected: [(&[u8], End); 4] = [
                (b"abcd", End::Whole),
                (b"abcd", End::TooLong),
                (b"ab", End::Whole),
                (b"abcd", End::TooLong),
            ];
            assert_eq!(found, expected.map(|(t, e)| (t.to_vec(), e)));
        }
    }

    #[test]
    fn the_start_of_an_endless_line_is_given() {
        let mut lines = Lines::with_limit(io::BufReader::new(io::repeat(0)), 1 << 20);
        let line = lines.start().unwrap().unwrap();
        assert_eq!((line.text.len(), line.end), (1 << 20, End::TooLong));
    }

    #[test]
    fn a_container_cut_short_is_an_end() {
        struct Cut(bool);
        impl io::Read for Cut {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                if self.0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "incomplete frame"));
                }
                self.0 = true;
                buf[..4].copy_from_slice(b"a\nbc");
                Ok(4)
            }
        }
        let mut lines = Lines::new(io::BufReader::new(Cut(false)));
        assert_eq!(lines.next().unwrap().unwrap().text, b"a");
        assert_eq!(lines.next().unwrap().unwrap().end, End::Open);
        assert!(lines.next().unwrap().is_none());
        assert_eq!(lines.cut(), Some("incomplete frame"));
    }
}
