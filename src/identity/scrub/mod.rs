//! A command line with its secrets hidden, for `manifest.command =
//! "scrubbed"`, and single words likewise.
//!
//! Knows programs only through the table in [`rules`]. It cannot know every
//! program, so it prefers hiding too much. Its invariant: a mask replaces a
//! secret's every character, and does not tell their number.

mod rules;
mod text;

use std::ffi::{OsStr, OsString};

use rules::{Next, Rules};

/// What stands in a secret's place.
pub const MASK: &str = "***";

/// Words of a command line, and characters of a word, that are looked at; the
/// rest is left out of the result altogether.
const WORDS_MAX: usize = 512;
const CHARS_MAX: usize = 4096;

/// The command as one line for a POSIX shell, with its secrets hidden.
#[must_use]
pub fn command_line(program: &OsStr, args: &[OsString]) -> String {
    let words: Vec<String> = std::iter::once(program)
        .chain(args.iter().map(OsString::as_os_str))
        .take(WORDS_MAX)
        .map(|word| word.to_string_lossy().chars().take(CHARS_MAX).collect())
        .collect();
    let mut out = String::new();
    for scrubbed in words_of(&words, 0) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&quoted(&scrubbed));
    }
    if args.len() >= WORDS_MAX {
        out.push_str(" …");
    }
    out
}

/// One word with what is recognizably secret in it hidden: passwords in URIs,
/// `password=…` and its like, and keys of well-known shapes. Leaves alone what
/// only might be a secret, such as a long hexadecimal number.
#[must_use]
pub fn word(word: &str) -> String {
    text::shapes(&text::pairs(&text::uris(word)))
}

/// Scrubs words that belong together: an option may make a secret of the next.
fn words_of(words: &[String], depth: u8) -> Vec<String> {
    let mut rules = Rules::none();
    let mut next = Next::Read;
    let mut out = Vec::with_capacity(words.len());
    for word in words {
        let (scrubbed, then) = match next {
            Next::Hide => (MASK.to_owned(), Next::Read),
            Next::HideAll => (MASK.to_owned(), Next::HideAll),
            // The option's value is optional: another option is none.
            Next::HideUnlessOption if !word.starts_with('-') => (MASK.to_owned(), Next::Read),
            Next::HidePair => (rules::pair(word), Next::Read),
            Next::HideHeader => (rules::header(word), Next::Read),
            Next::Read | Next::HideUnlessOption => {
                rules = rules.after(word);
                match rules.apply(word) {
                    Some(applied) => applied,
                    None => (free(word, depth), Next::Read),
                }
            }
        };
        out.push(scrubbed);
        next = then;
    }
    out
}

/// A word that no rule speaks of. One with white space in it may be a command
/// of its own (`sh -c`, `ssh host`, `watch`), so its words are read likewise.
fn free(word: &str, depth: u8) -> String {
    let scrubbed = text::guesses(&self::word(word));
    // Twice is `ssh host "sh -c 'mysql -p…'"`; deeper nobody can quote.
    if depth >= 3 || !scrubbed.contains(char::is_whitespace) {
        return scrubbed;
    }
    let spans = text::shell_words(&scrubbed);
    let inner: Vec<String> = spans.iter().map(|span| span.word.clone()).collect();
    let mut out = String::with_capacity(scrubbed.len());
    let mut done = 0;
    for (span, now) in spans.iter().zip(words_of(&inner, depth + 1)) {
        out.push_str(scrubbed.get(done..span.start).unwrap_or_default());
        if now == span.word {
            out.push_str(scrubbed.get(span.start..span.end).unwrap_or_default());
        } else {
            out.push_str(&quoted(&now));
        }
        done = span.end;
    }
    out.push_str(scrubbed.get(done..).unwrap_or_default());
    out
}

/// The word for a POSIX shell. The mask's asterisks stay bare.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-*".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
