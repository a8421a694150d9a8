//! The programs that people use over ssh(1): each does what it does without
//! hrec, and the record shows it.

use crate::bastion::Bastion;
use crate::support::Outcome;

fn done(what: &str, outcome: &Outcome) {
    assert!(outcome.status.success(), "{what}: {outcome:?}");
    assert_eq!(String::from_utf8_lossy(&outcome.stderr), "", "{what}");
}

#[test]
fn files_are_copied_by_every_program() {
    let bastion = Bastion::start();
    let data: Vec<u8> =
        (0..1_500_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let file = bastion.sandbox.file("data", &data);
    let ssh = format!("ssh -F {}", bastion.config());
    for user in ["carol", "alice", "bob"] {
        for (what, argv) in [
            ("scp", &["scp", "-q", "-F", "{config}", &file, "{user}@box:by-scp"][..]),
            ("scp -O", &["scp", "-q", "-O", "-F", "{config}", &file, "{user}@box:by-scp-O"]),
            ("rsync", &["rsync", "-e", &ssh, &file, "{user}@box:by-rsync"]),
        ] {
            done(what, &bastion.client(user, argv, b""));
        }
        let batch = format!("put {file} by-sftp\nrename by-sftp by-sftp-2\nls -l by-sftp-2\n");
        done(
            "sftp",
            &bastion.client(
                user,
                &["sftp", "-q", "-F", "{config}", "-b", "-", "{user}@box"],
                batch.as_bytes(),
            ),
        );
        for name in ["by-scp", "by-scp-O", "by-rsync", "by-sftp-2"] {
            assert_eq!(
                std::fs::read(bastion.home(user).join(name)).unwrap(),
                data,
                "{user}: {name}"
            );
            let back = bastion.sandbox.work().join(format!("{user}-{name}"));
            let from = format!("{{user}}@box:{name}");
            let to = back.display().to_string();
            let old = if name == "by-scp-O" { "-O" } else { "-p" };
            done(
                "scp back",
                &bastion.client(user, &["scp", "-q", old, "-F", "{config}", &from, &to], b""),
            );
            assert_eq!(std::fs::read(&back).unwrap(), data, "{user}: {name}");
        }
        let tar = format!("tar c data | {ssh} {user}@box 'mkdir t && tar x -C t'");
        done("tar", &bastion.client(user, &["bash", "-c", &tar], b""));
        assert_eq!(std::fs::read(bastion.home(user).join("t/data")).unwrap(), data);
    }
    assert_eq!(bastion.manifests("alice").len(), 9);
    assert_eq!(bastion.manifests("bob").len(), 9);
}
