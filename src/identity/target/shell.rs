//! Logins: OpenSSH's programs, mosh, telnet, and another user's shell.
//!
//! Option lists are those of OpenSSH 9.2 to 10.0, mosh 1.4, inetutils and
//! netkit telnet, sudo 1.9, util-linux 2.40. Invariant: a remote command, or
//! the command given to sudo, is never looked at.

use super::uri::host_port;
use super::{Family, Grammar, Item, Order, Target, Uri, at, field};

/// ssh(1), all options of OpenSSH 9 and 10.
pub(in crate::identity) const SSH: Grammar = Grammar {
    short: "1246ab:c:e:fgi:kl:m:no:p:qstvxAB:CD:E:F:GI:J:KL:MNO:P:Q:R:S:TVw:W:XYy",
    long: "",
    order: Order::Posix,
};

/// sftp(1).
const SFTP: Grammar =
    Grammar { short: "1246aAfhNpqrvCc:D:i:l:o:s:S:b:B:F:J:P:R:X:", long: "", order: Order::Posix };

/// scp(1).
const SCP: Grammar =
    Grammar { short: "12346ABCTdfOpqRrstvD:F:J:M:P:S:c:i:l:o:X:", long: "", order: Order::Posix };

const MOSH: Grammar = Grammar {
    short: "46anop:",
    long: "client= server= predict= predict-overwrite family= port= bind-server= ssh= \
           ssh-pty no-ssh-pty init no-init local experimental-remote-ip= help version",
    order: Order::Posix,
};

const TELNET: Grammar =
    Grammar { short: "4678acde:EfFk:Kl:Ln:rb:S:X:x", long: "user= login", order: Order::Posix };

const SUDO: Grammar = Grammar {
    short: "ABbC:D:EeHh:iKklNnPp:R:r:SsT:t:U:u:g:Vv",
    long: "askpass bell background close-from= chdir= preserve-env? edit group= set-home help? \
           host= login remove-timestamp reset-timestamp list non-interactive preserve-groups \
           prompt= chroot= role= stdin shell command-timeout= type= other-user= user= version \
           validate no-update",
    order: Order::Posix,
};

const SU: Grammar = Grammar {
    short: "c:fg:G:hlmpPs:T:u:Vw:",
    long: "command= session-command= fast group= supp-group= login preserve-environment pty \
           no-pty shell= user= whitelist-environment= help version",
    order: Order::Mixed,
};

pub(super) fn ssh(words: &[String]) -> Target {
    let mut target = Target::kind("ssh");
    let parts = ssh_parts(words);
    destination(&mut target, parts.destination.unwrap_or_default(), "ssh");
    // The first of several values holds, the destination's own among them.
    let before = login(&parts.before);
    let after = login(&parts.after);
    let name = |user: Option<&str>| user.and_then(|u| u.split(':').next()).and_then(field);
    target.user = name(before.0).or(target.user).or(name(after.0));
    target.port = before.1.or(target.port).or(after.1);
    target.name = at(target.user.as_deref(), target.host.as_deref());
    target
}

/// The user and the port that ssh's options give.
fn login<'a>(options: &[SshOption<'a>]) -> (Option<&'a str>, Option<u16>) {
    let (mut user, mut port) = (None, None);
    for (name, value) in options {
        let setting = match (*name, *value) {
            ("l", Some(value)) => Some(("user", value)),
            ("p", Some(value)) => Some(("port", value)),
            ("o", Some(setting)) => setting_of(setting),
            _ => None,
        };
        match setting {
            Some((key, name)) if key.eq_ignore_ascii_case("user") => user = user.or(Some(name)),
            Some((key, number)) if key.eq_ignore_ascii_case("port") => {
                port = port.or(number.parse().ok());
            }
            _ => {}
        }
    }
    (user, port)
}

/// An option of ssh's, and its value.
pub(in crate::identity) type SshOption<'a> = (&'a str, Option<&'a str>);

/// ssh's arguments without the command.
#[derive(Debug, Default)]
pub(in crate::identity) struct SshParts<'a> {
    pub before: Vec<SshOption<'a>>,
    pub destination: Option<&'a str>,
    pub after: Vec<SshOption<'a>>,
}

/// Reads ssh's arguments as ssh does: options, the destination, options
/// again, the command; no more options after `--`.
pub(in crate::identity) fn ssh_parts(words: &[String]) -> SshParts<'_> {
    let mut parts = SshParts::default();
    let mut ended = false;
    let mut items = SSH.items(words);
    for item in items.by_ref() {
        match item {
            Item::Option(name, value) => parts.before.push((name, value)),
            Item::Operand(word) => parts.destination = Some(word),
            Item::End => ended = true,
        }
    }
    if ended {
        parts.destination = items.rest().first().map(String::as_str);
    } else if parts.destination.is_some() {
        parts.after.extend(SSH.items(items.rest()).map_while(|item| match item {
            Item::Option(name, value) => Some((name, value)),
            _ => None,
        }));
    }
    parts
}

/// What scp and sftp hand on to ssh as it is: not `-P` and `-l`, which mean
/// something else to them.
pub(in crate::identity) fn handed_on(family: Family, words: &[String]) -> Vec<SshOption<'_>> {
    let grammar = match family {
        Family::Scp => &SCP,
        Family::Sftp => &SFTP,
        _ => return Vec::new(),
    };
    grammar
        .items(words)
        .filter_map(|item| match item {
            Item::Option(name @ ("F" | "J" | "o" | "4" | "6"), value) => Some((name, value)),
            _ => None,
        })
        .collect()
}

/// A setting of `-o`: `Name=value`, `Name value` or `Name = value`
/// (ssh_config(5)), with or without quotes.
pub(in crate::identity) fn setting_of(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.trim_start().split_once(|c: char| c == '=' || c.is_whitespace())?;
    let value = value.trim().trim_start_matches('=').trim().trim_matches('"');
    Some((name, value))
}

/// `user@host` or `scheme://user@host:port`. A password, which some gateways
/// take after a colon in the user's part, is left out.
fn destination(target: &mut Target, typed: &str, scheme: &str) {
    if let Some(uri) = Uri::parse(typed, &[scheme]) {
        (target.user, target.host, target.port) = (uri.user, uri.host, uri.port);
    } else if let Some((user, host)) = typed.rsplit_once('@') {
        target.user = user.split(':').next().and_then(field);
        target.host = field(unbracketed(host));
    } else {
        target.host = field(unbracketed(typed));
    }
    if let Some(host) = target.host.as_deref() {
        target.name = at(target.user.as_deref(), Some(host));
    }
}

/// scp and sftp want an IPv6 address in brackets, ssh wants it without.
fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
}

pub(super) fn mosh(words: &[String]) -> Target {
    let mut target = Target::kind("ssh");
    let mut items = MOSH.items(words);
    for item in items.by_ref() {
        if let Item::Operand(word) = item {
            destination(&mut target, word, "ssh");
            return target;
        }
    }
    destination(&mut target, items.rest().first().map_or("", String::as_str), "ssh");
    target
}

pub(super) fn sftp(words: &[String]) -> Target {
    let mut target = Target::kind("ssh");
    let mut port = None;
    let mut typed = "";
    let mut items = SFTP.items(words);
    for item in items.by_ref() {
        match item {
            Item::Option("P", Some(number)) => port = number.parse().ok(),
            Item::Operand(word) => typed = word,
            _ => {}
        }
    }
    if typed.is_empty() {
        typed = items.rest().first().map_or("", String::as_str);
    }
    destination(&mut target, remote(typed).unwrap_or(typed), "sftp");
    target.port = target.port.or(port);
    target
}

/// Of several remote files the last is where the copy goes to, if it goes
/// anywhere; else the first is where it comes from.
pub(super) fn scp(words: &[String]) -> Target {
    let mut target = Target::kind("ssh");
    let mut port = None;
    let mut files: Vec<&str> = Vec::new();
    let mut items = SCP.items(words);
    for item in items.by_ref() {
        match item {
            Item::Option("P", Some(number)) => port = number.parse().ok(),
            Item::Operand(word) => files.push(word),
            _ => {}
        }
    }
    files.extend(items.rest().iter().map(String::as_str));
    let to = files.last().and_then(|file| remote(file));
    let from = files.iter().find_map(|file| remote(file));
    if let Some(remote) = to.or(from) {
        destination(&mut target, remote, "scp");
    }
    target.port = target.port.or(port);
    target
}

/// The destination part of `user@host:path`; `None` for a local file. As
/// scp's `colon()`: a slash before the colon makes it local.
fn remote(file: &str) -> Option<&str> {
    if file.contains("://") {
        return Some(file);
    }
    let from = file.find(']').filter(|_| file.starts_with('[') || file.contains("@[")).unwrap_or(0);
    let colon = from + file.get(from..)?.find(':')?;
    let host = file.get(..colon)?;
    if host.is_empty() || host.contains('/') {
        return None;
    }
    Some(host)
}

pub(super) fn telnet(words: &[String]) -> Target {
    let mut target = Target::kind("telnet");
    let mut operands: Vec<&str> = Vec::new();
    let mut items = TELNET.items(words);
    for item in items.by_ref() {
        match item {
            Item::Option("l" | "user", Some(user)) => target.user = field(user),
            Item::Operand(word) => operands.push(word),
            _ => {}
        }
    }
    operands.extend(items.rest().iter().map(String::as_str));
    let mut operands = operands.into_iter();
    if let Some(host) = operands.next() {
        let (host, port) = host_port(host.split_once("://").map_or(host, |(_, rest)| rest));
        target.host = field(host.rsplit('@').next().unwrap_or(host));
        target.port = port;
    }
    target.port = target.port.or(operands.next().and_then(|p| p.parse().ok()));
    target.name = target.host.clone().unwrap_or_default();
    target
}

pub(super) fn sudo(words: &[String]) -> Target {
    let mut target = Target::kind("user");
    for item in SUDO.items(words) {
        match item {
            Item::Option("u" | "user", Some(user)) => target.user = field(user),
            // sudo on another host's behalf; -h without a value is help.
            Item::Option("host", Some(host)) => target.host = field(host),
            _ => {}
        }
    }
    target.name = target.user.clone().unwrap_or_default();
    target
}

pub(super) fn su(words: &[String]) -> Target {
    let mut target = Target::kind("user");
    for item in SU.items(words) {
        match item {
            Item::Option("u" | "user", Some(user)) => target.user = field(user),
            Item::Operand("-") => {}
            Item::Operand(user) if target.user.is_none() => {
                target.user = field(user);
                break;
            }
            _ => {}
        }
    }
    target.name = target.user.clone().unwrap_or_default();
    target
}
