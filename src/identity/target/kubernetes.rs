//! kubectl and oc (1.33): context, namespace, pod and container as typed.
//!
//! Invariant: a command after `--`, a manifest's file and a `--from-literal`
//! stay out.

use super::{Grammar, Item, Order, Target, field};

/// The flags of kubectl itself, and for verbs that name a pod the ones that
/// take a value there. `-f` is a file for most verbs and "follow" for logs,
/// `-p` a patch or "previous": those two differ by verb.
const LONG: &str = "as= as-group= as-uid= as-user-extra= cache-dir= certificate-authority= \
     client-certificate= client-key= cluster= context= disable-compression \
     insecure-skip-tls-verify kubeconfig= kuberc= log-flush-frequency= log-backtrace-at= log-dir= \
     log-file= log-file-max-size= logtostderr match-server-version namespace= password= \
     profile= profile-output= request-timeout= server= stderrthreshold= tls-server-name= token= \
     user= username= v= vmodule= warnings-as-errors \
     container= pod-running-timeout= quiet stdin tty filename= \
     follow previous all-containers all-pods ignore-errors limit-bytes= \
     max-log-requests= prefix selector= since= since-time= tail= timestamps \
     address= image= env= target= copy-to= set-image= profile= custom= share-processes \
     attach image-pull-policy= labels= port= restart= rm command overrides= override-type= \
     annotations= expose dry-run= field-manager= output= template= \
     retries= no-preserve arguments-only keep-labels keep-annotations keep-init-containers \
     keep-liveness keep-readiness keep-startup replace same-node all-namespaces \
     field-selector= label-columns= sort-by= chunk-size= watch watch-only show-labels";

const FILES: Grammar =
    Grammar { short: "n:s:v:c:f:itqAl:o:L:k:hwR", long: LONG, order: Order::Mixed };
const LOGS: Grammar = Grammar { short: "n:s:v:c:fpl:h", long: LONG, order: Order::Mixed };

pub(super) fn read(words: &[String]) -> Target {
    let mut target = Target::kind("kubernetes");
    // The verb is the first operand, and decides how the rest is read.
    let verb = FILES.items(words).find_map(|item| match item {
        Item::Operand(word) => Some(word),
        _ => None,
    });
    let grammar = if verb == Some("logs") { &LOGS } else { &FILES };
    let mut operands: Vec<&str> = Vec::new();
    for item in grammar.items(words) {
        match item {
            Item::Option("n" | "namespace", Some(name)) => target.namespace = field(plain(name)),
            Item::Option("context", Some(name)) => target.context = field(name),
            Item::Option("user", Some(user)) => target.user = field(user),
            Item::Option("s" | "server", Some(url)) => {
                (target.host, target.port) = Target::address(plain(url)).unwrap_or_default();
            }
            Item::Option("c" | "container", Some(name)) => target.container = field(plain(name)),
            Item::Operand(word) => operands.push(word),
            Item::End => break,
            Item::Option(..) => {}
        }
    }
    let mut operands = operands.into_iter().skip(1);
    let pod = match verb {
        Some("exec" | "attach" | "port-forward" | "debug" | "rsh" | "run") => operands.next(),
        Some("logs") => match operands.next() {
            // `logs POD CONTAINER`
            Some(pod) => {
                target.container = target.container.or_else(|| operands.next().and_then(field));
                Some(pod)
            }
            None => None,
        },
        Some("cp") => operands.find_map(|file| {
            let (pod, _) = file.split_once(':')?;
            match pod.split_once('/') {
                _ if pod.starts_with(['/', '.']) => None,
                Some((namespace, pod)) => {
                    target.namespace = target.namespace.take().or_else(|| field(namespace));
                    Some(pod)
                }
                None => Some(pod),
            }
        }),
        _ => None,
    };
    target.pod = pod.and_then(field);
    target.name = match (target.namespace.as_deref(), target.pod.as_deref()) {
        (Some(namespace), Some(pod)) => format!("{namespace}/{pod}"),
        (None, Some(pod)) => pod.to_owned(),
        (Some(one), None) => one.to_owned(),
        (None, None) => target.context.clone().unwrap_or_default(),
    };
    target
}

/// pflag's `-n=name` is `-n name`.
fn plain(value: &str) -> &str {
    value.strip_prefix('=').unwrap_or(value)
}
