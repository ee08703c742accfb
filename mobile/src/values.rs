//! The values that uniffi has no type for, and the strings that they cross as.

use std::str::FromStr;

pub use millstream_core::Address;
use millstream_core::B256;

use crate::error::MillstreamError;

/// An id, a hash or a storage key.
pub type Bytes32 = B256;

/// An amount in base units of its asset.
pub type Amount = u128;

uniffi::custom_type!(
    /// 32 bytes in lower-case hex with a leading `0x`: a channel id, a hash, a storage key.
    Bytes32, String, {
        remote,
        try_lift: |text| Ok(parse_hex(&text, 32)?),
        lower: |value| format!("{value:#x}"),
    }
);

uniffi::custom_type!(
    /// 20 bytes in lower-case hex with a leading `0x`. As an asset, zero is the chain's native one.
    Address, String, {
        remote,
        try_lift: |text| Ok(parse_hex(&text, 20)?),
        lower: |value| format!("{value:#x}"),
    }
);

uniffi::custom_type!(
    /// An amount in base units of its asset, between 0 and 2^128 - 1. It crosses as a decimal string.
    Amount, String, {
        remote,
        try_lift: |text| Ok(parse_amount(&text)?),
        lower: |value| value.to_string(),
    }
);

/// The longest value that an error repeats, in bytes.
const MAX_REPEATED: usize = 80;

fn shown(text: &str) -> &str {
    if text.len() <= MAX_REPEATED { text } else { "a longer text" }
}

fn parse_hex<T: FromStr>(text: &str, bytes: usize) -> Result<T, MillstreamError> {
    // The parser takes digits without the prefix too.
    let value = if text.starts_with("0x") { text.parse().ok() } else { None };
    value.ok_or_else(|| {
        let reason = format!("{} is not {bytes} bytes in hex with a leading 0x", shown(text));
        MillstreamError::new("INVALID_HEX", reason)
    })
}

fn parse_amount(text: &str) -> Result<u128, MillstreamError> {
    // The parser takes a plus sign too.
    let value = if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
    value.ok_or_else(|| {
        let reason = format!("{} is not an integer between 0 and 2^128 - 1", shown(text));
        MillstreamError::new("AMOUNT_OUT_OF_RANGE", reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T, MillstreamError>) -> String {
        let MillstreamError::Refused { code, .. } = result.unwrap_err();
        code
    }

    #[test]
    fn hex_is_taken_with_its_prefix_and_length_only() {
        let digits = "00112233445566778899aabbccddeeff00112233";
        let address: Address = parse_hex(&format!("0x{digits}"), 20).unwrap();
        assert_eq!(address.as_slice()[..3], [0x00, 0x11, 0x22]);
        for wrong in [digits, "0x", "", &format!("0x{digits}00"), &format!("0x0x{digits}"), &"z".repeat(1_000)] {
            assert_eq!(code(parse_hex::<Address>(wrong, 20)), "INVALID_HEX", "{wrong}");
        }
    }

    #[test]
    fn amounts_are_decimal_digits_of_128_bits() {
        assert_eq!(parse_amount("340282366920938463463374607431768211455").unwrap(), u128::MAX);
        assert_eq!(parse_amount("0").unwrap(), 0);
        for wrong in ["340282366920938463463374607431768211456", "-1", "+1", "1.0", "0x1", " 1", ""] {
            assert_eq!(code(parse_amount(wrong)), "AMOUNT_OUT_OF_RANGE", "{wrong}");
        }
    }
}
