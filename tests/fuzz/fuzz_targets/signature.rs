//! `Signature::from_bytes` and `from_chain`, and recovery. Bytes after the 65 of a signature make the digest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::crypto::{Signature, SignatureError, keccak256};
use millstream_core::{Address, B256, U256};

/// The order of secp256k1 (SEC 2, 2.4.1).
const ORDER: U256 = U256::from_limbs([0xbfd2_5e8c_d036_4141, 0xbaae_dce6_af48_a03b, u64::MAX - 1, u64::MAX]);

fuzz_target!(|input: &[u8]| {
    if input.len() != Signature::LENGTH {
        assert_eq!(Signature::from_bytes(input), Err(SignatureError::Length { length: input.len() }));
    }
    let Some((bytes, rest)) = input.split_at_checked(Signature::LENGTH) else { return };
    let (r, s, v) = (B256::from_slice(&bytes[..32]), B256::from_slice(&bytes[32..64]), bytes[64]);

    // The ranges, in plain arithmetic.
    let in_range = |word: B256| (U256::ONE..ORDER).contains(&U256::from_be_bytes(word.0));
    let is_high = U256::from_be_bytes(s.0) > ORDER >> 1;
    let expected = if !matches!(v, 27 | 28) {
        Err(SignatureError::RecoveryId { v })
    } else if !in_range(r) || !in_range(s) {
        Err(SignatureError::Invalid)
    } else {
        Ok(())
    };
    let from_chain = Signature::from_chain(r, s, v);
    assert_eq!(from_chain.map(|_| ()), expected);
    let from_bytes = Signature::from_bytes(bytes);
    assert_eq!(from_bytes.map(|_| ()), if is_high { expected.and(Err(SignatureError::HighS)) } else { expected });

    let Ok(signature) = from_chain else { return };
    let low = if is_high { ORDER - U256::from_be_bytes(s.0) } else { s.into() };
    let v = if is_high { 27 + 28 - v } else { v };
    assert_eq!((signature.r(), U256::from_be_bytes(signature.s().0), signature.v()), (r, low, v));
    assert_eq!(Signature::from_bytes(&signature.to_bytes()), Ok(signature));

    let digest = keccak256(rest);
    if let Ok(signer) = signature.recover(&digest) {
        assert_eq!(signature.verify(&digest, signer), Ok(()));
        let expected = Address::with_last_byte(1);
        let error = SignatureError::WrongSigner { expected, recovered: signer };
        assert_eq!(signature.verify(&digest, expected), Err(error));
    }
});
