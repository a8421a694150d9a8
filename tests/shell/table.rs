//! The table of attacks in hrec-bastion(7): a row is written by the test that
//! has just made the attack and seen what came of it.
//!
//! `HREC_UPDATE=1 cargo test --test shell attack` writes the page; without that
//! each test compares its row with the page's. So nothing stands there that no
//! test has seen, and nothing goes on standing there when it is otherwise.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

const BEGIN: &str = ".\\\" attacks: made by tests/shell/table.rs\n";
const END: &str = ".\\\" attacks: end\n";
const KEY: &str = ".\\\" attack: ";

/// Every attack, in the page's order.
const ATTACKS: [&str; 32] = [
    "start-files",
    "variables",
    "names",
    "freight",
    "reach",
    "stopped",
    "kill-all",
    "odd-bytes",
    "limits",
    "quota",
    "broken-store",
    "other-verbs",
    "internal-sftp",
    "forwarding",
    "agent",
    "x11",
    "tunnel",
    "rc",
    "environment-file",
    "race",
    "nohup",
    "cron",
    "at",
    "socket",
    "garbage",
    "forged",
    "replayed",
    "collector-away",
    "collector-killed",
    "disk-full",
    "connections",
    "forced-command",
];

/// Compares what was tried, what happened, and what the record shows with the
/// page, or writes it there.
pub fn row(attack: &str, tried: &str, happened: &str, record: &str) {
    assert!(ATTACKS.contains(&attack), "{attack} has no place in the table");
    let row = format!(
        "{KEY}{attack}\nT{{\n{}\nT}}\tT{{\n{}\nT}}\tT{{\n{}\nT}}\n",
        wrapped(tried),
        wrapped(happened),
        wrapped(record)
    );
    if std::env::var_os("HREC_UPDATE").is_some() {
        // Tests are processes of their own, and many at once.
        let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacks")).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        write(attack, &row);
        return;
    }
    let text = fs::read_to_string(page()).unwrap();
    assert!(
        text.contains(&row),
        "man/hrec-bastion.7 does not have this; run: HREC_UPDATE=1 cargo test --test shell attack\n{row}"
    );
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man/hrec-bastion.7")
}

/// The rows between the two marks, by their keys.
fn rows(table: &str) -> Vec<(String, String)> {
    let parts = table.split(KEY).skip(1);
    let of = |part: &str| (part.lines().next().unwrap().to_owned(), format!("{KEY}{part}"));
    parts.map(|part| of(part.strip_suffix("_\n").unwrap_or(part))).collect()
}

fn write(attack: &str, row: &str) {
    let text = fs::read_to_string(page()).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (table, after) = rest.split_once(END).expect("where it ends");
    let mut all = rows(table);
    all.retain(|(key, _)| key != attack && ATTACKS.contains(&key.as_str()));
    all.push((attack.to_owned(), row.to_owned()));
    all.sort_by_key(|(key, _)| ATTACKS.iter().position(|one| one == key));
    let made: String = all.iter().map(|(_, row)| format!("_\n{row}")).collect();
    fs::write(page(), format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
}

/// Lines of 72 at most, with what is roff's own written as itself.
fn wrapped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if !line.is_empty() && line.len() + 1 + word.len() > 72 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    for line in &mut lines {
        if line.starts_with(['.', '\'']) {
            line.insert_str(0, "\\&");
        }
    }
    lines.join("\n")
}

/// The page has every attack once, in order, and each is some test's.
#[test]
fn the_table_has_each_attack_and_each_attack_has_a_test() {
    let text = fs::read_to_string(page()).unwrap();
    let (_, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (table, _) = rest.split_once(END).expect("where it ends");
    let found: Vec<String> = rows(table).into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, ATTACKS, "run: HREC_UPDATE=1 cargo test --test shell attack");
    let tests = [
        include_str!("attacks.rs"),
        include_str!("attacks/ways.rs"),
        include_str!("attacks/collector.rs"),
    ];
    for attack in ATTACKS {
        let call = format!("row(\n        \"{attack}\",\n");
        let calls: usize = tests.iter().map(|text| text.matches(&call).count()).sum();
        assert_eq!(calls, 1, "{attack}");
    }
}
