//! `decode_reclaim`: the call behind a log that does not say what was reclaimed. Whoever sent it chose the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::B256;
use millstream_core::nitro::calls::{ReclaimArgs, decode_reclaim, reclaim};
use millstream_core::nitro::{DecodeError, MAX_EVENT_BYTES, decode_outcome};
use millstream_fuzz::{above_limit, bounded_by};

/// As for `checkpoint`.
const MOST: usize = 32 * MAX_EVENT_BYTES;

fuzz_target!(|input: &[u8]| {
    let is_call = reclaim(&some(0, Default::default())).starts_with(input.get(..4).unwrap_or(&[1]));
    let refused = above_limit(MAX_EVENT_BYTES + 4, input, decode_reclaim);
    let expected = DecodeError::TooLarge { length: MAX_EVENT_BYTES + 1, limit: MAX_EVENT_BYTES };
    assert_eq!(refused, Err(if is_call { expected } else { DecodeError::Malformed }));

    match bounded_by(MOST, input, decode_reclaim) {
        Ok((index, outcome)) => {
            assert!(is_call);
            let _ = decode_outcome(&outcome);
            assert_eq!(decode_reclaim(&reclaim(&some(index, outcome.clone()))), Ok((index, outcome)));
        }
        Err(error) => assert!(!error.code().is_empty() && !error.to_string().is_empty()),
    }
});

fn some(index: u64, target_outcome_bytes: millstream_core::Bytes) -> ReclaimArgs {
    ReclaimArgs {
        source_channel_id: B256::ZERO,
        source_state_hash: B256::ZERO,
        source_outcome_bytes: Default::default(),
        source_asset_index: 0,
        index_of_target_in_source: index,
        target_state_hash: B256::ZERO,
        target_outcome_bytes,
        target_asset_index: 0,
    }
}
