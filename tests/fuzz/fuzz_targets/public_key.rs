//! `PublicKey::from_sec1_bytes`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::Address;
use millstream_core::crypto::{PublicKey, keccak256};

fuzz_target!(|input: &[u8]| {
    let Ok(key) = PublicKey::from_sec1_bytes(input) else { return };
    let compressed = key.to_sec1_bytes();
    assert_eq!(PublicKey::from_sec1_bytes(&compressed), Ok(key));
    match input {
        [2 | 3, ..] => assert_eq!(input, compressed),
        [4, coordinates @ ..] => {
            assert_eq!(&coordinates[..32], &compressed[1..]);
            assert_eq!(key.address(), Address::from_word(keccak256(coordinates)));
        }
        _ => panic!("a key in a form that is not read: {input:?}"),
    }
});
