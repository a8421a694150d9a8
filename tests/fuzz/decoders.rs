//! libFuzzer's side of the targets: `HREC_FUZZ_TARGET` names the one to run.
//!
//! One program for all, since linking is most of the time that building takes.
#![no_main]

mod targets;

use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("HREC_FUZZ_TARGET").expect("HREC_FUZZ_TARGET is not set");
    targets::ALL.iter().find(|target| target.0 == name).expect("there is no such target").1
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| TARGET(input));
