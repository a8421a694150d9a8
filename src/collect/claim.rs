//! What a session says of itself, and what the kernel says of it.
//!
//! Knows nothing of files. Its invariant: nothing that a peer said bears the
//! kernel's word, and where the two differ both stand in the manifest.

use serde_json::{Map, Value, json};

use super::Refusal;
use crate::format::wire::End;
use crate::recording::Id;
use crate::seal::manifest::{Manifest, State, VERSION};
use crate::sys::peer::Peer;
use crate::sys::{clock, users};

/// How far the time in an id may be from now: clocks are one host's, and a
/// session that waited for the collector began before. By more than 120 s the
/// ledger's entry and the manifest would contradict each other.
const NEAR: i64 = 100;

/// How far the start may be from what the id says: that has milliseconds.
const SAME: i64 = 2;

/// The longest program, or target: names of hosts are shorter, and the ledger
/// takes them.
const LONGEST: usize = 1024;

/// What a session may say at its end.
const AT_THE_END: [&str; 6] = ["end", "exit", "end_reason", "bytes_out", "bytes_in", "target"];

/// Why sessions say they have ended.
const REASONS: [&str; 6] = ["exit", "signal", "hangup", "ended", "store-failed", "interrupted"];

/// The user's name, as a session has it in its recording's id.
pub(super) fn user(uid: u32) -> String {
    users::name(uid).unwrap_or_else(|| "unknown".to_owned())
}

/// Whether this peer may begin a recording of this id now.
///
/// # Errors
/// Why it may not.
pub(super) fn check(id: &Id, user: &str) -> Result<(), Refusal> {
    if !id.is_of(user) {
        return Err(format!("{id} is no id for a recording of {user}").into());
    }
    let near = id.start().is_some_and(|start| {
        (start.as_second() - jiff::Timestamp::now().as_second()).abs() <= NEAR
    });
    if !near {
        return Err(format!("{id} says that it began at another time than now").into());
    }
    Ok(())
}

/// The manifest of a recording that begins.
///
/// # Errors
/// When what the session says is none.
pub(super) fn begun(
    claimed: Map<String, Value>,
    id: &Id,
    user: &str,
    peer: &Peer,
    boot: &str,
) -> Result<Manifest, Refusal> {
    let claimed: Manifest = serde_json::from_value(Value::Object(claimed))
        .map_err(|error| Refusal::from(format!("its manifest is none: {error}")))?;
    sound(&claimed, id)?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let kernel = |value: Value| json!({"value": value, "trust": "kernel"});
    let pam = |value: Value| json!({"value": value, "trust": "pam"});
    let mut known = vec![
        ("uid", kernel(peer.uid.into())),
        ("user", kernel(user.into())),
        ("gid", kernel(peer.gid.into())),
        ("host", kernel(host.into())),
        ("pid", kernel(peer.process.pid.into())),
        ("pid_start", kernel(peer.process.start.into())),
        ("boot", kernel(boot.into())),
    ];
    if let Some(uid) = peer.login_uid {
        known.push(("login_uid", pam(uid.into())));
        known.push(("login_user", pam(users::name(uid).into())));
    }
    if let Some(session) = peer.audit_session {
        known.push(("audit_session", pam(session.into())));
    }
    Ok(Manifest {
        v: VERSION,
        id: id.to_string(),
        state: State::Live,
        writer: "collector".to_owned(),
        end: None,
        exit: None,
        end_reason: None,
        bytes_out: 0,
        bytes_in: 0,
        files: Vec::new(),
        chain: None,
        rekeyed: Vec::new(),
        session_key: None,
        identity: identity(claimed.identity, known),
        ..claimed
    })
}

/// Whether what it says can stand in the manifest and in the ledger.
fn sound(claimed: &Manifest, id: &Id) -> Result<(), Refusal> {
    let second = |time: Option<jiff::Timestamp>| time.map(jiff::Timestamp::as_second);
    let start = second(claimed.start.parse().ok());
    let same = start.zip(second(id.start())).is_some_and(|(a, b)| (a - b).abs() <= SAME);
    if !same {
        return Err("its manifest says that it began at another time than its id".into());
    }
    let hex = |text: &str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let parent = claimed.parent.as_deref().is_none_or(|parent| Id::parse(parent).is_some());
    let short = |text: &str| text.len() <= LONGEST;
    if !short(&claimed.program)
        || !short(claimed.target_name())
        || !hex(&claimed.policy_sha256)
        || !parent
        || claimed.id != id.as_str()
    {
        return Err("its manifest is none of a session's".into());
    }
    Ok(())
}

/// When it ended, as it says: at no other time than its life.
fn within(manifest: &Manifest) -> bool {
    let now = jiff::Timestamp::now().as_second();
    let second = |text: &str| text.parse().ok().map(jiff::Timestamp::as_second);
    let start = second(&manifest.start);
    let end = manifest.end.as_deref().and_then(second);
    start.zip(end).is_some_and(|(start, end)| (start - SAME..=now + NEAR).contains(&end))
}

/// The claims, and above them what is known.
fn identity(claims: Map<String, Value>, known: Vec<(&str, Value)>) -> Map<String, Value> {
    let mut identity = Map::new();
    let mut differ = Vec::new();
    for (field, claim) in claims {
        let value = claim.get("value").cloned().unwrap_or_default();
        let ours = known.iter().find(|(name, _)| *name == field);
        let same = ours.is_some_and(|(_, known)| known.get("value") == Some(&value));
        let claimed = json!({"value": value, "trust": "claimed"});
        match ours {
            None => drop(identity.insert(field, claimed)),
            Some(_) if same => {}
            Some(_) => {
                identity.insert(format!("claimed_{field}"), claimed);
                differ.push(field);
            }
        }
    }
    for (field, value) in known {
        identity.insert(field.to_owned(), value);
    }
    if !differ.is_empty() {
        identity.insert("differ".to_owned(), json!({"value": differ, "trust": "kernel"}));
    }
    identity
}

/// The manifest with what the session says at its end.
///
/// # Errors
/// When that is none of it.
pub(super) fn ended(manifest: &Manifest, end: &End) -> Result<Manifest, Refusal> {
    let wrong = |error: serde_json::Error| Refusal::from(format!("its end is none: {error}"));
    let mut fields = match serde_json::to_value(manifest).map_err(wrong)? {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for field in AT_THE_END {
        if let Some(value) = end.manifest.get(field) {
            fields.insert(field.to_owned(), value.clone());
        }
    }
    let mut manifest: Manifest = serde_json::from_value(Value::Object(fields)).map_err(wrong)?;
    if !within(&manifest) {
        manifest.end = Some(clock::wall_rfc3339());
    }
    let known = manifest.end_reason.as_deref().is_some_and(|reason| REASONS.contains(&reason));
    if !known {
        manifest.end_reason = Some("interrupted".to_owned());
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_never_has_the_kernels_word_and_a_lie_is_seen() {
        let claims = json!({
            "uid": {"value": 0, "trust": "kernel"},
            "user": {"value": "ann", "trust": "kernel"},
            "tty": {"value": "/dev/pts/1", "trust": "kernel"},
            "odd": 5,
        });
        let known = |value: Value| json!({"value": value, "trust": "kernel"});
        let Value::Object(claims) = claims else { panic!() };
        let got = identity(claims, vec![("uid", known(7.into())), ("user", known("ann".into()))]);
        let want = json!({
            "claimed_uid": {"value": 0, "trust": "claimed"},
            "tty": {"value": "/dev/pts/1", "trust": "claimed"},
            "odd": {"value": null, "trust": "claimed"},
            "uid": {"value": 7, "trust": "kernel"},
            "user": {"value": "ann", "trust": "kernel"},
            "differ": {"value": ["uid"], "trust": "kernel"},
        });
        assert_eq!(Value::Object(got), want);
    }

    #[test]
    fn an_id_is_of_its_user_and_of_now() {
        let id = |user| Id::new(jiff::Timestamp::now(), user, "db1");
        assert!(check(&id("ann"), "ann").is_ok());
        assert!(check(&id("ann"), "bob").is_err());
        let old = Id::new("2026-01-01T00:00:00Z".parse().unwrap(), "ann", "db1");
        assert!(check(&old, "ann").unwrap_err().sentence.contains("another time"));
    }

    #[test]
    fn a_manifest_that_would_not_fit_elsewhere_is_none() {
        let id = Id::new("2026-01-01T00:00:00Z".parse().unwrap(), "ann", "db1");
        let text = |start: &str, program: &str, policy: &str| {
            json!({"v": 1, "id": id.as_str(), "state": "live", "writer": "x", "mode": "strict",
                "input": "none", "start": start, "program": program, "policy_sha256": policy})
        };
        let ok = |value: Value| sound(&serde_json::from_value(value).unwrap(), &id).is_ok();
        assert!(ok(text("2026-01-01T00:00:00.5Z", "sh", "ab")));
        assert!(!ok(text("2026-01-01T00:00:09Z", "sh", "ab")));
        assert!(!ok(text("soon", "sh", "ab")));
        assert!(!ok(text("2026-01-01T00:00:00Z", &"x".repeat(9000), "ab")));
        assert!(!ok(text("2026-01-01T00:00:00Z", "sh", "no digest")));
    }
}
