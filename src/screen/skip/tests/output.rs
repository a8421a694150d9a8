//! What the cases are made of: output such as programs write it, and such as
//! nobody does, cut and resized anywhere.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::super::Limits;
use super::programs::program;
use crate::event::TermSize;

#[derive(Debug, Clone)]
pub(in crate::screen) enum Step {
    Output(Vec<u8>),
    Resize(u64, u64),
    Keyframe,
    /// A keyframe, and another keyframer that goes on from it.
    Resume,
    Allowance(Option<u64>),
}

/// What a case is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// How often odd things come between plain ones, in a thousand.
    odd: u32,
    pub(super) alternate: bool,
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
    const ODD: [&[u8]; 26] = [
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
        // Joined by nothing that is seen; of a width that depends on what follows.
        "👩\u{200d}💻".as_bytes(),
        "☁\u{fe0f}".as_bytes(),
        "\u{1f1ea}\u{1f1ea}".as_bytes(),
        "한\u{1160}".as_bytes(),
        "שָׁ".as_bytes(),
        "\u{ad}\u{feff}\u{2028}".as_bytes(),
        "ｆ｜".as_bytes(),
        // A surrogate, overlong forms, beyond the last.
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xe0\x80\x9b2J",
        b"\xf4\x90\x80\x80",
        b"\xc2\x1b[1m",
    ];
    if rng.gen_range(0..4) == 0 {
        return ODD.choose(rng).unwrap().to_vec();
    }
    let len = if rng.gen_range(0..12) == 0 { rng.gen_range(0..60) } else { rng.gen_range(0..9) };
    (0..len).map(|_| *b"abcxyqlmk jt~`".choose(rng).unwrap()).collect()
}

fn sgr(rng: &mut StdRng) -> Vec<u8> {
    const SGR: [&str; 47] = [
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
        "38:2::1:2:3",
        "48:2:1:2:3:4:5",
        "48:5:7",
        "38:5",
        "38:5:300",
        "38;5;300",
        "38;2;1;2",
        "58:5:1",
        "58;2;1;2;3",
        "4:0",
        "0:1",
        ":0",
        ":",
        ";",
        ";;31",
        "31;;",
        "38;;5;1",
    ];
    let count = if rng.gen_range(0..5) == 0 { 3 } else { 1 };
    let params: Vec<&str> = (0..count).map(|_| *SGR.choose(rng).unwrap()).collect();
    let csi = if rng.gen_range(0..20) == 0 { "\u{9b}" } else { "\u{1b}[" };
    format!("{csi}{}m", params.join(";")).into_bytes()
}

/// Leaves restarts possible.
fn plain(rng: &mut StdRng, size: TermSize, out: &mut Vec<u8>) {
    let (cols, rows) = (size.cols(), size.rows());
    match rng.gen_range(0..15) {
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
        13 => {
            // A wide character where the row ends, or no longer has room.
            let before = usize::from(cols) - rng.gen_range(0..3).min(usize::from(cols));
            out.extend(std::iter::repeat_n(b'w', before));
            out.extend_from_slice("界".as_bytes());
            if rng.gen_range(0..3) == 0 {
                out.extend(
                    format!("\x1b[{}{}", number(rng), *b"bP@XKDC".choose(rng).unwrap() as char)
                        .bytes(),
                );
            }
        }
        _ => {
            let lines = rng.gen_range(1..=3 * rows);
            (0..lines).for_each(|n| out.extend(format!("{n}\r\n").into_bytes()));
        }
    }
}

fn odd(rng: &mut StdRng, kind: Kind, size: TermSize, out: &mut Vec<u8>) {
    let rows = size.rows();
    match rng.gen_range(0..17) {
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
            let mut modes = vec![
                "1", "6", "7", "25", "1048", "12", "2004", "3", "5", "1000", "1006", "66", "", "0",
            ];
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
                b"\x1b*0",
                b"\x1b+B",
                b"\x1b%G",
                b"\x1bN",
                b"\x1bOx",
                b"\x1bn",
                b"\x1b#3",
                b"\x1b[?J",
                b"\x1b[?2J",
                b"\x1b[?K",
                b"\x1b[2 @",
                b"\x1b[1 A",
                b"\x1b[8;3;9t",
                b"\x1b[22;0;0t",
                b"\x1b[?6n",
                b"\x1b[?5W",
                b"\x1b[2*x",
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
                    odd(rng, kind, size, out);
                } else {
                    plain(rng, size, out);
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
        13 => {
            // Margins, lines within them, and then the whole screen again or not.
            let (top, bottom) = (rng.gen_range(0..=rows + 1), rng.gen_range(0..=rows + 1));
            out.extend(format!("\x1b[{top};{bottom}r").bytes());
            if rng.gen_range(0..3) == 0 {
                out.extend_from_slice(b"\x1b[?6h");
            }
            for _ in 0..rng.gen_range(0..3) {
                plain(rng, size, out);
            }
            out.extend_from_slice(
                [&b"\x1b[r"[..], b"\x1b[?6l\x1b[r", b"\x1b[;r", b"\x1b[!p", b""]
                    .choose(rng)
                    .unwrap(),
            );
        }
        14 => {
            // A stretch in a mode, and a piece in which it matters.
            let (on, off) = *[
                ("\x1b[4h", "\x1b[4l"),
                ("\x1b[20h", "\x1b[20l"),
                ("\x1b[?7l", "\x1b[?7h"),
                ("\x1b(0", "\x1b(B"),
                ("\x1b)0\x0e", "\x0f"),
                ("\x1b[?6h", "\x1b[?6l"),
                ("\x1b[3g", "\x1b[?5W"),
            ]
            .choose(rng)
            .unwrap();
            out.extend(on.bytes());
            for _ in 0..rng.gen_range(1..4) {
                plain(rng, size, out);
            }
            if rng.gen_range(0..4) > 0 {
                out.extend(off.bytes());
            }
        }
        15 => program(rng, kind, size, out),
        _ => (0..rng.gen_range(0..12)).for_each(|_| out.push(rng.gen_range(0..=255))),
    }
}

/// A size, limits, and what happens.
pub(in crate::screen) fn case(rng: &mut StdRng) -> (TermSize, Limits, Vec<Step>) {
    let large = rng.gen_range(0..10) == 0;
    let (cols, rows) = if large { (24, 10) } else { (14, 5) };
    let (cols, rows) = (rng.gen_range(1..=cols), rng.gen_range(1..=rows));
    let first = TermSize::clamped(cols, rows);
    let mut size = first;
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
            odd(rng, kind, size, &mut output);
        } else {
            plain(rng, size, &mut output);
        }
        if kind.resizes && rng.gen_range(0..8) == 0 {
            // In the middle of a sequence or a character, too.
            let at = if rng.gen_bool(0.5) { output.len() } else { rng.gen_range(0..=output.len()) };
            let rest = output.split_off(at);
            steps.push(Step::Output(std::mem::replace(&mut output, rest)));
            size = TermSize::clamped(rng.gen_range(1..=cols + 2), rng.gen_range(1..=rows + 2));
            steps.push(Step::Resize(size.cols().into(), size.rows().into()));
        }
        match rng.gen_range(0..16) {
            0 => {
                steps.push(Step::Output(std::mem::take(&mut output)));
                let resume = rng.gen_range(0..4) == 0;
                steps.push(if resume { Step::Resume } else { Step::Keyframe });
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
    (first, limits, steps)
}
