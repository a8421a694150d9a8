//! A test for each key: default, system, user, flag, locked, bad value; and
//! for what a file may not be.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// Two values that differ from the default and from each other, and a bad
/// one, of each key, as TOML.
const SAMPLES: &[(&str, [&str; 2], &str)] = &[
    ("record.mode", [r#""strict""#, r#""best-effort""#], r#""lax""#),
    ("record.input", [r#""full""#, r#""none""#], "true"),
    ("record.recipients", [r#"["age1a"]"#, r#"["age1b", "age1c"]"#], r#""age1a""#),
    ("record.recipients_files", [r#"["/a"]"#, r#"["/b", "~/c"]"#], r#"["relative"]"#),
    ("record.rescue_users", [r#"["ann"]"#, r#"["bob"]"#], r#"[1]"#),
    ("record.rescue_groups", [r#"["wheel"]"#, r#"["adm"]"#], r#"[""]"#),
    ("record.sync", ["false", "true"], r#""yes""#),
    ("store.path", [r#""/srv/a""#, r#""/srv/b""#], r#""here""#),
    ("store.collector", [r#""/run/hrec/a""#, r#""/run/hrec/b""#], r#""here""#),
    ("store.min_free", [r#""2GiB""#, r#""0""#], "5"),
    ("store.quota_user", [r#""5GiB""#, r#""1MiB""#], r#""-1""#),
    ("shell.default", [r#""/bin/zsh""#, r#""/bin/dash""#], r#""zsh""#),
    ("shell.users", [r#"{ ann = "/bin/zsh" }"#, r#"{ bob = "/bin/dash" }"#], r#"{ ann = "zsh" }"#),
    ("shell.groups", [r#"{ wheel = "/bin/zsh" }"#, r#"{ adm = "/bin/dash" }"#], r#"["wheel"]"#),
    (
        "shell.sftp_server",
        [r#""/usr/libexec/sftp-server""#, r#""/srv/sftp""#],
        r#""internal-sftp""#,
    ),
    ("shell.stream_burst", [r#""2MiB""#, r#""0""#], r#""1 Mio""#),
    ("shell.stream_rate", [r#""1KiB""#, r#""0""#], r#""16KiB/s""#),
    ("shell.collector_wait", [r#""5s""#, r#""60s""#], r#""soon""#),
    ("collect.readers", [r#"["ann"]"#, r#"["@audit"]"#], r#"[""]"#),
    ("collect.enders", [r#"["ann"]"#, r#"["@wheel"]"#], r#""ann""#),
    ("collect.after_seal", [r#""copy""#, r#""true""#], "5"),
    ("collect.quota", [r#""1TiB""#, r#""5GiB""#], r#""-1""#),
    ("manifest.command", [r#""scrubbed""#, r#""none""#], r#""all""#),
    ("seal.key", [r#""/etc/k1""#, r#""/etc/k2""#], r#""here""#),
    ("seal.log_views", ["true", "false"], r#""yes""#),
    ("seal.anchors", [r#"["syslog"]"#, r#"["file:/srv/heads"]"#], r#"["mail:ann"]"#),
    ("play.idle", [r#""5s""#, r#""250ms""#], r#""-1s""#),
    ("play.keys", [r#"{ quit = ["Q"] }"#, r#"{ quit = ["x", "ctrl-x"] }"#], r#""Q""#),
];

/// Those that are no string and no list, which are what a flag could give.
const FLAGLESS: &[&str] =
    &["record.sync", "seal.log_views", "play.keys", "shell.users", "shell.groups"];

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.dir.path().join("etc")).unwrap();
        std::fs::create_dir_all(place.dir.path().join("home/.config/hrec")).unwrap();
        place
    }

    fn system(&self) -> PathBuf {
        self.dir.path().join("etc/config.toml")
    }

    fn user(&self) -> PathBuf {
        self.dir.path().join("home/.config/hrec/config.toml")
    }

    fn dirs(&self) -> Dirs {
        Dirs::from_vars(|name| (name == "HOME").then(|| self.dir.path().join("home"))).unwrap()
    }

    fn load(
        &self,
        system: Option<&str>,
        user: Option<&str>,
        flags: &[Flag],
    ) -> Result<Config, Error> {
        for (path, text) in [(self.system(), system), (self.user(), user)] {
            match text {
                Some(text) => std::fs::write(&path, text).unwrap(),
                None => drop(std::fs::remove_file(&path)),
            }
        }
        Config::load_from(&self.system(), self.dirs(), flags)
    }
}

fn value(config: &Config, key: &str) -> (String, String, bool) {
    let list = config.list();
    let (_, value, source, locked) = list.iter().find(|(name, ..)| *name == key).unwrap();
    (value.clone(), source.kind().to_owned(), *locked)
}

fn got(value: &str, source: &str, locked: bool) -> (String, String, bool) {
    (value.to_owned(), source.to_owned(), locked)
}

/// A flag that gives what this TOML says.
fn flag(key: &'static str, toml: &str) -> Flag {
    let parsed = DeValue::parse(toml).unwrap();
    let value = match parsed.get_ref() {
        DeValue::Array(items) => FlagValue::Many(
            items.iter().map(|i| i.get_ref().as_str().unwrap_or("").to_owned()).collect(),
        ),
        other => FlagValue::One(other.as_str().unwrap_or("no string").to_owned()),
    };
    Flag { name: "--flag", key, value }
}

#[test]
fn every_key_has_samples() {
    let keys: Vec<_> = KEYS.iter().map(|k| k.name).collect();
    let samples: Vec<_> = SAMPLES.iter().map(|s| s.0).collect();
    assert_eq!(keys, samples);
}

#[test]
fn every_key_default_system_user_flag() {
    let place = Place::new();
    for (key, [one, two], _) in SAMPLES {
        let line = |v: &str| format!("# a comment\n{key} = {v}\n");
        let default = KEYS.iter().find(|k| k.name == *key).unwrap().default;
        let default = DeValue::parse(default).unwrap();

        let config = place.load(None, None, &[]).unwrap();
        let (shown, source, locked) = value(&config, key);
        assert_eq!(
            (DeValue::parse(&shown).unwrap().get_ref().type_str(), &*source, locked),
            (default.get_ref().type_str(), "default", false)
        );
        assert!(config.files().is_empty());

        let config = place.load(Some(&line(one)), None, &[]).unwrap();
        assert_eq!(value(&config, key), got(one, "system", false));
        assert_eq!(
            config.list().iter().find(|l| l.0 == *key).unwrap().2,
            &Source::System(place.system(), 2)
        );

        let config = place.load(Some(&line(one)), Some(&line(two)), &[]).unwrap();
        assert_eq!(value(&config, key), got(two, "user", false));

        if !FLAGLESS.contains(key) {
            let config = place.load(Some(&line(two)), Some(&line(two)), &[flag(key, one)]).unwrap();
            assert_eq!(value(&config, key), got(one, "flag", false));
        }
    }
}

#[test]
fn every_key_when_locked_has_the_systems_value() {
    let place = Place::new();
    for (key, [one, two], _) in SAMPLES {
        let section = key.split('.').next().unwrap();
        for pattern in [key.to_string(), format!("{section}.*"), "*".to_owned()] {
            // Whatever else is locked must not lead where HOME says.
            let base = if *key == "store.path" { "" } else { "store.path = \"/srv\"\n" };
            let system = format!("locked = [\"{pattern}\"]\n{base}{key} = {one}\n");
            let user = format!("{key} = {two}\n");
            let flags: &[Flag] = if FLAGLESS.contains(key) { &[] } else { &[flag(key, two)] };
            let config = place.load(Some(&system), Some(&user), flags).unwrap();
            assert_eq!(value(&config, key), got(one, "system", true), "{pattern}");
            let by: Vec<_> = config.overruled().iter().map(|o| (o.key, o.by.kind())).collect();
            let want: &[_] = if FLAGLESS.contains(key) {
                &[(*key, "user")]
            } else {
                &[(*key, "user"), (*key, "flag")]
            };
            assert_eq!(by, want);
        }
    }
}

#[test]
fn a_locked_key_that_the_system_leaves_out_keeps_its_default() {
    let place = Place::new();
    let config =
        place.load(Some("locked = [\"record.*\"]"), Some("record.mode = \"strict\""), &[]).unwrap();
    assert_eq!(value(&config, "record.mode"), got(r#""best-effort""#, "default", true));
}

#[test]
fn every_key_refuses_a_bad_value_and_names_the_line() {
    let place = Place::new();
    for (key, [one, _], bad) in SAMPLES {
        let accepts = KEYS.iter().find(|k| k.name == *key).unwrap().accepts;
        for locked in ["", "locked = [\"*\"]\nstore.path = \"/srv\"\n"] {
            let mut system = locked.to_owned();
            if *key != "store.path" {
                system += &format!("{key} = {one}\n");
            }
            let error = place
                .load(Some(&system), Some(&format!("\n\n{key} = {bad}\n")), &[])
                .unwrap_err()
                .to_string();
            let start = format!("{}:3: {key}: ", place.user().display());
            assert!(error.starts_with(&start), "{error}");
            assert!(
                error.contains(accepts)
                    || error.contains("absolute path")
                    || error.contains("each must be"),
                "{error}"
            );
        }
        let error =
            place.load(Some(&format!("{key} = {bad}\n")), None, &[]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:1: {key}: ", place.system().display())), "{error}");
    }
    let error = place.load(None, None, &[flag("record.mode", r#""lax""#)]).unwrap_err().to_string();
    assert_eq!(error, r#"--flag: "lax" is not "strict" or "best-effort""#);
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let place = Place::new();
    for (text, line, want) in [
        ("[record]\nmod = \"strict\"\n", 2, "record.mode"),
        ("[store]\npath = \"/s\"\nmin-free = \"1GiB\"\n", 3, "store.min_free"),
        ("recrod.input = \"none\"\n", 1, "record.input"),
        ("play = 3\n", 1, "man hrec-config"),
        ("[a.b.c]\nx = 1\n", 1, "man hrec-config"),
        ("locked = [\"record.mod\"]\n", 1, "record.mode"),
        ("locked = [\"rec*\"]\n", 1, "there is no key"),
    ] {
        let error = place.load(Some(text), None, &[]).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{}:{line}: ", place.system().display()))
                && error.contains(want),
            "{error}"
        );
    }
}

#[test]
fn the_first_of_several_mistakes_is_named() {
    let place = Place::new();
    let error =
        place.load(Some("[store]\nz = 1\n[record]\na = 1\n"), None, &[]).unwrap_err().to_string();
    assert!(error.contains(":2: "), "{error}");
}

#[test]
fn broken_toml_names_the_line() {
    let place = Place::new();
    for text in ["\nrecord.mode = \n", "\n[record\n", "\nrecord.mode = \"strict\" x\n"] {
        let error = place.load(None, Some(text), &[]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:2: ", place.user().display())), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    std::fs::write(place.user(), b"# ok\n\xff\n").unwrap();
    let error = Config::load_from(&place.system(), place.dirs(), &[]).unwrap_err().to_string();
    assert!(error.ends_with("config.toml:2: this is no UTF-8 text"), "{error}");
}

#[test]
fn locked_is_an_error_in_a_users_file() {
    let place = Place::new();
    let error = place.load(None, Some("\nlocked = []\n"), &[]).unwrap_err().to_string();
    assert!(error.contains(":2: locked is for /etc/hrec/config.toml only"), "{error}");
    for bad in ["locked = true", "locked = [1]"] {
        assert!(
            place
                .load(Some(bad), None, &[])
                .unwrap_err()
                .to_string()
                .contains("must be a list of keys")
        );
    }
}

#[test]
fn a_locked_path_must_not_follow_the_environment() {
    let place = Place::new();
    for text in [
        "locked = [\"store.path\"]",
        "locked = [\"store.*\"]\nstore.path = \"~/x\"",
        "locked = [\"record.*\"]\nrecord.recipients_files = [\"~/x\"]",
    ] {
        let error = place.load(Some(text), None, &[]).unwrap_err().to_string();
        assert!(error.contains(":1: ") && error.contains("depends on the environment"), "{error}");
    }
}

#[test]
fn a_world_writable_system_file_is_refused() {
    let place = Place::new();
    let chmod = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap()
    };
    place.load(Some(""), None, &[]).unwrap();
    chmod(&place.system(), 0o646);
    let error = Config::load_from(&place.system(), place.dirs(), &[]).unwrap_err().to_string();
    assert!(
        error.contains("etc/config.toml can be written by anybody (mode 646); run: chmod go-w "),
        "{error}"
    );
    chmod(&place.system(), 0o644);
    chmod(place.system().parent().unwrap(), 0o1777);
    let error = Config::load_from(&place.system(), place.dirs(), &[]).unwrap_err().to_string();
    assert!(error.contains("/etc can be written by anybody (mode 1777)"), "{error}");
}

#[test]
fn a_file_that_is_none_is_an_error_not_a_default() {
    let place = Place::new();
    std::fs::create_dir(place.user()).unwrap();
    let error = Config::load_from(&place.system(), place.dirs(), &[]).unwrap_err().to_string();
    assert!(error.contains("config.toml: it is no regular file"), "{error}");
    std::fs::remove_dir(place.user()).unwrap();
    std::fs::write(place.user(), vec![b'#'; (1 << 20) + 1]).unwrap();
    let error = Config::load_from(&place.system(), place.dirs(), &[]).unwrap_err().to_string();
    assert!(error.contains("larger than 1 MiB"), "{error}");
}

#[test]
fn directories_follow_the_xdg_specification() {
    let dirs = |vars: &'static [(&str, &str)]| {
        Dirs::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| PathBuf::from(v)))
    };
    let home = dirs(&[("HOME", "/h")]).unwrap();
    assert_eq!((home.config, home.data), ("/h/.config/hrec".into(), "/h/.local/share/hrec".into()));
    let set =
        dirs(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "relative")]).unwrap();
    assert_eq!((set.config, set.data), ("/c/hrec".into(), "/h/.local/share/hrec".into()));
    assert!(dirs(&[("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d")]).is_ok());
    assert!(matches!(dirs(&[("HOME", "")]), Err(Error::NoHome)));
}

#[test]
fn paths_below_home() {
    let place = Place::new();
    let home = place.dir.path().join("home");
    let config = place.load(None, None, &[]).unwrap();
    assert_eq!(config.store(), home.join(".local/share/hrec"));
    let config = place
        .load(None, Some("store.path = \"~/r\"\nrecord.recipients_files = [\"~/k\", \"/k\"]"), &[])
        .unwrap();
    assert_eq!(config.store(), home.join("r"));
    assert_eq!(config.recipients_files(), [home.join("k"), "/k".into()]);
}
