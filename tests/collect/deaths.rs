//! Sessions and collectors that are killed, at any moment.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::Rng;
use rustix::process::Signal;
use serde_json::Value;

use crate::collector::Collector;
use crate::support::{Terminal, wait_until};

/// Lines that count, some of them at once and some not.
const COUNTS: &str = "i=0; while [ $i -lt {n} ]; do echo line $i; i=$((i+1)); \
                      [ $((i % 7)) = 0 ] && sleep 0.02; done; true";

fn counts(n: u32) -> String {
    COUNTS.replace("{n}", &n.to_string())
}

/// The output of a recording without a terminal.
fn recorded(collector: &Collector, id: &Value) -> String {
    let raw = collector.sandbox.cat("raw", id.as_str().unwrap());
    String::from_utf8(raw).unwrap()
}

#[test]
fn a_killed_session_is_sealed_at_once_with_all_that_was_acknowledged() {
    let collector = Collector::start("");
    let mut random = rand::thread_rng();
    for round in 0..8 {
        let script = counts(100_000);
        let mut terminal =
            Terminal::spawn(&collector.sandbox, &["hrec", "rec", "--", "sh", "-c", &script]);
        terminal.expect("line 5");
        terminal.watch(Duration::from_millis(random.gen_range(0..900)));
        let recorder = collector.sandbox.hrec_processes();
        let recorder = recorder.iter().find(|process| process.pid == terminal.pid()).unwrap();
        let sealed = collector.sandbox.manifests().len() - 1;
        recorder.signal(Signal::KILL);
        let killed = Instant::now();
        let manifests = collector.settled(sealed + 1);
        let took = killed.elapsed();
        let manifest = manifests.last().unwrap();
        assert_eq!(manifest["state"], "interrupted", "round {round}");
        assert_eq!(manifest["end_reason"], "interrupted");
        assert!(manifest["end"].is_string());
        let raw = recorded(&collector, &manifest["id"]);
        for (n, line) in raw.lines().enumerate().take(raw.lines().count().saturating_sub(1)) {
            assert_eq!(line, format!("line {n}"), "round {round}");
        }
        // What is kept is said on a loaded machine too; the bound on the time is
        // the manual's, with room for that.
        assert!(took < Duration::from_secs(20), "sealed after {took:?}");
    }
    collector.verify();
    assert_eq!(collector.ledger("start").len(), 8);
    assert_eq!(collector.ledger("end").len(), 8);
}

#[test]
fn a_collector_that_is_killed_at_any_moment_costs_nothing() {
    let mut collector = Collector::start("shell.collector_wait = \"60s\"\n");
    let mut random = rand::thread_rng();
    for round in 0..4 {
        let before = collector.sandbox.manifests().len();
        let mut sessions: Vec<_> = (0..3).map(|_| collector.spawn(&counts(1500))).collect();
        let outputs: Vec<_> = sessions
            .iter_mut()
            .map(|session| {
                let mut stdout = session.stdout.take().unwrap();
                std::thread::spawn(move || {
                    let mut shown = String::new();
                    stdout.read_to_string(&mut shown).map(|_| shown).unwrap()
                })
            })
            .collect();
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(random.gen_range(0..700)));
            collector.kill();
            std::thread::sleep(Duration::from_millis(random.gen_range(0..200)));
            collector.again();
        }
        let want: String = (0..1500).map(|n| format!("line {n}\n")).collect();
        for (session, output) in sessions.into_iter().zip(outputs) {
            let outcome = session.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
            assert!(outcome.status.success(), "round {round}: {said}\n{}", collector.log());
            assert_eq!(output.join().unwrap(), want);
        }
        for manifest in collector.settled(before + 3).iter().skip(before) {
            assert_eq!(manifest["state"], "finished", "round {round}: {manifest}");
            assert_eq!(recorded(&collector, &manifest["id"]), want, "round {round}");
        }
    }
    collector.verify();
    assert_eq!(collector.ledger("start").len(), 12);
    assert_eq!(collector.ledger("end").len(), 12);
}

#[test]
fn a_session_whose_collector_stays_away_waits_says_so_and_ends() {
    let mut collector = Collector::start("shell.collector_wait = \"15s\"\n");
    let mut terminal = Terminal::spawn(&collector.sandbox, &["hrec", "rec", "--", "sh"]);
    terminal.send("echo re''ady\r");
    terminal.expect("ready");
    wait_until("the beginning is kept", || {
        (collector.sandbox.stored(".journal.0").len() == 1).then_some(())
    });
    collector.kill();
    terminal.expect("the collector does not answer; this session waits for it for up to 15 s");
    terminal.expect("the session was ended, since it could not be recorded");
    assert_eq!(terminal.wait(), 125);
    collector.again();
    let manifest = &collector.settled(1)[0];
    assert_eq!(manifest["state"], "interrupted");
    assert_eq!(manifest["end_reason"], "collector-lost");
    collector.verify();
    assert_eq!(collector.ledger("end").len(), 1);
}

#[test]
fn a_session_and_its_collector_killed_together_are_sealed_by_the_next_collector() {
    let mut collector = Collector::start("");
    let mut session = collector.spawn(&counts(100_000));
    wait_until("something is kept", || {
        let journal = collector.sandbox.stored(".journal.0").pop()?;
        (journal.metadata().ok()?.len() > 4000).then_some(())
    });
    collector.kill();
    session.kill().unwrap();
    session.wait().unwrap();
    collector.again();
    let manifest = &collector.settled(1)[0];
    assert_eq!(manifest["end_reason"], "collector-lost");
    assert!(recorded(&collector, &manifest["id"]).starts_with("line 0\nline 1\n"));
    collector.verify();
}

#[test]
fn what_the_next_collector_cannot_read_stays_as_it_is() {
    let mut collector = Collector::start("");
    let mut session = collector.spawn(&counts(100_000));
    wait_until("something is kept", || {
        let journal = collector.sandbox.stored(".journal.0").pop()?;
        (journal.metadata().ok()?.len() > 4000).then_some(())
    });
    collector.kill();
    session.kill().unwrap();
    session.wait().unwrap();
    let manifest = collector.sandbox.stored(".manifest.json").pop().unwrap();
    let aside = manifest.with_extension("aside");
    let kept = std::fs::read(collector.sandbox.stored(".journal.0").pop().unwrap()).unwrap();
    std::fs::rename(&manifest, &aside).unwrap();
    // None, though the ledger has the start; and one that is no file.
    let none: fn(&Path) = |_| {};
    let no_file: fn(&Path) = |path| std::fs::create_dir(path).unwrap();
    for (round, make) in [none, no_file].into_iter().enumerate() {
        make(&manifest);
        collector.again();
        wait_until("it is left", || {
            (collector.log().matches("is left as it is").count() > round).then_some(())
        });
        collector.kill();
        let journal = collector.sandbox.stored(".journal.0").pop().unwrap();
        assert!(std::fs::read(journal).unwrap() == kept, "{}", collector.log());
    }
    std::fs::remove_dir(&manifest).unwrap();
    std::fs::rename(&aside, &manifest).unwrap();
    collector.again();
    let manifest = &collector.settled(1)[0];
    assert!(recorded(&collector, &manifest["id"]).starts_with("line 0\nline 1\n"));
    collector.verify();
}

#[test]
fn an_end_that_the_ledger_did_not_hear_is_told_after_the_next_start_of_the_host() {
    let mut collector = Collector::start("shell.collector_wait = \"60s\"\n");
    let session = {
        let go = collector.sandbox.path("work/go");
        collector.spawn(&format!("echo run; until [ -e {} ]; do sleep 0.05; done", go.display()))
    };
    wait_until("it has begun", || (collector.ledger("start").len() == 1).then_some(()));
    collector.kill();
    let (ledger, before) = (collector.store().join("ledger"), collector.store().join("before"));
    let copy = |from: &Path, to: &Path| {
        let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status();
        assert!(copied.unwrap().success());
    };
    copy(&ledger, &before);
    std::fs::write(collector.sandbox.path("work/go"), "").unwrap();
    collector.again();
    let outcome = session.wait_with_output().unwrap();
    assert!(outcome.stdout == b"run\n", "{outcome:?}");
    collector.settled(1);
    wait_until("the ledger has its end", || (collector.ledger("end").len() == 1).then_some(()));
    collector.kill();
    std::fs::remove_dir_all(&ledger).unwrap();
    std::fs::rename(&before, &ledger).unwrap();
    std::fs::remove_file(collector.store().join("collect/boot")).unwrap();
    assert!(collector.ledger("end").is_empty());
    collector.again();
    wait_until("the ledger has its end", || (collector.ledger("end").len() == 1).then_some(()));
    collector.verify();
}

#[test]
fn without_a_collector_nothing_is_run_and_a_late_one_is_waited_for() {
    let mut collector = Collector::absent("shell.collector_wait = \"500ms\"\n");
    let outcome = collector.rec("echo run");
    assert_eq!(outcome.status.code(), Some(125), "{outcome:?}");
    assert_eq!(outcome.text(), "");
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(said.contains("the collector at") && said.contains("nothing was run"), "{said}");

    let text = std::fs::read_to_string(collector.sandbox.path("config/hrec/config.toml")).unwrap();
    collector.sandbox.configure(&text.replace("500ms", "60s"));
    let session = collector.spawn("echo run");
    std::thread::sleep(Duration::from_millis(300));
    collector.again();
    let outcome = session.wait_with_output().unwrap();
    assert_eq!(outcome.stdout, b"run\n");
    assert!(outcome.status.success());
    collector.settled(1);
    collector.verify();
}
