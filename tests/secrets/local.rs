//! Programs on this machine that turn echo off.

use crate::account::{Account, USER};
use crate::case::{Case, in_each_mode, type_keys};
use crate::support::{Terminal, tool};

/// The real program asks the user of [`Account`] for their password.
fn asked(mode: &str, program: &[&str], talk: impl Fn(&Case, &mut Terminal, &str)) {
    let case = Case::new(mode);
    let password = case.secret();
    let account = Account::new(&case.sandbox, &password);
    let mut argv = account.as_user();
    argv.extend(program);
    let mut terminal = case.record(&argv);
    talk(&case, &mut terminal, &password);
    assert_eq!(case.finish(terminal), 0);
}

#[test]
fn sudo() {
    in_each_mode(|mode| {
        asked(mode, &["sudo", "sh", "-c", "id -u; read x"], |case, terminal, password| {
            // Once wrong, as it happens: a wrong password is a secret too.
            let wrong = case.secret();
            case.answer(terminal, &format!("password for {USER}: "), &wrong);
            terminal.expect("Sorry, try again.");
            case.answer(terminal, &format!("password for {USER}: "), password);
            terminal.expect("\n0\r\n");
            case.assert_hidden_live();
            terminal.send("go on\r");
        });
    });
}

/// A rule may have sudo show an asterisk for each character.
#[test]
fn sudo_with_asterisks() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.secret();
        let account = Account::new(&case.sandbox, &password);
        let sudoers = case.sandbox.path("etc/sudoers");
        let rules = std::fs::read_to_string(&sudoers).expect("sudoers");
        std::fs::write(&sudoers, format!("{rules}Defaults pwfeedback\n")).expect("sudoers");
        let mut argv = account.as_user();
        argv.extend(["sudo", "sh", "-c", "id -u; read x"]);
        let mut terminal = case.record(&argv);
        case.answer(&mut terminal, &format!("password for {USER}: "), &password);
        terminal.expect("****");
        terminal.expect("\n0\r\n");
        case.assert_hidden_live();
        terminal.send("go on\r");
        assert_eq!(case.finish(terminal), 0);
    });
}

#[test]
fn su() {
    in_each_mode(|mode| {
        asked(mode, &["su", USER, "-c", "id -un; read x"], |case, terminal, password| {
            case.answer(terminal, "Password: ", password);
            terminal.expect(format!("{USER}\r\n"));
            case.assert_hidden_live();
            terminal.send("go on\r");
        });
    });
}

#[test]
fn passwd() {
    in_each_mode(|mode| {
        asked(mode, &["passwd"], |case, terminal, password| {
            let new = case.secret();
            case.answer(terminal, "Current password: ", password);
            case.answer(terminal, "New password: ", &new);
            case.answer(terminal, "Retype new password: ", &new);
            terminal.expect("password updated successfully");
        });
    });
}

/// A program that asks for a secret and says whether it got it.
fn told_apart(mode: &str, program: &[&str], prompt: &str) {
    let case = Case::new(mode);
    let password = case.secret();
    // The program knows a digest of it, so that no file has it.
    let digest =
        case.sandbox.run(&["sh", "-c", "printf %s \"$(cat)\" | sha256sum"], password.as_bytes());
    let digest = digest.text()[..64].to_owned();
    let mut argv = program.to_vec();
    argv.push(&digest);
    let mut terminal = case.record(&argv);
    case.answer(&mut terminal, prompt, &password);
    terminal.expect("it is right\r\n");
    case.assert_hidden_live();
    terminal.send("go on\r");
    assert_eq!(case.finish(terminal), 0);
}

#[test]
fn pythons_getpass() {
    let program = "import getpass, hashlib, sys\n\
                   got = getpass.getpass()\n\
                   if hashlib.sha256(got.encode()).hexdigest() == sys.argv[1]: print('it is right')\n\
                   input()\n";
    in_each_mode(|mode| told_apart(mode, &["python3", "-c", program], "Password: "));
}

const COMPARE: &str =
    "[ \"$(printf %s \"$got\" | sha256sum | cut -c1-64)\" = \"$1\" ] && echo it is right; read x";

#[test]
fn bashs_read_s() {
    let program = format!("read -rs -p 'Say it: ' got; {COMPARE}");
    in_each_mode(|mode| told_apart(mode, &["bash", "-c", &program, "bash"], "Say it: "));
}

/// A prompt of nothing at all: the local terminal says enough.
#[test]
fn dash_without_echo() {
    let program = format!("stty -echo; echo ready; read -r got; stty echo; echo; {COMPARE}");
    in_each_mode(|mode| told_apart(mode, &["dash", "-c", &program, "dash"], "ready\r\n"));
}

#[test]
fn openssls_passphrase() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.secret();
        let mut terminal = case.record(&[
            "openssl",
            "enc",
            "-aes-256-cbc",
            "-pbkdf2",
            "-in",
            "/dev/null",
            "-out",
            "sealed",
        ]);
        case.answer(&mut terminal, "password:", &password);
        case.answer(&mut terminal, "password:", &password);
        assert_eq!(case.finish(terminal), 0);
        let opened = case.sandbox.run(
            &["openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-in", "sealed", "-pass", "stdin"],
            password.as_bytes(),
        );
        assert!(opened.status.success(), "{opened:?}");
    });
}

#[test]
fn age_p() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.secret();
        let mut terminal = case.record(&["age", "-p", "-o", "sealed", "/dev/null"]);
        case.answer(&mut terminal, "Enter passphrase", &password);
        case.answer(&mut terminal, "Confirm passphrase", &password);
        assert_eq!(case.finish(terminal), 0);
    });
}

/// The passphrase of an ssh key, given when it is made.
#[test]
fn ssh_keygens_passphrase() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.secret();
        let mut terminal =
            case.record(&["ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-f", "key"]);
        case.answer(&mut terminal, "(empty for no passphrase): ", &password);
        case.answer(&mut terminal, "Enter same passphrase again: ", &password);
        assert_eq!(case.finish(terminal), 0);
        let mut terminal = case.record(&["ssh-keygen", "-y", "-f", "key"]);
        case.answer(&mut terminal, "Enter passphrase: ", &password);
        terminal.expect("ssh-ed25519 ");
        assert_eq!(case.finish(terminal), 0);
    });
}

/// gpg has another program ask, which draws a form over the screen.
#[test]
fn gpgs_pinentry() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.secret();
        let home = case.sandbox.path("home/.gnupg");
        std::fs::create_dir(&home).expect("a directory");
        std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .expect("gpg wants it closed");
        let pinentry = tool("pinentry-curses").display().to_string();
        std::fs::write(home.join("gpg-agent.conf"), format!("pinentry-program {pinentry}\n"))
            .expect("a file");
        let script = "export GPG_TTY=$(tty); echo hello | gpg --symmetric --no-symkey-cache --s2k-count 1024 -o sealed; \
                      gpgconf --kill gpg-agent";
        let mut terminal = case.record(&["sh", "-c", script]);
        for _ in 0..2 {
            terminal.expect("Passphrase: ");
            case.expect_no_echo(&mut terminal);
            type_keys(&mut terminal, &password);
            terminal.expect_screen("a mark for each character", |screen| {
                screen.iter().any(|line| line.contains(&"*".repeat(password.len())))
            });
            terminal.send("\r");
        }
        assert_eq!(case.finish(terminal), 0);
        assert!(case.sandbox.work().join("sealed").exists(), "gpg made nothing of it");
    });
}
