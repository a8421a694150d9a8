//! C2SP's age test vectors, rage's, and zstd's golden files, against what
//! reads recordings: `format::detect` for the armor, `format::cipher` for
//! headers and payloads, `format::frames` for zstd.
//!
//! A vector is a text header (`expect`, `identity`, `payload`, …), an empty
//! line, and an age file; <https://c2sp.org/CCTV/age> says what each means.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use hrec::format::cipher::{Error, Head, Identities};
use hrec::format::detect::open_stream;
use hrec::format::frames::{FrameReader, Frames, LEVEL};

use super::{corpus, sha256};

/// What hrec makes of a vector otherwise than it says, and why.
const OTHERWISE: &[(&str, &str, &str)] = &[
    ("armor_hybrid", "no match", NO_HYBRID),
    ("hybrid", "no match", NO_HYBRID),
    ("hybrid_and_x25519", "no match", NO_HYBRID),
    ("hybrid_bad_tag", "no match", NO_HYBRID),
    ("hybrid_currupted_enc_mlkem", "no match", NO_HYBRID),
    ("hybrid_currupted_enc_x25519", "no match", NO_HYBRID),
    ("hybrid_extra_argument", "no match", NO_HYBRID),
    ("hybrid_grease", "no match", NO_HYBRID),
    ("hybrid_identity", "no match", NO_HYBRID),
    ("hybrid_long_file_key", "no match", NO_HYBRID),
    ("hybrid_long_share", "no match", NO_HYBRID),
    ("hybrid_low_order", "no match", NO_HYBRID),
    ("hybrid_multiple_recipients", "no match", NO_HYBRID),
    ("hybrid_no_match", "no match", NO_HYBRID),
    ("hybrid_not_canonical_body", "header failure", DAMAGED),
    ("hybrid_not_canonical_enc", "no match", NO_HYBRID),
    ("hybrid_short_share", "no match", NO_HYBRID),
    ("hybrid_uppercase", "no match", NO_HYBRID),
    ("hybrid_x25519_arg", "header failure", DAMAGED),
];
const NO_HYBRID: &str = "the age crate 0.12 has no hybrid identities (mlkem768x25519): the key is \
    refused, and without it nothing of the stanza is looked at; age-plugin-pq has them";
const DAMAGED: &str =
    "likewise, but the header is refused, as it should be, before any key is tried";

/// How an attempt ended, in the vectors' words, and the payload given before.
struct Outcome {
    kind: &'static str,
    said: String,
    payload: Vec<u8>,
}

fn vector(bytes: &[u8]) -> (BTreeMap<String, Vec<String>>, Vec<u8>) {
    let end = bytes.windows(2).position(|two| two == b"\n\n").expect("an empty line");
    let mut fields = BTreeMap::<String, Vec<String>>::new();
    for line in std::str::from_utf8(&bytes[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").expect("NAME: VALUE");
        fields.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    let mut body = bytes[end + 2..].to_vec();
    if fields.contains_key("compressed") {
        assert_eq!(fields["compressed"], ["zlib"]);
        let mut out = Vec::new();
        flate2::read::ZlibDecoder::new(body.as_slice()).read_to_end(&mut out).unwrap();
        body = out;
    }
    (fields, body)
}

fn attempt(file: &[u8], identities: &Identities) -> Outcome {
    let mut outcome = None;
    let opened = open_stream(Box::new(Cursor::new(file.to_vec())), |mut stream| {
        let (kind, said, payload) = match Head::read(&mut stream) {
            Err(Error::Read(error)) => ("armor failure", error.to_string(), Vec::new()),
            Err(error) => ("header failure", error.to_string(), Vec::new()),
            Ok(head) => match head.unwrap(identities) {
                Err(error @ Error::NoMatch { .. }) => ("no match", error.to_string(), Vec::new()),
                Err(error @ Error::Decrypt(_))
                    if error.to_string().contains("that passphrase is not") =>
                {
                    ("no match", error.to_string(), Vec::new())
                }
                Err(error) => ("header failure", error.to_string(), Vec::new()),
                Ok(key) => {
                    let mut reader = head.reader(&key, stream);
                    let mut payload = Vec::new();
                    match reader.read_to_end(&mut payload) {
                        Ok(_) if reader.torn() => ("payload failure", "torn".to_owned(), payload),
                        Ok(_) => ("success", String::new(), payload),
                        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                            ("payload failure", error.to_string(), payload)
                        }
                        Err(error) => ("armor failure", error.to_string(), payload),
                    }
                }
            },
        };
        outcome = Some(Outcome { kind, said, payload });
        Err::<Box<dyn Read>, _>(hrec::format::Error::TooDeep)
    });
    outcome.unwrap_or_else(|| Outcome {
        kind: "no age file",
        said: opened.err().map_or_else(String::new, |error| error.to_string()),
        payload: Vec::new(),
    })
}

/// Runs all vectors; gives the names of those that are [`OTHERWISE`].
fn run(dir: &Path, least: usize) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= least, "only {} vectors", names.len());
    let (mut problems, mut met) = (String::new(), Vec::new());
    for name in &names {
        let (fields, file) = vector(&std::fs::read(dir.join(name)).unwrap());
        let passphrase = fields.get("passphrase").map(|all| all[0].clone());
        let mut identities = Identities::asking(Arc::new(move |_| passphrase.clone()));
        let refused = fields
            .get("identity")
            .into_iter()
            .flatten()
            .any(|identity| identities.add_file("the vector's", identity.as_bytes()).is_err());
        let outcome = attempt(&file, &identities);
        let expected = fields["expect"][0].as_str();
        // Every error of a header is one to whoever reads the message.
        let same = match expected {
            "HMAC failure" => outcome.kind == "header failure" && outcome.said.contains("changed"),
            // What does not begin as armor must is not seen to be an age file.
            "armor failure" => matches!(outcome.kind, "armor failure" | "no age file"),
            "header failure" => matches!(outcome.kind, "header failure" | "no age file"),
            expected => outcome.kind == expected,
        };
        let payload = match fields.get("payload") {
            Some(payload) if matches!(outcome.kind, "success" | "payload failure") => {
                sha256(&outcome.payload) == payload[0]
            }
            _ => true,
        };
        let explained = OTHERWISE.iter().find(|(other, ..)| other == name);
        match explained {
            Some((_, kind, _)) => {
                met.push(name.clone());
                if outcome.kind != *kind {
                    writeln!(problems, "{name}: {} ({}), not {kind}", outcome.kind, outcome.said).unwrap();
                }
            }
            None if same && payload && !refused => {}
            None => writeln!(
                problems,
                "{name}: expected {expected}, is {} ({}), payload {payload}, identity refused {refused}",
                outcome.kind, outcome.said
            )
            .unwrap(),
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
    met
}

#[test]
fn c2sp_vectors_hold() {
    let corpus = corpus();
    let missed = run(&corpus.dir.join("age/cctv/testdata"), 140);
    let listed: Vec<&str> = OTHERWISE.iter().map(|(name, ..)| *name).collect();
    assert_eq!(missed, listed);
}

/// The same vectors of an earlier year, without the hybrid ones; and three
/// files of rage's own, each with its key beside it.
#[test]
fn rage_files_hold() {
    let corpus = corpus();
    let dir = corpus.dir.join("age/rage-testdata");
    assert!(run(&dir.join("testkit"), 100).is_empty());
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    for (file, key, kind) in [
        // An early rage left out the line that ends an empty body, and later
        // ones forgive it. C2SP's stanza_missing_body and stock age refuse it.
        ("empty_recipient_body.age", "empty_recipient_body_key.txt", "header failure"),
        ("fail_large_filekey_x25519.age", "fail_large_filekey_x25519_key.txt", "header failure"),
        (
            "fail_large_filekey_scrypt.age",
            "fail_large_filekey_scrypt_password.txt",
            "header failure",
        ),
    ] {
        let key = read(key);
        let passphrase = String::from_utf8(key.clone()).unwrap().trim().to_owned();
        let mut identities = Identities::asking(Arc::new(move |_| Some(passphrase.clone())));
        if !file.contains("scrypt") {
            identities.add_file("rage's", &key).unwrap();
        }
        let outcome = attempt(&read(file), &identities);
        assert_eq!(outcome.kind, kind, "{file}: {}", outcome.said);
    }
}

/// What zstd's own decoder must take and must refuse.
#[test]
fn zstd_golden_files_hold() {
    let corpus = corpus();
    for (dir, sound) in [("golden-decompression", true), ("golden-decompression-errors", false)] {
        let mut files = 0;
        for entry in std::fs::read_dir(corpus.dir.join("zstd").join(dir)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "zst") {
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let mut reader = FrameReader::new(bytes.as_slice()).unwrap();
            let result = reader.read_to_end(&mut Vec::new());
            let whole = result.is_ok() && !reader.torn();
            assert_eq!(whole, sound, "{}: {result:?}", path.display());
        }
        assert!(files >= 3, "only {files} files in {dir}");
    }
    for entry in std::fs::read_dir(corpus.dir.join("zstd/golden-compression")).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        let (mut frames, mut out) = (Frames::new().unwrap(), Vec::new());
        for piece in text.chunks(1 << 20) {
            frames.frame(LEVEL, piece, &mut out).unwrap();
        }
        let mut again = Vec::new();
        FrameReader::new(out.as_slice()).unwrap().read_to_end(&mut again).unwrap();
        assert!(again == text);
    }
}
