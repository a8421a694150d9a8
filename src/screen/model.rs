//! The terminal model: avt, fed with bytes.
//!
//! Refuses to know time. The invariant: it takes any bytes in any pieces, and
//! how they are cut makes no difference.

use avt::{Observer, Terminal};

use super::keyframe::{Keyframe, Outside, Position};
use super::skip::Tracker;
use crate::event::{Data, Event, TermSize};

/// Bytes to text across pieces: a character cut in two is put together, and
/// what is no UTF-8 is U+FFFD.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    held: Vec<u8>,
}

impl Decoder {
    /// The beginning of a character whose end is yet to come: 0 to 3 bytes.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// Calls `sink` with each piece of text.
    pub(super) fn decode(&mut self, bytes: &[u8], mut sink: impl FnMut(&str)) {
        // Usually nothing is held and the bytes are text as they are.
        if self.held.is_empty()
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return sink(text);
        }
        let mut joined = std::mem::take(&mut self.held);
        joined.extend_from_slice(bytes);
        let mut rest = joined.as_slice();
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(text) => return sink(text),
                Err(error) => {
                    let (good, bad) =
                        rest.split_at_checked(error.valid_up_to()).unwrap_or((&[], rest));
                    if let Ok(text) = std::str::from_utf8(good) {
                        sink(text);
                    }
                    let Some(len) = error.error_len() else {
                        self.held = bad.to_vec();
                        return;
                    };
                    sink("\u{fffd}");
                    rest = bad.get(len..).unwrap_or_default();
                }
            }
        }
    }
}

/// A terminal's screen as the recorded program left it so far.
pub struct Model {
    terminal: Terminal,
    decoder: Decoder,
    tracker: Tracker,
    size: TermSize,
}

impl Model {
    /// A blank screen.
    #[must_use]
    pub fn new(size: TermSize) -> Self {
        let terminal = new_terminal(size);
        Self { terminal, decoder: Decoder::default(), tracker: Tracker::default(), size }
    }

    /// The screen that a dump of avt's makes, the beginning of a character
    /// that came last, and what avt does not model.
    pub(super) fn restored(size: TermSize, dump: &str, held: &[u8], outside: &Outside) -> Self {
        let mut model = Self::new(size);
        model.terminal.feed(dump);
        model.decoder.held = held.to_vec();
        model.tracker.resume(dump, held, outside);
        model
    }

    /// The state now, to come back to; `None` if avt's dump of it does not
    /// restore it.
    #[must_use]
    pub fn keyframe(&self, position: Position) -> Option<Keyframe> {
        let held = self.decoder.held().to_vec();
        Keyframe::checked(&self.terminal, position, held, self.outside().clone())
    }

    /// What the program asked of the terminal besides what it shows: the
    /// window's title, the cursor's shape, mouse modes.
    #[must_use]
    pub fn outside(&self) -> &Outside {
        self.tracker.outside()
    }

    /// Takes output and sizes; other events change no screen.
    pub fn event(&mut self, event: &Event) {
        self.event_with(event, &mut ());
    }

    /// The same, seen by an observer of avt's.
    pub fn event_with<O: Observer>(&mut self, event: &Event, observer: &mut O) -> Vec<O::Output> {
        let mut reports = Vec::new();
        match &event.data {
            Data::Output(bytes) => {
                self.tracker.output(bytes);
                let terminal = &mut self.terminal;
                self.decoder.decode(bytes, |text| {
                    reports.push(terminal.feed_with(text, &mut *observer));
                });
            }
            Data::Resize(size) => {
                self.size = *size;
                let (cols, rows) = (size.cols().into(), size.rows().into());
                reports.push(self.terminal.resize_with(cols, rows, observer));
            }
            _ => {}
        }
        reports
    }

    /// The terminal's size now.
    #[must_use]
    pub fn size(&self) -> TermSize {
        self.size
    }

    /// The terminal, to look at.
    #[must_use]
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }
}

/// avt refuses only sizes of 0, which a [`TermSize`] cannot be.
#[allow(clippy::expect_used)]
pub(super) fn new_terminal(size: TermSize) -> Terminal {
    Terminal::new(size.cols().into(), size.rows().into()).expect("a TermSize is at least 1x1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(pieces: &[&[u8]]) -> String {
        let (mut decoder, mut all) = (Decoder::default(), String::new());
        for piece in pieces {
            decoder.decode(piece, |text| all.push_str(text));
        }
        all
    }

    fn output(bytes: &[u8]) -> Event {
        Event { time: 0, data: Data::Output(bytes.to_vec()) }
    }

    proptest! {
        #[test]
        fn cutting_makes_no_difference(bytes in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>()) {
            let at = at.index(bytes.len() + 1);
            let whole = decoded(&[&bytes]);
            prop_assert_eq!(&decoded(&[&bytes[..at], &bytes[at..]]), &whole);
            // What is held at the end aside, it is what everybody makes of it.
            prop_assert!(String::from_utf8_lossy(&bytes).starts_with(&whole));
        }

        #[test]
        fn hostile_output_does_no_harm(
            steps in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..100).prop_map(Data::Output),
                    "(\u{1b}[\\[\\]()#PX^_]?[0-9;:?!>$ -/]{0,12}[@-~]|[ -~é界💩\n\r\t\u{8}\u{200d}\u{301}]{1,9}){1,20}"
                        .prop_map(|t| Data::Output(t.into_bytes())),
                    any::<(u8, u8)>().prop_map(|(c, r)| Data::Resize(TermSize::clamped(c.into(), r.into()))),
                ],
                0..20,
            )
        ) {
            let mut model = Model::new(TermSize::DEFAULT);
            for data in steps {
                model.event(&Event { time: 0, data });
                let (cols, rows) = (model.size().cols().into(), model.size().rows().into());
                prop_assert_eq!(model.terminal().size(), (cols, rows));
            }
        }
    }

    #[test]
    fn the_largest_size_and_back() {
        let mut model = Model::new(TermSize::MAX);
        model.event(&output(
            "\u{1b}[65535;65535Hx\u{1b}[65535b\u{1b}[65535L\u{1b}[65535@".as_bytes(),
        ));
        model.event(&Event { time: 0, data: Data::Resize(TermSize::MIN) });
        model.event(&output("界\r\n".as_bytes()));
        assert_eq!(model.size(), TermSize::MIN);
    }
}
