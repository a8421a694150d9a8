//! The player on a real terminal and a real clock.
//!
//! Refuses to know what is drawn and what keys do. The invariants: it waits in
//! poll(2) and nowhere else, and while nothing is due it waits for ever.

use std::io;

use super::Ended;
use super::console::{Console, Woken};
use super::input::Decoder;
use super::model::Model;
use super::paint::Canvas;
use super::update::{Effects, Quit};
use super::view;
use crate::event::{Micros, TermSize};

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
}

impl Driver {
    /// Takes the person's terminal; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn take() -> io::Result<Option<Self>> {
        let (mut enter, mut leave) = (Vec::new(), Vec::new());
        let mut canvas = Canvas::new();
        canvas.enter(&mut enter);
        Canvas::leave(&mut leave);
        let console = Console::take(enter, leave)?;
        let decoder = Decoder::default();
        Ok(console.map(|console| Self { console, canvas, decoder, drawn: None }))
    }

    /// The window's size.
    #[must_use]
    pub fn size(&self) -> TermSize {
        self.console.size()
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
        loop {
            let now = self.console.now();
            if dirty && self.drawn.is_none_or(|drawn| now >= drawn + FRAME) {
                self.draw(model)?;
                dirty = false;
            }
            let mut until = model.due(now)?;
            if dirty {
                let next = self.drawn.map_or(now, |drawn| drawn + FRAME);
                until = Some(until.map_or(next, |until| until.min(next)));
            }
            if let Some(escape) = escape {
                until = Some(until.map_or(escape, |until| until.min(escape)));
            }
            let mut effects = Vec::new();
            match self.console.wait(until, &mut keys, None)? {
                Woken::Signal(signal) => return Ok(Ended::Signal(signal)),
                Woken::Repaint => effects.push(model.resize(self.console.size())),
                Woken::Due => {}
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
                if let Some(ended) = self.effect(model, &effect)? {
                    return Ok(ended);
                }
            }
        }
    }

    fn effect(&mut self, model: &mut Model, effects: &Effects) -> io::Result<Option<Ended>> {
        if effects.forget {
            self.canvas.forget();
        }
        if effects.suspend {
            self.console.suspend()?;
            self.canvas.forget();
            model.resize(self.console.size());
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
