//! Text, beside asciinema's for the same recording cut at 20 points.

use std::path::{Path, PathBuf};
use std::process::Command;

use avt::ScreenKind;
use hrec::event::{Data, Event, Header};
use hrec::format::asciicast::Encoder;
use hrec::format::cipher::Identities;
use hrec::recording::open;
use hrec::screen::{Model, Text};

use super::tool::tool;

const POINTS: usize = 20;
/// A longer recording would be read twenty times for the same programs.
const LONGEST: u64 = 3_000_000;

/// How many points were compared, and where the text is another; `None` where
/// there is nothing to compare.
pub(super) fn compare(path: &Path) -> Option<(usize, Vec<String>)> {
    if std::fs::metadata(path).ok()?.len() > LONGEST {
        return None;
    }
    let mut recording = open(path, &Identities::new()).ok()?;
    let header = Header { hrec: None, ..recording.header().clone() };
    let events = std::iter::from_fn(|| recording.next_event().ok()?);
    let output = |event: &Event| matches!(event.data, Data::Output(_) | Data::Resize(_));
    let events: Vec<Event> = events.filter(output).collect();
    let (mut points, mut different) = (0, Vec::new());
    for point in 1..=POINTS {
        let count = events.len() * point / POINTS;
        if count == 0 || count == events.len() * (point - 1) / POINTS {
            continue;
        }
        let cut = events.get(..count)?;
        let (ours, theirs) = (text(&header, cut), asciinemas(&header, cut));
        points += 1;
        let first = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
        if ours != theirs {
            let lines = (ours.len(), theirs.len());
            different.push(format!("after {count} events: {lines:?} lines, first {first:?}"));
        }
    }
    (points > 0).then_some((points, different))
}

fn text(header: &Header, events: &[Event]) -> Vec<String> {
    let mut model = Model::new(header.size);
    events.iter().for_each(|event| model.event(event));
    let terminal = model.terminal();
    let mut lines = Vec::new();
    if terminal.active_screen_kind() == ScreenKind::Alternate {
        // asciinema has this as the text then; `hrec cat` what scrolls behind it.
        let mut text = String::new();
        for line in terminal.screen().visible_lines() {
            text.extend(line.chars());
            if !line.is_wrapped() {
                lines.push(std::mem::take(&mut text).trim_end().to_owned());
            }
        }
    } else {
        let mut text = Text::new(header.size);
        events.iter().for_each(|event| lines.extend(text.event(event)));
        lines.extend(text.finish());
    }
    without_blank_end(lines)
}

/// By the program that `HREC_ASCIINEMA` names, or the one that the tests have.
fn asciinemas(header: &Header, events: &[Event]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let (cast, txt) = (dir.path().join("x.cast"), dir.path().join("x.txt"));
    let (mut encoder, mut text) = (Encoder::new(), Vec::new());
    encoder.header(header, &mut text);
    events.iter().for_each(|event| encoder.event(event, &mut text));
    std::fs::write(&cast, text).unwrap();
    let program = std::env::var_os("HREC_ASCIINEMA").map(PathBuf::from);
    let output = Command::new(program.unwrap_or_else(|| tool("asciinema")))
        .env("HOME", dir.path())
        .args(["convert", "-f", "txt"])
        .args([&cast, &txt])
        .output()
        .expect("asciinema 3.2; name it in HREC_ASCIINEMA");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&txt).unwrap();
    without_blank_end(text.lines().map(|line| line.trim_end().to_owned()).collect())
}

fn without_blank_end(mut lines: Vec<String>) -> Vec<String> {
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}
