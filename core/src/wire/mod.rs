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
mod payment;

pub(crate) use envelope::Draft;
pub use envelope::{Envelope, MAX_MESSAGE_BYTES, WireError, sender_of};
pub use message::{MAX_CODE_BYTES, MAX_TEXT_BYTES, Message};
pub use payment::{MAX_PAYMENT_BYTES, Payment, Tick, decode_payment, encode_payment};
