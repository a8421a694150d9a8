//! The terminal's size: the first, every change, in order, pixels too.

use crate::recording;
use crate::support::{Sandbox, Size, Start, Terminal};

const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/relay/report_size.py");

fn reported(size: Size) -> String {
    format!("<{}x{} {}x{}>", size.cols, size.rows, size.x_pixels, size.y_pixels)
}

/// The sizes that the program said, in order.
fn all_reported(seen: &[u8]) -> Vec<(u16, u16)> {
    let regex = regex::Regex::new(r"<(\d+)x(\d+) \d+x\d+>").expect("a regular expression");
    let text = String::from_utf8_lossy(seen);
    regex
        .captures_iter(&text)
        .map(|found| (found[1].parse().expect("columns"), found[2].parse().expect("rows")))
        .collect()
}

fn is_subsequence<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|item| whole.any(|other| other == item))
}

/// 200 changes in bursts. The kernel merges signals, so neither hrec nor a
/// bare program sees each size of a burst; the last of each they must see,
/// and what they see must be in order.
#[test]
fn storms_of_resizes() {
    let sandbox = Sandbox::new();
    let first = Size::new(101, 37);
    let mut terminal = Start::new(&sandbox).size(first).spawn(&recording(&["python3", REPORT]));
    terminal.expect(reported(first));
    let mut sent = vec![first];
    let mut settled = vec![(first.cols, first.rows)];
    for burst in 0..10_u16 {
        for step in 0..20_u16 {
            let size = Size::new(80 + burst * 20 + step, 20 + (burst * 20 + step) % 60);
            terminal.resize(size);
            sent.push(size);
        }
        let last = *sent.last().expect("a size");
        terminal.expect(reported(last));
        settled.push((last.cols, last.rows));
    }
    terminal.send("\n");
    assert_eq!(terminal.wait(), 0);

    let sent: Vec<_> = sent.iter().map(|size| (size.cols, size.rows)).collect();
    let recorded = sandbox.sizes("-1");
    assert_eq!(recorded[0], sent[0]);
    assert!(is_subsequence(&recorded, &sent), "recorded {recorded:?}\nsent {sent:?}");
    assert!(is_subsequence(&settled, &recorded), "recorded {recorded:?}\nsettled at {settled:?}");
    let mut said = all_reported(terminal.seen());
    said.dedup();
    assert!(
        is_subsequence(&said, &recorded),
        "the program saw a size that the recording lacks: {said:?}\n{recorded:?}"
    );

    // In order with the output around them: when the program says a size, the
    // recording has that size already, and no later one that is final yet.
    let (_, events) = sandbox.cast("-1");
    let mut known = vec![sent[0]];
    for event in events {
        match event.code.as_str() {
            "r" => {
                let (cols, rows) = event.data.split_once('x').expect("COLSxROWS");
                known.push((cols.parse().expect("columns"), rows.parse().expect("rows")));
            }
            "o" => all_reported(event.data.as_bytes()).iter().for_each(|size| {
                assert!(known.contains(size), "{size:?} was said before it was recorded")
            }),
            _ => (),
        }
    }
}

/// A change at any moment of the start: before hrec looks, while it does,
/// between the look and the wait.
#[test]
fn a_resize_while_hrec_starts_is_not_lost() {
    let sandbox = Sandbox::new();
    let (before, after) = (Size::new(90, 30), Size::new(123, 45));
    for delay in 0..16 {
        let mut terminal =
            Start::new(&sandbox).size(before).spawn(&recording(&["python3", REPORT]));
        std::thread::sleep(std::time::Duration::from_millis(delay * 5));
        terminal.resize(after);
        terminal.expect(reported(after));
        terminal.send("\n");
        assert_eq!(terminal.wait(), 0);
        assert_eq!(sandbox.sizes("-1").last(), Some(&(123, 45)), "{delay}");
    }
}

/// A terminal whose pixels alone change (a font is zoomed) has changed.
#[test]
fn pixel_sizes_arrive() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["python3", REPORT]));
    terminal.expect("<80x24 720x432>");
    terminal.resize(Size { cols: 80, rows: 24, x_pixels: 960, y_pixels: 480 });
    terminal.expect("<80x24 960x480>");
    terminal.send("\n");
    assert_eq!(terminal.wait(), 0);
}

/// A terminal that does not know its size says 0x0, and so does hrec's.
#[test]
fn a_terminal_without_a_size() {
    let sandbox = Sandbox::new();
    let none = Size { cols: 0, rows: 0, x_pixels: 0, y_pixels: 0 };
    let mut terminal = Start::new(&sandbox).size(none).spawn(&recording(&["stty", "size"]));
    assert_eq!(terminal.wait(), 0);
    assert!(terminal.seen().starts_with(b"0 0\r\n"), "{}", terminal.seen().escape_ascii());
    assert_eq!(sandbox.sizes("-1"), [(80, 24)], "the recording has one that a player can draw");
}
