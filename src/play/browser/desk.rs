//! What is looked up for the browser while the person goes on.
//!
//! Refuses to know what a store or a recording is: a [`Library`] does. The
//! invariants: the person's keys never wait for it; and of previews only the
//! one that was asked for last is worked on, so that going through a list
//! decrypts no more than where one stops.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use rustix::event::{EventfdFlags, eventfd};

use super::{Details, Entry, News, Screen, State};

/// How often it is looked for new recordings, and for how long live ones are.
const AGAIN: Duration = Duration::from_secs(3);
/// The cursor must have rested this long before a preview is begun: a held key
/// repeats 30 times a second.
const REST: Duration = Duration::from_millis(50);
/// And this long before all of a recording is read for the alerts in it.
const LONG_REST: Duration = Duration::from_millis(600);
/// Details that are told at once: about what a window shows.
const BATCH: usize = 64;
/// And later.
const LARGEST: usize = 1024;

/// Where recordings come from.
pub trait Library: Send + Sync {
    /// All of them, newest first.
    ///
    /// # Errors
    /// Why they cannot be listed: fact, then remedy.
    fn list(&self) -> Result<Vec<Entry>, String>;

    /// What is known of one without a key.
    fn details(&self, entry: &Entry) -> Details;

    /// Its last screen. Asks nobody for anything, and gives up when it is no
    /// longer wanted.
    ///
    /// # Errors
    /// Why there is none.
    fn preview(&self, entry: &Entry, wanted: &Wanted<'_>) -> Result<Screen, String>;

    /// How many alerts are in it, and the last few of them. `None` when it
    /// cannot be read or is no longer wanted.
    fn alerts(&self, entry: &Entry, wanted: &Wanted<'_>) -> Option<(usize, Vec<String>)>;
}

/// Whether something is still wanted.
#[derive(Debug)]
pub struct Wanted<'a> {
    shared: Option<&'a Shared>,
    request: u64,
}

impl Wanted<'_> {
    /// For who waits for what he asked for.
    pub const ALWAYS: Wanted<'static> = Wanted { shared: None, request: 0 };

    /// Whether it is.
    #[must_use]
    pub fn still(&self) -> bool {
        self.shared.is_none_or(|shared| shared.lock().request == self.request)
    }
}

#[derive(Debug, Default)]
struct Asked {
    /// The preview that is wanted, in which version, and the number of that
    /// wish.
    preview: Option<(Entry, u64)>,
    request: u64,
    /// All details are to be read anew.
    reload: bool,
    /// Nobody looks at the list.
    resting: bool,
    over: bool,
}

#[derive(Debug, Default)]
struct Shared {
    asked: Mutex<Asked>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Asked)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `ready`, or for so long; `false` when it is over.
    fn wait(&self, time: Option<Duration>, ready: impl Fn(&Asked) -> bool) -> bool {
        let asleep = |asked: &mut Asked| !asked.over && !ready(asked);
        let asked = self.lock();
        let asked = match time {
            None => self.changed.wait_while(asked, asleep).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                let waited = self.changed.wait_timeout_while(asked, time, asleep);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        !asked.over
    }
}

/// The threads that look things up, and what they found.
#[derive(Debug)]
pub struct Desk {
    shared: Arc<Shared>,
    news: Receiver<News>,
    wake: Arc<OwnedFd>,
}

/// Tells news.
struct Teller {
    news: Sender<News>,
    wake: Arc<OwnedFd>,
}

impl Teller {
    /// Whether anybody listens.
    fn tell(&self, news: News) -> bool {
        let told = self.news.send(news).is_ok();
        // A counter that is full wakes the reader all the same.
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        told
    }
}

impl Desk {
    /// Begins to look. Threads inherit the signals that the caller has blocked.
    ///
    /// # Errors
    /// When there is no descriptor or no thread to be had.
    pub fn start(library: Arc<dyn Library>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, news) = channel();
        type Work = fn(&dyn Library, &Shared, &Teller);
        for (name, work) in [("list", keep_list as Work), ("preview", make_previews)] {
            let teller = Teller { news: sender.clone(), wake: Arc::clone(&wake) };
            let (library, shared) = (Arc::clone(&library), Arc::clone(&shared));
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || work(&*library, &shared, &teller))?;
        }
        Ok(Self { shared, news, wake })
    }

    /// Wants this one's preview now, and no other's; that of another version is
    /// another one.
    pub fn want(&self, wanted: Option<(&Entry, u64)>) {
        let same = |asked: &(Entry, u64)| wanted == Some((&asked.0, asked.1));
        if self.shared.lock().preview.as_ref().map_or(wanted.is_none(), same) {
            return;
        }
        self.shared.change(|asked| {
            asked.preview = wanted.map(|(entry, version)| (entry.clone(), version));
            asked.request += 1;
        });
    }

    /// All is to be looked up anew.
    pub fn reload(&self) {
        self.shared.change(|asked| {
            asked.reload = true;
            asked.preview = None;
            asked.request += 1;
        });
    }

    /// Whether nobody looks at the list; nothing is looked up meanwhile.
    pub fn rest(&self, resting: bool) {
        self.shared.change(|asked| {
            asked.resting = resting;
            asked.preview = None;
            asked.request += 1;
        });
    }

    /// What was found since the last time.
    pub fn news(&self) -> impl Iterator<Item = News> + '_ {
        let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
        self.news.try_iter()
    }
}

impl AsFd for Desk {
    /// Readable when there is news.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What is in the middle of a file ends by itself, or with the process.
        self.shared.change(|asked| asked.over = true);
    }
}

/// Lists, then looks at each, the newest first; and again.
fn keep_list(library: &dyn Library, shared: &Shared, teller: &Teller) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut told = false;
    let mut known: HashSet<String> = HashSet::new();
    let mut live: HashSet<String> = HashSet::new();
    let mut trouble = None;
    loop {
        match library.list() {
            Ok(now) => {
                trouble = None;
                if now != entries || !std::mem::replace(&mut told, true) {
                    entries = now;
                    teller.tell(News::List(entries.clone()));
                }
            }
            // Told once, not every few seconds.
            Err(what) if trouble.as_ref() == Some(&what) => {}
            Err(what) => {
                teller.tell(News::Trouble(what.clone()));
                trouble = Some(what);
            }
        }
        let todo: Vec<&Entry> = entries
            .iter()
            .filter(|entry| !known.contains(&entry.id) || live.contains(&entry.id))
            .collect();
        let mut changed = false;
        let (mut rest, mut size) = (todo.as_slice(), BATCH);
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(size.min(rest.len()));
            rest = later;
            // The list is drawn anew after each.
            size = (size * 2).min(LARGEST);
            let details: Vec<(String, Details)> =
                batch.iter().map(|entry| (entry.id.clone(), library.details(entry))).collect();
            for (id, details) in &details {
                known.insert(id.clone());
                match details.state {
                    State::Live => live.insert(id.clone()),
                    _ => live.remove(id),
                };
            }
            if !teller.tell(News::Details(details)) {
                return;
            }
            let asked = shared.lock();
            changed = asked.reload || asked.over;
            if changed {
                break;
            }
        }
        if !changed && !shared.wait(Some(AGAIN), |asked| asked.reload) {
            return;
        }
        if !shared.wait(None, |asked| !asked.resting) {
            return;
        }
        if std::mem::take(&mut shared.lock().reload) {
            known.clear();
            told = false;
        }
    }
}

/// Makes the preview that is wanted.
fn make_previews(library: &dyn Library, shared: &Shared, teller: &Teller) {
    let mut done = 0;
    loop {
        if !shared.wait(None, |asked| asked.preview.is_some() && asked.request != done) {
            return;
        }
        let (request, entry) = {
            let asked = shared.lock();
            (asked.request, asked.preview.clone())
        };
        let Some((entry, _)) = entry else { continue };
        let wanted = Wanted { shared: Some(shared), request };
        if !shared.wait(Some(REST), |asked| asked.request != request) {
            return;
        }
        if !wanted.still() {
            continue;
        }
        done = request;
        let screen = library.preview(&entry, &wanted);
        if !wanted.still() {
            continue;
        }
        let readable = screen.is_ok();
        if !teller.tell(News::Preview(entry.id.clone(), screen)) {
            return;
        }
        if !readable || !shared.wait(Some(LONG_REST), |asked| asked.request != request) {
            continue;
        }
        if wanted.still()
            && let Some((count, last)) = library.alerts(&entry, &wanted)
            && !teller.tell(News::Alerts(entry.id.clone(), count, last))
        {
            return;
        }
    }
}
