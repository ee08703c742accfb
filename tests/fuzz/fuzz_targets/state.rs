//! `VariablePart::decode`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::B256;
use millstream_core::nitro::{DecodeError, MAX_BYTES, VariablePart, state_hash};
use millstream_fuzz::{above_limit, bounded};

fuzz_target!(|input: &[u8]| {
    let refused = above_limit(MAX_BYTES, input, VariablePart::decode);
    assert_eq!(refused, Err(DecodeError::TooLarge { length: MAX_BYTES + 1, limit: MAX_BYTES }));

    match bounded(input, VariablePart::decode) {
        Ok(part) => {
            assert_eq!(part.encode().as_ref(), input, "what is accepted is what Solidity writes");
            assert_eq!(part.validate(), Ok(()));
            assert_ne!(
                state_hash(B256::ZERO, &part),
                state_hash(B256::ZERO, &VariablePart { is_final: !part.is_final, ..part })
            );
        }
        Err(error) => assert!(!error.code().is_empty() && !error.to_string().is_empty()),
    }
});
