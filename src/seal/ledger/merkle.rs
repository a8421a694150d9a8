//! The Merkle tree of RFC 6962, section 2.1: hashing, proofs, and whether a
//! proof holds.
//!
//! Knows nothing of files: whoever proves something hands in the hashes of
//! complete subtrees. Its invariant: no number that a stranger chose makes it
//! panic, overflow or work for more than 64 steps.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The largest tree: sizes beyond it are refused wherever they come from.
pub const LARGEST: u64 = 1 << 62;

/// The hash of a leaf.
#[must_use]
pub fn leaf(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of what has these two below it.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the tree without leaves.
#[must_use]
pub fn empty() -> Hash {
    Sha256::digest([]).into()
}

/// The root over complete subtrees of one height that lie side by side, as
/// RFC 6962 has it over leaves; `None` for none.
#[must_use]
pub fn over(hashes: &[Hash]) -> Option<Hash> {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        // An odd one out is carried up as it is: that is what splitting at the
        // largest power of two comes to.
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node(left, right),
                [single, ..] => *single,
                [] => empty(),
            })
            .collect();
    }
    row.first().copied()
}

/// A tree that grows leaf by leaf, of which only the right edge is kept.
#[derive(Clone, Debug, Default)]
pub struct Frontier {
    size: u64,
    /// The roots of the complete subtrees, the largest first: one for each set
    /// bit of `size`.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Adds the hash of a leaf.
    pub fn push(&mut self, mut hash: Hash) {
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty() };
        peaks.fold(*last, |right, left| node(left, &right))
    }
}

/// Where the hashes of complete subtrees come from.
pub trait Nodes {
    /// Why there is none.
    type Error;

    /// The root of the `index`th complete subtree of `2^level` leaves.
    ///
    /// # Errors
    /// When it cannot be had.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The largest power of two below `n`, which is at least 2.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The root over the leaves from `from` to `to`, where that is a subtree as
/// RFC 6962 splits them.
fn range<N: Nodes>(nodes: &mut N, from: u64, to: u64) -> Result<Hash, N::Error> {
    let n = to - from;
    if n.is_power_of_two() {
        let level = n.trailing_zeros();
        return nodes.node(level, from >> level);
    }
    let k = split(n);
    let left = range(nodes, from, from + k)?;
    Ok(node(&left, &range(nodes, from + k, to)?))
}

/// The root of the tree with `size` leaves.
///
/// # Errors
/// When a hash cannot be had.
pub fn root<N: Nodes>(nodes: &mut N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 { Ok(empty()) } else { range(nodes, 0, size) }
}

/// The proof that leaf `index` is in the tree of `size` leaves: the siblings
/// from the leaf up. Empty too where there is no such leaf.
///
/// # Errors
/// When a hash cannot be had.
pub fn inclusion<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let mut proof = Vec::new();
    if index >= size {
        return Ok(proof);
    }
    let (mut from, mut to) = (0, size);
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            proof.push(range(nodes, middle, to)?);
            to = middle;
        } else {
            proof.push(range(nodes, from, middle)?);
            from = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `new` leaves begins with that of `old`. Empty
/// for the empty tree, for two of one size, and where there is none.
///
/// # Errors
/// When a hash cannot be had.
pub fn consistency<N: Nodes>(nodes: &mut N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    let (mut from, mut to) = (0, new);
    // Whether the old tree is this whole subtree from its first leaf on: the
    // verifier has its root then.
    let mut known = true;
    while to != old {
        let middle = from + split(to - from);
        if old <= middle {
            proof.push(range(nodes, middle, to)?);
            to = middle;
        } else {
            proof.push(range(nodes, from, middle)?);
            from = middle;
            known = false;
        }
    }
    if !known {
        proof.push(range(nodes, from, to)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Whether `proof` shows that the leaf whose hash is `hash` is the `index`th
/// of the tree with this root (RFC 9162, section 2.1.3.2).
#[must_use]
pub fn includes(root: &Hash, size: u64, index: u64, hash: Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut made) = (index, size - 1, hash);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            made = node(sibling, &made);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            made = node(&made, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && made == *root
}

/// A tree's size and root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many leaves it has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// Whether `proof` shows that the tree `new` begins with the tree `old` (RFC
/// 9162, section 2.1.4.2; the empty tree begins every tree).
#[must_use]
pub fn extends(old: &Head, new: &Head, proof: &[Hash]) -> bool {
    if old.size == 0 {
        let empty = empty();
        return proof.is_empty() && old.root == empty && (new.size > 0 || new.root == empty);
    }
    if old.size >= new.size {
        return proof.is_empty() && old == new;
    }
    let whole = old.size.is_power_of_two();
    let mut hashes = whole.then_some(&old.root).into_iter().chain(proof);
    let Some(first) = hashes.next() else { return false };
    let (mut at, mut last) = (old.size - 1, new.size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut made_old, mut made_new) = (*first, *first);
    for sibling in hashes {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            made_old = node(sibling, &made_old);
            made_new = node(sibling, &made_new);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            made_new = node(&made_new, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && made_old == old.root && made_new == new.root
}
