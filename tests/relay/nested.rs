//! hrec inside hrec.

use crate::recording;
use crate::support::sandbox::HREC;
use crate::support::{Sandbox, Terminal};

#[test]
fn a_nested_recording_names_its_parent() {
    let sandbox = Sandbox::new();
    let mut terminal =
        Terminal::spawn(&sandbox, &recording(&[HREC, "rec", "--", "echo", "deep inside"]));
    assert_eq!(terminal.wait(), 0);
    let manifests = sandbox.manifests();
    assert_eq!(manifests.len(), 2, "each level has its recording");
    let child = manifests
        .iter()
        .find(|manifest| manifest["program"] == "echo")
        .expect("the inner recording");
    let parent = manifests
        .iter()
        .find(|manifest| manifest["program"] != "echo")
        .expect("the outer recording");
    assert_eq!(child["parent"], parent["id"]);
    assert!(parent["parent"].is_null());

    let (header, _) = sandbox.cast(child["id"].as_str().expect("an id"));
    assert_eq!(header["hrec"]["parent"], parent["id"]);
    let inner = sandbox.cat("raw", child["id"].as_str().expect("an id"));
    assert_eq!(inner, b"deep inside\r\n");
    let outer = sandbox.cat("raw", parent["id"].as_str().expect("an id"));
    assert!(
        outer.starts_with(&inner),
        "the outer level sees what the inner shows: {}",
        outer.escape_ascii()
    );
}

/// Who may set the environment could otherwise go unrecorded.
#[test]
fn no_environment_variable_switches_recording_off() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["env", "-0"]));
    assert_eq!(terminal.wait(), 0);
    let raw = String::from_utf8(sandbox.raw()).expect("UTF-8");
    let hrecs: Vec<&str> = raw.split('\0').filter(|entry| entry.starts_with("HREC")).collect();
    assert!(!hrecs.is_empty(), "a nested hrec must learn of its parent somehow: {raw:?}");

    let known = sandbox.manifests().len();
    let set = [
        "HREC=1",
        "HREC_DISABLE=1",
        "HREC_RECORDING=1",
        "HREC_NESTED=1",
        "HREC_OFF=1",
        "ASCIINEMA_REC=1",
    ];
    let argv: Vec<&str> = ["env"]
        .into_iter()
        .chain(hrecs)
        .chain(set)
        .chain([HREC, "rec", "--", "echo", "still seen"])
        .collect();
    let mut terminal = Terminal::spawn(&sandbox, &argv);
    assert_eq!(terminal.wait(), 0);
    assert_eq!(sandbox.manifests().len(), known + 1);
    assert_eq!(sandbox.raw(), b"still seen\r\n");
}
