//! What was probably meant by a name that does not exist.
//!
//! Knows nothing of what the names are. Its invariant: no guess rather than a
//! far one.

/// The candidate that `name` is most likely a misspelling of: the smallest
/// edit distance (insert, delete, replace, or swap of neighbours), and at most
/// a third of the name's length, since a far guess is worse than none.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = name.chars().count().div_ceil(3);
    candidates
        .into_iter()
        .map(|c| (distance(name, c), c))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Optimal string alignment distance. Cost is |a| x |b|, so what a person
/// typed is cut at 64 characters: no name here is near that.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut left_a: Option<char> = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut left_b: Option<char> = None;
        for (j, &cb) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&last, j) + usize::from(ca != cb))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            if j > 0 && left_a == Some(cb) && left_b == Some(ca) {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
            left_b = Some(cb);
        }
        before = std::mem::replace(&mut last, row);
        left_a = Some(ca);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_names_what_was_meant() {
        let verbs = ["rec", "play", "ls", "info", "cat", "doctor"];
        for (typed, meant) in [
            ("pla", Some("play")),
            ("paly", Some("play")),
            ("docter", Some("doctor")),
            ("inof", Some("info")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, verbs), meant, "{typed}");
        }
    }

    #[test]
    fn the_nearest_wins_over_the_first() {
        assert_eq!(nearest("recover", ["recovery", "recover"]), Some("recover"));
        assert_eq!(distance("ca", "abc"), 3);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
