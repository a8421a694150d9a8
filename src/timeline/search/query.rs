//! What is searched for.
//!
//! Refuses to know recordings. The invariant: a query that was made takes time
//! proportional to the text it is tried on, whatever the pattern, and matches
//! within one line.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

use crate::screen::Model;

/// What the compiled pattern may take, in bytes: a hundred times what a person
/// types, and less than a player has to spare for each of its threads.
const SIZE: usize = 1 << 20;
/// What a search may take beside, in bytes, for each thread.
const CACHE: usize = 2 << 20;

/// Which text is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// What the terminal showed.
    Shown,
    /// What was typed, a line at a time.
    Typed,
}

/// A pattern that is none, or takes too much.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    why: String,
}

/// A regular expression of the crate `regex`, and the text it is for.
///
/// Case is smart: letters match in either case while there is no capital
/// letter in the pattern.
#[derive(Clone, Debug)]
pub struct Query {
    regex: Regex,
    scope: Scope,
    pattern: String,
    /// It asks where the text begins or ends, not the line.
    one_by_one: bool,
}

impl Query {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When it is no regular expression, is too large, or matches where there
    /// is no text.
    pub fn new(pattern: &str, scope: Scope) -> Result<Self, Refused> {
        let refused = |why: &str| Refused { why: why.to_owned() };
        let regex = RegexBuilder::new(pattern)
            .case_insensitive(!has_capital(pattern))
            .multi_line(true)
            .size_limit(SIZE)
            .dfa_size_limit(CACHE)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => {
                    refused("the pattern is too large; a shorter one, or smaller counts")
                }
                // The pattern with a mark below the mistake; the last line says
                // what it is.
                error => {
                    let text = error.to_string();
                    let last = text.lines().last().unwrap_or_default();
                    refused(last.strip_prefix("error: ").unwrap_or(last))
                }
            })?;
        if regex.is_match(b"") {
            return Err(refused("the pattern matches where nothing is; it must need a character"));
        }
        let one_by_one = pattern.contains("\\A") || pattern.contains("\\z");
        Ok(Self { regex, scope, pattern: pattern.to_owned(), one_by_one })
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Which text it is for.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The same pattern for another text.
    #[must_use]
    pub fn with_scope(&self, scope: Scope) -> Self {
        Self { scope, ..self.clone() }
    }

    /// Whether it matches in one line's text.
    pub(super) fn is_in(&self, line: &str) -> bool {
        self.regex.is_match(line.as_bytes())
    }

    /// Whether [`Query::is_in_lines`] says something.
    pub(super) fn is_for_lines(&self) -> bool {
        !self.one_by_one
    }

    /// Whether it may match in one of these lines.
    pub(super) fn is_in_lines(&self, lines: &[u8]) -> bool {
        self.regex.is_match(lines)
    }

    /// All places where it matches in one line's text, in bytes.
    pub(super) fn find_all(&self, line: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let found = self.regex.find_iter(line).map(|found| found.range());
        found.filter(|range| !range.is_empty())
    }

    /// A place in lines from which on one may match, and before which none
    /// does. `from` is a line's start.
    pub(super) fn next_in_lines(&self, lines: &[u8], from: usize) -> Option<usize> {
        if self.one_by_one {
            return (from < lines.len()).then_some(from);
        }
        // A line that matches alone matches among others, or is in a match
        // that begins before it.
        self.regex.find_at(lines, from).map(|found| found.start())
    }

    /// The cells in which the screen shows what it matches: rows from 0, and
    /// the columns in each; a match in wrapped rows has several.
    #[must_use]
    pub fn lit(&self, model: &Model) -> Vec<(usize, Range<usize>)> {
        let mut lit: Vec<(usize, Range<usize>)> = Vec::new();
        let (mut text, mut cells) = (String::new(), Vec::new());
        let mut rows = model.terminal().screen().visible_lines().enumerate().peekable();
        while let Some((row, line)) = rows.next() {
            for (col, cell) in line.cells().iter().enumerate() {
                if cell.width() > 0 {
                    cells.push((text.len(), row, col, usize::from(cell.width())));
                    text.push(cell.char());
                }
            }
            if line.is_wrapped() && rows.peek().is_some() {
                continue;
            }
            for found in self.find_all(text.trim_end_matches(' ').as_bytes()) {
                let from = cells.partition_point(|cell| cell.0 < found.start);
                let to = cells.partition_point(|cell| cell.0 < found.end);
                for &(_, row, col, width) in cells.get(from..to).unwrap_or_default() {
                    match lit.last_mut() {
                        Some((last, cols)) if *last == row && cols.end == col => {
                            cols.end = col + width;
                        }
                        _ => lit.push((row, col..col + width)),
                    }
                }
            }
            text.clear();
            cells.clear();
        }
        lit
    }
}

/// Whether a letter stands for itself and is a capital: `\S`, `\pL`, `\x{AB}`
/// and the names of groups do not.
fn has_capital(pattern: &str) -> bool {
    let mut chars = pattern.chars().peekable();
    while let Some(ch) = chars.next() {
        match ch {
            '\\' => {
                let escape = chars.next();
                let named = matches!(escape, Some('p' | 'P' | 'x' | 'u' | 'U' | 'b'));
                if named && chars.peek() == Some(&'{') {
                    chars.by_ref().find(|ch| *ch == '}');
                } else if matches!(escape, Some('p' | 'P')) {
                    chars.next();
                }
            }
            '(' if chars.peek() == Some(&'?') => {
                chars.next();
                chars.next_if_eq(&'P');
                if chars.next_if_eq(&'<').is_some() {
                    chars.by_ref().find(|ch| *ch == '>');
                } else {
                    while chars.next_if(|ch| !matches!(ch, ':' | ')')).is_some() {}
                }
            }
            ch if ch.is_uppercase() => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Data, Event, TermSize};

    fn query(pattern: &str) -> Query {
        Query::new(pattern, Scope::Shown).unwrap()
    }

    #[test]
    fn case_is_smart() {
        for (pattern, capital) in [
            ("drop", false),
            ("Drop", true),
            ("\\SDROP", true),
            ("\\Sdrop\\W\\D", false),
            ("\\p{Lu}x\\pL\\PN\\x{AB}", false),
            ("(?P<Name>x)(?<Name>y)(?U:z)", false),
            ("(?P<n>X)", true),
            ("É", true),
            ("\\b{start}x", false),
        ] {
            assert_eq!(has_capital(pattern), capital, "{pattern}");
        }
        assert!(query("drop").is_in("x DROP TABLE"));
        assert!(!query("Drop").is_in("x DROP TABLE"));
    }

    #[test]
    fn what_is_refused_says_why() {
        let why = |pattern: &str| Query::new(pattern, Scope::Typed).unwrap_err().to_string();
        assert_eq!(why("a("), "unclosed group");
        assert!(why("(a{900}){900}").starts_with("the pattern is too large"));
        for empty in ["", "a*", "x|"] {
            assert!(why(empty).starts_with("the pattern matches where nothing is"), "{empty}");
        }
    }

    #[test]
    fn matches_are_lit_across_wraps_and_wide_characters() {
        let mut model = Model::new(TermSize::clamped(10, 4));
        let output = "\u{1b}[31mab\u{1b}[0mcde 界x fghij klm\r\nabc\r\n".as_bytes().to_vec();
        model.event(&Event { time: 0, data: Data::Output(output) });
        assert_eq!(query("bcd").lit(&model), [(0, 1..4)]);
        assert_eq!(query("界x").lit(&model), [(0, 6..9)]);
        assert_eq!(query("x fgh").lit(&model), [(0, 8..10), (1, 0..3)]);
        assert_eq!(query("^abc$").lit(&model), [(2, 0..3)]);
        assert_eq!(query("abc").lit(&model), [(0, 0..3), (2, 0..3)]);
        assert!(query("zzz").lit(&model).is_empty());
    }
}
