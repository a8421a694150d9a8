//! What well-known programs send.

use rand::Rng;
use rand::rngs::StdRng;

use super::output::Kind;
use crate::event::TermSize;

/// One of them, with its sequences in their order, on a screen of this size.
pub(super) fn program(rng: &mut StdRng, kind: Kind, size: TermSize, out: &mut Vec<u8>) {
    let (cols, rows) = (size.cols(), size.rows());
    let row = rng.gen_range(1..=rows);
    match rng.gen_range(0..6) {
        // A pager's visit.
        0 if kind.alternate => {
            out.extend_from_slice(b"\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\r");
            for n in 0..rng.gen_range(1..3 * rows) {
                out.extend(format!("\x1b[7mline {n}\x1b[27m\x1b[m\r\n").bytes());
            }
            out.extend_from_slice(b"\x1b[H\x1bM\x1b[1mup\x1b[m\r\n");
            out.extend(format!("\x1b[{rows};1H:\x1b[K").bytes());
            out.extend_from_slice(b"\r\x1b[K\x1b[?1l\x1b>\x1b[?1049l\x1b[23;0;0t");
        }
        // An editor that scrolls.
        1 if kind.alternate => {
            out.extend_from_slice(b"\x1b[?1049h\x1b[22;2t\x1b[?1h\x1b=\x1b[?2004h\x1b[?1004h");
            out.extend(
                format!("\x1b[1;{rows}r\x1b[?12h\x1b[?12l\x1b[27m\x1b[29m\x1b[m\x1b[H\x1b[2J")
                    .bytes(),
            );
            out.extend(format!("\x1b[?25l\x1b[{rows};1H\"f\" 3L\x1b[1;1H\x1b[?25h").bytes());
            out.extend(format!("\x1b[1;{}r\x1b[{row};1H\n\x1b[1;{rows}r", rows.max(2) - 1).bytes());
            out.extend(format!("\x1b[{row};1H\x1b[L\x1b[1;31mnew\x1b[m\x1b[K\x1b[M").bytes());
            out.extend_from_slice(b"\x1b[?2004l\x1b[?1l\x1b>\x1b[?1049l\x1b[23;2t");
        }
        // A bar below a log.
        2 => {
            out.extend(format!("\x1b7\x1b[0;{}r\x1b8\x1b[1A", rows.max(2) - 1).bytes());
            for n in 0..rng.gen_range(0..2 * rows) {
                out.extend(format!("Setting up {n}\r\n").bytes());
                out.extend(
                    format!("\x1b7\x1b[{rows};0f\x1b[42m\x1b[30m{n}%\x1b[49m\x1b[39m\x1b8").bytes(),
                );
            }
            out.extend(format!("\x1b7\x1b[0;{rows}r\x1b8\x1b[1A\x1b[J").bytes());
        }
        // A line that is drawn again, a shell's prompt with completion below.
        3 => {
            for n in 0..rng.gen_range(1..9) {
                out.extend(format!("\r\x1b[K[{}] {n}", "=".repeat(n)).bytes());
            }
            out.extend_from_slice(b"\r\n\x1b[1m\x1b[7m%\x1b[27m\x1b[1m\x1b[0m");
            out.extend(
                format!("{}\r \r\r\x1b[0m\x1b[27m\x1b[24m\x1b[J$ \x1b[K", " ".repeat(cols.into()))
                    .bytes(),
            );
            out.extend_from_slice(b"\x1b[?2004hls\r\n\x1b[Ja  b\x1b[A\x1b[4C\x1b[?2004l");
        }
        // Several lines drawn again in their places.
        4 => {
            let lines = rng.gen_range(1..=rows);
            for _ in 0..rng.gen_range(1..4) {
                for n in 0..lines {
                    out.extend(format!("\x1b[2K\x1b[36m{n}\x1b[0m done\r\n").bytes());
                }
                out.extend(format!("\x1b[{lines}A").bytes());
            }
            out.extend(format!("\x1b[{lines}B").bytes());
        }
        // A multiplexer draws a pane's line, and its status.
        _ => {
            out.extend(format!("\x1b[?25l\x1b[{row};1H\x1b(B\x1b[m\x1b[K").bytes());
            out.extend_from_slice("\x1b(0qqx\x1b(B│界\x1b[38;5;4m".as_bytes());
            out.extend(
                format!(
                    "\x1b[{rows};1H\x1b[30m\x1b[42m[0] 0:sh*\x1b[{row};{cols}H\x1b[34h\x1b[?25h"
                )
                .bytes(),
            );
        }
    }
}
