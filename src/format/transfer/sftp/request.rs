//! What a client asks for, and what a server answers, out of their packets.
//!
//! SFTP version 3 (draft-ietf-secsh-filexfer-02) as OpenSSH speaks it, with
//! its extensions (openssh-portable, PROTOCOL). Refuses to know files and
//! handles. The invariant: a packet that ends too soon gives `None`; one that
//! was kept only in part gives what there is.

use serde_json::Value;

use super::super::fact::{PATH_MAX, TEXT_MAX, clipped, mode};
use super::packets::WRITE;

/// What a request wants, of those that are told.
#[derive(Debug)]
pub(super) enum Wish<'a> {
    Open {
        path: &'a [u8],
        flags: u32,
        attributes: Attributes,
    },
    OpenDirectory {
        path: &'a [u8],
    },
    Close {
        handle: &'a [u8],
    },
    Read {
        handle: &'a [u8],
        offset: u64,
    },
    Write {
        handle: &'a [u8],
        offset: u64,
    },
    Sync {
        handle: &'a [u8],
    },
    SetByHandle {
        handle: &'a [u8],
        attributes: Attributes,
    },
    Copy {
        from: &'a [u8],
        to: &'a [u8],
        length: u64,
    },
    /// Anything that is done to paths at once.
    Paths {
        operation: &'static str,
        path: &'a [u8],
        to: Option<&'a [u8]>,
        attributes: Attributes,
    },
    /// An extension that is not known, by its name.
    Extended {
        name: &'a [u8],
    },
    /// What changes nothing and moves no file: STAT, READDIR, REALPATH, …
    Other,
}

/// `SSH_FXF_READ` and so on, of an OPEN.
pub(super) mod flag {
    pub(in super::super) const WRITE: u32 = 2;
    pub(in super::super) const APPEND: u32 = 4;
    pub(in super::super) const TRUNCATE: u32 = 0x10;
}

/// What an ATTRS structure sets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    owner: Option<(u32, u32)>,
    mode: Option<u32>,
    /// Accessed, modified; seconds since 1970.
    times: Option<(u32, u32)>,
}

impl Attributes {
    /// The operation's name: chmod where only the mode is set, and so on.
    pub(super) fn operation(&self) -> &'static str {
        match (self.size, self.owner, self.mode, self.times) {
            (Some(_), None, None, None) => "truncate",
            (None, Some(_), None, None) => "chown",
            (None, None, Some(_), None) => "chmod",
            (None, None, None, Some(_)) => "utime",
            _ => "setstat",
        }
    }

    /// As fields of a fact.
    pub(super) fn fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = Vec::new();
        fields.extend(self.size.map(|size| ("length", size.into())));
        fields.extend(self.mode.map(|bits| ("mode", mode(bits))));
        if let Some((user, group)) = self.owner {
            fields.extend([("uid", user.into()), ("gid", group.into())]);
        }
        if let Some((accessed, modified)) = self.times {
            fields.extend([("atime", accessed.into()), ("mtime", modified.into())]);
        }
        fields
    }

    /// Nothing but the size.
    pub(super) fn only_size(&self) -> Option<u64> {
        self.size.filter(|_| self.operation() == "truncate")
    }
}

/// A request's number and what it wants, from the packet's `kind` and what
/// follows that.
pub(super) fn request(kind: u8, body: &[u8]) -> Option<(u32, Wish<'_>)> {
    let mut fields = Fields(body);
    let id = fields.number()?;
    Some((id, wish(kind, &mut fields).unwrap_or(Wish::Other)))
}

fn wish<'a>(kind: u8, fields: &mut Fields<'a>) -> Option<Wish<'a>> {
    let none = Attributes::default();
    Some(match kind {
        3 => Wish::Open {
            path: fields.string()?,
            flags: fields.number()?,
            attributes: fields.attributes().unwrap_or_default(),
        },
        4 => Wish::Close { handle: fields.string()? },
        5 => Wish::Read { handle: fields.string()?, offset: fields.long()? },
        WRITE => Wish::Write { handle: fields.string()?, offset: fields.long()? },
        9 => set(fields)?,
        10 => Wish::SetByHandle { handle: fields.string()?, attributes: fields.attributes()? },
        11 => Wish::OpenDirectory { path: fields.string()? },
        13 => one("remove", fields, none)?,
        14 => {
            let path = fields.string()?;
            let attributes = fields.attributes().unwrap_or_default();
            Wish::Paths { operation: "mkdir", path, to: None, attributes }
        }
        15 => one("rmdir", fields, none)?,
        18 => two("rename", fields)?,
        // OpenSSH has the target first, against the draft.
        20 => two("symlink", fields)?,
        200 => match fields.string()? {
            b"posix-rename@openssh.com" => two("rename", fields)?,
            b"hardlink@openssh.com" => two("link", fields)?,
            b"fsync@openssh.com" => Wish::Sync { handle: fields.string()? },
            b"lsetstat@openssh.com" => set(fields)?,
            b"copy-data" => {
                let (from, _, length) = (fields.string()?, fields.long()?, fields.long()?);
                Wish::Copy { from, to: fields.string()?, length }
            }
            b"statvfs@openssh.com"
            | b"fstatvfs@openssh.com"
            | b"limits@openssh.com"
            | b"expand-path@openssh.com"
            | b"home-directory"
            | b"users-groups-by-id@openssh.com" => Wish::Other,
            name => Wish::Extended { name },
        },
        _ => Wish::Other,
    })
}

fn one<'a>(
    operation: &'static str,
    fields: &mut Fields<'a>,
    attributes: Attributes,
) -> Option<Wish<'a>> {
    Some(Wish::Paths { operation, path: fields.string()?, to: None, attributes })
}

fn two<'a>(operation: &'static str, fields: &mut Fields<'a>) -> Option<Wish<'a>> {
    let (path, to) = (fields.string()?, Some(fields.string()?));
    Some(Wish::Paths { operation, path, to, attributes: Attributes::default() })
}

fn set<'a>(fields: &mut Fields<'a>) -> Option<Wish<'a>> {
    let path = fields.string()?;
    let attributes = fields.attributes()?;
    Some(Wish::Paths { operation: attributes.operation(), path, to: None, attributes })
}

/// What a server answers.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    Status(u32, String),
    Handle(&'a [u8]),
    /// Names, attributes, or an extension's.
    Other,
}

/// End of file: what ends a READ or READDIR that went well.
pub(super) const EOF: u32 = 1;

/// The number of the request, and the answer to it.
pub(super) fn answer(kind: u8, body: &[u8]) -> Option<(u32, Answer<'_>)> {
    let mut fields = Fields(body);
    let id = fields.number()?;
    Some((
        id,
        match kind {
            101 => {
                let code = fields.number()?;
                Answer::Status(code, status(code, fields.string().unwrap_or_default()))
            }
            102 => Answer::Handle(fields.string()?),
            _ => Answer::Other,
        },
    ))
}

/// *ok*, or the code and the server's words for it.
fn status(code: u32, text: &[u8]) -> String {
    if code == 0 {
        return "ok".to_owned();
    }
    let text = String::from_utf8_lossy(clipped(text, TEXT_MAX));
    let text = match code {
        _ if !text.is_empty() => &*text,
        1 => "End of file",
        2 => "No such file",
        3 => "Permission denied",
        4 => "Failure",
        5 => "Bad message",
        6 => "No connection",
        7 => "Connection lost",
        8 => "Operation unsupported",
        _ => "Failure",
    };
    format!("{code} {text}")
}

/// The version in INIT or VERSION.
pub(super) fn version(body: &[u8]) -> Option<u32> {
    Fields(body).number()
}

/// Reads a packet's fields one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<u32> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*field))
    }

    fn long(&mut self) -> Option<u64> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*field))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        let (string, rest) = self.0.split_at_checked(length).unwrap_or((self.0, b""));
        self.0 = rest;
        Some(clipped(string, PATH_MAX))
    }

    fn attributes(&mut self) -> Option<Attributes> {
        let flags = self.number()?;
        let has = |bit| flags & bit != 0;
        let mut attributes = Attributes::default();
        if has(1) {
            attributes.size = Some(self.long()?);
        }
        if has(2) {
            attributes.owner = Some((self.number()?, self.number()?));
        }
        if has(4) {
            attributes.mode = Some(self.number()?);
        }
        if has(8) {
            attributes.times = Some((self.number()?, self.number()?));
        }
        Some(attributes)
    }
}
