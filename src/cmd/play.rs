//! `hrec play`: a recording, shown as it happened.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::info::{Content, Facts};
use super::place::{Place, identities};
use super::source::Source;
use crate::cli;
use crate::config::Config;
use crate::event::{Header, Micros};
use crate::play::clock::{Speed, Wall, go_to};
use crate::play::keymap::Keymap;
use crate::play::{Driver, Ended, Model, Playhead, Setup, Terminal, plain};
use crate::recording;
use crate::sys::signals::die_of;
use crate::timeline::{LineEnds, Timeline, idle_limit, speed, with_streams};

/// Runs the verb.
///
/// # Errors
/// When the recording cannot be opened or read, or the terminal is gone.
pub fn run(args: &cli::Play, config: &Config) -> Result<ExitCode> {
    if args.plain || !std::io::stdout().is_terminal() || is_dumb() {
        return replay(args, config);
    }
    let identities = identities(&args.identity, config)?;
    let (place, timeline) = if args.rec == "-" {
        let stdin = std::io::stdin().lock();
        let source = recording::Source::open_input("standard input", stdin, &identities)?;
        (None, Timeline::new(source))
    } else {
        let place = Place::find(&args.rec, config)?;
        let timeline = Timeline::open(&place.path, &identities);
        let timeline = timeline.map_err(|error| place.explain(error))?;
        (Some(place), timeline)
    };
    let setup = setup(place.as_ref(), &timeline);
    let limit = limit(args, config, timeline.header());
    let mut playhead = Playhead::new(timeline, micros(limit));
    begin(args, &mut playhead, &setup.wall)?;

    let Some(mut driver) = Driver::take()? else { return replay(args, config) };
    let mut model = Model::new(playhead, setup, driver.size());
    let ended = driver.run::<anyhow::Error>(&mut model);
    let left = driver.leave();
    drop(driver);
    let ended = ended?;
    let timeline = model.playhead().timeline();
    tell(timeline.remarks());
    if let Ended::Signal(signal) = ended {
        die_of(signal);
    }
    left?;
    Ok(status(timeline.is_damaged()))
}

/// Whether the terminal cannot put the cursor anywhere.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

fn setup(place: Option<&Place>, timeline: &Timeline) -> Setup {
    let header = timeline.header();
    let ours = header.hrec.as_ref().and_then(|hrec| hrec.get("start")?.as_str()?.parse().ok());
    let start = || header.timestamp.and_then(|at| jiff::Timestamp::from_second(at).ok());
    let wall = Wall { start: ours.or_else(start), zone: jiff::tz::TimeZone::system() };
    let opened = Content { header, version: timeline.version(), state: timeline.state() };
    let details = place.map(|place| {
        let manifest = place.manifest();
        let facts = Facts { place, manifest: manifest.as_ref(), opened: Ok(opened) };
        facts.lines().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    });
    let name = place.and_then(|place| place.path.file_name());
    let name = name.map_or("standard input".into(), |name| name.to_string_lossy());
    let name = name.strip_suffix(recording::SUFFIX).unwrap_or(&name).to_owned();
    Setup { name, keymap: Keymap::default(), wall, details: details.unwrap_or_default() }
}

/// Where the replay begins, and how fast.
fn begin(args: &cli::Play, playhead: &mut Playhead, wall: &Wall) -> Result<()> {
    playhead.set_speed(Speed::Times(args.speed));
    if args.follow {
        playhead.go_end()?;
        return Ok(());
    }
    if let Some(at) = &args.at {
        let end = playhead.timeline_mut().duration()?;
        playhead.go(go_to(at, 0, end, wall).map_err(|wrong| anyhow!("--at: {wrong}"))?);
    }
    playhead.toggle(0)?;
    Ok(())
}

fn limit(args: &cli::Play, config: &Config, header: &Header) -> Duration {
    let wished = header.idle_time_limit.and_then(|s| Duration::try_from_secs_f64(s).ok());
    match (&args.idle_limit, wished) {
        // What was typed is in the configuration already.
        (None, Some(wished)) => wished,
        _ => config.play_idle.value,
    }
}

fn micros(time: Duration) -> Micros {
    Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX)
}

/// The replay without a player: the screen as it changes, or, where there is no
/// terminal, its text.
fn replay(args: &cli::Play, config: &Config) -> Result<ExitCode> {
    let mut source = Source::open(&args.rec, &args.identity, config)?;
    let header = source.header().clone();
    let limit = limit(args, config, &header);
    let events = with_streams(&mut source, LineEnds::Terminal);
    let events = idle_limit(events, (!limit.is_zero()).then_some(limit));
    let events = speed(events, args.speed);

    let terminal = match std::io::stdout().is_terminal() {
        true => Terminal::take()?,
        false => None,
    };
    let ended = match terminal {
        Some(mut terminal) => plain::on_terminal(&header, events, &mut terminal)?,
        None => {
            plain::as_lines(&header, events, &mut std::io::stdout().lock(), plain::sleeper())?;
            Ended::Whole
        }
    };
    tell(&source.remarks());
    if let Ended::Signal(signal) = ended {
        die_of(signal);
    }
    Ok(status(source.is_damaged()))
}

fn tell(remarks: &[String]) {
    let mut err = std::io::stderr().lock();
    for remark in remarks {
        let _ = writeln!(err, "hrec: {remark}");
    }
}

fn status(damaged: bool) -> ExitCode {
    if damaged { ExitCode::from(super::FAILED) } else { ExitCode::SUCCESS }
}
