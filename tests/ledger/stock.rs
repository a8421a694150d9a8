//! A ledger of hrec's, checked by somebody who has only read the manual.

use std::process::Command;

use hrec::seal::ledger::{Event, Reader};

use super::{event, ledger, public};

/// A list with the key of this number.
fn list(n: u8) -> String {
    let blob = [b"\0\0\0\x0bssh-ed25519\0\0\0\x20".as_slice(), &public(n)].concat();
    let key = data_encoding::BASE64.encode(&blob);
    format!("a@b namespaces=\"hrec-ledger\" ssh-ed25519 {key} since today\n")
}

/// Runs `verify.py`, with the key of this number trusted.
fn python(dir: &std::path::Path, n: u8) -> std::process::Output {
    let signers = dir.with_file_name("allowed_signers");
    std::fs::write(&signers, list(n)).unwrap();
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
    let erase = Event::Erase { index: 7, by: serde_json::Map::new(), reason: String::new() };
    ledger.erase(7, erase).unwrap();
    assert!(python(&dir, 1).status.success());
    assert!(!python(&dir, 2).status.success(), "another's key");
    let path = dir.join("records/001");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("event 44", "event 45", 1)).unwrap();
    assert!(!python(&dir, 1).status.success(), "an altered record");
}

/// The script that `hrec prove` puts into its folder finds its way in trees of
/// every shape.
#[test]
fn the_script_of_a_folder_follows_every_way() {
    let id = "20261121T141503.123Z-ann-db1-AAAAAAAA";
    let digest = |bytes: &[u8]| {
        data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(bytes))
    };
    for (start, end, size) in
        [(0, 1, 2), (0, 2, 3), (1, 4, 5), (3, 6, 7), (5, 7, 8), (0, 12, 13), (255, 256, 300)]
    {
        let dir = tempfile::tempdir().unwrap();
        let (case, dir) = (dir.path().join("case"), dir.path().join("ledger"));
        let finished = format!("{{\"id\":\"{id}\"}}");
        let mut ledger = ledger(&dir);
        let events: Vec<Event> = (0..size)
            .map(|n| match n {
                _ if n == start => Event::Start {
                    id: id.to_owned(),
                    user: "ann".to_owned(),
                    program: "ssh".to_owned(),
                    target: "db1".to_owned(),
                    manifest_sha256: digest(b"live"),
                    chain: None,
                    policy_sha256: String::new(),
                    session_key: None,
                    started: None,
                },
                _ if n == end => Event::End {
                    id: id.to_owned(),
                    state: "finished".to_owned(),
                    manifest_sha256: digest(finished.as_bytes()),
                    chain: None,
                    sealed: true,
                },
                _ => event(n),
            })
            .collect();
        ledger.append(&events).unwrap();
        std::fs::create_dir(&case).unwrap();
        let put = |name: &str, content: &[u8]| std::fs::write(case.join(name), content).unwrap();
        let mut reader = Reader::open(&dir).unwrap().unwrap();
        put("checkpoint", reader.note().to_string().as_bytes());
        put(&format!("{id}.manifest.json"), finished.as_bytes());
        put("allowed_signers", list(1).as_bytes());
        for (index, kind) in [(start, "start"), (end, "end")] {
            let proof = reader.prove(index).unwrap().to_string();
            put(&format!("{index:012}-{kind}.tlog-proof"), proof.as_bytes());
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cmd/prove/check-ledger.sh");
        let run = || Command::new("sh").arg(script).current_dir(&case).output().unwrap();
        let said = run();
        assert!(said.status.success(), "{start} and {end} of {size}: {said:?}");
        put("allowed_signers", list(2).as_bytes());
        assert!(!run().status.success(), "another's key");
        put("allowed_signers", list(1).as_bytes());
        put(&format!("{id}.manifest.json"), b"altered");
        assert!(!run().status.success(), "another manifest");
    }
}
