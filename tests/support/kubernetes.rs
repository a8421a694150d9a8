//! A Kubernetes API server for the real kubectl.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use super::{Sandbox, tool};

const API: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/kubernetes_api.py");

/// The server, killed on drop.
pub struct Kubernetes {
    server: Child,
    /// The kubeconfig that names it.
    pub kubeconfig: String,
}

impl Kubernetes {
    /// Starts it, with a context `test` that points to it.
    pub fn start(sandbox: &Sandbox) -> Self {
        let mut command = sandbox.command(tool("python3"));
        command.arg(API).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut server = command.spawn().expect("python3 starts");
        let mut port = String::new();
        let stdout = server.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut port).expect("the server says its port");
        let kubeconfig = sandbox.file(
            "kubeconfig",
            format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
                 clusters: [{{name: test, cluster: {{server: 'http://127.0.0.1:{}'}}}}]\n\
                 contexts: [{{name: test, context: {{cluster: test, user: tester, namespace: default}}}}]\n\
                 users: [{{name: tester, user: {{}}}}]\n",
                port.trim()
            ),
        );
        Self { server, kubeconfig }
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
