//! What is thrown.

use js_sys::{Error, Reflect};
use millstream_core::payment::{QuoteError, ReceiptError};
use millstream_core::protocol::{PayError, SpendRefusal};
use millstream_core::{B256, crypto, wallet, wire};
use wasm_bindgen::JsValue;

use crate::output;

/// Why a call is refused: thrown as an `Error` with `name` "MillstreamError", `code`, `field` where an argument is to
/// blame, `channelId` where the core has no record of a channel, and `refusal` where a rule of the owner is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(
    // Boxed, so that a result is no larger than its value.
    Box<Inner>,
);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    code: &'static str,
    message: String,
    field: Option<&'static str>,
    channel_id: Option<B256>,
    refusal: Option<SpendRefusal>,
}

impl Failure {
    /// An argument of the wrong type or shape; `wanted` completes "`field` must be ...".
    pub(crate) fn argument(field: &'static str, wanted: &str) -> Self {
        Self::of_field("INVALID_ARGUMENT", field, wanted)
    }

    /// An argument that is no hex string of the right length.
    pub(crate) fn hex(field: &'static str, bytes: usize) -> Self {
        let wanted = format!("{bytes} bytes in hex with a leading 0x");
        Self::of_field("INVALID_HEX", field, &wanted)
    }

    /// An amount that is no unsigned integer of `bits` bits.
    pub(crate) fn amount(field: &'static str, bits: u32) -> Self {
        let wanted = format!("between 0 and 2^{bits} - 1");
        Self::of_field("AMOUNT_OUT_OF_RANGE", field, &wanted)
    }

    /// More than is looked at, or than memory can be had for.
    pub(crate) fn too_large(field: &'static str, limit: usize) -> Self {
        let wanted = format!("at most {limit} bytes");
        Self::of_field("ARGUMENT_TOO_LARGE", field, &wanted)
    }

    /// Something that has no argument to blame.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), field: None, channel_id: None, refusal: None }))
    }

    fn of_field(code: &'static str, field: &'static str, wanted: &str) -> Self {
        let message = [field, " must be ", wanted].concat();
        Self(Box::new(Inner { code, message, field: Some(field), channel_id: None, refusal: None }))
    }
}

impl From<Failure> for JsValue {
    fn from(Failure(failure): Failure) -> Self {
        let error = Error::new(&failure.message);
        error.set_name("MillstreamError");
        let set = |name: &str, value: JsValue| Reflect::set(&error, &name.into(), &value);
        // A fresh Error takes properties; if it does not, its message still tells.
        let _ = set("code", failure.code.into());
        if let Some(field) = failure.field {
            let _ = set("field", field.into());
        }
        if let Some(channel_id) = &failure.channel_id {
            let _ = set("channelId", output::hash(channel_id));
        }
        if let Some(refusal) = &failure.refusal {
            let _ = set("refusal", output::refusal(refusal));
        }
        error.into()
    }
}

impl From<wallet::Error> for Failure {
    fn from(error: wallet::Error) -> Self {
        let mut failure = Self::new(error.code(), error.to_string());
        if let wallet::Error::Loading { channel_id } | wallet::Error::UnknownChannel { channel_id } = error {
            failure.0.channel_id = Some(channel_id);
        }
        if let wallet::Error::Pay(PayError::Refused(refusal)) = error {
            failure.0.refusal = Some(refusal);
        }
        failure
    }
}

macro_rules! from_core {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error.code(), error.to_string())
            }
        }
    )+};
}

from_core!(
    QuoteError,
    ReceiptError,
    wire::WireError,
    crypto::SignError,
    crypto::SignatureError,
    crypto::PublicKeyError,
);
