//! `decode_checkpoint`: the call behind a log that names only a turn. Whoever sent it chose the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::nitro::calls::{checkpoint, decode_checkpoint};
use millstream_core::nitro::{DecodeError, FixedPart, MAX_EVENT_BYTES, MAX_UINT48};
use millstream_core::{Address, Bytes};
use millstream_fuzz::{above_limit, bounded_by};

/// Parts of a call may be read several times, as the contract reads them, so what is asked for is not in proportion to
/// the input: the decoder stops at eight times the limit, and vectors take a few times their items while they grow.
const MOST: usize = 32 * MAX_EVENT_BYTES;

fuzz_target!(|input: &[u8]| {
    let is_call = input.starts_with(&[0x6d, 0x2a, 0x9c, 0x92]);
    let limit = MAX_EVENT_BYTES + 4;
    let refused = above_limit(limit, input, decode_checkpoint);
    let expected = DecodeError::TooLarge { length: MAX_EVENT_BYTES + 1, limit: MAX_EVENT_BYTES };
    assert_eq!(refused, Err(if is_call { expected } else { DecodeError::Malformed }));

    match bounded_by(MOST, input, decode_checkpoint) {
        Ok((proof, candidate)) => {
            assert!(is_call);
            assert!(proof.iter().chain([&candidate]).all(|state| state.variable_part.turn_num <= MAX_UINT48));
            let fixed_part = FixedPart {
                participants: vec![Address::ZERO],
                channel_nonce: 0,
                app_definition: Address::ZERO,
                challenge_duration: 1,
            };
            let written: Bytes = checkpoint(&fixed_part, &proof, &candidate);
            assert_eq!(decode_checkpoint(&written), Ok((proof, candidate)));
        }
        Err(error) => assert!(!error.code().is_empty() && !error.to_string().is_empty()),
    }
});
