//! Identities, in every form that `age` takes them.
//!
//! Takes text and bytes; whoever has the files reads them. Its invariant: no
//! message holds any of an identity's own text.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use age::secrecy::SecretString;
use age::{DecryptError, ssh};
use age_core::format::{FileKey as AgeFileKey, Stanza};
use data_encoding::BASE64_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Error, one_line, plugin, ssh_key};

/// Asks the person for a passphrase; `None` when there is nobody to ask.
pub type PassphraseCallback = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Tells the person what a plugin wants them to know: "touch your token".
pub type MessageCallback = Arc<dyn Fn(&str) + Send + Sync>;

/// What scrypt may cost to open an encrypted identity: 2^22, four times age's
/// default, half a minute at most.
const SCRYPT_MAX: u8 = 22;
/// What is read of an encrypted identity file: age's own limit.
const IDENTITIES_MAX: u64 = 16 << 20;

/// What is wrong with an identity that stays locked.
pub(super) const LOCKED: &str =
    "the passphrase is wrong, or none was given; it is asked for on the terminal";

/// Those that open a recording.
#[derive(Default)]
pub struct Identities {
    list: Vec<Box<dyn age::Identity + Send + Sync>>,
    /// Tried last: they may want a token, and a person's touch.
    plugins: Vec<PluginIdentities>,
    prompt: Prompt,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.len())
    }
}

impl Identities {
    /// None yet; encrypted ones cannot be opened.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// None yet; `ask` is called when an encrypted one is needed.
    #[must_use]
    pub fn asking(ask: PassphraseCallback) -> Self {
        Self { prompt: Prompt { ask: Some(ask), tell: None }, ..Self::default() }
    }

    /// The same ones; `tell` is called with what a plugin says meanwhile. Given
    /// before the identities are.
    #[must_use]
    pub fn telling(mut self, tell: MessageCallback) -> Self {
        self.prompt.tell = Some(tell);
        self
    }

    /// Adds the identities of a file: an age identity file (plain, or
    /// encrypted with a passphrase, binary or armored), or an SSH private key.
    /// `name` is for messages and prompts.
    ///
    /// # Errors
    /// When the contents are none of those; when a plugin is not installed.
    pub fn add_file(&mut self, name: &str, contents: &[u8]) -> Result<(), Error> {
        let failed = |why: String| Error::Identity { place: name.to_owned(), why };
        if contents.starts_with(b"age-encryption.org/")
            || contents.trim_ascii_start().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
        {
            let text = self.decrypt_file(name, contents).map_err(failed)?;
            return self.add_lines(name, &text);
        }
        if contents.trim_ascii_start().starts_with(b"-----BEGIN ") {
            let none = || failed("is no SSH private key that age can use".to_owned());
            if !ssh_key::private_is_sound(contents) {
                return Err(none());
            }
            let key =
                ssh::Identity::from_buffer(contents, Some(name.to_owned())).map_err(|_| none())?;
            if let ssh::Identity::Unsupported(_) = key {
                return Err(failed(
                    "is an SSH key of a type that cannot decrypt; use ssh-ed25519 or ssh-rsa, \
                     in OpenSSH's format"
                        .to_owned(),
                ));
            }
            let prompt = self.prompt.clone();
            self.list.push(Box::new(SshIdentity { key, prompt }));
            return Ok(());
        }
        self.add_lines(name, contents)
    }

    /// Opens an identity file that is under a passphrase.
    fn decrypt_file(&self, name: &str, contents: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
        let reader = age::armor::ArmoredReader::new(std::io::Cursor::new(contents));
        let decryptor =
            age::Decryptor::new(reader).map_err(|_| "is a damaged age file".to_owned())?;
        if !decryptor.is_scrypt() {
            return Err("is encrypted, but not with a passphrase; decrypt it first".to_owned());
        }
        let shown: String = name.chars().flat_map(char::escape_debug).collect();
        let passphrase = self
            .prompt
            .ask(&format!("Type passphrase for encrypted identity '{shown}'"))
            .ok_or_else(|| format!("cannot be opened: {LOCKED}"))?;
        let mut key = age::scrypt::Identity::new(SecretString::from(passphrase));
        key.set_max_work_factor(SCRYPT_MAX);
        let cannot = |error: String| format!("cannot be opened: {}", one_line(&error));
        let mut text = Zeroizing::new(Vec::new());
        decryptor
            .decrypt(std::iter::once(&key as &dyn age::Identity))
            .map_err(|error| match error {
                DecryptError::DecryptionFailed => format!("cannot be opened: {LOCKED}"),
                error => cannot(error.to_string()),
            })?
            .take(IDENTITIES_MAX)
            .read_to_end(&mut text)
            .map_err(|error| cannot(error.to_string()))?;
        Ok(text)
    }

    /// Adds the identities of an age identity file in the clear.
    fn add_lines(&mut self, name: &str, contents: &[u8]) -> Result<(), Error> {
        let failed = |why: String| Error::Identity { place: name.to_owned(), why };
        let (mut plugins, mut others) = (Vec::new(), Zeroizing::new(Vec::new()));
        for line in contents.split_inclusive(|b| *b == b'\n') {
            match std::str::from_utf8(line).ok().and_then(|text| text.trim().parse().ok()) {
                Some(key) => {
                    plugins.push(key);
                    // The lines keep their numbers.
                    others.push(b'\n');
                }
                None => others.extend_from_slice(line),
            }
        }
        let file = age::IdentityFile::from_buffer(others.as_slice()).map_err(|error| {
            // The crate names the line's number, never its text.
            let why = one_line(&error.to_string());
            let line = why.rsplit("line ").next().unwrap_or_default();
            failed(match line.parse::<usize>() {
                Ok(line) if is_post_quantum(contents, line) => format!(
                    "line {line} is a post-quantum key (AGE-SECRET-KEY-PQ-1), which needs the \
                     plugin age-plugin-pq; make it a plugin's with: age-plugin-pq -identity"
                ),
                Ok(line) => format!("line {line} is no identity; one begins AGE-SECRET-KEY-1"),
                Err(_) => "is no identity file".to_owned(),
            })
        })?;
        let identities =
            file.into_identities().map_err(|error| failed(one_line(&error.to_string())))?;
        if identities.is_empty() && plugins.is_empty() {
            return Err(failed("holds no identity; make one with `hrec keygen`".to_owned()));
        }
        self.list.extend(identities);
        for key in plugins {
            self.add_plugin(&key).map_err(failed)?;
        }
        Ok(())
    }

    fn add_plugin(&mut self, key: &age::plugin::Identity) -> Result<(), String> {
        if let Some(known) = self.plugins.iter_mut().find(|known| known.plugin == key.plugin()) {
            known.identities.push(key.to_string());
            return Ok(());
        }
        // Told now, by the name of the file, rather than when it is tried.
        plugin::find(key.plugin())?;
        self.plugins.push(PluginIdentities {
            plugin: key.plugin().to_owned(),
            identities: vec![key.to_string()],
            prompt: self.prompt.clone(),
        });
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len() + self.plugins.iter().map(|plugin| plugin.identities.len()).sum::<usize>()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file key, by the first identity that fits. What failed is told only
    /// when no other identity opens it: one that stays locked, or a plugin
    /// without its token, does not keep the next from trying.
    pub(super) fn unwrap_stanzas(
        &self,
        stanzas: &[Stanza],
    ) -> Option<Result<AgeFileKey, DecryptError>> {
        let mut failure = None;
        for one in &self.list {
            match one.unwrap_stanzas(stanzas) {
                Some(Ok(key)) => return Some(Ok(key)),
                Some(Err(error)) => failure = failure.or(Some(error)),
                None => {}
            }
        }
        for plugin in &self.plugins {
            match plugin::unwrap(&plugin.plugin, &plugin.identities, stanzas, &plugin.prompt) {
                Ok(Some(key)) => return Some(Ok(key)),
                Ok(None) => {}
                Err(why) => {
                    failure = failure.or(Some(DecryptError::Io(std::io::Error::other(why))));
                }
            }
        }
        failure.map(Err).or_else(|| self.unwrap_passphrase(stanzas))
    }

    /// A file that somebody encrypted with a passphrase; none of ours is.
    fn unwrap_passphrase(&self, stanzas: &[Stanza]) -> Option<Result<AgeFileKey, DecryptError>> {
        let stanza = stanzas.iter().find(|stanza| stanza.tag == "scrypt")?;
        let passphrase = self.prompt.ask("Type the passphrase of the recording")?;
        let mut key = age::scrypt::Identity::new(SecretString::from(passphrase));
        key.set_max_work_factor(SCRYPT_MAX);
        let result = age::Identity::unwrap_stanza(&key, stanza)?;
        Some(result.map_err(|error| match error {
            DecryptError::DecryptionFailed => DecryptError::Io(std::io::Error::other(
                "that passphrase is not the recording's; try again",
            )),
            other => other,
        }))
    }
}

/// Whether this line, from 1, is a hybrid identity of age 1.3, which the age
/// crate has not.
fn is_post_quantum(contents: &[u8], line: usize) -> bool {
    let line = contents.split(|b| *b == b'\n').nth(line.saturating_sub(1));
    line.is_some_and(|line| line.trim_ascii_start().starts_with(b"AGE-SECRET-KEY-PQ-1"))
}

/// What one plugin unwraps with.
struct PluginIdentities {
    plugin: String,
    identities: Vec<String>,
    prompt: Prompt,
}

/// An SSH key that asks for its passphrase only when a stanza is its own.
struct SshIdentity {
    key: ssh::Identity,
    prompt: Prompt,
}

impl SshIdentity {
    /// Whether the stanza says so: its argument begins with four bytes of the
    /// SHA-256 of the public key it is for, age's specification.
    fn owns(&self, stanza: &Stanza) -> bool {
        let (kind, public) = match ssh::Recipient::try_from(self.key.clone()) {
            Ok(ssh::Recipient::SshEd25519(public, _)) => ("ssh-ed25519", public),
            Ok(ssh::Recipient::SshRsa(public, _)) => ("ssh-rsa", public),
            Err(_) => return false,
        };
        let digest = Sha256::digest(public);
        let tag = digest.get(..4).map(|tag| BASE64_NOPAD.encode(tag));
        stanza.tag == kind && tag.as_ref() == stanza.args.first()
    }
}

impl age::Identity for SshIdentity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<AgeFileKey, DecryptError>> {
        // The crate's wrapper asks before it looks whose the stanza is.
        if !self.owns(stanza) {
            return None;
        }
        let key = self.key.clone().with_callbacks(self.prompt.clone());
        // It is the right key: one that stays locked is not "no match".
        Some(key.unwrap_stanza(stanza).unwrap_or(Err(DecryptError::KeyDecryptionFailed)))
    }
}

/// How the person is asked and told, where there is one.
#[derive(Clone, Default)]
pub(super) struct Prompt {
    ask: Option<PassphraseCallback>,
    tell: Option<MessageCallback>,
}

impl Prompt {
    pub(super) fn ask(&self, what: &str) -> Option<String> {
        self.ask.as_ref().and_then(|ask| ask(what))
    }

    pub(super) fn tell(&self, what: &str) {
        if let Some(tell) = &self.tell {
            tell(what);
        }
    }
}

impl age::Callbacks for Prompt {
    fn display_message(&self, _: &str) {}

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        // The crate puts a name between invisible marks of direction.
        self.ask(&description.replace(['\u{2068}', '\u{2069}'], "")).map(SecretString::from)
    }
}

#[cfg(test)]
mod tests;
