//! Which process started which, as `/proc` has it.
//!
//! Its invariant: whoever is named was there, with that start, when it was
//! looked at; what a process calls itself counts for nothing.

use std::collections::{HashMap, HashSet};

use super::peer::Process;

/// Further up nobody looks: a chain of processes that long is a fork bomb's.
const DEEPEST: usize = 64;

/// The process that has this number now.
#[must_use]
pub fn process(pid: u32) -> Option<Process> {
    stat(pid).map(|(_, start)| Process { pid, start })
}

/// Who started `pid`, who started that one, and so on.
#[must_use]
pub fn ancestors(pid: u32) -> Vec<Process> {
    let mut found = Vec::new();
    let mut next = stat(pid).map(|(parent, _)| parent);
    while let Some(pid) = next.filter(|pid| *pid > 0 && found.len() < DEEPEST) {
        let Some((parent, start)) = stat(pid) else { break };
        found.push(Process { pid, start });
        next = Some(parent);
    }
    found
}

/// Who started whom, all at one time.
#[derive(Debug)]
pub struct Children(HashMap<u32, Vec<Process>>);

impl Children {
    /// As it is now: reads all of `/proc`.
    #[must_use]
    pub fn now() -> Self {
        let mut children: HashMap<u32, Vec<Process>> = HashMap::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(pid) = pid
                && let Some((parent, start)) = stat(pid)
            {
                children.entry(parent).or_default().push(Process { pid, start });
            }
        }
        Self(children)
    }

    /// The processes below `root`, each with how far below: 1 for a child.
    #[must_use]
    pub fn below(&self, root: Process) -> Vec<(Process, usize)> {
        let mut found = Vec::new();
        let mut seen = HashSet::from([root.pid]);
        let mut below = vec![(root, 0)];
        while let Some((process, depth)) = below.pop() {
            for child in self.0.get(&process.pid).into_iter().flatten() {
                // A number that was given anew meanwhile makes no circle.
                if seen.insert(child.pid) {
                    found.push((*child, depth + 1));
                    below.push((*child, depth + 1));
                }
            }
        }
        found
    }
}

/// Parent and start of a process that runs, proc_pid_stat(5).
fn stat(pid: u32) -> Option<(u32, u64)> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The name may have anything in it but ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X" | "x") {
        return None;
    }
    Some((fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::{Command, Stdio};

    #[test]
    fn up_and_down_meet() {
        let mut child = Command::new("sh")
            .args(["-c", "echo; sh -c 'echo; read line; :'; :"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Both are there when both have said so.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 2]).unwrap();
        let own = process(std::process::id()).unwrap();
        let shell = process(child.id()).unwrap();
        assert_eq!(ancestors(child.id()).first(), Some(&own));
        let below = Children::now().below(own);
        assert!(below.contains(&(shell, 1)));
        let (inner, _) = below
            .iter()
            .find(|(it, depth)| *depth == 2 && ancestors(it.pid).first() == Some(&shell))
            .unwrap();
        assert_eq!(ancestors(inner.pid).get(..2), Some(&[shell, own][..]));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(process(shell.pid) != Some(shell));
    }
}
