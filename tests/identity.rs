//! What hrec says of a login and of a target, against the programs that know:
//! `ssh-keygen`, `sshd`, `ssh -G` and `kubectl config view`.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use hrec::identity::certificate::Key;
use hrec::identity::lookup::{self, Surroundings};
use hrec::identity::target::Target;
use hrec::identity::{Facts, Trust, Value, Who};
use hrec::sys::{detach, users};

/// Starts a tool; where it is missing, says how to get it.
fn tool(name: &str) -> Command {
    let (program, package) = match name {
        "sshd" => ("/usr/sbin/sshd", "openssh-server"),
        "kubectl" => (name, "kubectl (https://kubernetes.io/docs/tasks/tools/)"),
        _ => (name, "openssh-client"),
    };
    let found = Command::new(program)
        .arg("--no-such-option")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(found.is_ok(), "{program} is missing: install {package}");
    Command::new(program)
}

fn output(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

fn said(command: &mut Command) -> String {
    String::from_utf8(output(command).stdout).unwrap()
}

fn keygen(dir: &Path, args: &[&str]) -> String {
    said(tool("ssh-keygen").current_dir(dir).args(args))
}

/// The fingerprint as `ssh-keygen -l` prints it.
fn fingerprint(dir: &Path, file: &str) -> String {
    keygen(dir, &["-l", "-f", file]).split(' ').nth(1).unwrap().to_owned()
}

fn key(path: &Path) -> Key {
    let text = fs::read_to_string(path).unwrap();
    let mut words = text.split_whitespace();
    Key::parse(words.next().unwrap(), words.next().unwrap()).unwrap()
}

#[test]
fn keys_and_certificates_of_every_kind_are_as_ssh_keygen_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    keygen(dir, &["-q", "-t", "ecdsa", "-N", "", "-f", "ca"]);
    let authority = fingerprint(dir, "ca.pub");
    for (serial, kind) in [
        ("0", "ed25519"),
        ("1", "ecdsa"),
        ("9007199254740993", "rsa"),
        ("18446744073709551615", "ecdsa-521"),
    ] {
        let (name, bits) = kind.split_once('-').map_or((kind, None), |(k, bits)| (k, Some(bits)));
        let mut args = vec!["-q", "-t", name, "-N", "", "-f", kind];
        args.extend(bits.iter().flat_map(|bits| ["-b", *bits]));
        keygen(dir, &args);
        let public = format!("{kind}.pub");
        let plain = key(&dir.join(&public));
        assert_eq!(plain.fingerprint, fingerprint(dir, &public));
        assert_eq!(plain.certificate, None);

        let mut args = vec!["-q", "-s", "ca", "-I", "alice \"q\" é", "-z", serial];
        if kind != "rsa" {
            args.extend(["-n", "alice,ops"]);
        }
        args.push(&public);
        keygen(dir, &args);
        let file = format!("{kind}-cert.pub");
        let signed = key(&dir.join(&file));
        assert_eq!(signed.fingerprint, fingerprint(dir, &file));
        assert_eq!(signed.fingerprint, plain.fingerprint);
        let certificate = signed.certificate.unwrap();
        let shown = keygen(dir, &["-L", "-f", &file]);
        assert!(shown.contains(&format!("Serial: {}\n", certificate.serial)), "{shown}");
        assert_eq!(certificate.serial.to_string(), serial);
        assert_eq!(certificate.id, "alice \"q\" é");
        let principals: &[&str] = if kind == "rsa" { &[] } else { &["alice", "ops"] };
        assert_eq!(certificate.principals, principals);
        assert_eq!(certificate.authority, authority);
        assert!(shown.contains(&format!("Signing CA: ECDSA {authority}")), "{shown}");
    }
}

/// Logs in to a real sshd with a certificate, and reads what it exposes.
#[test]
fn a_login_s_certificate_comes_from_sshd() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
    let me = users::by_uid(rustix::process::getuid().as_raw()).unwrap().name;
    for name in ["ca", "host", "me"] {
        keygen(dir, &["-q", "-t", "ed25519", "-N", "", "-f", name]);
    }
    keygen(
        dir,
        &["-q", "-s", "ca", "-I", "laptop 7", "-z", "42", "-n", &format!("{me},ops"), "me.pub"],
    );
    let at = |name: &str| dir.join(name).display().to_string();
    fs::write(
        dir.join("sshd_config"),
        format!(
            "HostKey {}\nTrustedUserCAKeys {}\nAuthorizedKeysFile none\nExposeAuthInfo yes\n\
             StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nAcceptEnv LC_*\n",
            at("host"),
            at("ca.pub"),
        ),
    )
    .unwrap();
    // sshd -i on the other end of ssh's ProxyCommand: no port, no daemon.
    let sshd = at("sshd.sh");
    tool("sshd");
    fs::write(&sshd, format!("exec /usr/sbin/sshd -i -f {} 2>{}\n", at("sshd_config"), at("log")))
        .unwrap();
    // Where sshd separates privileges it wants this directory; harmless else.
    _ = fs::create_dir_all("/run/sshd");
    let id = "20261121T141503.123Z-alice-bastion-ABCDEFG2";
    let output = tool("ssh")
        .args([
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "SendEnv=LC_HREC_ID"])
        .args(["-o", &format!("ProxyCommand=sh {sshd}"), "-i", &at("me"), "-l", &me, "anywhere"])
        .arg("cat \"$SSH_USER_AUTH\"; echo; env")
        .env("LC_HREC_ID", id)
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
    assert!(output.status.success(), "{output:?}\n{log}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (exposed, environment) = text.split_once("\n\n").unwrap();
    let file = dir.join("exposed");
    fs::write(&file, exposed).unwrap();
    let variable = |name: &str| -> Option<OsString> {
        if name == "SSH_USER_AUTH" {
            return Some(file.clone().into());
        }
        environment
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix('='))
            .map(OsString::from)
    };
    let who = Who::gather(&Facts { tty: None, name_of: &users::name, environment: &variable });
    let text = |name: &str| match who.get(name) {
        Some(claim) => {
            assert_eq!(claim.trust, Trust::Claimed, "{name}");
            claim.value.clone()
        }
        None => panic!("no {name} in {who:?}\n{exposed}\n{environment}"),
    };
    let of = |value: &str| Value::Text(value.to_owned());
    assert_eq!(text("key_type"), of("ssh-ed25519-cert-v01@openssh.com"));
    assert_eq!(text("key_fingerprint"), of(&fingerprint(dir, "me.pub")));
    assert_eq!(text("certificate_id"), of("laptop 7"));
    assert_eq!(text("certificate_serial"), of("42"));
    assert_eq!(text("certificate_principals"), Value::List(vec![me.clone(), "ops".to_owned()]));
    assert_eq!(text("certificate_authority"), of(&fingerprint(dir, "ca.pub")));
    assert_eq!(text("came_from"), of(id));
    // Through a pipe sshd knows no address, and says so.
    assert_eq!(text("ssh_client"), of("UNKNOWN"));
    assert_eq!(who.user(), me);
}

struct Asked {
    program: &'static str,
    args: Vec<OsString>,
    environment: Vec<(String, PathBuf)>,
}

impl Asked {
    fn new(program: &'static str, args: &[&str]) -> Self {
        tool(program);
        Self { program, args: args.iter().map(OsString::from).collect(), environment: Vec::new() }
    }

    /// The answer of a program that has one. Where the machine is so busy that
    /// it takes longer than [`lookup::TIME_MAX`], it is asked again.
    fn answer(&self) -> Target {
        (0..10).find_map(|_| self.target()).unwrap()
    }

    fn target(&self) -> Option<Target> {
        let typed = Target::of(self.program.as_ref(), &self.args);
        lookup::run(
            self.program.as_ref(),
            &self.args,
            &typed,
            &Surroundings {
                environment: &|_| None,
                home: None,
                user: None,
                detach: &|command| {
                    detach::own_session(command);
                    command.env_remove("KUBECONFIG");
                    command.envs(self.environment.iter().map(|(n, v)| (n, v)));
                },
            },
        )
    }
}

#[test]
fn ssh_g_gives_the_host_behind_an_alias() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    let ran = dir.path().join("ran");
    fs::write(
        &config,
        format!(
            "Host prod\n  HostName db1.example.net\n  User app\n  Port 2222\n  \
             ProxyCommand touch {0}\n  LocalCommand touch {0}\n  PermitLocalCommand yes\n  \
             KnownHostsCommand /usr/bin/touch {0}\n",
            ran.display()
        ),
    )
    .unwrap();
    let config = config.to_str().unwrap();
    let ask = |args: &[&str]| Asked::new("ssh", args).target();
    let prod = Asked::new("ssh", &["-F", config, "-tt", "prod", "uptime"]).answer();
    let of = |t: &Target| (t.user.clone().unwrap(), t.host.clone().unwrap(), t.port.unwrap());
    assert_eq!(of(&prod), ("app".to_owned(), "db1.example.net".to_owned(), 2222));
    assert_eq!((prod.kind.as_str(), prod.name.as_str()), ("ssh", "prod"));
    let typed = Asked::new("ssh", &["-F", config, "-l", "root", "prod", "-p", "5"]).answer();
    assert_eq!(of(&typed), ("root".to_owned(), "db1.example.net".to_owned(), 5));
    // What the arguments and the configuration would run on connecting is not
    // run by asking.
    let evil = format!("ProxyCommand=touch {}", ran.display());
    Asked::new("ssh", &["-F", config, "-o", &evil, "-E", ran.to_str().unwrap(), "prod"]).answer();
    assert!(!ran.exists());
    // Nothing to ask about, and a destination that looks like an option.
    assert_eq!(ask(&["-F", config, "-V"]), None);
    assert_eq!(ask(&["-F", config, "--", &format!("-o{evil}")]), None);
    assert!(!ran.exists());
}

/// `Match exec` is evaluated, as the person's own ssh evaluates it; what hangs
/// there costs the answer and is killed.
#[test]
fn a_match_exec_that_hangs_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (config, pid) = (dir.path().join("config"), dir.path().join("pid"));
    let asked = Asked::new("ssh", &["-F", config.to_str().unwrap(), "prod"]);
    fs::write(&config, "Match originalhost prod exec true\n  HostName db1.example.net\n").unwrap();
    assert_eq!(asked.answer().host.as_deref(), Some("db1.example.net"));
    let command = format!("echo $$ > {}; exec sleep 600", pid.display());
    fs::write(&config, format!("Match exec \"{command}\"\n  HostName db1.example.net\n")).unwrap();
    let start = Instant::now();
    assert_eq!(asked.target(), None);
    assert!(start.elapsed() >= lookup::TIME_MAX, "it did not hang");
    // Not when it has ended by itself, in ten minutes.
    let patience = Duration::from_secs(40);
    assert!(start.elapsed() < patience);
    let pid = fs::read_to_string(&pid).unwrap();
    let stat = || fs::read_to_string(format!("/proc/{}/comm", pid.trim())).unwrap_or_default();
    while stat() == "sleep\n" {
        assert!(start.elapsed() < patience, "it lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Of everything that is on a command line, ssh agrees with us on who and
/// where: the same arguments, read by `ssh -G` itself and by [`Target::of`].
#[test]
fn targets_are_read_as_ssh_reads_them() {
    for line in [
        "h",
        "u@h",
        "-l a u@h",
        "u@h -l a",
        "-o User=c -l a h",
        "h -oUser=c -p 7",
        "-p 5 ssh://u@h:6",
        "ssh://u@h:6 -p 5",
        "ssh://u@h/",
        "-vNTp 2222 h",
        "-p22 -Cq -i x u@h ls -p 9",
        "-- u@h -p 5",
        "-L 80:x:80 -R 9:y:9 -D 1 -J j -w 0:0 -b 1.2.3.4 -B lo -c aes128-ctr -e none -m hmac-sha2-256 -S s -W a:1 u@h",
        "a@b@h",
        "-o port=77 h -o user=z",
        "-46AaCgKkMnNqTtXxYy h",
        "u@2001:db8::1",
        "-o 'User q' h",
    ] {
        let args: Vec<String> = line
            .replace("'User q'", "User\u{a0}q")
            .split(' ')
            .map(|w| w.replace('\u{a0}', " "))
            .collect();
        let real = said(tool("ssh").args(["-G", "-F", "none"]).args(&args).stderr(Stdio::null()));
        let real = |name: &str| {
            real.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')).unwrap().to_owned()
        };
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let target = Target::of("ssh".as_ref(), &args);
        assert_eq!(target.host, Some(real("hostname")), "{line}");
        assert_eq!(target.port.unwrap_or(22).to_string(), real("port"), "{line}");
        let me = users::name(rustix::process::getuid().as_raw()).unwrap();
        assert_eq!(target.user.unwrap_or(me), real("user"), "{line}");
    }
}

#[test]
fn kubectl_gives_five_fields_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let ran = dir.path().join("ran");
    let config = dir.path().join("config");
    fs::write(
        &config,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: prod\ncontexts:\n\
             - name: prod\n  context: {{cluster: c1, user: alice, namespace: shop}}\n\
             - name: dev\n  context: {{cluster: c2, user: bob}}\n\
             clusters:\n\
             - name: c1\n  cluster: {{server: 'https://u:s3cret@api.example.net:6443/k8s?token=s3cret'}}\n\
             - name: c2\n  cluster: {{server: 'https://dev.example.net'}}\n\
             users:\n\
             - name: alice\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      \
             command: touch\n      args: ['{}']\n      env: [{{name: T, value: s3cret}}]\n      \
             interactiveMode: Never\n\
             - name: bob\n  user: {{token: s3cret}}\n",
            ran.display()
        ),
    )
    .unwrap();
    let path = config.to_str().unwrap();
    let ask = |args: &[&str]| {
        let mut asked = Asked::new("kubectl", args);
        asked.environment = vec![("KUBECONFIG".to_owned(), config.clone())];
        let target = asked.answer();
        assert!(!format!("{target:?}").contains("s3cret"), "{target:?}");
        target
    };
    let json = |target: &Target| serde_json::to_value(target).unwrap();
    assert_eq!(
        json(&ask(&["exec", "-it", "api-0", "-c", "app", "--", "sh"])),
        serde_json::json!({
            "kind": "kubernetes", "name": "api-0", "user": "alice", "host": "api.example.net",
            "port": 6443, "context": "prod", "namespace": "shop", "pod": "api-0",
            "container": "app", "cluster": "c1",
            "server": "https://u:***@api.example.net:6443/k8s?token=***",
        })
    );
    let dev = ask(&["--kubeconfig", path, "--context=dev", "-n", "kube-system", "get", "pods"]);
    assert_eq!(
        json(&dev),
        serde_json::json!({
            "kind": "kubernetes", "name": "kube-system", "user": "bob", "host": "dev.example.net",
            "context": "dev", "namespace": "kube-system", "cluster": "c2",
            "server": "https://dev.example.net",
        })
    );
    assert!(!ran.exists(), "the exec plugin was run");
    let mut missing = Asked::new("kubectl", &["--context", "none", "get", "pods"]);
    missing.environment = vec![("KUBECONFIG".to_owned(), config.clone())];
    assert_eq!(missing.target(), None);
}
