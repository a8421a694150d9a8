//! `hrec ls`: the recordings in the store, newest first.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::far::Far;
use super::place::Place;
use crate::cli;
use crate::config::Config;
use crate::screen::safe_text;
use crate::seal::manifest::{Manifest, State};
use crate::store::Local;
use crate::store::remote::SCHEME;

pub(super) use crate::play::browser::bytes as size;

/// Runs the verb.
///
/// # Errors
/// When the store cannot be read, or standard output not written.
pub fn run(args: &cli::Ls, config: &Config) -> Result<ExitCode> {
    // Of the words, those that say where; the others are looked for in ids.
    let (places, filter): (Vec<_>, Vec<_>) =
        args.filter.iter().cloned().partition(|word| word.starts_with(SCHEME));
    let far = match places.as_slice() {
        [] => None,
        [place] => Far::of(place.as_ref(), config, "ls")?,
        _ => bail!("one bastion at a time: {} were named", places.len()),
    };
    if let Some(far) = &far {
        far.look()?;
    }
    let config = far.as_ref().map_or(config, Far::config);
    let filter: Vec<String> =
        filter.into_iter().chain(far.as_ref().and_then(Far::rec).map(str::to_owned)).collect();
    let mut out = std::io::BufWriter::new(super::out::out());
    let listed = list(&Local::new(config.store()), &filter)?;
    if args.json {
        let all: Vec<Value> = listed.iter().map(|row| row.json(config.origin())).collect();
        serde_json::to_writer_pretty(&mut out, &all)?;
        writeln!(out)?;
    } else {
        let zone = crate::sys::clock::zone();
        for line in table(&listed, Timestamp::now(), &zone, width()) {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A recording of the store.
struct Row {
    /// 1 for the latest. The session that asks has none, as for every verb:
    /// `-1` is the recording before it.
    number: Option<usize>,
    id: String,
    place: Place,
    manifest: Option<Manifest>,
    state: Option<State>,
}

fn list(store: &Local, filter: &[String]) -> Result<Vec<Row>> {
    let own = std::env::var(crate::identity::Who::PARENT).ok();
    let mut count = 0;
    let numbered = store.list()?.into_iter().map(|entry| {
        let number = (own.as_ref() != Some(&entry.id)).then(|| {
            count += 1;
            count
        });
        (number, entry)
    });
    let wanted = numbered.filter(|(_, entry)| filter.iter().all(|text| entry.id.contains(text)));
    Ok(wanted
        .map(|(number, entry)| {
            let place = Place::stored(&entry);
            let manifest = place.manifest();
            let state = place.state(manifest.as_ref());
            Row { number, id: entry.id, place, manifest, state }
        })
        .collect())
}

impl Row {
    /// The manifest, the state as the files have it, and the path.
    fn json(&self, origin: Option<&str>) -> Value {
        let mut json = match &self.manifest {
            Some(manifest) => json!(manifest),
            None => json!({ "id": self.id }),
        };
        if let Some(members) = json.as_object_mut() {
            members.insert("state".into(), json!(self.state.map(State::name)));
            members.insert("sealed".into(), json!(self.place.has_seal()));
            members.insert("path".into(), json!(self.place.shown(origin)));
        }
        json
    }

    fn cells(&self, now: Timestamp, zone: &TimeZone) -> [String; 7] {
        let manifest = self.manifest.as_ref();
        let start: Option<Timestamp> = manifest.and_then(|manifest| manifest.start.parse().ok());
        let end = match self.state {
            Some(State::Live) => Some(now),
            _ => manifest.and_then(|manifest| manifest.end.as_ref()?.parse().ok()),
        };
        let length = start.zip(end).map(|(start, end)| end.duration_since(start).as_secs());
        let start = start.or_else(|| crate::recording::Id::parse(&self.id)?.start());
        let random = self.id.rsplit('-').next().unwrap_or_default();
        let user = manifest.and_then(|manifest| manifest.who("user")?.as_str());
        [
            self.number.map(|number| format!("-{number}")).unwrap_or_default(),
            safe_text(random).into_owned(),
            start.map_or_else(dash, |at| {
                at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
            }),
            length.map_or_else(dash, duration),
            match self.state {
                None => "missing",
                // Whole, but for that.
                Some(State::Finished | State::Recovered) if !self.place.has_seal() => "unsealed",
                Some(state) => state.name(),
            }
            .to_owned(),
            size(self.place.size()),
            manifest.map_or_else(
                || safe_text(&self.id).into_owned(),
                |manifest| {
                    let what = match manifest.target_name() {
                        name if name == manifest.program => name.to_owned(),
                        name => format!("{} {name}", manifest.program),
                    };
                    let user = user.map(|user| format!("{user}: ")).unwrap_or_default();
                    safe_text(&format!("{user}{what}")).into_owned()
                },
            ),
        ]
    }
}

fn dash() -> String {
    "-".to_owned()
}

const HEADINGS: [&str; 7] = ["REC", "ID", "START", "LENGTH", "STATE", "SIZE", "WHO: WHAT"];

/// Lines of at most `width` columns; `None`: as long as they come.
fn table(rows: &[Row], now: Timestamp, zone: &TimeZone, width: Option<usize>) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut cells = vec![HEADINGS.map(str::to_owned)];
    cells.extend(rows.iter().map(|row| row.cells(now, zone)));
    let mut widths = [0; 7];
    for row in &cells {
        for (cell, most) in row.iter().zip(&mut widths) {
            *most = (*most).max(cell.width());
        }
    }
    cells
        .iter()
        .map(|row| {
            let mut line = String::new();
            for (index, (cell, most)) in row.iter().zip(widths).enumerate() {
                let pad = " ".repeat(most - cell.width());
                match index {
                    // Numbers to the right, the last column as it is.
                    0 | 3 | 5 => line.extend([&pad, cell.as_str(), "  "]),
                    6 => line.push_str(cell),
                    _ => line.extend([cell.as_str(), &pad, "  "]),
                }
            }
            cut(line, width)
        })
        .collect()
}

/// Cuts a line to so many columns.
fn cut(mut line: String, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| line.width() > *width) else { return line };
    while line.width() >= width && line.pop().is_some() {}
    line.push('…');
    line
}

/// `1:02:03`, or `2:03` below an hour.
pub(super) fn duration(seconds: i64) -> String {
    crate::play::browser::duration(seconds.max(0).cast_unsigned())
}

/// The columns of the terminal that is written to; `None` for a pipe.
fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    // A terminal that does not know its size.
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::manifest::signature;

    fn store() -> (tempfile::TempDir, Local) {
        let dir = tempfile::tempdir().unwrap();
        let local = Local::new(dir.path().to_owned());
        for (n, state) in [(1, ""), (2, ".part")] {
            let id = format!("2026112{n}T101010.000Z-eve-db-AAAAAAA{}", n + 1);
            let day = local.day(("2026", "11", &format!("2{n}"))).unwrap();
            std::fs::write(day.join(format!("{id}.cast.zst.age{state}")), [0; 1234]).unwrap();
            let manifest = format!(
                r#"{{"v":1,"id":"{id}","state":"live","writer":"session","mode":"strict",
                "input":"none","start":"2026-11-2{n}T10:10:10Z","end":"2026-11-2{n}T11:11:11Z",
                "program":"ssh","target":{{"name":"db\u001b]0;x\u0007{}"}},
                "identity":{{"user":{{"value":"eve","trust":"kernel"}}}}}}"#,
                "long".repeat(30)
            );
            std::fs::write(day.join(format!("{id}.manifest.json")), manifest).unwrap();
            if n == 1 {
                std::fs::write(day.join(format!("{id}.manifest.json.sig")), "").unwrap();
            }
        }
        let id = "20261123T101010.000Z-eve-db-AAAAAAA4";
        let day = local.day(("2026", "11", "23")).unwrap();
        std::fs::write(day.join(format!("{id}.manifest.json")), "garbage").unwrap();
        (dir, local)
    }

    #[test]
    fn fits_the_width_and_shows_what_the_disk_says() {
        let (_dir, local) = store();
        let rows = list(&local, &[]).unwrap();
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        let lines = table(&rows, now, &TimeZone::UTC, Some(90));
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.width() <= 90 && !line.contains(char::is_control)));
        assert!(lines[1].contains("missing"), "{}", lines[1]);
        // The manifests of the others say that they are live.
        assert!(lines[2].contains("interrupted"), "{}", lines[2]);
        assert_eq!(
            lines[3],
            " -3  AAAAAAA2  2026-11-21 10:10:10  1:01:01  finished     1.2 kB  eve: ssh db\\u{1b}]0;x\\u…"
        );
        let whole = table(&rows, now, &TimeZone::UTC, None);
        assert!(whole[3].ends_with("longlong"));
    }

    #[test]
    fn filters_and_keeps_the_numbers_that_other_verbs_use() {
        let (_dir, local) = store();
        let rows = list(&local, &["1121".to_owned(), "eve".to_owned()]).unwrap();
        assert!(rows[0].cells(Timestamp::now(), &TimeZone::UTC).contains(&"finished".to_owned()));
        std::fs::remove_file(signature(&rows[0].place.paths.manifest())).unwrap();
        assert!(rows[0].cells(Timestamp::now(), &TimeZone::UTC).contains(&"unsealed".to_owned()));
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [Some(3)]);
        let json = rows[0].json(None);
        assert_eq!(json["state"], "finished");
        assert!(json["path"].as_str().unwrap().ends_with(".cast.zst.age"));
        assert!(list(&local, &["nobody".to_owned()]).unwrap().is_empty());
    }

    #[test]
    fn sizes_and_lengths_read_well() {
        assert_eq!(
            [0, 999, 1000, 9_949, 10_000, 999_600].map(size),
            ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "1.0 MB"]
        );
        assert_eq!([-3, 59, 61, 3661].map(duration), ["0:00", "0:59", "1:01", "1:01:01"]);
    }
}
