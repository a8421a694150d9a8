//! A witness, c2sp.org/tlog-witness: it cosigns a head after it has seen that
//! the log begins with the head that it cosigned before.
//!
//! Its invariant: only a cosignature by the configured key counts, over this
//! head and no other.

use std::fmt::Write as _;
use std::time::Instant;

use data_encoding::BASE64;

use super::http::{self, Answer, Url};
use crate::seal::ledger::checkpoint::decimal;
use crate::seal::ledger::note::{Note, VerifierKey};
use crate::seal::ledger::read::Reader;

/// Has the ledger's head cosigned. `seen` is the size of the head that the
/// witness has cosigned, as far as is known; the note is that head with its
/// signature and the witness's.
///
/// # Errors
/// Why not.
pub(super) fn ask(
    url: &Url,
    key: &VerifierKey,
    reader: &mut Reader,
    seen: &mut u64,
    until: Instant,
) -> Result<Note, String> {
    let size = reader.checkpoint().head.size;
    // Twice at most: the witness says what it has when that is not known.
    for _ in 0..2 {
        if *seen > size {
            return Err(format!(
                "{} has cosigned a head over {seen} entries, and the ledger has {size}: it was rolled back",
                key.name()
            ));
        }
        let proof = reader.consistency(*seen).map_err(|error| error.to_string())?;
        let mut body = format!("old {seen}\n");
        for hash in proof {
            let _ = writeln!(body, "{}", BASE64.encode(&hash));
        }
        let _ = write!(body, "\n{}", reader.note());
        let Answer { status, body } = http::post(url, "add-checkpoint", &body, until)?;
        match status {
            200 => return cosigned(reader.note(), key, &body),
            409 => {
                *seen = decimal(body.trim_end())
                    .ok_or_else(|| format!("{url}: it does not say what it has seen"))?;
            }
            404 => return Err(format!("{url}: it does not know this ledger")),
            403 => return Err(format!("{url}: it does not know the ledger's key")),
            422 => {
                return Err(format!(
                    "{url}: the ledger does not begin with the {seen} entries that it has cosigned: it was forked"
                ));
            }
            other => return Err(format!("{url}: status {other}")),
        }
    }
    Err(format!("{url}: it changes its mind about what it has seen"))
}

/// The head with the witness's signature.
fn cosigned(note: &Note, key: &VerifierKey, answer: &str) -> Result<Note, String> {
    let mut cosigned = note.clone();
    let wrong = |why: &str| format!("{}: the answer is no cosignature: {why}", key.name());
    cosigned.take(answer).map_err(|error| wrong(&error.to_string()))?;
    let keys = std::slice::from_ref(key);
    cosigned.verify(keys).map_err(|error| wrong(&error.to_string()))?;
    // What others signed in the same answer nobody here can check.
    let own: Vec<String> = note.signatures().map(ToString::to_string).collect();
    cosigned.retain(|signature| key.owns(signature) || own.contains(&signature.to_string()));
    Ok(cosigned)
}
