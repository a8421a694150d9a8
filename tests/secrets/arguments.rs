//! Secrets on a command line: they are inside the encryption with the rest of
//! it, and in nothing that is stored in the clear.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::case::Case;

/// Command lines with a secret, `%` standing for it; the real program where
/// it needs nothing to fail, and one that fails at once elsewhere.
const LINES: &[&[&str]] = &[
    &["psql", "postgres://teller:%@127.0.0.1:1/ledger"],
    &["psql", "postgresql://127.0.0.1:1/ledger?user=teller&password=%"],
    &["psql", "host=127.0.0.1 port=1 user=teller password=%"],
    &["psql", "host=127.0.0.1 port=1 password='%' user=teller"],
    &["psql", "-h", "127.0.0.1", "-p", "1", "-v", "password=%"],
    &["psql", "-h127.0.0.1", "-p1", "-c", "alter role teller password '%'"],
    &["mysql", "-h127.0.0.1", "-P1", "-uteller", "-p%", "ledger"],
    &["mysql", "-h", "127.0.0.1", "--port=1", "--user=teller", "--password=%"],
    &["mongosh", "mongodb://teller:%@127.0.0.1:1/ledger"],
    &["mongosh", "--host", "127.0.0.1", "-u", "teller", "-p", "%"],
    &["redis-cli", "-u", "redis://teller:%@127.0.0.1:1"],
    &["redis-cli", "-h", "127.0.0.1", "-a", "%"],
    &["redis-cli", "-h", "127.0.0.1", "--pass", "%"],
    &["ssh", "-o", "BatchMode=yes", "-o", "ProxyCommand=false --password=%", "teller@127.0.0.1"],
    &["ssh", "-oBatchMode=yes", "-oSetEnv=TOKEN=%", "-p1", "127.0.0.1"],
    &["ssh", "-oBatchMode=yes", "-p1", "127.0.0.1", "PGPASSWORD=% psql"],
    &["ssh", "-oBatchMode=yes", "ssh://teller;%@127.0.0.1:1"],
    &["kubectl", "--server=http://127.0.0.1:1", "--token=%", "exec", "-it", "pod", "--", "sh"],
    &["kubectl", "--server=http://127.0.0.1:1", "--token", "%", "get", "pods"],
    &["kubectl", "--server=http://127.0.0.1:1", "--username=a", "--password=%", "get", "pods"],
    &["kubectl", "--server=https://teller:%@127.0.0.1:1", "get", "pods"],
    &["curl", "-u", "teller:%", "https://127.0.0.1:1"],
    &["curl", "-uteller:%", "https://127.0.0.1:1"],
    &["curl", "-H", "Authorization: Bearer %", "https://127.0.0.1:1"],
    &["curl", "https://teller:%@127.0.0.1:1/path"],
    &["curl", "https://127.0.0.1:1/path?access_token=%"],
    &["sshpass", "-p", "%", "ssh", "127.0.0.1"],
    &["sshpass", "-p%", "ssh", "127.0.0.1"],
    &["docker", "login", "-u", "teller", "-p", "%", "127.0.0.1:1"],
    &["docker", "run", "-e", "POSTGRES_PASSWORD=%", "-it", "postgres"],
    &["env", "PGPASSWORD=%", "false"],
    &["sh", "-c", "PGPASSWORD=% true"],
    &["openssl", "enc", "-aes-256-cbc", "-pass", "pass:%", "-in", "/dev/null"],
    &["openssl", "enc", "-aes-256-cbc", "-k", "%", "-in", "/dev/null"],
    &["vault", "login", "token=%"],
    &["tool", "--api-key=%"],
    &["tool", "--api-key", "%"],
    &["tool", "--secret", "%"],
    &["tool", "--client-secret=%"],
    &["tool", "--auth=%"],
    &["tool", "AWS_SECRET_ACCESS_KEY=%"],
];

/// Programs of which only the command line matters, and which may not be here.
const STAND_INS: &[&str] =
    &["mongosh", "redis-cli", "curl", "sshpass", "docker", "vault", "tool", "mysql"];

fn record_all(scrubbed: bool) {
    let case = Case::new("echoed");
    if scrubbed {
        case.sandbox.configure("[manifest]\ncommand = \"scrubbed\"\n");
    }
    let mut wrong = Vec::new();
    // Without the command line there is little to go wrong.
    for line in LINES.iter().step_by(if scrubbed { 1 } else { 4 }) {
        let secret = case.secret();
        let mut args: Vec<String> = line.iter().map(|arg| arg.replace('%', &secret)).collect();
        if STAND_INS.contains(&line[0]) {
            let program = case.sandbox.work().join(line[0]);
            std::fs::write(&program, "#!/bin/sh\nexit 1\n").expect("a program");
            std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755))
                .expect("a program");
            args[0] = program.display().to_string();
        }
        let mut argv = vec!["rec", "--"];
        argv.extend(args.iter().map(String::as_str));
        let ran = case.sandbox.hrec(&argv);
        assert_ne!(
            ran.status.code(),
            Some(125),
            "{line:?}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );

        // It is really in the recording, where only a key opens it: else this
        // test would prove nothing.
        let (header, _) = case.sandbox.cast("-1");
        assert!(header.to_string().contains(&secret), "{line:?}: {header}");
        let manifest = case.sandbox.manifest();
        if manifest.to_string().contains(&secret) {
            wrong.push(format!("{line:?}: {manifest}"));
        }
        assert_eq!(command(&manifest).is_some(), scrubbed, "{manifest}");
    }
    assert!(wrong.is_empty(), "secrets in the clear:\n{}", wrong.join("\n"));
    for outcome in [case.sandbox.hrec(&["ls"]), case.sandbox.hrec(&["ls", "--json"])] {
        std::fs::write(case.sandbox.work().join("listed"), outcome.stdout).expect("a file");
        case.assert_no_file_has_one();
    }
}

fn command(manifest: &Value) -> Option<&Value> {
    manifest.get("command").filter(|command| !command.is_null())
}

#[test]
fn no_secret_is_in_the_manifest() {
    record_all(false);
}

#[test]
fn nor_when_the_command_is() {
    record_all(true);
}

/// While it runs, too: what is written before the program starts.
#[test]
fn nor_while_it_runs() {
    let case = Case::new("echoed");
    case.sandbox.configure("[manifest]\ncommand = \"scrubbed\"\n");
    let secret = case.secret();
    let uri = format!("postgres://teller:{secret}@host/ledger");
    let mut terminal = case.record(&["sh", "-c", "echo ready; read x", "psql", &uri]);
    terminal.expect("ready\r\n");
    assert_eq!(case.sandbox.manifest()["state"], "live");
    case.assert_no_file_has_one();
    terminal.send("\r");
    assert_eq!(terminal.wait(), 0);
    case.assert_no_file_has_one();
}
