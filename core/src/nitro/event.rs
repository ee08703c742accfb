//! What the adjudicator reports.

use super::{DecodeError, MAX_EVENT_BYTES, MAX_UINT48, SignedVariablePart, abi};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256, b256};

/// The first topics: the hash of each event's signature.
mod topic {
    use super::{B256, b256};

    pub(super) const DEPOSITED: B256 = b256!("87d4c0b5e30d6808bc8a94ba1c4d839b29d664151551a31753387ee9ef48429b");
    pub(super) const ALLOCATION_UPDATED: B256 =
        b256!("c36da2054c5669d6dac211b7366d59f2d369151c21edf4940468614b449e0b9a");
    pub(super) const RECLAIMED: B256 = b256!("4d3754632451ebba9812a9305e7bca17b67a17186a5cff93d2e9ae1b01e3d27b");
    pub(super) const CHALLENGE_REGISTERED: B256 =
        b256!("0aa12461ee6c137332989aa12cec79f4772ab2c1a8732a382aada7e9f3ec9d34");
    pub(super) const CHALLENGE_CLEARED: B256 =
        b256!("07da0a0674fb921e484018c8b81d80e292745e5d8ed134b580c8b9c631c5e9e0");
    pub(super) const CHECKPOINTED: B256 = b256!("f3f2d5574c50e581f1a2371fac7dee87f7c6d599a496765fbfa2547ce7fd5f1a");
    pub(super) const CONCLUDED: B256 = b256!("4f465027a3d06ea73dd12be0f5c5fc0a34e21f19d6eaed4834a7a944edabc901");
}

/// An event of the adjudicator. Times are in seconds since 1970, amounts in the asset's base units.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdjudicatorEvent {
    /// Something was deposited for a channel.
    Deposited {
        /// The channel (`destination` in the contract).
        channel_id: B256,
        /// The token's contract, or zero for the native asset.
        asset: Address,
        /// What the channel now holds of it.
        holdings: U256,
    },
    /// Something was paid out of a channel.
    AllocationUpdated {
        /// The channel.
        channel_id: B256,
        /// The position of the asset in the channel's outcome.
        asset_index: U256,
        /// What the channel held before.
        initial_holdings: U256,
        /// What it holds now.
        final_holdings: U256,
    },
    /// A guarantee was turned into shares of its parties.
    Reclaimed {
        /// The channel that held the guarantee.
        channel_id: B256,
        /// The position of the asset in that channel's outcome.
        asset_index: U256,
    },
    /// A challenge was registered.
    ChallengeRegistered {
        /// The channel.
        channel_id: B256,
        /// When the channel becomes final unless the challenge is answered.
        finalizes_at: u64,
        /// The states that support the candidate.
        proof: Vec<SignedVariablePart>,
        /// The state challenged with.
        candidate: SignedVariablePart,
    },
    /// A challenge was answered.
    ChallengeCleared {
        /// The channel.
        channel_id: B256,
        /// The turn that answered it.
        new_turn_num_record: u64,
    },
    /// A newer state was recorded while no challenge was pending.
    Checkpointed {
        /// The channel.
        channel_id: B256,
        /// Its turn.
        new_turn_num_record: u64,
    },
    /// The channel was closed by agreement.
    Concluded {
        /// The channel.
        channel_id: B256,
        /// When: the timestamp of the block.
        finalizes_at: u64,
    },
}

impl AdjudicatorEvent {
    /// Decodes a log that the adjudicator emitted.
    ///
    /// That it was the adjudicator is for the caller to check, by the address of the log: anyone's contract can emit
    /// these bytes.
    ///
    /// Signatures come back in canonical form: a high `s`, which the chain accepts, is replaced by its low twin, so
    /// that the states of a challenge can be checked, stored and sent on like any other.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnknownEvent`] if the first topic is none of the adjudicator's; [`DecodeError::TooLarge`] above
    /// [`MAX_EVENT_BYTES`] of data; [`DecodeError::Malformed`] or [`DecodeError::Trailing`] if topics or data are not
    /// those of the event; [`DecodeError::UnknownAssetType`], [`DecodeError::UnknownAllocationType`] and
    /// [`DecodeError::Signature`] for states that this crate cannot represent. A caller that cannot decode a challenge
    /// still learns of it from [`calls::status_of`](super::calls::status_of).
    pub fn decode(topics: &[B256], data: &[u8]) -> Result<Self, DecodeError> {
        let first = topics.first().copied();
        let known = [
            topic::DEPOSITED,
            topic::ALLOCATION_UPDATED,
            topic::RECLAIMED,
            topic::CHALLENGE_REGISTERED,
            topic::CHALLENGE_CLEARED,
            topic::CHECKPOINTED,
            topic::CONCLUDED,
        ];
        let Some(event) = first.filter(|topic| known.contains(topic)) else {
            return Err(DecodeError::UnknownEvent { topic: first });
        };
        // Every event has exactly one indexed argument, the channel.
        let &[_, channel_id] = topics else {
            return Err(DecodeError::Malformed);
        };
        Ok(match event {
            topic::DEPOSITED => {
                let (asset, holdings) = abi::decode_params(data, MAX_EVENT_BYTES)?;
                Self::Deposited { channel_id, asset, holdings }
            }
            topic::ALLOCATION_UPDATED => {
                let (asset_index, initial_holdings, final_holdings) = abi::decode_params(data, MAX_EVENT_BYTES)?;
                Self::AllocationUpdated { channel_id, asset_index, initial_holdings, final_holdings }
            }
            topic::RECLAIMED => Self::Reclaimed { channel_id, asset_index: abi::decode(data, MAX_EVENT_BYTES)? },
            topic::CHALLENGE_REGISTERED => challenge_registered(channel_id, data)?,
            topic::CHALLENGE_CLEARED => Self::ChallengeCleared { channel_id, new_turn_num_record: uint48(data)? },
            topic::CHECKPOINTED => Self::Checkpointed { channel_id, new_turn_num_record: uint48(data)? },
            _ => Self::Concluded { channel_id, finalizes_at: uint48(data)? },
        })
    }

    /// Returns the channel that the event is about.
    pub const fn channel_id(&self) -> B256 {
        match self {
            Self::Deposited { channel_id, .. }
            | Self::AllocationUpdated { channel_id, .. }
            | Self::Reclaimed { channel_id, .. }
            | Self::ChallengeRegistered { channel_id, .. }
            | Self::ChallengeCleared { channel_id, .. }
            | Self::Checkpointed { channel_id, .. }
            | Self::Concluded { channel_id, .. } => *channel_id,
        }
    }
}

fn challenge_registered(channel_id: B256, data: &[u8]) -> Result<AdjudicatorEvent, DecodeError> {
    type Data = (u64, Vec<abi::SignedVariablePart>, abi::SignedVariablePart);
    let (finalizes_at, proof, candidate): Data = abi::decode_params(data, MAX_EVENT_BYTES)?;
    Ok(AdjudicatorEvent::ChallengeRegistered {
        channel_id,
        finalizes_at: in_range(finalizes_at)?,
        proof: proof.into_iter().map(SignedVariablePart::try_from).collect::<Result<_, _>>()?,
        candidate: candidate.try_into()?,
    })
}

/// Decodes one `uint48`.
fn uint48(data: &[u8]) -> Result<u64, DecodeError> {
    in_range(abi::decode(data, MAX_EVENT_BYTES)?)
}

fn in_range(number: u64) -> Result<u64, DecodeError> {
    if number > MAX_UINT48 { Err(DecodeError::Malformed) } else { Ok(number) }
}
