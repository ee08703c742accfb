//! `decode_outcome`, and `Guarantee::decode` on what allocations carry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::crypto::keccak256;
use millstream_core::nitro::{
    DecodeError, Guarantee, MAX_BYTES, address_destination, decode_outcome, destination_address, encode_outcome,
    outcome_hash,
};
use millstream_fuzz::{above_limit, bounded};

fuzz_target!(|input: &[u8]| {
    let refused = above_limit(MAX_BYTES, input, decode_outcome);
    assert_eq!(refused, Err(DecodeError::TooLarge { length: MAX_BYTES + 1, limit: MAX_BYTES }));

    let outcome = match bounded(input, decode_outcome) {
        Ok(outcome) => outcome,
        Err(error) => return assert!(!error.code().is_empty() && !error.to_string().is_empty()),
    };
    assert_eq!(encode_outcome(&outcome).as_ref(), input, "what is accepted is what Solidity writes");
    assert_eq!(outcome_hash(&outcome), keccak256(input));
    for allocation in outcome.iter().flat_map(|exit| &exit.allocations) {
        if let Ok(guarantee) = Guarantee::decode(&allocation.metadata) {
            assert_eq!(guarantee.encode(), allocation.metadata);
        }
        if let Some(address) = destination_address(allocation.destination) {
            assert_eq!(address_destination(address), allocation.destination);
        }
    }
});
