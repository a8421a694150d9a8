//! Going to another place, and looking elsewhere from it.
//!
//! Refuses to know which key asked for it. The invariant: what cannot be gone
//! to is told, and where the viewer is stays.

use super::super::back::Back;
use super::super::clock;
use super::super::keymap::Command;
use super::super::landmarks::{Landmark, Stops};
use super::super::model::{Later, Model, Open};
use super::super::view;
use super::SECOND;
use crate::event::Micros;
use crate::recording::{Result, State};

impl Model {
    /// Goes where the command says.
    pub(super) fn going(&mut self, now: Micros, command: Command) -> Result<()> {
        self.wish = None;
        self.later = None;
        if let Some(finding) = &mut self.finding {
            finding.forget();
        }
        match command {
            Command::Back => self.by(-5),
            Command::Forward => self.by(5),
            Command::BackMinute => self.by(-60),
            Command::ForwardMinute => self.by(60),
            Command::Start => self.playhead.go(0),
            Command::End => self.playhead.go_end()?,
            Command::PreviousEvent => {
                self.left();
                self.playhead.step_back()?;
            }
            Command::NextEvent => {
                self.left();
                self.playhead.step()?;
            }
            Command::PreviousMarker => self.stop_at(now, Stops::Markers, false)?,
            Command::NextMarker => self.stop_at(now, Stops::Markers, true)?,
            Command::PreviousTyped => self.stop_at(now, Stops::Typed, false)?,
            Command::NextTyped => self.stop_at(now, Stops::Typed, true)?,
            Command::PreviousCommand => self.stop_at(now, Stops::Commands, false)?,
            Command::NextCommand => self.stop_at(now, Stops::Commands, true)?,
            command => {
                if let Some(tenth) = command.tenth() {
                    self.go_by_length(now, Later::Tenth(tenth))?;
                }
            }
        }
        Ok(())
    }

    /// Goes somewhere that depends on the recording's length, as soon as that
    /// is known.
    pub(super) fn go_by_length(&mut self, now: Micros, to: Later) -> Result<()> {
        let Some(length) = self.length(now)? else {
            self.later = Some(to);
            return Ok(());
        };
        // It may have been set, or the session may have slept.
        if matches!(&to, Later::GoTo(text) if clock::is_by_clock(text, length))
            && self.setup.wall.is_known()
            && self.is_reading(now, "clock")
        {
            self.later = Some(to);
            return Ok(());
        }
        match to {
            Later::Tenth(tenth) => self.playhead.go(length / 10 * tenth),
            Later::GoTo(text) => {
                match clock::go_to(&text, self.playhead.at(), length, &self.setup.wall) {
                    Ok(time) => self.playhead.go(time),
                    Err(wrong) => self.complain(now, wrong),
                }
            }
        }
        Ok(())
    }

    /// The recording's length. Where only reading all of it tells, that is
    /// being done already, and the person is told so.
    pub(super) fn length(&mut self, now: Micros) -> Result<Option<Micros>> {
        let timeline = self.playhead.timeline();
        if timeline.known_duration().is_some() || timeline.state() != State::Foreign {
            // By its last keyframe, if not by its index.
            return self.playhead.timeline_mut().duration().map(Some);
        }
        let reading = self.is_reading(now, "length");
        Ok((!reading).then(|| self.playhead.length()))
    }

    /// Whether the recording is still being read, for this too; then the person
    /// is told so.
    fn is_reading(&mut self, now: Micros, what: &str) -> bool {
        let Some(part) = self.landmarks.progress() else { return false };
        let percent = (part * 100.0).floor();
        self.say(now, format!("reading it for its {what}: {percent} % so far; Esc lets it be"));
        true
    }

    /// Somebody waits to be taken somewhere: he is told how far that is.
    pub(super) fn still_reading(&mut self, now: Micros) {
        let what = match &self.later {
            Some(Later::GoTo(text)) if text.contains(':') => "clock",
            Some(_) => "length",
            None => return,
        };
        self.is_reading(now, what);
    }

    fn by(&mut self, seconds: i64) {
        let at = self.playhead.at();
        let by = seconds.unsigned_abs().saturating_mul(SECOND);
        self.playhead.go(if seconds < 0 { at.saturating_sub(by) } else { at.saturating_add(by) });
    }

    /// Goes where the person typed.
    pub(super) fn go_to(&mut self, now: Micros, text: &str) -> Result<()> {
        if text.trim().is_empty() {
            return Ok(());
        }
        self.wish = None;
        // As vi has it: gg.
        if text == "g" {
            self.playhead.go(0);
            return Ok(());
        }
        self.go_by_length(now, Later::GoTo(text.to_owned()))
    }

    /// Goes to the next such thing, or the one before; as soon as it is found.
    fn stop_at(&mut self, now: Micros, stops: Stops, ahead: bool) -> Result<()> {
        let here = (self.playhead.at(), self.playhead.timeline().position().event);
        let known = self.landmarks.next(&self.setup.notes, stops, here).is_some();
        if ahead && !known && self.playhead.grows() {
            self.playhead.timeline_mut().refresh()?;
            self.landmarks.extend(self.playhead.timeline());
        }
        self.wish = Some((stops, ahead));
        self.found_landmarks(now);
        Ok(())
    }

    /// More is known of what there is to go to.
    pub(super) fn found_landmarks(&mut self, now: Micros) {
        let all = match &self.open {
            Open::List(_) => self.landmarks.all(&self.setup.notes),
            _ => Vec::new(),
        };
        if let Open::List(list) = &mut self.open {
            list.renew(all);
        }
        let Some((stops, ahead)) = self.wish else { return };
        let mut here = (self.playhead.at(), self.playhead.timeline().position().event);
        let found = if ahead {
            self.landmarks.next(&self.setup.notes, stops, here)
        } else {
            if self.playhead.is_playing() {
                // It has played on from the one that was gone to last.
                here.0 =
                    here.0.saturating_sub(self.playhead.speed().recorded(SECOND).min(5 * SECOND));
            }
            self.landmarks.previous(&self.setup.notes, stops, here)
        };
        let name = stops.name();
        match (found, self.landmarks.progress()) {
            // One that is nearer may yet be found.
            (found, Some(part)) if !ahead || found.is_none() => {
                let percent = (part * 100.0).floor();
                self.say(now, format!("looking for a {name}: {percent} % is read"));
            }
            (Some(landmark), _) => {
                self.wish = None;
                self.go_to_landmark(&landmark);
                self.say(now, format!("{name}: {}", landmark.text));
            }
            (None, _) => {
                self.wish = None;
                let way = if ahead { "after" } else { "before" };
                self.say(now, format!("there is no {name} {way} this"));
            }
        }
    }

    /// Goes to something of note.
    pub(super) fn go_to_landmark(&mut self, landmark: &Landmark) {
        match landmark.event {
            Some(event) => self.playhead.go_event(event),
            None => self.playhead.go(landmark.time),
        }
    }

    /// Looks up, or down again, by so many rows at what had scrolled away.
    pub(super) fn scroll(&mut self, now: Micros, rows: i64) -> Result<()> {
        let up = self.back.as_ref().map_or(0, Back::up);
        let wanted = up.saturating_add_signed(rows);
        if wanted > 0 {
            self.playhead.pause();
        }
        self.back = Back::look(self.playhead.timeline_mut(), wanted)?;
        let found = self.back.as_ref().map_or(0, Back::up);
        if rows > 0 && found == up {
            let text = match found {
                0 => "nothing has scrolled away yet",
                _ => "this is where it began",
            };
            self.say(now, text.to_owned());
        }
        Ok(())
    }

    /// Looks at another part of a recording that is larger than the window.
    pub(super) fn pan(&mut self, now: Micros, columns: i32, rows: i32) {
        let place = view::place(self);
        let size = self.playhead.screen().size();
        if place.area.width >= size.cols() && place.area.height >= size.rows() {
            self.say(now, "all of the screen is shown".to_owned());
            return;
        }
        let moved = |at: u16, by: i32| {
            u16::try_from(i32::from(at).saturating_add(by).max(0)).unwrap_or(u16::MAX)
        };
        self.pan.fixed = Some((moved(place.left, columns), moved(place.top, rows)));
        // No farther than there is anything.
        let place = view::place(self);
        self.pan.fixed = Some((place.left, place.top));
    }
}
