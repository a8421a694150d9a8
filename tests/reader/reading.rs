//! What the verbs do with recordings that are elsewhere.

use std::fs;

use serde_json::Value;

use crate::far::{Far, said};
use crate::support::Sandbox;
use crate::support::sshd::{Sshd, user};

fn address(rec: &str) -> String {
    format!("ssh://box/{rec}")
}

#[test]
fn every_verb_reads_there_what_it_would_read_here() {
    let far = Far::start();
    let id = far.record("printf 'the needle\\n'; printf '\\351\\n'");
    let listed = far.hrec(&["ls", "--json", "ssh://box/"]);
    assert!(listed.status.success(), "{listed:?}");
    let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let ids: Vec<&str> = listed.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, far.ids());
    assert_eq!(listed[0]["path"], format!("ssh://box/{id}"));
    assert_eq!((&listed[0]["state"], &listed[0]["sealed"]), (&"finished".into(), &true.into()));
    // The table has the size that the file has there.
    let (here, there) = (far.host.hrec(&["ls"]), far.hrec(&["ls", "ssh://box"]));
    assert_eq!(said(&here), said(&there));
    assert!(far.views().is_empty(), "a list is no look: {:?}", far.views());

    for rec in ["-1", &id, &id[id.len() - 8..]] {
        let text = far.hrec(&["cat", "--format", "raw", &address(rec)]);
        assert_eq!(text.stdout, b"the needle\n\xe9\n", "{text:?}");
    }
    let told = far.hrec(&["info", "--json", &address("-1")]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["path"], format!("ssh://box/{id}"));
    assert_eq!(told["header"]["hrec"]["id"], id.as_str());
    let played = far.hrec(&["play", &address("-1")]);
    assert!(said(&played).contains("the needle"), "{played:?}");
    let sound = far.hrec(&["verify", &address("-1")]);
    assert!(sound.status.success() && said(&sound).contains(": sound, sealed by"), "{sound:?}");
    let all = far.hrec(&["verify", "--all", "-i", &key(&far.laptop), "ssh://box/"]);
    assert!(all.status.success() && said(&all).contains("2 recordings, 2 sound"), "{all:?}");
    let folder = far.laptop.path("case").display().to_string();
    let proven = far.hrec(&["prove", &address("-1"), "-o", &folder]);
    assert!(proven.status.success() && !said(&proven).contains("proves nothing"), "{proven:?}");
    let checked = far.laptop.run(&["sh", "-c", &format!("cd {folder} && sh check-ledger.sh")], b"");
    assert!(checked.status.success(), "{checked:?}");

    let me = user();
    let verbs: Vec<String> = far
        .views()
        .into_iter()
        .filter(|(recording, ..)| *recording == id)
        .map(|(_, verb, by)| {
            assert_eq!(by, me);
            verb
        })
        .collect();
    assert_eq!(verbs, ["cat", "cat", "cat", "info", "play", "verify", "verify", "prove"]);
    far.nothing_is_left();
    // What was read was not recorded as a session.
    assert_eq!(far.ids().len(), 2);
}

fn key(laptop: &Sandbox) -> String {
    laptop.path("config/hrec/identity.txt").display().to_string()
}

#[test]
fn what_was_changed_there_is_found_here() {
    let far = Far::start();
    let id = far.record("echo as it was");
    let file = far
        .host
        .stored(".cast.zst.age")
        .into_iter()
        .find(|path| path.to_string_lossy().contains(&id));
    let mut bytes = fs::read(file.as_ref().unwrap()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file.unwrap(), bytes).unwrap();
    for args in [&["verify", "ssh://box/-1"][..], &["verify", "--all", "ssh://box/"]] {
        let found = far.hrec(args);
        assert_eq!(found.status.code(), Some(2), "{found:?}");
        assert!(said(&found).contains(&format!("{id}: altered")), "{found:?}");
    }
    // And a ledger that lost its last entries, against a head that was kept.
    let head =
        far.laptop.file("head", fs::read(far.host.path("data/hrec/ledger/checkpoint")).unwrap());
    fs::remove_dir_all(far.host.path("data/hrec/ledger")).unwrap();
    let found = far.hrec(&["verify", "--all", "--against", &head, "ssh://box/"]);
    assert_eq!(found.status.code(), Some(2), "{found:?}");
    // Without a ledger nothing is given, and that is said; with the one that
    // the collector then begins, that it is another.
    assert!(said(&found).contains("ledger-"), "{found:?}");
}

#[test]
fn who_is_not_named_gets_a_sentence_and_a_reference() {
    let far = Far::with("readers = [\"@nobody-is-in-this\"]");
    far.record("echo secret");
    for args in [
        &["ls", "ssh://box/"][..],
        &["cat", "ssh://box/-1"],
        &["verify", "--all", "ssh://box/"],
        &["end", "ssh://box/-1"],
    ] {
        let refused = far.hrec(args);
        assert_eq!(refused.status.code(), Some(125), "{refused:?}");
        let text = said(&refused);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("you are neither in collect.readers"), "{text}");
        let reference = text.split("(reference ").nth(1).unwrap().trim_end().trim_end_matches(')');
        assert!(far.log().contains(reference), "{reference}: {}", far.log());
    }
    assert!(far.views().is_empty());
    far.nothing_is_left();
}

#[test]
fn readers_may_not_end_and_nobody_ends_what_is_over() {
    let far = Far::with(&format!("readers = [\"{}\"]", user()));
    far.record("true");
    let refused = far.hrec(&["end", "ssh://box/-1"]);
    assert!(said(&refused).contains("you are not in collect.enders"), "{refused:?}");
    let far = Far::with(&format!("enders = [\"{}\"]", user()));
    far.record("true");
    let over = far.hrec(&["end", "ssh://box/-1"]);
    assert_eq!(over.status.code(), Some(125));
    assert!(said(&over).contains("is not being recorded"), "{over:?}");
    let refused = far.hrec(&["cat", "ssh://box/-1"]);
    assert!(said(&refused).contains("you are not in collect.readers"), "{refused:?}");
    // On the host itself, through the socket.
    let mut local = far.host.command(crate::support::sandbox::HREC);
    local.args(["end", "-1"]).env("XDG_CONFIG_HOME", far.host.path("daemon"));
    let over = far.host.finish(local, b"");
    assert!(said(&over).contains("is not being recorded"), "{over:?}");
    assert!(!far.ledger().iter().any(|record| record["k"] == "stop"));
}

#[test]
fn a_name_that_is_none_or_several_says_so() {
    let far = Far::start();
    for _ in 0..2 {
        far.record("true");
    }
    let none = far.hrec(&["cat", "ssh://box/nobody"]);
    assert_eq!(none.status.code(), Some(125));
    assert!(
        said(&none).contains("no recording matches nobody in ssh://box; `hrec ls ssh://box`"),
        "{none:?}"
    );
    let both = said(&far.hrec(&["info", "ssh://box/-sh-"]));
    assert!(both.contains("matches 2 recordings") && both.lines().count() == 3, "{both}");
    assert!(said(&far.hrec(&["cat", "ssh://box/-9"])).contains("ssh://box has 3"));
    assert!(said(&far.hrec(&["cat", "ssh://box/"])).contains("which recording"));
    assert!(
        said(&far.hrec(&["verify", "ssh://box/-1", "-1"])).contains("one recording of a bastion")
    );
    let recover = far.hrec(&["recover", "ssh://box/-1"]);
    assert!(said(&recover).contains("is a collector's"), "{recover:?}");
}

#[test]
fn what_ssh_is_given_is_no_option_and_no_shells_business() {
    let far = Far::start();
    far.record("true");
    let listed = far.hrec(&["ls", "ssh://ann@box.example:2222/"]);
    assert!(listed.status.success(), "{listed:?}");
    let args = far.ssh_args();
    let tail: Vec<&str> = args.iter().rev().take(7).rev().map(String::as_str).collect();
    assert_eq!(tail, ["-p", "2222", "-l", "ann", "--", "box.example", "hrec collect --reader"]);
    fs::remove_file(far.laptop.path("ssh.args")).unwrap();
    for address in [
        "ssh://-oProxyCommand=touch${IFS}x/",
        "ssh://a;touch x/",
        "ssh://$(touch x)/",
        "ssh://box/../x/y",
    ] {
        let refused = far.hrec(&["cat", address]);
        assert_eq!(refused.status.code(), Some(125), "{refused:?}");
        assert!(said(&refused).contains("an address is ssh://"), "{refused:?}");
    }
    assert!(!far.laptop.path("ssh.args").exists() && !far.laptop.work().join("x").exists());
}

#[test]
fn without_a_collector_or_a_way_there_it_says_which() {
    let far = Far::start();
    let config = far.host.path("daemon/hrec/config.toml");
    fs::write(&config, "").unwrap();
    let none = far.hrec(&["ls", "ssh://box/"]);
    assert_eq!(none.status.code(), Some(125));
    assert!(
        said(&none).contains("ssh://box: this host has no collector: store.collector is not set"),
        "{none:?}"
    );
    fs::write(&config, "[store]\ncollector = \"/nonexistent/socket\"\n").unwrap();
    assert!(
        said(&far.hrec(&["ls", "ssh://box/"]))
            .contains("the collector cannot be reached at /nonexistent")
    );
    for (script, told) in [
        ("echo 'ssh: Could not resolve\u{1b}[31m box' >&2; exit 255", "what it said is above"),
        ("echo 'sh: hrec: not found' >&2; exit 127", "was not found there"),
        ("exit 3", "ended there with status 3"),
        ("kill -9 $$", "ssh was stopped"),
    ] {
        far.ssh(script);
        let failed = far.hrec(&["ls", "ssh://box/"]);
        let text = said(&failed);
        assert!(failed.status.code() == Some(125) && text.contains(told), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
    far.nothing_is_left();
}

#[test]
fn over_the_real_ssh() {
    let far = Far::start();
    let id = far.record("echo carried by ssh");
    let server = Sandbox::new();
    let settings = format!(
        "SetEnv TEST_SANDBOX={} XDG_CONFIG_HOME={} PATH={}:/usr/bin:/bin\n",
        server.path("").display().to_string().trim_end_matches('/'),
        far.host.path("daemon").display(),
        std::path::Path::new(crate::support::sandbox::HREC).parent().unwrap().display(),
    );
    let sshd = Sshd::start_in(&server, &[], &settings);
    far.ssh(&format!("exec /usr/bin/ssh -F {} \"$@\"", sshd.config));
    let text = far.hrec(&["cat", "--format", "raw", "ssh://box/-1"]);
    assert_eq!(text.stdout, b"carried by ssh\n", "{text:?}");
    let listed = said(&far.hrec(&["ls", "ssh://box/"]));
    assert!(listed.contains(&id[id.len() - 8..]), "{listed}");
    assert!(far.hrec(&["verify", "--all", "ssh://box/"]).status.success());
    far.nothing_is_left();
}
