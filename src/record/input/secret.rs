//! Bytes that a person typed and that may be a password.
//!
//! Knows nothing of what they mean. Its invariant: no copy of them is left in
//! memory that it gave back, neither when it grows nor when it goes.

use zeroize::Zeroize;

/// A byte string that overwrites itself.
#[derive(Default)]
pub(super) struct Secret(Vec<u8>);

impl Secret {
    /// Appends. A `Vec` that grows by itself leaves its old bytes behind, so
    /// room is made by hand.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let need = self.0.len() + bytes.len();
        if need > self.0.capacity() {
            let mut grown = Vec::with_capacity(need.max(64).next_power_of_two());
            grown.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = grown;
        }
        self.0.extend_from_slice(bytes);
    }

    /// The bytes.
    pub(super) fn get(&self) -> &[u8] {
        &self.0
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.0.zeroize();
    }

    /// Gives them away: they turned out to be none.
    pub(super) fn reveal(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}
