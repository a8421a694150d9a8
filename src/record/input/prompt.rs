//! Whether a line is a prompt for a password.
//!
//! Knows nothing of screens and typing. The phrases are facts of other
//! programs' catalogues, in `assets/password-prompts.txt`.

use std::sync::LazyLock;

/// The phrases, a line each.
const PHRASES: &str = include_str!("../../../assets/password-prompts.txt");

/// Only so much of a line's end is looked at.
const LONGEST: usize = 400;

/// A phrase: its parts, between which anything may stand.
static PARSED: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
    PHRASES
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| folded(line).split('*').map(|part| part.trim().to_owned()).collect())
        .collect()
});

/// Whether the text left of the cursor ends in a prompt for a password.
pub(super) fn is_password(line: &str) -> bool {
    let start = line.char_indices().rev().nth(LONGEST - 1).map_or(0, |(at, _)| at);
    let line = folded(line.get(start..).unwrap_or_default());
    let end = line.trim_end_matches(is_after);
    if end.is_empty() {
        return false;
    }
    // "…: " and the like, without which "password for bob" is prose.
    let asks = line.trim_end_matches(is_space).ends_with([':', '：', '?', '؟', '>', '*', '•']);
    PARSED.iter().any(|parts| matches(end, parts, asks))
}

/// Whether the line ends with these parts.
fn matches(line: &str, parts: &[String], asks: bool) -> bool {
    let Some((last, before)) = parts.split_last() else { return false };
    if before.is_empty() {
        return line.strip_suffix(last.as_str()).is_some_and(is_start);
    }
    if !asks {
        return false;
    }
    let Some(mut rest) = line.strip_suffix(last.as_str()) else { return false };
    for (n, part) in before.iter().enumerate().rev() {
        // The outermost "*" may stand for all of the line's beginning.
        if part.is_empty() && n == 0 {
            return true;
        }
        let Some(at) = rest.rfind(part.as_str()) else { return false };
        rest = rest.get(..at).unwrap_or_default();
    }
    is_start(rest)
}

/// Whether a phrase may begin after this: not in the middle of a word, nor of
/// a path such as a shell's prompt shows.
fn is_start(before: &str) -> bool {
    before.chars().next_back().is_none_or(|c| {
        // Scripts without spaces between words have no middle of a word.
        c.is_whitespace() || !c.is_ascii() || !(c.is_alphanumeric() || "/~-_.".contains(c))
    })
}

fn is_space(c: char) -> bool {
    c.is_whitespace()
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
}

/// What may follow a phrase: space, punctuation, and the marks that a prompt
/// shows for characters typed. No "$", "#" and "%": those end a shell's.
fn is_after(c: char) -> bool {
    is_space(c) || ":：;,.。…?？؟!>*•●)]}）】»\"'’”」』_-=".contains(c)
}

fn folded(text: &str) -> String {
    // Case folding near enough: what differs only in the languages with
    // several lower-case forms are letters that no phrase is told apart by.
    text.to_lowercase().replace("i\u{307}", "i").replace('\u{a0}', " ")
}
