//! `StreamApp` in Solidity and in Rust give the same answer to the same states, errors and their data included.
//!
//! The contract runs as real bytecode. Each case starts from a valid redemption or co-signed state and, three times in
//! four, breaks it in one or two of the ways below. A case is named by its number, so a failure can be run again.

mod cases;
#[path = "../evm/mod.rs"]
mod evm;

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::{SolCall, SolError, sol};
use millstream_core::nitro::{self, RecoveredVariablePart};
use millstream_core::payment::stream_app::state_is_supported;
use millstream_core::payment::{ClaimError, StreamAppError};

use crate::cases::Case;
use crate::evm::{CHAIN_ID, TestChain};

const CASES: u64 = 3_000;

sol! {
    struct FixedPart { address[] participants; uint64 channelNonce; address appDefinition; uint48 challengeDuration; }
    struct AssetMetadata { uint8 assetType; bytes metadata; }
    struct Allocation { bytes32 destination; uint256 amount; uint8 allocationType; bytes metadata; }
    struct SingleAssetExit { address asset; AssetMetadata assetMetadata; Allocation[] allocations; }
    struct VariablePart { SingleAssetExit[] outcome; bytes appData; uint48 turnNum; bool isFinal; }
    struct Recovered { VariablePart variablePart; uint256 signedBy; }

    function stateIsSupported(FixedPart fixedPart, Recovered[] proof, Recovered candidate)
        external view returns (bool, string);

    error NotUnanimous(uint256 signedBy);
    error BadProofLength(uint256 length);
    error BaseNotUnanimous(uint256 signedBy);
    error BaseIsPrefund();
    error BaseIsFinal();
    error NotSignedByPayee(uint256 signedBy);
    error RedemptionIsFinal();
    error WrongChannel(bytes32 expected, bytes32 actual);
    error WrongBaseTurn(uint48 expected, uint48 actual);
    error ZeroSerial();
    error TooManyTicks(uint8 ticks, uint8 tickLimit);
    error WrongPreimage();
    error WrongTurn(uint256 expected, uint48 actual);
    error InvalidVoucherSignature();
    error WrongVoucherSigner(address expected, address actual);
    error OutcomeShape();
    error AssetChanged();
    error AllocationChanged(uint256 index);
    error InsufficientBalance(uint256 claimed, uint256 available);
    error WrongAmounts(uint256 expectedPayee, uint256 expectedPayer);
    error Panic(uint256 code);
}

fn uint48(value: u64) -> alloy_primitives::aliases::U48 {
    alloy_primitives::aliases::U48::from(value)
}

/// The revert data that the contract must give where Rust gives `error`.
fn revert_of(error: &StreamAppError) -> Bytes {
    use StreamAppError as E;
    match *error {
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
        E::Claim(ClaimError::Malformed) => Vec::new(),
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
        E::Overflow => Panic { code: U256::from(0x11) }.abi_encode(),
        ref other => panic!("an error that this test does not know: {other:?}"),
    }
    .into()
}

fn recovered(part: &RecoveredVariablePart) -> Recovered {
    let exit = |exit: &nitro::SingleAssetExit| SingleAssetExit {
        asset: exit.asset,
        assetMetadata: AssetMetadata { assetType: exit.asset_type as u8, metadata: exit.asset_metadata.clone() },
        allocations: exit
            .allocations
            .iter()
            .map(|allocation| Allocation {
                destination: allocation.destination,
                amount: allocation.amount,
                allocationType: allocation.allocation_type as u8,
                metadata: allocation.metadata.clone(),
            })
            .collect(),
    };
    Recovered {
        variablePart: VariablePart {
            outcome: part.variable_part.outcome.iter().map(exit).collect(),
            appData: part.variable_part.app_data.clone(),
            turnNum: uint48(part.variable_part.turn_num),
            isFinal: part.variable_part.is_final,
        },
        signedBy: part.signed_by,
    }
}

#[test]
fn contract_and_rust_agree_on_random_claims() {
    let mut chain = TestChain::new();
    let domain = chain.contracts().voucher_domain();
    let mut accepted = 0u32;
    let mut refused = std::collections::BTreeMap::<&str, u32>::new();
    for number in 0..CASES {
        let Case { fixed, proof, candidate, broken } = Case::generate(number, CHAIN_ID, chain.stream_app);
        let call = stateIsSupportedCall {
            fixedPart: FixedPart {
                participants: fixed.participants.clone(),
                channelNonce: fixed.channel_nonce,
                appDefinition: fixed.app_definition,
                challengeDuration: uint48(fixed.challenge_duration),
            },
            proof: proof.iter().map(recovered).collect(),
            candidate: recovered(&candidate),
        };
        let answer = chain.call(chain.stream_app, call.abi_encode().into());
        match (answer, state_is_supported(&domain, &fixed, &proof, &candidate)) {
            (Ok(output), Ok(())) => {
                let decoded = stateIsSupportedCall::abi_decode_returns(&output).expect("(bool, string)");
                assert!(decoded._0, "case {number}");
                assert!(broken.is_empty(), "case {number} is broken ({broken:?}) and was accepted");
                accepted += 1;
            }
            (Err(revert), Err(error)) => {
                assert_eq!(revert.0, revert_of(&error), "case {number} {broken:?}: Rust says {error:?}");
                assert!(!broken.is_empty(), "case {number} is valid and was refused: {error:?}");
                *refused.entry(error.code()).or_default() += 1;
            }
            (answer, error) => {
                panic!("case {number} {broken:?}: contract {answer:?}, Rust {error:?}")
            }
        }
    }
    println!("{accepted} accepted, refused {refused:#?}");
    assert!(accepted > 500, "too few valid cases: {accepted}");
    assert_eq!(refused.len(), 22, "some kind of invalid claim never came up: {:?}", refused.keys());
}
