//! The plain replay: the screen as it changes, or its text.
//!
//! Refuses to know keys and bars. The invariant: whatever happens in between,
//! the terminal is left before the function returns, and the last screen
//! stays on it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::{Ended, Viewer, Wake};
use crate::event::{Event, Micros};
use crate::screen::{Model, Painter, Text, push_final};

/// A screen that changes all the time is painted this often (µs): 30 times a
/// second is what a person sees as motion, and output that comes faster need
/// not be painted event by event.
const FRAME: Micros = 33_000;

/// A picture that the next event would change within this time (µs) waits for
/// it: half-drawn screens flicker.
const SETTLE: Micros = 5_000;

/// Plays events on a terminal, each at its time, from this screen on.
///
/// # Errors
/// What `events` yields, after what came before it was shown; or when the
/// terminal is gone.
pub fn on_terminal<E: From<io::Error>>(
    mut model: Model,
    events: impl IntoIterator<Item = Result<Event, E>>,
    viewer: &mut impl Viewer,
) -> Result<Ended, E> {
    let ended = play(&mut model, events, viewer);
    let left = viewer.leave();
    let mut last = Vec::new();
    push_final(&model, viewer.size().cols(), &mut last);
    let shown = left.and_then(|()| viewer.show(&last));
    let ended = ended?;
    // A terminal that hung up cannot show the last screen; that is no news.
    if !matches!(ended, Ended::Signal(_)) {
        shown?;
    }
    Ok(ended)
}

fn play<E: From<io::Error>>(
    model: &mut Model,
    events: impl IntoIterator<Item = Result<Event, E>>,
    viewer: &mut impl Viewer,
) -> Result<Ended, E> {
    let mut painter = Painter::new(viewer.size());
    let mut picture = Vec::new();
    let mut painted = 0;
    for event in events {
        let event = event?;
        loop {
            let now = viewer.now();
            if now + SETTLE < event.time || now.saturating_sub(painted) >= FRAME {
                painter.paint(model, &mut picture);
                viewer.show(&picture)?;
                picture.clear();
                painted = now;
            }
            match viewer.wait(event.time)? {
                Wake::Due => break,
                Wake::Repaint => painter.resize(viewer.size()),
                Wake::Quit => return Ok(Ended::Quit),
                Wake::Signal(signal) => return Ok(Ended::Signal(signal)),
            }
        }
        model.event(&event);
    }
    Ok(Ended::Whole)
}

/// Writes the text of a recording, each line when it became final, and at the
/// end what is left on the screen. `text` has what came before the events.
///
/// # Errors
/// What `events` yields, after what came before it was written; or when `out`
/// fails.
pub fn as_lines<E: From<io::Error>>(
    mut text: Text,
    events: impl IntoIterator<Item = Result<Event, E>>,
    out: &mut impl Write,
    mut wait: impl FnMut(Micros),
) -> Result<(), E> {
    let mut failed = None;
    for event in events {
        match event {
            Ok(event) => {
                wait(event.time);
                write_lines(text.event(&event), out)?;
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    write_lines(text.finish(), out)?;
    failed.map_or(Ok(()), Err)
}

fn write_lines(lines: Vec<String>, out: &mut impl Write) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// Sleeps until a time of the replay, for [`as_lines`].
pub fn sleeper() -> impl FnMut(Micros) {
    let start = Instant::now();
    move |until| {
        let until = Duration::from_micros(until);
        std::thread::sleep(until.saturating_sub(start.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Data, TermSize};

    /// A viewer whose clock goes as fast as it is waited for.
    struct Headless {
        now: Micros,
        bytes: Vec<u8>,
        frames: Vec<(Micros, Vec<String>)>,
        screen: Model,
        wakes: Vec<(Micros, Wake)>,
        left: bool,
    }

    impl Headless {
        fn new(wakes: Vec<(Micros, Wake)>) -> Self {
            let screen = Model::new(TermSize::clamped(20, 4));
            Self { now: 0, bytes: Vec::new(), frames: Vec::new(), screen, wakes, left: false }
        }
    }

    impl Viewer for Headless {
        fn size(&self) -> TermSize {
            self.screen.size()
        }

        fn now(&self) -> Micros {
            self.now
        }

        fn wait(&mut self, until: Micros) -> io::Result<Wake> {
            if let Some((at, wake)) = self.wakes.first().copied()
                && at <= until
            {
                self.wakes.remove(0);
                self.now = self.now.max(at);
                if wake == Wake::Repaint {
                    let data = Data::Resize(TermSize::clamped(10, 3));
                    self.screen.event(&Event { time: 0, data });
                }
                return Ok(wake);
            }
            self.now = self.now.max(until);
            Ok(Wake::Due)
        }

        fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.bytes.extend_from_slice(bytes);
            self.screen.event(&Event { time: 0, data: Data::Output(bytes.to_vec()) });
            let lines = self.screen.terminal().screen().text();
            let lines = lines.join("\n").trim_end().split('\n').map(str::to_owned).collect();
            self.frames.push((self.now, lines));
            Ok(())
        }

        fn leave(&mut self) -> io::Result<()> {
            self.left = true;
            self.show(b"\x1bc")
        }
    }

    fn blank() -> Model {
        Model::new(TermSize::clamped(20, 4))
    }

    fn outputs(list: &[(Micros, &str)]) -> Vec<io::Result<Event>> {
        let event = |(time, text): &(Micros, &str)| {
            Ok(Event { time: *time, data: Data::Output(text.as_bytes().to_vec()) })
        };
        list.iter().map(event).collect()
    }

    #[test]
    fn each_screen_at_its_time_and_the_last_one_stays() {
        let events = outputs(&[(0, "one"), (500_000, "\r\ntwo"), (2_000_000, "\r\nthree")]);
        let mut viewer = Headless::new(vec![]);
        assert_eq!(on_terminal(blank(), events, &mut viewer).unwrap(), Ended::Whole);
        assert!(viewer.left);
        let frames: Vec<_> = viewer.frames.iter().map(|(t, lines)| (*t, lines.join("|"))).collect();
        let expected =
            [(0, "one"), (500_000, "one|two"), (2_000_000, ""), (2_000_000, "one|two|three")];
        assert_eq!(frames, expected.map(|(t, text)| (t, text.to_owned())));
    }

    #[test]
    fn a_flood_is_painted_by_frames() {
        let many: Vec<_> = (0..10_000u64).map(|n| (n * 100, "x\r\n")).collect();
        let mut viewer = Headless::new(vec![]);
        on_terminal(blank(), outputs(&many), &mut viewer).unwrap();
        assert!((25..40).contains(&viewer.frames.len()), "{}", viewer.frames.len());
    }

    #[test]
    fn a_smaller_window_is_painted_anew() {
        let events = outputs(&[(0, "first line\r\nsecond"), (1_000_000, "!")]);
        let mut viewer = Headless::new(vec![(500_000, Wake::Repaint)]);
        on_terminal(blank(), events, &mut viewer).unwrap();
        let (time, lines) = &viewer.frames[1];
        assert_eq!((*time, lines.join("|")), (500_000, "first line|second".to_owned()));
    }

    #[test]
    fn the_person_and_signals_end_it() {
        for (wake, ended) in [(Wake::Quit, Ended::Quit), (Wake::Signal(15), Ended::Signal(15))] {
            let events = outputs(&[(0, "one"), (500_000, "\r\ntwo")]);
            let mut viewer = Headless::new(vec![(100_000, wake)]);
            assert_eq!(on_terminal(blank(), events, &mut viewer).unwrap(), ended);
            assert!(viewer.left);
            assert_eq!(viewer.frames.last().unwrap().1, ["one"]);
        }
    }

    #[test]
    fn an_error_is_told_after_what_came_before_it() {
        let mut events = outputs(&[(0, "one")]);
        events.push(Err(io::Error::other("gone")));
        let mut viewer = Headless::new(vec![]);
        assert!(on_terminal(blank(), events, &mut viewer).is_err());
        assert_eq!(viewer.frames.last().unwrap().1, ["one"]);

        let mut events = outputs(&[(0, "one\r\n"), (5, "two")]);
        events.push(Err(io::Error::other("gone")));
        let (mut out, mut waits) = (Vec::new(), Vec::new());
        assert!(
            as_lines(Text::new(TermSize::clamped(20, 4)), events, &mut out, |t| waits.push(t))
                .is_err()
        );
        assert_eq!(out, b"one\ntwo\n");
        assert_eq!(waits, [0, 5]);
    }
}
