//! What others make of hrec's recordings: the real age, zstd, asciinema 3.2
//! and Python's json, none of which has ever heard of hrec.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test says what it expects")]

mod support;

use std::path::PathBuf;

use support::sandbox::HREC;
use support::{Sandbox, Size, Terminal, tool};

/// A recording of everything that a cast can hold: text, colours, bytes that
/// are no UTF-8, a resize, keys, an exit status.
fn recorded(sandbox: &Sandbox) -> (Terminal, String) {
    let script = "printf 'h\\303\\251llo \\033[31mred\\033[0m\\n'; printf '\\351\\200\\377 raw\\n'; \
                  echo READY; read x; stty size; echo \"got $x\"; exit 3";
    let mut terminal = Terminal::spawn(sandbox, &[HREC, "rec", "--", "sh", "-c", script]);
    terminal.expect("READY\r\n");
    terminal.resize(Size::new(100, 30));
    terminal.send("typed\n");
    assert_eq!(terminal.wait(), 3);
    let file =
        sandbox.stored(".cast.zst.age").pop().expect("a finished recording").display().to_string();
    (terminal, file)
}

fn identity(sandbox: &Sandbox) -> String {
    sandbox.path("config/hrec/identity.txt").display().to_string()
}

/// `age -d | zstd -d`, as the documentation promises.
fn opened_by_stock_tools(sandbox: &Sandbox, file: &str) -> Vec<u8> {
    let _ = (tool("age"), tool("zstd"));
    let script = format!(
        "age -d -i '{}' '{file}' | zstd -d -q -c; exit $((PIPESTATUS[0] + PIPESTATUS[1]))",
        identity(sandbox)
    );
    let outcome = sandbox.run(&["bash", "-c", &script], b"");
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    outcome.stdout
}

/// asciinema 3.2: what `HREC_ASCIINEMA` names, else the one that the tests
/// find, if it is the right one.
fn asciinema() -> String {
    let named = std::env::var_os("HREC_ASCIINEMA").map(PathBuf::from);
    let path = named.unwrap_or_else(|| tool("asciinema"));
    let output = std::process::Command::new(&path).arg("--version").output();
    let output = output.unwrap_or_else(|error| {
        panic!("{}: {error}; set HREC_ASCIINEMA to asciinema 3.2", path.display())
    });
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        version.starts_with("asciinema 3."),
        "{} is {version:?}; set HREC_ASCIINEMA to asciinema 3.2",
        path.display()
    );
    path.display().to_string()
}

/// The output as a reader of UTF-8 text alone can have it.
fn lossy(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

#[test]
fn age_and_zstd_give_the_text_that_hrec_gives() {
    let sandbox = Sandbox::new();
    let (_, file) = recorded(&sandbox);
    let text = opened_by_stock_tools(&sandbox, &file);
    assert_eq!(lossy(&text), lossy(&sandbox.cat("v3", "-1")));
}

/// Several recipients: each opens it alone.
#[test]
fn every_recipient_opens_it() {
    let sandbox = Sandbox::new();
    let other = sandbox.path("other.key").display().to_string();
    let made = sandbox.run(&["age-keygen", "-o", &other], b"");
    assert!(made.status.success(), "age-keygen: {made:?}");
    let public = sandbox.run(&["age-keygen", "-y", &other], b"").text();
    let ssh = sandbox.path("ssh_key").display().to_string();
    assert!(
        sandbox
            .run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", &ssh], b"")
            .status
            .success()
    );
    let own = sandbox.run(&["age-keygen", "-y", &identity(&sandbox)], b"").text();
    let out = sandbox.path("shared.cast.zst.age").display().to_string();
    let mut terminal = Terminal::spawn(
        &sandbox,
        &[
            HREC,
            "rec",
            "-o",
            &out,
            "-r",
            public.trim(),
            "-r",
            own.trim(),
            "-R",
            &format!("{ssh}.pub"),
            "--",
            "echo",
            "for all",
        ],
    );
    assert_eq!(terminal.wait(), 0);
    for key in [&other, &ssh, &identity(&sandbox)] {
        let opened = sandbox
            .run(&["bash", "-c", &format!("age -d -i '{key}' '{out}' | zstd -d -q -c")], b"");
        assert!(opened.text().contains("for all"), "with {key}: {opened:?}");
        let raw = sandbox.hrec(&["cat", "--format", "raw", "-i", key, &out]);
        assert_eq!(raw.stdout, b"for all\r\n", "with {key}: {raw:?}");
    }
}

#[test]
fn pythons_json_reads_every_line() {
    let sandbox = Sandbox::new();
    let (terminal, file) = recorded(&sandbox);
    let text = opened_by_stock_tools(&sandbox, &file);
    let script = "import json, sys, base64\n\
                  header = json.loads(next(sys.stdin))\n\
                  assert header['version'] == 3 and header['term']['cols'] == 80 and header['term']['rows'] == 24, header\n\
                  out, last = [], None\n\
                  for line in sys.stdin:\n\
                  \x20   interval, code, data = json.loads(line)\n\
                  \x20   assert interval >= 0 and isinstance(data, str), line\n\
                  \x20   if code == 'o': out.append(data.encode())\n\
                  \x20   if code == 'b' and last == 'o': out[-1] = base64.b64decode(data)\n\
                  \x20   last = code\n\
                  assert last == 'x', last\n\
                  sys.stdout.buffer.write(b''.join(out))\n";
    let outcome = sandbox.run(&["python3", "-c", script], &text);
    assert!(outcome.status.success(), "{}", lossy(&outcome.stderr));
    assert!(terminal.seen().starts_with(&outcome.stdout), "{}", outcome.stdout.escape_ascii());
    assert_eq!(outcome.stdout, sandbox.raw());
}

#[test]
fn asciinema_converts_it() {
    let sandbox = Sandbox::new();
    let asciinema = asciinema();
    let (_, file) = recorded(&sandbox);
    let cast = sandbox.file("opened.cast", opened_by_stock_tools(&sandbox, &file));
    let convert = |format: &str, name: &str| {
        let out = sandbox.work().join(name).display().to_string();
        let outcome = sandbox.run(&[&asciinema, "convert", "-f", format, &cast, &out], b"");
        assert!(outcome.status.success(), "to {format}: {outcome:?}");
        std::fs::read(out).expect("asciinema wrote it")
    };
    // asciinema puts the size before it, as a sequence for a terminal.
    assert_eq!(
        lossy(&convert("raw", "out.raw")),
        format!("\x1b[8;24;80t{}", lossy(&sandbox.raw()))
    );
    let text = lossy(&convert("txt", "out.txt"));
    assert!(text.contains("héllo red") && text.contains("got typed"), "{text}");

    let mut v2 = convert("asciicast-v2", "out.v2");
    v2.truncate(v2.iter().position(|byte| *byte == b'\n').expect("a line"));
    let header: serde_json::Value = serde_json::from_slice(&v2).expect("JSON");
    assert_eq!((header["width"].as_u64(), header["height"].as_u64()), (Some(80), Some(24)));

    // And back: what asciinema wrote, hrec reads.
    let v3 = convert("asciicast-v3", "out.v3.cast");
    let again = sandbox.file("again.cast", v3);
    assert_eq!(lossy(&sandbox.cat("raw", &again)), lossy(&sandbox.raw()));
}

#[test]
fn asciinema_joins_it() {
    let sandbox = Sandbox::new();
    let asciinema = asciinema();
    let (_, file) = recorded(&sandbox);
    let cast = sandbox.file("opened.cast", opened_by_stock_tools(&sandbox, &file));
    let outcome = sandbox.run(&[&asciinema, "cat", &cast, &cast], b"");
    assert!(outcome.status.success(), "{outcome:?}");
    let joined = sandbox.file("joined.cast", &outcome.stdout);
    let raw = lossy(&sandbox.raw());
    assert_eq!(lossy(&sandbox.cat("raw", &joined)), format!("{raw}{raw}"));
}

/// The other way: what asciinema records, hrec plays and converts.
#[test]
fn hrec_reads_what_asciinema_records() {
    let sandbox = Sandbox::new();
    let asciinema = asciinema();
    let file = sandbox.work().join("theirs.cast").display().to_string();
    let outcome = sandbox.run(
        &[
            &asciinema,
            "rec",
            "-q",
            "--headless",
            "-c",
            "printf 'gr\\303\\274\\303\\237e\\n'",
            &file,
        ],
        b"",
    );
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(sandbox.cat("raw", &file), "grüße\r\n".as_bytes());
}
