//! The judge, told what was typed and shown.

mod properties;
mod replies;
mod transcripts;

use super::*;

const COOKED: LineMode = LineMode { echo: true, canonical: true };
const HIDDEN: LineMode = LineMode { echo: false, canonical: true };
const RAW: LineMode = LineMode { echo: false, canonical: false };

/// A session that goes on as it is told.
struct Told {
    judge: Judge,
    now: Micros,
    line: LineMode,
}

impl Told {
    fn new(mode: Mode) -> Self {
        Self { judge: Judge::new(mode, TermSize::clamped(40, 24)), now: 0, line: RAW }
    }

    /// Typed by fingers: a key each 100 ms, echoed if `echo`.
    fn keys(mut self, text: &str, echo: bool) -> Self {
        for c in text.chars() {
            self = self.types(&c.to_string());
            if echo {
                self = self.shows(&c.to_string());
            }
        }
        self
    }

    fn types(mut self, text: &str) -> Self {
        self.now += 100_000;
        self.judge.typed(self.now, text.as_bytes(), Some(self.line));
        self
    }

    fn shows(mut self, text: &str) -> Self {
        self.now += 1000;
        self.judge.output(self.now, text.as_bytes());
        self
    }

    fn line(mut self, line: LineMode) -> Self {
        self.line = line;
        self
    }

    fn waits(mut self, ms: u64) -> Self {
        self.now += ms * 1000;
        self.judge.tick(self.now);
        self
    }

    fn ends(mut self) -> Vec<String> {
        self.judge.end(self.now);
        decisions(&mut self.judge)
    }

    /// What is decided 2 s from now.
    fn decides(self) -> Vec<String> {
        self.waits(2000).ends()
    }
}

/// `keep TEXT`, `masked REASON` and `reply TEXT`, escaped.
fn decisions(judge: &mut Judge) -> Vec<String> {
    std::iter::from_fn(|| judge.next_decision())
        .map(|decision| match decision {
            Decision::Keep { bytes, .. } => format!("keep {}", bytes.escape_ascii()),
            Decision::Masked { reason, .. } => format!("masked {}", reason.name()),
            Decision::Reply { bytes } => format!("reply {}", bytes.escape_ascii()),
        })
        .collect()
}

fn echoed() -> Told {
    Told::new(Mode::Echoed).shows("$ ")
}

#[test]
fn a_command_that_is_echoed_is_kept() {
    let told = echoed().keys("ls -l", true).types("\r").shows("\r\ntotal 0\r\n$ ");
    assert_eq!(told.decides(), ["keep ls -l", "keep \\r"]);
}

#[test]
fn it_is_judged_a_second_after_its_end_and_says_when_it_was_typed() {
    let mut told = echoed().keys("ls", true).types("\r").shows("\r\n");
    assert_eq!(told.judge.due(), Some(302_000 + 1_000_000 + 1000));
    let due = told.judge.due().unwrap();
    told.judge.tick(due - 1);
    assert_eq!(told.judge.next_decision(), None);
    told.judge.tick(due);
    let kept = Decision::Keep { start_us: 101_000, end_us: 202_000, bytes: b"ls".to_vec() };
    assert_eq!(told.judge.next_decision(), Some(kept));
    assert_eq!(told.judge.due(), None);
}

#[test]
fn an_echo_that_comes_late_counts() {
    let told = echoed().keys("ls", false).types("\r").waits(700).shows("ls\r\n$ ");
    assert_eq!(told.decides(), ["keep ls", "keep \\r"]);
}

#[test]
fn an_echo_that_comes_too_late_does_not() {
    let told = echoed().keys("ls", false).types("\r").waits(1100).shows("ls\r\n$ ");
    assert_eq!(told.decides(), ["masked undecided", "keep \\r"]);
}

#[test]
fn what_is_shown_at_the_end_of_the_session_is_kept_and_the_rest_masked() {
    assert_eq!(
        echoed().keys("exit", true).types("\r").shows("\r\n").ends(),
        ["keep exit", "keep \\r"]
    );
    assert_eq!(echoed().keys("exit", false).ends(), ["masked undecided"]);
}

#[test]
fn what_does_not_come_back_is_masked() {
    let told = echoed().keys("hunter2", false).types("\r").shows("\r\nok\r\n$ ");
    assert_eq!(told.decides(), ["masked echo", "keep \\r"]);
}

#[test]
fn stars_are_not_the_password() {
    let mut told = echoed();
    for c in "hunter2".chars() {
        told = told.types(&c.to_string()).shows("*");
    }
    assert_eq!(told.types("\r").shows("\r\n").decides(), ["masked echo", "keep \\r"]);
    // The last character in the clear for a moment.
    let told = echoed().types("a").shows("a").waits(50).shows("\x08*").types("b").shows("b\x08*");
    assert_eq!(told.types("\r").shows("\r\n").decides(), ["masked echo", "keep \\r"]);
}

#[test]
fn output_that_begins_with_the_password_does_not_show_it() {
    for after in ["apple\r\n", "a pie\r\n", "\x1b[1mapple\r\n", "\r\na\r\n", "\ra\r\n"] {
        let told = echoed().shows("Name? ").types("a").types("\r").shows(after);
        assert_eq!(told.decides(), ["masked echo", "keep \\r"], "{after:?}");
    }
    let told = echoed().keys("Login", false).types("\r").shows("Login incorrect\r\n$ ");
    assert_eq!(told.decides(), ["masked echo", "keep \\r"]);
}

#[test]
fn output_that_was_there_before_it_was_typed_does_not_show_it() {
    // Typed ahead, while a banner goes by that has the same words.
    let told = echoed().types("h").shows("hi\x08").types("i").shows("\x1b[C\r\n");
    assert_eq!(told.types("\r").decides(), ["masked echo", "keep \\r"]);
}

#[test]
fn concealed_text_and_line_drawing_do_not_show_it() {
    let told = echoed().shows("\x1b[8m").keys("abc", true).types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["masked echo", "keep \\r"]);
    let told = echoed().shows("\x1b(0").keys("lqk", true).types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["masked echo", "keep \\r"]);
}

#[test]
fn the_same_characters_elsewhere_do_not_show_it() {
    for at in ["\x1b[3;1H", "\x1b[A", "\x1b[5C", "\r", "\x08"] {
        let told = echoed().shows("\x1b[5;5H").keys("pw", false).shows(at).shows("pw");
        assert_eq!(told.types("\r").shows("\r\n").decides(), ["masked echo", "keep \\r"], "{at:?}");
    }
}

#[test]
fn a_corrected_password_is_masked_piece_by_piece() {
    // The prompt shows nothing, then the program says one of the pieces.
    let told = echoed().keys("secret", false).types("\x7f").types("t").types("\r").shows("t\r\n");
    assert_eq!(told.decides(), ["masked echo", "keep \\x7f", "masked echo", "keep \\r"]);
}

#[test]
fn corrections_in_a_shell() {
    let told = echoed()
        .keys("lss", true)
        .types("\x7f")
        .shows("\x08 \x08")
        .keys(" -l", true)
        .types("\x1b[D")
        .shows("\x08")
        .types("a")
        .shows("al\x08")
        .types("\r")
        .shows("\r\n");
    let want = ["keep lss", "keep \\x7f", "keep  -l", "keep \\x1b[D", "keep a", "keep \\r"];
    assert_eq!(told.decides(), want);
}

#[test]
fn corrections_whose_echo_lags() {
    let told = echoed().types("lss").types("\x7f").shows("lss\x08\x1b[K").types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["keep lss", "keep \\x7f", "keep \\r"]);
}

#[test]
fn completion_writes_on_behind_the_run() {
    let told = echoed().keys("ec", true).types("\t").shows("ho ").keys("x", true);
    let want = ["keep ec", "keep \\t", "keep x", "keep \\r"];
    assert_eq!(told.types("\r").shows("\r\n").decides(), want);
    let lagging = echoed().keys("ec", false).types("\t").shows("echo ");
    assert_eq!(lagging.decides(), ["keep ec", "keep \\t"]);
}

#[test]
fn the_mode_of_the_pty_masks_whatever_comes_back() {
    let told = echoed().line(HIDDEN).keys("pw", true).types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["masked echo", "keep \\r"]);
    // Also when only the last of it was typed so.
    let told = echoed().line(COOKED).keys("p", true).line(HIDDEN).keys("w", true);
    assert_eq!(told.types("\r").decides(), ["masked echo", "keep \\r"]);
    let told = Told::new(Mode::Full).line(HIDDEN).keys("pw", false).types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["masked echo", "keep \\r"]);
}

#[test]
fn a_prompt_masks_whatever_comes_back() {
    for prompt in [
        vec!["Password: "],
        vec!["Pass", "wor", "d", ": "],
        vec!["\x1b[1;31m[sudo]\x1b[0m password for ", "\x1b[4malice\x1b[0m: "],
        vec!["\r\x1b[KPasswort für Benutzer alice: "],
        vec!["\x1b[5;3HName\x1b[7;3HPassword: [      ]\x1b[7;14H"],
        vec!["Enter passphrase for key '/home/alice/.ssh/a-rather-long-name/id_ed25519': "],
        vec!["パスワ\u{30fc}ド："],
    ] {
        for mode in [Mode::Echoed, Mode::Full] {
            let mut told = Told::new(mode);
            for part in &prompt {
                told = told.shows(part);
            }
            let told = told.keys("hunter2", true).types("\r").shows("\r\n");
            assert_eq!(told.decides(), ["masked prompt", "keep \\r"], "{prompt:?}");
        }
    }
}

#[test]
fn a_prompt_is_remembered_when_the_terminal_gets_another_size() {
    for mode in [Mode::Echoed, Mode::Full] {
        let mut told = Told::new(mode).shows("Password: ");
        for cols in [60, 80] {
            told.judge.resized(told.now, TermSize::clamped(cols, 24));
        }
        let told = told.types("hunter2").types("\r").shows("\r\n$ ").types("ls").decides();
        assert!(told.iter().all(|line| !line.contains("hunter2")), "{told:?}");
        assert_eq!(mode == Mode::Full, told.contains(&"keep ls".to_owned()), "{told:?}");
    }
}

/// A clock in a corner, drawn where nothing is known of the rows yet.
#[test]
fn a_prompt_is_remembered_where_the_cursor_comes_back() {
    let clock = "\x1b7\x1b[1;30H12:00:00\x1b8";
    for mode in [Mode::Echoed, Mode::Full] {
        let told = Told::new(mode).shows("Password: ").shows(clock).types("hun").shows(clock);
        let told = told.types("ter2").shows(clock).types("\r").shows("\r\n").waits(1100).ends();
        assert!(
            told.iter().all(|line| !line.contains("hun") && !line.contains("ter2")),
            "{told:?}"
        );
    }
}

#[test]
fn what_is_typed_again_at_a_prompt_is_masked_too() {
    for (echo, erase) in [(true, "\x08 \x08"), (false, ""), (false, "*")] {
        let told = Told::new(Mode::Full).shows("Password: ").keys("ab", echo).types("\x7f");
        let told = told.shows(erase).keys("c", echo).types("\r").shows("\r\n");
        let want = ["masked prompt", "keep \\x7f", "masked prompt", "keep \\r"];
        assert_eq!(told.decides(), want, "{erase:?}");
    }
}

#[test]
fn a_prompt_that_comes_while_one_types_masks() {
    for mode in [Mode::Echoed, Mode::Full] {
        let told = Told::new(mode).keys("hun", false).shows("Password: ").keys("ter2", false);
        assert_eq!(told.types("\r").shows("\r\n").decides(), ["masked prompt", "keep \\r"]);
    }
}

#[test]
fn the_word_typed_in_a_command_is_no_prompt() {
    for mode in [Mode::Echoed, Mode::Full] {
        let told = Told::new(mode)
            .shows("$ ")
            .types("grep password: f")
            .shows("grep password: f")
            .types("\x1b[D");
        let told = told.shows("\x08").types("\x7f").shows("\x08f\x08").types(".").shows(".f\x08");
        let told = told.types("\r").shows("\r\n");
        let want = ["keep grep password: f", "keep \\x1b[D", "keep \\x7f", "keep .", "keep \\r"];
        assert_eq!(told.decides(), want);
    }
}

#[test]
fn full_keeps_what_is_not_shown() {
    let told = Told::new(Mode::Full).shows("$ ").keys("jjk", false).types("\x1bOA").types("q");
    assert_eq!(told.decides(), ["keep jjk", "keep \\x1bOA", "keep q"]);
}

#[test]
fn full_keeps_a_long_run_by_the_second() {
    let told = Told::new(Mode::Full).shows("x").keys("jjjjjjjjjjjj", false);
    let mut told = told;
    assert_eq!(decisions(&mut told.judge), ["keep jjjjjjjjjj"]);
    assert_eq!(told.decides(), ["keep jj"]);
}

#[test]
fn none_keeps_nothing() {
    let told = Told::new(Mode::None).shows("$ \x1b[6n").types("\x1b[1;1R").keys("ls", true);
    let told = told.types("\r").line(HIDDEN).keys("pw", false);
    assert_eq!(told.judge.due(), None);
    assert_eq!(told.decides(), [""; 0]);
}

#[test]
fn pastes_are_one_run() {
    let on = "\x1b[?2004h";
    let told = echoed().shows(on).types("\x1b[200~one\rtwo\x1b[201~");
    let told = told.shows("\x1b[7mone\x1b[27m\r\n\r\x1b[7mtwo\x1b[27m").types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["keep \\x1b[200~one\\rtwo\\x1b[201~", "keep \\r"]);
    // All or nothing.
    let told = echoed().shows(on).types("\x1b[200~one\rtwo\x1b[201~").shows("one\r\nxxx");
    assert_eq!(told.decides(), ["masked undecided"]);
    // Without brackets, to a program that reads lines.
    let told =
        Told::new(Mode::Echoed).line(COOKED).types("a\tb\nc\n").shows("a\tb\r\nc\r\na\tb\r\nc\r\n");
    assert_eq!(told.decides(), ["keep a\\tb\\nc", "keep \\n"]);
    // A command and a password in one: the first line is not kept either.
    let told = echoed().types("sudo -s\rhunter2\r").shows("sudo -s\r\nPassword: ").shows("\r\n");
    assert_eq!(told.decides(), ["masked echo", "keep \\r"]);
}

#[test]
fn a_run_of_64_kib_is_judged_there() {
    let long = "x".repeat(70_000);
    let told = echoed().types(&long).shows(&long).types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["masked undecided", "keep \\r"]);
    let mut told = echoed();
    for part in long.as_bytes().chunks(1024) {
        let part = String::from_utf8_lossy(part).into_owned();
        told = told.types(&part).shows(&part);
    }
    let kept = told.types("\r").shows("\r\n").decides();
    let lengths: Vec<usize> = kept.iter().map(|k| k.len() - 5).collect();
    assert_eq!(lengths, [64 << 10, 70_000 - (64 << 10), 2]);
}

#[test]
fn wide_and_combining_characters_and_the_margin() {
    let text = "漢字かな e\u{301}a\u{308} 👍 ok";
    let told = echoed().keys(text, true).types("\r").shows("\r\n");
    let kept = told.decides();
    assert_eq!(kept.first(), Some(&format!("keep {}", text.as_bytes().escape_ascii())));
    // Another mark than the one typed.
    let told = echoed().types("e\u{301}").shows("e\u{300}").types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["masked echo", "keep \\r"]);
    // A wide character that does not fit in the last column.
    let text = "x".repeat(37) + "漢字";
    let told = echoed().keys(&text, true).types("\r").shows("\r\n");
    assert_eq!(told.decides().len(), 2);
    // To the margin and not past it.
    let text = "x".repeat(38);
    let told = echoed().keys(&text, true).types("\r").shows("\r\n");
    assert_eq!(told.decides(), [format!("keep {text}"), "keep \\r".into()]);
    // As readline and zsh wrap.
    let told = echoed().keys(&text, true).shows(" \r").keys("yz", true).types("\r").shows("\r\n");
    assert_eq!(told.decides(), [format!("keep {text}yz"), "keep \\r".into()]);
}

#[test]
fn utf8_may_come_in_parts() {
    let mut told = echoed();
    for byte in "é漢".as_bytes() {
        told.now += 1000;
        told.judge.typed(told.now, &[*byte], Some(RAW));
    }
    for byte in "é漢".as_bytes() {
        told.judge.output(told.now, &[*byte]);
    }
    assert_eq!(
        told.types("\r").shows("\r\n").decides(),
        ["keep \\xc3\\xa9\\xe6\\xbc\\xa2", "keep \\r"]
    );
    // What is no UTF-8 cannot be recognised.
    let mut told = echoed();
    told.judge.typed(told.now, b"\xe9", Some(RAW));
    told.judge.output(told.now, b"\xe9");
    assert_eq!(told.types("\r").shows("\r\n").decides(), ["masked echo", "keep \\r"]);
}

#[test]
fn blank_cells_show_spaces_only_between_other_text() {
    let told = echoed().types("a b").shows("a\x1b[Cb").types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["keep a b", "keep \\r"]);
    let told = echoed().types("   ").shows("\x1b[3C").types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["masked echo", "keep \\r"]);
}

#[test]
fn a_resize_leaves_in_doubt_what_was_not_yet_shown() {
    let mut told = echoed().keys("ls", true);
    told.judge.resized(told.now, TermSize::clamped(100, 30));
    assert_eq!(told.types("\r").shows("\r\n").decides(), ["masked undecided", "keep \\r"]);
}

#[test]
fn after_a_flood_the_next_prompt_is_judged_as_ever() {
    let flood = "some line of text\r\n\x1b[31mred\x1b[0m".repeat(20_000);
    let told = echoed().shows(&flood).shows("\r\n$ ").keys("ls", true).types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["keep ls", "keep \\r"]);
    let flood = "x".repeat(100_000);
    let told = echoed().shows(&flood).keys("ls", true).types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["masked undecided", "keep \\r"]);
}

#[test]
fn keys_that_send_text_as_sequences_are_text() {
    // kitty's protocol with all keys reported, and xterm's modifyOtherKeys.
    for password in
        ["\x1b[112u\x1b[119u", "\x1b[27;2;80~", "\x1b[112;1:1u\x1b[112;1:3u", "\x1bOq\x1bOr"]
    {
        let told = echoed().types(password).types("\r").shows("\r\n");
        assert_eq!(told.decides(), ["masked echo", "keep \\r"], "{password:?}");
    }
    let told =
        echoed().types("\x1b[112u").shows("p").types("\x1b[119;2u").shows("W").types("\x1bOq");
    let told = told.shows("1").types("\x1b[13u").shows("\r\n");
    assert_eq!(told.decides(), ["keep \\x1b[112u\\x1b[119;2u\\x1bOq", "keep \\x1b[13u"]);
    // With Control it is none.
    let told = echoed().types("\x1b[99;5u").types("\x1b[57353u");
    assert_eq!(told.decides(), ["keep \\x1b[99;5u", "keep \\x1b[57353u"]);
}

#[test]
fn many_keys_behind_an_undecided_run_stay_in_order_and_are_bounded() {
    let told = echoed().types("x").types(&"\x1b[A".repeat(5000));
    let kept = told.decides();
    assert_eq!(kept.len(), 5001);
    assert_eq!(kept[0], "masked undecided");
    assert!(kept[1..].iter().all(|k| k == "keep \\x1b[A"));
}

#[test]
fn nothing_wakes_a_session_in_which_nothing_is_typed() {
    let told = echoed().shows("\x1b[?1004h lots of output \r\n$ ");
    assert_eq!(told.judge.due(), None);
    let told = told.keys("ls", true);
    assert_eq!(told.judge.due(), None);
}
