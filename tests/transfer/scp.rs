//! scp, by its own protocol and by SFTP.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::json;

use super::{Place, Side, assert_has, follow, moved, noise, of};

#[test]
fn a_tree_goes_there_and_back() {
    let place = Place::new();
    fs::create_dir_all(place.near("tree/a b/c")).unwrap();
    for (name, length) in [("tree/empty", 0), ("tree/a b/one", 1), ("tree/a b/c/x", 1 << 20)] {
        fs::write(place.near(name), noise(length)).unwrap();
    }
    let odd = OsStr::from_bytes(b"tree/b\xe4r");
    fs::write(place.near(odd), "odd").unwrap();
    let out = place.scp(&["-O", "-r", "-p"], place.near("tree").as_os_str(), &place.host("copy"));
    assert!(out.status.success(), "{out:?}");
    let facts = place.facts();
    let made: Vec<_> = of(&facts, &["mkdir"]).iter().map(|fact| fact["path"].clone()).collect();
    assert_eq!(made, ["tree", "tree/a b", "tree/a b/c"]);
    let puts = of(&facts, &["put"]);
    assert_eq!(puts.len(), 4, "{facts:#?}");
    for name in ["tree/empty", "tree/a b/one", "tree/a b/c/x"] {
        let fact = puts.iter().find(|fact| fact["path"] == name).expect(name);
        let mut want = moved("scp", "put", name, &place.near(name));
        want["to"] = json!(place.far_text("copy"));
        assert_has(fact, &want);
    }
    let fact = puts.iter().find(|fact| fact.get("path_b64").is_some()).unwrap();
    assert_has(fact, &json!({ "path": "tree/b\u{fffd}r", "path_b64": "dHJlZS9i5HI=", "size": 3 }));

    let out = place.scp(&["-O", "-r"], &place.host("copy"), place.near("back").as_os_str());
    assert!(out.status.success(), "{out:?}");
    let facts = place.facts();
    assert_eq!(facts.len(), 4, "{facts:#?}");
    for name in ["empty", "a b/one", "a b/c/x"] {
        let path = place.far_text(&format!("copy/{name}"));
        let fact = facts.iter().find(|fact| fact["path"] == path).expect(name);
        assert_has(fact, &moved("scp", "get", &path, &place.near(format!("back/{name}"))));
    }
}

#[test]
fn a_hundred_megabytes_by_each_protocol() {
    let place = Place::new();
    fs::write(place.near("big"), noise(100 << 20)).unwrap();
    for options in [&["-O"][..], &[]] {
        let out = place.scp(options, place.near("big").as_os_str(), &place.host("big"));
        assert!(out.status.success(), "{out:?}");
        let facts = place.facts();
        let proto = facts[0]["proto"].as_str().unwrap().to_owned();
        let puts = of(&facts, &["put"]);
        assert_eq!(puts.len(), 1, "{facts:#?}");
        let path = if proto == "scp" { "big".to_owned() } else { place.far_text("big") };
        let mut want = moved(&proto, "put", &path, &place.near("big"));
        want["to"] = puts[0]["to"].clone();
        assert_has(puts[0], &want);

        let out = place.scp(options, &place.host("big"), place.near("back").as_os_str());
        assert!(out.status.success(), "{out:?}");
        let facts = place.facts();
        let gets = of(&facts, &["get"]);
        assert_eq!(gets.len(), 1, "{facts:#?}");
        assert_has(gets[0], &moved(&proto, "get", &place.far_text("big"), &place.near("back")));
    }
}

#[test]
fn by_sftp_an_old_file_is_overwritten_in_place() {
    let place = Place::new();
    fs::write(place.near("x"), noise(50_000)).unwrap();
    fs::write(place.near("empty"), "").unwrap();
    for name in ["x", "empty"] {
        fs::write(place.far(name), noise(200_000)).unwrap();
        let out = place.scp(&[], place.near(name).as_os_str(), &place.host(name));
        assert!(out.status.success(), "{out:?}");
        let facts = place.facts();
        let puts = of(&facts, &["put"]);
        assert_eq!(puts.len(), 1, "{facts:#?}");
        let path = place.far_text(name);
        assert_has(puts[0], &moved("sftp", "put", &path, &place.far(name)));
        assert_has(puts[0], &moved("sftp", "put", &path, &place.near(name)));
    }
}

#[test]
fn refusals_are_told_in_the_words_of_whoever_refused() {
    let place = Place::new();
    fs::write(place.near("x"), "x").unwrap();
    let none = place.far_text("none/x");
    let out = place.scp(&["-O"], place.near("x").as_os_str(), &place.host("none/x"));
    assert!(!out.status.success());
    let facts = place.facts();
    assert_eq!(facts.len(), 1, "{facts:#?}");
    let status = format!("scp: {none}: No such file or directory");
    let want = json!({ "op": "put", "path": "x", "to": none, "dir": "in", "status": status,
        "size": null, "sha256": null });
    assert_has(&facts[0], &want);

    let out = place.scp(&["-O"], &place.host("none/x"), place.near("y").as_os_str());
    assert!(!out.status.success());
    let facts = place.facts();
    assert_eq!(facts.len(), 1, "{facts:#?}");
    let want = json!({ "op": "get", "path": none, "dir": "out", "status": status, "sha256": null });
    assert_has(&facts[0], &want);

    let out = place.scp(&["-O"], place.near("x").as_os_str(), "host:/dev/full".as_ref());
    assert!(!out.status.success());
    let facts = place.facts();
    assert_eq!(facts.len(), 1, "{facts:#?}");
    let want = json!({ "path": "x", "to": "/dev/full", "size": 1, "sha256": null,
        "status": "scp: /dev/full: No space left on device" });
    assert_has(&facts[0], &want);
}

#[test]
fn what_follows_scp_in_its_command_is_not_taken_for_scp() {
    let tape = [
        (Side::Server, b"\0".to_vec()),
        (Side::Client, b"C0644 2 a\n".to_vec()),
        (Side::Server, b"\0".to_vec()),
        (Side::Client, b"hi\0".to_vec()),
        (Side::Server, b"\0".to_vec()),
        (Side::Client, b"rm -rf /srv\n".to_vec()),
        (Side::Server, b"removed\n".to_vec()),
    ];
    let facts = follow(b"scp -t x; bash", &tape);
    assert_eq!(facts.len(), 4, "{facts:#?}");
    assert_has(&facts[0], &json!({ "op": "put", "path": "a", "size": 2, "status": "ok" }));
    let why = "not scp's protocol: a line that begins like none of its";
    assert_has(&facts[1], &json!({ "op": "unfollowed", "status": why, "size": null }));
    assert_has(&facts[2], &json!({ "op": "unfollowed", "size": 12, "dir": "in" }));
    assert_has(&facts[3], &json!({ "op": "unfollowed", "size": 8, "dir": "out" }));
}
