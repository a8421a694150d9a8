//! The programs that have a short form: `hrec ssh HOST` for
//! `hrec rec -- ssh HOST`.
//!
//! One table, from which parsing, help, man page and completions are made. It
//! refuses to know what a program's arguments mean. Its invariant: no name
//! here is a verb of hrec's own (a test compares them).

/// A program with a short form, and what it is, for help and completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// The name as typed, looked up on `PATH` like any command.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
}

const fn program(name: &'static str, about: &'static str) -> Program {
    Program { name, about }
}

/// Every program with a short form, by kind.
///
/// A fixed list rather than "whatever is on PATH": a misspelt verb must be an
/// error, never the recording of some unrelated program, and a program that is
/// installed tomorrow must not take over a verb's name.
pub const PROGRAMS: &[Program] = &[
    program("ssh", "OpenSSH client"),
    program("mosh", "mobile shell"),
    program("telnet", "TELNET client"),
    program("sftp", "file transfer over SSH"),
    program("ftp", "file transfer"),
    program("psql", "PostgreSQL"),
    program("mysql", "MySQL"),
    program("mariadb", "MariaDB"),
    program("sqlite3", "SQLite"),
    program("mongosh", "MongoDB shell"),
    program("redis-cli", "Redis"),
    program("valkey-cli", "Valkey"),
    program("cqlsh", "Cassandra"),
    program("clickhouse-client", "ClickHouse"),
    program("sqlcmd", "SQL Server"),
    program("sqlplus", "Oracle"),
    program("kubectl", "Kubernetes"),
    program("oc", "OpenShift"),
    program("docker", "Docker"),
    program("podman", "Podman"),
    program("nerdctl", "containerd"),
    program("lxc", "LXD"),
    program("incus", "Incus"),
    program("virsh", "libvirt"),
    program("nsenter", "another process's namespaces"),
    program("machinectl", "systemd's machines"),
    program("sudo", "another user"),
    program("su", "another user"),
    program("doas", "another user"),
    program("screen", "GNU screen"),
    program("tmux", "terminal multiplexer"),
    program("bash", "shell"),
    program("zsh", "shell"),
    program("fish", "shell"),
    program("sh", "shell"),
    program("python3", "Python"),
    program("ipython", "Python"),
    program("node", "Node.js"),
    program("irb", "Ruby"),
    program("gdb", "debugger"),
];

/// The entry for `name`, if that program has a short form.
#[must_use]
pub fn find(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|p| p.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = PROGRAMS.iter().map(|p| p.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PROGRAMS.len());
    }
}
