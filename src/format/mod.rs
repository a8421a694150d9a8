//! What a recording looks like as bytes.
//!
//! Refuses to know files and terminals: everything here works on readers,
//! writers and slices. The invariant: hostile bytes are an error, never a panic
//! and never memory without bound.

pub mod asciicast;
