//! From events to items.
//!
//! Refuses to know threads. The invariant: one pass, and the terminal model is
//! only asked where commands are marked, or nothing else says what was typed.

use avt::observer::{ShellEvent, ShellTracker};
use regex::Regex;

use super::activity::{Activity, Pauses, Stretch};
use super::{Item, Kind};
use crate::event::{Data, Event, Fact, Micros};
use crate::recording::Result;
use crate::screen::Model;
use crate::timeline::sweep::{Found, Task};
use crate::timeline::typed::TypedLines;

/// More items are not kept: nobody looks through as many.
const MOST: usize = 200_000;
/// More of an item's text is not kept, in bytes.
const LONGEST: usize = 4096;
/// So many events are between two reports.
const REPORT: u64 = 20_000;

/// What a stretch of a recording has.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) items: Vec<Item>,
    pub(super) activity: Activity,
    pub(super) pauses: Pauses,
    pub(super) limited: bool,
    /// The time of the last event.
    pub(super) end: Micros,
}

impl Found for Part {
    fn append(&mut self, later: Self) {
        self.items.extend(later.items);
        self.limited |= self.items.len() > MOST || later.limited;
        self.items.truncate(MOST);
        self.activity.add(&later.activity);
        self.pauses.add(&later.pauses);
        self.end = self.end.max(later.end);
    }
}

pub(super) fn scan(task: &Task<'_, Part>) -> Result<()> {
    let mut events = task.segment.events(task.source)?;
    let mut part = Part::default();
    let mut typed = TypedLines::default();
    let mut screen = Screen::new(Model::new(task.source.header().size));
    let mut last: Micros = 0;
    while let Some((number, event)) = events.next()? {
        part.pauses.pause(Stretch { from: last, to: event.time });
        last = event.time;
        part.end = last;
        let count = number + 1;
        let mut item = |kind, text: String| part.items.push(item(event.time, count, kind, text));
        match &event.data {
            Data::Input(bytes) => {
                screen.typed = true;
                for line in typed.input(bytes, event.time, count) {
                    part.items.push(self::item(line.time, line.event, Kind::Typed, line.text));
                }
            }
            Data::Output(bytes) => {
                part.activity.output(event.time, bytes.len());
                if let Some(text) = screen.output(&event, bytes) {
                    item(Kind::Command, text);
                }
            }
            Data::Resize(size) => {
                screen.event(&event);
                item(Kind::Resize, size.to_string());
            }
            Data::Marker(text) => item(Kind::Marker, text.clone()),
            Data::Fact(fact) => {
                if let Some((kind, text)) = of_fact(fact) {
                    item(kind, text);
                }
            }
            _ => {}
        }
        if count.is_multiple_of(REPORT) && !task.give(std::mem::take(&mut part)) {
            return Ok(());
        }
    }
    for line in typed.finish() {
        part.items.push(item(line.time, line.event, Kind::Typed, line.text));
    }
    task.give(part);
    Ok(())
}

fn item(time: Micros, event: u64, kind: Kind, mut text: String) -> Item {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    Item { time, event, kind, text }
}

fn of_fact(fact: &Fact) -> Option<(Kind, String)> {
    let text = |name: &str| fact.fields.get(name).and_then(|value| value.as_str());
    let joined = |names: &[&str]| {
        let texts: Vec<&str> = names.iter().filter_map(|name| text(name)).collect();
        texts.join(" ")
    };
    match fact.kind.as_str() {
        "sql" => {
            let statement = text("text").or_else(|| text("kind"))?;
            let failed = text("sqlstate").filter(|state| *state != "00000");
            let failed = failed.map(|state| format!(" [{state}]")).unwrap_or_default();
            Some((Kind::Statement, format!("{statement}{failed}")))
        }
        "alert" => Some((Kind::Alert, joined(&["severity", "rule", "text"]))),
        "transfer" => {
            let done = joined(&["proto", "op", "dir", "path", "to"]);
            let failed = text("status").filter(|status| *status != "ok");
            let failed = failed.map(|status| format!(" [{status}]")).unwrap_or_default();
            Some((Kind::Transfer, done + &failed))
        }
        _ => None,
    }
}

/// Commands by what is shown.
struct Screen {
    model: Model,
    shell: ShellTracker,
    /// The shell marks its commands.
    marked: bool,
    /// Input is recorded.
    typed: bool,
    /// How many outputs have come since the cursor came to its line.
    stay: u32,
    prompt: Option<Regex>,
}

impl Screen {
    fn new(model: Model) -> Self {
        // Something short, a sign that ends prompts, a blank, and a command.
        let prompt = Regex::new(r"^(?:\S.{0,120}?)??[$#%>❯➜λ»›]\s+(\S.*)$").ok();
        Self { model, shell: ShellTracker::new(), marked: false, typed: false, stay: 0, prompt }
    }

    fn event(&mut self, event: &Event) {
        self.model.event_with(event, &mut self.shell);
    }

    /// Takes output; the command that it shows to have been entered.
    fn output(&mut self, event: &Event, bytes: &[u8]) -> Option<String> {
        let entered = !self.marked && !self.typed && self.stay > 0 && ends_line(bytes);
        let command = if entered { self.command() } else { None };
        let told = self.model.event_with(event, &mut self.shell).into_iter().flatten();
        let mut marked = None;
        for event in told {
            self.marked = true;
            if let ShellEvent::CommandSubmitted(command) = event {
                marked = command.text.filter(|text| !text.is_empty());
            }
        }
        self.stay = if memchr::memchr(b'\n', bytes).is_some() && !entered {
            u32::from(!bytes.ends_with(b"\n"))
        } else {
            self.stay + 1
        };
        if entered {
            self.stay = u32::from(!bytes.ends_with(b"\n"));
        }
        if self.marked { marked } else { command }
    }

    /// What stands behind a prompt in the cursor's line.
    fn command(&self) -> Option<String> {
        let terminal = self.model.terminal();
        let row = terminal.cursor().row;
        let (mut text, mut here) = (String::new(), false);
        for (n, line) in terminal.screen().visible_lines().enumerate() {
            text.extend(line.chars());
            here |= n == row;
            if !line.is_wrapped() {
                if here {
                    break;
                }
                text.clear();
            }
        }
        let found = self.prompt.as_ref()?.captures(text.trim_end())?;
        Some(found.get(1)?.as_str().to_owned())
    }
}

/// Output that begins with the end of a line: Enter's echo.
fn ends_line(bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(b"\x1b[?2004l").unwrap_or(bytes);
    rest.trim_ascii_start().len() < rest.len()
        && memchr::memchr(b'\n', rest.get(..rest.len().min(8)).unwrap_or_default()).is_some()
        && matches!(rest.first(), Some(b'\r' | b'\n'))
}
