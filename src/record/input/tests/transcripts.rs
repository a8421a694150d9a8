//! What real programs show, recorded in a terminal of 40 columns: bash 5.2,
//! zsh 5.9, fish 3.6, vim 9.0, Python 3, psql 15, ncurses, OpenSSH.
//!
//! A line is `["o", seconds, output]` or `["i", seconds, typed, ECHO, ICANON]`,
//! each character a byte.

use serde_json::Value;

use super::*;

/// What is decided of this transcript, its reads cut into pieces.
fn judged(mode: Mode, transcript: &str, piece: usize) -> Vec<String> {
    let mut judge = Judge::new(mode, TermSize::clamped(40, 24));
    let mut now = 0;
    for line in transcript.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        now = (event[1].as_f64().unwrap() * 1e6) as Micros;
        let bytes: Vec<u8> = event[2].as_str().unwrap().chars().map(|c| c as u8).collect();
        let line = event[3].as_bool().zip(event[4].as_bool());
        let line = line.map(|(echo, canonical)| LineMode { echo, canonical });
        for part in bytes.chunks(piece) {
            match event[0].as_str() {
                Some("o") => judge.output(now, part),
                _ => judge.typed(now, part, line),
            }
        }
    }
    judge.end(now + 2_000_000);
    decisions(&mut judge)
}

fn check(transcript: &str, want: &[&str]) {
    for piece in [usize::MAX, 7, 1] {
        assert_eq!(judged(Mode::Echoed, transcript, piece), want, "in pieces of {piece}");
    }
}

/// What is typed without echo is not kept in full mode either, where the PTY
/// or a prompt says so; a remote `read -s` says nothing.
#[test]
fn full_mode() {
    for transcript in [
        include_str!("transcripts/bash.jsonl"),
        include_str!("transcripts/zsh.jsonl"),
        include_str!("transcripts/vim.jsonl"),
        include_str!("transcripts/getpass.jsonl"),
        include_str!("transcripts/curses.jsonl"),
        include_str!("transcripts/psql.jsonl"),
    ] {
        let kept = judged(Mode::Full, transcript, usize::MAX);
        assert!(kept.iter().any(|d| d.starts_with("masked")), "{kept:?}");
        let text: String = kept.iter().filter_map(|d| d.strip_prefix("keep ")).collect();
        assert!(!text.contains("hunter") && !text.contains("nter"), "{kept:?}");
    }
}

#[test]
fn bash() {
    check(
        include_str!("transcripts/bash.jsonl"),
        &[
            "keep echo hi",
            "keep \\r",
            "keep ls x",
            "keep \\x7f",
            "keep \\x7f",
            "keep yz",
            "keep \\x1b[D",
            "keep \\x1b[D",
            "keep q",
            "keep \\x03",
            "keep echo abcdefghijabcdefghijabcdefghijabcdefghij",
            "keep \\r",
            "keep \\x1b[200~one\\rtwo\\x1b[201~",
            "keep \\r",
            "keep caf\\xc3\\xa9 \\xe6\\xbc\\xa2\\xe5\\xad\\x97",
            "keep \\r",
            "keep read -s p",
            "keep \\r",
            "masked echo",
            "keep \\r",
            "keep ec",
            "keep \\t",
            "keep  x",
            "keep \\r",
        ],
    );
}

#[test]
fn zsh() {
    check(
        include_str!("transcripts/zsh.jsonl"),
        &[
            "keep echo hi",
            "keep \\r",
            "keep ls x",
            "keep \\x7f",
            "keep \\x7f",
            "keep yz",
            "keep \\x1b[D",
            "keep \\x1b[D",
            "keep q",
            "keep \\x03",
            "keep echo abcdefghijabcdefghijabcdefghijabcdefghij",
            "keep \\r",
            "keep \\x1b[200~echo one\\rtwo\\x1b[201~",
            "keep \\x03",
            "keep read -s p",
            "keep \\r",
            "masked echo",
            "keep \\r",
        ],
    );
}

#[test]
fn fish() {
    check(
        include_str!("transcripts/fish.jsonl"),
        &[
            "keep echo hi",
            "keep \\r",
            "keep echo",
            "keep \\r",
            "keep ls x",
            "keep \\x7f",
            "keep \\x7f",
            "keep yz",
            "keep \\x1b[D",
            "keep \\x1b[D",
            "keep q",
            "keep \\x03",
            "masked echo",
            "keep \\x03",
            "keep read -s p",
            "keep \\r",
            "masked echo",
            "keep \\r",
        ],
    );
}

#[test]
fn vim() {
    check(
        include_str!("transcripts/vim.jsonl"),
        &[
            "reply \\x1b[1;1R",
            "masked undecided",
            "keep \\x1b",
            "masked undecided",
            "keep \\r",
            "masked echo",
            "keep \\r",
            "masked prompt",
            "keep \\r",
            "masked prompt",
            "keep \\r",
            "masked undecided",
            "keep \\r",
        ],
    );
}

#[test]
fn cat() {
    check(
        include_str!("transcripts/cat.jsonl"),
        &[
            "keep hello",
            "keep \\x7f",
            "keep p",
            "keep \\r",
            "keep a\\tb\\nc",
            "keep \\n",
            "keep \\x04",
        ],
    );
}

#[test]
fn python() {
    check(
        include_str!("transcripts/python.jsonl"),
        &["keep 1+2", "keep \\r", "keep (ab)", "keep \\r", "keep \\x04"],
    );
}

#[test]
fn getpass() {
    check(include_str!("transcripts/getpass.jsonl"), &["masked echo", "keep \\r"]);
}

#[test]
fn ssh() {
    check(
        include_str!("transcripts/ssh.jsonl"),
        &[
            "keep ls x",
            "keep \\x7f",
            "keep y",
            "keep \\r",
            "keep read -s p",
            "keep \\r",
            "masked undecided",
            "keep \\x7f",
            "masked undecided",
            "keep \\r",
            "keep read -sp Go: p",
            "keep \\r",
            "masked echo",
            "keep \\r",
            "keep exit",
            "keep \\r",
        ],
    );
}

#[test]
fn curses() {
    check(
        include_str!("transcripts/curses.jsonl"),
        &["keep alice", "keep \\r", "masked prompt", "keep \\r"],
    );
}

#[test]
fn readline() {
    check(
        include_str!("transcripts/readline.jsonl"),
        &[
            "keep alice b",
            "keep \\x1b[D",
            "keep \\x1b[D",
            "keep x",
            "keep \\r",
            "keep ok",
            "keep \\r",
        ],
    );
}

#[test]
fn psql() {
    check(
        include_str!("transcripts/psql.jsonl"),
        &[
            "keep select 1;",
            "keep \\r",
            "keep \\\\password bob",
            "keep \\r",
            "masked echo",
            "keep \\r",
            "masked echo",
            "keep \\r",
        ],
    );
}
