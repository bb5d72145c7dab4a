//! Base64, as polling bodies carry binary data (Engine.IO reference, "Base64 details").
//!
//! Written with padding, read with or without; bits left over are ignored as by the reference. The
//! work is done by the crate `base64`. With the feature `std` it finds out which vector instructions
//! there are; what comes out is the same.

use alloc::vec::Vec;

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurposeConfig},
};

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

#[cfg(not(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod engine {
    use base64::{alphabet, engine::GeneralPurpose};

    use super::CONFIG;

    pub(super) static ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
}

#[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod engine {
    use std::sync::LazyLock;

    use base64::engine::simd::Simd;

    use super::CONFIG;

    pub(super) static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::standard(CONFIG));
}

use self::engine::ENGINE;

pub(super) const fn encoded_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Appends the base64 of bytes.
pub(super) fn encode_to(text: &mut Vec<u8>, bytes: &[u8]) {
    let start = text.len();
    text.resize(start + encoded_len(bytes.len()), b'=');
    let written = ENGINE.encode_slice(bytes, text.split_at_mut(start).1);
    debug_assert_eq!(written, Ok(encoded_len(bytes.len())), "the size is exact");
}

/// Decodes a text.
///
/// # Errors
///
/// How much of it can be read: up to the first character that does not belong there, or all if there
/// is one too few.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    // The library looks at the end first, and names what it finds there.
    ENGINE.decode(text).map_err(|_| readable(text))
}

/// Padding where it belongs is no cause of an error, so the first one that is met is.
fn readable(text: &[u8]) -> usize {
    let is_foreign =
        |byte: &u8| !matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/');
    text.iter().position(is_foreign).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn bytes_of_any_length_come_back_with_and_without_padding() {
        for len in (0..300).chain([1_000, 65_536]) {
            let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let mut text = vec![b'b'];
            encode_to(&mut text, &bytes);
            assert_eq!(text.len(), 1 + encoded_len(bytes.len()));
            let text = &text[1..];
            assert_eq!(decode(text).as_ref(), Ok(&bytes), "{len}");
            let bare = text.trim_ascii_end().strip_suffix(b"==");
            let bare = bare.or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
            assert_eq!(decode(bare).as_ref(), Ok(&bytes), "{len}");
        }
    }

    #[test]
    fn the_first_foreign_character_is_named_also_where_the_length_is_wrong() {
        for (text, readable) in [
            ("A", 1),
            ("AAAA=", 4),
            ("!AAA-", 0),
            ("!AAAx", 0),
            ("AAA\u{e9}", 3),
            ("AAAAé", 4),
            ("A===", 1),
            ("====", 0),
            ("AQ=D", 2),
        ] {
            assert_eq!(decode(text.as_bytes()), Err(readable), "{text}");
        }
    }

    #[test]
    fn an_error_is_where_it_stands_however_long_the_text() {
        for len in [4, 64, 400, 4_000] {
            for place in 0..len {
                let mut text = vec![b'A'; len];
                text[place] = b'-';
                assert_eq!(decode(&text), Err(place), "{place} of {len}");
            }
        }
    }
}
