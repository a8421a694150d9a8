//! The folder that `hrec prove` makes, tried where there is no hrec.

use std::fs;
use std::path::PathBuf;

use crate::support::{Outcome, Sandbox};
use crate::{record, shell, status};

/// The commands of a page: lines that begin with `$`, and `>` goes on.
pub fn commands(page: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in page.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push(command.to_owned());
        } else if let (Some(more), Some(last)) = (line.strip_prefix("> "), commands.last_mut()) {
            last.push('\n');
            last.push_str(more);
        }
    }
    commands
}

/// A folder, where there is no hrec and nothing of the person's who made it.
struct Case {
    auditor: Sandbox,
    dir: PathBuf,
    commands: Vec<String>,
}

impl Case {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        for text in ["before", "kept", "after"] {
            record(&sandbox, text);
        }
        let made = sandbox.hrec(&["prove", "-2", "-o", "case"]);
        assert_eq!(status(&made), 0, "{made:?}");
        let auditor = Sandbox::without_keys();
        let dir = auditor.work().join("case");
        fs::rename(sandbox.work().join("case"), &dir).unwrap();
        let page = fs::read_to_string(dir.join("README.txt")).unwrap();
        let commands = commands(&page);
        assert!(commands.len() >= 5, "{page}");
        Self { auditor, dir, commands }
    }

    /// The command with this in it.
    fn command(&self, what: &str) -> &str {
        self.commands.iter().find(|command| command.contains(what)).unwrap()
    }

    fn run(&self, command: &str) -> Outcome {
        shell(&self.auditor, &self.dir, command)
    }

    /// The file whose name ends like this.
    fn file(&self, ending: &str) -> PathBuf {
        let paths = fs::read_dir(&self.dir).unwrap().map(|entry| entry.unwrap().path());
        paths.into_iter().find(|path| path.display().to_string().ends_with(ending)).unwrap()
    }
}

#[test]
fn every_command_on_the_page_works_without_hrec() {
    let case = Case::new();
    let mut said = String::new();
    for command in &case.commands {
        let out = case.run(command);
        assert!(out.status.success(), "{command}\n{out:?}");
        said.push_str(&out.text());
    }
    assert!(said.contains(".cast.zst.age: OK"), "{said}");
    assert!(said.contains("Good \"hrec-recording\" signature"), "{said}");
    assert!(said.contains("Key ID: \"2"), "{said}");
    assert!(said.contains("\nOK: 2"), "{said}");
    assert!(!case.run("command -v hrec").status.success());
}

#[test]
fn each_command_tells_what_was_tampered_with() {
    let case = Case::new();
    let (files, seal) = (case.command("sha256sum -c"), case.command("-Y verify"));
    let ledger = case.command("check-ledger.sh");
    let text = |from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        move |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_owned()).unwrap();
            let changed = text.replacen(&from, &to, 1);
            assert_ne!(changed, text, "{from}");
            changed.into_bytes()
        }
    };
    let line = |number: usize, change: fn(&str) -> String| {
        move |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_owned()).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines[number] = change(&lines[number]);
            (lines.join("\n") + "\n").into_bytes()
        }
    };
    // Another letter in the middle of base64.
    let flip = |text: &str| {
        let at = text.len() - 30;
        let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    };
    type Change = Box<dyn Fn(&[u8]) -> Vec<u8>>;
    let deeds: Vec<(&str, Change, Vec<&str>)> = vec![
        (".cast.zst.age", Box::new(|bytes| [bytes, b"x"].concat()), vec![files]),
        (".manifest.json", Box::new(text("\"echo\"", "\"ehco\"")), vec![seal, ledger]),
        (
            ".manifest.json",
            Box::new(text("\"sha256\": \"", "\"sha256\": \"0")),
            vec![files, seal, ledger],
        ),
        (".manifest.json.sig", Box::new(line(4, flip)), vec![seal]),
        ("allowed_signers", Box::new(text("hrec-ledger", "hrec-lodger")), vec![ledger]),
        ("allowed_signers", Box::new(text("hrec-recording", "hrec-other")), vec![seal]),
        (
            "checkpoint",
            Box::new(line(1, |size| (size.parse::<u64>().unwrap() + 1).to_string())),
            vec![ledger],
        ),
        ("checkpoint", Box::new(line(2, flip)), vec![ledger]),
        ("checkpoint", Box::new(line(4, flip)), vec![ledger]),
        ("-start.tlog-proof", Box::new(line(1, flip)), vec![ledger]),
        ("-start.tlog-proof", Box::new(line(2, |index| format!("{index}0"))), vec![ledger]),
        ("-start.tlog-proof", Box::new(line(2, |_| "index 3".to_owned())), vec![ledger]),
        ("-start.tlog-proof", Box::new(line(3, flip)), vec![ledger]),
        ("-end.tlog-proof", Box::new(line(4, |_| String::new())), vec![ledger]),
        ("-end.tlog-proof", Box::new(|_| Vec::new()), vec![ledger]),
    ];
    for (name, change, tell) in deeds {
        let path = case.file(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, change(&good)).unwrap();
        for command in tell {
            let out = case.run(command);
            assert!(!out.status.success(), "{name}: {command}\n{out:?}");
        }
        fs::write(&path, good).unwrap();
    }
    // Without its end, or as another's.
    let end = case.file("-end.tlog-proof");
    let good = fs::read(&end).unwrap();
    fs::remove_file(&end).unwrap();
    assert!(!case.run(ledger).status.success());
    fs::write(&end, &good).unwrap();
    let manifest = case.file(".manifest.json");
    fs::rename(&manifest, case.dir.join("x.manifest.json")).unwrap();
    assert!(!case.run(ledger).status.success());
    fs::rename(case.dir.join("x.manifest.json"), &manifest).unwrap();
    // And all of this was put right again.
    for command in &case.commands {
        assert!(case.run(command).status.success(), "{command}");
    }
}

/// The start of one and the end of another, each proven, prove neither.
#[test]
fn entries_of_two_recordings_are_no_proof() {
    let sandbox = Sandbox::new();
    for text in ["one", "two"] {
        record(&sandbox, text);
    }
    for (rec, to) in [("-1", "second"), ("-2", "first")] {
        let made = sandbox.hrec(&["prove", rec, "-o", to]);
        assert_eq!(status(&made), 0, "{made:?}");
    }
    let [first, second] = ["first", "second"].map(|name| sandbox.work().join(name));
    let script = "sh check-ledger.sh";
    assert!(shell(&sandbox, &second, script).status.success());
    let mixed = "rm *-start.tlog-proof; cp ../first/*-start.tlog-proof ../first/*.manifest.json .";
    assert!(shell(&sandbox, &second, mixed).status.success());
    let out = shell(&sandbox, &second, script);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("is about another recording"), "{out:?}");
    // Its name does not make a manifest another's.
    let renamed = "m=$(echo *.manifest.json); jq '.id=\"x\"' \"$m\" >x; mv x \"$m\"";
    assert!(shell(&sandbox, &first, renamed).status.success());
    assert!(!shell(&sandbox, &first, script).status.success());
}

/// A key that was replaced signs nothing that is later.
#[test]
fn a_replaced_ledger_key_counts_for_what_was_before() {
    let case = Case::new();
    let (list, script) = (case.file("allowed_signers"), case.command("check-ledger.sh"));
    let good = fs::read_to_string(&list).unwrap();
    for (until, counts) in [
        ("valid-before=\"99990101Z\"", true),
        ("valid-before=\"999901010000Z\"", true),
        ("valid-before=\"20200101000000Z\"", false),
        ("valid-before=\"20200101Z\"", false),
        ("valid-before=\"99990101\"", false),
        ("valid-before=\"soon\"", false),
        ("cert-authority", false),
    ] {
        let with = format!("{until},namespaces=\"hrec-ledger\"");
        let text = good.replace("namespaces=\"hrec-ledger\"", &with);
        assert_ne!(text, good);
        fs::write(&list, text).unwrap();
        let out = case.run(script);
        assert_eq!(out.status.success(), counts, "{until}: {out:?}");
    }
    fs::write(&list, good.replace('\n', "\n# ")).unwrap();
    assert!(!case.run(script).status.success(), "all but the first line commented out");
}

/// What the ledger does not account for is proven by its seal alone.
#[test]
fn a_recording_that_is_not_in_the_store_is_proven_by_its_seal() {
    let sandbox = Sandbox::new();
    let made = sandbox.hrec(&["rec", "-o", "x.cast.zst.age", "--", "true"]);
    assert_eq!(status(&made), 0, "{made:?}");
    let checked = sandbox.hrec(&["verify", "x.cast.zst.age"]);
    assert_eq!(status(&checked), 0, "{checked:?}");
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains("it is not in the store, and so in no ledger"), "{said}");
    let made = sandbox.hrec(&["prove", "x.cast.zst.age", "-o", "case"]);
    assert_eq!(status(&made), 0, "{made:?}");
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(said.contains("proves nothing by the ledger"), "{said}");
    let case = sandbox.work().join("case");
    assert!(!case.join("check-ledger.sh").exists());
    let page = fs::read_to_string(case.join("README.txt")).unwrap();
    assert!(page.contains("No ledger is here"), "{page}");
    for command in commands(&page) {
        let out = shell(&sandbox, &case, &command);
        assert!(out.status.success(), "{command}\n{out:?}");
    }
}

#[test]
fn what_is_not_sealed_proves_nothing() {
    let sandbox = Sandbox::new();
    let manifest = record(&sandbox, "kept");
    fs::remove_file(manifest.with_extension("json.sig")).unwrap();
    let made = sandbox.hrec(&["prove", "-1", "-o", "case"]);
    assert_eq!(status(&made), 125, "{made:?}");
    assert!(String::from_utf8_lossy(&made.stderr).contains("hrec seal"), "{made:?}");
    assert!(!sandbox.work().join("case").exists());
}

#[test]
fn a_key_that_was_revoked_vouches_for_no_ledger() {
    let sandbox = Sandbox::new();
    record(&sandbox, "kept");
    let config = sandbox.path("config/hrec");
    let key = fs::read_to_string(config.join("ledger_key.pub")).unwrap();
    fs::write(config.join("revoked_keys"), &key).unwrap();
    let made = sandbox.hrec(&["prove", "-1", "-o", "case"]);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(said.contains("nobody whom you trust has signed the ledger's head"), "{said}");
    let key = key.split_whitespace().nth(1).unwrap();
    for entry in fs::read_dir(sandbox.work().join("case")).unwrap() {
        let text = fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(key));
    }
}
