//! Files of a recording, or of the ledger, as they come from a collector.
//!
//! Knows nothing of connections. Its invariant: a file has what was said of it
//! and no more, and none has a name that was not asked for.

use std::fs::File;
use std::path::PathBuf;

use super::mirror::Of;
use super::{Error, Mirror};
use crate::format::id::Id;
use crate::format::reading::{self, Message, Say};
use crate::screen::safe_text;

/// Files that come.
pub(super) struct Taking {
    /// The recording that they are of; none for the ledger's.
    pub(super) id: Option<Id>,
    file: Option<(File, u64)>,
    /// Whether it is being made.
    pub(super) live: bool,
    /// Bytes that came.
    pub(super) come: u64,
    /// Bytes that are to come, those among them.
    pub(super) due: u64,
}

impl Taking {
    pub(super) fn new(id: Option<Id>) -> Self {
        Self { id, file: None, live: false, come: 0, due: 0 }
    }

    /// Nothing more comes.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    fn path(&self, mirror: &Mirror, name: &str) -> Option<PathBuf> {
        let of = self.id.as_ref().map_or(Of::Ledger, Of::Recording);
        mirror.path(of, name)
    }

    pub(super) fn take(
        &mut self,
        mirror: &mut Mirror,
        message: Message,
        host: &str,
    ) -> Result<(), Error> {
        let keep =
            |path: PathBuf| move |source| Error::Keep { host: host.to_owned(), path, source };
        let strange = |what: &str| Error::Said { host: host.to_owned(), what: what.to_owned() };
        let no_file = || strange("it names a file that can be none of what was asked for");
        match message {
            Message::Said(Say::File { name, at, size }) => {
                let path = self.path(mirror, &name).ok_or_else(no_file)?;
                let left =
                    size.checked_sub(at).ok_or_else(|| strange("a file ends before it begins"))?;
                mirror.room(left).map_err(keep(path.clone()))?;
                let file = mirror.open(&path, at).map_err(keep(path))?;
                self.due = self.due.saturating_add(left);
                self.file = Some((file, left));
                self.hold(mirror, self.live);
            }
            Message::Data(bytes) => {
                let Some((file, left)) = &mut self.file else {
                    return Err(strange("it sends bytes of no file"));
                };
                *left = left
                    .checked_sub(bytes.len() as u64)
                    .ok_or_else(|| strange("it sends more of a file than it said"))?;
                mirror.append(file, &bytes).map_err(keep(mirror.root().to_owned()))?;
                self.come += bytes.len() as u64;
            }
            Message::Said(Say::Live { live }) => {
                self.live = live;
                self.hold(mirror, live);
            }
            Message::Said(Say::Renamed { from, to }) => {
                let from = self.path(mirror, &from).ok_or_else(no_file)?;
                let to = self.path(mirror, &to).ok_or_else(no_file)?;
                std::fs::rename(&from, to).map_err(keep(from))?;
            }
            Message::Said(Say::Gone { name }) => {
                let path = self.path(mirror, &name).ok_or_else(no_file)?;
                let _ = std::fs::remove_file(path);
            }
            other => return Err(unexpected(host, other)),
        }
        Ok(())
    }

    fn hold(&self, mirror: &mut Mirror, live: bool) {
        if let Some(id) = &self.id {
            mirror.set_live(id, live);
        }
    }
}

/// What is wrong with an answer to something else.
pub(super) fn unexpected(host: &str, message: Message) -> Error {
    let host = host.to_owned();
    match message {
        Message::Said(Say::Refused { what, reference }) => {
            let short =
                |text: &str| safe_text(&text.chars().take(300).collect::<String>()).into_owned();
            Error::Refused { host, what: short(&what), reference: reference.as_deref().map(short) }
        }
        Message::Said(_) => {
            Error::Said { host, what: "the collector's answer is to something else".to_owned() }
        }
        Message::Data(_) => {
            Error::Said { host, what: "bytes came that nobody asked for".to_owned() }
        }
    }
}

/// A recording of a list, as far as it came.
pub(super) struct Listed {
    pub(super) id: Id,
    pub(super) live: bool,
    pub(super) files: Vec<(String, u64)>,
    pub(super) manifest: Option<String>,
    pub(super) items: usize,
}

impl Listed {
    /// Adds the next item; `None` where no recording has so many.
    pub(super) fn add(
        &mut self,
        files: Vec<(String, u64)>,
        manifest: Option<String>,
    ) -> Option<()> {
        self.items += 1;
        self.files.extend(files);
        if let Some(more) = manifest {
            self.manifest.get_or_insert_default().push_str(&more);
        }
        (self.items <= reading::ITEMS).then_some(())
    }
}
