//! What is read in the clear: manifests, configuration, SSH keys, command
//! lines, ids.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use data_encoding::BASE64;
use hrec::config::{Config, Dirs};
use hrec::format::id::Id;
use hrec::identity::certificate::Key;
use hrec::identity::scrub;
use hrec::identity::target::Target;
use hrec::seal::Manifest;

pub fn manifest(input: &[u8]) {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(input) {
        let written = serde_json::to_vec_pretty(&manifest).unwrap();
        assert_eq!(serde_json::from_slice::<Manifest>(&written).unwrap(), manifest);
        let _ = (manifest.target_name(), manifest.who("user"));
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(id) = Id::parse(text) {
        assert_eq!(id.as_str(), text);
        assert!(!text.contains(['/', '\0', '\n']));
        let (year, month, day) = id.date();
        assert!([year, month, day].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit())));
        let _ = id.start();
    }
}

/// The system's file, a zero byte, the person's file.
pub fn config(input: &[u8]) {
    thread_local!(static DIR: tempfile::TempDir = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .tempdir()
        .unwrap());
    let mut files = input.splitn(2, |b| *b == 0);
    DIR.with(|dir| {
        let system = dir.path().join("system.toml");
        let user = dir.path().join("config.toml");
        let _ = std::fs::remove_file(&user);
        std::fs::write(&system, files.next().unwrap_or_default()).unwrap();
        if let Some(text) = files.next() {
            std::fs::write(&user, text).unwrap();
        }
        let dirs = Dirs {
            home: Some("/home/x".into()),
            config: dir.path().to_owned(),
            data: "/data".into(),
        };
        match Config::load_from(&system, dirs.clone(), &[]) {
            Ok(config) => {
                // What is said of a value is the value.
                let mut text = String::new();
                for (name, value, _, locked) in config.list() {
                    let (table, key) = name.split_once('.').unwrap();
                    text += &format!("[{table}]\n{key} = {value}\n");
                    assert!(!(locked && input.is_empty()));
                }
                let _ = (config.store(), config.recipients_files());
                assert!(!text.contains('\0'));
            }
            Err(error) => {
                let said = error.to_string();
                assert!(said.contains(&*dir.path().to_string_lossy()), "{said}");
                assert!(!said.contains('\u{1b}') && !said.contains('\n'), "{said:?}");
            }
        }
    });
}

/// A key's blob, labelled with the kind that it itself says.
pub fn certificate(input: &[u8]) {
    let kind = input
        .split_first_chunk::<4>()
        .and_then(|(length, rest)| rest.get(..u32::from_be_bytes(*length) as usize))
        .and_then(|kind| std::str::from_utf8(kind).ok());
    if let Some(key) = kind.and_then(|kind| Key::parse(kind, &BASE64.encode(input))) {
        assert!(key.fingerprint.starts_with("SHA256:") && key.fingerprint.len() == 50);
        if let Some(certificate) = key.certificate {
            assert!(certificate.principals.len() <= 256);
            assert!(certificate.id.chars().count() <= 256);
        }
    }
    let text = String::from_utf8_lossy(input);
    let mut words = text.split(' ');
    let _ = Key::parse(words.next().unwrap_or_default(), words.next().unwrap_or_default());
}

/// A program and its arguments, with zero bytes between.
pub fn command_line(input: &[u8]) {
    let words: Vec<OsString> =
        input.split(|b| *b == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    let Some((program, args)) = words.split_first() else { return };
    let line = scrub::command_line(program, args);
    assert!(line.len() <= 64 * input.len() + 64, "a line of {} bytes", line.len());
    for program in [OsStr::new("ssh"), "psql".as_ref(), "kubectl".as_ref(), program.as_os_str()] {
        let target = Target::of(program, args);
        serde_json::to_string(&target).unwrap();
    }
    let _ = scrub::word(&String::from_utf8_lossy(input));
}
