//! What a person would see: a terminal model that draws what an outer terminal
//! was sent.

use super::Size;

/// A terminal model, fed as bytes and sizes come.
pub struct Screen {
    model: avt::Terminal,
    fed: usize,
    sizes: usize,
}

impl Screen {
    pub fn new(sizes: &[(usize, Size)]) -> Self {
        let (_, size) = sizes[0];
        let model = avt::Terminal::new(size.cols.into(), size.rows.into()).expect("a size");
        Self { model, fed: 0, sizes: 1 }
    }

    /// Takes in what is new. The end of `seen` may be half a character: it
    /// stays out until the rest comes.
    pub fn feed(&mut self, seen: &[u8], sizes: &[(usize, Size)]) {
        for (at, size) in &sizes[self.sizes..] {
            self.text(&seen[self.fed..*at]);
            self.model.resize(size.cols.into(), size.rows.into());
        }
        self.sizes = sizes.len();
        let rest = &seen[self.fed..];
        let half = match std::str::from_utf8(rest) {
            Err(error) if error.error_len().is_none() => rest.len() - error.valid_up_to(),
            _ => 0,
        };
        self.text(&rest[..rest.len() - half]);
    }

    fn text(&mut self, bytes: &[u8]) {
        self.model.feed(String::from_utf8_lossy(bytes).as_ref());
        self.fed += bytes.len();
    }

    /// What stands before the cursor, the two rows above its own with it,
    /// without blanks.
    pub fn before_cursor(&self) -> String {
        let cursor = self.model.cursor();
        let rows = cursor.row.saturating_sub(2)..=cursor.row;
        let chars = rows.flat_map(|row| {
            let cells = self.model.screen().line(row).map(|line| line.cells().to_vec());
            let cells = cells.unwrap_or_default();
            let count = if row == cursor.row { cursor.col } else { cells.len() };
            // What a wide character covers has no character of its own.
            cells.into_iter().take(count).filter(|cell| cell.width() > 0).map(|cell| cell.char())
        });
        chars.filter(|c| !c.is_whitespace()).collect()
    }

    pub fn lines(&self) -> Vec<String> {
        let rows = self.model.size().1;
        let line =
            |row| self.model.screen().line(row).map(|line| line.text().trim_end().to_owned());
        (0..rows).filter_map(line).collect()
    }
}
