//! A ledger of hrec's, checked by somebody who has only read the manual.

use std::process::Command;

use super::{event, ledger, public};

/// Runs `verify.py`, with the key of this number trusted.
fn python(dir: &std::path::Path, n: u8) -> std::process::Output {
    let signers = dir.with_file_name("allowed_signers");
    let blob = [b"\0\0\0\x0bssh-ed25519\0\0\0\x20".as_slice(), &public(n)].concat();
    let key = data_encoding::BASE64.encode(&blob);
    let line = format!("a@b namespaces=\"hrec-ledger\" ssh-ed25519 {key} since today\n");
    std::fs::write(&signers, line).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ledger/verify.py");
    Command::new("python3").arg(script).args([dir, &signers]).output().unwrap()
}

#[test]
fn another_verifier_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ledger");
    let mut ledger = ledger(&dir);
    let mut size = 0;
    for more in [1, 2, 253, 300] {
        ledger.append(&(0..more).map(event).collect::<Vec<_>>()).unwrap();
        size += more;
        let said = python(&dir, 1);
        assert!(said.status.success(), "{said:?}");
        let text = String::from_utf8(said.stdout).unwrap();
        assert_eq!(text.lines().filter(|line| line.starts_with("gap")).count() as u64, size);
    }
    let erase = hrec::seal::ledger::Event::Erase {
        index: 7,
        by: serde_json::Map::new(),
        reason: String::new(),
    };
    ledger.erase(7, erase).unwrap();
    assert!(python(&dir, 1).status.success());
    assert!(!python(&dir, 2).status.success(), "another's key");
    let path = dir.join("records/001");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("event 44", "event 45", 1)).unwrap();
    assert!(!python(&dir, 1).status.success(), "an altered record");
}
