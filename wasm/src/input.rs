//! JavaScript values to core values, checked. `field` names the argument in the error.

use js_sys::{Array, JsString, Object, Reflect, Symbol, Uint8Array};
use millstream_core::channel::{Kind, Route};
use millstream_core::payment::Unit;
use millstream_core::protocol::{HubPolicy, Policy, SpendRule, SpendScope, TransactionKind};
use millstream_core::wallet::{ChainUpdate, LeaseTerms, Log, Purchase, StoredRecord};
use millstream_core::{Address, B256, Bytes, nitro};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::Failure;
use crate::output;

/// The largest integer that every `number` below it can express: 2^53 - 1.
pub(crate) const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
/// The largest time and duration that is taken, in seconds: sums of two of them are exact numbers.
pub(crate) const MAX_SECONDS: u64 = nitro::MAX_UINT48;
/// Far above any record, so that a damaged store is told from a large one.
const MAX_RECORD_BYTES: usize = 1024 * 1024;
/// Far more rules than an owner has.
const MAX_SPEND_RULES: u32 = 64;
/// Far more hubs than a route may have; the core says how many it may.
const MAX_ROUTE: u32 = 64;
/// The adjudicator's events have two topics, the chain's logs at most four.
const MAX_TOPICS: u32 = 4;

/// The properties of an object, each read and checked under its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a JsValue);

impl<'a> Fields<'a> {
    pub(crate) fn of(value: &'a JsValue, field: &'static str) -> Result<Self, Failure> {
        if value.is_object() { Ok(Self(value)) } else { Err(Failure::argument(field, "an object")) }
    }

    pub(crate) fn get(self, field: &'static str) -> Result<JsValue, Failure> {
        Reflect::get(self.0, &field.into()).map_err(|_| Failure::argument(field, "readable"))
    }

    pub(crate) fn integer(self, field: &'static str, max: u64) -> Result<u64, Failure> {
        integer(&self.get(field)?, field, max)
    }

    pub(crate) fn seconds(self, field: &'static str) -> Result<u64, Failure> {
        self.integer(field, MAX_SECONDS)
    }

    pub(crate) fn uint32(self, field: &'static str) -> Result<u32, Failure> {
        uint32(&self.get(field)?, field)
    }

    pub(crate) fn uint64(self, field: &'static str) -> Result<u64, Failure> {
        uint64(&self.get(field)?, field)
    }

    pub(crate) fn amount(self, field: &'static str) -> Result<u128, Failure> {
        amount(&self.get(field)?, field)
    }

    pub(crate) fn unit(self, field: &'static str) -> Result<Unit, Failure> {
        unit(&self.get(field)?, field)
    }

    /// An amount; zero if it is missing.
    pub(crate) fn amount_or_zero(self, field: &'static str) -> Result<u128, Failure> {
        let value = self.get(field)?;
        if value.is_undefined() { Ok(0) } else { amount(&value, field) }
    }

    pub(crate) fn hash(self, field: &'static str) -> Result<B256, Failure> {
        hash(&self.get(field)?, field)
    }

    pub(crate) fn address(self, field: &'static str) -> Result<Address, Failure> {
        address(&self.get(field)?, field)
    }

    fn elements<T>(
        self,
        field: &'static str,
        limit: u32,
        read: impl Fn(&JsValue) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        elements(&self.get(field)?, field, limit, read)
    }
}

pub(crate) fn boolean(value: &JsValue, field: &'static str) -> Result<bool, Failure> {
    value.as_bool().ok_or_else(|| Failure::argument(field, "a boolean"))
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

pub(crate) fn uint8(value: &JsValue, field: &'static str) -> Result<u8, Failure> {
    let value = integer(value, field, u8::MAX.into())?;
    Ok(u8::try_from(value).unwrap_or(u8::MAX))
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
    // Numbers first: an id of a commit is one, and that it is no bigint is one question more.
    match integer(value, field, MAX_SAFE_INTEGER) {
        Err(_) if value.is_bigint() => u64::try_from(value.clone()).map_err(|_| Failure::amount(field, 64)),
        read => read,
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

/// A hex string with `0x` for exactly as many bytes as `bytes` has.
fn hex(value: &JsValue, field: &'static str, bytes: &mut [u8]) -> Result<(), Failure> {
    read_hex(value, field, bytes).ok_or_else(|| Failure::hex(field, bytes.len()))
}

fn read_hex(value: &JsValue, field: &'static str, bytes: &mut [u8]) -> Option<()> {
    let digits = bytes.len().checked_mul(2)?;
    let limit = u32::try_from(digits.checked_add(2)?).ok()?;
    let text = string(value, field, limit).ok()?;
    let text = text.strip_prefix("0x")?.as_bytes();
    if text.len() != digits {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16)?.try_into().ok();
        let (high, low): (u8, u8) = (digit(0)?, digit(1)?);
        *byte = high << 4 | low;
    }
    Some(())
}

pub(crate) fn hash(value: &JsValue, field: &'static str) -> Result<B256, Failure> {
    let mut bytes = [0u8; 32];
    hex(value, field, &mut bytes)?;
    Ok(B256::new(bytes))
}

pub(crate) fn address(value: &JsValue, field: &'static str) -> Result<Address, Failure> {
    let mut bytes = [0u8; 20];
    hex(value, field, &mut bytes)?;
    Ok(Address::new(bytes))
}

#[wasm_bindgen]
extern "C" {
    /// What an accessor that all typed arrays share says of `value`; undefined or an exception if that is none.
    #[wasm_bindgen(js_namespace = Reflect, js_name = get)]
    fn said_by(accessors: &Object, name: &JsValue, value: &JsValue) -> JsValue;
    /// Copies all of `source`. It throws if `source` is detached or longer.
    #[wasm_bindgen(js_namespace = Uint8Array, js_name = "prototype.set.call", catch)]
    fn copy_all(target: &mut [u8], source: &JsValue) -> Result<(), JsValue>;
}

thread_local! {
    /// Where the accessors of typed arrays are, which say what one is and not what it pretends to be.
    static TYPED_ARRAY: Object = {
        let prototype = |value: &Object| Object::get_prototype_of(value);
        prototype(&prototype(&Uint8Array::new_with_length(0)))
    };
    static TAG: JsValue = Symbol::to_string_tag().into();
}

/// The length of a `Uint8Array`, also of one of another realm (a frame, a test runner's sandbox), to which `instanceof` is
/// blind. `None` if it is something else. No code of the caller runs meanwhile.
fn length_of(value: &JsValue) -> Option<usize> {
    TYPED_ARRAY.with(|accessors| {
        let tag = TAG.with(|name| said_by(accessors, name, value));
        let is_byte_array = output::BYTE_ARRAY.with(|name| tag == ***name);
        // Only now: it is an exception for anything else.
        let length = || output::LENGTH.with(|name| said_by(accessors, name, value)).as_f64();
        is_byte_array.then(length)?.map(|length| length as usize)
    })
}

/// A copy of a `Uint8Array` of at most `limit` bytes; `Err(length)` inside if it is longer.
fn copy(value: &JsValue, field: &'static str, limit: usize) -> Result<Result<Vec<u8>, usize>, Failure> {
    let failure = || Failure::argument(field, "a Uint8Array that is not detached");
    let length = length_of(value).ok_or_else(failure)?;
    // Nothing large is copied only to be refused.
    if length > limit {
        return Ok(Err(length));
    }
    let mut bytes = Vec::new();
    // Out of memory is an error of this call, not the end of the module.
    bytes.try_reserve_exact(length).map_err(|_| Failure::too_large(field, limit))?;
    bytes.resize(length, 0);
    copy_all(&mut bytes, value).map_err(|_| failure())?;
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
    let length = Fields(value).uint32("length")?;
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

/// The way of a virtual channel: `{ hubs, ledgers, fees }`; none if it is missing.
pub(crate) fn route(value: &JsValue) -> Result<Option<(Vec<Address>, Route)>, Failure> {
    if value.is_undefined() {
        return Ok(None);
    }
    let fields = Fields::of(value, "route")?;
    let hubs = fields.elements("hubs", MAX_ROUTE, |hub| address(hub, "hubs"))?;
    let ledgers = fields.elements("ledgers", MAX_ROUTE, |ledger| hash(ledger, "ledgers"))?;
    let fees = fields.elements("fees", MAX_ROUTE, |fee| amount(fee, "fees"))?;
    Ok(Some((hubs, Route { ledgers, fees })))
}

/// A hub's terms: what is missing keeps its default.
fn hub(value: &JsValue) -> Result<HubPolicy, Failure> {
    let fields = Fields::of(value, "hub")?;
    let serves = match fields.get("serves")? {
        list if list.is_undefined() => Vec::new(),
        list => elements(&list, "serves", 10_000, |key| address(key, "serves"))?,
    };
    let rate = fields.get("feeRate")?;
    Ok(HubPolicy {
        serves,
        fee: fields.amount_or_zero("fee")?,
        fee_rate: if rate.is_undefined() { 0 } else { uint32(&rate, "feeRate")? },
        max_amount: fields.amount_or_zero("maxAmount")?,
        max_per_peer: fields.amount_or_zero("maxPerPeer")?,
    })
}

/// A policy: what is missing keeps its default.
pub(crate) fn policy(value: &JsValue) -> Result<Policy, Failure> {
    let mut policy = Policy::default();
    if value.is_undefined() {
        return Ok(policy);
    }
    let fields = Fields::of(value, "policy")?;
    let given = |field| fields.get(field).map(|value| !value.is_undefined());
    if given("assets")? {
        policy.assets = fields.elements("assets", 1_000, |asset| address(asset, "assets"))?;
    }
    if given("kinds")? {
        policy.kinds = fields.elements("kinds", 2, kind)?;
    }
    for (field, amount) in [
        ("minDeposit", &mut policy.min_deposit),
        ("exitCost", &mut policy.exit_cost),
        ("maxContribution", &mut policy.max_contribution),
    ] {
        if given(field)? {
            *amount = fields.amount(field)?;
        }
    }
    for (field, seconds) in [
        ("minChallengeDuration", &mut policy.min_challenge_duration),
        ("maxChallengeDuration", &mut policy.max_challenge_duration),
        ("fundingTimeout", &mut policy.funding_timeout),
        ("answerTimeout", &mut policy.answer_timeout),
        ("openingTimeout", &mut policy.opening_timeout),
    ] {
        if given(field)? {
            *seconds = fields.seconds(field)?;
        }
    }
    if given("hub")? {
        policy.hub = Some(hub(&fields.get("hub")?)?);
    }
    for (field, number) in [
        ("minConfirmations", &mut policy.min_confirmations),
        ("maxConfirmations", &mut policy.max_confirmations),
        ("maxUnfunded", &mut policy.max_unfunded),
    ] {
        if given(field)? {
            *number = fields.uint32(field)?;
        }
    }
    Ok(policy)
}

/// What a payment is for; what is missing is zero.
pub(crate) fn purchase(value: &JsValue) -> Result<Purchase, Failure> {
    let fields = Fields::of(value, "purchase")?;
    let read = |field| {
        let value = fields.get(field)?;
        if value.is_undefined() { Ok(B256::ZERO) } else { hash(&value, field) }
    };
    Ok(Purchase { memo: read("memo")?, origin: read("origin")?, file: read("file")? })
}

/// The owner's rules; none if they are missing.
pub(crate) fn spending(fields: Fields<'_>) -> Result<Vec<SpendRule>, Failure> {
    if fields.get("spending")?.is_undefined() {
        return Ok(Vec::new());
    }
    fields.elements("spending", MAX_SPEND_RULES, |rule| {
        let fields = Fields::of(rule, "spending")?;
        let name = string(&fields.get("scope")?, "scope", 32)?;
        let scope = SpendScope::ALL.into_iter().find(|scope| scope.name() == name);
        let asset = fields.get("asset")?;
        Ok(SpendRule {
            scope: scope.ok_or_else(|| Failure::argument("scope", "the scope of a spend rule"))?,
            asset: if asset.is_undefined() { None } else { Some(address(&asset, "asset")?) },
            limit: fields.amount("limit")?,
            window: fields.seconds("window")?,
            asks: boolean(&fields.get("asks")?, "asks")?,
        })
    })
}

/// A lease; `None` if it is missing.
pub(crate) fn lease(value: &JsValue) -> Result<Option<LeaseTerms>, Failure> {
    if value.is_undefined() {
        return Ok(None);
    }
    let fields = Fields::of(value, "lease")?;
    Ok(Some(LeaseTerms { payments: fields.uint32("payments")?, amount: fields.amount("amount")? }))
}

/// What moves the money of a channel: a stream unless said otherwise.
pub(crate) fn kind(value: &JsValue) -> Result<Kind, Failure> {
    if value.is_undefined() {
        return Ok(Kind::Stream);
    }
    match string(value, "kind", 32)?.as_str() {
        "stream" => Ok(Kind::Stream),
        "ledger" => Ok(Kind::Ledger),
        _ => Err(Failure::argument("kind", "\"stream\" or \"ledger\"")),
    }
}

pub(crate) fn unit(value: &JsValue, field: &'static str) -> Result<Unit, Failure> {
    let name = string(value, field, 32)?;
    let unit = Unit::ALL.into_iter().find(|unit| unit.name() == name);
    unit.ok_or_else(|| Failure::argument(field, "\"chunk\", \"byte\" or \"second\""))
}

pub(crate) fn transaction_kind(value: &JsValue) -> Result<TransactionKind, Failure> {
    use TransactionKind::{Approve, Challenge, Checkpoint, Conclude, Deposit, Transfer};
    let kinds = [Approve, Deposit, Checkpoint, Conclude, Challenge, Transfer];
    let name = string(value, "kind", 32)?;
    kinds
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| Failure::argument("kind", "the kind of a transaction"))
}

pub(crate) fn chain_update(value: &JsValue) -> Result<ChainUpdate, Failure> {
    let fields = Fields::of(value, "update")?;
    Ok(ChainUpdate {
        from_block: fields.integer("fromBlock", MAX_SAFE_INTEGER)?,
        head_block: fields.integer("headBlock", MAX_SAFE_INTEGER)?,
        head_time: fields.seconds("headTime")?,
        logs: fields.elements("logs", u32::MAX, log)?,
    })
}

fn log(value: &JsValue) -> Result<Log, Failure> {
    let fields = Fields::of(value, "log")?;
    let data = copy(&fields.get("data")?, "data", nitro::MAX_EVENT_BYTES)?;
    // The core refuses larger ones, and looks at no more of them than that they are.
    let data = data.unwrap_or_else(|_| vec![0; nitro::MAX_EVENT_BYTES.saturating_add(1)]);
    let call = fields.get("call")?;
    // One that is too large cannot be read either, and the log says enough to go on without it.
    let call = if call.is_undefined() { None } else { copy(&call, "call", nitro::MAX_EVENT_BYTES)?.ok() };
    Ok(Log {
        address: fields.address("address")?,
        topics: fields.elements("topics", MAX_TOPICS, |topic| hash(topic, "topics"))?,
        data: Bytes::from(data),
        block: fields.integer("block", MAX_SAFE_INTEGER)?,
        log_index: fields.integer("logIndex", MAX_SAFE_INTEGER)?,
        call: call.map(Bytes::from),
    })
}

pub(crate) fn records(value: &JsValue) -> Result<Vec<StoredRecord>, Failure> {
    elements(value, "records", u32::MAX, |record| {
        let fields = Fields::of(record, "record")?;
        let stored = fields.get("bytes")?;
        Ok(StoredRecord {
            key: fields.hash("key")?,
            version: fields.integer("version", MAX_SAFE_INTEGER)?,
            bytes: if stored.is_undefined() { None } else { Some(bytes(&stored, "bytes", MAX_RECORD_BYTES)?) },
        })
    })
}

/// The records of a backup, by channel id.
pub(crate) fn backup(value: &JsValue) -> Result<Vec<(B256, Vec<u8>)>, Failure> {
    elements(value, "records", u32::MAX, |record| {
        let fields = Fields::of(record, "record")?;
        Ok((fields.hash("key")?, bytes(&fields.get("bytes")?, "bytes", MAX_RECORD_BYTES)?))
    })
}
