//! Recipients and identities, in every form that `age` takes them.
//!
//! Takes text and bytes; whoever has the files reads them. Its invariant: no
//! message holds any of an identity's own text.

use std::fmt;
use std::sync::Arc;

use age::secrecy::SecretString;
use age::{DecryptError, NoCallbacks, plugin, ssh, tag, tagpq, x25519};
use age_core::format::{FileKey, Stanza};
use data_encoding::BASE64_NOPAD;
use sha2::{Digest, Sha256};

use super::{Error, one_line};

/// Asks the person for a passphrase; `None` when there is nobody to ask.
pub type PassphraseCallback = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What scrypt may cost to open an encrypted identity: 2^22, four times age's
/// default, half a minute at most.
const SCRYPT_MAX: u8 = 22;

/// What is wrong with an identity that stays locked.
pub(super) const LOCKED: &str =
    "the passphrase is wrong, or none was given; it is asked for on the terminal";

#[derive(Clone)]
enum Kind {
    X25519(x25519::Recipient),
    Tag(tag::Recipient),
    /// Boxed: its key is 1.2 KB, the others' 32 bytes.
    TagPq(Box<tagpq::Recipient>),
    Ssh(ssh::Recipient),
    Plugin(plugin::Recipient),
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
                Kind::Plugin(key) => plugins.push(key.clone()),
            }
        }
        let mut names: Vec<&str> = plugins.iter().map(plugin::Recipient::plugin).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let plugin = plugin::RecipientPluginV1::new(name, &plugins, &[], NoCallbacks)
                .map_err(|error| Error::Encrypt(one_line(&error.to_string())))?;
            wrappers.push(Box::new(plugin));
        }
        if wrappers.is_empty() { Err(Error::NoRecipients) } else { Ok(wrappers) }
    }
}

fn is_secret(text: &str) -> bool {
    text.to_ascii_uppercase().contains("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY")
}

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
    if let Ok(key) = text.parse() {
        return Ok(Kind::Plugin(key));
    }
    Err("is no recipient; one begins age1…, ssh-ed25519 or ssh-rsa".to_owned())
}

/// Those that open a recording.
#[derive(Default)]
pub struct Identities {
    list: Vec<Box<dyn age::Identity + Send + Sync>>,
    ask: Option<PassphraseCallback>,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.list.len())
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
        Self { list: Vec::new(), ask: Some(ask) }
    }

    /// Adds the identities of a file: an age identity file (plain, or
    /// encrypted with a passphrase, binary or armored), or an SSH private key.
    /// `name` is for messages and prompts.
    ///
    /// # Errors
    /// When the contents are none of those; when a plugin is not installed.
    pub fn add_file(&mut self, name: &str, contents: &[u8]) -> Result<(), Error> {
        let failed = |why: String| Error::Identity { place: name.to_owned(), why };
        let prompt = Prompt(self.ask.clone());
        if contents.starts_with(b"age-encryption.org/")
            || contents.trim_ascii_start().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
        {
            let reader = age::armor::ArmoredReader::new(std::io::Cursor::new(contents));
            let decryptor = age::Decryptor::new(reader)
                .map_err(|_| failed("is a damaged age file".to_owned()))?;
            let encrypted =
                age::encrypted::EncryptedIdentity::new(decryptor, prompt, Some(SCRYPT_MAX))
                    .ok_or_else(|| {
                        failed("is encrypted, but not with a passphrase; decrypt it first".into())
                    })?;
            let file = encrypted.decrypt(Some(name)).map_err(|error| match error {
                DecryptError::KeyDecryptionFailed => failed(format!("cannot be opened: {LOCKED}")),
                error => failed(format!("cannot be opened: {}", one_line(&error.to_string()))),
            })?;
            let identities =
                file.into_identities().map_err(|error| failed(one_line(&error.to_string())))?;
            self.list.extend(identities);
            return Ok(());
        }
        if contents.trim_ascii_start().starts_with(b"-----BEGIN ") {
            let key = ssh::Identity::from_buffer(contents, Some(name.to_owned()))
                .map_err(|_| failed("is no SSH private key that age can use".to_owned()))?;
            if let ssh::Identity::Unsupported(_) = key {
                return Err(failed(
                    "is an SSH key of a type that cannot decrypt; use ssh-ed25519 or ssh-rsa, \
                     in OpenSSH's format"
                        .to_owned(),
                ));
            }
            self.list.push(Box::new(SshIdentity { key, prompt }));
            return Ok(());
        }
        let file = age::IdentityFile::from_buffer(contents).map_err(|error| {
            // The crate names the line's number, never its text.
            let why = one_line(&error.to_string());
            let line = why.rsplit("line ").next().unwrap_or_default();
            failed(match line.parse::<u32>() {
                Ok(line) => format!("line {line} is no identity; one begins AGE-SECRET-KEY-1"),
                Err(_) => "is no identity file".to_owned(),
            })
        })?;
        let identities = file
            .with_callbacks(prompt)
            .into_identities()
            .map_err(|error| failed(one_line(&error.to_string())))?;
        if identities.is_empty() {
            return Err(failed("holds no identity; make one with `hrec keygen`".to_owned()));
        }
        self.list.extend(identities);
        Ok(())
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

    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.list.iter().map(|one| &**one as &dyn age::Identity)
    }
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
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        // The crate's wrapper asks before it looks whose the stanza is.
        if !self.owns(stanza) {
            return None;
        }
        let key = self.key.clone().with_callbacks(self.prompt.clone());
        // It is the right key: one that stays locked is not "no match".
        Some(key.unwrap_stanza(stanza).unwrap_or(Err(DecryptError::KeyDecryptionFailed)))
    }
}

#[derive(Clone)]
struct Prompt(Option<PassphraseCallback>);

impl age::Callbacks for Prompt {
    fn display_message(&self, _: &str) {}

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        let ask = self.0.as_ref()?;
        // The crate puts a name between invisible marks of direction.
        ask(&description.replace(['\u{2068}', '\u{2069}'], "")).map(SecretString::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret;
    use std::sync::Mutex;

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

    #[test]
    fn identities_say_which_line_is_none_and_never_its_text() {
        let (secret, _) = pair();
        let mut identities = Identities::new();
        let file = format!("# mine\n{secret}\nhunter2\n");
        let error = identities.add_file("id", file.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 3") && !error.contains("hunter2"), "{error}");
        assert!(identities.add_file("id", b"# nothing\n").is_err());
        assert!(identities.add_file("id", b"-----BEGIN NONSENSE-----\n").is_err());
        assert!(identities.add_file("id", b"age-encryption.org/v1\nrubbish").is_err());
        identities.add_file("id", secret.as_bytes()).unwrap();
        assert_eq!(identities.len(), 1);
    }

    #[test]
    fn a_wrong_key_says_who_could_open_it() {
        let (_, public) = pair();
        let (other, _) = pair();
        let mut recipients = Recipients::new();
        recipients.add(&public).unwrap();
        let sealed = super::super::encrypt(&recipients).unwrap();
        let head = super::super::Head::read(&mut sealed.head.as_slice()).unwrap();
        let none = head.unwrap(&Identities::new()).unwrap_err().to_string();
        assert!(none.starts_with("no identity is given; it is for: an age key (X25519)"), "{none}");
        let mut identities = Identities::new();
        identities.add_file("id", other.as_bytes()).unwrap();
        let wrong = head.unwrap(&identities).unwrap_err();
        assert!(matches!(wrong, Error::NoMatch { tried: 1, .. }), "{wrong}");
    }

    #[test]
    fn an_encrypted_identity_asks_for_its_passphrase_by_name() {
        let (secret, public) = pair();
        let passphrase = SecretString::from("correct horse".to_owned());
        let mut scrypt = age::scrypt::Recipient::new(passphrase);
        scrypt.set_work_factor(2);
        let packed = age::encrypt_and_armor(&scrypt, secret.as_bytes()).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let ask = |answer: Option<&'static str>| -> PassphraseCallback {
            let asked = Arc::clone(&asked);
            Arc::new(move |prompt| {
                asked.lock().unwrap().push(prompt.to_owned());
                answer.map(str::to_owned)
            })
        };
        for (answer, opens) in
            [(Some("correct horse"), true), (Some("wrong"), false), (None, false)]
        {
            let mut identities = Identities::asking(ask(answer));
            let added = identities.add_file("my.key", packed.as_bytes());
            assert_eq!(added.is_ok(), opens, "{answer:?}: {added:?}");
            if opens {
                let mut recipients = Recipients::new();
                recipients.add(&public).unwrap();
                let sealed = super::super::encrypt(&recipients).unwrap();
                let head = super::super::Head::read(&mut sealed.head.as_slice()).unwrap();
                assert!(head.unwrap(&identities).is_ok());
            }
        }
        assert_eq!(asked.lock().unwrap().len(), 3);
        assert!(Identities::new().add_file("my.key", packed.as_bytes()).is_err());
    }

    /// A key made for this test; its passphrase is "correct horse".
    const LOCKED_SSH: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----\n\
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBFQKtsUG\n\
SFpxgEYOdQiFNPAAAABAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIAj7Xz9wRPzqFgZq\n\
kBE4i6IAkV0puJwE8WNKth2IGZVLAAAAkNGuldl5KWrXxqPQ0S7i1EnAZ4f5Fy0Libi/+w\n\
wFKwJ7fdxJCCQxOWJ5DRqvxv/yNF5zcS+xXUpbRSXD5unR9rOJ/gDFWrInJGsaCF77bU+u\n\
JAmWMdLfNXfYqzs1McrNS0J3/+16PPcPJKB/D5XQcrVNFaEn0v+nJaF/2oKfb0XJ+hNEV5\n\
lucC98u+cDPoMtkw==\n\
-----END OPENSSH PRIVATE KEY-----\n";

    #[test]
    fn a_locked_ssh_key_asks_once_and_only_for_its_own() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let ssh = ssh::Identity::from_buffer(LOCKED_SSH.as_bytes(), None).unwrap();
        let own = ssh::Recipient::try_from(ssh).unwrap().to_string();
        let other = "ssh-ed25519 \
            AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";
        let head = |recipients: &[&str]| {
            let mut all = Recipients::new();
            recipients.iter().for_each(|one| all.add(one).unwrap());
            let sealed = super::super::encrypt(&all).unwrap();
            super::super::Head::read(&mut sealed.head.as_slice()).unwrap()
        };
        let all = head(&[other, &pair().1, &own]);
        for (answer, opens) in
            [(Some("correct horse"), true), (Some("wrong"), false), (None, false)]
        {
            let noted = Arc::clone(&asked);
            let mut identities = Identities::asking(Arc::new(move |prompt| {
                noted.lock().unwrap().push(prompt.to_owned());
                answer.map(str::to_owned)
            }));
            identities.add_file("my.key", LOCKED_SSH.as_bytes()).unwrap();
            let unwrapped = all.unwrap(&identities);
            assert_eq!(unwrapped.is_ok(), opens, "{answer:?}");
            if let Err(error) = unwrapped {
                assert!(error.to_string().contains("passphrase"), "{error}");
            }
            let (secret, public) = pair();
            identities.add_file("another", secret.as_bytes()).unwrap();
            let both = head(&[&own, &public]);
            let before = asked.lock().unwrap().len();
            assert!(both.unwrap(&identities).is_ok());
            asked.lock().unwrap().truncate(before);
            let foreign = head(&[other]).unwrap(&identities).unwrap_err();
            assert!(matches!(foreign, Error::NoMatch { .. }), "{foreign}");
        }
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 3);
        assert!(asked.iter().all(|prompt| prompt.contains("'my.key'")), "{asked:?}");
    }

    #[test]
    fn hostile_headers_are_refused_in_bounded_time() {
        let mut recipients = Recipients::new();
        recipients.add(&pair().1).unwrap();
        let good = super::super::encrypt(&recipients).unwrap().head;
        for cut in 0..good.len() {
            assert!(super::super::Head::read(&mut &good[..cut]).is_err(), "cut at {cut}");
        }
        let (secret, _) = pair();
        let mut identities = Identities::new();
        identities.add_file("id", secret.as_bytes()).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x15;
            if let Ok(head) = super::super::Head::read(&mut bytes.as_slice()) {
                assert!(head.unwrap(&identities).is_err());
            }
        }
        let mut endless = b"age-encryption.org/v1\n".to_vec();
        endless.extend(b"-> a\n\n".repeat(1 << 20));
        let error = super::super::Head::read(&mut endless.as_slice()).unwrap_err().to_string();
        assert!(error.contains("64 KiB"), "{error}");
    }
}
