//! Who gets what: outcomes, allocations and guarantees, in the exit format.

use super::{DecodeError, MAX_BYTES, abi};
use crate::crypto::keccak256;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};

/// What becomes of an allocation when the channel is finalized. Source: `ExitFormat.AllocationType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AllocationType {
    /// Paid to the destination.
    Simple = 0,
    /// Paid through a helper contract named in the metadata.
    WithdrawHelper = 1,
    /// Set aside for another channel; the metadata holds a [`Guarantee`]. Claimed with `reclaim`.
    Guarantee = 2,
}

impl TryFrom<u8> for AllocationType {
    type Error = DecodeError;

    fn try_from(value: u8) -> Result<Self, DecodeError> {
        match value {
            0 => Ok(Self::Simple),
            1 => Ok(Self::WithdrawHelper),
            2 => Ok(Self::Guarantee),
            _ => Err(DecodeError::UnknownAllocationType { value }),
        }
    }
}

/// The kind of an asset. Source: `ExitFormat.AssetType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AssetType {
    /// The native asset or an ERC-20 token.
    Default = 0,
    /// An ERC-721 collection.
    Erc721 = 1,
    /// An ERC-1155 collection.
    Erc1155 = 2,
    /// An asset on another chain, named in the metadata.
    Qualified = 3,
}

impl TryFrom<u8> for AssetType {
    type Error = DecodeError;

    fn try_from(value: u8) -> Result<Self, DecodeError> {
        match value {
            0 => Ok(Self::Default),
            1 => Ok(Self::Erc721),
            2 => Ok(Self::Erc1155),
            3 => Ok(Self::Qualified),
            _ => Err(DecodeError::UnknownAssetType { value }),
        }
    }
}

/// A share of one asset. Source: `ExitFormat.Allocation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// An address padded on the left to 32 bytes ([`address_destination`]), or the id of a channel.
    pub destination: B256,
    /// The share, in the asset's base units (wei for the native asset).
    pub amount: U256,
    /// What becomes of it.
    pub allocation_type: AllocationType,
    /// What the type calls for; empty for [`AllocationType::Simple`].
    pub metadata: Bytes,
}

/// The shares of one asset, paid in order as far as the deposits reach. Source: `ExitFormat.SingleAssetExit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleAssetExit {
    /// The token's contract, or zero for the native asset.
    pub asset: Address,
    /// The kind of asset. (`assetMetadata.assetType` in Solidity.)
    pub asset_type: AssetType,
    /// What the kind calls for; empty for [`AssetType::Default`]. (`assetMetadata.metadata` in Solidity.)
    pub asset_metadata: Bytes,
    /// The shares.
    pub allocations: Vec<Allocation>,
}

/// The outcome of a channel: one entry per asset.
pub type Outcome = Vec<SingleAssetExit>;

/// Returns `abi.encode(outcome)` for a `SingleAssetExit[]`, which the contracts call `outcomeBytes`.
///
/// Source: `ExitFormat.encodeExit`.
pub fn encode_outcome(outcome: &[SingleAssetExit]) -> Bytes {
    abi::encode(&(outcome_to_abi(outcome),)).into()
}

/// Decodes what [`encode_outcome`] gives.
///
/// # Errors
///
/// [`DecodeError::TooLarge`] above [`MAX_BYTES`]; [`DecodeError::Trailing`] or [`DecodeError::Malformed`] for anything
/// that `abi.encode` does not write; [`DecodeError::UnknownAssetType`] and [`DecodeError::UnknownAllocationType`].
pub fn decode_outcome(bytes: &[u8]) -> Result<Outcome, DecodeError> {
    outcome_from_abi(abi::decode(bytes, MAX_BYTES)?)
}

/// Returns the Keccak-256 hash of [`encode_outcome`]. Source: `NitroUtils.hashOutcome`.
pub fn outcome_hash(outcome: &[SingleAssetExit]) -> B256 {
    keccak256(encode_outcome(outcome))
}

/// Returns the destination that pays `address`: the address padded on the left to 32 bytes.
pub fn address_destination(address: Address) -> B256 {
    address.into_word()
}

/// Returns the address that `destination` pays, or `None` if it names a channel.
///
/// The adjudicator takes a destination for an address if its first 12 bytes are zero
/// (`MultiAssetHolder._isExternalDestination`).
pub fn destination_address(destination: B256) -> Option<Address> {
    let address = Address::from_word(destination);
    (address.into_word() == destination).then_some(address)
}

/// The metadata of an [`AllocationType::Guarantee`]: which shares of the ledger grow when it is reclaimed. Source:
/// `MultiAssetHolder`'s `Guarantee`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// Gets what the first allocation of the guaranteed channel has: its payee's. So it is the side nearer the payee.
    pub left: B256,
    /// Gets what the second one has: the side nearer the payer.
    pub right: B256,
}

impl Guarantee {
    /// Returns `abi.encode(left, right)`, 64 bytes.
    pub fn encode(&self) -> Bytes {
        abi::encode(&(self.left, self.right)).into()
    }

    /// Decodes what [`Self::encode`] gives.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Malformed`] if there are fewer than 64 bytes, [`DecodeError::Trailing`] if there are more, and
    /// [`DecodeError::TooLarge`] above [`MAX_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (left, right) = abi::decode_params::<(B256, B256)>(bytes, MAX_BYTES)?;
        Ok(Self { left, right })
    }
}

pub(super) fn outcome_to_abi(outcome: &[SingleAssetExit]) -> Vec<abi::SingleAssetExit> {
    outcome.iter().map(abi::SingleAssetExit::from).collect()
}

pub(super) fn outcome_from_abi(outcome: Vec<abi::SingleAssetExit>) -> Result<Outcome, DecodeError> {
    outcome.into_iter().map(SingleAssetExit::try_from).collect()
}

impl From<&SingleAssetExit> for abi::SingleAssetExit {
    fn from(exit: &SingleAssetExit) -> Self {
        Self {
            asset: exit.asset,
            asset_metadata: abi::AssetMetadata {
                asset_type: exit.asset_type as u8,
                metadata: exit.asset_metadata.clone(),
            },
            allocations: exit.allocations.iter().map(abi::Allocation::from).collect(),
        }
    }
}

impl TryFrom<abi::SingleAssetExit> for SingleAssetExit {
    type Error = DecodeError;

    fn try_from(exit: abi::SingleAssetExit) -> Result<Self, DecodeError> {
        Ok(Self {
            asset: exit.asset,
            asset_type: exit.asset_metadata.asset_type.try_into()?,
            asset_metadata: exit.asset_metadata.metadata,
            allocations: exit.allocations.into_iter().map(Allocation::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Allocation> for abi::Allocation {
    fn from(allocation: &Allocation) -> Self {
        Self {
            destination: allocation.destination,
            amount: allocation.amount,
            allocation_type: allocation.allocation_type as u8,
            metadata: allocation.metadata.clone(),
        }
    }
}

impl TryFrom<abi::Allocation> for Allocation {
    type Error = DecodeError;

    fn try_from(allocation: abi::Allocation) -> Result<Self, DecodeError> {
        Ok(Self {
            destination: allocation.destination,
            amount: allocation.amount,
            allocation_type: allocation.allocation_type.try_into()?,
            metadata: allocation.metadata,
        })
    }
}
