//! `hrec doctor --bastion` on a host that the installer has set up: each way
//! around that is opened is told of, and is no more when it is closed.

use serde_json::Value;

use crate::bastion::Bastion;
use crate::support::wait_until;

/// The findings of this kind, as root has them.
fn findings(bastion: &Bastion, what: &str) -> Vec<String> {
    let told = bastion.root("hrec doctor --bastion --json");
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let found = told["findings"].as_array().expect("a list").iter();
    found
        .filter(|check| check["check"] == what)
        .map(|check| check["text"].as_str().expect("a text").to_owned())
        .collect()
}

#[test]
fn each_way_around_is_told_of_while_it_is_open() {
    let bastion = Bastion::installed();
    let key = bastion.sandbox.path("config/hrec/identity.txt").display().to_string();
    let home = bastion.home("dan").display().to_string();
    let config = "/etc/hrec/config.toml";
    for (what, open, close, word) in [
        ("store", "chmod 750 /var/lib/hrec".to_owned(), "chmod 700 /var/lib/hrec".to_owned(), "can get into"),
        (
            "collector",
            "chmod 666 /run/hrec/collect.sock".into(),
            "chmod 660 /run/hrec/collect.sock".into(),
            "without hrec",
        ),
        ("collector", "chmod 777 /run/hrec".into(), "chmod 755 /run/hrec".into(), "without hrec"),
        (
            "keys",
            "chmod 640 /etc/hrec/signing_key".into(),
            "chmod 600 /etc/hrec/signing_key".into(),
            "open to sessions",
        ),
        (
            "keys",
            "chown root /etc/hrec/ledger_key".into(),
            "chown hrec /etc/hrec/ledger_key".into(),
            "not the collector's",
        ),
        (
            "keys",
            format!("sed -i 's/^recipients/#&/' {config}"),
            format!("sed -i 's/^#recipients/recipients/' {config}"),
            "without record.recipients",
        ),
        (
            "secrets",
            format!("mkdir -p {home}/.config/age; cp {key} {home}/.config/age/keys.txt"),
            format!("rm {home}/.config/age/keys.txt"),
            ".config/age/keys.txt opens this host's recordings",
        ),
        (
            "sshd",
            "printf 'Match User alice\\n    X11Forwarding yes\\n' >>/etc/ssh/sshd_config".into(),
            "sed -i '/^Match User alice/,$d' /etc/ssh/sshd_config".into(),
            "for alice: sshd forwards X11",
        ),
        (
            "sshd",
            "sed -i 's/^DisableForwarding.*/DisableForwarding no/' /etc/ssh/sshd_config.d/00-hrec.conf".into(),
            "sed -i 's/^DisableForwarding.*/DisableForwarding yes/' /etc/ssh/sshd_config.d/00-hrec.conf".into(),
            "sshd forwards connections",
        ),
        (
            "logins",
            "sed -i 's/collect --login/collect --nothing/' /etc/pam.d/sshd; sed -i 's/^UsePAM no/UsePAM yes/' \
             /etc/ssh/sshd_config"
                .into(),
            "sed -i 's/collect --nothing/collect --login/' /etc/pam.d/sshd".into(),
            "a login without a recording would go unnoticed",
        ),
        (
            "disk",
            format!("sed -i 's/^min_free.*/min_free = \"1000000TiB\"/' {config}"),
            format!("sed -i 's/^min_free.*/min_free = \"1MiB\"/' {config}"),
            "less than store.min_free",
        ),
        ("config", "chmod 664 /etc/hrec/config.toml".into(), "chmod 644 /etc/hrec/config.toml".into(), "by others than root"),
        ("shells", "sed -i /hrec-shell/d /etc/shells".into(), "true".into(), "not in /etc/shells"),
        ("people", "usermod --shell /bin/bash alice".into(), "true".into(), "alice works unrecorded"),
        ("binary", "chmod g-s \"$(command -v hrec)\"".into(), "chmod 2755 \"$(command -v hrec)\"".into(), "not set-group-ID"),
    ] {
        let has = |found: &[String]| found.iter().any(|text| text.contains(word));
        assert!(what == "logins" || !has(&findings(&bastion, what)), "{what}, before {open}");
        assert!(bastion.root(&open).status.success(), "{open}");
        let found = findings(&bastion, what);
        assert!(has(&found), "{what}: {open}: {found:#?}");
        assert!(bastion.root(&close).status.success(), "{close}");
        assert!(close == "true" || !has(&findings(&bastion, what)), "{what}, after {close}");
    }
    bastion.keep_down(true);
    bastion.end_collector("STOP");
    assert!(findings(&bastion, "collector")[0].contains("does not answer"));
    bastion.end_collector("KILL");
    wait_until("nobody answers", || {
        findings(&bastion, "collector").iter().any(|text| text.contains("refused")).then_some(())
    });
}
