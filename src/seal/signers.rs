//! Whose signatures are trusted: OpenSSH's own `allowed_signers` form
//! (ALLOWED SIGNERS in `ssh-keygen(1)`), and keys that were revoked.
//!
//! Its invariant: what `ssh-keygen -Y verify` refuses is refused here too. A
//! line that is not understood vouches for nobody.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::key::PublicKey;
use super::ledger::Known;
use super::sshsig::SshSig;

/// Trusted and revoked keys.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    lines: Vec<Line>,
    revoked: Vec<Vec<u8>>,
    /// Lines that were not understood, with where they are.
    pub remarks: Vec<String>,
}

#[derive(Clone, Debug)]
struct Line {
    principals: String,
    authority: bool,
    namespaces: Option<String>,
    after: Option<u64>,
    before: Option<u64>,
    key: PublicKey,
}

/// Who signed, as a list says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// The principal: for a certificate, the one that it is for.
    pub by: String,
    /// Fingerprint of the key that the list has.
    pub key: String,
    /// The key id of the certificate, where one stands between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// Why a signature is not one that can be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not over this text.
    Wrong(String),
    /// Nobody vouches for the key.
    Unknown(String),
}

impl Signers {
    /// Takes in a file in the form of `allowed_signers`; `name` is for remarks.
    pub fn add(&mut self, name: &str, text: &str) {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match Line::parse(line) {
                Some(line) => self.lines.push(line),
                None => self.remarks.push(format!(
                    "{name}:{}: the line is not understood and vouches for nobody",
                    number + 1
                )),
            }
        }
    }

    /// Takes in a list of revoked keys, a public key a line.
    pub fn revoke(&mut self, name: &str, text: &str) {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match PublicKey::from_line(line) {
                Some((key, _)) => self.revoked.push(key.plain().to_owned()),
                None => self.remarks.push(format!(
                    "{name}:{}: the line is no public key and revokes nothing",
                    number + 1
                )),
            }
        }
    }

    /// Whether there is anybody to trust.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The ed25519 keys that a line trusts for `namespace`, also those that it
    /// does not any more; not those that were revoked.
    #[must_use]
    pub fn ed25519(&self, namespace: &str) -> Vec<Known> {
        let trusted = |line: &&Line| {
            let namespaces = line.namespaces.as_deref();
            !line.authority
                && line.key.kind() == "ssh-ed25519"
                && namespaces.is_none_or(|list| matches_list(list, namespace))
                && !self.revoked.iter().any(|revoked| revoked == line.key.plain())
        };
        let known = |line: &Line| {
            let key = *line.key.plain().last_chunk::<32>()?;
            Some(Known { key, until: line.before })
        };
        self.lines.iter().filter(trusted).filter_map(known).collect()
    }

    /// Whether any line has this key, or its certificate's authority.
    #[must_use]
    pub fn mention(&self, key: &PublicKey) -> bool {
        let authority = key.certificate().map(|certificate| certificate.authority.as_slice());
        self.lines
            .iter()
            .any(|line| line.key.plain() == key.plain() || Some(line.key.plain()) == authority)
    }

    /// Whether a line trusts what this key signs for `namespace`, or, with
    /// `authority`, what keys sign that it has certified; at any time.
    #[must_use]
    pub fn trust(&self, key: &PublicKey, namespace: &str, authority: bool) -> bool {
        self.lines.iter().any(|line| {
            let namespaces = line.namespaces.as_deref();
            line.authority == authority
                && line.key.plain() == key.plain()
                && namespaces.is_none_or(|list| matches_list(list, namespace))
        })
    }

    /// Who signed `message` for `namespace`, where the list vouches for them
    /// at `time` (seconds since 1970).
    ///
    /// # Errors
    /// Why it cannot be relied on.
    pub fn check(
        &self,
        signature: &SshSig,
        namespace: &str,
        message: &[u8],
        time: u64,
    ) -> Result<Signed, Refused> {
        if signature.namespace != namespace {
            return Err(Refused::Wrong(format!(
                "it is for {}, not for {namespace}",
                signature.namespace
            )));
        }
        let key = &signature.key;
        let certificate = key.certificate();
        let authority = certificate.map(|certificate| certificate.authority.as_slice());
        if self.revoked.iter().any(|r| r == key.plain() || Some(r.as_slice()) == authority) {
            return Err(Refused::Unknown(format!("its key {} is revoked", key.fingerprint())));
        }
        let mut why = None;
        for line in self.lines.iter().filter(|line| line.is_about(key)) {
            // First what does not depend on when and for what.
            if certificate.is_some_and(|certificate| !certificate.is_genuine()) {
                return Err(Refused::Wrong("its certificate is not its authority's".to_owned()));
            }
            if !signature.verifies(namespace, message) {
                return Err(Refused::Wrong("it does not belong to this manifest".to_owned()));
            }
            match line.vouches(key, namespace, time) {
                Ok(by) => {
                    let certificate = certificate.map(|certificate| certificate.id.clone());
                    return Ok(Signed { by, key: line.key.fingerprint(), certificate });
                }
                Err(reason) => why = Some(reason),
            }
        }
        let what = match certificate {
            Some(certificate) => {
                let authority = PublicKey::from_blob(&certificate.authority);
                let authority = authority.map_or_else(String::new, |key| key.fingerprint());
                format!(
                    "nobody in allowed_signers vouches for the authority {authority} of its certificate"
                )
            }
            None => format!("nobody in allowed_signers vouches for its key {}", key.fingerprint()),
        };
        Err(Refused::Unknown(why.unwrap_or(what)))
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let (principals, rest) = word(line)?;
        let mut parsed = Self {
            principals,
            authority: false,
            namespaces: None,
            after: None,
            before: None,
            // Replaced below.
            key: PublicKey::from_line(rest).map(|(key, _)| key).or_else(|| {
                let (_, key) = word(rest)?;
                PublicKey::from_line(key).map(|(key, _)| key)
            })?,
        };
        if PublicKey::from_line(rest).is_none() {
            let (options, _) = word_with_quotes(rest)?;
            for option in split_options(options) {
                parsed.option(option)?;
            }
        }
        // OpenSSH takes no certificate here.
        parsed.key.certificate().is_none().then_some(parsed)
    }

    fn option(&mut self, option: &str) -> Option<()> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.strip_prefix('"')?.strip_suffix('"')?)),
            None => (option, None),
        };
        match (name.to_ascii_lowercase().as_str(), value) {
            ("cert-authority", None) => self.authority = true,
            ("namespaces", Some(list)) => self.namespaces = Some(list.to_owned()),
            ("valid-after", Some(time)) => self.after = Some(timestamp(time)?),
            ("valid-before", Some(time)) => self.before = Some(timestamp(time)?),
            _ => return None,
        }
        Some(())
    }

    /// Whether it names this key, or the authority of its certificate.
    fn is_about(&self, key: &PublicKey) -> bool {
        match key.certificate() {
            Some(certificate) => self.authority && self.key.plain() == certificate.authority,
            None => !self.authority && self.key.plain() == key.plain(),
        }
    }

    /// The principal for whom it vouches, or why it does not.
    fn vouches(&self, key: &PublicKey, namespace: &str, time: u64) -> Result<String, String> {
        let by = match key.certificate() {
            None => self.principals.clone(),
            Some(certificate) => {
                if !certificate.is_valid_at(time) {
                    return Err("its certificate was not valid then".to_owned());
                }
                let mut principals = certificate.principals.iter();
                match principals.find(|principal| matches_list(&self.principals, principal)) {
                    Some(principal) => principal.clone(),
                    None => {
                        return Err(format!("its certificate is for none of {}", self.principals));
                    }
                }
            }
        };
        if self.namespaces.as_ref().is_some_and(|list| !matches_list(list, namespace)) {
            return Err(format!("its key may not sign for {namespace}"));
        }
        let early = self.after.is_some_and(|after| time < after);
        if early || self.before.is_some_and(|before| time >= before) {
            let when = if early { "not yet" } else { "no longer" };
            return Err(format!("its key {} was {when} trusted then", self.key.fingerprint()));
        }
        Ok(by)
    }
}

/// The first word, which may be in double quotes, and what follows it.
fn word(text: &str) -> Option<(String, &str)> {
    let (word, rest) = word_with_quotes(text)?;
    Some((word.trim_matches('"').to_owned(), rest))
}

/// The same with its quotes: white space within them is part of the word.
fn word_with_quotes(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    let end = text.char_indices().find(|&(_, c)| {
        match c {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        !quoted && (c == ' ' || c == '\t')
    });
    let (word, rest) = text.split_at_checked(end?.0)?;
    Some((word, rest.trim_start()))
}

/// Options are separated by commas outside of quotes.
fn split_options(text: &str) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        if c == '"' {
            quoted = !quoted;
        }
        c == ',' && !quoted
    })
    .collect()
}

/// OpenSSH's pattern lists: `a*,!ab?`. A negated match decides.
fn matches_list(list: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern.as_bytes(), text.as_bytes()) => return false,
            None if matches(pattern.as_bytes(), text.as_bytes()) => found = true,
            _ => {}
        }
    }
    found
}

/// `*` and `?`, in time proportional to the product of the lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Which prefixes of the text the pattern so far matches.
    let mut now = vec![false; text.len() + 1];
    if let Some(empty) = now.first_mut() {
        *empty = true;
    }
    for &p in pattern {
        let mut next = vec![false; text.len() + 1];
        let mut any = false;
        for (at, slot) in next.iter_mut().enumerate() {
            let here = now.get(at).copied().unwrap_or(false);
            any |= here;
            *slot = match p {
                b'*' => any,
                _ => at.checked_sub(1).is_some_and(|before| {
                    now.get(before).copied().unwrap_or(false)
                        && (p == b'?' || text.get(before) == Some(&p))
                }),
            };
        }
        now = next;
    }
    now.last().copied().unwrap_or(false)
}

/// `YYYYMMDD[Z]` or `YYYYMMDDHHMM[SS][Z]`; without `Z` in the local zone.
fn timestamp(text: &str) -> Option<u64> {
    let (digits, zone) = match text.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, TimeZone::UTC),
        None => (text, crate::sys::clock::zone()),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 8 | 12 | 14) {
        return None;
    }
    let number =
        |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |d| d.parse::<i8>().ok());
    let year: i16 = digits.get(..4)?.parse().ok()?;
    let time = DateTime::new(
        year,
        number(4, 6)?,
        number(6, 8)?,
        number(8, 10)?,
        number(10, 12)?,
        number(12, 14)?,
        0,
    );
    u64::try_from(time.ok()?.to_zoned(zone).ok()?.timestamp().as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_openssh_s() {
        for (list, text, want) in [
            ("ann@host", "ann@host", true),
            ("*", "", true),
            ("a*,!ab?", "abc", false),
            ("a*,!ab?", "abcd", true),
            ("*@example.com", "x@example.org", false),
            ("?", "", false),
            ("!x", "y", false),
            ("a*b*c", "aXXbXXc", true),
        ] {
            assert_eq!(matches_list(list, text), want, "{list} {text}");
        }
    }

    #[test]
    fn times_are_openssh_s() {
        assert_eq!(timestamp("19700102Z"), Some(86_400));
        assert_eq!(timestamp("197001020001Z"), Some(86_460));
        assert_eq!(timestamp("19700102000102z"), Some(86_462));
        for bad in ["1970", "19700102T", "19701302Z", "1970010200010", "é9700102"] {
            assert_eq!(timestamp(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_are_read_with_all_their_options() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH4RQPo+zyiTqCR4j4LBQWtEYcRJDkRcn6oZY/wrSk5I";
        let mut signers = Signers::default();
        signers.add(
            "list",
            &format!(
                "# none\n\na@h {key}\n\"b@h,c@h\" cert-authority,namespaces=\"x,y z\",valid-before=\"20270101Z\" {key} me\n\
                 d unheard-of {key}\ne valid-after=\"soon\" {key}\nf ssh-ed25519 AAAA\n"
            ),
        );
        assert_eq!(signers.lines.len(), 2);
        assert_eq!(signers.lines[1].principals, "b@h,c@h");
        assert!(signers.lines[1].authority && signers.lines[1].before.is_some());
        assert_eq!(signers.lines[1].namespaces.as_deref(), Some("x,y z"));
        assert_eq!(signers.remarks.len(), 3);
        assert!(signers.remarks[0].starts_with("list:5:"), "{:?}", signers.remarks);
    }

    #[test]
    fn the_authority_must_be_one() {
        let text = include_str!("testdata/hello.sig");
        let signature = SshSig::parse(text).unwrap();
        let certificate = signature.key.certificate().unwrap();
        let authority = PublicKey::from_blob(&certificate.authority).unwrap().line();
        let check = |line: String| {
            let mut signers = Signers::default();
            signers.add("list", &line);
            signers.check(&signature, "hrec-recording", b"hello\n", 1_800_000_000)
        };
        let good =
            check(format!("ann@* cert-authority,namespaces=\"hrec-*\" {authority}")).unwrap();
        assert_eq!((good.by.as_str(), good.certificate.as_deref()), ("ann@host", Some("rec-1")));
        for bad in [
            format!("ann@* {authority}"),
            format!("bob@* cert-authority {authority}"),
            format!("ann@* cert-authority,namespaces=\"file\" {authority}"),
            format!("ann@* cert-authority,valid-before=\"20200101Z\" {authority}"),
            format!("ann@* cert-authority,valid-after=\"21000101Z\" {authority}"),
        ] {
            assert!(matches!(check(bad.clone()), Err(Refused::Unknown(_))), "{bad}");
        }
        let mut signers = Signers::default();
        signers.add("list", &format!("* cert-authority {authority}"));
        let wrong = signers.check(&signature, "hrec-recording", b"hallo\n", 1_800_000_000);
        assert!(matches!(wrong, Err(Refused::Wrong(_))));
        signers.revoke("revoked", &authority);
        let revoked = signers.check(&signature, "hrec-recording", b"hello\n", 1_800_000_000);
        assert!(matches!(revoked, Err(Refused::Unknown(what)) if what.contains("revoked")));
    }
}
