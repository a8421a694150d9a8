//! SFTP, between OpenSSH's client and its server.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::{Place, assert_has, follow, moved, noise, of};

fn brief(fact: &Value) -> String {
    let text = |name: &str| fact[name].as_str().unwrap_or("-").to_owned();
    [text("op"), text("path"), text("to"), text("status")].join(" ")
}

#[test]
fn files_put_and_got_have_the_digests_that_sha256sum_gives() {
    let place = Place::new();
    for (name, length) in [("empty", 0), ("one", 1), ("with two blanks", 70_000)] {
        fs::write(place.near(name), noise(length)).unwrap();
    }
    let far = place.far_text("");
    let names = ["empty", "one", "with two blanks"];
    let mut commands = format!("cd {far}\n");
    for name in names {
        commands += &format!("put \"{name}\"\nget \"{name}\" \"back {name}\"\n");
    }
    let out = place.sftp(&commands);
    assert!(out.status.success(), "{out:?}");
    let facts = place.facts();
    let facts = of(&facts, &["put", "get"]);
    assert_eq!(facts.len(), 6, "{facts:#?}");
    for (pair, name) in facts.chunks(2).zip(names) {
        let path = place.far_text(name);
        assert_has(pair[0], &moved("sftp", "put", &path, &place.near(name)));
        assert_has(pair[1], &moved("sftp", "get", &path, &place.near(format!("back {name}"))));
    }
}

#[test]
fn a_hundred_megabytes_both_ways() {
    let place = Place::new();
    fs::write(place.near("big"), noise(100 << 20)).unwrap();
    let path = place.far_text("big");
    let out = place.sftp(&format!("put big {path}\n"));
    assert!(out.status.success(), "{out:?}");
    let facts = place.facts();
    assert_has(of(&facts, &["put"])[0], &moved("sftp", "put", &path, &place.near("big")));
    let out = place.sftp(&format!("get {path} again\n"));
    assert!(out.status.success(), "{out:?}");
    let facts = place.facts();
    assert_has(of(&facts, &["get"])[0], &moved("sftp", "get", &path, &place.near("again")));
}

#[test]
fn names_of_any_bytes_are_kept_exactly() {
    let place = Place::new();
    fs::create_dir(place.near("tree")).unwrap();
    fs::create_dir(place.near("tree/below")).unwrap();
    let names: [&[u8]; 3] = [b"tree/two\nlines", b"tree/below/b\xe4r", b"tree/\x1b[31m\"quoted\""];
    for name in names {
        fs::write(place.near(OsStr::from_bytes(name)), name).unwrap();
    }
    let out = place.sftp(&format!("put -r tree {}\n", place.far_text("tree")));
    assert!(out.status.success(), "{out:?}");
    let facts = place.facts();
    let made: Vec<_> = of(&facts, &["mkdir"]).iter().map(|fact| fact["path"].clone()).collect();
    assert_eq!(made, [place.far_text("tree"), place.far_text("tree/below")]);
    let puts = of(&facts, &["put"]);
    assert_eq!(puts.len(), 3);
    for name in names {
        let path = place.far(OsStr::from_bytes(name));
        let text = path.to_string_lossy();
        let fact = puts.iter().find(|fact| fact["path"] == *text).expect("a name is missing");
        assert_has(fact, &moved("sftp", "put", &text, &path));
        let exact = fact
            .get("path_b64")
            .map(|text| data_encoding::BASE64.decode(text.as_str().unwrap().as_bytes()).unwrap());
        let want = (name.contains(&0xe4)).then(|| path.as_os_str().as_bytes().to_vec());
        assert_eq!(exact, want);
    }
    let out = place.sftp(&format!("get -r {} back\n", place.far_text("tree")));
    assert!(out.status.success(), "{out:?}");
    let facts = place.facts();
    assert_eq!(of(&facts, &["get"]).len(), 3);
    assert_eq!(of(&facts, &["list"]).len(), 2);
}

#[test]
fn what_goes_on_where_it_stopped_says_where_that_was() {
    let place = Place::new();
    let all = noise(900_000);
    fs::write(place.far("whole"), &all).unwrap();
    fs::write(place.near("part"), &all[..300_000]).unwrap();
    let tail = place.near("tail");
    fs::write(&tail, &all[300_000..]).unwrap();
    let path = place.far_text("whole");
    let out = place.sftp(&format!("reget {path} part\n"));
    assert!(out.status.success(), "{out:?}");
    assert_eq!(fs::read(place.near("part")).unwrap(), all);
    let facts = place.facts();
    let fact = of(&facts, &["get"])[0];
    assert_has(fact, &moved("sftp", "get", &path, &tail));
    assert_eq!(fact["offset"], 300_000);

    fs::write(place.far("up"), &all[..300_000]).unwrap();
    fs::write(place.near("whole"), &all).unwrap();
    let path = place.far_text("up");
    let out = place.sftp(&format!("reput whole {path}\n"));
    assert!(out.status.success(), "{out:?}");
    let facts = place.facts();
    let fact = of(&facts, &["put"])[0];
    assert_has(fact, &moved("sftp", "put", &path, &tail));
    assert_eq!(fact["offset"], 300_000);
}

#[test]
fn what_is_done_to_names_is_told_and_so_is_what_is_refused() {
    let place = Place::new();
    fs::write(place.far("a"), "a").unwrap();
    let commands = "\
        mkdir dir\nchmod 4750 a\nrename a b\nln b hard\nln -s b soft\n-rename none c\n-rm none\n\
        -rmdir none\n-get none\n-put nothing\nput near none/x\n"
        .replace("put near", "-put near");
    fs::write(place.near("near"), "n").unwrap();
    let rest = "-mkdir dir\n-chmod 600 none\nrm hard\nrm soft\nrmdir dir\n-ls none\nls\n";
    let out = place.sftp(&format!("cd {}\n{commands}{rest}", place.far_text("")));
    assert!(out.status.success(), "{out:?}");
    let facts = place.facts();
    let far = place.far_text("");
    let told: Vec<_> = facts.iter().map(|fact| brief(fact).replace(&far, "")).collect();
    for want in [
        "mkdir dir - ok",
        "chmod a - ok",
        "rename a b ok",
        "link b hard ok",
        "symlink b soft ok",
        "rename none c 2 No such file",
        "remove none - 2 No such file",
        "rmdir none - 2 No such file",
        "put none/x - 2 No such file",
        "mkdir dir - 4 Failure",
        "remove hard - ok",
        "remove soft - ok",
        "rmdir dir - ok",
    ] {
        assert!(told.iter().any(|fact| fact == want), "{want} is not in {told:#?}");
    }
    assert_eq!(of(&facts, &["chmod"])[0]["mode"], "4750");
    assert_eq!(fs::metadata(place.far("b")).unwrap().permissions().mode() & 0o7777, 0o4750);
    assert!(of(&facts, &["unfollowed"]).is_empty());
}

#[test]
fn a_refused_put_and_one_that_fails_have_no_digest() {
    let place = Place::new().with_server_options("-R");
    fs::write(place.near("x"), "x").unwrap();
    let path = place.far_text("x");
    place.sftp(&format!("put x {path}\n"));
    let facts = place.facts();
    let want = json!({
        "proto": "sftp", "op": "put", "path": path, "to": null, "dir": "in",
        "size": null, "sha256": null, "status": "3 Permission denied",
    });
    assert_eq!(facts, [want]);

    let place = Place::new();
    fs::write(place.near("x"), noise(100_000)).unwrap();
    place.sftp("put x /dev/full\n");
    let facts = place.facts();
    let fact = of(&facts, &["put"])[0];
    let want = json!({ "path": "/dev/full", "sha256": null, "status": "4 Failure" });
    assert_has(fact, &want);
}

#[test]
fn what_was_under_way_when_it_was_cut_is_told() {
    let place = Place::new();
    fs::write(place.near("x"), noise(400_000)).unwrap();
    let path = place.far_text("x");
    let out = place.sftp(&format!("put x {path}\n"));
    assert!(out.status.success(), "{out:?}");
    let (command, tape) = place.tape();
    // Up to the first piece behind which half of the file has passed.
    let mut seen = 0;
    let half = tape.iter().take_while(|(_, bytes)| {
        seen += bytes.len();
        seen < 250_000
    });
    let half: Vec<_> = half.cloned().collect();
    let facts = follow(&command, &half);
    let fact = of(&facts, &["put"])[0];
    assert_eq!(fact["status"], "cut");
    let size = usize::try_from(fact["size"].as_u64().unwrap()).unwrap();
    assert!(size > 100_000 && size < 400_000, "{fact}");
    fs::write(place.near("part"), &noise(400_000)[..size]).unwrap();
    assert_eq!(fact["sha256"], super::sha256sum(&place.near("part")));
}

#[test]
fn a_program_that_is_no_sftp_server_is_followed_no_further() {
    let tape = [
        (super::Side::Client, b"\0\0\0\x05\x01\0\0\0\x03".to_vec()),
        (super::Side::Server, b"Welcome to the machine\n".to_vec()),
        (super::Side::Client, b"more".to_vec()),
    ];
    let facts = follow(b"internal-sftp", &tape);
    let status: Vec<_> = facts.iter().map(|fact| fact["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["not SFTP: a packet of 1466264675 bytes", "not followed", "not followed"]);
    assert_eq!((&facts[1]["size"], &facts[1]["dir"]), (&json!(4), &json!("in")));
    assert_eq!((&facts[2]["size"], &facts[2]["dir"]), (&json!(23), &json!("out")));
}
