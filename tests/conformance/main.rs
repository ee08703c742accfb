//! `StreamApp` in Solidity and in Rust give the same answer to the same states, errors and their data included.
//!
//! The contract runs as real bytecode. Each case starts from a valid redemption or co-signed state and, three times in
//! four, breaks it in one or two of the ways below. A case is named by its number, so a failure can be run again.

mod cases;
#[path = "../evm/mod.rs"]
mod evm;

use alloy_sol_types::{SolCall, sol};
use millstream_core::nitro::{self, AllocationType, RecoveredVariablePart};
use millstream_core::payment::stream_app::state_is_supported;
use millstream_tests::model::stream_app_revert;

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
}

fn uint48(value: u64) -> alloy_primitives::aliases::U48 {
    alloy_primitives::aliases::U48::from(value)
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
    let mut guaranteed = std::collections::BTreeMap::<usize, u32>::new(); // valid redemptions, by participants
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
                let allocations = &candidate.variable_part.outcome[0].allocations;
                if !proof.is_empty() && allocations.iter().all(|a| a.allocation_type == AllocationType::Guarantee) {
                    *guaranteed.entry(fixed.participants.len()).or_default() += 1;
                }
            }
            (Err(revert), Err(error)) => {
                assert_eq!(revert, stream_app_revert(&error), "case {number} {broken:?}: Rust says {error:?}");
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
    println!("redemptions of type 2 by participants: {guaranteed:?}");
    for participants in 2..=5 {
        assert!(guaranteed.get(&participants).is_some_and(|&count| count > 40), "too few: {guaranteed:?}");
    }
    assert_eq!(refused.len(), 22, "some kind of invalid claim never came up: {:?}", refused.keys());
}
