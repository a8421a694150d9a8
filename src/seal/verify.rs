//! Whether a recording is what its manifest says, and its manifest what was
//! sealed.
//!
//! Needs no key to the content, and knows nothing of where recordings are
//! kept. Its invariant: nothing that a manifest names is opened outside of the
//! manifest's own directory, and nothing is read as anything but bytes.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::chain;
use super::finding::{Class, Finding};
use super::manifest::{FileDigest, LARGEST, Manifest, State, signature};
use super::signers::{Refused, Signed, Signers};
use super::sshsig::{NAMESPACE, SshSig};
use crate::format::chain::{CHUNK, ChainState};

/// Of a signature: an RSA certificate takes 3 KiB.
const SIGNATURE_MAX: u64 = 1 << 16;

/// Large enough that the digest, and not the system calls, takes the time.
const BUFFER: usize = 256 * 1024;

/// Where the files of a recording are.
#[derive(Clone, Debug)]
pub struct Files {
    /// The recording's id, as the names of its files have it.
    pub id: String,
    /// Whether `id` is that of a store, which a manifest must bear too.
    pub stored: bool,
    /// The manifest; its signature is beside it, with `.sig` added.
    pub manifest: PathBuf,
    /// The finished recording.
    pub finished: PathBuf,
    /// The unfinished one.
    pub part: PathBuf,
    /// Its journals, with their numbers.
    pub journals: Vec<(u64, PathBuf)>,
    /// Whether somebody is writing it.
    pub live: bool,
}

impl Files {
    /// The signature's path.
    #[must_use]
    pub fn signature(&self) -> PathBuf {
        signature(&self.manifest)
    }
}

/// What came of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The recording.
    pub id: String,
    /// What the manifest says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Who sealed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    /// The manifest's digest, in hexadecimal: what a ledger has of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<String>,
    /// What is wrong; nothing when it is sound.
    pub findings: Vec<Finding>,
    /// The manifest, where there is one.
    #[serde(skip)]
    pub manifest: Option<Manifest>,
}

/// Checks one recording.
#[must_use]
pub fn check(files: &Files, signers: &Signers) -> Report {
    let mut check = Check {
        files,
        report: Report {
            id: files.id.clone(),
            state: None,
            signed: None,
            manifest_sha256: None,
            findings: Vec::new(),
            manifest: None,
        },
    };
    if let Some((manifest, bytes)) = check.manifest() {
        check.files(&manifest);
        check.trail(&manifest);
        check.seal(&manifest, &bytes, signers);
        check.report.manifest = Some(manifest);
    }
    check.report
}

struct Check<'a> {
    files: &'a Files,
    report: Report,
}

impl Check<'_> {
    fn find(&mut self, class: Class, what: impl Into<String>) {
        self.report.findings.push(Finding::of(&self.files.id, class, what));
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let class = if error.kind() == io::ErrorKind::NotFound {
            Class::Missing
        } else {
            Class::NotChecked
        };
        self.find(class, format!("{}: {error}", name(path)));
    }

    fn manifest(&mut self) -> Option<(Manifest, Vec<u8>)> {
        let path = &self.files.manifest;
        let bytes = match read(path, LARGEST) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.unreadable(path, &error);
                return None;
            }
        };
        self.report.manifest_sha256 = Some(data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)));
        let manifest: Manifest = match serde_json::from_slice(&bytes) {
            Ok(manifest) => manifest,
            Err(error) => {
                let cut = bytes.is_empty() || error.is_eof();
                let class = if cut { Class::Truncated } else { Class::Altered };
                self.find(class, format!("{} is no manifest: {error}", name(path)));
                return None;
            }
        };
        self.report.state = Some(manifest.state);
        if self.files.stored && manifest.id != self.files.id {
            self.find(Class::Altered, format!("{} is the manifest of {}", name(path), manifest.id));
        }
        Some((manifest, bytes))
    }

    fn files(&mut self, manifest: &Manifest) {
        let finished = self.files.finished.symlink_metadata().is_ok();
        let part = self.files.part.symlink_metadata().is_ok();
        match manifest.state {
            State::Live if self.files.live => {
                self.find(Class::NotYetSealed, "it is being recorded");
            }
            State::Live if part => {
                self.find(
                    Class::OrphanStart,
                    "it was interrupted: it was started, and nothing says how it ended; hrec recover makes it whole",
                );
            }
            // A crash between the last two steps of an end.
            State::Live if finished => {
                self.find(Class::OrphanStart, "its end is not in its manifest; hrec seal adds it");
            }
            State::Live => {
                self.find(Class::Missing, format!("{} is gone", name(&self.files.finished)));
            }
            State::Finished | State::Recovered => {
                let own = name(&self.files.finished);
                if !manifest.files.iter().any(|file| file.name == own) {
                    self.find(Class::Altered, format!("the manifest says nothing of {own}"));
                }
                self.digests(&manifest.files);
            }
            State::Interrupted => {
                match &manifest.chain {
                    Some(chain) => self.chain(chain),
                    None => self.find(
                        Class::Altered,
                        "the manifest says nothing of how far the recording goes",
                    ),
                }
                self.digests(&manifest.files);
            }
        }
    }

    /// Each file against its digest.
    fn digests(&mut self, files: &[FileDigest]) {
        let dir = self.files.manifest.parent().unwrap_or(Path::new("")).to_owned();
        for file in files {
            if file.name.is_empty() || file.name.contains('/') || file.name.starts_with('.') {
                self.find(Class::Altered, format!("the manifest names no file: {}", file.name));
                continue;
            }
            match digest(&dir.join(&file.name)) {
                Ok((size, _)) if size < file.size => {
                    self.find(
                        Class::Truncated,
                        format!("{} has {size} bytes of {}", file.name, file.size),
                    );
                }
                Ok((size, _)) if size > file.size => {
                    self.find(
                        Class::Altered,
                        format!("{} has {size} bytes, and had {}", file.name, file.size),
                    );
                }
                Ok((_, sha256)) if sha256 != file.sha256 => {
                    self.find(Class::Altered, format!("{} is not what was recorded", file.name));
                }
                Ok(_) => {}
                Err(error) => self.unreadable(&dir.join(&file.name), &error),
            }
        }
    }

    /// Whether the trail from the first form to this one is without a hole.
    fn trail(&mut self, manifest: &Manifest) {
        let own = name(&self.files.finished);
        let now = manifest.files.iter().find(|file| file.name == own).map(|file| &file.sha256);
        let last = manifest.rekeyed.last().map(|rekey| &rekey.to);
        if last.is_some() && last != now {
            self.find(Class::Altered, "the trail of its encryptions does not end with it");
        }
        let dir = self.files.manifest.parent().unwrap_or(Path::new("")).to_owned();
        for (rekey, next) in manifest.rekeyed.iter().zip(manifest.rekeyed.iter().skip(1)) {
            if rekey.to != next.from {
                self.find(Class::Altered, "the trail of its encryptions has a hole");
            }
        }
        for rekey in &manifest.rekeyed {
            // Its digest is checked with those of the other files.
            let listed = manifest.files.iter().any(|file| file.name == rekey.manifest);
            let before = listed
                .then(|| read(&dir.join(&rekey.manifest), LARGEST).ok())
                .flatten()
                .and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok());
            let leads = before.is_some_and(|before| {
                before.id == manifest.id
                    && before.files.iter().any(|file| file.sha256 == rekey.from)
            });
            if !leads {
                let what = format!("{} does not say what the recording was before", rekey.manifest);
                self.find(Class::Altered, what);
            }
        }
    }

    /// Part and journals against the place that the manifest knows of.
    fn chain(&mut self, stated: &ChainState) {
        match prefix(&self.files.part, &self.files.journals, stated) {
            Ok(findings) => {
                for (class, what) in findings {
                    self.find(class, what);
                }
            }
            Err(error) => {
                let part = self.files.part.clone();
                match error {
                    chain::Error::Read(error) => self.unreadable(&part, &error),
                    chain::Error::Head(error) => {
                        self.find(Class::Altered, format!("{}: {error}", name(&part)));
                    }
                }
            }
        }
    }

    fn seal(&mut self, manifest: &Manifest, bytes: &[u8], signers: &Signers) {
        let path = self.files.signature();
        let text = match read(&path, SIGNATURE_MAX) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // One that is open, or was never ended, says so already.
                if manifest.state != State::Live {
                    self.find(Class::NotYetSealed, format!("{} is not there", name(&path)));
                }
                return;
            }
            Err(error) => return self.unreadable(&path, &error),
        };
        let Some(signature) = std::str::from_utf8(&text).ok().and_then(SshSig::parse) else {
            return self.find(Class::WrongSignature, format!("{} is no signature", name(&path)));
        };
        // A session's key was vouched for at its start, and a key that signs
        // itself was used at the end.
        let session = signature.key.certificate().is_some_and(|certificate| is_id(&certificate.id));
        let end = manifest.end.as_deref().filter(|_| !session);
        let time = end.unwrap_or(&manifest.start);
        let Some(time) = seconds(time) else {
            return self.find(Class::Altered, format!("the manifest's time is none: {time}"));
        };
        match signers.check(&signature, NAMESPACE, bytes, time) {
            Ok(signed) => {
                if session && signed.certificate.as_ref() != Some(&manifest.id) {
                    let other = signed.certificate.as_deref().unwrap_or_default();
                    let what = format!("its key was made for another session: {other}");
                    self.find(Class::WrongSignature, what);
                }
                self.report.signed = Some(signed);
            }
            Err(Refused::Wrong(why)) => {
                self.find(Class::WrongSignature, format!("the seal cannot be relied on: {why}"));
            }
            Err(Refused::Unknown(why)) => {
                self.find(Class::UnknownSigner, format!("the seal cannot be relied on: {why}"));
            }
        }
    }
}

/// Whether a certificate's key id is that of a session: one for a certificate
/// of some organisation's is whatever they like.
fn is_id(text: &str) -> bool {
    crate::format::id::Id::parse(text).is_some()
}

/// Whether a part and its journals still begin with what `stated` covers.
///
/// # Errors
/// When the part cannot be read, or is none.
pub fn prefix(
    part: &Path,
    journals: &[(u64, PathBuf)],
    stated: &ChainState,
) -> Result<Vec<(Class, String)>, chain::Error> {
    let mut found = Vec::new();
    let (file, size) = open(part)?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let head = crate::format::cipher::Head::read(&mut file)?;
    let covered =
        stated.part.chunks.saturating_mul(CHUNK).saturating_add(head.bytes().len() as u64);
    if size < covered {
        found.push((Class::Truncated, format!("{} has {size} bytes of {covered}", name(part))));
    } else {
        let mut digest = Sha256::new_with_prefix(head.bytes());
        let rest = covered - head.bytes().len() as u64;
        hash(&mut (&mut file).take(rest), &mut digest)?;
        if data_encoding::HEXLOWER.encode(&digest.finalize()) != stated.part.sha256 {
            found.push((Class::Altered, format!("{} is not what was recorded", name(part))));
        }
    }
    if let Some(stated) = &stated.journal {
        let path = journals.iter().find(|(number, _)| *number == stated.number);
        match path {
            None => {
                let what = format!("journal {} is gone", stated.number);
                found.push((Class::Missing, what));
            }
            Some((number, path)) => {
                let (file, _) = open(path)?;
                match chain::journal_to(head.bytes(), *number, file, stated.records)? {
                    state if state.records < stated.records => found.push((
                        Class::Truncated,
                        format!(
                            "{} has {} records of {}",
                            name(path),
                            state.records,
                            stated.records
                        ),
                    )),
                    state if state.head != stated.head => {
                        found.push((
                            Class::Altered,
                            format!("{} is not what was recorded", name(path)),
                        ));
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(found)
}

/// RFC 3339 as seconds since 1970.
fn seconds(time: &str) -> Option<u64> {
    u64::try_from(time.parse::<jiff::Timestamp>().ok()?.as_second()).ok()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A regular file and its size. A FIFO of its name keeps nobody waiting, and a
/// link leads nowhere.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let flags =
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok((file, data.len()))
}

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, size) = open(path)?;
    if size > most {
        return Err(io::Error::other(format!("it has {size} bytes, and {most} would be many")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file's size and SHA-256.
///
/// # Errors
/// When it cannot be read, or is no regular file.
pub fn digest(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, _) = open(path)?;
    let mut digest = Sha256::new();
    let size = hash(&mut file, &mut digest)?;
    Ok((size, data_encoding::HEXLOWER.encode(&digest.finalize())))
}

fn hash(file: &mut impl Read, digest: &mut Sha256) -> io::Result<u64> {
    thread_local! {
        static SPACE: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    SPACE.with_borrow_mut(|space| {
        space.resize(BUFFER, 0);
        let mut size = 0;
        loop {
            match file.read(space) {
                Ok(0) => return Ok(size),
                Ok(n) => {
                    digest.update(space.get(..n).unwrap_or_default());
                    size += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    })
}
