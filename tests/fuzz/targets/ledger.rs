//! The ledger's files, and what a witness answers.

use hrec::seal::ledger::anchor::{Anchor, Answer};
use hrec::seal::ledger::merkle::{self, Head};
use hrec::seal::ledger::note::{Note, VerifierKey, split};
use hrec::seal::ledger::record::{Content, Line};
use hrec::seal::ledger::tile::{self, Tile};
use hrec::seal::ledger::{Checkpoint, Proof};

use super::Choices;

/// From the documentation of c2sp.org/signed-note.
const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

pub fn note(input: &[u8]) {
    let keys = [VerifierKey::parse(KEY).unwrap()];
    if let Ok(text) = std::str::from_utf8(input) {
        for line in text.lines() {
            if let Ok(key) = VerifierKey::parse(line) {
                assert_eq!(key.to_string(), line);
            }
        }
        // Nothing but empty lines gets lost between several.
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert_eq!(letters(&split(text).concat()), letters(text));
    }
    let Ok(note) = Note::parse(input) else { return };
    assert_eq!(note.to_string().as_bytes(), input);
    let _ = note.verify(&keys);
    let _ = Checkpoint::open(&note, &keys);
    if let Ok(checkpoint) = Checkpoint::parse(note.text()) {
        assert!(note.text().starts_with(&checkpoint.to_string()));
    }
}

pub fn proof(input: &[u8]) {
    let keys = [VerifierKey::parse(KEY).unwrap()];
    if let Ok(proof) = Proof::parse(input) {
        assert_eq!(Proof::parse(proof.to_string().as_bytes()).unwrap(), proof);
        let _ = proof.verify(b"entry", &keys);
    }
    // Numbers of any size, and a path of the input's bytes.
    let mut choices = Choices(input);
    let mut number = || (u64::from(choices.number()) << 32) | u64::from(choices.number());
    let (index, size) = (number(), number());
    let path: Vec<merkle::Hash> = choices.0.as_chunks::<32>().0.iter().take(80).copied().collect();
    let root = [1; 32];
    let _ = merkle::includes(&root, size, index, root, &path);
    let _ = merkle::extends(&Head { size: index, root }, &Head { size, root }, &path);
}

pub fn tile(input: &[u8]) {
    if let Some(hashes) = tile::hashes(input) {
        assert_eq!(hashes.concat(), input);
        assert!(merkle::over(&hashes).is_some());
    }
    if let Some(entries) = tile::entries(input) {
        assert_eq!(entries.iter().map(|entry| entry.len() + 2).sum::<usize>(), input.len());
    }
    if let Some(tile) = std::str::from_utf8(input).ok().and_then(Tile::parse) {
        assert_eq!(tile.path().as_bytes(), input);
    }
}

pub fn record(input: &[u8]) {
    for line in input.split(|byte| *byte == b'\n') {
        let Some(line) = Line::parse(line) else { continue };
        let again = line.bytes();
        assert_eq!(Line::parse(again.strip_suffix(b"\n").unwrap()).unwrap(), line);
        let _ = line.is_sound();
        if let Some(content) = &line.content {
            let _ = content.record().map(|record| record.event.id().map(str::len));
        }
    }
    if let Ok(text) = std::str::from_utf8(input) {
        let content = Content { salt: [0; 16], text: text.to_owned() };
        if let Ok(record) = content.record() {
            let text = serde_json::to_string(&record).unwrap();
            let again = Content { salt: [0; 16], text }.record().unwrap();
            assert_eq!(again.event.id(), record.event.id());
        }
    }
}

pub fn anchor(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(anchor) = Anchor::parse(text)
    {
        assert_eq!(Anchor::parse(&anchor.to_string()), Ok(anchor));
    }
    if let Some(answer) = Answer::parse(input) {
        assert!(answer.body.len() < input.len());
    }
}
