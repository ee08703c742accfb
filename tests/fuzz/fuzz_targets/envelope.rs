//! `Envelope::open` on raw bytes. Behind a signature that holds, see `message`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::Address;
use millstream_core::wire::{Envelope, MAX_MESSAGE_BYTES, WireError};
use millstream_fuzz::{above_limit, bounded};

fuzz_target!(|input: &[u8]| {
    let refused = above_limit(MAX_MESSAGE_BYTES, input, |bytes| Envelope::open(bytes, Address::ZERO));
    assert_eq!(refused, Err(WireError::TooLarge { length: MAX_MESSAGE_BYTES + 1, limit: MAX_MESSAGE_BYTES }));

    let open = |receiver| bounded(input, |bytes| Envelope::open(bytes, receiver));
    let result = match open(Address::ZERO) {
        Err(WireError::WrongReceiver { receiver }) => open(receiver),
        result => result,
    };
    match result {
        Ok(envelope) => {
            let message = minicbor::to_vec(&envelope.message).expect("a vector takes everything");
            assert_eq!(minicbor::decode(&message).ok().as_ref(), Some(&envelope.message));
        }
        Err(error) => assert!(!error.code().is_empty() && !error.to_string().is_empty()),
    }
});
