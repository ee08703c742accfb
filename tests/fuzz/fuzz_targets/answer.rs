//! The answers of the adjudicator's views, and a guarantee: all of one to three words, so all read the same input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::nitro::calls::{decode_holdings, decode_status_of, decode_unpack_status};
use millstream_core::nitro::{ChannelStatus, DecodeError, Guarantee, MAX_BYTES, MAX_UINT48};
use millstream_core::{B256, U256};
use millstream_fuzz::{above_limit, bounded};

/// What a decoder of `words` words that takes every value says of input of another length.
fn wrong_length(input: &[u8], words: usize) -> Option<DecodeError> {
    match input.len().cmp(&(words * 32)) {
        core::cmp::Ordering::Less => Some(DecodeError::Malformed),
        core::cmp::Ordering::Equal => None,
        core::cmp::Ordering::Greater => Some(DecodeError::Trailing),
    }
}

fn status_word(status: &ChannelStatus) -> U256 {
    let turn = U256::from(status.turn_num_record) << 208;
    turn | U256::from(status.finalizes_at) << 160 | U256::from_be_slice(status.fingerprint.as_slice())
}

fuzz_target!(|input: &[u8]| {
    let too_large = Some(DecodeError::TooLarge { length: MAX_BYTES + 1, limit: MAX_BYTES });
    above_limit(MAX_BYTES, input, |bytes| {
        assert_eq!(decode_holdings(bytes).err(), too_large);
        assert_eq!(decode_status_of(bytes).err(), too_large);
        assert_eq!(decode_unpack_status(bytes).err(), too_large);
        assert_eq!(Guarantee::decode(bytes).err(), too_large);
    });

    let holdings = bounded(input, decode_holdings);
    assert_eq!(holdings.err(), wrong_length(input, 1));
    let status = bounded(input, decode_status_of);
    assert_eq!(status.err(), wrong_length(input, 1));
    if let (Ok(holdings), Ok(status)) = (holdings, status) {
        assert_eq!(B256::from(holdings), B256::from_slice(input));
        assert_eq!(status_word(&status), holdings);
    }

    let guarantee = bounded(input, Guarantee::decode);
    assert_eq!(guarantee.err(), wrong_length(input, 2));
    if let Ok(guarantee) = guarantee {
        assert_eq!(guarantee.encode().as_ref(), input);
    }

    match bounded(input, decode_unpack_status) {
        Ok(status) => {
            assert!(status.turn_num_record <= MAX_UINT48 && status.finalizes_at <= MAX_UINT48);
            let fingerprint = U256::from_be_slice(status.fingerprint.as_slice());
            let words = [U256::from(status.turn_num_record), U256::from(status.finalizes_at), fingerprint];
            assert_eq!(words.map(|word| word.to_be_bytes::<32>()).concat(), input);
        }
        Err(error) => assert!(error == DecodeError::Malformed || Some(error) == wrong_length(input, 3)),
    }
});
