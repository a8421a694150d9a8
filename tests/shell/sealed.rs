//! Seals and the ledger on a host that was set up as hrec-bastion(7) says.

use crate::bastion::Bastion;

/// What ended well, and what it wrote.
fn well(bastion: &Bastion, command: &str) -> String {
    let ran = bastion.root(command);
    assert!(ran.status.success(), "{command}: {ran:?}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

#[test]
fn the_page_makes_a_host_whose_sessions_are_sealed_and_known() {
    let bastion = Bastion::start();
    let told = bastion.doctor();
    let keys: Vec<_> = told.iter().filter(|check| check["check"] == "keys").collect();
    assert!(keys.iter().all(|check| check["state"] != "finding"), "{keys:#?}");
    // Before root has had any session.
    for user in ["alice", "bob"] {
        let ran = bastion.ssh(user, "echo done", b"");
        assert!(ran.stdout == b"done\n" && ran.stderr.is_empty(), "{ran:?}");
        bastion.manifests(user);
    }
    well(&bastion, "hrec verify --all");
}

#[test]
fn the_page_makes_a_host_whose_collector_holds_what_is_recorded() {
    let bastion = Bastion::by_hand();
    let told = bastion.doctor();
    for what in ["collector", "store", "keys"] {
        let found: Vec<_> = told.iter().filter(|check| check["check"] == what).collect();
        assert!(found.len() == 1 && found[0]["state"] == "ok", "{found:#?}");
    }
    let ran = bastion.ssh("alice", "echo done", b"");
    assert!(ran.stdout == b"done\n" && ran.stderr.is_empty(), "{ran:?}");
    assert_eq!(bastion.manifests("alice")[0]["writer"], "collector");
    well(&bastion, "hrec verify --all");
}

#[test]
fn a_session_is_sealed_without_the_list_and_root_mends_one_that_is_not() {
    let bastion = Bastion::start();
    well(&bastion, "mv /etc/hrec/allowed_signers /etc/hrec/aside");
    assert!(bastion.ssh("alice", "true", b"").status.success());
    bastion.manifests("alice");
    let doctor = bastion.root("hrec doctor --bastion");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(!doctor.status.success() && said.contains("allowed_signers: No such file"), "{said}");
    well(&bastion, "mv /etc/hrec/aside /etc/hrec/allowed_signers; hrec verify --all");

    well(&bastion, "chmod 600 /etc/hrec/signing_key");
    let ran = bastion.ssh("alice", "echo done", b"");
    assert!(ran.stdout == b"done\n" && ran.stderr.is_empty(), "{ran:?}");
    bastion.manifests("alice");
    assert!(!bastion.root("hrec verify --all").status.success());
    well(&bastion, "chmod 640 /etc/hrec/signing_key; hrec seal -1 && hrec verify --all");
}
