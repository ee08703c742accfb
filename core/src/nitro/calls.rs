//! Calldata for the adjudicator and tokens, and the answers of their views.
//!
//! Each function returns the selector followed by the ABI-encoded arguments, ready to be the data of a transaction or
//! of an `eth_call`. Nothing is checked that the contract checks.
//!
//! `transfer` with chosen indices is left out on purpose: the contract tests the wrong allocation's type. Payouts go
//! through [`transfer_all_assets`].

use super::outcome::outcome_to_abi;
use super::{
    ChannelStatus, DecodeError, FixedPart, MAX_BYTES, MAX_EVENT_BYTES, MAX_UINT48, SignedVariablePart, SingleAssetExit,
    abi,
};
use crate::crypto::Signature;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};

/// The selectors: the first four bytes of the hash of each function's signature.
mod selector {
    pub(super) const CHALLENGE: [u8; 4] = [0x82, 0x86, 0xa0, 0x60];
    pub(super) const CHECKPOINT: [u8; 4] = [0x6d, 0x2a, 0x9c, 0x92];
    pub(super) const CONCLUDE: [u8; 4] = [0xee, 0x04, 0x9b, 0x50];
    pub(super) const CONCLUDE_AND_TRANSFER_ALL_ASSETS: [u8; 4] = [0xec, 0x34, 0x62, 0x35];
    pub(super) const TRANSFER_ALL_ASSETS: [u8; 4] = [0x31, 0xaf, 0xa0, 0xb4];
    pub(super) const RECLAIM: [u8; 4] = [0xd3, 0xc4, 0xe7, 0x38];
    pub(super) const DEPOSIT: [u8; 4] = [0x2f, 0xb1, 0xd2, 0x70];
    pub(super) const HOLDINGS: [u8; 4] = [0x16, 0x6e, 0x56, 0xcd];
    pub(super) const STATUS_OF: [u8; 4] = [0xc7, 0xdf, 0x14, 0xe2];
    pub(super) const UNPACK_STATUS: [u8; 4] = [0x55, 0x2c, 0xfa, 0x50];
    pub(super) const ERC20_APPROVE: [u8; 4] = [0x09, 0x5e, 0xa7, 0xb3];
}

/// What `reclaim` is told: the finalized ledger channel (source) and the finalized channel that it guarantees (target).
///
/// Source: `IMultiAssetHolder.ReclaimArgs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReclaimArgs {
    /// The channel that holds the guarantee.
    pub source_channel_id: B256,
    /// The hash of the state that it was finalized with; zero after a conclusion.
    pub source_state_hash: B256,
    /// Its outcome, by [`encode_outcome`](super::encode_outcome).
    pub source_outcome_bytes: Bytes,
    /// The position of the asset in that outcome.
    pub source_asset_index: u64,
    /// The position of the guarantee among that asset's allocations.
    pub index_of_target_in_source: u64,
    /// The hash of the state that the guaranteed channel was finalized with; zero after a conclusion.
    pub target_state_hash: B256,
    /// The outcome of the guaranteed channel, by [`encode_outcome`](super::encode_outcome).
    pub target_outcome_bytes: Bytes,
    /// The position of the asset in the outcome of the guaranteed channel.
    pub target_asset_index: u64,
}

/// Puts `amount` base units of `asset` (zero for the native asset) into a channel.
///
/// It reverts unless the channel holds exactly `expected_held` beforehand. For the native asset `amount` is also the
/// value of the transaction; for a token the adjudicator needs an allowance first ([`approve`]). Selector `0x2fb1d270`.
pub fn deposit(asset: Address, channel_id: B256, expected_held: U256, amount: U256) -> Bytes {
    calldata(selector::DEPOSIT, &(asset, channel_id, expected_held, amount))
}

/// Registers a state that the other party has to answer within the challenge duration.
///
/// `challenger_signature` is by [`sign_challenge`](super::sign_challenge) over the candidate. Selector `0x8286a060`.
pub fn challenge(
    fixed_part: &FixedPart,
    proof: &[SignedVariablePart],
    candidate: &SignedVariablePart,
    challenger_signature: &Signature,
) -> Bytes {
    let arguments = (
        abi::FixedPart::from(fixed_part),
        proof_to_abi(proof),
        abi::SignedVariablePart::from(candidate),
        abi::Signature::from(challenger_signature),
    );
    calldata(selector::CHALLENGE, &arguments)
}

/// Records a supported state with a higher turn, which clears a pending challenge. Selector `0x6d2a9c92`.
pub fn checkpoint(fixed_part: &FixedPart, proof: &[SignedVariablePart], candidate: &SignedVariablePart) -> Bytes {
    let arguments = (abi::FixedPart::from(fixed_part), proof_to_abi(proof), abi::SignedVariablePart::from(candidate));
    calldata(selector::CHECKPOINT, &arguments)
}

/// Finalizes a channel with a final state that everyone signed. Selector `0xee049b50`.
pub fn conclude(fixed_part: &FixedPart, candidate: &SignedVariablePart) -> Bytes {
    calldata(selector::CONCLUDE, &conclusion(fixed_part, candidate))
}

/// Finalizes a channel as [`conclude`] does, and pays everyone. Selector `0xec346235`.
pub fn conclude_and_transfer_all_assets(fixed_part: &FixedPart, candidate: &SignedVariablePart) -> Bytes {
    calldata(selector::CONCLUDE_AND_TRANSFER_ALL_ASSETS, &conclusion(fixed_part, candidate))
}

/// Pays everyone out of a finalized channel.
///
/// `state_hash` is that of the state it was finalized with, or zero after a conclusion. Selector `0x31afa0b4`.
pub fn transfer_all_assets(channel_id: B256, outcome: &[SingleAssetExit], state_hash: B256) -> Bytes {
    let arguments = (channel_id, outcome_to_abi(outcome), state_hash);
    calldata(selector::TRANSFER_ALL_ASSETS, &arguments)
}

/// Turns a guarantee in a finalized ledger channel into shares of its two parties, by the outcome of the finalized
/// channel it guarantees. Selector `0xd3c4e738`.
pub fn reclaim(args: &ReclaimArgs) -> Bytes {
    let args = abi::ReclaimArgs {
        source_channel_id: args.source_channel_id,
        source_state_hash: args.source_state_hash,
        source_outcome_bytes: args.source_outcome_bytes.clone(),
        source_asset_index: args.source_asset_index,
        index_of_target_in_source: args.index_of_target_in_source,
        target_state_hash: args.target_state_hash,
        target_outcome_bytes: args.target_outcome_bytes.clone(),
        target_asset_index: args.target_asset_index,
    };
    calldata(selector::RECLAIM, &(args,))
}

/// Lets `spender` take up to `amount` base units of a token; sent to the token's contract. Selector `0x095ea7b3`
/// (ERC-20).
pub fn approve(spender: Address, amount: U256) -> Bytes {
    calldata(selector::ERC20_APPROVE, &(spender, amount))
}

/// Asks how much of `asset` a channel holds; answered by [`decode_holdings`]. Selector `0x166e56cd`.
pub fn holdings(asset: Address, channel_id: B256) -> Bytes {
    calldata(selector::HOLDINGS, &(asset, channel_id))
}

/// Asks for the status word of a channel; answered by [`decode_status_of`]. Selector `0xc7df14e2`.
pub fn status_of(channel_id: B256) -> Bytes {
    calldata(selector::STATUS_OF, &(channel_id,))
}

/// Asks for the parts of the status of a channel; answered by [`decode_unpack_status`]. Selector `0x552cfa50`.
pub fn unpack_status(channel_id: B256) -> Bytes {
    calldata(selector::UNPACK_STATUS, &(channel_id,))
}

/// Decodes the data of a call of `checkpoint`: the states of the proof, and the candidate.
///
/// Whoever sent the call chose the bytes, and the contract takes encodings that `abi.encode` never gives, so this does
/// too: what it says counts only through the signatures in it.
///
/// # Errors
///
/// [`DecodeError::TooLarge`] above [`MAX_EVENT_BYTES`], [`DecodeError::Malformed`] if the bytes
/// are no such call, and those of states that this crate cannot represent.
pub fn decode_checkpoint(data: &[u8]) -> Result<(Vec<SignedVariablePart>, SignedVariablePart), DecodeError> {
    type Arguments = (abi::FixedPart, Vec<abi::SignedVariablePart>, abi::SignedVariablePart);
    let arguments = data.strip_prefix(&selector::CHECKPOINT).ok_or(DecodeError::Malformed)?;
    let (_, proof, candidate): Arguments = abi::decode_call(arguments, MAX_EVENT_BYTES)?;
    let proof = proof.into_iter().map(SignedVariablePart::try_from).collect::<Result<_, _>>()?;
    Ok((proof, candidate.try_into()?))
}

/// Decodes the data of a call of `conclude` or `concludeAndTransferAllAssets`: the candidate.
///
/// # Errors
///
/// [`DecodeError::TooLarge`] above [`MAX_EVENT_BYTES`], [`DecodeError::Malformed`] if the bytes
/// are no such call, and those of states that this crate cannot represent.
pub fn decode_conclude(data: &[u8]) -> Result<SignedVariablePart, DecodeError> {
    let arguments = data.strip_prefix(&selector::CONCLUDE);
    let arguments = arguments.or_else(|| data.strip_prefix(&selector::CONCLUDE_AND_TRANSFER_ALL_ASSETS));
    let arguments = arguments.ok_or(DecodeError::Malformed)?;
    let (_, candidate): (abi::FixedPart, abi::SignedVariablePart) = abi::decode_call(arguments, MAX_EVENT_BYTES)?;
    candidate.try_into()
}

/// Decodes the data of a call of `reclaim`: the position of the guarantee in the ledger's outcome, and the outcome of the
/// channel that it is for.
///
/// # Errors
///
/// [`DecodeError::TooLarge`] above [`MAX_EVENT_BYTES`], [`DecodeError::Malformed`] if the bytes are no such call.
pub fn decode_reclaim(data: &[u8]) -> Result<(u64, Bytes), DecodeError> {
    let arguments = data.strip_prefix(&selector::RECLAIM).ok_or(DecodeError::Malformed)?;
    let (args,): (abi::ReclaimArgs,) = abi::decode_call(arguments, MAX_EVENT_BYTES)?;
    Ok((args.index_of_target_in_source, args.target_outcome_bytes))
}

/// Decodes the answer to [`holdings`]: base units of the asset.
///
/// # Errors
///
/// [`DecodeError::Malformed`], [`DecodeError::Trailing`] or [`DecodeError::TooLarge`] unless it is one word.
pub fn decode_holdings(answer: &[u8]) -> Result<U256, DecodeError> {
    abi::decode(answer, MAX_BYTES)
}

/// Decodes the answer to [`status_of`].
///
/// # Errors
///
/// [`DecodeError::Malformed`], [`DecodeError::Trailing`] or [`DecodeError::TooLarge`] unless it is one word.
pub fn decode_status_of(answer: &[u8]) -> Result<ChannelStatus, DecodeError> {
    abi::decode(answer, MAX_BYTES).map(ChannelStatus::from_word)
}

/// Decodes the answer to [`unpack_status`].
///
/// # Errors
///
/// [`DecodeError::Malformed`], [`DecodeError::Trailing`] or [`DecodeError::TooLarge`] unless it is three words in range.
pub fn decode_unpack_status(answer: &[u8]) -> Result<ChannelStatus, DecodeError> {
    let (turn_num_record, finalizes_at, fingerprint) = abi::decode_params::<(u64, u64, Address)>(answer, MAX_BYTES)?;
    if turn_num_record > MAX_UINT48 || finalizes_at > MAX_UINT48 {
        return Err(DecodeError::Malformed);
    }
    Ok(ChannelStatus { turn_num_record, finalizes_at, fingerprint: fingerprint.0 })
}

fn conclusion(fixed_part: &FixedPart, candidate: &SignedVariablePart) -> (abi::FixedPart, abi::SignedVariablePart) {
    (fixed_part.into(), candidate.into())
}

fn proof_to_abi(proof: &[SignedVariablePart]) -> Vec<abi::SignedVariablePart> {
    proof.iter().map(abi::SignedVariablePart::from).collect()
}

fn calldata(selector: [u8; 4], arguments: &impl abi::Members) -> Bytes {
    [&selector, &*abi::encode(arguments)].concat().into()
}
