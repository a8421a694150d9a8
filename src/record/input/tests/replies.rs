//! Answers of the terminal.

use super::*;

/// Whether this is taken for an answer after that output.
fn answers(output: &str, sent: &str) -> bool {
    let whole = echoed().shows(output).types(sent).decides();
    // Cut at any byte it is the same.
    for cut in 1..sent.len() {
        let Some((a, b)) = sent.split_at_checked(cut) else { continue };
        let mut told = echoed().shows(output).types(a);
        told.judge.typed(told.now + 20_000, b.as_bytes(), Some(RAW));
        assert_eq!(told.decides(), whole, "{sent:?} cut at {cut}");
    }
    match whole.as_slice() {
        [one] if *one == format!("reply {}", sent.as_bytes().escape_ascii()) => true,
        kept if kept.iter().any(|k| k.starts_with("reply")) => panic!("{kept:?}"),
        _ => false,
    }
}

#[test]
fn each_form_is_known() {
    for (output, sent) in [
        ("\x1b[c", "\x1b[?62;1;22c"),
        ("\x1b[>c", "\x1b[>41;380;0c"),
        ("\x1b[=c", "\x1bP!|00000000\x1b\\"),
        ("\x1b[5n", "\x1b[0n"),
        ("\x1b[6n", "\x1b[24;80R"),
        ("\x1b[?6n", "\x1b[?24;80R"),
        ("\x1b]10;?\x07", "\x1b]10;rgb:ffff/ffff/ffff\x07"),
        ("\x1b]11;?\x1b\\", "\x1b]11;rgb:0000/0000/0000\x1b\\"),
        ("\x1b]4;1;?\x07", "\x1b]4;1;rgb:cccc/0000/0000\x07"),
        ("\x1b[?1004h", "\x1b[I"),
        ("\x1b[?1004h", "\x1b[O"),
        ("\x1b[?1000h", "\x1b[M !!"),
        ("\x1b[?1000;1006h", "\x1b[<0;12;7M"),
        ("\x1b[?1003h\x1b[?1006h", "\x1b[<35;12;7m"),
        ("\x1b[?1002h\x1b[?1015h", "\x1b[32;12;7M"),
        ("\x1b[>q", "\x1bP>|XTerm(380)\x1b\\"),
        ("\x1b[?2026$p", "\x1b[?2026;2$y"),
        ("\x1b[?u", "\x1b[?0u"),
        ("\x1b[18t", "\x1b[8;24;80t"),
        ("\x1b[?996n", "\x1b[?997;1n"),
        ("\x1bP$qm\x1b\\", "\x1bP1$r0m\x1b\\"),
        ("\x1bP+q544e\x1b\\", "\x1bP1+r544e=78\x1b\\"),
        ("\x1b[x", "\x1b[2;1;1;120;120;1;0x"),
        ("\x1b[21t", "\x1b]lsome title\x1b\\"),
        ("", "\x1b_Gi=1;OK\x1b\\"),
    ] {
        assert!(answers(output, sent), "{sent:?}");
    }
}

#[test]
fn keys_of_the_same_form_are_keys() {
    for (output, sent) in [
        ("", "\x1b[1;2R"),
        ("", "\x1b[I"),
        ("\x1b[?1004h\x1b[?1004l", "\x1b[O"),
        ("", "\x1b[<0;1;1M"),
        ("\x1b[?1000h\x1bc", "\x1b[<0;1;1M"),
        ("", "\x1b[A"),
        ("", "\x1b[15~"),
        ("", "\x1bOP"),
        ("", "\x1b[[A"),
        ("", "\x1b[1;5C"),
        ("", "\x1bf"),
        ("", "\x1b"),
        ("", "\x1b\x1b[A"),
    ] {
        assert!(!answers(output, sent), "{sent:?}");
        let kept = format!("keep {}", sent.as_bytes().escape_ascii());
        assert_eq!(echoed().shows(output).types(sent).decides(), [kept], "{sent:?}");
    }
}

#[test]
fn f3_is_a_key_once_the_position_is_told() {
    let told = echoed().shows("\x1b[6n").types("\x1b[1;2R").types("\x1b[1;2R");
    assert_eq!(told.decides(), ["reply \\x1b[1;2R", "keep \\x1b[1;2R"]);
}

#[test]
fn an_answer_does_not_end_a_run() {
    let told = echoed().shows("\x1b[?1004h").keys("ec", true).types("\x1b[O").types("\x1b[I");
    let told = told.keys("ho", true).types("\r").shows("\r\n");
    assert_eq!(told.decides(), ["reply \\x1b[O", "reply \\x1b[I", "keep echo", "keep \\r"]);
}

#[test]
fn an_answer_does_not_tell_what_is_in_the_clipboard() {
    let sent = "\x1b]52;c;aHVudGVyMg==\x1b\\";
    assert_eq!(echoed().types(sent).decides(), ["reply \\x1b]52;\\x1b\\\\"]);
    let kept = Told::new(Mode::Full).types(sent).decides();
    assert_eq!(kept, ["reply \\x1b]52;c;aHVudGVyMg==\\x1b\\\\"]);
}

#[test]
fn a_lone_escape_is_a_key_after_a_moment_and_what_follows_is_text() {
    let mut told = echoed().types("\x1b");
    assert_eq!(told.judge.due(), Some(told.now + 100_000));
    told = told.waits(100);
    assert_eq!(decisions(&mut told.judge), ["keep \\x1b"]);
    // Nothing of a password goes into a sequence that is not finished.
    for start in ["\x1b]", "\x1bP", "\x1b[", "\x1b_"] {
        let told = echoed().types(start).waits(200).keys("123;45", false).types("\r").shows("\r\n");
        let key = format!("keep {}", start.as_bytes().escape_ascii());
        assert_eq!(told.decides(), [key.as_str(), "masked echo", "keep \\r"]);
    }
    let told = echoed().types("\x1b]0;hunter2\x07").shows("\r\n");
    assert_eq!(told.decides(), ["reply \\x1b]0;hunter2\\x07"]);
    let told = echoed().types("\x1bXhunter2\x1b\\").shows("\r\n");
    assert_eq!(told.decides(), ["masked echo"]);
}
