//! The ledger as the verbs write it: what is told late, and another key.

use std::fs;
use std::process::Stdio;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use hrec::seal::ledger::{Event, Ledger, Options};

use crate::support::{Sandbox, wait_until};
use crate::{kinds, record, records, status};

fn verify(sandbox: &Sandbox, more: &[&str]) -> (i32, String) {
    let said = sandbox.hrec(&[&["verify", "--all"][..], more].concat());
    (status(&said), said.text() + &String::from_utf8_lossy(&said.stderr))
}

/// A session that goes on until it is told to end, through a file.
struct Running {
    child: std::process::Child,
    end: std::path::PathBuf,
}

impl Running {
    fn start(sandbox: &Sandbox) -> Self {
        let end = sandbox.work().join("end");
        let before = kinds_or_none(sandbox);
        let child = sandbox
            .command(crate::support::sandbox::HREC)
            .args(["rec", "--", "sh", "-c", "until test -e end; do sleep 0.05; done"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("its start is in the ledger", || {
            (kinds_or_none(sandbox) > before).then_some(())
        });
        Self { child, end }
    }

    fn end(mut self) {
        fs::write(&self.end, "").unwrap();
        assert!(self.child.wait().unwrap().success());
        fs::remove_file(&self.end).unwrap();
    }
}

fn kinds_or_none(sandbox: &Sandbox) -> usize {
    let there = sandbox.path("data/hrec/ledger/checkpoint").exists();
    if there { kinds(sandbox).len() } else { 0 }
}

/// Somebody holds the ledger's lock for longer than a session's start waits.
#[test]
fn a_ledger_that_is_locked_is_told_of_the_start_later() {
    let sandbox = Sandbox::new();
    record(&sandbox, "before");
    let lock = fs::OpenOptions::new().append(true).open(sandbox.path("data/hrec/ledger/lock"));
    let lock = lock.unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let end = sandbox.work().join("end");
    let script = "echo running > begun; until test -e end; do sleep 0.05; done";
    let rec = |mode: &str| {
        sandbox.configure(&format!("record.mode = \"{mode}\"\n"));
        let mut command = sandbox.command(crate::support::sandbox::HREC);
        command.args(["rec", "--", "sh", "-c", script]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let before = records(&sandbox).len();

    // Nothing is run, and nothing stays.
    let strict = rec("strict").wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&strict.stderr).into_owned();
    assert_eq!(strict.status.code(), Some(125), "{said}");
    assert!(said.contains("has not answered") && said.contains("nothing was run"), "{said}");
    assert!(!sandbox.work().join("begun").exists());
    assert_eq!(sandbox.hrec(&["ls", "--json"]).text().matches("\"id\"").count(), 1);

    // The session is recorded, and in the ledger once that is free.
    let session = rec("best-effort");
    wait_until("the program runs", || sandbox.work().join("begun").exists().then_some(()));
    assert_eq!(records(&sandbox).len(), before);
    drop(lock);
    wait_until("its start is in the ledger", || {
        kinds(&sandbox).ends_with(&["gap".to_owned(), "start".to_owned()]).then_some(())
    });
    let start = records(&sandbox).pop().unwrap();
    assert!(start["started"].is_string(), "{start}");
    fs::write(end, "").unwrap();
    let session = session.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&session.stderr).into_owned();
    assert!(session.status.success(), "{said}");
    assert!(said.contains("the ledger does not know of this session yet"), "{said}");
    assert_eq!(kinds(&sandbox).last().map(String::as_str), Some("end"));
    let (code, said) = verify(&sandbox, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 recordings, 2 sound"), "{said}");
}

#[test]
fn what_is_sealed_later_is_told_the_ledger() {
    let sandbox = Sandbox::new();
    let key = sandbox.work().join("key").display().to_string();
    sandbox.configure(&format!("seal.key = \"{key}\"\n"));
    record(&sandbox, "kept");
    assert_eq!(records(&sandbox)[1]["sealed"], false);
    assert_eq!(verify(&sandbox, &[]).0, 1);
    sandbox.configure("");
    let sealed = sandbox.hrec(&["seal", "-1"]);
    assert_eq!(status(&sealed), 0, "{sealed:?}");
    assert_eq!(kinds(&sandbox), ["start", "end", "seal"]);
    assert_eq!(verify(&sandbox, &[]).0, 0);
    // Stripped of it, it is not what the ledger has.
    fs::remove_file(sandbox.stored(".manifest.json.sig").pop().unwrap()).unwrap();
    let (code, said) = verify(&sandbox, &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("says that it is sealed, and its seal is gone"), "{said}");
}

#[test]
fn an_end_that_could_not_be_told_is_told_later() {
    let sandbox = Sandbox::new();
    let session = Running::start(&sandbox);
    let (ledger, aside) = (sandbox.path("data/hrec/ledger"), sandbox.path("aside"));
    fs::rename(&ledger, &aside).unwrap();
    fs::write(&ledger, "not a directory").unwrap();
    session.end();
    fs::remove_file(&ledger).unwrap();
    fs::rename(&aside, &ledger).unwrap();
    let (code, said) = verify(&sandbox, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("none is its end; hrec seal adds it"), "{said}");
    let sealed = sandbox.hrec(&["seal", "-1"]);
    assert_eq!(status(&sealed), 0, "{sealed:?}");
    assert_eq!(kinds(&sandbox), ["start", "end"]);
    assert_eq!(verify(&sandbox, &[]).0, 0);
    assert_eq!(status(&sandbox.hrec(&["seal", "-1"])), 125, "sealed already");
}

fn rotate(sandbox: &Sandbox) {
    let rotated = sandbox.hrec(&["keygen", "--signing", "--rotate"]);
    assert_eq!(status(&rotated), 0, "{rotated:?}");
    let said = String::from_utf8_lossy(&rotated.stderr).into_owned();
    assert!(said.contains("so is the ledger's"), "{said}");
}

fn key(path: &std::path::Path) -> SigningKey {
    let text = fs::read(path).unwrap();
    let key = ssh_key::PrivateKey::from_openssh(text.trim_ascii()).unwrap();
    SigningKey::from_bytes(&key.key_data().ed25519().unwrap().private.to_bytes())
}

#[test]
fn the_ledgers_key_is_replaced_while_sessions_go_on() {
    let sandbox = Sandbox::new();
    record(&sandbox, "before");
    let kept = sandbox.path("kept").display().to_string();
    let ledger = sandbox.path("data/hrec/ledger");
    fs::copy(ledger.join("checkpoint"), &kept).unwrap();
    let session = Running::start(&sandbox);
    let old = fs::read(sandbox.path("config/hrec/ledger_key")).unwrap();
    rotate(&sandbox);
    assert_ne!(fs::read(sandbox.path("config/hrec/ledger_key")).unwrap(), old);
    let head = fs::read_to_string(ledger.join("checkpoint")).unwrap();
    assert_eq!(head.matches('\u{2014}').count(), 2, "both have signed: {head}");
    record(&sandbox, "after");
    session.end();
    let said = kinds(&sandbox);
    assert_eq!(said, ["start", "end", "start", "key", "start", "end", "end"]);
    assert_eq!(verify(&sandbox, &[]), (0, "3 recordings, 3 sound\n".to_owned()));
    // A head of the old key's is as good as it was.
    assert_eq!(verify(&sandbox, &["--against", &kept]).0, 0);
    // Unless that is revoked.
    let aside = fs::read_dir(sandbox.path("config/hrec")).unwrap();
    let mut aside = aside.map(|entry| entry.unwrap().path());
    let aside = aside.find(|path| path.display().to_string().contains("ledger_key.until-"));
    let public = ssh_key::PrivateKey::from_openssh(fs::read(aside.unwrap()).unwrap());
    let public = public.unwrap().public_key().to_openssh().unwrap();
    fs::write(sandbox.path("config/hrec/revoked_keys"), public).unwrap();
    assert_eq!(verify(&sandbox, &[]).0, 0);
    let (code, said) = verify(&sandbox, &["--against", &kept]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("unknown-signer"), "{said}");
}

/// Whoever has the old key can sign heads, and nobody takes them.
#[test]
fn what_the_old_key_signs_later_does_not_count() {
    let sandbox = Sandbox::new();
    record(&sandbox, "before");
    let thief = key(&sandbox.path("config/hrec/ledger_key"));
    let (ledger, then) = (sandbox.path("data/hrec/ledger"), sandbox.path("then"));
    let copied = std::process::Command::new("cp").arg("-a").args([&ledger, &then]).status();
    assert!(copied.unwrap().success());
    rotate(&sandbox);
    // The list counts in seconds, and takes the one in which that was.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    fs::remove_dir_all(&ledger).unwrap();
    fs::rename(&then, &ledger).unwrap();
    let options = Options {
        sync: false,
        origin: String::new(),
        signer: Arc::new(thief),
        earlier: Vec::new(),
    };
    let forged = Event::Gap { reason: "nothing".to_owned(), from: String::new() };
    Ledger::open(&ledger, options).unwrap().append(&[forged]).unwrap();
    let (code, said) = verify(&sandbox, &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("unknown-signer") && said.contains("had been replaced"), "{said}");
    let made = sandbox.hrec(&["prove", "-1", "-o", "case"]);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(said.contains("proves nothing by the ledger"), "{said}");
    let made = sandbox.hrec(&["rec", "--", "true"]);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(said.contains("the ledger does not know of this session yet"), "{said}");
    assert_eq!(kinds(&sandbox).last().map(String::as_str), Some("gap"), "nobody signs over it");
}
