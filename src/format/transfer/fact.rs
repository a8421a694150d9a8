//! A `transfer` fact, before it is JSON.
//!
//! Refuses to know a protocol. The invariant: each of the eight fields is
//! there, null where it does not apply, so that a reader needs no case for its
//! absence; what only some operations have comes after them.

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;

use super::Side;
use super::run::Hashed;
use crate::event::Fact;
use crate::format::chain::Hash;

/// More of a path is not kept, in bytes: no system call takes more (PATH_MAX).
pub(super) const PATH_MAX: usize = 4096;
/// More of what the other side says of a failure is not kept, in bytes.
pub(super) const TEXT_MAX: usize = 512;

#[derive(Clone, Debug)]
pub(super) struct Transfer {
    pub(super) protocol: &'static str,
    pub(super) operation: &'static str,
    pub(super) path: Option<Vec<u8>>,
    pub(super) to: Option<Vec<u8>>,
    pub(super) direction: Option<Side>,
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<Hash>,
    pub(super) status: String,
    pub(super) more: Vec<(&'static str, Value)>,
}

impl Transfer {
    /// One that went well, with nothing said of it yet.
    pub(super) fn new(protocol: &'static str, operation: &'static str) -> Self {
        Self {
            protocol,
            operation,
            path: None,
            to: None,
            direction: None,
            size: None,
            sha256: None,
            status: "ok".to_owned(),
            more: Vec::new(),
        }
    }

    pub(super) fn unfollowed(protocol: &'static str, why: String) -> Self {
        Self { status: why, ..Self::new(protocol, "unfollowed") }
    }

    /// Its data's digest; where that is not the file's, whatever it is of: these
    /// bytes are in no other.
    pub(super) fn hashed(&mut self, digest: &Hashed) {
        if digest.whole {
            self.sha256 = Some(digest.sha256);
        } else if digest.bytes > 0 {
            self.more.push(("passed", digest.bytes.into()));
            self.more.push(("passed_sha256", HEXLOWER.encode(&digest.sha256).into()));
        }
    }

    /// What it takes of memory, beyond its own size.
    pub(super) fn heap(&self) -> usize {
        let length = |path: &Option<Vec<u8>>| path.as_ref().map_or(0, Vec::len);
        let each = size_of::<(&str, Value)>();
        length(&self.path) + length(&self.to) + self.status.len() + self.more.len() * each
    }

    pub(super) fn fact(self) -> Fact {
        let text =
            |path: &Option<Vec<u8>>| path.as_ref().map(|path| String::from_utf8_lossy(path).into());
        let or_null = |value: Option<Value>| value.unwrap_or(Value::Null);
        let mut fact = Fact::new("transfer")
            .with("proto", self.protocol)
            .with("op", self.operation)
            .with("path", or_null(text(&self.path)))
            .with("to", or_null(text(&self.to)))
            .with("dir", or_null(self.direction.map(|side| side.direction().into())))
            .with("size", or_null(self.size.map(Into::into)))
            .with("sha256", or_null(self.sha256.map(|hash| HEXLOWER.encode(&hash).into())))
            .with("status", self.status);
        // A name need not be text; then the exact one is there as well.
        for (name, path) in [("path_b64", self.path), ("to_b64", self.to)] {
            if let Some(path) = path.filter(|path| std::str::from_utf8(path).is_err()) {
                fact = fact.with(name, BASE64.encode(&path));
            }
        }
        for (name, value) in self.more {
            fact = fact.with(name, value);
        }
        fact
    }
}

/// A mode as `chmod(1)` takes it: octal, the bits that it can change.
pub(super) fn mode(bits: u32) -> Value {
    format!("{:04o}", bits & 0o7777).into()
}

/// At most `most` bytes of it.
pub(super) fn clipped(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}
