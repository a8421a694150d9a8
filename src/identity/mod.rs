//! Who is at the terminal, from where, by which key, and what they are going
//! to: the `identity` and `target` of a recording.
//!
//! Knows nothing of formats, files of recordings, or sessions. What needs the
//! C library (names of users) comes in as a parameter. Its invariant: every
//! statement bears the [`Trust`] of its source, and none holds a secret.

pub mod certificate;
pub mod login;
pub mod lookup;
pub mod scrub;
pub mod target;
pub mod wire;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;

use serde::{Deserialize, Serialize};

/// Longest text that is taken from an environment variable, in characters: an
/// address, a name or an id is far shorter, and whoever sets the variable must
/// not decide how large a manifest is.
const LONGEST: usize = 256;

/// What `loginuid` and `sessionid` hold when PAM set neither (`(uid_t) -1`,
/// see pam_loginuid(8)).
const UNSET: u32 = u32::MAX;

/// How much a statement is worth as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// The kernel says so: the person cannot change it.
    Kernel,
    /// The login's PAM stack set it, once: only root could have set it again.
    Pam,
    /// The person's own environment or files say so: a hint, no proof.
    Claimed,
}

/// One statement: what, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The statement.
    pub value: Value,
    /// Its source.
    pub trust: Trust,
}

/// The value of a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number: a uid, an audit session.
    Number(u32),
    /// Anything else.
    Text(String),
    /// Several of one kind: principals, authentication methods.
    List(Vec<String>),
}

/// What [`Who::gather`] cannot find out by itself.
pub struct Facts<'a> {
    /// The path of the person's terminal (`ttyname(3)`), if there is one.
    pub tty: Option<String>,
    /// A user's name as the system's name service has it.
    pub name_of: &'a dyn Fn(u32) -> Option<String>,
    /// The person's environment.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
}

/// Who is at the terminal: the Contract's `identity` object, when serialized.
///
/// | field | trust | source |
/// |---|---|---|
/// | `uid`, `user` | kernel | getuid(2), and its name |
/// | `host` | kernel | uname(2) |
/// | `tty` | kernel | ttyname(3) |
/// | `login_uid`, `login_user` | pam | `/proc/self/loginuid`, and its name |
/// | `audit_session` | pam | `/proc/self/sessionid` |
/// | `ssh_client`, `ssh_connection` | claimed | `SSH_CONNECTION`, `SSH_CLIENT` |
/// | `ssh_auth`, `key_*`, `certificate_*` | claimed | the file that `SSH_USER_AUTH` names |
/// | `sudo_user`, `sudo_uid` | claimed | the variables of those names |
/// | `parent` | claimed | `HREC_ID` |
/// | `came_from` | claimed | `LC_HREC_ID` |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Who {
    fields: BTreeMap<String, Claim>,
}

impl Who {
    /// The variable that names the recording this process runs inside.
    pub const PARENT: &'static str = "HREC_ID";
    /// The variable that names the recording, on another machine, from which
    /// this login was made. `LC_*` is what OpenSSH's client and server pass on
    /// as most distributions set them up (`SendEnv`, `AcceptEnv`).
    pub const CAME_FROM: &'static str = "LC_HREC_ID";

    /// Asks the kernel, PAM's traces, the environment and the login's key.
    /// What cannot be found out is left out: never an error, and no process is
    /// started and no network asked.
    #[must_use]
    pub fn gather(facts: &Facts<'_>) -> Self {
        let mut who = Self { fields: BTreeMap::new() };
        who.kernel(facts);
        who.pam(facts);
        who.claims(facts.environment);
        who
    }

    fn kernel(&mut self, facts: &Facts<'_>) {
        // The real uid: the person's, also where hrec were set-user-ID.
        let uid = rustix::process::getuid().as_raw();
        self.put("uid", Value::Number(uid), Trust::Kernel);
        if let Some(name) = (facts.name_of)(uid) {
            self.put("user", Value::Text(name), Trust::Kernel);
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        self.put("host", Value::Text(host), Trust::Kernel);
        if let Some(tty) = &facts.tty {
            self.put("tty", Value::Text(tty.clone()), Trust::Kernel);
        }
    }

    fn pam(&mut self, facts: &Facts<'_>) {
        if let Some(uid) = number_in("/proc/self/loginuid") {
            self.put("login_uid", Value::Number(uid), Trust::Pam);
            if let Some(name) = (facts.name_of)(uid) {
                self.put("login_user", Value::Text(name), Trust::Pam);
            }
        }
        if let Some(session) = number_in("/proc/self/sessionid") {
            self.put("audit_session", Value::Number(session), Trust::Pam);
        }
    }

    fn claims(&mut self, environment: &dyn Fn(&str) -> Option<OsString>) {
        let claim = |name: &str| {
            let value = environment(name)?;
            let value: String = value.to_string_lossy().chars().take(LONGEST).collect();
            (!value.is_empty()).then_some(value)
        };
        if let Some(connection) = claim("SSH_CONNECTION").or_else(|| claim("SSH_CLIENT")) {
            if let Some(client) = connection.split_whitespace().next() {
                self.put("ssh_client", Value::Text(client.to_owned()), Trust::Claimed);
            }
            self.put("ssh_connection", Value::Text(connection), Trust::Claimed);
        }
        if let Some(user) = claim("SUDO_USER") {
            self.put("sudo_user", Value::Text(user), Trust::Claimed);
        }
        if let Some(uid) = claim("SUDO_UID").and_then(|uid| uid.parse().ok()) {
            self.put("sudo_uid", Value::Number(uid), Trust::Claimed);
        }
        if let Some(path) = environment("SSH_USER_AUTH") {
            for (name, value) in login::read(path.as_ref()) {
                self.put(name, value, Trust::Claimed);
            }
        }
        let parent = claim(Self::PARENT).filter(|id| is_id(id));
        let came_from = claim(Self::CAME_FROM).filter(|id| is_id(id));
        // Inside a recording both name that recording: the second says
        // something only where it differs.
        if let Some(id) = came_from.filter(|id| parent.as_ref() != Some(id)) {
            self.put("came_from", Value::Text(id), Trust::Claimed);
        }
        if let Some(id) = parent {
            self.put("parent", Value::Text(id), Trust::Claimed);
        }
    }

    fn put(&mut self, name: &str, value: Value, trust: Trust) {
        self.fields.insert(name.to_owned(), Claim { value, trust });
    }

    /// A statement by its name; see the table above.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Claim> {
        self.fields.get(name)
    }

    /// All statements, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Claim)> {
        self.fields.iter().map(|(name, claim)| (name.as_str(), claim))
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Claim { value: Value::Text(text), .. }) => Some(text),
            _ => None,
        }
    }

    /// The user's name, or the uid in decimal where it has none.
    #[must_use]
    pub fn user(&self) -> String {
        self.text("user").map_or_else(|| self.uid().to_string(), str::to_owned)
    }

    /// The real uid.
    #[must_use]
    pub fn uid(&self) -> u32 {
        match self.get("uid") {
            Some(Claim { value: Value::Number(uid), .. }) => *uid,
            _ => UNSET,
        }
    }

    /// The machine's name.
    #[must_use]
    pub fn host(&self) -> &str {
        self.text("host").unwrap_or_default()
    }

    /// The recording that this one is inside of, if its id is well-formed.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.text("parent")
    }
}

/// The decimal number that one of `/proc`'s small files holds, unless it says
/// "unset" or the kernel was built without audit.
fn number_in(path: &str) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok().filter(|n| *n != UNSET)
}

/// Whether `text` has the shape of a recording's id (Contract):
/// `20261121T141503.123Z-USER-TARGET-XXXXXXXX`.
fn is_id(text: &str) -> bool {
    let Some((stamp, rest)) = text.split_at_checked(20) else { return false };
    let stamp_fits = stamp.bytes().enumerate().all(|(i, b)| match i {
        8 => b == b'T',
        15 => b == b'.',
        19 => b == b'Z',
        _ => b.is_ascii_digit(),
    });
    let Some((names, random)) = rest.strip_prefix('-').and_then(|r| r.rsplit_once('-')) else {
        return false;
    };
    let name_byte =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    stamp_fits
        && (3..=16 + 1 + 24).contains(&names.len())
        && names.bytes().all(name_byte)
        && names.get(1..names.len() - 1).is_some_and(|inner| inner.contains('-'))
        && random.len() == 8
        && random.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b))
}

#[cfg(test)]
mod tests;
