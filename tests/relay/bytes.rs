//! Every byte, both ways: what the program wrote is what the terminal was sent
//! and what the recording gives back, and nothing else is sent to it.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::support::{Sandbox, Size, Start, Terminal};
use crate::{assert_shown_as_recorded, recording};

const WRITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/relay/write_plan.py");

/// A program's writes, each followed by a pause in milliseconds.
type Plan = Vec<(Vec<u8>, u64)>;

fn plan_file(sandbox: &Sandbox, plan: &Plan) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let plan: Vec<_> = plan.iter().map(|(bytes, pause)| (hex(bytes), pause)).collect();
    sandbox.file("plan.json", serde_json::to_vec(&plan).expect("JSON"))
}

/// Records a program that writes by this plan, and holds that all of it comes
/// back.
fn round_trip(sandbox: &Sandbox, plan: &Plan) {
    let file = plan_file(sandbox, plan);
    let mut terminal = Terminal::spawn(sandbox, &recording(&["python3", WRITE, &file]));
    assert_eq!(terminal.wait(), 0);
    let written: Vec<u8> = plan.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
    assert_eq!(sandbox.raw().escape_ascii().to_string(), written.escape_ascii().to_string());
    assert_shown_as_recorded(sandbox, &terminal);
}

#[test]
fn bytes_that_are_no_utf8() {
    let sandbox = Sandbox::new();
    round_trip(&sandbox, &vec![(b"\xE9\x80\xFF".to_vec(), 0)]);
    round_trip(&sandbox, &vec![((0..=255).collect(), 0)]);
    round_trip(&sandbox, &vec![(b"cut off \xF0\x9F\x98".to_vec(), 0)]);
    round_trip(
        &sandbox,
        &vec![(b"\xED\xA0\x80 \xC0\x80 \xF4\x90\x80\x80 \xF8\x88\x80\x80\x80".to_vec(), 0)],
    );
}

/// Characters cut apart between reads stay whole in the recording's text.
#[test]
fn utf8_that_is_split_over_reads() {
    let sandbox = Sandbox::new();
    let split: Plan = "aé€😀z".bytes().map(|byte| (vec![byte], 5)).collect();
    // Whoever holds half a character back must not hold it for longer than
    // the recording may lag: on a machine that is busy for so long, the
    // halves are apart, and the exact bytes still there. Not each time.
    let whole = (0..10).any(|_| {
        round_trip(&sandbox, &split);
        let (_, events) = sandbox.cast("-1");
        let output = events.iter().filter(|event| event.code == "o");
        let text: String = output.map(|event| event.data.as_str()).collect();
        text == "aé€😀z" && events.iter().all(|event| event.code != "b")
    });
    assert!(whole);
}

/// Half a character, then nothing for a second: the terminal has it at once.
#[test]
fn half_a_character_is_shown_at_once() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::spawn(
        &sandbox,
        &recording(&[
            "sh",
            "-c",
            "stty raw -echo; printf 'x\\342'; head -c 1; printf '\\202\\254'",
        ]),
    );
    terminal.expect(b"x\xE2");
    terminal.send("k");
    assert_eq!(terminal.wait(), 0);
    assert_eq!(sandbox.raw(), b"x\xE2k\x82\xAC");
}

/// A query sent before the program runs waits on a silent terminal and eats
/// what was typed ahead.
#[test]
fn nothing_is_asked_of_the_terminal() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["true"]));
    assert_eq!(terminal.wait(), 0);
    assert_eq!(sandbox.raw(), b"");
    assert_shown_as_recorded(&sandbox, &terminal);
}

/// The last line says where the recording is and how to play it.
#[test]
fn the_status_line_leads_back_to_the_recording() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::spawn(&sandbox, &recording(&["echo", "hello"]));
    assert_eq!(terminal.wait(), 0);
    let line = assert_shown_as_recorded(&sandbox, &terminal);
    assert!(line.contains("hrec play"), "{line:?}");
}

#[test]
fn what_is_typed_ahead_is_not_lost() {
    let sandbox = Sandbox::new();
    let mut terminal = Start::new(&sandbox).typed_ahead("typed before\n").spawn(&recording(&[
        "sh",
        "-c",
        "sleep 0.5; read first; read second; echo \"<$first> <$second>\"",
    ]));
    // And while hrec starts, at any moment of it.
    for byte in b"typed meanwhile\n" {
        terminal.send([*byte]);
        terminal.watch(Duration::from_millis(4));
    }
    terminal.expect("<typed before> <typed meanwhile>\r\n");
    assert_eq!(terminal.wait(), 0);
}

/// Keys reach the program as they are: every byte value, in raw mode.
#[test]
fn every_key_arrives_unchanged() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::spawn(
        &sandbox,
        &recording(&["sh", "-c", "stty raw -echo; printf READY; head -c 512 > keys; printf DONE"]),
    );
    terminal.expect("READY");
    let keys: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    terminal.send(&keys);
    terminal.expect("DONE");
    assert_eq!(terminal.wait(), 0);
    assert_eq!(std::fs::read(sandbox.work().join("keys")).expect("a file"), keys);
}

/// Bytes that matter to terminals and decoders, and any others.
fn stretch() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..64),
        2 => "\\PC{0,40}".prop_map(String::into_bytes),
        2 => prop::sample::select(vec![
            b"\x1b[".to_vec(), b"\x1b]0;title\x07".to_vec(), b"\xF0\x9F".to_vec(), b"\x98\x80".to_vec(), b"\xE2".to_vec(),
            b"\r\n".to_vec(), b"\n".to_vec(), b"\x00".to_vec(), b"\"\\".to_vec(), b"\xEF\xBF\xBD".to_vec(), b"\x04\x03\x1a".to_vec(),
        ]),
        1 => (any::<u8>(), 1000_usize..40_000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn plan() -> impl Strategy<Value = (Plan, Vec<(u64, Size)>)> {
    let pause = prop_oneof![3 => Just(0), 1 => 1..20_u64];
    let writes = prop::collection::vec((stretch(), pause), 0..24);
    let size = (1..300_u16, 1..120_u16).prop_map(|(cols, rows)| Size::new(cols, rows));
    (writes, prop::collection::vec((0..12_u64, size), 0..10))
}

/// Any byte stream, in any pieces, at any times, resized at any moment, comes
/// back byte for byte and size for size.
#[test]
fn any_stream_comes_back() {
    let config = ProptestConfig {
        cases: 24,
        max_shrink_iters: 60,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x6872_6563),
        ..ProptestConfig::default()
    };
    let sandbox = Sandbox::new();
    let outcome = TestRunner::new(config).run(&plan(), |(writes, resizes)| {
        let file = plan_file(&sandbox, &writes);
        let mut terminal = Terminal::spawn(&sandbox, &recording(&["python3", WRITE, &file]));
        let mut sizes = vec![(80, 24)];
        for (pause, size) in &resizes {
            terminal.watch(Duration::from_millis(*pause));
            terminal.resize(*size);
            sizes.push((size.cols, size.rows));
        }
        prop_assert_eq!(terminal.wait(), 0);
        let written: Vec<u8> = writes.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let recorded = sandbox.raw();
        prop_assert_eq!(recorded.escape_ascii().to_string(), written.escape_ascii().to_string());
        prop_assert!(terminal.seen().starts_with(&written));
        // Two changes between two looks of hrec are one, and one after the
        // program's end is none: what is recorded is in order among what was.
        let recorded = sandbox.sizes("-1");
        let mut sent = sizes.iter();
        let in_order = recorded.iter().all(|size| sent.any(|other| other == size));
        prop_assert!(in_order, "recorded {:?}, set {:?}", recorded, sizes);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
