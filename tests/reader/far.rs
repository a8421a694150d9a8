//! A host with a collector, and a laptop from which it is reached by a program
//! that is called ssh.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::support::sandbox::HREC;
use crate::support::sshd::user;
use crate::support::{Outcome, Sandbox, wait_until};

/// The two, and the collector, which ends on drop.
pub struct Far {
    /// Where sessions are recorded.
    pub host: Sandbox,
    /// Where they are looked at, and the only place that has the key.
    pub laptop: Sandbox,
    collector: Child,
}

impl Far {
    /// With the person who runs the tests as reader.
    pub fn start() -> Self {
        Self::with(&format!("readers = [\"{}\"]", user()))
    }

    /// With these lines in the section `collect` of the host's configuration.
    pub fn with(settings: &str) -> Self {
        let (host, laptop) = (Sandbox::new(), Sandbox::new());
        let identity = fs::read_to_string(laptop.path("config/hrec/identity.txt")).unwrap();
        let recipient = identity.lines().find_map(|line| line.strip_prefix("# public key: "));
        let common = format!("[record]\nrecipients = [\"{}\"]\n[store]\n", recipient.unwrap());
        host.configure(&common);
        // The ledger's key is made by the first recording.
        assert!(host.hrec(&["rec", "--", "true"]).status.success());
        let daemon = host.path("daemon/hrec");
        fs::create_dir_all(&daemon).unwrap();
        for entry in fs::read_dir(host.path("config/hrec")).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, daemon.join(from.file_name().unwrap())).unwrap();
        }
        let socket = host.path("runtime/socket").display().to_string();
        let config = format!("{common}collector = \"{socket}\"\n[collect]\n{settings}\n");
        fs::write(daemon.join("config.toml"), config).unwrap();
        // Whose seals and ledger the person at the laptop trusts.
        fs::copy(daemon.join("allowed_signers"), laptop.path("config/hrec/allowed_signers"))
            .unwrap();
        let log = fs::File::create(host.path("collector.log")).unwrap();
        let mut command = host.command(HREC);
        command.arg("collect").env("XDG_CONFIG_HOME", host.path("daemon"));
        let collector = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        wait_until("the collector listens", || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok().then_some(())
        });
        fs::create_dir(laptop.path("tmp")).unwrap();
        fs::create_dir(laptop.path("bin")).unwrap();
        let laptop = laptop.with_env("TMPDIR", "").with_env("PATH", "");
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", laptop.path("bin").display());
        let tmp = laptop.path("tmp").display().to_string();
        let laptop = laptop.with_env("PATH", path).with_env("TMPDIR", tmp);
        let far = Self { host, laptop, collector };
        far.ssh(&far.carrying());
        far
    }

    /// What goes to the host, as ssh(1) would for somebody who is let in: the
    /// last word is the command.
    pub fn carrying(&self) -> String {
        let host = |name: &str| self.host.path(name).display().to_string();
        format!(
            "for last; do :; done\ncd {} && exec env -i HOME={} XDG_CONFIG_HOME={} XDG_DATA_HOME={} TZ=UTC \
             TEST_SANDBOX=$TEST_SANDBOX PATH={}:/usr/bin:/bin sh -c \"$last\"",
            host("work"),
            host("home"),
            host("daemon"),
            host("data"),
            PathBuf::from(HREC).parent().unwrap().display(),
        )
    }

    /// What is called ssh on the laptop does this.
    pub fn ssh(&self, script: &str) {
        let path = self.laptop.path("bin/ssh");
        let args = self.laptop.path("ssh.args");
        let text = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >{}\n{script}\n", args.display());
        // Another name first: nobody writes to what is being executed.
        let made = self.laptop.path("bin/ssh.new");
        fs::write(&made, text).unwrap();
        fs::set_permissions(&made, PermissionsExt::from_mode(0o755)).unwrap();
        fs::rename(made, path).unwrap();
    }

    /// The arguments that it was last called with.
    pub fn ssh_args(&self) -> Vec<String> {
        let text = fs::read_to_string(self.laptop.path("ssh.args")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Records a command on the host; its id.
    pub fn record(&self, command: &str) -> String {
        let made = self.host.hrec(&["rec", "--", "sh", "-c", command]);
        assert!(made.status.success(), "{made:?}");
        self.ids().remove(0)
    }

    /// The ids in the host's store, the newest first.
    pub fn ids(&self) -> Vec<String> {
        let mut all: Vec<String> =
            self.host.stored(".manifest.json").iter().map(|path| id_of(path)).collect();
        all.sort_by(|a, b| b.cmp(a));
        all
    }

    /// What the host's ledger has, the oldest first.
    pub fn ledger(&self) -> Vec<Value> {
        let records = self.host.path("data/hrec/ledger/records/000");
        let text = fs::read_to_string(records).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('@'));
        lines.filter_map(|line| serde_json::from_str(line.splitn(4, ' ').nth(3)?).ok()).collect()
    }

    /// The looks that it has: recording, verb, user.
    pub fn views(&self) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let views = self.ledger().into_iter().filter(|record| record["k"] == "view");
        views
            .map(|it| (text(&it["id"]), text(&it["verb"]), text(&it["by"]["user"]["value"])))
            .collect()
    }

    /// What the collector has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.host.path("collector.log")).unwrap()
    }

    /// Runs hrec on the laptop.
    pub fn hrec(&self, args: &[&str]) -> Outcome {
        self.laptop.hrec(args)
    }

    /// Nothing of what came is on the laptop any more.
    pub fn nothing_is_left(&self) {
        wait_until("no copy is left", || {
            fs::read_dir(self.laptop.path("tmp")).unwrap().next().is_none().then_some(())
        });
    }
}

fn id_of(path: &std::path::Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.strip_suffix(".manifest.json").unwrap().to_owned()
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.collector.kill();
        let _ = self.collector.wait();
    }
}

/// What a program said, both ways, as text.
pub fn said(outcome: &Outcome) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&outcome.stdout), text(&outcome.stderr))
}
