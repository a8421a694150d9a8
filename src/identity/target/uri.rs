//! Connection URIs, as far as they say where to and as whom.
//!
//! Deliberately not RFC 3986: passwords are typed unescaped, several hosts are
//! listed with commas. Knows nothing of any scheme's meaning. Its invariant:
//! a [`Uri`] holds neither password nor query.

/// The parts of `scheme://user:password@host:port/path?query` that are no
/// secret. A part that is missing or empty is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::identity) struct Uri {
    /// Before the first `:` of the part before the last `@`.
    pub user: Option<String>,
    /// Without the brackets of an IPv6 address; commas as typed.
    pub host: Option<String>,
    pub port: Option<u16>,
    /// Without the leading slash.
    pub path: Option<String>,
}

impl Uri {
    /// Parses `text` if it begins with one of `schemes` and `://`.
    pub fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        if !schemes.iter().any(|s| s.eq_ignore_ascii_case(scheme)) {
            return None;
        }
        // The last @ of all: a password may hold @ and / unescaped, and its
        // tail must not be taken for a host.
        let (user, rest) = match rest.rsplit_once('@') {
            // Either the password holds a ?, or the query an @ (perhaps in a
            // password there): what is after the @ may be a secret's tail.
            Some((userinfo, _)) if userinfo.contains(['?', '#']) => return Some(Self::default()),
            Some((userinfo, rest)) => (userinfo.split([':', ';', '/']).next(), rest),
            None => (None, rest),
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = host_port(authority);
        Some(Self { user: user.and_then(decoded), host: decoded(host), port, path: decoded(path) })
    }
}

/// Splits `host:port`, `[v6]:port` or a bare host.
pub(in crate::identity) fn host_port(authority: &str) -> (&str, Option<u16>) {
    if let Some(rest) = authority.strip_prefix('[')
        && let Some((host, port)) = rest.split_once(']')
    {
        return (host, port.strip_prefix(':').and_then(|p| p.parse().ok()));
    }
    match authority.rsplit_once(':') {
        // Several hosts, or an IPv6 address without brackets.
        Some((host, _)) if host.contains([':', ',']) => (authority, None),
        Some((host, port)) => (host, port.parse().ok()),
        None => (authority, None),
    }
}

/// Undoes percent-encoding; `None` when nothing is left. A malformed escape
/// stays as it is.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escape =
            (first == b'%').then(|| tail.split_at_checked(2)).flatten().and_then(|(hex, after)| {
                let hex = std::str::from_utf8(hex).ok().filter(|h| !h.starts_with('+'))?;
                Some((u8::from_str_radix(hex, 16).ok()?, after))
            });
        let (byte, after) = escape.unwrap_or((first, tail));
        bytes.push(byte);
        rest = after;
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, Option<u16>, String) {
        let uri = Uri::parse(text, &["pg", "ssh"]).unwrap();
        let or = |part: Option<String>| part.unwrap_or_default();
        (or(uri.user), or(uri.host), uri.port, or(uri.path))
    }

    fn of(
        user: &str,
        host: &str,
        port: Option<u16>,
        path: &str,
    ) -> (String, String, Option<u16>, String) {
        (user.into(), host.into(), port, path.into())
    }

    #[test]
    fn parts_without_secrets() {
        assert_eq!(parts("pg://u:p@h:5432/db?password=x"), of("u", "h", Some(5432), "db"));
        assert_eq!(parts("PG://h"), of("", "h", None, ""));
        assert_eq!(parts("pg:///db"), of("", "", None, "db"));
        assert_eq!(parts("pg://u@[2001:db8::1]:5/db"), of("u", "2001:db8::1", Some(5), "db"));
        assert_eq!(parts("pg://h1:1,h2:2/db"), of("", "h1:1,h2:2", None, "db"));
        assert_eq!(parts("pg://%2Fvar%2Frun/db"), of("", "/var/run", None, "db"));
        assert_eq!(parts("ssh://u;fp=x@h"), of("u", "h", None, ""));
        assert_eq!(Uri::parse("http://h", &["pg"]), None);
        assert_eq!(Uri::parse("pg:h", &["pg"]), None);
    }

    #[test]
    fn an_unescaped_password_does_not_leak() {
        for text in ["pg://u:p@ss@h/db", "pg://u:pa/ss@h/db", "pg://u:@@h/db"] {
            assert_eq!(parts(text), of("u", "h", None, "db"), "{text}");
        }
        for text in ["pg://u:pa?ss@h/db", "pg://u:a#ss@h/db", "pg://h:5/db?password=se@cret"] {
            assert_eq!(parts(text), of("", "", None, ""), "{text}");
        }
        // Malformed escapes.
        assert_eq!(parts("pg://a%4/%zz%"), of("", "a%4", None, "%zz%"));
        assert_eq!(parts("pg://%ff"), of("", "\u{fffd}", None, ""));
    }
}
