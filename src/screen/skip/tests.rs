pub(in crate::screen) mod output;
mod programs;

use rand::SeedableRng;
use rand::rngs::StdRng;

use self::output::{Step, case};
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
    // The same output in other pieces: what is read beside the screen must not
    // depend on them.
    let mut whole = Keyframer::new(size);
    let mut limited = false;
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Output(bytes) => {
                full.output(bytes);
                keyframer.output(bytes);
                whole.output(bytes);
                tally.output += bytes.len();
            }
            Step::Resize(cols, rows) => {
                full.resize(TermSize::clamped(*cols, *rows));
                keyframer.resize(TermSize::clamped(*cols, *rows));
                whole.resize(TermSize::clamped(*cols, *rows));
            }
            Step::Allowance(bytes) => {
                limited |= bytes.is_some();
                keyframer.set_allowance(*bytes);
            }
            Step::Keyframe | Step::Resume => {
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
                if &keyframe.outside != whole.tracked.outside() {
                    return Err(format!("step {at}: {:?} is not seen", keyframe.outside));
                }
                tally.made += 1;
                if matches!(step, Step::Resume) {
                    tally.fed += keyframer.fed() as usize;
                    keyframer = Keyframer::resume(&keyframe);
                    keyframer.limits = limits;
                    whole = Keyframer::resume(&keyframe);
                }
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
                let steps = smallest(steps, |steps| fails(size, limits, steps));
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
pub(in crate::screen) fn smallest(
    mut steps: Vec<Step>,
    fails: impl Fn(&[Step]) -> bool,
) -> Vec<Step> {
    loop {
        let before = format!("{steps:?}").len();
        for at in (0..steps.len()).rev() {
            let mut fewer = steps.clone();
            fewer.remove(at);
            if fails(&fewer) {
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
                    if fails(&tried) {
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

pub(in crate::screen) fn shown(steps: &[Step]) -> String {
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
