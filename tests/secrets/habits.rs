//! How people type their passwords: with mistakes, by pasting, in other
//! alphabets, as a common word; and, among all the rest, in a shell.

use std::time::Duration;

use crate::case::{Case, in_each_mode, secret, type_keys, type_line, type_shown};
use crate::support::Terminal;
use crate::support::sshd::Sshd;

/// A program that asks at the far end of an ssh, then one on this machine.
/// `typed` is sent as it is; `password` is what the program must make of it.
fn near_and_far(mode: &str, password: &str, typed: impl Fn(&mut Terminal), case: &Case) {
    let digest = case.sandbox.run(&["sha256sum"], password.as_bytes()).text()[..64].to_owned();
    let script = case.sandbox.file(
        "ask.sh",
        format!(
            "read -rs -p 'Password: ' got; echo\n\
             [ \"$(printf %s \"$got\" | sha256sum | cut -c1-64)\" = {digest} ] && echo it is right\nread x"
        ),
    );
    let sshd = Sshd::start(&case.sandbox);
    // IUTF8 and the like come with the terminal; the language does not.
    let far = format!("LC_ALL=C.UTF-8 exec bash --norc {script}");
    let programs =
        [vec!["bash", "--norc", &script], vec!["ssh", "-F", &sshd.config, "-tt", "box", &far]];
    for program in programs {
        let mut terminal = case.record(&program);
        terminal.expect("Password: ");
        case.expect_no_echo(&mut terminal);
        typed(&mut terminal);
        terminal.send("\r");
        terminal.expect("it is right\r\n");
        case.assert_hidden_live();
        terminal.send("go on\r");
        assert_eq!(case.finish(terminal), 0, "{mode}");
    }
}

#[test]
fn mistyped_and_corrected() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let (start, wrong, end) = (case.secret(), case.secret(), case.secret());
        near_and_far(
            mode,
            &format!("{start}{end}"),
            |terminal| {
                type_keys(terminal, &start);
                type_keys(terminal, &wrong);
                for _ in 0..wrong.len() {
                    terminal.send("\x7f");
                    terminal.watch(Duration::from_millis(2));
                }
                type_keys(terminal, &end);
            },
            &case,
        );
    });
}

#[test]
fn begun_again() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let (wrong, right) = (case.secret(), case.secret());
        near_and_far(
            mode,
            &right,
            |terminal| {
                type_keys(terminal, &wrong);
                terminal.send("\x15");
                terminal.watch(Duration::from_millis(40));
                type_keys(terminal, &right);
            },
            &case,
        );
    });
}

/// Half of it, a look at the note, the other half.
#[test]
fn with_a_pause() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let (start, end) = (case.secret(), case.secret());
        near_and_far(
            mode,
            &format!("{start}{end}"),
            |terminal| {
                type_keys(terminal, &start);
                terminal.watch(Duration::from_millis(1600));
                case.assert_hidden_live();
                type_keys(terminal, &end);
            },
            &case,
        );
    });
}

/// All at once, and its Enter with it, as a terminal pastes that was not asked
/// to put brackets around it.
#[test]
fn pasted() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.secret();
        near_and_far(mode, &password, |terminal| terminal.send(&password), &case);
    });
}

#[test]
fn in_other_alphabets() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.hide(format!("geheimß{}Ключ-日本語の合言葉🔑", &secret()[..4]));
        near_and_far(mode, &password, |terminal| type_keys(terminal, &password), &case);
    });
}

/// A program that asked for brackets around a paste, and shows an asterisk for
/// each character.
#[test]
fn pasted_between_brackets() {
    let program = "import os, sys, termios, tty\n\
         old = termios.tcgetattr(0); tty.setraw(0)\n\
         os.write(1, b'\\x1b[?2004hPassword: ')\n\
         got = b''\n\
         while not got.endswith(b'\\r'):\n\
         \x20   more = os.read(0, 1000); got += more\n\
         \x20   os.write(1, b'*' * len(more.replace(b'\\x1b[200~', b'').replace(b'\\x1b[201~', b'').strip()))\n\
         termios.tcsetattr(0, termios.TCSADRAIN, old)\n\
         print('\\x1b[?2004l\\ngot', len(got)); input()\n";
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.secret();
        let mut terminal = case.record(&["python3", "-c", program]);
        terminal.expect("Password: ");
        terminal.send(format!("\x1b[200~{password}\x1b[201~"));
        terminal.expect("****");
        terminal.send("\r");
        terminal.expect("got 33");
        case.assert_hidden_live();
        terminal.send("go on\r");
        assert_eq!(case.finish(terminal), 0);
    });
}

/// A password that everybody could guess: the program has the word on the
/// screen anyway, before, beside and after it is typed.
#[test]
fn a_common_word() {
    let script = "echo 'apple pie'; printf 'apple\\nan apple a day\\rPassword: '; read -rs got; echo\n\
                  printf 'apple\\n%s\\n' \"your ${got}s are right\"; printf 'apple: '; read x";
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let script = case.sandbox.file("ask.sh", script);
        let sshd = Sshd::start(&case.sandbox);
        let far = format!("exec bash --norc {script}");
        let programs =
            [vec!["bash", "--norc", &script], vec!["ssh", "-F", &sshd.config, "-tt", "box", &far]];
        for program in programs {
            let mut terminal = case.record(&program);
            case.answer(&mut terminal, "Password: ", "apple");
            terminal.expect("your apples are right");
            case.assert_not_typed("-1", "apple");
            terminal.expect("apple: ");
            terminal.watch(Duration::from_millis(1500));
            type_shown(&mut terminal, "pear");
            assert_eq!(case.finish(terminal), 0);
            case.assert_not_typed("-1", "apple");
            assert!(case.typed("-1").contains("pear"), "{}", case.told().join("\n"));
        }
    });
}

/// A shell far away, in which some commands ask for something: all that was
/// shown is kept, and nothing else.
#[test]
fn among_commands() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let sshd = Sshd::start(&case.sandbox);
        let far = "PS1='far$ ' exec bash --norc --noprofile -i";
        let mut terminal = case.record(&["ssh", "-F", &sshd.config, "-tt", "box", far]);
        let run = |terminal: &mut Terminal, command: &str| {
            terminal.expect("far$ ");
            type_shown(terminal, command);
        };
        // Not what stands in the command.
        let asked = |terminal: &mut Terminal| {
            terminal.expect_match("[\r\n]Password: ");
            case.expect_no_echo(terminal);
        };
        let ask = "read -rsp 'Password: ' x; echo \" ${#x}\"";
        run(&mut terminal, "ls /etc/passwd");
        run(&mut terminal, ask);
        let first = case.secret();
        asked(&mut terminal);
        type_line(&mut terminal, &first);
        terminal.expect(" 20\r\n");
        run(&mut terminal, "date +%Y");
        // Given up in the middle.
        run(&mut terminal, ask);
        let second = case.secret();
        asked(&mut terminal);
        type_keys(&mut terminal, &second);
        terminal.send("\x03");
        run(&mut terminal, "uname -s");
        case.assert_hidden_live();
        // At once after the command, before there is a prompt: the far
        // terminal echoes that, or bash's read swallows it.
        run(&mut terminal, "echo \"and the word is passed on\"");
        run(&mut terminal, "exit");
        assert_eq!(case.finish(terminal), 0);
        let typed = case.typed("-1");
        for command in
            ["ls /etc/passwd", ask, "date +%Y", "uname -s", "and the word is passed on", "exit"]
        {
            assert!(
                typed.contains(command),
                "{command} is not kept: {typed:?}\n{}",
                case.told().join("\n")
            );
        }
    });
}
