//! Attacks on the collector, and on recordings by way of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use serde_json::Value;

use super::everything;
use crate::bastion::Bastion;
use crate::support::{Start, wait_until};
use crate::table::row;

/// What a peer says that has the group and keeps to no rule. `SOCKET`, a
/// manifest to begin with, and the ids of others' recordings are put before it.
const PEER: &str = r#"
import json, os, socket, struct, sys, time
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(SOCKET)
    return s
def frame(kind, body):
    return struct.pack("<I", 1 + len(body)) + bytes([kind]) + body
def answers(s):
    data = b""
    try:
        while True:
            got = s.recv(65536)
            if not got:
                break
            data += got
            if data[4:5] == b"\x10" and len(data) >= 4 + struct.unpack("<I", data[:4])[0]:
                break
    except (ConnectionResetError, BrokenPipeError):
        pass
    return data
def hello(id, manifest=None, v=1, role="session"):
    words = {"v": v, "as": role, "id": id}
    if manifest is not None:
        words["manifest"] = manifest
    return frame(1, json.dumps(words).encode())
moment = time.gmtime()
now = time.strftime("%Y%m%dT%H%M%S.000Z", moment)
START = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", moment)
# As much as a session must have sent before its program starts.
def begun():
    record = struct.pack("<I", 60) + os.urandom(60)
    return [frame(2, struct.pack("<IQ", 0, 0) + HEAD), frame(2, struct.pack("<IQ", 1, 0) + record), frame(3, b"")]
def tell(what, data):
    taken = data[4:5] == b"\x10"
    print(what, "TAKEN" if taken else "refused", data[5:300].decode("utf-8", "replace"), flush=True)
def attempt(what, *frames):
    s = connect()
    try:
        for one in frames:
            s.sendall(one)
        s.shutdown(socket.SHUT_WR)
    except (ConnectionResetError, BrokenPipeError):
        pass
    tell(what, answers(s))
"#;

fn peer(bastion: &Bastion, manifest: &Value, attempts: &str) -> String {
    let head = std::fs::read(finished(bastion, manifest["id"].as_str().unwrap())).unwrap();
    let program = format!(
        "SOCKET = \"/run/hrec/collect.sock\"\nHEAD = bytes.fromhex('{}')\nMANIFEST = {:?}\n{PEER}\nmanifest = json.loads(MANIFEST)\n{attempts}",
        HEXLOWER.encode(&head),
        manifest.to_string()
    );
    let out = bastion.broken_in("alice", &program);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{}{said}", out.text());
    out.text()
}

/// Where a recording's finished file is.
fn finished(bastion: &Bastion, id: &str) -> PathBuf {
    let found = bastion.root(&format!(
        "find {} -name '{id}.cast.zst.age'",
        bastion.sandbox.path("store").display()
    ));
    PathBuf::from(found.text().trim())
}

/// A session of bob's that goes on until it is told to end.
fn bystander(bastion: &Bastion) -> crate::support::Terminal {
    let mut terminal = Start::new(&bastion.sandbox).spawn(&[
        "ssh",
        "-tt",
        "-F",
        bastion.config(),
        "bob@box",
        "echo bob-began; cat",
    ]);
    terminal.expect("bob-began");
    terminal
}

/// That it goes on, and that all of it is in its recording.
fn bystander_is_unharmed(bastion: &Bastion, mut terminal: crate::support::Terminal) {
    terminal.send("bob-goes-on\r");
    terminal.expect("bob-goes-on\r\nbob-goes-on");
    terminal.send("\x04");
    assert_eq!(terminal.wait(), 0);
    let manifests = bastion.manifests("bob");
    assert_eq!(manifests[0]["state"], "finished", "{manifests:#?}");
    assert!(everything(bastion, "bob").contains("bob-goes-on"));
}

#[test]
fn attack_kill_everything_of_ones_own() {
    let bastion = Bastion::installed();
    let bob = bystander(&bastion);
    bastion.ssh("alice", "echo before-it; sleep 0.5; kill -9 -1; echo after-it", b"");
    let manifests = bastion.manifests("alice");
    assert_eq!(manifests.len(), 1);
    assert_eq!(manifests[0]["state"], "interrupted", "{manifests:#?}");
    let told = everything(&bastion, "alice");
    assert!(told.contains("before-it\n") && !told.contains("\nafter-it"), "{told}");
    bystander_is_unharmed(&bastion, bob);
    let verified = bastion.root("hrec verify --all");
    assert_ne!(verified.status.code(), Some(2), "{verified:?}");
    row(
        "kill-all",
        "kill -9 -1: every process with one's uid, the recorder among them",
        "the session is over; others' go on",
        "everything up to then, sealed as interrupted",
    );
}

#[test]
fn attack_the_socket_itself() {
    let bastion = Bastion::installed();
    bastion.write(
        "alice",
        "connect.py",
        "import socket\ns = socket.socket(socket.AF_UNIX)\ntry:\n    s.connect('/run/hrec/collect.sock')\n    print('POSSIBLE')\n\
         except PermissionError:\n    print('refused')\n",
    );
    let command = "python3 connect.py; rm -f /run/hrec/collect.sock; mv /run/hrec/collect.sock /tmp/x; \
                   touch /run/hrec/mine; sg hrec -c id </dev/null; ls /var/lib/hrec; cat /etc/hrec/signing_key; :";
    let with = bastion.ssh("alice", command, b"");
    assert_eq!(with.text(), "refused\n", "{with:?}");
    assert_eq!(String::from_utf8_lossy(&with.stderr).matches("denied").count(), 5, "{with:?}");
    let again = bastion.ssh("alice", "echo still-recorded", b"");
    assert_eq!(again.text(), "still-recorded\n");
    row(
        "socket",
        "to connect to the collector's socket, to remove or replace it; its store; its keys",
        "permission denied, each time",
        "the attempts",
    );
}

#[test]
fn attack_garbage_stalls_and_false_offsets() {
    let bastion = Bastion::installed();
    assert!(bastion.ssh("alice", "echo earlier", b"").status.success());
    let earlier = bastion.manifests("alice").remove(0);
    let file = finished(&bastion, earlier["id"].as_str().unwrap());
    let before = std::fs::read(&file).unwrap();
    let bob = bystander(&bastion);
    let told = peer(
        &bastion,
        &earlier,
        r#"
attempt("garbage", os.urandom(100000))
attempt("length", struct.pack("<I", 0xffffffff) + b"\x01")
attempt("empty", struct.pack("<I", 0))
attempt("version", hello("x", {}, v=99))
attempt("role", hello("x", {}, role="root"))
attempt("id", hello("../../../etc/passwd", manifest))
attempt("manifest", hello("x", {"id": 7}))
attempt("early", frame(2, bytes(12)), frame(3, b""))
def own(n):
    id = "%s-alice-bash-AAAAAAA%d" % (now, n)
    return id, dict(manifest, id=id, start=START, state="live")
for n, (what, offset) in enumerate([("gap", 1 << 20), ("before", 0), ("huge", (1 << 64) - 1)], 2):
    id, mine = own(n)
    s = connect()
    s.sendall(hello(id, mine))
    tell("begin-" + what, answers(s))
    for one in begun():
        s.sendall(one)
    s.sendall(frame(2, struct.pack("<IQ", 0, offset) + b"false"))
    s.shutdown(socket.SHUT_WR)
    s.settimeout(30)
    data = b""
    while True:
        try:
            got = s.recv(65536)
        except ConnectionResetError:
            break
        if not got:
            break
        data += got
    print(what, "refused" if b"offset" in data else "overlooked", data[-200:], flush=True)
stalled = [connect() for _ in range(50)]
for s in stalled:
    s.sendall(struct.pack("<I", 1000) + b"\x01")
print("stalled", flush=True)
"#,
    );
    for what in
        ["garbage", "length", "empty", "version", "role", "id", "manifest", "early", "gap", "huge"]
    {
        assert!(
            told.lines().any(|line| line.starts_with(&format!("{what} refused"))),
            "{what}: {told}"
        );
    }
    bystander_is_unharmed(&bastion, bob);
    assert_eq!(std::fs::read(&file).unwrap(), before, "what was there is as it was");
    // Bytes that are there are not written again.
    let parts = bastion.root("find /var/lib/hrec -name '*-AAAAAAA3.*.part' -exec cat {} +");
    assert_eq!(parts.stdout, before, "{told}");
    assert!(bastion.ssh("alice", "echo later", b"").status.success());
    assert!(everything(&bastion, "alice").contains("later"));
    row(
        "garbage",
        "as somebody who has broken the set-group-ID program: random bytes, lengths, versions, roles and paths that \
         are none, offsets before and beyond the end, connections that stall",
        "each is refused, with a reference that is in the collector's log; bytes for what is there already are \
         overlooked; others notice nothing",
        "what was there before is unchanged; what such a peer began is its own, interrupted",
    );
}

#[test]
fn attack_forged_sessions() {
    let bastion = Bastion::installed();
    assert!(bastion.ssh("alice", "echo earlier", b"").status.success());
    let earlier = bastion.manifests("alice").remove(0);
    let bob = bystander(&bastion);
    let bobs = wait_until("bob's manifest", || bastion.manifests_now("bob").pop());
    let told = peer(
        &bastion,
        &earlier,
        &format!(
            r#"
live = {live}
attempt("live", hello(live, dict(manifest, id=live)))
attempt("resume", hello(live))
attempt("name", hello(now + "-bob-bash-AAAAAAA2", dict(manifest, id=now + "-bob-bash-AAAAAAA2")))
id = now + "-alice-bash-AAAAAAA3"
claims = dict(manifest, id=id, start=START, state="live", identity={{
    "user": {{"value": "bob", "trust": "kernel"}}, "uid": {{"value": 64102, "trust": "kernel"}},
    "login_user": {{"value": "root", "trust": "pam"}}}})
attempt("claims", hello(id, claims), *begun())
"#,
            live = bobs["id"]
        ),
    );
    for what in ["live", "resume", "name"] {
        assert!(
            told.lines().any(|line| line.starts_with(&format!("{what} refused"))),
            "{what}: {told}"
        );
    }
    assert!(told.contains("claims TAKEN"), "{told}");
    bystander_is_unharmed(&bastion, bob);
    let forged = bastion
        .manifests("alice")
        .into_iter()
        .find(|one| one["id"].as_str().unwrap().contains("AAAAAAA3"));
    let identity = forged.expect("what it began")["identity"].clone();
    assert_eq!(
        (&identity["user"]["value"], &identity["user"]["trust"]),
        (&"alice".into(), &"kernel".into())
    );
    assert_eq!(identity["claimed_user"]["value"], "bob", "{identity:#}");
    assert!(identity["differ"]["value"].to_string().contains("user"), "{identity:#}");
    row(
        "forged",
        "the same: to begin or go on with somebody else's recording, to begin one in another's name, to claim another \
         uid",
        "refused; of claims the kernel's word stands, and that they differ",
        "the other's is whole; one's own bears one's own uid, and the claim beside it",
    );
}

#[test]
fn attack_replayed_sessions() {
    let bastion = Bastion::installed();
    assert!(bastion.ssh("alice", "echo earlier", b"").status.success());
    let earlier = bastion.manifests("alice").remove(0);
    let file = finished(&bastion, earlier["id"].as_str().unwrap());
    let before = std::fs::read(&file).unwrap();
    let told = peer(
        &bastion,
        &earlier,
        r#"
attempt("again", hello(manifest["id"], dict(manifest, state="live")))
attempt("more", hello(manifest["id"]), frame(2, struct.pack("<IQ", 0, 0) + b"over it"))
attempt("old", hello("20200101T000000.000Z-alice-bash-AAAAAAA2", dict(manifest, id="20200101T000000.000Z-alice-bash-AAAAAAA2")))
"#,
    );
    for what in ["again", "more", "old"] {
        assert!(
            told.lines().any(|line| line.starts_with(&format!("{what} refused"))),
            "{what}: {told}"
        );
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(bastion.manifests("alice").len(), 1);
    let verified = bastion.root("hrec verify --all");
    assert!(verified.status.success(), "{verified:?}");
    row(
        "replayed",
        "the same: the greeting of a session that has ended, once more; bytes for its recording; an id of another day",
        "refused",
        "unchanged, and verified",
    );
}

#[test]
fn attack_while_the_collector_is_away() {
    let bastion = Bastion::installed();
    let mut terminal = Start::new(&bastion.sandbox).spawn(&[
        "ssh",
        "-tt",
        "-F",
        bastion.config(),
        "alice@box",
        "echo began; cat",
    ]);
    terminal.expect("began");
    bastion.keep_down(true);
    bastion.end_collector("KILL");
    let begun = Instant::now();
    terminal.send("typed-while-away\r");
    // Said, waited for, ended.
    terminal.expect("collector");
    terminal.wait();
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    let refused = bastion.ssh("alice", "echo it-ran", b"");
    assert_eq!((refused.status.code(), refused.text().as_str()), (Some(125), ""), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nothing was run"), "{refused:?}");
    let rescued = bastion.ssh("rescue", "echo rescued", b"");
    assert!(rescued.text().contains("rescued"), "{rescued:?}");
    assert!(String::from_utf8_lossy(&rescued.stderr).contains("UNRECORDED"), "{rescued:?}");
    bastion.keep_down(false);
    let again = wait_until("the collector is back", || {
        let with = bastion.ssh("alice", "echo recorded-again", b"");
        with.status.success().then_some(with)
    });
    assert_eq!(again.text(), "recorded-again\n");
    let manifests = bastion.manifests("alice");
    assert_eq!(manifests.len(), 2, "{manifests:#?}");
    assert!(everything(&bastion, "alice").contains("began"));
    row(
        "collector-away",
        "to work while the collector is ended and not started again",
        "a session waits shell.collector_wait, says so, and ends; a new one is not begun (125), but for \
         record.rescue_users, unrecorded, which they and syslog are told",
        "everything up to then; interrupted",
    );
}

/// At whatever step it is: thirty sessions, each with a kill some milliseconds
/// later than the one before it.
#[test]
fn attack_kill_the_collector_at_every_step() {
    let bastion = Bastion::installed();
    const SESSIONS: u64 = 30;
    let command = "for i in 1 2 3 4 5 6 7 8 9 10; do echo line-$i; sleep 0.02; done";
    let mut ran = 0;
    for n in 0..SESSIONS {
        std::thread::scope(|scope| {
            let session = scope.spawn(|| bastion.ssh("alice", command, b""));
            std::thread::sleep(Duration::from_millis(n * 20));
            bastion.end_collector("KILL");
            let with = session.join().unwrap();
            if with.status.success() {
                ran += 1;
            } else {
                assert_eq!(with.status.code(), Some(125), "{n}: {with:?}");
            }
        });
    }
    bastion.restart_collector();
    let manifests = bastion.manifests("alice");
    let whole = manifests.iter().filter(|one| one["state"] == "finished").count();
    assert_eq!(whole, ran, "each that ran is whole: {manifests:#?}");
    assert!(ran >= 20, "sessions go on over a kill: {ran}");
    for manifest in manifests.iter().filter(|one| one["state"] == "finished") {
        let (_, events) = bastion.sandbox.cast(manifest["id"].as_str().unwrap());
        let (kept, _) = Bastion::stream(&events, 1);
        let want: String = (1..=10).map(|i| format!("line-{i}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&kept), want, "nothing lost, nothing twice");
    }
    let verified = bastion.root("hrec verify --all");
    assert_ne!(verified.status.code(), Some(2), "{verified:?}");
    row(
        "collector-killed",
        "kill -9 of the collector at thirty moments of as many sessions: while they begin, go on, end",
        "it is started again; they wait, and go on",
        "nothing lost, nothing twice; verified",
    );
}

#[test]
fn attack_fill_the_disk() {
    let bastion = Bastion::small();
    let key = bastion.sandbox.path("config/hrec/identity.txt").display().to_string();
    let early = bastion.ssh("bob", "echo bob-was-early", b"");
    assert!(early.status.success(), "{early:?}");
    let command =
        "echo filling; head -c 60000000 /dev/urandom | base64 -w 100; echo never-shown; sleep 600";
    let mut terminal = Start::new(&bastion.sandbox).spawn(&[
        "ssh",
        "-tt",
        "-F",
        bastion.config(),
        "alice@box",
        command,
    ]);
    terminal.expect("filling");
    let status = terminal.wait();
    assert_eq!(
        status,
        125,
        "{}",
        String::from_utf8_lossy(terminal.seen()).lines().last().unwrap_or_default()
    );
    let told = bastion.root("hrec ls --json");
    let list: Vec<Value> = serde_json::from_slice(&told.stdout).unwrap();
    let of = |user: &str| {
        let found = list.iter().find(|one| one["identity"]["user"]["value"] == user);
        found.unwrap_or_else(|| panic!("{user}: {list:#?}"))["id"].as_str().unwrap().to_owned()
    };
    for (user, word) in [("alice", "filling"), ("bob", "bob-was-early")] {
        let shown = bastion
            .root(&format!("hrec cat --force --format raw -i {key} {} | head -c 4000", of(user)));
        assert!(String::from_utf8_lossy(&shown.stdout).contains(word), "{user}: {shown:?}");
    }
    let verified = bastion.root("hrec verify --all");
    assert_ne!(verified.status.code(), Some(2), "{verified:?}");
    row(
        "disk-full",
        "60 MB of random text to a terminal, where the store has 24 MiB",
        "the session is ended, and told why",
        "opens, and has everything up to then; others' are sound",
    );
}

#[test]
fn attack_ten_thousand_connections() {
    let bastion = Bastion::installed();
    let flood = bastion.sandbox.file(
        "flood.py",
        r#"
import os, socket, sys, time
# As many as the hard limit lets one have, in processes of 500.
for _ in range(20):
    if os.fork() == 0:
        held = []
        for _ in range(500):
            s = socket.socket(socket.AF_UNIX)
            s.connect("/run/hrec/collect.sock")
            held.append(s)
        os.write(1, b"500 are there\n")
        time.sleep(3600)
for _ in range(20):
    os.wait()
"#,
    );
    let log = bastion.sandbox.work().join("flood.log").display().to_string();
    let started = bastion.root(&format!(
        "setpriv --reuid alice --regid hrec --clear-groups setsid python3 {flood} >{log} 2>&1 </dev/null &"
    ));
    assert!(started.status.success(), "{started:?}");
    wait_until("ten thousand connections", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(!text.contains("Traceback"), "{text}");
        (text.matches("500 are there").count() == 20).then_some(())
    });
    let with = bastion.ssh("bob", "echo bob-got-in", b"");
    assert_eq!(with.text(), "bob-got-in\n", "{with:?}");
    assert!(everything(&bastion, "bob").contains("bob-got-in"));
    bastion.root("pkill -9 -u alice python3; :");
    let with = wait_until("alice gets in again", || {
        let with = bastion.ssh("alice", "echo alice-got-in", b"");
        with.status.success().then_some(with)
    });
    assert_eq!(with.text(), "alice-got-in\n");
    row(
        "connections",
        "10,000 connections to the collector, held open",
        "half of its places at most are one user's; the rest is refused; others get in",
        "others' are made as ever",
    );
}
