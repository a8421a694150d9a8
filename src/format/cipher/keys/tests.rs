//! Identities: what they open, what they ask, what they never say.

use super::*;
use crate::format::cipher::Recipients;
use age::secrecy::ExposeSecret;
use age::x25519;
use std::sync::Mutex;

fn pair() -> (String, String) {
    let key = x25519::Identity::generate();
    (key.to_string().expose_secret().to_owned(), key.to_public().to_string())
}

#[test]
fn identities_say_which_line_is_none_and_never_its_text() {
    let (secret, _) = pair();
    let mut identities = Identities::new();
    let file = format!("# mine\n{secret}\nhunter2\n");
    let error = identities.add_file("id", file.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("line 3") && !error.contains("hunter2"), "{error}");
    assert!(identities.add_file("id", b"# nothing\n").is_err());
    assert!(identities.add_file("id", b"-----BEGIN NONSENSE-----\n").is_err());
    assert!(identities.add_file("id", b"age-encryption.org/v1\nrubbish").is_err());
    identities.add_file("id", secret.as_bytes()).unwrap();
    assert_eq!(identities.len(), 1);
}

#[test]
fn a_wrong_key_says_who_could_open_it() {
    let (_, public) = pair();
    let (other, _) = pair();
    let mut recipients = Recipients::new();
    recipients.add(&public).unwrap();
    let sealed = super::super::encrypt(&recipients).unwrap();
    let head = super::super::Head::read(&mut sealed.head.as_slice()).unwrap();
    let none = head.unwrap(&Identities::new()).unwrap_err().to_string();
    assert!(none.starts_with("no identity is given; it is for: an age key (X25519)"), "{none}");
    let mut identities = Identities::new();
    identities.add_file("id", other.as_bytes()).unwrap();
    let wrong = head.unwrap(&identities).unwrap_err();
    assert!(matches!(wrong, Error::NoMatch { tried: 1, .. }), "{wrong}");
}

#[test]
fn an_encrypted_identity_asks_for_its_passphrase_by_name() {
    let (secret, public) = pair();
    let passphrase = SecretString::from("correct horse".to_owned());
    let mut scrypt = age::scrypt::Recipient::new(passphrase);
    scrypt.set_work_factor(2);
    let packed = age::encrypt_and_armor(&scrypt, secret.as_bytes()).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let ask = |answer: Option<&'static str>| -> PassphraseCallback {
        let asked = Arc::clone(&asked);
        Arc::new(move |prompt| {
            asked.lock().unwrap().push(prompt.to_owned());
            answer.map(str::to_owned)
        })
    };
    for (answer, opens) in [(Some("correct horse"), true), (Some("wrong"), false), (None, false)] {
        let mut identities = Identities::asking(ask(answer));
        let added = identities.add_file("my.key", packed.as_bytes());
        assert_eq!(added.is_ok(), opens, "{answer:?}: {added:?}");
        if opens {
            let mut recipients = Recipients::new();
            recipients.add(&public).unwrap();
            let sealed = super::super::encrypt(&recipients).unwrap();
            let head = super::super::Head::read(&mut sealed.head.as_slice()).unwrap();
            assert!(head.unwrap(&identities).is_ok());
        }
    }
    assert_eq!(asked.lock().unwrap().len(), 3);
    assert!(Identities::new().add_file("my.key", packed.as_bytes()).is_err());
}

/// A key made for this test; its passphrase is "correct horse".
const LOCKED_SSH: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----\n\
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBFQKtsUG\n\
SFpxgEYOdQiFNPAAAABAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIAj7Xz9wRPzqFgZq\n\
kBE4i6IAkV0puJwE8WNKth2IGZVLAAAAkNGuldl5KWrXxqPQ0S7i1EnAZ4f5Fy0Libi/+w\n\
wFKwJ7fdxJCCQxOWJ5DRqvxv/yNF5zcS+xXUpbRSXD5unR9rOJ/gDFWrInJGsaCF77bU+u\n\
JAmWMdLfNXfYqzs1McrNS0J3/+16PPcPJKB/D5XQcrVNFaEn0v+nJaF/2oKfb0XJ+hNEV5\n\
lucC98u+cDPoMtkw==\n\
-----END OPENSSH PRIVATE KEY-----\n";

#[test]
fn a_locked_ssh_key_asks_once_and_only_for_its_own() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let ssh = ssh::Identity::from_buffer(LOCKED_SSH.as_bytes(), None).unwrap();
    let own = ssh::Recipient::try_from(ssh).unwrap().to_string();
    let other = "ssh-ed25519 \
        AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";
    let head = |recipients: &[&str]| {
        let mut all = Recipients::new();
        recipients.iter().for_each(|one| all.add(one).unwrap());
        let sealed = super::super::encrypt(&all).unwrap();
        super::super::Head::read(&mut sealed.head.as_slice()).unwrap()
    };
    let all = head(&[other, &pair().1, &own]);
    for (answer, opens) in [(Some("correct horse"), true), (Some("wrong"), false), (None, false)] {
        let noted = Arc::clone(&asked);
        let mut identities = Identities::asking(Arc::new(move |prompt| {
            noted.lock().unwrap().push(prompt.to_owned());
            answer.map(str::to_owned)
        }));
        identities.add_file("my.key", LOCKED_SSH.as_bytes()).unwrap();
        let unwrapped = all.unwrap(&identities);
        assert_eq!(unwrapped.is_ok(), opens, "{answer:?}");
        if let Err(error) = unwrapped {
            assert!(error.to_string().contains("passphrase"), "{error}");
        }
        let (secret, public) = pair();
        identities.add_file("another", secret.as_bytes()).unwrap();
        let both = head(&[&own, &public]);
        let before = asked.lock().unwrap().len();
        assert!(both.unwrap(&identities).is_ok());
        asked.lock().unwrap().truncate(before);
        let foreign = head(&[other]).unwrap(&identities).unwrap_err();
        assert!(matches!(foreign, Error::NoMatch { .. }), "{foreign}");
    }
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|prompt| prompt.contains("'my.key'")), "{asked:?}");
}

#[test]
fn hostile_headers_are_refused_in_bounded_time() {
    let mut recipients = Recipients::new();
    recipients.add(&pair().1).unwrap();
    let good = super::super::encrypt(&recipients).unwrap().head;
    for cut in 0..good.len() {
        assert!(super::super::Head::read(&mut &good[..cut]).is_err(), "cut at {cut}");
    }
    let (secret, _) = pair();
    let mut identities = Identities::new();
    identities.add_file("id", secret.as_bytes()).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x15;
        if let Ok(head) = super::super::Head::read(&mut bytes.as_slice()) {
            assert!(head.unwrap(&identities).is_err());
        }
    }
    let mut endless = b"age-encryption.org/v1\n".to_vec();
    endless.extend(b"-> a\n\n".repeat(1 << 20));
    let error = super::super::Head::read(&mut endless.as_slice()).unwrap_err().to_string();
    assert!(error.contains("64 KiB"), "{error}");
}
