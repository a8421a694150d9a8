//! A seal is one that ssh-keygen, jq and sha256sum verify.

use std::fs;

use crate::support::Sandbox;
use crate::{record, shell, status};

#[test]
fn a_finished_recording_is_sealed_and_stock_tools_say_so() {
    let sandbox = Sandbox::new();
    let manifest = record(&sandbox, "kept");
    let dir = manifest.parent().unwrap();
    let checked = sandbox.hrec(&["verify", "-1"]);
    assert_eq!(status(&checked), 0, "{checked:?}");
    assert!(checked.text().contains(": sound, sealed by "), "{}", checked.text());

    let signers = sandbox.path("config/hrec/allowed_signers");
    let name = manifest.file_name().unwrap().to_str().unwrap();
    let verify = format!(
        "who=$(ssh-keygen -Y find-principals -f {signers} -s {name}.sig)
         ssh-keygen -Y verify -f {signers} -I \"$who\" -n hrec-recording -s {name}.sig <{name}
         jq -r '.files[]|\"\\(.sha256)  \\(.name)\"' {name} | sha256sum -c",
        signers = signers.display()
    );
    let stock = shell(&sandbox, dir, &verify);
    assert!(stock.status.success(), "{stock:?}");
    assert!(stock.text().contains("Good \"hrec-recording\" signature"), "{}", stock.text());
    assert!(stock.text().contains(".cast.zst.age: OK"), "{}", stock.text());

    // The key that signed is not the long-lived one, and is nowhere.
    let id = name.strip_suffix(".manifest.json").unwrap();
    let certificate = format!(
        "sed '/^---/d' {name}.sig | base64 -d | tail -c +15 | head -c $((0x$(sed '/^---/d' {name}.sig | \
         base64 -d | od -An -tx1 -j10 -N4 | tr -d ' '))) | base64 -w0 | sed 's/^/ssh-ed25519-cert-v01@openssh.com /' | \
         ssh-keygen -L -f -"
    );
    let shown = shell(&sandbox, dir, &certificate);
    assert!(shown.text().contains(&format!("Key ID: \"{id}\"")), "{shown:?}");

    // And both would have told.
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("\"echo\"", "\"ehco\"", 1)).unwrap();
    assert!(!shell(&sandbox, dir, &verify).status.success());
    let checked = sandbox.hrec(&["verify", "-1"]);
    assert_eq!(status(&checked), 2, "{checked:?}");
    assert!(checked.text().contains(": wrong-signature: "), "{}", checked.text());
}

#[test]
fn an_auditor_needs_the_list_and_no_key() {
    let sandbox = Sandbox::new();
    let manifest = record(&sandbox, "kept");
    let list =
        sandbox.file("signers", fs::read(sandbox.path("config/hrec/allowed_signers")).unwrap());
    let auditor = Sandbox::without_keys();
    let case = auditor.work().join("case");
    fs::create_dir(&case).unwrap();
    for entry in fs::read_dir(manifest.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, case.join(path.file_name().unwrap())).unwrap();
    }
    let copy = case.join(manifest.file_name().unwrap());
    let copy = copy.to_str().unwrap();
    let trusted = auditor.hrec(&["verify", "--signers", &list, copy]);
    assert_eq!(status(&trusted), 0, "{trusted:?}");
    let stranger = auditor.hrec(&["verify", "--json", copy]);
    assert_eq!(status(&stranger), 2, "{stranger:?}");
    let json: serde_json::Value = serde_json::from_slice(&stranger.stdout).unwrap();
    assert_eq!(json["counts"]["unknown-signer"], 1, "{json}");
    assert_eq!(json["recordings"][0]["findings"][0]["class"], "unknown-signer");
}

#[test]
fn with_a_key_the_content_is_checked_too() {
    let sandbox = Sandbox::new();
    record(&sandbox, "kept");
    let identity = sandbox.path("config/hrec/identity.txt").display().to_string();
    let sound = sandbox.hrec(&["verify", "-1", "-i", &identity]);
    assert_eq!(status(&sound), 0, "{sound:?}");
    // A key that is somebody else's opens nothing, which is not bad, but not
    // checked.
    let other = Sandbox::new();
    let foreign = other.path("config/hrec/identity.txt").display().to_string();
    let unchecked = sandbox.hrec(&["verify", "-1", "-i", &foreign]);
    assert_eq!(status(&unchecked), 125, "{unchecked:?}");
    assert!(unchecked.text().contains(": not-checked: "), "{}", unchecked.text());
}
