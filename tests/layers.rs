//! Holds `src/` to the rules that a compiler cannot: imports go down only,
//! `unsafe` stays in `sys`, and a file can be read in one sitting.
//!
//! The checks work on tokens, not on lines, so that neither a comment nor a
//! string nor a wrapped `use` can fool them; each is tried on a planted
//! violation below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the crate's root, and its layer. `cmd` is wiring: the only
/// module that sees what was typed (`cli`) and what holds (`config`) at once,
/// and so stands above both.
const LAYERS: &[(u8, &[&str])] = &[
    (0, &["event"]),
    (1, &["sys", "format", "screen", "identity"]),
    (2, &["recording", "seal", "store"]),
    (3, &["record", "timeline", "find", "pgwire"]),
    (4, &["play", "collect"]),
    (5, &["cli", "config"]),
    (6, &["cmd"]),
];

/// Lines of a file that are not tests.
const LONGEST: usize = 500;

#[test]
fn imports_go_down_only() {
    assert_none(&each_file(imports));
}

#[test]
fn unsafe_is_in_sys_only() {
    assert_none(&each_file(unsafety));
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    assert_none(&each_file(shape));
}

#[test]
fn planted_violations_are_found() {
    let found = |path: &str, text: &str| imports(path, &tokens(text), text);
    for (path, text, want) in [
        (
            "store/mod.rs",
            "use crate::record::Relay;",
            "src/store/mod.rs:1: store (layer 2) imports record (layer 3)",
        ),
        (
            "store/local.rs",
            "//!\n\nuse crate::seal::manifest;",
            "src/store/local.rs:3: store (layer 2) imports seal (layer 2)",
        ),
        (
            "event.rs",
            "fn f() { let _ = crate::sys::x(); }",
            "src/event.rs:1: event (layer 0) imports sys (layer 1)",
        ),
        (
            "sys/pty.rs",
            "use crate::{\n    event,\n    format::{self, cipher},\n};",
            "src/sys/pty.rs:3: sys (layer 1) imports format (layer 1)",
        ),
        (
            "play/mod.rs",
            "use super::cmd::main;",
            "src/play/mod.rs:1: play (layer 4) imports cmd (layer 6)",
        ),
        (
            "play/ui/keys.rs",
            "use super::super::super::config;",
            "src/play/ui/keys.rs:1: play (layer 4) imports config (layer 5)",
        ),
        (
            "seal/mod.rs",
            "mod tests {\n use super::super::store;\n}",
            "src/seal/mod.rs:2: seal (layer 2) imports store (layer 2)",
        ),
        (
            "seal/mod.rs",
            "pub use crate :: r#play :: X;",
            "src/seal/mod.rs:1: seal (layer 2) imports play (layer 4)",
        ),
        (
            "cli/mod.rs",
            "use crate::config::Config;",
            "src/cli/mod.rs:1: cli (layer 5) imports config (layer 5)",
        ),
        ("util/mod.rs", "", "src/util/mod.rs:1: util is in no layer"),
        ("seal/mod.rs", "use crate::unheard::X;", "src/seal/mod.rs:1: unheard is in no layer"),
        ("seal/mod.rs", "use crate::{*};", "src/seal/mod.rs:1: a glob import of the crate's root"),
    ] {
        let got = found(path, text);
        assert!(got.len() == 1 && got[0].starts_with(want), "{text}: {got:?}");
    }
    for (path, text) in [
        (
            "record/relay.rs",
            "use crate::{event::Event, sys::{pty, tty}};\nuse crate::recording::live;",
        ),
        ("record/relay.rs", "use super::writer; use self::x; use crate::record::y;"),
        (
            "store/mod.rs",
            "// use crate::record::X;\n/* crate::play /* crate::cmd */ */ const S: &str = \"crate::cmd\";",
        ),
        (
            "store/mod.rs",
            "const S: &str = r#\"use crate::cmd; \"\"#; const C: char = '\"'; fn f<'a>(x: &'a str) {}",
        ),
        ("cmd/mod.rs", "use crate::{cli, config};"),
        ("lib.rs", "pub mod cmd;"),
        ("main.rs", "fn main() { hrec::cmd::main() }"),
    ] {
        assert_none(&found(path, text));
    }

    let unsafe_in = |path: &str, text: &str| unsafety(path, &tokens(text), text).len();
    assert_eq!(unsafe_in("record/mod.rs", "fn f() { unsafe { g() } }"), 1);
    assert_eq!(unsafe_in("sys/mod.rs", "fn f() { unsafe { g() } }"), 0);
    assert_eq!(unsafe_in("record/mod.rs", "// unsafe\n#![deny(unsafe_code)]"), 0);

    let shape_of = |path: &str, text: &str| shape(path, &tokens(text), text);
    let long = format!("//! x\n{}", "fn f() {}\n".repeat(LONGEST));
    assert!(shape_of("play/mod.rs", &long)[0].contains("501 lines"));
    let tested =
        format!("//! x\n#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(LONGEST));
    assert_none(&shape_of("play/mod.rs", &tested));
    assert!(shape_of("play/mod.rs", "use x;")[0].contains("says what it is for"));
    assert_eq!(shape_of("play/util.rs", "//! x\n").len(), 1);
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// Applies a check to every file below `src/`.
fn each_file(check: fn(&str, &[Token<'_>], &str) -> Vec<String>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(files.len() > 10, "found only {files:?}");
    let mut violations = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
        violations.extend(check(path, &tokens(&text), &text));
    }
    violations
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn imports(path: &str, tokens: &[Token<'_>], _text: &str) -> Vec<String> {
    let layers: HashMap<&str, u8> =
        LAYERS.iter().flat_map(|(layer, names)| names.iter().map(|n| (*n, *layer))).collect();
    // The module path of the file: src/a/b.rs and src/a/b/mod.rs are a::b.
    let mut module: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    if module.last() == Some(&"mod") {
        module.pop();
    }
    // The roots see everything.
    if matches!(module[..], ["lib"] | ["main"]) {
        return Vec::new();
    }
    let own = module[0];
    let Some(&own_layer) = layers.get(own) else {
        return vec![format!(
            "src/{path}:1: {own} is in no layer; put it into the table in tests/layers.rs and DESIGN"
        )];
    };

    let mut violations = Vec::new();
    let mut judge = |name: &str, line: usize| {
        if name == own {
            return;
        }
        match layers.get(name) {
            Some(&layer) if layer < own_layer => {}
            Some(&layer) => violations.push(format!(
                "src/{path}:{line}: {own} (layer {own_layer}) imports {name} (layer {layer}); imports go down only"
            )),
            None if name == "*" => violations.push(format!("src/{path}:{line}: a glob import of the crate's root")),
            None => violations.push(format!("src/{path}:{line}: {name} is in no layer")),
        }
    };

    // Inline modules that are open at this token: the brace depth of each.
    let mut inline: Vec<usize> = Vec::new();
    let mut braces = 0;
    let mut i = 0;
    while let Some(token) = tokens.get(i) {
        match token.text {
            "{" => {
                braces += 1;
                if i >= 2 && tokens[i - 2].text == "mod" {
                    inline.push(braces);
                }
            }
            "}" => {
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
                braces -= 1;
            }
            "crate" => {
                if let Some(after) = path_separator(tokens, i + 1) {
                    root_names(tokens, after, &mut judge);
                }
            }
            "super" => {
                // As many `super` as there are modules around: the root.
                let mut ups = 1;
                let mut at = i;
                let mut after = path_separator(tokens, at + 1);
                while let Some(next) =
                    after.filter(|&n| tokens.get(n).is_some_and(|t| t.text == "super"))
                {
                    ups += 1;
                    at = next;
                    after = path_separator(tokens, at + 1);
                }
                if let Some(after) = after.filter(|_| ups == module.len() + inline.len()) {
                    root_names(tokens, after, &mut judge);
                }
                i = at;
            }
            _ => {}
        }
        i += 1;
    }
    violations
}

/// The index after `::`, if that is what stands at `i`.
fn path_separator(tokens: &[Token<'_>], i: usize) -> Option<usize> {
    let colon = |i: usize| tokens.get(i).is_some_and(|t| t.text == ":");
    (colon(i) && colon(i + 1)).then_some(i + 2)
}

/// Calls `judge` with each first name of the path, or group of paths, at `i`.
fn root_names(tokens: &[Token<'_>], i: usize, judge: &mut impl FnMut(&str, usize)) {
    let Some(first) = tokens.get(i) else { return };
    if first.text != "{" {
        judge(first.text, first.line);
        return;
    }
    let mut depth = 0;
    let mut begins = false;
    for token in &tokens[i..] {
        match token.text {
            "{" => {
                depth += 1;
                begins = depth == 1;
                continue;
            }
            "}" => depth -= 1,
            "," => {
                begins = depth == 1;
                continue;
            }
            name if begins && depth == 1 => judge(name, token.line),
            _ => {}
        }
        begins = false;
        if depth == 0 {
            return;
        }
    }
}

fn unsafety(path: &str, tokens: &[Token<'_>], _text: &str) -> Vec<String> {
    if path.starts_with("sys/") || path == "sys.rs" {
        return Vec::new();
    }
    let found = tokens.iter().filter(|t| t.text == "unsafe");
    found.map(|t| format!("src/{path}:{}: unsafe is for src/sys only", t.line)).collect()
}

fn shape(path: &str, tokens: &[Token<'_>], text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    let name = path.rsplit('/').next().unwrap();
    if !text.starts_with("//!") && name != "tests.rs" {
        violations.push(format!("src/{path}:1: a module opens with //! and says what it is for"));
    }
    if ["util.rs", "utils.rs", "helpers.rs", "misc.rs", "common.rs"].contains(&name) {
        violations.push(format!("src/{path}:1: name the module after what it does"));
    }
    let lines = text.lines().count() - test_lines(tokens);
    if lines > LONGEST && name != "tests.rs" {
        violations.push(format!(
            "src/{path}:1: {lines} lines apart from its tests; at most {LONGEST}: split it"
        ));
    }
    violations
}

/// How many lines are in `#[cfg(test)] mod name { ... }`.
fn test_lines(tokens: &[Token<'_>]) -> usize {
    let mut lines = 0;
    for (i, window) in tokens.windows(7).enumerate() {
        if window.iter().map(|t| t.text).ne(["#", "[", "cfg", "(", "test", ")", "]"]) {
            continue;
        }
        let Some(open) =
            tokens[i..].iter().position(|t| t.text == "{" || t.text == ";").map(|n| n + i)
        else {
            continue;
        };
        let mut depth = 0;
        for token in &tokens[open..] {
            match token.text {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                lines += token.line - window[0].line + 1;
                break;
            }
        }
    }
    lines
}

struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// Identifiers and single punctuation characters; no comments, no literals.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
    let mut out = Vec::new();
    let (mut i, mut line) = (0, 1);
    // Moves to `end`, counting the lines passed.
    let advance = |i: &mut usize, line: &mut usize, end: usize| {
        let end = end.min(bytes.len());
        *line += bytes[*i..end].iter().filter(|b| **b == b'\n').count();
        *i = end;
    };
    while i < bytes.len() {
        let end = match (at(i), at(i + 1)) {
            (b'/', b'/') => text[i..].find('\n').map_or(text.len(), |n| i + n),
            (b'/', b'*') => {
                let (mut depth, mut j) = (1, i + 2);
                while depth > 0 && j < bytes.len() {
                    match (at(j), at(j + 1)) {
                        (b'/', b'*') => (depth, j) = (depth + 1, j + 2),
                        (b'*', b'/') => (depth, j) = (depth - 1, j + 2),
                        _ => j += 1,
                    }
                }
                j
            }
            (b'"', _) => after_string(bytes, i),
            // A character, or a lifetime.
            (b'\'', b'\\') => text[i + 3..].find('\'').map_or(text.len(), |n| i + 3 + n + 1),
            (b'\'', _) => {
                let len = text[i + 1..].chars().next().map_or(1, char::len_utf8);
                if at(i + 1 + len) == b'\'' { i + len + 2 } else { i + 1 }
            }
            (b, _) if word(b) => {
                let mut j = i;
                while word(at(j)) {
                    j += 1;
                }
                let name = &text[i..j];
                let hashes = bytes[j..].iter().take_while(|b| **b == b'#').count();
                if matches!(name, "r" | "br" | "cr") && at(j + hashes) == b'"' {
                    let close = format!("\"{}", "#".repeat(hashes));
                    let body = j + hashes + 1;
                    text[body..].find(&close).map_or(text.len(), |n| body + n + close.len())
                } else if matches!(name, "b" | "c") && at(j) == b'"' {
                    after_string(bytes, j)
                } else if name == "r" && hashes == 1 {
                    j + 1 // A raw identifier: the name is the next token.
                } else {
                    out.push(Token { text: name, line });
                    j
                }
            }
            (b, _) if b.is_ascii_whitespace() => i + 1,
            _ => {
                out.push(Token { text: &text[i..=i], line });
                i + 1
            }
        };
        advance(&mut i, &mut line, end);
    }
    out
}

/// The index after the string that begins at `i`.
fn after_string(bytes: &[u8], i: usize) -> usize {
    let mut j = i + 1;
    while j < bytes.len() && bytes[j] != b'"' {
        j += if bytes[j] == b'\\' { 2 } else { 1 };
    }
    j + 1
}
