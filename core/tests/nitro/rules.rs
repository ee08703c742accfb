//! Ids, ranges, recovery and status, where the expected value follows from the contracts' source.

use alloy_primitives::{Address, B256, Bytes, U256, address, b256};
use millstream_core::crypto::{LocalSigner, Signature, Signer, keccak256};
use millstream_core::nitro::{
    ChannelMode, ChannelStatus, FixedPart, MAX_UINT48, SignedVariablePart, StateError, VariablePart,
    address_destination, calls, challenge_digest, destination_address, recover_variable_part, sign_challenge,
    sign_state, state_hash, verify_state_signature,
};

fn signer(seed: u8) -> LocalSigner {
    LocalSigner::from_secret_bytes(&[seed; 32]).unwrap()
}

fn fixed_part(participants: Vec<Address>) -> FixedPart {
    FixedPart { participants, channel_nonce: 7, app_definition: Address::repeat_byte(9), challenge_duration: 3600 }
}

fn variable_part(turn_num: u64) -> VariablePart {
    VariablePart { outcome: vec![], app_data: Bytes::new(), turn_num, is_final: false }
}

#[test]
fn a_channel_has_1_to_255_different_participants() {
    let address = |n: u16| Address::from_word(B256::from(U256::from(n)));
    let channel = |count: u16| fixed_part((1..=count).map(address).collect());
    assert_eq!(channel(1).validate(), Ok(()));
    assert_eq!(channel(255).validate(), Ok(()));
    assert_eq!(channel(0).validate(), Err(StateError::ParticipantCount { count: 0 }));
    assert_eq!(channel(256).validate(), Err(StateError::ParticipantCount { count: 256 }));

    let [a, b, c] = [address(1), address(2), address(3)];
    for twice in [vec![a, a], vec![b, a, c, b], vec![c, b, b]] {
        let error = fixed_part(twice.clone()).validate().unwrap_err();
        assert_eq!(error.code(), "STATE_DUPLICATE_PARTICIPANT", "{twice:?}");
    }
}

#[test]
fn numbers_above_48_bits_are_invalid_and_never_cut() {
    let mut fixed = fixed_part(vec![Address::repeat_byte(1)]);
    fixed.challenge_duration = MAX_UINT48;
    assert_eq!(fixed.validate(), Ok(()));
    fixed.challenge_duration += 1;
    let error = StateError::ChallengeDurationOutOfRange { seconds: 1 << 48 };
    assert_eq!(fixed.validate(), Err(error));
    let with_zero = FixedPart { challenge_duration: 0, ..fixed.clone() };
    assert_ne!(fixed.channel_id(), with_zero.channel_id());

    assert_eq!(variable_part(MAX_UINT48).validate(), Ok(()));
    let error = StateError::TurnOutOfRange { turn_num: 1 << 48 };
    assert_eq!(variable_part(1 << 48).validate(), Err(error));
    let id = B256::ZERO;
    assert_ne!(state_hash(id, &variable_part(1 << 48)), state_hash(id, &variable_part(0)));
}

#[test]
fn every_member_of_a_state_is_in_its_hash() {
    let hash = |id, part: &VariablePart| state_hash(id, part);
    let part = variable_part(1);
    let original = hash(B256::ZERO, &part);
    assert_ne!(hash(B256::with_last_byte(1), &part), original);
    assert_ne!(hash(B256::ZERO, &VariablePart { turn_num: 2, ..part.clone() }), original);
    assert_ne!(hash(B256::ZERO, &VariablePart { is_final: true, ..part.clone() }), original);
    let app_data = Bytes::from_static(&[0]);
    assert_ne!(hash(B256::ZERO, &VariablePart { app_data, ..part }), original);
}

#[test]
fn signatures_of_participants_set_their_bits() {
    let [a, b, c, stranger] = [signer(1), signer(2), signer(3), signer(4)];
    let fixed = fixed_part(vec![a.address(), b.address(), c.address()]);
    let part = variable_part(4);
    let hash = state_hash(fixed.channel_id(), &part);
    let recovered = |signers: &[&LocalSigner]| {
        let signatures = signers.iter().map(|signer| sign_state(*signer, hash).unwrap()).collect();
        let signed = SignedVariablePart { variable_part: part.clone(), signatures };
        let recovered = recover_variable_part(&fixed, &signed).unwrap();
        assert_eq!(recovered.variable_part, part);
        recovered.signed_by
    };
    assert_eq!(recovered(&[]), U256::ZERO);
    assert_eq!(recovered(&[&a]), U256::from(0b001));
    assert_eq!(recovered(&[&c, &a]), U256::from(0b101));
    assert_eq!(recovered(&[&b, &c, &a]), U256::from(0b111));
    assert_eq!(recovered(&[&b, &b]), U256::from(0b010));
    assert_eq!(recovered(&[&stranger, &b]), U256::from(0b010));

    let dyn_signer: &dyn Signer = &a;
    let signature = sign_state(dyn_signer, hash).unwrap();
    assert_eq!(verify_state_signature(hash, &signature, a.address()), Ok(()));
    assert!(verify_state_signature(hash, &signature, b.address()).is_err());
    assert!(verify_state_signature(keccak256(hash), &signature, a.address()).is_err());
}

#[test]
fn a_signature_that_recovers_nobody_is_an_error() {
    let a = signer(1);
    let fixed = fixed_part(vec![a.address()]);
    let part = variable_part(0);
    let good = sign_state(&a, state_hash(fixed.channel_id(), &part)).unwrap();
    // 5³ + 7 is no square, so r = 5 is on no point.
    let bad = Signature::from_chain(B256::with_last_byte(5), good.s(), 27).unwrap();
    let signed = SignedVariablePart { variable_part: part, signatures: vec![good, bad] };
    let error = recover_variable_part(&fixed, &signed).unwrap_err();
    assert!(matches!(error, StateError::InvalidSignature { index: 1, .. }), "{error:?}");
    assert_eq!(error.code(), "STATE_INVALID_SIGNATURE");
}

#[test]
fn a_signer_beyond_the_bit_mask_is_an_error() {
    let a = signer(1);
    let others = (0..256_u32).map(|n| Address::from_word(B256::from(U256::from(n + 1))));
    let fixed = fixed_part(others.chain([a.address()]).collect());
    let part = variable_part(0);
    let signature = sign_state(&a, state_hash(fixed.channel_id(), &part)).unwrap();
    let signed = SignedVariablePart { variable_part: part, signatures: vec![signature] };
    let error = StateError::ParticipantCount { count: 257 };
    assert_eq!(recover_variable_part(&fixed, &signed), Err(error));
}

#[test]
fn a_challenge_signature_is_not_a_state_signature() {
    let a = signer(1);
    let hash = keccak256("state");
    let signature = sign_challenge(&a, hash).unwrap();
    assert_eq!(signature.recover(&challenge_digest(hash)), Ok(a.address()));
    assert!(verify_state_signature(hash, &signature, a.address()).is_err());
}

#[test]
fn destinations_are_addresses_or_channels() {
    let address = address!("1111111111111111111111111111111111111111");
    let destination = b256!("0000000000000000000000001111111111111111111111111111111111111111");
    assert_eq!(address_destination(address), destination);
    assert_eq!(destination_address(destination), Some(address));
    let channel = b256!("0000000000000000000000011111111111111111111111111111111111111111");
    assert_eq!(destination_address(channel), None);
    assert_eq!(destination_address(B256::ZERO), Some(Address::ZERO));
}

#[test]
fn the_mode_follows_from_the_time() {
    let at = |finalizes_at, now| ChannelStatus { finalizes_at, ..Default::default() }.mode(now);
    assert_eq!(at(0, 0), ChannelMode::Open);
    assert_eq!(at(0, u64::MAX), ChannelMode::Open);
    assert_eq!(at(100, 99), ChannelMode::Challenge);
    assert_eq!(at(100, 100), ChannelMode::Finalized);
    assert_eq!(at(100, 101), ChannelMode::Finalized);
    assert_eq!(calls::decode_status_of(&[0; 32]), Ok(ChannelStatus::default()));
}
