//! `Channel::from_bytes`: what a store hands back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::B256;
use millstream_core::channel::{Channel, MAX_RECORD_BYTES, RecordError};
use millstream_core::nitro::decode_outcome;
use millstream_fuzz::{above_limit, bounded, longer};

fuzz_target!(|input: &[u8]| {
    let refused = above_limit(MAX_RECORD_BYTES, input, |bytes| Channel::from_bytes(B256::ZERO, bytes));
    assert_eq!(refused, Err(RecordError::TooLarge { length: MAX_RECORD_BYTES + 1 }));

    // The key must be the channel's id; the error names it.
    let key = match bounded(input, |bytes| Channel::from_bytes(B256::ZERO, bytes)) {
        Err(RecordError::WrongKey { actual, .. }) => actual,
        Err(error) => return assert!(!error.code().is_empty() && !error.to_string().is_empty()),
        Ok(_) => panic!("nothing hashes to zero"),
    };
    let channel = Channel::from_bytes(key, input).expect("read under its own key");
    assert_eq!(channel.to_bytes(), input, "a record has one form");
    assert_eq!(Channel::from_bytes(key, &longer(input)), Err(RecordError::Malformed));

    assert_eq!(channel.terms.channel_id(), key);
    assert!(channel.remaining() <= channel.balances().payer);
    assert!(!channel.status().name().is_empty());
    let _ =
        (channel.peer(), channel.paid(), channel.cumulative_amount(), channel.last_serial(), channel.terms.validate());
    if let Some(dispute) = &channel.facts().dispute {
        let _ = decode_outcome(&dispute.outcome);
    }
});
