//! What can be wrong with bytes from the chain or a peer, and with a state.

use crate::crypto::SignatureError;
use alloy_primitives::{Address, B256};

/// Why bytes were not decoded.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input is larger than the decoder takes. It was not looked at.
    #[error("{length} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The number of bytes given.
        length: usize,
        /// The most that is taken.
        limit: usize,
    },
    /// The bytes are not the ABI encoding of the type: truncated, dirty, or with offsets that Solidity does not write.
    #[error("not the ABI encoding of the type")]
    Malformed,
    /// A valid encoding is followed by further bytes.
    #[error("bytes after the end of the encoding")]
    Trailing,
    /// No event of the adjudicator has this first topic.
    #[error("not an event of the adjudicator")]
    UnknownEvent {
        /// The first topic; `None` if the log has no topics.
        topic: Option<B256>,
    },
    /// An asset type that `ExitFormat.AssetType` does not have.
    #[error("unknown asset type {value}")]
    UnknownAssetType {
        /// The value found.
        value: u8,
    },
    /// An allocation type that `ExitFormat.AllocationType` does not have.
    #[error("unknown allocation type {value}")]
    UnknownAllocationType {
        /// The value found.
        value: u8,
    },
    /// A signature that the adjudicator would have refused.
    #[error("invalid signature: {0}")]
    Signature(#[source] SignatureError),
}

impl DecodeError {
    /// Returns the stable name of the error, the same in every language.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "NITRO_DECODE_TOO_LARGE",
            Self::Malformed => "NITRO_DECODE_MALFORMED",
            Self::Trailing => "NITRO_DECODE_TRAILING",
            Self::UnknownEvent { .. } => "NITRO_UNKNOWN_EVENT",
            Self::UnknownAssetType { .. } => "NITRO_UNKNOWN_ASSET_TYPE",
            Self::UnknownAllocationType { .. } => "NITRO_UNKNOWN_ALLOCATION_TYPE",
            Self::Signature(_) => "NITRO_DECODE_SIGNATURE",
        }
    }
}

/// Why a state is one that the adjudicator cannot take.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The turn number does not fit `uint48`.
    #[error("turn number {turn_num} is above 2^48 - 1")]
    TurnOutOfRange {
        /// The turn number given.
        turn_num: u64,
    },
    /// The challenge duration does not fit `uint48`.
    #[error("challenge duration {seconds} is above 2^48 - 1")]
    ChallengeDurationOutOfRange {
        /// The duration given, in seconds.
        seconds: u64,
    },
    /// A channel has from 1 to 255 participants: `signedBy` has one bit for each, named by a `uint8`.
    #[error("{count} participants, not 1 to 255")]
    ParticipantCount {
        /// The number of participants given.
        count: usize,
    },
    /// An address takes part twice, so that its signature could be counted for either.
    #[error("{participant} takes part twice")]
    DuplicateParticipant {
        /// The address.
        participant: Address,
    },
    /// A signature from which no signer can be recovered. The adjudicator reverts with `Invalid signature`.
    #[error("signature {index} is invalid: {source}")]
    InvalidSignature {
        /// The position of the signature.
        index: usize,
        /// What is wrong with it.
        source: SignatureError,
    },
}

impl StateError {
    /// Returns the stable name of the error, the same in every language.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TurnOutOfRange { .. } => "STATE_TURN_OUT_OF_RANGE",
            Self::ChallengeDurationOutOfRange { .. } => "STATE_CHALLENGE_DURATION_OUT_OF_RANGE",
            Self::ParticipantCount { .. } => "STATE_PARTICIPANT_COUNT",
            Self::DuplicateParticipant { .. } => "STATE_DUPLICATE_PARTICIPANT",
            Self::InvalidSignature { .. } => "STATE_INVALID_SIGNATURE",
        }
    }
}
