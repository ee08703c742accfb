//! How contracts refuse.

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::{Panic, PanicKind, SolError};

/// What a call that reverted said: an ABI-encoded error, `Error(string)`, `Panic(uint256)` or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert(pub Bytes);

impl Revert {
    /// The revert of `require(false, reason)`.
    pub fn because(reason: &str) -> Self {
        Self(alloy_sol_types::Revert::from(reason).abi_encode().into())
    }

    /// A revert without data: a function that does not exist, or calldata that does not fit.
    pub const fn silent() -> Self {
        Self(Bytes::new())
    }

    /// The panic of checked arithmetic.
    pub fn overflow() -> Self {
        Self(Panic::from(PanicKind::UnderOverflow).abi_encode().into())
    }

    /// The panic of an index outside an array.
    pub fn out_of_bounds() -> Self {
        Self(Panic::from(PanicKind::ArrayOutOfBounds).abi_encode().into())
    }

    /// The panic of a memory allocation above 2^64 bytes.
    pub fn too_long() -> Self {
        Self(Panic::from(PanicKind::ResourceError).abi_encode().into())
    }

    /// The string of a `require`, which is how the adjudicator refuses; of other reverts whatever stands in its place.
    pub fn reason(&self) -> String {
        let text = self.0.get(68..).unwrap_or_default();
        String::from_utf8_lossy(text).trim_end_matches('\0').to_owned()
    }
}

/// `a + b` as Solidity computes it.
pub(super) fn plus(a: U256, b: U256) -> Result<U256, Revert> {
    a.checked_add(b).ok_or_else(Revert::overflow)
}

/// `a - b` as Solidity computes it.
pub(super) fn minus(a: U256, b: U256) -> Result<U256, Revert> {
    a.checked_sub(b).ok_or_else(Revert::overflow)
}

/// `require(condition, reason)`.
pub(super) fn require(condition: bool, reason: &str) -> Result<(), Revert> {
    if condition { Ok(()) } else { Err(Revert::because(reason)) }
}
