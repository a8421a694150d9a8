use super::*;
use std::collections::HashMap;

const ID: &str = "20261121T141503.123Z-alice-prod-db1-ABCDEFG2";

fn gather(environment: &[(&str, &str)]) -> Who {
    let environment: HashMap<&str, &str> = environment.iter().copied().collect();
    Who::gather(&Facts {
        tty: Some("/dev/pts/7".to_owned()),
        name_of: &|uid| (uid == rustix::process::getuid().as_raw()).then(|| "alice".to_owned()),
        environment: &|name| environment.get(name).map(OsString::from),
    })
}

fn json(who: &Who, field: &str) -> serde_json::Value {
    serde_json::to_value(who).unwrap().get(field).cloned().unwrap_or_default()
}

#[test]
fn the_kernel_s_word_and_the_person_s_are_told_apart() {
    let who = gather(&[
        ("SSH_CONNECTION", "203.0.113.9 50022 10.0.0.5 22"),
        ("SUDO_USER", "bob"),
        ("SUDO_UID", "1001"),
        ("USER", "mallory"),
    ]);
    assert_eq!(who.user(), "alice");
    assert_eq!(json(&who, "user"), serde_json::json!({"value": "alice", "trust": "kernel"}));
    assert_eq!(json(&who, "uid")["trust"], "kernel");
    assert_eq!(json(&who, "uid")["value"], rustix::process::getuid().as_raw());
    assert_eq!(json(&who, "tty"), serde_json::json!({"value": "/dev/pts/7", "trust": "kernel"}));
    let client = serde_json::json!({"value": "203.0.113.9", "trust": "claimed"});
    assert_eq!(json(&who, "ssh_client"), client);
    assert_eq!(json(&who, "sudo_user")["trust"], "claimed");
    assert_eq!(json(&who, "sudo_uid")["value"], 1001);
    let uname = std::process::Command::new("uname").arg("-n").output().unwrap();
    assert_eq!(who.host(), String::from_utf8(uname.stdout).unwrap().trim());
}

#[test]
fn an_empty_environment_gives_no_claims() {
    let who = gather(&[("SUDO_USER", ""), ("SSH_CONNECTION", "")]);
    assert!(who.iter().all(|(_, claim)| claim.trust != Trust::Claimed), "{who:?}");
    assert_eq!(who.parent(), None);
}

#[test]
fn a_user_without_a_name_is_a_number() {
    let who = Who::gather(&Facts { tty: None, name_of: &|_| None, environment: &|_| None });
    assert_eq!(who.user(), rustix::process::getuid().as_raw().to_string());
    assert!(who.get("user").is_none() && who.get("tty").is_none());
}

#[test]
fn what_the_person_sets_is_bounded() {
    let long = "x".repeat(100_000);
    let who = gather(&[("SUDO_USER", &long), ("SSH_CONNECTION", &long), ("HREC_ID", &long)]);
    assert!(serde_json::to_string(&who).unwrap().len() < 4096);
    assert!(who.get("parent").is_none());
    let who = gather(&[("SUDO_UID", "-1"), ("SSH_USER_AUTH", "/dev/zero")]);
    assert!(who.get("sudo_uid").is_none() && who.get("ssh_auth").is_none());
}

#[test]
fn parent_and_came_from() {
    let other = ID.replace("alice", "bob");
    let who = gather(&[("HREC_ID", ID), ("LC_HREC_ID", &other)]);
    assert_eq!(who.parent(), Some(ID));
    assert_eq!(json(&who, "came_from")["value"], other.as_str());
    assert_eq!(json(&who, "came_from")["trust"], "claimed");
    // A local child of a recording has both, the same.
    let who = gather(&[("HREC_ID", ID), ("LC_HREC_ID", ID)]);
    assert!(who.get("came_from").is_none());
    let who = gather(&[("HREC_ID", "C.UTF-8"), ("LC_HREC_ID", "../../etc/passwd")]);
    assert_eq!((who.parent(), who.get("came_from")), (None, None));
}

#[test]
fn the_shape_of_an_id() {
    assert!(is_id(ID));
    assert!(is_id("20261121T141503.123Z-_-_-ABCDEFG2"));
    for wrong in [
        "",
        "20261121T141503.123Z",
        "20261121T141503.123Z-alice-ABCDEFG2",
        "20261121T141503.123Z-alice-db-abcdefg2",
        "20261121T141503.123Z-alice-db-ABCDEFG1",
        "20261121T141503.123Z-alice-d/b-ABCDEFG2",
        "20261121T141503.123Z-al\u{1b}ce-db-ABCDEFG2",
        "20261121X141503.123Z-alice-db-ABCDEFG2",
        "2026112\u{e9}T141503.123Z-alice-db-ABCDEFG2",
    ] {
        assert!(!is_id(wrong), "{wrong:?}");
    }
}

#[test]
fn who_comes_back_from_json() {
    let who = gather(&[("SUDO_UID", "0"), ("SSH_CONNECTION", "UNKNOWN 65535 UNKNOWN 65535")]);
    let text = serde_json::to_string(&who).unwrap();
    assert_eq!(serde_json::from_str::<Who>(&text).unwrap(), who);
}
