//! The list of what there is to go to.
//!
//! Refuses to know how it is drawn. The invariant: what is chosen is among what
//! the filter lets through, if anything is.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::landmarks::Landmark;
use super::line::{Line, Typed};
use crate::event::Micros;

/// An open list.
#[derive(Debug, Default)]
pub struct List {
    all: Vec<Landmark>,
    /// Of `all`, those that the filter lets through.
    shown: Vec<usize>,
    chosen: usize,
    filter: Line,
    /// Keys go to the filter.
    filtering: bool,
}

/// What a key came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The list stays open.
    Stay,
    /// It is to be closed.
    Close,
    /// To go there.
    Go(Landmark),
    /// The key means nothing to a list.
    Other,
}

impl List {
    /// A list of these, with the last one before `here` chosen.
    #[must_use]
    pub fn new(all: Vec<Landmark>, here: Micros) -> Self {
        let chosen = all.partition_point(|one| one.time <= here).saturating_sub(1);
        let mut list = Self { shown: (0..all.len()).collect(), all, chosen, ..Self::default() };
        list.keep();
        list
    }

    /// There are more now. What was chosen stays so.
    pub fn renew(&mut self, all: Vec<Landmark>) {
        let chosen = self.chosen().cloned();
        self.all = all;
        self.sift();
        if let Some(chosen) = chosen {
            let same = |at: &usize| self.all.get(*at) == Some(&chosen);
            self.chosen = self.shown.iter().position(same).unwrap_or(0);
        }
    }

    /// What is shown, in order.
    pub fn shown(&self) -> impl ExactSizeIterator<Item = &Landmark> {
        self.shown.iter().map(|at| self.all.get(*at).unwrap_or(&NOTHING))
    }

    /// How many there are without the filter.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The place of the one that is chosen, among the shown.
    #[must_use]
    pub fn place(&self) -> usize {
        self.chosen
    }

    /// The filter's text; `None` when there is none.
    #[must_use]
    pub fn filter(&self) -> Option<String> {
        let text = self.filter.text();
        (self.filtering || !text.is_empty()).then_some(text)
    }

    /// Whether keys go to the filter.
    #[must_use]
    pub fn is_filtering(&self) -> bool {
        self.filtering
    }

    fn chosen(&self) -> Option<&Landmark> {
        self.shown.get(self.chosen).and_then(|at| self.all.get(*at))
    }

    /// Takes a key; a page has so many rows.
    pub fn key(&mut self, key: &KeyEvent, page: usize) -> Outcome {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let last = self.shown.len().saturating_sub(1);
        let to = match (key.code, ctrl) {
            (KeyCode::Enter, _) => {
                return self.chosen().cloned().map_or(Outcome::Stay, Outcome::Go);
            }
            (KeyCode::Down, _) | (KeyCode::Char('n'), true) => self.chosen + 1,
            (KeyCode::Up, _) | (KeyCode::Char('p'), true) => self.chosen.saturating_sub(1),
            (KeyCode::PageDown, _) => self.chosen + page,
            (KeyCode::PageUp, _) => self.chosen.saturating_sub(page),
            _ if self.filtering => {
                match self.filter.key(key) {
                    Typed::More => {}
                    Typed::Left => {
                        self.filtering = false;
                        self.filter = Line::default();
                    }
                    Typed::Done | Typed::Other => return Outcome::Other,
                }
                self.sift();
                return Outcome::Stay;
            }
            (KeyCode::Char('j'), false) => self.chosen + 1,
            (KeyCode::Char('k'), false) => self.chosen.saturating_sub(1),
            (KeyCode::Char('f' | 'd'), true) => self.chosen + page,
            (KeyCode::Char('b' | 'u'), true) => self.chosen.saturating_sub(page),
            (KeyCode::Home | KeyCode::Char('g'), false) => 0,
            (KeyCode::End | KeyCode::Char('G'), false) => last,
            (KeyCode::Char('/'), false) => {
                self.filtering = true;
                return Outcome::Stay;
            }
            (KeyCode::Esc, _) if !self.filter.text().is_empty() => {
                self.filter = Line::default();
                self.sift();
                return Outcome::Stay;
            }
            (KeyCode::Esc | KeyCode::Char('q' | 'l'), false) => return Outcome::Close,
            _ => return Outcome::Other,
        };
        self.chosen = to.min(last);
        Outcome::Stay
    }

    /// Lets through what has every word of the filter in it, whatever their
    /// case.
    fn sift(&mut self) {
        let filter = self.filter.text().to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().collect();
        let passes = |one: &Landmark| {
            let text = format!("{} {}", one.sort.name(), one.text).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        let before = self.shown.get(self.chosen).copied().unwrap_or(0);
        let passing = self.all.iter().enumerate().filter(|(_, one)| passes(one));
        self.shown = passing.map(|(at, _)| at).collect();
        // The nearest to what was chosen.
        self.chosen = self.shown.partition_point(|at| *at < before);
        self.keep();
    }

    fn keep(&mut self) {
        self.chosen = self.chosen.min(self.shown.len().saturating_sub(1));
    }
}

/// In the place of what is never asked for.
static NOTHING: Landmark =
    Landmark { time: 0, event: None, sort: super::landmarks::Sort::Note, text: String::new() };

#[cfg(test)]
mod tests {
    use super::super::landmarks::Sort;
    use super::*;

    fn list(texts: &[&str]) -> List {
        let one = |(time, text): (u64, &&str)| Landmark {
            time,
            event: None,
            sort: Sort::Note,
            text: (*text).to_owned(),
        };
        List::new((0..).zip(texts).map(one).collect(), 1)
    }

    fn press(list: &mut List, keys: &str) -> Outcome {
        let mut last = Outcome::Stay;
        for ch in keys.chars() {
            let code = match ch {
                '\n' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                ch => KeyCode::Char(ch),
            };
            last = list.key(&KeyEvent::new(code, KeyModifiers::NONE), 10);
        }
        last
    }

    fn gone(outcome: Outcome) -> String {
        let Outcome::Go(landmark) = outcome else { panic!("{outcome:?}") };
        landmark.text
    }

    #[test]
    fn going_through_it() {
        let texts = ["make", "ls -l", "DROP table", "drop it", "ls"];
        let mut all = list(&texts);
        assert_eq!(gone(press(&mut all, "\n")), "ls -l");
        assert_eq!(gone(press(&mut all, "jj\n")), "drop it");
        assert_eq!(gone(press(&mut all, "jjjj\n")), "ls");
        assert_eq!(gone(press(&mut all, "gkk\n")), "make");
        assert_eq!(gone(press(&mut all, "/Drop\n")), "DROP table");
        assert_eq!(all.shown().len(), 2);
        assert_eq!(gone(press(&mut all, " it\n")), "drop it");
        assert_eq!(press(&mut all, "zz\n"), Outcome::Stay);
        // Escape leaves the filter, then the list.
        assert_eq!(press(&mut all, "\u{1b}"), Outcome::Stay);
        assert_eq!((all.shown().len(), all.filter()), (5, None));
        assert_eq!(press(&mut all, "\u{1b}"), Outcome::Close);
        assert_eq!(press(&mut list(&[]), "jG\n"), Outcome::Stay);
    }

    #[test]
    fn what_is_chosen_stays_when_more_comes() {
        let mut some = list(&["b", "c"]);
        let all = list(&["a", "b", "c"]).all;
        some.all = all.get(1..).unwrap().to_vec();
        some.sift();
        press(&mut some, "G");
        some.renew(all);
        assert_eq!(gone(press(&mut some, "\n")), "c");
    }
}
