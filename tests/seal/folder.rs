//! The folder that `hrec prove` makes, tried where there is no hrec.

use std::fs;

use crate::support::{Sandbox, tool};
use crate::{record, shell, status};

/// The commands of a page: lines that begin with `$`, and `>` goes on.
fn commands(page: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in page.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push(command.to_owned());
        } else if let (Some(more), Some(last)) = (line.strip_prefix("> "), commands.last_mut()) {
            last.push('\n');
            last.push_str(more);
        }
    }
    commands
}

#[test]
fn every_command_on_the_page_works_without_hrec() {
    let sandbox = Sandbox::new();
    record(&sandbox, "kept");
    let made = sandbox.hrec(&["prove", "-1", "-o", "case"]);
    assert_eq!(status(&made), 0, "{made:?}");
    let auditor = Sandbox::without_keys();
    let case = auditor.work().join("case");
    fs::rename(sandbox.work().join("case"), &case).unwrap();
    drop(sandbox);

    let page = fs::read_to_string(case.join("README.txt")).unwrap();
    let commands = commands(&page);
    assert!(commands.len() >= 4, "{page}");
    let mut said = String::new();
    for command in &commands {
        let out = shell(&auditor, &case, command);
        assert!(out.status.success(), "{command}\n{out:?}");
        said.push_str(&out.text());
    }
    assert!(said.contains(".cast.zst.age: OK"), "{said}");
    assert!(said.contains("Good \"hrec-recording\" signature"), "{said}");
    assert!(said.contains("Key ID: \"2"), "{said}");
    assert!(!shell(&auditor, &case, "command -v hrec").status.success());

    // Each would have told.
    let manifest = fs::read_dir(&case)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.display().to_string().ends_with(".manifest.json"))
        .unwrap();
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("sha256\": \"", "sha256\": \"0", 1)).unwrap();
    assert!(!shell(&auditor, &case, &commands[0]).status.success());
    assert!(!shell(&auditor, &case, &commands[1]).status.success());
}

#[test]
fn what_is_not_sealed_proves_nothing() {
    let sandbox = Sandbox::new();
    let manifest = record(&sandbox, "kept");
    fs::remove_file(manifest.with_extension("json.sig")).unwrap();
    let made = sandbox.hrec(&["prove", "-1", "-o", "case"]);
    assert_eq!(status(&made), 125, "{made:?}");
    assert!(String::from_utf8_lossy(&made.stderr).contains("hrec seal"), "{made:?}");
    assert!(!sandbox.work().join("case").exists());
}

#[test]
fn a_recording_is_encrypted_to_others_and_the_trail_is_provable() {
    let sandbox = Sandbox::new();
    let manifest = record(&sandbox, "kept");
    let before: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let raw = sandbox.raw();
    let mut others = Vec::new();
    for n in 0..2 {
        let key = sandbox.work().join(format!("key{n}")).display().to_string();
        let made = sandbox.run(&[tool("age-keygen").to_str().unwrap(), "-o", &key], b"");
        assert!(made.status.success());
        let public = sandbox.run(&[tool("age-keygen").to_str().unwrap(), "-y", &key], b"").text();
        others.push((key, public.trim().to_owned()));
    }
    let rekeyed = sandbox.hrec(&["rekey", "-1", "-r", &others[0].1]);
    assert_eq!(status(&rekeyed), 0, "{rekeyed:?}");
    // The old key opens nothing any more, the new one the same content.
    assert_ne!(status(&sandbox.hrec(&["cat", "-1"])), 0);
    let opened = sandbox.hrec(&["cat", "--format", "raw", "-i", &others[0].0, "-1"]);
    assert_eq!(opened.stdout, raw);
    let again = sandbox.hrec(&["rekey", "-1", "-i", &others[0].0, "-r", &others[1].1]);
    assert_eq!(status(&again), 0, "{again:?}");
    let checked = sandbox.hrec(&["verify", "-1", "-i", &others[1].0]);
    assert_eq!(status(&checked), 0, "{checked:?}");

    let after: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    assert_eq!(after["rekeyed"][0]["from"], before["files"][0]["sha256"]);
    assert_eq!(after["rekeyed"][1]["to"], after["files"][0]["sha256"]);
    assert_eq!(after["recipients"], serde_json::json!([others[1].1]));
    let made = sandbox.hrec(&["prove", "-1", "-o", "case"]);
    assert_eq!(status(&made), 0, "{made:?}");
    let case = sandbox.work().join("case");
    let page = fs::read_to_string(case.join("README.txt")).unwrap();
    for command in commands(&page) {
        let out = shell(&sandbox, &case, &command);
        assert!(out.status.success(), "{command}\n{out:?}");
    }
    assert!(page.contains("encrypted to others"));

    // The first form's seal is there, and good.
    let name = manifest.file_name().unwrap().to_str().unwrap().replace(".json", ".1.json");
    let verify = format!(
        "ssh-keygen -Y verify -f allowed_signers -I \"$(ssh-keygen -Y find-principals -f allowed_signers -s {name}.sig)\" \
         -n hrec-recording -s {name}.sig <{name}"
    );
    let out = shell(&sandbox, &case, &verify);
    assert!(out.status.success(), "{out:?}");
    // A trail with another beginning is none.
    fs::write(manifest.with_extension("1.json"), "{}").unwrap();
    let checked = sandbox.hrec(&["verify", "-1"]);
    assert_eq!(status(&checked), 2, "{checked:?}");
}

#[test]
fn a_recording_that_cannot_be_encrypted_anew_is_as_it_was() {
    let sandbox = Sandbox::new();
    let manifest = record(&sandbox, "kept");
    let cast = manifest.display().to_string().replace(".manifest.json", ".cast.zst.age");
    let before = (fs::read(&cast).unwrap(), fs::read(&manifest).unwrap());
    let recipient = sandbox.manifest()["recipients"][0].as_str().unwrap().to_owned();
    let stranger = Sandbox::new();
    let key = stranger.path("config/hrec/identity.txt").display().to_string();
    for args in [
        &["rekey", "-1"][..],
        &["rekey", "-1", "-r", "age1nobody"],
        &["rekey", "-1", "-i", &key, "-r", &recipient],
    ] {
        assert_ne!(status(&sandbox.hrec(args)), 0);
        assert_eq!((fs::read(&cast).unwrap(), fs::read(&manifest).unwrap()), before);
    }
}
