//! Every kind of recipient that hrec takes, with the real age on the other
//! side where it knows the kind; and plugins, good ones and bad ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use support::{Outcome, Sandbox, sandbox::HREC, tool};

const PLUGIN: &str = include_str!("support/age_plugin.py");

/// A plugin's recipient and its identity file.
struct Key {
    recipient: String,
    file: String,
}

/// A sandbox with `age-plugin-NAME` for each name.
fn sandbox(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    let bin = sandbox.path("bin");
    fs::create_dir(&bin).unwrap();
    for name in names {
        let path = bin.join(format!("age-plugin-{name}"));
        fs::write(&path, PLUGIN).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let hrec = Path::new(HREC).parent().unwrap().display().to_string();
    let path = format!("{}:{hrec}:{}", bin.display(), tool::PATH);
    sandbox.with_env("PATH", path)
}

fn plugin_key(sandbox: &Sandbox, name: &str) -> Key {
    let program = sandbox.path("bin").join(format!("age-plugin-{name}"));
    let made = sandbox.run(&[program.to_str().unwrap(), "--keygen"], b"");
    let text = made.text();
    let (recipient, identity) = text.trim().split_once('\n').expect("two lines");
    Key {
        recipient: recipient.to_owned(),
        file: sandbox.file(&format!("{name}.key"), format!("# {name}\n{identity}\n")),
    }
}

fn age_key(sandbox: &Sandbox) -> Key {
    let file = sandbox.work().join("age.key").display().to_string();
    assert!(sandbox.run(&[&path_of("age-keygen"), "-o", &file], b"").status.success());
    let recipient = sandbox.run(&[&path_of("age-keygen"), "-y", &file], b"").text();
    Key { recipient: recipient.trim().to_owned(), file }
}

fn ssh_key(sandbox: &Sandbox, kind: &str) -> Key {
    let file = sandbox.work().join(kind).display().to_string();
    let made = sandbox.run(
        &[&path_of("ssh-keygen"), "-q", "-t", kind, "-N", "", "-C", "a comment", "-f", &file],
        b"",
    );
    assert!(made.status.success(), "{made:?}");
    let recipient = fs::read_to_string(format!("{file}.pub")).unwrap().trim().to_owned();
    Key { recipient, file }
}

fn path_of(program: &str) -> String {
    tool(program).display().to_string()
}

fn configure(sandbox: &Sandbox, recipients: &[&str], more: &str) {
    let list: Vec<String> = recipients.iter().map(|text| format!("{text:?}")).collect();
    sandbox.configure(&format!("[record]\nrecipients = [{}]\n{more}", list.join(", ")));
}

fn record(sandbox: &Sandbox) -> Outcome {
    sandbox.hrec(&["rec", "--", "sh", "-c", "echo seen; touch ran"])
}

fn said(outcome: &Outcome) -> String {
    String::from_utf8(outcome.stderr.clone()).expect("messages are UTF-8")
}

fn recording(sandbox: &Sandbox) -> String {
    sandbox.stored(".cast.zst.age").pop().expect("a recording").display().to_string()
}

/// What stock age makes of the latest recording: status and what it says.
fn stock_age(sandbox: &Sandbox, key: &Key) -> Outcome {
    sandbox.run(&[&path_of("age"), "-d", "-i", &key.file, &recording(sandbox)], b"")
}

fn opens(sandbox: &Sandbox, key: &Key) {
    let shown = sandbox.hrec(&["cat", "--format", "raw", "-i", &key.file, "-1"]);
    assert!(shown.status.success(), "{}: {}", key.file, said(&shown));
    assert_eq!(shown.text(), "seen\r\n".replace('\r', ""), "{}", key.file);
    let stock = stock_age(sandbox, key);
    assert!(stock.status.success(), "{}: {}", key.file, said(&stock));
}

#[test]
fn one_recording_for_every_kind_at_once() {
    let sandbox = sandbox(&["test", "other"]);
    let keys = [
        age_key(&sandbox),
        ssh_key(&sandbox, "ed25519"),
        ssh_key(&sandbox, "rsa"),
        plugin_key(&sandbox, "test"),
        plugin_key(&sandbox, "other"),
    ];
    let recipients: Vec<&str> = keys.iter().map(|key| key.recipient.as_str()).collect();
    configure(&sandbox, &recipients, "mode = \"strict\"\n");
    let made = record(&sandbox);
    assert!(made.status.success(), "{}", said(&made));
    for key in &keys {
        opens(&sandbox, key);
    }
    assert_eq!(sandbox.manifest()["recipients"].as_array().unwrap().len(), 5);
    sandbox.wait_until_nothing_runs();
}

#[test]
fn each_kind_alone() {
    let sandbox = sandbox(&["test"]);
    for key in [
        age_key(&sandbox),
        ssh_key(&sandbox, "ed25519"),
        ssh_key(&sandbox, "rsa"),
        plugin_key(&sandbox, "test"),
    ] {
        configure(&sandbox, &[&key.recipient], "mode = \"strict\"\n");
        let made = record(&sandbox);
        assert!(made.status.success(), "{}", said(&made));
        let stock = stock_age(&sandbox, &key);
        assert!(stock.status.success(), "{}", said(&stock));
        let shown =
            sandbox.hrec(&["cat", "--format", "raw", "-i", &key.file, &recording(&sandbox)]);
        assert_eq!(shown.text(), "seen\n");
        fs::remove_dir_all(sandbox.path("data/hrec")).unwrap();
    }
}

#[test]
fn two_recipients_of_one_plugin_are_wrapped_by_one_run_of_it() {
    let sandbox = sandbox(&["test"]);
    let (one, two) = (plugin_key(&sandbox, "test"), plugin_key(&sandbox, "test"));
    // The second took the first's file.
    let one = Key { file: one.file.clone(), ..one };
    configure(&sandbox, &[&one.recipient, &two.recipient], "mode = \"strict\"\n");
    assert!(record(&sandbox).status.success());
    opens(&sandbox, &two);
    let info = fs::read(recording(&sandbox)).unwrap();
    let stanzas = info.windows(8).filter(|bytes| bytes == b"-> test ").count();
    assert_eq!(stanzas, 2);
}

#[test]
fn what_a_plugin_has_to_say_is_told_and_drives_no_terminal() {
    let sandbox = sandbox(&["test"]);
    let key = plugin_key(&sandbox, "test");
    configure(&sandbox, &[&key.recipient], "");
    assert!(record(&sandbox).status.success());
    let shown = sandbox.hrec(&["cat", "--format", "raw", "-i", &key.file, "-1"]);
    let said = said(&shown);
    assert!(said.contains("age-plugin-test: touch the"), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains('\u{7}'), "{said:?}");
}

#[test]
fn a_plugin_that_is_not_installed_is_named() {
    let sandbox = sandbox(&["test"]);
    let key = plugin_key(&sandbox, "test");
    configure(&sandbox, &[&key.recipient], "mode = \"strict\"\n");
    fs::remove_file(sandbox.path("bin/age-plugin-test")).unwrap();
    let made = record(&sandbox);
    let text = said(&made);
    assert_eq!(made.status.code(), Some(125), "{text}");
    assert!(text.contains("age-plugin-test is not in PATH"), "{text}");
    assert!(text.contains("nothing was run"), "{text}");
    assert!(!sandbox.work().join("ran").exists());
    let shown = sandbox.hrec(&["cat", "-i", &key.file, "/dev/null"]);
    let text = said(&shown);
    assert!(text.contains("test.key: age-plugin-test is not in PATH"), "{text}");
}

/// A plugin that fails: the recording is not begun, in bounded time, and what
/// is said names the plugin; the program runs where policy lets it.
fn fails(name: &str, expected: &str, within: Duration) {
    let sandbox = sandbox(&[name]);
    let key = plugin_key(&sandbox, name);
    configure(&sandbox, &[&key.recipient], "mode = \"strict\"\n");
    let start = Instant::now();
    let made = record(&sandbox);
    let (took, text) = (start.elapsed(), said(&made));
    assert_eq!(made.status.code(), Some(125), "{text}");
    assert!(text.contains(&format!("age-plugin-{name}")), "{text}");
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("nothing was run"), "{text}");
    assert!(!text.trim().contains(['\n', '\u{1b}']), "{text:?}");
    assert!(!sandbox.work().join("ran").exists(), "the program ran");
    assert!(took < within, "took {took:?}");
    assert!(sandbox.stored("").is_empty(), "left behind: {:?}", sandbox.stored(""));

    if within == SOON {
        configure(&sandbox, &[&key.recipient], "mode = \"best-effort\"\n");
        let made = record(&sandbox);
        assert!(made.status.success(), "{made:?}");
        assert!(said(&made).contains("NOT recorded"), "{}", said(&made));
        assert!(sandbox.work().join("ran").exists(), "the program did not run");
    }
}

/// With a plugin that answers, and what a loaded machine needs.
const SOON: Duration = Duration::from_secs(30);
/// The bound for a recording's start, and what a loaded machine needs.
const LATER: Duration = Duration::from_secs(38);

#[test]
fn a_plugin_that_crashes() {
    fails("crash", "ended before it had answered (exit status: 7)", SOON);
}

#[test]
fn a_plugin_that_speaks_garbage() {
    fails("garbage", "does not speak the age plugin protocol (what it says is no message)", SOON);
}

#[test]
fn a_plugin_that_floods() {
    fails("flood", "does not speak the age plugin protocol", SOON);
}

#[test]
fn a_plugin_that_refuses_in_its_own_words() {
    fails("picky", "age-plugin-picky: the token is [31mnot plugged in", SOON);
}

#[test]
fn a_plugin_that_does_nothing() {
    fails("empty", "neither stanza nor error", SOON);
}

#[test]
fn a_plugin_that_hangs() {
    fails("hang", "has not done its work within 8 s", LATER);
}

/// What it started has its output still; hrec does not wait for that.
#[test]
fn a_plugin_that_hangs_in_two_processes() {
    fails("fork", "has not done its work within 8 s", LATER);
}

#[test]
fn a_plugin_that_talks_without_end() {
    fails("chatter", "age plugin protocol (messages without end)", LATER);
}

/// A post-quantum recipient may not stand beside one that is none: the weakest
/// decides.
#[test]
fn post_quantum_recipients_are_not_mixed_with_others() {
    let sandbox = sandbox(&["pq", "test"]);
    let (pq, other) = (plugin_key(&sandbox, "pq"), plugin_key(&sandbox, "test"));
    assert!(pq.recipient.starts_with("age1pq1"));
    configure(&sandbox, &[&pq.recipient], "mode = \"strict\"\n");
    let made = record(&sandbox);
    assert!(made.status.success(), "{}", said(&made));
    opens(&sandbox, &pq);
    configure(&sandbox, &[&pq.recipient, &other.recipient], "mode = \"strict\"\n");
    let made = record(&sandbox);
    assert_eq!(made.status.code(), Some(125), "{}", said(&made));
    assert!(said(&made).contains("post-quantum"), "{}", said(&made));
}

/// `age1tagpq…` needs no plugin to record; to read, it does. Stock age 1.1.1
/// reads past its stanza.
#[test]
fn tagged_recipients_record_without_their_plugin() {
    let sandbox = sandbox(&["pq"]);
    // The public key of the P-256 generator's discrete logarithm, 1, and of an
    // ML-KEM-768 key all of whose coefficients are 0: valid, and nobody's.
    let point = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                 4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    let made = sandbox.run(
        &[
            sandbox.path("bin/age-plugin-pq").to_str().unwrap(),
            "--bech32",
            "age1tagpq",
            &format!("{}{point}", "00".repeat(1184)),
        ],
        b"",
    );
    let recipient = made.text().trim().to_owned();
    configure(&sandbox, &[&recipient], "mode = \"strict\"\n");
    let made = record(&sandbox);
    assert!(made.status.success(), "{}", said(&made));
    let key = age_key(&sandbox);
    let shown = sandbox.hrec(&["cat", "-i", &key.file, "-1"]);
    assert_eq!(shown.status.code(), Some(125));
    assert!(said(&shown).contains(&recipient[..20]), "{}", said(&shown));
    let stock = stock_age(&sandbox, &key);
    assert!(said(&stock).contains("no identity matched"), "{}", said(&stock));
}

#[test]
fn a_plugin_that_fails_does_not_keep_another_key_from_opening() {
    let sandbox = sandbox(&["test", "crash"]);
    let (good, plain) = (plugin_key(&sandbox, "test"), age_key(&sandbox));
    let bad = plugin_key(&sandbox, "crash");
    configure(&sandbox, &[&good.recipient, &plain.recipient], "mode = \"strict\"\n");
    assert!(record(&sandbox).status.success());
    for other in [&plain, &good] {
        let shown =
            sandbox.hrec(&["cat", "--format", "raw", "-i", &bad.file, "-i", &other.file, "-1"]);
        assert_eq!(shown.text(), "seen\n", "{}", said(&shown));
    }
    let shown = sandbox.hrec(&["cat", "-i", &bad.file, "-1"]);
    assert_eq!(shown.status.code(), Some(125));
    let text = said(&shown);
    assert!(
        text.contains("age-plugin-crash ended before it had answered (exit status: 7)"),
        "{text}"
    );
}
