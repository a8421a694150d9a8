//! Asking for a passphrase within the player, and telling why a recording
//! cannot be opened.
//!
//! Refuses to know what is opened, and terminals: it takes keys and draws into
//! a buffer. The invariant: a passphrase is never drawn, and is wiped from
//! memory when it is given up or no longer needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Widget, Wrap};
use unicode_width::UnicodeWidthStr;
use zeroize::Zeroizing;

use crate::format::cipher::PassphraseCallback;
use crate::screen::safe_text;

/// Longer ones than this are a mistake, in bytes. The room is there from the
/// start: what grows leaves copies of itself behind.
const LONGEST: usize = 1024;
/// The widest that a box needs to be, in columns.
const WIDEST: u16 = 76;

/// What a key came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The person is not done.
    Stay,
    /// The passphrase.
    Given(Zeroizing<String>),
    /// The person gives up.
    Cancelled,
}

/// A question for a passphrase.
pub struct Prompt {
    question: String,
    complaint: Option<String>,
    typed: Zeroizing<String>,
}

impl std::fmt::Debug for Prompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prompt").field("question", &self.question).finish_non_exhaustive()
    }
}

impl Prompt {
    /// Asks `question`, such as "Type passphrase for encrypted identity 'x'".
    /// `complaint` is what was wrong with the answer before.
    #[must_use]
    pub fn new(question: &str, complaint: Option<&str>) -> Self {
        Self {
            question: safe_text(question).into_owned(),
            complaint: complaint.map(|text| safe_text(text).into_owned()),
            typed: Zeroizing::new(String::with_capacity(LONGEST)),
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        if key.kind == KeyEventKind::Release {
            return Outcome::Stay;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            code if code == KeyCode::Enter || control && code == KeyCode::Char('j') => {
                let empty = Zeroizing::new(String::with_capacity(LONGEST));
                return Outcome::Given(std::mem::replace(&mut self.typed, empty));
            }
            KeyCode::Esc => return Outcome::Cancelled,
            KeyCode::Char('c' | 'g') if control => return Outcome::Cancelled,
            KeyCode::Char('d') if control && self.typed.is_empty() => return Outcome::Cancelled,
            KeyCode::Char('u' | 'w') if control => self.typed.clear(),
            KeyCode::Char('h') if control => drop(self.typed.pop()),
            KeyCode::Backspace => drop(self.typed.pop()),
            KeyCode::Char(ch) if !control => self.put(ch),
            _ => {}
        }
        Outcome::Stay
    }

    /// Takes text that was pasted; a newline ends no passphrase here.
    pub fn paste(&mut self, text: &str) {
        text.chars().filter(|ch| !ch.is_control()).for_each(|ch| self.put(ch));
    }

    fn put(&mut self, ch: char) {
        if self.typed.len() + ch.len_utf8() <= LONGEST {
            self.typed.push(ch);
        }
    }

    /// Draws it in the middle of `area`; returns where the cursor belongs.
    pub fn render(&self, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let mut lines = Vec::new();
        if let Some(complaint) = &self.complaint {
            lines.push(Line::styled(complaint.clone(), Modifier::BOLD));
        }
        lines.push(Line::from(self.question.clone()));
        let inner =
            boxed("Passphrase", &lines, 2, "Enter opens · ^U clears · Esc gives up", area, buffer)?;
        let row = inner.bottom().checked_sub(1)?;
        // As many dots as fit: how long it is is the person's own affair.
        let room = usize::from(inner.width.saturating_sub(3));
        let dots = "•".repeat(self.typed.chars().count().min(room));
        let end = 2 + u16::try_from(dots.width()).unwrap_or(0);
        buffer.set_stringn(inner.x, row, format!("> {dots}"), inner.width.into(), Style::new());
        let x = inner.x.saturating_add(end).min(inner.right().saturating_sub(1));
        Some(Position::new(x, row))
    }
}

/// Something to be read before one goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    title: String,
    text: String,
    foot: &'static str,
}

impl Message {
    /// `text` may have several lines; each is escaped.
    #[must_use]
    pub fn new(title: &str, text: &str) -> Self {
        let text: Vec<_> = text.lines().map(safe_text).collect();
        let title = safe_text(title).into_owned();
        Self { title, text: text.join("\n"), foot: "any key goes on" }
    }

    /// One that goes away by itself, once what it tells of has happened.
    #[must_use]
    pub fn notice(title: &str, text: &str) -> Self {
        Self { foot: "", ..Self::new(title, text) }
    }

    /// Draws it in the middle of `area`. Any key takes it away.
    pub fn render(&self, area: Rect, buffer: &mut Buffer) {
        let lines: Vec<Line<'_>> = self.text.lines().map(Line::from).collect();
        boxed(&self.title, &lines, 0, self.foot, area, buffer);
    }
}

/// Draws a box around text and `extra` rows below it; returns its inside.
fn boxed(
    title: &str,
    lines: &[Line<'_>],
    extra: u16,
    foot: &str,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Rect> {
    let area = area.intersection(*buffer.area());
    let width = WIDEST.min(area.width);
    let text = Paragraph::new(lines.to_vec()).wrap(Wrap { trim: true });
    let inside = width.checked_sub(4)?;
    let rows: usize = lines.iter().map(|line| rows_of(line, inside.into())).sum();
    let rows = u16::try_from(rows).unwrap_or(u16::MAX);
    let height = rows.saturating_add(extra).saturating_add(2).min(area.height);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(place, buffer);
    let cut = |text: &str| if text.is_empty() { String::new() } else { format!(" {text} ") };
    let block = Block::bordered()
        .title(Span::styled(cut(title), Modifier::BOLD))
        .title_bottom(Line::from(cut(foot)).right_aligned());
    let inner = block.inner(place);
    block.render(place, buffer);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let above = Rect { height: inner.height.saturating_sub(extra), ..inner };
    text.render(above, buffer);
    (inner.height > 0 && inner.width > 3).then_some(inner)
}

/// How many rows a line takes when it is wrapped at words.
fn rows_of(line: &Line<'_>, width: usize) -> usize {
    let text: String = line.iter().map(|span| span.content.as_ref()).collect();
    let (mut rows, mut used) = (1, 0);
    for word in text.split_whitespace() {
        let len = word.width();
        let with_space = if used == 0 { len } else { used + 1 + len };
        if with_space <= width {
            used = with_space;
        } else if let Some(more) = len.saturating_sub(1).checked_div(width) {
            // A word that is longer than a row goes on in the next.
            rows += usize::from(used > 0) + more;
            used = len - more * width;
        }
    }
    rows
}

/// The passphrases that were given, so that the person is asked once.
///
/// They are in memory until hrec ends, and wiped then.
#[derive(Default)]
pub struct Answers {
    known: Mutex<HashMap<String, Zeroizing<String>>>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

impl Answers {
    /// None yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Answers what is known, and asks nobody: for what happens unasked, such
    /// as a preview.
    #[must_use]
    pub fn quiet(self: &Arc<Self>) -> PassphraseCallback {
        let answers = Arc::clone(self);
        Arc::new(move |question| answers.known(question))
    }

    /// Answers what is known, and asks the person for the rest.
    #[must_use]
    pub fn asking(self: &Arc<Self>, ask: PassphraseCallback) -> PassphraseCallback {
        let answers = Arc::clone(self);
        Arc::new(move |question| {
            answers.known(question).or_else(|| {
                let answer = ask(question)?;
                let mut kept = Zeroizing::new(String::with_capacity(answer.len()));
                kept.push_str(&answer);
                let known = &answers.known;
                known
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(question.to_owned(), kept);
                Some(answer)
            })
        })
    }

    /// Forgets them: one of them was wrong.
    pub fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn known(&self, question: &str) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(question).map(|answer| answer.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn press(prompt: &mut Prompt, code: KeyCode) -> Outcome {
        prompt.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn shown(area: Rect, draw: impl FnOnce(Rect, &mut Buffer)) -> String {
        let mut buffer = Buffer::empty(area);
        draw(area, &mut buffer);
        let rows = buffer.content().chunks(area.width.into());
        let row = |cells: &[ratatui::buffer::Cell]| {
            cells.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()
        };
        rows.map(row).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn asks_and_shows_no_letter() {
        let mut prompt = Prompt::new("Type passphrase for encrypted identity '\u{1b}k'", None);
        for ch in "hunter2é".chars() {
            assert_eq!(press(&mut prompt, KeyCode::Char(ch)), Outcome::Stay);
        }
        press(&mut prompt, KeyCode::Backspace);
        let mut cursor = None;
        let screen = shown(Rect::new(0, 0, 60, 8), |area, buffer| {
            cursor = prompt.render(area, buffer);
        });
        assert_eq!(
            screen,
            "\n\
             ┌ Passphrase ──────────────────────────────────────────────┐\n\
             │ Type passphrase for encrypted identity '\\u{1b}k'         │\n\
             │                                                          │\n\
             │ > •••••••                                                │\n\
             └────────────────── Enter opens · ^U clears · Esc gives up ┘\n\
             \n"
        );
        assert_eq!(cursor, Some(Position::new(11, 4)));
        assert!(!format!("{prompt:?}").contains("hunter2"));
        let given = press(&mut prompt, KeyCode::Enter);
        assert_eq!(given, Outcome::Given(Zeroizing::new("hunter2".to_owned())));
        assert_eq!(press(&mut prompt, KeyCode::Esc), Outcome::Cancelled);
    }

    #[test]
    fn control_keys_edit_and_are_no_text() {
        let mut prompt = Prompt::new("?", Some("that was wrong"));
        prompt.paste("a\nb\u{1b}c");
        let control = |prompt: &mut Prompt, ch| {
            prompt.key(KeyEvent::new(KeyCode::Char(ch), KeyModifiers::CONTROL))
        };
        assert_eq!(control(&mut prompt, 'x'), Outcome::Stay);
        assert_eq!(prompt.typed.as_str(), "abc");
        control(&mut prompt, 'h');
        assert_eq!(prompt.typed.as_str(), "ab");
        assert_eq!(control(&mut prompt, 'd'), Outcome::Stay);
        control(&mut prompt, 'u');
        assert_eq!(control(&mut prompt, 'd'), Outcome::Cancelled);
        assert_eq!(control(&mut prompt, 'c'), Outcome::Cancelled);
        prompt.paste(&"x".repeat(5000));
        assert_eq!((prompt.typed.len(), prompt.typed.capacity()), (LONGEST, LONGEST));
        let screen = shown(Rect::new(0, 0, 20, 9), |area, buffer| {
            prompt.render(area, buffer);
        });
        assert!(screen.contains("that was wrong"), "{screen}");
    }

    #[test]
    fn fits_any_window() {
        let prompt = Prompt::new("Type passphrase for the OpenSSH key 'id_ed25519'", Some("wrong"));
        let message = Message::new("Cannot open", "one two three\nfour \u{1b}[2J five");
        for width in 0..40 {
            for height in 0..9 {
                let area = Rect::new(0, 0, width, height);
                let mut buffer = Buffer::empty(area);
                if let Some(cursor) = prompt.render(area, &mut buffer) {
                    assert!(area.contains(cursor), "{area} {cursor}");
                }
                message.render(area, &mut buffer);
            }
        }
    }

    #[test]
    fn a_message_is_wrapped_at_words() {
        let text = "db1.cast.zst.age: none of 2 identities opens it; it is for:\nage1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq";
        let message = Message::new("Cannot open", text);
        assert_eq!(
            shown(Rect::new(0, 0, 40, 7), |area, buffer| message.render(area, buffer)),
            "┌ Cannot open ─────────────────────────┐\n\
             │ db1.cast.zst.age: none of 2          │\n\
             │ identities opens it; it is for:      │\n\
             │ age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq │\n\
             │ qqqqqqqqqqqqqqqqqqqq                 │\n\
             └───────────────────── any key goes on ┘\n"
        );
    }

    #[test]
    fn asked_once_until_it_was_wrong() {
        let answers = Answers::new();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let asking = answers.asking(Arc::new(move |question: &str| {
            count.fetch_add(1, Ordering::Relaxed);
            (question == "a").then(|| "secret".to_owned())
        }));
        let quiet = answers.quiet();
        assert_eq!(quiet("a"), None);
        assert_eq!((asking("a"), asking("a")), (Some("secret".into()), Some("secret".into())));
        assert_eq!((asking("b"), asking("b")), (None, None));
        assert_eq!(quiet("a").as_deref(), Some("secret"));
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        answers.forget();
        assert_eq!(quiet("a"), None);
    }
}
