//! `hrec prove`: a folder that proves a recording without hrec.

mod entries;
mod page;

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use self::entries::Entries;
use super::far::Far;
use super::ledger;
use super::place::{Place, read_key_list};
use crate::cli;
use crate::config::{Config, signing};
use crate::screen::safe_text;
use crate::seal::manifest::{Manifest, State, signature};
use crate::seal::signers::Signers;
use crate::seal::sshsig::SshSig;

/// Runs the verb.
///
/// # Errors
/// When the recording is not sealed, or the folder cannot be made.
pub fn run(args: &cli::Prove, config: &Config) -> Result<ExitCode> {
    let far = Far::of(&args.rec, config, "prove")?;
    let (config, rec) = match &far {
        Some(far) => {
            let rec = far.bring(false)?;
            far.ledger(&[])?;
            (far.config(), rec)
        }
        None => (config, args.rec.clone()),
    };
    let place = Place::find(&rec, config)?;
    let paths = &place.paths;
    let (from, manifest) = (paths.manifest(), Manifest::read(&paths.manifest())?);
    if manifest.state == State::Live {
        bail!("it is not finished; hrec seal -1 seals one that was interrupted");
    }
    let sealed = std::fs::read_to_string(signature(&from)).with_context(|| {
        format!(
            "it is not sealed ({}); hrec seal does it",
            safe_text(&signature(&from).to_string_lossy())
        )
    })?;
    let Some(sealed) = SshSig::parse(&sealed) else {
        bail!(
            "{} is no signature; hrec verify tells more",
            safe_text(&signature(&from).to_string_lossy())
        );
    };
    let signers = vouching(&sealed, config)?;
    if signers.is_empty() {
        let text =
            "nobody whom you trust vouches for the seal; add its signer to allowed_signers first";
        bail!("{text}");
    }
    // Before it is noted as a look, and gone again where it cannot be.
    let folder = Folder::make(&args.output)?;
    if let Err(error) = ledger::view(config, "prove", &place) {
        let _ = std::fs::remove_dir(&folder.0);
        return Err(error);
    }
    let entries = Entries::of(&place, config);
    folder.copy(&from)?;
    folder.copy(&signature(&from))?;
    for file in &manifest.files {
        // The names are a manifest's, and so anybody's.
        if Path::new(&file.name).file_name().is_none_or(|name| name != file.name.as_str()) {
            bail!("the manifest names no file: {}", safe_text(&file.name));
        }
        folder.copy(&paths.dir().join(&file.name))?;
    }
    let mut err = std::io::stderr().lock();
    let in_ledger = entries.as_ref().map_or("", |entries| &entries.signers);
    folder.write("allowed_signers", format!("{signers}{in_ledger}").as_bytes())?;
    match &entries {
        Ok(entries) => entries.put(&folder)?,
        Err(error) => {
            let why = super::told(error);
            writeln!(err, "hrec: the folder proves nothing by the ledger: {}", safe_text(&why))?;
        }
    }
    let manifest_name = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let page = page::text(&manifest_name, &manifest, &sealed, entries.is_ok());
    folder.write("README.txt", page.as_bytes())?;
    writeln!(
        err,
        "hrec: {} says how to check it",
        safe_text(&folder.0.join("README.txt").to_string_lossy())
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The lines of the lists that vouch for this signature.
fn vouching(sealed: &SshSig, config: &Config) -> Result<String> {
    let mut kept = String::new();
    for line in lists(config)?.lines() {
        let mut one = Signers::default();
        one.add("", line);
        if one.mention(&sealed.key) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    Ok(kept)
}

/// The administrator's list of signers and the person's own.
fn lists(config: &Config) -> Result<String> {
    let mut lists = String::new();
    for path in [PathBuf::from(signing::SYSTEM_SIGNERS), signing::signers(config.dirs())] {
        if path.exists() {
            let text =
                read_key_list(&path).with_context(|| format!("cannot read {}", path.display()))?;
            lists.push_str(&text);
            lists.push('\n');
        }
    }
    Ok(lists)
}

/// The folder.
struct Folder(PathBuf);

impl Folder {
    fn make(path: &Path) -> Result<Self> {
        let made = DirBuilder::new().mode(0o700).create(path);
        made.with_context(|| {
            format!("cannot make the folder {}", safe_text(&path.to_string_lossy()))
        })?;
        Ok(Self(path.to_owned()))
    }

    fn copy(&self, from: &Path) -> Result<()> {
        let name = from.file_name().unwrap_or_default();
        let copied = std::fs::copy(from, self.0.join(name));
        copied.with_context(|| format!("cannot copy {}", safe_text(&from.to_string_lossy())))?;
        Ok(())
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.0.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(content))
            .with_context(|| format!("cannot write {}", safe_text(&path.to_string_lossy())))
    }
}
