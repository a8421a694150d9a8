//! Standard output of a verb.
//!
//! Knows nothing of what is written. Its invariant: an error says what could
//! not be written, since it reaches the person as it is.

use std::io::{self, StdoutLock, Write};

/// Standard output, for this thread alone.
pub(super) struct Out(StdoutLock<'static>);

/// Takes standard output.
pub(super) fn out() -> Out {
    Out(io::stdout().lock())
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

fn named(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))
}
