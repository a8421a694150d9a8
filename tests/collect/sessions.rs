//! Sessions as they should be.

use crate::collector::Collector;
use crate::support::{Terminal, tool};

#[test]
fn a_session_is_the_collectors_and_opens_with_stock_tools() {
    let collector = Collector::start("");
    let outcome = collector.rec("echo recorded; echo also >&2; exit 3");
    assert_eq!((outcome.status.code(), outcome.text().as_str()), (Some(3), "recorded\n"));
    let manifests = collector.settled(1);
    let manifest = &manifests[0];
    let of = |field: &str| manifest["identity"][field].clone();
    assert_eq!(manifest["writer"], "collector");
    assert_eq!(manifest["state"], "finished");
    assert_eq!(manifest["exit"]["code"], 3);
    assert_eq!(manifest["end_reason"], "exit");
    assert_eq!(of("uid")["value"], rustix::process::getuid().as_raw());
    for field in ["uid", "user", "gid", "host", "pid", "pid_start", "boot"] {
        assert_eq!(of(field)["trust"], "kernel", "{field}: {manifest}");
    }
    assert!(manifest["identity"].get("differ").is_none(), "{manifest}");
    collector.verify();
    assert_eq!(collector.ledger("start").len(), 1);
    assert_eq!(collector.ledger("end").len(), 1);

    let file = collector.sandbox.stored(".cast.zst.age").remove(0).display().to_string();
    let key = collector.sandbox.path("config/hrec/identity.txt").display().to_string();
    let (age, zstd) = (tool("age").display().to_string(), tool("zstd").display().to_string());
    let script = format!("{age} -d -i {key} {file} | {zstd} -dc");
    let opened = collector.sandbox.run(&["sh", "-c", &script], b"");
    // "recorded\n", as a stream without a PTY has it.
    assert!(opened.text().contains("cmVjb3JkZWQK"), "{opened:?}");
}

#[test]
fn a_terminal_session_is_recorded_key_by_key() {
    let collector = Collector::start("");
    let mut terminal = Terminal::spawn(&collector.sandbox, &["hrec", "rec", "--", "sh"]);
    terminal.send("echo one; stty size\r");
    terminal.expect("24 80");
    terminal.send("exit 4\r");
    assert_eq!(terminal.wait(), 4);
    let manifest = &collector.settled(1)[0];
    assert_eq!(manifest["exit"]["code"], 4);
    let raw = String::from_utf8(collector.sandbox.raw()).unwrap();
    assert!(raw.contains("one") && raw.contains("24 80"), "{raw}");
    collector.verify();
}

#[test]
fn a_megabyte_a_flood_and_many_at_once() {
    let collector = Collector::start("");
    let sessions: Vec<_> = (0..6)
        .map(|n| {
            let script = match n {
                0 => "head -c 3000000 /dev/urandom | base64".to_owned(),
                1 => "yes hrec | head -c 20000000".to_owned(),
                n => format!("for i in 1 2 3 4 5; do echo {n} $i; sleep 0.1; done"),
            };
            // On a terminal all of it is kept.
            (n, Terminal::spawn(&collector.sandbox, &["hrec", "rec", "--", "sh", "-c", &script]))
        })
        .collect();
    for (n, mut terminal) in sessions {
        assert_eq!(terminal.wait(), 0, "{n}: {}", collector.log());
    }
    let manifests = collector.settled(6);
    assert!(manifests.iter().all(|manifest| manifest["state"] == "finished"));
    let most = manifests.iter().map(|manifest| manifest["bytes_out"].as_u64().unwrap()).max();
    assert!(most.unwrap() > 20_000_000);
    collector.verify();
    assert_eq!(collector.sandbox.stored(".journal.0").len(), 0);
}

#[test]
fn a_supervisor_hands_the_socket_over_and_hears_of_it() {
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;
    let mut collector = Collector::absent("");
    let notify = collector.sandbox.path("runtime/notify");
    let supervisor = UnixDatagram::bind(&notify).unwrap();
    supervisor.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    // sd_listen_fds(3): descriptor 3, and the process that it is for.
    let python = tool("python3").display().to_string();
    let hand_over = "import os,socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(9); \
                     os.dup2(s.fileno(),3); os.set_inheritable(3,True); os.environ.update(LISTEN_PID=str(os.getpid()),LISTEN_FDS=\"1\"); \
                     os.execvp(\"hrec\",[\"hrec\",\"collect\"])";
    let socket = collector.socket().display().to_string();
    collector.start_by(&format!(
        "export NOTIFY_SOCKET={} WATCHDOG_USEC=200000; exec {python} -c '{hand_over}' {socket};",
        notify.display()
    ));
    let mut heard = [0; 64];
    let mut next = || {
        let count = supervisor.recv(&mut heard).unwrap();
        String::from_utf8_lossy(&heard[..count]).into_owned()
    };
    assert_eq!(next(), "READY=1");
    assert_eq!(next(), "WATCHDOG=1");
    assert_eq!(next(), "WATCHDOG=1");
    assert!(collector.rec("true").status.success(), "{}", collector.log());
    // Another one finds the store taken.
    let second = collector.sandbox.hrec(&["collect"]);
    assert_eq!(second.status.code(), Some(125));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another collector holds"), "{said}");
    assert!(collector.rec("true").status.success(), "{}", collector.log());
    collector.terminate();
    collector.settled(2);
    collector.verify();
}
