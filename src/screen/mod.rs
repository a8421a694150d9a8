//! What a terminal shows: the model, painting it safely, and its text.
//!
//! Refuses to know files, formats and real terminals. The invariant: nothing
//! that was recorded reaches a viewer but as a printable character in a cell;
//! every escape sequence written is this module's own.

mod keyframe;
mod model;
mod paint;
mod safe;
mod sheet;
mod skip;
mod text;

pub use keyframe::{Keyframe, Malformed, Outside, Position};
pub use model::Model;
pub use paint::{Painter, push_final, push_sgr};
pub use safe::safe_text;
pub use sheet::{Sheet, Shown, ShownLine, narrow};
pub use skip::Keyframer;
pub use text::{Text, cell_char};
