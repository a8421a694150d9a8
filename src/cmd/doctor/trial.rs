//! The test recording: this very binary records a command into the store's
//! file system, reads it back, and removes it.
//!
//! It goes through a process of its own, so that what is proven is what the
//! next `hrec rec` will do, arguments, configuration and all.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use age::secrecy::ExposeSecret;
use anyhow::{Context, Result, bail, ensure};

use super::Check;
use super::checks::nearest_existing;
use crate::config::{Config, identity, signing};

/// Makes the test recording.
pub(super) fn run(config: &Config) -> Check {
    match record(config) {
        Ok(text) => Check::fine("trial", text),
        Err(error) => Check::finding(
            "trial",
            format!("a test recording failed: {}", crate::cmd::told(&error)),
        ),
    }
}

fn record(config: &Config) -> Result<String> {
    let store = config.store();
    let place = Place::new(nearest_existing(&store))?;
    let file = place.0.join("trial.cast.zst.age");
    let key = Key::of(config, &place)?;

    // Not something that a shell's or a program's start could print as well.
    let word = format!("hrec-doctor-{:016x}", rand::random::<u64>());
    let mut rec = hrec()?;
    rec.arg("rec").arg("-o").arg(&file).args(&key.record);
    if !config.seal_key().exists() {
        // To look must not make that key either.
        let seal = place.0.join("signing_key");
        signing::create(&seal, &place.0.join("allowed_signers"), "trial")?;
        rec.arg("--seal-key").arg(seal);
    }
    rec.arg("--").args(["/bin/echo", &word]);
    let out = output(&mut rec)?;
    ensure!(
        out.stdout == format!("{word}\n").as_bytes(),
        "the recorded command's output did not come through"
    );

    // A best-effort session goes on without a record, and says why.
    let Ok(made) = file.metadata() else { bail!("{}", said(&out)) };
    let size = made.len();
    let Some(identity) = key.read else {
        return Ok(format!(
            "recorded {size} bytes; not read back, since no identity of yours opens what is recorded"
        ));
    };
    let mut cat = hrec()?;
    cat.args(["cat", "--format", "raw", "-i"]).arg(identity).arg(&file);
    let out = output(&mut cat)?;
    let text = String::from_utf8_lossy(&out.stdout);
    ensure!(text.contains(&word), "what was read back is not what was recorded");
    Ok(format!("recorded {size} bytes and read them back"))
}

/// Whom the test recording is for, and what opens it.
struct Key {
    record: Vec<String>,
    read: Option<PathBuf>,
}

impl Key {
    /// Recipients as configured, where one's own identity is among them. With
    /// none configured and none made yet, a throw-away one: to look must not
    /// make the person's key. Else the recording is for others only.
    fn of(config: &Config, place: &Place) -> Result<Self> {
        let own = identity::path(config.dirs());
        let mine = identity::recipients(&own).ok().flatten();
        let configured = &config.record_recipients.value;
        if !configured.is_empty() || !config.record_recipients_files.value.is_empty() {
            let is_mine = mine.is_some_and(|mine| mine.iter().any(|m| configured.contains(m)));
            return Ok(Self { record: Vec::new(), read: is_mine.then_some(own) });
        }
        if mine.is_some() {
            return Ok(Self { record: Vec::new(), read: Some(own) });
        }
        if config.record_recipients.locked {
            bail!(
                "there is no key to record for, and record.recipients is locked; run: hrec keygen"
            );
        }
        let throw_away = age::x25519::Identity::generate();
        let path = place.0.join("identity.txt");
        std::fs::write(&path, throw_away.to_string().expose_secret())?;
        Ok(Self {
            record: vec!["-r".to_owned(), throw_away.to_public().to_string()],
            read: Some(path),
        })
    }
}

/// A directory for this recording, removed with all that is in it.
struct Place(PathBuf);

impl Place {
    fn new(inside: &Path) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let path =
            inside.join(format!(".doctor-{}-{:08x}", std::process::id(), rand::random::<u32>()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn hrec() -> Result<Command> {
    Ok(Command::new(std::env::current_exe().context("cannot find hrec's own binary")?))
}

fn output(command: &mut Command) -> Result<Output> {
    let out = command.stdin(Stdio::null()).output()?;
    if out.status.success() {
        return Ok(out);
    }
    bail!("{} ({})", said(&out), out.status)
}

fn said(out: &Output) -> String {
    let said = String::from_utf8_lossy(&out.stderr);
    said.trim().trim_start_matches("hrec: ").to_owned()
}
