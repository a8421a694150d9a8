//! Secrets that give themselves away in running text: by a name before them,
//! by their place in a URI, or by their shape.
//!
//! Knows nothing of programs. Each function is one linear pass. Its invariant:
//! text without anything secret comes back unchanged.

use super::MASK;

/// Parts of a name, with `-`, `_` and `.` taken out, that make it a secret's.
const IN_NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "encryptionkey",
    "masterkey",
    "signingkey",
    "sharedkey",
    "accountkey",
    "authkey",
    "credential",
    "authorization",
    "cookie",
    "sessionid",
    "sessid",
    "signature",
    "bearer",
    "connectionstring",
    "mysqlpwd",
    "userpwd",
    "sshpass",
];

/// Last parts of a name (`DB_PASS`, `aws.key`) that do.
const AT_END: &[&str] = &[
    "pass",
    "pwd",
    "pw",
    "auth",
    "key",
    "sig",
    "pat",
    "psk",
    "pin",
    "jwt",
    "otp",
    "hmac",
    "creds",
    "salt",
    "requirepass",
    "masterauth",
];

/// Last parts that undo it: the name is of a place where the secret is.
const PLACES: &[&str] = &["file", "path", "dir", "stdin", "keyfile", "passwordfile", "helper"];

/// Whether `name` (of an option, a variable, a setting) is a secret's.
pub(super) fn is_secret_name(name: &str) -> bool {
    let lower = name.trim_start_matches(['-', '.', '_']).to_ascii_lowercase();
    let last = lower.rsplit(['-', '_', '.']).next().unwrap_or_default();
    // `--no-password` asks for none.
    if PLACES.contains(&last) || lower.starts_with("no-") || lower.ends_with("-prompt") {
        return false;
    }
    let run: String = lower.chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect();
    AT_END.contains(&last)
        || run.ends_with("pass")
        || IN_NAMES.iter().any(|part| run.contains(part))
}

/// Schemes in which `scheme://name@host` names a user; in all others what is
/// before the `@` may be a token.
const USER_SCHEMES: &[&str] = &[
    "ssh",
    "sftp",
    "scp",
    "git+ssh",
    "rsync",
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "mongodb",
    "mongodb+srv",
    "ldap",
    "ldaps",
    "rdp",
    "vnc",
    "telnet",
    "ftp",
    "smb",
];

/// Hides the passwords of `scheme://user:password@host`.
pub(super) fn uris(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        // To the last @ before white space: a password may hold @, / and ?.
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let (uri, tail) = after.split_at(end);
        let Some((userinfo, host)) = uri.rsplit_once('@') else {
            rest = after;
            continue;
        };
        let scheme = before
            .rsplit(|c: char| !(c.is_ascii_alphanumeric() || "+.-".contains(c)))
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        rest = tail;
        // Either the password holds a ?, or the query an @: in both cases what
        // is behind the @ may be a secret's tail.
        if userinfo.contains(['?', '#']) {
            out.push_str(MASK);
            continue;
        }
        match userinfo.split_once(':') {
            Some((user, _)) => {
                out.push_str(user);
                out.push(':');
                out.push_str(MASK);
            }
            None if USER_SCHEMES.contains(&scheme.as_str()) => {
                out.push_str(userinfo.split(';').next().unwrap_or_default());
            }
            None => out.push_str(MASK),
        }
        out.push('@');
        out.push_str(host);
    }
    out.push_str(rest);
    out
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Hides the value after a secret's name: `password=x`, `"token": "x"`,
/// `Authorization: Bearer x`, SQL's `PASSWORD 'x'` and `IDENTIFIED BY 'x'`.
pub(super) fn pairs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // The name before this one, for IDENTIFIED BY.
    let mut identified = false;
    while let Some(start) = rest.find(in_name) {
        let (before, from) = rest.split_at(start);
        let (name, after) = from.split_at(from.find(|c| !in_name(c)).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(name);
        rest = after;
        identified |= name.eq_ignore_ascii_case("identified");
        let quote = before.chars().next_back().filter(|c| matches!(c, '"' | '\''));
        if let Some((kept, tail)) = value_after(name, quote, identified, after) {
            out.push_str(kept);
            out.push_str(MASK);
            rest = tail;
        }
    }
    out.push_str(rest);
    out
}

/// What to keep of `after` before the secret, and what comes behind it.
fn value_after<'a>(
    name: &str,
    quote: Option<char>,
    identified: bool,
    after: &'a str,
) -> Option<(&'a str, &'a str)> {
    let scheme = ["bearer", "basic", "digest", "negotiate", "apikey"]
        .iter()
        .any(|scheme| name.eq_ignore_ascii_case(scheme));
    let by = identified && ["by", "as", "using"].iter().any(|w| name.eq_ignore_ascii_case(w));
    if !scheme && !by && !is_secret_name(name) {
        return None;
    }
    // The rest of a quoted or bracketed name: `"token"`, `user[password]`.
    let past_name = after.trim_start_matches(['"', '\'', ']', '\\']);
    let closed = past_name.len() < after.len();
    let spaced = past_name.trim_start();
    let value = match spaced.chars().next()? {
        '=' | ':' => spaced.trim_start_matches(['=', ':', '>']).trim_start_matches([' ', '\t']),
        _ if closed => return None,
        // SQL: only what is quoted.
        '\'' | '"' | '$' if spaced.len() < past_name.len() => spaced,
        // `Bearer x`, `--password x`.
        _ if spaced.len() < past_name.len() && (scheme || name.starts_with("--")) => spaced,
        _ => return None,
    };
    let colon = spaced.starts_with(':');
    let kept = after.get(..after.len() - value.len())?;
    if value.is_empty() || value.starts_with(MASK) {
        return None;
    }
    let length = match value.chars().next()? {
        q @ ('"' | '\'') => 1 + value.get(1..).map_or(0, |inner| closing(inner, q)),
        // An escaped quote: text inside text inside text.
        '\\' => value.len(),
        // A header's value has spaces in it.
        _ if colon && !closed => {
            value.find(|c: char| c == '\n' || Some(c) == quote).unwrap_or(value.len())
        }
        _ => unquoted(value),
    };
    value.get(length..).map(|tail| (kept, tail))
}

/// The length up to and with the closing quote; all of it where there is none.
/// A doubled quote (SQL) and an escaped one do not close.
fn closing(inner: &str, quote: char) -> usize {
    let mut chars = inner.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => _ = chars.next(),
                _ => return at + c.len_utf8(),
            }
        }
    }
    inner.len()
}

/// The length up to white space that is not escaped. Not up to `&` or `,`: a
/// password may hold them, and better the rest of a query string be hidden.
fn unquoted(value: &str) -> usize {
    let mut chars = value.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c.is_whitespace() {
            return at;
        }
    }
    value.len()
}

/// Keys that say what they are: how they begin, and how many characters of
/// `[A-Za-z0-9_-]` (and `.` where it says so) they have at least.
const SHAPES: &[(&str, usize)] = &[
    ("AKIA", 20),
    ("ASIA", 20),
    ("ABIA", 20),
    ("ACCA", 20), // AWS
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("gldt-", 16),
    ("glrt-", 16),
    ("glsa_", 20), // GitLab, Grafana
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xoxa-", 16),
    ("xoxr-", 16),
    ("xoxs-", 16),
    ("xapp-", 16),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("pk_live_", 16),
    ("whsec_", 16),
    ("sk-ant-", 16),
    ("sk-proj-", 16),
    ("hf_", 24),
    ("r8_", 24),
    ("AIza", 35),
    ("ya29.", 20),
    ("GOCSPX-", 16), // Google
    ("hvs.", 16),
    ("hvb.", 16),
    ("hvr.", 16), // Vault
    ("npm_", 24),
    ("pypi-", 24),
    ("dop_v1_", 24),
    ("doo_v1_", 24),
    ("shpat_", 24),
    ("SG.", 32),
    ("eyJ", 24), // a JSON Web Token: base64 of {"
    ("AGE-SECRET-KEY-", 20),
    ("dapi", 32),
    ("ATATT3", 24),
    ("lin_api_", 24),
    ("tskey-", 16),
    ("pscale_", 24),
    ("PMAK-", 24),
    ("sha256~", 24), // the last is OpenShift's
];

fn in_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '~' | '+' | '/' | '=')
}

/// Replaces the runs of token characters that `secret` says are secrets.
fn runs(text: &str, secret: impl Fn(&str) -> Option<usize>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(in_token) {
        let (before, from) = rest.split_at(start);
        let (run, after) = from.split_at(from.find(|c| !in_token(c)).unwrap_or(from.len()));
        out.push_str(before);
        match secret(run) {
            Some(kept) => {
                out.push_str(run.get(..kept).unwrap_or_default());
                out.push_str(MASK);
            }
            None => out.push_str(run),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Hides keys of well-known shapes, and whole private keys.
pub(super) fn shapes(text: &str) -> String {
    if text.contains("PRIVATE KEY") {
        return MASK.to_owned();
    }
    runs(text, |run| {
        SHAPES.iter().find_map(|(begin, length)| {
            let at = run.find(begin)?;
            let boundary =
                run.get(..at)?.chars().next_back().is_none_or(|c| !c.is_ascii_alphanumeric());
            (boundary && run.len() - at >= *length).then_some(at)
        })
    })
}

/// Hides what looks random: 32 characters or more of one word that mix upper
/// case, lower case and digits, or are all hexadecimal; and the 40 of an AWS
/// secret key, which may hold slashes.
pub(super) fn guesses(text: &str) -> String {
    let mixed = |part: &str| {
        part.bytes().any(|b| b.is_ascii_digit())
            && part.bytes().any(|b| b.is_ascii_lowercase())
            && part.bytes().any(|b| b.is_ascii_uppercase())
    };
    runs(text, |run| {
        if run.len() == 40 && mixed(run) && !run.starts_with(['/', '.', '~']) {
            return Some(0);
        }
        let mut at = 0;
        for part in run.split(['/', '=']) {
            let bare = part.trim_matches(['-', '.', '_']);
            let hex = bare.bytes().all(|b| b.is_ascii_hexdigit());
            if bare.len() >= 32 && (hex || mixed(bare)) {
                return Some(at);
            }
            at += part.len() + 1;
        }
        None
    })
}

/// A shell word inside of a longer text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: usize,
    pub end: usize,
    /// Without its quotes.
    pub word: String,
}

/// The words of a text as a POSIX shell splits them, operators being
/// separators too. A quote that is never closed goes to the end.
pub(super) fn shell_words(text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open: Option<Span> = None;
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let separates =
            c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '`' | '<' | '>');
        if quote.is_none() && separates {
            spans.extend(open.take());
            continue;
        }
        let span = open.get_or_insert_with(|| Span { start: at, end: at, word: String::new() });
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None | Some('"'), '\\') => {
                if let Some((at, next)) = chars.next() {
                    span.word.push(next);
                    span.end = at + next.len_utf8();
                    continue;
                }
            }
            _ => span.word.push(c),
        }
        span.end = at + c.len_utf8();
    }
    spans.extend(open);
    spans
}
