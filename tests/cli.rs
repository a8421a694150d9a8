//! hrec as it is called: statuses, messages, and what passes through untouched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A home of its own, and a directory of programs that comes first in PATH.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.path("bin")).unwrap();
        home
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.path("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn config(&self, text: &str) {
        std::fs::create_dir_all(self.path(".config/hrec")).unwrap();
        std::fs::write(self.path(".config/hrec/config.toml"), text).unwrap();
    }

    fn hrec(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = self.on(Command::new(env!("CARGO_BIN_EXE_hrec")));
        command.args(args);
        command
    }

    fn on(&self, mut command: Command) -> Command {
        command.current_dir(self.0.path()).env_clear().env("HOME", self.0.path());
        command
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[impl AsRef<OsStr>]) -> Output {
        self.hrec(args).output().unwrap()
    }
}

/// Runs what must not wait for anything.
fn at_once(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > std::time::Duration::from_secs(100) {
            child.kill().unwrap();
            panic!("{command:?} does not come to an end");
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

fn fifo(path: PathBuf) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn err(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[test]
fn a_wrong_call_has_the_status_that_its_caller_can_tell_apart() {
    let home = Home::new();
    for (args, status) in [
        (&["rec", "--frobnicate"][..], 125),
        (&["rec", "--mode", "lax", "--", "true"], 125),
        (&["play", "--speed", "0"], 2),
        (&["cat"], 2),
        (&["completions", "csh"], 2),
        (&[], 2),
        (&["--frobnicate"], 2),
        (&["frobnicate"], 2),
        (&["--help"], 0),
        (&["rec", "--help"], 0),
        (&["--version"], 0),
    ] {
        let out = home.run(args);
        assert_eq!(out.status.code(), Some(status), "{args:?}: {}", err(&out));
        assert_eq!(
            out.stdout.is_empty(),
            status != 0,
            "{args:?}: help goes to stdout, a mistake to stderr"
        );
    }
    assert!(
        !home.path(".config").exists() && !home.path(".local").exists(),
        "a wrong call makes nothing"
    );
}

#[test]
fn a_broken_configuration_stops_a_recording_and_names_the_line() {
    let home = Home::new();
    home.config("\nrecord.mod = \"strict\"\n");
    let out = home.run(&["rec", "--", "touch", "ran"]);
    assert_eq!(out.status.code(), Some(125));
    assert!(
        err(&out)
            .contains("config.toml:2: there is no key \"record.mod\"; did you mean record.mode?"),
        "{}",
        err(&out)
    );
    assert!(!home.path("ran").exists());
    // The doctor still speaks.
    let out = home.run(&["doctor"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8(out.stdout).unwrap().contains("did you mean record.mode?"));
}

#[test]
fn an_unknown_verb_is_told_what_was_meant() {
    let home = Home::new();
    home.program("deploy", ":");
    for (typed, said) in [
        ("plya", "there is no command plya; did you mean: hrec play?"),
        ("kubeclt", "did you mean: hrec kubectl?"),
        ("deploy", "to record the program: hrec rec -- deploy ..."),
        ("./bin/deploy", "to record the program: hrec rec -- ./bin/deploy ..."),
        ("frobnicate", "`hrec --help` lists them"),
    ] {
        let out = home.run(&[typed]);
        assert_eq!(out.status.code(), Some(2), "{typed}");
        assert!(err(&out).contains(said), "{typed}: {}", err(&out));
        assert_eq!(err(&out).lines().count(), 1);
    }
    let hostile = home.run(&["\u{1b}]0;x\u{7}\u{202e}"]);
    assert!(
        !err(&hostile).trim_end().chars().any(|c| c.is_control() || c == '\u{202e}'),
        "{:?}",
        err(&hostile)
    );
    // A name that is no text at all.
    let out = home.run(&[OsString::from_vec(b"\xff\xfe".to_vec())]);
    assert_eq!(out.status.code(), Some(2));
}

#[test]
fn every_argument_after_a_programs_name_is_its_own() {
    let home = Home::new();
    home.program("ssh", "printf '<%s>' \"$@\"; exit 9");
    let odd = OsString::from_vec(b"caf\xe9".to_vec());
    let mut args: Vec<OsString> =
        ["ssh", "-p", "22", "--help", "--", "-o", "", "--version", "rec", "-"]
            .map(OsString::from)
            .to_vec();
    args.push(odd);
    let out = home.run(&args);
    assert_eq!(out.status.code(), Some(9), "{}", err(&out));
    assert_eq!(
        OsStr::from_bytes(&out.stdout),
        OsStr::from_bytes(b"<-p><22><--help><--><-o><><--version><rec><-><caf\xe9>")
    );
}

#[test]
fn the_first_recording_makes_a_key_and_says_so_once() {
    let home = Home::new();
    // On a terminal: in a pipe, a line of ours would be the program's.
    let on_terminal = |file: &str| {
        let hrec = format!("'{}' rec -o {file} -- true", env!("CARGO_BIN_EXE_hrec"));
        let out =
            home.on(Command::new("script")).args(["-qec", &hrec, "/dev/null"]).output().unwrap();
        assert!(out.status.success());
        String::from_utf8(out.stdout).unwrap()
    };
    let first = on_terminal("a.cast.zst.age");
    assert!(first.contains("made a key") && first.contains(".config/hrec/identity.txt"), "{first}");
    let key = home.path(".config/hrec/identity.txt");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let second = on_terminal("b.cast.zst.age");
    assert!(second.contains("b.cast.zst.age") && !second.contains("identity.txt"), "{second}");

    // keygen does not touch it.
    let before = std::fs::read(&key).unwrap();
    let out = home.run(&["keygen"]);
    assert_eq!(out.status.code(), Some(125));
    assert!(err(&out).contains("never overwritten"), "{}", err(&out));
    assert_eq!(std::fs::read(&key).unwrap(), before);
}

#[test]
fn keygen_prints_the_recipient_that_stock_age_derives() {
    let home = Home::new();
    let out = home.run(&["keygen"]);
    assert!(out.status.success(), "{}", err(&out));
    let age =
        Command::new("age-keygen").arg("-y").arg(home.path(".config/hrec/identity.txt")).output();
    assert_eq!(out.stdout, age.expect("age-keygen is needed").stdout);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let home = Home::new();
    for args in [&["completions", "bash"][..], &["--help"], &["doctor"]] {
        // A pipe whose reader is gone before the first byte.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = home.hrec(args).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{args:?}: {said}");
        assert!(said.is_empty(), "{args:?}: {said}");
    }
}

#[test]
fn the_doctors_trial_leaves_no_trace_and_makes_no_key() {
    let home = Home::new();
    let out = home.run(&["doctor", "--json"]);
    let text = String::from_utf8(out.stdout.clone()).unwrap();
    assert!(out.status.success(), "{text}{}", err(&out));
    assert!(text.contains("read them back"), "{text}");
    let left: Vec<_> =
        std::fs::read_dir(home.0.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["bin"]);

    // And with the person's own key.
    assert!(home.run(&["keygen"]).status.success());
    let out = home.run(&["doctor"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn an_output_that_is_a_directory_is_said_to_be_one() {
    let home = Home::new();
    for dir in [".", "..", "bin/"] {
        let out = home.run(&["rec", "--mode", "strict", "-o", dir, "--", "touch", "ran"]);
        assert_eq!(out.status.code(), Some(125), "{dir}: {}", err(&out));
        assert!(err(&out).contains(&format!("{dir} is a directory")), "{}", err(&out));
    }
    assert!(!home.path("ran").exists());
}

#[test]
fn the_doctor_finds_recipients_that_are_none() {
    let home = Home::new();
    std::fs::write(home.path("team"), "# nobody\n").unwrap();
    home.config(
        "record.recipients = [\"age1typo\"]\nrecord.recipients_files = [\"~/team\", \"~/gone\"]\n",
    );
    let out = home.run(&["doctor"]);
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(1), "{text}");
    for (what, why) in [
        ("keys", "age1typo: is no recipient"),
        ("keys", "team: holds no recipient"),
        ("keys", "gone: No such file"),
        ("trial", "not recorded: recipient age1typo"),
    ] {
        let found = |line: &&str| {
            line.starts_with(&format!("!!  {what}"))
                && line.to_lowercase().contains(&why.to_lowercase())
        };
        assert!(text.lines().any(|line| found(&line)), "{what} {why}: {text}");
    }
}

#[test]
fn the_doctor_finds_a_store_that_cannot_be_written() {
    let home = Home::new();
    std::fs::write(home.path("file"), "").unwrap();
    home.config(&format!("store.path = \"{}\"\n", home.path("file/store").display()));
    let out = home.run(&["doctor"]);
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.lines().any(|l| l.starts_with("!!  store")), "{text}");
}

#[test]
fn nobody_waits_for_what_somebody_put_into_a_store() {
    let home = Home::new();
    let day = home.path(".local/share/hrec/recordings/2026/11/21");
    std::fs::create_dir_all(&day).unwrap();
    let id = |n: u32| format!("20261121T10000{n}.000Z-eve-sh-AAAAAAA{n}");
    let key = home.run(&["keygen"]);
    assert!(key.status.success(), "{}", err(&key));
    let (whole, part, journal) = (id(2), id(3), id(4));
    fifo(day.join(format!("{whole}.cast.zst.age")));
    fifo(day.join(format!("{part}.cast.zst.age.part")));
    std::fs::write(day.join(format!("{journal}.cast.zst.age.part")), "age-").unwrap();
    fifo(day.join(format!("{journal}.journal.0")));
    let endless = id(5);
    let link = day.join(format!("{endless}.cast.zst.age"));
    std::os::unix::fs::symlink("/dev/zero", link).unwrap();

    let out = at_once(home.hrec(&["ls"]));
    assert!(out.status.success(), "{}", err(&out));
    assert_eq!(String::from_utf8_lossy(&out.stdout).lines().count(), 5);
    assert_eq!(at_once(home.hrec(&["verify", "--all"])).status.code(), Some(2));
    for id in [&whole, &part, &endless] {
        for verb in ["info", "cat", "play"] {
            let out = at_once(home.hrec(&[verb, id.as_str()]));
            assert_eq!(out.status.code(), Some(125), "{verb} {id}");
            assert!(err(&out).contains("no regular file"), "{verb} {id}: {}", err(&out));
        }
    }
    for (verb, id) in [("cat", &journal), ("recover", &whole), ("recover", &part)] {
        assert_eq!(
            at_once(home.hrec(&[verb, id.as_str()])).status.code(),
            Some(125),
            "{verb} {id}"
        );
    }
}

#[test]
fn what_has_no_end_is_not_read_to_it() {
    let home = Home::new();
    let out = at_once(home.hrec(&["cat", "/dev/zero"]));
    assert_eq!(out.status.code(), Some(125));
    assert!(err(&out).contains("does not begin with a JSON object"), "{}", err(&out));
    std::fs::write(home.path("a.cast"), "{\"version\":2,\"width\":80,\"height\":24}\n").unwrap();
    for args in [
        ["cat", "-i", "/dev/zero", "a.cast"].as_slice(),
        &["rec", "--mode", "strict", "-R", "/dev/zero", "--", "true"],
        &["verify", "--signers", "/dev/zero", "a.cast"],
    ] {
        let out = at_once(home.hrec(args));
        assert_eq!(out.status.code(), Some(125), "{args:?}");
        let said = err(&out);
        assert!(said.contains("/dev/zero") && said.contains("longer than 4 MiB"), "{said}");
    }
    std::fs::create_dir_all(home.path(".config/hrec")).unwrap();
    fifo(home.path(".config/hrec/config.toml"));
    let out = at_once(home.hrec(&["ls"]));
    assert_eq!(out.status.code(), Some(125));
    assert!(err(&out).contains("config.toml: it is no regular file"), "{}", err(&out));
}

#[test]
fn output_that_could_not_be_written_is_no_success() {
    let home = Home::new();
    let run = |script: &str| {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = home.hrec(&["rec", "--", "sh", "-c", script]);
        command.stdout(full).stderr(Stdio::piped()).output().unwrap()
    };
    let out = run("echo lost");
    assert_eq!(out.status.code(), Some(125));
    assert!(err(&out).contains("to standard output: No space left on device"), "{}", err(&out));
    // The program's own word for it is worth more.
    assert_eq!(run("echo lost; exit 7").status.code(), Some(7));
    assert_eq!(run("exit 0").status.code(), Some(0));
}

#[test]
fn an_interrupted_recording_is_opened_by_the_name_that_it_was_given() {
    let home = Home::new();
    assert!(home.run(&["rec", "--", "true"]).status.success());
    std::fs::write(home.path("true.cast.zst.age.part"), "").unwrap();
    let out = home.run(&["info", "true.cast.zst.age"]);
    assert_eq!(out.status.code(), Some(125));
    assert!(err(&out).contains("true.cast.zst.age.part"), "{}", err(&out));
}

/// A recording that needs no key.
fn asciicast(home: &Home) -> PathBuf {
    let path = home.path("x.cast");
    std::fs::write(&path, "{\"version\":2,\"width\":80,\"height\":24}\n[1,\"o\",\"a\"]\n").unwrap();
    path
}

#[test]
fn a_disk_that_is_full_is_named() {
    let home = Home::new();
    let cast = asciicast(&home);
    for args in
        [&["cat", cast.to_str().unwrap()][..], &["info", cast.to_str().unwrap()], &["ls", "--json"]]
    {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let out = home.hrec(args).stdout(full).output().unwrap();
        assert_eq!(out.status.code(), Some(125), "{args:?}");
        assert_eq!(
            err(&out),
            "hrec: cannot write to standard output: No space left on device (os error 28)\n",
            "{args:?}"
        );
    }
}

#[test]
fn a_zone_that_has_no_end_is_none() {
    let home = Home::new();
    fifo(home.path("fifo"));
    let cast = asciicast(&home);
    for zone in [":/dev/zero", "/dev/zero", "fifo", "no/such/zone"] {
        for args in [&["ls"][..], &["play", "--speed", "100", cast.to_str().unwrap()]] {
            let mut command = home.hrec(args);
            command.env("TZ", zone);
            let out = at_once(command);
            assert_eq!(out.status.code(), Some(0), "{zone}: {out:?}");
        }
    }
}

#[test]
fn a_name_that_a_recording_cannot_have_is_refused() {
    let home = Home::new();
    let latin = OsString::from_vec(b"b\xe4r".to_vec());
    for (name, why) in [
        (OsStr::new("x/"), "x/ names a directory; name a file in it"),
        (OsStr::new("x/."), "x/. names a directory; name a file in it"),
        (OsStr::new("."), ". is a directory; name a file in it"),
        (latin.as_os_str(), "b\u{fffd}r is no UTF-8"),
    ] {
        let args = [OsStr::new("rec"), "--mode".as_ref(), "strict".as_ref(), "-o".as_ref(), name];
        let out =
            home.run(&[&args[..], &["--".as_ref(), "touch".as_ref(), "ran".as_ref()]].concat());
        let said = err(&out);
        assert_eq!(out.status.code(), Some(125), "{said}");
        assert!(said.contains(why) && said.contains("nothing was run"), "{said}");
        assert!(!home.path("ran").exists());
        let left: Vec<_> = std::fs::read_dir(home.path("")).unwrap().flatten().collect();
        let left: Vec<_> = left.iter().map(std::fs::DirEntry::file_name).collect();
        assert!(
            left.iter().all(|name| name.to_string_lossy().starts_with('.') || name == "bin"),
            "{left:?}"
        );
    }
}

#[test]
fn a_script_whose_interpreter_is_missing_says_which_one() {
    let home = Home::new();
    let script = home.path("bin/old");
    for (text, why) in [
        ("#! /no/such/python -u\nprint()\n", "old: its interpreter /no/such/python is not there"),
        ("#!/bin/sh\r\ntrue\r\n", "old: its interpreter /bin/sh\\r is not there"),
    ] {
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let out = home.run(&["rec", "--", "old"]);
        assert_eq!(out.status.code(), Some(127));
        let said = err(&out);
        assert_eq!(said, format!("hrec: {why}\n"));
    }
    let out = home.run(&["rec", "--", "no-such-program"]);
    let said = err(&out);
    assert_eq!(said, "hrec: no-such-program: command not found\n");
}

#[test]
fn a_seal_that_cannot_be_made_is_said_whoever_listens() {
    let home = Home::new();
    let out = home.run(&["rec", "--seal-key", "/no/such/key", "--", "touch", "ran"]);
    let said = err(&out);
    assert_eq!(out.status.code(), Some(125), "{said}");
    assert!(said.contains("--seal-key /no/such/key") && said.contains("nothing was run"), "{said}");
    assert!(!home.path("ran").exists());

    home.config("[seal]\nkey = \"/no/such/key\"\n");
    let out = home.run(&["rec", "--", "touch", "ran"]);
    let said = err(&out);
    assert_eq!(out.status.code(), Some(0), "{said}");
    assert!(home.path("ran").exists());
    assert!(said.starts_with("hrec: the recording is not sealed: "), "{said}");
    assert!(said.contains("/no/such/key") && said.ends_with("; hrec seal -1 does it\n"), "{said}");
}

#[test]
fn a_login_is_told_of_by_pam_alone() {
    let home = Home::new();
    let told = |variables: &[(&str, &str)]| {
        let mut command = home.hrec(&["collect", "--login"]);
        command.envs(variables.iter().copied());
        let out = at_once(command);
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    for variables in [&[][..], &[("PAM_USER", "alice")], &[("PAM_TYPE", "open_session")]] {
        let (status, said) = told(variables);
        assert_eq!(status, Some(125), "{variables:?}: {said}");
        assert!(said.contains("let pam_exec(8) run it"), "{variables:?}: {said}");
    }
    // Nobody's login is hindered, also where no collector is.
    for what in ["open_session", "close_session"] {
        let (status, said) = told(&[("PAM_TYPE", what), ("PAM_USER", "alice")]);
        assert_eq!((status, said.as_str()), (Some(0), ""), "{what}");
    }
}
