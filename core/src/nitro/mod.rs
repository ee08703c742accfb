//! What the chain sees: the states, hashes, calldata and events of the Nitro adjudicator.
//!
//! A channel here is a Nitro channel, byte for byte: this room holds the formats of
//! `@statechannels/nitro-protocol` 2.0.1-alpha.6 (`INitroTypes.sol`, `ExitFormat.sol`, `NitroUtils.sol`), and no
//! opinion about when a state should be signed or sent. `channel`, `protocol` and `wallet` call it; it calls only
//! [`crypto`](crate::crypto).
//!
//! Domain types are written by hand; the ABI types stay private to the room. Decoders accept only the encoding that
//! Solidity's `abi.encode` produces, refuse anything above a stated size before they look at it, and return a
//! [`DecodeError`] for every other input.
//!
//! # Numbers of 48 bits
//!
//! The contracts hold turn numbers and durations as `uint48`; here they are `u64`, at most [`MAX_UINT48`].
//! [`FixedPart::validate`] and [`VariablePart::validate`] say whether a value is in range, decoders never return one
//! that is not, and encoders never cut one: a larger number is written in full, and the contract refuses it.

mod abi;
pub mod calls;
mod error;
mod event;
mod fixed_part;
mod outcome;
mod state;
mod status;
pub mod virtual_payment;

pub use abi::{MAX_BYTES, MAX_EVENT_BYTES};
pub use calls::ReclaimArgs;
pub use error::{DecodeError, StateError};
pub use event::AdjudicatorEvent;
pub use fixed_part::FixedPart;
pub use outcome::{
    Allocation, AllocationType, AssetType, Guarantee, Outcome, SingleAssetExit, address_destination, decode_outcome,
    destination_address, encode_outcome, outcome_hash,
};
pub use state::{
    RecoveredVariablePart, SignedVariablePart, VariablePart, challenge_digest, challenge_hash, recover_variable_part,
    sign_challenge, sign_state, state_hash, verify_state_signature,
};
pub use status::{ChannelMode, ChannelStatus};

/// The largest turn number, duration in seconds or timestamp that fits the contracts' `uint48`: 2^48 - 1.
pub const MAX_UINT48: u64 = (1 << 48) - 1;
