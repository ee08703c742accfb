//! Random states, channels and signatures.

use alloy_primitives::{Address, B256, Bytes, U256};
use millstream_core::crypto::{LocalSigner, Signature, Signer};
use millstream_core::nitro::{
    Allocation, AllocationType, AssetType, FixedPart, MAX_UINT48, Outcome, SignedVariablePart, SingleAssetExit,
    VariablePart,
};
use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) fn word() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

pub(crate) fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

/// Small numbers, the edges of the types that amounts pass through, and anything else.
pub(crate) fn amount() -> impl Strategy<Value = U256> {
    prop_oneof![
        any::<u8>().prop_map(U256::from),
        Just(U256::from(u64::MAX)),
        Just(U256::from(u128::MAX)),
        Just(U256::MAX),
        any::<[u8; 32]>().prop_map(U256::from_be_bytes),
    ]
}

pub(crate) fn uint48() -> impl Strategy<Value = u64> {
    prop_oneof![0..4_u64, Just(MAX_UINT48), 0..=MAX_UINT48]
}

/// Byte strings with lengths around whole words.
pub(crate) fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![Just(0_usize), Just(31), Just(32), Just(33), 0..100_usize]
        .prop_flat_map(|length| vec(any::<u8>(), length))
        .prop_map(Bytes::from)
}

fn allocation() -> impl Strategy<Value = Allocation> {
    let types = prop_oneof![
        Just(AllocationType::Simple),
        Just(AllocationType::WithdrawHelper),
        Just(AllocationType::Guarantee)
    ];
    (word(), amount(), types, bytes()).prop_map(|(destination, amount, allocation_type, metadata)| Allocation {
        destination,
        amount,
        allocation_type,
        metadata,
    })
}

fn single_asset_exit() -> impl Strategy<Value = SingleAssetExit> {
    let types = prop_oneof![
        Just(AssetType::Default),
        Just(AssetType::Erc721),
        Just(AssetType::Erc1155),
        Just(AssetType::Qualified)
    ];
    (address(), types, bytes(), vec(allocation(), 0..4)).prop_map(|(asset, asset_type, asset_metadata, allocations)| {
        SingleAssetExit { asset, asset_type, asset_metadata, allocations }
    })
}

pub(crate) fn outcome() -> impl Strategy<Value = Outcome> {
    vec(single_asset_exit(), 0..4)
}

pub(crate) fn variable_part() -> impl Strategy<Value = VariablePart> {
    (outcome(), bytes(), uint48(), any::<bool>()).prop_map(|(outcome, app_data, turn_num, is_final)| VariablePart {
        outcome,
        app_data,
        turn_num,
        is_final,
    })
}

pub(crate) fn fixed_part() -> impl Strategy<Value = FixedPart> {
    (vec(address(), 0..4), any::<u64>(), address(), uint48()).prop_map(
        |(participants, channel_nonce, app_definition, challenge_duration)| FixedPart {
            participants,
            channel_nonce,
            app_definition,
            challenge_duration,
        },
    )
}

pub(crate) fn signature() -> impl Strategy<Value = Signature> {
    (1..u64::MAX, word()).prop_map(|(secret, digest)| {
        let secret = U256::from(secret).to_be_bytes();
        LocalSigner::from_secret_bytes(&secret).unwrap().sign_digest(&digest).unwrap()
    })
}

pub(crate) fn signed_variable_part() -> impl Strategy<Value = SignedVariablePart> {
    (variable_part(), vec(signature(), 0..3))
        .prop_map(|(variable_part, signatures)| SignedVariablePart { variable_part, signatures })
}
