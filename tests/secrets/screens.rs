//! Programs that take the whole screen and draw what is typed themselves.

use std::time::Duration;

use crate::case::{Case, THOUGHT, in_each_mode, type_keys, type_line, type_shown};
use crate::support::{Start, tool};

#[test]
fn vims_encryption_key() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let key = case.secret();
        let mut terminal =
            case.record(&["vim", "-u", "NONE", "-N", "-n", "-i", "NONE", "letter.txt"]);
        terminal.expect_screen("an empty file", |screen| screen[1] == "~");
        let last = |screen: &[String]| screen.last().cloned().unwrap_or_default();
        // What is typed first is a command, which vim does not show, and the
        // text after it is one run with that.
        type_keys(&mut terminal, "iDear reader,");
        terminal.expect_typed("Dear reader,");
        terminal.send("\r");
        terminal.expect_screen("a second line", |screen| screen[1].is_empty());
        terminal.watch(THOUGHT);
        type_keys(&mut terminal, "all is well.");
        terminal.expect_typed("all is well.");
        terminal.send("\x1b");
        terminal.expect_screen("commands are taken", |screen| !last(screen).contains("INSERT"));
        type_line(&mut terminal, ":X");
        case.answer(&mut terminal, "Enter encryption key: ", &key);
        terminal.expect("****");
        case.answer(&mut terminal, "Enter same key again: ", &key);
        terminal.expect_screen("the text again", |screen| !last(screen).contains("Enter"));
        case.assert_hidden_live();
        terminal.send(":wq\r");
        assert_eq!(case.finish(terminal), 0);
        let sealed = std::fs::read(case.sandbox.work().join("letter.txt")).expect("vim wrote it");
        assert!(sealed.starts_with(b"VimCrypt~"), "vim took the key");
        let typed = case.typed("-1");
        assert!(typed.contains("all is well."), "{typed:?}\n{}", case.told().join("\n"));
    });
}

/// A form of two fields, of which one shows each character as `mark`.
fn form(mark: &str) -> String {
    format!(
        "import curses, hashlib, sys\n\
         def field(screen, row, label, mark):\n\
         \x20   screen.addstr(row, 4, label + ': ')\n\
         \x20   screen.refresh()\n\
         \x20   got = ''\n\
         \x20   while True:\n\
         \x20       key = screen.get_wch()\n\
         \x20       if key == '\\n': return got\n\
         \x20       got += key\n\
         \x20       screen.addstr(key if mark is None else mark)\n\
         \x20       screen.refresh()\n\
         def form(screen):\n\
         \x20   screen.addstr(1, 4, 'Who are you?')\n\
         \x20   field(screen, 3, 'Name', None)\n\
         \x20   got = field(screen, 5, 'Password', '{mark}')\n\
         \x20   right = hashlib.sha256(got.encode()).hexdigest() == sys.argv[1]\n\
         \x20   screen.addstr(8, 4, 'it is right' if right else 'it is wrong')\n\
         \x20   screen.refresh()\n\
         \x20   screen.get_wch()\n\
         curses.wrapper(form)\n"
    )
}

fn fill_in(mode: &str, mark: &str) {
    let case = Case::new(mode);
    let password = case.secret();
    let digest = case.sandbox.run(&["sha256sum"], password.as_bytes()).text()[..64].to_owned();
    let mut terminal = case.record(&["python3", "-c", &form(mark), &digest]);
    terminal.expect_screen("the form", |screen| screen[3].contains("Name:"));
    type_shown(&mut terminal, "Annabelle");
    terminal.expect_screen("the second field", |screen| screen[5].contains("Password:"));
    type_line(&mut terminal, &password);
    terminal.expect_screen("its answer", |screen| screen[8].contains("it is right"));
    case.assert_hidden_live();
    terminal.send("q");
    assert_eq!(case.finish(terminal), 0);
    let typed = case.typed("-1");
    assert!(
        typed.contains("Annabelle"),
        "the name was shown: {typed:?}\n{}",
        case.told().join("\n")
    );
}

#[test]
fn a_form_with_asterisks() {
    in_each_mode(|mode| fill_in(mode, "*"));
}

#[test]
fn a_form_that_shows_nothing() {
    in_each_mode(|mode| fill_in(mode, ""));
}

/// tmux has the terminal raw, and the program's own is inside it.
#[test]
fn in_tmux() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.secret();
        let digest = case.sandbox.run(&["sha256sum"], password.as_bytes()).text()[..64].to_owned();
        let script = case.sandbox.file(
            "ask.sh",
            format!(
                "echo 'in a pane'; read -rs -p 'Password: ' got; echo\n\
                 [ \"$(printf %s \"$got\" | sha256sum | cut -c1-64)\" = {digest} ] && echo it is right\n\
                 read -p 'And a name? ' x"
            ),
        );
        let socket = case.sandbox.path("tmux").display().to_string();
        let mut terminal = case.record(&[
            "tmux",
            "-f",
            "/dev/null",
            "-S",
            &socket,
            "new",
            "bash",
            "--norc",
            &script,
        ]);
        terminal.expect_screen("the prompt", |screen| screen[1].starts_with("Password:"));
        case.expect_no_echo(&mut terminal);
        type_line(&mut terminal, &password);
        terminal
            .expect_screen("its answer", |screen| screen.iter().any(|line| line == "it is right"));
        case.assert_hidden_live();
        type_line(&mut terminal, "Annabelle");
        assert_eq!(case.finish(terminal), 0);
    });
}

/// Shells have their own way to read a secret, and draw it.
#[test]
fn fishs_and_zshs_read_s() {
    let programs = [
        (
            "fish",
            [
                "--no-config",
                "-c",
                "read -s -P 'Password: ' got; test -n \"$got\"; and echo got it; read -P 'more? ' x",
            ],
        ),
        (
            "zsh",
            [
                "-f",
                "-c",
                "read -rs '?Password: ' got; [[ -n $got ]] && echo && echo got it; read x",
            ],
        ),
    ];
    for (shell, args) in programs {
        in_each_mode(|mode| {
            let case = Case::new(mode);
            let password = case.secret();
            let shell = tool(shell).display().to_string();
            let mut argv = vec![shell.as_str()];
            argv.extend(args);
            let mut terminal = case.start(Start::new(&case.sandbox), &argv);
            case.answer(&mut terminal, "Password: ", &password);
            terminal.expect("got it\r\n");
            case.assert_hidden_live();
            terminal.watch(Duration::from_millis(200));
            terminal.send("x\r");
            assert_eq!(case.finish(terminal), 0);
        });
    }
}
