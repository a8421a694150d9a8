//! `install.sh`, with stand-ins for cargo and rustc: what it installs where,
//! its proof, and what it says when something is missing. That it builds with
//! the real ones is for `.ci/run`, once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bastion;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A copy of the project as far as the installer looks at it, and a home.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    /// With a rustc that says it is this version.
    fn new(rustc: &str) -> Self {
        let machine = Self { dir: tempfile::tempdir().unwrap() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for dir in ["bin", "home", "src tree/man"] {
            fs::create_dir_all(machine.path(dir)).unwrap();
        }
        fs::copy(root.join("install.sh"), machine.path("src tree/install.sh")).unwrap();
        for page in fs::read_dir(root.join("man")).unwrap() {
            let page = page.unwrap().path();
            fs::copy(&page, machine.path("src tree/man").join(page.file_name().unwrap())).unwrap();
        }
        machine.program("rustc", &format!("echo 'rustc {rustc} (0123456 2026-01-01)'"));
        let binary = env!("CARGO_BIN_EXE_hrec");
        machine.program("cargo", &format!("echo \"cargo $*\" >&2; mkdir -p target/release && cp '{binary}' target/release/hrec"));
        for tool in [
            "sh", "sed", "cat", "cp", "mv", "rm", "mkdir", "chmod", "dirname", "mktemp", "grep",
            "env", "cc", "script",
        ] {
            let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
                .map(|d| d.join(tool))
                .find(|p| p.exists());
            std::os::unix::fs::symlink(
                real.unwrap_or_else(|| panic!("{tool} is needed")),
                machine.path("bin").join(tool),
            )
            .unwrap();
        }
        machine
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.path("bin").join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn without(&self, name: &str) {
        fs::remove_file(self.path("bin").join(name)).unwrap();
    }

    fn install(&self, args: &[&str]) -> Output {
        Command::new("/bin/sh")
            .arg(self.path("src tree/install.sh"))
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", self.path("bin"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Files below this directory, relative to it.
    fn files(&self, below: &str) -> Vec<String> {
        fn walk(dir: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, found);
                } else {
                    found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let root = self.path(below);
        let mut found = Vec::new();
        walk(&root, &root, &mut found);
        found.sort();
        found
    }
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

#[test]
fn installs_into_the_home_proves_itself_and_leaves_nothing_else() {
    let machine = Machine::new("1.95.0");
    let out = machine.install(&[]);
    let text = said(&out);
    assert!(out.status.success(), "{text}");
    assert!(text.contains("recorded and replayed a short session"), "{text}");
    assert!(text.contains("is not in PATH; add it:"), "{text}");
    assert!(text.contains("cargo build --release --locked"), "{text}");

    let files = machine.files("home");
    assert!(files.iter().all(|f| f.starts_with(".local/")), "the proof left traces: {files:?}");
    for file in [
        ".local/bin/hrec",
        ".local/share/man/man1/hrec.1",
        ".local/share/man/man1/hrec-rec.1",
        ".local/share/man/man5/hrec-recording.5",
        ".local/share/man/man7/hrec-design.7",
        ".local/share/bash-completion/completions/hrec",
        ".local/share/zsh/site-functions/_hrec",
        ".local/share/fish/vendor_completions.d/hrec.fish",
    ] {
        assert!(files.iter().any(|f| f == file), "{file} is missing: {files:?}");
    }

    // Again, over itself; then away, with nothing left.
    assert!(machine.install(&["--user"]).status.success());
    assert_eq!(machine.files("home"), files);
    fs::write(machine.path("home/.local/share/man/man1/other.1"), "").unwrap();
    assert!(machine.install(&["--uninstall"]).status.success());
    assert_eq!(machine.files("home"), [".local/share/man/man1/other.1"]);
}

#[test]
fn installs_below_a_prefix_also_a_relative_one_with_a_space() {
    let machine = Machine::new("1.88.0");
    let out = machine.install(&["--prefix", "opt dir"]);
    assert!(out.status.success(), "{}", said(&out));
    assert!(machine.path("opt dir/bin/hrec").exists());
    assert!(machine.files("home").is_empty());
    assert!(machine.install(&["--prefix=opt dir", "--uninstall"]).status.success());
    assert!(machine.files("opt dir").is_empty());
}

#[test]
fn what_is_built_already_needs_nothing_to_build_with() {
    let machine = Machine::new("1.95.0");
    for tool in ["cargo", "rustc", "cc"] {
        machine.without(tool);
    }
    let out = machine.install(&["--binary", env!("CARGO_BIN_EXE_hrec")]);
    assert!(out.status.success(), "{}", said(&out));
    assert!(machine.path("home/.local/bin/hrec").exists());
}

#[test]
fn a_missing_or_old_rust_gets_one_sentence() {
    for (version, ok) in [
        ("1.87.9", false),
        ("1.9.0", false),
        ("0.99.0", false),
        ("nonsense", false),
        ("2.0.0", true),
        ("1.100.0-nightly", true),
    ] {
        let machine = Machine::new(version);
        let out = machine.install(&[]);
        assert_eq!(out.status.success(), ok, "{version}: {}", said(&out));
        if !ok {
            let text = said(&out);
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.contains("Rust 1.88 or later") && text.contains(version), "{text}");
            assert!(machine.files("home").is_empty());
        }
    }
    for tool in ["cargo", "rustc", "cc"] {
        let machine = Machine::new("1.95.0");
        machine.without(tool);
        let out = machine.install(&[]);
        let text = said(&out);
        assert!(
            !out.status.success() && text.lines().count() == 1 && text.contains(tool),
            "{tool}: {text}"
        );
    }
    // A rustup without a toolchain.
    let machine = Machine::new("1.95.0");
    machine.program("rustc", "echo 'error: no default toolchain' >&2; exit 1");
    let text = said(&machine.install(&[]));
    assert!(text.contains("Rust 1.88 or later") && text.contains("no default toolchain"), "{text}");
}

#[test]
fn a_failed_build_installs_nothing() {
    let machine = Machine::new("1.95.0");
    machine.program("cargo", "echo 'error: could not compile' >&2; exit 101");
    let out = machine.install(&[]);
    assert!(!out.status.success() && said(&out).contains("the build failed"));
    assert!(machine.files("home").is_empty());
}

#[test]
fn a_proof_that_fails_is_said_honestly() {
    // One that runs programs, keeps nothing, and says so.
    let machine = Machine::new("1.95.0");
    let fake = machine.path("fake-hrec");
    fs::write(&fake, "#!/bin/sh\ncase $1 in rec) while [ \"$1\" != -- ]; do shift; done; shift; echo 'disk on fire' >&2; \"$@\";; play) exit 125;; *) :;; esac\n").unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    machine.program(
        "cargo",
        &format!("mkdir -p target/release && cp '{}' target/release/hrec", fake.display()),
    );
    let out = machine.install(&[]);
    let text = said(&out);
    assert!(!out.status.success(), "{text}");
    assert!(
        text.contains("hrec is installed in") && text.contains("replaying a recording failed"),
        "{text}"
    );
    assert!(!text.contains("hrec works"), "{text}");
}

#[test]
fn a_mistaken_call_changes_nothing() {
    let machine = Machine::new("1.95.0");
    for args in [
        &["--prefx", "x"][..],
        &["--prefix"],
        &["x"],
        &["--group", "staff"],
        &["--recipient", "age1x"],
        &["--without-collector"],
        &["--binary", "no/such/hrec"],
    ] {
        let out = machine.install(args);
        assert!(!out.status.success(), "{args:?}");
    }
    assert!(machine.install(&["--help"]).status.success());
    assert!(machine.files("home").is_empty());
}
