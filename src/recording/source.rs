//! A recording that can be read from the middle, in whatever state it is.
//!
//! Knows nothing of screens and players. Its invariant: whatever place is asked
//! for, what is read from there is what reading from the start would have
//! given; anchors only make it cheap. Memory does not depend on the recording's
//! length, but for some 60 bytes for each of its frames.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use super::error::shown;
use super::interrupted::{Remarks, Unfinished};
pub use super::map::Anchor;
use super::map::Map;
use super::open::{self, Failed};
use super::payload::{Input, Payload};
use super::{Error, Paths, Recording, Result, State};
use crate::event::Header;
use crate::format::asciicast::{Place, Reader, Version};
use crate::format::cipher::{FileKey, Head, Identities};
use crate::format::detect::{Layer, Stream, open_text};
use crate::format::frames::{self, FrameReader};
use crate::format::index::{self, Mark};

/// The keys of the age layers, the outermost first.
type Keys = Vec<Arc<(Head, FileKey)>>;

/// A recording. A clone reads the same file on its own, in another thread if
/// need be.
#[derive(Clone)]
pub struct Source {
    name: String,
    state: State,
    layers: Vec<Layer>,
    version: Version,
    header: Header,
    /// After the header.
    start: Place,
    form: Form,
    remarks: Remarks,
}

/// How its text is come by.
#[derive(Clone)]
enum Form {
    /// The payload is the text.
    Plain(Payload),
    /// The payload is frames.
    Frames(Payload, Map),
    /// The payload is the beginning of the frames, and journals have the rest.
    Unfinished(Payload, Map, Paths),
    /// In something that can only be unpacked from the start. The bytes of the
    /// text are still much cheaper to pass over than its events.
    Packed(Payload, Keys),
}

/// In what pieces the text is decompressed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pieces {
    /// No more than is asked for.
    Small,
    /// A frame at a time.
    Frames,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("state", &self.state).finish()
    }
}

impl Source {
    /// Opens the recording at `path`, as [`super::open`] does. One that is no
    /// regular file is read to its end first, and kept encrypted in a file
    /// without a name.
    ///
    /// # Errors
    /// As [`super::open`].
    pub fn open(path: &Path, identities: &Identities) -> Result<Self> {
        open::in_any_state(
            path,
            |finished, mut file| {
                let failed = |error| Error::io("read", finished, error);
                let regular = file.metadata().map_err(failed)?.is_file();
                let payload = match regular {
                    true => Payload::plain(file),
                    false => Payload::spooled(&mut file).map_err(failed)?,
                };
                Self::of_payload(shown(finished), payload, identities)
            },
            |paths| Self::of_unfinished(paths, identities),
        )
    }

    /// Reads a recording that comes as a stream, to its end, and opens it.
    /// `name` is for messages.
    ///
    /// # Errors
    /// As [`super::open`]; and when there is no place to keep it.
    pub fn open_input(name: &str, mut input: impl Read, identities: &Identities) -> Result<Self> {
        let payload = Payload::spooled(&mut input)
            .map_err(|error| Error::io("read or keep", Path::new(name), error))?;
        Self::of_payload(name.to_owned(), payload, identities)
    }

    fn of_payload(name: String, payload: Payload, identities: &Identities) -> Result<Self> {
        let mut keys = Keys::new();
        let (text, layers) = unpack(&payload, |input| {
            let head = Head::read(input).map_err(Failed::Cipher)?;
            let key = head.unwrap(identities).map_err(Failed::Cipher)?;
            let age = Arc::new((head, key));
            keys.push(Arc::clone(&age));
            Ok(age)
        })
        .map_err(|failed| failed.named(&name))?;
        let reader = asciicast(text, &name)?;
        let state = open::state_of(&reader, &layers);
        let key = keys.first().cloned();
        let inside = |payload: Payload| match key {
            Some(key) if layers.first() == Some(&Layer::Age) => payload.under(key),
            _ => payload,
        };
        let form = match layers.as_slice() {
            [] | [Layer::Age] => Form::Plain(inside(payload)),
            [Layer::Zstd] | [Layer::Age, Layer::Zstd] => {
                let payload = inside(payload);
                let map = payload.open(0).and_then(|mut input| Map::read(&mut input));
                let map = map.map_err(|error| io_error(&name, error))?;
                Form::Frames(payload, map)
            }
            _ => Form::Packed(payload, keys),
        };
        Ok(Self::new(name, state, layers, &reader, form))
    }

    fn of_unfinished(paths: &Paths, identities: &Identities) -> Result<Self> {
        let name = shown(&paths.part());
        let unfinished = Unfinished::open(paths)?.unlock(identities)?;
        let state = if unfinished.live { State::Live } else { State::Interrupted };
        let part = unfinished.part().clone();
        let text = unfinished.text(0, 0, Remarks::default())?;
        let reader = asciicast(Box::new(BufReader::new(text)), &name)?;
        let form = Form::Unfinished(part, Map::default(), paths.clone());
        Ok(Self::new(name, state, vec![Layer::Age, Layer::Zstd], &reader, form))
    }

    fn new(
        name: String,
        state: State,
        layers: Vec<Layer>,
        reader: &Reader<Stream>,
        form: Form,
    ) -> Self {
        Self {
            name,
            state,
            layers,
            version: reader.version(),
            header: reader.header().clone(),
            start: reader.place(),
            form,
            remarks: Remarks::default(),
        }
    }

    /// What the recording says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The state of its files.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The version of asciicast it is in.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Before the first event.
    #[must_use]
    pub fn start(&self) -> Place {
        self.start
    }

    /// The recording's end, where the index says.
    #[must_use]
    pub fn end(&self) -> Option<Mark> {
        match &self.form {
            Form::Frames(_, map) => map.end,
            _ => None,
        }
    }

    /// The places that can be come to at once, in their order. In a recording
    /// without index they are looked for now, as far as it has grown.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn anchors(&mut self) -> Result<&[Anchor]> {
        let (Form::Frames(payload, map) | Form::Unfinished(payload, map, _)) = &mut self.form
        else {
            return Ok(&[]);
        };
        map.walk(payload).map_err(|error| io_error(&self.name, error))?;
        Ok(&map.anchors)
    }

    /// The keyframe at this anchor, decompressed; `None` when there is none, or
    /// another than the anchor says.
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn keyframe(&self, anchor: &Anchor) -> Result<Option<Vec<u8>>> {
        let (Form::Frames(payload, _) | Form::Unfinished(payload, ..)) = &self.form else {
            return Ok(None);
        };
        if anchor.keyframe == 0 {
            return Ok(None);
        }
        let at = anchor.at.saturating_sub(anchor.keyframe.into());
        payload
            .open(at)
            .and_then(|mut input| {
                index::read_keyframe(&mut input, at, anchor.keyframe, &anchor.mark)
            })
            .map_err(|error| io_error(&self.name, error))
    }

    /// Reads from `place` on.
    ///
    /// # Errors
    /// When the recording cannot be read, or was changed.
    pub fn events(&self, place: Place) -> Result<Recording> {
        self.read(place, Pieces::Small)
    }

    /// The same for whoever reads much: a frame at a time, which takes some MiB
    /// of memory and less time.
    ///
    /// # Errors
    /// As [`Source::events`].
    pub fn many_events(&self, place: Place) -> Result<Recording> {
        self.read(place, Pieces::Frames)
    }

    fn read(&self, place: Place, pieces: Pieces) -> Result<Recording> {
        let reader = if self.version == Version::V1 {
            // One JSON object: nobody can begin in the middle of it.
            asciicast(self.text(0, pieces)?, &self.name)?
        } else {
            let text = self.text(place.text(), pieces)?;
            Reader::resume(text, self.version, self.header.clone(), place)
        };
        let remarks = self.remarks.clone();
        Ok(Recording::new(reader, self.state, self.layers.clone(), remarks, self.name.clone()))
    }

    /// The text from byte `offset` on.
    fn text(&self, offset: u64, pieces: Pieces) -> Result<Stream> {
        let failed = |error| io_error(&self.name, error);
        let (mut text, from): (Box<dyn Read>, u64) = match &self.form {
            Form::Plain(payload) => {
                (Box::new(self.watched(payload.open(offset).map_err(failed)?)), offset)
            }
            Form::Frames(payload, map) => {
                let stop = map.stop(offset);
                let input = self.watched(payload.open(stop.at).map_err(failed)?);
                let frames = match pieces {
                    Pieces::Small => FrameReader::new(input),
                    Pieces::Frames => FrameReader::whole(input),
                };
                (Box::new(frames.map_err(Error::Compress)?), stop.text)
            }
            Form::Unfinished(part, map, paths) => {
                let stop = map.stop(offset);
                let remarks = self.remarks.clone();
                let text = Unfinished::again(paths, part)?.text(stop.at, stop.text, remarks)?;
                (Box::new(text), stop.text)
            }
            Form::Packed(payload, keys) => {
                let mut keys = keys.iter();
                let unpacked = unpack(payload, |input| {
                    let head = Head::read(input).map_err(Failed::Cipher)?;
                    let key = keys.next().filter(|key| key.0 == head).cloned();
                    key.ok_or_else(|| {
                        let changed = io::Error::other("the file was changed while it was read");
                        Failed::Format(crate::format::Error::Io(changed))
                    })
                });
                (Box::new(unpacked.map_err(|failed| failed.named(&self.name))?.0), 0)
            }
        };
        // Where it is torn before `offset`, there is nothing to be read.
        let passed = io::copy(&mut (&mut text).take(offset - from), &mut io::sink());
        match passed {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            passed => drop(passed.map_err(failed)?),
        }
        let piece = match (&self.form, pieces) {
            (Form::Frames(..), Pieces::Frames) => frames::WHOLE,
            _ => 1 << 16,
        };
        Ok(Box::new(BufReader::with_capacity(piece, text)))
    }

    fn watched(&self, payload: Input) -> open::Payload<Input> {
        open::Payload { payload, remarks: self.remarks.clone(), ended: false }
    }

    /// Looks what has become of a live recording: it may have been finished or
    /// interrupted since. Returns its state now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn refresh(&mut self) -> Result<State> {
        if let (State::Live, Form::Unfinished(part, _, paths)) = (self.state, &self.form) {
            let still = Unfinished::again(paths, part)?.live;
            // The file that was opened is the finished one now.
            let map = part.open(0).and_then(|mut input| Map::read(&mut input));
            let map = map.map_err(|error| io_error(&self.name, error))?;
            if map.end.is_some() && !still {
                self.form = Form::Frames(part.clone(), map);
                self.state = State::Finished;
            } else if !still {
                self.state = State::Interrupted;
            }
        }
        Ok(self.state)
    }
}

/// Opens what is in a payload's containers; `key` reads each age file's head,
/// and gives its key.
fn unpack(
    payload: &Payload,
    mut key: impl FnMut(&mut Stream) -> std::result::Result<Arc<(Head, FileKey)>, Failed>,
) -> std::result::Result<(Stream, Vec<Layer>), Failed> {
    let input = payload.open(0).map_err(|error| Failed::Format(error.into()))?;
    let input = Box::new(BufReader::with_capacity(1 << 16, input));
    open_text(input, |mut stream| {
        let age = key(&mut stream)?;
        Ok(Box::new(age.0.reader(&age.1, stream)))
    })
}

fn asciicast(text: Stream, name: &str) -> Result<Reader<Stream>> {
    Reader::new(text)
        .map_err(|error| Failed::Format(crate::format::Error::Asciicast(error)).named(name))
}

fn io_error(name: &str, error: io::Error) -> Error {
    Failed::Format(crate::format::Error::Io(error)).named(name)
}
