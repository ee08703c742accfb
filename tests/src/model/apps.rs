//! The app contracts: which states `StreamApp` and `ConsensusApp` support.

use super::Revert;
use super::abi::{FixedPart, StreamApp, VariablePart};
use super::frame::Frame;
use super::revert::require;
use alloy_primitives::aliases::U48;
use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::SolError;
use millstream_core::nitro::{self, AllocationType, AssetType, RecoveredVariablePart};
use millstream_core::payment::stream_app;
use millstream_core::payment::{ClaimError, StreamAppError, VoucherDomain};

/// A state and its signers, as the adjudicator shows it to an app contract.
#[derive(Debug)]
pub(super) struct Recovered<'a> {
    pub(super) part: &'a VariablePart,
    /// The state's hash.
    pub(super) hash: B256,
    /// Bit `i` is set if `participants[i]` signed.
    pub(super) signed_by: U256,
}

/// What `stateIsSupported` of the channel's app contract says; both of them revert rather than return `false`.
pub(super) fn state_is_supported(
    frame: &mut Frame<'_>,
    channel_id: B256,
    fixed: &FixedPart,
    proof: &[Recovered<'_>],
    candidate: &Recovered<'_>,
) -> Result<(), Revert> {
    let contracts = frame.contracts;
    if fixed.appDefinition == contracts.consensus_app {
        require(proof.is_empty(), "|proof|!=0")?;
        return require(candidate.signed_by.count_ones() == fixed.participants.len(), "!unanimous");
    }
    if fixed.appDefinition != contracts.stream_app {
        return Err(Revert::silent()); // nothing answers there
    }
    // The hashes commit to every field of the states, the channel's id to those of the fixed part.
    let mut key = vec![(channel_id, U256::ZERO)];
    key.extend(proof.iter().chain([candidate]).map(|state| (state.hash, state.signed_by)));
    let answer = || {
        let domain = VoucherDomain::new(contracts.chain_id, contracts.stream_app);
        let fixed = nitro::FixedPart {
            participants: fixed.participants.clone(),
            channel_nonce: fixed.channelNonce,
            app_definition: fixed.appDefinition,
            challenge_duration: fixed.challengeDuration.to(),
        };
        let proof: Vec<_> = proof.iter().map(for_core).collect();
        stream_app::state_is_supported(&domain, &fixed, &proof, &for_core(candidate))
            .map_err(|error| stream_app_revert(&error))
    };
    frame.memory.verdicts.entry(key).or_insert_with(answer).clone()
}

/// The state in the core's types.
///
/// The contract takes any number for an allocation's type and only compares it between two states. The core knows three
/// types, so the number is compared as the first byte of the metadata.
fn for_core(state: &Recovered<'_>) -> RecoveredVariablePart {
    let allocation = |allocation: &super::abi::Allocation| nitro::Allocation {
        destination: allocation.destination,
        amount: allocation.amount,
        allocation_type: AllocationType::Simple,
        metadata: [&[allocation.allocationType], allocation.metadata.as_ref()].concat().into(),
    };
    let exit = |exit: &super::abi::SingleAssetExit| nitro::SingleAssetExit {
        asset: exit.asset,
        asset_type: AssetType::try_from(u8::from(exit.assetMetadata.assetType)).expect("the decoder checked the range"),
        asset_metadata: exit.assetMetadata.metadata.clone(),
        allocations: exit.allocations.iter().map(allocation).collect(),
    };
    RecoveredVariablePart {
        variable_part: nitro::VariablePart {
            outcome: state.part.outcome.iter().map(exit).collect(),
            app_data: state.part.appData.clone(),
            turn_num: state.part.turnNum.to(),
            is_final: state.part.isFinal,
        },
        signed_by: state.signed_by,
    }
}

/// The revert of `StreamApp` where the core's rules give `error`.
///
/// # Panics
///
/// If the core has an error that is not listed here.
pub fn stream_app_revert(error: &StreamAppError) -> Revert {
    use StreamApp::*;
    use StreamAppError as E;
    let uint48 = U48::from::<u64>;
    Revert(Bytes::from(match *error {
        E::NotUnanimous { signed_by } => NotUnanimous { signedBy: signed_by }.abi_encode(),
        E::BadProofLength { length } => BadProofLength { length: U256::from(length) }.abi_encode(),
        E::BaseNotUnanimous { signed_by } => BaseNotUnanimous { signedBy: signed_by }.abi_encode(),
        E::BaseIsPrefund => BaseIsPrefund {}.abi_encode(),
        E::BaseIsFinal => BaseIsFinal {}.abi_encode(),
        E::NotSignedByPayee { signed_by } => NotSignedByPayee { signedBy: signed_by }.abi_encode(),
        E::RedemptionIsFinal => RedemptionIsFinal {}.abi_encode(),
        E::WrongChannel { expected, actual } => WrongChannel { expected, actual }.abi_encode(),
        E::WrongBaseTurn { expected, actual } => {
            WrongBaseTurn { expected: uint48(expected), actual: uint48(actual) }.abi_encode()
        }
        E::ZeroSerial => ZeroSerial {}.abi_encode(),
        E::Claim(ClaimError::TooManyTicks { ticks, tick_limit }) => {
            TooManyTicks { ticks, tickLimit: tick_limit }.abi_encode()
        }
        E::Claim(ClaimError::WrongPreimage) => WrongPreimage {}.abi_encode(),
        E::Claim(ClaimError::InvalidSignature) => InvalidVoucherSignature {}.abi_encode(),
        E::Claim(ClaimError::WrongSigner { expected, actual }) => WrongVoucherSigner { expected, actual }.abi_encode(),
        E::Claim(ClaimError::Malformed) => return Revert::silent(),
        E::WrongTurn { expected, actual } => {
            WrongTurn { expected: U256::from(expected), actual: uint48(actual) }.abi_encode()
        }
        E::OutcomeShape => OutcomeShape {}.abi_encode(),
        E::AssetChanged => AssetChanged {}.abi_encode(),
        E::AllocationChanged { index } => AllocationChanged { index: U256::from(index) }.abi_encode(),
        E::InsufficientBalance { claimed, available } => InsufficientBalance { claimed, available }.abi_encode(),
        E::WrongAmounts { expected_payee, expected_payer } => {
            WrongAmounts { expectedPayee: expected_payee, expectedPayer: expected_payer }.abi_encode()
        }
        E::Overflow => return Revert::overflow(),
        ref other => panic!("an error that is not known here: {other:?}"),
    }))
}
