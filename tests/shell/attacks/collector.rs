//! Attacks on the collector and by its means.
