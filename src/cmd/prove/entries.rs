//! What the ledger says of the recording, each entry with the proof that it is
//! in it.
//!
//! Its invariant: all proofs lead to the one head that goes into the folder,
//! and a key that the person trusts has signed that.

use anyhow::{Result, bail};

use super::{Folder, lists};
use crate::cmd::ledger;
use crate::cmd::place::Place;
use crate::config::Config;
use crate::seal::ledger::{Event, NAMESPACE, Reader};
use crate::seal::signers::Signers;

/// Checks the proofs, with nothing of hrec's.
pub(super) const SCRIPT: &str = "check-ledger.sh";

/// What goes into the folder.
pub(super) struct Entries {
    checkpoint: String,
    proofs: Vec<(String, String)>,
    /// The lines of the lists that vouch for the head.
    pub(super) signers: String,
}

impl Entries {
    /// What the ledger has of the recording: `Err` says why it proves nothing.
    pub(super) fn of(place: &Place, config: &Config) -> Result<Self> {
        if !place.is_stored(config) {
            bail!("it is not one of the store's, and the ledger accounts for those only");
        }
        let dir = ledger::dir(&config.store());
        let Some(mut reader) = Reader::open(&dir)? else {
            bail!("the store has no ledger");
        };
        let mut signers = String::new();
        let mut revoked = Signers::default();
        crate::cmd::verify::revoke(&mut revoked, config)?;
        for line in lists(config)?.lines() {
            let mut one = revoked.clone();
            one.add("", line);
            if reader.verify_now(&one.ed25519(NAMESPACE)).is_ok() {
                signers.push_str(line);
                signers.push('\n');
            }
        }
        if signers.is_empty() {
            bail!("nobody whom you trust has signed the ledger's head; hrec verify tells more");
        }
        let mut proofs = Vec::new();
        for (index, record) in reader.about(&place.id())? {
            let kind = match record.event {
                Event::Start { .. } => "start",
                Event::End { .. } => "end",
                Event::Recover { .. } => "recover",
                Event::Rekey { .. } => "rekey",
                Event::Seal { .. } => "seal",
                // Neither how far it once was nor who has looked at it is part
                // of what is proven.
                _ => continue,
            };
            // Their names are in their order.
            let name = format!("{index:012}-{kind}.tlog-proof");
            proofs.push((name, reader.prove(index)?.to_string()));
        }
        if !proofs.iter().any(|(name, _)| name.ends_with("-start.tlog-proof")) {
            bail!("nothing in the ledger says that it was started; hrec verify tells more");
        }
        reader.make_durable()?;
        Ok(Self { checkpoint: reader.note().to_string(), proofs, signers })
    }

    /// Puts them there, and what checks them.
    pub(super) fn put(&self, folder: &Folder) -> Result<()> {
        folder.write("checkpoint", self.checkpoint.as_bytes())?;
        for (name, proof) in &self.proofs {
            folder.write(name, proof.as_bytes())?;
        }
        folder.write(SCRIPT, include_bytes!("check-ledger.sh"))
    }
}
