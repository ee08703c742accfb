//! `Mnemonic::parse`, and `Mnemonic::from_entropy` with the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::keys::Mnemonic;

fuzz_target!(|input: &[u8]| {
    match Mnemonic::from_entropy(input) {
        Ok(mnemonic) => {
            assert_eq!(mnemonic.entropy().as_slice(), input);
            let words = mnemonic.phrase();
            assert_eq!(words.split(' ').count(), input.len() * 3 / 4); // BIP-39: 11 bits a word, one check bit in 32
            let again = Mnemonic::parse(&words).expect("its own words");
            assert_eq!(again.entropy().as_slice(), input);
        }
        Err(error) => assert!(!error.code().is_empty() && !matches!(input.len(), 16 | 32)),
    }
    let Ok(words) = str::from_utf8(input) else { return };
    match Mnemonic::parse(words) {
        Ok(mnemonic) => {
            let again = Mnemonic::parse(&mnemonic.phrase()).expect("its own words");
            assert_eq!(again.entropy(), mnemonic.entropy());
        }
        Err(error) => assert!(!error.code().is_empty() && !error.to_string().is_empty()),
    }
});
