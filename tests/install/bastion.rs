//! `install.sh --bastion`, as root on hosts of its own: what it refuses, what
//! it changes, that twice is as good as once, that a step that fails leaves
//! nothing behind, and that `--uninstall` gives everything back.
//!
//! That people get in, and are recorded, is for `tests/shell`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use age::secrecy::ExposeSecret;

/// Runs a scenario of `on_host.sh` and gives what it printed.
fn on_host(scenario: &str) -> String {
    let dir = tempfile::Builder::new().prefix("hrec-install-").tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).unwrap();
    let identity = age::x25519::Identity::generate();
    fs::write(base.join("identity.txt"), identity.to_string().expose_secret()).unwrap();
    fs::write(base.join("scenario"), scenario).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/install/on_host.sh");
    let out = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(script)
        .arg(&base)
        .args([env!("CARGO_BIN_EXE_hrec"), &identity.to_public().to_string()])
        .arg(base.join("scenario"))
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", &base)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let text = text + &String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("scenario-is-over"), "{text}");
    text
}

/// The lines between two of the scenario's own.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}: {text}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to}: {text}")).0
}

#[test]
fn what_cannot_be_set_up_is_refused_before_anything_is_changed() {
    let text = on_host(
        r#"
exec 2>&1
cp "$base/identity.txt" /tmp/"${base##*/}.key" # Where anybody can read it.
snapshot >"$base/first"
try() { echo "[$1]"; shift; "$@"; echo "status $?"; }
secret=$(cat "$base/identity.txt")
try user setpriv --reuid 64103 --clear-groups "$tests/../install.sh" --bastion --recipient "$recipient"
try none installer --group people --binary "$hrec"
try garbage installer --recipient age1nonsense --group people --binary "$hrec"
try one-bad installer --recipient "$recipient" --recipient age1nonsense --binary "$hrec"
try secret installer --recipient "$secret" --group people --binary "$hrec"
try openssh installer --recipient "-----BEGIN OPENSSH PRIVATE KEY-----" --binary "$hrec"
try file installer --recipient "$base/identity.txt" --binary "$hrec"
try quote installer --recipient 'age1"], x = ["' --binary "$hrec"
try group installer --recipient "$recipient" --group nobodies --binary "$hrec"
try own-group installer --recipient "$recipient" --group hrec --binary "$hrec"
echo "hrec:x:64999:alice" >>/etc/group
try member installer --recipient "$recipient" --binary "$hrec"
sed -i '/^hrec:x:64999/d' /etc/group
echo "Nonsense yes" >>/etc/ssh/sshd_config
try sshd installer --recipient "$recipient" --binary "$hrec"
sed -i '/^Nonsense/d' /etc/ssh/sshd_config
try binary installer --recipient "$recipient" --binary "$base/none"
rm -f /tmp/"${base##*/}.key"
snapshot | grep -vE '^etc(/group|/ssh/sshd_config|/ssh| )' >"$base/last"
grep -vE '^etc(/group|/ssh/sshd_config|/ssh| )' "$base/first" | diff - "$base/last" && echo unchanged
echo scenario-is-over
"#,
    );
    for (case, word) in [
        ("user", "needs root"),
        ("none", "--recipient AGE1"),
        ("garbage", "cannot record for age1nonsense"),
        ("one-bad", "cannot record for age1nonsense"),
        ("secret", "is a private key"),
        ("openssh", "is a private key"),
        ("file", "takes a public key"),
        ("quote", "no recipient"),
        ("group", "no group nobodies"),
        ("own-group", "nobody is to be in it"),
        ("member", "the group hrec has members"),
        ("sshd", "before anything is changed"),
        ("binary", "is no program"),
    ] {
        let told = between(&text, &format!("[{case}]"), "status ");
        assert!(told.contains(word), "{case}: {told}");
        assert!(!told.contains("AGE-SECRET-KEY-1"), "the key is not shown again: {told}");
        let after = text.split_once(&format!("[{case}]")).unwrap().1;
        let status = after.split_once("status ").unwrap().1;
        assert!(!status.starts_with('0'), "{case}: {text}");
    }
    assert!(text.contains("\nunchanged\n"), "{text}");
}

#[test]
fn sets_up_once_changes_nothing_the_second_time_and_gives_everything_back() {
    let text = on_host(
        r#"
exec 2>&1
contents >"$base/before"
echo "[first]"; install_it --without-collector; echo "status $?"
snapshot >"$base/one"
echo "[second]"; install_it --without-collector; echo "status $?"
snapshot | diff "$base/one" - && echo unchanged
echo "[host]"
shells
stat -c '%n %U:%G %a' "$base/bin/hrec" /etc/hrec/*key /etc/hrec/config.toml /var/lib/hrec | sed "s#$base#PREFIX#"
grep '^users' /etc/hrec/config.toml
grep -c hrec-shell /etc/shells
sshd -T -C user=nobody,host=h,addr=127.0.0.1 | grep -E '^(x11forwarding|allowagentforwarding|disableforwarding|exposeauthinfo|permituserrc|permituserenvironment|subsystem)' | sort
echo "[collector]"; install_it; echo "status $?"
snapshot | diff "$base/one" - && echo unchanged
echo "[later]"
usermod --append --groups people carol
usermod --shell /bin/zsh carol
install_it --without-collector
shells
grep '^users' /etc/hrec/config.toml
echo "[away]"
installer --uninstall; echo "status $?"
usermod --shell /bin/bash carol
gpasswd -d carol people >/dev/null
shells
contents | grep -vE ' etc/(passwd|group|gshadow|shadow|subuid|subgid)$' >"$base/after"
grep -vE ' etc/(passwd|group|gshadow|shadow|subuid|subgid)$' "$base/before" | diff - "$base/after" && echo restored
ls -d /etc/hrec/config.toml /etc/hrec/signing_key /var/lib/hrec "$base/bin/hrec" "$base/bin/hrec-shell"
echo scenario-is-over
"#,
    );
    let first = between(&text, "[first]", "[second]");
    assert!(first.contains("status 0"), "{first}");
    // Said before it is done: how to try, how to undo.
    let done = first.find("alice: /bin/bash -> ").expect("alice's shell");
    for word in ["KEEP THIS SESSION OPEN", "ssh alice@", "--uninstall"] {
        let said = first.find(word).unwrap_or_else(|| panic!("{word}: {first}"));
        assert!(said < done, "{word} is said too late: {first}");
    }
    for word in ["robot has /usr/sbin/nologin", "root is root", "carol works unrecorded"] {
        assert!(first.contains(word), "{word}: {first}");
    }
    let second = between(&text, "[second]", "[host]");
    assert!(second.contains("nothing was changed") && second.contains("unchanged"), "{second}");
    assert_eq!(
        between(&text, "[host]\n", "[collector]"),
        "alice:PREFIX/bin/hrec-shell zoe:PREFIX/bin/hrec-shell carol:/bin/bash robot:/usr/sbin/nologin\n\
         PREFIX/bin/hrec root:hrec 2755\n/etc/hrec/ledger_key root:hrec 640\n\
         /etc/hrec/signing_key root:hrec 640\n/etc/hrec/config.toml root:root 644\n\
         /var/lib/hrec root:hrec 2770\nusers = { \"zoe\" = \"/bin/zsh\" } # hrec: by install.sh --bastion\n1\n\
         allowagentforwarding no\ndisableforwarding yes\nexposeauthinfo yes\npermituserenvironment no\n\
         permituserrc no\nsubsystem sftp /usr/lib/openssh/sftp-server\nx11forwarding no\n"
    );
    let collector = between(&text, "[collector]", "[later]");
    assert!(
        collector.contains("call this with --without-collector")
            && collector.ends_with("status 1\nunchanged\n"),
        "{collector}"
    );
    let later = between(&text, "[later]", "[away]");
    assert!(later.contains("carol:PREFIX/bin/hrec-shell"), "{later}");
    assert!(later.contains(r#"{ "zoe" = "/bin/zsh", "carol" = "/bin/zsh" }"#), "{later}");
    let away = between(&text, "[away]", "scenario-is-over");
    assert!(
        away.contains(
            "alice:/bin/bash zoe:/bin/zsh carol:/bin/bash robot:/usr/sbin/nologin\nrestored\n"
        ),
        "{away}"
    );
    assert!(away.contains("cannot access") && away.contains("/etc/hrec/signing_key\n"), "{away}");
}

#[test]
fn a_step_that_fails_undoes_those_before_it() {
    let text = on_host(
        r#"
exec 2>&1
contents >"$base/before"
shells
stand_in usermod 'case $* in *zoe*) echo "usermod: disk on fire" >&2; exit 1;; esac; exec /usr/sbin/usermod "$@"'
echo "[usermod]"; install_it --without-collector; echo "status $?"
shells
contents | grep -vE ' etc/(passwd|group|gshadow|shadow|subuid|subgid)$' >"$base/after"
grep -vE ' etc/(passwd|group|gshadow|shadow|subuid|subgid)$' "$base/before" | diff - "$base/after" && echo undone
ls -A /etc/hrec "$base/bin"
rm "$base/stand-ins/usermod"
echo "Match all
    X11Forwarding yes" >>/etc/ssh/sshd_config
contents >"$base/before"
echo "[match]"; install_it --without-collector; echo "status $?"
contents | grep -vE ' etc/(passwd|group|gshadow|shadow|subuid|subgid)$' >"$base/after"
grep -vE ' etc/(passwd|group|gshadow|shadow|subuid|subgid)$' "$base/before" | diff - "$base/after" && echo undone
shells
sed -i '/^Match all/,$d' /etc/ssh/sshd_config
echo "Match User zoe
    DisableForwarding no" >>/etc/ssh/sshd_config
mkdir -m 750 /var/lib/hrec
echo "[zoe]"; install_it --without-collector; echo "status $?"
stat -c '%U:%G %a' /var/lib/hrec
rmdir /var/lib/hrec
sed -i '/^Match User/,$d' /etc/ssh/sshd_config
# Not included: then it is, above all else.
sed -i /^Include/d /etc/ssh/sshd_config
cp /etc/ssh/sshd_config "$base/sshd_config"
echo "[include]"; install_it --without-collector; echo "status $?"
sed "s#$base#PREFIX#" /etc/ssh/sshd_config
installer --uninstall; echo "status $?"
diff "$base/sshd_config" /etc/ssh/sshd_config && echo restored
echo scenario-is-over
"#,
    );
    let was = "alice:/bin/bash zoe:/bin/zsh carol:/bin/bash robot:/usr/sbin/nologin\n";
    let usermod = between(&text, "[usermod]", "[match]");
    assert!(
        usermod.contains("the shell of zoe could not be changed: usermod: disk on fire"),
        "{usermod}"
    );
    assert!(usermod.contains("what this call had changed is undone\nstatus 1\n"), "{usermod}");
    assert!(usermod.contains(&format!("{was}undone\n")), "{usermod}");
    assert!(!usermod.contains("signing_key") && !usermod.contains("config.toml"), "{usermod}");
    let zoe = between(&text, "[zoe]", "[include]");
    assert!(zoe.contains("in this: disableforwarding no (for zoe) ;"), "{zoe}");
    assert!(zoe.ends_with("undone\nstatus 1\nroot:root 750\n"), "{zoe}");
    let told = between(&text, "[match]", "[zoe]");
    assert!(
        told.contains("x11forwarding yes") && told.contains("undone\nstatus 1\nundone\n"),
        "{told}"
    );
    assert!(told.contains(was), "{told}");
    let include = between(&text, "[include]", "scenario-is-over");
    let top = "# hrec: by install.sh --bastion\nInclude /etc/ssh/sshd_config.d/00-hrec.conf\nX11Forwarding yes\n\
               #hrec-was Subsystem sftp internal-sftp -l INFO\nSubsystem sftp /usr/lib/openssh/sftp-server\n";
    assert!(include.contains(top) && include.contains("status 0\nrestored\n"), "{include}");
}

#[test]
fn settings_of_the_hosts_own_are_left_and_must_agree() {
    let text = on_host(
        r#"
exec 2>&1
mkdir /etc/hrec
printf 'locked = ["*"]\nrecord.mode = "strict"\nrecord.recipients = ["age1other"]\n' >/etc/hrec/config.toml
echo "[other]"; install_it --without-collector; echo "status $?"
printf 'locked = ["*"]\nrecord.mode = "strict"\nrecord.recipients = ["%s"]\nstore.path = "/var/lib/hrec"\nseal.key = "/etc/hrec/signing_key"\n' "$recipient" >/etc/hrec/config.toml
echo "[shells]"; install_it --without-collector; echo "status $?"
shells
printf 'shell.users = { "zoe" = "/bin/zsh" }\n' >>/etc/hrec/config.toml
cp /etc/hrec/config.toml "$base/config"
echo "[own]"; install_it --without-collector; echo "status $?"
diff "$base/config" /etc/hrec/config.toml && echo left
shells
echo "[wrong]"
installer --uninstall >/dev/null
echo 'nonsense = 1' >>/etc/hrec/config.toml
install_it --without-collector; echo "status $?"
shells
echo "[strangers]"
sed -i /nonsense/d /etc/hrec/config.toml
install_it --without-collector >/dev/null
usermod --shell "$base/bin/hrec-shell" carol
installer --uninstall; echo "status $?"
shells
echo scenario-is-over
"#,
    );
    let other = between(&text, "[other]", "[shells]");
    assert!(other.contains("does not name age1") && other.contains("status 1"), "{other}");
    let shells = between(&text, "[shells]", "[own]");
    assert!(
        shells.contains(r#"add "zoe" = "/bin/zsh" to that"#) && shells.contains("status 1"),
        "{shells}"
    );
    assert!(shells.contains("alice:/bin/bash"), "{shells}");
    let own = between(&text, "[own]", "[wrong]");
    assert!(own.contains("status 0\nleft\nalice:PREFIX/bin/hrec-shell"), "{own}");
    let wrong = between(&text, "[wrong]", "[strangers]");
    assert!(
        wrong.contains("hrec refuses its configuration") && wrong.contains("status 1"),
        "{wrong}"
    );
    assert!(wrong.contains("alice:/bin/bash"), "{wrong}");
    let strangers = between(&text, "[strangers]", "scenario-is-over");
    assert!(
        strangers.contains("carol have hrec as their shell") && strangers.contains("status 1"),
        "{strangers}"
    );
    assert!(strangers.contains("alice:PREFIX/bin/hrec-shell"), "nothing was changed: {strangers}");
}

#[test]
fn a_host_without_sftp_server_keeps_its_subsystem_and_is_told() {
    let text = on_host(
        r#"
exec 2>&1
mount --bind /dev/null /usr/lib/openssh/sftp-server
mount -t tmpfs none /usr/libexec
echo "[first]"; install_it --without-collector; echo "status $?"
grep Subsystem /etc/ssh/sshd_config
grep sftp_server /etc/hrec/config.toml
echo "[elsewhere]"
installer --uninstall >/dev/null; rm -r /etc/hrec
mkdir /usr/libexec/openssh
cp /bin/true /usr/libexec/openssh/sftp-server
install_it --without-collector; echo "status $?"
grep Subsystem /etc/ssh/sshd_config
grep sftp_server /etc/hrec/config.toml
echo scenario-is-over
"#,
    );
    let first = between(&text, "[first]", "[elsewhere]");
    assert!(first.contains("no sftp-server was found"), "{first}");
    assert!(first.ends_with("status 0\nSubsystem sftp internal-sftp -l INFO\n"), "{first}");
    let elsewhere = between(&text, "[elsewhere]", "scenario-is-over");
    assert!(!elsewhere.contains("no sftp-server was found"), "{elsewhere}");
    assert!(
        elsewhere.ends_with(
            "status 0\n#hrec-was Subsystem sftp internal-sftp -l INFO\n\
             Subsystem sftp /usr/libexec/openssh/sftp-server\n\
             sftp_server = \"/usr/libexec/openssh/sftp-server\"\n"
        ),
        "{elsewhere}"
    );
}

/// Accounts that another machine keeps: `usermod` cannot change them.
#[test]
fn who_is_not_in_passwd_is_forced_where_that_holds_and_named_where_not() {
    let text = on_host(
        r#"
exec 2>&1
sed -i 's/^people:.*/&,far,near/' /etc/group
stand_in getent 'case "$*" in
"passwd far") echo far:x:70001:70001::/home/far:/bin/bash;;
"passwd near") echo near:x:70002:70002::/home/near:/bin/dash;;
*) exec /usr/bin/getent "$@";; esac'
echo "[first]"; install_it --without-collector; echo "status $?"
sed -n '/^# Not in/,$p' /etc/ssh/sshd_config.d/00-hrec.conf | sed "s#$base#PREFIX#"
sshd -T -C user=near,host=h,addr=127.0.0.1 | grep ^forcecommand | sed "s#$base#PREFIX#"
sshd -T -C user=far,host=h,addr=127.0.0.1 | grep ^forcecommand
grep '^users' /etc/hrec/config.toml
snapshot >"$base/one"
echo "[second]"; install_it --without-collector; echo "status $?"
snapshot | diff "$base/one" - && echo unchanged
echo "[alone]"; installer --recipient "$recipient" --without-collector --binary "$hrec"; echo "status $?"
snapshot | diff "$base/one" - && echo unchanged
echo scenario-is-over
"#,
    );
    let first = between(&text, "[first]", "[second]");
    assert!(
        first.contains("far is not in /etc/passwd, and /bin/bash reads a file of theirs"),
        "{first}"
    );
    let forced = "Match User near\n    ForceCommand PREFIX/bin/hrec-shell\nforcecommand PREFIX/bin/hrec-shell\n\
                  forcecommand none\n";
    assert!(first.contains("status 0") && first.contains(forced), "{first}");
    assert!(first.contains(r#""near" = "/bin/dash""#), "{first}");
    assert_eq!(text.matches("nothing was changed").count(), 2, "{text}");
    assert_eq!(text.matches("\nunchanged\n").count(), 2, "also where no group is given: {text}");
}

#[test]
fn without_systemd_nobodys_shell_is_changed_before_a_collector_answers() {
    let text = on_host(
        r#"
exec 2>&1
cp /etc/pam.d/sshd "$base/pam"
echo "[first]"; install_it >"$base/said"; echo "status $?"; cat "$base/said"
shells
stat -c '%n %U:%G %a' /etc/hrec/*key /var/lib/hrec /run/hrec
# What it says is done, to the letter.
sed -n -e 's/^ *\(install -d\)/\1/p' -e 's/^ *\(setpriv .*\)/\1 \&/p' "$base/said" >"$base/commands"
cat "$base/commands"
. "$base/commands"
until [ -S /run/hrec/collect.sock ]; do sleep 0.05; done
echo "[second]"; install_it; echo "status $?"
shells
snapshot | grep -vE '^(run|var/lib)/hrec' >"$base/one"
echo "[third]"; install_it; echo "status $?"
snapshot | grep -vE '^(run|var/lib)/hrec' | diff "$base/one" - && echo unchanged
tail -n 2 /etc/pam.d/sshd | sed "s#$base#PREFIX#"
echo "[without]"; install_it --without-collector; echo "status $?"
snapshot | grep -vE '^(run|var/lib)/hrec' | diff "$base/one" - && echo unchanged
stat -c '%n %U:%G %a' /etc/hrec/*key /var/lib/hrec
echo "[session]"
runuser -u alice -- "$base/bin/hrec-shell" -c 'echo recorded-$((1 + 1))'
HOME=/nonexistent "$base/bin/hrec" ls --json | grep -c '"writer": "collector"'
echo "[away]"
installer --uninstall; echo "status $?"
diff "$base/pam" /etc/pam.d/sshd && echo restored
shells
echo scenario-is-over
"#,
    );
    let first = between(&text, "[first]", "[second]");
    for word in ["status 0", "wait for the collector", "call this again", "--uninstall\n"] {
        assert!(first.contains(word), "{word}: {first}");
    }
    let was = "alice:/bin/bash zoe:/bin/zsh carol:/bin/bash robot:/usr/sbin/nologin\n";
    assert!(first.contains(was), "{first}");
    assert!(
        first.contains(
            "/etc/hrec/ledger_key hrec:hrec 600\n/etc/hrec/signing_key hrec:hrec 600\n\
             /var/lib/hrec hrec:hrec 700\n/run/hrec hrec:hrec 755\n"
        ),
        "{first}"
    );
    let second = between(&text, "[second]", "[third]");
    let now = "alice:PREFIX/bin/hrec-shell zoe:PREFIX/bin/hrec-shell carol:/bin/bash";
    assert!(second.contains("KEEP THIS SESSION OPEN") && second.contains(now), "{second}");
    let third = between(&text, "[third]", "[without]");
    assert!(
        third.contains("nothing was changed") && third.contains("status 0\nunchanged\n"),
        "{third}"
    );
    let hook = "# hrec: by install.sh --bastion\nsession optional pam_exec.so quiet PREFIX/bin/hrec collect --login\n";
    assert!(third.ends_with(hook), "{third}");
    let without = between(&text, "[without]", "[session]");
    assert!(without.contains("call this without it\nstatus 1\nunchanged\n"), "{without}");
    assert!(
        without.ends_with("signing_key hrec:hrec 600\n/var/lib/hrec hrec:hrec 700\n"),
        "{without}"
    );
    assert_eq!(between(&text, "[session]\n", "[away]"), "recorded-2\n1\n");
    let away = between(&text, "[away]", "scenario-is-over");
    assert!(away.contains("end it.\nstatus 0\nrestored\n") && away.contains(was), "{away}");
}

/// In systemd's place: one that notes what it is asked, starts the collector
/// with the socket as systemd does (systemd-socket-activate(1)), or does not.
#[test]
fn with_systemd_the_collector_runs_before_anybodys_shell_is_changed() {
    let text = on_host(
        r#"
exec 2>&1
mkdir -p /run/systemd/system
stand_in systemctl 'echo "systemctl $*"; case $* in "start hrec-collect.service") exit 1;; "cat ssh.service") exit 1;; esac'
echo "[broken]"; install_it; echo "status $?"
shells
ls /etc/systemd/system/hrec* /etc/tmpfiles.d/hrec.conf
cat >"$base/activate" <<END
[ ! -S /run/hrec/collect.sock ] || exit 0
systemd-socket-activate -l /run/hrec/collect.sock setpriv --reuid hrec --regid hrec --clear-groups env HOME=/nonexistent "$base/bin/hrec" collect 2>"$base/activated" &
until [ -S /run/hrec/collect.sock ]; do sleep 0.05; done
chown root:hrec /run/hrec/collect.sock
chmod 660 /run/hrec/collect.sock
END
stand_in systemctl 'echo "systemctl $*"; case $* in "start hrec-collect.service") . '"$base/activate"';; "cat ssh.service") exit 1;; esac'
echo "[whole]"; install_it; echo "status $?"
shells
sed "s#$base#PREFIX#" /etc/systemd/system/hrec-collect.service | grep ^ExecStart
runuser -u alice -- "$base/bin/hrec-shell" -c 'echo recorded-$((1 + 1))'
echo "[again]"; install_it; echo "status $?"
cp "$hrec" "$base/hrec.2"; echo >>"$base/hrec.2"
echo "[newer]"; installer --recipient "$recipient" --group people --binary "$base/hrec.2"; echo "status $?"
echo "[away]"; installer --uninstall; echo "status $?"
shells
ls /etc/systemd/system/hrec* /etc/tmpfiles.d/hrec.conf
echo scenario-is-over
"#,
    );
    let order = |text: &str, calls: &[&str]| {
        let place = |call: &&str| text.find(*call).unwrap_or_else(|| panic!("no {call}: {text}"));
        assert!(calls.iter().map(place).is_sorted(), "{text}");
    };
    let started = [
        "systemctl daemon-reload",
        "systemctl enable --now hrec-collect.socket",
        "systemctl start hrec-collect.service",
    ];
    let broken = between(&text, "[broken]", "[whole]");
    order(broken, &started);
    assert!(
        broken.contains("the collector does not start: journalctl -u hrec-collect"),
        "{broken}"
    );
    assert!(broken.contains("undone\nstatus 1\nalice:/bin/bash"), "{broken}");
    assert_eq!(broken.matches("cannot access").count(), 2, "{broken}");
    let whole = between(&text, "[whole]", "[again]");
    order(whole, &started);
    let last = [
        "KEEP THIS SESSION OPEN",
        "alice: /bin/bash -> ",
        "systemctl try-reload-or-restart sshd.service",
        "status 0",
    ];
    order(whole, &["systemctl start hrec-collect.service", last[0], last[1], last[2], last[3]]);
    assert!(whole.ends_with("ExecStart=PREFIX/bin/hrec collect\nrecorded-2\n"), "{whole}");
    let away = between(&text, "[away]", "scenario-is-over");
    order(
        away,
        &[
            "alice: /bin/bash again",
            "systemctl disable --now hrec-collect.socket hrec-collect.service",
            "status 0",
        ],
    );
    assert!(away.contains("alice:/bin/bash zoe:/bin/zsh"), "{away}");
    assert_eq!(away.matches("cannot access").count(), 2, "{away}");
}

/// What systemd thinks of the units, where it is installed.
#[test]
fn the_units_are_what_systemd_takes() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let dir = tempfile::tempdir().unwrap();
    for unit in ["hrec-collect.service", "hrec-collect.socket"] {
        let text = fs::read_to_string(assets.join("systemd").join(unit)).unwrap();
        let text = text.replace("/usr/bin/hrec", env!("CARGO_BIN_EXE_hrec"));
        let text: String = text
            .lines()
            .filter(|l| !l.starts_with("Documentation"))
            .map(|l| format!("{l}\n"))
            .collect();
        fs::write(dir.path().join(unit), text).unwrap();
    }
    let unit = dir.path().join("hrec-collect.service");
    let out =
        Command::new("systemd-analyze").arg("verify").arg(&unit).output().expect("systemd-analyze");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success() && !said.contains("hrec-collect"), "{said}");
    // Its scale: 0 is nothing exposed, 10 everything.
    let out = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
        .arg(&unit)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    for (tool, file) in [("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")] {
        let mut command = Command::new(tool);
        command.arg(format!("--root={}", root.path().display()));
        if tool == "systemd-tmpfiles" {
            command.arg("--create");
        }
        let out = command.arg(assets.join(file).join("hrec.conf")).output().expect(tool);
        assert!(out.status.success(), "{tool}: {}", String::from_utf8_lossy(&out.stderr));
    }
    let passwd = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert!(passwd.contains(":/var/lib/hrec:/usr/sbin/nologin"), "{passwd}");
    assert!(root.path().join("run/hrec").is_dir() && root.path().join("var/lib/hrec").is_dir());
}

#[test]
fn the_scripts_are_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = Command::new("shellcheck")
        .arg("-x")
        .arg(root.join("install.sh"))
        .current_dir(root)
        .output();
    let out = out.expect("shellcheck is needed: apt-get install shellcheck");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}
