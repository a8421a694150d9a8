//! Prompts in unlucky places: behind much output, on a narrow terminal, with
//! something else going on. At the far end of an ssh, where nothing but the
//! screen tells that there is a prompt.

use std::time::Duration;

use crate::case::{Case, THOUGHT, in_each_mode, type_keys, type_line};
use crate::remote::remote;
use crate::support::sandbox::HREC;
use crate::support::{Size, Terminal};

const READ: &str = "read -rs -p 'Password: ' got; echo";

fn answered(mode: &str, before: &str, ask: &str) {
    remote(mode, &format!("{before}\n{ask}"), |case, terminal, password| {
        case.answer(terminal, "Password: ", password);
    });
}

#[test]
fn behind_much_output() {
    in_each_mode(|mode| answered(mode, "seq 1 100000", READ));
}

#[test]
fn after_a_program_of_the_whole_screen() {
    let screen = "printf '\\e[?1049h\\e[2J\\e[5;20Hhello\\e[10;1HPassword: none\\e[?1049l'";
    in_each_mode(|mode| answered(mode, screen, READ));
}

#[test]
fn coloured_and_below_a_title() {
    let ask = "printf '\\e]0;Password: \\a\\e[1;31m\\e[2KPass\\e[0m\\e[4mword\\e[0m: '; read -rs got; echo";
    in_each_mode(|mode| {
        remote(mode, ask, |case, terminal, password| case.answer(terminal, "\x1b[0m: ", password));
    });
}

/// The whole line is drawn again for each key.
#[test]
fn drawn_again_for_each_key() {
    let ask = "printf 'Password: '; stty -echo -icanon; got=; while IFS= read -rn1 c && [ -n \"$c\" ]; do \
               got=$got$c; printf '\\r\\e[K\\e[32mPassword:\\e[0m %s' \"${got//?/*}\"; done; stty sane; echo";
    in_each_mode(|mode| answered(mode, "", ask));
}

/// As some phones do: the last character is shown for a moment.
#[test]
fn each_character_is_shown_for_a_moment() {
    let ask = "printf 'Password: '; stty -echo -icanon; got=; while IFS= read -rn1 c && [ -n \"$c\" ]; do \
               got=$got$c; printf '%s' \"$c\"; sleep 0.003; printf '\\b*'; done; stty sane; echo";
    in_each_mode(|mode| answered(mode, "", ask));
}

/// A clock in a corner goes on while the secret is typed.
#[test]
fn beside_a_clock() {
    let clock = "(for n in 1 2 3 4 5 6 7 8 9; do printf '\\e7\\e[1;70H12:00:0%s\\e8' $n; sleep 0.05; done) &";
    let ask = format!("read -rs -p 'Password: ' got; wait; echo\n# {clock}");
    in_each_mode(|mode| answered(mode, clock, &ask));
}

/// The window gets another size, and tells that it has the focus.
#[test]
fn with_another_size_and_focus() {
    in_each_mode(|mode| {
        let ask = format!("printf '\\e[?1004h'; {READ}");
        remote(mode, &ask, |case, terminal, password| {
            terminal.expect("Password: ");
            case.expect_no_echo(terminal);
            terminal.resize(Size::new(100, 30));
            terminal.watch(THOUGHT);
            let (start, end) = password.split_at(7);
            type_keys(terminal, start);
            terminal.resize(Size::new(120, 40));
            terminal.watch(THOUGHT);
            type_keys(terminal, end);
            terminal.send("\r");
        });
    });
}

#[test]
fn on_a_narrow_terminal() {
    in_each_mode(|mode| {
        let ask = "sleep 0.5; read -rs -p 'Password for user annabelle-of-the-far-end: ' got; echo";
        remote(mode, ask, |case, terminal, password| {
            terminal.resize(Size::new(13, 24));
            case.answer(terminal, "far-end: ", password);
        });
    });
}

/// A recorder in a recorder: the outer one sees only what the inner one shows.
#[test]
fn in_a_recorder_in_a_recorder() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.secret();
        let script = "read -rs -p 'Password: ' got; echo \" ${#got} characters\"; read x";
        let mut terminal = case.record(&[HREC, "rec", "--", "bash", "--norc", "-c", script]);
        ask_and_answer(&case, &mut terminal, &password);
        assert_eq!(case.finish(terminal), 0);
        assert_eq!(case.sandbox.manifests().len(), 2);
        case.assert_hidden("-1");
        case.assert_hidden("-2");
    });
}

fn ask_and_answer(case: &Case, terminal: &mut Terminal, password: &str) {
    case.answer(terminal, "Password: ", password);
    terminal.expect(" 20 characters\r\n");
    case.assert_hidden_live();
    terminal.watch(Duration::from_millis(100));
    type_line(terminal, "go on");
}
