//! Quotas, and disks that fill.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::collector::Collector;
use crate::support::{Terminal, wait_until};

const NOISE: &str = "while :; do head -c 30000 /dev/urandom | base64; sleep 0.05; done";

fn said(outcome: &crate::support::Outcome) -> String {
    String::from_utf8_lossy(&outcome.stderr).into_owned()
}

/// The reference in what the person was told, which is in the log too.
fn reference(collector: &Collector, text: &str) {
    let at = text.rfind('[').unwrap_or_else(|| panic!("no reference: {text}"));
    let reference = &text[at..text[at..].find(']').map_or(text.len(), |end| at + end + 1)];
    assert_eq!(reference.len(), 10, "{text}");
    assert!(collector.log().contains(reference), "{reference}\n{}", collector.log());
}

#[test]
fn a_quota_ends_the_session_that_passes_it_and_refuses_the_next() {
    let collector = Collector::start("store.quota_user = \"1MiB\"\n");
    let mut terminal =
        Terminal::spawn(&collector.sandbox, &["hrec", "rec", "--", "sh", "-c", NOISE]);
    assert_eq!(terminal.wait(), 125);
    let shown = String::from_utf8_lossy(terminal.seen()).into_owned();
    assert!(shown.contains("store.quota_user is 1048576"), "{}", collector.log());
    reference(&collector, shown.get(shown.len() - 400..).unwrap());
    let manifest = &collector.settled(1)[0];
    assert_eq!(manifest["end_reason"], "store-failed");
    assert!(collector.sandbox.raw().len() > 500_000);
    let refused = collector.rec("echo run");
    assert_eq!((refused.status.code(), refused.text().as_str()), (Some(125), ""));
    reference(&collector, &said(&refused));
    collector.verify();
}

#[test]
fn too_little_free_space_begins_nothing() {
    let mut collector = Collector::absent("");
    let text = fs::read_to_string(collector.sandbox.path("config/hrec/config.toml")).unwrap();
    collector.sandbox.configure(&text.replace("1MiB", "900TiB"));
    collector.again();
    let refused = collector.rec("echo run");
    assert_eq!((refused.status.code(), refused.text().as_str()), (Some(125), ""));
    assert!(said(&refused).contains("store.min_free"), "{}", said(&refused));
    reference(&collector, &said(&refused));
    assert!(collector.sandbox.stored("").is_empty());
}

#[test]
fn a_full_disk_ends_who_fills_it_at_once_and_harms_no_recording() {
    assert!(rustix::process::geteuid().is_root(), "this test mounts a small disk: run it as root");
    // A store of 4 MiB, in the collector's own view of the file systems. Who
    // waited for room as for a collector would do so for longer than a test.
    let collector = Collector::start_after(
        "shell.collector_wait = \"60s\"\n",
        "mkdir -p {store}; [ -n \"$INSIDE\" ] || INSIDE=1 exec unshare -m sh -c \"mount -t tmpfs -o size=4m none {store}; exec hrec collect\";",
    );
    let inside = |path: &str| {
        let root = format!("/proc/{}/root{}", collector.pid(), collector.store().display());
        std::path::PathBuf::from(root).join(path)
    };
    let manifests = || -> Vec<Value> {
        let mut found = Vec::new();
        let mut dirs = vec![inside("recordings")];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    dirs.push(path);
                } else if path.display().to_string().ends_with(".manifest.json") {
                    found.extend(
                        fs::read(&path)
                            .ok()
                            .and_then(|text| serde_json::from_slice::<Value>(&text).ok()),
                    );
                }
            }
        }
        found
    };
    let mut quiet = Terminal::spawn(&collector.sandbox, &["hrec", "rec", "--", "sh"]);
    quiet.send("echo re''ady\r");
    quiet.expect("ready");
    wait_until("it is kept", || (!manifests().is_empty()).then_some(()));
    // Incompressible, and faster than the disk is large.
    let mut loud = Terminal::spawn(&collector.sandbox, &["hrec", "rec", "--", "sh", "-c", NOISE]);
    wait_until("the collector's disk is full", || {
        loud.watch(Duration::from_millis(50));
        collector.log().contains("refused more of").then_some(())
    });
    assert_eq!(loud.wait(), 125);
    let loud_one = wait_until("it is sealed", || {
        manifests().into_iter().find(|manifest| manifest["end_reason"] == "store-failed")
    });
    assert_eq!(loud_one["state"], "interrupted");
    // The other one is whole up to here, and all of it is proven.
    let all = manifests();
    assert_eq!(all.len(), 2);
    let target = collector.pid().to_string();
    let nsenter = ["nsenter", "--mount", "--target", &target, "hrec", "verify"];
    for manifest in &all {
        let id = manifest["id"].as_str().unwrap();
        let mut argv = nsenter.to_vec();
        argv.push(id);
        let verified = collector.sandbox.run(&argv, b"");
        let live = manifest["state"] == "live";
        assert!(
            verified.status.success() || live && verified.status.code() == Some(1),
            "{verified:?}"
        );
        let mut argv = nsenter[..5].to_vec();
        argv.extend(["cat", "--format", "raw", id]);
        let opened = collector.sandbox.run(&argv, b"");
        assert!(opened.status.success() && !opened.stdout.is_empty(), "{opened:?}");
    }
}
