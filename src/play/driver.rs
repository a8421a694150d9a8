//! The player on a real terminal and a real clock.
//!
//! Refuses to know what is drawn and what keys do. The invariants: it waits in
//! poll(2) and nowhere else, and while nothing is due it waits for ever.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

use super::Ended;
use super::colour::Depth;
use super::console::{Console, Woken};
use super::input::Decoder;
use super::model::Model;
use super::paint::Canvas;
use super::update::{Effects, Quit};
use super::view;
use crate::event::{Micros, TermSize};
use crate::timeline::Wake;

/// A picture is drawn this often at most (µs): 60 times a second is what
/// terminals show.
const FRAME: Micros = 16_000;

/// How long a lone ESC waits (µs) for the rest of a sequence, which a terminal
/// sends in one write; over a slow line it may come in two.
pub(super) const ESCAPE: Micros = 50_000;

/// A terminal that the player has.
pub struct Driver {
    pub(super) console: Console,
    pub(super) canvas: Canvas,
    pub(super) decoder: Decoder,
    /// When the last picture was drawn.
    drawn: Option<Micros>,
    /// Written to by other threads.
    news: Arc<OwnedFd>,
}

impl Driver {
    /// Takes the person's terminal, which has so many colours; `None` when
    /// there is none.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn take(depth: Depth) -> io::Result<Option<Self>> {
        let (mut enter, mut leave) = (Vec::new(), Vec::new());
        let mut canvas = Canvas::new(depth);
        canvas.enter(&mut enter);
        Canvas::leave(&mut leave);
        let news = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let Some(console) = Console::take(enter, leave)? else { return Ok(None) };
        let decoder = Decoder::default();
        Ok(Some(Self { console, canvas, decoder, drawn: None, news }))
    }

    /// The window's size.
    #[must_use]
    pub fn size(&self) -> TermSize {
        self.console.size()
    }

    /// The time by the clock that the player runs on.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.console.now()
    }

    /// What other threads call when there is something new.
    #[must_use]
    pub fn wake(&self) -> Wake {
        let news = Arc::clone(&self.news);
        Arc::new(move || {
            // A counter that is full wakes the reader all the same.
            let _ = rustix::io::write(&*news, &1_u64.to_ne_bytes());
        })
    }

    /// Plays until the person has seen enough, or the terminal is gone.
    ///
    /// # Errors
    /// When the recording cannot be read, or the terminal fails.
    pub fn run<E: From<io::Error> + From<crate::recording::Error>>(
        &mut self,
        model: &mut Model,
    ) -> Result<Ended, E> {
        let mut dirty = true;
        let mut escape = None;
        let (mut keys, mut inputs) = ([0; 4096], Vec::new());
        self.canvas.forget();
        self.draw(model)?;
        model.look_around()?;
        loop {
            let now = self.console.now();
            if dirty && self.drawn.is_none_or(|drawn| now >= drawn + FRAME) {
                self.draw(model)?;
                dirty = false;
            }
            let next = self.drawn.filter(|_| dirty).map(|drawn| drawn + FRAME);
            let until = model.due(now)?.into_iter().chain(next).chain(escape).min();
            let mut effects = Vec::new();
            match self.console.wait(until, &mut keys, Some(self.news.as_fd()))? {
                Woken::Signal(signal) => return Ok(Ended::Signal(signal)),
                Woken::Repaint => effects.push(model.resize(self.console.size())),
                // Nothing to read is as good.
                Woken::Due => drop(rustix::io::read(&*self.news, &mut [0_u8; 8])),
                Woken::Typed(count) => {
                    self.decoder.feed(keys.get(..count).unwrap_or_default(), &mut inputs);
                    escape = self.decoder.is_waiting().then(|| self.console.now() + ESCAPE);
                }
            }
            let now = self.console.now();
            if escape.is_some_and(|escape| now >= escape) {
                self.decoder.give_up(&mut inputs);
                escape = None;
            }
            for input in inputs.drain(..) {
                effects.push(model.input(now, input)?);
            }
            effects.push(model.tick(now)?);
            for effect in effects {
                dirty |= effect.draw;
                if let Some(ended) = self.effect(model, effect)? {
                    return Ok(ended);
                }
            }
        }
    }

    fn effect(&mut self, model: &mut Model, effects: Effects) -> io::Result<Option<Ended>> {
        if effects.forget {
            self.canvas.forget();
        }
        if effects.suspend {
            self.console.suspend()?;
            self.canvas.forget();
            model.resize(self.console.size());
        }
        if let Some(text) = effects.copy {
            let mut bytes = Vec::new();
            Canvas::copy(&text, &mut bytes);
            self.console.show(&bytes)?;
        }
        if let Some((path, text)) = effects.write {
            model.written(self.console.now(), &path, &write_new(&path, &text));
        }
        Ok(effects.quit.map(|quit| match quit {
            Quit::Enough => Ended::Quit,
            Quit::Back => Ended::Back,
            Quit::Interrupt => Ended::Signal(libc::SIGINT),
        }))
    }

    fn draw(&mut self, model: &Model) -> io::Result<()> {
        let (picture, cursor) = view::draw(model);
        let mut bytes = Vec::new();
        self.canvas.draw(picture, cursor, &mut bytes);
        self.drawn = Some(self.console.now());
        self.console.show(&bytes)
    }

    /// Gives the terminal back.
    ///
    /// # Errors
    /// When it is gone.
    pub fn leave(&mut self) -> io::Result<()> {
        self.console.leave()
    }
}

/// Makes a file that is not there yet. What was on a screen is nobody else's to
/// read.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
