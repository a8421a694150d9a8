//! What holds whatever happens.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Typed(Vec<u8>, Option<LineMode>),
    Output(Vec<u8>),
    Resized(u16, u16),
    Waits(u64),
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-e ]{1,4}".prop_map(String::into_bytes),
        1 => Just("漢e\u{301}".into()),
        2 => prop::sample::select(vec![
            "\r", "\n", "\r\n", "\t", "\x7f", "\x08", "\x1b", "\x1b[", "\x1b[A", "\x1b[200~",
            "\x1b[201~", "\x1b[?2004h", "\x1b[?1000h", "\x1b[6n", "\x1b[1;2R", "\x1b[M !!",
            "\x1b]11;rgb:0/0/0\x07", "\x1b]52;c;eA==\x1b\\", "\x1b[97u", "\x1bOq", "\x1b[2J", "\x1b[H",
            "\x1b[3;5H", "\x1b[K", "\x1b[1P", "\x1b[2@", "\x1b[4h", "\x1b7", "\x1b8", "\x1b[2;5r",
            "\x1b[?1049h", "\x1b[?1049l", "\x1b[9b", "Password: ", "\x1b[8m", "\x1bM", "\x1b[L",
        ]).prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..6),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn mode() -> impl Strategy<Value = Option<LineMode>> {
    prop::sample::select(vec![None, Some(COOKED), Some(RAW), Some(RAW), Some(HIDDEN)])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (bytes(), mode()).prop_map(|(b, m)| Step::Typed(b, m)),
        4 => bytes().prop_map(Step::Output),
        1 => (0u16..90, 0u16..40).prop_map(|(c, r)| Step::Resized(c, r)),
        2 => prop::sample::select(vec![1u64, 5_000, 50_000, 150_000, 1_500_000]).prop_map(Step::Waits),
    ]
}

/// Plays the steps, each read cut into pieces of at most this many bytes.
fn play(mode: Mode, steps: &[Step], piece: usize) -> Vec<Decision> {
    let mut judge = Judge::new(mode, TermSize::clamped(20, 8));
    let mut now = 0;
    for step in steps {
        match step {
            Step::Typed(bytes, line) => {
                bytes.chunks(piece).for_each(|part| judge.typed(now, part, *line));
            }
            Step::Output(bytes) => bytes.chunks(piece).for_each(|part| judge.output(now, part)),
            Step::Resized(cols, rows) => {
                judge.resized(now, TermSize::clamped(u64::from(*cols), u64::from(*rows)));
            }
            Step::Waits(time) => now += time,
        }
        assert!(judge.waiting_bytes <= 64 << 10 && judge.tail.len() <= 3 * TAIL);
        if let Some(due) = judge.due() {
            assert!(due <= now + PATIENCE, "due at {due}, now {now}");
        }
    }
    judge.end(now);
    assert_eq!(judge.due(), None);
    assert_eq!(judge.waiting_bytes, 0);
    std::iter::from_fn(|| judge.next_decision()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_interleaving_gives_decisions_in_order(steps in prop::collection::vec(step(), 0..40),
        mode in prop::sample::select(vec![Mode::Echoed, Mode::Full, Mode::None]))
    {
        let decisions = play(mode, &steps, usize::MAX);
        let mut last = 0;
        for decision in decisions {
            if let Decision::Keep { start_us, end_us, .. }
            | Decision::Masked { start_us, end_us, .. } = decision {
                prop_assert!(last <= start_us && start_us <= end_us);
                last = start_us;
                prop_assert_ne!(mode, Mode::None);
            }
        }
    }

    #[test]
    fn cutting_reads_changes_nothing(steps in prop::collection::vec(step(), 0..30),
        mode in prop::sample::select(vec![Mode::Echoed, Mode::Full]), piece in 1usize..5)
    {
        prop_assert_eq!(play(mode, &steps, usize::MAX), play(mode, &steps, piece));
    }

    /// With echo off nothing is kept but keys, whatever is put out.
    #[test]
    fn nothing_typed_with_echo_off_is_kept(
        typed in prop::collection::vec(("[ -~]{1,5}", bytes(), any::<bool>()), 1..20),
        mode in prop::sample::select(vec![Mode::Echoed, Mode::Full]))
    {
        let mut judge = Judge::new(mode, TermSize::clamped(20, 8));
        let mut now = 0;
        for (text, output, enter) in typed {
            now += 150_000;
            judge.typed(now, text.as_bytes(), Some(HIDDEN));
            judge.output(now, text.as_bytes());
            judge.output(now, &output);
            if enter {
                judge.typed(now + 20_000, b"\r", Some(HIDDEN));
            }
        }
        judge.end(now + 30_000);
        while let Some(decision) = judge.next_decision() {
            if let Decision::Keep { bytes, .. } = decision {
                prop_assert_eq!(bytes, b"\r".to_vec());
            }
        }
    }

    /// A password of at least four characters that a remote program (the PTY
    /// here is raw) does not echo, with output around and after it that may
    /// well hold it, only not where it was typed.
    #[test]
    fn a_password_that_is_not_echoed_is_not_kept(
        password in "[a-d]{4,8}", before in bytes(), prompt in "[a-z]{0,5}[:?>] ",
        between in prop::collection::vec("[*x]", 8), after in bytes(), stars in any::<bool>(),
        again in any::<bool>())
    {
        let mut judge = Judge::new(Mode::Echoed, TermSize::clamped(40, 12));
        judge.output(0, &before);
        // End what it may have left unfinished, and be somewhere.
        judge.output(0, b"\x1b\\\r\n\x1b[0m");
        judge.output(0, prompt.as_bytes());
        let mut now = 0;
        for (c, star) in password.bytes().zip(&between) {
            now += 120_000;
            judge.typed(now, &[c], Some(RAW));
            if stars {
                judge.output(now + 100, star.as_bytes());
            }
        }
        judge.typed(now + 120_000, b"\r", Some(RAW));
        judge.output(now + 130_000, b"\r\n");
        if again {
            judge.output(now + 130_000, password.as_bytes());
        }
        judge.output(now + 130_000, &after);
        judge.end(now + 140_000);
        while let Some(decision) = judge.next_decision() {
            if let Decision::Keep { bytes, .. } = decision {
                prop_assert_eq!(bytes, b"\r".to_vec());
            }
        }
    }
}
