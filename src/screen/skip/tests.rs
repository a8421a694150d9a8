use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::*;
use crate::screen::keyframe::same;

/// avt fed with everything.
struct Full {
    terminal: Terminal,
    decoder: Decoder,
}

impl Full {
    fn new(size: TermSize) -> Self {
        Self { terminal: new_terminal(size), decoder: Decoder::default() }
    }

    fn output(&mut self, bytes: &[u8]) {
        let terminal = &mut self.terminal;
        self.decoder.decode(bytes, |text| terminal.feed(text));
    }

    fn resize(&mut self, size: TermSize) {
        self.terminal.resize(size.cols().into(), size.rows().into());
    }
}

#[derive(Debug, Clone)]
enum Step {
    Output(Vec<u8>),
    Resize(u64, u64),
    Keyframe,
    Allowance(Option<u64>),
}

/// What a case is like.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// How often odd things come between plain ones, in a thousand.
    odd: u32,
    alternate: bool,
    resizes: bool,
    allowance: bool,
}

fn number(rng: &mut StdRng) -> String {
    match rng.gen_range(0..12) {
        0..=2 => String::new(),
        3 => "0".into(),
        4 => "1".into(),
        5 => ["99", "65535", "65536", "1:2", ":", "007"].choose(rng).unwrap().to_string(),
        _ => rng.gen_range(0..9u8).to_string(),
    }
}

fn word(rng: &mut StdRng) -> Vec<u8> {
    const ODD: [&[u8]; 14] = [
        "界".as_bytes(),
        "é".as_bytes(),
        "💩".as_bytes(),
        "e\u{301}".as_bytes(),
        b"\xff",
        b"\xc2",
        b"\xe2\x82",
        b"\xc2\xa0",
        b"\x7f",
        b"\x00",
        "│─".as_bytes(),
        "界界界界界界".as_bytes(),
        b"\xe9\x80",
        b"\xf0\x9f",
    ];
    if rng.gen_range(0..4) == 0 {
        return ODD.choose(rng).unwrap().to_vec();
    }
    let len = if rng.gen_range(0..12) == 0 { rng.gen_range(0..60) } else { rng.gen_range(0..9) };
    (0..len).map(|_| *b"abcxyqlmk jt~`".choose(rng).unwrap()).collect()
}

fn sgr(rng: &mut StdRng) -> Vec<u8> {
    const SGR: [&str; 30] = [
        "",
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "7",
        "9",
        "22",
        "23",
        "24",
        "25",
        "27",
        "29",
        "31",
        "39",
        "42",
        "49",
        "95",
        "103",
        "38;5;9",
        "38:2:1:2:3",
        "48;2;9;8;7",
        "0;1;31",
        "00;32",
        "4:3",
        "38",
        "48;5",
        "21",
    ];
    let count = if rng.gen_range(0..5) == 0 { 3 } else { 1 };
    let params: Vec<&str> = (0..count).map(|_| *SGR.choose(rng).unwrap()).collect();
    let csi = if rng.gen_range(0..20) == 0 { "\u{9b}" } else { "\u{1b}[" };
    format!("{csi}{}m", params.join(";")).into_bytes()
}

/// Leaves restarts possible.
fn plain(rng: &mut StdRng, rows: u16, out: &mut Vec<u8>) {
    match rng.gen_range(0..14) {
        0..=4 => {
            let lines = rng.gen_range(1..=3 * rows);
            for _ in 0..lines {
                for _ in 0..rng.gen_range(0..3) {
                    if rng.gen_range(0..3) == 0 {
                        out.extend(sgr(rng));
                    }
                    out.extend(word(rng));
                }
                out.extend_from_slice(if rng.gen_range(0..12) == 0 { b"\n" } else { b"\r\n" });
            }
        }
        5..=6 => out.extend(word(rng)),
        7 => out.extend(sgr(rng)),
        8 => out.extend_from_slice(
            [&b"\r"[..], b"\n", b"\t", b"\x08", b"\x07", b"\x0b", b"\x0c", b"\r\r\n"]
                .choose(rng)
                .unwrap(),
        ),
        9 => {
            let last = *b"KKXP@CDG`aIZBeEJncnq".choose(rng).unwrap() as char;
            out.extend(format!("\x1b[{}{last}", number(rng)).into_bytes());
        }
        10 => out.extend_from_slice(
            [
                &b"\x1b]0;title\x07"[..],
                b"\x1b[?2004h",
                b"\x1b[?25l",
                b"\x1b[?25h",
                b"\x1b(B",
                b"\x1b[m",
            ]
            .choose(rng)
            .unwrap(),
        ),
        11 => out.extend_from_slice(
            [
                &b"\x1b[H\x1b[2J"[..],
                b"\x1b[2J\x1b[H",
                b"\x1b[H\x1b[J",
                b"\x1b[1;1H\x1b[m\x1b[J",
                b"\x1b[2J\x1b[2;3H",
                b"\x1b[H\x1b[?25l\x1b[2J\x1b[3J",
                b"\x1b[f\x1b[0J",
                b"\x1b[2;2H\x1b[J",
                b"\x1b[H\x1b[4l\x1b[J",
                b"\x1b[H\x1b(B\x1b[J",
            ]
            .choose(rng)
            .unwrap(),
        ),
        12 => out.extend_from_slice(b"\x1b[K\x1b[31mx\x1b[39m"),
        _ => {
            let lines = rng.gen_range(1..=3 * rows);
            (0..lines).for_each(|n| out.extend(format!("{n}\r\n").into_bytes()));
        }
    }
}

fn odd(rng: &mut StdRng, kind: Kind, out: &mut Vec<u8>) {
    match rng.gen_range(0..14) {
        0..=2 => {
            let last = *b"ABCDEFGHHIJKLMPSTXZ`abdefmrrrsu@gW".choose(rng).unwrap() as char;
            let params = if matches!(last, 'H' | 'f' | 'r') {
                format!("{};{}", number(rng), number(rng))
            } else {
                number(rng)
            };
            out.extend(format!("\x1b[{params}{last}").into_bytes());
        }
        3..=4 => {
            let mut modes = vec!["1", "6", "7", "25", "1048", "12", "2004"];
            if kind.alternate {
                modes.extend(["1049", "1049", "1047", "47"]);
            }
            let count = if rng.gen_range(0..6) == 0 { 2 } else { 1 };
            let modes: Vec<&str> = (0..count).map(|_| *modes.choose(rng).unwrap()).collect();
            let last = if rng.gen_bool(0.5) { 'h' } else { 'l' };
            out.extend(format!("\x1b[?{}{last}", modes.join(";")).into_bytes());
        }
        5 => {
            let mode = ["4", "20", "4;20"].choose(rng).unwrap();
            out.extend(
                format!("\x1b[{mode}{}", if rng.gen_bool(0.5) { 'h' } else { 'l' }).into_bytes(),
            );
        }
        6..=7 => out.extend_from_slice(
            [
                &b"\x1b7"[..],
                b"\x1b8",
                b"\x1b7",
                b"\x1b8",
                b"\x1bD",
                b"\x1bE",
                b"\x1bM",
                b"\x1bH",
                b"\x1b#8",
                b"\x1b(0",
                b"\x1b)0",
                b"\x1b(B",
                b"\x1b)B",
                b"\x0e",
                b"\x0f",
                b"\x1b[!p",
                b"\x1b=",
                b"\x1b>",
                b"\x1bZ",
                b"\x1b(A",
            ]
            .choose(rng)
            .unwrap(),
        ),
        8 => out.extend_from_slice(
            [
                "\u{84}",
                "\u{85}",
                "\u{88}",
                "\u{8d}",
                "\u{9b}2J",
                "\u{9d}0;x\u{9c}",
                "\u{9c}",
                "\u{98}a\r\nb\u{9c}",
                "\u{90}x",
            ]
            .choose(rng)
            .unwrap()
            .as_bytes(),
        ),
        9 => out.extend_from_slice(
            [
                &b"\x1b]2;t\x1b\\"[..],
                b"\x1b]8;;u\r\nv\x1b\\",
                b"\x1bPq\r\n\r\n\r\n#0~\x1b\\",
                b"\x1b_G\x1b\\",
                b"\x1b^p\x1b\\",
                b"\x1bXs\n\n\x1b\\",
                b"\x1b]133;A\x07",
                b"\x1b]0;long\xe7\x95\x8c\xc2\xa0\xc2\x9c",
                b"\x1b]x\x18",
                b"\x1b]0;",
                b"\x1bP1;2",
            ]
            .choose(rng)
            .unwrap(),
        ),
        10 => out.extend_from_slice(
            [
                &b"\x1b[3\r\n1m"[..],
                b"\x1b[3\x0e1m",
                b"\x1b[3\x1b[1m",
                b"\x1b[?25\x18",
                b"\x1b[:3m",
                b"\x1b[1$r",
                b"\x1b[>4;2m",
                b"\x1b[2 q",
                b"\x1b[\xc3\xa9m",
                b"\x1b[3\xc2\x9b31m",
                b"\x1b\x1b7",
                b"\x1b[\x7f2J",
                b"\x1b[1;",
                b"\x1b",
                b"\x1b[?104",
                b"\x1b[1;2;3;4;5;6;7;8;9;0;1;2;3;4;5;6;7;8;9;0;1;2;3;4;5;6;7;8;9;0;1;2;31;4m",
                b"\x1b[\n\n\n\n\n\n\n\n\n",
                b"\x1b[000000000000000000000000000000000000031m",
                b"\x1b[0;31",
                b"\x1b( ",
                b"\x1b[=1m",
                b"\x1b[0;\x1b[m",
            ]
            .choose(rng)
            .unwrap(),
        ),
        11 if rng.gen_range(0..4) == 0 => out.extend_from_slice(b"\x1bc"),
        12 if kind.alternate => {
            out.extend_from_slice(b"\x1b[?1049h");
            for _ in 0..rng.gen_range(0..4) {
                if rng.gen_range(0..4) == 0 {
                    odd(rng, kind, out);
                } else {
                    plain(rng, 3, out);
                }
            }
            out.extend_from_slice(
                [
                    &b"\x1b[?1049l"[..],
                    b"\x1b[?1049l",
                    b"\x1b[?1049;25l",
                    b"\x1b[?7;1049l",
                    b"\x1b[?1047l",
                    b"",
                ]
                .choose(rng)
                .unwrap(),
            );
        }
        _ => (0..rng.gen_range(0..12)).for_each(|_| out.push(rng.gen_range(0..=255))),
    }
}

fn case(rng: &mut StdRng) -> (TermSize, Limits, Vec<Step>) {
    let size = TermSize::clamped(rng.gen_range(1..=14), rng.gen_range(1..=5));
    let kind = Kind {
        odd: *[0, 20, 100, 300].choose(rng).unwrap(),
        alternate: rng.gen_range(0..4) > 0,
        resizes: rng.gen_range(0..3) == 0,
        allowance: rng.gen_range(0..4) == 0,
    };
    let mut output = Vec::new();
    let mut steps = Vec::new();
    for _ in 0..rng.gen_range(1..40) {
        if rng.gen_range(0..1000) < kind.odd {
            odd(rng, kind, &mut output);
        } else {
            plain(rng, size.rows(), &mut output);
        }
        if kind.resizes && rng.gen_range(0..8) == 0 {
            steps.push(Step::Output(std::mem::take(&mut output)));
            steps.push(Step::Resize(rng.gen_range(1..=14), rng.gen_range(1..=5)));
        }
        match rng.gen_range(0..16) {
            0 => {
                steps.push(Step::Output(std::mem::take(&mut output)));
                steps.push(Step::Keyframe);
            }
            1 if !output.is_empty() => {
                let at = rng.gen_range(0..output.len());
                let rest = output.split_off(at);
                steps.push(Step::Output(std::mem::replace(&mut output, rest)));
                if rng.gen_range(0..3) == 0 {
                    steps.push(Step::Keyframe);
                }
            }
            2 if kind.allowance => {
                steps.push(Step::Output(std::mem::take(&mut output)));
                let some = rng.gen_range(0..3) > 0;
                steps.push(Step::Allowance(some.then(|| rng.gen_range(0..400))));
            }
            _ => {}
        }
    }
    steps.push(Step::Output(output));
    steps.push(Step::Keyframe);
    let limits = Limits {
        kept: *[40, 100, 400, 4000].choose(rng).unwrap(),
        piece: *[1, 7, 60, 4000].choose(rng).unwrap(),
        ops: *[2, 20, 400].choose(rng).unwrap(),
        worth: *[0, 20, 128].choose(rng).unwrap(),
    };
    (size, limits, steps)
}

/// Keyframes that were wanted and made; bytes that avt was fed, of how many.
#[derive(Debug, Default)]
struct Tally {
    wanted: usize,
    made: usize,
    fed: usize,
    output: usize,
}

fn run(size: TermSize, limits: Limits, steps: &[Step], tally: &mut Tally) -> Result<(), String> {
    let mut full = Full::new(size);
    let mut keyframer = Keyframer::new(size);
    keyframer.limits = limits;
    let mut limited = false;
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Output(bytes) => {
                full.output(bytes);
                keyframer.output(bytes);
                tally.output += bytes.len();
            }
            Step::Resize(cols, rows) => {
                full.resize(TermSize::clamped(*cols, *rows));
                keyframer.resize(TermSize::clamped(*cols, *rows));
            }
            Step::Allowance(bytes) => {
                limited |= bytes.is_some();
                keyframer.set_allowance(*bytes);
            }
            Step::Keyframe => {
                tally.wanted += 1;
                let keyframe = keyframer.keyframe(Position::default());
                if keyframer.stale != Stale::default() {
                    if !limited {
                        return Err(format!("step {at}: stale without a limit"));
                    }
                    continue;
                }
                if !same(&full.terminal, &keyframer.terminal)
                    || full.decoder.held() != keyframer.decoder.held()
                {
                    return Err(format!(
                        "step {at}:\n full {:?}\nskips {:?}",
                        full.terminal.dump(),
                        keyframer.terminal.dump()
                    ));
                }
                let Some(keyframe) = keyframe else {
                    let restored = Keyframe::checked(
                        &full.terminal,
                        Position::default(),
                        Vec::new(),
                        Default::default(),
                    );
                    if restored.is_some() {
                        return Err(format!("step {at}: left out"));
                    }
                    continue;
                };
                if !same(&full.terminal, keyframe.restore().terminal()) {
                    return Err(format!("step {at}: restored differs"));
                }
                if Keyframe::decode(&keyframe.encode()).as_ref() != Ok(&keyframe) {
                    return Err(format!("step {at}: decoded differs"));
                }
                tally.made += 1;
            }
        }
    }
    tally.fed += keyframer.fed() as usize;
    Ok(())
}

fn cases(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let (size, limits, steps) = case(&mut StdRng::seed_from_u64(seed));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run(size, limits, &steps, &mut tally)
        }));
        match outcome {
            Ok(Ok(())) => {}
            bad => {
                let steps = smallest(size, limits, steps);
                let error = run(size, limits, &steps, &mut Tally::default());
                panic!("seed {seed}: {size} {limits:?}: {bad:?}\n{}\n{error:?}", shown(&steps));
            }
        }
    }
    tally
}

fn fails(size: TermSize, limits: Limits, steps: &[Step]) -> bool {
    let run = std::panic::AssertUnwindSafe(|| run(size, limits, steps, &mut Tally::default()));
    !matches!(std::panic::catch_unwind(run), Ok(Ok(())))
}

/// Takes away what the failure does not need.
fn smallest(size: TermSize, limits: Limits, mut steps: Vec<Step>) -> Vec<Step> {
    loop {
        let before = format!("{steps:?}").len();
        for at in (0..steps.len()).rev() {
            let mut fewer = steps.clone();
            fewer.remove(at);
            if fails(size, limits, &fewer) {
                steps = fewer;
                continue;
            }
            let Step::Output(bytes) = &steps[at] else { continue };
            let mut bytes = bytes.clone();
            let mut len = bytes.len().max(1);
            while len > 0 {
                let mut from = 0;
                while from < bytes.len() {
                    let mut fewer = bytes.clone();
                    fewer.drain(from..(from + len).min(bytes.len()));
                    let mut tried = steps.clone();
                    tried[at] = Step::Output(fewer.clone());
                    if fails(size, limits, &tried) {
                        bytes = fewer;
                        steps = tried;
                    } else {
                        from += len;
                    }
                }
                len /= 2;
            }
        }
        if format!("{steps:?}").len() == before {
            return steps;
        }
    }
}

fn shown(steps: &[Step]) -> String {
    steps
        .iter()
        .map(|step| match step {
            Step::Output(bytes) => format!("  output b\"{}\"\n", bytes.escape_ascii()),
            other => format!("  {other:?}\n"),
        })
        .collect()
}

/// `HREC_CASES` is how many cases, `HREC_SEED` the first one's.
#[test]
fn equals_full_feeding() {
    let count = std::env::var("HREC_CASES").map_or(8_000, |n| n.parse().unwrap());
    let from = std::env::var("HREC_SEED").map_or(0, |n| n.parse().unwrap());
    let tally = cases(from..from + count);
    println!("{tally:?}");
    assert!(tally.made * 10 > tally.wanted * 7, "{tally:?}");
}

/// What was wrong once.
#[test]
fn found_by_fuzzing() {
    let limits = |kept, piece| Limits { kept, piece, ops: 2, worth: 0 };
    let cases: [(u64, u64, usize, usize, &[u8]); 9] = [
        // Sequences that were fed in part.
        (1, 1, 40, 1, b"\x1b[4h0\r\n1\r\n2\r\n\x1b[0u\x1b[K\x1b[31m\x1b[39m\x1b[2K\xc3\xa9\x1b[?1049h\x1b[?1049;25l\r\n\n"),
        // Line feeds inside the sequence that enters, and the one that leaves.
        (9, 4, 400, 4000, b"\x1b\n[?1049h\x1b[?1049l"),
        (1, 5, 400, 1, b"m\x1b[?1049h\x1b\n\n\n\n\n[?1049l"),
        (2, 3, 400, 60, b"32ml jak\r\n\x1bP1;20\r\n1\r\n\n\n\n\x1b[?1049h\x1b[?1049l\x1b7"),
        // A restart between a save and its restore.
        (2, 5, 400, 4000, b"\n\n\n\x1b[?1049h\x1b[?1049l\r\n\n\n\n\n\n\n\x1b[?1049l\x1b[?1049h"),
        // C2 before a control.
        (2, 3, 100, 60, b"\n\xc2\xc2\x9b38:2:::m\r\n\n\n\n"),
        // An erase before a reset is not next to what comes after it.
        (1, 5, 400, 60, b"25l\x1b[2J\x1bc\x1bq\x7f\r\n\x1b[H"),
        // The pen that a carried save saves.
        (4, 2, 4000, 4000, b"\x1b[31m\x1b7\x1b[0m\x1b8x\r\n\r\n\r\n\r\n\r\n\r\n"),
        (4, 2, 4000, 4000, b"\x1b[1m\x1b[?1049h\x1b[2;9r\x1b[?1049l\r\n\r\n\r\n\r\n\r\nx"),
    ];
    for (cols, rows, kept, piece, output) in cases {
        let steps = [Step::Output(output.to_vec()), Step::Keyframe];
        let size = TermSize::clamped(cols, rows);
        let outcome = run(size, limits(kept, piece), &steps, &mut Tally::default());
        assert_eq!(outcome, Ok(()), "{}", output.escape_ascii());
    }
    // A cursor saved in output that was given up, restored.
    let steps = [
        Step::Allowance(Some(0)),
        Step::Output(b"q\r\nabc\x1b[?1049h\x1b[?47l\r\n\n\n\x1b[?1049l".to_vec()),
        Step::Allowance(None),
        Step::Output(b"\x1b[!p".to_vec()),
        Step::Keyframe,
    ];
    let size = TermSize::clamped(4, 2);
    assert_eq!(run(size, limits(400, 60), &steps, &mut Tally::default()), Ok(()));
}

/// A build log with colours, and visits of a full-screen program.
fn realistic() -> Vec<u8> {
    let mut log = Vec::new();
    for block in 0..40 {
        for line in 0..200 {
            log.extend(
                format!("\x1b[1m\x1b[32m   Compiling\x1b[0m part-{block} v{line}.0\r\n")
                    .into_bytes(),
            );
        }
        log.extend_from_slice(b"\x1b[?1049h\x1b[H\x1b[2J\x1b[?25l");
        for row in 1..=24 {
            log.extend(
                format!("\x1b[{row};1H\x1b[7mrow {row}\x1b[27m of {block}\x1b[K").into_bytes(),
            );
        }
        log.extend_from_slice(b"\x1b[?25h\x1b[?1049l");
    }
    log
}

#[test]
fn hardly_anything_of_a_log_is_fed() {
    let log = realistic();
    let (mut full, mut keyframer) =
        (Full::new(TermSize::DEFAULT), Keyframer::new(TermSize::DEFAULT));
    for frame in log.chunks(100_000) {
        full.output(frame);
        keyframer.output(frame);
        let keyframe = keyframer.keyframe(Position::default()).unwrap();
        assert!(same(&full.terminal, keyframe.restore().terminal()));
    }
    let fed = usize::try_from(keyframer.fed()).unwrap();
    assert!(fed * 10 < log.len(), "{fed} of {}", log.len());
}

#[test]
fn without_allowance_it_waits_for_a_restart() {
    let mut keyframer = Keyframer::new(TermSize::DEFAULT);
    keyframer.set_allowance(Some(1_000));
    let up = b"\x1b[5A progress \x1b[5B\r".repeat(20_000);
    keyframer.output(&up);
    assert!(keyframer.keyframe(Position::default()).is_none());
    assert_eq!(keyframer.allowance(), Some(1_000));
    assert!(keyframer.fed() < 1_000, "{}", keyframer.fed());
    // The log says all but where the cursor was saved last; its end, that too.
    keyframer.set_allowance(Some(20_000));
    keyframer.output(&realistic());
    let keyframe = keyframer.keyframe(Position::default()).unwrap();
    let mut full = Full::new(TermSize::DEFAULT);
    full.output(&up);
    full.output(&realistic());
    assert!(same(&full.terminal, keyframe.restore().terminal()));
}

#[test]
fn memory_is_bounded() {
    let unbounded: [&[u8]; 8] =
        [b"x", b"\x1b]0;", b"\x1bPq", b"\x1b[?25h", b"\x1b[?1049h", b"\x1b7", b"\r\n", b"\x1b[31"];
    for piece in unbounded {
        for limit in [None, Some(0)] {
            let mut keyframer = Keyframer::new(TermSize::DEFAULT);
            keyframer.set_allowance(limit);
            keyframer.output(&piece.repeat(500_000 / piece.len()));
            let held = keyframer.text.capacity() + keyframer.ops.capacity() * size_of::<Op>();
            assert!(held <= 768 * 1024, "{held} {limit:?} {:?}", piece.escape_ascii().to_string());
        }
    }
}
