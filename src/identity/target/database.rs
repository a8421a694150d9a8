//! Clients of the other databases: MySQL and MariaDB, Redis, MongoDB, SQLite.
//!
//! Invariant: a word after a bare `--password` is nobody's name.

use super::uri::host_port;
use super::{Grammar, Item, Order, Target, Uri, field};

/// mysql(1), MySQL 8.4 and MariaDB 11; the dump and admin tools share what
/// matters here.
const MYSQL: Grammar = Grammar {
    short: "?ABbCD:Ee:fGh:HiLm:nNop::P:qQrR:sS:tTu:UvVwWX#::",
    long: "host= port= user= password? password1? password2? password3? database= socket= \
           protocol= execute= defaults-file= defaults-extra-file= defaults-group-suffix= \
           login-path= default-character-set= default-auth= plugin-dir= init-command= prompt= \
           pager? tee= delimiter= ssl-ca= ssl-capath= ssl-cert= ssl-cipher= ssl-crl= \
           ssl-crlpath= ssl-key= ssl-mode= tls-version= connect-timeout= max-allowed-packet= \
           net-buffer-length= select-limit= max-join-size= character-sets-dir= bind-address= \
           compression-algorithms= zstd-compression-level= server-public-key-path= batch quick \
           verbose silent force table vertical html xml version help tables databases where= \
           ignore-table= result-file= sleep= count=",
    order: Order::Mixed,
};

const REDIS: Grammar = Grammar {
    short: "",
    long: "h= p= s= a= u= r= i= n= d= D= x X= t= 2 3 c e user= pass= askpass sni= cacert= \
           cacertdir= cert= key= tls-ciphers= tls-ciphersuites= tls insecure raw no-raw \
           quoted-input csv json quoted-json show-pushes= stat latency latency-history \
           latency-dist lru-test= replica rdb= functions-rdb= pipe pipe-timeout= bigkeys \
           memkeys memkeys-samples= hotkeys scan pattern= quoted-pattern= count= \
           intrinsic-latency= eval= ldb ldb-sync-mode cluster= verbose no-auth-warning help \
           version",
    order: Order::Words,
};

const MONGO: Grammar = Grammar {
    short: "hu:p::f:d:c:o:",
    long: "host= port= username= password? authenticationDatabase= authenticationMechanism= \
           eval= file= db= collection= out= uri= tls tlsCAFile= tlsCertificateKeyFile= \
           tlsCertificateKeyFilePassword= tlsCRLFile= tlsCertificateSelector= \
           tlsDisabledProtocols= awsAccessKeyId= awsSecretAccessKey= awsSessionToken= \
           awsIamSessionToken= gssapiServiceName= gssapiHostName= sspiHostnameCanonicalization= \
           sspiRealmOverride= oidcFlows= oidcRedirectUri= keyVaultNamespace= kmsURL= apiVersion= \
           browser= query= queryFile= nodb norc quiet shell json? retryWrites? verbose",
    order: Order::Mixed,
};

const SQLITE: Grammar = Grammar {
    short: "",
    long: "cmd= init= separator= newline= nullvalue= vfs= mmap= maxsize= heap= nonce= \
           key= hexkey= textkey= A",
    order: Order::MixedWords,
};

pub(super) fn mysql(words: &[String]) -> Target {
    let mut target = Target::kind("mysql");
    let mut bare_password = false;
    let mut database = None;
    for item in MYSQL.items(words) {
        let asked = matches!(
            item,
            Item::Option("p" | "password" | "password1" | "password2" | "password3", None)
        );
        match item {
            Item::Option("h" | "host", Some(host)) => target.host = field(host),
            Item::Option("P" | "port", Some(port)) => target.port = port.parse().ok(),
            Item::Option("u" | "user", Some(user)) => target.user = field(user),
            Item::Option("D" | "database", Some(name)) => target.database = field(name),
            // MySQL takes `-p secret` for a prompt and a database: so do its
            // users not, who get it wrong every day.
            Item::Operand(_) if bare_password => {}
            Item::Operand(word) if database.is_none() => database = Some(word),
            _ => {}
        }
        bare_password = asked;
    }
    // mycli takes a URI there.
    if let Some(uri) = database.and_then(|d| Uri::parse(d, &["mysql", "mariadb", "mysqlx"])) {
        target.user = uri.user.or(target.user);
        target.host = uri.host.or(target.host);
        target.port = uri.port.or(target.port);
        target.database = uri.path.or(target.database);
    } else if target.database.is_none() {
        target.database = database.filter(|name| !name.contains("://")).and_then(field);
    }
    named(target)
}

pub(super) fn redis(words: &[String]) -> Target {
    let mut target = Target::kind("redis");
    for item in REDIS.items(words) {
        match item {
            Item::Option("h", Some(host)) => target.host = field(host),
            Item::Option("s", Some(socket)) => target.host = field(socket),
            Item::Option("p", Some(port)) => target.port = port.parse().ok(),
            Item::Option("n", Some(number)) => target.database = field(number),
            Item::Option("user", Some(user)) => target.user = field(user),
            Item::Option("u", Some(text)) => {
                let schemes = ["redis", "rediss", "valkey", "valkeys"];
                let Some(uri) = Uri::parse(text, &schemes) else { continue };
                // redis://password@host, without a colon, is a password too.
                let user = uri.user.filter(|_| {
                    text.rsplit_once('@').is_some_and(|(userinfo, _)| {
                        userinfo.split_once("://").is_some_and(|(_, u)| u.contains(':'))
                    })
                });
                target.user = user.or(target.user);
                target.host = uri.host.or(target.host);
                target.port = uri.port.or(target.port);
                target.database = uri.path.or(target.database);
            }
            _ => {}
        }
    }
    target.name = target.host.clone().unwrap_or_default();
    target
}

pub(super) fn mongo(words: &[String]) -> Target {
    let mut target = Target::kind("mongodb");
    let mut bare_password = false;
    let mut address = None;
    for item in MONGO.items(words) {
        let asked = matches!(item, Item::Option("p" | "password", None));
        match item {
            Item::Option("host", Some(host)) => {
                let (host, port) = host_port(host);
                target.host = field(host);
                target.port = target.port.or(port);
            }
            Item::Option("port", Some(port)) => target.port = port.parse().ok(),
            Item::Option("u" | "username", Some(user)) => target.user = field(user),
            Item::Option("d" | "db", Some(name)) => target.database = field(name),
            Item::Option("uri", Some(uri)) => address = Some(uri),
            Item::Operand(_) if bare_password => {}
            Item::Operand(word) if address.is_none() => address = Some(word),
            _ => {}
        }
        bare_password = asked;
    }
    if let Some(uri) = address.and_then(|a| Uri::parse(a, &["mongodb", "mongodb+srv"])) {
        target.user = uri.user.or(target.user);
        target.host = uri.host.or(target.host);
        target.port = uri.port.or(target.port);
        target.database = uri.path.or(target.database);
    } else if let Some(address) = address.filter(|a| !a.contains("://") && !a.contains(".js")) {
        // host[:port]/database, host:port, or a database.
        match address.split_once('/') {
            Some((host, database)) => {
                let (host, port) = host_port(host);
                target.host = field(host);
                target.port = target.port.or(port);
                target.database = field(database);
            }
            None => match host_port(address) {
                (host, Some(port)) => (target.host, target.port) = (field(host), Some(port)),
                _ if address.contains('.') => target.host = field(address),
                _ => target.database = field(address),
            },
        }
    }
    named(target)
}

pub(super) fn sqlite(words: &[String]) -> Target {
    let mut target = Target::kind("sqlite");
    // -A hands all that follows to the archiver.
    let file = SQLITE
        .items(words)
        .take_while(|item| !matches!(item, Item::Option("A", _)))
        .find_map(|item| match item {
            Item::Operand(word) => Some(word),
            _ => None,
        });
    // A URI's query may hold a key (SQLCipher, SEE).
    let file = file.map(|file| match file.strip_prefix("file:") {
        Some(path) => path.split('?').next().unwrap_or_default(),
        None => file,
    });
    target.database = file.and_then(field);
    target.name = file.and_then(|f| f.rsplit('/').next()).unwrap_or_default().to_owned();
    target
}

fn named(mut target: Target) -> Target {
    target.name = match (target.host.as_deref(), target.database.as_deref()) {
        (Some(host), Some(database)) => format!("{host}/{database}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    };
    target
}
