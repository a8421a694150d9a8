//! Whether a line is a prompt for a password.
//!
//! Knows nothing of screens and typing. The phrases are facts of other
//! programs' catalogues, in `assets/password-prompts.txt`.

use std::sync::LazyLock;

use unicode_width::UnicodeWidthChar;

/// The phrases, a line each.
const PHRASES: &str = include_str!("../../../assets/password-prompts.txt");

/// Only so much of a line's end is looked at.
const LONGEST: usize = 400;

/// A phrase: its parts, between which anything may stand.
static PARSED: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
    PHRASES
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| folded(line).split('*').map(|part| part.trim().to_owned()).collect())
        .collect()
});

/// Whether the text left of the cursor ends in a prompt for a password.
pub(super) fn is_password(line: &str) -> bool {
    let start = line.char_indices().rev().nth(LONGEST - 1).map_or(0, |(at, _)| at);
    let line = folded(line.get(start..).unwrap_or_default());
    let end = line.trim_end_matches(is_after);
    if end.is_empty() {
        return false;
    }
    // "…: " and the like, without which "password for bob" is prose.
    let asks = line.trim_end_matches(is_space).ends_with([':', '：', '?', '؟', '>', '*', '•']);
    PARSED.iter().any(|parts| matches(end, parts, asks))
}

/// Whether the line ends with these parts.
fn matches(line: &str, parts: &[String], asks: bool) -> bool {
    let Some((last, before)) = parts.split_last() else { return false };
    if before.is_empty() {
        return line.strip_suffix(last.as_str()).is_some_and(is_start);
    }
    if !asks {
        return false;
    }
    let Some(mut rest) = line.strip_suffix(last.as_str()) else { return false };
    for (n, part) in before.iter().enumerate().rev() {
        // The outermost "*" may stand for all of the line's beginning.
        if part.is_empty() && n == 0 {
            return true;
        }
        let Some(at) = rest.rfind(part.as_str()) else { return false };
        rest = rest.get(..at).unwrap_or_default();
    }
    is_start(rest)
}

/// Whether a phrase may begin after this: not in the middle of a word, nor of
/// a path such as a shell's prompt shows.
fn is_start(before: &str) -> bool {
    before.chars().next_back().is_none_or(|c| {
        // Scripts without spaces between words have no middle of a word.
        c.is_whitespace() || !c.is_ascii() || !(c.is_alphanumeric() || "/~-_.".contains(c))
    })
}

fn is_space(c: char) -> bool {
    c.is_whitespace()
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
}

/// What may follow a phrase: space, punctuation, the edge of a form's field, and
/// the marks that a prompt shows for characters typed. No "$", "#" and "%": those end a shell's.
fn is_after(c: char) -> bool {
    is_space(c) || ":：;,.。…?？؟!>›▸❯*•●()[]{}（）【】|│«»\"'’”」』_-=".contains(c)
}

fn folded(text: &str) -> String {
    // Combining marks and joiners have no cell of their own on the screen that
    // the line was read from, and may be there in more than one form.
    // And a few letters are not the same again after going to upper case.
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase).filter(|c| c.width() != Some(0)) {
        match c {
            '\u{a0}' => folded.push(' '),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            'ß' => folded.push_str("ss"),
            _ => folded.push(c),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_known() {
        for line in [
            "Password: ",
            "[sudo] password for alice: ",
            "bob@db1.example.com's password: ",
            "Enter passphrase for key '/home/bob/.ssh/id_ed25519': ",
            "Password for user postgres: ",
            "Enter password: ",
            "(current) UNIX password: ",
            "Retype new password: ",
            "Retype new UNIX password: ",
            "Enter encryption key: ****",
            "Enter same key again: ",
            "Enter new password for user \"bob\": ",
            "Enter it again: ",
            "[sudo] Passwort für alice: ",
            "Passwort: ",
            "Mot de passe de alice : ",
            "[sudo] Mot de passe de alice\u{a0}: ",
            "Contraseña: ",
            "[sudo] contraseña para alice: ",
            "[sudo] alice のパスワード:",
            "パスワード：",
            "新しいパスワードを再入力してください:",
            "[sudo] пароль для alice: ",
            "[sudo] alice 的密码：",
            "密碼：",
            "Şifre: ",
            "Heslo: ",
            "[sudo] hasło użytkownika alice: ",
            "Κωδικός πρόσβασης: ",
            "[sudo] password di alice: ",
            "Senha: ",
            "Palavra-passe: ",
            "암호: ",
            "كلمة السر: ",
            "Wachtwoord: ",
            "Lösenord: ",
            "Jelszó: ",
            "alice jelszava: ",
            "AWS Secret Access Key [None]: ",
            "Verification code: ",
            "Enter passphrase (empty for no passphrase): ",
            "Passcode or option (1-3): ",
            "Enter MFA code for arn:aws:iam::1:mfa/bob: ",
            "Token (will be hidden): ",
            "Enter your password (input hidden): ",
            "Password (optional): ",
            "Password [hidden]: ",
            "? Password: › ****",
            "? Enter your password [input is hidden] ",
            "? Master password: [hidden] ",
            "Enter Sudo Password ▸ ",
            "Pass: ",
        ] {
            assert!(is_password(line), "{line}");
        }
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "$ ",
            "$ passwordless",
            "~/src/password $ ",
            "user@host ~/password> ",
            "bob@password-db:~# ",
            "login: ",
            "Username for 'https://example.com': ",
            "set a password for bob",
            "Enter the spin: ",
            "postgres=# ",
            "Continue? [y/N] ",
            "~/hidden ❯ ",
            "~/pass> ",
            "compass: ",
        ] {
            assert!(!is_password(line), "{line}");
        }
    }

    #[test]
    fn each_phrase_matches_itself() {
        for (line, parts) in PHRASES
            .lines()
            .map(|line| line.split('#').next().unwrap().trim())
            .filter(|line| !line.is_empty())
            .zip(PARSED.iter())
        {
            let prompt = format!("{}: ", line.replace('*', "xyz"));
            assert!(is_password(&prompt), "{prompt} {parts:?}");
            assert!(is_password(&prompt.to_uppercase()), "{prompt} {parts:?}");
        }
    }
}
