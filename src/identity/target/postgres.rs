//! PostgreSQL's programs: options, conninfo strings and URIs (PostgreSQL 17,
//! libpq section 32.1).
//!
//! Invariant: `-c` queries, `-v` variables and every password stay out.

use super::uri::host_port;
use super::{Grammar, Item, Order, Target, Uri, field};

const SCHEMES: &[&str] = &["postgres", "postgresql"];

/// Options that all of the tools share, and the ones of psql. `-p`, `-h`,
/// `-U`, `-d` mean the same in every tool below but for pg_restore's `-d`
/// (the same again) and pgbench's `-d` (debug, up to version 15).
const PSQL: Grammar = Grammar {
    short: "aAbc:d:eEf:F:h:HlL:no:p:P:qR:sStT:U:v:VwWxXz?01",
    long: "echo-all echo-errors command= dbname= echo-queries echo-hidden file= field-separator= \
           field-separator-zero host= html list log-file= no-align no-readline no-psqlrc \
           no-password output= port= pset= quiet record-separator= record-separator-zero \
           single-step single-line single-transaction table-attr= tuples-only username= \
           set= variable= version expanded password csv help?",
    order: Order::Mixed,
};

/// pg_dump, pg_restore and pg_dumpall.
const DUMP: Grammar = Grammar {
    short: "abBcCd:e:E:f:F:gh:I:j:lL:n:N:oOp:P:rRsS:t:T:U:vVwWxZ:1?",
    long: "dbname= host= port= username= no-password password role= database= file= format= \
           jobs= schema= exclude-schema= table= exclude-table= exclude-table-data= encoding= \
           compress= lock-wait-timeout= section= snapshot= superuser= extra-float-digits= \
           rows-per-insert= extension= include-foreign-data= list use-list= index= function= \
           trigger= exclude-database= data-only schema-only clean create verbose \
           table-and-children= exclude-table-and-children= filter= globals-only roles-only",
    order: Order::Mixed,
};

/// The rest: createdb, dropdb, vacuumdb, reindexdb, clusterdb, pg_isready,
/// pg_basebackup, pg_receivewal, pgbench, pgcli.
const OTHER: Grammar = Grammar {
    short: "aAb:c:d:D:eE:fF:gh:H:ij:l:n:N:O:p:P:qr:R:s:S:t:T:U:vVwWxX:zZ:?",
    long: "dbname= host= port= username= user= no-password password maintenance-db= table= \
           schema= encoding= locale= lc-collate= lc-ctype= owner= tablespace= template= \
           strategy= timeout= pgdata= format= wal-method= checkpoint= label= slot= jobs= \
           parallel= index= system analyze-only max-rate= waldir= tablespace-mapping= \
           status-interval= compress= client= threads= transactions= time= scale= file= \
           builtin= protocol= define= rate= prompt= row-limit= echo quiet all",
    order: Order::Mixed,
};

const TOOLS: &[&str] = &[
    "psql",
    "pgcli",
    "pg_dump",
    "pg_dumpall",
    "pg_restore",
    "createdb",
    "dropdb",
    "createuser",
    "dropuser",
    "vacuumdb",
    "reindexdb",
    "clusterdb",
    "pgbench",
    "pg_isready",
    "pg_basebackup",
    "pg_receivewal",
    "pg_recvlogical",
    "pg_amcheck",
];

/// Whether `program` connects by libpq's rules.
pub(super) fn is_tool(program: &str) -> bool {
    TOOLS.contains(&program)
}

pub(super) fn read(program: &str, words: &[String]) -> Target {
    let mut target = Target::kind("postgresql");
    let parts = parts(program, words);
    target.host = parts.host.and_then(field);
    target.port = parts.port;
    target.user = parts.user.and_then(field);
    if let Some(name) = parts.database {
        merge(&mut target, name);
    }
    target.name = match (target.host.as_deref(), target.database.as_deref()) {
        (Some(host), Some(database)) => format!("{host}/{database}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    };
    target
}

#[derive(Debug, Default)]
struct Parts<'a> {
    host: Option<&'a str>,
    port: Option<u16>,
    user: Option<&'a str>,
    /// A name, or a whole connection string.
    database: Option<&'a str>,
}

fn parts<'a>(program: &str, words: &'a [String]) -> Parts<'a> {
    let grammar: &'static Grammar = match program {
        "psql" => &PSQL,
        "pg_dump" | "pg_dumpall" | "pg_restore" => &DUMP,
        _ => &OTHER,
    };
    let mut parts = Parts::default();
    let mut operands: Vec<&str> = Vec::new();
    for item in grammar.items(words) {
        match item {
            Item::Option("h" | "host", Some(host)) => parts.host = Some(host),
            Item::Option("p" | "port", Some(port)) => parts.port = port.parse().ok(),
            Item::Option("U" | "username" | "user", Some(user)) => parts.user = Some(user),
            Item::Option("d" | "dbname" | "maintenance-db", Some(name)) => {
                parts.database = Some(name);
            }
            Item::Operand(word) => operands.push(word),
            _ => {}
        }
    }
    // These tools' operand is a role or a file.
    if matches!(
        program,
        "createuser" | "dropuser" | "pg_restore" | "pg_basebackup" | "pg_isready" | "pg_dumpall"
    ) {
        return parts;
    }
    let mut operands = operands.into_iter();
    parts.database = parts.database.or_else(|| operands.next());
    // psql [OPTION]... [DBNAME [USERNAME]]
    if matches!(program, "psql" | "pgcli") {
        parts.user = parts.user.or_else(|| operands.next());
    }
    parts
}

/// The connection string among a tool's arguments, if there is one.
pub(in crate::identity) fn typed_conninfo(program: &str, words: &[String]) -> Option<Conninfo> {
    parts(program, words).database.filter(|name| is_conninfo(name)).map(conninfo)
}

/// A database name, which may be a whole conninfo: its settings win over the
/// options, as in libpq (`expand_dbname`).
fn merge(target: &mut Target, name: &str) {
    if !is_conninfo(name) {
        target.database = field(name);
        return;
    }
    let found = conninfo(name);
    target.user = found.user.or(target.user.take());
    target.host = found.host.or(target.host.take());
    target.port = found.port.or(target.port);
    target.database = found.database;
}

/// Whether libpq would read this database name as a connection string.
fn is_conninfo(name: &str) -> bool {
    name.contains('=') || name.contains("://")
}

/// What a conninfo string or URI says, and the service it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::identity) struct Conninfo {
    pub user: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub database: Option<String>,
    pub service: Option<String>,
}

/// Reads a connection string, leaving every other keyword unread.
fn conninfo(text: &str) -> Conninfo {
    let mut out = Conninfo::default();
    if text.contains("://") {
        let uri = Uri::parse(text, SCHEMES).unwrap_or_default();
        (out.user, out.host, out.port, out.database) = (uri.user, uri.host, uri.port, uri.path);
        // Only where no secret's tail can be mistaken for a query.
        let query = if text.contains('@') && out.host.is_none() && out.database.is_none() {
            ""
        } else {
            text.split_once('?').map_or("", |(_, query)| query)
        };
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            out.set(name, value);
        }
        return out;
    }
    let mut rest = text.trim_start();
    while let Some((name, value)) = rest.split_once('=') {
        let (value, after) = value_of(value.trim_start());
        out.set(name.trim(), &value);
        rest = after.trim_start();
    }
    out
}

impl Conninfo {
    /// Takes one keyword in; an unknown one is none of this module's business.
    pub fn set(&mut self, name: &str, value: &str) {
        let value = value.trim();
        match name {
            "user" => self.user = field(value),
            "host" => self.host = field(value),
            // Only an address was given: that is the host.
            "hostaddr" => self.host = self.host.take().or_else(|| field(value)),
            "port" => self.port = value.parse().ok(),
            "dbname" => {
                // A connection string inside of one is not expanded by libpq
                // either; a host:port in it would be nonsense.
                self.database = field(value).filter(|name| !is_conninfo(name));
            }
            "service" => self.service = field(value),
            _ => {}
        }
        if let Some((host, Some(port))) = self.host.as_deref().map(host_port)
            && !host.starts_with('/')
            && name == "host"
            && self.port.is_none()
        {
            (self.host, self.port) = (field(host), Some(port));
        }
    }
}

/// One value of a conninfo string, and what follows it: up to white space, or
/// in single quotes; a backslash takes the next character literally.
fn value_of(text: &str) -> (String, &str) {
    let (quoted, body) = match text.strip_prefix('\'') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let mut value = String::new();
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => value.extend(chars.next()),
            '\'' if quoted => break,
            c if c.is_whitespace() && !quoted => break,
            c => value.push(c),
        }
    }
    (value, chars.as_str())
}
