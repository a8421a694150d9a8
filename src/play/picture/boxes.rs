//! Box drawing and block elements as rectangles.
//!
//! Refuses to know colours and files. The invariant: what touches in a
//! terminal touches in a picture, whatever font the picture is looked at with:
//! fonts leave gaps between lines.

/// Left, top, width, height: in eighteenths of a cell's height and ninths of
/// its width, which is one unit of a picture each.
pub(super) type Rect = [f32; 4];

/// What a character's cell is filled with.
pub(super) struct Filled {
    /// From the cell's top left.
    pub(super) rects: Vec<Rect>,
    /// 0 to 1.
    pub(super) opacity: f32,
}

/// U+2500 to U+257F, by their arms: left, right, up, down, each 0 none, 1
/// light, 2 heavy, 3 double (The Unicode Standard, Box Drawing). Dashed ones
/// are drawn through, rounded corners are corners; 9 stands for a diagonal.
#[rustfmt::skip]
const ARMS: [u16; 128] = [
    1100, 2200, 11, 22, 1100, 2200, 11, 22, 1100, 2200, 11, 22, 101, 201, 102, 202,
    1001, 2001, 1002, 2002, 110, 210, 120, 220, 1010, 2010, 1020, 2020, 111, 211, 121, 112,
    122, 221, 212, 222, 1011, 2011, 1021, 1012, 1022, 2021, 2012, 2022, 1101, 2101, 1201, 2201,
    1102, 2102, 1202, 2202, 1110, 2110, 1210, 2210, 1120, 2120, 1220, 2220, 1111, 2111, 1211, 2211,
    1121, 1112, 1122, 2121, 1221, 2112, 1212, 2221, 2212, 2122, 1222, 2222, 1100, 2200, 11, 22,
    3300, 33, 301, 103, 303, 3001, 1003, 3003, 310, 130, 330, 3010, 1030, 3030, 311, 133,
    333, 3011, 1033, 3033, 3301, 1103, 3303, 3310, 1130, 3330, 3311, 1133, 3333, 101, 1001, 1010,
    110, 9, 9, 9, 1000, 10, 100, 1, 2000, 20, 200, 2, 1200, 12, 2100, 21,
];

/// What fills the cell of `ch`, `width` by `height`; `None` for what a font
/// draws.
pub(super) fn filled(ch: char, width: f32, height: f32) -> Option<Filled> {
    let code = u32::from(ch);
    let solid = |rects: Vec<Rect>| Some(Filled { rects, opacity: 1.0 });
    match code {
        0x2500..=0x257f => {
            let arms = ARMS.get((code - 0x2500) as usize).copied().filter(|arms| *arms != 9)?;
            solid(lines(arms, width, height))
        }
        0x2580..=0x259f => {
            let eighth = |n: u32| n as f32 / 8.0;
            let part =
                |x: f32, y: f32, w: f32, h: f32| [x * width, y * height, w * width, h * height];
            let quarter = |at: u32| match at {
                0 => part(0.0, 0.0, 0.5, 0.5),
                1 => part(0.5, 0.0, 0.5, 0.5),
                2 => part(0.0, 0.5, 0.5, 0.5),
                _ => part(0.5, 0.5, 0.5, 0.5),
            };
            match code {
                0x2580 => solid(vec![part(0.0, 0.0, 1.0, 0.5)]),
                0x2581..=0x2588 => {
                    let high = eighth(code - 0x2580);
                    solid(vec![part(0.0, 1.0 - high, 1.0, high)])
                }
                0x2589..=0x258f => solid(vec![part(0.0, 0.0, eighth(0x2590 - code), 1.0)]),
                0x2590 => solid(vec![part(0.5, 0.0, 0.5, 1.0)]),
                0x2591..=0x2593 => {
                    let opacity = (code - 0x2590) as f32 / 4.0;
                    Some(Filled { rects: vec![part(0.0, 0.0, 1.0, 1.0)], opacity })
                }
                0x2594 => solid(vec![part(0.0, 0.0, 1.0, 0.125)]),
                0x2595 => solid(vec![part(0.875, 0.0, 0.125, 1.0)]),
                _ => {
                    // Upper left 1, upper right 2, lower left 4, lower right 8.
                    const QUADRANTS: [u8; 10] = [4, 8, 1, 13, 9, 7, 11, 2, 6, 14];
                    let bits = QUADRANTS.get((code - 0x2596) as usize).copied().unwrap_or(0);
                    solid((0..4).filter(|at| bits & (1 << at) != 0).map(quarter).collect())
                }
            }
        }
        _ => None,
    }
}

fn lines(arms: u16, width: f32, height: f32) -> Vec<Rect> {
    let (x, y) = (width / 2.0, height / 2.0);
    // Half of what an arm's lines take together, across it.
    let half = |arm: u16| match arm {
        0 => 0.0,
        1 => 0.5,
        2 => 1.0,
        _ => 2.0,
    };
    let [left, right, up, down] = [arms / 1000, arms / 100 % 10, arms / 10 % 10, arms % 10];
    // An arm reaches to the far side of those across it, so that corners close.
    let (tall, wide) = (half(left.max(right)), half(up.max(down)));
    let mut rects = Vec::new();
    let mut push = |arm: u16, along: bool, from: f32, to: f32| {
        let (centre, half) = (if along { y } else { x }, half(arm));
        let strokes = match arm {
            0 => return,
            3 => vec![centre - half, centre + half - 1.0],
            _ => vec![centre - half],
        };
        let thick = if arm == 3 { 1.0 } else { 2.0 * half };
        rects.extend(strokes.into_iter().map(|at| match along {
            true => [from, at, to - from, thick],
            false => [at, from, thick, to - from],
        }));
    };
    push(left, true, 0.0, x + wide);
    push(right, true, x - wide, width);
    push(up, false, 0.0, y + tall);
    push(down, false, y - tall, height);
    rects
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the cell's four edges are reached.
    fn edges(ch: char) -> String {
        let rects = filled(ch, 9.0, 18.0).unwrap().rects;
        let near = |a: f32, b: f32| (a - b).abs() < 0.01;
        let any = |test: &dyn Fn(&Rect) -> bool| rects.iter().any(test);
        let mut edges = String::new();
        for (name, reached) in [
            ('l', any(&|[x, ..]| near(*x, 0.0))),
            ('r', any(&|[x, _, w, _]| near(x + w, 9.0))),
            ('u', any(&|[_, y, ..]| near(*y, 0.0))),
            ('d', any(&|[_, y, _, h]| near(y + h, 18.0))),
        ] {
            if reached {
                edges.push(name);
            }
        }
        edges
    }

    #[test]
    fn what_touches_touches() {
        for (chars, expected) in [
            ("─━┄╌═", "lr"),
            ("│┃┆╎║", "ud"),
            ("┌┍┎┏╒╓╔╭", "rd"),
            ("┐┑┒┓╕╖╗╮", "ld"),
            ("└┕┖┗╘╙╚╰", "ru"),
            ("┘┙┚┛╛╜╝╯", "lu"),
            ("├┝┞┟┠┡┢┣╞╟╠", "rud"),
            ("┤┥┦┧┨┩┪┫╡╢╣", "lud"),
            ("┬┭┮┯┰┱┲┳╤╥╦", "lrd"),
            ("┴┵┶┷┸┹┺┻╧╨╩", "lru"),
            ("┼┽┾┿╀╁╂╃╄╅╆╇╈╉╊╋╪╫╬█░▒▓", "lrud"),
            ("╴╸", "l"),
            ("╵╹", "u"),
            ("╶╺", "r"),
            ("╷╻", "d"),
            ("╼╾", "lr"),
            ("▀▔", "lru"),
            ("▄▁▂▃▅▆▇", "lrd"),
            ("▌▉▊▋▍▎▏", "lud"),
            ("▐▕", "rud"),
            ("▖", "ld"),
            ("▗", "rd"),
            ("▘", "lu"),
            ("▝", "ru"),
            ("▙▚▛▜▞▟", "lrud"),
        ] {
            for ch in chars.chars() {
                assert_eq!(edges(ch), expected, "{ch}");
            }
        }
        assert!("aé╱╲╳■ ".chars().all(|ch| filled(ch, 9.0, 18.0).is_none()));
    }

    #[test]
    fn nothing_leaves_its_cell() {
        for ch in ('\u{2500}'..='\u{259f}').filter_map(|ch| filled(ch, 9.0, 18.0)) {
            for [x, y, w, h] in ch.rects {
                assert!(
                    x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0 && x + w <= 9.0 && y + h <= 18.0
                );
            }
        }
    }
}
