//! What is inside age, and age itself: headers, the payload's chunks, journal
//! records, and the chain over them.

use std::io::{Read, Seek, SeekFrom};

use hrec::format::cipher::{
    CHUNK, FileKey, Head, Identities, NONCE, Recipients, SEALED_CHUNK, TAG,
};
use hrec::format::journal::{self, RecordWriter};
use hrec::seal::chain as seal;

use super::{Choices, read_bounded};

/// A key of no one's, and a header for it that stock age made.
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
const HEAD: &[u8] = include_bytes!("head.age");

pub fn identities() -> Identities {
    let mut identities = Identities::new();
    identities.add_file("key", IDENTITY.as_bytes()).unwrap();
    identities
}

fn key() -> FileKey {
    thread_local!(static HEADER: Head = Head::read(&mut &*HEAD).unwrap());
    HEADER.with(|head| head.unwrap(&identities())).unwrap()
}

pub fn head(input: &[u8]) {
    let mut rest = input;
    let Ok(head) = Head::read(&mut rest) else { return };
    // Not one byte more than the header and the nonce.
    assert_eq!([head.bytes(), rest].concat(), input);
    for stanza in head.stanzas() {
        assert!(!stanza.chars().any(char::is_control));
    }
    let said = match head.unwrap(&identities()) {
        Ok(key) => {
            let _ = read_bounded(head.reader(&key, rest), 1 << 20);
            return;
        }
        Err(error) => error.to_string(),
    };
    assert!(!said.chars().any(char::is_control), "{said:?}");
}

/// The payload: what is written comes back; cut, it gives whole chunks;
/// changed, it gives nothing of what was changed.
pub fn stream(input: &[u8]) {
    let mut choices = Choices(input);
    let (what, at, length) = (choices.byte(), choices.number(), choices.number());
    let length = length as usize % (3 * CHUNK + 3);
    let pattern = if choices.0.is_empty() { b"x" } else { choices.0 };
    let plain: Vec<u8> = pattern.iter().copied().cycle().take(length).collect();
    let (key, nonce) = (key(), [what; NONCE]);
    let (mut writer, mut sealed) = (key.writer(&nonce), Vec::new());
    for piece in plain.chunks(1 + at as usize % 70_000) {
        writer.write(piece, &mut sealed);
    }
    writer.finish(&mut sealed);
    assert_eq!(sealed.len(), length + TAG * length.div_ceil(CHUNK).max(1));
    let at = at as usize % sealed.len();
    match what % 4 {
        0 => {
            let mut reader = key.reader(&nonce, sealed.as_slice());
            let (given, result) = read_bounded(&mut reader, usize::MAX);
            assert!(result.is_ok() && !reader.torn() && given == plain);
        }
        1 => {
            sealed.truncate(at);
            let mut reader = key.reader(&nonce, sealed.as_slice());
            let (given, result) = read_bounded(&mut reader, usize::MAX);
            assert!(result.is_ok() && reader.torn());
            assert!(given == plain[..at / SEALED_CHUNK * CHUNK]);
        }
        2 => {
            sealed[at] ^= what | 1;
            let mut reader = key.reader(&nonce, sealed.as_slice());
            let (given, result) = read_bounded(&mut reader, usize::MAX);
            assert!(result.is_err() || reader.torn());
            assert!(given == plain[..at / SEALED_CHUNK * CHUNK]);
        }
        _ => {
            let mut reader = key.reader(&nonce, std::io::Cursor::new(&sealed));
            let mut to = at as u64;
            for _ in 0..4 {
                assert_eq!(reader.seek(SeekFrom::Start(to)).unwrap(), to);
                let mut bytes = [0; 100];
                let count = reader.read(&mut bytes).unwrap();
                let rest = plain.get(usize::try_from(to).unwrap()..).unwrap_or_default();
                assert_eq!(bytes[..count], rest[..count]);
                assert!(count > 0 || rest.is_empty());
                assert_eq!(reader.stream_position().unwrap(), to + count as u64);
                to = reader.seek(SeekFrom::End(-((to / 3) as i64).min(length as i64))).unwrap();
                assert!(to <= length as u64);
            }
        }
    }
}

/// A journal's bytes as they are; then as the content of a record whose maker
/// had the key; then as text to be kept.
pub fn journal(input: &[u8]) {
    let key = key();
    let (mut rest, mut taken) = (input, 0);
    while let Some(raw) = journal::read_raw(&mut rest).unwrap() {
        taken += raw.len();
        assert!(input[..taken].ends_with(&raw));
        let _ = journal::open(&key, &raw);
    }

    let nonce = [9; NONCE];
    let mut forged = vec![0; 4];
    forged.extend_from_slice(&nonce);
    let mut payload = key.writer(&nonce);
    payload.write(input, &mut forged);
    payload.finish(&mut forged);
    let length = u32::try_from(forged.len() - 4).unwrap();
    forged[..4].copy_from_slice(&length.to_le_bytes());
    let raw = journal::read_raw(&mut forged.as_slice()).unwrap().expect("a whole record");
    if let Some(record) = journal::open(&key, &raw) {
        let mut out = Vec::new();
        let mut writer = RecordWriter::new().unwrap();
        writer.write(&key, record.offset, record.digest, &record.text, &mut out).unwrap();
        let raw = journal::read_raw(&mut out.as_slice()).unwrap().expect("a whole record");
        assert_eq!(journal::open(&key, &raw), Some(record));
    }
}

/// A part and its journals, split as the first bytes say.
pub fn chain(input: &[u8]) {
    let mut choices = Choices(input);
    let split = usize::from(choices.byte()) * 8;
    let chunks = usize::from(choices.byte() % 4);
    let (part, rest) = choices.0.split_at(split.min(choices.0.len()));
    // A header, so that what follows is reached; the input's own, now and then.
    let mut whole = if chunks == 0 { Vec::new() } else { HEAD.to_vec() };
    for _ in 0..chunks {
        whole.extend(
            part.iter().copied().cycle().take(SEALED_CHUNK * usize::from(!part.is_empty())),
        );
    }
    whole.extend_from_slice(part);
    let (first, second) = rest.split_at(rest.len() / 2);
    let Ok(state) = seal::compute(whole.as_slice(), [(3, first), (1, second)]) else { return };
    assert!(state.part.chunks as usize * SEALED_CHUNK <= whole.len());
    assert_eq!(state.part.sha256.len(), 64);
    let json = serde_json::to_string(&state).unwrap();
    let again: hrec::format::chain::ChainState = serde_json::from_str(&json).unwrap();
    assert_eq!(again, state);
    if let Some(journal) = state.journal {
        assert!(journal.records > 0 && matches!(journal.number, 1 | 3));
    }
}

/// Recipients and identities, as they stand in files.
pub fn keys(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut recipients = Recipients::new();
    let mut said = Vec::new();
    for line in text.lines().take(8) {
        if let Err(error) = recipients.add(line) {
            said.push(error.to_string());
        }
    }
    // Each name that was taken is taken again, as the same.
    let mut again = Recipients::new();
    for name in recipients.names() {
        again.add(name).unwrap();
    }
    assert!(again.names().eq(recipients.names()));
    said.extend(recipients.add_file("file", &text).err().map(|error| error.to_string()));
    let mut identities = Identities::new();
    said.extend(identities.add_file("file", input).err().map(|error| error.to_string()));
    for said in said {
        assert!(!said.chars().any(char::is_control), "{said:?}");
    }
}
