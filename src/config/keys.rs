//! The table of settings.
//!
//! This one table drives the loader, `hrec doctor`, `hrec-config(5)` and the
//! tests. It knows nothing of files. Its invariant: each key is there once,
//! with a type, a default that this type accepts, and what it is for.

use std::time::Duration;

use toml::de::DeValue;

use super::value::{
    Bytes, FilePath, Input, ManifestCommand, Mode, OwnPath, PlayKeys, Programs, Value,
};
use super::{Setting, Source};
use crate::seal::ledger::Anchor;

/// What is known of a setting apart from its value.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in `config.toml`: table, dot, key.
    pub name: &'static str,
    /// Its default, as TOML.
    pub default: &'static str,
    /// What values it takes.
    pub accepts: &'static str,
    /// What it is for: whole sentences, as in `hrec-config(5)`.
    pub about: &'static str,
}

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty = $name:literal, $default:literal;)+) => {
        /// Every setting, with its value and where that came from.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $field: Setting<$type>,)+
        }

        /// Every key, in the order of `hrec-config(5)`.
        pub const KEYS: &[Key] = &[
            $(Key {
                name: $name,
                default: $default,
                accepts: <$type as Value>::ACCEPTS,
                about: concat!($($doc),+),
            },)+
        ];

        impl Settings {
            /// All settings at their defaults.
            ///
            /// # Errors
            /// When the table holds a default that its own type refuses: a
            /// mistake in this file, which a test would show.
            pub(super) fn defaults() -> Result<Self, String> {
                Ok(Self {
                    $($field: Setting {
                        value: {
                            let toml = DeValue::parse($default).map_err(|e| format!("{}: {e}", $name))?;
                            <$type as Value>::read(toml.get_ref()).map_err(|e| format!("{}: {e}", $name))?
                        },
                        source: Source::Default,
                        locked: false,
                    },)+
                })
            }

            /// Gives the key `name` the value `toml`. The key must exist.
            ///
            /// # Errors
            /// What is wrong with the value.
            pub(super) fn set(&mut self, name: &str, toml: &DeValue<'_>, source: Source) -> Result<(), String> {
                match name {
                    $($name => {
                        self.$field.value = <$type as Value>::read(toml)?;
                        self.$field.source = source;
                        Ok(())
                    })+
                    _ => Err("there is no such key".to_owned()),
                }
            }

            /// Marks the key `name` as locked.
            pub(super) fn lock(&mut self, name: &str) {
                match name {
                    $($name => self.$field.locked = true,)+
                    _ => {}
                }
            }

            /// Name, value as TOML, source, and whether it is locked, of each
            /// key in the table's order.
            #[must_use]
            pub fn list(&self) -> Vec<(&'static str, String, &Source, bool)> {
                vec![$(($name, self.$field.value.show(), &self.$field.source, self.$field.locked),)+]
            }
        }
    };
}

keys! {
    /// What happens when the recording cannot be written: "strict" ends the
    /// session, so that nothing is shown that is not kept; "best-effort" goes
    /// on and records that there is a gap.
    record_mode: Mode = "record.mode", r#""best-effort""#;

    /// What is kept of typed keys: "echoed" keeps what the terminal echoed,
    /// and masks passwords and whatever else was not seen; "full" keeps all
    /// but what is typed while echo is off or at a password prompt; "none"
    /// keeps nothing.
    record_input: Input = "record.input", r#""echoed""#;

    /// Who can open recordings: age recipients (age1..., those of plugins among
    /// them) or SSH public keys (ssh-ed25519, ssh-rsa), any number of them.
    /// Post-quantum ones (age1tagpq1..., age1pq1...) cannot stand beside
    /// others. When this and record.recipients_files are empty, recordings are
    /// made for the person's own identity. See RECIPIENTS below.
    record_recipients: Vec<String> = "record.recipients", "[]";

    /// Files with more recipients, one a line.
    record_recipients_files: Vec<FilePath> = "record.recipients_files", "[]";

    /// Users who get a session although a strict recording cannot be made, so
    /// that somebody can log in and repair the store. Such a session is loudly
    /// said to be unrecorded.
    record_rescue_users: Vec<String> = "record.rescue_users", "[]";

    /// Groups whose members are rescue users.
    record_rescue_groups: Vec<String> = "record.rescue_groups", "[]";

    /// Whether every append is also synced to the disk (fdatasync(2)), and the
    /// directory when a file is new in it. A crash or a SIGKILL of hrec costs
    /// the same with both values: what was shown in the last 250 ms, or the
    /// last second of a burst. With true a power cut costs no more than that:
    /// 202 ms at worst in 18 cuts. With false it costs what the kernel had not
    /// written by itself yet, 33 s at worst in 18 cuts, which is all of a
    /// session that began less than that before, ended or not. Only the file of
    /// a longer session is synced, once, at its end: what is in it survives
    /// with both values; with false it may be there as it was before it got its
    /// name, and is called interrupted. Measured with a line every 10 ms, on
    /// ext4 with its default options on a loop device, cut off at a random
    /// moment by EXT4_IOC_SHUTDOWN without a flush of its log, then mounted
    /// again and read. A disk that says that it has stored what it has not can
    /// lose more.
    record_sync: bool = "record.sync", "true";

    /// The directory that holds the recordings; empty for
    /// $XDG_DATA_HOME/hrec, which is ~/.local/share/hrec.
    store_path: OwnPath = "store.path", r#""""#;

    /// The socket of this host's collector, hrec-collect(1), which then keeps
    /// the recordings and not this user; empty for none. See hrec-bastion(7).
    store_collector: OwnPath = "store.collector", r#""""#;

    /// Space that must stay free on the store's file system: with less, no
    /// recording is begun.
    store_min_free: Bytes = "store.min_free", r#""1GiB""#;

    /// How much one user's recordings may take in the store; "0" for no limit.
    store_quota_user: Bytes = "store.quota_user", r#""0""#;

    /// The shell that hrec-shell(1) runs for whoever has no other by the two
    /// tables that follow, or by the name of the link that hrec is called by.
    shell_default: FilePath = "shell.default", r#""/bin/bash""#;

    /// The shells of single users. They come before those of groups.
    shell_users: Programs = "shell.users", "{}";

    /// The shells of groups' members. Of several groups the first counts, by
    /// the groups' names.
    shell_groups: Programs = "shell.groups", "{}";

    /// What hrec-shell(1) runs where sshd(8) is told to run internal-sftp.
    shell_sftp_server: FilePath = "shell.sftp_server", r#""/usr/lib/openssh/sftp-server""#;

    /// In a session without a terminal, how much of a binary stream is kept as
    /// it is before only its size and digest are.
    shell_stream_burst: Bytes = "shell.stream_burst", r#""1MiB""#;

    /// How much a second, on average, is kept of such a stream beyond that.
    shell_stream_rate: Bytes = "shell.stream_rate", r#""16KiB""#;

    /// How long a session waits for a collector that does not answer, before it
    /// is ended.
    shell_collector_wait: Duration = "shell.collector_wait", r#""10s""#;

    /// Who may read recordings through the collector: users, and groups with @
    /// before their names.
    collect_readers: Vec<String> = "collect.readers", "[]";

    /// Who may end sessions through the collector, in the same form.
    collect_enders: Vec<String> = "collect.enders", "[]";

    /// What is run for each recording that has ended and is sealed, by sh -c,
    /// with the names of its files as arguments; empty for nothing. See
    /// hrec-bastion(7).
    collect_after_seal: String = "collect.after_seal", r#""""#;

    /// How much all recordings of a collector may take together; "0" for no
    /// limit.
    collect_quota: Bytes = "collect.quota", r#""0""#;

    /// What the manifest, which is not encrypted, tells of the command line:
    /// "none", or "scrubbed", all of it but what looks like a secret.
    manifest_command: ManifestCommand = "manifest.command", r#""none""#;

    /// The key that seals recordings, made with ssh-keygen(1): a private key
    /// without a passphrase, which is a certificate's when KEY-cert.pub is beside
    /// it; or a public key (KEY.pub) or certificate whose private key ssh-agent
    /// holds, in hardware or not. Empty for signing_key beside the person's own
    /// configuration, which the first recording makes. See hrec-seal(7).
    seal_key: OwnPath = "seal.key", r#""""#;

    /// Whether the ledger says who looked into which recording, with play, cat,
    /// info, prove or verify -i. What cannot be noted is not shown, and the
    /// browser shows no previews. See hrec-seal(7).
    seal_log_views: bool = "seal.log_views", "false";

    /// Where the ledger's signed head is handed on to, when a session starts,
    /// while it goes on and when it ends: "syslog"; "file:PATH", which it is
    /// appended to; "command:TEXT", for sh -c, with the head on standard input;
    /// "witness:URL KEY", a witness by c2sp.org/tlog-witness over http. See
    /// ANCHORS in hrec-seal(7).
    seal_anchors: Vec<Anchor> = "seal.anchors", "[]";

    /// In a replay, longer pauses are shortened to this; "0s" keeps them.
    play_idle: Duration = "play.idle", r#""2s""#;

    /// Other keys for the player and the browser. A command that is named has
    /// the keys that are listed here and no others; a key that is listed here
    /// is taken from the command that had it. hrec-play(1) has the commands and
    /// their own keys.
    play_keys: PlayKeys = "play.keys", "{}";
}
