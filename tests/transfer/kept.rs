//! What streams that nobody's client sends can make a follower keep.

use hrec::event::Fact;
use hrec::format::transfer::{Follower, PENDING_MAX, Side};
use serde_json::json;
use sha2::{Digest, Sha256};

const INIT: &[u8] = b"\0\0\0\x05\x01\0\0\0\x03";
const VERSION: &[u8] = b"\0\0\0\x05\x02\0\0\0\x03";

fn sftp() -> (Follower, Vec<Fact>) {
    let mut follower = Follower::of("internal-sftp".as_ref()).unwrap();
    let mut facts = Vec::new();
    follower.feed(Side::Client, INIT, &mut facts);
    follower.feed(Side::Server, VERSION, &mut facts);
    (follower, facts)
}

fn packet(kind: u8, id: u32, fields: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![kind];
    body.extend(id.to_be_bytes());
    body.extend(fields.concat());
    [&u32::try_from(body.len()).unwrap().to_be_bytes(), body.as_slice()].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn open(id: u32, path: &[u8]) -> Vec<u8> {
    packet(3, id, &[&string(path), &1_u32.to_be_bytes(), &[0; 4]])
}

fn said(facts: &[Fact], operation: &str) -> usize {
    facts.iter().filter(|fact| fact.fields["op"] == operation).count()
}

#[test]
fn requests_without_answers_are_told_once_to_be_too_many() {
    let (mut follower, mut facts) = sftp();
    for id in 0..200_000 {
        follower.feed(Side::Client, &packet(13, id, &[&string(b"x")]), &mut facts);
        assert!(follower.pending() <= PENDING_MAX);
    }
    assert_eq!(said(&facts, "unfollowed"), 1);
    follower.finish(&mut facts);
    // Each is told, whether its answer was waited for or not.
    assert_eq!(said(&facts, "remove"), 200_000);
    assert!(facts.iter().any(|fact| fact.fields["status"] == "not followed"));
    assert!(facts.iter().any(|fact| fact.fields["status"] == "cut"));
}

#[test]
fn files_that_are_never_closed_are_bounded_too() {
    let (mut follower, mut facts) = sftp();
    let path = [b'p'; 5000];
    for id in 0..2000_u32 {
        follower.feed(Side::Client, &open(id, &path), &mut facts);
        let handle = packet(102, id, &[&string(&id.to_be_bytes())]);
        follower.feed(Side::Server, &handle, &mut facts);
        assert!(follower.pending() <= PENDING_MAX);
    }
    assert_eq!(said(&facts, "unfollowed"), 1);
    follower.finish(&mut facts);
    assert_eq!(said(&facts, "get"), 2000);
}

#[test]
fn data_that_waits_for_what_comes_before_it_is_bounded() {
    let (mut follower, mut facts) = sftp();
    follower.feed(Side::Client, &open(1, b"x"), &mut facts);
    follower.feed(Side::Server, &packet(102, 1, &[&string(b"h")]), &mut facts);
    let piece = vec![b'd'; 32 << 10];
    for n in 0..64_u32 {
        let offset = (u64::from(n) << 15).to_be_bytes();
        let read = [&string(b"h"), &offset[..], &(32_u32 << 10).to_be_bytes()].concat();
        follower.feed(Side::Client, &packet(5, n, &[&read]), &mut facts);
    }
    // A few that come early are put in their place.
    let mut taken = 0;
    for n in [2, 1, 3, 0] {
        follower.feed(Side::Server, &packet(103, n, &[&string(&piece)]), &mut facts);
        taken += follower.taken().iter().map(ExactSizeIterator::len).sum::<usize>();
    }
    assert_eq!(taken, piece.len(), "what waited is its feeder's to hash");
    assert!(follower.pending() < 64 << 10, "{} bytes", follower.pending());
    // All the others before the one that is due are too many.
    for n in (4..64).rev() {
        follower.feed(Side::Server, &packet(103, n, &[&string(&piece)]), &mut facts);
        assert!(follower.pending() <= PENDING_MAX);
        assert!(follower.taken().is_empty());
    }
    follower.feed(Side::Client, &packet(4, 99, &[&string(b"h")]), &mut facts);
    let closed = packet(101, 99, &[&[0; 4], &string(b""), &string(b"")]);
    follower.feed(Side::Server, &closed, &mut facts);
    assert_eq!(facts.len(), 1);
    assert_eq!(facts[0].fields["size"], 2 << 20);
    assert_eq!(facts[0].fields["sha256"], json!(null));
    assert_eq!(facts[0].fields["status"], "ok");
    // What had been hashed in order is under a digest all the same.
    assert_eq!(facts[0].fields["passed"], 4 * piece.len());
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(piece.repeat(4)));
    assert_eq!(facts[0].fields["passed_sha256"], digest);
}

#[test]
fn data_of_what_has_no_fact_of_its_own_is_not_taken() {
    let (mut follower, mut facts) = sftp();
    // A directory that is read like a file; and a file without a name.
    follower.feed(Side::Client, &packet(11, 1, &[&string(b"dir")]), &mut facts);
    follower.feed(Side::Server, &packet(102, 1, &[&string(b"d")]), &mut facts);
    follower.feed(Side::Client, &open(2, b"x"), &mut facts);
    follower.feed(Side::Server, &packet(102, 2, &[&string(b"")]), &mut facts);
    for (id, handle) in [(3, &b"d"[..]), (4, b"")] {
        let read = [&string(handle), &[0; 8][..], &100_u32.to_be_bytes()].concat();
        follower.feed(Side::Client, &packet(5, id, &[&read]), &mut facts);
        let data = packet(103, id, &[&string(b"some data")]);
        follower.feed(Side::Server, &data, &mut facts);
        let taken: usize = follower.taken().iter().map(ExactSizeIterator::len).sum();
        assert_eq!(taken, if handle.is_empty() { 9 } else { 0 });
    }
    follower.finish(&mut facts);
    let got = facts.iter().find(|fact| fact.fields["op"] == "get").unwrap();
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(b"some data"));
    assert_eq!((&got.fields["size"], &got.fields["sha256"]), (&json!(9), &json!(digest)));
}

#[test]
fn a_file_that_is_refused_at_its_end_has_the_digest_of_what_passed() {
    let mut follower = Follower::of("scp -t x".as_ref()).unwrap();
    let mut facts = Vec::new();
    follower.feed(Side::Server, b"\0", &mut facts);
    follower.feed(Side::Client, b"C0644 4 a\n", &mut facts);
    follower.feed(Side::Server, b"\0", &mut facts);
    follower.feed(Side::Client, b"data\0", &mut facts);
    assert!(matches!(follower.taken(), [one] if *one == (0..4)));
    follower.feed(Side::Server, b"\x01scp: x: No space left on device\n", &mut facts);
    follower.finish(&mut facts);
    assert_eq!(facts[0].fields["sha256"], json!(null));
    assert_eq!(facts[0].fields["passed"], 4);
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(b"data"));
    assert_eq!(facts[0].fields["passed_sha256"], digest);
}

#[test]
fn one_number_for_all_requests_is_answered_in_order() {
    let (mut follower, mut facts) = sftp();
    for path in [b"a", b"b", b"c"] {
        follower.feed(Side::Client, &packet(13, 0, &[&string(path)]), &mut facts);
    }
    for code in [0_u32, 3, 0] {
        let status = packet(101, 0, &[&code.to_be_bytes(), &string(b"said"), &string(b"")]);
        follower.feed(Side::Server, &status, &mut facts);
    }
    let told: Vec<_> =
        facts.iter().map(|fact| (&fact.fields["path"], &fact.fields["status"])).collect();
    let (a, b, c) = (json!("a"), json!("b"), json!("c"));
    assert_eq!(told, [(&a, &json!("ok")), (&b, &json!("3 said")), (&c, &json!("ok"))]);
}

#[test]
fn what_scp_sends_ahead_is_read_once_it_is_answered() {
    let mut facts = Vec::new();
    let mut follower = Follower::of("scp -t /srv".as_ref()).unwrap();
    // The first is refused, so what follows is no data of it.
    let ahead = b"C0644 30 secret\nC0600 4 evil\nevil\0C0644 1 b\nb\0";
    follower.feed(Side::Client, ahead, &mut facts);
    follower.feed(Side::Server, b"\0\x01scp: /srv/secret: denied\n\0\0\0\0", &mut facts);
    follower.finish(&mut facts);
    let told: Vec<_> = facts
        .iter()
        .map(|fact| format!("{} {}", fact.fields["path"], fact.fields["status"]))
        .collect();
    let want = [r#""secret" "scp: /srv/secret: denied""#, r#""evil" "ok""#, r#""b" "ok""#];
    assert_eq!(told, want);

    let mut follower = Follower::of("scp -t /srv".as_ref()).unwrap();
    let mut facts = Vec::new();
    for _ in 0..100_000 {
        follower.feed(Side::Client, b"C0644 0 name\n\0", &mut facts);
        assert!(follower.pending() <= PENDING_MAX);
    }
    assert_eq!(said(&facts, "unfollowed"), 1);
    follower.finish(&mut facts);
    assert_eq!(facts.last().unwrap().fields["size"], 1_400_000);
}
