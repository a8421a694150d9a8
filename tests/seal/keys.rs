//! Whose key seals, and what becomes of old seals when it changes.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::support::{Sandbox, tool, wait_until};
use crate::{record, status};

/// An ssh-agent that ends with the test.
struct Agent {
    child: Child,
    socket: String,
}

impl Agent {
    fn start(sandbox: &Sandbox) -> Self {
        let socket = sandbox.path("runtime/agent").display().to_string();
        let child = sandbox
            .command(tool("ssh-agent"))
            .args(["-D", "-a", &socket])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the agent listens", || fs::metadata(&socket).ok());
        Self { child, socket }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{command:?}: {out:?}");
}

fn keygen(sandbox: &Sandbox, args: &[&str]) {
    run(sandbox.command(tool("ssh-keygen")).arg("-q").args(args));
}

#[test]
fn an_agents_key_seals_and_its_private_half_is_nowhere() {
    let sandbox = Sandbox::new();
    let agent = Agent::start(&sandbox);
    let sandbox = sandbox.with_env("SSH_AUTH_SOCK", &agent.socket);
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let key = sandbox.work().join(kind).display().to_string();
        keygen(&sandbox, &["-t", kind, "-N", "", "-C", "ops@bastion", "-f", &key]);
        run(sandbox.command(tool("ssh-add")).args(["-q", &key]));
        fs::remove_file(&key).unwrap();
        sandbox.configure(&format!("seal.key = \"{key}.pub\"\n"));
        record(&sandbox, kind);
        let checked = sandbox.hrec(&["verify", "-1"]);
        assert_eq!(status(&checked), 0, "{kind}: {checked:?}");
        assert!(checked.text().contains("sealed by ops@bastion"), "{}", checked.text());
    }
}

#[test]
fn without_its_agent_a_recording_is_made_and_sealed_later() {
    let sandbox = Sandbox::new();
    let key = sandbox.work().join("key").display().to_string();
    keygen(&sandbox, &["-t", "ed25519", "-N", "", "-C", "", "-f", &key]);
    sandbox.configure(&format!("seal.key = \"{key}.pub\"\n"));
    record(&sandbox, "kept");
    let unsealed = sandbox.hrec(&["verify", "-1"]);
    assert_eq!(status(&unsealed), 1, "{unsealed:?}");
    assert!(unsealed.text().contains(": not-yet-sealed: "), "{}", unsealed.text());
    let cannot = sandbox.hrec(&["seal", "-1"]);
    assert_eq!(status(&cannot), 125);
    assert!(String::from_utf8_lossy(&cannot.stderr).contains("SSH_AUTH_SOCK"), "{cannot:?}");

    sandbox.configure(&format!("seal.key = \"{key}\"\n"));
    let sealed = sandbox.hrec(&["seal", "-1"]);
    assert_eq!(status(&sealed), 0, "{sealed:?}");
    assert_eq!(status(&sandbox.hrec(&["verify", "--all"])), 0);
    let again = sandbox.hrec(&["seal", "-1"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("sealed already"), "{again:?}");
}

#[test]
fn a_certificate_backed_key_seals_for_whoever_trusts_its_authority() {
    let sandbox = Sandbox::new();
    let path = |name: &str| sandbox.work().join(name).display().to_string();
    for name in ["ca", "key"] {
        keygen(&sandbox, &["-t", "ed25519", "-N", "", "-f", &path(name)]);
    }
    keygen(&sandbox, &["-s", &path("ca"), "-I", "bastion-7", "-n", "ops", &path("key.pub")]);
    sandbox.configure(&format!("seal.key = \"{}\"\n", path("key")));
    record(&sandbox, "kept");
    // Nobody has said that the authority is to be trusted.
    let stranger = sandbox.hrec(&["verify", "-1"]);
    assert_eq!(status(&stranger), 2, "{stranger:?}");
    assert!(stranger.text().contains(": unknown-signer: "), "{}", stranger.text());
    let ca = fs::read_to_string(path("ca.pub")).unwrap();
    // The ledger has a key of its own.
    let own = fs::read_to_string(sandbox.path("config/hrec/allowed_signers")).unwrap();
    let ledger = own.lines().find(|line| line.contains("\"hrec-ledger\"")).unwrap();
    let list = sandbox.file("list", format!("ops cert-authority {ca}{ledger}\n"));
    let known = sandbox.hrec(&["verify", "--signers", &list, "-1"]);
    assert_eq!(status(&known), 0, "{known:?}");
    assert!(known.text().contains("sealed by ops"), "{}", known.text());
}

#[test]
fn old_seals_stay_good_when_the_key_is_replaced_and_not_when_it_is_revoked() {
    let sandbox = Sandbox::new();
    record(&sandbox, "old");
    let old = fs::read_to_string(sandbox.path("config/hrec/signing_key.pub")).unwrap();
    let again = sandbox.hrec(&["keygen", "--signing"]);
    assert_eq!(status(&again), 125, "{again:?}");
    let rotated = sandbox.hrec(&["keygen", "--signing", "--rotate"]);
    assert_eq!(status(&rotated), 0, "{rotated:?}");
    record(&sandbox, "new");
    let checked = sandbox.hrec(&["verify", "--all"]);
    assert_eq!(status(&checked), 0, "{checked:?}");
    assert!(checked.text().contains("2 recordings, 2 sound"), "{}", checked.text());

    fs::write(sandbox.path("config/hrec/revoked_keys"), old).unwrap();
    let checked = sandbox.hrec(&["verify", "--all"]);
    assert_eq!(status(&checked), 2, "{checked:?}");
    assert!(checked.text().contains("is revoked"), "{}", checked.text());
    assert!(
        checked.text().contains("2 recordings, 1 sound, 1 unknown-signer"),
        "{}",
        checked.text()
    );
}

#[test]
fn the_first_recording_makes_the_key_and_says_so() {
    use crate::support::Terminal;
    let sandbox = Sandbox::without_keys();
    let mut terminal = Terminal::spawn(&sandbox, &["hrec", "rec", "--", "echo", "kept"]);
    assert_eq!(terminal.wait(), 0);
    let said = String::from_utf8_lossy(terminal.seen()).into_owned();
    assert!(said.contains("signing_key"), "{said}");
    let key = sandbox.path("config/hrec/signing_key");
    assert!(key.exists() && sandbox.path("config/hrec/allowed_signers").exists());
    assert_eq!(status(&sandbox.hrec(&["verify", "-1"])), 0);
}
