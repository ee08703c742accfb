//! JavaScript values to core values, checked. `field` names the argument in the error.

use js_sys::{Array, ArrayBuffer, JsString, Reflect, Symbol, Uint8Array};
use millstream_core::protocol::{Policy, TransactionKind};
use millstream_core::wallet::{ChainUpdate, Log, StoredRecord};
use millstream_core::{Address, B256, Bytes, nitro};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::Failure;

/// The largest integer that every `number` below it can express: 2^53 - 1.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
/// The largest time and duration that is taken, in seconds: sums of two of them are exact numbers.
pub(crate) const MAX_SECONDS: u64 = nitro::MAX_UINT48;
/// Far above any record, so that a damaged store is told from a large one.
const MAX_RECORD_BYTES: usize = 1024 * 1024;
/// The adjudicator's events have two topics, the chain's logs at most four.
const MAX_TOPICS: u32 = 4;

/// A property of an object.
pub(crate) fn property(object: &JsValue, field: &'static str) -> Result<JsValue, Failure> {
    Reflect::get(object, &field.into()).map_err(|_| Failure::argument(field, "readable"))
}

/// Checks that `value` is an object whose properties can be read.
pub(crate) fn object<'a>(value: &'a JsValue, field: &'static str) -> Result<&'a JsValue, Failure> {
    if value.is_object() { Ok(value) } else { Err(Failure::argument(field, "an object")) }
}

/// A number that is an integer between 0 and `max`.
pub(crate) fn integer(value: &JsValue, field: &'static str, max: u64) -> Result<u64, Failure> {
    let max = max.min(MAX_SAFE_INTEGER);
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=max as f64).contains(number));
    // In range and without a fraction, so the conversion is exact.
    number
        .map(|number| number as u64)
        .ok_or_else(|| Failure::argument(field, &format!("an integer between 0 and {max}")))
}

pub(crate) fn seconds(value: &JsValue, field: &'static str) -> Result<u64, Failure> {
    integer(value, field, MAX_SECONDS)
}

pub(crate) fn uint32(value: &JsValue, field: &'static str) -> Result<u32, Failure> {
    let number = integer(value, field, u32::MAX.into())?;
    u32::try_from(number).map_err(|_| Failure::argument(field, "an integer of 32 bits"))
}

/// A bigint between 0 and 2^128 - 1.
pub(crate) fn amount(value: &JsValue, field: &'static str) -> Result<u128, Failure> {
    if !value.is_bigint() {
        return Err(Failure::argument(field, "a bigint"));
    }
    u128::try_from(value.clone()).map_err(|_| Failure::amount(field, 128))
}

/// A bigint or a number between 0 and 2^64 - 1.
pub(crate) fn uint64(value: &JsValue, field: &'static str) -> Result<u64, Failure> {
    if value.is_bigint() {
        u64::try_from(value.clone()).map_err(|_| Failure::amount(field, 64))
    } else {
        integer(value, field, MAX_SAFE_INTEGER)
    }
}

/// A string of at most `limit` UTF-16 units.
pub(crate) fn string(value: &JsValue, field: &'static str, limit: u32) -> Result<String, Failure> {
    let wanted = || Failure::argument(field, &format!("a string of at most {limit} characters"));
    let text = value.dyn_ref::<JsString>().ok_or_else(wanted)?;
    if text.length() > limit {
        return Err(wanted());
    }
    text.as_string().ok_or_else(wanted)
}

/// Exactly `N` bytes as a hex string with `0x`.
fn hex<const N: usize>(value: &JsValue, field: &'static str) -> Result<[u8; N], Failure> {
    let failure = || Failure::hex(field, N);
    let units = u32::try_from(N.saturating_mul(2).saturating_add(2)).map_err(|_| failure())?;
    let text = string(value, field, units).map_err(|_| failure())?;
    let digits = text.strip_prefix("0x").ok_or_else(failure)?.as_bytes();
    if digits.len() != N.saturating_mul(2) {
        return Err(failure());
    }
    let mut bytes = [0u8; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| {
            let digit = pair.get(at).and_then(|digit| char::from(*digit).to_digit(16));
            digit.and_then(|digit| u8::try_from(digit).ok())
        };
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err(failure());
        };
        *byte = high << 4 | low;
    }
    Ok(bytes)
}

pub(crate) fn hash(value: &JsValue, field: &'static str) -> Result<B256, Failure> {
    hex(value, field).map(B256::new)
}

pub(crate) fn address(value: &JsValue, field: &'static str) -> Result<Address, Failure> {
    hex(value, field).map(Address::new)
}

#[wasm_bindgen]
extern "C" {
    /// `new Uint8Array(source)`: a copy whose length is what it says, whatever `source` pretends.
    #[wasm_bindgen(js_name = Uint8Array)]
    type Copied;
    #[wasm_bindgen(constructor, catch, js_class = "Uint8Array")]
    fn of(source: &JsValue) -> Result<Copied, JsValue>;
}

/// Whether `value` is a `Uint8Array`, also one of another realm (a frame, a test runner's sandbox), to which
/// `instanceof` is blind.
fn is_byte_array(value: &JsValue) -> bool {
    if !ArrayBuffer::is_view(value) {
        return false;
    }
    let tag = Reflect::get(value, &Symbol::to_string_tag());
    tag.is_ok_and(|tag| tag.as_string().as_deref() == Some("Uint8Array"))
}

/// A copy of a `Uint8Array` of at most `limit` bytes; `Err(length)` inside if it is longer.
fn copy(value: &JsValue, field: &'static str, limit: usize) -> Result<Result<Vec<u8>, usize>, Failure> {
    let failure = || Failure::argument(field, "a Uint8Array that is not detached");
    if !is_byte_array(value) {
        return Err(failure());
    }
    let length = Reflect::get(value, &"length".into()).map_err(|_| failure())?;
    // Nothing large is copied only to be refused.
    let said = length.as_f64().ok_or_else(failure)?;
    if said > limit as f64 {
        return Ok(Err(said as usize));
    }
    let copied: Uint8Array = Copied::of(value).map_err(|_| failure())?.unchecked_into();
    let length = copied.length() as usize;
    if length > limit {
        return Ok(Err(length));
    }
    let mut bytes = Vec::new();
    // Out of memory is an error of this call, not the end of the module.
    bytes.try_reserve_exact(length).map_err(|_| Failure::too_large(field, limit))?;
    bytes.resize(length, 0);
    copied.copy_to(&mut bytes);
    Ok(Ok(bytes))
}

/// A copy of a `Uint8Array` of at most `limit` bytes; `too_large` makes the error above it from its length.
pub(crate) fn bytes_or(
    value: &JsValue,
    field: &'static str,
    limit: usize,
    too_large: impl FnOnce(usize) -> Failure,
) -> Result<Vec<u8>, Failure> {
    copy(value, field, limit)?.map_err(too_large)
}

pub(crate) fn bytes(value: &JsValue, field: &'static str, limit: usize) -> Result<Vec<u8>, Failure> {
    bytes_or(value, field, limit, |_| Failure::too_large(field, limit))
}

/// Exactly `N` bytes in a `Uint8Array`.
pub(crate) fn exact_bytes<const N: usize>(value: &JsValue, field: &'static str) -> Result<[u8; N], Failure> {
    let failure = |_| Failure::argument(field, &format!("{N} bytes in a Uint8Array"));
    let bytes = bytes_or(value, field, N, failure)?;
    let length = bytes.len();
    <[u8; N]>::try_from(bytes).map_err(|_| failure(length))
}

/// Reads every element of an array.
fn elements<T>(
    value: &JsValue,
    field: &'static str,
    limit: u32,
    read: impl Fn(&JsValue) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let wanted = || Failure::argument(field, &format!("an array of at most {limit} elements"));
    if !Array::is_array(value) {
        return Err(wanted());
    }
    // Not `Array::get`: a proxy of an array is one too, and what its traps throw has to be caught.
    let length = uint32(&property(value, "length")?, "length")?;
    if length > limit {
        return Err(wanted());
    }
    (0..length)
        .map(|index| {
            let element = Reflect::get_u32(value, index).map_err(|_| wanted())?;
            read(&element)
        })
        .collect()
}

/// A policy: what is missing keeps its default.
pub(crate) fn policy(value: &JsValue) -> Result<Policy, Failure> {
    let mut policy = Policy::default();
    if value.is_undefined() {
        return Ok(policy);
    }
    object(value, "policy")?;
    let given = |field| property(value, field).map(|value| Some(value).filter(|value| !value.is_undefined()));
    if let Some(assets) = given("assets")? {
        policy.assets = elements(&assets, "assets", 1_000, |asset| address(asset, "assets"))?;
    }
    if let Some(value) = given("minDeposit")? {
        policy.min_deposit = amount(&value, "minDeposit")?;
    }
    if let Some(value) = given("minChallengeDuration")? {
        policy.min_challenge_duration = seconds(&value, "minChallengeDuration")?;
    }
    if let Some(value) = given("maxChallengeDuration")? {
        policy.max_challenge_duration = seconds(&value, "maxChallengeDuration")?;
    }
    if let Some(value) = given("minConfirmations")? {
        policy.min_confirmations = uint32(&value, "minConfirmations")?;
    }
    if let Some(value) = given("maxUnfunded")? {
        policy.max_unfunded = uint32(&value, "maxUnfunded")?;
    }
    if let Some(value) = given("fundingTimeout")? {
        policy.funding_timeout = seconds(&value, "fundingTimeout")?;
    }
    Ok(policy)
}

pub(crate) fn transaction_kind(value: &JsValue) -> Result<TransactionKind, Failure> {
    use TransactionKind::{Approve, Challenge, Conclude, Deposit, Transfer};
    let kinds = [Approve, Deposit, Conclude, Challenge, Transfer];
    let name = string(value, "kind", 32)?;
    kinds
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| Failure::argument("kind", "the kind of a transaction"))
}

pub(crate) fn chain_update(value: &JsValue) -> Result<ChainUpdate, Failure> {
    object(value, "update")?;
    let block = |field| integer(&property(value, field)?, field, MAX_SAFE_INTEGER);
    Ok(ChainUpdate {
        from_block: block("fromBlock")?,
        head_block: block("headBlock")?,
        head_time: seconds(&property(value, "headTime")?, "headTime")?,
        logs: elements(&property(value, "logs")?, "logs", u32::MAX, log)?,
    })
}

fn log(value: &JsValue) -> Result<Log, Failure> {
    object(value, "log")?;
    let get = |field| property(value, field);
    let data = copy(&get("data")?, "data", nitro::MAX_EVENT_BYTES)?;
    // The core refuses larger ones, and looks at no more of them than that they are.
    let data = data.unwrap_or_else(|_| vec![0; nitro::MAX_EVENT_BYTES.saturating_add(1)]);
    Ok(Log {
        address: address(&get("address")?, "address")?,
        topics: elements(&get("topics")?, "topics", MAX_TOPICS, |topic| hash(topic, "topics"))?,
        data: Bytes::from(data),
        block: integer(&get("block")?, "block", MAX_SAFE_INTEGER)?,
        log_index: integer(&get("logIndex")?, "logIndex", MAX_SAFE_INTEGER)?,
    })
}

pub(crate) fn records(value: &JsValue) -> Result<Vec<StoredRecord>, Failure> {
    elements(value, "records", u32::MAX, |record| {
        object(record, "record")?;
        let stored = property(record, "bytes")?;
        Ok(StoredRecord {
            key: hash(&property(record, "key")?, "key")?,
            version: integer(&property(record, "version")?, "version", MAX_SAFE_INTEGER)?,
            bytes: if stored.is_undefined() { None } else { Some(bytes(&stored, "bytes", MAX_RECORD_BYTES)?) },
        })
    })
}
