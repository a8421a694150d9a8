//! Looking up at what had scrolled away.
//!
//! Refuses to know keys. The invariant: it holds as many rows as the screen
//! has, the last of which are the screen's own unless it looks farther up.

use avt::Line;

use crate::recording::Result;
use crate::timeline::Timeline;

/// A view of the rows above the screen.
#[derive(Clone, Debug)]
pub struct Back {
    /// How many rows it is above the screen.
    up: u64,
    rows: Vec<Line>,
}

impl Back {
    /// So many rows up, or as many as there are; `None` when there are none.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn look(timeline: &mut Timeline, up: u64) -> Result<Option<Self>> {
        let up = match up.checked_sub(1) {
            None => return Ok(None),
            Some(top) => match timeline.scrolled(top)? {
                Some(_) => up,
                None => known(timeline, up)?,
            },
        };
        if up == 0 {
            return Ok(None);
        }
        let height = usize::from(timeline.model().size().rows());
        let mut rows = Vec::with_capacity(height);
        for row in 0..height {
            let above = u64::try_from(row).ok().and_then(|row| up.checked_sub(row + 1));
            let line = match above {
                Some(back) => timeline.scrolled(back)?,
                None => {
                    let below = row - usize::try_from(up).unwrap_or(usize::MAX).min(row);
                    let screen = timeline.model().terminal().primary_screen();
                    screen.line(below).cloned()
                }
            };
            rows.extend(line);
        }
        Ok(Some(Self { up, rows }))
    }

    /// How many rows above the screen.
    #[must_use]
    pub fn up(&self) -> u64 {
        self.up
    }

    /// The rows, from the top.
    #[must_use]
    pub fn rows(&self) -> &[Line] {
        &self.rows
    }
}

/// How many rows there are, of which it is known that they are fewer than
/// `most`.
fn known(timeline: &mut Timeline, most: u64) -> Result<u64> {
    let (mut least, mut most) = (0, most);
    while least + 1 < most {
        let middle = least + (most - least) / 2;
        // Row `middle - 1` is there when there are `middle` of them.
        match timeline.scrolled(middle - 1)? {
            Some(_) => least = middle,
            None => most = middle,
        }
    }
    Ok(least)
}
