//! Searching, and the list.
//!
//! Refuses to know how the search goes. The invariant: the person is told what
//! is waited for.

use super::super::finding::{Answer, Finding};
use super::super::line::Line;
use super::super::list::List;
use super::super::model::{Asked, Model, Open};
use crate::event::Micros;
use crate::recording::Result;
use crate::timeline::search::{Direction, Query, Scope};

impl Model {
    /// Tab in a line: the other meaning of what is typed.
    pub(super) fn another(&mut self) {
        match &mut self.open {
            Open::Asking(Asked::Search(scope), _) => {
                *scope = match *scope {
                    Scope::Shown => Scope::Typed,
                    Scope::Typed => Scope::Shown,
                };
            }
            Open::Asking(Asked::Save, line) => {
                let next = Self::next_form(&line.text());
                *line = Line::new(&next);
            }
            _ => {}
        }
    }

    /// Up in a line: what was searched for last.
    pub(super) fn once_more(&mut self) {
        if let Open::Asking(Asked::Search(_), line) = &mut self.open {
            *line = Line::new(&self.pattern);
        }
    }

    /// Begins to search.
    pub(super) fn search(&mut self, now: Micros, text: &str, scope: Scope) -> Result<()> {
        let text = if text.is_empty() { self.pattern.clone() } else { text.to_owned() };
        if text.is_empty() {
            return Ok(());
        }
        let query = match Query::new(&text, scope) {
            Ok(query) => query,
            Err(refused) => {
                self.complain(now, refused.to_string());
                return Ok(());
            }
        };
        self.pattern = text;
        self.wish = None;
        self.stale = true;
        let place = self.search_place();
        let wake = self.setup.wake.clone();
        // The one before goes first: two would share the machine.
        self.finding = None;
        let mut finding = Finding::start(self.playhead.timeline(), query, place.0, wake)?;
        finding.ask(Direction::Forward, place);
        self.finding = Some(finding);
        Ok(())
    }

    /// Goes to the next match, or the one before.
    pub(super) fn next_match(&mut self, now: Micros, ahead: bool) -> Result<()> {
        self.wish = None;
        let place = self.search_place();
        let Some(finding) = &mut self.finding else {
            if self.pattern.is_empty() {
                self.complain(now, "nothing was searched for yet; / begins to search".to_owned());
                return Ok(());
            }
            return self.search(now, "", Scope::Shown);
        };
        if self.playhead.grows() {
            finding.extend(self.playhead.timeline())?;
        }
        finding.ask(if ahead { Direction::Forward } else { Direction::Backward }, place);
        Ok(())
    }

    /// Goes where the search has found something; whether there is news of it.
    pub(super) fn answered(&mut self, now: Micros) -> bool {
        let Some(finding) = &mut self.finding else { return false };
        match finding.answer() {
            None | Some(Answer::Wait) => return false,
            Some(Answer::None) => {
                let text = format!("{} is nowhere in it", self.pattern);
                self.complain(now, text);
            }
            Some(Answer::Go(place, wrapped)) => {
                self.playhead.go_place(place);
                if wrapped {
                    self.say(now, "the search went round".to_owned());
                }
            }
        }
        true
    }

    /// Opens the list of what there is to go to.
    pub(super) fn open_list(&mut self) {
        if self.playhead.grows() {
            self.landmarks.extend(self.playhead.timeline());
        }
        let all = self.landmarks.all(&self.setup.notes);
        self.open = Open::List(List::new(all, self.playhead.at()));
    }
}
