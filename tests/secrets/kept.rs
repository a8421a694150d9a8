//! What people ordinarily type is kept, with `record.input = "echoed"`, which
//! has to see each of it on the terminal.

use std::io::Write;
use std::time::Duration;

use crate::case::{Case, THOUGHT, type_keys, type_line, type_shown};
use crate::support::postgres::Postgres;
use crate::support::sshd::Sshd;
use crate::support::{Sandbox, Terminal};

/// Lines of a morning's work on a server, as they are typed into a shell of
/// the Bourne kind.
const SHELL: &[&str] = &[
    "ls -la",
    "cd /etc",
    "pwd",
    "cat /etc/hostname | tr a-z A-Z",
    "cd -",
    "echo \"it's $HOME\"",
    "for n in 1 2 3; do echo $n; done",
    "x=42; echo $((x * 2))",
    "printf 'a\\tb\\n'",
    "mkdir -p one/two && touch one/two/three",
    "find one -type f",
    "echo 'grüße aus köln, 日本語'",
    "true && echo yes || echo no",
    "ps -o pid,comm | cat",
    "sleep 0.2; echo slept",
    "this-command-is-not-there --at-all",
    "echo a very long line that does not fit into the eighty columns of the terminal and so goes on in the next one",
    "cat <<END",
    "in a document",
    "END",
    "seq 1 60",
    "rm -r one",
    "echo the password is not here",
    "id",
];

/// Types the lines, each when the program has asked for it, and gives those
/// that are not kept as typed. `prompts`: all there are, as a regular expression.
fn lost(
    case: &Case,
    mut terminal: Terminal,
    prompts: &str,
    lines: &[&str],
    leave: &str,
) -> Vec<String> {
    let asked = format!("(?:{prompts})(?:\\x1b[^a-zA-Z=>]*[a-zA-Z=>]|[\\r\\x0f])*\\z");
    for line in lines.iter().chain([&leave]) {
        terminal.expect_match(&asked);
        terminal.watch(THOUGHT);
        // Faster than anybody types: most of what this costs is waiting.
        for key in line.split_inclusive(|_| true) {
            terminal.send(key);
            terminal.watch(Duration::from_millis(4));
        }
        // tmux draws a character that an Enter follows at once after the line
        // feed of that: it is masked then.
        terminal.expect_typed(line);
        terminal.send("\r");
    }
    terminal.wait();
    let typed = case.typed("-1");
    let mut rest = typed.as_str();
    let mut lost = Vec::new();
    for line in lines {
        match rest.split_once(line) {
            Some((_, after)) => rest = after,
            None => lost.push((*line).to_owned()),
        }
    }
    // A word for the person who wants to know how well it goes.
    let of = lines.len();
    let told = format!("{prompts:?}: {} of {of} lines are kept; not: {lost:#?}", of - lost.len());
    let _ = writeln!(std::io::stderr(), "{told}");
    lost
}

/// At least 95 in a hundred.
fn assert_most_kept(case: &Case, lost: &[String], of: usize) {
    let told = || case.told().join("\n");
    assert!(
        lost.len() * 20 <= of,
        "{} of {of} lines are masked: {lost:#?}\n{}",
        lost.len(),
        told()
    );
}

fn shell(case: &Case, argv: &[&str], prompts: &str, lines: &[&str]) {
    let terminal = case.record(argv);
    let lost = lost(case, terminal, prompts, lines, "exit");
    assert_most_kept(case, &lost, lines.len());
}

#[test]
fn bash() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("home/.bashrc"), "PS1='\\u@\\h:\\w$ '\n").expect("a file");
    shell(&Case::in_sandbox("echoed", sandbox), &["bash"], r"\$ |> ", SHELL);
}

/// With a prompt in colours, of two lines, that sets the title.
#[test]
fn bash_with_a_prompt_of_many_colours() {
    let sandbox = Sandbox::new();
    let prompt = "PS1='\\[\\e]0;\\w\\a\\]\\[\\e[1;34m\\]\\w\\[\\e[0m\\] \\t\\n\\[\\e[32m\\]>>\\[\\e[0m\\] '\n";
    std::fs::write(sandbox.path("home/.bashrc"), prompt).expect("a file");
    shell(&Case::in_sandbox("echoed", sandbox), &["bash"], r"> |>>\x1b\[0m ", SHELL);
}

#[test]
fn zsh() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("home/.zshrc"), "PROMPT='%n@%m %~ %# '\n").expect("a file");
    shell(&Case::in_sandbox("echoed", sandbox), &["zsh"], "[#%] |heredoc> ", SHELL);
}

/// fish paints each word again as it is typed, and suggests how it goes on.
#[test]
fn fish() {
    let lines: Vec<&str> = SHELL
        .iter()
        .map(|line| match *line {
            "for n in 1 2 3; do echo $n; done" => "for n in 1 2 3; echo $n; end",
            "x=42; echo $((x * 2))" => "set x 42; math $x \\* 2",
            "cat <<END" => "echo a",
            "in a document" => "echo b",
            "END" => "echo c",
            line => line,
        })
        .collect();
    let sandbox = Sandbox::new();
    let config = sandbox.path("config/fish");
    std::fs::create_dir(&config).expect("a directory");
    std::fs::write(config.join("config.fish"), "function fish_prompt; echo -n 'fish: '; end\n")
        .expect("a file");
    shell(&Case::in_sandbox("echoed", sandbox), &["fish"], "fish: ", &lines);
}

#[test]
fn dash_and_the_line_discipline() {
    shell(&Case::new("echoed"), &["dash", "-i"], "[#$>] ", SHELL);
}

#[test]
fn bash_over_ssh() {
    let case = Case::new("echoed");
    let sshd = Sshd::start(&case.sandbox);
    let far = "LC_ALL=C.UTF-8 PS1='\\u@far:\\w\\$ ' exec bash --norc -i";
    shell(&case, &["ssh", "-F", &sshd.config, "-tt", "box", far], "[#$>] ", SHELL);
}

#[test]
fn bash_in_tmux() {
    let case = Case::new("echoed");
    let socket = case.sandbox.path("tmux").display().to_string();
    let config = case.sandbox.file("tmux.conf", "set -g status off\n");
    let argv = ["tmux", "-f", &config, "-S", &socket, "new", "bash", "--norc"];
    let mut terminal = case.record(&argv);
    terminal
        .expect_screen("a shell", |screen| screen[0].ends_with('#') || screen[0].ends_with('$'));
    // It draws itself a few times before it is at rest.
    terminal.settle(Duration::from_millis(400));
    terminal.send("\r");
    let lost = lost(&case, terminal, "[#$>] ", SHELL, "exit");
    assert_most_kept(&case, &lost, SHELL.len());
}

#[test]
fn psql() {
    let case = Case::in_sandbox("echoed", Sandbox::new().with_env("PAGER", "cat"));
    let postgres = Postgres::start(&case.sandbox);
    let lines = [
        "create table city (name text, people int);",
        "insert into city values ('Gent', 265000), ('Århus', 290000);",
        "select name,",
        "       people",
        "from city",
        "where people > 1000;",
        "\\d city",
        "select 'unfinished",
        "string';",
        "\\timing on",
        "select count(*) from city;",
        "\\x",
        "select * from city order by people desc limit 1;",
        "\\pset null '(none)'",
        "select null as \"nothing at all, but a long name for it that makes this line go past the margin\";",
        "begin;",
        "update city set people = people + 1;",
        "rollback;",
        "select 1/0;",
        "\\echo done",
    ];
    let terminal = case.record(&["psql", "-X", &postgres.url()]);
    let lost = lost(&case, terminal, "postgres[^ ]+ ", &lines, "\\q");
    assert_most_kept(&case, &lost, lines.len());
}

#[test]
fn python() {
    let case = Case::new("echoed");
    let lines = [
        "import math",
        "math.pi * 2",
        "names = ['Ada', 'Grace']",
        "for name in names:",
        "    print('hello', name)",
        "",
        "def twice(n):",
        "    return 2 * n",
        "",
        "twice(21)",
        "{'a': 1}.items()",
        "1/0",
        "'ü'.encode()",
        "sum(range(100))",
        "[n for n in range(50)]",
        "print('a', 'b')",
        "len(\"a string that is so long that it does not end before the margin of the terminal does, at 80\")",
    ];
    let terminal = case.record(&["python3", "-q"]);
    let lost = lost(&case, terminal, r">>> |\.\.\. ", &lines, "exit()");
    assert_most_kept(&case, &lost, lines.len());
}

/// Text written in vim, after the key that begins it.
#[test]
fn vim() {
    let case = Case::new("echoed");
    let lines = [
        "Dear reader,",
        "",
        "this is a letter of some lines, of which the longest goes past the margin, and on in the next row",
        "\tand one of them is indented,",
        "grüße aus Köln.",
    ];
    let mut terminal = case.record(&["vim", "-u", "NONE", "-N", "-n", "-i", "NONE", "letter.txt"]);
    terminal.expect_screen("an empty file", |screen| screen[1] == "~");
    let last = |screen: &[String]| screen.last().cloned().unwrap_or_default();
    terminal.send("i");
    terminal.expect_screen("that text is taken", |screen| last(screen).contains("INSERT"));
    terminal.send("\r");
    for line in lines {
        let text = line.trim_start();
        // vim shows a tab when it knows what comes after.
        terminal.send(&line[..line.len() - text.len()]);
        type_shown(&mut terminal, text);
    }
    terminal.send("\x1b");
    terminal.expect_screen("that it is not", |screen| !last(screen).contains("INSERT"));
    type_line(&mut terminal, ":wq");
    assert_eq!(terminal.wait(), 0);
    let typed = case.typed("-1");
    for line in lines {
        let text = line.trim_start();
        assert!(typed.contains(text), "{text}: {typed:?}\n{}", case.told().join("\n"));
    }
}

/// less shows what it is to look for, but not where the cursor was: by the
/// rule that is masked, and can be read on the screen. Its other keys it does
/// not show at all. Keys that are no text are kept.
#[test]
fn less() {
    let case = Case::new("echoed");
    let text: String = (1..=500).map(|n| format!("this is line {n}\n")).collect();
    case.sandbox.file("text", text);
    let mut terminal = case.record(&["less", "text"]);
    terminal.expect("line 23");
    type_line(&mut terminal, "/line 321");
    terminal.expect_screen("what was looked for", |screen| screen[0] == "this is line 321");
    terminal.watch(THOUGHT);
    terminal.send("\x1bOB");
    terminal.expect_screen("the next line", |screen| screen[0] == "this is line 322");
    type_keys(&mut terminal, "q");
    assert_eq!(terminal.wait(), 0);
    assert_eq!(case.typed("-1"), "\r\x1bOB", "{}", case.told().join("\n"));
}
