//! Against a whole terminal model.

use proptest::prelude::*;

use super::super::control::Parser;
use super::*;

const COLS: usize = 12;
const ROWS: usize = 5;

fn piece() -> impl Strategy<Value = String> {
    let sequence = prop::sample::select(vec![
        "\r",
        "\n",
        "\r\n",
        "\t",
        "\x08",
        "\x1b[A",
        "\x1b[2A",
        "\x1b[B",
        "\x1b[3C",
        "\x1b[C",
        "\x1b[2D",
        "\x1b[4G",
        "\x1b[2;3H",
        "\x1b[H",
        "\x1b[9;9H",
        "\x1b[3d",
        "\x1b[K",
        "\x1b[1K",
        "\x1b[2K",
        "\x1b[J",
        "\x1b[2J",
        "\x1b[2X",
        "\x1b[2@",
        "\x1b[P",
        "\x1b[3P",
        "\x1b7",
        "\x1b8",
        "\x1b[31m",
        "\x1b[m",
        "\x1b[L",
        "\x1b[M",
        "\x1bM",
        "\x1b[2;4r",
        "\x1b[r",
        "\x1b[2S",
        "\x1b]0;t\x07",
        "\x1b[2I",
        "\x1b[Z",
    ]);
    prop_oneof![3 => "[a-f]{1,5}", 1 => "[漢字]", 4 => sequence.prop_map(str::to_owned)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Wherever it says what a cell of the cursor's row shows, and once it
    /// says in what row the cursor is, a terminal shows the same there.
    #[test]
    fn it_agrees_with_a_terminal(pieces in prop::collection::vec(piece(), 0..40)) {
        let mut terminal = avt::Terminal::new(COLS, ROWS).unwrap();
        let mut grid = Grid::new(TermSize::clamped(COLS as u64, ROWS as u64));
        let mut parser = Parser::default();
        let mut told = String::new();
        // Until the row is known, it takes it that the program does not go up
        // or down past the screen's edge.
        for piece in std::iter::once("\x1b[H".to_owned()).chain(pieces) {
            told.push_str(&piece);
            terminal.feed(piece.chars());
            parser.parse(piece.as_bytes(), &mut |act| grid.act(&act));
            let cursor = terminal.cursor();
            let Some(col) = grid.cursor.col else { continue };
            // Past the last column the terminal says that it will wrap.
            let col = if grid.cursor.full { COLS } else { col };
            prop_assert_eq!(col, cursor.col, "{:?}", told);
            let shown: Vec<char> =
                terminal.screen().line(cursor.row).unwrap().cells().iter().map(avt::Cell::char).collect();
            let Some(top) = grid.top else { continue };
            prop_assert_eq!(grid.cursor.row - top, cursor.row as i64, "{:?}", told);
            for (col, &there) in shown.iter().enumerate() {
                let cell = grid.cell((grid.cursor.row, col));
                if cell.stamp > 0 && cell.shown > '\u{1}' {
                    prop_assert_eq!(cell.shown, there, "{:?} column {}", told, col);
                }
            }
        }
    }
}
