//! `Channel::from_bytes`: what a store hands back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::B256;
use millstream_core::channel::{Channel, RecordError};
use millstream_core::nitro::decode_outcome;
use millstream_fuzz::{bounded, longer};

fuzz_target!(|input: &[u8]| {
    // The key must be the channel's id; the error names it.
    let key = match bounded(input, |bytes| Channel::from_bytes(B256::ZERO, bytes)) {
        Err(RecordError::WrongKey { actual, .. }) => actual,
        Err(error) => return assert!(!error.code().is_empty() && !error.to_string().is_empty()),
        Ok(_) => panic!("nothing hashes to zero"),
    };
    let channel = Channel::from_bytes(key, input).expect("read under its own key");
    let encoded = channel.to_bytes();
    let again = Channel::from_bytes(key, &encoded).expect("what was written can be read");
    assert_eq!(again, channel);
    assert_eq!(again.to_bytes(), encoded);
    assert_eq!(Channel::from_bytes(key, &longer(input)), Err(RecordError::Malformed));

    assert_eq!(channel.terms.channel_id(), key);
    assert!(channel.remaining() <= channel.terms.deposit);
    assert!(!channel.status().name().is_empty());
    let _ = (channel.peer(), channel.cumulative_amount(), channel.last_serial(), channel.terms.validate());
    if let Some(dispute) = &channel.dispute {
        let _ = decode_outcome(&dispute.outcome);
    }
});
