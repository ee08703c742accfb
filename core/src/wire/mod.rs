//! What peers send each other: envelopes signed by the sender's channel key, and payments, which sign themselves.
//!
//! A message is CBOR of at most [`MAX_MESSAGE_BYTES`]. Everything in it is checked before anything is acted on; no
//! message is trusted because of the connection that it came on.
//!
//! **What a later version may do.** The first field is the version, and only one version is read: another one is refused
//! with `MESSAGE_VERSION`, whatever follows it. Within a version fields may be added at the end of a message. Who does not
//! know them passes them over; the signature covers the bytes as they came. A new kind of message takes a new version:
//! a kind that is not known is `MESSAGE_MALFORMED`. Records differ in one thing, because a wallet writes back what it
//! read: one with a field that is not known is refused. Payments and records have one form, byte for byte; messages may
//! be encoded in any way that CBOR allows.

mod envelope;
mod message;

pub(crate) use envelope::Draft;
pub use envelope::{Envelope, MAX_MESSAGE_BYTES, WireError};
pub use message::{MAX_CODE_BYTES, MAX_TEXT_BYTES, Message};

use alloc::vec::Vec;

use minicbor::Decode;

use crate::cbor;
use crate::crypto::Signature;
use crate::payment::{SignedVoucher, Voucher};

/// The largest payment that is read, in bytes.
pub const MAX_PAYMENT_BYTES: usize = 512;

/// A payment as it travels: the shape of [`SignedVoucher`], its signature not looked at yet.
#[derive(Decode)]
struct RawPayment {
    #[n(0)]
    voucher: Voucher,
    #[cbor(n(1), with = "minicbor::bytes")]
    signature: Vec<u8>,
}

/// A payment as bytes: the signed voucher in CBOR, about 220 bytes.
pub fn encode_payment(payment: &SignedVoucher) -> Vec<u8> {
    cbor::to_vec(payment)
}

/// Reads a payment. Its signature has the right form; who signed it is not checked here.
///
/// # Errors
///
/// [`WireError::TooLarge`] above [`MAX_PAYMENT_BYTES`], [`WireError::Malformed`] if the bytes are no payment,
/// [`WireError::Form`] if the signature in it is none.
pub fn decode_payment(bytes: &[u8]) -> Result<SignedVoucher, WireError> {
    if bytes.len() > MAX_PAYMENT_BYTES {
        return Err(WireError::TooLarge { length: bytes.len(), limit: MAX_PAYMENT_BYTES });
    }
    let RawPayment { voucher, signature } = cbor::from_slice(bytes).map_err(|_| WireError::Malformed)?;
    let signature = Signature::from_bytes(&signature).map_err(WireError::Form)?;
    let payment = SignedVoucher { voucher, signature };
    // One payment has one form, so that hosts may compare payments by their bytes.
    if encode_payment(&payment) == bytes { Ok(payment) } else { Err(WireError::Malformed) }
}
