//! Recorded text for a line of our own: names, titles, commands, messages.

use std::borrow::Cow;

/// `text` with everything that is no plain character made visible: control
/// characters (C0, DEL, C1) and those that reorder or hide text become
/// `\u{…}`, so that a recording cannot drive the terminal it is listed on or
/// show another name than it has.
#[must_use]
pub fn safe_text(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for ch in text.chars() {
        match ch {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if is_unsafe(ch) => out.extend(ch.escape_unicode()),
            _ => out.push(ch),
        }
    }
    Cow::Owned(out)
}

/// Control characters; and, from the Unicode Character Database, the
/// bidirectional formatting characters (UAX #9), line and paragraph
/// separators, and those that take no space at all (zero width, interlinear
/// annotations, tags, variation selectors are harmless and stay).
pub(super) fn is_unsafe(ch: char) -> bool {
    ch.is_control()
        || matches!(ch,
            '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(safe_text("psql prod-db1 — übung 日本 👍🏽"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_could_act_or_deceive_is_shown() {
        assert_eq!(safe_text("a\u{1b}]0;x\u{7}b"), "a\\u{1b}]0;x\\u{7}b");
        assert_eq!(safe_text("\u{9d}52;c;\u{9c}"), "\\u{9d}52;c;\\u{9c}");
        assert_eq!(safe_text("exe.\u{202e}gpj\u{2066}"), "exe.\\u{202e}gpj\\u{2066}");
        assert_eq!(safe_text("a\nb\tc\u{7f}"), "a\\nb\\tc\\u{7f}");
        assert_eq!(safe_text("\u{feff}\u{200b}\u{e0041}"), "\\u{feff}\\u{200b}\\u{e0041}");
    }
}
