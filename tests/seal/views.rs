//! `seal.log_views`: who looked into a recording is in the ledger before they
//! see anything of it.

use std::fs;

use crate::support::{Outcome, Sandbox, Terminal};
use crate::{kinds, record, records, status};

/// The verbs that show what is inside, or take it along.
const LOOKS: [(&str, &[&str]); 6] = [
    ("cat", &["cat", "--format", "raw", "-1"]),
    ("play", &["play", "-1", "--speed", "100"]),
    ("info", &["info", "-1"]),
    ("verify", &["verify", "-1", "-i", "IDENTITY"]),
    ("prove", &["prove", "-1", "-o", "case"]),
    ("cat", &["cat", "--format", "raw", "-"]),
];

fn look(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    let identity = sandbox.path("config/hrec/identity.txt").display().to_string();
    let args: Vec<&str> =
        args.iter().map(|arg| if *arg == "IDENTITY" { &identity } else { *arg }).collect();
    let mut hrec = sandbox.command(crate::support::sandbox::HREC);
    hrec.args(&args).env("SSH_CONNECTION", "192.0.2.7 50022 192.0.2.1 22");
    let cast = sandbox.stored(".cast.zst.age").pop().unwrap();
    let stdin = if args.last() == Some(&"-") { fs::read(cast).unwrap() } else { Vec::new() };
    sandbox.finish(hrec, &stdin)
}

#[test]
fn every_look_is_noted_with_who_and_from_where() {
    let sandbox = Sandbox::new();
    record(&sandbox, "kept");
    for (_, args) in LOOKS {
        look(&sandbox, args);
    }
    assert_eq!(kinds(&sandbox), ["start", "end"], "nobody has asked for it");
    fs::remove_dir_all(sandbox.work().join("case")).unwrap();

    sandbox.configure("seal.log_views = true\n");
    for (verb, args) in LOOKS {
        let out = look(&sandbox, args);
        assert_eq!(status(&out), 0, "{out:?}");
        let last = records(&sandbox).pop().unwrap();
        assert_eq!((last["k"].as_str(), last["verb"].as_str()), (Some("view"), Some(verb)));
        assert_eq!(last["id"], sandbox.manifest()["id"], "{last}");
        let by = &last["by"];
        assert_eq!(by["uid"]["value"], rustix::process::getuid().as_raw(), "{last}");
        assert!(by["user"]["value"].is_string(), "{last}");
        assert!(by.to_string().contains("192.0.2.7"), "{last}");
    }
    assert_eq!(kinds(&sandbox).len(), 2 + LOOKS.len());
    assert_eq!(status(&sandbox.hrec(&["verify", "--all"])), 0);
    // Nor is what comes to nothing a look.
    assert_ne!(status(&sandbox.hrec(&["prove", "-1", "-o", "case"])), 0, "the folder is there");
    assert_eq!(kinds(&sandbox).len(), 2 + LOOKS.len());
    // A recording that does not open is not looked into.
    let stranger = Sandbox::new();
    let key = stranger.path("config/hrec/identity.txt").display().to_string();
    assert_ne!(status(&sandbox.hrec(&["cat", "-1", "-i", &key])), 0);
    assert_eq!(kinds(&sandbox).len(), 2 + LOOKS.len());
}

#[test]
fn what_cannot_be_noted_is_not_shown() {
    let sandbox = Sandbox::new();
    record(&sandbox, "kept");
    sandbox.configure("seal.log_views = true\n");
    fs::write(sandbox.path("config/hrec/ledger_key"), "no key").unwrap();
    for (_, args) in LOOKS {
        let out = look(&sandbox, args);
        assert_eq!(status(&out), 125, "{out:?}");
        assert!(out.stdout.is_empty(), "{out:?}");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(said.contains("seal.log_views wants every look noted"), "{said}");
        assert!(!sandbox.work().join("case").exists());
    }
}

/// Going through the list is no way around it, and does not fill the ledger.
#[test]
fn the_browser_looks_into_nothing_before_it_plays() {
    let sandbox = Sandbox::new();
    record(&sandbox, "kept where it is");
    sandbox.configure("seal.log_views = true\n");
    let mut terminal = Terminal::spawn(&sandbox, &["hrec", "play"]);
    terminal.expect_screen("no preview", |lines| {
        lines.iter().any(|line| line.contains("seal.log_views is on"))
    });
    let looks = || -> Vec<_> {
        records(&sandbox).into_iter().filter(|record| record["k"] == "view").collect()
    };
    assert_eq!(looks(), Vec::<serde_json::Value>::new());
    terminal.send("\r");
    terminal.expect_screen("the player", |lines| {
        lines.iter().any(|line| line.contains("kept where it is"))
    });
    terminal.send("q");
    terminal.wait();
    let looks = looks();
    assert_eq!(looks.len(), 1, "{looks:?}");
    assert_eq!(looks[0]["verb"], "play");
    assert!(looks[0]["by"]["tty"]["value"].is_string(), "{looks:?}");
}
