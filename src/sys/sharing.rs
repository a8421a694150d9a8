//! Directories that several users write to by way of one group: a host's store,
//! where each session is its person's process in the store's group.
//!
//! Whether a directory is one is seen by its mode, group-writable and
//! set-group-ID (`chmod 2770`): so what root adds stays writable for the
//! sessions. Knows nothing of what is kept there. Its invariant: nothing is
//! shared that lies in a directory that is not.

use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

const SHARED: u32 = 0o2020;

/// Whether a directory is shared.
#[must_use]
pub fn is_shared(dir: &Path) -> bool {
    dir.metadata().is_ok_and(|data| data.is_dir() && data.mode() & SHARED == SHARED)
}

/// Makes a directory and those above it: shared below one that is shared, else
/// for their owner alone.
///
/// # Errors
/// mkdir(2)'s. One that is there is none.
pub fn create_dir_all(dir: &Path) -> io::Result<()> {
    let missing = |dir: &&Path| dir.symlink_metadata().is_err();
    let made: Vec<&Path> = dir.ancestors().take_while(missing).collect();
    let shared = dir.ancestors().nth(made.len()).is_some_and(is_shared);
    if !shared {
        return DirBuilder::new().recursive(true).mode(0o700).create(dir);
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

/// Lets the group write a file of ours that is in a shared directory.
///
/// # Errors
/// fstat(2)'s and fchmod(2)'s.
pub fn share(file: &File, path: &Path) -> io::Result<()> {
    if !path.parent().is_some_and(is_shared) {
        return Ok(());
    }
    open_to_group(&file.metadata()?, |mode| file.set_permissions(Permissions::from_mode(mode)))
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
    fn a_file_in_the_way_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "").unwrap();
        assert!(create_dir_all(&dir.path().join("a/b")).is_err());
    }
}
