//! The real programs that tests run hrec against.

use std::path::PathBuf;

/// Where the tests look for programs: the same list for everybody, so that a
/// person's own PATH decides nothing. First what `./tests/run` put aside,
/// since a distribution's may be too old. PostgreSQL's server is in no PATH at
/// all and is looked for by [`super::postgres`].
pub const PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/tools/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
);

/// The path of a program that the tests need.
///
/// # Panics
/// When it is not installed: a test that quietly passes without its subject
/// proves nothing.
pub fn tool(name: &str) -> PathBuf {
    PATH.split(':').map(|dir| PathBuf::from(dir).join(name)).find(|path| path.is_file()).unwrap_or_else(|| {
        panic!("{name} is not installed, and this test runs the real one; ./tests/run installs what the tests need")
    })
}
