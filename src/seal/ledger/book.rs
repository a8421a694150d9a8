//! What a ledger says of each recording, and whether the store agrees.
//!
//! Knows nothing of where recordings are: whoever has looked says what was
//! seen. Its invariant: what was started is either there, or something is said
//! of it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::record::{Event, Line, Record};
use super::seconds;
use crate::format::chain::ChainState;
use crate::seal::chain;
use crate::seal::finding::{Class, Finding};
use crate::seal::verify::prefix;

/// By how much the time in a manifest may differ from that in the ledger: the
/// entry is written after everything else has been made ready, on a disk that
/// may have to wake up first.
const TOLERANCE: i64 = 120;

/// By how much the clock may go back between two entries without being told
/// of.
const BACK: i64 = 5;

/// What the ledger says of one recording.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// The entry of its start.
    pub start: Option<u64>,
    /// When that was, seconds since 1970.
    at: i64,
    /// Who started what, for a person.
    told: String,
    /// Its first links.
    pub first: Option<ChainState>,
    /// The fingerprint of the key that is to seal it.
    pub session_key: Option<String>,
    /// The last head of it while it was made, and its entry.
    pub head: Option<(u64, ChainState)>,
    /// SHA-256 of the manifest that holds, in hexadecimal, and its entry.
    pub manifest: Option<(u64, String)>,
    /// The entry that says that it is sealed.
    pub sealed: Option<u64>,
    /// The entry that says that it is gone, or never was.
    pub gone: Option<u64>,
    /// Whether it is on hold.
    pub held: bool,
}

impl Story {
    /// Whether the part of a recording without an end begins with what the
    /// ledger has of it. Its journals come and go, and say nothing here.
    fn part(&self, path: &Path) -> Option<(Class, String)> {
        let heads = [self.head.as_ref().map(|(_, head)| head), self.first.as_ref()];
        let chain = heads.into_iter().flatten().next()?;
        let stated = ChainState { part: chain.part.clone(), journal: None };
        match prefix(path, &[], &stated) {
            Ok(found) => found.into_iter().next(),
            Err(chain::Error::Head(error)) => {
                let what = format!("the part is not what was recorded: {error}");
                Some((Class::Altered, what))
            }
            // That it is not there has been said.
            Err(chain::Error::Read(_)) => None,
        }
    }
}

/// A recording as it was found.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its id.
    pub id: &'a str,
    /// SHA-256 of its manifest, in hexadecimal.
    pub manifest_sha256: Option<&'a str>,
    /// The manifest's `start`.
    pub start: Option<&'a str>,
    /// Whether the manifest says that it has ended.
    pub ended: bool,
    /// Whether there is a seal.
    pub sealed: bool,
    /// The manifest's `session_key`.
    pub session_key: Option<&'a str>,
    /// Where its part would be.
    pub part: Option<&'a Path>,
}

/// All stories.
#[derive(Clone, Debug, Default)]
pub struct Book {
    stories: HashMap<String, Story>,
    /// Entries whose record was erased.
    pub erased: u64,
    /// The time of the last entry, seconds since 1970.
    pub(super) last: i64,
}

impl Book {
    /// What the ledger says of a recording.
    #[must_use]
    pub fn story(&self, id: &str) -> Option<&Story> {
        self.stories.get(id)
    }

    /// Takes in a line.
    pub(super) fn note(&mut self, line: &Line, remarks: &mut Vec<String>) {
        let Some(content) = &line.content else {
            self.erased += 1;
            return;
        };
        let index = line.index;
        let Ok(record) = content.record() else {
            remarks.push(format!("entry {index} of the ledger is no record of this version"));
            return;
        };
        let at = seconds(&record.t);
        if at + BACK < self.last {
            let back = self.last - at;
            remarks.push(format!(
                "at entry {index} of the ledger ({}) the clock was {back} s behind the entry before",
                record.t
            ));
        }
        self.last = at;
        if let Event::Gap { reason, from } = &record.event {
            remarks
                .push(format!("the ledger was not written from {from} to {}: {reason}", record.t));
        }
        self.tell(index, at, record);
    }

    fn tell(&mut self, index: u64, at: i64, record: Record) {
        let Some(id) = record.event.id().map(str::to_owned) else { return };
        let told = |user: &str, program: &str, target: &str| {
            let target = if target == program { "" } else { target };
            format!("{program} {target}").trim_end().to_owned()
                + &format!(" by {user}, {}", record.t)
        };
        let story = self.stories.entry(id).or_default();
        match &record.event {
            // A second start under one id is somebody's invention; the first
            // is what the session wrote before its program ran.
            Event::Start { user, program, target, chain, session_key, started, .. }
                if story.start.is_none() =>
            {
                story.start = Some(index);
                story.at = started.as_deref().map_or(at, seconds);
                story.told = told(user, program, target);
                story.first.clone_from(chain);
                story.session_key.clone_from(session_key);
            }
            Event::End { manifest_sha256, sealed, .. } => {
                story.manifest = Some((index, manifest_sha256.clone()));
                story.sealed = sealed.then_some(index);
            }
            Event::Seal { manifest_sha256, .. } | Event::Rekey { manifest_sha256, .. } => {
                story.manifest = Some((index, manifest_sha256.clone()));
                story.sealed = Some(index);
            }
            Event::Recover { manifest_sha256, .. } => {
                story.manifest = Some((index, manifest_sha256.clone()));
                story.sealed = None;
            }
            Event::Head { chain, .. } => story.head = Some((index, chain.clone())),
            Event::Void { .. } | Event::Purge { .. } => story.gone = Some(index),
            Event::Hold { .. } => story.held = true,
            Event::Release { .. } => story.held = false,
            _ => {}
        }
    }

    /// Whether the ledger agrees with what was seen of a recording in the
    /// store.
    #[must_use]
    pub fn judge(&self, seen: &Seen<'_>) -> Vec<Finding> {
        let find = |class, what: String| Finding::of(seen.id, class, what);
        let story = self.stories.get(seen.id);
        let Some((story, index)) = story.and_then(|story| Some((story, story.start?))) else {
            let erased = match self.erased {
                0 => "",
                _ => ", unless in one of the records that were erased",
            };
            let what = format!("nothing in the ledger says that it was started{erased}");
            return vec![find(Class::NotInLedger, what)];
        };
        let mut found = Vec::new();
        if let Some(gone) = story.gone {
            let what =
                format!("entry {gone} of the ledger says that it was removed, and it is there");
            found.push(find(Class::NotInLedger, what));
        }
        if let Some(start) = seen.start
            && (seconds(start) - story.at).abs() > TOLERANCE
        {
            let what = format!(
                "the manifest says that it started at {start}, and entry {index} of the ledger otherwise ({})",
                story.told
            );
            found.push(find(Class::Altered, what));
        }
        match (&story.manifest, seen.manifest_sha256) {
            (Some((entry, in_ledger)), Some(sha256)) if in_ledger != sha256 => {
                let what =
                    format!("the manifest is not the one that entry {entry} of the ledger has");
                found.push(find(Class::Altered, what));
            }
            (None, _) if seen.ended => {
                let what = format!(
                    "entry {index} of the ledger is its start, and none is its end; hrec seal adds it"
                );
                found.push(find(Class::OrphanStart, what));
            }
            _ => {}
        }
        if let Some(entry) = story.sealed.filter(|_| !seen.sealed && seen.ended) {
            let what =
                format!("entry {entry} of the ledger says that it is sealed, and its seal is gone");
            found.push(find(Class::Missing, what));
        }
        if let (Some(known), Some(key)) = (&story.session_key, seen.session_key)
            && known != key
        {
            let what = format!(
                "the manifest names {key} as the session's key, and entry {index} of the ledger {known}"
            );
            found.push(find(Class::WrongSignature, what));
        }
        if !seen.ended
            && let Some(part) = seen.part
        {
            found.extend(story.part(part).into_iter().map(|(class, what)| find(class, what)));
        }
        found
    }

    /// What was started and is not among these recordings.
    #[must_use]
    pub fn absent(&self, there: &HashSet<&str>) -> Vec<Finding> {
        let absent = |id: &str, story: &Story| story.gone.is_none() && !there.contains(id);
        let mut absent: Vec<_> = self
            .stories
            .iter()
            .filter(|(id, story)| absent(id, story))
            .filter_map(|(id, story)| Some((story.start?, id, story)))
            .collect();
        absent.sort_unstable_by_key(|(index, ..)| *index);
        let finding = |(index, id, story): (u64, &String, &Story)| {
            let told = &story.told;
            match story.manifest {
                Some(_) => {
                    let what = format!(
                        "entry {index} of the ledger is its start ({told}), and it is gone"
                    );
                    Finding::of(id, Class::Missing, what)
                }
                None => {
                    let what = format!(
                        "entry {index} of the ledger is its start ({told}); there is neither an end nor a recording"
                    );
                    Finding::of(id, Class::OrphanStart, what)
                }
            }
        };
        absent.into_iter().map(finding).collect()
    }
}
