//! Reading JSON values, with what is wrong said in words.

use alloy_primitives::hex;
use millstream_core::{Address, B256, Bytes, U256};
use serde_json::{Map, Value};

/// The members of a JSON object.
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Self, String> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            other => Err(format!("should be an object, not {}", quoted(other))),
        }
    }

    /// A member that may be left out or null.
    pub(super) fn optional(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A member that must be there, as `parse` reads it.
    pub(super) fn required<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&'a Value) -> Result<T, String>,
    ) -> Result<T, String> {
        let value = self.optional(name).ok_or_else(|| format!("{name:?} is missing"))?;
        parse(value).map_err(|why| format!("{name:?}: {why}"))
    }
}

/// The JSON of a value, cut if it is long.
pub(super) fn quoted(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        None => text,
        Some((end, _)) => format!("{}... ({} characters)", &text[..end], text.chars().count()),
    }
}

/// Reads every element of a list.
pub(super) fn list<T>(value: &Value, parse: impl Fn(&Value) -> Result<T, String>) -> Result<Vec<T>, String> {
    let Value::Array(elements) = value else {
        return Err(format!("should be a list, not {}", quoted(value)));
    };
    let numbered = elements.iter().enumerate();
    numbered.map(|(i, element)| parse(element).map_err(|why| format!("[{i}]: {why}"))).collect()
}

/// Reads `0x` and an even number of hexadecimal digits, in either case.
pub(super) fn bytes(value: &Value) -> Result<Bytes, String> {
    let digits = value
        .as_str()
        .and_then(|text| text.strip_prefix("0x"))
        .ok_or_else(|| format!("should be a string that starts with 0x, not {}", quoted(value)))?;
    // The decoder would take a second prefix.
    if digits.starts_with("0x") {
        return Err(format!("not hexadecimal: {}", quoted(value)));
    }
    let bytes = hex::decode(digits).map_err(|error| format!("{error}: {}", quoted(value)))?;
    Ok(bytes.into())
}

fn array<const N: usize>(value: &Value) -> Result<[u8; N], String> {
    let bytes = bytes(value)?;
    <[u8; N]>::try_from(bytes.as_ref())
        .map_err(|_| format!("should have {N} bytes, not {}: {}", bytes.len(), quoted(value)))
}

pub(super) fn word(value: &Value) -> Result<B256, String> {
    array(value).map(B256::from)
}

pub(super) fn address(value: &Value) -> Result<Address, String> {
    array(value).map(Address::from)
}

pub(super) fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("should be true or false, not {}", quoted(value)))
}

/// Reads a JSON number, a string of decimal digits, or a string of `0x` and hexadecimal digits.
pub(super) fn number(value: &Value) -> Result<U256, String> {
    let parsed = match value {
        Value::Number(number) => decimal_with_exponent(&number.to_string()),
        Value::String(text) => match text.strip_prefix("0x") {
            Some(digits) => digits_in(digits, 16),
            None => digits_in(text, 10),
        },
        _ => None,
    };
    parsed.ok_or_else(|| format!("not a whole number of at most 256 bits: {}", quoted(value)))
}

/// Reads a number that must not be above `max`.
pub(super) fn number_to(max: u64, value: &Value) -> Result<u64, String> {
    u64::try_from(number(value)?)
        .ok()
        .filter(|number| *number <= max)
        .ok_or_else(|| format!("should be at most {max}, not {}", quoted(value)))
}

fn digits_in(text: &str, radix: u32) -> Option<U256> {
    if text.is_empty() || !text.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    U256::from_str_radix(text, u64::from(radix)).ok()
}

/// Reads a JSON number with its fraction and exponent, such as JavaScript writes from 10^21 on: `1.5e+21`.
fn decimal_with_exponent(text: &str) -> Option<U256> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = digits_in(&format!("{whole}{fraction}"), 10)?;
    let shift = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    if digits.is_zero() {
        return Some(U256::ZERO);
    }
    let power = U256::from(10).checked_pow(U256::from(shift.unsigned_abs()))?;
    if shift >= 0 {
        digits.checked_mul(power)
    } else {
        let (quotient, rest) = digits.div_rem(power);
        rest.is_zero().then_some(quotient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn literal(text: &str) -> Result<U256, String> {
        number(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn numbers_are_read_exactly_in_every_spelling() {
        let max = U256::MAX.to_string();
        assert_eq!(literal(&max), Ok(U256::MAX));
        assert_eq!(number(&json!(max)), Ok(U256::MAX));
        assert_eq!(number(&json!(format!("0x{}", "F".repeat(64)))), Ok(U256::MAX));
        assert_eq!(literal("18446744073709551616"), Ok(U256::from(1_u128 << 64)));
        assert_eq!(literal("9007199254740993"), Ok(U256::from(9_007_199_254_740_993_u64)));
        assert_eq!(literal("1e21"), Ok(U256::from(10_u128.pow(21))));
        assert_eq!(literal("1.25E+3"), Ok(U256::from(1250)));
        assert_eq!(literal("120e-1"), Ok(U256::from(12)));
        assert_eq!(literal("2.0"), Ok(U256::from(2)));
        assert_eq!(literal("0e999"), Ok(U256::ZERO));
        assert_eq!(number(&json!("0x06")), Ok(U256::from(6)));
        assert_eq!(number(&json!("0x6")), Ok(U256::from(6)));
    }

    #[test]
    fn what_is_no_number_is_said_so() {
        for text in [
            "-1",
            "0.5",
            "1e-1",
            "1e78",
            "1e999999999999",
            "\"\"",
            "\"0x\"",
            "\"-1\"",
            "\"+1\"",
            "\" 1\"",
            "\"1_000\"",
            "\"1e3\"",
            "\"0x_1\"",
            "\"0xfg\"",
            "\"12a\"",
            "null",
            "true",
            "[]",
            "{}",
        ] {
            assert!(literal(text).unwrap_err().contains("not a whole number"), "{text}");
        }
        let above = format!("{}0", U256::MAX);
        assert!(literal(&above).is_err());
        assert!(number_to(255, &json!(256)).unwrap_err().contains("at most 255"));
        assert_eq!(number_to(255, &json!("255")), Ok(255));
    }

    #[test]
    fn bytes_need_a_prefix_and_whole_pairs_of_digits() {
        assert_eq!(bytes(&json!("0x")), Ok(Bytes::new()));
        assert_eq!(bytes(&json!("0xAbcD")), Ok(Bytes::from_static(&[0xab, 0xcd])));
        for refused in [json!("abcd"), json!("0xabc"), json!("0xzz"), json!("0x0xab"), json!(1), json!(null)] {
            assert!(bytes(&refused).is_err(), "{refused}");
        }
        assert!(address(&json!("0x00")).unwrap_err().contains("20 bytes, not 1"));
        assert!(word(&json!(format!("0x{}", "00".repeat(33)))).unwrap_err().contains("32 bytes, not 33"));
    }
}
