//! What is made from the code: the pages of section 1 from the command
//! definitions, and the list of settings in `hrec-config(5)`. The committed
//! copy must be what the code gives now;
//! `HREC_UPDATE=1 cargo test --test generated` writes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hrec::cli::{self, programs};
use hrec::config::KEYS;
use hrec::play::browser::keys::COMMANDS;
use hrec::play::keymap::{Entry, GROUPS};

fn man() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("man")
}

#[test]
fn pages_are_what_the_code_gives() {
    let mut stale = Vec::new();
    for (name, page) in pages() {
        let path = man().join(&name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        // The date says when the page last changed, and is no change itself.
        let date = committed
            .lines()
            .find_map(|l| l.strip_prefix(".TH "))
            .and_then(|l| l.split('"').nth(1));
        if page.replace(DATE, date.unwrap_or_default()) != committed {
            if std::env::var_os("HREC_UPDATE").is_some() {
                let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
                fs::write(&path, page.replace(DATE, &today)).unwrap();
            } else {
                stale.push(name);
            }
        }
    }
    assert!(stale.is_empty(), "stale: {stale:?}; run: HREC_UPDATE=1 cargo test --test generated");
}

#[test]
fn no_page_is_left_of_a_verb_that_is_gone() {
    let made: Vec<_> = pages().into_iter().map(|(name, _)| name).collect();
    for entry in fs::read_dir(man()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.ends_with(".1") || made.contains(&name),
            "man/{name} belongs to no verb; remove it"
        );
    }
}

#[test]
fn pages_are_clean() {
    let mut pages: Vec<_> = fs::read_dir(man()).unwrap().map(|e| e.unwrap().path()).collect();
    pages.sort();
    assert!(pages.len() > 5);
    let out = Command::new("mandoc").args(["-Tlint", "-Wstyle"]).args(&pages).output();
    let out = out.expect("mandoc is needed: apt-get install mandoc");
    let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    // Pages refer to those of other packages, which need not be installed.
    let found: Vec<_> = text
        .lines()
        .filter(|l| !l.contains("referenced manual not found") && !l.contains("mandoc.db"))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The settings in `hrec-config(5)`, between two comments.
#[test]
fn the_settings_page_lists_what_the_code_knows() {
    let mut list = String::new();
    for key in KEYS {
        let _ =
            writeln!(list, ".It Cm {} = {}", key.name, mdoc(&key.default.replace('"', "\\(dq")));
        let about = key.about.trim();
        let _ = writeln!(list, "{}", wrapped(&mdoc(about)));
        let _ = writeln!(list, "{}", wrapped(&mdoc(&format!("It takes {}.", key.accepts))));
    }
    let path = man().join("hrec-config.5");
    let page = fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).expect(BEGIN);
    let (committed, tail) = rest.split_once(END).expect(END);
    if committed != list {
        assert!(
            std::env::var_os("HREC_UPDATE").is_some(),
            "man/hrec-config.5 is stale; run: HREC_UPDATE=1 cargo test --test generated"
        );
        fs::write(&path, format!("{head}{BEGIN}{list}{END}{tail}")).unwrap();
    }
}

const DATE: &str = "@date@";
const BEGIN: &str = ".\\\" begin: made from the code by tests/generated.rs\n";
const END: &str = ".\\\" end\n";

/// Every page of section 1, by its file name.
fn pages() -> Vec<(String, String)> {
    let mut command = cli::command();
    command.build();
    let mut pages = vec![("hrec.1".to_owned(), page(&command, "hrec"))];
    for sub in command.get_subcommands().filter(|s| s.get_name() != "help") {
        let name = format!("hrec-{}", sub.get_name());
        pages.push((format!("{name}.1"), page(sub, &name)));
    }
    pages
}

fn page(command: &clap::Command, name: &str) -> String {
    let man = clap_mangen::Man::new(command.clone().display_name(name.to_owned()));
    let mut made = Vec::new();
    man.render_name_section(&mut made).unwrap();
    man.render_synopsis_section(&mut made).unwrap();
    man.render_description_section(&mut made).unwrap();
    man.render_options_section(&mut made).unwrap();
    let made = String::from_utf8(made).unwrap();

    let mut page = format!(
        ".\\\" Made from the command definitions; see tests/generated.rs.\n\
         .TH {} 1 \"{DATE}\" \"hrec {}\" \"hrec manual\"\n",
        name.to_uppercase(),
        env!("CARGO_PKG_VERSION")
    );
    // What precedes each section is a definition for quotes that the title
    // would have brought.
    for line in made.replace("\n.br\n\n.br\n", "\n.sp\n").lines() {
        if !line.starts_with(".ie ") && !line.starts_with(".el ") {
            let line = line.trim_end().replace("\\*(Aq", "\\(aq");
            page += &match line.strip_prefix("  ") {
                Some(typed) => format!(".RS 4\n.nf\n{typed}\n.fi\n.RE"),
                None => wrapped(&line),
            };
            page.push('\n');
        }
    }
    let mut page = page.replace("\n\n", "\n.sp\n");
    if name == "hrec-play" {
        page += &keys();
    }
    if name == "hrec" {
        page += &overview(command);
    } else {
        page += &after(&command.get_after_long_help().map(ToString::to_string).unwrap_or_default());
        page += ".SH SEE ALSO\n.BR hrec (1),\n.BR hrec\\-config (5),\n.BR hrec\\-recording (5)\n";
    }
    page
}

/// The player's keys, from its table of commands.
fn keys() -> String {
    let mut out = ".SH KEYS\n".to_owned();
    out += &wrapped(&roff(
        "Each line has the keys, what they do, and the name of the command, by which play.keys in the \
         configuration gives it other keys (see hrec-config(5)).",
    ));
    out.push('\n');
    for group in GROUPS {
        let _ = writeln!(out, ".SS {}", group.title);
        group.entries.iter().for_each(|entry| out += &key(entry));
    }
    out += PLAYER;
    out += BROWSER;
    COMMANDS.iter().for_each(|entry| out += &key(entry));
    out
}

fn key<C>(entry: &Entry<C>) -> String {
    format!(
        ".TP 20\n.B {}\n{}\n.RI ( {} )\n",
        roff(&entry.keys.join("  ")),
        wrapped(&roff(&format!("{}.", capital(entry.about)))),
        roff(entry.name)
    )
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

/// What a table of keys does not tell.
const PLAYER: &str = ".SS The mouse\n\
A click on the timeline goes there, and so does dragging; the wheel on it goes\n\
by 5 seconds.\n\
The wheel on the screen looks at what has scrolled away, and dragging there\n\
selects text.\n\
.SS The timeline\n\
The higher a column, the more was put out then; a dot is a time when nothing\n\
happened.\n\
.B *\n\
is what was searched for,\n\
.B !\n\
an alert,\n\
.B \\[u25BE]\n\
a marker, recorded or your own, and\n\
.B \\[u2195]\n\
a new size of the terminal.\n";

const BROWSER: &str = ".SS The browser\n\
Letters go to the filter, so that no command can be given one.\n";

/// The sections of `hrec.1` that are no single command's.
fn overview(command: &clap::Command) -> String {
    let mut out = ".SH COMMANDS\n".to_owned();
    for sub in command.get_subcommands().filter(|s| s.get_name() != "help") {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(out, ".TP\n.BR hrec\\-{} (1)\n{}", sub.get_name(), roff(&about));
    }
    out += ".SH PROGRAMS WITH A SHORT FORM\n";
    out += &wrapped(&roff(
        "`hrec ssh HOST` is short for `hrec rec -- ssh HOST`: every argument after the program's name is the program's own. \
         Any other program is recorded with `hrec rec -- CMD`.",
    ));
    out.push('\n');
    for program in programs::PROGRAMS {
        let _ = writeln!(out, ".TP 20\n.B {}\n{}", roff(program.name), roff(program.about));
    }
    out += &after(EXIT_STATUS);
    out += ".SH ENVIRONMENT\n";
    for (name, about) in ENVIRONMENT {
        let _ = writeln!(out, ".TP\n.B {name}\n{}", wrapped(&roff(about)));
    }
    out += ".SH FILES\n";
    for (name, about) in FILES {
        let _ = writeln!(out, ".TP\n.I {}\n{}", roff(name), wrapped(&roff(about)));
    }
    out + ".SH SEE ALSO\n.BR hrec\\-rec (1),\n.BR hrec\\-play (1),\n.BR hrec\\-config (5),\n\
           .BR hrec\\-recording (5),\n.BR hrec\\-design (7),\n.BR age (1),\n.BR zstd (1),\n.BR asciinema (1)\n"
}

const EXIT_STATUS: &str = "Exit status:\n\
    A recording has the status of its program, or 128+N when signal N ended it; 125 when hrec itself failed, was called \
    wrongly, or ended a strict session; 126 when the program could not be executed; 127 when it was not found. \
    Other commands: 0 success, 1 findings (hrec doctor), 2 called wrongly, 125 failed.";

const ENVIRONMENT: &[(&str, &str)] = &[
    ("HOME", "Where configuration and data are when the next two are not set."),
    (
        "XDG_CONFIG_HOME",
        "Configuration and keys are in its directory hrec; ~/.config when not set.",
    ),
    ("XDG_DATA_HOME", "Recordings are in its directory hrec; ~/.local/share when not set."),
    ("SHELL", "What `hrec rec` records when no command is given."),
    ("NO_COLOR", "When set and not empty, nothing that hrec itself prints is coloured."),
];

const FILES: &[(&str, &str)] = &[
    (
        "/etc/hrec/config.toml",
        "The administrator's configuration; it can lock what users may not change.",
    ),
    ("~/.config/hrec/config.toml", "Your own."),
    (
        "~/.config/hrec/identity.txt",
        "The age identity that opens your recordings. Keep a copy elsewhere.",
    ),
    ("~/.local/share/hrec/recordings/", "The recordings, by year, month and day."),
];

/// Sections as help has them: `Title:`, then lines; indented ones are typed
/// text and keep their form.
fn after(help: &str) -> String {
    let mut out = String::new();
    for block in help.split("\n\n").filter(|b| !b.is_empty()) {
        let (title, body) =
            block.split_once(":\n").expect("a block of after_long_help is `Title:` and lines");
        let _ = writeln!(out, ".SH {}", title.to_uppercase());
        if body.starts_with("  ") {
            let lines: Vec<_> = body.lines().map(|l| roff(l.trim_start())).collect();
            let _ = writeln!(out, ".RS 4\n.nf\n{}\n.fi\n.RE", lines.join("\n"));
        } else {
            let _ = writeln!(out, "{}", wrapped(&roff(body)));
        }
    }
    out
}

fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga")
}

/// The same for the pages that are written in mdoc, where a dash is plain.
fn mdoc(text: &str) -> String {
    text.replace('`', "\\(ga")
}

/// Lines below 80 columns. A request is left alone; no other line becomes one
/// by beginning with a dot or a quote.
fn wrapped(text: &str) -> String {
    if text.starts_with('.') {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if column > 0 && (column + 1 + len > 76 || ends_sentence(&out)) {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        if column == 0 && word.starts_with(['.', '\'']) {
            out += "\\&";
        }
        out += word;
        column += len;
    }
    out
}

/// A new sentence begins a new line: what roff wants to set the space right.
fn ends_sentence(text: &str) -> bool {
    text.ends_with(['.', '!', '?']) && !text.ends_with("..") || text.ends_with(".)")
}
