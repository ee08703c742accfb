//! `AdjudicatorEvent::decode`. The first byte says how many topics follow, the rest is data.
#![no_main]

use alloy_sol_types::{SolValue, sol};
use libfuzzer_sys::fuzz_target;
use millstream_core::B256;
use millstream_core::nitro::{self, AdjudicatorEvent, DecodeError, MAX_EVENT_BYTES, MAX_UINT48};
use millstream_fuzz::{above_limit, bounded};

sol! {
    struct Sig { uint8 v; bytes32 r; bytes32 s; }
    struct Allocation { bytes32 destination; uint256 amount; uint8 allocationType; bytes metadata; }
    struct AssetMetadata { uint8 assetType; bytes metadata; }
    struct SingleAssetExit { address asset; AssetMetadata assetMetadata; Allocation[] allocations; }
    struct VariablePart { SingleAssetExit[] outcome; bytes appData; uint64 turnNum; bool isFinal; }
    struct SignedVariablePart { VariablePart variablePart; Sig[] sigs; }
}

fn allocation(it: &nitro::Allocation) -> Allocation {
    let nitro::Allocation { destination, amount, allocation_type, metadata } = it.clone();
    Allocation { destination, amount, allocationType: allocation_type as u8, metadata }
}

fn exit(it: &nitro::SingleAssetExit) -> SingleAssetExit {
    SingleAssetExit {
        asset: it.asset,
        assetMetadata: AssetMetadata { assetType: it.asset_type as u8, metadata: it.asset_metadata.clone() },
        allocations: it.allocations.iter().map(allocation).collect(),
    }
}

fn signed(it: &nitro::SignedVariablePart) -> SignedVariablePart {
    let part = &it.variable_part;
    assert!(part.turn_num <= MAX_UINT48);
    SignedVariablePart {
        variablePart: VariablePart {
            outcome: part.outcome.iter().map(exit).collect(),
            appData: part.app_data.clone(),
            turnNum: part.turn_num,
            isFinal: part.is_final,
        },
        sigs: it.signatures.iter().map(|it| Sig { v: it.v(), r: it.r(), s: it.s() }).collect(),
    }
}

/// The data of the log that reports `event`: what its contract encodes, the indexed channel left out.
fn encode(event: &AdjudicatorEvent) -> Vec<u8> {
    use AdjudicatorEvent as E;
    match event {
        E::Deposited { asset, holdings, .. } => (*asset, *holdings).abi_encode_params(),
        E::AllocationUpdated { asset_index, initial_holdings, final_holdings, .. } => {
            (*asset_index, *initial_holdings, *final_holdings).abi_encode_params()
        }
        E::Reclaimed { asset_index, .. } => asset_index.abi_encode(),
        E::ChallengeRegistered { finalizes_at, proof, candidate, .. } => {
            let proof: Vec<_> = proof.iter().map(signed).collect();
            (*finalizes_at, proof, signed(candidate)).abi_encode_params()
        }
        E::ChallengeCleared { new_turn_num_record: number, .. }
        | E::Checkpointed { new_turn_num_record: number, .. }
        | E::Concluded { finalizes_at: number, .. } => {
            assert!(*number <= MAX_UINT48);
            number.abi_encode()
        }
        other => panic!("an event without an encoding here: {other:?}"),
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((count, rest)) = input.split_first() else { return };
    let (head, data) = rest.split_at(rest.len().min(usize::from(*count) * 32));
    let topics: Vec<B256> = head.chunks_exact(32).map(B256::from_slice).collect();

    let event = match bounded(data, |data| AdjudicatorEvent::decode(&topics, data)) {
        Ok(event) => event,
        Err(error) => return assert!(!error.code().is_empty() && !error.to_string().is_empty()),
    };
    assert_eq!([event.channel_id()], topics[1..]);
    let refused = above_limit(MAX_EVENT_BYTES, data, |data| AdjudicatorEvent::decode(&topics, data));
    assert_eq!(refused, Err(DecodeError::TooLarge { length: MAX_EVENT_BYTES + 1, limit: MAX_EVENT_BYTES }));

    let encoded = encode(&event);
    if let AdjudicatorEvent::ChallengeRegistered { .. } = event {
        // Signatures with a high s come back as their low twins, all else as it was.
        assert_eq!(encoded.len(), data.len());
        assert_eq!(AdjudicatorEvent::decode(&topics, &encoded), Ok(event));
    } else {
        assert_eq!(encoded, data, "what is accepted is what Solidity writes");
    }
});
