//! Unsigned numbers in as few bytes as they need: seven bits in each, the
//! lowest first, the eighth bit set in all but the last.
//!
//! Knows nothing of what is counted. The invariant: a number has one form, so
//! what is decoded and encoded again is the same bytes.
//!
//! Source: DWARF 5, section 7.6.

/// Appends `number`: 1 to 10 bytes.
pub(crate) fn push(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the front of `bytes`; `None` when there is none, it is
/// longer than it need be, or beyond 64 bits.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_number_comes_back(number: u64, shift in 0..64_u32) {
            let (number, mut bytes) = (number >> shift, Vec::new());
            push(number, &mut bytes);
            prop_assert!(bytes.len() <= 10);
            let mut rest = bytes.as_slice();
            prop_assert_eq!((take(&mut rest), rest.len()), (Some(number), 0));
        }

        #[test]
        fn any_bytes_have_one_meaning(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut rest = bytes.as_slice();
            if let Some(number) = take(&mut rest) {
                let mut again = Vec::new();
                push(number, &mut again);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - rest.len()]);
            }
        }
    }
}
