//! One recording: the files it consists of, its writer, its reader.
//!
//! Refuses to know of sessions and players. Its invariant: whatever moment a
//! writer stops at, what it left on the disk can be read up to the last
//! append, and no byte once written is ever written again.

mod disk;
mod draft;
mod error;
#[cfg(test)]
pub(crate) mod faulty;
mod interrupted;
pub mod live;
mod map;
mod open;
mod paths;
mod payload;
mod recover;
mod rekey;
mod source;

pub use crate::format::id::Id;
pub use disk::{Disk, DiskFile, RealDisk};
pub use error::Error;
pub use interrupted::{is_live, journal_paths, open_own, written};
pub use open::{Recording, State, open, open_input};
pub use paths::{Paths, SUFFIX};
pub use recover::{Recovered, discard, recover};
pub use rekey::{Rekeyed, forget, is_unfinished, left_over, rekey, undo};
pub use source::{Anchor, Source};

/// Of this module's functions.
pub type Result<T> = std::result::Result<T, Error>;
