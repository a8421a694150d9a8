//! docker, podman and nerdctl: which container, on which daemon.
//!
//! Invariant: `-e NAME=secret`, `--env`, labels and the command inside the
//! container stay out.

use super::{Grammar, Item, Order, Target, Uri, field};

/// Before the command: docker 28, podman 5, nerdctl 2.
const GLOBAL: Grammar = Grammar {
    short: "c:DH:l:vhra:n:",
    long: "config= context= debug host= log-level= tls tlscacert= tlscert= tlskey= tlsverify \
           version help remote connection= url= identity= root= runroot= storage-driver= \
           storage-opt= cgroup-manager= conmon= events-backend= hooks-dir= module= network-cmd-path= \
           network-config-dir= noout runtime= runtime-flag= ssh= syslog tmpdir= transient-store \
           volumepath= out= imagestore= address= namespace= snapshotter= cni-path= \
           cni-netconfpath= data-root= cgroup-manager= hosts-dir= host-gateway-ip=",
    order: Order::Posix,
};

/// `exec`, `attach`, `logs`, `start`, and `compose exec` and `run`.
const EXEC: Grammar = Grammar {
    short: "ditTu:e:w:laf:n:hs:",
    long: "detach detach-keys= env= env-file= interactive privileged tty user= workdir= latest \
           preserve-fds= preserve-fd= cidfile= wait= index= no-TTY no-tty name= entrypoint= \
           volume= publish= label= service-ports rm build quiet no-deps use-aliases \
           since= until= tail= follow timestamps details no-stdin sig-proxy attach \
           checkpoint= checkpoint-dir= filter=",
    order: Order::Posix,
};

/// `run` and `create`. Of their hundred options nearly all take a value: so
/// the ones that do not are listed, and a long option that is unknown is taken
/// to have a value (see [`run`]).
const RUN_FLAGS: &[&str] = &[
    "detach",
    "disable-content-trust",
    "env-host",
    "expose-all",
    "help",
    "http-proxy",
    "init",
    "interactive",
    "no-healthcheck",
    "no-hostname",
    "no-hosts",
    "oom-kill-disable",
    "passwd",
    "privileged",
    "publish-all",
    "quiet",
    "read-only",
    "read-only-tmpfs",
    "replace",
    "rm",
    "rmi",
    "rootfs",
    "sig-proxy",
    "tls-verify",
    "tty",
    "unsetenv-all",
    "use-api-socket",
];
const RUN: Grammar = Grammar { short: "a:c:de:h:il:m:p:Pqtu:v:w:", long: "", order: Order::Posix };

/// Between `compose` (or `container`) and its own command.
const COMPOSE: Grammar = Grammar {
    short: "f:p:",
    long: "file= project-name= profile= project-directory= env-file= ansi= parallel= progress=",
    order: Order::Posix,
};

pub(super) fn read(words: &[String]) -> Target {
    let mut target = Target::kind("container");
    let mut items = GLOBAL.items(words);
    let mut verb = None;
    for item in items.by_ref() {
        match item {
            Item::Option("H" | "host" | "url", Some(daemon)) => daemon_of(&mut target, daemon),
            Item::Option("c" | "context" | "connection", Some(name)) => {
                target.context = field(name);
            }
            Item::Operand(word) => verb = Some(word),
            _ => {}
        }
    }
    let mut rest = items.rest();
    // `docker container exec`, `docker compose -f FILE exec SERVICE`.
    if matches!(verb, Some("container" | "compose" | "pod")) {
        let mut inner = COMPOSE.items(rest);
        verb = inner.by_ref().find_map(|item| match item {
            Item::Operand(word) => Some(word),
            _ => None,
        });
        rest = inner.rest();
    }
    match verb {
        Some("exec" | "attach" | "logs" | "start" | "restart" | "stop" | "kill" | "top") => {
            exec(&mut target, rest);
        }
        Some("run" | "create") => run(&mut target, rest),
        _ => {}
    }
    if target.name.is_empty() {
        let daemon = target.context.as_ref().or(target.host.as_ref());
        target.name = target.container.as_ref().or(daemon).cloned().unwrap_or_default();
    }
    target
}

fn exec(target: &mut Target, words: &[String]) {
    let mut items = EXEC.items(words);
    for item in items.by_ref() {
        match item {
            Item::Option("u" | "user", Some(user)) => target.user = field(user),
            Item::Operand(word) => target.container = field(word),
            _ => {}
        }
    }
    if target.container.is_none() {
        target.container = items.rest().first().and_then(|word| field(word));
    }
}

fn run(target: &mut Target, words: &[String]) {
    let mut items = RUN.items(words);
    let mut image = None;
    while let Some(item) = items.next() {
        match item {
            Item::Option("u", Some(user)) => target.user = field(user),
            Item::Option(name, value) if name.chars().count() > 1 => {
                // The grammar lists no long option: take the value here.
                let flag = RUN_FLAGS.contains(&name);
                let value = match value {
                    None if !flag => items.take_word(),
                    value => value,
                };
                match name {
                    "name" => target.container = value.and_then(field),
                    "user" => target.user = value.and_then(field),
                    _ => {}
                }
            }
            Item::Operand(word) => image = Some(word),
            _ => {}
        }
    }
    let image = image.or_else(|| items.rest().first().map(String::as_str));
    target.name = target.container.as_deref().or(image).unwrap_or_default().to_owned();
}

/// `ssh://user@host`, `tcp://host:port`, `unix:///run/docker.sock`.
fn daemon_of(target: &mut Target, daemon: &str) {
    if let Some(uri) = Uri::parse(daemon, &["ssh", "tcp", "http", "https"]) {
        (target.user, target.host, target.port) = (uri.user, uri.host, uri.port);
    }
}
