//! Directories that others write to as well: a host's store, where each session
//! is its person's process in the store's group, or where a collector is at
//! work.
//!
//! Whether a directory is shared is seen by its mode, group-writable and
//! set-group-ID (`chmod 2770`): so what root adds stays writable for the
//! sessions. In one that is not, what root adds is its owner's, as everything
//! else there. Knows nothing of what is kept there. Its invariant: nothing is
//! shared that lies in a directory that is not, and nothing is given away that
//! lies elsewhere.

use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown, lchown};
use std::path::Path;

const SHARED: u32 = 0o2020;

/// Whether a directory is shared.
#[must_use]
pub fn is_shared(dir: &Path) -> bool {
    dir.metadata().is_ok_and(|data| data.is_dir() && data.mode() & SHARED == SHARED)
}

/// Makes a directory and those above it: shared below one that is shared, else
/// for their owner alone, whose is the directory above.
///
/// # Errors
/// mkdir(2)'s. One that is there is none.
pub fn create_dir_all(dir: &Path) -> io::Result<()> {
    let missing = |dir: &&Path| dir.symlink_metadata().is_err();
    let made: Vec<&Path> = dir.ancestors().take_while(missing).collect();
    let above = dir.ancestors().nth(made.len());
    if !above.is_some_and(is_shared) {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        if let Some(owner) = above.and_then(|above| above.metadata().ok()).and_then(other) {
            for dir in made {
                lchown(dir, Some(owner.uid()), Some(owner.gid()))?;
            }
        }
        return Ok(());
    }
    for dir in made.into_iter().rev() {
        // In one step: another session may look at it at once.
        match DirBuilder::new().mode(0o770).create(dir) {
            Ok(()) => open_to_group(&dir.metadata()?, |mode| {
                std::fs::set_permissions(dir, Permissions::from_mode(mode))
            })?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    dir.metadata().map(drop)
}

/// Lets the group write a file of ours that is in a shared directory; in another,
/// what root has made is its owner's from now on.
///
/// # Errors
/// fstat(2)'s, fchmod(2)'s and fchown(2)'s.
pub fn share(file: &File, path: &Path) -> io::Result<()> {
    let Some(dir) = path.parent().and_then(|dir| dir.metadata().ok()) else { return Ok(()) };
    let data = file.metadata()?;
    if dir.mode() & SHARED == SHARED {
        return open_to_group(&data, |mode| file.set_permissions(Permissions::from_mode(mode)));
    }
    match other(dir) {
        Some(owner) if data.uid() == 0 && is_only_there(&data, path) => {
            fchown(file, Some(owner.uid()), Some(owner.gid()))
        }
        _ => Ok(()),
    }
}

/// The owner of what we as root make there, where that is somebody else.
fn other(dir: Metadata) -> Option<Metadata> {
    Some(dir).filter(|dir| rustix::process::geteuid().is_root() && dir.uid() != 0)
}

/// Whether a file is what has this name and no other: neither a link of the
/// owner's led elsewhere, nor is it a second name for something of root's.
fn is_only_there(data: &Metadata, path: &Path) -> bool {
    let named = path.symlink_metadata();
    data.is_file()
        && data.nlink() == 1
        && named.is_ok_and(|named| (named.dev(), named.ino()) == (data.dev(), data.ino()))
}

fn open_to_group(data: &Metadata, set: impl FnOnce(u32) -> io::Result<()>) -> io::Result<()> {
    let wanted = if data.is_dir() { 0o2770 } else { 0o660 };
    let ours = data.uid() == rustix::process::geteuid().as_raw();
    if data.mode() & wanted == wanted || !ours { Ok(()) } else { set(wanted) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn what_is_made_in_a_shared_directory_is_shared() {
        let dir = tempfile::tempdir().unwrap();
        for (root, want_dir, want_file) in
            [(0o2770, 0o2770, 0o660), (0o770, 0o700, 0o600), (0o700, 0o700, 0o600)]
        {
            let top = dir.path().join(format!("{root:o}"));
            std::fs::create_dir(&top).unwrap();
            std::fs::set_permissions(&top, Permissions::from_mode(root)).unwrap();
            create_dir_all(&top.join("a/b")).unwrap();
            create_dir_all(&top.join("a/b")).unwrap();
            assert_eq!((mode(&top.join("a")), mode(&top.join("a/b"))), (want_dir, want_dir));
            let path = top.join("a/b/file");
            let file = File::create(&path).unwrap();
            file.set_permissions(Permissions::from_mode(0o600)).unwrap();
            share(&file, &path).unwrap();
            assert_eq!(mode(&path), want_file, "{root:o}");
        }
    }

    #[test]
    fn what_root_makes_in_somebody_elses_directory_is_theirs() {
        assert!(rustix::process::geteuid().is_root(), "run this as root, in a container say");
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("theirs");
        std::fs::create_dir(&theirs).unwrap();
        lchown(&theirs, Some(64_321), Some(64_322)).unwrap();
        create_dir_all(&theirs.join("a/b")).unwrap();
        let owner = |path: &Path| {
            let data = path.symlink_metadata().unwrap();
            (data.uid(), data.gid())
        };
        let made = |name: &str| {
            let path = theirs.join(name);
            let file = std::fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
            share(&file, &path).unwrap();
            path
        };
        for path in [theirs.join("a"), theirs.join("a/b"), made("a/b/c")] {
            assert_eq!(owner(&path), (64_321, 64_322), "{path:?}");
        }
        // What is elsewhere stays whose it is.
        let own = dir.path().join("own");
        std::fs::write(&own, "").unwrap();
        std::os::unix::fs::symlink(&own, theirs.join("link")).unwrap();
        std::fs::hard_link(&own, theirs.join("second")).unwrap();
        for name in ["link", "second"] {
            made(name);
            assert_eq!(owner(&own), (0, 0), "{name}");
        }
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "").unwrap();
        assert!(create_dir_all(&dir.path().join("a/b")).is_err());
    }
}
