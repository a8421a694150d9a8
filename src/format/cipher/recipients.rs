//! Recipients, in every form that `age` takes them.
//!
//! Takes text; whoever has the files reads them. Its invariant: no message
//! holds a private key that was given by mistake.

use std::collections::HashSet;
use std::fmt;
use std::time::Instant;

use age::{ssh, tag, tagpq, x25519};
use age_core::format::{FileKey as AgeFileKey, Stanza};

use super::{Error, plugin, ssh_key};

#[derive(Clone)]
enum Kind {
    X25519(x25519::Recipient),
    Tag(tag::Recipient),
    /// Boxed: its key is 1.2 KB, the others' 32 bytes.
    TagPq(Box<tagpq::Recipient>),
    Ssh(ssh::Recipient),
    /// The plugin's name.
    Plugin(String),
}

/// Those who can open a recording.
#[derive(Clone, Default)]
pub struct Recipients {
    list: Vec<(String, Kind)>,
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Recipients {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one: `age1…` (X25519, tag, plugin), `ssh-ed25519 …` or
    /// `ssh-rsa …`. One that is there already is not added again.
    ///
    /// # Errors
    /// When it is no recipient, or of an SSH type that age does not take.
    pub fn add(&mut self, text: &str) -> Result<(), Error> {
        let text = text.trim();
        self.add_at(text, || {
            // An identity given by mistake must not be echoed.
            let shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
            if is_secret(text) { "the recipient".to_owned() } else { format!("recipient {shown}") }
        })
    }

    /// Adds all of a recipients file, as age's `-R`: one a line, empty lines
    /// and `#` comments skipped. `name` is for messages.
    ///
    /// # Errors
    /// At the first line that is no recipient; when there is none at all.
    pub fn add_file(&mut self, name: &str, contents: &str) -> Result<(), Error> {
        let mut any = false;
        for (number, line) in contents.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            self.add_at(line, || format!("{name}, line {}", number + 1))?;
            any = true;
        }
        if any {
            return Ok(());
        }
        Err(Error::Recipient {
            place: name.to_owned(),
            why: "holds no recipient; put one on each line".to_owned(),
        })
    }

    fn add_at(&mut self, text: &str, place: impl Fn() -> String) -> Result<(), Error> {
        let kind = parse(text).map_err(|why| Error::Recipient { place: place(), why })?;
        let name = match &kind {
            Kind::Ssh(key) => key.to_string(),
            _ => text.to_owned(),
        };
        if !self.list.iter().any(|(known, _)| *known == name) {
            self.list.push((name, kind));
        }
        Ok(())
    }

    /// The public strings, for the manifest: `age1…`, `ssh-ed25519 AAAA…`
    /// (without the comment).
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(name, _)| name.as_str())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn wrappers(&self) -> Result<Vec<Box<dyn age::Recipient>>, Error> {
        let mut wrappers: Vec<Box<dyn age::Recipient>> = Vec::new();
        let mut plugins = Vec::new();
        for (_, kind) in &self.list {
            match kind {
                Kind::X25519(key) => wrappers.push(Box::new(key.clone())),
                Kind::Tag(key) => wrappers.push(Box::new(key.clone())),
                Kind::TagPq(key) => wrappers.push(key.clone()),
                Kind::Ssh(key) => wrappers.push(Box::new(key.clone())),
                Kind::Plugin(name) => plugins.push(name.as_str()),
            }
        }
        let until = Instant::now() + plugin::WRAP_WITHIN;
        plugins.sort_unstable();
        plugins.dedup();
        for plugin in plugins {
            let its = |kind: &Kind| matches!(kind, Kind::Plugin(name) if name == plugin);
            let all = self.list.iter().filter(|(_, kind)| its(kind));
            wrappers.push(Box::new(PluginRecipients {
                plugin: plugin.to_owned(),
                recipients: all.map(|(text, _)| text.clone()).collect(),
                until,
            }));
        }
        if wrappers.is_empty() { Err(Error::NoRecipients) } else { Ok(wrappers) }
    }
}

fn is_secret(text: &str) -> bool {
    text.to_ascii_uppercase().contains("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY")
}

const NONE: &str = "is no recipient; one begins age1…, ssh-ed25519 or ssh-rsa";

fn parse(text: &str) -> Result<Kind, String> {
    if is_secret(text) {
        return Err("is a private key; give the public one that belongs to it".to_owned());
    }
    if let Ok(key) = text.parse() {
        return Ok(Kind::X25519(key));
    }
    if let Ok(key) = text.parse() {
        return Ok(Kind::Tag(key));
    }
    if let Ok(key) = text.parse() {
        return Ok(Kind::TagPq(Box::new(key)));
    }
    if !ssh_key::public_is_sound(text) {
        return Err(NONE.to_owned());
    }
    match text.parse::<ssh::Recipient>() {
        Ok(key) => return Ok(Kind::Ssh(key)),
        Err(ssh::ParseRecipientKeyError::Unsupported(kind)) => {
            return Err(format!(
                "SSH keys of type {} cannot encrypt; use ssh-ed25519, ssh-rsa or an age key",
                kind.escape_debug()
            ));
        }
        Err(ssh::ParseRecipientKeyError::RsaModulusTooLarge) => {
            return Err("the RSA key is too large; up to 4096 bits are supported".to_owned());
        }
        Err(ssh::ParseRecipientKeyError::RsaModulusTooSmall) => {
            return Err("the RSA key is too small; at least 2048 bits are needed".to_owned());
        }
        Err(_) => {}
    }
    if let Ok(key) = text.parse::<age::plugin::Recipient>() {
        return Ok(Kind::Plugin(key.plugin().to_owned()));
    }
    Err(NONE.to_owned())
}

/// What one plugin wraps for.
struct PluginRecipients {
    plugin: String,
    recipients: Vec<String>,
    until: Instant,
}

impl age::Recipient for PluginRecipients {
    fn wrap_file_key(
        &self,
        key: &AgeFileKey,
    ) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        plugin::wrap(&self.plugin, &self.recipients, key, self.until)
            .map_err(|why| age::EncryptError::Io(std::io::Error::other(why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret;

    fn pair() -> (String, String) {
        let key = x25519::Identity::generate();
        (key.to_string().expose_secret().to_owned(), key.to_public().to_string())
    }

    #[test]
    fn recipients_come_from_text_and_files_and_once_only() {
        let (_, one) = pair();
        let (_, two) = pair();
        let mut recipients = Recipients::new();
        recipients.add(&format!(" {one}\n")).unwrap();
        recipients.add_file("team", &format!("# ours\r\n\r\n{two}\r\n{one}\n")).unwrap();
        assert_eq!(recipients.names().collect::<Vec<_>>(), [&one, &two]);
        assert!(recipients.add_file("none", "# nobody\n").is_err());
    }

    #[test]
    fn what_is_no_recipient_says_where_and_never_shows_a_secret() {
        let (secret, public) = pair();
        let mut recipients = Recipients::new();
        for text in [secret.as_str(), &secret.to_lowercase()] {
            let error = recipients.add(text).unwrap_err().to_string();
            assert!(!error.to_lowercase().contains(&secret.to_lowercase()[16..30]), "{error}");
            assert!(error.contains("private key"), "{error}");
        }
        let file = format!("{public}\nnonsense\u{1b}[2J\n");
        let error = recipients.add_file("team", &file).unwrap_err().to_string();
        assert!(error.starts_with("team, line 2: "), "{error}");
        let error = recipients.add("age1\u{1b}[2J").unwrap_err().to_string();
        assert!(!error.contains('\u{1b}'), "{error}");
        let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA==";
        let error = recipients.add(ecdsa).unwrap_err().to_string();
        assert!(error.contains("ssh-ed25519"), "{error}");
    }
}
