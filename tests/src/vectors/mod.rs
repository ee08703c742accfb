//! Checks a file of Nitro test vectors against `millstream-core`.
//!
//! The shape is that of `tests/vectors/nitro.json`, which the published package `@statechannels/nitro-protocol` wrote:
//!
//! - `keys` (optional): names to secret keys. A signature whose signer is among them is made again and must come out
//!   byte for byte; any other signature is checked by recovery.
//! - `guaranteeMetadata` (optional): `left`, `right` and their `encoded` form.
//! - `states` (optional): each with the inputs under `state`; the results `channelId`, `encodedOutcome`, `outcomeHash`
//!   and `stateHash`; and, where wanted, `sigs`, `challengeHash`, `challengeSig` and a `name`.
//! - `vouchers` (optional): `channelId`, `amount`, `payer`, the results `hash` and `signature`, and, where wanted,
//!   `redemptionAppData`.
//!
//! Numbers may be JSON numbers, decimal strings or hexadecimal strings. Every result counts as one check. Each is computed
//! from the inputs alone and never from another result in the file, so one wrong result is one failure.

mod cases;
mod fields;

use fields::{Fields, quoted};
use millstream_core::Address;
use millstream_core::crypto::{LocalSigner, Signer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

pub use cases::parse_state;

/// What became of the checks of a file.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of results that are right.
    pub passed: usize,
    /// The results that are wrong, missing or malformed, in the order of the file.
    pub failures: Vec<Failure>,
}

/// One result that is wrong, missing or malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The place in the file, such as `states[2] "ledger": stateHash`.
    pub place: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file says one thing, the inputs give another.
    Differs {
        /// What the file says.
        expected: String,
        /// What the core computes.
        got: String,
    },
    /// The result, or an input that it needs, cannot be used.
    Unusable(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Differs { expected, got } => {
                write!(f, "{}: expected {expected}, got {got}", self.place)
            }
            Problem::Unusable(why) => write!(f, "{}: {why}", self.place),
        }
    }
}

impl Report {
    /// Records a check.
    fn check(&mut self, place: &str, result: Result<(), Problem>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(problem) => self.failures.push(Failure { place: place.to_owned(), problem }),
        }
    }

    fn unusable(&mut self, place: &str, why: String) {
        self.check(place, Err(Problem::Unusable(why)));
    }
}

/// The signers of a file, by address.
type Keys = BTreeMap<Address, LocalSigner>;

/// Checks the text of a vector file.
///
/// # Errors
///
/// A message in words if the text is not JSON, is of another shape as a whole, or contains nothing to check. What is
/// wrong inside a case is a [`Failure`] in the report instead.
pub fn check(text: &str) -> Result<Report, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let file = Fields::of(&file).map_err(|why| format!("not a vector file: {why}"))?;
    let list = |name| match file.optional(name) {
        None => Ok(&[][..]),
        Some(Value::Array(cases)) => Ok(cases.as_slice()),
        Some(other) => Err(format!("{name:?} should be a list, not {}", quoted(other))),
    };
    let (states, vouchers) = (list("states")?, list("vouchers")?);
    let mut report = Report::default();
    let keys = read_keys(&file, &mut report)?;

    if let Some(value) = file.optional("guaranteeMetadata") {
        cases::check_guarantee(value, &mut report);
    }
    for (index, case) in states.iter().enumerate() {
        cases::check_state(&place("states", index, case), case, &keys, &mut report);
    }
    for (index, case) in vouchers.iter().enumerate() {
        cases::check_voucher(&place("vouchers", index, case), case, &keys, &mut report);
    }
    if report.passed == 0 && report.failures.is_empty() {
        return Err("nothing to check: no \"states\", \"vouchers\" or \"guaranteeMetadata\"".to_owned());
    }
    Ok(report)
}

fn place(list: &str, index: usize, case: &Value) -> String {
    match case.get("name") {
        Some(name) => format!("{list}[{index}] {}", quoted(name)),
        None => format!("{list}[{index}]"),
    }
}

fn read_keys(file: &Fields<'_>, report: &mut Report) -> Result<Keys, String> {
    let mut keys = Keys::new();
    let Some(value) = file.optional("keys") else {
        return Ok(keys);
    };
    let Value::Object(map) = value else {
        return Err(format!("\"keys\" should be names with secret keys, not {}", quoted(value)));
    };
    for (name, value) in map {
        let signer = fields::word(value)
            .and_then(|secret| LocalSigner::from_secret_bytes(&secret.0).map_err(|error| error.to_string()));
        match signer {
            Ok(signer) => {
                keys.insert(signer.address(), signer);
            }
            Err(why) => report.unusable(&format!("keys {name:?}"), why),
        }
    }
    Ok(keys)
}
