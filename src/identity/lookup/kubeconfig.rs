//! Where kubectl goes: five fields of the kubeconfig, and nothing else of it.

use std::ffi::OsStr;
use std::process::Command;

use super::super::scrub;
use super::super::target::{Grammar, Item, Order, Target, base_name};
use super::{Surroundings, helper};

/// kubectl's flags that choose what is looked at, and those whose value must
/// not be taken for one of them.
const FLAGS: Grammar = Grammar {
    short: "n:s:v:c:f:itqAl:o:L:k:h",
    long: "as= as-group= as-uid= cache-dir= certificate-authority= client-certificate= \
           client-key= cluster= context= kubeconfig= namespace= password= request-timeout= \
           server= tls-server-name= token= user= username= vmodule= profile= profile-output= \
           container= filename= image= env= selector= output= overrides= labels= target=",
    order: Order::Mixed,
};

/// Context, cluster, server, namespace, user; one a line.
const FIELDS: &str = "jsonpath={.current-context}{'\\n'}{.contexts[0].context.cluster}{'\\n'}\
{.clusters[0].cluster.server}{'\\n'}{.contexts[0].context.namespace}{'\\n'}\
{.contexts[0].context.user}{'\\n'}";

/// Arguments for `config view` out of kubectl's own.
pub(super) fn arguments(words: &[String]) -> Vec<String> {
    let mut out: Vec<String> =
        ["config", "view", "--minify", "-o", FIELDS].map(str::to_owned).into();
    for item in FLAGS.items(words) {
        let (name, value) = match item {
            Item::End => break,
            Item::Option("n", Some(value)) => ("namespace", value.trim_start_matches('=')),
            Item::Option("s", Some(value)) => ("server", value.trim_start_matches('=')),
            Item::Option(
                name @ ("cluster" | "context" | "kubeconfig" | "namespace" | "server" | "user"),
                Some(value),
            ) => (name, value),
            _ => continue,
        };
        // In one word, so that no value can be read as a flag.
        out.push(format!("--{name}={value}"));
    }
    out
}

pub(super) fn look(program: &OsStr, words: &[String], around: &Surroundings<'_>) -> Option<Target> {
    // Not a path as typed: see `ssh::look`.
    let name = base_name(program);
    let output = helper::ask(Command::new(&name).args(arguments(words)), around)?;
    let mut lines = output.lines().map(|line| Some(line.to_owned()).filter(|l| !l.is_empty()));
    let mut line = || lines.next().flatten();
    let mut target = Target {
        context: line(),
        cluster: line(),
        server: line().map(|url| scrub::word(&url)),
        namespace: line(),
        user: line(),
        ..Target::default()
    };
    if let Some(uri) = target.server.as_deref().and_then(Target::address) {
        (target.host, target.port) = uri;
    }
    Some(target)
}
