//! What a ledger says of each recording, and whether the store agrees.
//!
//! Knows nothing of where recordings are: whoever has looked says what was
//! seen. Its invariant: what was started is either there, or something is said
//! of it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::record::{Event, Line, Record};
use super::seconds;
use crate::format::chain::ChainState;
use crate::seal::chain;
use crate::seal::finding::{Class, Finding};
use crate::seal::manifest::State;
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
    /// Whether it has ended as a finished one.
    finished: bool,
    /// Whether an entry says that it was made of an interrupted one.
    recovered: bool,
    /// Each entry of an encryption to others, and the manifest that held before.
    rekeyed: Vec<(u64, Option<String>)>,
    /// Entries that have another manifest than the one before, and no right to.
    astray: Vec<u64>,
}

impl Story {
    /// Takes in an entry that says which manifest holds; `same` where it can be
    /// none but the one that held before.
    fn holds(&mut self, index: u64, sha256: &str, same: bool) {
        if same && self.manifest.as_ref().is_some_and(|(_, before)| before != sha256) {
            self.astray.push(index);
        }
        self.manifest = Some((index, sha256.to_owned()));
    }

    /// Whether the file that was begun at the start begins with what the ledger
    /// has of it: up to the last head where nothing else vouches for it, else
    /// as far as the start goes. Its journals come and go, and say nothing here.
    fn begins(&self, path: &Path, ended: bool) -> Option<(Class, String)> {
        let head = self.head.as_ref().map(|(_, head)| head);
        let head = head.filter(|_| !ended || self.manifest.is_none());
        let heads = [head, self.first.as_ref()];
        let chain = heads.into_iter().flatten().next()?;
        let stated = ChainState { part: chain.part.clone(), journal: None };
        match prefix(path, &[], &stated) {
            Ok(found) => found.into_iter().next(),
            Err(chain::Error::Head(error)) => {
                let what = format!("it is not what was recorded: {error}");
                Some((Class::Altered, what))
            }
            // That it is not there has been said.
            Err(chain::Error::Read(_)) => None,
        }
    }
}

impl Story {
    /// Whether what was recovered went less far than the ledger's last head of
    /// it: then the end was taken off in between.
    fn falls_short(&self, made_from: &ChainState) -> Option<String> {
        let (entry, head) = self.head.as_ref()?;
        let (had, has) = (head.part.chunks, made_from.part.chunks);
        if has < had {
            return Some(format!(
                "it was recovered from {has} chunks, and entry {entry} of the ledger has {had} of it"
            ));
        }
        // With more in the part, the journal's text may be in there.
        let journal = head.journal.as_ref().filter(|_| has == had)?;
        let reached = made_from.journal.as_ref().map_or((0, 0), |is| (is.number, is.records));
        (reached < (journal.number, journal.records)).then(|| {
            format!(
                "it was recovered from {} records of journal {}, and entry {entry} of the ledger has {} of journal {}",
                reached.1, reached.0, journal.records, journal.number
            )
        })
    }

    /// What is wrong with the way from one manifest of it to the next.
    fn steps(&self, seen: &Seen<'_>) -> Vec<String> {
        let mut wrong: Vec<String> = Vec::new();
        for entry in &self.astray {
            wrong.push(format!(
                "entry {entry} of the ledger has another manifest than the entry before, which nothing explains"
            ));
        }
        if seen.recovered && !self.recovered && self.manifest.is_some() {
            wrong.push("no entry of the ledger says that it was recovered".to_owned());
        }
        let holds = self.manifest.as_ref().map(|(_, sha256)| sha256.as_str());
        if holds != seen.manifest_sha256 {
            // Another manifest, of which that was said.
            return wrong;
        }
        if self.rekeyed.len() != seen.trail.len() {
            wrong.push(format!(
                "the ledger has it encrypted to others {} times, and the manifest {}",
                self.rekeyed.len(),
                seen.trail.len()
            ));
        }
        for ((entry, before), kept) in self.rekeyed.iter().zip(seen.trail) {
            if before.as_ref() != Some(kept) {
                wrong.push(format!(
                    "it was encrypted to others by entry {entry} of the ledger, and before that it had another manifest than the one that is kept"
                ));
            }
        }
        wrong
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
    /// The file that was begun at its start, unless another took its place
    /// since: the part, and the finished one that it became.
    pub begun: Option<&'a Path>,
    /// Whether the manifest says that it was made of an interrupted one.
    pub recovered: bool,
    /// How far that one went, by the manifest.
    pub made_from: Option<&'a ChainState>,
    /// SHA-256 of each manifest that it had before it was encrypted to others,
    /// as the manifest has it.
    pub trail: &'a [String],
}

/// All stories.
#[derive(Clone, Debug, Default)]
pub struct Book {
    stories: HashMap<String, Story>,
    /// Entries whose record was erased.
    pub erased: u64,
    /// Of these, those of which no later entry says so.
    blank: BTreeSet<u64>,
    /// Whether there is something that could not be read: then it is not known
    /// what else the ledger says of anything.
    pub partial: bool,
    /// Logins without a recording, each as it is to be told: those that are
    /// findings first.
    logins: (Vec<String>, Vec<String>),
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
            self.blank.insert(line.index);
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
        if let Event::Login { user, at, service, rhost, seen, .. } = &record.event {
            let from = rhost.as_ref().map(|rhost| format!(" from {rhost}")).unwrap_or_default();
            let (what, counts) = match seen.as_str() {
                "refused" => ("its session was refused by the collector", false),
                "nothing" => ("it ran nothing", false),
                "ended" => ("it ended before anything was recorded", true),
                _ => ("it ran what is not recorded", true),
            };
            let told = format!(
                "entry {index} of the ledger: {user} logged in{from} ({service}) at {at}: {what}"
            );
            if counts { self.logins.0.push(told) } else { self.logins.1.push(told) }
        }
        if let Event::Erase { index, .. } = &record.event {
            // Only what came before: nobody erases in advance.
            self.blank.remove(index);
        }
        self.tell(index, at, record);
    }

    /// Entries whose record is blank though no later entry says that it was
    /// erased. Blanking needs no key, and an entry does.
    pub(super) fn blank(&self) -> &BTreeSet<u64> {
        &self.blank
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
            Event::End { manifest_sha256, sealed, state, .. } => {
                story.holds(index, manifest_sha256, true);
                story.sealed = sealed.then_some(index);
                story.finished |= state == State::Finished.name();
                story.recovered |= state == State::Recovered.name();
            }
            Event::Seal { manifest_sha256, .. } => {
                story.holds(index, manifest_sha256, true);
                story.sealed = Some(index);
            }
            Event::Rekey { manifest_sha256, .. } => {
                let before = story.manifest.take().map(|(_, before)| before);
                story.rekeyed.push((index, before));
                story.holds(index, manifest_sha256, false);
                story.sealed = Some(index);
            }
            Event::Recover { manifest_sha256, .. } => {
                // There is nothing to recover of one that was whole.
                story.holds(index, manifest_sha256, story.finished);
                story.sealed = None;
                story.recovered = true;
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
            (Some((entry, _)), _) if !seen.ended && seen.start.is_some() => {
                let what =
                    format!("entry {entry} of the ledger is its end, and the manifest has none");
                found.push(find(Class::Altered, what));
            }
            _ => {}
        }
        found.extend(story.steps(seen).into_iter().map(|what| find(Class::Altered, what)));
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
        if let Some(short) = seen.made_from.and_then(|chain| story.falls_short(chain)) {
            found.push(find(Class::Truncated, short));
        }
        if let Some(begun) = seen.begun {
            let begins = story.begins(begun, seen.ended);
            found.extend(begins.into_iter().map(|(class, what)| find(class, what)));
        }
        found
    }

    /// Logins that nothing was recorded of.
    #[must_use]
    pub fn unrecorded(&self) -> Vec<Finding> {
        let finding = |told: &String| Finding::of_ledger(Class::UnrecordedLogin, told.clone());
        self.logins.0.iter().map(finding).collect()
    }

    /// Logins of which there was nothing to record, as remarks.
    #[must_use]
    pub fn idle_logins(&self) -> &[String] {
        &self.logins.1
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
