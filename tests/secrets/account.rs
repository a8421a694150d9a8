//! A user with a password, on a machine that has none: /etc is another one,
//! for the programs of this test alone, in a mount namespace of their own.
//! Nothing of the machine is changed.
//!
//! It takes root, since whoever could give a user a password without it could
//! become anybody.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Sandbox, tool};

/// A name that no machine has.
pub const USER: &str = "hrecguest";
const UID: u32 = 61_234;

/// PAM without what a container or a desktop would add: the password, checked
/// by pam_unix, and changed by it.
const PAM: &str = "auth required pam_unix.so\naccount required pam_unix.so\n\
                   password required pam_unix.so yescrypt\nsession required pam_permit.so\n";

/// The user, and how to run programs where they exist.
pub struct Account {
    etc: String,
}

impl Account {
    /// # Panics
    /// When the tests do not run as root.
    pub fn new(sandbox: &Sandbox, password: &str) -> Self {
        assert!(
            rustix::process::getuid().is_root(),
            "this test gives a user a password, in a mount namespace of its own; that takes root: \
             sudo ./tests/run -E 'binary(secrets)'"
        );
        let etc = sandbox.path("etc").display().to_string();
        let copied = sandbox.run(&["cp", "-a", "/etc", &etc], b"");
        assert!(copied.status.success(), "cp: {copied:?}");
        let append = |name: &str, line: &str| {
            let path = format!("{etc}/{name}");
            let before = fs::read_to_string(&path).expect(name);
            fs::write(&path, format!("{}\n{line}\n", before.trim_end())).expect(name);
        };
        append("passwd", &format!("{USER}:x:{UID}:{UID}::/:/bin/bash"));
        append("group", &format!("{USER}:x:{UID}:"));
        // SHA-512, the one that every libcrypt has.
        let openssl = tool("openssl").display().to_string();
        let hash = sandbox.run(&[&openssl, "passwd", "-6", "-stdin"], password.as_bytes()).text();
        let shadow = format!("root:*:19000::::::\n{USER}:{}:19000:0:99999:7:::\n", hash.trim());
        fs::write(format!("{etc}/shadow"), shadow).expect("shadow");
        fs::write(
            format!("{etc}/sudoers"),
            format!("Defaults !lecture, timestamp_timeout=0\n{USER} ALL=(ALL) ALL\n"),
        )
        .expect("sudoers");
        fs::set_permissions(format!("{etc}/sudoers"), fs::Permissions::from_mode(0o440))
            .expect("sudo wants its rules like this");
        for service in ["sudo", "su", "passwd", "sshd"] {
            fs::write(format!("{etc}/pam.d/{service}"), PAM).expect("PAM");
        }
        Self { etc }
    }

    /// What to put before a program so that it finds the user.
    pub fn inside(&self) -> Vec<&str> {
        let enter = "mount --bind \"$0\" /etc && exec \"$@\"";
        vec!["unshare", "--mount", "--propagation", "private", "sh", "-c", enter, &self.etc]
    }

    /// What to put before a program so that the user runs it.
    pub fn as_user(&self) -> Vec<&str> {
        let mut argv = self.inside();
        argv.extend(["env", "-C", "/", "setpriv", "--reuid=61234", "--regid=61234"]);
        argv.push("--clear-groups");
        argv
    }
}
