//! What others published, and what others make of ours.

use data_encoding::{BASE64, HEXLOWER};
use hrec::seal::ledger::merkle::{self, Frontier, Hash, Head, Nodes};
use hrec::seal::ledger::note::{Error, Kind, Note, VerifierKey};
use hrec::seal::ledger::tile::{self, Holds, Tile};
use hrec::seal::ledger::{Checkpoint, Proof};
use tlog_tiles::tlog;

use super::key;

/// The proofs that github.com/transparency-dev/merkle publishes under
/// `testdata/`, good ones and bad ones, a line each.
const PROOFS: &str = include_str!("proofs.tsv");

#[test]
fn published_proofs() {
    let (mut good, mut bad) = (0, 0);
    for line in PROOFS.lines() {
        let [what, first, second, one, two, proof, want, name] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let (first, second): (u64, u64) = (first.parse().unwrap(), second.parse().unwrap());
        let hash = |text: &str| -> Option<Hash> {
            // `-` stands for a hash that is empty.
            BASE64.decode(text.trim_matches('-').as_bytes()).unwrap().try_into().ok()
        };
        // Some roots that nobody is to look at are a few letters.
        let root = |text: &str| -> Option<Hash> {
            let mut bytes = BASE64.decode(text.as_bytes()).unwrap();
            if bytes.is_empty() {
                return None;
            }
            bytes.resize(bytes.len().max(32), 0);
            bytes.try_into().ok()
        };
        let proof: Option<Vec<Hash>> = match proof {
            "" => Some(Vec::new()),
            proof => proof.split(' ').map(hash).collect(),
        };
        let holds = match (root(one), root(two), proof) {
            (Some(leaf), Some(root), Some(proof)) if what == "inclusion" => {
                merkle::includes(&root, second, first, leaf, &proof)
            }
            (Some(old), Some(new), Some(proof)) => {
                let (old, new) =
                    (Head { size: first, root: old }, Head { size: second, root: new });
                merkle::extends(&old, &new, &proof)
            }
            _ => false,
        };
        // Their library refuses to prove anything of the empty tree;
        // c2sp.org/tlog-witness says that every tree begins with it.
        let useless = name == "consistency/additional/size1-is-zero-and-size2-is-not-zero";
        assert_eq!(holds, want == "good" || useless, "{name}: {line}");
        *(if want == "good" { &mut good } else { &mut bad }) += 1;
    }
    assert!(good >= 10 && bad >= 180, "{good} {bad}");
}

/// The tree of eight leaves that the reference implementations of RFC 6962
/// are tested with.
#[test]
fn reference_roots() {
    let leaves: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Frontier::default();
    let mut hashes = Vec::new();
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(HEXLOWER.encode(&tree.root()), *root, "{size}");
        assert_eq!(merkle::over(&hashes).unwrap_or_else(merkle::empty), tree.root(), "{size}");
        if let Some(leaf) = leaves.get(size) {
            tree.push(merkle::leaf(leaf));
            hashes.push(merkle::leaf(leaf));
        }
    }
}

/// A tree in memory.
struct Leaves(Vec<Hash>);

impl Nodes for Leaves {
    type Error = ();

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, ()> {
        let from = usize::try_from(index << level).unwrap();
        merkle::over(self.0.get(from..from + (1 << level)).ok_or(())?).ok_or(())
    }
}

/// The hashes as the other implementation stores them.
struct Stored(Vec<tlog::Hash>);

impl tlog::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog_tiles::tlog::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

#[test]
fn the_same_trees_and_proofs_as_another_implementation() {
    const LARGEST: u64 = 70;
    let mut ours = Leaves(Vec::new());
    let mut theirs = Stored(Vec::new());
    for n in 0..LARGEST {
        let data = format!("leaf {n}");
        ours.0.push(merkle::leaf(data.as_bytes()));
        let hashes = tlog::stored_hashes(n, data.as_bytes(), &theirs).unwrap();
        theirs.0.extend(hashes);
    }
    let plain = |proof: Vec<tlog::Hash>| proof.iter().map(|hash| hash.0).collect::<Vec<_>>();
    let roots: Vec<Hash> =
        (0..=LARGEST).map(|size| merkle::root(&mut ours, size).unwrap()).collect();
    for size in 1..=LARGEST {
        let root = roots[usize::try_from(size).unwrap()];
        assert_eq!(root, tlog::tree_hash(size, &theirs).unwrap().0, "{size}");
        for index in 0..size {
            let proof = merkle::inclusion(&mut ours, index, size).unwrap();
            assert_eq!(proof, plain(tlog::prove_record(size, index, &theirs).unwrap()));
            let leaf = ours.0[usize::try_from(index).unwrap()];
            assert!(merkle::includes(&root, size, index, leaf, &proof));
            assert!(!merkle::includes(&root, size, index ^ 1, leaf, &proof));
            assert!(!merkle::includes(&root, size, index, root, &proof) || size == 1);
        }
        for old in 0..=size {
            let proof = merkle::consistency(&mut ours, old, size).unwrap();
            let old_root = roots[usize::try_from(old).unwrap()];
            if old > 0 && old < size {
                assert_eq!(proof, plain(tlog::prove_tree(size, old, &theirs).unwrap()));
            }
            let (old, new) = (Head { size: old, root: old_root }, Head { size, root });
            assert!(merkle::extends(&old, &new, &proof), "{old:?} {new:?}");
            let mut other = new;
            other.root[0] ^= 1;
            assert!(old.size == 0 || !merkle::extends(&old, &other, &proof));
            let mut longer = proof.clone();
            longer.push(root);
            assert!(!merkle::extends(&old, &new, &longer));
        }
    }
}

#[test]
fn numbers_that_strangers_choose() {
    let hash = [7; 32];
    for size in [0, 1, 2, u64::MAX, u64::MAX - 1, 1 << 63, merkle::LARGEST] {
        for index in [0, 1, size.wrapping_sub(1), u64::MAX, size / 2] {
            for length in [0, 1, 63, 64, 200] {
                let proof = vec![hash; length];
                let right = size == 1 && index == 0 && length == 0;
                assert_eq!(merkle::includes(&hash, size, index, hash, &proof), right);
                let (old, new) = (Head { size: index, root: hash }, Head { size, root: hash });
                let right = index > 0 && index >= size && old == new && length == 0;
                assert_eq!(merkle::extends(&old, &new, &proof), right, "{old:?} {new:?} {length}");
            }
        }
    }
}

#[test]
fn names_of_tiles() {
    let tile = |holds, index, width| Tile { holds, index, width };
    for (path, is) in [
        // The specification's example.
        ("tile/0/x001/x234/067", tile(Holds::Hashes(0), 1_234_067, 256)),
        ("tile/0/000.p/1", tile(Holds::Hashes(0), 0, 1)),
        ("tile/63/x001/000.p/255", tile(Holds::Hashes(63), 1000, 255)),
        ("tile/entries/x999/999", tile(Holds::Entries, 999_999, 256)),
        ("tile/1/x018/x446/x744/x073/x709/x551/615", tile(Holds::Hashes(1), u64::MAX, 256)),
    ] {
        assert_eq!(Tile::parse(path), Some(is), "{path}");
        assert_eq!(is.path(), path);
        if let Holds::Hashes(level) = is.holds
            && is.index < 1 << 40
            && level < 20
        {
            // The other implementation counts the height in bits.
            let theirs = tlog_tiles::Tile::new(8, level, is.index, is.width.into(), false).path();
            assert_eq!(theirs.strip_prefix("tile/8/"), path.strip_prefix("tile/"));
        }
    }
    for path in [
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/+7",
        "tile/0/+07",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/entries",
        "tile/data/000",
        "",
    ] {
        assert_eq!(Tile::parse(path), None, "{path}");
    }
    assert_eq!(tile::hashes(&[0; 31]), None);
    assert_eq!(tile::hashes(&[0; 32 * 257]), None);
    assert_eq!(tile::hashes(&[1; 64]).unwrap().len(), 2);
    assert_eq!(tile::entries(&[0, 2, 1, 2, 0, 0]), Some(vec![&[1, 2][..], &[]]));
    assert_eq!(tile::entries(&[0, 3, 1, 2]), None);
}

/// From c2sp.org/signed-note, and from the documentation of Go's
/// golang.org/x/mod/sumdb/note.
const NOTES: [(&str, &str); 2] = [
    (
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
    ),
    (
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
    ),
];

#[test]
fn published_notes() {
    for (key, text) in NOTES {
        let verifier = VerifierKey::parse(key).unwrap();
        assert_eq!(verifier.to_string(), key);
        let note = Note::parse(text.as_bytes()).unwrap();
        assert_eq!(note.to_string(), text);
        let keys = [verifier];
        assert_eq!(note.verify(&keys).unwrap()[0].by, &keys[0]);
        let other = Note::parse(text.replacen('e', "E", 1).as_bytes()).unwrap();
        assert!(matches!(other.verify(&keys), Err(Error::Signature(_))));
        assert_eq!(note.verify(&[]), Err(Error::Unknown));
    }
    // The poem has an empty line in its text, and a key that is not published.
    let poem = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    let note = Note::parse(poem.as_bytes()).unwrap();
    assert!(note.text().ends_with("\n\ned è subito sera.\n") && note.to_string() == poem);
}

/// The checkpoint of c2sp.org/tlog-checkpoint, with the cosignature of
/// c2sp.org/tlog-cosignature.
const CHECKPOINT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

#[test]
fn published_checkpoint() {
    let note = Note::parse(CHECKPOINT.as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    assert_eq!(checkpoint.head.size, 20_852_163);
    assert_eq!(checkpoint.to_string(), note.text());
    let theirs = tlog_tiles::Checkpoint::from_bytes(note.text().as_bytes()).unwrap();
    assert_eq!((theirs.origin(), theirs.hash().0), (&*checkpoint.origin, checkpoint.head.root));
    let hash = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    for bad in [
        format!("\n1\n{hash}\n"),
        format!("o\n01\n{hash}\n"),
        format!("o\n+1\n{hash}\n"),
        format!("o\n-1\n{hash}\n"),
        format!("o\n18446744073709551615\n{hash}\n"),
        format!("o\n1\n{hash}"),
        format!("o\n1\n{hash}\n\n"),
        "o\n1\nCsUY\n".to_owned(),
        "o\n1\n".to_owned(),
    ] {
        assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
    }
    assert!(Checkpoint::parse(&format!("o\n1\n{hash}\nextension\n")).is_ok());
}

#[test]
fn notes_that_are_none() {
    let good = NOTES[0].1;
    for bad in [
        good.trim_end().to_owned(),
        good.replace("\n\n", "\n"),
        good.replace('\u{2014}', "-"),
        good.replace("Uw2Q", "Uw2*"),
        good.replace(" Uw2QO", "  Uw2QO"),
        good.replace("example.com/foo", "example.com/f+o"),
        good.replace("message", "mess\u{1}age"),
        good.replace("message", "mess\rage"),
        format!("{good}\n"),
        good.repeat(2) + "x",
        String::new(),
    ] {
        assert_eq!(Note::parse(bad.as_bytes()), Err(Error::Form), "{bad:?}");
    }
    let line = good.split_once("\n\n").unwrap().1;
    let many = |n: usize| format!("text\n\n{}", line.repeat(n));
    assert!(Note::parse(many(16).as_bytes()).is_ok());
    assert!(Note::parse(many(101).as_bytes()).is_err());
    assert!(Note::parse(&vec![b'x'; 1 << 20]).is_err());
    for bad in [
        "",
        "a+b",
        "a+00000000+",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ] {
        assert!(VerifierKey::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn our_notes_verify_with_another_implementation() {
    let text = "host.example/hrec\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let mut note = Note::sign(text, "host.example/hrec", &key(1)).unwrap();
    note.cosign("witness.example/w", &key(2), 1_679_315_147).unwrap();
    let public = key(1).verifying_key();
    let vkey = signed_note::new_ed25519_verifier_key("host.example/hrec", &public);
    let own = VerifierKey::new("host.example/hrec", Kind::Log, public.as_bytes()).unwrap();
    assert_eq!(own.to_string(), vkey);
    let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
    let verifier = signed_note::StandardVerifier::new(&vkey).unwrap();
    let verifiers = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    let (verified, unverified) = theirs.verify(&verifiers).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 1));

    let witness = key(2).verifying_key();
    let witness = VerifierKey::new("witness.example/w", Kind::Witness, witness.as_bytes()).unwrap();
    let keys = [own, VerifierKey::parse(&witness.to_string()).unwrap()];
    let signed = note.verify(&keys).unwrap();
    assert_eq!(signed[1].time, Some(1_679_315_147));
    assert!(Checkpoint::open(&note, &keys[..1]).is_ok());
    // A witness's word is not the log's.
    assert!(Checkpoint::open(&note, &keys[1..]).is_err());
    // No text passes for a note that it is not.
    assert!(Note::sign("no line feed", "n", &key(1)).is_err());
    assert!(Note::sign("bell \u{7}\n", "n", &key(1)).is_err());
    assert!(Note::sign("x\n", "a name", &key(1)).is_err());
}

#[test]
fn a_proof_stands_alone() {
    let mut ours = Leaves((0..5_u8).map(|n| merkle::leaf(&[n])).collect());
    let root = merkle::root(&mut ours, 5).unwrap();
    let checkpoint = Checkpoint { origin: "o".to_owned(), head: Head { size: 5, root } };
    let note = Note::sign(&checkpoint.to_string(), "o", &key(1)).unwrap();
    let keys = [VerifierKey::new("o", Kind::Log, &super::public(1)).unwrap()];
    let path = merkle::inclusion(&mut ours, 3, 5).unwrap();
    for extra in [Vec::new(), b"salt".to_vec()] {
        let proof = Proof { extra, index: 3, path: path.clone(), note: note.clone() };
        let text = proof.to_string();
        let again = Proof::parse(text.as_bytes()).unwrap();
        assert_eq!((again.to_string(), &again), (text.clone(), &proof));
        assert_eq!(again.verify(&[3], &keys).unwrap(), checkpoint);
        assert!(again.verify(&[4], &keys).is_err());
        assert!(again.verify(&[3], &[]).is_err());
        for bad in [
            text.replace("@v1", "@v2"),
            text.replace("index 3", "index 03"),
            text.replace("index 3\n", ""),
            text.replacen("\n\n", "\n", 1),
            text.replacen("\n\n", "\nAAAA\n\n", 1),
        ] {
            assert!(Proof::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let other = Proof::parse(text.replace("index 3", "index 2").as_bytes()).unwrap();
        assert!(other.verify(&[3], &keys).is_err());
    }
}
