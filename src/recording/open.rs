//! Opens a recording in whatever state it is, ours or another recorder's.
//!
//! Knows nothing of stores and players. Its invariant: what is whole is given,
//! and what is missing is said, once, at the end.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::error::shown;
use super::interrupted::{Remarks, Unfinished};
use super::{Error, Paths, Result};
use crate::event::{Event, Header, Micros};
use crate::format::asciicast::{self, Next, Place, Reader};
use crate::format::cipher::{self, ChunkReader, Identities};
use crate::format::detect::{Layer, Stream, open_stream};

/// What state a recording's files are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Whole.
    Finished,
    /// Being made now.
    Live,
    /// Its writer was stopped before the end.
    Interrupted,
    /// Made by another recorder, or brought into another form since.
    Foreign,
}

impl State {
    /// The state's name, as in a manifest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Live => "live",
            Self::Interrupted => "interrupted",
            Self::Foreign => "foreign",
        }
    }
}

/// A recording that is being read.
pub struct Recording {
    reader: Reader<Stream>,
    state: State,
    layers: Vec<Layer>,
    remarks: Remarks,
    passed_over: u64,
    first_passed_over: Option<String>,
    last: Micros,
    name: String,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("name", &self.name).field("state", &self.state).finish()
    }
}

/// Opens the recording at `path`: a finished one, a `.part` (or the name that
/// it would get), or any other recorder's asciicast, plain or packed.
///
/// # Errors
/// When it cannot be read, is no recording, or no identity opens it.
pub fn open(path: &Path, identities: &Identities) -> Result<Recording> {
    in_any_state(
        path,
        |finished, file| {
            let stream = Box::new(BufReader::with_capacity(1 << 16, file));
            open_stream_named(&shown(finished), stream, identities)
        },
        |paths| open_unfinished(paths, identities),
    )
}

/// Finds what there is at `path`: one file, or a part and journals.
pub(super) fn in_any_state<T>(
    path: &Path,
    whole: impl Fn(&Path, File) -> Result<T>,
    unfinished: impl FnOnce(&Paths) -> Result<T>,
) -> Result<T> {
    let named_part = path.to_str().and_then(|path| path.strip_suffix(".part")).map(Path::new);
    let finished = named_part.unwrap_or(path);
    let whole = |complaint: &Path| {
        let file = File::open(finished).map_err(|error| Error::io("open", complaint, error))?;
        if file.metadata().is_ok_and(|data| data.is_dir()) {
            return Err(Error::io("open", finished, io::ErrorKind::IsADirectory.into()));
        }
        whole(finished, file)
    };
    if named_part.is_none() && finished.exists() {
        return whole(path);
    }
    match unfinished(&Paths::at(finished)) {
        // Neither is there, or it has been finished in between. The name that
        // was given is the one to complain of.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => whole(path),
        result => result,
    }
}

/// Opens a recording that comes as a stream: standard input. `name` is for
/// messages.
///
/// # Errors
/// As [`open`].
pub fn open_input(name: &str, input: Stream, identities: &Identities) -> Result<Recording> {
    open_stream_named(name, input, identities)
}

fn open_stream_named(name: &str, input: Stream, identities: &Identities) -> Result<Recording> {
    let remarks = Remarks::default();
    let opened = open_stream(input, |stream| {
        let payload = cipher::decrypt(stream, identities).map_err(Failed::Cipher)?;
        let payload = Payload { payload, remarks: remarks.clone(), ended: false };
        Ok::<Box<dyn Read>, Failed>(Box::new(payload))
    })
    .map_err(|failed| failed.named(name))?;
    let state = state_of(&opened.reader, &opened.layers);
    Ok(Recording::new(opened.reader, state, opened.layers, remarks, name.to_owned()))
}

/// Whether what is in these containers is a finished recording of hrec's.
pub(super) fn state_of(reader: &Reader<Stream>, layers: &[Layer]) -> State {
    let ours = reader.header().hrec.is_some()
        && layers == [Layer::Age, Layer::Zstd]
        && reader.version() == asciicast::Version::V3;
    if ours { State::Finished } else { State::Foreign }
}

fn open_unfinished(paths: &Paths, identities: &Identities) -> Result<Recording> {
    let name = shown(&paths.part());
    let unfinished = Unfinished::open(paths)?;
    let state = if unfinished.live { State::Live } else { State::Interrupted };
    let remarks = Remarks::default();
    let text = unfinished.unlock(identities)?.text(0, 0, remarks.clone())?;
    let stream: Stream = Box::new(BufReader::with_capacity(1 << 16, text));
    let reader = Reader::new(stream).map_err(|error| {
        // A part and journal that hold nothing yet, or nothing any more.
        Failed::Format(crate::format::Error::Asciicast(error)).named(&name)
    })?;
    Ok(Recording::new(reader, state, vec![Layer::Age, Layer::Zstd], remarks, name))
}

impl Recording {
    pub(super) fn new(
        reader: Reader<Stream>,
        state: State,
        layers: Vec<Layer>,
        remarks: Remarks,
        name: String,
    ) -> Self {
        Self {
            reader,
            state,
            layers,
            remarks,
            passed_over: 0,
            first_passed_over: None,
            last: 0,
            name,
        }
    }

    /// What the recording says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// The state of its files.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The version of asciicast it is in.
    #[must_use]
    pub fn version(&self) -> asciicast::Version {
        self.reader.version()
    }

    /// The containers around the text, the outermost first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The next event; `None` at the end. A line that is no event is passed
    /// over, and said in [`Recording::remarks`].
    ///
    /// # Errors
    /// When reading fails, or what is read was changed.
    pub fn next_event(&mut self) -> Result<Option<Event>> {
        loop {
            let event = self.reader.next_event();
            if let Some(event) = self.heed(event)? {
                self.last = event.as_ref().map_or(self.last, |event| event.time);
                return Ok(event);
            }
        }
    }

    /// As [`Recording::next_event`], but `pass` is offered output as it is
    /// written, as by [`Reader::next_unless`].
    ///
    /// # Errors
    /// As [`Recording::next_event`].
    pub fn next_unless(
        &mut self,
        mut pass: impl FnMut(Micros, &[u8]) -> bool,
    ) -> Result<Option<Next>> {
        loop {
            let next = self.reader.next_unless(&mut pass);
            if let Some(next) = self.heed(next)? {
                self.last = match &next {
                    Some(Next::Passed(time)) => *time,
                    Some(Next::Event(event)) => event.time,
                    None => self.last,
                };
                return Ok(next);
            }
        }
    }

    /// Notes a line that is no event, which is `None`.
    fn heed<T>(&mut self, read: std::result::Result<T, asciicast::Error>) -> Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error @ asciicast::Error::Malformed { .. }) => {
                self.passed_over += 1;
                self.first_passed_over.get_or_insert_with(|| error.to_string());
                Ok(None)
            }
            Err(error) => {
                let error = crate::format::Error::Asciicast(error);
                Err(Failed::Format(error).named(&self.name))
            }
        }
    }

    /// Where reading could go on, after the last event given.
    #[must_use]
    pub fn place(&self) -> Place {
        self.reader.place()
    }

    /// Whether something in the middle was passed over.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.passed_over > 0
    }

    /// [`Recording::remarks`], each with the file that it is about.
    #[must_use]
    pub fn named_remarks(&self) -> Vec<String> {
        let name = &self.name;
        self.remarks().into_iter().map(|remark| format!("{name}: {remark}")).collect()
    }

    /// After the end: what there is to say of how it ended and of what is
    /// missing, a sentence each. Empty for a whole recording.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(first) = &self.first_passed_over {
            remarks.push(match self.passed_over {
                1 => format!("{first}; it was passed over"),
                n => format!("{first}; it and {} more were passed over", n - 1),
            });
        }
        remarks.extend(self.remarks.all());
        let at = clock(self.last);
        match self.state {
            State::Interrupted => remarks.push(format!(
                "the recording was interrupted: it holds everything up to {at}, and what came \
                 after was not saved"
            )),
            State::Live => {
                remarks.push(format!("the recording is still being made; it is at {at} now"));
            }
            State::Finished | State::Foreign => {
                remarks.extend(self.reader.torn().map(str::to_owned));
            }
        }
        remarks
    }
}

/// `1:02:03.456`
fn clock(time: Micros) -> String {
    let ms = time / 1000;
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{h}:{m:02}:{s:02}.{:03}", ms % 1000)
}

/// A payload that says when it was torn.
pub(super) struct Payload<R> {
    pub(super) payload: R,
    pub(super) remarks: Remarks,
    pub(super) ended: bool,
}

/// What knows, at its end, whether it was whole.
pub(super) trait Torn: Read {
    fn torn(&self) -> bool;
}

impl<R: Read> Torn for ChunkReader<R> {
    fn torn(&self) -> bool {
        ChunkReader::torn(self)
    }
}

impl<R: Torn> Read for Payload<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.payload.read(out)?;
        if count == 0 && !out.is_empty() && !self.ended {
            self.ended = true;
            if self.payload.torn() {
                let text = "the file is cut short: its end is missing, or was changed";
                self.remarks.add(text.to_owned());
            }
        }
        Ok(count)
    }
}

/// An error that does not know its file yet.
pub(super) enum Failed {
    Cipher(cipher::Error),
    Format(crate::format::Error),
}

impl From<crate::format::Error> for Failed {
    fn from(error: crate::format::Error) -> Self {
        Self::Format(error)
    }
}

impl Failed {
    pub(super) fn named(self, name: &str) -> Error {
        let path = name.to_owned();
        match self {
            Self::Cipher(source) => Error::Cipher { path, source },
            Self::Format(source) => Error::Format { path, source },
        }
    }
}
