//! From events to items.
//!
//! Refuses to know threads. The invariant: one pass, and a recording that grows
//! is read on where the pass before it ended. A typed line stands where it was
//! typed, not where the recorder had judged that it may be kept, so that it can
//! come after what followed it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use avt::ScreenKind;
use avt::observer::{ShellEvent, ShellTracker};
use jiff::Timestamp;
use regex::Regex;

use super::activity::{Activity, Pauses, Stretch};
use super::flood::Flood;
use super::{Item, Kind};
use crate::event::{Data, Event, Fact, Micros};
use crate::recording::{Result, State};
use crate::screen::Model;
use crate::timeline::spot::Spot;
use crate::timeline::sweep::{Found, Task};
use crate::timeline::typed::{TypedLine, TypedLines};

/// More items are not kept: nobody looks through as many.
const MOST: usize = 200_000;
/// More of an item's text is not kept, in bytes.
const LONGEST: usize = 4096;
/// Nor more places where the wall clock was noted: a person sets it seldom.
pub const MOST_CLOCKS: usize = 10_000;
/// A typed line is kept when it is known that it was no secret, some events
/// later: so many are remembered. Of one that came later still, nothing tells
/// where it was typed but where it stands.
const RECENT: usize = 8192;
/// A shell marks a command this soon (µs) after its line was ended.
const ECHO: Micros = 1_000_000;
/// So many events are between two reports.
const REPORT: u64 = 20_000;

/// What a stretch of a recording has.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) items: Vec<Item>,
    pub(super) activity: Activity,
    pub(super) pauses: Pauses,
    /// What the clock on the wall showed, where that was noted.
    pub(super) clocks: Vec<(Micros, Timestamp)>,
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
        self.clocks.extend(later.clocks);
        self.clocks.truncate(MOST_CLOCKS);
        self.end = self.end.max(later.end);
    }
}

/// What is taken along to where a growing recording is read on.
pub(super) struct Carry {
    pub(super) at: Spot,
    typed: Typed,
    screen: Screen,
}

/// Nothing, unless a scan came to the end of what grows.
pub(super) type Carried = Mutex<Option<Carry>>;

pub(super) fn scan(task: &Task<'_, Part>, carried: &Carried) -> Result<()> {
    // Nobody waits for it, and somebody may be going through the recording:
    // 0 is this thread (setpriority(2), on Linux). Where that fails it is only
    // less polite.
    let _ = rustix::process::setpriority_process(None, 10);
    let mut events = task.segment.events(task.source)?;
    let mut part = Part::default();
    let before = carried.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (mut last, mut typed, mut screen) = match before {
        Some(carry) => (carry.at.time, carry.typed, carry.screen),
        None => {
            let screen = Screen::new(Model::new(task.source.header().size));
            (0, Typed::default(), screen)
        }
    };
    while let Some((number, event)) = events.next()? {
        part.pauses.pause(Stretch { from: last, to: event.time });
        last = event.time;
        part.end = last;
        let count = number + 1;
        typed.happened(event.time, count);
        let mut item = |kind, text: String| part.items.push(item(event.time, count, kind, text));
        match &event.data {
            Data::Input(bytes) => part.items.extend(typed.input(bytes, event.time, count)),
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
                typed.fact(fact);
                part.clocks.extend(wall_clock(fact).map(|wall| (event.time, wall)));
            }
            _ => {}
        }
        if count.is_multiple_of(REPORT) && !task.give(std::mem::take(&mut part)) {
            return Ok(());
        }
    }
    if task.source.state() == State::Live {
        // The line that is being typed is listed once it is ended.
        let carry = Carry { at: events.here(), typed, screen };
        *carried.lock().unwrap_or_else(PoisonError::into_inner) = Some(carry);
    } else {
        part.items.extend(typed.finish());
    }
    task.give(part);
    Ok(())
}

/// Typed lines, and where they were typed.
#[derive(Default)]
struct Typed {
    lines: TypedLines,
    /// The events that happened last: when, and how many had then.
    recent: VecDeque<(Micros, u64)>,
    /// When the keys that come next were typed.
    when: Option<Micros>,
}

impl Typed {
    fn happened(&mut self, time: Micros, count: u64) {
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((time, count));
    }

    /// Takes a fact: `typed` says when what follows it was.
    fn fact(&mut self, fact: &Fact) {
        if fact.kind == "typed" {
            self.when = fact.fields.get("end_us").and_then(serde_json::Value::as_u64);
        }
    }

    fn input(&mut self, bytes: &[u8], time: Micros, count: u64) -> Vec<Item> {
        let when = self.when.take().filter(|when| *when < time);
        let place = when.and_then(|when| {
            let known = self.recent.partition_point(|(time, _)| *time <= when);
            let (_, event) = self.recent.get(known.checked_sub(1)?)?;
            Some((when, *event))
        });
        let (time, event) = place.unwrap_or((time, count));
        self.lines.input(bytes, time, event).into_iter().map(typed_item).collect()
    }

    fn finish(mut self) -> Option<Item> {
        self.lines.finish().pop().map(typed_item)
    }
}

fn typed_item(line: TypedLine) -> Item {
    item(line.time, line.event, Kind::Typed, line.text)
}

/// What the clock on the wall showed, by a fact that says so.
#[must_use]
pub fn wall_clock(fact: &Fact) -> Option<Timestamp> {
    let notes = matches!(fact.kind.as_str(), "clock" | "suspend" | "resume");
    fact.fields.get("wall").filter(|_| notes)?.as_str()?.parse().ok()
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
    flood: Flood,
    shell: ShellTracker,
    /// The shell marks its commands, so that they can be read.
    marked: bool,
    /// The last command that was read behind a prompt, and when.
    guessed: Option<(Micros, String)>,
    /// How many outputs have come since the cursor came to its line.
    stay: u32,
    prompt: Option<Regex>,
}

impl Screen {
    fn new(model: Model) -> Self {
        // Something short, a sign that ends prompts, a blank, and a command.
        let prompt = Regex::new(r"^(?:\S.{0,120}?)??[$#%>❯➜λ»›]\s+(\S.*)$").ok();
        Self {
            model,
            flood: Flood::default(),
            shell: ShellTracker::new(),
            marked: false,
            guessed: None,
            stay: 0,
            prompt,
        }
    }

    fn event(&mut self, event: &Event) {
        self.model.event_with(event, &mut self.shell);
    }

    /// Takes output; the command that it shows to have been entered.
    fn output(&mut self, event: &Event, bytes: &[u8]) -> Option<String> {
        let entered = !self.marked && self.stay > 0 && ends_line(bytes);
        let command = if entered { self.command() } else { None };
        let told = match self.flood.begin(bytes) {
            0 => self.model.event_with(event, &mut self.shell),
            begin => {
                let end = bytes.get(begin..).unwrap_or_default().to_vec();
                let event = Event { time: event.time, data: Data::Output(end) };
                self.model.event_with(&event, &mut self.shell)
            }
        };
        let told = told.into_iter().flatten();
        let mut marked = None;
        for event in told {
            // A shell may mark its prompts and nothing else, or where a command
            // runs and not where it begins: that says nothing.
            if let ShellEvent::CommandSubmitted(command) = event
                && let Some(text) = command.text.filter(|text| !text.is_empty())
            {
                self.marked = true;
                marked = Some(text);
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
        if !self.marked {
            if let Some(command) = &command {
                self.guessed = Some((event.time, command.clone()));
            }
            return command;
        }
        // The first one was read already, and its mark comes a little later.
        let guessed = self.guessed.take();
        let same = |text: &String| {
            guessed.as_ref().is_some_and(|(time, guess)| {
                guess == text && event.time.saturating_sub(*time) < ECHO
            })
        };
        marked.filter(|text| !same(text))
    }

    /// What stands behind a prompt in the cursor's line.
    fn command(&self) -> Option<String> {
        let terminal = self.model.terminal();
        // What an editor shows is no shell's.
        if terminal.active_screen_kind() != ScreenKind::Primary {
            return None;
        }
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
