//! Payments as they travel: a voucher, a voucher with ticks, or ticks alone. They authenticate themselves.

use alloc::vec::Vec;

use crate::B256;
use crate::cbor;
use crate::crypto::Signature;
use crate::payment::{Shown, SignedVoucher, Voucher};
use crate::wire::WireError;

/// The largest payment that is read, in bytes.
pub const MAX_PAYMENT_BYTES: usize = 512;

/// One payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// A voucher, with the ticks shown for it, if any: about 220 or 260 bytes.
    Claim {
        /// The voucher.
        signed: SignedVoucher,
        /// Its ticks.
        shown: Option<Shown>,
    },
    /// Ticks of a voucher that the payee has: at most 76 bytes.
    Tick(Tick),
}

/// Ticks of a voucher, without the voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The channel that pays.
    pub channel_id: B256,
    /// The voucher's serial.
    pub serial: u32,
    /// How many ticks are paid, and the proof.
    pub shown: Shown,
}

impl Payment {
    /// The channel that pays.
    pub const fn channel_id(&self) -> B256 {
        match self {
            Self::Claim { signed, .. } => signed.voucher.channel_id,
            Self::Tick(tick) => tick.channel_id,
        }
    }

    /// The voucher's serial.
    pub const fn serial(&self) -> u32 {
        match self {
            Self::Claim { signed, .. } => signed.voucher.serial,
            Self::Tick(tick) => tick.serial,
        }
    }

    /// How many ticks it shows.
    pub fn ticks(&self) -> u8 {
        match self {
            Self::Claim { shown, .. } => shown.map_or(0, |shown| shown.ticks),
            Self::Tick(tick) => tick.shown.ticks,
        }
    }

    /// The voucher, if it is shown.
    pub const fn voucher(&self) -> Option<&SignedVoucher> {
        match self {
            Self::Claim { signed, .. } => Some(signed),
            Self::Tick(_) => None,
        }
    }
}

impl From<SignedVoucher> for Payment {
    fn from(signed: SignedVoucher) -> Self {
        Self::Claim { signed, shown: None }
    }
}

/// `[voucher, signature]` or `[voucher, signature, shown]`, its signature not looked at yet.
struct RawClaim {
    voucher: Voucher,
    signature: Vec<u8>,
    shown: Option<Shown>,
}

cbor::array!(RawClaim { voucher, signature, shown });

/// `[channelId, serial, ticks, preimage]`: no other payment has four parts.
struct RawTick {
    channel_id: B256,
    serial: u32,
    ticks: u8,
    preimage: B256,
}

cbor::array!(RawTick { channel_id, serial, ticks, preimage });

/// The head of a CBOR array of four.
const FOUR_PARTS: u8 = 0x84;

/// A payment as bytes: CBOR.
pub fn encode_payment(payment: &Payment) -> Vec<u8> {
    match *payment {
        Payment::Claim { signed: SignedVoucher { voucher, signature }, shown } => {
            cbor::to_vec(&RawClaim { voucher, signature: signature.to_bytes().to_vec(), shown })
        }
        Payment::Tick(Tick { channel_id, serial, shown: Shown { ticks, preimage } }) => {
            cbor::to_vec(&RawTick { channel_id, serial, ticks, preimage })
        }
    }
}

/// Reads a payment. Its signature, if it has one, has the right form; who signed it is not checked here.
///
/// # Errors
///
/// [`WireError::TooLarge`] above [`MAX_PAYMENT_BYTES`], [`WireError::Malformed`] if the bytes are no payment,
/// [`WireError::Form`] if the signature in it is none.
pub fn decode_payment(bytes: &[u8]) -> Result<Payment, WireError> {
    if bytes.len() > MAX_PAYMENT_BYTES {
        return Err(WireError::TooLarge { length: bytes.len(), limit: MAX_PAYMENT_BYTES });
    }
    let payment = if bytes.first() == Some(&FOUR_PARTS) {
        let RawTick { channel_id, serial, ticks, preimage } = cbor::from_slice(bytes).ok_or(WireError::Malformed)?;
        Payment::Tick(Tick { channel_id, serial, shown: Shown { ticks, preimage } })
    } else {
        let RawClaim { voucher, signature, shown } = cbor::from_slice(bytes).ok_or(WireError::Malformed)?;
        let signature = Signature::from_bytes(&signature).map_err(WireError::Form)?;
        Payment::Claim { signed: SignedVoucher { voucher, signature }, shown }
    };
    // One payment has one form, so that hosts may compare payments by their bytes.
    if encode_payment(&payment) == bytes { Ok(payment) } else { Err(WireError::Malformed) }
}
