//! The rules of the `StreamApp` contract, in Rust: which states it supports.
//!
//! [`state_is_supported`] answers as `StreamApp.stateIsSupported` does, check by check and error by error. Tests run
//! both on the same random claims.

use crate::nitro::{AssetType, FixedPart, RecoveredVariablePart, SingleAssetExit};
use crate::payment::claim::{Claim, ClaimError};
use crate::payment::voucher::VoucherDomain;
use crate::{B256, U256};

/// Why `StreamApp` does not support a state. The variants are the contract's custom errors, in the order of its checks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamAppError {
    /// A state without proof must be signed by every participant.
    #[error("state is not signed by everyone (signers {signed_by:#b})")]
    NotUnanimous {
        /// Bit i is set if participant i signed.
        signed_by: U256,
    },
    /// A redemption is proved by exactly one state, its base.
    #[error("proof of {length} states, expected 1")]
    BadProofLength {
        /// How many states came as proof.
        length: usize,
    },
    /// The base must be signed by every participant.
    #[error("base is not signed by everyone (signers {signed_by:#b})")]
    BaseNotUnanimous {
        /// Bit i is set if participant i signed.
        signed_by: U256,
    },
    /// Turn 0 is signed before the deposit and carries no vouchers.
    #[error("base is the prefund state")]
    BaseIsPrefund,
    /// A final state carries no vouchers.
    #[error("base is final")]
    BaseIsFinal,
    /// Only the payee redeems: a payer could sign a higher serial over a lower amount, which nothing would answer.
    #[error("redemption is not signed by the payee (signers {signed_by:#b})")]
    NotSignedByPayee {
        /// Bit i is set if participant i signed.
        signed_by: U256,
    },
    /// A redemption is not final.
    #[error("redemption is final")]
    RedemptionIsFinal,
    /// The voucher pays on another channel.
    #[error("voucher of channel {actual}, expected {expected}")]
    WrongChannel {
        /// The channel of the state.
        expected: B256,
        /// The channel of the voucher.
        actual: B256,
    },
    /// The voucher stands on another base.
    #[error("voucher on base turn {actual}, expected {expected}")]
    WrongBaseTurn {
        /// The turn of the base.
        expected: u64,
        /// The base turn of the voucher.
        actual: u64,
    },
    /// Serials start at 1.
    #[error("voucher serial is zero")]
    ZeroSerial,
    /// The claim itself is worth nothing.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The redemption's turn is not the claim's.
    #[error("redemption at turn {actual}, expected {expected}")]
    WrongTurn {
        /// `baseTurn + (serial << 8) + ticks`.
        expected: u64,
        /// The turn of the state.
        actual: u64,
    },
    /// Both outcomes must have one asset with two allocations.
    #[error("outcome is not one asset with two allocations")]
    OutcomeShape,
    /// The asset or its metadata changed, or is of another kind than native or ERC-20.
    #[error("asset changed, or is neither native nor ERC-20")]
    AssetChanged,
    /// A destination, allocation type or metadata changed.
    #[error("allocation {index} changed in more than its amount")]
    AllocationChanged {
        /// 0 for the payee, 1 for the payer.
        index: usize,
    },
    /// The claim is above what the base holds for the payer.
    #[error("claim of {claimed} above the payer's balance of {available}")]
    InsufficientBalance {
        /// Base units claimed.
        claimed: U256,
        /// Base units that the base holds for the payer.
        available: U256,
    },
    /// The amounts are not the base's with the claim moved from payer to payee.
    #[error("amounts differ from {expected_payee} for the payee and {expected_payer} for the payer")]
    WrongAmounts {
        /// What the payee must have.
        expected_payee: U256,
        /// What must remain for the payer.
        expected_payer: U256,
    },
    /// The payee's amount would exceed 2^256 - 1; the contract panics there.
    #[error("payee's amount overflows")]
    Overflow,
}

impl StreamAppError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotUnanimous { .. } => "STREAM_NOT_UNANIMOUS",
            Self::BadProofLength { .. } => "STREAM_BAD_PROOF_LENGTH",
            Self::BaseNotUnanimous { .. } => "STREAM_BASE_NOT_UNANIMOUS",
            Self::BaseIsPrefund => "STREAM_BASE_IS_PREFUND",
            Self::BaseIsFinal => "STREAM_BASE_IS_FINAL",
            Self::NotSignedByPayee { .. } => "STREAM_NOT_SIGNED_BY_PAYEE",
            Self::RedemptionIsFinal => "STREAM_REDEMPTION_IS_FINAL",
            Self::WrongChannel { .. } => "STREAM_WRONG_CHANNEL",
            Self::WrongBaseTurn { .. } => "STREAM_WRONG_BASE_TURN",
            Self::ZeroSerial => "STREAM_ZERO_SERIAL",
            Self::Claim(error) => error.code(),
            Self::WrongTurn { .. } => "STREAM_WRONG_TURN",
            Self::OutcomeShape => "STREAM_OUTCOME_SHAPE",
            Self::AssetChanged => "STREAM_ASSET_CHANGED",
            Self::AllocationChanged { .. } => "STREAM_ALLOCATION_CHANGED",
            Self::InsufficientBalance { .. } => "STREAM_INSUFFICIENT_BALANCE",
            Self::WrongAmounts { .. } => "STREAM_WRONG_AMOUNTS",
            Self::Overflow => "STREAM_OVERFLOW",
        }
    }
}

/// Says whether `StreamApp` supports `candidate`, as `StreamApp.stateIsSupported` does.
///
/// Without proof, a state signed by everyone is supported at any turn. With one state as proof (the base), the
/// candidate is a redemption: signed by the payee, with a [`Claim`] as `appData`.
///
/// # Errors
///
/// [`StreamAppError`] for the first rule that is broken.
pub fn state_is_supported(
    domain: &VoucherDomain,
    fixed: &FixedPart,
    proof: &[RecoveredVariablePart],
    candidate: &RecoveredVariablePart,
) -> Result<(), StreamAppError> {
    let participants = fixed.participants.len();
    // A mask of `participants` low bits; the adjudicator admits at most 255 participants.
    let everyone = U256::ONE.wrapping_shl(participants).wrapping_sub(U256::ONE);
    let base = match proof {
        [] if candidate.signed_by == everyone => return Ok(()),
        [] => {
            return Err(StreamAppError::NotUnanimous { signed_by: candidate.signed_by });
        }
        [base] => base,
        _ => {
            return Err(StreamAppError::BadProofLength { length: proof.len() });
        }
    };
    if base.signed_by != everyone {
        return Err(StreamAppError::BaseNotUnanimous { signed_by: base.signed_by });
    }
    let (base, state) = (&base.variable_part, &candidate.variable_part);
    if base.turn_num == 0 {
        return Err(StreamAppError::BaseIsPrefund);
    }
    if base.is_final {
        return Err(StreamAppError::BaseIsFinal);
    }
    if !candidate.signed_by.bit(participants.wrapping_sub(1)) {
        return Err(StreamAppError::NotSignedByPayee { signed_by: candidate.signed_by });
    }
    if state.is_final {
        return Err(StreamAppError::RedemptionIsFinal);
    }

    let claim = Claim::from_app_data(&state.app_data)?;
    let voucher = &claim.voucher;
    let channel_id = fixed.channel_id();
    if voucher.channel_id != channel_id {
        return Err(StreamAppError::WrongChannel { expected: channel_id, actual: voucher.channel_id });
    }
    if voucher.base_turn != base.turn_num {
        return Err(StreamAppError::WrongBaseTurn { expected: base.turn_num, actual: voucher.base_turn });
    }
    if voucher.serial == 0 {
        return Err(StreamAppError::ZeroSerial);
    }
    claim.verify_ticks()?;
    if state.turn_num != claim.turn() {
        return Err(StreamAppError::WrongTurn { expected: claim.turn(), actual: state.turn_num });
    }
    claim.verify_signature(domain, fixed.participants.first().copied().unwrap_or_default())?;
    check_outcome(&base.outcome, &state.outcome, claim.claimed())
}

/// Checks that `outcome` is `base` with `claimed` moved from the second allocation (the payer's) to the first (the
/// payee's).
fn check_outcome(base: &[SingleAssetExit], outcome: &[SingleAssetExit], claimed: U256) -> Result<(), StreamAppError> {
    let ([base], [exit]) = (base, outcome) else {
        return Err(StreamAppError::OutcomeShape);
    };
    let ([base_payee, base_payer], [payee, payer]) = (base.allocations.as_slice(), exit.allocations.as_slice()) else {
        return Err(StreamAppError::OutcomeShape);
    };
    if exit.asset != base.asset
        || exit.asset_type != base.asset_type
        || exit.asset_type != AssetType::Default
        || exit.asset_metadata != base.asset_metadata
    {
        return Err(StreamAppError::AssetChanged);
    }
    for (index, (before, after)) in [(base_payee, payee), (base_payer, payer)].into_iter().enumerate() {
        if after.destination != before.destination
            || after.allocation_type != before.allocation_type
            || after.metadata != before.metadata
        {
            return Err(StreamAppError::AllocationChanged { index });
        }
    }
    let available = base_payer.amount;
    let Some(expected_payer) = available.checked_sub(claimed) else {
        return Err(StreamAppError::InsufficientBalance { claimed, available });
    };
    let expected_payee = base_payee.amount.checked_add(claimed).ok_or(StreamAppError::Overflow)?;
    if payee.amount != expected_payee || payer.amount != expected_payer {
        return Err(StreamAppError::WrongAmounts { expected_payee, expected_payer });
    }
    Ok(())
}
