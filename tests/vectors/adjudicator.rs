//! Calldata, logs and status words against ethers and the published package (`adjudicator.json`).

use alloy_primitives::{FixedBytes, hex};
use millstream_core::crypto::Signature;
use millstream_core::nitro::{
    AdjudicatorEvent, ChannelStatus, FixedPart, ReclaimArgs, SignedVariablePart, calls, recover_variable_part,
};
use millstream_core::{Address, B256, Bytes, U256};
use millstream_tests::vectors::parse_state;
use serde_json::Value;

struct Vectors {
    adjudicator: Value,
    nitro: Value,
    edges: Value,
}

fn vectors() -> Vectors {
    let parse = |text| serde_json::from_str(text).unwrap();
    Vectors {
        adjudicator: parse(include_str!("adjudicator.json")),
        nitro: parse(include_str!("nitro.json")),
        edges: parse(include_str!("edges.json")),
    }
}

impl Vectors {
    fn section(&self, name: &str) -> &[Value] {
        self.adjudicator[name].as_array().unwrap()
    }

    /// The state at `["nitro", 3]`, with all its signatures.
    fn state(&self, at: &Value) -> (FixedPart, SignedVariablePart) {
        let file = if at[0] == "nitro" { &self.nitro } else { &self.edges };
        let case = &file["states"][usize::try_from(at[1].as_u64().unwrap()).unwrap()];
        let (fixed, variable_part) = parse_state(&case["state"]).unwrap();
        let sigs = case["sigs"].as_array().unwrap().iter();
        let signatures = sigs.map(|sig| signature(sig, "sig")).collect();
        (fixed, SignedVariablePart { variable_part, signatures })
    }

    fn proof(&self, case: &Value) -> Vec<SignedVariablePart> {
        case["proof"].as_array().unwrap().iter().map(|at| self.state(at).1).collect()
    }
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_else(|| panic!("{name} in {case}"))
}

fn bytes(case: &Value, name: &str) -> Bytes {
    hex::decode(text(case, name)).unwrap().into()
}

fn word(case: &Value, name: &str) -> B256 {
    B256::from_slice(&bytes(case, name))
}

fn address(case: &Value, name: &str) -> Address {
    Address::from_slice(&bytes(case, name))
}

fn amount(case: &Value, name: &str) -> U256 {
    text(case, name).parse().unwrap()
}

fn number(case: &Value, name: &str) -> u64 {
    case[name].as_u64().unwrap_or_else(|| panic!("{name} in {case}"))
}

fn signature(case: &Value, name: &str) -> Signature {
    Signature::from_bytes(&bytes(case, name)).unwrap()
}

#[test]
fn calldata_is_that_of_ethers() {
    let vectors = vectors();
    let mut seen = std::collections::BTreeSet::new();
    for case in vectors.section("calls") {
        let at_candidate = || vectors.state(&case["candidate"]);
        let name = text(case, "name");
        let data = match name {
            "challenge" => {
                let (fixed, candidate) = at_candidate();
                let challenger = signature(case, "challengerSig");
                calls::challenge(&fixed, &vectors.proof(case), &candidate, &challenger)
            }
            "checkpoint" => {
                let (fixed, candidate) = at_candidate();
                calls::checkpoint(&fixed, &vectors.proof(case), &candidate)
            }
            "conclude" => {
                let (fixed, candidate) = at_candidate();
                calls::conclude(&fixed, &candidate)
            }
            "concludeAndTransferAllAssets" => {
                let (fixed, candidate) = at_candidate();
                calls::conclude_and_transfer_all_assets(&fixed, &candidate)
            }
            "transferAllAssets" => {
                let (fixed, candidate) = at_candidate();
                let outcome = &candidate.variable_part.outcome;
                calls::transfer_all_assets(fixed.channel_id(), outcome, word(case, "stateHash"))
            }
            "deposit" => {
                let (held, sum) = (amount(case, "expectedHeld"), amount(case, "amount"));
                calls::deposit(address(case, "asset"), word(case, "channelId"), held, sum)
            }
            "holdings" => calls::holdings(address(case, "asset"), word(case, "channelId")),
            "statusOf" => calls::status_of(word(case, "channelId")),
            "unpackStatus" => calls::unpack_status(word(case, "channelId")),
            "approve" => calls::approve(address(case, "spender"), amount(case, "amount")),
            "reclaim" => calls::reclaim(&ReclaimArgs {
                source_channel_id: word(case, "sourceChannelId"),
                source_state_hash: word(case, "sourceStateHash"),
                source_outcome_bytes: bytes(case, "sourceOutcomeBytes"),
                source_asset_index: number(case, "sourceAssetIndex"),
                index_of_target_in_source: number(case, "indexOfTargetInSource"),
                target_state_hash: word(case, "targetStateHash"),
                target_outcome_bytes: bytes(case, "targetOutcomeBytes"),
                target_asset_index: number(case, "targetAssetIndex"),
            }),
            other => panic!("unknown call {other}"),
        };
        assert_eq!(data, bytes(case, "data"), "{name}");
        if let Some(selector) = vectors.adjudicator["functions"].get(name) {
            assert_eq!(hex::encode_prefixed(&data[..4]), *selector, "{name}");
        }
        seen.insert(name.to_owned());
    }
    assert_eq!(seen.len(), 11, "{seen:?}");
}

#[test]
fn logs_are_read_as_ethers_wrote_them() {
    let vectors = vectors();
    let mut seen = std::collections::BTreeSet::new();
    for case in vectors.section("logs") {
        let channel_id = word(case, "channelId");
        let name = text(case, "name");
        let expected = match name {
            "Deposited" => AdjudicatorEvent::Deposited {
                channel_id,
                asset: address(case, "asset"),
                holdings: amount(case, "holdings"),
            },
            "AllocationUpdated" => AdjudicatorEvent::AllocationUpdated {
                channel_id,
                asset_index: amount(case, "assetIndex"),
                initial_holdings: amount(case, "initialHoldings"),
                final_holdings: amount(case, "finalHoldings"),
            },
            "Reclaimed" => AdjudicatorEvent::Reclaimed { channel_id, asset_index: amount(case, "assetIndex") },
            "ChallengeCleared" => {
                AdjudicatorEvent::ChallengeCleared { channel_id, new_turn_num_record: number(case, "turnNum") }
            }
            "Checkpointed" => {
                AdjudicatorEvent::Checkpointed { channel_id, new_turn_num_record: number(case, "turnNum") }
            }
            "Concluded" => AdjudicatorEvent::Concluded { channel_id, finalizes_at: number(case, "finalizesAt") },
            "ChallengeRegistered" => AdjudicatorEvent::ChallengeRegistered {
                channel_id,
                finalizes_at: number(case, "finalizesAt"),
                proof: vectors.proof(case),
                candidate: vectors.state(&case["candidate"]).1,
            },
            other => panic!("unknown event {other}"),
        };
        let topics: Vec<B256> =
            case["topics"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(topics[0].to_string(), vectors.adjudicator["events"][name], "{name}");
        assert_eq!(AdjudicatorEvent::decode(&topics, &bytes(case, "data")), Ok(expected), "{name}");
        seen.insert(name.to_owned());
    }
    let published = vectors.adjudicator["events"].as_object().unwrap();
    assert_eq!(seen, published.keys().cloned().collect(), "every event is covered");
}

#[test]
fn status_words_are_those_of_the_published_package() {
    let vectors = vectors();
    let cases = vectors.section("statuses");
    assert!(cases.len() >= 4);
    for case in cases {
        let status = ChannelStatus {
            turn_num_record: number(case, "turnNumRecord"),
            finalizes_at: number(case, "finalizesAt"),
            fingerprint: ChannelStatus::fingerprint(word(case, "stateHash"), word(case, "outcomeHash")),
        };
        assert_eq!(ChannelStatus::from_word(word(case, "status")), status, "{case}");
        assert_eq!(calls::decode_status_of(&bytes(case, "status")), Ok(status), "{case}");
        assert_eq!(calls::decode_unpack_status(&bytes(case, "unpacked")), Ok(status), "{case}");
        assert_ne!(status.fingerprint, FixedBytes::ZERO);
    }
}

#[test]
fn published_states_are_recovered_to_the_participants_who_signed() {
    let vectors = vectors();
    for (file, name) in [(&vectors.nitro, "nitro"), (&vectors.edges, "edges")] {
        for (index, case) in file["states"].as_array().unwrap().iter().enumerate() {
            let (fixed, mut signed) = vectors.state(&serde_json::json!([name, index]));
            let expected = case["sigs"].as_array().unwrap().iter().fold(U256::ZERO, |bits, sig| {
                let signer = address(sig, "signer");
                let bit = fixed.participants.iter().position(|&p| p == signer).unwrap();
                bits | U256::from(1_u64 << bit)
            });
            let recovered = recover_variable_part(&fixed, &signed).unwrap();
            assert_eq!(recovered.signed_by, expected, "{name} {index}");
            assert_eq!(recovered.variable_part, signed.variable_part);

            signed.variable_part.turn_num ^= 1;
            let recovered = recover_variable_part(&fixed, &signed).unwrap();
            assert_eq!(recovered.signed_by, U256::ZERO, "{name} {index}: not over this state");
        }
    }
}
