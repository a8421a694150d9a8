//! The programs hrec is for, the real ones, recorded on a real PTY: what the
//! terminal was sent is what the recording gives back, and the screens are
//! those that the program draws without hrec.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test says what it expects")]

mod support;

use support::kubernetes::Kubernetes;
use support::postgres::Postgres;
use support::sandbox::HREC;
use support::sshd::Sshd;
use support::{Sandbox, Size, Terminal, tool, wait_until};

/// Holds that the terminal was sent the recorded bytes and then one status
/// line.
fn assert_shown_as_recorded(sandbox: &Sandbox, terminal: &Terminal) {
    let recorded = sandbox.raw();
    let seen = terminal.seen();
    let same = seen.iter().zip(&recorded).take_while(|(a, b)| a == b).count();
    assert_eq!(
        same,
        recorded.len(),
        "of {} bytes that were shown; after that {:?}",
        seen.len(),
        seen[same..].escape_ascii().to_string()
    );
    let rest = String::from_utf8_lossy(&seen[same..]);
    assert!(
        rest.contains("hrec") && rest.trim().lines().count() == 1,
        "one status line, not {rest:?}"
    );
}

fn has(screen: &[String], text: &str) -> bool {
    screen.iter().any(|line| line.contains(text))
}

#[test]
fn ssh_to_a_real_sshd() {
    let sandbox = Sandbox::new();
    let sshd = Sshd::start(&sandbox);
    let mut terminal = Terminal::spawn(
        &sandbox,
        &[
            HREC,
            "ssh",
            "-F",
            &sshd.config,
            "-tt",
            "box",
            "PS1='remote> ' exec bash --norc --noprofile -i",
        ],
    );
    terminal.expect("remote> ");
    terminal.send("stty size\n");
    terminal.expect("24 80\r\n");
    terminal.resize(Size::new(132, 43));
    // ssh passes the change on by itself, some time later.
    wait_until("the far end has the new size", || {
        terminal.send("stty size\n");
        (terminal.expect_match(r"(\d+ \d+)\r\n") == "43 132").then_some(())
    });
    terminal.send("sleep 100\n");
    wait_until("sleep runs", || {
        sandbox.processes().into_iter().find(|process| process.command == "sleep 100")
    });
    terminal.send("\x03");
    terminal.expect("remote> ");
    terminal.send("exit 7\n");
    assert_eq!(terminal.wait(), 7);
    assert_shown_as_recorded(&sandbox, &terminal);
    assert_eq!(sandbox.sizes("-1"), [(80, 24), (132, 43)]);
    let manifest = sandbox.manifest();
    assert_eq!(manifest["program"], "ssh");
    assert_eq!(manifest["target"]["name"], "box");
    assert_eq!(manifest["exit"]["code"], 7);
}

/// ssh's own keys (`~.`) are read by ssh, not by hrec.
#[test]
fn ssh_escape_ends_the_connection() {
    let sandbox = Sandbox::new();
    let sshd = Sshd::start(&sandbox);
    let mut terminal =
        Terminal::spawn(&sandbox, &[HREC, "ssh", "-F", &sshd.config, "-tt", "box", "echo up; cat"]);
    terminal.expect("up\r\n");
    terminal.send("\r~.");
    assert_eq!(terminal.wait(), 255);
    assert_shown_as_recorded(&sandbox, &terminal);
}

#[test]
fn psql_on_a_real_postgresql() {
    let sandbox = Sandbox::new().with_env("PAGER", "less").with_env("LESS", "");
    let postgres = Postgres::start(&sandbox);
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "psql", "-X", &postgres.url()]);
    terminal.expect("postgres=# ");
    terminal.send("create table city (name text, people int); insert into city values ('Gent', 265000), ('Århus', 290000);\n");
    terminal.expect("INSERT 0 2\r\n");
    terminal.send("select * from city order by people;\n");
    terminal.expect_screen("the table", |screen| {
        has(screen, " name  | people")
            && has(screen, " Gent  | 265000")
            && has(screen, " Århus | 290000")
            && has(screen, "(2 rows)")
    });
    // Too long for the screen: psql hands it to the pager, a program that
    // takes the whole screen inside a program.
    terminal.send("select generate_series(1, 200) as n;\n");
    terminal
        .expect_screen("a page", |screen| screen.last().is_some_and(|line| line.starts_with(':')));
    terminal.send("G");
    terminal.expect_screen("its end", |screen| has(screen, "(200 rows)"));
    terminal.send("q");
    terminal.expect("postgres=# ");
    terminal.send("select 1/0;\n");
    terminal.expect("division by zero");
    terminal.send("\\q\n");
    assert_eq!(terminal.wait(), 0);
    assert_shown_as_recorded(&sandbox, &terminal);

    let mut terminal = Terminal::spawn(
        &sandbox,
        &[HREC, "psql", "-X", &postgres.url(), "-v", "ON_ERROR_STOP=1", "-c", "select 1/0"],
    );
    assert_eq!(terminal.wait(), 1);
}

/// A URI with a password: it is nowhere in what is stored in the clear.
#[test]
fn psql_uri_passwords_are_not_in_the_manifest() {
    let sandbox = Sandbox::new();
    let uri = "postgresql://teller:hunter2-of-the-uri@127.0.0.1:1/ledger";
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "psql", uri]);
    assert_eq!(terminal.wait(), 2, "nobody is there");
    let manifest = sandbox.manifest().to_string();
    assert!(!manifest.contains("hunter2"), "{manifest}");
    assert_eq!(sandbox.manifest()["program"], "psql");
    for path in sandbox.stored("") {
        assert!(!path.display().to_string().contains("hunter2"), "{path:?}");
    }
}

#[test]
fn kubectl_exec() {
    let sandbox = Sandbox::new();
    let kubernetes = Kubernetes::start(&sandbox);
    let sandbox = sandbox.with_env("KUBECONFIG", kubernetes.kubeconfig.clone());
    let mut terminal = Terminal::spawn(
        &sandbox,
        &[
            HREC,
            "kubectl",
            "exec",
            "-it",
            "box",
            "--",
            "env",
            "PS1=pod> ",
            "bash",
            "--norc",
            "--noprofile",
            "-i",
        ],
    );
    terminal.expect("pod> ");
    terminal.resize(Size::new(111, 33));
    wait_until("the container has the new size", || {
        terminal.send("stty size\n");
        (terminal.expect_match(r"(\d+ \d+)\r\n") == "33 111").then_some(())
    });
    terminal.send("exit 4\n");
    assert_eq!(terminal.wait(), 4);
    assert_shown_as_recorded(&sandbox, &terminal);
    assert_eq!(sandbox.manifest()["program"], "kubectl");
    assert_eq!(sandbox.manifest()["exit"]["code"], 4);

    // Without a terminal at all, as in a script.
    let script = |hrec: &str| format!("echo from-a-pipe | {hrec} kubectl exec -i box -- cat");
    let bare = sandbox.run(&["bash", "-c", &script("")], b"");
    assert_eq!(bare.text(), "from-a-pipe\n");
    assert_eq!(sandbox.run(&["bash", "-c", &script(HREC)], b""), bare);
}

#[test]
fn tmux_inside() {
    let sandbox = Sandbox::new();
    let socket = sandbox.path("tmux").display().to_string();
    let config = sandbox.file("tmux.conf", "set -g default-shell /bin/sh\nset -g status-right ''\nset -g escape-time 0\nset -g assume-paste-time 0\n");
    let tmux = tool("tmux").display().to_string();
    let mut terminal = Terminal::spawn(
        &sandbox,
        &[
            HREC,
            "rec",
            "--",
            &tmux,
            "-S",
            &socket,
            "-f",
            &config,
            "new",
            "-s",
            "inside",
            "PS1='in> ' sh -i",
        ],
    );
    terminal.expect_screen("tmux with a prompt", |screen| {
        screen[0].starts_with("in>") && has(screen, "[inside]")
    });
    terminal.send("echo left-$((1+1))\r");
    terminal.expect_screen("the left pane", |screen| has(screen, "left-2"));
    terminal.send("\x02%");
    terminal.expect_screen("two panes", |screen| {
        screen.iter().filter(|line| line.contains('│')).count() > 15
    });
    terminal.resize(Size::new(120, 30));
    terminal.expect_screen("the status line at the new size", |screen| {
        screen.len() == 30 && screen[29].contains("[inside]")
    });
    // Detached, tmux's server and the shells in it live on, and the
    // recording ends.
    terminal.send("\x02d");
    assert_eq!(terminal.wait(), 0);
    assert_shown_as_recorded(&sandbox, &terminal);
    assert_eq!(sandbox.sizes("-1"), [(80, 24), (120, 30)]);
    let ended = sandbox.run(&["tmux", "-S", &socket, "kill-server"], b"");
    assert!(ended.status.success(), "the server lived on: {ended:?}");
}

#[test]
fn vim_draws_and_writes() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::spawn(
        &sandbox,
        &[HREC, "rec", "vim", "-u", "NONE", "-N", "-n", "-i", "NONE", "letter.txt"],
    );
    terminal.expect_screen("an empty file", |screen| {
        screen.iter().filter(|line| *line == "~").count() > 15
    });
    terminal.send("iDear reader,\r\tgrüße aus Köln\x1b");
    terminal.expect_screen("the text", |screen| {
        screen[0] == "Dear reader," && screen[1].trim() == "grüße aus Köln"
    });
    terminal.resize(Size::new(40, 10));
    terminal.expect_screen("the smaller screen", |screen| {
        screen.len() == 10 && screen[0] == "Dear reader,"
    });
    terminal.send(":wq\r");
    assert_eq!(terminal.wait(), 0);
    let letter = std::fs::read_to_string(sandbox.work().join("letter.txt")).expect("vim wrote it");
    assert_eq!(letter, "Dear reader,\n\tgrüße aus Köln\n");
    assert_shown_as_recorded(&sandbox, &terminal);
    assert_eq!(sandbox.sizes("-1"), [(80, 24), (40, 10)]);
}

#[test]
fn htop_draws_and_quits() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "rec", "htop"]);
    terminal.expect_screen("its table and its keys", |screen| {
        has(screen, "PID") && has(screen, "F10Quit")
    });
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
    assert_shown_as_recorded(&sandbox, &terminal);
}

#[test]
fn less_pages_and_searches() {
    let sandbox = Sandbox::new();
    let text: String = (1..=500).map(|n| format!("this is line {n}\n")).collect();
    sandbox.file("text", text);
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "rec", "less", "text"]);
    terminal.expect_screen("the first page", |screen| {
        screen[0] == "this is line 1" && screen[22] == "this is line 23"
    });
    terminal.send("/line 321\r");
    terminal.expect_screen("what was looked for", |screen| screen[0] == "this is line 321");
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
    assert_shown_as_recorded(&sandbox, &terminal);
}

/// No command is the person's own shell.
#[test]
fn no_command_is_the_persons_shell() {
    let sandbox =
        Sandbox::new().with_env("SHELL", "/bin/dash").with_env("PS1", "mine> ").with_env("ENV", "");
    let mut terminal = Terminal::spawn(&sandbox, &[HREC, "rec"]);
    terminal.expect("mine> ");
    terminal.send("echo shell=$0\n");
    terminal.expect_match(r"shell=\S*dash\r\n");
    terminal.send("exit 2\n");
    assert_eq!(terminal.wait(), 2);
    assert_shown_as_recorded(&sandbox, &terminal);
    assert_eq!(sandbox.manifest()["program"], "dash");
}
