//! What a recipient costs: bytes in each recording's header, and the time to
//! wrap and unwrap its file key. `cargo run --release --example recipients
//! [IDENTITY_FILE RECIPIENTS_FILE]…` prints a table; the kinds that need a
//! program to make their keys (ssh-keygen, a plugin) come as arguments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::time::Instant;

use hrec::format::cipher::{self, Head, Identities, Recipients};

const ROUNDS: u32 = 200;

fn row(name: &str, recipients: &Recipients, identities: &Identities) {
    let rounds = if name.contains("plugin") { 10 } else { ROUNDS };
    let start = Instant::now();
    let mut head = Vec::new();
    for _ in 0..rounds {
        head = cipher::encrypt(recipients).unwrap().head;
    }
    let wrap = start.elapsed() / rounds;
    let head = Head::read(&mut head.as_slice()).unwrap();
    let mut unwrap = None;
    if !identities.is_empty() {
        let start = Instant::now();
        for _ in 0..rounds {
            head.unwrap(identities).unwrap();
        }
        unwrap = Some(start.elapsed() / rounds);
    }
    let unwrap = unwrap.map_or("-".to_owned(), |time| format!("{time:.1?}"));
    println!("{name}\t{} bytes\twrap {wrap:.1?}\tunwrap {unwrap}", head.bytes().len());
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut all, mut any) = (Recipients::new(), Identities::new());
    for pair in arguments.chunks(2) {
        let [identity, recipient] = pair else { panic!("arguments come in pairs") };
        let (mut recipients, mut identities) = (Recipients::new(), Identities::new());
        let text = std::fs::read_to_string(recipient).unwrap();
        recipients.add_file(recipient, &text).unwrap();
        if identity != "-" {
            let key = std::fs::read(identity).unwrap();
            identities.add_file(identity, &key).unwrap();
            any.add_file(identity, &key).unwrap();
            all.add_file(recipient, &text).unwrap();
        }
        row(recipient, &recipients, &identities);
    }
    if !all.is_empty() {
        row("all together", &all, &any);
    }
}
