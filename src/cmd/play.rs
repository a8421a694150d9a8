//! `hrec play`: a recording, shown as it happened.

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::far::Far;
use super::info::{Content, Facts};
use super::ledger;
use super::library::Shelf;
use super::place::{Place, identities};
use super::source::Source;
use super::stage::Stage;
use super::told;
use super::verify::verdict;
use crate::cli;
use crate::config::Config;
use crate::config::identity::to_read_with;
use crate::event::{Data, Event, Header, Micros};
use crate::format::cipher::Identities;
use crate::play::browser::{Browser, Browsing, Choice, Desk};
use crate::play::clock::{Speed, Wall, go_to, is_by_clock};
use crate::play::keymap::Keymap;
use crate::play::notes::{Key, Notes};
use crate::play::panel::Shown;
use crate::play::prompt::Message;
use crate::play::{Check, Ended, Lost, Model, Playhead, Setup, Terminal, plain};
use crate::recording;
use crate::screen::Text;
use crate::sys::clock::zone;
use crate::sys::signals::die_of;
use crate::timeline::scan::{MOST_CLOCKS, wall_clock};
use crate::timeline::{LineEnds, Timeline, Wake, idle_limit, speed, with_streams};

/// Runs the verb.
///
/// # Errors
/// When the recording cannot be opened or read, or the terminal is gone.
pub fn run(args: &cli::Play, config: &Config) -> Result<ExitCode> {
    // What no recording could have, before anything is asked or opened.
    if let Some(at) = &args.at {
        go_to(at, 0, Micros::MAX, &Wall::new(None, zone()))
            .map_err(|wrong| anyhow!("--at: {wrong}"))?;
    }
    if args.plain || !std::io::stdout().is_terminal() || is_dumb() {
        return replay(args, config);
    }
    let rec = args.rec.as_deref();
    let far = rec.map(|rec| Far::of(rec, config, "play")).transpose()?.flatten();
    let stage = Stage::default();
    let shown = match (rec, &far) {
        (_, Some(far)) if far.rec().is_some() || args.follow => brought(far, args, &stage),
        (_, Some(far)) => chosen(args, far.config(), &stage, Some(far)),
        (Some(rec), None) => named(rec, args, config, &stage, None),
        // Who follows what is going on wants to see it at once.
        (None, None) if args.follow => named(OsStr::new("-1"), args, config, &stage, None),
        (None, None) => chosen(args, config, &stage, None),
    };
    let left = stage.leave();
    if let Some(signal) = stage.signal() {
        die_of(signal);
    }
    // No terminal to show it on.
    let Some((ended, timeline)) = shown? else { return replay(args, config) };
    match (far.as_ref().and_then(Far::lost), &timeline) {
        // It is not the recording that was interrupted.
        (Some(lost), _) => tell(&[lost]),
        (None, Some(timeline)) => tell(timeline.remarks()),
        (None, None) => {}
    }
    if let Ended::Signal(signal) = ended {
        die_of(signal);
    }
    left?;
    Ok(status(timeline.is_some_and(|timeline| timeline.is_damaged())))
}

/// How it ended, and the recording that was played last.
type Played = Option<(Ended, Option<Timeline>)>;

/// Plays the recording that was named.
fn named(
    rec: &OsStr,
    args: &cli::Play,
    config: &Config,
    stage: &Stage,
    far: Option<&Far>,
) -> Result<Played> {
    let files = to_read_with(&args.identity.files, config);
    let (place, timeline) = if rec == "-" {
        // Once: what a pipe gave is gone.
        let identities = stage.identities(&files)?;
        let stdin = std::io::stdin().lock();
        let source = recording::Source::open_input("standard input", stdin, &identities)?;
        (None, Timeline::new(source))
    } else {
        let place = Place::find(rec, config)?;
        let timeline = stage.opening(&files, |identities| open(&place, identities))?;
        (Some(place), timeline)
    };
    play(On { place: place.as_ref(), far, chosen: false }, timeline, args, config, stage)
}

/// Plays the recording that was named in another host's store.
fn brought(far: &Far, args: &cli::Play, stage: &Stage) -> Result<Played> {
    let id = far.id(args.follow)?;
    far.bring_one(&id, true, &mut far.told())?;
    named(OsStr::new(id.as_str()), args, far.config(), stage, Some(far))
}

fn open(place: &Place, identities: &Identities) -> Result<Timeline> {
    Timeline::open(&place.path, identities).map_err(|error| place.explain(error))
}

/// Lets the person choose, plays what was chosen, and comes back.
fn chosen(args: &cli::Play, config: &Config, stage: &Stage, far: Option<&Far>) -> Result<Played> {
    let files = to_read_with(&args.identity.files, config);
    far.map(Far::look).transpose()?;
    let shelf = Shelf::new(config, files.clone(), stage.answers());
    let name = config
        .origin()
        .map_or_else(|| config.store().to_string_lossy().into_owned(), str::to_owned);
    let mut browser = Browser::new(&name, zone());
    browser.set_keys(Keymap::with(&config.play_keys.value.0)?);
    // The terminal first: its signals are blocked in threads that start later.
    if stage.with(|_| ())?.is_none() {
        return Ok(None);
    }
    let desk = Desk::start(Arc::new(shelf))?;
    let mut last = None;
    loop {
        let mut browsing = Browsing { browser: &mut browser, desk: &desk };
        let Some(shown) = stage.with(|driver| driver.show(&mut browsing))? else {
            return Ok(None);
        };
        let entry = match shown? {
            Shown::Signal(signal) => return Ok(Some((Ended::Signal(signal), last))),
            Shown::Answer(Choice::Quit) => return Ok(Some((Ended::Quit, last))),
            Shown::Answer(Choice::Play(entry)) => entry,
        };
        desk.rest(true);
        let place = Place::at(&entry.path);
        let brought = far.map(|far| far.bring_listed(&entry.id)).transpose();
        let played = brought
            .and_then(|_| stage.opening(&files, |identities| open(&place, identities)))
            .and_then(|timeline| {
                play(On { place: Some(&place), far, chosen: true }, timeline, args, config, stage)
            });
        desk.rest(false);
        // A passphrase may have been given meanwhile.
        browser.forget_failures();
        match played {
            Ok(Some((Ended::Back, timeline))) => last = timeline,
            Ok(ended) => return Ok(ended),
            Err(error) => {
                if stage.signal().is_some() {
                    return Ok(None);
                }
                let mut message = Message::new("This recording cannot be played", &told(&error));
                match stage.with(|driver| driver.show(&mut message))? {
                    Some(Ok(Shown::Signal(signal))) => {
                        return Ok(Some((Ended::Signal(signal), last)));
                    }
                    Some(shown) => drop(shown?),
                    None => return Ok(None),
                }
            }
        }
    }
}

/// What is played, beside its content.
struct On<'a> {
    place: Option<&'a Place>,
    /// Where it comes from, if that is elsewhere.
    far: Option<&'a Far>,
    chosen: bool,
}

fn play(
    On { place, far, chosen }: On<'_>,
    timeline: Timeline,
    args: &cli::Play,
    config: &Config,
    stage: &Stage,
) -> Result<Played> {
    let taken = stage.with(|driver| (driver.size(), driver.wake(), driver.now()))?;
    let Some((size, wake, now)) = taken else { return Ok(None) };
    let lost = far.cloned().map(|far| Box::new(move || far.lost()) as Lost);
    let setup = Setup { chosen, lost, ..setup(place, &timeline, config, wake)? };
    let limit = limit(args, config, timeline.header());
    let mut playhead = Playhead::new(timeline, micros(limit));
    let at = begin(args, &mut playhead, &setup.wall, now)?;
    match place {
        Some(place) => ledger::view(config, "play", place)?,
        None => ledger::view_of(config, "play", playhead.timeline().header())?,
    }
    let mut model = Model::new(playhead, setup, size);
    if let Some(at) = at {
        model.begin_at(at);
    }
    let ended = stage.with(|driver| driver.run::<anyhow::Error>(&mut model))?;
    let Some(ended) = ended.transpose()? else { return Ok(None) };
    Ok(Some((ended, Some(model.into_timeline()))))
}

/// Whether the terminal cannot put the cursor anywhere.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

fn setup(place: Option<&Place>, timeline: &Timeline, config: &Config, wake: Wake) -> Result<Setup> {
    let header = timeline.header();
    let wall = wall(header);
    let opened = Content { header, version: timeline.version(), state: timeline.state() };
    let details = place.map(|place| {
        let manifest = place.manifest();
        let origin = config.origin();
        let facts = Facts { place, origin, manifest: manifest.as_ref(), opened: Ok(opened) };
        facts.lines().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    });
    let name = place.and_then(|place| place.path.file_name());
    let name = name.map_or("standard input".into(), |name| name.to_string_lossy());
    let name = name.strip_suffix(recording::SUFFIX).unwrap_or(&name).to_owned();
    let (notes, remark) = notes(place, header, &name, config);
    let details = details.unwrap_or_default();
    let keymap = Keymap::with(&config.play_keys.value.0)?;
    let check = place.filter(|place| place.paths.manifest().exists()).map(|place| {
        let (place, config) = (place.clone(), config.clone());
        let named = |line| ("verified".to_owned(), line);
        let check = move || verdict(&place, &config).into_iter().map(named).collect();
        Box::new(check) as Check
    });
    Ok(Setup { name, keymap, wall, details, check, notes, remark, lost: None, chosen: false, wake })
}

/// The clock on the wall, by what the header says.
fn wall(header: &Header) -> Wall {
    let ours = header.hrec.as_ref().and_then(|hrec| hrec.get("start")?.as_str()?.parse().ok());
    let start = || header.timestamp.and_then(|at| jiff::Timestamp::from_second(at).ok());
    Wall::new(ours.or_else(start), zone())
}

/// The person's own markers, and why they cannot be read. Those of what comes
/// from a pipe are kept nowhere.
fn notes(
    place: Option<&Place>,
    header: &Header,
    name: &str,
    config: &Config,
) -> (Notes, Option<String>) {
    let id = header.hrec.as_ref().and_then(|hrec| hrec.get("id")?.as_str().and_then(Key::of_id));
    let start = || Key::of_start(std::fs::File::open(&place?.path).ok()?).ok();
    let Some(key) = id.or_else(start) else { return (Notes::none(), None) };
    let mut notes = Notes::at(&config.dirs().data.join("notes"), key, name);
    let failed = notes.read_again().err().map(|error| error.to_string());
    (notes, failed)
}

/// Where the replay begins, and how fast. Where only the whole recording tells,
/// what the player is to go to as soon as it knows.
fn begin<'a>(
    args: &'a cli::Play,
    playhead: &mut Playhead,
    wall: &Wall,
    now: Micros,
) -> Result<Option<&'a str>> {
    playhead.set_speed(Speed::Times(args.speed));
    if args.follow {
        playhead.go_end()?;
        return Ok(None);
    }
    let mut later = None;
    if let Some(at) = &args.at {
        let end = playhead.timeline_mut().duration()?;
        if wall.is_known() && is_by_clock(at, end) {
            later = Some(at.as_str());
        } else {
            playhead.go(go_to(at, 0, end, wall).map_err(|wrong| anyhow!("--at: {wrong}"))?);
        }
    }
    playhead.toggle(now)?;
    Ok(later)
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
    let rec = args.rec.as_deref().unwrap_or(OsStr::new("-1"));
    let Some(at) = &args.at else {
        let mut source = Source::open("play", rec, &args.identity, config)?;
        let header = source.header().clone();
        let events = with_streams(&mut source, LineEnds::Terminal);
        let ended = show(args, config, &header, 0, events)?;
        return Ok(replayed(ended, &source.named_remarks(), source.is_damaged()));
    };
    // Read more than once: only its end tells what half of it is.
    let identities = identities(&args.identity, config)?;
    // Until all was shown.
    let far;
    let mut timeline = if rec == "-" {
        let stdin = std::io::stdin().lock();
        let source = recording::Source::open_input("standard input", stdin, &identities)?;
        ledger::view_of(config, "play", source.header())?;
        Timeline::new(source)
    } else {
        far = Far::of(rec, config, "play")?;
        let (config, rec) = match &far {
            Some(far) => (far.config(), far.bring(true)?),
            None => (config, rec.to_owned()),
        };
        let place = Place::find(&rec, config)?;
        let timeline = open(&place, &identities)?;
        ledger::view(config, "play", &place)?;
        timeline
    };
    let from = place_of(at, &mut timeline)?;
    let mut events = timeline.events(0)?;
    let whole = events.by_ref().map(|event| Ok(event?.1));
    let ended = show(args, config, timeline.header(), from, whole)?;
    Ok(replayed(ended, &events.named_remarks(), events.is_damaged()))
}

/// Where `--at` is in this recording.
fn place_of(at: &str, timeline: &mut Timeline) -> Result<Micros> {
    let end = timeline.duration()?;
    let mut wall = wall(timeline.header());
    if wall.is_known() && is_by_clock(at, end) {
        let mut clocks = Vec::new();
        for event in timeline.events(0)? {
            let (_, event) = event?;
            if let Data::Fact(fact) = &event.data {
                clocks.extend(wall_clock(fact).map(|wall| (event.time, wall)));
            }
            if clocks.len() == MOST_CLOCKS {
                break;
            }
        }
        wall.learn(clocks);
    }
    go_to(at, 0, end, &wall).map_err(|wrong| anyhow!("--at: {wrong}"))
}

/// Replays events from a time on.
fn show(
    args: &cli::Play,
    config: &Config,
    header: &Header,
    from: Micros,
    events: impl Iterator<Item = Result<Event>>,
) -> Result<Ended> {
    let mut events = events.peekable();
    let mut text = Text::new(header.size);
    while let Some(Ok(event)) =
        events.next_if(|event| from > 0 && event.as_ref().is_ok_and(|event| event.time <= from))
    {
        // What was final by then is not shown.
        text.event(&event);
    }
    let events = events
        .map(|event| event.map(|event| Event { time: event.time.saturating_sub(from), ..event }));
    let limit = limit(args, config, header);
    let events = idle_limit(events, (!limit.is_zero()).then_some(limit));
    let events = speed(events, args.speed);
    let terminal = match std::io::stdout().is_terminal() {
        true => Terminal::take()?,
        false => None,
    };
    match terminal {
        Some(mut terminal) => plain::on_terminal(text.into_model(), events, &mut terminal),
        None => {
            plain::as_lines(text, events, &mut super::out::out(), plain::sleeper())?;
            Ok(Ended::Whole)
        }
    }
}

/// What is left to say after a replay.
fn replayed(ended: Ended, remarks: &[String], damaged: bool) -> ExitCode {
    tell(remarks);
    if let Ended::Signal(signal) = ended {
        die_of(signal);
    }
    status(damaged)
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
