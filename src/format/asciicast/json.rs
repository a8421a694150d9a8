//! JSON strings as asciicast has them, for speed on the way out and leniency
//! on the way in.
//!
//! Refuses to know what a string means. The invariant: whatever
//! [`push_text`] writes holds no control character, C0, DEL or C1, so a line
//! printed on a terminal drives nothing, and [`Cursor::string`] gives the
//! same bytes back.

/// Bytes are looked at eight at a time: a line of output is mostly text that
/// needs no escape, and this scan is on the recording path.
const WORD: usize = 8;

const fn splat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; WORD])
}

/// The high bits of those of eight bytes that may need an escape: a C0 control,
/// `"`, `\`, DEL, or 0xC2 (which leads C1 controls in UTF-8). The lowest that is
/// set is right; behind it there may be some too many, and never one too few.
fn suspects(word: [u8; WORD]) -> u64 {
    const HIGH: u64 = splat(0x80);
    const ONES: u64 = splat(0x01);
    let x = u64::from_le_bytes(word);
    let zero = |v: u64| v.wrapping_sub(ONES) & !v & HIGH;
    let below_space = x.wrapping_sub(splat(0x20)) & !x & HIGH;
    let special = zero(x ^ splat(b'"'))
        | zero(x ^ splat(b'\\'))
        | zero(x ^ splat(0x7f))
        | zero(x ^ splat(0xc2));
    below_space | special
}

fn is_suspect(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f | 0xc2)
}

/// How many leading bytes certainly need no escape.
fn clean_prefix(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<WORD>();
    for (at, word) in words.iter().enumerate() {
        let suspects = suspects(*word);
        if suspects != 0 {
            return at * WORD + suspects.trailing_zeros() as usize / 8;
        }
    }
    words.len() * WORD + rest.iter().take_while(|b| !is_suspect(**b)).count()
}

fn push_escape(code: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| HEX.get(usize::from(n & 15)).copied().unwrap_or(b'0');
    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(code >> 4), digit(code)]);
}

/// Appends the inside of a JSON string (no quotes) for `text`.
pub(crate) fn push_text(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + rest.len() / 8);
    loop {
        let clean = clean_prefix(rest);
        let (head, tail) = rest.split_at_checked(clean).unwrap_or((rest, &[]));
        out.extend_from_slice(head);
        let Some((&byte, after)) = tail.split_first() else { return };
        rest = after;
        match byte {
            // The commonest two of a terminal's output, with what follows them.
            b'\r' if after.first() == Some(&b'\n') => {
                out.extend_from_slice(b"\\r\\n");
                rest = after.get(1..).unwrap_or_default();
            }
            0x1b => out.extend_from_slice(b"\\u001b"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0xc2 => match after.split_first() {
                Some((&second @ 0x80..=0x9f, after)) => {
                    push_escape(second, out);
                    rest = after;
                }
                _ => out.push(byte),
            },
            code => push_escape(code, out),
        }
    }
}

/// Appends `text` as a JSON string, quotes included.
pub(crate) fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    push_text(text, out);
    out.push(b'"');
}

/// Appends `bytes` as a JSON string, U+FFFD for each part that is no UTF-8.
/// Returns whether there was none of that, so that the string is exact.
pub(crate) fn push_lossy(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    out.push(b'"');
    let exact = match std::str::from_utf8(bytes) {
        Ok(text) => {
            push_text(text, out);
            true
        }
        Err(_) => {
            for chunk in bytes.utf8_chunks() {
                push_text(chunk.valid(), out);
                if !chunk.invalid().is_empty() {
                    out.extend_from_slice("\u{fffd}".as_bytes());
                }
            }
            false
        }
    };
    out.push(b'"');
    exact
}

/// A place in JSON text, for the few shapes an asciicast event has.
///
/// More lenient than JSON where real recorders are: raw control characters
/// and bytes that are no UTF-8 pass through a string as they are, a lone
/// surrogate becomes U+FFFD, and a number may be `NaN` or `Infinity`.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

/// Deeper nesting than this in a value nobody asked for is refused, as
/// serde_json does, so that hostile text cannot exhaust the stack.
const MAX_DEPTH: usize = 127;

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn bump(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    pub(crate) fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    /// The next byte that is no white space, left where it is.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.rest.first().copied()
    }

    /// Takes `byte` if it is next after white space.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        if self.peek() == Some(byte) {
            self.bump();
            return true;
        }
        false
    }

    /// A number's text, or the like of it: everything up to a delimiter.
    pub(crate) fn number(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        let len = self
            .rest
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
            .count();
        let (number, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        (!number.is_empty()).then_some(number)
    }

    /// A string's bytes. `None` when there is none, it does not end, or an
    /// escape is malformed.
    pub(crate) fn string(&mut self) -> Option<Vec<u8>> {
        if !self.take(b'"') {
            return None;
        }
        let mut out = Vec::new();
        loop {
            // One escape often follows another.
            if self.rest.first() != Some(&b'\\') {
                let end = memchr::memchr2(b'"', b'\\', self.rest)?;
                let (head, tail) = self.rest.split_at_checked(end)?;
                out.extend_from_slice(head);
                self.rest = tail;
            }
            if self.bump()? == b'"' {
                return Some(out);
            }
            if out.capacity() < self.rest.len() {
                // A string with escapes is mostly the rest of its line, and
                // what comes out is no longer than what goes in.
                out.reserve(self.rest.len());
            }
            if let [b'u', b'0', b'0', b'1', b'b', rest @ ..] = self.rest {
                out.push(0x1b);
                self.rest = rest;
                continue;
            }
            let escaped = self.bump()?;
            match escaped {
                b'"' | b'\\' | b'/' => out.push(escaped),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'b' => out.push(0x08),
                b'f' => out.push(0x0c),
                b'u' => {
                    let ch = self.unicode_escape()?;
                    out.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return None,
            }
        }
    }

    fn hex4(&mut self) -> Option<u16> {
        let (digits, rest) = self.rest.split_first_chunk::<4>()?;
        let mut value = 0u16;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16)?;
            value = value << 4 | u16::try_from(digit).ok()?;
        }
        self.rest = rest;
        Some(value)
    }

    /// After `\u`. A surrogate without its other half is U+FFFD, and what
    /// follows it is not eaten.
    fn unicode_escape(&mut self) -> Option<char> {
        let first = self.hex4()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Some(char::from_u32(u32::from(first)).unwrap_or('\u{fffd}'));
        }
        let before = self.rest;
        if let Some(rest) = self.rest.strip_prefix(b"\\u") {
            self.rest = rest;
            let second = self.hex4()?;
            if let Some(Ok(ch)) = char::decode_utf16([first, second]).next() {
                return Some(ch);
            }
        }
        self.rest = before;
        Some('\u{fffd}')
    }

    /// Passes over any value and returns its text.
    pub(crate) fn skip_value(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        let start = self.rest;
        let mut depth = 0usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.skip_string()?;
                }
                b'[' | b'{' => {
                    self.bump();
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return None;
                    }
                    continue;
                }
                b']' | b'}' if depth > 0 => {
                    self.bump();
                    depth -= 1;
                }
                b',' | b':' if depth > 0 => {
                    self.bump();
                    continue;
                }
                _ => {
                    self.number()?;
                }
            }
            if depth == 0 {
                return start.get(..start.len() - self.rest.len());
            }
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        self.bump();
        loop {
            let end = memchr::memchr2(b'"', b'\\', self.rest)?;
            let (_, tail) = self.rest.split_at_checked(end)?;
            self.rest = tail;
            if self.bump()? == b'"' {
                return Some(());
            }
            self.bump()?;
        }
    }
}

/// `text` with every lone surrogate escape made `\ufffd`, so that a strict
/// JSON parser takes it; and with U+FFFD for bytes that are no UTF-8.
pub(crate) fn mended(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    let text = String::from_utf8_lossy(text);
    let mut rest: &str = &text;
    while let Some(at) = rest.find('\\') {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        let mut cursor = Cursor::new(tail.as_bytes());
        cursor.bump();
        let mended = cursor.bump() == Some(b'u') && cursor.unicode_escape() == Some('\u{fffd}');
        let used = tail.len() - cursor.rest().len();
        // A backslash and half of a character is no escape; take the
        // backslash alone then.
        let (escape, after) =
            tail.split_at_checked(used).unwrap_or(("\\", tail.trim_start_matches('\\')));
        out.push_str(if mended { "\\ufffd" } else { escape });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(text: &str) -> String {
        let mut out = Vec::new();
        push_string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn controls_of_every_kind_are_escaped() {
        assert_eq!(encoded("a\u{1b}[0m\r\n\t\"\\"), r#""a\u001b[0m\r\n\t\"\\""#);
        assert_eq!(encoded("\u{7f}\u{80}\u{9d}\u{a0}é"), "\"\\u007f\\u0080\\u009d\u{a0}é\"");
        assert_eq!(encoded("\0"), r#""\u0000""#);
    }

    #[test]
    fn lossy_says_so() {
        let mut out = Vec::new();
        assert!(!push_lossy(b"a\xe9\x80\xffb", &mut out));
        assert_eq!(out, "\"a\u{fffd}\u{fffd}b\"".as_bytes());
    }

    #[test]
    fn surrogates() {
        let read = |text: &str| Cursor::new(text.as_bytes()).string();
        assert_eq!(read(r#""\ud83d\udca9""#).unwrap(), "💩".as_bytes());
        assert_eq!(read(r#""\ud83dx""#).unwrap(), "\u{fffd}x".as_bytes());
        assert_eq!(read(r#""\ud83d\u0041""#).unwrap(), "\u{fffd}A".as_bytes());
        assert_eq!(read(r#""\udc00""#).unwrap(), "\u{fffd}".as_bytes());
        assert_eq!(read(r#""\ud83d\u00"#), None);
        assert_eq!(
            mended(br#"{"a":"\ud83d","b":"\\ud83d \ud83d\udca9"}"#),
            r#"{"a":"\ufffd","b":"\\ud83d \ud83d\udca9"}"#
        );
        assert_eq!(mended("\\é\\".as_bytes()), "\\é\\");
    }

    #[test]
    fn skipping_is_bounded() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(Cursor::new(deep.as_bytes()).skip_value(), None);
        let text = br#" {"a":[1,2,{"b":"]}\""}],"c":null} x"#;
        let mut cursor = Cursor::new(text);
        assert_eq!(cursor.skip_value().unwrap(), br#"{"a":[1,2,{"b":"]}\""}],"c":null}"#);
        assert_eq!(cursor.rest(), b" x");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_and_serde_agrees(text in any::<String>()) {
            let json = encoded(&text);
            prop_assert_eq!(&serde_json::from_str::<String>(&json).unwrap(), &text);
            prop_assert_eq!(Cursor::new(json.as_bytes()).string().unwrap(), text.as_bytes());
            prop_assert!(!json.chars().any(char::is_control));
        }

        #[test]
        fn whatever_serde_reads_is_read_alike(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(Cursor::new(json.as_bytes()).string().unwrap(), text.as_bytes());
            prop_assert_eq!(mended(json.as_bytes()), json);
        }

        #[test]
        fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Cursor::new(&bytes).string();
            let _ = Cursor::new(&bytes).skip_value();
            let _ = mended(&bytes);
        }
    }
}
