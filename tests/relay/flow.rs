//! Much data, and somebody who does not take it.

use std::time::Duration;

use crate::support::processes::Process;
use crate::support::{Sandbox, Terminal, wait_until};
use crate::{assert_shown_as_recorded, recording};

/// Bytes of a paste that has made recorders deadlock.
const PASTE: usize = 400 * 1024;

/// The most memory hrec may ever take while it relays, in KiB, whatever is
/// pasted and however long the viewer does not look.
const MEMORY_KIB: u64 = 16 * 1024;

/// Lines of text, none longer than a canonical terminal takes (4095 bytes),
/// all different so that nothing lost or doubled goes unseen.
fn paste() -> Vec<u8> {
    let lines = (0..).flat_map(|n| {
        format!("line {n} of a paste that fills every buffer on its way\n").into_bytes()
    });
    lines.take(PASTE - 1).chain(*b"\n").collect()
}

fn assert_memory_bounded(sandbox: &Sandbox) {
    let running = sandbox.hrec_processes();
    assert!(!running.is_empty(), "hrec runs");
    for process in running {
        let peak = process.peak_memory_kib().expect("its memory");
        assert!(peak <= MEMORY_KIB, "{} KiB in {process:?}", peak);
    }
}

/// The program gives every byte back while more come: both ways are full.
#[test]
fn a_paste_into_a_raw_program_that_echoes() {
    let sandbox = Sandbox::new();
    let script = format!("stty raw -echo; printf READY; exec head -c {PASTE}");
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["sh", "-c", &script]));
    terminal.expect("READY");
    terminal.send(paste());
    assert_eq!(terminal.wait(), 0);
    let expected = [b"READY".as_slice(), &paste()].concat();
    assert!(terminal.seen().starts_with(&expected), "every byte comes back");
    assert_eq!(sandbox.raw(), expected);
}

/// The program reads lines, and the terminal itself echoes them.
#[test]
fn a_paste_into_a_canonical_program() {
    let sandbox = Sandbox::new();
    let mut terminal =
        Terminal::spawn(&sandbox, &recording(&["sh", "-c", "echo READY; exec cat > pasted"]));
    terminal.expect("READY\r\n");
    terminal.send(paste());
    terminal.send(b"\x04");
    assert_eq!(terminal.wait(), 0);
    let pasted = std::fs::read(sandbox.work().join("pasted")).expect("the program's file");
    assert!(pasted == paste(), "{} of {} bytes arrived", pasted.len(), paste().len());
    assert_shown_as_recorded(&sandbox, &terminal);
}

/// The program writes and does not read; the paste comes all the same, and the
/// viewer takes nothing until the terminal takes no more. Relays that block in
/// a write are stuck for good here.
#[test]
fn a_paste_while_output_is_full_and_nobody_reads() {
    let sandbox = Sandbox::new();
    let script = format!(
        "stty raw -echo; printf READY; head -c 3000000 /dev/zero | tr '\\0' o; head -c {PASTE} > pasted; printf DONE"
    );
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["sh", "-c", &script]));
    terminal.expect("READY");
    let text = paste();
    let mut sent = 0;
    let mut refused = 0;
    while sent < text.len() && refused < 20 {
        match terminal.offer(&text[sent..]) {
            0 => {
                refused += 1;
                terminal.stall(Duration::from_millis(50));
            }
            taken => {
                sent += taken;
                refused = 0;
            }
        }
    }
    assert_memory_bounded(&sandbox);
    terminal.send(&text[sent..]);
    terminal.expect("DONE");
    assert_eq!(terminal.wait(), 0);
    let pasted = std::fs::read(sandbox.work().join("pasted")).expect("the program's file");
    assert!(pasted == text, "{} of {} bytes arrived", pasted.len(), text.len());
    assert_shown_as_recorded(&sandbox, &terminal);
}

/// A viewer that looks again only when the program has ended, as after ^S and
/// ^Q: its last words are in three buffers by then.
#[test]
fn a_viewer_that_is_late_has_it_all() {
    let sandbox = Sandbox::new();
    let script = "stty -opost; printf READY; echo $$ > pid; head -c 100000 /dev/zero | tr '\\0' o; printf END";
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["sh", "-c", script]));
    terminal.expect("READY");
    let pid = wait_until("the program's pid", || {
        std::fs::read_to_string(sandbox.work().join("pid")).ok()?.trim().parse().ok()
    });
    // Little by little, until the rest is all in buffers and the program ends.
    wait_until("the program ends", || {
        let ended = Process::read(pid).is_none();
        if !ended {
            terminal.read_some(500);
        }
        ended.then_some(())
    });
    terminal.stall(Duration::from_millis(500));
    assert_eq!(terminal.wait(), 0);
    let raw = sandbox.raw();
    assert!(raw.ends_with(b"oEND") && raw.len() == 100_008, "{} bytes are recorded", raw.len());
    assert_shown_as_recorded(&sandbox, &terminal);
}

#[test]
fn a_viewer_that_stops_reading_costs_no_memory() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["yes", "a line that nobody reads"]));
    terminal.expect("a line that nobody reads\r\n");
    terminal.stall(Duration::from_secs(6));
    assert_memory_bounded(&sandbox);
    // It goes on when the viewer does, and ^C is obeyed.
    terminal.watch(Duration::from_millis(300));
    terminal.send(b"\x03");
    assert_eq!(terminal.wait(), 128 + 2);
    assert_shown_as_recorded(&sandbox, &terminal);
}

/// ^C must get through though nothing that the program writes does.
#[test]
fn an_interrupt_arrives_while_the_viewer_reads_nothing() {
    let sandbox = Sandbox::new();
    let mut terminal =
        Terminal::spawn(&sandbox, &recording(&["sh", "-c", "echo $$ > pid; exec yes"]));
    terminal.expect("y\r\n");
    let program: i32 = std::fs::read_to_string(sandbox.work().join("pid"))
        .expect("a file")
        .trim()
        .parse()
        .expect("a pid");
    terminal.stall(Duration::from_secs(1));
    assert_eq!(terminal.offer(b"\x03"), 1);
    wait_until("yes is gone", || Process::read(program).is_none().then_some(()));
    assert_eq!(terminal.wait(), 128 + 2);
    assert_shown_as_recorded(&sandbox, &terminal);
}
