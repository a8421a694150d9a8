//! How a recording is written: appended to, synced, and nothing else.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::sandbox::HREC;
use crate::support::{PATIENCE, Sandbox, Terminal};
use crate::trace::Trace;
use crate::{complaints, configure, recording, wait_until_recorded};

/// What would change bytes that are there, or map them.
const CHANGING: &str = "ftruncate,truncate,pwrite64,pwritev,pwritev2,lseek,fallocate,mmap,\
                        copy_file_range,sendfile,splice,writev";

#[test]
fn nothing_is_written_twice_or_taken_back() {
    let sandbox = Sandbox::new();
    configure(&sandbox, "strict");
    let trace = Trace::new(
        &sandbox,
        &format!("{CHANGING},openat,write,fdatasync,fsync,renameat2,unlink,unlinkat"),
    );
    // Bursts and single lines; each is asked for once the one before is on
    // record, so that each is an append at least.
    let script = "echo ready; while read n; do head -c $n /dev/urandom | base64; echo $n; done";
    let mut terminal = trace.spawn(&sandbox, &recording(&["sh", "-c", script]));
    terminal.expect("ready\r\n");
    let bursts = [200_000, 0, 300_000, 1, 2];
    for length in bursts {
        wait_until_recorded(&sandbox, &mut terminal, "-1");
        terminal.send(format!("{length}\n"));
        // The echo, then the program's own word.
        terminal.expect(format!("{length}\r\n"));
        terminal.expect(format!("{length}\r\n"));
    }
    wait_until_recorded(&sandbox, &mut terminal, "-1");
    terminal.send("\x04");
    assert_eq!(terminal.wait(), 0);
    assert!(terminal.seen().starts_with(&sandbox.raw()));
    let calls = trace.calls();
    let of_recording =
        |call: &str| call.contains(".cast.zst.age.part") || call.contains(".journal.");
    let (mut appends, mut syncs, mut renamed) = (0, 0, false);
    // Of each journal: whether what was written last has been synced.
    let mut unsynced: BTreeMap<String, bool> = BTreeMap::new();
    for (_, call) in calls.iter().filter(|(_, call)| of_recording(call)) {
        let (name, rest) = call.split_once('(').expect("a call");
        let file = || {
            let end = rest.find('>').expect("a file");
            rest[..end].to_owned()
        };
        match name {
            "openat" if call.contains("O_WRONLY") || call.contains("O_RDWR") => {
                for flag in ["O_APPEND", "O_EXCL", "O_CREAT", "0600"] {
                    assert!(call.contains(flag), "{call}");
                }
            }
            "openat" => {}
            "write" => {
                let (asked, wrote) = rest.rsplit_once(" = ").expect("a result");
                let asked = asked.trim_end().trim_end_matches(')');
                let asked = asked.rsplit_once(", ").expect("a length").1;
                assert_eq!(asked, wrote.trim(), "{call}");
                if call.contains(".journal.") {
                    appends += 1;
                    let before = unsynced.insert(file(), true);
                    assert_ne!(before, Some(true), "two writes for one append: {call}");
                }
            }
            "fdatasync" | "fsync" => {
                syncs += 1;
                unsynced.insert(file(), false);
            }
            "renameat2" => renamed = true,
            // Removed once the file has its name, or once their frame is safe.
            "unlink" | "unlinkat" => assert!(call.contains(".journal."), "{call}"),
            _ => panic!("{call}"),
        }
    }
    assert!(renamed, "the recording never got its name");
    // Also the one that holds the beginning.
    assert!(appends > bursts.len() && syncs >= appends, "{appends} appends, {syncs} syncs");
    assert!(!unsynced.values().any(|unsynced| *unsynced), "never synced: {unsynced:?}");
    assert!(sandbox.stored(".part").is_empty());
    assert_eq!(sandbox.stored(".manifest.json").len(), 1);
    let left: Vec<_> = (0..9).flat_map(|n| sandbox.stored(&format!(".journal.{n}"))).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A flood that compresses to nothing, for three seconds, or as many as
/// `HREC_FLOOD_SECONDS` says: what only the journals hold stays bounded, and so
/// does memory.
#[test]
fn a_flood_of_the_same_line() {
    let seconds = std::env::var("HREC_FLOOD_SECONDS").map_or(3, |n| n.parse().expect("a number"));
    let sandbox = Sandbox::new();
    configure(&sandbox, "best-effort");
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "rec", "--", "yes"]);
    let start = Instant::now();
    let mut most = 0;
    while start.elapsed() < Duration::from_secs(seconds) || terminal.seen().len() < 4 << 20 {
        assert!(start.elapsed() < Duration::from_secs(seconds) + PATIENCE, "no flood");
        terminal.watch(Duration::from_millis(200));
        most = most.max(journals(&sandbox).iter().map(|(_, size)| size).sum::<u64>());
    }
    let hrec = rustix::process::Pid::from_raw(terminal.pid()).expect("a process");
    let memory = crate::support::processes::Process::read(terminal.pid())
        .and_then(|process| process.peak_memory_kib())
        .expect("hrec runs");
    rustix::process::kill_process(hrec, rustix::process::Signal::KILL).expect("it runs");
    terminal.wait();
    sandbox.wait_until_nothing_runs();
    assert_eq!(complaints(&terminal), Vec::<String>::new());

    let with = sandbox.cat("v3", "-1").len();
    assert!(sandbox.raw().len() > 3_000_000, "{}", sandbox.raw().len());
    for (path, _) in journals(&sandbox) {
        std::fs::remove_file(path).expect("a journal");
    }
    // Where not one chunk of the part is whole there is nothing to read.
    let rest = sandbox.hrec(&["cat", "--format", "v3", "-1"]);
    let without = if rest.status.success() { rest.stdout.len() } else { 0 };
    let left = with - without;
    println!(
        "{with} bytes of text, {left} of them in journals alone; journals took {most} bytes at most, hrec {memory} KiB"
    );
    // 8 MiB, a frame that is being filled, and what one interval adds.
    assert!(left < 12 << 20, "{left} of {with}");
    assert!(memory < 64 << 10, "{memory} KiB");
}

fn journals(sandbox: &Sandbox) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    for part in sandbox.stored(".part") {
        let dir = part.parent().expect("a directory");
        for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
            let size = entry.metadata().map_or(0, |data| data.len());
            if entry.file_name().to_string_lossy().contains(".journal.") {
                found.push((entry.path(), size));
            }
        }
    }
    found
}
