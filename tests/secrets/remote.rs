//! Over a real ssh: the local terminal is raw all the time, and only what it
//! shows tells a secret from a command.

use crate::account::{Account, USER};
use crate::case::{Case, in_each_mode, type_keys, type_line, type_shown};
use crate::support::Terminal;
use crate::support::sshd::Sshd;

/// Logs in as the user of [`Account`] with their password.
fn login(mode: &str, method: &str, settings: &str) {
    let case = Case::new(mode);
    let password = case.secret();
    let account = Account::new(&case.sandbox, &password);
    let sshd = Sshd::start_in(&case.sandbox, &account.inside(), settings);
    let target = format!("{USER}@box");
    let method = format!("PreferredAuthentications={method}");
    let mut terminal = case.record(&[
        "ssh",
        "-F",
        &sshd.config,
        "-oBatchMode=no",
        "-o",
        &method,
        "-tt",
        &target,
        "echo here I am: $(id -un); read x",
    ]);
    // A mistake first: it is often the password of something else.
    let wrong = case.secret();
    case.answer(&mut terminal, "assword: ", &wrong);
    case.answer(&mut terminal, "assword: ", &password);
    terminal.expect(format!("here I am: {USER}\r\n"));
    case.assert_hidden_live();
    terminal.send("go on\r");
    assert_eq!(case.finish(terminal), 0);
}

#[test]
fn password_login() {
    in_each_mode(|mode| login(mode, "password", "PasswordAuthentication yes\n"));
}

#[test]
fn keyboard_interactive_login() {
    let settings = "UsePAM yes\nKbdInteractiveAuthentication yes\n";
    in_each_mode(|mode| login(mode, "keyboard-interactive", settings));
}

#[test]
fn passphrase_of_a_key() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.secret();
        let sshd = Sshd::start(&case.sandbox);
        let key = case.sandbox.path("user_key").display().to_string();
        // The passphrase is an argument here, of a program that is not recorded.
        let locked = case
            .sandbox
            .run(&["ssh-keygen", "-q", "-p", "-a", "1", "-f", &key, "-N", &password], b"");
        assert!(locked.status.success(), "{locked:?}");
        let mut terminal = case.record(&[
            "ssh",
            "-F",
            &sshd.config,
            "-oBatchMode=no",
            "-tt",
            "box",
            "echo here I am; read x",
        ]);
        case.answer(&mut terminal, "Enter passphrase for key ", &password);
        terminal.expect("here I am\r\n");
        case.assert_hidden_live();
        terminal.send("go on\r");
        assert_eq!(case.finish(terminal), 0);
    });
}

/// A script at the far end asks; `got` is what it read. The test's program
/// says a digest of it, and what follows is an ordinary question.
pub fn remote(mode: &str, ask: &str, talk: impl Fn(&Case, &mut Terminal, &str)) {
    let case = Case::new(mode);
    let password = case.secret();
    let sshd = Sshd::start(&case.sandbox);
    let digest = case.sandbox.run(&["sha256sum"], password.as_bytes()).text()[..64].to_owned();
    let script = format!(
        "{ask}\n[ \"$(printf %s \"$got\" | sha256sum | cut -c1-64)\" = {digest} ] && echo it is right\n\
         read -p 'And a name? ' x; echo \"hello, $x.\""
    );
    let file = case.sandbox.file("ask.sh", script);
    let remote = format!("LC_ALL=C.UTF-8 exec bash --norc {file}");
    let mut terminal = case.record(&["ssh", "-F", &sshd.config, "-tt", "box", &remote]);
    talk(&case, &mut terminal, &password);
    terminal.expect("it is right\r\n");
    case.assert_hidden_live();
    terminal.expect("And a name? ");
    type_shown(&mut terminal, "Annabelle");
    terminal.expect("hello, Annabelle.");
    assert_eq!(case.finish(terminal), 0);
    // What was asked next, and shown, is kept.
    let typed = case.typed("-1");
    assert!(
        typed.contains("Annabelle"),
        "(input = {mode}) kept as typed: {typed:?}\n{}",
        case.told().join("\n")
    );
}

#[test]
fn read_s() {
    in_each_mode(|mode| {
        remote(mode, "read -rs -p 'Password: ' got; echo", |case, terminal, password| {
            case.answer(terminal, "Password: ", password);
        });
    });
}

/// What a program shows instead of a character: asterisks, or the cursor
/// moves, or a mark comes and goes.
#[test]
fn marks_for_characters() {
    let marks = ["*", "\\xe2\\x80\\xa2", "\\033[C", "*\\b \\b"];
    let ask: String = marks
        .iter()
        .map(|mark| {
            format!(
                "printf 'Password: '; stty -echo -icanon; got=; while IFS= read -rn1 c && [ -n \"$c\" ]; do \
                 got=$got$c; printf '{mark}'; done; stty sane; echo\n"
            )
        })
        .collect();
    in_each_mode(|mode| {
        remote(mode, &ask, |case, terminal, password| {
            for _ in marks.iter().skip(1) {
                case.answer(terminal, "Password: ", &case.secret());
            }
            case.answer(terminal, "Password: ", password);
        });
    });
}

/// The prompt comes in two packets, with a delay, in the middle of a word.
#[test]
fn a_prompt_in_two_pieces() {
    in_each_mode(|mode| {
        let ask = "printf '[sudo] passw'; sleep 0.4; printf 'ord for me:'; sleep 0.2; printf ' '; read -rs got; echo";
        remote(mode, ask, |case, terminal, password| {
            case.answer(terminal, "ord for me: ", password);
        });
    });
}

#[test]
fn prompts_in_other_languages() {
    let prompts = [
        "[sudo] Passwort für alice: ",
        "Mot de passe\u{a0}: ",
        "Contraseña para usuario postgres: ",
        "[sudo] alice のパスワード:",
        "[sudo] пароль для alice: ",
        "密码：",
        "Hasło: ",
        "كلمة السر: ",
        "Κωδικός πρόσβασης: ",
        "암호: ",
    ];
    // One session for all of them: the digest is that of the last.
    let ask: String = prompts.map(|p| format!("read -rs -p '{p}' got; echo\n")).concat();
    in_each_mode(|mode| {
        remote(mode, &ask, |case, terminal, password| {
            for (n, prompt) in prompts.iter().enumerate() {
                let last = n + 1 == prompts.len();
                let secret = if last { password.to_owned() } else { case.secret() };
                case.answer(terminal, prompt, &secret);
            }
        });
    });
}

/// Fast hands type before there is a prompt. The far end's terminal still
/// echoes then, which is what a person would see without hrec too: only what
/// comes after the prompt is hidden.
#[test]
fn typed_before_the_prompt() {
    in_each_mode(|mode| {
        let ask = "stty -echo; printf 'ready\\n'; sleep 0.7; read -rs -p 'Password: ' got; stty echo; echo";
        if mode == "full" {
            // Nothing says that this is a secret when it is typed but a
            // terminal far away; "full" keeps it, as it says.
            return;
        }
        remote(mode, ask, |_, terminal, password| {
            terminal.expect("ready\r\n");
            let (early, late) = password.split_at(8);
            type_keys(terminal, early);
            terminal.expect("Password: ");
            type_line(terminal, late);
        });
    });
}

/// Echo is late, as over a bad line: the far end's answer comes when the
/// secret has long been typed.
#[test]
fn a_slow_line() {
    in_each_mode(|mode| {
        let ask = "read -rs -p 'Password: ' got; sleep 1.5; echo";
        remote(mode, ask, |case, terminal, password| case.answer(terminal, "Password: ", password));
    });
}
