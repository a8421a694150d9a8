//! Colours, as the viewer's terminal can show them.
//!
//! Refuses to know what is coloured. The invariant: what [`fit`] gives is a
//! colour that a terminal of that depth has, and one that it has stays as it
//! is.

use std::sync::LazyLock;

use ratatui::style::Color;

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None; bold, underlined and reverse text it may have.
    None,
    /// The eight of ECMA-48 and their bright forms, whatever the terminal's
    /// owner made them look like.
    Sixteen,
    /// Those, a cube of 6 x 6 x 6, and 24 greys: xterm's.
    Palette,
    /// 24-bit colour.
    True,
}

impl Depth {
    /// What the environment says of the terminal: `NO_COLOR` (no-color.org:
    /// set and not empty), `COLORTERM` (`truecolor` or `24bit`), and the name
    /// in `TERM`.
    #[must_use]
    pub fn of(env: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| env(name).unwrap_or_default();
        let term = value("TERM");
        let term = term.as_str();
        if !value("NO_COLOR").is_empty() || is_monochrome(term) {
            return Self::None;
        }
        // GNU screen passes COLORTERM on from the terminal that it runs in,
        // and garbles what that promises. tmux, which also calls itself
        // screen, turns 24-bit colour into what the terminal around it has.
        let garbles = term.starts_with("screen") && value("TMUX").is_empty();
        let named = matches!(value("COLORTERM").as_str(), "truecolor" | "24bit");
        if (named && !garbles) || term.ends_with("-direct") || TRUE.contains(&term) {
            Self::True
        } else if term.contains("256color") {
            Self::Palette
        } else {
            Self::Sixteen
        }
    }
}

/// Terminals that have 24-bit colour in every version, and do not always say so
/// where ssh leaves COLORTERM behind.
const TRUE: [&str; 8] = [
    "alacritty",
    "contour",
    "foot",
    "rio",
    "wezterm",
    "xterm-ghostty",
    "xterm-kitty",
    "xterm-truecolor",
];

/// Of terminfo's names: those of terminals without colours.
fn is_monochrome(term: &str) -> bool {
    let kind = term.split_once('-').map_or(term, |(kind, _)| kind);
    let number = kind.strip_prefix("vt").and_then(|number| number.parse::<u32>().ok());
    matches!(kind, "" | "dumb" | "unknown")
        || term.ends_with("-m")
        || term.ends_with("-mono")
        // DEC's own, up to the VT525, which was the first with colours.
        || number.is_some_and(|number| number < 525)
}

/// The colour that a terminal of this depth has and that looks most like it.
///
/// For [`Depth::Sixteen`] it is one of ratatui's sixteen names, or an
/// `Indexed` below 16 that was one already.
#[must_use]
pub fn fit(colour: Color, depth: Depth) -> Color {
    match (depth, colour) {
        (Depth::None, _) => Color::Reset,
        (Depth::True, _) => colour,
        (Depth::Palette, Color::Rgb(r, g, b)) => {
            // Not from the first sixteen: nobody knows what they look like.
            let at = nearest([r, g, b], PALETTE.get(16..).unwrap_or_default());
            Color::Indexed(u8::try_from(at + 16).unwrap_or(u8::MAX))
        }
        (Depth::Sixteen, Color::Rgb(r, g, b)) => sixteen([r, g, b]),
        (Depth::Sixteen, Color::Indexed(index @ 16..)) => sixteen(rgb(index)),
        _ => colour,
    }
}

fn sixteen(colour: [u8; 3]) -> Color {
    let at = nearest(colour, PALETTE.get(..16).unwrap_or_default());
    NAMES.get(at).copied().unwrap_or_default()
}

/// The first sixteen colours, by their numbers.
pub const NAMES: [Color; 16] = [
    Color::Black,
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::Gray,
    Color::DarkGray,
    Color::LightRed,
    Color::LightGreen,
    Color::LightYellow,
    Color::LightBlue,
    Color::LightMagenta,
    Color::LightCyan,
    Color::White,
];

/// Red, green and blue of a colour of xterm's palette, as xterm has them from
/// the start.
#[must_use]
pub fn rgb(index: u8) -> [u8; 3] {
    const FIRST: [[u8; 3]; 16] = [
        [0, 0, 0],
        [205, 0, 0],
        [0, 205, 0],
        [205, 205, 0],
        [0, 0, 238],
        [205, 0, 205],
        [0, 205, 205],
        [229, 229, 229],
        [127, 127, 127],
        [255, 0, 0],
        [0, 255, 0],
        [255, 255, 0],
        [92, 92, 255],
        [255, 0, 255],
        [0, 255, 255],
        [255, 255, 255],
    ];
    let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
    match index {
        0..=15 => FIRST.get(usize::from(index)).copied().unwrap_or_default(),
        16..=231 => {
            let n = index - 16;
            [level(n / 36), level(n / 6 % 6), level(n % 6)]
        }
        232.. => [8 + 10 * (index - 232); 3],
    }
}

/// Lightness, and two axes of hue, in Oklab (B. Ottosson, 2020): a distance of
/// the same length is about as easy to see anywhere in it, which is not so in
/// red, green and blue.
type Lab = [f32; 3];

static PALETTE: LazyLock<Vec<Lab>> =
    LazyLock::new(|| (0..=u8::MAX).map(|index| oklab(rgb(index))).collect());

fn oklab(colour: [u8; 3]) -> Lab {
    let [r, g, b] = colour.map(|value| {
        let value = f32::from(value) / 255.0;
        // sRGB's transfer function, IEC 61966-2-1.
        if value <= 0.04045 { value / 12.92 } else { power_2_4((value + 0.055) / 1.055) }
    });
    let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

/// `base` (0.09 to 1) to the power of 2.4: its square times the fifth root of
/// that, by Newton's method. powf(3) would have every session map the C
/// library's mathematics.
fn power_2_4(base: f32) -> f32 {
    let square = base * base;
    let mut root = base.cbrt();
    for _ in 0..4 {
        root -= (root - square / root.powi(4)) / 5.0;
    }
    square * root
}

/// The place of the colour in `among` that is nearest.
fn nearest(colour: [u8; 3], among: &[Lab]) -> usize {
    let [l, a, b] = oklab(colour);
    let distance = |[x, y, z]: &Lab| (x - l).powi(2) + (y - a).powi(2) + (z - b).powi(2);
    let distances = among.iter().map(distance).enumerate();
    distances.min_by(|(_, x), (_, y)| x.total_cmp(y)).map_or(0, |(at, _)| at)
}

/// Colours that were fitted are remembered: what is on a screen hardly changes
/// from one picture to the next, and a search takes a microsecond.
#[derive(Debug)]
pub struct Fitter {
    depth: Depth,
    /// By a hash of the colour: a photograph in half blocks has as many
    /// colours as cells, and they are not to fill the memory.
    known: Vec<Option<(Color, Color)>>,
}

impl Fitter {
    /// Room for the colours of a busy screen.
    const SLOTS: usize = 1 << 12;

    /// For a terminal of this depth.
    #[must_use]
    pub fn new(depth: Depth) -> Self {
        Self { depth, known: Vec::new() }
    }

    /// The depth.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// [`fit`].
    pub fn fit(&mut self, colour: Color) -> Color {
        let Color::Rgb(r, g, b) = colour else { return fit(colour, self.depth) };
        if self.depth == Depth::True {
            return colour;
        }
        if self.known.is_empty() {
            self.known = vec![None; Self::SLOTS];
        }
        let number = u32::from_be_bytes([0, r, g, b]);
        let slot = number.wrapping_mul(0x9e37_79b1) >> (32 - Self::SLOTS.trailing_zeros());
        match self.known.get_mut(slot as usize) {
            Some(Some((known, fitted))) if *known == colour => *fitted,
            Some(slot) => {
                let fitted = fit(colour, self.depth);
                *slot = Some((colour, fitted));
                fitted
            }
            None => fit(colour, self.depth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(env: &[(&str, &str)]) -> Depth {
        Depth::of(|name| {
            env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_the_environment_says() {
        let xterm = ("TERM", "xterm-256color");
        assert_eq!(depth(&[xterm]), Depth::Palette);
        assert_eq!(depth(&[xterm, ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth(&[xterm, ("COLORTERM", "24bit")]), Depth::True);
        assert_eq!(depth(&[xterm, ("COLORTERM", "yes")]), Depth::Palette);
        assert_eq!(depth(&[xterm, ("COLORTERM", "truecolor"), ("NO_COLOR", "1")]), Depth::None);
        assert_eq!(depth(&[xterm, ("NO_COLOR", "")]), Depth::Palette);
        for (term, expected) in [
            ("", Depth::None),
            ("dumb", Depth::None),
            ("vt100", Depth::None),
            ("vt220-w", Depth::None),
            ("vt525", Depth::Sixteen),
            ("xterm-mono", Depth::None),
            ("linux", Depth::Sixteen),
            ("xterm", Depth::Sixteen),
            ("screen", Depth::Sixteen),
            ("tmux-256color", Depth::Palette),
            ("xterm-direct", Depth::True),
            ("xterm-kitty", Depth::True),
            ("foot", Depth::True),
        ] {
            assert_eq!(depth(&[("TERM", term)]), expected, "{term}");
        }
        assert_eq!(depth(&[]), Depth::None);
        let (screen, colour) = (("TERM", "screen-256color"), ("COLORTERM", "truecolor"));
        assert_eq!(depth(&[screen, colour]), Depth::Palette);
        assert_eq!(depth(&[screen, colour, ("TMUX", "/tmp/tmux-0/default,1,0")]), Depth::True);
    }

    #[test]
    fn oklab_is_that_of_its_author() {
        // From the table in https://bottosson.github.io/posts/oklab/, by way
        // of sRGB: white, and the primaries as css-color-4 lists them.
        for (colour, expected) in [
            ([255, 255, 255], [1.0, 0.0, 0.0]),
            ([0, 0, 0], [0.0, 0.0, 0.0]),
            ([255, 0, 0], [0.627_96, 0.224_86, 0.125_85]),
            ([0, 255, 0], [0.866_44, -0.233_89, 0.179_5]),
            ([0, 0, 255], [0.452_01, -0.032_46, -0.311_53]),
        ] {
            for (got, expected) in oklab(colour).iter().zip(expected) {
                assert!((got - expected).abs() < 2e-4, "{colour:?}: {:?}", oklab(colour));
            }
        }
    }

    #[test]
    fn a_power_is_that_of_the_library() {
        for n in 9..=100 {
            let base = n as f32 / 100.0;
            assert!((power_2_4(base) - base.powf(2.4)).abs() < 1e-6, "{base}");
        }
    }

    #[test]
    fn a_colour_of_the_palette_is_itself() {
        for index in 16..=u8::MAX {
            let [r, g, b] = rgb(index);
            let Color::Indexed(found) = fit(Color::Rgb(r, g, b), Depth::Palette) else { panic!() };
            // 16 and 231 are black and white, and so is no grey; 59, 102, 145,
            // 188 and their like are greys of the cube alone.
            assert_eq!(rgb(found), [r, g, b], "{index}");
        }
        assert_eq!((rgb(16), rgb(231)), ([0; 3], [255; 3]));
        assert_eq!((rgb(196), rgb(110), rgb(244)), ([255, 0, 0], [135, 175, 215], [128; 3]));
    }

    #[test]
    fn the_nearest_is_the_one_that_looks_so() {
        let palette = |r, g, b| fit(Color::Rgb(r, g, b), Depth::Palette);
        assert_eq!(palette(255, 128, 0), Color::Indexed(208)); // orange, xterm's DarkOrange
        assert_eq!(palette(40, 44, 52), Color::Indexed(236)); // One Dark's background: a grey
        let sixteen = |r, g, b| fit(Color::Rgb(r, g, b), Depth::Sixteen);
        assert_eq!(sixteen(250, 250, 250), Color::White);
        assert_eq!(sixteen(20, 20, 20), Color::Black);
        assert_eq!(sixteen(200, 20, 20), Color::Red);
        assert_eq!(sixteen(30, 200, 40), Color::Green);
        assert_eq!(sixteen(120, 120, 130), Color::DarkGray);
        assert_eq!(fit(Color::Indexed(196), Depth::Sixteen), Color::LightRed);
        assert_eq!(fit(Color::Indexed(15), Depth::Sixteen), Color::Indexed(15));
        assert_eq!(fit(Color::Rgb(1, 2, 3), Depth::True), Color::Rgb(1, 2, 3));
        assert_eq!(fit(Color::LightRed, Depth::Palette), Color::LightRed);
        assert_eq!(fit(Color::LightRed, Depth::None), Color::Reset);
        assert_eq!(fit(Color::Reset, Depth::Sixteen), Color::Reset);
    }

    #[test]
    fn remembering_changes_nothing() {
        for depth in [Depth::None, Depth::Sixteen, Depth::Palette, Depth::True] {
            let mut fitter = Fitter::new(depth);
            for n in (0..1 << 24).step_by(4099).chain((0..1 << 24).step_by(4099)) {
                let [_, r, g, b] = u32::to_be_bytes(n);
                let colour = Color::Rgb(r, g, b);
                assert_eq!(fitter.fit(colour), fit(colour, depth));
            }
        }
    }
}
