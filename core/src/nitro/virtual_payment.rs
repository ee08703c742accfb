//! The vouchers of Nitro's own `VirtualPaymentApp`.
//!
//! Streams of this project use their own vouchers; these are for channels on the published app contract, and for
//! comparing this crate with the published package.

use super::abi;
use crate::crypto::{SignError, Signature, Signer, eip191_digest, keccak256};
use alloy_primitives::{B256, Bytes, U256};

/// Returns the hash of a voucher: `keccak256(abi.encode(channelId, amount))`.
///
/// `amount` is all that was paid in the channel so far, in wei. The first participant signs the
/// [`eip191_digest`] of the hash. Source: `VirtualPaymentApp.requireValidVoucher`.
pub fn voucher_hash(channel_id: B256, amount: U256) -> B256 {
    keccak256(abi::encode(&(channel_id, amount)))
}

/// Signs the voucher for `amount` wei in all.
///
/// # Errors
///
/// Those of the signer.
pub fn sign_voucher(signer: &(impl Signer + ?Sized), channel_id: B256, amount: U256) -> Result<Signature, SignError> {
    signer.sign_digest(&eip191_digest(voucher_hash(channel_id, amount)))
}

/// Returns the `appData` of the state that redeems a voucher: `abi.encode(VoucherAmountAndSignature)`, 128 bytes.
pub fn redemption_app_data(amount: U256, signature: &Signature) -> Bytes {
    let voucher = abi::VoucherAmountAndSignature { amount, signature: signature.into() };
    abi::encode(&(voucher,)).into()
}
