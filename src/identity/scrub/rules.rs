//! Which options and operands of which programs are secrets.
//!
//! One table, and the names that are secrets in every program. Knows nothing
//! of quoting. Its invariant: an option that is in doubt hides its value.

use super::MASK;
use super::text::{is_secret_name, pairs, uris};

/// What an option says of the word after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Read,
    /// It is a secret.
    Hide,
    /// It is a secret, unless it is an option itself.
    HideUnlessOption,
    /// It is `name=secret`.
    HidePair,
    /// It is a header.
    HideHeader,
    /// It and all that follow are secrets.
    HideAll,
}

/// One program's, or several programs', own options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    programs: &'static [&'static str],
    /// Short options with a secret, which may be attached: `-u secret`,
    /// `-usecret`, `-su secret`.
    secret: &'static str,
    /// The same with an optional secret: `-psecret`, and perhaps `-p secret`.
    optional: &'static str,
    /// Short options with `name=secret`.
    pair: &'static str,
    /// Short options with other values, where a cluster ends.
    valued: &'static str,
    /// Short options with a header.
    header: &'static str,
    /// Long options, and programs' one-dash words, whose value is a secret.
    long: &'static [&'static str],
    /// Long options with `name=secret`.
    long_pair: &'static [&'static str],
    /// Operands after which everything is hidden: `mysqladmin password NEW`.
    operands: &'static [&'static str],
    /// Every `name=value` operand is hidden.
    pairs: bool,
}

const NONE: Rules = Rules {
    programs: &[],
    secret: "",
    optional: "",
    pair: "",
    valued: "",
    header: "",
    long: &[],
    long_pair: &[],
    operands: &[],
    pairs: false,
};

/// A program that is no longer here hides nothing; one that takes over a name
/// hides too much. The names are also looked for inside of other commands
/// (`sudo mysql -p…`, `kubectl exec POD -- redis-cli -a …`, `docker login`).
const TABLE: &[Rules] = &[
    Rules {
        programs: &[
            "mysql",
            "mariadb",
            "mysqldump",
            "mariadb-dump",
            "mysqladmin",
            "mariadb-admin",
            "mysqlimport",
            "mysqlcheck",
            "mysqlshow",
            "mysqlbinlog",
            "mycli",
            "mysqlsh",
            "mytop",
            "xtrabackup",
            "mariabackup",
            "mydumper",
        ],
        optional: "p",
        valued: "hPuDSe",
        operands: &["password", "flush-password"],
        ..NONE
    },
    Rules {
        programs: &["mongosh", "mongo", "mongodump", "mongorestore", "mongoexport", "mongoimport"],
        optional: "p",
        valued: "hudcof",
        ..NONE
    },
    Rules {
        programs: &["curl", "xh", "http", "https", "httpie", "wget", "wget2"],
        secret: "uUabdFET",
        header: "H",
        valued: "oXAeKmrwxyYzCDPQ",
        long: &[
            "user",
            "proxy-user",
            "cookie",
            "data",
            "data-raw",
            "data-binary",
            "data-ascii",
            "data-urlencode",
            "form",
            "form-string",
            "json",
            "oauth2-bearer",
            "cert",
            "proxy-cert",
            "post-data",
            "body-data",
            "auth",
            "raw",
            "aws-sigv4",
            "url-query",
            "basic",
        ],
        ..NONE
    },
    Rules {
        programs: &["redis-cli", "valkey-cli", "keydb-cli"],
        long: &["a"],
        operands: &["AUTH", "auth", "Auth", "MIGRATE", "ACL", "acl", "HELLO", "hello"],
        ..NONE
    },
    Rules { programs: &["sshpass"], secret: "p", valued: "fdP", ..NONE },
    Rules {
        programs: &["docker", "podman", "nerdctl", "docker-compose", "buildah", "flyctl", "heroku"],
        pair: "e",
        long_pair: &["env", "build-arg", "label", "secret", "opt", "driver-opt", "log-opt"],
        ..NONE
    },
    // docker login, az login, oc login, helm registry login.
    Rules { programs: &["login"], secret: "p", valued: "usc", ..NONE },
    Rules {
        programs: &["kubectl", "oc", "helm", "kustomize"],
        long_pair: &["from-literal", "env", "set", "set-string", "set-json", "docker-password"],
        ..NONE
    },
    Rules {
        programs: &["vault", "bao", "consul", "op", "heroku", "fly", "doppler", "credhub"],
        operands: &["login", "unseal", "unwrap"],
        pairs: true,
        ..NONE
    },
    Rules {
        programs: &[
            "ldapsearch",
            "ldapmodify",
            "ldapadd",
            "ldapdelete",
            "ldapwhoami",
            "ldapcompare",
            "ldappasswd",
            "ldapmodrdn",
        ],
        secret: "was",
        valued: "DHhbpfYUXRl",
        ..NONE
    },
    Rules {
        programs: &["smbclient", "rpcclient", "net", "smbget", "winexe", "smbmap"],
        secret: "UpA",
        valued: "LIWMNnc",
        long: &["user"],
        ..NONE
    },
    Rules {
        programs: &["sqlcmd", "bcp", "isql", "osql", "tsql", "fisql"],
        secret: "P",
        valued: "SUdiQqHC",
        ..NONE
    },
    Rules {
        programs: &[
            "cqlsh",
            "rdesktop",
            "mosquitto_pub",
            "mosquitto_sub",
            "lftp",
            "ncftp",
            "ncftpget",
            "ncftpput",
            "7z",
            "7za",
            "7zz",
            "rar",
            "unrar",
            "impala-shell",
            "beeline",
            "pgcli",
            "monetdb",
            "mclient",
            "isql-fb",
        ],
        secret: "pP",
        valued: "uhdtmkei",
        ..NONE
    },
    Rules {
        programs: &[
            "zip",
            "unzip",
            "ipmitool",
            "racadm",
            "xmlstarlet",
            "ssh-keygen",
            "ssh-add",
            "ssh-copy-id",
        ],
        secret: "PN",
        valued: "UHfiCtbIsnzV",
        ..NONE
    },
    Rules {
        programs: &["snmpwalk", "snmpget", "snmpset", "snmpbulkwalk", "snmptable", "snmptrap"],
        secret: "cAX",
        valued: "vulaxnm",
        ..NONE
    },
    Rules {
        programs: &["openssl", "certtool", "keytool", "pkcs11-tool", "gpg", "gpg2"],
        long: &[
            "k",
            "K",
            "iv",
            "pass",
            "passin",
            "passout",
            "passwd",
            "storepass",
            "keypass",
            "srcstorepass",
            "deststorepass",
            "password",
            "macopt",
            "hmac",
            "psk",
            "srppass",
            "pin",
            "so-pin",
            "new-pin",
            "p",
        ],
        ..NONE
    },
    Rules {
        programs: &[
            "htpasswd",
            "mkpasswd",
            "chpasswd",
            "smbpasswd",
            "openvpn-auth",
            "grub-mkpasswd",
            "slappasswd",
            "doveadm",
            "rclone-obscure",
            "obscure",
            "wpa_passphrase",
            "secret-tool",
            "security",
            "keyring",
            "base64",
        ],
        operands: &[""],
        ..NONE
    },
    Rules {
        programs: &[
            "aws", "gcloud", "az", "gsutil", "s3cmd", "mc", "doctl", "gh", "glab", "git", "npm",
            "yarn", "pip", "twine", "cargo", "rclone",
        ],
        operands: &[
            "aws_secret_access_key",
            "aws_access_key_id",
            "aws_session_token",
            "extraheader",
            "http.extraheader",
            "_authToken",
        ],
        ..NONE
    },
    Rules {
        programs: &["xfreerdp", "wlfreerdp", "freerdp", "xfreerdp3", "sdl-freerdp"],
        long: &["p", "gp"],
        ..NONE
    },
    Rules {
        programs: &["sqlplus", "rman", "expdp", "impdp", "sqlldr", "sqlcl"],
        operands: &[""],
        ..NONE
    },
    // No rules of their own, but the end of the ones before: `sudo -u x psql`.
    Rules {
        programs: &["psql", "pg_dump", "pg_restore", "pg_dumpall", "createdb", "dropdb"],
        ..NONE
    },
];

impl Rules {
    pub(super) fn none() -> Self {
        NONE
    }

    /// The rules that hold from `word` on: those of the program that it names,
    /// if it names one and has no meaning to the program before.
    pub(super) fn after(self, word: &str) -> Self {
        if self.operands.contains(&word) { self } else { Self::of(word).unwrap_or(self) }
    }

    fn of(word: &str) -> Option<Self> {
        if word.starts_with('-') || word.contains('=') {
            return None;
        }
        let base = word.rsplit('/').next().unwrap_or(word);
        TABLE.iter().find(|rules| rules.programs.contains(&base)).copied()
    }

    /// The word as these rules have it, and what they say of the next one;
    /// `None` when they say nothing.
    pub(super) fn apply(&self, word: &str) -> Option<(String, Next)> {
        // FreeRDP's options begin with a slash and end at a colon.
        if let Some((name, _)) = word.strip_prefix('/').and_then(|w| w.split_once(':'))
            && self.long.contains(&name)
        {
            return Some((format!("/{name}:{MASK}"), Next::Read));
        }
        match word.strip_prefix('-') {
            None | Some("") => self.operand(word),
            Some(option) => match option.strip_prefix('-') {
                Some("") => None,
                Some(long) => self.long(word, long),
                // One dash and a word: `-password X`, `-passin pass:X`.
                None => self.one_dash(word, option).or_else(|| self.short(option)),
            },
        }
    }

    fn operand(&self, word: &str) -> Option<(String, Next)> {
        let is_program = self.programs.contains(&word.rsplit('/').next().unwrap_or(word));
        if is_program && self.operands == [""] {
            return Some((word.to_owned(), Next::HideAll));
        }
        if self.operands.contains(&word) {
            return Some((word.to_owned(), Next::HideAll));
        }
        (self.pairs && word.contains('=')).then(|| (pair(word), Next::Read))
    }

    fn long(&self, word: &str, long: &str) -> Option<(String, Next)> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        if name.eq_ignore_ascii_case("header") {
            return Some(match value {
                Some(value) => (format!("--{name}={}", header(value)), Next::Read),
                None => (word.to_owned(), Next::HideHeader),
            });
        }
        if self.long_pair.contains(&name) {
            return Some(match value {
                Some(value) => (format!("--{name}={}", pair(value)), Next::Read),
                None => (word.to_owned(), Next::HidePair),
            });
        }
        if !self.long.contains(&name) && !is_secret_name(name) {
            return None;
        }
        Some(match value {
            Some(_) => (format!("--{name}={MASK}"), Next::Read),
            // mysql's and mongosh's --password is followed by no value of its
            // own, or by what people wrongly take for one.
            None if !self.optional.is_empty() => (word.to_owned(), Next::HideUnlessOption),
            None => (word.to_owned(), Next::Hide),
        })
    }

    fn one_dash(&self, word: &str, option: &str) -> Option<(String, Next)> {
        let end = option.find(['=', ':']);
        let (name, value) = option.split_at(end.unwrap_or(option.len()));
        let listed = self.long.contains(&name);
        if !listed && (name.chars().count() < 3 || !is_secret_name(name)) {
            return None;
        }
        Some(match value.chars().next() {
            Some(separator) => (format!("-{name}{separator}{MASK}"), Next::Read),
            None => (word.to_owned(), Next::Hide),
        })
    }

    /// A cluster of short options: `-su` is `-s -u`, `-pX` is `-p X`.
    fn short(&self, cluster: &str) -> Option<(String, Next)> {
        for (at, option) in cluster.char_indices() {
            let end = at + option.len_utf8();
            let (head, attached) = cluster.split_at_checked(end)?;
            let given = !attached.is_empty();
            if self.valued.contains(option) {
                return None;
            }
            let shown = |what: &str| Some((format!("-{head}{what}"), Next::Read));
            let alone = |next| Some((format!("-{cluster}"), next));
            if self.secret.contains(option) {
                return if given { shown(MASK) } else { alone(Next::Hide) };
            }
            if self.optional.contains(option) {
                return if given { shown(MASK) } else { alone(Next::HideUnlessOption) };
            }
            if self.pair.contains(option) {
                return if given { shown(&pair(attached)) } else { alone(Next::HidePair) };
            }
            if self.header.contains(option) {
                return if given { shown(&header(attached)) } else { alone(Next::HideHeader) };
            }
        }
        None
    }
}

/// `NAME=secret`; a `NAME` alone is passed on from the environment.
pub(super) fn pair(word: &str) -> String {
    match word.split_once('=') {
        Some((name, _)) => format!("{name}={MASK}"),
        None => uris(word),
    }
}

/// Headers that say nothing secret. Of any other only the name is shown, since
/// each vendor has its own name for a token.
const OPEN_HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "if-modified-since",
    "if-none-match",
    "origin",
    "range",
    "user-agent",
];

/// `Name: value`.
pub(super) fn header(word: &str) -> String {
    match word.split_once(':') {
        Some((name, _)) if !OPEN_HEADERS.contains(&name.trim().to_ascii_lowercase().as_str()) => {
            format!("{name}: {MASK}")
        }
        Some(_) => pairs(&uris(word)),
        // @file, or nothing that is a header.
        None if word.starts_with('@') => word.to_owned(),
        None => MASK.to_owned(),
    }
}
