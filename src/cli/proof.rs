//! The verbs that are about keys and proof.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueHint};

/// `hrec verify`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(
    about = "Check that recordings are what was recorded, whole, and sealed",
    long_about = "Check recordings against their manifests, and the manifests against their seals. Needs no key that opens \
        them; with -i, also that the content opens, is a recording, and is whose and of when the manifest \
        says.\n\n\
        What each finding means, and what no check can find, is in hrec-seal(7).",
    after_long_help = "Findings:\n\
        A line for each: the recording, the class, and what it is. The classes: not-yet-sealed, orphan-start and \
        unrecorded-login (incomplete); missing, truncated, altered, wrong-signature, unknown-signer, not-in-ledger, \
        ledger-rolled-back and ledger-forked (bad); not-checked.\n\n\
        Exit status:\n\
        0 when all is sound, 1 when something is incomplete, 2 when something is bad, 125 when something could \
        not be checked.\n\n\
        Examples:\n  \
        hrec verify -1\n  \
        hrec verify --all\n  \
        hrec verify --all --json | jq .counts\n  \
        hrec verify --signers allowed_signers case-17/*.cast.zst.age"
)]
pub struct Verify {
    /// The recordings: a path, an id, a unique part of one, or -1 for the latest
    ///
    /// ssh://BASTION/REC: one in a collector's store; ssh://BASTION/: all that it has, as --all.
    #[arg(value_name = "REC", allow_negative_numbers = true, value_hint = ValueHint::FilePath)]
    pub recs: Vec<OsString>,

    /// Check every recording in the store
    #[arg(long)]
    pub all: bool,

    /// Trust the signers in FILE, and no others (may be given several times)
    ///
    /// In the form of allowed_signers in ssh-keygen(1). Without it: /etc/hrec/allowed_signers and
    /// $XDG_CONFIG_HOME/hrec/allowed_signers.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub signers: Vec<PathBuf>,

    /// Hold the ledger against a checkpoint of it that was kept elsewhere (may be given several
    /// times)
    ///
    /// The ledger must begin with what it was when that was signed. A file may hold several, as an
    /// anchor that appends to a file makes it. See LEDGER in hrec-seal(7).
    #[arg(long, value_name = "CHECKPOINT", value_hint = ValueHint::FilePath)]
    pub against: Vec<PathBuf>,

    /// Write JSON
    #[arg(long)]
    pub json: bool,

    /// Also open the recordings, with this identity (may be given several times)
    #[arg(short = 'i', long = "identity", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub identity: Vec<PathBuf>,
}

/// `hrec seal`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(
    about = "Seal recordings that are not sealed yet",
    long_about = "Seal recordings that could not be sealed when they ended: the signing key was not there, or they \
        were interrupted. The signing key itself signs; the key of the session is no more. An interrupted \
        recording is sealed as it is, in as many files as it has. The ledger is told, also of the end of one \
        that is sealed and whose end it could not be told in its time.",
    after_long_help = "Examples:\n  hrec seal -1"
)]
pub struct Seal {
    /// The recordings: a path, an id, a unique part of one, or -1 for the latest
    #[arg(value_name = "REC", required = true, allow_negative_numbers = true, value_hint = ValueHint::FilePath)]
    pub recs: Vec<OsString>,
}

/// `hrec prove`.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    about = "Make a folder that proves a recording without hrec",
    long_about = "Make a folder that proves a recording to somebody who has no hrec and does not trust yours: the \
        recording, its manifest, its seal, whose seals are trusted, what the ledger says of it with the proof that \
        it is in the ledger, the ledger's signed head, a short script that checks these, and README.txt, which \
        says with which stock commands each claim is checked. Needs no key that opens the recording, and puts \
        none there.",
    after_long_help = "Examples:\n  hrec prove prod-db1 -o case-17"
)]
pub struct Prove {
    /// The recording: a path, an id, a unique part of one, or -1 for the latest
    #[arg(value_name = "REC", allow_negative_numbers = true, value_hint = ValueHint::FilePath)]
    pub rec: OsString,

    /// Make this folder
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: PathBuf,
}

/// `hrec rekey`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(
    about = "Encrypt recordings to others",
    long_about = "Encrypt finished recordings to these recipients, instead of those before. The content stays the same, byte \
        for byte; it is read back before the old form goes. The manifest and the seal from before are kept, and the new \
        manifest says, sealed by the signing key, which file became which.\n\n\
        Whoever could open a recording before can still open copies of its old form.",
    after_long_help = "Examples:\n  hrec rekey -1 -r age1... -r age1...\n  hrec rekey prod-db1 -R auditors.txt"
)]
pub struct Rekey {
    /// The recordings: a path, an id, a unique part of one, or -1 for the latest
    #[arg(value_name = "REC", required = true, allow_negative_numbers = true, value_hint = ValueHint::FilePath)]
    pub recs: Vec<OsString>,

    /// Encrypt to this recipient (may be given several times)
    #[arg(short, long, value_name = "RECIPIENT")]
    pub recipient: Vec<String>,

    /// Encrypt to every recipient in FILE (may be given several times)
    #[arg(short = 'R', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub recipients_file: Vec<PathBuf>,

    /// Open with this identity (may be given several times)
    #[arg(short = 'i', long = "identity", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub identity: Vec<PathBuf>,
}

/// `hrec keygen`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(
    about = "Make the key that recordings are encrypted to, or the one that seals them",
    long_about = "Make the age identity that opens your recordings, in $XDG_CONFIG_HOME/hrec/identity.txt, readable by \
        you alone, and print its recipient: what others encrypt to. An identity that is there already is \
        never overwritten. The first recording does this by itself when nothing else is configured.\n\n\
        Keep a copy of that file elsewhere: without it, nobody can open the recordings made for it.\n\n\
        With --signing: make the key that seals your recordings, $XDG_CONFIG_HOME/hrec/signing_key, \
        and print its public half: what others need to verify them. It needs no copy.\n\n\
        With --rotate the ledger gets a new key as well: see hrec-seal(7).",
    after_long_help = "Examples:\n  hrec keygen\n  hrec keygen --signing\n  hrec keygen --signing --rotate"
)]
pub struct Keygen {
    /// Make the key that seals recordings instead
    #[arg(long)]
    pub signing: bool,

    /// Begin with a new signing key: the one that is there seals nothing more
    ///
    /// What it has sealed up to now stays valid: its lines in allowed_signers get valid-before. Its file
    /// is renamed, and may be removed. The same happens to the key that signs the ledger.
    #[arg(long, requires = "signing")]
    pub rotate: bool,
}
