//! Makes a finished recording of an interrupted one.
//!
//! Knows nothing of manifests. Its invariant: the interrupted form is not
//! touched until the finished file is on the disk under its name, was read
//! back, and holds the same text.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::draft::{self, Draft};
use super::error::shown;
use super::interrupted::{Remarks, Unfinished};
use super::live::marks::{Follower, Marks};
use super::live::{FileState, Screen};
use super::{Disk, Error, Paths, RealDisk, Result, journal_paths};
use crate::event::{Data, Micros};
use crate::format::asciicast::{self, MAX_LINE, Reader};
use crate::format::cipher::{self, FileKey, Head, Identities, Recipients, Sealed};
use crate::format::frames::{FrameReader, Frames, LEVEL};

/// Text of a frame, as the writer has it.
const FRAME_TEXT: usize = 1 << 20;

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The finished file.
    pub file: FileState,
    /// Bytes of text in it.
    pub bytes_text: u64,
    /// What is missing or damaged in the middle, a sentence each. Where there
    /// is something, the interrupted form holds more than the finished one.
    pub remarks: Vec<String>,
}

/// Writes the text of an interrupted recording as a finished one, beside it,
/// for `recipients`. Part and journals stay: see [`discard`].
///
/// # Errors
/// When the recording is still being made, when no identity opens it, when a
/// finished one is there already, or when something cannot be read or written;
/// then no new file is left.
pub fn recover(
    paths: &Paths,
    identities: &Identities,
    recipients: &Recipients,
) -> Result<Recovered> {
    let finished = paths.finished();
    if finished.symlink_metadata().is_ok() {
        return Err(Error::NotInterrupted { path: shown(&finished), what: "finished already" });
    }
    let unfinished = Unfinished::open(paths)?;
    if unfinished.live {
        let path = shown(&paths.part());
        return Err(Error::NotInterrupted { path, what: "still being made" });
    }
    let remarks = Remarks::default();
    let text = unfinished.unlock(identities)?.text(0, 0, remarks.clone())?;
    let draft = draft::name(paths, "recovering");
    let result = write(&draft, text, recipients, &finished)
        .and_then(|written| {
            written.check(&draft)?;
            RealDisk
                .rename(&draft, &finished)
                .map_err(|error| Error::io("rename the recording to", &finished, error))?;
            Ok(written)
        })
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&draft);
        })?;
    let dir = paths.dir();
    RealDisk.sync_dir(dir).map_err(|error| Error::io("sync", dir, error))?;
    let remarks = remarks.all();
    Ok(Recovered { file: result.file, bytes_text: result.bytes_text, remarks })
}

/// Removes the part and the journals of a recording whose finished file is
/// there.
///
/// # Errors
/// When there is no finished file, or one cannot be removed.
pub fn discard(paths: &Paths) -> Result<()> {
    let finished = paths.finished();
    finished.metadata().map_err(|error| Error::io("find", &finished, error))?;
    // The journals last: without the part they are nothing, with it a prefix.
    let mut files = vec![paths.part()];
    files.extend(journal_paths(paths)?);
    for path in files {
        std::fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))?;
    }
    Ok(())
}

struct Written {
    file: FileState,
    bytes_text: u64,
    digest: [u8; 32],
    head: Vec<u8>,
    key: FileKey,
}

fn write(
    draft: &Path,
    text: impl Read,
    recipients: &Recipients,
    finished: &Path,
) -> Result<Written> {
    let Sealed { head, key, mut payload } = cipher::encrypt(recipients)
        .map_err(|source| Error::Cipher { path: shown(draft), source })?;
    let mut file = Draft::create(draft)?;
    let (mut sealed, mut frame, mut text_digest) = (head.clone(), Vec::new(), Sha256::new());
    let mut lines = Lines::new(text, draft)?;
    let (mut frames, mut bytes_text) = (Frames::new().map_err(Error::Compress)?, 0);
    let mut open = Vec::new();
    let mut marks = Marks::new(lines.follower.size);
    loop {
        let more = lines.next()?;
        text_digest.update(&lines.event);
        bytes_text += lines.event.len() as u64;
        open.extend_from_slice(&lines.event);
        if !more {
            break;
        }
        if open.len() >= FRAME_TEXT {
            frames.frame(LEVEL, &open, &mut frame).map_err(Error::Compress)?;
            open.clear();
            marks.closed(&frames);
            let place = lines.follower.mark(lines.time, bytes_text);
            let keyframe = lines.follower.keyframe(&place);
            marks.next(place, keyframe.as_deref(), &mut frames, &mut frame);
            payload.write(&frame, &mut sealed);
            frame.clear();
            file.put(&mut sealed)?;
        }
    }
    if !open.is_empty() {
        frames.frame(LEVEL, &open, &mut frame).map_err(Error::Compress)?;
        marks.closed(&frames);
    }
    marks.finish(lines.follower.mark(lines.time, bytes_text), &mut frames, &mut frame);
    frames.finish(&mut frame);
    payload.write(&frame, &mut sealed);
    payload.finish(&mut sealed);
    file.put(&mut sealed)?;
    let file = file.finish(finished)?;
    Ok(Written { file, bytes_text, digest: text_digest.finalize().into(), head, key })
}

/// The text, event by event.
struct Lines<R> {
    reader: Reader<Tee<R>>,
    taken: Rc<RefCell<Vec<u8>>>,
    given: u64,
    /// The lines of the last event, with those before it that are none.
    event: Vec<u8>,
    time: Micros,
    follower: Follower,
    draft: PathBuf,
}

impl<R: Read> Lines<R> {
    fn new(text: R, draft: &Path) -> Result<Self> {
        let taken = Rc::new(RefCell::new(Vec::new()));
        let inner = BufReader::with_capacity(1 << 16, text);
        let reader = Reader::new(Tee { inner, taken: Rc::clone(&taken) });
        let reader = reader.map_err(|error| Error::Format {
            path: shown(draft),
            source: crate::format::Error::Asciicast(error),
        })?;
        let size = reader.header().size;
        let mut follower = Follower::new(size);
        follower.follow(Box::new(Screen::unhurried(size)));
        let (event, draft) = (Vec::new(), draft.to_owned());
        Ok(Self { reader, taken, given: 0, event, time: 0, follower, draft })
    }

    /// `false` when there are no more; what lines are left are in `event` then,
    /// but for one that is cut short, which is no event.
    fn next(&mut self) -> Result<bool> {
        let event = loop {
            match self.reader.next_event() {
                Err(asciicast::Error::Malformed { .. }) => {}
                Err(asciicast::Error::Io(error)) => {
                    return Err(Error::io("read what was recorded for", &self.draft, error));
                }
                event => break event.unwrap_or_default(),
            }
        };
        self.reader
            .settle()
            .map_err(|error| Error::io("read what was recorded for", &self.draft, error))?;
        let mut taken = self.taken.borrow_mut();
        let end = match event {
            Some(_) => usize::try_from(self.reader.place().text() - self.given).unwrap_or(0),
            None => memchr::memrchr(b'\n', &taken).map_or(0, |last| last + 1),
        };
        let end = end.min(taken.len());
        self.event.clear();
        self.event.extend(taken.drain(..end));
        self.given += self.event.len() as u64;
        let Some(event) = event else { return Ok(false) };
        self.time = event.time;
        match &event.data {
            Data::Output(bytes) => self.follower.output(bytes),
            data => {
                self.follower.events += 1;
                match data {
                    Data::Resize(size) => self.follower.resize(*size),
                    Data::Fact(fact) if fact.kind == "stream" => self.follower.stream(),
                    _ => {}
                }
            }
        }
        Ok(true)
    }
}

/// Keeps what is read, until it is taken.
struct Tee<R> {
    inner: BufReader<R>,
    taken: Rc<RefCell<Vec<u8>>>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Tee<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // A line without end is no event, and not to be kept either.
        if self.taken.borrow().len() > 2 * MAX_LINE {
            return Ok(&[]);
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        let bytes = self.inner.buffer().get(..count).unwrap_or_default();
        self.taken.borrow_mut().extend_from_slice(bytes);
        self.inner.consume(count);
    }
}

impl Written {
    /// Reads the draft back and compares the text.
    fn check(&self, draft: &Path) -> Result<()> {
        let failed = |error| Error::io("read back", draft, error);
        let mut file = BufReader::new(File::open(draft).map_err(failed)?);
        let named = |source| Error::Cipher { path: shown(draft), source };
        let head = Head::read(&mut file).map_err(named)?;
        let mut text = FrameReader::new(head.reader(&self.key, file)).map_err(failed)?;
        let mut digest = Sha256::new();
        std::io::copy(&mut text, &mut digest).map_err(failed)?;
        let same = head.bytes() == self.head
            && !text.torn()
            && !text.get_ref().torn()
            && <[u8; 32]>::from(digest.finalize()) == self.digest;
        if same {
            return Ok(());
        }
        let error = std::io::Error::other("it does not hold what was written; check that disk");
        Err(failed(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Header;
    use crate::recording::live::{Live, Options};
    use crate::recording::{Source, State, open};
    use age::secrecy::ExposeSecret;

    fn keys() -> (Recipients, Identities) {
        let identity = age::x25519::Identity::generate();
        let mut recipients = Recipients::new();
        recipients.add(&identity.to_public().to_string()).unwrap();
        let mut identities = Identities::new();
        identities.add_file("key", identity.to_string().expose_secret().as_bytes()).unwrap();
        (recipients, identities)
    }

    fn header() -> Header {
        Header { hrec: Some(serde_json::Map::new()), ..Header::default() }
    }

    fn output(path: &Path, identities: &Identities) -> (Vec<u8>, State) {
        let mut recording = open(path, identities).unwrap();
        let mut out = Vec::new();
        while let Some(event) = recording.next_event().unwrap() {
            if let Data::Output(bytes) = event.data {
                out.extend(bytes);
            }
        }
        assert!(!recording.is_damaged());
        (out, recording.state())
    }

    #[test]
    fn the_finished_file_holds_what_the_interrupted_one_did() {
        let dir = tempfile::tempdir().unwrap();
        let (recipients, identities) = keys();
        let paths = Paths::at(&dir.path().join("x"));
        let options = Options { sync: false };
        let mut live = Live::create(paths.clone(), &header(), &recipients, options).unwrap();
        for i in 0..30_000_u64 {
            let text = format!("{} {}\r\n", i, i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            live.output(i * 10, text.as_bytes()).unwrap();
        }
        live.flush(400_000).unwrap();
        let error = recover(&paths, &identities, &recipients).unwrap_err().to_string();
        assert!(error.contains("still being made"), "{error}");
        drop(live);

        let (before, state) = output(&paths.part(), &identities);
        assert_eq!(state, State::Interrupted);
        let others = keys();
        assert!(recover(&paths, &others.1, &recipients).unwrap_err().no_match());
        let made = recover(&paths, &identities, &recipients).unwrap();
        assert_eq!(made.remarks, Vec::<String>::new());
        assert_eq!(made.file.name, "x");
        assert_eq!(output(&paths.finished(), &identities), (before, State::Finished));
        let mut source = Source::open(&paths.finished(), &identities).unwrap();
        assert_eq!(source.end().map(|end| (end.event, end.text)), Some((30_000, made.bytes_text)));
        let anchors = source.anchors().unwrap();
        assert!(anchors.len() > 1);
        assert!(anchors.iter().skip(1).all(|anchor| anchor.has_keyframe()));
        let bytes = std::fs::read(paths.finished()).unwrap();
        assert_eq!(made.file.sha256, data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)));

        assert!(paths.part().exists());
        assert!(recover(&paths, &identities, &recipients).is_err());
        discard(&paths).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_behind_a_hole_was_not_written() {
        use std::io::{Read, Write};
        let mut file = tempfile::tempfile().unwrap();
        assert_eq!(crate::recording::written(&file).unwrap(), 0);
        file.write_all(&[1; 300_000]).unwrap();
        assert_eq!(crate::recording::written(&file).unwrap(), 300_000);
        file.set_len(1 << 40).unwrap();
        let written = crate::recording::written(&file).unwrap();
        // To the end of the file system's own block.
        assert!((300_000..5_000_000).contains(&written), "{written}");
        // It is read from its beginning.
        assert_eq!(file.read(&mut [0; 1]).unwrap(), 1);
        assert_eq!(rustix::fs::tell(&file).unwrap(), 1);
    }

    #[test]
    fn nothing_is_removed_where_there_is_no_finished_file() {
        let dir = tempfile::tempdir().unwrap();
        let (recipients, _) = keys();
        let paths = Paths::at(&dir.path().join("x"));
        drop(Live::create(paths.clone(), &header(), &recipients, Options { sync: false }).unwrap());
        assert!(discard(&paths).is_err());
        assert!(paths.part().exists() && paths.journal(0).exists());
    }
}
