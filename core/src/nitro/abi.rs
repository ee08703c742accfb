//! The ABI types of the adjudicator, private to the room, and the one way to decode them.
//!
//! Numbers that are `uint48` in Solidity are `uint64` here: both occupy one word, so the bytes are the same, and a value
//! out of range reaches the checks of this room instead of being cut. Selectors and topics are therefore constants,
//! taken from the signatures that the contracts declare, and not derived from these types.

use super::DecodeError;
use alloy_sol_types::{Error, SolValue, abi::AbiDecoderConfig, sol};

sol! {
    struct Signature {
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    struct FixedPart {
        address[] participants;
        uint64 channelNonce;
        address appDefinition;
        uint64 challengeDuration;
    }

    struct Allocation {
        bytes32 destination;
        uint256 amount;
        uint8 allocationType;
        bytes metadata;
    }

    struct AssetMetadata {
        uint8 assetType;
        bytes metadata;
    }

    struct SingleAssetExit {
        address asset;
        AssetMetadata assetMetadata;
        Allocation[] allocations;
    }

    struct VariablePart {
        SingleAssetExit[] outcome;
        bytes appData;
        uint64 turnNum;
        bool isFinal;
    }

    struct SignedVariablePart {
        VariablePart variablePart;
        Signature[] sigs;
    }

    struct ReclaimArgs {
        bytes32 sourceChannelId;
        bytes32 sourceStateHash;
        bytes sourceOutcomeBytes;
        uint256 sourceAssetIndex;
        uint256 indexOfTargetInSource;
        bytes32 targetStateHash;
        bytes targetOutcomeBytes;
        uint256 targetAssetIndex;
    }

    struct VoucherAmountAndSignature {
        uint256 amount;
        Signature signature;
    }
}

/// The most bytes that a decoder of this room takes from a peer or a node, 64 KiB; events have
/// [`MAX_EVENT_BYTES`].
///
/// An outcome of two parties takes less than 1 KiB.
pub const MAX_BYTES: usize = 64 * 1024;

/// The most bytes of data that [`AdjudicatorEvent::decode`](super::AdjudicatorEvent::decode) takes, 1 MiB.
///
/// It is wider than [`MAX_BYTES`] because the other party chooses what it sends to the chain, and an event that cannot
/// be read is one that cannot be answered. Hashing and logging this much takes more gas than one transaction may use
/// (EIP-7825).
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// Decodes what `abi.encode(value)` gave, and nothing else.
pub(super) fn decode<T>(bytes: &[u8], limit: usize) -> Result<T, DecodeError>
where
    T: SolValue + From<<T::SolType as alloy_sol_types::SolType>::RustType>,
{
    strictly(bytes, limit, T::abi_decode_with_config)
}

/// Decodes what `abi.encode(a, b, ...)` gave for the members of the tuple `T`, and nothing else.
pub(super) fn decode_params<T>(bytes: &[u8], limit: usize) -> Result<T, DecodeError>
where
    T: SolValue + From<<T::SolType as alloy_sol_types::SolType>::RustType>,
    for<'a> <T::SolType as alloy_sol_types::SolType>::Token<'a>: alloy_sol_types::abi::TokenSeq<'a>,
{
    strictly(bytes, limit, T::abi_decode_params_with_config)
}

/// Decodes the arguments of a call that somebody else encoded, as leniently as the contracts do. What is allocated stays
/// bounded.
pub(super) fn decode_call<T>(bytes: &[u8], limit: usize) -> Result<T, DecodeError>
where
    T: SolValue + From<<T::SolType as alloy_sol_types::SolType>::RustType>,
    for<'a> <T::SolType as alloy_sol_types::SolType>::Token<'a>: alloy_sol_types::abi::TokenSeq<'a>,
{
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge { length: bytes.len(), limit });
    }
    let lenient = AbiDecoderConfig::new().memory_limit(limit.saturating_mul(4)).validate_allow_trailing_bytes(true);
    T::abi_decode_params_with_config(bytes, lenient).map_err(|_| DecodeError::Malformed)
}

/// Runs a decoder in strict mode: canonical offsets only, so that no part of the input is read twice and what is
/// allocated stays proportional to it; clean padding; no trailing bytes.
fn strictly<'a, T>(
    bytes: &'a [u8],
    limit: usize,
    decode: impl Fn(&'a [u8], AbiDecoderConfig) -> alloy_sol_types::Result<T>,
) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge { length: bytes.len(), limit });
    }
    // Twice the input is what the growth of vectors of honest input can reach.
    let memory = limit.saturating_mul(4);
    let strict = AbiDecoderConfig::new().strict(true).memory_limit(memory);
    match decode(bytes, strict) {
        Ok(value) => Ok(value),
        // The decoder has one error for surplus bytes and for every other deviation: only the former pass when allowed.
        Err(Error::ReserMismatch) if decode(bytes, strict.validate_allow_trailing_bytes(true)).is_ok() => {
            Err(DecodeError::Trailing)
        }
        Err(_) => Err(DecodeError::Malformed),
    }
}
