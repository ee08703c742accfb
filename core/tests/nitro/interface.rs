//! Calldata, views and events against the interface as the contracts declare it, `uint48` and all.

use crate::strategies::{address, amount, bytes, fixed_part, signature, signed_variable_part, uint48, word};
use alloy_primitives::{Address, B256, Bytes, FixedBytes, U256, aliases::U48};
use alloy_sol_types::{SolCall, SolEvent, SolValue, sol};
use millstream_core::crypto::{Signature, keccak256};
use millstream_core::nitro::{self, AdjudicatorEvent, ChannelStatus, ReclaimArgs, calls};
use proptest::collection::vec;
use proptest::prelude::*;

sol! {
    /// `@statechannels/nitro-protocol` 2.0.1-alpha.6: `INitroTypes`, `ExitFormat`, `IForceMove`, `IMultiAssetHolder`,
    /// `IStatusManager`, `INitroAdjudicator`; and `approve` of ERC-20.
    #[allow(missing_docs)]
    interface Adjudicator {
        struct Sig { uint8 v; bytes32 r; bytes32 s; }
        struct FixedPart { address[] participants; uint64 channelNonce; address appDefinition; uint48 challengeDuration; }
        struct Allocation { bytes32 destination; uint256 amount; uint8 allocationType; bytes metadata; }
        enum AssetType { Default, ERC721, ERC1155, Qualified }
        struct AssetMetadata { AssetType assetType; bytes metadata; }
        struct SingleAssetExit { address asset; AssetMetadata assetMetadata; Allocation[] allocations; }
        struct VariablePart { SingleAssetExit[] outcome; bytes appData; uint48 turnNum; bool isFinal; }
        struct SignedVariablePart { VariablePart variablePart; Sig[] sigs; }
        struct ReclaimArgs {
            bytes32 sourceChannelId; bytes32 sourceStateHash; bytes sourceOutcomeBytes; uint256 sourceAssetIndex;
            uint256 indexOfTargetInSource; bytes32 targetStateHash; bytes targetOutcomeBytes; uint256 targetAssetIndex;
        }

        function challenge(FixedPart fixedPart, SignedVariablePart[] proof, SignedVariablePart candidate, Sig challengerSig);
        function checkpoint(FixedPart fixedPart, SignedVariablePart[] proof, SignedVariablePart candidate);
        function conclude(FixedPart fixedPart, SignedVariablePart candidate);
        function concludeAndTransferAllAssets(FixedPart fixedPart, SignedVariablePart candidate);
        function transferAllAssets(bytes32 channelId, SingleAssetExit[] outcome, bytes32 stateHash);
        function reclaim(ReclaimArgs reclaimArgs);
        function deposit(address asset, bytes32 channelId, uint256 expectedHeld, uint256 amount) payable;
        function holdings(address asset, bytes32 channelId) view returns (uint256);
        function statusOf(bytes32 channelId) view returns (bytes32);
        function unpackStatus(bytes32 channelId) view returns (uint48 turnNumRecord, uint48 finalizesAt, uint160 fingerprint);
        function approve(address spender, uint256 amount) returns (bool);

        event Deposited(bytes32 indexed destination, address asset, uint256 destinationHoldings);
        event AllocationUpdated(bytes32 indexed channelId, uint256 assetIndex, uint256 initialHoldings, uint256 finalHoldings);
        event Reclaimed(bytes32 indexed channelId, uint256 assetIndex);
        event ChallengeRegistered(bytes32 indexed channelId, uint48 finalizesAt, SignedVariablePart[] proof, SignedVariablePart candidate);
        event ChallengeCleared(bytes32 indexed channelId, uint48 newTurnNumRecord);
        event Checkpointed(bytes32 indexed channelId, uint48 newTurnNumRecord);
        event Concluded(bytes32 indexed channelId, uint48 finalizesAt);
    }
}

use Adjudicator as Abi;

fn abi_signature(signature: &Signature) -> Abi::Sig {
    Abi::Sig { v: signature.v(), r: signature.r(), s: signature.s() }
}

fn abi_fixed(part: &nitro::FixedPart) -> Abi::FixedPart {
    Abi::FixedPart {
        participants: part.participants.clone(),
        channelNonce: part.channel_nonce,
        appDefinition: part.app_definition,
        challengeDuration: U48::from(part.challenge_duration),
    }
}

fn abi_outcome(outcome: &[nitro::SingleAssetExit]) -> Vec<Abi::SingleAssetExit> {
    let allocation = |a: &nitro::Allocation| Abi::Allocation {
        destination: a.destination,
        amount: a.amount,
        allocationType: match a.allocation_type {
            nitro::AllocationType::Simple => 0,
            nitro::AllocationType::WithdrawHelper => 1,
            nitro::AllocationType::Guarantee => 2,
        },
        metadata: a.metadata.clone(),
    };
    let asset_type = |t| match t {
        nitro::AssetType::Default => Abi::AssetType::Default,
        nitro::AssetType::Erc721 => Abi::AssetType::ERC721,
        nitro::AssetType::Erc1155 => Abi::AssetType::ERC1155,
        nitro::AssetType::Qualified => Abi::AssetType::Qualified,
    };
    outcome
        .iter()
        .map(|exit| Abi::SingleAssetExit {
            asset: exit.asset,
            assetMetadata: Abi::AssetMetadata {
                assetType: asset_type(exit.asset_type),
                metadata: exit.asset_metadata.clone(),
            },
            allocations: exit.allocations.iter().map(allocation).collect(),
        })
        .collect()
}

fn abi_signed(signed: &nitro::SignedVariablePart) -> Abi::SignedVariablePart {
    let part = &signed.variable_part;
    Abi::SignedVariablePart {
        variablePart: Abi::VariablePart {
            outcome: abi_outcome(&part.outcome),
            appData: part.app_data.clone(),
            turnNum: U48::from(part.turn_num),
            isFinal: part.is_final,
        },
        sigs: signed.signatures.iter().map(abi_signature).collect(),
    }
}

fn abi_proof(proof: &[nitro::SignedVariablePart]) -> Vec<Abi::SignedVariablePart> {
    proof.iter().map(abi_signed).collect()
}

/// The first four bytes of what a call encodes to, against the values computed from the published ABI.
#[test]
fn selectors_are_the_published_ones() {
    let fixed = nitro::FixedPart {
        participants: vec![],
        channel_nonce: 0,
        app_definition: Address::ZERO,
        challenge_duration: 0,
    };
    let state = nitro::SignedVariablePart {
        variable_part: nitro::VariablePart { outcome: vec![], app_data: Bytes::new(), turn_num: 0, is_final: false },
        signatures: vec![],
    };
    let signature = Signature::from_chain(B256::with_last_byte(1), B256::with_last_byte(1), 27).unwrap();
    let reclaim = ReclaimArgs {
        source_channel_id: B256::ZERO,
        source_state_hash: B256::ZERO,
        source_outcome_bytes: Bytes::new(),
        source_asset_index: 0,
        index_of_target_in_source: 0,
        target_state_hash: B256::ZERO,
        target_outcome_bytes: Bytes::new(),
        target_asset_index: 0,
    };
    for (calldata, selector) in [
        (calls::challenge(&fixed, &[], &state, &signature), 0x8286_a060_u32),
        (calls::checkpoint(&fixed, &[], &state), 0x6d2a_9c92),
        (calls::conclude(&fixed, &state), 0xee04_9b50),
        (calls::conclude_and_transfer_all_assets(&fixed, &state), 0xec34_6235),
        (calls::transfer_all_assets(B256::ZERO, &[], B256::ZERO), 0x31af_a0b4),
        (calls::reclaim(&reclaim), 0xd3c4_e738),
        (calls::deposit(Address::ZERO, B256::ZERO, U256::ZERO, U256::ZERO), 0x2fb1_d270),
        (calls::holdings(Address::ZERO, B256::ZERO), 0x166e_56cd),
        (calls::status_of(B256::ZERO), 0xc7df_14e2),
        (calls::unpack_status(B256::ZERO), 0x552c_fa50),
        (calls::approve(Address::ZERO, U256::ZERO), 0x095e_a7b3),
    ] {
        assert_eq!(calldata[..4], selector.to_be_bytes(), "{selector:08x}");
    }
}

/// Topics by hashing the signatures that the contracts declare.
#[test]
fn topics_are_the_hashes_of_the_declared_signatures() {
    const STATE: &str =
        "(((address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[],bytes,uint48,bool),(uint8,bytes32,bytes32)[])";
    let word = [0; 32];
    let challenge = Abi::ChallengeRegistered {
        channelId: B256::ZERO,
        finalizesAt: U48::ZERO,
        proof: vec![],
        candidate: Abi::SignedVariablePart {
            variablePart: Abi::VariablePart {
                outcome: vec![],
                appData: Bytes::new(),
                turnNum: U48::ZERO,
                isFinal: false,
            },
            sigs: vec![],
        },
    }
    .encode_data();
    for (signature, data, prefix) in [
        ("Deposited(bytes32,address,uint256)", word.repeat(2), 0x87d4_c0b5_e30d_6808_u64),
        ("AllocationUpdated(bytes32,uint256,uint256,uint256)", word.repeat(3), 0xc36d_a205_4c56_69d6),
        ("Reclaimed(bytes32,uint256)", word.to_vec(), 0x4d37_5463_2451_ebba),
        (&format!("ChallengeRegistered(bytes32,uint48,{STATE}[],{STATE})"), challenge, 0x0aa1_2461_ee6c_1373),
        ("ChallengeCleared(bytes32,uint48)", word.to_vec(), 0x07da_0a06_74fb_921e),
        ("Checkpointed(bytes32,uint48)", word.to_vec(), 0xf3f2_d557_4c50_e581),
        ("Concluded(bytes32,uint48)", word.to_vec(), 0x4f46_5027_a3d0_6ea7),
    ] {
        let topic = keccak256(signature);
        assert_eq!(topic[..8], prefix.to_be_bytes(), "{signature}");
        let event = AdjudicatorEvent::decode(&[topic, B256::repeat_byte(7)], &data)
            .unwrap_or_else(|error| panic!("{signature}: {error}"));
        assert_eq!(event.channel_id(), B256::repeat_byte(7), "{signature}");
    }
}

proptest! {
    #[test]
    fn calldata_of_states_is_that_of_the_interface(
        fixed in fixed_part(),
        proof in vec(signed_variable_part(), 0..3),
        candidate in signed_variable_part(),
        challenger in signature(),
        (id, hash) in (word(), word()),
    ) {
        let (fixed_part, abi_candidate) = (abi_fixed(&fixed), abi_signed(&candidate));
        let expected = Abi::challengeCall {
            fixedPart: fixed_part.clone(),
            proof: abi_proof(&proof),
            candidate: abi_candidate.clone(),
            challengerSig: abi_signature(&challenger),
        };
        prop_assert_eq!(calls::challenge(&fixed, &proof, &candidate, &challenger), expected.abi_encode());
        let expected = Abi::checkpointCall {
            fixedPart: fixed_part.clone(),
            proof: abi_proof(&proof),
            candidate: abi_candidate.clone(),
        };
        prop_assert_eq!(calls::checkpoint(&fixed, &proof, &candidate), expected.abi_encode());
        let expected = Abi::concludeCall { fixedPart: fixed_part.clone(), candidate: abi_candidate.clone() };
        prop_assert_eq!(calls::conclude(&fixed, &candidate), expected.abi_encode());
        let expected =
            Abi::concludeAndTransferAllAssetsCall { fixedPart: fixed_part, candidate: abi_candidate };
        prop_assert_eq!(
            calls::conclude_and_transfer_all_assets(&fixed, &candidate),
            expected.abi_encode()
        );
        let outcome = &candidate.variable_part.outcome;
        let expected = Abi::transferAllAssetsCall {
            channelId: id,
            outcome: abi_outcome(outcome),
            stateHash: hash,
        };
        prop_assert_eq!(calls::transfer_all_assets(id, outcome, hash), expected.abi_encode());
    }

    #[test]
    fn calldata_of_plain_arguments_is_that_of_the_interface(
        (asset, id) in (address(), word()),
        (held, amount) in (amount(), amount()),
        (source_hash, target_hash) in (word(), word()),
        (source, target) in (bytes(), bytes()),
        indices in any::<[u64; 3]>(),
    ) {
        let expected = Abi::depositCall { asset, channelId: id, expectedHeld: held, amount };
        prop_assert_eq!(calls::deposit(asset, id, held, amount), expected.abi_encode());
        let expected = Abi::approveCall { spender: asset, amount };
        prop_assert_eq!(calls::approve(asset, amount), expected.abi_encode());
        let expected = Abi::holdingsCall { asset, channelId: id };
        prop_assert_eq!(calls::holdings(asset, id), expected.abi_encode());
        prop_assert_eq!(calls::status_of(id), Abi::statusOfCall { channelId: id }.abi_encode());
        prop_assert_eq!(calls::unpack_status(id), Abi::unpackStatusCall { channelId: id }.abi_encode());

        let args = ReclaimArgs {
            source_channel_id: id,
            source_state_hash: source_hash,
            source_outcome_bytes: source.clone(),
            source_asset_index: indices[0],
            index_of_target_in_source: indices[1],
            target_state_hash: target_hash,
            target_outcome_bytes: target.clone(),
            target_asset_index: indices[2],
        };
        let expected = Abi::reclaimCall {
            reclaimArgs: Abi::ReclaimArgs {
                sourceChannelId: id,
                sourceStateHash: source_hash,
                sourceOutcomeBytes: source,
                sourceAssetIndex: U256::from(indices[0]),
                indexOfTargetInSource: U256::from(indices[1]),
                targetStateHash: target_hash,
                targetOutcomeBytes: target,
                targetAssetIndex: U256::from(indices[2]),
            },
        };
        prop_assert_eq!(calls::reclaim(&args), expected.abi_encode());
    }

    #[test]
    fn events_are_read_back(
        (id, asset) in (word(), address()),
        (a, b, c) in (amount(), amount(), amount()),
        time in uint48(),
        proof in vec(signed_variable_part(), 0..2),
        candidate in signed_variable_part(),
    ) {
        let at = U48::from(time);
        let challenge = Abi::ChallengeRegistered {
            channelId: id,
            finalizesAt: at,
            proof: abi_proof(&proof),
            candidate: abi_signed(&candidate),
        };
        let logs = [
            Abi::Deposited { destination: id, asset, destinationHoldings: a }.encode_log_data(),
            Abi::AllocationUpdated { channelId: id, assetIndex: a, initialHoldings: b, finalHoldings: c }
                .encode_log_data(),
            Abi::Reclaimed { channelId: id, assetIndex: a }.encode_log_data(),
            challenge.encode_log_data(),
            Abi::ChallengeCleared { channelId: id, newTurnNumRecord: at }.encode_log_data(),
            Abi::Checkpointed { channelId: id, newTurnNumRecord: at }.encode_log_data(),
            Abi::Concluded { channelId: id, finalizesAt: at }.encode_log_data(),
        ];
        let channel_id = id;
        let expected = [
            AdjudicatorEvent::Deposited { channel_id, asset, holdings: a },
            AdjudicatorEvent::AllocationUpdated {
                channel_id,
                asset_index: a,
                initial_holdings: b,
                final_holdings: c,
            },
            AdjudicatorEvent::Reclaimed { channel_id, asset_index: a },
            AdjudicatorEvent::ChallengeRegistered { channel_id, finalizes_at: time, proof, candidate },
            AdjudicatorEvent::ChallengeCleared { channel_id, new_turn_num_record: time },
            AdjudicatorEvent::Checkpointed { channel_id, new_turn_num_record: time },
            AdjudicatorEvent::Concluded { channel_id, finalizes_at: time },
        ];
        for (log, expected) in logs.iter().zip(expected) {
            let event = AdjudicatorEvent::decode(log.topics(), &log.data);
            prop_assert_eq!(event, Ok(expected));
        }
    }

    #[test]
    fn answers_of_views_are_read_back(
        held in amount(),
        (turn, time) in (uint48(), uint48()),
        fingerprint in any::<[u8; 20]>(),
    ) {
        prop_assert_eq!(calls::decode_holdings(&held.abi_encode()), Ok(held));

        let status = ChannelStatus {
            turn_num_record: turn,
            finalizes_at: time,
            fingerprint: FixedBytes(fingerprint),
        };
        // uint48 ‖ uint48 ‖ uint160, packed into one word.
        let word = [&turn.to_be_bytes()[2..], &time.to_be_bytes()[2..], &fingerprint].concat();
        prop_assert_eq!(calls::decode_status_of(&word), Ok(status));
        let words = [
            [&[0; 24][..], &turn.to_be_bytes()].concat(),
            [&[0; 24][..], &time.to_be_bytes()].concat(),
            [&[0; 12][..], &fingerprint].concat(),
        ];
        prop_assert_eq!(calls::decode_unpack_status(&words.concat()), Ok(status));
    }
}
